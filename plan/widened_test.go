package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/plan/plantest"
	"github.com/keyreach/keyreach/route"
)

// original is a plan that is about to be widened.
type original struct {
	name   string
	routes []route.Route
	base   *estate.Estate
	o      plan.Options
	plan   *plan.Plan
}

// originals are the plans of the examples and of many worlds.
func originals(t *testing.T) []original {
	t.Helper()
	var list []original
	add := func(name string, routes []route.Route, e *estate.Estate, o plan.Options) {
		o.At = noon
		if p, err := plan.Make(routes, e, o); err == nil && !p.Empty() && len(e.Keys) > 0 {
			list = append(list, original{name, routes, e, o, p})
		} else if len(o.Buckets) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range examples(t) {
		routes, e := example(t, name)
		add(name, routes, e, plan.Options{})
		if routes[0].Kind.Name == "backup" {
			add(name+" with a bucket", routes, e, plan.Options{Chosen: plan.Chosen{Buckets: []string{"backups-1"}}})
			add(name+" with two buckets", routes, e, plan.Options{Chosen: plan.Chosen{Buckets: []string{"backups-2", "backups-3"}}})
		}
	}
	for seed := range uint64(200) {
		routes, _, e := plantest.World(seed)
		add(fmt.Sprintf("seed %d", seed), routes, e, plan.Options{})
	}
	return list
}

// enough is how many plans are widened in one way at most, needed how many at least.
const (
	enough = 14
	needed = 3
)

// TestFiveHundredWidenedPlansAreRefused widens plans in every way that comes to mind: the
// guards refuse each, and the file of each with the digest of the original is refused too.
func TestFiveHundredWidenedPlansAreRefused(t *testing.T) {
	t.Parallel()
	list := originals(t)
	total, limit := 0, enough
	if testing.Short() {
		limit = needed
	}
	for _, m := range mutations() {
		count := 0
		for i := range list {
			if count >= limit {
				break
			}
			b := &list[i]
			p := copyOfPlan(t, b.plan)
			if !m.widen(b, p) || p.Digest() == b.plan.Digest() {
				continue
			}
			count++
			b.refuses(t, m.name, p)
		}
		if count < needed {
			t.Errorf("%s: only %d plans can be widened so", m.name, count)
		}
		total += count
	}
	t.Logf("%d widened plans, in %d ways", total, len(mutations()))
	if total < 500 && !testing.Short() {
		t.Errorf("%d widened plans; 500 are promised", total)
	}
}

// refuses holds the guards to refusing a widened plan, checked as it says itself, and the
// reader to refusing its file.
func (b *original) refuses(t *testing.T, how string, p *plan.Plan) {
	t.Helper()
	text, err := p.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(p.Digest()), []byte(b.plan.Digest()), 1)
	var wrong *estate.FileError
	if _, err := plan.Load("plan.json", text); !errors.As(err, &wrong) {
		t.Errorf("%s, %s: the changed file is read: %v", b.name, how, err)
	}
	o := b.o
	o.Org = p.Chosen.Org // what somebody chose is in the plan
	err = p.Check(b.routes, b.base, o)
	var refused *plan.RefusedError
	if !errors.As(err, &refused) || refused.Guard != plan.WideningGuard && refused.Guard != plan.LockoutGuard {
		t.Errorf("%s, %s: the plan passes: %v", b.name, how, err)
	}
}

func copyOfPlan(t *testing.T, p *plan.Plan) *plan.Plan {
	t.Helper()
	text, err := p.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := plan.Load("plan.json", text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mutation is one way to widen a plan; it reports whether the plan can be widened so.
type mutation struct {
	name  string
	widen func(b *original, p *plan.Plan) bool
}

type statementMap = map[string]any

// onStatements edits the first of Keyreach's statements in documents of some ops for
// which edit reports that it did.
func onStatements(documentOf func(estate.Op) *string, edit func(b *original, s statementMap) bool) func(*original, *plan.Plan) bool {
	return func(b *original, p *plan.Plan) bool {
		return onDocuments(documentOf, func(list []any) ([]any, bool) {
			for _, v := range list {
				s := v.(statementMap)
				if sid, _ := s["Sid"].(string); strings.HasPrefix(sid, "Keyreach") && edit(b, s) {
					return list, true
				}
			}
			return list, false
		})(p)
	}
}

// onDocuments edits the statements of the first document for which edit reports that it did.
func onDocuments(documentOf func(estate.Op) *string, edit func([]any) ([]any, bool)) func(*plan.Plan) bool {
	return func(p *plan.Plan) bool {
		for i := range p.Steps {
			text := documentOf(p.Steps[i].Op)
			if text == nil || *text == "" {
				continue
			}
			var d statementMap
			if json.Unmarshal([]byte(*text), &d) != nil {
				continue
			}
			list, ok := d["Statement"].([]any)
			if !ok {
				continue
			}
			if list, ok = edit(list); ok {
				d["Statement"] = list
				*text = string(jsonOf(d))
				return true
			}
		}
		return false
	}
}

func keyPolicy(op estate.Op) *string {
	if o, ok := op.(*estate.KeyPolicy); ok {
		return &o.Document
	}
	return nil
}

func inlinePolicy(op estate.Op) *string {
	if o, ok := op.(*estate.InlinePolicy); ok {
		return &o.Document
	}
	return nil
}

func vaultPolicy(op estate.Op) *string {
	if o, ok := op.(*estate.VaultPolicy); ok {
		return &o.Document
	}
	return nil
}

func bucketPolicy(op estate.Op) *string {
	if o, ok := op.(*estate.BucketSetting); ok && o.Setting == estate.BucketPolicy {
		return &o.Text
	}
	return nil
}

// on changes the first op of a kind for which change reports that it did.
func on[T estate.Op](change func(b *original, o T) bool) func(*original, *plan.Plan) bool {
	return func(b *original, p *plan.Plan) bool {
		for i := range p.Steps {
			if o, ok := p.Steps[i].Op.(T); ok && change(b, o) {
				return true
			}
		}
		return false
	}
}

// with appends an op that nobody asked for.
func with(made func(b *original) estate.Op) func(*original, *plan.Plan) bool {
	return func(b *original, p *plan.Plan) bool {
		op := made(b)
		if op == nil {
			return false
		}
		was, err := b.base.Current(op)
		if err != nil || estate.SameOp(op, was) {
			return false
		}
		p.Steps = append(p.Steps, plan.Step{Op: op, Was: was, Why: "why not", Routes: p.Routes})
		return true
	}
}
