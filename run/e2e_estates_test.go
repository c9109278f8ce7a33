package run_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/plan/plantest"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

// journey is a plan on its way: made of what a twin holds, applied to it, undone.
type journey struct {
	*twin
	routes []route.Route
	o      plan.Options
	plan   *plan.Plan
	before map[string]string
}

// outcomes counts how the worlds come out.
type outcomes struct {
	mu sync.Mutex
	by map[string]int
}

func (o *outcomes) add(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.by == nil {
		o.by = map[string]int{}
	}
	o.by[what]++
}

// chosenFor are options for a world: each is taken by some worlds.
func chosenFor(seed uint64) plan.Options {
	o := plan.Options{Chosen: plan.Chosen{Tight: seed%4 == 3, EnableKeys: seed%7 == 6}, Partial: seed%5 == 4}
	if seed%6 == 5 {
		o.Change = "CHG-7"
	}
	return o
}

// TestPlansOfInventedEstatesAreAppliedAndUndone holds every plan to what it promises on an
// AWS that answers: what was planned is taken, the routes are open, and all of it can be
// taken back.
func TestPlansOfInventedEstatesAreAppliedAndUndone(t *testing.T) {
	t.Parallel()
	var out outcomes
	t.Run("worlds", func(t *testing.T) {
		for seed := range uint64(estateSeeds()) {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				t.Parallel()
				routes, _, e := plantest.World(seed)
				look := unseen
				if seed%10 == 0 {
					look = seen
				}
				out.add(travel(t, routes, e, chosenFor(seed), look))
			})
		}
	})
	t.Logf("%d worlds: %v", estateSeeds(), out.by)
	if testing.Short() {
		return // too few to have some of each
	}
	for class, percent := range map[string]int{"nothing to do": 10, "undone": 30, "refused": 2} {
		if n := out.by[class]; n*100 < percent*estateSeeds() && !(class == "refused" && estateSeeds() < 100) { // rare
			t.Errorf("%d of %d worlds are %s; at least %d %% should be", n, estateSeeds(), class, percent)
		}
	}
}

func TestPlansOfTheExamplesAreAppliedAndUndone(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "examples", "*", route.FileName))
	if err != nil || len(files) < 10 {
		t.Fatalf("the examples are %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			f, err := route.LoadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			at := f.EstatePath()
			if _, err := os.Stat(at); err != nil {
				t.Skip("it has no estate of its own")
			}
			e, err := estate.LoadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			out := travel(t, f.Routes, e, plan.Options{}, seesAll)
			if out == "refused" || strings.HasSuffix(filepath.Dir(file), "-corrected") && out != "nothing to do" {
				t.Errorf("it is %s", out)
			}
		})
	}
}

// looking is whether the estate is also collected by calls, and has to be seen as a whole.
type looking int

const (
	unseen looking = iota
	seen
	seesAll
)

// travel goes the whole way with a world, and says how far there was a way.
func travel(t *testing.T, routes []route.Route, e *estate.Estate, o plan.Options, look looking) string {
	w := newTwin(t, e)
	o.At, o.Writers = w.Now(), w.writers
	j := &journey{twin: w, routes: routes, o: o}
	if look != unseen {
		j.collected() // looking makes AWS Backup make its default vaults
	}
	held := w.estate()
	j.before = facts(held)
	var err error
	j.plan, err = plan.Make(routes, held, o)
	var refused *plan.RefusedError
	switch {
	case errors.As(err, &refused):
		return "refused"
	case err != nil:
		t.Fatalf("planning: %v", err)
	case j.plan.Empty() && len(j.plan.Stuck) > 0:
		return "stuck"
	case j.plan.Empty():
		return "nothing to do"
	}
	applied, err := run.Apply(t.Context(), w.cloud, w.journal, j.plan, w.options())
	if cloud.KindOf(err) == cloud.Denied && j.nobodyWrites() {
		return "nobody may write"
	}
	if err != nil {
		t.Fatalf("applying: %v\n%s", err, j.told())
	}
	j.opened(w.estate())
	if look != unseen {
		if e := j.collected(); sees(e, w.estate()) {
			j.opened(e)
		} else if look == seesAll {
			t.Error("whoever collects does not see all keys")
		}
	}
	undone, err := run.Undo(t.Context(), w.cloud, w.journal, applied.ID, w.options())
	if err != nil {
		t.Fatalf("undoing: %v\n%s", err, j.told())
	}
	j.closed(applied, undone)
	return "undone"
}

// told is the plan in words.
func (j *journey) told() string {
	var b strings.Builder
	for i := range j.plan.Steps {
		fmt.Fprintf(&b, "%d. %s\n", i+1, j.plan.Steps[i].Op.Slot())
	}
	return b.String()
}

// nobodyWrites reports whether the plan writes the policy of a key for which nobody of its
// account has the right, and by that is not begun.
func (j *journey) nobodyWrites() bool {
	e := j.estate()
	if diff := differences(j.before, facts(e)); diff != "" {
		j.Errorf("something was written:\n%s", diff)
	}
	for i := range j.plan.Steps {
		if key, ok := j.plan.Steps[i].Op.(*estate.KeyPolicy); ok && e.Key(key.Key) != nil && !mayPut(e, j.writer(key.Slot().Account), key.Key) {
			return true
		}
	}
	return false
}

func (j *journey) stuck(name string) bool {
	return slices.ContainsFunc(j.plan.Stuck, func(s plan.Stuck) bool { return s.Route == name })
}

// opened holds an estate after the plan to every route of which nothing is stuck, and to
// there being nothing left to plan.
func (j *journey) opened(e *estate.Estate) {
	j.Helper()
	for i := range j.routes {
		r := j.routes[i].On(e)
		p, err := route.Prove(&r, e, j.Now())
		if err != nil {
			j.Fatal(err)
		}
		if j.stuck(p.Route) {
			continue
		}
		for k := range p.Steps {
			for n := range p.Steps[k].Requests {
				if q := &p.Steps[k].Requests[n]; q.Verdict == route.Blocked {
					j.Errorf("%s, step %s: %s of %s on %s is blocked by %v after the plan\n%s", p.Route, p.Steps[k].Name, q.Use.Action, q.Caller, q.Key, q.Decision.BlockedBy(), j.told())
				}
			}
		}
	}
	again, err := plan.Make(j.routes, e, j.o)
	if err != nil {
		j.Errorf("planning again: %v", err)
		return
	}
	for i := range again.Steps {
		j.Errorf("planned again: %s: %s\nwas  %s\nwill %s", again.Steps[i].Op.Slot(), again.Steps[i].Why, again.Steps[i].Was.Value(), again.Steps[i].Op.Value())
	}
}

// collected is the estate as calls to AWS show it.
func (j *journey) collected() *estate.Estate {
	j.Helper()
	var scope live.Scope
	for _, a := range j.estate().Accounts {
		scope.Accounts = append(scope.Accounts, live.ScopeAccount{ID: a.ID, Name: a.Name, Regions: []string{home, away, "eu-central-1"}})
	}
	e, _, err := j.twin.open().Collect(j.Context(), scope, nil)
	if err != nil {
		j.Fatal(err)
	}
	return e
}

// sees reports whether a collected estate has all the keys that there are, readable: a
// control policy can hide them from whoever looks.
func sees(e, all *estate.Estate) bool {
	for i := range all.Keys {
		k := e.Key(all.Keys[i].ARN)
		if k == nil || k.GrantsUnreadable != "" || k.Policy == nil || k.Policy.Unreadable != "" {
			return false
		}
	}
	return true
}

// closed holds the twin after the undo to what it was before, but for what AWS does not
// take back and the undo says so of.
func (j *journey) closed(applied, undone *run.Run) {
	j.Helper()
	after := j.estate()
	left, before, now := map[string]bool{}, maps.Clone(j.before), facts(after)
	for _, l := range undone.Left {
		left[l.Slot.Subject] = true
		if key := "key " + l.Slot.Subject; l.Slot.Kind == "key-state" { // it has another state than before
			delete(before, key)
			delete(now, key)
		} else if l.Slot.Kind == "key" && before[key] == "" {
			maps.DeleteFunc(now, func(name, _ string) bool { return strings.HasSuffix(name, " "+l.Slot.Subject) })
		}
	}
	for _, key := range pendingDeletion(after) {
		if _, was := j.before["key "+key]; was {
			continue
		}
		if !left[key] {
			j.Errorf("the key %s is pending deletion, and the undo does not say so: %+v", key, undone.Left)
		}
	}
	for i := range applied.Plan.Steps {
		s := &applied.Plan.Steps[i]
		if len(s.Gone) == 0 {
			continue
		}
		if !left[s.Op.Slot().Subject] {
			j.Errorf("the %s is back without %v, and the undo does not say so: %+v", s.Op.Slot(), s.Gone, undone.Left)
		}
		delete(before, "policy of "+s.Op.Slot().Subject)
		delete(now, "policy of "+s.Op.Slot().Subject)
	}
	if diff := differences(before, now); diff != "" {
		j.Errorf("after the undo:\n%s%s", diff, j.told())
	}
}
