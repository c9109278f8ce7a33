package estate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// In an estate every key is labelled: given, derived, not known or absent.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
// and https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html.
func TestContextOfAnEstate(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	ask := func(principal, action string, set func(*estate.Request)) *estate.Case {
		r, err := estate.NewRequest(principal, action, "arn:aws:kms:us-east-1:111122223333:key/k1")
		if err != nil {
			t.Fatal(err)
		}
		if set != nil {
			set(&r)
		}
		c := e.Bind(r)
		return &c
	}
	via := func(r *estate.Request) { r.Context.Set("kms:ViaService", policy.One("ec2.us-east-1.amazonaws.com")) }
	app := "arn:aws:iam::111122223333:role/app"
	tests := []struct {
		name   string
		c      *estate.Case
		key    string
		want   string // values joined by spaces
		origin estate.Origin
	}{
		{"the caller's account", ask(app, "kms:Decrypt", nil), "kms:CallerAccount", "111122223333", estate.FromRequest},
		{"in any letter case", ask(app, "kms:Decrypt", nil), "KMS:calleraccount", "111122223333", estate.FromRequest},
		{"the caller's ARN", ask(app, "kms:Decrypt", nil), "aws:PrincipalArn", app, estate.FromRequest},
		{"the caller's account again", ask(app, "kms:Decrypt", nil), "aws:PrincipalAccount", "111122223333", estate.FromRequest},
		{"the caller's organization", ask(app, "kms:Decrypt", nil), "aws:PrincipalOrgID", "o-abc1234567", estate.FromRequest},
		{"the caller's place in it", ask(app, "kms:Decrypt", nil), "aws:PrincipalOrgPaths", "o-abc1234567/r-ab12/ou-ab12-12345678/", estate.FromRequest},
		{"an outsider has no organization here", ask("arn:aws:iam::555555555555:root", "kms:Decrypt", nil), "aws:PrincipalOrgID", "", estate.NotThere},
		{"the type of a role", ask(app, "kms:Decrypt", nil), "aws:PrincipalType", "AssumedRole", estate.FromRequest},
		{"a tag of the role", ask(app, "kms:Decrypt", nil), "aws:PrincipalTag/Team", "dr", estate.FromRequest},
		{"another tag, which a session may carry", ask(app, "kms:Decrypt", nil), "aws:PrincipalTag/cost", "", estate.NotKnown},
		{"a session tag", ask(app, "kms:Decrypt", func(r *estate.Request) { r.SessionTags = map[string]string{"cost": "42"} }), "aws:PrincipalTag/cost", "42", estate.FromRequest},
		{"the source identity, stated", ask(app, "kms:Decrypt", func(r *estate.Request) { r.SourceIdentity = "me" }), "aws:SourceIdentity", "me", estate.FromRequest},
		{"the Region", ask(app, "kms:Decrypt", nil), "aws:RequestedRegion", "us-east-1", estate.FromRequest},
		{"the owner of the key", ask(app, "kms:Decrypt", nil), "aws:ResourceAccount", "111122223333", estate.FromRequest},
		{"the owner's organization", ask(app, "kms:Decrypt", nil), "aws:ResourceOrgID", "o-abc1234567", estate.FromRequest},
		{"a tag of the key", ask(app, "kms:Decrypt", nil), "aws:ResourceTag/a", "b", estate.FromRequest},
		{"a tag that the key does not have", ask(app, "kms:Decrypt", nil), "aws:ResourceTag/zzz", "", estate.NotThere},
		{"no service forwards it", ask(app, "kms:Decrypt", nil), "aws:ViaAWSService", "false", estate.FromRequest},
		{"a service forwards it", ask(app, "kms:Decrypt", via), "aws:ViaAWSService", "true", estate.FromRequest},
		{"which service, which AWS documents for a few only", ask(app, "kms:Decrypt", via), "aws:CalledVia", "", estate.NotKnown},
		{"a direct call went through nobody", ask(app, "kms:Decrypt", nil), "aws:CalledVia", "", estate.NotThere},
		{"a role is no service", ask(app, "kms:Decrypt", nil), "aws:PrincipalIsAWSService", "false", estate.FromRequest},
		{"a service is", ask("ec2.amazonaws.com", "kms:Decrypt", nil), "aws:PrincipalIsAWSService", "true", estate.FromRequest},
		{"the key's spec", ask(app, "kms:Decrypt", nil), "kms:KeySpec", "SYMMETRIC_DEFAULT", estate.FromRequest},
		{"the key's usage", ask(app, "kms:Decrypt", nil), "kms:KeyUsage", "ENCRYPT_DECRYPT", estate.FromRequest},
		{"the key's origin", ask(app, "kms:Decrypt", nil), "kms:KeyOrigin", "EXTERNAL", estate.FromRequest},
		{"whether the key is multi-Region", ask(app, "kms:Decrypt", nil), "kms:MultiRegion", "true", estate.FromRequest},
		{"the key's aliases", ask(app, "kms:Decrypt", nil), "kms:ResourceAliases", "alias/app", estate.FromRequest},
		{"an alias that the call did not use", ask(app, "kms:Decrypt", nil), "kms:RequestAlias", "", estate.NotThere},
		{"the keys of the encryption context", ask(app, "kms:Decrypt", func(r *estate.Request) {
			r.Context.Set("kms:EncryptionContext:aws:s3:arn", policy.One("x"))
			r.Context.Set("kms:EncryptionContext:a", policy.NotGiven())
		}), "kms:EncryptionContextKeys", "a aws:s3:arn", estate.FromRequest},
		{"a pair with colons in its name", ask(app, "kms:Decrypt", func(r *estate.Request) {
			r.Context.Set("kms:EncryptionContext:aws:s3:arn", policy.One("arn:aws:s3:::b/k"))
		}), "kms:encryptioncontext:aws:s3:arn", "arn:aws:s3:::b/k", estate.FromAsker},
		{"a given value wins", ask(app, "kms:Decrypt", func(r *estate.Request) { r.Context.Set("aws:PrincipalOrgID", policy.One("o-other")) }), "aws:PrincipalOrgID", "o-other", estate.FromAsker},
		{"a value given as unknown", ask(app, "kms:Decrypt", func(r *estate.Request) { r.Context.Set("aws:PrincipalOrgID", policy.NotGiven()) }), "aws:PrincipalOrgID", "", estate.NotKnown},
		{"where the call comes from", ask(app, "kms:Decrypt", nil), "aws:SourceIp", "", estate.NotKnown},
		{"a key that the action never has", ask(app, "kms:DescribeKey", nil), "kms:EncryptionContext:x", "", estate.NotThere},
		{"the time of the call", ask(app, "kms:Decrypt", func(r *estate.Request) { r.At = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }), "aws:CurrentTime", "2026-01-02T03:04:05Z", estate.FromRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, origin := tt.c.Describe(tt.key)
			got := v.One
			if v.Multi {
				got = strings.Join(v.Many, " ")
			}
			if got != tt.want || origin != tt.origin {
				t.Errorf("%s is %q (%s), want %q (%s)", tt.key, got, origin, tt.want, tt.origin)
			}
		})
	}
}

// In a case file what is neither given nor derived is absent.
func TestContextOfACase(t *testing.T) {
	t.Parallel()
	c := oneCase(t, request(`}`))
	for _, key := range []string{"aws:SourceIp", "aws:PrincipalTag/team", "aws:PrincipalOrgID", "aws:SourceVpce", "kms:ViaService"} {
		if v, origin := c.Describe(key); v.Presence != policy.Absent || origin != estate.NotThere {
			t.Errorf("%s is %+v (%s)", key, v, origin)
		}
	}
}

// What binds to a request: the principal's policies, the key's, the levels of
// the organization; and what could not be read says so.
func TestBind(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	bind := func(principal, resource string) *estate.Case {
		r, err := estate.NewRequest(principal, "kms:Decrypt", resource)
		if err != nil {
			t.Fatal(err)
		}
		c := e.Bind(r)
		return &c
	}
	const k1, k2 = "arn:aws:kms:us-east-1:111122223333:key/k1", "arn:aws:kms:us-east-1:111122223333:key/k2"
	c := bind("arn:aws:sts::111122223333:assumed-role/app/one", k1)
	switch {
	case len(c.Identity) != 1 || !strings.Contains(c.IdentityUnread, "not listed"):
		t.Errorf("identity %v, unread %q", c.Identity, c.IdentityUnread)
	case c.Boundary == nil || !c.Request.Caller.Bounded || c.Request.Caller.ID != "AROAEXAMPLEEXAMPLEEX1:one":
		t.Errorf("caller %+v", c.Request.Caller)
	case len(c.SCP) != 3 || len(c.SCP[1]) != 2 || len(c.RCP) != 3:
		t.Errorf("SCPs %v, RCPs %v", c.SCP, c.RCP)
	case c.Resource == nil || len(c.Grants) != 2 || c.GrantsUnread != "":
		t.Errorf("key policy %v, grants %v", c.Resource, c.Grants)
	}
	c = bind("arn:aws:iam::111122223333:user/eve", k2)
	if c.IdentityUnread == "" || c.ResourceUnread == "" || c.GrantsUnread == "" {
		t.Errorf("what could not be read is not said: %+v", c)
	}
	if c = bind("arn:aws:iam::111122223333:user/gone", k1); !strings.Contains(c.IdentityUnread, "does not hold") {
		t.Errorf("an unknown user: %q", c.IdentityUnread)
	}
	if c = bind("arn:aws:iam::999999999999:root", k1); len(c.SCP) != 0 {
		t.Errorf("the management account has SCPs: %v", c.SCP)
	}
	if c = bind("arn:aws:iam::111122223333:role/app", "arn:aws:kms:eu-west-1:111122223333:key/x"); !c.RegionOff || c.ResourceUnread == "" {
		t.Errorf("a Region that is off: %+v", c)
	}
}
