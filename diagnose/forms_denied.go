package diagnose

import (
	"strings"

	"github.com/keyreach/keyreach/access"
)

// formsOfLayers are refusals that name the kind of policy which refuses.
// See docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html.
func formsOfLayers() []form {
	layer := func(l access.Layer, explicit bool) func(*Incident) bool {
		return func(in *Incident) bool { return in.Layer == l && in.Explicit == explicit }
	}
	either := func(l access.Layer) func(*Incident) bool { return func(in *Incident) bool { return in.Layer == l } }
	return []form{
		{name: "scp", when: either(access.SCP), says: "IAM names the service control policies of the organization as what refuses", causes: []prior{{scpDeny, 0.96}}},
		{name: "rcp", when: either(access.RCP), says: "IAM names the resource control policies of the organization as what refuses", causes: []prior{{rcpDeny, 0.96}}},
		{name: "endpoint", when: either(access.EndpointPolicy), says: "IAM names the policy of the VPC endpoint as what refuses", causes: []prior{{endpointDeny, 0.96}}},
		{name: "boundary", when: either(access.Boundary), says: "IAM names the permissions boundary as what refuses", causes: []prior{{boundaryDeny, 0.96}}},
		{name: "session", when: either(access.Session), says: "IAM names the session policy, which was given when the role was assumed", causes: []prior{{sessionDeny, 0.95}}},
		{name: "deny-identity", when: layer(access.Identity, true), says: "a Deny in the caller's own policies applies", causes: []prior{{explicitDeny, 0.85}, {condition, 0.10}}},
		{name: "deny-resource", when: layer(access.ResourcePolicy, true), says: "a Deny in the key policy applies; such a Deny mostly has a condition that the call was meant to avoid", causes: []prior{{explicitDeny, 0.62}, {condition, 0.30}}},
		{name: "deny", words: []phrase{"explicit deny", "explicitdeny"}, when: func(in *Incident) bool { return in.Explicit }, says: "a Deny applies; the text does not say where it stands", causes: []prior{{explicitDeny, 0.55}, {scpDeny, 0.25}, {condition, 0.08}, {boundaryDeny, 0.04}}},
		{name: "foreign", words: []phrase{"does not exist in this region, no resource-based polic", "resource does not exist in this region, no"}, says: "KMS withholds the reason from callers of other accounts: the key may be in another Region, gone, or its policy does not let them in", causes: []prior{
			{crossAccount, 0.52}, {keyPrincipal, 0.16}, {wrongRegion, 0.08}, {wrongKey, 0.06}, {keyNotFound, 0.06}, {wrongIdentity, 0.04},
		}},
		{name: "not-a-key", when: func(in *Incident) bool {
			return in.Action != "" && !strings.HasPrefix(in.Action, "kms:") && !in.Explicit && (in.Layer == access.Identity || in.Layer == access.ResourcePolicy)
		}, says: "the refused action is not one of KMS: no key plays a part in it", causes: []prior{{iamMissing, 0.72}, {wrongIdentity, 0.08}}},
		{name: "lambda-resource", words: []phrase{"environment variables", "lambda was unable to decrypt"}, when: layer(access.ResourcePolicy, false), says: "Lambda opens its environment through a grant that names the role by its id: a role that was made anew under the same name has none", action: "kms:Decrypt", kind: Role, causes: []prior{
			{staleGrant, 0.50}, {keyPrincipal, 0.26}, {keyRoot, 0.06}, {managedKey, 0.06},
		}},
		{name: "no-resource", when: layer(access.ResourcePolicy, false), says: "the key policy neither names the caller for this action nor hands it to the account", causes: []prior{
			{keyPrincipal, 0.46}, {keyRoot, 0.14}, {keyAction, 0.12}, {iamMissing, 0.07}, {condition, 0.05}, {crossAccount, 0.05}, {managedKey, 0.03}, {wrongIdentity, 0.03},
		}},
		{name: "no-identity", when: layer(access.Identity, false), says: "the key policy leaves it to the caller's account, and there no IAM policy of the caller allows it; an allow whose condition is not met reads the same", causes: []prior{
			{iamMissing, 0.76}, {condition, 0.08}, {wrongIdentity, 0.05}, {keyPrincipal, 0.03}, {crossAccount, 0.02},
		}},
	}
}

// formsOfRefusals are refusals that give no reason.
func formsOfRefusals() []form {
	kms := func(in *Incident) bool { return strings.HasPrefix(in.Action, "kms:") }
	unscoped := func(in *Incident) bool { return kms(in) && !keyed(in.Action) }
	return []form{
		{name: "decoded", words: []phrase{"allowed*explicitdeny*matchedstatements"}, says: "the decoded message has no Deny that applied: nothing allowed the call", causes: []prior{
			{iamMissing, 0.64}, {scpDeny, 0.10}, {boundaryDeny, 0.06}, {keyPrincipal, 0.06},
		}},
		{name: "simulated", words: []phrase{"implicitdeny"}, says: "IAM's simulator finds no policy of the caller that allows the action", causes: []prior{
			{iamMissing, 0.78}, {condition, 0.08}, {boundaryDeny, 0.04},
		}},
		{name: "refused-without-key", when: unscoped, says: "this action is on no key, so no key policy can allow it: only IAM policies can", causes: []prior{
			{iamMissing, 0.88}, {scpDeny, 0.03}, {wrongIdentity, 0.04},
		}},
		{name: "refused", when: kms, says: "KMS gave no reason, as it did before 2021 and as services do that pass its answer on", causes: []prior{
			{iamMissing, 0.47}, {keyPrincipal, 0.27}, {keyAction, 0.06}, {crossAccount, 0.05}, {wrongIdentity, 0.04}, {managedKey, 0.03},
		}},
		{name: "encoded", words: []phrase{"encoded authorization failure message", "encoded failure"}, when: func(in *Incident) bool { return in.Encoded != "" }, says: "EC2 put the reason into the encoded message; it is told to whoever may decode it", causes: []prior{
			{iamMissing, 0.60}, {scpDeny, 0.12}, {explicitDeny, 0.06}, {boundaryDeny, 0.05},
		}},
	}
}

// keyed reports whether the KMS action is on one key, whose policy therefore
// has a say. CreateAlias is not counted: besides the key it needs the alias,
// for which only IAM can allow it
// (docs.aws.amazon.com/kms/latest/developerguide/alias-access.html).
func keyed(action string) bool {
	switch action {
	case "kms:CreateKey", "kms:ListKeys", "kms:ListAliases", "kms:CreateAlias", "kms:GenerateRandom", "kms:CreateCustomKeyStore", "kms:DescribeCustomKeyStores",
		"kms:UpdateCustomKeyStore", "kms:DeleteCustomKeyStore", "kms:ConnectCustomKeyStore", "kms:DisconnectCustomKeyStore":
		return false
	}
	return true
}
