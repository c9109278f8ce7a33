package access_test

import (
	"testing"

	"github.com/keyreach/keyreach/access"
)

const (
	pageGrants      = "https://docs.aws.amazon.com/kms/latest/developerguide/grants.html"
	pageGrantPolicy = "https://docs.aws.amazon.com/kms/latest/developerguide/create-grant-overview.html"
	pageConstraint  = "https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantConstraints.html"
	pageRetire      = "https://docs.aws.amazon.com/kms/latest/developerguide/grant-delete.html"
	pageASG         = "https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html"
	roleID          = "AROAJQABLZS4A3QDU576Q"
)

type grants = []map[string]any

// Grants inside the key's account; the policy is the default one, and the
// caller has no policy at all unless said.
func TestGrantsInOneAccount(t *testing.T) {
	t.Parallel()
	by := func(caller string, gs ...map[string]any) question {
		return question{by: caller, do: "kms:Decrypt", resource: delegates, grants: gs}
	}
	limited := func(q question, boundary, session raw) question { q.boundary, q.session = boundary, session; return q }
	withID := func(q question, id string) question { q.id = id; return q }
	denied := func(q question) question { q.session = doc(allow("*"), deny("kms:*")); return q }
	run(t, []row{
		{"to the exact session", recorded, by(sess, grant(sess, "Decrypt")), access.Allow, ""},
		{"to the exact session, session policy silent", recorded, limited(by(sess, grant(sess, "Decrypt")), nil, nothing), access.Allow, ""},
		{"to the exact session, boundary silent", recorded, limited(by(sess, grant(sess, "Decrypt")), nothing, nil), access.Allow, ""},
		{"to the exact session, session policy denies", recorded, denied(by(sess, grant(sess, "Decrypt"))), access.ExplicitDeny, "session"},
		{"to another session of the role", recorded, by("arn:aws:sts::111111111111:assumed-role/app/two", grant(sess, "Decrypt")), access.ImplicitDeny, "identity"},
		{"to the role", recorded, by(sess, grant(role, "Decrypt")), access.Allow, ""},
		{"to the role, asked as the role", recorded, by(role, grant(role, "Decrypt")), access.Allow, ""},
		{"to the role, session policy silent", recorded, limited(by(sess, grant(role, "Decrypt")), nil, nothing), access.ImplicitDeny, "session"},
		{"to the role, boundary silent", recorded, limited(by(sess, grant(role, "Decrypt")), nothing, nil), access.ImplicitDeny, "boundary"},
		{"to the role and to the session, session policy silent", recorded, limited(by(sess, grant(role, "Decrypt"), grant(sess, "Decrypt")), nil, nothing), access.Allow, ""},
		{"to a federated user, session policy silent", recorded, limited(by(fed, grant(fed, "Decrypt")), nil, nothing), access.Allow, ""},
		{"to a user", pageGrants, by(user, grant(user, "Decrypt")), access.Allow, ""},
		{"to another user", pageGrants, by(user, grant("arn:aws:iam::111111111111:user/dave", "Decrypt")), access.ImplicitDeny, "identity"},
		{"to the account: its principals still need IAM", pageGrants, by(sess, grant(root, "Decrypt")), access.ImplicitDeny, "identity"},
		{"to a session by its unique id", recorded, withID(by(sess, grant(roleID+":one", "Decrypt")), roleID+":one"), access.Allow, ""},
		{"to another session by its unique id", recorded, withID(by(sess, grant(roleID+":two", "Decrypt")), roleID+":one"), access.ImplicitDeny, "identity"},
		{"for another operation", pageGrants, by(sess, grant(sess, "Encrypt", "GenerateDataKey")), access.ImplicitDeny, "identity"},
		{"an operation written with its service gives nothing", pageGrants, by(sess, grant(sess, "kms:Decrypt")), access.ImplicitDeny, "identity"},
		{"a role that was deleted and made again", recorded, withID(by(sess, with(grant(sess, "Decrypt"), "grantee_principal_id", "AROAOLDOLDOLDOLDOLDOL:one")), roleID+":one"), access.ImplicitDeny, "grant identity"},
		{"the role for which it was made", recorded, withID(by(sess, with(grant(sess, "Decrypt"), "grantee_principal_id", roleID+":one")), roleID+":one"), access.Allow, ""},
		{"the session that is named, assumed anew", recorded, withID(by(sess, with(grant(role, "Decrypt"), "grantee_principal_id", roleID)), roleID+":one"), access.Allow, ""},
		{"with its token", pageGrants, func() question {
			q := by(sess, with(grant(sess, "Decrypt"), "token", "t1"))
			return q
		}(), access.Allow, ""},
		{"to a service", pageGrants, question{by: "ec2.us-east-1.amazonaws.com", do: "kms:Decrypt", resource: delegates, grants: grants{
			{"grant_id": "g", "grantee_service_principal": "ec2.us-east-1.amazonaws.com", "operations": []string{"Decrypt"}},
		}}, access.Allow, ""},
		{"where the key policy does not name the account", pageGrants, question{by: sess, do: "kms:Decrypt", resource: doc(to(user, "kms:*")), grants: grants{grant(sess, "Decrypt")}}, access.Allow, ""},
		{"a deny in the key policy outranks it", pageGrants, question{by: sess, do: "kms:Decrypt", resource: doc(denyTo("*", "kms:Decrypt")), grants: grants{grant(sess, "Decrypt")}}, access.ExplicitDeny, "key-policy"},
	})
}

func TestGrantConstraints(t *testing.T) {
	t.Parallel()
	subset := func(m map[string]string) map[string]any { return map[string]any{"EncryptionContextSubset": m} }
	equals := func(m map[string]string) map[string]any { return map[string]any{"EncryptionContextEquals": m} }
	ask := func(do string, constraint map[string]any, ctx map[string]any) question {
		return question{by: sess, do: do, resource: delegates, ctx: ctx, grants: grants{
			with(grant(sess, "Decrypt", "DescribeKey", "GenerateDataKey", "RetireGrant"), "constraints", constraint),
		}}
	}
	it := map[string]string{"department": "IT"}
	ctx := func(pairs ...string) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			m["kms:EncryptionContext:"+pairs[i]] = pairs[i+1]
		}
		return m
	}
	run(t, []row{
		{"subset, the pair given", pageConstraint, ask("kms:Decrypt", subset(it), ctx("department", "IT")), access.Allow, ""},
		{"subset, the pair and more", pageConstraint, ask("kms:Decrypt", subset(it), ctx("department", "IT", "x", "y")), access.Allow, ""},
		{"subset, another value", pageConstraint, ask("kms:Decrypt", subset(it), ctx("department", "HR")), access.ImplicitDeny, "grant identity"},
		{"subset, the value in another letter case", pageConstraint, ask("kms:Decrypt", subset(it), ctx("department", "it")), access.ImplicitDeny, "grant identity"},
		{"subset, the name in another letter case", pageConstraint, ask("kms:Decrypt", subset(it), ctx("Department", "IT")), access.Allow, ""},
		{"subset, no encryption context", pageConstraint, ask("kms:Decrypt", subset(it), nil), access.ImplicitDeny, "grant identity"},
		{"equals, exactly", pageConstraint, ask("kms:Decrypt", equals(it), ctx("department", "IT")), access.Allow, ""},
		{"equals, and more", pageConstraint, ask("kms:Decrypt", equals(it), ctx("department", "IT", "x", "y")), access.ImplicitDeny, "grant identity"},
		{"equals, less", pageConstraint, ask("kms:Decrypt", equals(map[string]string{"department": "IT", "x": "y"}), ctx("department", "IT")), access.ImplicitDeny, "grant identity"},
		{"a name with colons", pageConstraint, ask("kms:Decrypt", equals(map[string]string{"aws:s3:arn": "arn:aws:s3:::b/k"}), ctx("aws:s3:arn", "arn:aws:s3:::b/k")), access.Allow, ""},
		{"DescribeKey carries no encryption context", pageConstraint, ask("kms:DescribeKey", equals(it), nil), access.Allow, ""},
		{"nor does RetireGrant", pageConstraint, ask("kms:RetireGrant", equals(it), nil), access.Allow, ""},
		{"a value that nobody knows", pageConstraint, ask("kms:Decrypt", subset(it), map[string]any{"kms:EncryptionContext:department": nil}), access.Unknown, ""},
		{"no constraint at all, empty", pageConstraint, ask("kms:Decrypt", map[string]any{"EncryptionContextSubset": map[string]string{}}, nil), access.Allow, ""},
	})
}

func TestRetireGrant(t *testing.T) {
	t.Parallel()
	retire := func(caller string, g map[string]any) question {
		return question{by: caller, do: "kms:RetireGrant", resource: doc(to(root, "kms:*"), to("*", "kms:RetireGrant")), grants: grants{g}}
	}
	silent := func(q question) question { q.session = nothing; return q }
	plain := grant("arn:aws:iam::111111111111:role/other", "Decrypt")
	run(t, []row{
		{"the retiring principal", pageRetire, retire(sess, with(plain, "retiring_principal", role)), access.Allow, ""},
		{"the grantee with RetireGrant", pageRetire, retire(sess, grant(sess, "RetireGrant")), access.Allow, ""},
		{"the grantee without it, as one of the issuing account's principals, needs IAM", pageRetire, retire(sess, grant(sess, "Decrypt")), access.ImplicitDeny, "identity"},
		{"the grantee without it, from another account", pageRetire, retire(xsess, grant(xsess, "Decrypt")), access.ImplicitDeny, "grant"},
		{"the issuing account's root user", pageRetire, retire(root, plain), access.Allow, ""},
		{"somebody else; a key policy cannot give it", pageRetire, retire(xsess, plain), access.ImplicitDeny, "grant"},
		{"an exact session under a silent session policy", recorded, silent(retire(sess, with(grant(sess, "RetireGrant"), "retiring_principal", sess))), access.Allow, ""},
		{"a federated user, without IAM", recorded, retire(fed, grant(fed, "RetireGrant")), access.Allow, ""},
	})
}

func TestDelegatedCreateGrant(t *testing.T) {
	t.Parallel()
	parent := func(id string, constraint map[string]string, ops ...string) map[string]any {
		g := with(grant(role, ops...), "constraints", map[string]any{"EncryptionContextSubset": constraint})
		return with(g, "grant_id", id)
	}
	// The parents of the recording.
	parents := grants{
		parent("p1", map[string]string{"department": "IT"}, "CreateGrant", "Decrypt"),
		parent("p2", map[string]string{"project": "apollo"}, "Encrypt"),
	}
	ask := func(gs grants, typ string, pairs map[string]string, ops ...string) question {
		ctx := map[string]any{"kms:GrantOperations": ops}
		if typ != "" {
			ctx["kms:GrantConstraintType"] = typ
		}
		for k, v := range pairs {
			ctx["kms:EncryptionContext:"+k] = v
		}
		return question{by: sess, do: "kms:CreateGrant", resource: delegates, grants: gs, ctx: ctx}
	}
	exact := map[string]string{"department": "IT", "project": "apollo"}
	run(t, []row{
		{"both parents never add up", recorded, ask(parents, "EncryptionContextEquals", exact, "Decrypt", "Encrypt"), access.ImplicitDeny, "grant identity"},
		{"the parent of the operation cannot create", recorded, ask(parents, "EncryptionContextEquals", exact, "Encrypt"), access.ImplicitDeny, "grant identity"},
		{"a child without constraint is broader", recorded, ask(parents, "", nil, "Decrypt"), access.ImplicitDeny, "grant identity"},
		{"a child that is narrower", recorded, ask(parents, "EncryptionContextEquals", exact, "Decrypt"), access.Allow, ""},
		{"a child with another value", pageGrantPolicy, ask(parents, "EncryptionContextSubset", map[string]string{"department": "HR"}, "Decrypt"), access.ImplicitDeny, "grant identity"},
		{"a parent without constraint", pageGrantPolicy, ask(grants{grant(role, "CreateGrant", "Decrypt")}, "", nil, "Decrypt"), access.Allow, ""},
		{"a child that hands on the right", pageGrantPolicy, ask(grants{grant(role, "CreateGrant", "Decrypt")}, "", nil, "Decrypt", "CreateGrant"), access.Allow, ""},
		{"a parent without CreateGrant", pageGrantPolicy, ask(grants{grant(role, "Decrypt")}, "", nil, "Decrypt"), access.ImplicitDeny, "identity"},
		{"nobody says which operations", pageGrantPolicy, question{by: sess, do: "kms:CreateGrant", resource: delegates, grants: grants{grant(role, "CreateGrant", "Decrypt")}}, access.Unknown, ""},
		{"a right from a policy is not bound by the grant", pageGrantPolicy, func() question {
			q := ask(grants{grant(role, "CreateGrant", "Decrypt")}, "", nil, "Encrypt")
			q.identity = []raw{doc(allow("kms:CreateGrant"))}
			return q
		}(), access.Allow, ""},
	})
}

// The key is in one account, the caller in another; the key policy names the
// caller's account for CreateGrant only.
func TestGrantsAcrossAccounts(t *testing.T) {
	t.Parallel()
	policy := doc(to(root, "kms:*"), to(xroot, "kms:CreateGrant"))
	ask := func(g map[string]any, session raw, identity ...raw) question {
		return question{by: xsess, do: "kms:Decrypt", resource: policy, grants: grants{g}, session: session, identity: identity}
	}
	byConsumer := func(g map[string]any) map[string]any {
		return with(g, "issuing_account", "arn:aws:iam::222222222222:root")
	}
	all := doc(allow("kms:*"))
	slr := question{by: asgSLR, do: "kms:Decrypt", resource: policy, grants: grants{grant(asgSLR, "Decrypt")}}
	slrOwn := question{by: asgSLR, do: "kms:Decrypt", resource: policy, grants: grants{byConsumer(grant(asgSLR, "Decrypt"))}}
	retire := func(g map[string]any, session raw, identity ...raw) question {
		q := ask(g, session, identity...)
		q.do = "kms:RetireGrant"
		return q
	}
	run(t, []row{
		{"issued by the owner to the session, no IAM", recorded, ask(grant(xsess, "Decrypt"), nil), access.ImplicitDeny, "identity"},
		{"issued by the owner to the role, no IAM", recorded, ask(grant(xrole, "Decrypt"), nil), access.ImplicitDeny, "identity"},
		{"issued by the owner, IAM allows", recorded, ask(grant(xrole, "Decrypt"), nil, all), access.Allow, ""},
		{"issued by the owner to the session, IAM allows, session policy silent", recorded, ask(grant(xsess, "Decrypt"), nothing, all), access.ImplicitDeny, "session"},
		{"issued by the consumer to the session, no IAM", recorded, ask(byConsumer(grant(xsess, "Decrypt")), nil), access.Allow, ""},
		{"issued by the consumer to the session, session policy silent", recorded, ask(byConsumer(grant(xsess, "Decrypt")), nothing), access.Allow, ""},
		{"the same, IAM allows", recorded, ask(byConsumer(grant(xsess, "Decrypt")), nothing, all), access.Allow, ""},
		{"issued by the consumer to the role, no IAM", recorded, ask(byConsumer(grant(xrole, "Decrypt")), nil), access.Allow, ""},
		{"issued by the consumer to the role, session policy silent", recorded, ask(byConsumer(grant(xrole, "Decrypt")), nothing), access.ImplicitDeny, "session"},
		{"issued from a third account, no IAM (assumed as the owner's)", recorded, ask(with(grant(xrole, "Decrypt"), "issuing_account", "333333333333"), nil), access.ImplicitDeny, "identity"},
		{"a service-linked role under the owner's grant", pageASG, slr, access.ImplicitDeny, "identity"},
		{"a service-linked role under its own account's grant", pageASG, slrOwn, access.Allow, ""},
		{"retiring an owner's grant as grantee, no IAM", recorded, retire(grant(xsess, "RetireGrant"), nil), access.ImplicitDeny, "identity"},
		{"retiring it as retiring principal, no IAM", recorded, retire(with(grant(role, "Decrypt"), "retiring_principal", xrole), nil), access.ImplicitDeny, "identity"},
		{"retiring it, IAM allows", recorded, retire(grant(xrole, "RetireGrant"), nil, all), access.Allow, ""},
	})
}
