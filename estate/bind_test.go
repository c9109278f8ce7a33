package estate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

var someday = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func ask(t testing.TB, principal, resource string) estate.Request {
	t.Helper()
	r, err := estate.NewRequest(principal, "kms:Decrypt", resource)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tree is an organization of which one unit lies in another.
const tree = `{"format_version": 1,
"organization": {"id": "o-a", "management_account": "999999999999",
 "policies": {"guard": {"Version": "2012-10-17", "Statement": []}, "FullAWSAccess": {"Version": "2012-10-17", "Statement": [{"Sid": "Own", "Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}},
 "root": {"id": "r-a", "scps": ["FullAWSAccess"], "rcps": ["RCPFullAWSAccess"], "accounts": [{"id": "999999999999"}], "units": [
  {"id": "ou-a-1", "scps": ["guard"], "accounts": [{"id": "111111111111"}], "units": [
   {"id": "ou-a-2", "rcps": ["guard"], "accounts": [{"id": "222222222222", "scps": ["guard", "FullAWSAccess"]}]}]},
  {"id": "ou-a-3", "accounts": [{"id": "333333333333"}]}]}}}`

// levels are the names of policies, level by level.
func levels(list [][]estate.Named) string {
	var ls []string
	for _, level := range list {
		var names []string
		for _, n := range level {
			names = append(names, n.Name)
		}
		ls = append(ls, strings.Join(names, "+"))
	}
	return strings.Join(ls, " / ")
}

// Each account has the policies of every unit above it and its own, and a
// sibling's never.
func TestTheWalkThroughTheOrganization(t *testing.T) {
	t.Parallel()
	e := load(t, tree)
	tests := []struct{ name, account, scp, rcp, path string }{
		{"an account of a unit", "111111111111", "FullAWSAccess on r-a / guard on ou-a-1 / ", "RCPFullAWSAccess on r-a /  / ", "o-a/r-a/ou-a-1/"},
		{"an account of a unit in a unit", "222222222222", "FullAWSAccess on r-a / guard on ou-a-1 /  / guard on 222222222222+FullAWSAccess on 222222222222", "RCPFullAWSAccess on r-a /  / guard on ou-a-2 / ", "o-a/r-a/ou-a-1/ou-a-2/"},
		{"an account of the unit beside it", "333333333333", "FullAWSAccess on r-a /  / ", "RCPFullAWSAccess on r-a /  / ", "o-a/r-a/ou-a-3/"},
		{"the management account, which none binds", "999999999999", "", "", "o-a/r-a/"},
		{"a stranger", "444444444444", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := e.Bind(ask(t, tt.account, "arn:aws:kms:us-east-1:"+tt.account+":key/k"))
			if got := levels(c.SCP); got != tt.scp {
				t.Errorf("SCPs %q, want %q", got, tt.scp)
			}
			if got := levels(c.RCP); got != tt.rcp {
				t.Errorf("RCPs %q, want %q", got, tt.rcp)
			}
			if v, _ := c.Describe("aws:PrincipalOrgPaths"); strings.Join(v.Many, " ") != tt.path {
				t.Errorf("its path is %v, want %q", v, tt.path)
			}
		})
	}
	c := e.Bind(ask(t, "111111111111", "arn:aws:kms:us-east-1:111111111111:key/k"))
	if n := c.SCP[0][0]; n.Source.Statements[0].Sid == nil || n.Policy() == nil {
		t.Error("the estate's own FullAWSAccess does not stand for AWS's")
	}
	if n := c.RCP[0][0]; n.Policy() == nil || len(n.Source.Statements) != 1 {
		t.Error("AWS's RCPFullAWSAccess is not there")
	}
}

// Whether two accounts share an organization is known when both are in it, or
// one is and the whole of it could be read.
func TestSameOrganization(t *testing.T) {
	t.Parallel()
	e, unread := load(t, tree), load(t, strings.Replace(tree, `"management_account"`, `"unreadable": "AccessDenied", "management_account"`, 1))
	alone := load(t, `{"format_version": 1}`)
	tests := []struct {
		name        string
		e           *estate.Estate
		a, b        string
		same, known bool
	}{
		{"two of its accounts", e, "111111111111", "222222222222", true, true},
		{"one of them and a stranger", e, "111111111111", "444444444444", false, true},
		{"two strangers", e, "444444444444", "555555555555", false, false},
		{"a stranger, of what could not be read", unread, "111111111111", "444444444444", false, false},
		{"two accounts, of what could not be read", unread, "111111111111", "222222222222", true, true},
		{"no organization", alone, "111111111111", "222222222222", false, false},
	}
	for _, tt := range tests {
		if same, known := tt.e.SameOrganization(tt.a, tt.b); same != tt.same || known != tt.known {
			t.Errorf("%s: %v, %v", tt.name, same, known)
		}
	}
}

// What could not be read is unread for whom it may bind, and for nobody else.
func TestAnOrganizationThatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	e := load(t, strings.Replace(tree, `"management_account"`, `"unreadable": "AccessDenied", "management_account"`, 1))
	for account, want := range map[string]string{"111111111111": "AccessDenied", "444444444444": "AccessDenied", "999999999999": ""} {
		if c := e.Bind(ask(t, account, "arn:aws:kms:us-east-1:"+account+":key/k")); c.SCPUnread != want || c.RCPUnread != want {
			t.Errorf("%s: %q, %q, want %q", account, c.SCPUnread, c.RCPUnread, want)
		}
	}
	c := e.Bind(ask(t, "ec2.amazonaws.com", "arn:aws:kms:us-east-1:111111111111:key/k"))
	if c.SCPUnread != "" || c.RCPUnread == "" {
		t.Errorf("a service: %q, %q", c.SCPUnread, c.RCPUnread)
	}
}

// An account's default key is what its settings say; what they do not say is
// never taken for aws/ebs.
func TestTheDefaultKeyOfEBS(t *testing.T) {
	t.Parallel()
	const aws, own = "arn:aws:kms:us-east-1:111122223333:key/aws", "arn:aws:kms:us-east-1:111122223333:key/own"
	e := load(t, `{"format_version": 1, "accounts": [{"id": "111122223333", "ebs_defaults": {
  "us-east-1": {"encrypt": true}, "us-east-2": {"encrypt": true, "key": "`+own+`"}, "eu-west-1": {"encrypt": true}}},
 {"id": "222222222222", "ebs_defaults": {"us-east-1": {"encrypt": true, "key": "arn:aws:kms:us-east-1:222222222222:alias/own"}}},
 {"id": "444455556666"}],
 "keys": [{"arn": "`+own+`", "aliases": ["alias/own"]}, {"arn": "arn:aws:kms:us-east-1:222222222222:key/second", "aliases": ["alias/own"]}, {"arn": "`+aws+`", "aliases": ["alias/aws/ebs"]}]}`)
	tests := []struct{ name, account, region, want string }{
		{"nothing but encryption is set", "111122223333", "us-east-1", aws},
		{"a key is set", "111122223333", "us-east-2", own},
		{"an alias is set", "222222222222", "us-east-1", "arn:aws:kms:us-east-1:222222222222:key/second"},
		{"the AWS managed key is not in the estate", "111122223333", "eu-west-1", ""},
		{"the Region is not in the estate", "111122223333", "us-west-2", ""},
		{"the account's settings are not in the estate", "444455556666", "us-east-1", ""},
		{"the account is not in the estate", "999999999999", "us-east-1", ""},
	}
	for _, tt := range tests {
		if got := e.DefaultEBSKey(tt.account, tt.region); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Look-ups give what the estate holds, and nothing for what it does not.
func TestLookUps(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	if p := e.Principal("arn:aws:iam::111122223333:role/app"); p == nil || p.ID != "AROAEXAMPLEEXAMPLEEX1" || e.Principal("arn:aws:iam::111122223333:role/x") != nil {
		t.Errorf("the role is %+v", p)
	}
	if k := e.Key("arn:aws:kms:us-east-1:111122223333:key/k1"); k == nil || k.Aliases[0] != "alias/app" || e.Key("k1") != nil {
		t.Errorf("the key is %+v", k)
	}
	if a := e.Account("111122223333"); a == nil || a.Name != "app" || e.Account("444455556666") != nil {
		t.Errorf("the account is %+v", a)
	}
	if !e.Holds("111122223333") || e.Holds("444455556666") {
		t.Error("it holds principals of other accounts than its own")
	}
}

// An endpoint binds the calls that come through it.
func TestAnEndpointBinds(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	r := ask(t, "arn:aws:iam::111122223333:role/app", "arn:aws:kms:us-east-1:111122223333:key/k1")
	if c := e.Bind(r); c.Endpoint != nil {
		t.Errorf("a call through no endpoint has %v", c.Endpoint)
	}
	r.Endpoint = "vpce-12345678"
	if c := e.Bind(r); c.Endpoint == nil || c.Endpoint.Name != "endpoint vpce-12345678" || c.Endpoint.Policy() == nil {
		t.Errorf("its policy is %v", c.Endpoint)
	}
}

// An endpoint without a policy lets everything through; one that the estate
// does not hold is not known, and never taken for none.
func TestEndpointsWithoutAPolicy(t *testing.T) {
	t.Parallel()
	e := estate.Estate{Endpoints: []estate.Endpoint{{ID: "vpce-1", Account: "111122223333", Region: "us-east-1", Service: "kms"}}}
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	r := ask(t, "arn:aws:iam::111122223333:role/app", "arn:aws:kms:us-east-1:111122223333:key/k1")
	r.Endpoint = "vpce-1"
	if c := e.Bind(r); c.Endpoint == nil || c.Endpoint.Policy() == nil {
		t.Errorf("an endpoint without a policy is %v", c.Endpoint)
	}
	r.Endpoint = "vpce-2"
	if c := e.Bind(r); c.Endpoint == nil || c.Endpoint.Policy() != nil || c.Endpoint.Unreadable == "" {
		t.Errorf("an endpoint that is not held is %v", c.Endpoint)
	}
}

// Tags that differ in letter case only leave the value open.
func TestTagsThatDifferInLetterCase(t *testing.T) {
	t.Parallel()
	const key = "arn:aws:kms:us-east-1:111122223333:key/k1"
	e := estate.Estate{Keys: []estate.Key{{ARN: key, Tags: map[string]string{"Team": "a", "team": "b", "cost": "1"}}}}
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	c := e.Bind(ask(t, "arn:aws:iam::111122223333:role/app", key))
	for name, want := range map[string]policy.Presence{"aws:resourcetag/team": policy.NotKnown, "aws:resourcetag/cost": policy.Present, "aws:resourcetag/other": policy.Absent} {
		if v := c.Lookup(name); v.Presence != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
}

// A trust policy is the resource policy of a role.
func TestTheTrustPolicyOfARole(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	for role, want := range map[string]bool{"app": true, "gone": false} {
		r, err := estate.NewRequest("arn:aws:iam::111122223333:role/app", "sts:AssumeRole", "arn:aws:iam::111122223333:role/"+role)
		if err != nil {
			t.Fatal(err)
		}
		c := e.Bind(r)
		if (c.Resource != nil) != want || (c.ResourceUnread == "") != want {
			t.Errorf("%s: %v, unread %q", role, c.Resource, c.ResourceUnread)
		}
	}
}

// What is known of a service-linked role that the estate does not hold.
func TestAServiceLinkedRoleThatIsNotHeld(t *testing.T) {
	t.Parallel()
	e := load(t, whole)
	tests := []struct{ name, role, action, resource, want string }{
		{"its policy has no rights on keys", "autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", "kms:Decrypt", k1, ""},
		{"what else its policy says is not known", "autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", "ec2:RunInstances", "*", "the estate does not hold AutoScalingServiceRolePolicy"},
		{"a role that nobody has heard of", "x.amazonaws.com/AWSServiceRoleForNothing", "kms:Decrypt", k1, "is not in the table of service-linked roles"},
	}
	for _, tt := range tests {
		r, err := estate.NewRequest("arn:aws:iam::111122223333:role/aws-service-role/"+tt.role, tt.action, tt.resource)
		if err != nil {
			t.Fatal(err)
		}
		if c := e.Bind(r); !strings.Contains(c.IdentityUnread, tt.want) || (c.IdentityUnread == "") != (tt.want == "") {
			t.Errorf("%s: %q, want %q", tt.name, c.IdentityUnread, tt.want)
		}
	}
}

// Index tells an estate made in code what Load tells a file.
func TestIndexOfAnEstateMadeInCode(t *testing.T) {
	t.Parallel()
	e := estate.Estate{
		Principals:   []estate.Principal{{ARN: "x"}, {ARN: "arn:aws:iam::111122223333:role/a"}, {ARN: "arn:aws:iam::111122223333:role/a"}, {ARN: "arn:aws:iam::111122223333:role/team/a"}},
		Keys:         []estate.Key{{ARN: "y"}, {ARN: "arn:aws:kms:us-east-1:111122223333:key/k"}, {ARN: "arn:aws:kms:us-east-1:111122223333:key/k"}, {ARN: "arn:aws:kms:us-east-1:111122223333:key/g", Grants: []estate.Grant{{GrantID: "g1", IssuingAccount: "kms.amazonaws.com"}}}},
		Endpoints:    []estate.Endpoint{{ID: "vpce-1"}, {ID: "vpce-1"}},
		Organization: &estate.Organization{ID: "o-a", Root: estate.Unit{ID: "r-a", SCPs: []string{"gone"}}},
	}
	err := e.Index()
	for _, want := range []string{`principal "x": its arn is that of a user or a role`, "principal arn:aws:iam::111122223333:role/a is listed twice", `key "y": its arn is that of a KMS key`, "key arn:aws:kms:us-east-1:111122223333:key/k is listed twice", "gone is attached to r-a", "endpoint vpce-1 is listed twice", `issuing_account "kms.amazonaws.com" is neither`, "role/team/a: arn:aws:iam::111122223333:role/a has the same name"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %s", err, want)
		}
	}
}
