// Package input makes of a file what the rules of lint look at. It finds out
// what the file is, by what stands in it first and by its name second: a policy
// in JSON or YAML, a template of CloudFormation, Ansible or Kubernetes, grants,
// Terraform, a script, a text.
//
// Nothing of a file is executed, and no other file is opened. What a template
// works out elsewhere stays unknown: a text keeps the place as ${…}, and a
// whole value is a source.Intrinsic.
package input
