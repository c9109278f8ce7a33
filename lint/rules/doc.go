// Package rules holds what Keyreach knows to be wrong in policies, grants,
// keys, templates and commands: one file for each rule, with its severity, the
// AWS page it stands on, what happens, what to do, a text in which it fires and
// a look-alike in which it stays silent.
//
// A rule looks at Material, which is what a reader made of one text: policies,
// grants, keys, declared resources, commands, prose. It does not know how that
// text was written. keyreach lint makes material of files, keyreach check of an
// estate; the rules are the same ones.
package rules
