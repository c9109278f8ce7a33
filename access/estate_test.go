package access_test

import (
	"strings"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// estateText is two member accounts and the management account of an
// organization, with a key in each; %s is put into the organization.
const estateText = `{
  "format_version": 1,
  "organization": {
    "id": "o-abc1234567", "management_account": "999999999999",
    "policies": {
      "noDecrypt": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}]},
      "rcp": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "KMS:Encrypt", "Resource": "*"}]}
    },
    "root": {"id": "r-ab12", "scps": ["FullAWSAccess"], "rcps": ["rcp"], "accounts": [{"id": "999999999999", "scps": ["noDecrypt"]}],
      "units": [{"id": "ou-ab12-12345678", "scps": ["FullAWSAccess", "noDecrypt"], "accounts": [{"id": "222222222222", "scps": ["FullAWSAccess"]}]},
                {"id": "ou-ab12-87654321", "scps": ["FullAWSAccess"], "accounts": [{"id": "111111111111", "scps": ["FullAWSAccess"]}]}]}
  },
  "accounts": [{"id": "111111111111", "regions": ["us-east-1"]}, {"id": "222222222222"}, {"id": "999999999999"}],
  "principals": [
    {"arn": "arn:aws:iam::111111111111:role/app", "id": "AROAJQABLZS4A3QDU576Q", "tags": {"team": "dr"}, "policies": [{"name": "all", "kind": "inline", "document": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}}]},
    {"arn": "arn:aws:iam::222222222222:role/app", "policies": [{"name": "all", "kind": "inline", "document": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}}]},
    {"arn": "arn:aws:iam::999999999999:role/app", "policies": [{"name": "all", "kind": "inline", "document": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}}]},
    {"arn": "arn:aws:iam::111111111111:role/hidden", "unreadable": "AccessDenied on ListRolePolicies"}
  ],
  "keys": [
    {"arn": "arn:aws:kms:us-east-1:111111111111:key/member", "policy": {"Version": "2012-10-17", "Statement": [
      {"Effect": "Allow", "Principal": {"AWS": ["111111111111", "222222222222", "999999999999"]}, "Action": "kms:*", "Resource": "*"}]}},
    {"arn": "arn:aws:kms:us-east-1:111111111111:key/tagged", "policy": {"Version": "2012-10-17", "Statement": [
      {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:role/app"}, "Action": "kms:Decrypt", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "dr", "aws:PrincipalTag/cost": "42", "aws:SourceIdentity": "me"}}}]}},
    {"arn": "arn:aws:kms:us-east-1:111111111111:key/old", "principal_ids": {"arn:aws:iam::111111111111:role/app": "AROAOLDOLDOLDOLDOLDOL"}, "policy": {"Version": "2012-10-17", "Statement": [
      {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:role/app"}, "Action": "kms:Decrypt", "Resource": "*"}]}},
    {"arn": "arn:aws:kms:us-east-1:999999999999:key/management", "policy": {"Version": "2012-10-17", "Statement": [
      {"Effect": "Allow", "Principal": {"AWS": ["111111111111", "999999999999"]}, "Action": "kms:*", "Resource": "*"}]}},
    {"arn": "arn:aws:kms:us-east-1:111111111111:key/closed", "policy": {"unreadable": "AccessDenied on GetKeyPolicy"}, "grants_unreadable": "AccessDenied on ListGrants"},
    {"arn": "arn:aws:kms:eu-west-1:111111111111:key/far", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "kms:*", "Resource": "*"}]}}
  ],
  "endpoints": [{"id": "vpce-12345678", "account": "111111111111", "region": "us-east-1", "service": "kms", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:DescribeKey", "Resource": "*"}]}}]
}`

func TestDecisionsOnAnEstate(t *testing.T) {
	t.Parallel()
	e, err := estate.Load("estate.json", []byte(estateText))
	if err != nil {
		t.Fatal(err)
	}
	const app, xapp, mapp = "arn:aws:iam::111111111111:role/app", "arn:aws:iam::222222222222:role/app", "arn:aws:iam::999999999999:role/app"
	keyOf := func(name string) string {
		switch name {
		case "management":
			return "arn:aws:kms:us-east-1:999999999999:key/management"
		case "far":
			return "arn:aws:kms:eu-west-1:111111111111:key/far"
		}
		return "arn:aws:kms:us-east-1:111111111111:key/" + name
	}
	stated := func(r *estate.Request) { r.SessionTags, r.SourceIdentity = map[string]string{"cost": "42"}, "me" }
	tests := []struct {
		name, source, by, do, key string
		change                    func(*estate.Request)
		want                      access.Effect
		blockedBy                 string
	}{
		{"a member under a plain organization", pageSCP, app, "kms:Decrypt", "member", nil, access.Allow, ""},
		{"a member whose unit denies", pageSCP, xapp, "kms:Decrypt", "member", nil, access.ExplicitDeny, "scp"},
		{"the management account is bound by no SCP", pageSCP, mapp, "kms:Decrypt", "member", nil, access.Allow, ""},
		{"an RCP binds a member's key, for a member", recorded, app, "kms:Encrypt", "member", nil, access.ExplicitDeny, "rcp"},
		{"and for the management account", recorded, mapp, "kms:Encrypt", "member", nil, access.ExplicitDeny, "rcp"},
		{"the management account's key is bound by no RCP", recorded, app, "kms:Encrypt", "management", nil, access.Allow, ""},
		{"session tags and source identity that nobody stated", pageFAS, app, "kms:Decrypt", "tagged", nil, access.Unknown, ""},
		{"the same, stated", pageFAS, app, "kms:Decrypt", "tagged", stated, access.Allow, ""},
		{"another source identity", pageFAS, app, "kms:Decrypt", "tagged", func(r *estate.Request) { stated(r); r.SourceIdentity = "you" }, access.ImplicitDeny, "key-policy"},
		{"a role that was made again since the key policy was written", pageIDs, app, "kms:Decrypt", "old", nil, access.ImplicitDeny, "key-policy"},
		{"a key policy that could not be read", pageEval, app, "kms:Decrypt", "closed", nil, access.Unknown, ""},
		{"a role whose policies could not be read", pageEval, "arn:aws:iam::111111111111:role/hidden", "kms:Decrypt", "member", nil, access.Unknown, ""},
		{"a Region that the account has off", "https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html", app, "kms:Decrypt", "far", nil, access.ImplicitDeny, "region"},
		{"through an endpoint that allows less", pageVPC, app, "kms:Decrypt", "member", func(r *estate.Request) { r.Endpoint = "vpce-12345678" }, access.ImplicitDeny, "endpoint"},
		{"through the endpoint, forwarded", pageFAS, app, "kms:Decrypt", "member", func(r *estate.Request) {
			r.Endpoint = "vpce-12345678"
			r.Context.Set("kms:ViaService", policy.One("ec2.us-east-1.amazonaws.com"))
		}, access.Allow, ""},
		{"through an endpoint that the estate does not hold", pageVPC, app, "kms:Decrypt", "member", func(r *estate.Request) { r.Endpoint = "vpce-99999999" }, access.Unknown, ""},
		{"a key that the estate does not have", pageEval, app, "kms:Decrypt", "gone", nil, access.Unknown, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := estate.NewRequest(tt.by, tt.do, keyOf(tt.key))
			if err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(&r)
			}
			c := e.Bind(r)
			d := access.Authorize(&c)
			var by []string
			for _, l := range d.BlockedBy() {
				by = append(by, string(l))
			}
			if d.Effect != tt.want || strings.Join(by, " ") != tt.blockedBy {
				t.Errorf("%v blocked by %v, want %v by %q (%s)\n%+v %+v", d.Effect, by, tt.want, tt.blockedBy, tt.source, d.Blockers, d.Unknown)
			}
			if quick := access.Decide(&c); quick != d.Effect {
				t.Errorf("Decide says %v", quick)
			}
			if d.Effect == access.Unknown && (len(d.Unknown) == 0 || d.Unknown[0].Settle == "") {
				t.Errorf("nothing says how to settle it: %+v", d.Unknown)
			}
		})
	}
}

// The condition keys of CreateGrant.
// See https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html.
func TestConditionsOnGrants(t *testing.T) {
	t.Parallel()
	ask := func(do, condition string, ctx map[string]any) question {
		return question{by: sess, do: do, ctx: ctx, resource: doc(when(to(role, "kms:*"), condition))}
	}
	const forResource = `{"Bool":{"kms:GrantIsForAWSResource":"true"}}`
	run(t, []row{
		{"GrantIsForAWSResource blocks a direct CreateGrant", pageCond, ask("kms:CreateGrant", forResource, nil), access.ImplicitDeny, "key-policy"},
		{"and lets a service make one", pageCond, ask("kms:CreateGrant", forResource, map[string]any{"kms:GrantIsForAWSResource": "true", "kms:ViaService": "ec2.us-east-1.amazonaws.com"}), access.Allow, ""},
		{"Decrypt never carries it: the statement is dead for it", pageCond, ask("kms:Decrypt", forResource, nil), access.ImplicitDeny, "key-policy"},
		{"GranteePrincipal", pageCond, ask("kms:CreateGrant", `{"StringEquals":{"kms:GranteePrincipal":"`+asgSLR+`"}}`, map[string]any{"kms:GranteePrincipal": asgSLR}), access.Allow, ""},
		{"another grantee", pageCond, ask("kms:CreateGrant", `{"StringEquals":{"kms:GranteePrincipal":"`+asgSLR+`"}}`, map[string]any{"kms:GranteePrincipal": role}), access.ImplicitDeny, "key-policy"},
		{"GrantOperations needs a set operator", pageCond, ask("kms:CreateGrant", `{"StringEquals":{"kms:GrantOperations":"Decrypt"}}`, map[string]any{"kms:GrantOperations": []string{"Decrypt"}}), access.ImplicitDeny, "key-policy"},
		{"all operations among those named", pageCond, ask("kms:CreateGrant", `{"ForAllValues:StringEquals":{"kms:GrantOperations":["Decrypt","Encrypt"]}}`, map[string]any{"kms:GrantOperations": []string{"Decrypt"}}), access.Allow, ""},
		{"one operation beyond them", pageCond, ask("kms:CreateGrant", `{"ForAllValues:StringEquals":{"kms:GrantOperations":["Decrypt","Encrypt"]}}`, map[string]any{"kms:GrantOperations": []string{"Decrypt", "Sign"}}), access.ImplicitDeny, "key-policy"},
		{"GrantConstraintType", pageCond, ask("kms:CreateGrant", `{"StringEquals":{"kms:GrantConstraintType":"EncryptionContextSubset"}}`, map[string]any{"kms:GrantConstraintType": "EncryptionContextSubset"}), access.Allow, ""},
		{"aws:SourceAccount is absent unless a service calls for itself", pageCond, ask("kms:Decrypt", `{"StringEquals":{"aws:SourceAccount":"`+owner+`"}}`, nil), access.ImplicitDeny, "key-policy"},
		{"BypassPolicyLockoutSafetyCheck", pageCond, ask("kms:PutKeyPolicy", `{"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"}}`, map[string]any{"kms:BypassPolicyLockoutSafetyCheck": "false"}), access.Allow, ""},
	})
}
