package diagnose

import (
	"maps"
	"slices"
)

// codeTexts says each cause in one sentence.
func codeTexts() map[string]string {
	return map[string]string{
		"iam-policy-missing-action":            "The caller's own IAM policies do not allow the action on this key (or leave the key or alias out of Resource).",
		"key-policy-missing-principal":         "The key policy does not admit the caller.",
		"key-policy-missing-action":            "The key policy names the caller or its account, but not this action.",
		"key-policy-root-delegation-missing":   "The key policy does not hand the action to the account (root), so IAM policies have no effect on the key.",
		"key-policy-missing-service-principal": "The key policy does not admit the AWS service that uses the key.",
		"slr-missing-key-access":               "A service-linked role has neither an entry in the key policy nor a grant.",
		"cross-account-key-access":             "The key is in another account, and one of the two sides (key policy there, IAM here) is not open.",
		"default-key-not-shareable":            "The data is encrypted with an AWS managed key, which never works for another account.",
		"aws-managed-key-not-usable":           "The key is AWS managed; its fixed policy does not serve this service, account or action and cannot be changed.",
		"malformed-policy-invalid-principal":   "The policy names a principal that does not exist.",
		"malformed-policy-lockout":             "KMS refuses the policy because its author could not change it afterwards.",
		"alias-misuse":                         "An alias stands where a key id or ARN is needed, or is written without alias/.",
		"alias-not-found":                      "The alias does not exist in this account and Region.",
		"alias-already-exists":                 "The alias is there already.",
		"policy-condition-mismatch":            "A statement allows it, but its condition does not hold for this call.",
		"encryption-context-mismatch":          "The encryption context is not the one that was given when the data was encrypted.",
		"invalid-request-parameters":           "A parameter of the request is missing, malformed or contradicts another.",
		"wrong-region":                         "The key is looked for in another Region than its own.",
		"wrong-credentials":                    "The call was made as somebody else than intended.",
		"wrong-key":                            "Another key than the one that encrypted the data was used or named.",
		"sigv4-required":                       "S3 wants Signature Version 4 for objects encrypted with KMS.",
		"credentials-missing-or-invalid":       "There are no credentials, or they are expired or invalid.",
		"grant-stale-recreated-principal":      "The grant on the key names a role that was deleted; the role of that name is a new one.",
		"key-disabled":                         "The key is disabled.",
		"key-pending-deletion":                 "The key is scheduled for deletion.",
		"key-not-found":                        "There is no such key.",
		"key-spec-or-usage-mismatch":           "The key is of a kind (spec, usage, origin) that does not do this.",
		"scp-deny":                             "A service control policy of the organization denies it or leaves it out.",
		"rcp-deny":                             "A resource control policy of the organization denies it.",
		"vpce-deny":                            "The policy of the VPC endpoint denies it or leaves it out.",
		"boundary-deny":                        "The permissions boundary of the caller denies it or leaves it out.",
		"session-policy-deny":                  "The policy given when the role was assumed denies it or leaves it out.",
		"explicit-deny":                        "A statement with Deny in the caller's policies or the key policy applies.",
		"network-endpoint-unreachable":         "The KMS endpoint could not be reached.",
		"throttling":                           "KMS was asked more often than the request quota permits.",
		"bucket-policy-requires-sse":           "The bucket policy refuses the encryption headers of the upload.",
		"eventual-consistency":                 "What was just created or changed is not yet known everywhere.",
		"corrupt-ciphertext":                   "What was given for decryption is no unaltered ciphertext.",
		"invalid-grant-token":                  "The grant token is not valid.",
		"limit-exceeded":                       "A quota of KMS on resources is used up.",
	}
}

// CodeText says in one sentence what the cause of this code is; false when no
// cause has the code.
func CodeText(code string) (string, bool) {
	t, ok := codeTexts()[code]
	return t, ok
}

// Codes lists the codes of all causes, sorted.
func Codes() []string {
	return slices.Sorted(maps.Keys(codeTexts()))
}
