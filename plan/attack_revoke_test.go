package plan_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
)

// TestARevokingPlanByHandIsRefused: what closes takes away Keyreach's own of one route, and
// nothing that another needs.
func TestARevokingPlanByHandIsRefused(t *testing.T) {
	t.Parallel()
	at := filepath.Join("..", "examples", "aurora", route.FileName)
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	const key = "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	const deny = `{"Sid":"KeyreachUse00000000","Effect":"Deny","Principal":"*","Action":"kms:ScheduleKeyDeletion","Resource":"*"}`
	_, list, _ := strings.Cut(string(text), "routes:\n")
	f, err := route.Load(at, []byte(string(text)+strings.Replace(list, "name: cluster-elsewhere", "name: other", 1)))
	if err != nil {
		t.Fatal(err)
	}
	_, e := example(t, "aurora")
	e = performed(t, planned(t, f.Routes, e, plan.Options{}), e)
	if e, err = e.Apply(&estate.KeyPolicy{Key: key, Document: strings.Replace(e.Key(key).Policy.Source.String(), `"Statement":[`, `"Statement":[`+deny+`,`, 1)}); err != nil {
		t.Fatal(err)
	}
	o := plan.Options{At: noon}
	p, err := plan.Revoke("cluster-elsewhere", f.Routes, e, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Steps {
		if _, ok := p.Steps[i].Op.(*estate.KeyPolicy); ok {
			t.Fatal("what the other route needs in the key's policy is revoked")
		}
	}
	now := e.Key(key).Policy.Source.String()
	own := strings.Index(now, `{"Sid":"KeyreachGrant`)
	if own < 0 {
		t.Fatalf("Keyreach wrote no statement: %s", now)
	}
	for name, document := range map[string]string{
		"what the other route needs": strings.TrimSuffix(now[:own], ",") + "]}",
		"a Deny":                     strings.Replace(now, deny+",", "", 1),
		"the version":                strings.Replace(now, `"Version":"2012-10-17"`, `"Version":"2008-10-17"`, 1),
	} {
		forged := *p
		forged.Steps = []plan.Step{{Op: &estate.KeyPolicy{Key: key, Document: document}, Was: &estate.KeyPolicy{Key: key, Document: now}, Why: "why not", Routes: p.Routes}}
		var refused *plan.RefusedError
		if err := forged.Check(f.Routes, e, o); document == now || !errors.As(err, &refused) {
			t.Errorf("%s is taken away: %v", name, err)
		}
	}
}
