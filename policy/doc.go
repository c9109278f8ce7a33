// Package policy is the AWS policy language: documents with the place of every
// element, a reader for the forms people really write, an exact printer, a
// compiled form, and the evaluation of one document for one request.
//
// It decides nothing about access. Evaluating a document says which statements
// apply, how closely each names the caller, and what stood in the way of those
// that do not; how documents of several kinds combine into a decision is the
// business of package access.
//
// The one invariant: evaluation is three-valued. What cannot be known (a
// placeholder in the policy, a context value nobody gave) is Unknown, never a
// guess, and the name of what was missing travels with it.
package policy
