package plan_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

// attack is a plan by hand that opens more than it says, takes something away, or writes
// where no route is.
type attack struct {
	name, example string
	chosen        plan.Chosen
	// world changes the estate before the plan is made.
	world func(e *estate.Estate)
	on    func(t *testing.T, a *attacked)
}

type attacked struct {
	plan   *plan.Plan
	routes []route.Route
	base   *estate.Estate
}

const production, recovery = "444455556666", "111122223333"

func TestAPlanByHandIsRefused(t *testing.T) {
	t.Parallel()
	for _, a := range slices.Concat(documentAttacks(), grantAttacks(), slotAttacks(), makingAttacks()) {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			name, named := strings.CutSuffix(a.example, " with a key by name")
			routes, e := example(t, name)
			if named {
				routes = withNamedKey(t, name)
			}
			if a.world != nil {
				a.world(e)
				if err := e.Index(); err != nil {
					t.Fatal(err)
				}
			}
			o := plan.Options{At: noon, Chosen: a.chosen}
			p := planned(t, routes, e, o)
			if err := copyOfPlan(t, p).Check(routes, e, o); err != nil {
				t.Fatalf("the plan as it was made: %v", err)
			}
			x := &attacked{plan: copyOfPlan(t, p), routes: routes, base: e}
			a.on(t, x)
			var refused *plan.RefusedError
			if err := x.plan.Check(routes, e, o); !errors.As(err, &refused) {
				t.Errorf("it passes: %v", err)
			}
		})
	}
}

// withNamedKey are the routes of an example whose consumer has a key yet to be made.
func withNamedKey(t *testing.T, name string) []route.Route {
	t.Helper()
	at := filepath.Join("..", "examples", name, route.FileName)
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	f, err := route.Load(at, []byte(strings.Replace(string(text), "as: auto-scaling", "as: auto-scaling, key: alias/new", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return f.Routes
}

// edit changes the text of the first document of the plan that has what is replaced.
func (a *attacked) edit(t *testing.T, documentOf func(estate.Op) *string, old, now string) {
	t.Helper()
	for i := range a.plan.Steps {
		if text := documentOf(a.plan.Steps[i].Op); text != nil && strings.Contains(*text, old) {
			*text = strings.Replace(*text, old, now, 1)
			return
		}
	}
	t.Fatalf("no document has %s", old)
}

// append adds an op with how things are.
func (a *attacked) append(t *testing.T, op estate.Op) {
	t.Helper()
	at := a.base
	for i := range a.plan.Steps {
		var err error
		if at, err = at.Apply(a.plan.Steps[i].Op); err != nil {
			t.Fatal(err)
		}
	}
	was, err := at.Current(op)
	if err != nil {
		t.Fatal(err)
	}
	a.plan.Steps = append(a.plan.Steps, plan.Step{Op: op, Was: was, Why: "why not", Routes: a.plan.Routes})
}

// TestAnImageIsSharedWithTheAccountsOfItsRouteOnly: an image may be named by its ARN, and
// is nothing for the account of another route.
func TestAnImageIsSharedWithTheAccountsOfItsRouteOnly(t *testing.T) {
	t.Parallel()
	at := filepath.Join("..", "examples", "auto-scaling", route.FileName)
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	two := strings.Replace(string(text), "\nroutes:\n", `
  third: {id: "777788889999", region: us-east-1, access: {profile: third}, actor: {role: Third}}
routes:
  - name: other
    kind: ami
    owner: {account: recovery, key: "arn:aws:kms:us-east-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"}
    consumers: [{account: third, as: role}]
`, 1)
	f, err := route.Load(at, []byte(two))
	if err != nil {
		t.Fatal(err)
	}
	_, e := example(t, "auto-scaling")
	const image = "arn:aws:ec2:us-east-1::image/ami-1"
	e.Resources = append(e.Resources, estate.Resource{Type: "ec2:Image", ID: "ami-1", ARN: image, Account: production, Region: "us-east-1", Key: "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"})
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	o := plan.Options{At: noon, Chosen: plan.Chosen{Share: []string{image}}, Partial: true}
	p := planned(t, f.Routes, e, o)
	opOf[*estate.Share](t, p).With = "777788889999"
	var refused *plan.RefusedError
	if err := p.Check(f.Routes, e, o); !errors.As(err, &refused) {
		t.Errorf("it is shared with the third account: %v", err)
	}
}

func opOf[T estate.Op](t *testing.T, p *plan.Plan) T {
	t.Helper()
	for i := range p.Steps {
		if o, ok := p.Steps[i].Op.(T); ok {
			return o
		}
	}
	var none T
	t.Fatalf("the plan has no %T", none)
	return none
}

func documentAttacks() []attack {
	replace := func(documentOf func(estate.Op) *string, old, now string) func(*testing.T, *attacked) {
		return func(t *testing.T, a *attacked) { a.edit(t, documentOf, old, now) }
	}
	withVariable := func(e *estate.Estate) {
		k := e.Key("arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab")
		next, err := e.Apply(&estate.KeyPolicy{Key: k.ARN, Document: strings.Replace(k.Policy.Source.String(), `"Statement":[`,
			`"Statement":[{"Sid":"Own","Effect":"Deny","Principal":"*","Action":"kms:ScheduleKeyDeletion","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalTag/team":"${aws:ResourceTag/team}"}}},`, 1)})
		if err == nil {
			*e = *next
		}
	}
	return []attack{
		{"the old version of the policy language, in which a Deny has no variables", "auto-scaling", plan.Chosen{}, withVariable, replace(keyPolicy, `"Version":"2012-10-17"`, `"Version":"2008-10-17"`)},
		{"no version of the policy language", "auto-scaling", plan.Chosen{}, withVariable, replace(keyPolicy, `"Version":"2012-10-17",`, ``)},
		{"a member of the policy that nobody knows", "auto-scaling", plan.Chosen{}, nil, replace(keyPolicy, `"Version":"2012-10-17",`, `"Version":"2012-10-17","Id":"x",`)},
		{"an element twice, in another case", "auto-scaling", plan.Chosen{}, nil, replace(keyPolicy, `"Action":"kms:CreateGrant"`, `"Action":"kms:*","action":"kms:CreateGrant"`)},
		{"an element in another case", "auto-scaling", plan.Chosen{}, nil, replace(keyPolicy, `"Action":"kms:CreateGrant"`, `"action":"kms:CreateGrant"`)},
		{"an element twice", "auto-scaling", plan.Chosen{}, nil, replace(keyPolicy, `"Action":"kms:CreateGrant"`, `"Action":"kms:*","Action":"kms:CreateGrant"`)},
		{"a condition twice, in another case", "auto-scaling", plan.Chosen{}, nil, replace(keyPolicy, `"Condition":{"ForAllValues`, `"condition":{},"Condition":{"ForAllValues`)},
		{"the root of the account in another partition", "auto-scaling", plan.Chosen{}, nil, replace(keyPolicy, `"AWS":"arn:aws:iam::111122223333:root"`, `"AWS":"arn:aws-cn:iam::111122223333:root"`)},
		{"a Sid that is not the planner's", "auto-scaling", plan.Chosen{}, nil, replace(keyPolicy, `"Sid":"KeyreachIssue`, `"Sid":"Issue`)},
		{"every grant, by the grantee twice", "auto-scaling", plan.Chosen{}, nil, func(t *testing.T, a *attacked) {
			a.edit(t, keyPolicy, `"kms:GranteePrincipal":"arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"`,
				`"kms:GranteePrincipal":["arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling","arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"]`)
			a.edit(t, keyPolicy, `"kms:GrantOperations":[`, `"kms:GrantOperations":["Encrypt","Sign",`)
		}},
		{"a statement of somebody else that begins like the planner's", "auto-scaling", plan.Chosen{}, func(e *estate.Estate) {
			k := e.Key("arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab")
			next, err := e.Apply(&estate.KeyPolicy{Key: k.ARN, Document: strings.Replace(k.Policy.Source.String(), `"Statement":[`,
				`"Statement":[{"Sid":"KeyreachReaders","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:Decrypt","Resource":"*"},`, 1)})
			if err == nil {
				*e = *next
			}
		}, func(t *testing.T, a *attacked) {
			a.edit(t, keyPolicy, `{"Sid":"KeyreachReaders","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:Decrypt","Resource":"*"},`, ``)
			a.edit(t, keyPolicy, `"Sid":"KeyreachIssue43d2158bGroup"`, `"Sid":"KeyreachReaders"`)
		}},
		{"fewer grants than an earlier plan let be made", "auto-scaling", plan.Chosen{}, func(e *estate.Estate) {
			k := e.Key("arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab")
			next, err := e.Apply(&estate.KeyPolicy{Key: k.ARN, Document: strings.Replace(k.Policy.Source.String(), `"Statement":[`,
				`"Statement":[{"Sid":"KeyreachIssue43d2158bGroup","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:CreateGrant","Resource":"*","Condition":{"ForAllValues:StringEquals":{"kms:GrantOperations":["CreateGrant","Decrypt"]},"StringEquals":{"kms:GranteePrincipal":"arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"}}},`, 1)})
			if err == nil {
				*e = *next
			}
		}, replace(keyPolicy, `"kms:GrantOperations":["CreateGrant","Decrypt",`, `"kms:GrantOperations":[`)},
		{"principals who are there, told to be gone", "auto-scaling", plan.Chosen{}, nil, func(_ *testing.T, a *attacked) {
			a.plan.Steps[0].Gone = []string{"arn:aws:iam::444455556666:root"}
		}},
		{"things as they never were", "auto-scaling", plan.Chosen{}, nil, func(t *testing.T, a *attacked) {
			for i := range a.plan.Steps {
				if _, ok := a.plan.Steps[i].Op.(*estate.KeyPolicy); ok {
					a.plan.Steps[i].Was = &estate.KeyPolicy{Key: opOf[*estate.KeyPolicy](t, a.plan).Key, Document: openPolicy}
				}
			}
		}},
	}
}

func grantAttacks() []attack {
	return []attack{
		{"a grant by the name of another's, which ends that", "auto-scaling", plan.Chosen{}, func(e *estate.Estate) {
			for i := range e.Keys {
				if e.Keys[i].ARN == "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab" {
					e.Keys[i].Grants = append(e.Keys[i].Grants, estate.Grant{GrantID: "g-1", Name: "billing", GranteePrincipal: "arn:aws:iam::444455556666:role/Billing", Operations: []string{"Decrypt"}, IssuingAccount: production})
				}
			}
		}, func(t *testing.T, a *attacked) { opOf[*estate.GrantTo](t, a.plan).Name = "billing" }},
		{"a grant that a run would not find again", "auto-scaling", plan.Chosen{}, nil, func(t *testing.T, a *attacked) { opOf[*estate.GrantTo](t, a.plan).Name = "x" }},
	}
}

func slotAttacks() []attack {
	return []attack{
		{"a vault of the same name in another account", "vault", plan.Chosen{}, func(e *estate.Estate) {
			for i := range e.Resources {
				if r := e.Resources[i]; r.Type == "backup:BackupVault" && r.Account == recovery {
					r.Account, r.ARN = production, strings.Replace(r.ARN, recovery, production, 1)
					r.Attributes = map[string]string{}
					e.Resources = append(e.Resources, r)
					break
				}
			}
		}, func(t *testing.T, a *attacked) {
			own := *opOf[*estate.VaultPolicy](t, a.plan)
			own.Account = production
			a.append(t, &own)
		}},
		{"an inline policy under another's name", "karpenter", plan.Chosen{}, nil, func(t *testing.T, a *attacked) {
			opOf[*estate.InlinePolicy](t, a.plan).Name = "Administrator"
		}},
		{"a bucket in another account", "etcd-backup", plan.Chosen{Buckets: []string{"backups-1"}}, nil, func(t *testing.T, a *attacked) {
			for i := range a.plan.Steps {
				switch o := a.plan.Steps[i].Op.(type) {
				case *estate.NewBucket:
					o.Account = other(o.Account)
				case *estate.BucketSetting:
					o.Account = other(o.Account)
				}
			}
		}},
		{"a bucket in another Region", "etcd-backup", plan.Chosen{Buckets: []string{"backups-1"}}, nil, func(t *testing.T, a *attacked) {
			for i := range a.plan.Steps {
				switch o := a.plan.Steps[i].Op.(type) {
				case *estate.NewBucket:
					o.Region = "eu-west-1"
				case *estate.BucketSetting:
					o.Region = "eu-west-1"
				}
			}
		}},
	}
}

func other(account string) string {
	if account == production {
		return recovery
	}
	return production
}

func makingAttacks() []attack {
	change := func(edit func(*estate.NewKey)) func(*testing.T, *attacked) {
		return func(t *testing.T, a *attacked) { edit(opOf[*estate.NewKey](t, a.plan)) }
	}
	const linked = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
	withoutRole := func(e *estate.Estate) {
		e.Principals = slices.DeleteFunc(e.Principals, func(p estate.Principal) bool { return p.ARN == linked })
		e.Principals = append(e.Principals, estate.Principal{ARN: "arn:aws:iam::111122223333:role/RestoreOperator"})
	}
	return []attack{
		{"the replica of another key", "auto-scaling with a key by name", plan.Chosen{}, nil, change(func(o *estate.NewKey) {
			o.Primary = "arn:aws:kms:us-east-1:444455556666:key/mrk-1234abcd12ab34cd56ef1234567890ab"
		})},
		{"a key for every Region", "auto-scaling with a key by name", plan.Chosen{}, nil, change(func(o *estate.NewKey) { o.MultiRegion = true })},
		{"a tag that opens a key", "auto-scaling with a key by name", plan.Chosen{}, nil, change(func(o *estate.NewKey) { o.Tags["team"] = "everybody" })},
		{"another service's role", "auto-scaling", plan.Chosen{}, withoutRole, func(t *testing.T, a *attacked) {
			opOf[*estate.LinkedRole](t, a.plan).Service = "elasticmapreduce.amazonaws.com"
		}},
		{"a key that is taken back from its deletion, which nobody asked for", "auto-scaling", plan.Chosen{}, func(e *estate.Estate) {
			for i := range e.Keys {
				if strings.Contains(e.Keys[i].ARN, production) {
					e.Keys[i].State = "PendingDeletion"
				}
			}
		}, func(t *testing.T, a *attacked) {
			key := a.routes[0].Parties["owner"][0].Key
			a.plan.Steps = nil
			a.append(t, &estate.NewKey{ARN: key, Document: `{"Version":"2012-10-17","Statement":[{"Sid":"EnableIAMUserPermissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:*","Resource":"*"}]}`})
		}},
	}
}

// TestALinkedRoleOpensNothingOnItself: IAM lets nobody but its service change or assume it.
func TestALinkedRoleOpensNothingOnItself(t *testing.T) {
	t.Parallel()
	routes, e := example(t, "vault")
	e.Principals = slices.DeleteFunc(e.Principals, func(p estate.Principal) bool { return strings.Contains(p.ARN, "AWSServiceRoleForBackup") })
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	p := planned(t, routes, e, plan.Options{})
	role := opOf[*estate.LinkedRole](t, p).ARN
	for _, o := range p.Opens {
		if o.Resource == role {
			t.Errorf("%s is told to be able to %v on %s", o.Principal, o.Actions, o.Resource)
		}
	}
}

// TestMembersAreThoseOfTheOrganization: a path is that of a unit and what is under it, and
// no pattern for others.
func TestMembersAreThoseOfTheOrganization(t *testing.T) {
	t.Parallel()
	routes, e := example(t, "aurora")
	full := []string{"FullAWSAccess"}
	e.Organization = &estate.Organization{ID: "o-abc1234567", ManagementAccount: production, Root: estate.Unit{
		ID: "r-ab12", SCPs: full, RCPs: []string{"RCPFullAWSAccess"}, Accounts: []estate.AccountPolicies{{ID: production, SCPs: full, RCPs: []string{"RCPFullAWSAccess"}}},
		Units: []estate.Unit{{ID: "ou-ab12-11111111", SCPs: full, RCPs: []string{"RCPFullAWSAccess"}, Accounts: []estate.AccountPolicies{{ID: recovery, SCPs: full, RCPs: []string{"RCPFullAWSAccess"}}}}},
	}}
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	for org, fine := range map[string]bool{
		"o-abc1234567": true, "o-abc1234567/r-ab12/ou-ab12-11111111/": true, "o-abc1234567/r-ab12/ou-ab12-11111111": true, "o-abc1234567/*": true,
		"*/": false, "o-*/": false, "o-abc1234567/r-ab1?/": false, "*": false, "o-foreign0000": false, "o-foreign0000/": false, "o-abc1234567/r-ab12/ou-ab12-1*": false,
	} {
		p, err := plan.Make(routes, e, plan.Options{At: noon, Chosen: plan.Chosen{Org: org}})
		if err != nil {
			if fine {
				t.Errorf("%s: %v", org, err)
			}
			continue
		}
		text := string(jsonOf(opsOf(p)))
		if !fine {
			t.Errorf("%s: it is planned for: %s", org, text)
			continue
		}
		if key := `aws:PrincipalOrg`; !strings.Contains(text, key) || strings.Contains(org, "/") && !strings.Contains(text, `/*\"`) {
			t.Errorf("%s: the pattern is for a part of a name: %s", org, text)
		}
	}
}
