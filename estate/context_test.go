package estate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

const (
	app      = "arn:aws:iam::111122223333:role/app"
	stranger = "arn:aws:iam::555555555555:root"
	k1       = "arn:aws:kms:us-east-1:111122223333:key/k1"
)

func via(r *estate.Request) {
	r.Context.Set("kms:ViaService", policy.One("ec2.us-east-1.amazonaws.com"))
}

// contextOfAnEstate is what kms:Decrypt of the key k1 has, by who asks and
// what is stated.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
// and https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html.
var contextOfAnEstate = []struct {
	name, principal string
	state           func(*estate.Request)
	key             string
	want            string // values joined by spaces
	origin          estate.Origin
}{
	{"the caller's account", app, nil, "kms:CallerAccount", "111122223333", estate.FromRequest},
	{"in any letter case", app, nil, "KMS:calleraccount", "111122223333", estate.FromRequest},
	{"the caller's ARN", app, nil, "aws:PrincipalArn", app, estate.FromRequest},
	{"the caller's account again", app, nil, "aws:PrincipalAccount", "111122223333", estate.FromRequest},
	{"the caller's organization", app, nil, "aws:PrincipalOrgID", "o-abc1234567", estate.FromRequest},
	{"the caller's place in it", app, nil, "aws:PrincipalOrgPaths", "o-abc1234567/r-ab12/ou-ab12-12345678/", estate.FromRequest},
	{"an outsider has no organization here", stranger, nil, "aws:PrincipalOrgID", "", estate.NotThere},
	{"the type of a role", app, nil, "aws:PrincipalType", "AssumedRole", estate.FromRequest},
	{"a tag of the role", app, nil, "aws:PrincipalTag/Team", "dr", estate.FromRequest},
	{"another tag, which a session may carry", app, nil, "aws:PrincipalTag/cost", "", estate.NotKnown},
	{"a session tag", app, func(r *estate.Request) { r.SessionTags = map[string]string{"cost": "42"} }, "aws:PrincipalTag/cost", "42", estate.FromRequest},
	{"the source identity, stated", app, func(r *estate.Request) { r.SourceIdentity = "me" }, "aws:SourceIdentity", "me", estate.FromRequest},
	{"the Region", app, nil, "aws:RequestedRegion", "us-east-1", estate.FromRequest},
	{"the owner of the key", app, nil, "aws:ResourceAccount", "111122223333", estate.FromRequest},
	{"the owner's organization", app, nil, "aws:ResourceOrgID", "o-abc1234567", estate.FromRequest},
	{"a tag of the key", app, nil, "aws:ResourceTag/a", "b", estate.FromRequest},
	{"a tag that the key does not have", app, nil, "aws:ResourceTag/zzz", "", estate.NotThere},
	{"no service forwards it", app, nil, "aws:ViaAWSService", "false", estate.FromRequest},
	{"a service forwards it", app, via, "aws:ViaAWSService", "true", estate.FromRequest},
	{"which service, which AWS documents for a few only", app, via, "aws:CalledVia", "", estate.NotKnown},
	{"a direct call went through nobody", app, nil, "aws:CalledVia", "", estate.NotThere},
	{"a role is no service", app, nil, "aws:PrincipalIsAWSService", "false", estate.FromRequest},
	{"a service is", "ec2.amazonaws.com", nil, "aws:PrincipalIsAWSService", "true", estate.FromRequest},
	{"the key's spec", app, nil, "kms:KeySpec", "SYMMETRIC_DEFAULT", estate.FromRequest},
	{"the key's usage", app, nil, "kms:KeyUsage", "ENCRYPT_DECRYPT", estate.FromRequest},
	{"the key's origin", app, nil, "kms:KeyOrigin", "EXTERNAL", estate.FromRequest},
	{"whether the key is multi-Region", app, nil, "kms:MultiRegion", "true", estate.FromRequest},
	{"the key's aliases", app, nil, "kms:ResourceAliases", "alias/app", estate.FromRequest},
	{"an alias that the call did not use", app, nil, "kms:RequestAlias", "", estate.NotThere},
	{"the keys of the encryption context", app, func(r *estate.Request) {
		r.Context.Set("kms:EncryptionContext:aws:s3:arn", policy.One("x"))
		r.Context.Set("kms:EncryptionContext:a", policy.NotGiven())
	}, "kms:EncryptionContextKeys", "a aws:s3:arn", estate.FromRequest},
	{"a pair with colons in its name", app, func(r *estate.Request) {
		r.Context.Set("kms:EncryptionContext:aws:s3:arn", policy.One("arn:aws:s3:::b/k"))
	}, "kms:encryptioncontext:aws:s3:arn", "arn:aws:s3:::b/k", estate.FromAsker},
	{"a given value wins", app, func(r *estate.Request) { r.Context.Set("aws:PrincipalOrgID", policy.One("o-other")) }, "aws:PrincipalOrgID", "o-other", estate.FromAsker},
	{"a value given as unknown", app, func(r *estate.Request) { r.Context.Set("aws:PrincipalOrgID", policy.NotGiven()) }, "aws:PrincipalOrgID", "", estate.NotKnown},
	{"where the call comes from", app, nil, "aws:SourceIp", "", estate.NotKnown},
	{"the time of the call", app, func(r *estate.Request) { r.At = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }, "aws:CurrentTime", "2026-01-02T03:04:05Z", estate.FromRequest},
	{"a stranger's account", stranger, nil, "kms:CallerAccount", "555555555555", estate.FromRequest},
	{"the type of an account", stranger, nil, "aws:PrincipalType", "Account", estate.FromRequest},
	{"the ARN of an account", stranger, nil, "aws:PrincipalArn", stranger, estate.FromRequest},
	{"an account is no session, and has no source identity", stranger, nil, "aws:SourceIdentity", "", estate.NotThere},
	{"a session may have a source identity", app, nil, "aws:SourceIdentity", "", estate.NotKnown},
	{"the ARN of a session is that of its role", "arn:aws:sts::111122223333:assumed-role/app/s", nil, "aws:PrincipalArn", app, estate.FromRequest},
	{"the unique id of a session", "arn:aws:sts::111122223333:assumed-role/app/s", nil, "aws:userid", "AROAEXAMPLEEXAMPLEEX1:s", estate.FromRequest},
	{"a role has no user name", app, nil, "aws:username", "", estate.NotThere},
	{"the name of a user", "arn:aws:iam::111122223333:user/path/eve", nil, "aws:username", "eve", estate.FromRequest},
	{"the type of a user", "arn:aws:iam::111122223333:user/eve", nil, "aws:PrincipalType", "User", estate.FromRequest},
	{"a user that the estate does not hold may have tags", "arn:aws:iam::111122223333:user/gone", nil, "aws:PrincipalTag/team", "", estate.NotKnown},
	{"the type of a federated user", "arn:aws:sts::111122223333:federated-user/bob", nil, "aws:PrincipalType", "FederatedUser", estate.FromRequest},
	{"a service has no ARN", "ec2.amazonaws.com", nil, "aws:PrincipalArn", "", estate.NotThere},
	{"a service has no organization", "ec2.amazonaws.com", nil, "aws:PrincipalOrgID", "", estate.NotThere},
	{"a service has no place in one", "ec2.amazonaws.com", nil, "aws:PrincipalOrgPaths", "", estate.NotThere},
	{"the name of a service", "ec2.amazonaws.com", nil, "aws:PrincipalServiceName", "ec2.amazonaws.com", estate.FromRequest},
	{"a role is not called so", app, nil, "aws:PrincipalServiceName", "", estate.NotThere},
	{"for whom a service calls", "ec2.amazonaws.com", nil, "aws:SourceAccount", "", estate.NotKnown},
	{"a role calls for itself", app, nil, "aws:SourceAccount", "", estate.NotThere},
	{"KMS answers on TLS only", app, nil, "aws:SecureTransport", "true", estate.FromRequest},
	{"the time, when nobody said", app, nil, "aws:CurrentTime", "", estate.NotKnown},
	{"the time in seconds", app, func(r *estate.Request) { r.At = someday }, "aws:EpochTime", "1767323045", estate.FromRequest},
	{"whether a service forwards it is not known", app, func(r *estate.Request) { r.Context.Set("kms:ViaService", policy.NotGiven()) }, "aws:ViaAWSService", "", estate.NotKnown},
	{"the primary or the replica", app, nil, "kms:MultiRegionKeyType", "REPLICA", estate.FromRequest},
	{"an alias that the call did use", app, func(r *estate.Request) { r.Context.Set("kms:RequestAlias", policy.One("alias/app")) }, "kms:requestalias", "alias/app", estate.FromAsker},
	{"a pair beside those that were stated", app, func(r *estate.Request) { r.Context.Set("kms:EncryptionContext:a", policy.One("x")) }, "kms:EncryptionContext:b", "", estate.NotThere},
	{"a pair when none was stated", app, nil, "kms:EncryptionContext:b", "", estate.NotKnown},
	{"a key that nobody has heard of", app, nil, "my:Own", "", estate.NotKnown},
	{"a key that nobody has heard of, given", app, func(r *estate.Request) { r.Context.Set("my:Own/Ünï code", policy.One("x")) }, "MY:own/ünï code", "x", estate.FromAsker},
}

// In an estate every key is labelled: given, derived, not known or absent.
func TestContextOfAnEstate(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	for _, tt := range contextOfAnEstate {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := ask(t, tt.principal, k1)
			if tt.state != nil {
				tt.state(&r)
			}
			c := e.Bind(r)
			v, origin := c.Describe(tt.key)
			got := v.One
			if v.Multi {
				got = strings.Join(v.Many, " ")
			}
			if got != tt.want || origin != tt.origin {
				t.Errorf("%s is %q (%s), want %q (%s)", tt.key, got, origin, tt.want, tt.origin)
			}
			if c.Lookup(strings.ToLower(tt.key)).Presence != v.Presence {
				t.Errorf("%s: Lookup and Describe disagree", tt.key)
			}
		})
	}
}

// Of a key that the estate does not hold nothing is known; what the ARN says
// is known all the same.
func TestContextOfAKeyThatIsNotHeld(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	c := e.Bind(ask(t, app, "arn:aws:kms:eu-west-1:111122223333:key/gone"))
	for key, want := range map[string]estate.Origin{
		"kms:KeySpec": estate.NotKnown, "kms:KeyUsage": estate.NotKnown, "kms:KeyOrigin": estate.NotKnown, "kms:MultiRegion": estate.NotKnown, "kms:MultiRegionKeyType": estate.NotKnown,
		"kms:ResourceAliases": estate.NotKnown, "aws:ResourceTag/a": estate.NotKnown, "aws:RequestedRegion": estate.FromRequest, "aws:ResourceAccount": estate.FromRequest,
	} {
		if v, origin := c.Describe(key); origin != want {
			t.Errorf("%s is %+v (%s), want %s", key, v, origin, want)
		}
	}
}

// Some keys an action never has, and some only a call through a service.
func TestContextByAction(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	tests := []struct {
		name, action, key string
		state             func(*estate.Request)
		want              string
		origin            estate.Origin
	}{
		{"a key that the action never has", "kms:DescribeKey", "kms:EncryptionContext:x", nil, "", estate.NotThere},
		{"a grant that nobody but a service could ask for", "kms:CreateGrant", "kms:GrantIsForAWSResource", nil, "false", estate.FromRequest},
		{"a grant that a service may ask for", "kms:CreateGrant", "kms:GrantIsForAWSResource", via, "", estate.NotKnown},
		{"no grant at all", "kms:Decrypt", "kms:GrantIsForAWSResource", nil, "", estate.NotThere},
		{"the operations of a grant, when nobody said", "kms:CreateGrant", "kms:GrantOperations", nil, "", estate.NotKnown},
	}
	for _, tt := range tests {
		r, err := estate.NewRequest(app, tt.action, k1)
		if err != nil {
			t.Fatal(err)
		}
		if tt.state != nil {
			tt.state(&r)
		}
		c := e.Bind(r)
		if v, origin := c.Describe(tt.key); v.One != tt.want || origin != tt.origin {
			t.Errorf("%s: %s is %+v (%s), want %q (%s)", tt.name, tt.key, v, origin, tt.want, tt.origin)
		}
	}
}

// With more than fifty aliases KMS has none to compare.
// See https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html.
func TestAKeyWithMoreThanFiftyAliases(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]policy.Presence{50: policy.Present, 51: policy.Absent} {
		c := oneCase(t, line(`"key":{"aliases":["alias/x"`+strings.Repeat(`,"alias/x"`, n-1)+`]}`))
		if v := c.Lookup("kms:resourcealiases"); v.Presence != want {
			t.Errorf("with %d aliases it is %+v", n, v.Presence)
		}
	}
}

// In a case file what is neither given nor derived is absent.
func TestContextOfACase(t *testing.T) {
	t.Parallel()
	c := oneCase(t, line(`"key":{"multi_region":true,"aliases":["alias/x"],"tags":{"Team":"dr"}}`))
	for key, want := range map[string]string{
		"kms:CallerAccount": "222222222222", "aws:PrincipalAccount": "222222222222", "aws:PrincipalArn": "arn:aws:iam::222222222222:role/app", "aws:PrincipalType": "AssumedRole",
		"aws:RequestedRegion": "us-east-1", "aws:ResourceAccount": "111111111111", "aws:ResourceTag/team": "dr", "aws:ViaAWSService": "false", "aws:PrincipalIsAWSService": "false",
		"kms:KeySpec": "SYMMETRIC_DEFAULT", "kms:KeyUsage": "ENCRYPT_DECRYPT", "kms:KeyOrigin": "AWS_KMS", "kms:MultiRegion": "true", "kms:MultiRegionKeyType": "PRIMARY",
	} {
		if v, origin := c.Describe(key); v.One != want || origin != estate.FromRequest {
			t.Errorf("%s is %+v (%s), want %q", key, v, origin, want)
		}
	}
	for _, key := range []string{
		"aws:SourceIp", "aws:PrincipalTag/team", "aws:PrincipalOrgID", "aws:PrincipalOrgPaths", "aws:ResourceOrgID", "aws:SourceVpce", "aws:SourceIdentity", "aws:userid",
		"aws:CalledVia", "aws:CurrentTime", "kms:ViaService", "kms:RequestAlias", "kms:EncryptionContextKeys", "kms:EncryptionContext:a", "kms:GrantIsForAWSResource", "aws:ResourceTag/x", "my:Own",
	} {
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
	const k2 = "arn:aws:kms:us-east-1:111122223333:key/k2"
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
