// Package access holds the one gate: Authorize decides whether a request is
// allowed and says why, and Decide gives the same decision without the
// reasons. Everything in Keyreach that asks whether something is allowed asks
// here; there is no second evaluator.
//
// The rules are those of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
// and, for KMS keys,
// https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html,
// with grants, key states and the limits of cross-account use. Where AWS was
// recorded to answer differently from its pages, the recording decides.
//
// Decisions are three-valued: what rests on something that nobody knows comes
// out Unknown, with the missing fact named.
package access
