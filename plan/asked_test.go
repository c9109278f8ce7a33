package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

// refusedUse is a use of the example's key that its role lacks.
func refusedUse() route.Asked {
	return route.Asked{
		Principal: "arn:aws:iam::444455556666:role/service-role/DRSStagingAccountRole_111122223333", Action: "kms:ReEncryptFrom",
		Key: "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab", Via: "ec2", About: "the use that was refused",
	}
}

func askedPlan(t *testing.T, uses ...route.Asked) (*plan.Plan, *estate.Estate) {
	t.Helper()
	_, e := example(t, "drs-cross-account")
	p, err := plan.MakeFor("refused-1", uses, e, plan.Options{At: noon})
	if err != nil {
		t.Fatal(err)
	}
	return p, e
}

func TestAPlanForOneRequestOpensItAndNothingElse(t *testing.T) {
	t.Parallel()
	p, e := askedPlan(t, refusedUse())
	r, own := p.Own()
	if !own || len(p.Steps) != 1 || len(p.Stuck) > 0 {
		t.Fatalf("the plan has %d steps, and is stuck at %+v", len(p.Steps), p.Stuck)
	}
	proof, err := route.Prove(&r, performed(t, p, e), noon)
	if err != nil || proof.Verdict != route.Proven {
		t.Errorf("performed, the request is %s, %v", proof.Verdict, err)
	}
	if len(p.Opens) != 1 || !cmp.Equal(p.Opens[0].Actions, []string{"kms:ReEncryptFrom"}) || !strings.Contains(strings.Join(p.Opens[0].Under, " "), "ec2.us-east-1") {
		t.Errorf("it opens %+v", p.Opens)
	}
}

func TestAPlanForARequestIsHeldAgainstItsRequest(t *testing.T) {
	t.Parallel()
	p, e := askedPlan(t, refusedUse())
	r, _ := p.Own()
	op := p.Steps[0].Op.(*estate.KeyPolicy)
	op.Document = strings.Replace(op.Document, "kms:ReEncryptFrom", "kms:Decrypt", 1)
	var refused *plan.RefusedError
	if err := p.Check([]route.Route{r}, e, plan.Options{At: noon}); !errors.As(err, &refused) || refused.Guard != plan.WideningGuard {
		t.Errorf("a plan that opens something else is checked with %v", err)
	}
}

func TestARequestsPlanIsReadBackWithItsRequests(t *testing.T) {
	t.Parallel()
	p, _ := askedPlan(t, refusedUse())
	text, err := p.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := plan.Load("plan.json", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if d := cmp.Diff(p.Requests, back.Requests); d != "" {
		t.Error(d)
	}
	for _, change := range [][2]string{{`"action": "kms:ReEncryptFrom",`, `"action": "kms:Decrypt",`}, {`"requests"`, `"requested"`}} {
		if _, err := plan.Load("plan.json", []byte(strings.Replace(string(text), change[0], change[1], 1))); err == nil {
			t.Errorf("with %s in place of %s it is read all the same", change[1], change[0])
		}
	}
	other := *p
	if other.Requests = nil; other.Digest() == p.Digest() {
		t.Error("the digest is the same without the requests")
	}
}

func TestWhatNoOpOpensOfARequestComesWithItsOwnQuestion(t *testing.T) {
	t.Parallel()
	never := refusedUse()
	never.Principal, never.Action, never.Via = "arn:aws:iam::111122223333:role/RecoveryOperator", "kms:GetKeyPolicy", "" // of another account's key
	p, _ := askedPlan(t, never)
	want := "keyreach can arn:aws:iam::111122223333:role/RecoveryOperator kms:GetKeyPolicy arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	if len(p.Stuck) == 0 || p.Stuck[0].Proof != want || len(p.Steps) != 0 {
		t.Errorf("it is stuck at %+v, with %d steps", p.Stuck, len(p.Steps))
	}
}

func TestOnlyUsesOfKeysCanBeAskedFor(t *testing.T) {
	t.Parallel()
	_, e := example(t, "drs-cross-account")
	for _, change := range []func(*route.Asked){
		func(a *route.Asked) { a.Principal = "me" },
		func(a *route.Asked) { a.Key = "alias/x" },
		func(a *route.Asked) { a.Key = "arn:aws:s3:::bucket" },
	} {
		a := refusedUse()
		change(&a)
		if _, err := plan.MakeFor("refused", []route.Asked{a}, e, plan.Options{At: noon}); err == nil {
			t.Errorf("%+v is planned for", a)
		}
	}
}
