// Package terraform makes material of Terraform: of configuration in HCL or
// JSON, and of what "terraform show -json" prints of a plan or a state.
//
// Of configuration it works out what can be known without running Terraform:
// literals, templates, locals, a set of functions. What comes from variables,
// other resources or AWS is unknown: a node of the kind Intrinsic, or within a
// text a part that stays written as ${…}. Where a condition is not known and
// only one of its sides holds anything, that side is read: what it says can
// come to be.
package terraform
