package run_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

// openedEstate is the small world after its plan, so that the database can be moved.
func openedEstate(t testing.TB) (*estate.Estate, []route.Route) {
	t.Helper()
	w, p := smallTwin(t)
	if _, err := run.Apply(t.Context(), w.cloud, w.journal, p, w.options()); err != nil {
		t.Fatal(err)
	}
	_, routes := smallEstate(t)
	return w.estate(), routes
}

// drillOf is the work of moving the database into the other account, to its end.
func drillOf(t testing.TB, routes []route.Route, e *estate.Estate, now time.Time) []run.Move {
	t.Helper()
	moves, err := run.Moves(&routes[0], e, run.Work{From: "orders", Drill: true, At: now, Name: "kr-e2e", Tags: map[string]string{"keyreach:route": "database"}})
	if err != nil {
		t.Fatal(err)
	}
	return moves
}

func (w *twin) moveOptions() run.MoveOptions {
	return run.MoveOptions{Options: w.options(), Poll: 10 * time.Second}
}

// made is what the twin holds, and how often each thing of RDS was made, changed or
// removed. What the services do with keys on the way, and the grants that they make for
// themselves, have other names each time.
func (w *twin) made() ended {
	w.Helper()
	out := w.ended()
	for name := range out.writes {
		if !strings.Contains(name, "DB") {
			delete(out.writes, name)
		}
	}
	for name := range out.facts {
		if strings.HasPrefix(name, "grant ") && strings.HasSuffix(name, ".amazonaws.com") {
			delete(out.facts, name)
		}
	}
	return out
}

// clean holds a twin after a drill to what it was before, but for the copy that the drill
// is about.
func (w *twin) clean(before *estate.Estate, r *run.Run) {
	w.Helper()
	if len(r.Left) > 0 {
		w.Errorf("it leaves %+v", r.Left)
	}
	if err := w.Advance(time.Hour); err != nil { // what is being deleted goes
		w.Fatal(err)
	}
	grants := 0
	for _, k := range w.estate().Keys {
		for _, g := range k.Grants {
			if g.GranteeServicePrincipal != "" {
				grants++
			}
		}
	}
	if grants != 2 { // of the copy, for the key that it lies under and that it came from
		w.Errorf("%d grants of the service are left", grants)
	}
	var more []string
	for _, x := range w.estate().Resources {
		if strings.HasPrefix(x.Type, "rds:") && !slices.ContainsFunc(before.Resources, func(o estate.Resource) bool { return o.Type == x.Type && o.ID == x.ID && o.Account == x.Account }) {
			more = append(more, x.Type+" "+x.ID+" of "+x.Account)
		}
	}
	if len(more) != 1 || more[0] != "rds:DBSnapshot kr-e2e-copy of "+recovery {
		w.Errorf("there are now %q", more)
	}
}

// TestARouteBearsAFaultAtAnyCall fails each call of a drill once, in each way: the drill
// comes to the same end, makes nothing twice and leaves nothing.
func TestARouteBearsAFaultAtAnyCall(t *testing.T) {
	t.Parallel()
	e, routes := openedEstate(t)
	w := newTwin(t, e)
	moves := drillOf(t, routes, w.estate(), w.Now())
	w.faults.Clear()
	r, err := run.Perform(t.Context(), w.cloud, w.journal, moves, []string{"database"}, w.moveOptions())
	if err != nil {
		t.Fatal(err)
	}
	calls := w.faults.Calls()
	want := w.made()
	w.clean(e, r)
	t.Logf("%d calls for %d moves: %v", len(calls), len(moves), want.writes)
	for k, f := range allFaults() {
		for n := 1 + k%faultStep(); n <= len(calls); n += faultStep() {
			t.Run(fmt.Sprintf("%s at call %d %s", f.name, n, calls[n-1].Operation), func(t *testing.T) {
				t.Parallel()
				w := newTwin(t, e)
				o := w.moveOptions()
				w.faults.Clear()
				w.faults.At(n, f.fault)
				w.intents(&o.Options)
				r, err := run.Perform(t.Context(), w.cloud, w.journal, moves, []string{"database"}, o)
				if err != nil && (f.passes || !slices.Contains(f.ends, cloud.KindOf(err))) {
					t.Fatalf("it ends with %s: %v", cloud.KindOf(err), err)
				}
				if err == nil && !f.passes && !reads(calls[n-1].Operation) { // what is told beside may be missing
					t.Error("it came to its end in spite of it")
				}
				w.faults.Clear()
				switch {
				case err != nil && r == nil:
					r, err = run.Perform(t.Context(), w.open(), w.journal, moves, []string{"database"}, o)
				case err != nil:
					if r.Status != run.Stopped {
						t.Errorf("the run is %s", r.Status)
					}
					r, err = run.Continue(t.Context(), w.open(), w.journal, r.ID, o)
				}
				if err != nil || r.Status != run.Done {
					t.Fatalf("going on: %v, %v", r, err)
				}
				w.clean(e, r)
				w.same(want, w.made())
			})
		}
	}
}
