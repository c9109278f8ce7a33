package diagnose

import "slices"

// form is one way in which AWS says no. Which cause is behind it, the text
// often does not tell; the weights are how often each is, other things equal.
type form struct {
	name   string
	words  []phrase                // any of them, in lower case
	when   func(in *Incident) bool // what has to hold beside; nil for nothing
	says   string                  // what AWS means by these words
	action string                  // the KMS action that such a failure lacks, where the text names none
	kind   Kind                    // who it is that lacks it, where the text does not tell
	causes []prior
}

// prior is a cause of a form before the rest of the text is looked at.
type prior struct {
	code   string
	weight float64
}

// forms lists all forms, the most telling first: the first that fits a text is
// its form.
func forms() []form {
	return slices.Concat(formsOfPolicies(), formsOfLayers(), formsOfRequests(), formsOfKeys(), formsOfServices(), formsOfStorage(), formsOfData(), formsOfRefusals(), formsOfLast())
}

// The codes that the tables name more than once.
const (
	iamMissing      = "iam-policy-missing-action"
	keyPrincipal    = "key-policy-missing-principal"
	keyAction       = "key-policy-missing-action"
	keyRoot         = "key-policy-root-delegation-missing"
	keyService      = "key-policy-missing-service-principal"
	slrMissing      = "slr-missing-key-access"
	crossAccount    = "cross-account-key-access"
	defaultKey      = "default-key-not-shareable"
	managedKey      = "aws-managed-key-not-usable"
	badPrincipal    = "malformed-policy-invalid-principal"
	lockout         = "malformed-policy-lockout"
	aliasMisuse     = "alias-misuse"
	aliasNotFound   = "alias-not-found"
	condition       = "policy-condition-mismatch"
	wrongContext    = "encryption-context-mismatch"
	badParameter    = "invalid-request-parameters"
	wrongRegion     = "wrong-region"
	wrongIdentity   = "wrong-credentials"
	wrongKey        = "wrong-key"
	noCredentials   = "credentials-missing-or-invalid"
	staleGrant      = "grant-stale-recreated-principal"
	keyDisabled     = "key-disabled"
	keyDeletion     = "key-pending-deletion"
	keyNotFound     = "key-not-found"
	keyUsage        = "key-spec-or-usage-mismatch"
	scpDeny         = "scp-deny"
	rcpDeny         = "rcp-deny"
	endpointDeny    = "vpce-deny"
	boundaryDeny    = "boundary-deny"
	sessionDeny     = "session-policy-deny"
	explicitDeny    = "explicit-deny"
	unreachable     = "network-endpoint-unreachable"
	throttled       = "throttling"
	bucketPolicy    = "bucket-policy-requires-sse"
	notYet          = "eventual-consistency"
	corrupt         = "corrupt-ciphertext"
	badGrantToken   = "invalid-grant-token"
	quotaUsed       = "limit-exceeded"
	aliasExists     = "alias-already-exists"
	signatureNeeded = "sigv4-required"
)
