package diagnose

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
)

// rule is a piece of how AWS behaves that makes causes more or less likely
// when a text has certain words, or names certain things.
type rule struct {
	forms []string                // the forms it bears on; nil for all
	words []phrase                // any of them; nil when only the condition counts
	when  func(in *Incident) bool // nil for nothing
	says  string                  // the behaviour, in a sentence
	shift []shift
}

// shift multiplies the weight of a cause; one that the form does not have
// comes in with the weight that add gives.
type shift struct {
	code string
	by   float64
	add  float64
}

// The forms that rules group.
var (
	launchForms   = []string{"launch", "launch-state", "inaccessible-volume", "volume-gone"}
	plainRefusals = []string{"refused", "no-resource", "some-denial", "secrets", "messages", "service-null"}
	keyForms      = []string{"refused", "no-resource", "no-identity", "foreign"}
)

func rules() []rule {
	return slices.Concat(rulesOfPrincipals(), rulesOfActions(), rulesOfKeys(), rulesOfMissingKeys(), rulesOfConditions(), rulesOfLaunches(), rulesOfCopies(), rulesOfDatabases(), rulesOfCallers(), rulesOfOwnNames(), rulesOfData(), rulesOfObjects(), rulesOfCiphertexts())
}

// rulesOfPrincipals look at who was refused.
func rulesOfPrincipals() []rule {
	return []rule{
		{
			forms: append([]string{"foreign", "key-not-accessible", "rds-source"}, plainRefusals...),
			when:  func(in *Incident) bool { return in.PrincipalKind == ServiceRole },
			says:  "a service-linked role takes no policies from you: it needs the key policy, or a grant",
			shift: []shift{{slrMissing, 6, 0.9}, {keyPrincipal, 0.4, 0}, {iamMissing, 0.05, 0}, {keyRoot, 0.1, 0}, {keyAction, 0.4, 0}},
		},
		{
			forms: append([]string{"foreign", "no-identity"}, plainRefusals...),
			when:  func(in *Incident) bool { return in.PrincipalKind == Service },
			says:  "the caller is an AWS service in its own name, which only the key policy can let in",
			shift: []shift{{keyService, 6, 0.9}, {keyPrincipal, 0.4, 0}, {iamMissing, 0.05, 0}},
		},
		{
			forms: keyForms,
			when:  func(in *Incident) bool { return apart(in.Account, in.KeyAccount) },
			says:  "caller and key are in different accounts: the key policy there and an IAM policy here both have to allow it",
			shift: []shift{{crossAccount, 7, 0.5}, {keyPrincipal, 0.8, 0}, {iamMissing, 0.7, 0}, {keyRoot, 0.2, 0}},
		},
		{
			forms: []string{"foreign"},
			when:  func(in *Incident) bool { return in.Account != "" && in.Account == in.KeyAccount },
			says:  "caller and key are in the same account",
			shift: []shift{{crossAccount, 0.1, 0}, {keyPrincipal, 2, 0}},
		},
		{
			forms: []string{"no-identity", "refused", "no-resource", "secrets", "ciphertext", "foreign", "messages"},
			words: []phrase{"assumed-role/*node*/i-0", "nodeinstancerole", "node-group", "eks-node", "node_group", "noderole", "nodes.*assumed-role", "assumed-role/nodes.", "assumed-role/kops", "assumed-role/*worker*/i-"},
			when:  func(in *Incident) bool { return instanceSession.MatchString(in.Principal) },
			says:  "the session is named for an instance and the role for nodes: a pod that gets the node's role did not get its own",
			shift: []shift{{wrongIdentity, 14, 0.5}, {iamMissing, 0.7, 0}},
		},
		{
			forms: []string{"no-identity", "refused", "ciphertext", "secrets"},
			words: []phrase{"serviceaccount", "service account", "irsa", "kubernetes", "external-secrets", "secretstore", "pod ", "webidentity", "web identity", "helm", "argocd", "flux"},
			when:  func(in *Incident) bool { return instanceSession.MatchString(in.Principal) },
			says:  "something in Kubernetes called with the session of an instance: without a role of its own a pod gets the node's",
			shift: []shift{{wrongIdentity, 8, 0.4}, {iamMissing, 0.8, 0}},
		},
	}
}

// rulesOfActions look at what was refused, and to whom.
func rulesOfActions() []rule {
	return []rule{
		{
			forms: []string{"no-resource", "refused"},
			when:  func(in *Incident) bool { return administrative(in.Action) },
			says:  "this is administration of the key: a key policy gives it to few, and to IAM only where it names the account's root",
			shift: []shift{{keyRoot, 3.4, 0.08}, {iamMissing, 1.3, 0}, {keyAction, 1.2, 0}},
		},
		{
			forms: []string{"no-resource"},
			words: []phrase{"terraform", "atlantis", "creating", "unable to create", "create_failed", "cloudformation", "resource handler", "administratoraccess", "/admin", "github-actions", "gitlab", "jenkins", "deploy", "cdk-", "pulumi", "codebuild", "reading kms", "updating"},
			when: func(in *Incident) bool {
				return in.PrincipalKind != ServiceRole && !strings.Contains(in.Text, "Lambda was unable")
			},
			says:  "who deploys has mostly IAM rights for everything: when the key policy still stops it, the policy does not hand the key to IAM",
			shift: []shift{{keyRoot, 3.6, 0.1}, {keyAction, 1.2, 0}},
		},
		{
			forms: []string{"no-resource", "no-identity", "refused"},
			when:  func(in *Incident) bool { return in.PrincipalKind == Root },
			says:  "the root user has no IAM policies: the key policy has left it out",
			shift: []shift{{keyRoot, 8, 0.6}, {iamMissing, 0.05, 0}},
		},
		{
			forms: []string{"no-identity"},
			words: []phrase{"administratoraccess", "poweruser", "/admin", "-admin"},
			says:  "an administrator's policies mostly allow everything: where they do not, a condition of theirs (address, MFA, Region) is not met",
			shift: []shift{{condition, 4, 0.2}},
		},
		{
			forms: []string{"no-resource", "foreign", "refused"},
			when:  func(in *Incident) bool { return in.Action == "kms:CreateGrant" },
			says:  "key policies give kms:CreateGrant in a statement of its own, with kms:GrantIsForAWSResource as condition: it is left out more easily than the use of the key",
			shift: []shift{{keyAction, 2.2, 0.24}, {condition, 2, 0.06}},
		},
		{
			forms: []string{"no-resource"},
			when:  func(in *Incident) bool { return in.Action != "" && !keyed(in.Action) },
			says:  "this action is on no key, so only IAM policies can allow it",
			shift: []shift{{iamMissing, 10, 0.8}, {keyPrincipal, 0.1, 0}},
		},
	}
}

var instanceSession = lazy.Regexp(`assumed-role/.*/i-[0-9a-fx*]+`)

// apart reports whether two accounts are surely different: masked digits may
// be anything.
func apart(a, b string) bool {
	return len(a) == 12 && len(b) == 12 && strings.Trim(a, "0123456789") == "" && strings.Trim(b, "0123456789") == "" && a != b
}

// administrative reports whether a KMS action manages a key rather than uses
// it.
func administrative(action string) bool {
	name, ok := strings.CutPrefix(action, "kms:")
	if !ok {
		return false
	}
	for _, p := range []string{"Put", "GetKey", "Enable", "Disable", "Schedule", "Cancel", "Update", "Tag", "Untag", "List", "Delete", "Create"} {
		if strings.HasPrefix(name, p) && name != "CreateGrant" && name != "ListGrants" {
			return true
		}
	}
	return false
}

// managedAlias are the aliases of AWS managed keys.
var managedAlias = []phrase{"alias/aws/", "aws managed", "aws-managed", " aws/s3", " aws/sqs", " aws/sns", " aws/ebs", " aws/rds", " aws/secretsmanager", " aws/ssm", "default aws key", "default kms key", "defaultencryptionkey"}

// rulesOfKeys look at which key it is, and what is asked of it.
func rulesOfKeys() []rule {
	return []rule{
		{
			forms: append([]string{"foreign", "some-inaccessible", "some-parameter", "eks-revoked"}, plainRefusals...),
			words: managedAlias,
			says:  "the key is AWS managed: its policy is fixed, serves the one service in the one account, and nobody can add to it",
			shift: []shift{{managedKey, 14, 0.8}, {iamMissing, 0.5, 0}, {keyPrincipal, 0.4, 0}, {keyService, 0.5, 0}, {keyRoot, 0.1, 0}},
		},
		{
			forms: []string{"rds-source", "rds-target", "key-not-accessible", "ciphertext", "drs-key"},
			words: managedAlias,
			says:  "the key is AWS managed, and those never work for another account",
			shift: []shift{{defaultKey, 5, 0.8}, {managedKey, 5, 0.1}},
		},
	}
}

// rulesOfMissingKeys look at where a key was looked for that is not there.
func rulesOfMissingKeys() []rule {
	return []rule{
		{
			forms: []string{"key-missing"},
			words: []phrase{"secrets manager", "secretsmanager", "rotation", "cross-account", "cross account", "other account"},
			says:  "the service completes a bare key id with the account of whoever calls, which need not be the account of the secret and its key",
			shift: []shift{{wrongKey, 4, 0.3}, {crossAccount, 1.5, 0}, {wrongRegion, 0.7, 0}},
		},
		{
			forms: []string{"key-missing"},
			words: []phrase{"kmskeynotfound", "kms key associated with"},
			when:  func(in *Incident) bool { return !in.mentions("region") },
			says:  "the service looks for the key that it has used so far: it is not there any more",
			shift: []shift{{keyNotFound, 4, 0}, {wrongRegion, 0.3, 0}, {wrongKey, 0.3, 0}, {keyDeletion, 1, 0.15}},
		},
		{
			forms: []string{"key-missing"},
			words: []phrase{"aws_kms_key.", "aws_kms_alias.", "listing tags for kms key", "get kms key tags", "creating kms alias", "kms key*rotation", "kms key*propagat"},
			says:  "a tool reads here the key that it has just made, and KMS takes a moment to know it everywhere",
			shift: []shift{{notYet, 12, 0.6}},
		},
		{
			forms: []string{"key-missing", "some-not-found", "alias-missing"},
			words: []phrase{"creating", "createalias", "creation complete", "waiting for", "just created", "putkeypolicy", "tagresource", "enablekeyrotation"},
			says:  "KMS takes a moment to know a new key or alias everywhere",
			shift: []shift{{notYet, 4, 0.15}},
		},
		{
			forms: []string{"key-missing", "some-not-found", "key-id-invalid", "rds-target", "alias-missing"},
			words: []phrase{"region"},
			when:  func(in *Incident) bool { return otherRegion(in) },
			says:  "the text names another Region than that of the key",
			shift: []shift{{wrongRegion, 3, 0.4}},
		},
		{
			forms: []string{"key-id-invalid"},
			when:  func(in *Incident) bool { return barename.MatchString(in.Text) },
			says:  "a name without alias/ before it is read as a key id, and it is none",
			shift: []shift{{aliasMisuse, 3, 0}, {wrongRegion, 0.3, 0}, {wrongKey, 0.3, 0}, {keyNotFound, 0.5, 0}},
		},
		{
			forms: []string{"key-id-invalid"},
			words: []phrase{"key '*' does not exist", "key * does not exist", "could not be found"},
			says:  "a key was looked for by its id and not found: in the caller's account and the Region of the call",
			shift: []shift{{aliasMisuse, 0.1, 0}, {wrongKey, 3, 0}, {wrongRegion, 2, 0}, {keyNotFound, 2, 0}},
		},
		{
			forms: []string{"key-id-invalid"},
			when:  func(in *Incident) bool { return anID.MatchString(in.Text) },
			says:  "what was given has the form of a key id: KMS looks for it in the caller's own account and Region only",
			shift: []shift{{aliasMisuse, 0.1, 0}, {wrongKey, 2.5, 0}, {wrongRegion, 2.5, 0}, {keyNotFound, 2, 0}},
		},
	}
}

// rulesOfConditions look for what statements are conditioned on.
func rulesOfConditions() []rule {
	return []rule{
		{
			forms: []string{"no-resource", "refused", "no-identity", "foreign"},
			words: []phrase{"attestation", "enclave", "recipientattestation"},
			says:  "key policies for enclaves allow Decrypt only with an attestation document that matches",
			shift: []shift{{condition, 14, 0.6}},
		},
		{
			forms: []string{"deny-resource"},
			when:  func(in *Incident) bool { return in.Action == "s3:PutObject" },
			says:  "what a bucket policy denies of uploads is mostly one without the encryption headers it demands",
			shift: []shift{{bucketPolicy, 1, 0.9}},
		},
		{
			forms: []string{"deny-resource", "deny"},
			words: []phrase{"attestation", "enclave", "encryption context", "encryptioncontext", "viaservice", "secure transport", "vpce-"},
			says:  "the text speaks of what such a Deny is conditioned on",
			shift: []shift{{condition, 3, 0.4}},
		},
		{
			forms: []string{"no-identity"},
			words: []phrase{"resourcetag", "requesttag", "request tag", "encryption context", "viaservice", "grantisforawsresource", "mfa"},
			says:  "the text speaks of a condition; an allow whose condition does not hold reads like no allow",
			shift: []shift{{condition, 5, 0.3}},
		},
		{
			forms: []string{"no-resource"},
			words: []phrase{"resourcetag", "encryption context", "viaservice", "grantisforawsresource", "bucket key", "sourceip", "sourcearn", "sourceaccount"},
			says:  "the text speaks of a condition; an allow whose condition does not hold reads like no allow",
			shift: []shift{{condition, 6, 0.3}},
		},
	}
}

var (
	barename = lazy.Regexp(`(?i)invalid ?key ?id:? ?['"]?([g-z]|[a-f0-9_]*[g-z_/])[\w/-]*`)
	anID     = lazy.Regexp(`(?i)invalid ?key ?id:? ?['"]?(?:arn:|mrk-[0-9a-f]|[0-9a-fx*]{8}-)`)
)

// otherRegion reports whether the text names a Region that is not the key's.
func otherRegion(in *Incident) bool {
	own := part(in.Key, 3)
	if own == "" {
		return false
	}
	for _, r := range region.FindAllString(in.Text, 20) {
		if r != own {
			return true
		}
	}
	return false
}
