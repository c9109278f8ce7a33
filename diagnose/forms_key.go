package diagnose

import (
	"slices"
	"strings"
)

// formsOfPolicies are what KMS says of policies that are written to it.
// See docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html.
func formsOfPolicies() []form {
	return []form{
		{name: "lockout", words: []phrase{"will not allow you to update the key policy"}, says: "KMS asks that who writes a key policy can write it again; it does not check this when BypassPolicyLockoutSafetyCheck is set", action: "kms:PutKeyPolicy", causes: []prior{
			{lockout, 0.95},
		}},
		{name: "invalid-principal", words: []phrase{"one or more invalid principals", "invalid principal in policy"}, says: "every principal of a policy must exist when it is written; a service-linked role does from its service's first use on", causes: []prior{
			{badPrincipal, 0.90}, {notYet, 0.05},
		}},
		{name: "no-such-grantee", words: []phrase{"arn does not refer to a valid principal"}, says: "the role for which a grant is made does not exist, or has existed for seconds only", action: "kms:CreateGrant", causes: []prior{
			{notYet, 0.46}, {badPrincipal, 0.44},
		}},
		{name: "malformed-policy", words: []phrase{"malformedpolicydocument"}, says: "KMS does not take the policy; without a word of why it is mostly a principal that is not there, or not yet", causes: []prior{
			{badPrincipal, 0.40}, {badParameter, 0.32}, {lockout, 0.08}, {notYet, 0.08},
		}},
		{name: "alias-exists", words: []phrase{"alias*already exists", "alreadyexistsexception*alias/"}, says: "an alias is unique in its account and Region", causes: []prior{
			{aliasExists, 0.96},
		}},
		{name: "sigv4", words: []phrase{"require aws signature version 4", "requires aws signature version 4", "aws kms managed keys require", "must be made with signature version 4", "aws kms*signed with v4", "sse-kms*signature version 4"}, says: "S3 takes calls about objects under SSE-KMS only when they are signed with Signature Version 4", causes: []prior{
			{signatureNeeded, 0.97},
		}},
		{name: "signature", words: []phrase{"kmsinvalidsignature", "kmsinvalidmac", "kms*signature*not valid"}, says: "KMS checked a signature or MAC and it is not of this key, message and algorithm", causes: []prior{
			{wrongKey, 0.46}, {corrupt, 0.34}, {badParameter, 0.12},
		}},
		{name: "plain-http", words: []phrase{"must be made over a secure connection"}, says: "S3 takes calls about objects under SSE-KMS only over TLS, and signed with Signature Version 4", causes: []prior{
			{signatureNeeded, 0.48}, {badParameter, 0.46},
		}},
		{name: "throttled", words: []phrase{"rate at which you may call kms", "reduce your request rate for operations involving aws kms", "kmsthrottling", "kms.throttlingexception", "throttlingexception*kms", "kms*throttlingexception", "kms*rate exceeded"}, says: "calls to KMS, also those that services make for you, count against one quota of the account and Region", causes: []prior{
			{throttled, 0.95},
		}},
		{name: "limit", words: []phrase{"limitexceededexception*grant", "limitexceededexception*alias", "limitexceededexception*kms", "limitexceededexception*cmk", "kms*limitexceeded", "limitexceededexception*key", "policy is too large", "grants quota"}, says: "KMS counts keys, aliases, grants and the size of policies", causes: []prior{
			{quotaUsed, 0.92},
		}},
		{name: "grant-token", words: []phrase{"invalidgranttoken", "grant token*invalid", "invalid grant token", "grant token is not valid"}, says: "a grant token is of one grant, and only until the grant is known everywhere", causes: []prior{
			{badGrantToken, 0.90}, {notYet, 0.04},
		}},
	}
}

// formsOfRequests are calls that did not reach a decision, and parameters that
// KMS does not take.
func formsOfRequests() []form {
	return []form{
		{name: "nobody", words: []phrase{"kms.unrecognizedclient", "no account found for the given parameters"}, says: "S3 was called by nobody that KMS knows: without a signature, or by CloudFront's origin access identity, which no key policy can name", action: "kms:Decrypt", kind: Service, causes: []prior{
			{keyService, 0.52}, {signatureNeeded, 0.16}, {noCredentials, 0.16}, {managedKey, 0.08},
		}},
		{name: "credentials", words: []phrase{
			"nocredentialproviders", "no valid providers in chain", "unable to locate credentials", "expiredtoken", "unrecognizedclientexception", "security token included in the request is",
			"invalidclienttokenid", "signaturedoesnotmatch", "invalidsignatureexception", "failed to retrieve credentials", "failed to refresh cached credentials", "missingauthenticationtoken",
			"credentialsprovidererror", "could not load credentials", "unable to load aws credentials", "unable to load credentials", "missing credentials in config", "no ec2 imds role found", "nocredentialserror", "credentials have expired", "incompletesignature", "token has expired", "invalidaccesskeyid", "not able to validate the provided access credentials", "could not find credentials", "credentials could not be", "no credentials", "security credentials from", "webidentityerr", "unable to get credentials", "failed to get credentials", "ec2 metadata", "ec2metadata", "no ec2 instance role found", "failed to find credentials", "error getting credentials", "credential should be scoped", "sso session*expired",
		}, when: aboutAWS, says: "the call was refused, or not made, before any policy was asked: AWS did not accept who signs it", causes: []prior{
			{noCredentials, 0.94}, {wrongIdentity, 0.03},
		}},
		{name: "no-region", words: []phrase{"region is missing", "must specify a region", "missing region in config", "no default region found", "no region determinable", "missingregion"}, when: aboutKey, says: "neither the settings nor the name of the key tell in which Region to call; an alias or a bare id has none in it", causes: []prior{
			{badParameter, 0.42}, {wrongRegion, 0.26}, {aliasMisuse, 0.18},
		}},
		{name: "waiting", words: []phrase{"waiting for kms key*timeout", "kms key*timeout while waiting for state", "kms*propagation*timeout", "kms*couldn't find resource (", "waiting for kms*propagat"}, says: "a tool waited for KMS to show what it had just written", causes: []prior{
			{notYet, 0.62}, {iamMissing, 0.10}, {badParameter, 0.08},
		}},
		{name: "unreachable", words: []phrase{
			"could not connect to the endpoint url*kms", "connect timeout on endpoint url*kms", "dial tcp*kms.", "kms*dial tcp", "lookup kms", "connect to kms.", "kms*i/o timeout", "kms*no such host", "kms*connection refused", "kms*connection timed out", "kms*timed out", "kms*context deadline exceeded",
			"kms*certificate", "x509*kms.", "certificate*kms.", "tls*kms.", "no such host*kms.", "refused*kms.", "timeout*kms.", "timed out*kms.", "kms*could not resolve", "kms*connect timeout", "connecttimeout*kms", "could not resolve host: kms", "unable to reach kms", "cannot reach kms", "kms*socket timeout", "kms*connection was closed", "vsock*kms", "kms*tls handshake", "kms*unknownhost", "unknownhostexception: kms", "enotfound kms", "etimedout*kms", "kms*econnrefused", "kms*econnreset", "endpointconnectionerror*kms", "kms*unable to execute http request", "kms*connection reset", "kms*unreachable", "kms*getaddrinfo", "kms*proxy error", "kms*ssl",
		}, says: "no answer of KMS is in the text: the name did not resolve, or the connection failed", causes: []prior{
			{unreachable, 0.90},
		}},
		{name: "context-named", words: []phrase{
			"encryption context*not match", "encryption context*mismatch", "invalid encryptioncontext", "encryptioncontext*invalid", "encryption context*may not match", "encryption context provided", "encryption context*does not", "encryption context*wrong", "incorrect encryption context", "encryptioncontext*does not match",
		}, says: "whoever wrote the message compares the encryption contexts of encrypting and decrypting", causes: []prior{
			{wrongContext, 0.88}, {badParameter, 0.05},
		}},
		{name: "parameter-none", words: []phrase{"kms key [none]", "kms key []", "kms key [null]", "key [none]", "keyid, value: none", "kmskeyid, value: none", "keyid*valid values*none", "invalid keyid 'none'", "invalid keyid none", "key/none", "key/null", "kms key ''", "keyid*type: <class 'nonetype'>", "kms key 'none'", "kms key 'null'", "key id 'null'", "invalid keyid 'null'", "kms key undefined", "invalid keyid 'undefined'"}, says: "where the key belongs stands the word for nothing: a setting was not filled in", causes: []prior{
			{badParameter, 0.93},
		}},
		{name: "alias-refused", words: []phrase{
			"key aliases are not supported", "aliases are not supported", "must be a valid kms key id, got*alias", "got \"alias/", "key_id* must be one of the following patterns", "key_id*is an invalid arn", "invalid value for key_id", "invalid kms key id*alias", "is an invalid arn*alias", "invalid arn*:alias/", "alias/*is not a valid*arn", "must begin with*alias/", "alias must start with*alias/", "alias/*failed to satisfy constraint", "kms*invalid arn*alias", "must be a key arn*alias", "alias*is not a valid kms", "alias*not a valid key", "alias must be prefixed", "invalidaliasname", "not a valid key arn", "kms key arn*alias/*invalid", "kms_key*expected*arn*alias", "key arn*must*alias", "isn't a valid key arn", "an alias cannot be used", "cannot use an alias", "aliasarn*not supported", "valid kms key arn*alias/", "keyarn*alias/*not a valid",
		}, says: "this place takes a key's id or ARN, and an alias only with alias/ before it, if at all", causes: []prior{
			{aliasMisuse, 0.90}, {badParameter, 0.05},
		}},
		{name: "key-missing-parameter", words: []phrase{"must specify new kms key", "must specify a kms key", "kmskeyid must be specified", "kms key id must be", "keyarn is required", "kmskeyid is required", "kms key is required", "missing required parameter*key", "you must specify*kms", "cannot be specified together*kms", "kmskeyarn cannot be specified", "encrypt cannot be false when", "kmskeyid must not be specified", "kmskeyid*explicitly specified", "kmskeyid is not valid for", "kms_key_id' not found", "kmskeyid*required", "kms_key_id*required", "'kms_key_id' not", "kms key*must be specified", "kms key*must be provided"}, says: "the call has no key where it needs one, or one beside what excludes it", causes: []prior{
			{badParameter, 0.72}, {wrongRegion, 0.18},
		}},
		{name: "validation-grant", words: []phrase{"grants must not contain", "1 validation error detected", "validation errors detected", "parameter validation failed", "paramvalidationerror", "invalid type for parameter", "invalid length for parameter", "cannot be changed*kms", "kms*cannot be changed", "kms*cannot be updated", "kms*cannot be modified", "kms*immutable", "cannot modify*kms", "can't be changed*kms", "kms*can't be changed", "kms*can't be modified", "encryption*cannot be changed", "encryption*cannot be modified", "kmskeyid*cannot be", "kms*updates are not permitted", "kmsmasterkeyid*invalid", "tagexception", "tags beginning with aws:", "duplicate tag keys", "creating unencrypted copy from an encrypted", "creating an unencrypted copy from an encrypted", "unencrypted copy from an encrypted snapshot", "modification of encryption", "encryption config*cannot be", "encryption configuration*cannot be", "encryption*already*associated"}, when: aboutKey, says: "the request itself is not acceptable, whoever makes it", causes: []prior{
			{badParameter, 0.90},
		}},
	}
}

// formsOfKeys are answers about the key itself: its state, its kind, and
// whether it is there.
// See docs.aws.amazon.com/kms/latest/developerguide/key-state.html.
func formsOfKeys() []form {
	idLike := func(in *Incident) bool {
		return (strings.Contains(in.Text, ":alias/") || !strings.Contains(in.Text, "alias/")) && !in.mentions("allowed to be used with")
	}
	return []form{
		{name: "pending-deletion", words: []phrase{"is pending deletion", "pending deletion", "pendingdeletion", "pending replica deletion", "kms*scheduled for deletion", "key*is scheduled for deletion", "kmskeymarkedfordeletion", "key*marked for deletion", "kmskeypendingdeletion"}, when: aboutKey, says: "a key that is scheduled for deletion does no cryptography until the deletion is cancelled", causes: []prior{
			{keyDeletion, 0.93}, {keyDisabled, 0.03},
		}},
		{name: "pending-import", words: []phrase{"is pending import", "pendingimport", "pending import"}, says: "a key with imported material is unusable until the material is there", causes: []prior{
			{keyUsage, 0.45}, {keyDisabled, 0.35},
		}},
		{name: "creating", words: []phrase{"key/* is creating", "key/* is updating", "kms* is creating."}, says: "a key that is being made or moved serves shortly after", causes: []prior{
			{notYet, 0.85},
		}},
		{name: "disabled", words: []phrase{"key/* is disabled", "disabledexception", "keyid*is disabled", "key is disabled", "kms key disabled", "cmk is disabled", "key*has been disabled", "key is not enabled", "key*is currently disabled", "kms.disabled", "kmsdisabled", "keydisabled", "key is in disabled state", "kms key*is disabled", "key state is disabled", "key is not in enabled state", "key isn't enabled", "kms key*was disabled", "key*got disabled"}, says: "a disabled key does no cryptography until it is enabled", causes: []prior{
			{keyDisabled, 0.93}, {keyDeletion, 0.03},
		}},
		{name: "invalid-state", words: []phrase{"kmsinvalidstate", "kms.kmsinvalidstate", "kmsinvalidstateexception"}, says: "the key is in a state in which it does not do this; of those, waiting for deletion is the most frequent", causes: []prior{
			{keyDeletion, 0.66}, {keyDisabled, 0.16}, {keyUsage, 0.06}, {notYet, 0.04},
		}},
		{name: "attach-revoked", words: []phrase{"customerkeyhasbeenrevoked"}, says: "EC2 says this when it gets no grant on the volume's key: attaching a volume needs kms:CreateGrant of whoever attaches, and a key that is enabled", action: "kms:CreateGrant", kind: Role, causes: []prior{
			{iamMissing, 0.42}, {keyDisabled, 0.20}, {keyPrincipal, 0.18}, {slrMissing, 0.05}, {keyDeletion, 0.05},
		}},
		{name: "revoked", words: []phrase{"inaccessibleencryptioncredentials", "inaccessible-encryption-credentials", "encryption key*revoked"}, says: "the service lost its way to the key of what it keeps: the key is disabled or gone, or the grant was taken away", causes: []prior{
			{keyDisabled, 0.36}, {keyPrincipal, 0.18}, {keyDeletion, 0.14}, {iamMissing, 0.12}, {slrMissing, 0.08},
		}},
		{name: "incorrect-key", words: []phrase{"incorrectkeyexception", "does not identify a cmk that can perform this operation", "does not identify a kms key that can"}, says: "the key that the call names is not the one that made the ciphertext", causes: []prior{
			{wrongKey, 0.92},
		}},
		{name: "import", words: []phrase{"expiredimporttoken", "invalidimporttoken", "incorrectkeymaterial", "importkeymaterial*token"}, says: "imported material has to be wrapped for this key, by a public key and token of the last 24 hours, and to be the same as before", causes: []prior{
			{badParameter, 0.62}, {wrongKey, 0.16}, {keyUsage, 0.14},
		}},
		{name: "key-store", words: []phrase{"xksproxy", "cloudhsmcluster", "keyunavailableexception", "customkeystoreinvalidstate", "key store*disconnected", "key store*not connected"}, says: "the key is in a key store of yours, which KMS has to reach for every use", causes: []prior{
			{unreachable, 0.60}, {keyUsage, 0.20}, {keyDisabled, 0.08},
		}},
		{name: "usage", words: []phrase{"invalidkeyusage", "key usage is*not valid", "unsupportedoperationexception*key", "unsupportedoperationexception*kms", "origin is*not valid for this operation", "keyspec*not valid", "key spec*not supported", "asymmetric*not supported", "must be a symmetric", "must be symmetric", "is not a symmetric", "not symmetric", "non-symmetric key", "asymmetric*kms*not", "kms key*symmetric encryption", "is not a multi-region primary", "customer master key spec", "algorithm*incompatible with key spec", "key spec*incompatible", "keyspec*incompatible", "is incompatible with key", "multi-region key*not supported", "only symmetric", "must be an asymmetric", "must be asymmetric", "must have*sign_verify", "requires a symmetric", "asymmetric kms key", "must have*encrypt_decrypt", "key usage type", "hmac*not valid", "not compatible with*key spec"}, when: func(in *Incident) bool { return !in.mentions("have access to", "not authorized") }, says: "what a key does is fixed when it is made: its usage, its spec, where its material comes from", causes: []prior{
			{keyUsage, 0.93},
		}},
		{name: "other-region", words: []phrase{"invalid arn us-", "invalid arn eu-", "invalid arn ap-", "invalid arn ca-", "invalid arn sa-", "invalid arn me-", "invalid arn af-", "invalid arn il-", "invalid arn cn-", "invalid arn mx-", "notfoundexception: invalid arn", "key*is not in the same region", "kms key*must be in the same region", "kms key*same region", "kms key*different region", "key*region mismatch", "kms*wrong region", "key*another region", "key from*different region", "key region*does not match", "kms key are not in the same region", "kms key is not in the region", "key*not in the same region as"}, says: "KMS looks only in the Region that was called; a key's ARN of another Region is none to it", causes: []prior{
			{wrongRegion, 0.90}, {aliasMisuse, 0.03},
		}},
		{name: "region-named", words: []phrase{"key*does not exist in the region", "key*does not exist in region", "key*not found in region", "key*not in region", "key*exists in region", "key*must exist in the same", "key in the destination region", "key*is not in*region"}, when: func(in *Incident) bool { return !strings.Contains(in.Text, "iphertext refers") }, says: "a key is in one Region, and the message names it as the wrong one", causes: []prior{
			{wrongRegion, 0.80}, {keyNotFound, 0.06}, {badParameter, 0.05},
		}},
		{name: "alias-missing", words: []phrase{"alias*is not found", "alias*not found", "alias*does not exist", "no alias found", "invalid keyid alias/", "invalid keyid 'alias/", "couldn't find alias", "no kms alias"}, when: aboutKMS, says: "aliases are of one account and Region, and not every operation takes one", causes: []prior{
			{aliasNotFound, 0.66}, {wrongRegion, 0.14}, {wrongIdentity, 0.07}, {aliasMisuse, 0.06},
		}},
		{name: "key-missing", words: []phrase{"key 'arn:*' does not exist", "key 'arn:*does not exist", "kms.notfoundexception", "notfoundexception*key*does not exist", "key arn:*does not exist", "kmskeynotfound", "kmsnotfound"}, when: idLike, says: "KMS completes an id with the account and Region of the call: the ARN in the message is where it looked, not where the key is", causes: []prior{
			{wrongRegion, 0.36}, {keyNotFound, 0.26}, {wrongKey, 0.15}, {wrongIdentity, 0.07}, {crossAccount, 0.05}, {notYet, 0.05},
		}},
		{name: "key-id-invalid", words: []phrase{"invalid keyid", "invalid key id", "invalidkeyid", "invalidarnexception", "notfoundexception: invalid", "malformed*key arn", "keyid*is invalid", "invalid kms key", "kms key*is invalid", "the specified keyid", "kmskeyid*not in the correct format", "kmskeyid*invalid", "kms_key_id*invalid", "kms key*malformed", "key arn*malformed"}, when: func(in *Incident) bool { return !strings.Contains(in.Text, "accessible") }, says: "what was given is neither a key id nor an ARN, nor an alias with alias/ before it", causes: []prior{
			{aliasMisuse, 0.42}, {keyNotFound, 0.16}, {wrongRegion, 0.14}, {wrongKey, 0.09}, {badParameter, 0.08},
		}},
	}
}

// mentions reports whether any of the words is in the incident's text.
func (in *Incident) mentions(words ...string) bool {
	lower := lowerASCII(in.Text)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(lower, w) })
}

// aboutKey, aboutKMS and aboutAWS keep words that others use too to what is
// said of keys, of KMS, of AWS.
func aboutKey(in *Incident) bool {
	return in.mentions("kms", "key", "cmk", "alias/", "cipher", "encrypt", "grant")
}

func aboutKMS(in *Incident) bool { return in.mentions("kms", "alias/", "cmk") }

func aboutAWS(in *Incident) bool {
	return in.mentions("aws", "kms", "amazon", "sts", "providers in chain", "security token", "signature", "imds", "s3", "credential")
}
