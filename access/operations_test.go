package access_test

import (
	"strings"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/awsfacts"
)

// Across accounts only the operations that KMS lists as such work, though both
// sides allow everything.
// See https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html.
func TestWhichOperationsWorkAcrossAccounts(t *testing.T) {
	t.Parallel()
	yes := strings.Fields(`Encrypt Decrypt ReEncryptFrom ReEncryptTo GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair
		GenerateDataKeyPairWithoutPlaintext GenerateMac VerifyMac Sign Verify DeriveSharedSecret GetPublicKey DescribeKey
		CreateGrant ListGrants RevokeGrant GetKeyRotationStatus`)
	never := strings.Fields(`CancelKeyDeletion DeleteImportedKeyMaterial DisableKey DisableKeyRotation EnableKey EnableKeyRotation GetKeyLastUsage
		GetKeyPolicy GetParametersForImport ImportKeyMaterial ListKeyPolicies ListKeyRotations ListResourceTags PutKeyPolicy
		ReplicateKey RotateKeyOnDemand ScheduleKeyDeletion TagResource UntagResource UpdateKeyDescription UpdatePrimaryRegion`)
	ask := func(op string) question {
		q := question{by: xrole, do: "kms:" + op, identity: []raw{doc(allow("kms:*"))}, resource: both}
		if op == "CancelKeyDeletion" {
			q.key = map[string]any{"state": "PendingDeletion"}
		}
		return q
	}
	for _, op := range yes {
		run(t, []row{{op, pageCross, ask(op), access.Allow, ""}})
	}
	for _, op := range never {
		run(t, []row{{op, pageCross, ask(op), access.ImplicitDeny, "operation"}})
		own := ask(op)
		own.by = role
		run(t, []row{{op + " in the key's account", pageCross, own, access.Allow, ""}})
	}
}

// An alias ARN never stands for a key in a policy; it does for itself.
func TestAliases(t *testing.T) {
	t.Parallel()
	const alias = "arn:aws:kms:us-east-1:111111111111:alias/app"
	full := []raw{doc(allow("kms:*"))}
	aliasCtx := func(condition string, ctx map[string]any, aliases ...string) question {
		return question{
			by: role, do: "kms:Decrypt", resource: delegates, ctx: ctx, key: map[string]any{"aliases": aliases},
			identity: []raw{doc(when(allow("kms:Decrypt"), condition))},
		}
	}
	inKeyPolicy := question{by: role, do: "kms:Decrypt", key: map[string]any{"aliases": []string{"alias/app"}},
		resource: doc(when(to(role, "kms:Decrypt"), `{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/app"}}`))}
	run(t, []row{
		{"using a key by its alias ARN", pageAlias, question{by: role, do: "kms:Decrypt", on: alias, identity: full, resource: delegates}, access.ImplicitDeny, "operation"},
		{"an identity policy that names the alias ARN gives no key", pageAlias, question{by: role, do: "kms:Decrypt", identity: []raw{doc(`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"` + alias + `"}`)}, resource: delegates}, access.ImplicitDeny, "identity"},
		{"deleting the alias is authorized on the alias", pageAlias, question{by: role, do: "kms:DeleteAlias", on: alias, identity: []raw{doc(`{"Effect":"Allow","Action":"kms:DeleteAlias","Resource":"` + alias + `"}`)}}, access.Allow, ""},
		{"kms:ResourceAliases with a set operator", pageCond, aliasCtx(`{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/app"}}`, nil, "alias/app", "alias/b"), access.Allow, ""},
		{"kms:ResourceAliases without one", pageCond, aliasCtx(`{"StringEquals":{"kms:ResourceAliases":"alias/app"}}`, nil, "alias/app"), access.ImplicitDeny, "identity"},
		{"kms:ResourceAliases with an ARN", pageCond, aliasCtx(`{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"`+alias+`"}}`, nil, "alias/app"), access.ImplicitDeny, "identity"},
		{"kms:ResourceAliases of another key", pageCond, aliasCtx(`{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/app"}}`, nil, "alias/b"), access.ImplicitDeny, "identity"},
		{"kms:ResourceAliases in a key policy", pageCond, inKeyPolicy, access.ImplicitDeny, "key-policy"},
		{"kms:RequestAlias when the call used it", pageCond, aliasCtx(`{"StringEquals":{"kms:RequestAlias":"alias/app"}}`, map[string]any{"kms:RequestAlias": "alias/app"}, "alias/app"), access.Allow, ""},
		{"kms:RequestAlias when the call used the key", pageCond, aliasCtx(`{"StringEquals":{"kms:RequestAlias":"alias/app"}}`, nil, "alias/app"), access.ImplicitDeny, "identity"},
	})
}

// A key state forbids the operation without touching the authorization.
// See https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html.
func TestKeyStates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		op     string
		usable string // the states in which it works, beside Enabled
	}{
		{"Decrypt", "Updating"}, {"GenerateDataKey", "Updating"}, {"ReEncryptFrom", "Updating"}, {"Sign", "Updating"},
		{"CreateGrant", "Unavailable Updating"},
		{"EnableKey", "Disabled Unavailable"}, {"DisableKey", "Disabled Unavailable"},
		{"ScheduleKeyDeletion", "Disabled PendingImport Unavailable Creating"},
		{"CancelKeyDeletion", "PendingDeletion PendingReplicaDeletion"},
		{"TagResource", "Disabled PendingImport Unavailable Creating Updating"},
		{"UpdateKeyDescription", "Disabled PendingImport Unavailable Creating Updating"},
		{"DescribeKey", "*"}, {"GetKeyPolicy", "*"}, {"PutKeyPolicy", "*"}, {"ListGrants", "*"}, {"RevokeGrant", "*"},
	}
	states := strings.Fields("Enabled Disabled PendingDeletion PendingReplicaDeletion PendingImport Unavailable Creating Updating")
	for _, tt := range tests {
		for _, state := range states {
			t.Run(tt.op+" while "+state, func(t *testing.T) {
				t.Parallel()
				d := decide(t, question{by: role, do: "kms:" + tt.op, identity: []raw{doc(allow("kms:*"))}, resource: delegates, key: map[string]any{"state": state}})
				if d.Effect != access.Allow {
					t.Fatalf("decision %v: the state is no matter of authorization", d.Effect)
				}
				want := state == "Enabled" && tt.op != "CancelKeyDeletion" || tt.usable == "*" || strings.Contains(" "+tt.usable+" ", " "+state+" ")
				if d.Usable != want {
					t.Errorf("usable %v, want %v", d.Usable, want)
				}
				if by := d.BlockedBy(); !want && (len(by) != 1 || by[0] != access.KeyStateLayer) || want && len(by) != 0 {
					t.Errorf("blocked by %v", by)
				}
			})
		}
	}
}

// Multi-Region keys share nothing but their material: each has its own policy,
// grants and Region.
// See https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html.
func TestMultiRegionKeys(t *testing.T) {
	t.Parallel()
	const page = "https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html"
	const primary = "arn:aws:kms:us-east-1:111111111111:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	const replica = "arn:aws:kms:us-west-2:111111111111:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	mrk := map[string]any{"multi_region": true}
	ask := func(on, condition string, ctx map[string]any) question {
		return question{by: role, do: "kms:Decrypt", on: on, key: mrk, ctx: ctx, resource: doc(when(to(role, "kms:*"), condition))}
	}
	run(t, []row{
		{"an identity policy for the primary's ARN gives no replica", page, question{by: role, do: "kms:Decrypt", on: replica, key: mrk, resource: delegates, identity: []raw{doc(`{"Effect":"Allow","Action":"kms:*","Resource":"` + primary + `"}`)}}, access.ImplicitDeny, "identity"},
		{"an identity policy for both", page, question{by: role, do: "kms:Decrypt", on: replica, key: mrk, resource: delegates, identity: []raw{doc(`{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:111111111111:key/mrk-*"}`)}}, access.Allow, ""},
		{"kms:MultiRegion", page, ask(primary, `{"Bool":{"kms:MultiRegion":"true"}}`, nil), access.Allow, ""},
		{"the replica's service Region is its own", page, ask(replica, `{"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}}`, map[string]any{"kms:ViaService": "ec2.us-west-2.amazonaws.com"}), access.ImplicitDeny, "key-policy"},
		{"aws:RequestedRegion is the replica's", page, ask(replica, `{"StringEquals":{"aws:RequestedRegion":"us-west-2"}}`, nil), access.Allow, ""},
		{"called in the primary's Region", page, ask(replica, `{"Bool":{"kms:MultiRegion":"true"}}`, map[string]any{"aws:RequestedRegion": "us-east-1"}), access.ImplicitDeny, "operation"},
		{"two replicas: AWS says nothing of a grant on the other", page, question{by: role, do: "kms:Decrypt", on: replica, key: mrk, resource: delegates}, access.ImplicitDeny, "identity"},
	})
}

// The gate is neutral: other services follow the general rule.
func TestOtherServices(t *testing.T) {
	t.Parallel()
	const (
		object  = "arn:aws:s3:::bucket/a"
		snap    = "arn:aws:ec2:us-east-1::snapshot/snap-1"
		pageGen = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html"
		pageX   = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html"
		pageSTS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_manage-assume.html"
	)
	get := func(by string, q question) question {
		q.by, q.do, q.on, q.account = by, "s3:GetObject", object, owner
		return q
	}
	reads := []raw{doc(allow("s3:*"))}
	assume := func(by string, q question) question { q.by, q.do, q.on = by, "sts:AssumeRole", role; return q }
	run(t, []row{
		{"one account, IAM alone", pageGen, get(sess, question{identity: reads}), access.Allow, ""},
		{"one account, bucket policy alone", pageGen, get(sess, question{resource: doc(to(role, "s3:GetObject"))}), access.Allow, ""},
		{"one account, a bucket policy that names the account delegates", pageGen, get(sess, question{resource: doc(to(root, "s3:GetObject"))}), access.ImplicitDeny, "identity"},
		{"one account, neither", pageGen, get(sess, question{}), access.ImplicitDeny, "identity"},
		{"two accounts, IAM alone", pageX, get(xsess, question{identity: reads}), access.ImplicitDeny, "resource-policy"},
		{"two accounts, bucket policy alone", pageX, get(xsess, question{resource: doc(to(xrole, "s3:*"))}), access.ImplicitDeny, "identity"},
		{"two accounts, both", pageX, get(xsess, question{identity: reads, resource: doc(to(xroot, "s3:*"))}), access.Allow, ""},
		{"a service principal", pageGen, get("cloudtrail.amazonaws.com", question{resource: doc(`{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:*","Resource":"*"}`)}), access.Allow, ""},
		{"assuming a role in one account: trust that names the role", pageSTS, assume("arn:aws:iam::111111111111:role/ops", question{resource: doc(to("arn:aws:iam::111111111111:role/ops", "sts:AssumeRole"))}), access.Allow, ""},
		{"assuming a role in one account: IAM alone", pageSTS, assume("arn:aws:iam::111111111111:role/ops", question{identity: []raw{doc(allow("sts:AssumeRole"))}, resource: doc(to(user, "sts:AssumeRole"))}), access.ImplicitDeny, "resource-policy"},
		{"assuming a role in one account: trust of the account, IAM allows", pageSTS, assume("arn:aws:iam::111111111111:role/ops", question{identity: []raw{doc(allow("sts:AssumeRole"))}, resource: doc(to(root, "sts:AssumeRole"))}), access.Allow, ""},
		{"assuming a role across accounts: both", pageSTS, assume(xrole, question{identity: []raw{doc(allow("sts:AssumeRole"))}, resource: doc(to(xroot, "sts:AssumeRole"))}), access.Allow, ""},
		{"assuming a role across accounts: trust alone", pageSTS, assume(xrole, question{resource: doc(to(xrole, "sts:AssumeRole"))}), access.ImplicitDeny, "identity"},
		{"a trust policy without Resource element", pageSTS, assume("drs.amazonaws.com", question{resource: doc(`{"Effect":"Allow","Principal":{"Service":"drs.amazonaws.com"},"Action":"sts:AssumeRole"}`)}), access.Allow, ""},
		{"copying: the source snapshot, owned by another account", recorded, question{by: sess, do: "ec2:CopySnapshot", on: snap, account: other, identity: []raw{doc(allow("ec2:CopySnapshot"))}}, access.Allow, ""},
		{"copying: the source is judged apart", recorded, question{by: sess, do: "ec2:CopySnapshot", on: snap, account: other, identity: []raw{doc(`{"Effect":"Allow","Action":"ec2:CopySnapshot","Resource":"arn:aws:ec2:us-east-1::snapshot/*","Condition":{"StringEquals":{"aws:ResourceAccount":"` + owner + `"}}}`)}}, access.ImplicitDeny, "identity"},
		{"copying: the destination belongs to the caller", recorded, question{by: sess, do: "ec2:CopySnapshot", on: "arn:aws:ec2:us-east-1::snapshot/*", identity: []raw{doc(`{"Effect":"Allow","Action":"ec2:CopySnapshot","Resource":"arn:aws:ec2:us-east-1::snapshot/*","Condition":{"StringEquals":{"aws:ResourceAccount":"` + owner + `"}}}`)}}, access.Allow, ""},
		{"an action without a resource", pageGen, question{by: sess, do: "kms:GenerateRandom", on: "*", identity: []raw{doc(allow("kms:GenerateRandom"))}}, access.Allow, ""},
	})
}

// Every KMS action can be asked, and none is known to the table that is not
// known to the gate.
func TestEveryKMSActionCanBeAsked(t *testing.T) {
	t.Parallel()
	for _, a := range awsfacts.KMSActions() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			d := decide(t, question{by: role, do: a.Name, identity: []raw{doc(allow("kms:*"))}, resource: delegates, grants: grants{with(grant("arn:aws:iam::111111111111:role/other", "Decrypt"), "retiring_principal", role)}})
			if d.Effect != access.Allow {
				t.Errorf("%v: %+v", d.Effect, d.Blockers)
			}
		})
	}
}
