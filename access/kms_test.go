package access_test

import (
	"testing"

	"github.com/keyreach/keyreach/access"
)

const (
	pageEval  = "https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html"
	pageRoot  = "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"
	pageCross = "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html"
	pageIAM   = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"
	pageOrgs  = "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html"
	pageSCP   = "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html"
	pageVPC   = "https://docs.aws.amazon.com/kms/latest/developerguide/kms-vpc-endpoint.html"
	pageManag = "https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk"
	pageAlias = "https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html"
	pageCond  = "https://docs.aws.amazon.com/kms/latest/developerguide/policy-conditions.html"
	pageIDs   = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"
	pageNotP  = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html"
	pageFAS   = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html"
	recorded  = "recorded from AWS, September 2026"
)

var decrypt = doc(allow("kms:Decrypt"))

func TestExplicitDenyAnywhereDenies(t *testing.T) {
	t.Parallel()
	yes := question{by: sess, do: "kms:Decrypt", identity: []raw{decrypt}, resource: doc(to(root, "kms:*"), to(role, "kms:*"))}
	withDeny := func(change func(q *question)) question { q := yes; change(&q); return q }
	full := []raw{doc(allow("*"))}
	run(t, []row{
		{"allowed without any deny", pageIAM, yes, access.Allow, ""},
		{"in the key policy", pageIAM, withDeny(func(q *question) {
			q.resource = doc(to(root, "kms:*"), denyTo("*", "kms:Decrypt"))
		}), access.ExplicitDeny, "key-policy"},
		{"in the key policy, of the whole account", pageIAM, withDeny(func(q *question) {
			q.resource = doc(to(root, "kms:*"), denyTo(root, "kms:Decrypt"))
		}), access.ExplicitDeny, "key-policy"},
		{"in the key policy, of another role", pageIAM, withDeny(func(q *question) {
			q.resource = doc(to(root, "kms:*"), denyTo("arn:aws:iam::111111111111:role/other", "kms:Decrypt"))
		}), access.Allow, ""},
		{"in an identity policy", pageIAM, withDeny(func(q *question) { q.identity = []raw{decrypt, doc(deny("kms:*"))} }), access.ExplicitDeny, "identity"},
		{"in an identity policy of a caller that the key policy names", pageRoot, withDeny(func(q *question) { q.identity = []raw{doc(deny("kms:*"))} }), access.ExplicitDeny, "identity"},
		{"in the boundary", pageIAM, withDeny(func(q *question) { q.boundary = doc(allow("*"), deny("kms:Decrypt")) }), access.ExplicitDeny, "boundary"},
		{"in a session policy", pageIAM, withDeny(func(q *question) { q.session = doc(allow("*"), deny("kms:Decrypt")) }), access.ExplicitDeny, "session"},
		{"in an SCP", pageIAM, withDeny(func(q *question) { q.scp = [][]raw{{doc(allow("*"))}, {doc(allow("*"), deny("kms:*"))}} }), access.ExplicitDeny, "scp"},
		{"in an RCP", pageOrgs, withDeny(func(q *question) { q.rcp = [][]raw{{doc(denyTo("*", "kms:*"))}} }), access.ExplicitDeny, "rcp"},
		{"in an endpoint policy", pageVPC, withDeny(func(q *question) { q.endpoint = doc(to("*", "*"), denyTo("*", "kms:Decrypt")) }), access.ExplicitDeny, "endpoint"},
		{"everywhere, and each is named", pageIAM, withDeny(func(q *question) {
			q.identity, q.boundary, q.session = []raw{doc(deny("*"))}, doc(deny("*")), doc(deny("*"))
			q.scp, q.rcp, q.endpoint = [][]raw{full, {doc(deny("*"))}}, [][]raw{{doc(denyTo("*", "*"))}}, doc(denyTo("*", "*"))
			q.resource = doc(denyTo("*", "*"))
		}), access.ExplicitDeny, "key-policy identity boundary session scp rcp endpoint"},
		{"over a grant", pageIAM, withDeny(func(q *question) {
			q.grants, q.identity = []map[string]any{grant(sess, "Decrypt")}, []raw{doc(deny("kms:*"))}
		}), access.ExplicitDeny, "identity"},
	})
}

func TestOneAccount(t *testing.T) {
	t.Parallel()
	run(t, []row{
		{"named directly, without IAM", pageRoot, question{by: role, do: "kms:Decrypt", resource: doc(to(role, "kms:Decrypt"))}, access.Allow, ""},
		{"a session of the named role", pageRoot, question{by: sess, do: "kms:Decrypt", resource: doc(to(role, "kms:Decrypt"))}, access.Allow, ""},
		{"a session of a role with a path", pageRoot, question{by: sess, do: "kms:Decrypt", resource: doc(to("arn:aws:iam::111111111111:role/x/app", "kms:Decrypt"))}, access.Allow, ""},
		{"a session of a role whose path is known to differ", pageRoot, question{by: sess, roleARN: role, do: "kms:Decrypt", resource: doc(to("arn:aws:iam::111111111111:role/x/app", "kms:Decrypt"))}, access.ImplicitDeny, "key-policy"},
		{"the account named, and IAM allows", pageRoot, question{by: role, do: "kms:Decrypt", identity: []raw{decrypt}, resource: delegates}, access.Allow, ""},
		{"the account named by its bare number", pageIDs, question{by: role, do: "kms:Decrypt", identity: []raw{decrypt}, resource: doc(to(owner, "kms:*"))}, access.Allow, ""},
		{"the account named, and IAM silent", pageRoot, question{by: role, do: "kms:Decrypt", resource: delegates}, access.ImplicitDeny, "identity"},
		{"IAM allows, and the account is not named: it is inert", pageRoot, question{by: role, do: "kms:Decrypt", identity: []raw{doc(allow("*"))}, resource: doc(to("arn:aws:iam::111111111111:role/other", "kms:*"))}, access.ImplicitDeny, "key-policy"},
		{"the account named for another action", pageRoot, question{by: role, do: "kms:Decrypt", identity: []raw{doc(allow("*"))}, resource: doc(to(root, "kms:Encrypt"))}, access.ImplicitDeny, "key-policy"},
		{"everyone named, without IAM", pageEval, question{by: role, do: "kms:Decrypt", resource: doc(to("*", "kms:Decrypt"))}, access.Allow, ""},
		{"everyone named as a bare star", pageEval, question{by: user, do: "kms:Decrypt", resource: doc(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)}, access.Allow, ""},
		{"the root user, account named", pageRoot, question{by: root, do: "kms:Decrypt", resource: delegates}, access.Allow, ""},
		{"the root user by its account number", pageRoot, question{by: owner, do: "kms:Decrypt", resource: delegates}, access.Allow, ""},
		{"the root user, account not named", pageRoot, question{by: root, do: "kms:Decrypt", resource: doc(to(role, "kms:*"))}, access.ImplicitDeny, "key-policy"},
		{"the root user of a member account under an SCP", pageSCP, question{by: root, do: "kms:Decrypt", resource: delegates, scp: [][]raw{{doc(allow("*"), deny("kms:*"))}}}, access.ExplicitDeny, "scp"},
		{"no key policy at all", pageEval, question{by: role, do: "kms:Decrypt", identity: []raw{doc(allow("*"))}}, access.ImplicitDeny, "key-policy"},
		{"a statement about another key", pageEval, question{by: role, do: "kms:Decrypt", resource: doc(`{"Effect":"Allow","Principal":{"AWS":"` + role + `"},"Action":"kms:*","Resource":"arn:aws:kms:us-east-1:111111111111:key/0000"}`)}, access.ImplicitDeny, "key-policy"},
		{"a statement without Resource does nothing", "https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html", question{by: role, do: "kms:Decrypt", resource: doc(`{"Effect":"Allow","Principal":{"AWS":"` + role + `"},"Action":"kms:*"}`)}, access.ImplicitDeny, "key-policy"},
		{"a statement without Action does nothing", "https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html", question{by: role, do: "kms:Decrypt", resource: doc(`{"Effect":"Allow","Principal":{"AWS":"` + role + `"},"Resource":"*"}`)}, access.ImplicitDeny, "key-policy"},
		{"actions in any letter case", pageIAM, question{by: role, do: "kms:decrypt", identity: []raw{doc(allow("KMS:DEC*"))}, resource: doc(to(root, "Kms:*"))}, access.Allow, ""},
		{"NotAction", pageIAM, question{by: role, do: "kms:Decrypt", identity: []raw{doc(`{"Effect":"Allow","NotAction":["iam:*","kms:Disable*"],"Resource":"*"}`)}, resource: delegates}, access.Allow, ""},
		{"NotAction that names the action", pageIAM, question{by: role, do: "kms:DisableKey", identity: []raw{doc(`{"Effect":"Allow","NotAction":["iam:*","kms:Disable*"],"Resource":"*"}`)}, resource: delegates}, access.ImplicitDeny, "identity"},
		{"NotResource that names another key", pageIAM, question{by: role, do: "kms:Decrypt", identity: []raw{doc(`{"Effect":"Allow","Action":"kms:*","NotResource":"arn:aws:kms:*:*:key/0000"}`)}, resource: delegates}, access.Allow, ""},
		{"NotResource that names this key", pageIAM, question{by: role, do: "kms:Decrypt", identity: []raw{doc(`{"Effect":"Allow","Action":"kms:*","NotResource":"arn:aws:kms:*:111111111111:key/1234*"}`)}, resource: delegates}, access.ImplicitDeny, "identity"},
		{"a service that the key policy names", pageEval, question{by: "cloudtrail.amazonaws.com", do: "kms:GenerateDataKey", resource: doc(`{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"kms:GenerateDataKey*","Resource":"*"}`)}, access.Allow, ""},
		{"a service that only the account's statement could cover", pageEval, question{by: "cloudtrail.amazonaws.com", do: "kms:GenerateDataKey", resource: delegates}, access.ImplicitDeny, "key-policy"},
		{"a service name written as an AWS principal", pageIDs, question{by: "drs.amazonaws.com", do: "kms:Decrypt", resource: doc(to("drs.amazonaws.com", "kms:*"))}, access.ImplicitDeny, "key-policy"},
		{"a unique id left over from a deleted role", pageIDs, question{by: sess, id: "AROAJQABLZS4A3QDU576Q:one", do: "kms:Decrypt", resource: doc(to("AROAZZZZZZZZZZZZZZZZZ", "kms:*"))}, access.ImplicitDeny, "key-policy"},
		{"the role's own unique id", pageIDs, question{by: sess, id: "AROAJQABLZS4A3QDU576Q:one", do: "kms:Decrypt", resource: doc(to("AROAJQABLZS4A3QDU576Q", "kms:*"))}, access.Allow, ""},
		{"a user's own unique id", pageIDs, question{by: user, id: "AIDAJQABLZS4A3QDU576Q", do: "kms:Decrypt", resource: doc(to("AIDAJQABLZS4A3QDU576Q", "kms:*"))}, access.Allow, ""},
	})
}

// The matrix of a boundary or session policy that says nothing of KMS.
func TestSilentBoundaryAndSessionPolicy(t *testing.T) {
	t.Parallel()
	run(t, []row{
		{"a user named directly is not limited by its boundary", pageIAM, question{by: user, do: "kms:Decrypt", boundary: nothing, resource: doc(to(user, "kms:*"))}, access.Allow, ""},
		{"a user through its account is", pageIAM, question{by: user, do: "kms:Decrypt", boundary: nothing, identity: []raw{decrypt}, resource: delegates}, access.ImplicitDeny, "boundary"},
		{"a role named directly is limited by its boundary", pageIAM, question{by: sess, do: "kms:Decrypt", boundary: nothing, resource: doc(to(role, "kms:*"))}, access.ImplicitDeny, "boundary"},
		{"a role named directly is limited by the session policy", pageIAM, question{by: sess, do: "kms:Decrypt", session: nothing, resource: doc(to(role, "kms:*"))}, access.ImplicitDeny, "session"},
		{"a session named itself is not limited by the session policy", pageIAM, question{by: sess, do: "kms:Decrypt", session: nothing, resource: doc(to(sess, "kms:*"))}, access.Allow, ""},
		{"a session named itself is not limited by the boundary", pageIAM, question{by: sess, do: "kms:Decrypt", boundary: nothing, resource: doc(to(sess, "kms:*"))}, access.Allow, ""},
		{"a federated user named itself is not limited", pageIAM, question{by: fed, do: "kms:Decrypt", session: nothing, resource: doc(to(fed, "kms:*"))}, access.Allow, ""},
		{"the strongest naming counts", pageIAM, question{by: sess, do: "kms:Decrypt", session: nothing, resource: doc(to(role, "kms:*"), to(sess, "kms:Decrypt"))}, access.Allow, ""},
		{"both silent, both named", pageIAM, question{by: sess, do: "kms:Decrypt", session: nothing, boundary: nothing, identity: []raw{decrypt}, resource: delegates}, access.ImplicitDeny, "boundary session"},
		{"across accounts even a named session is limited", pageCross, question{by: xsess, do: "kms:Decrypt", session: nothing, identity: []raw{decrypt}, resource: doc(to(xsess, "kms:*"))}, access.ImplicitDeny, "session"},
	})
}

func TestAcrossAccounts(t *testing.T) {
	t.Parallel()
	run(t, []row{
		{"both sides agree, the account named", pageCross, question{by: xrole, do: "kms:Decrypt", identity: []raw{decrypt}, resource: doc(to(xroot, "kms:*"))}, access.Allow, ""},
		{"both sides agree, the role named", pageCross, question{by: xsess, do: "kms:Decrypt", identity: []raw{decrypt}, resource: doc(to(xrole, "kms:*"))}, access.Allow, ""},
		{"the role named is not enough", pageCross, question{by: xrole, do: "kms:Decrypt", resource: doc(to(xrole, "kms:*"))}, access.ImplicitDeny, "identity"},
		{"nor for CreateGrant", pageCross, question{by: xrole, do: "kms:CreateGrant", resource: doc(to(xrole, "kms:*"))}, access.ImplicitDeny, "identity"},
		{"IAM is not enough", pageCross, question{by: xrole, do: "kms:Decrypt", identity: []raw{decrypt}, resource: delegates}, access.ImplicitDeny, "key-policy"},
		{"neither side, and both are named", pageCross, question{by: xrole, do: "kms:Decrypt", resource: delegates}, access.ImplicitDeny, "key-policy identity"},
		{"everyone named still needs IAM there", pageEval, question{by: xrole, do: "kms:Decrypt", resource: doc(to("*", "kms:*"))}, access.ImplicitDeny, "identity"},
		{"the foreign root user", pageCross, question{by: xroot, do: "kms:Decrypt", resource: doc(to(xroot, "kms:*"))}, access.Allow, ""},
		{"a foreign service-linked role that the key policy names", pageCross, question{by: asgSLR, do: "kms:Decrypt", resource: doc(to(asgSLR, "kms:*"))}, access.ImplicitDeny, "identity"},
		{"every blocker at once", pageCross, question{
			by: xsess, do: "kms:Decrypt", boundary: nothing, session: nothing, resource: delegates,
			scp: [][]raw{{doc(allow("*"))}, {nothing}}, endpoint: doc(to("*", "s3:*")),
		}, access.ImplicitDeny, "key-policy identity boundary session scp endpoint"},
	})
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	full := []raw{doc(allow("*"))}
	in := func(change func(*question)) question {
		q := question{by: sess, do: "kms:Decrypt", identity: []raw{doc(allow("kms:*"))}, resource: delegates}
		change(&q)
		return q
	}
	slr := "arn:aws:iam::111111111111:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
	run(t, []row{
		{"each level of SCPs has to allow", pageSCP, in(func(q *question) { q.scp = [][]raw{full, {nothing}, full} }), access.ImplicitDeny, "scp"},
		{"any policy of a level will do", pageSCP, in(func(q *question) { q.scp = [][]raw{full, {nothing, decrypt}} }), access.Allow, ""},
		{"a level without a policy allows nothing", pageSCP, in(func(q *question) { q.scp = [][]raw{full, {}} }), access.ImplicitDeny, "scp"},
		{"an SCP allow gives nothing by itself", pageSCP, in(func(q *question) { q.scp, q.identity = [][]raw{full}, nil }), access.ImplicitDeny, "identity"},
		{"an SCP does not bind a service-linked role", pageSCP, question{by: slr, do: "kms:Decrypt", resource: doc(to(slr, "kms:*")), scp: [][]raw{{doc(deny("kms:*"))}}}, access.Allow, ""},
		{"an SCP limits a direct key policy too", pageSCP, question{by: sess, do: "kms:Decrypt", resource: doc(to(sess, "kms:*")), scp: [][]raw{{nothing}}}, access.ImplicitDeny, "scp"},
		{"an SCP limits a grant too", pageSCP, question{by: sess, do: "kms:Decrypt", resource: delegates, grants: []map[string]any{grant(sess, "Decrypt")}, scp: [][]raw{{nothing}}}, access.ImplicitDeny, "scp"},
		{"RCPFullAWSAccess is always there", pageOrgs, in(func(q *question) { q.rcp = [][]raw{{}, {}} }), access.Allow, ""},
		{"an RCP does not bind a service-linked role", pageOrgs, question{by: slr, do: "kms:Decrypt", resource: doc(to(slr, "kms:*")), rcp: [][]raw{{doc(denyTo("*", "kms:*"))}}}, access.Allow, ""},
		{"an RCP does not reach AWS managed keys", pageOrgs, in(func(q *question) {
			q.rcp, q.key = [][]raw{{doc(denyTo("*", "kms:*"))}}, map[string]any{"manager": "AWS"}
		}), access.Allow, ""},
		{"an RCP never limits RetireGrant", recorded, question{by: sess, do: "kms:RetireGrant", resource: delegates, grants: []map[string]any{grant(sess, "RetireGrant")}, rcp: [][]raw{{doc(denyTo("*", "kms:*"))}}}, access.Allow, ""},
		{"an RCP covers only some services", pageOrgs, question{by: sess, do: "ec2:DescribeInstances", on: "*", identity: []raw{doc(allow("*"))}, rcp: [][]raw{{doc(denyTo("*", "*"))}}}, access.Allow, ""},
		{"an RCP on assuming a role", recorded, question{by: xrole, do: "sts:AssumeRole", on: role, identity: []raw{doc(allow("*"))}, resource: doc(to(xroot, "sts:AssumeRole")), rcp: [][]raw{{doc(denyTo("*", "sts:*"))}}}, access.ExplicitDeny, "rcp"},
		{"an org-perimeter deny with its guard spares members", pageOrgs, in(func(q *question) {
			q.rcp = [][]raw{{doc(when(denyTo("*", "kms:*"), `{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-1"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}`))}}
			q.ctx = map[string]any{"aws:PrincipalOrgID": "o-1"}
		}), access.Allow, ""},
		{"and denies outsiders", pageOrgs, in(func(q *question) {
			q.rcp = [][]raw{{doc(when(denyTo("*", "kms:*"), `{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-1"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}`))}}
			q.ctx = map[string]any{"aws:PrincipalOrgID": "o-2"}
		}), access.ExplicitDeny, "rcp"},
	})
}

func TestEndpointPolicies(t *testing.T) {
	t.Parallel()
	ask := question{by: sess, do: "kms:Decrypt", identity: []raw{decrypt}, resource: delegates}
	at := func(policy raw, ctx map[string]any) question { q := ask; q.endpoint, q.ctx = policy, ctx; return q }
	run(t, []row{
		{"allows everyone", pageVPC, at(doc(to("*", "*")), nil), access.Allow, ""},
		{"names the caller's account", pageVPC, at(doc(to(root, "kms:*")), nil), access.Allow, ""},
		{"names another principal", pageVPC, at(doc(to(user, "kms:*")), nil), access.ImplicitDeny, "endpoint"},
		{"is not asked when a service forwards the call", pageFAS, at(doc(to(user, "kms:*")), map[string]any{"kms:ViaService": "s3.us-east-1.amazonaws.com"}), access.Allow, ""},
	})
}

func TestAWSManagedKeys(t *testing.T) {
	t.Parallel()
	managed := doc(
		`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:CreateGrant","kms:DescribeKey"],"Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"`+owner+`","kms:ViaService":"ec2.us-east-1.amazonaws.com"}}}`,
		to(root, "kms:Describe*", "kms:Get*", "kms:List*"))
	ask := func(by string, ctx map[string]any) question {
		return question{by: by, do: "kms:Decrypt", identity: []raw{decrypt}, resource: managed, ctx: ctx, key: map[string]any{"manager": "AWS"}}
	}
	via := map[string]any{"kms:ViaService": "ec2.us-east-1.amazonaws.com"}
	run(t, []row{
		{"its own account through the service", pageManag, ask(role, via), access.Allow, ""},
		{"its own account without IAM, through the service", pageManag, func() question { q := ask(role, via); q.identity = nil; return q }(), access.Allow, ""},
		{"its own account directly", pageManag, ask(role, nil), access.ImplicitDeny, "key-policy"},
		{"another account through the service", pageManag, ask(xrole, via), access.ImplicitDeny, "key-policy"},
		{"the service of another Region", pageManag, ask(role, map[string]any{"kms:ViaService": "ec2.us-west-2.amazonaws.com"}), access.ImplicitDeny, "key-policy"},
	})
}

func TestConditionsOnTheRequest(t *testing.T) {
	t.Parallel()
	ask := func(do, condition string, ctx map[string]any) question {
		return question{by: sess, do: do, ctx: ctx, resource: doc(when(to(role, "kms:*"), condition)), key: map[string]any{"aliases": []string{"alias/x"}, "tags": map[string]string{"Team": "dr"}}}
	}
	pair := map[string]any{"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::b/a"}
	run(t, []row{
		{"kms:CallerAccount follows from the caller", pageCond, ask("kms:Decrypt", `{"StringEquals":{"kms:CallerAccount":"`+owner+`"}}`, nil), access.Allow, ""},
		{"in any letter case", pageCond, ask("kms:Decrypt", `{"StringEquals":{"kms:callerAccount":"`+owner+`"}}`, nil), access.Allow, ""},
		{"aws:PrincipalArn is the role of a session", pageCond, ask("kms:Decrypt", `{"ArnEquals":{"aws:PrincipalArn":"`+role+`"}}`, nil), access.Allow, ""},
		{"aws:PrincipalAccount", pageCond, ask("kms:Decrypt", `{"StringEquals":{"aws:PrincipalAccount":"`+owner+`"}}`, nil), access.Allow, ""},
		{"aws:PrincipalType", pageCond, ask("kms:Decrypt", `{"StringEquals":{"aws:PrincipalType":"AssumedRole"}}`, nil), access.Allow, ""},
		{"aws:RequestedRegion is the key's", pageCond, ask("kms:Decrypt", `{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}`, nil), access.Allow, ""},
		{"aws:ResourceAccount", pageCond, ask("kms:Decrypt", `{"StringEquals":{"aws:ResourceAccount":"`+owner+`"}}`, nil), access.Allow, ""},
		{"aws:ResourceTag, its key in any letter case", pageCond, ask("kms:Decrypt", `{"StringEquals":{"aws:ResourceTag/team":"dr"}}`, nil), access.Allow, ""},
		{"aws:PrincipalIsAWSService", pageCond, ask("kms:Decrypt", `{"Bool":{"aws:PrincipalIsAWSService":"false"}}`, nil), access.Allow, ""},
		{"aws:ViaAWSService of a direct call", pageFAS, ask("kms:Decrypt", `{"Bool":{"aws:ViaAWSService":"false"}}`, nil), access.Allow, ""},
		{"aws:ViaAWSService of a forwarded one", pageFAS, ask("kms:Decrypt", `{"Bool":{"aws:ViaAWSService":"true"}}`, map[string]any{"kms:ViaService": "s3.us-east-1.amazonaws.com"}), access.Allow, ""},
		{"kms:KeySpec, KeyUsage, KeyOrigin and MultiRegion of a plain key", pageCond, ask("kms:Decrypt", `{"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT","kms:KeyUsage":"ENCRYPT_DECRYPT","kms:KeyOrigin":"AWS_KMS"},"Bool":{"kms:MultiRegion":"false"}}`, nil), access.Allow, ""},
		{"kms:ViaService absent from a direct call", pageCond, ask("kms:Decrypt", `{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`, nil), access.ImplicitDeny, "key-policy"},
		{"an encryption context whose name has colons", pageCond, ask("kms:Decrypt", `{"StringLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::b/*"}}`, pair), access.Allow, ""},
		{"and its value compares with letter case", pageCond, ask("kms:Decrypt", `{"StringEquals":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::B/A"}}`, pair), access.ImplicitDeny, "key-policy"},
		{"a Deny because the pair is absent", pageCond, func() question {
			q := ask("kms:Decrypt", `{}`, nil)
			q.resource = doc(to(role, "kms:*"), when(denyTo("*", "kms:Decrypt"), `{"Null":{"kms:EncryptionContext:app":"true"}}`))
			return q
		}(), access.ExplicitDeny, "key-policy"},
		{"kms:EncryptionContextKeys follows from the pairs", pageCond, ask("kms:Decrypt", `{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"aws:s3:arn"}}`, pair), access.Allow, ""},
		{"kms:ResourceAliases does nothing in a key policy", pageAlias, ask("kms:Decrypt", `{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/x"}}`, nil), access.ImplicitDeny, "key-policy"},
		{"kms:ResourceAliases in IAM", pageAlias, func() question {
			q := ask("kms:Decrypt", `{}`, nil)
			q.resource, q.identity = delegates, []raw{doc(when(allow("kms:*"), `{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/x"}}`))}
			return q
		}(), access.Allow, ""},
		{"kms:ResourceAliases in IAM without a set operator", pageAlias, func() question {
			q := ask("kms:Decrypt", `{}`, nil)
			q.resource, q.identity = delegates, []raw{doc(when(allow("kms:*"), `{"StringEquals":{"kms:ResourceAliases":"alias/x"}}`))}
			return q
		}(), access.ImplicitDeny, "identity"},
		{"a key nobody knows is kept and compared", pageCond, ask("kms:Decrypt", `{"StringEquals":{"kms:Frobnication":"x"}}`, map[string]any{"kms:Frobnication": "x"}), access.Allow, ""},
		{"a key of which nobody knows the value", pageCond, ask("kms:Decrypt", `{"StringEquals":{"aws:SourceIp":"192.0.2.1"}}`, map[string]any{"aws:SourceIp": nil}), access.Unknown, ""},
		{"not known, but it does not matter", pageCond, func() question {
			q := ask("kms:Decrypt", `{"StringEquals":{"aws:SourceIp":"192.0.2.1"}}`, map[string]any{"aws:SourceIp": nil})
			q.resource = doc(to(role, "kms:Decrypt"), when(to(role, "kms:*"), `{"StringEquals":{"aws:SourceIp":"192.0.2.1"}}`))
			return q
		}(), access.Allow, ""},
		{"a Deny that may apply", pageCond, func() question {
			q := ask("kms:Decrypt", `{}`, map[string]any{"aws:SourceIp": nil})
			q.resource = doc(to(role, "kms:Decrypt"), when(denyTo("*", "kms:*"), `{"NotIpAddress":{"aws:SourceIp":"192.0.2.1"}}`))
			return q
		}(), access.Unknown, ""},
	})
}

func TestNotPrincipal(t *testing.T) {
	t.Parallel()
	ask := func(by, names string, change ...func(*question)) question {
		q := question{by: by, do: "kms:Decrypt", identity: []raw{decrypt}, resource: doc(to(root, "kms:*"), to(user, "kms:*"),
			`{"Effect":"Deny","NotPrincipal":{"AWS":`+names+`},"Action":"kms:Decrypt","Resource":"*"}`)}
		for _, f := range change {
			f(&q)
		}
		return q
	}
	bounded := func(q *question) { q.boundary = doc(allow("*")) }
	run(t, []row{
		{"denies whom it does not name", pageNotP, ask(sess, `["`+user+`","`+root+`"]`), access.ExplicitDeny, "key-policy"},
		{"spares a user named with the account", pageNotP, ask(user, `["`+user+`","`+root+`"]`), access.Allow, ""},
		{"a user named without the account: AWS says it might deny", pageNotP, ask(user, `"`+user+`"`), access.Unknown, ""},
		{"spares a session named with role and account", pageNotP, ask(sess, `["`+sess+`","`+role+`","`+root+`"]`), access.Allow, ""},
		{"denies the session of a role named alone", pageNotP, ask(sess, `"`+role+`"`), access.ExplicitDeny, "key-policy"},
		{"the account alone spares nobody in it", pageNotP, ask(sess, `"`+root+`"`), access.ExplicitDeny, "key-policy"},
		{"a caller with a boundary is always denied", pageNotP, ask(user, `["`+user+`","`+root+`"]`, bounded), access.ExplicitDeny, "key-policy"},
	})
}
