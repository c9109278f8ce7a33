package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/route"
)

const (
	askedOperator = "arn:aws:iam::111122223333:role/RecoveryOperator"
	askedOwnKey   = "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// hostile are requests that a text made up by a stranger could lead to, by what they
// would open.
func hostile() map[string]route.Asked {
	of := func(change func(*route.Asked)) route.Asked {
		a := refusedUse()
		change(&a)
		return a
	}
	who := func(principal string) route.Asked { return of(func(a *route.Asked) { a.Principal = principal }) }
	what := func(action string) route.Asked { return of(func(a *route.Asked) { a.Action, a.Via = action, "" }) }
	return map[string]route.Asked{
		"a role of an account that the estate does not hold": who("arn:aws:iam::999988887777:role/Stranger"),
		"a session of such a role":                           who("arn:aws:sts::999988887777:assumed-role/Stranger/s"),
		"a user of such an account":                          who("arn:aws:iam::999988887777:user/Stranger"),
		"a service-linked role of such an account":           who("arn:aws:iam::999988887777:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"),
		"such an account as a whole":                         who("arn:aws:iam::999988887777:root"),
		"such an account by its number":                      who("999988887777"),
		"an account of the estate as a whole":                who("arn:aws:iam::111122223333:root"),
		"a role that its account does not have":              who("arn:aws:iam::111122223333:role/Stranger"),
		"a session of a role that its account does not have": who("arn:aws:sts::111122223333:assumed-role/Stranger/s"),
		"a role of another partition":                        who("arn:aws-us-gov:iam::111122223333:role/RecoveryOperator"),
		"everybody":                                          who("*"),
		"every role":                                         who("arn:aws:iam::111122223333:role/*"),
		"a federated user":                                   who("arn:aws:sts::111122223333:federated-user/f"),
		"the unique id of somebody":                          who("AROAEXAMPLEEXAMPLE123"),
		"a policy of the key's":                              what("kms:PutKeyPolicy"),
		"the same in other letters":                          what("KMS:putkeypolicy"),
		"grants to anybody":                                  what("kms:CreateGrant"),
		"the end of grants":                                  what("kms:RevokeGrant"),
		"the end of the key":                                 what("kms:ScheduleKeyDeletion"),
		"a key that is disabled":                             what("kms:DisableKey"),
		"tags, on which policies may depend":                 what("kms:TagResource"),
		"aliases":                                            what("kms:UpdateAlias"),
		"material from outside":                              what("kms:ImportKeyMaterial"),
		"the key in another Region":                          what("kms:ReplicateKey"),
		"everything":                                         what("kms:*"),
		"a set of actions":                                   what("kms:Gen*"),
		"an action of another service":                       what("iam:PassRole"),
	}
}

func TestARequestForTooMuchGetsNoPlan(t *testing.T) {
	t.Parallel()
	_, e := example(t, "drs-cross-account")
	for name, a := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, uses := range [][]route.Asked{{a}, {refusedUse(), a}} {
				p, err := plan.MakeFor("refused", uses, e, plan.Options{At: noon})
				var refused *plan.RefusedError
				if !errors.As(err, &refused) || refused.Guard != plan.RequestGuard || len(refused.Details) == 0 {
					t.Errorf("among %d requests it gets %+v, %v", len(uses), p, err)
				}
			}
		})
	}
}

func TestAPlanWhoseRequestsAreForTooMuchIsNotChecked(t *testing.T) {
	t.Parallel()
	for name, a := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, e := askedPlan(t, refusedUse())
			r, _ := p.Own()
			p.Requests = append(p.Requests, a)
			var refused *plan.RefusedError
			if err := p.Check([]route.Route{r}, e, plan.Options{At: noon}); !errors.As(err, &refused) || refused.Guard != plan.RequestGuard {
				t.Errorf("it is checked with %v", err)
			}
		})
	}
}

func TestOfWhatIsAskedForUsesPass(t *testing.T) {
	t.Parallel()
	for _, a := range []route.Asked{
		{Principal: askedOperator, Action: "kms:Decrypt", Key: askedOwnKey},
		{Principal: askedOperator, Action: "kms:DescribeKey", Key: askedOwnKey},
		{Principal: "arn:aws:sts::111122223333:assumed-role/RecoveryOperator/s", Action: "kms:Decrypt", Key: askedOwnKey},
		{Principal: askedOperator, Action: "kms:CreateGrant", Key: askedOwnKey, Via: "ec2"},
	} {
		p, _ := askedPlan(t, a)
		if len(p.Steps) == 0 && len(p.Stuck) == 0 {
			continue // it is open already
		}
		for i := range p.Opens {
			if a.Action == "kms:CreateGrant" && !strings.Contains(strings.Join(p.Opens[i].Under, " "), "kms:GrantIsForAWSResource = true") {
				t.Errorf("grants are opened under %v", p.Opens[i].Under)
			}
		}
	}
}

func TestAServiceIsLetInByNoPlan(t *testing.T) {
	t.Parallel()
	a := refusedUse()
	a.Principal, a.Via = "drs.amazonaws.com", ""
	if p, _ := askedPlan(t, a); len(p.Steps) > 0 || len(p.Stuck) != 1 || !strings.Contains(p.Stuck[0].Do, "aws:SourceArn") {
		t.Errorf("the plan has %d steps, and is stuck at %+v", len(p.Steps), p.Stuck)
	}
}

func TestARoleThatOnlyAFixedKeyPolicyCouldNameIsStuckForThat(t *testing.T) {
	t.Parallel()
	_, e := example(t, "drs-cross-account")
	d, _, err := policy.Read("test", []byte(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"NotAction":["kms:PutKeyPolicy","kms:CreateGrant"],"Resource":"*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	e.Key(askedOwnKey).Policy = estate.NewDocument(d)
	if err := e.Index(); err != nil {
		t.Fatal(err)
	}
	a := refusedUse()
	a.Principal, a.Action = "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", "kms:GenerateDataKeyWithoutPlaintext"
	p, err := plan.MakeFor("refused", []route.Asked{a}, e, plan.Options{At: noon})
	if err != nil || len(p.Stuck) != 1 || !strings.Contains(p.Stuck[0].Why, "policy alone can name the role") || !strings.Contains(p.Stuck[0].Owner, "AWS Support") {
		t.Errorf("it is stuck at %+v, %v", p, err)
	}
}
