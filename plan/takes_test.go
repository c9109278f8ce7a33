package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

const (
	takenKey     = "arn:aws:kms:us-east-1:444455556666:key/00000001-0a1b-4c2d-8e3f-000000000001"
	scalingRole  = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
	scalingGrant = "Keyreach-111122223333-us-east-1-AWSServiceRoleForAutoScaling"
	byOwner      = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:*","Resource":"*"}`
	byTwo        = `{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::444455556666:role/Operator","arn:aws:iam::444455556666:role/Second"]},"Action":["kms:PutKeyPolicy","kms:EnableKey","kms:ScheduleKeyDeletion"],"Resource":"*"}`
	mayAll       = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

// takenWorld is a world of one key and one route: members of the route, and of the estate
// beside its principals.
func takenWorld(t *testing.T, declared, key, more string) ([]route.Route, *estate.Estate) {
	t.Helper()
	f, err := route.Load(route.FileName, []byte(`format_version: 1
accounts:
  production: {id: "444455556666", region: us-east-1, access: {profile: p}, actor: {role: Operator}}
  recovery: {id: "111122223333", region: us-east-1, access: {profile: r}, actor: {role: Operator}}
routes:
  - {name: one, `+declared+`}
`))
	if err != nil {
		t.Fatal(err)
	}
	who := func(arn string) string {
		return `{"arn":"` + arn + `","policies":[{"name":"all","kind":"inline","document":` + mayAll + `}]}`
	}
	e, err := estate.Load("estate.json", []byte(`{"format_version":1,"accounts":[{"id":"444455556666"},{"id":"111122223333"}],
		"principals":[`+who("arn:aws:iam::444455556666:role/Operator")+`,`+who("arn:aws:iam::444455556666:role/Second")+`,`+who("arn:aws:iam::111122223333:role/Operator")+`],
		"keys":[{"arn":"`+takenKey+`",`+key+`}]`+more+`}`))
	if err != nil {
		t.Fatal(err)
	}
	return f.Routes, e
}

func keyBy(statement, more string) string {
	return `"policy":{"Version":"2012-10-17","Statement":[` + statement + `]}` + more
}

const (
	ofDRS     = `kind: drs, staging: {account: production, key: "` + takenKey + `"}`
	ofScaling = `kind: ebs, owner: {account: production, key: "` + takenKey + `"}, consumers: [{account: recovery, as: auto-scaling}]`
	ofRDS     = `kind: rds, source: {account: production, key: "` + takenKey + `"}, target: {account: recovery, key: alias/new, actor: {role: %s}}`
)

func stuckWith(p *plan.Plan, text string) bool {
	return slices.ContainsFunc(p.Stuck, func(s plan.Stuck) bool { return strings.Contains(s.Why+" "+s.Do, text) })
}

func TestAServiceLinkedRoleIsMadeBeforeAPolicyNamesIt(t *testing.T) {
	t.Parallel()
	routes, e := takenWorld(t, ofDRS, keyBy(byOwner, ""), "")
	p := planned(t, routes, e, plan.Options{})
	role := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Op.Slot().Kind == "linked-role" })
	policy := slices.IndexFunc(p.Steps, func(s plan.Step) bool {
		o, ok := s.Op.(*estate.KeyPolicy)
		return ok && strings.Contains(o.Document, "AWSServiceRoleForElasticDisasterRecovery")
	})
	if role < 0 || policy < role {
		t.Errorf("the role is step %d, the policy that names it step %d", role, policy)
	}
}

func TestAGrantInThePlaceOfAnotherMayBeIssuedForAllItsOperations(t *testing.T) {
	t.Parallel()
	grants := `,"grants":[{"grant_id":"g","name":"` + scalingGrant + `","grantee_principal":"` + scalingRole + `","operations":["Encrypt"],"issuing_account":"111122223333"}]`
	routes, e := takenWorld(t, ofScaling, keyBy(byOwner, grants), "")
	p := planned(t, routes, e, plan.Options{})
	var policy, granted string
	for i := range p.Steps {
		switch o := p.Steps[i].Op.(type) {
		case *estate.KeyPolicy:
			policy = o.Document
		case *estate.GrantTo:
			granted = strings.Join(o.Operations, " ")
		}
	}
	_, issue, _ := strings.Cut(policy, "kms:GrantOperations")
	if !strings.Contains(granted, "Encrypt") || !strings.Contains(issue, `"Encrypt"`) {
		t.Errorf("the grant is for %q, and may be issued for %s", granted, issue)
	}
}

func TestAGrantThatAControlPolicyBarsIsStuck(t *testing.T) {
	t.Parallel()
	organization := `,"organization":{"id":"o-abc1234567","management_account":"999999999999",
		"policies":{"no-grants":{"Version":"2012-10-17","Statement":[{"Sid":"NoGrants","Effect":"Deny","Action":"kms:CreateGrant","Resource":"*"}]}},
		"root":{"id":"r-ab12","scps":["FullAWSAccess"],"accounts":[{"id":"444455556666","scps":["FullAWSAccess"]},{"id":"111122223333","scps":["FullAWSAccess","no-grants"]}]}}`
	routes, e := takenWorld(t, ofScaling, keyBy(byOwner, ""), organization)
	p := planned(t, routes, e, plan.Options{})
	if !p.Empty() || !stuckWith(p, "no-grants") || !stuckWith(p, "let account 111122223333 make grants") {
		t.Errorf("%d steps, stuck %+v", len(p.Steps), p.Stuck)
	}
}

func TestAKeyThatNobodyMayEnableIsStuck(t *testing.T) {
	t.Parallel()
	routes, e := takenWorld(t, ofDRS, keyBy(byTwo, `,"state":"PendingDeletion"`), "")
	p := planned(t, routes, e, plan.Options{Chosen: plan.Chosen{EnableKeys: true}})
	if !p.Empty() || !stuckWith(p, "kms:CancelKeyDeletion") {
		t.Errorf("%d steps, stuck %+v", len(p.Steps), p.Stuck)
	}
	routes, e = takenWorld(t, ofDRS, keyBy(byTwo, `,"state":"Disabled"`), "")
	if p := planned(t, routes, e, plan.Options{Chosen: plan.Chosen{EnableKeys: true}}); len(p.Stuck) > 0 {
		t.Errorf("a disabled key, which somebody may enable, is stuck: %+v", p.Stuck)
	}
}

func TestNothingIsOpenedThatShowsOnlyWhenAKeyIsEnabled(t *testing.T) {
	t.Parallel()
	routes, e := takenWorld(t, ofDRS, keyBy(byOwner, `,"state":"Disabled"`), "")
	p := planned(t, routes, e, plan.Options{Partial: true})
	for i := range p.Steps {
		if o, ok := p.Steps[i].Op.(*estate.KeyPolicy); ok && (strings.Contains(o.Document, "kms:GenerateDataKey") || strings.Contains(o.Document, "kms:CreateGrant")) {
			t.Errorf("the plan writes %s", o.Document)
		}
	}
	if len(p.Stuck) == 0 {
		t.Error("nothing is stuck")
	}
}

func TestAnActorThatIsNotThereIsStuck(t *testing.T) {
	t.Parallel()
	for actor, there := range map[string]bool{"Operator": true, "Nobody": false} {
		routes, e := takenWorld(t, strings.Replace(ofRDS, "%s", actor, 1), keyBy(byOwner, ""), "")
		p := planned(t, routes, e, plan.Options{})
		if there == (len(p.Stuck) > 0) || there == p.Empty() || !there && !stuckWith(p, "there is no Nobody of 111122223333") {
			t.Errorf("%s: %d steps, stuck %+v", actor, len(p.Steps), p.Stuck)
		}
	}
}
