package access_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
)

const (
	bucket = "arn:aws:s3:::data"
	vault  = "arn:aws:backup:us-east-1:111111111111:backup-vault:v"
	ownSLR = "arn:aws:iam::111111111111:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
	plain  = "arn:aws:iam::111111111111:role/plain"
)

// scene is an estate in short: two member accounts of an organization and its
// management account, a role with rights on keys and one without, a user, a
// role of the other account, one key, one bucket and one vault.
type scene struct {
	key, app, boundary, trust, bucket, vault, scp, endpoint raw
	state, orgless                                          string
	tags                                                    map[string]string
	grants                                                  []map[string]any
}

func base() scene {
	return scene{
		key: delegates, app: doc(allow("kms:Decrypt", "kms:DescribeKey", "kms:CreateGrant")),
		trust: doc(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`),
		scp:   doc(allow("*"), deny("kms:ScheduleKeyDeletion")), state: "Enabled",
	}
}

func (s scene) load(t testing.TB) *estate.Estate {
	t.Helper()
	app := map[string]any{"arn": role, "trust": s.trust, "policies": []any{map[string]any{"name": "use", "kind": "inline", "document": s.app}}}
	if s.boundary != nil {
		app["boundary"] = s.boundary
	}
	attribute := func(name string, policy raw) map[string]any {
		if policy == nil {
			return map[string]any{}
		}
		return map[string]any{name: string(policy)}
	}
	k := map[string]any{"arn": key, "policy": s.key, "state": s.state}
	if s.grants != nil {
		k["grants"] = s.grants
	}
	if s.tags != nil {
		k["tags"] = s.tags
	}
	e := map[string]any{
		"format_version": 1,
		"accounts":       []any{map[string]any{"id": owner}, map[string]any{"id": other}},
		"principals": []any{
			app, map[string]any{"arn": plain, "trust": s.trust}, map[string]any{"arn": user, "policies": []any{}},
			map[string]any{"arn": xrole, "policies": []any{map[string]any{"name": "all", "kind": "inline", "document": doc(allow("kms:*", "sts:*", "s3:*", "backup:*"))}}},
		},
		"keys": []any{k},
		"resources": []any{
			map[string]any{"type": "s3:Bucket", "arn": bucket, "account": owner, "attributes": attribute("policy", s.bucket)},
			map[string]any{"type": "backup:BackupVault", "arn": vault, "account": owner, "region": "us-east-1", "attributes": attribute("accessPolicy", s.vault)},
		},
	}
	if s.endpoint != nil {
		e["endpoints"] = []any{map[string]any{"id": "vpce-12345678", "account": owner, "region": "us-east-1", "service": "kms", "policy": s.endpoint}}
	}
	if s.orgless == "" {
		account := func(id string) map[string]any { return map[string]any{"id": id, "scps": []string{"FullAWSAccess"}} }
		e["organization"] = map[string]any{
			"id": "o-abc1234567", "management_account": "999999999999", "policies": map[string]any{"guard": s.scp},
			"root": map[string]any{"id": "r-ab12", "scps": []string{"guard"}, "accounts": []any{account("999999999999")}, "units": []any{
				map[string]any{"id": "ou-ab12-12345678", "scps": []string{"FullAWSAccess"}, "accounts": []any{account(owner), account(other)}}}},
		}
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := estate.Load("estate.json", text)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// told is a gain in a line: kind, principal, an action, the resource's service,
// the context, and ? when it is uncertain.
func told(g access.Gain, action string) string {
	service := "*"
	if parts := strings.SplitN(g.Resource, ":", 4); len(parts) == 4 {
		service = parts[2]
	}
	line := fmt.Sprintf("%s | %s | %s | %s", g.Kind, g.Principal, action, service)
	for _, k := range slices.Sorted(mapKeys(g.Context)) {
		line += fmt.Sprintf(" | %s=%s", k, strings.Join(g.Context[k], "+"))
	}
	if g.Uncertain {
		line += " | ?"
	}
	return line
}

func mapKeys(m map[string][]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func lines(gains []access.Gain) []string {
	var out []string
	for _, g := range gains {
		for _, a := range g.Actions {
			out = append(out, told(g, a))
		}
	}
	return out
}

func TestWidenersAreCaught(t *testing.T) {
	t.Parallel()
	denied := doc(to(root, "kms:*"), denyTo("*", "kms:Decrypt"))
	tests := []struct {
		name          string
		before, after func(*scene)
		want          []string // each the beginning of some gain's line, after * anything
	}{
		{
			"an Allow for everybody but one role", nil,
			func(s *scene) {
				s.key = doc(to(root, "kms:*"), `{"Effect":"Allow","NotPrincipal":{"AWS":"`+role+`"},"Action":"kms:Decrypt","Resource":"*"}`)
			},
			[]string{"outsider | * | kms:Decrypt | kms", "new principal | a new principal of " + owner + "* | kms:Decrypt"},
		},
		{
			"an Allow for everybody", nil, func(s *scene) { s.key = doc(to(root, "kms:*"), to("*", "kms:Decrypt")) },
			[]string{"outsider | * | kms:Decrypt | kms", "principal | " + plain + " | kms:Decrypt", "principal | " + user + " | kms:Decrypt", "new member account | * | kms:Decrypt", "account | * | kms:Decrypt"},
		},
		{
			"an Allow for everybody on a condition that an outsider meets", nil,
			func(s *scene) {
				s.key = doc(to(root, "kms:*"), when(to("*", "kms:Decrypt"), `{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`))
			},
			[]string{"outsider | * | kms:Decrypt | kms | kms:ViaService=s3.us-east-1.amazonaws.com"},
		},
		{
			"another account", nil, func(s *scene) { s.key = doc(to(root, "kms:*"), to("arn:aws:iam::333333333333:root", "kms:Decrypt")) },
			[]string{"new administrator | a new administrator of 333333333333 | kms:Decrypt", "account | arn:aws:iam::333333333333:root | kms:Decrypt"},
		},
		{
			"the own account's root", func(s *scene) { s.key = doc(to(role, "kms:Decrypt")) }, func(s *scene) { s.key = doc(to(role, "kms:Decrypt"), to(root, "kms:*")) },
			[]string{"new administrator | a new administrator of " + owner + " | kms:PutKeyPolicy", "account | " + root + " | kms:PutKeyPolicy", "principal | " + role + " | kms:CreateGrant"},
		},
		{
			"all of KMS where one action was", func(s *scene) { s.key = doc(to(xroot, "kms:Decrypt")) }, func(s *scene) { s.key = doc(to(xroot, "kms:*")) },
			[]string{"principal | " + xrole + " | kms:Encrypt", "new administrator | a new administrator of " + other + " | kms:CreateGrant"},
		},
		{
			"all actions but some", nil,
			func(s *scene) {
				s.key = doc(to(root, "kms:*"), `{"Effect":"Allow","Principal":{"AWS":"`+xroot+`"},"NotAction":"kms:Put*","Resource":"*"}`)
			},
			[]string{"principal | " + xrole + " | kms:Decrypt"},
		},
		{
			"a Deny that went", func(s *scene) { s.key = denied }, nil,
			[]string{"principal | " + role + " | kms:Decrypt", "new administrator | a new administrator of " + owner + " | kms:Decrypt"},
		},
		{
			"a Deny narrowed by a condition", func(s *scene) { s.key = denied },
			func(s *scene) {
				s.key = doc(to(root, "kms:*"), when(denyTo("*", "kms:Decrypt"), `{"StringNotEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}}`))
			},
			[]string{"principal | " + role + " | kms:Decrypt | kms | kms:ViaService=ec2.us-east-1.amazonaws.com"},
		},
		{
			"a Deny that spares those with a tag", func(s *scene) { s.key = denied },
			func(s *scene) {
				s.key = doc(to(root, "kms:*"), when(denyTo("*", "kms:Decrypt"), `{"StringNotEquals":{"aws:PrincipalTag/team":"dr"}}`))
			},
			[]string{"new administrator | a new administrator of " + owner + " | kms:Decrypt | kms | aws:PrincipalTag/team=dr"},
		},
		{
			"an Allow for those with a tag", func(s *scene) { s.key = doc(to(role, "kms:PutKeyPolicy")) },
			func(s *scene) {
				s.key = doc(to(role, "kms:PutKeyPolicy"), when(to("*", "kms:Decrypt"), `{"StringEquals":{"aws:PrincipalTag/team":"dr"}}`))
			},
			[]string{"new principal | a new principal of " + owner + "* | kms:Decrypt | kms | aws:PrincipalTag/team=dr", "outsider | * | kms:Decrypt | kms | aws:PrincipalTag/team=dr"},
		},
		{
			"names that begin alike", func(s *scene) { s.key = doc(to(role, "kms:PutKeyPolicy")) },
			func(s *scene) {
				s.key = doc(to(role, "kms:PutKeyPolicy"), when(to("*", "kms:Decrypt"), `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/dr-*"}}`))
			},
			[]string{"named principal | arn:aws:iam::111111111111:role/dr-* | kms:Decrypt", "named principal | arn:aws:iam::90000*:role/dr-* | kms:Decrypt"},
		},
		{
			"a grant to an outsider", nil, func(s *scene) { s.grants = []map[string]any{grant("arn:aws:iam::333333333333:role/x", "Decrypt")} },
			[]string{"named principal | arn:aws:iam::333333333333:role/x | kms:Decrypt"},
		},
		{
			"a grant that may be handed on", nil, func(s *scene) { s.grants = []map[string]any{grant(plain, "Decrypt", "CreateGrant")} },
			[]string{"principal | " + plain + " | kms:Decrypt", "principal | " + plain + " | kms:CreateGrant"},
		},
		{
			"a grant whose constraint went", func(s *scene) {
				s.grants = []map[string]any{with(grant(plain, "Decrypt"), "constraints", exactly("a", "1"))}
			},
			func(s *scene) { s.grants = []map[string]any{grant(plain, "Decrypt")} },
			[]string{"principal | " + plain + " | kms:Decrypt | kms | kms:EncryptionContext:a="},
		},
		{
			"a grant for a context with anything beside", func(s *scene) {
				s.grants = []map[string]any{with(grant(plain, "Decrypt"), "constraints", exactly("a", "1"))}
			},
			func(s *scene) {
				s.grants = []map[string]any{with(grant(plain, "Decrypt"), "constraints", map[string]any{"EncryptionContextSubset": map[string]string{"a": "1"}})}
			},
			[]string{"principal | " + plain + " | kms:Decrypt | kms | kms:EncryptionContext:a=1 | kms:EncryptionContext:keyreach-unnamed=keyreach-unnamed"},
		},
		{
			"the whole organization", nil,
			func(s *scene) {
				s.key = doc(to(root, "kms:*"), when(to("*", "kms:Decrypt"), `{"StringEquals":{"aws:PrincipalOrgID":"o-abc1234567"}}`))
			},
			[]string{"new member account | * r-ab12 | kms:Decrypt", "new member account | * ou-ab12-12345678 | kms:Decrypt", "principal | " + xrole + " | kms:Decrypt"},
		},
		{
			"another organization", nil,
			func(s *scene) {
				s.key = doc(to(root, "kms:*"), when(to("*", "kms:Decrypt"), `{"StringEquals":{"aws:PrincipalOrgID":"o-other12345"}}`))
			},
			[]string{"outsider | * | kms:Decrypt | kms | aws:PrincipalOrgID=o-other12345"},
		},
		{
			"a trust policy for another account", nil,
			func(s *scene) {
				s.trust = doc(`{"Effect":"Allow","Principal":{"AWS":"` + xroot + `"},"Action":"sts:AssumeRole"}`)
			},
			[]string{"principal | " + xrole + " | sts:AssumeRole | iam", "new administrator | a new administrator of " + other + " | sts:AssumeRole"},
		},
		{
			"a trust policy for more of an identity provider", func(s *scene) { s.trust = federated("repo:org/app:*") },
			func(s *scene) { s.trust = federated("repo:org/*") },
			[]string{"named principal | arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com | sts:AssumeRoleWithWebIdentity | iam | token.actions.githubusercontent.com:sub=repo:org/"},
		},
		{
			"an identity policy on everything", nil, func(s *scene) { s.app = doc(allow("kms:*")) },
			[]string{"principal | " + role + " | kms:Encrypt | kms", "principal | " + role + " | kms:PutKeyPolicy | kms"},
		},
		{
			"an identity policy on all keys", nil,
			func(s *scene) {
				s.app = doc(allow("kms:Decrypt", "kms:DescribeKey", "kms:CreateGrant"), `{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:*:*:key/*"}`)
			},
			[]string{"principal | " + role + " | kms:Encrypt | kms"},
		},
		{
			"an identity policy of another service", nil,
			func(s *scene) {
				s.app = doc(allow("kms:Decrypt", "kms:DescribeKey", "kms:CreateGrant"), `{"Effect":"Allow","Action":["iam:Pass*","sqs:*"],"Resource":["arn:aws:iam::111111111111:role/*","arn:aws:sqs:us-east-1:111111111111:q"]}`)
			},
			[]string{"principal | " + role + " | iam:PassRole | iam", "principal | " + role + " | sqs:* | sqs"},
		},
		{
			"a boundary that went", func(s *scene) { s.boundary = doc(allow("kms:DescribeKey")) }, nil,
			[]string{"principal | " + role + " | kms:Decrypt"},
		},
		{
			"a control policy that lets more through", nil, func(s *scene) { s.scp = doc(allow("*")) },
			[]string{"new administrator | a new administrator of " + owner + " | kms:ScheduleKeyDeletion"},
		},
		{
			"a key that is enabled", func(s *scene) { s.state = "Disabled" }, nil,
			[]string{"principal | " + role + " | kms:Decrypt"},
		},
		{
			"a tag that opens a key", func(s *scene) {
				s.app, s.tags = doc(when(allow("kms:Encrypt"), `{"StringEquals":{"aws:ResourceTag/open":"yes"}}`)), map[string]string{"open": "no"}
			}, func(s *scene) {
				s.app, s.tags = doc(when(allow("kms:Encrypt"), `{"StringEquals":{"aws:ResourceTag/open":"yes"}}`)), map[string]string{"open": "yes"}
			},
			[]string{"principal | " + role + " | kms:Encrypt"},
		},
		{
			"a bucket for everybody", nil, func(s *scene) {
				s.bucket = doc(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*"}`)
			},
			[]string{"anonymous | * | s3:GetObject | s3", "outsider | * | s3:GetObject | s3"},
		},
		{
			"a part of a bucket for another account", nil, func(s *scene) {
				s.bucket = doc(`{"Effect":"Allow","Principal":{"AWS":"` + xroot + `"},"Action":["s3:GetObject","s3:PutBucketPolicy"],"Resource":["arn:aws:s3:::data/share/*","arn:aws:s3:::data"]}`)
			},
			[]string{"principal | " + xrole + " | s3:GetObject | s3", "principal | " + xrole + " | s3:PutBucketPolicy | s3"},
		},
		{
			"a vault into which others may copy", nil, func(s *scene) {
				s.vault = doc(when(to("*", "backup:CopyIntoBackupVault"), `{"StringEquals":{"aws:PrincipalOrgID":"o-abc1234567"}}`))
			},
			[]string{"principal | " + xrole + " | backup:CopyIntoBackupVault | backup", "new member account | * | backup:CopyIntoBackupVault"},
		},
		{
			"a service", nil, func(s *scene) {
				s.key = doc(to(root, "kms:*"), `{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"111111111111"}}}`)
			},
			[]string{"service | sns.amazonaws.com | kms:Decrypt | kms | aws:SourceAccount=111111111111"},
		},
		{
			"a service-linked role", nil, func(s *scene) { s.key = doc(to(root, "kms:*"), to(ownSLR, "kms:Decrypt")) },
			[]string{"service-linked role | " + ownSLR + " | kms:Decrypt"},
		},
		{
			"what an unchanged Deny spares", func(s *scene) {
				s.key = doc(to(role, "kms:PutKeyPolicy"), when(denyTo("*", "kms:Decrypt"), `{"StringNotEquals":{"kms:EncryptionContext:x":"a"}}`))
			}, func(s *scene) {
				s.key = doc(to(role, "kms:PutKeyPolicy"), when(denyTo("*", "kms:Decrypt"), `{"StringNotEquals":{"kms:EncryptionContext:x":"a"}}`),
					when(to("*", "kms:Decrypt"), `{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`))
			},
			[]string{"outsider | * | kms:Decrypt | kms | aws:SourceIp=10.0.0.0 | kms:EncryptionContext:x=a"},
		},
		{
			"an endpoint that lets more through", func(s *scene) { s.endpoint = doc(to("*", "kms:DescribeKey")) },
			func(s *scene) { s.endpoint = doc(to("*", "kms:*")) },
			[]string{"principal | " + role + " | kms:Decrypt | kms | aws:SourceVpce=vpce-12345678"},
		},
		{
			"a session that its role's session policies no longer bind", func(s *scene) { s.key = doc(to(role, "kms:Decrypt")) },
			func(s *scene) { s.key = doc(to(role, "kms:Decrypt"), to(sess, "kms:Decrypt")) },
			[]string{"principal | " + sess + " | kms:Decrypt"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, a := base(), base()
			if tt.before != nil {
				tt.before(&b)
			}
			if tt.after != nil {
				tt.after(&a)
			}
			gains := access.Gains(b.load(t), a.load(t), access.Probes{})
			got := lines(gains)
			for _, want := range tt.want {
				if !slices.ContainsFunc(got, func(g string) bool { return glob(want+"*", g) }) {
					t.Errorf("no gain %q among:\n%s", want, strings.Join(got, "\n"))
				}
			}
			for _, g := range gains {
				if g.Incomplete || g.Before == access.Allow || g.After == access.ImplicitDeny || g.After == access.ExplicitDeny {
					t.Errorf("a gain that is none: %+v", g)
				}
				if len(g.By) == 0 && g.Kind != access.GainAccount {
					t.Errorf("a gain by nothing: %+v", g)
				}
			}
		})
	}
}

func federated(subject string) raw {
	return doc(`{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"token.actions.githubusercontent.com:sub":"` + subject + `"}}}`)
}

func exactly(name, value string) map[string]any {
	return map[string]any{"EncryptionContextEquals": map[string]string{name: value}}
}

func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	for i, p := range parts {
		j := strings.Index(s, p)
		if j < 0 || i == 0 && j != 0 {
			return false
		}
		s = s[j+len(p):]
	}
	return true
}

// What is open to those outside opens to an account that leaves, and what is
// open to members to one that joins.
func TestMovingAnAccountOpensWhatItsPlaceOpens(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ operator, way string }{{"StringNotEquals", "leaves"}, {"StringEquals", "joins"}} {
		t.Run(tt.way, func(t *testing.T) {
			t.Parallel()
			s := base()
			s.key = doc(to(root, "kms:*"), when(to(xroot, "kms:Decrypt"), `{"`+tt.operator+`":{"aws:PrincipalOrgID":"o-abc1234567"}}`))
			in, out := s.load(t), s.load(t)
			unit := &out.Organization.Root.Units[0]
			unit.Accounts = slices.DeleteFunc(unit.Accounts, func(a estate.AccountPolicies) bool { return a.ID == other })
			if err := out.Index(); err != nil {
				t.Fatal(err)
			}
			before, after := in, out
			if tt.way == "joins" {
				before, after = out, in
			}
			got := lines(access.Gains(before, after, access.Probes{}))
			if !slices.Contains(got, "principal | "+xrole+" | kms:Decrypt | kms") {
				t.Errorf("gains:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

func TestLookAlikesOpenNothing(t *testing.T) {
	t.Parallel()
	two := func(s *scene) { s.key = doc(to(root, "kms:*"), to(xroot, "kms:Decrypt", "kms:Encrypt")) }
	tests := []struct {
		name          string
		before, after func(*scene)
	}{
		{"the same", nil, nil},
		{"statements in another order", two, func(s *scene) { s.key = doc(to(xroot, "kms:Encrypt", "kms:Decrypt"), to(root, "kms:*")) }},
		{"a Sid", two, func(s *scene) {
			s.key = doc(to(root, "kms:*"), strings.Replace(to(xroot, "kms:Decrypt", "kms:Encrypt"), "{", `{"Sid":"Use",`, 1))
		}},
		{"letter case of actions", two, func(s *scene) { s.key = doc(to(root, "KMS:*"), to(xroot, "kms:decrypt", "kms:ENCRYPT")) }},
		{"a statement twice", two, func(s *scene) {
			s.key = doc(to(root, "kms:*"), to(xroot, "kms:Decrypt", "kms:Encrypt"), to(xroot, "kms:Decrypt", "kms:Encrypt"))
		}},
		{"the account's number for its root", two, func(s *scene) { s.key = doc(to(owner, "kms:*"), to(other, "kms:Decrypt", "kms:Encrypt")) }},
		{"a statement in two", two, func(s *scene) { s.key = doc(to(root, "kms:*"), to(xroot, "kms:Decrypt"), to(xroot, "kms:Encrypt")) }},
		{"a broader Deny", func(s *scene) { s.key = doc(to(root, "kms:*"), denyTo(xroot, "kms:Decrypt")) },
			func(s *scene) { s.key = doc(to(root, "kms:*"), denyTo("*", "kms:*")) }},
		{"a Deny that loses its condition", func(s *scene) {
			s.key = doc(to(root, "kms:*"), when(denyTo("*", "kms:Decrypt"), `{"StringNotEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}}`))
		}, func(s *scene) { s.key = doc(to(root, "kms:*"), denyTo("*", "kms:Decrypt")) }},
		{"an Allow that goes", two, func(s *scene) { s.key = delegates }},
		{"a grant that goes", func(s *scene) { s.grants = []map[string]any{grant(plain, "Decrypt")} }, nil},
		{"a grant made anew", func(s *scene) { s.grants = []map[string]any{grant(plain, "Decrypt")} },
			func(s *scene) { s.grants = []map[string]any{with(grant(plain, "Decrypt"), "grant_id", "g2")} }},
		{"a boundary", nil, func(s *scene) { s.boundary = doc(allow("kms:*")) }},
		{"an identity policy for what the role has", nil, func(s *scene) { s.app = doc(allow("kms:Decrypt"), allow("kms:DescribeKey", "kms:CreateGrant")) }},
		{"a control policy that takes more", nil, func(s *scene) { s.scp = doc(allow("*"), deny("kms:ScheduleKeyDeletion", "kms:DisableKey")) }},
		{"an Allow that a Deny takes back", nil, func(s *scene) { s.key = doc(to(root, "kms:*"), to("*", "kms:Decrypt"), denyTo("*", "kms:Decrypt")) }},
		{"a key that is disabled", nil, func(s *scene) { s.state = "Disabled" }},
		{"a condition that everybody meets is gone", func(s *scene) {
			s.key = doc(when(to(root, "kms:*"), `{"StringEquals":{"kms:CallerAccount":"`+owner+`"}}`))
		}, nil},
		{"a role named that the account's policies let in already", nil, func(s *scene) { s.key = doc(to(root, "kms:*"), to(role, "kms:Decrypt")) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, a := base(), base()
			if tt.before != nil {
				tt.before(&b)
			}
			if tt.after != nil {
				tt.after(&a)
			}
			if got := access.Gains(b.load(t), a.load(t), access.Probes{}); len(got) != 0 {
				t.Errorf("gains:\n%s", strings.Join(lines(got), "\n"))
			}
		})
	}
}
