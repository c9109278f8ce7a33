package run_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/run"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// fault is a way in which one call fails, and as what that ends a run when it does.
type fault struct {
	name  string
	fault sandboxtest.Fault
	// passes is set where a run goes on by itself.
	passes bool
	ends   []cloud.Kind
}

func allFaults() []fault {
	return []fault{
		{"throttled", sandboxtest.Throttled, true, nil},
		{"an internal error", sandboxtest.InternalError, true, nil},
		{"no answer", sandboxtest.LostResponse, true, nil},
		{"expired credentials", sandboxtest.ExpiredToken, false, []cloud.Kind{cloud.Expired, cloud.Credentials}},
		{"denied", sandboxtest.AccessDenied, false, []cloud.Kind{cloud.Denied, cloud.Credentials}},
	}
}

// intents sees that no call writes without an intent in the journal.
func (w *twin) intents(o *run.Options) {
	var open atomic.Bool // an intent, and no word yet of how it came out
	o.After = func(r run.Record) { open.Store(r.Phase == run.PhaseIntent) }
	const most = 500 // calls of a run
	for n := 1; n <= most; n++ {
		w.faults.Before(n, func() {
			calls := w.faults.Calls()
			if c := calls[len(calls)-1]; !reads(c.Operation) && !open.Load() {
				w.Errorf("%s:%s writes, and the journal has no intent of it", c.Service, c.Operation)
			}
		})
	}
}

// TestAnApplyBearsAFaultAtAnyCall fails each call of an apply once, in each way.
func TestAnApplyBearsAFaultAtAnyCall(t *testing.T) {
	t.Parallel()
	w, p := smallTwin(t)
	w.faults.Clear()
	if _, err := run.Apply(t.Context(), w.cloud, w.journal, p, w.options()); err != nil {
		t.Fatal(err)
	}
	calls := w.faults.Calls()
	want := w.ended()
	t.Logf("%d calls, %d writes of %d steps", len(calls), len(want.writes), len(p.Steps))
	for k, f := range allFaults() {
		for n := 1 + k%faultStep(); n <= len(calls); n += faultStep() {
			t.Run(fmt.Sprintf("%s at call %d %s", f.name, n, calls[n-1].Operation), func(t *testing.T) {
				t.Parallel()
				w, p := again(t, p)
				o := w.options()
				w.faults.Clear()
				w.faults.At(n, f.fault)
				w.intents(&o)
				r, err := run.Apply(t.Context(), w.cloud, w.journal, p, o)
				if err != nil && (f.passes || !slices.Contains(f.ends, cloud.KindOf(err))) {
					t.Fatalf("it ends with %s: %v", cloud.KindOf(err), err)
				}
				switch {
				case err != nil && r == nil: // before the first write
					if diff := w.effects(production, recovery); len(diff) > 0 {
						t.Errorf("there is no run, and %d calls wrote", len(diff))
					}
					r, err = run.Apply(t.Context(), w.open(), w.journal, p, o)
				case err != nil:
					if r.Status != run.Stopped {
						t.Errorf("the run is %s", r.Status)
					}
					w.faults.Clear()
					r, err = run.Resume(t.Context(), w.open(), w.journal, r.ID, o)
				}
				if err != nil || r.Status != run.Done {
					t.Fatalf("going on: %v, %v", r, err)
				}
				w.same(want, w.ended())
			})
		}
	}
}

// position is a key-policy write among the calls of an apply: the number of the first
// look, the look before the write, and the write.
type position struct{ first, look, put int }

func policyWrites(calls []sandboxtest.Call) []position {
	var list []position
	get, put := sandboxtest.Call{Service: "kms", Operation: "GetKeyPolicy"}, sandboxtest.Call{Service: "kms", Operation: "PutKeyPolicy"}
	for i, c := range calls {
		if c != put {
			continue
		}
		at := position{first: slices.Index(calls, get) + 1, put: i + 1}
		for k := i - 1; k >= 0 && at.look == 0; k-- {
			if calls[k] == get {
				at.look = k + 1
			}
		}
		list = append(list, at)
	}
	return list
}

// TestAnotherWriterOfAKeyPolicyIsNoticed has somebody else write the policy of a key at
// every moment of its write.
func TestAnotherWriterOfAKeyPolicyIsNoticed(t *testing.T) {
	t.Parallel()
	w, p := smallTwin(t)
	w.faults.Clear()
	if _, err := run.Apply(t.Context(), w.cloud, w.journal, p, w.options()); err != nil {
		t.Fatal(err)
	}
	writes := policyWrites(w.faults.Calls())
	want := w.ended()
	if len(writes) == 0 {
		t.Fatal("the plan writes no key policy")
	}
	for i, at := range writes {
		for _, c := range []struct {
			name string
			arm  func(f *sandboxtest.Faults, do func())
			see  func(*intruder)
		}{
			{"before the first look", func(f *sandboxtest.Faults, do func()) { f.Before(at.first, do) }, (*intruder).staleBeforeAnything},
			{"before the look that precedes the write", func(f *sandboxtest.Faults, do func()) { f.Before(at.look, do) }, (*intruder).stale},
			{"between that look and the write", func(f *sandboxtest.Faults, do func()) { f.After(at.look, do) }, (*intruder).lost},
			{"right before the write", func(f *sandboxtest.Faults, do func()) { f.Before(at.put, do) }, (*intruder).lost},
			{"right after the write", func(f *sandboxtest.Faults, do func()) { f.After(at.put, do) }, (*intruder).overwritten},
		} {
			t.Run(fmt.Sprintf("write %d, %s", i+1, c.name), func(t *testing.T) {
				t.Parallel()
				w, p := again(t, p)
				x := &intruder{twin: w, want: want}
				w.faults.Clear()
				c.arm(w.faults, x.write)
				x.run, x.err = run.Apply(t.Context(), w.cloud, w.journal, p, w.options())
				if x.ours == "" {
					t.Fatal("nobody wrote")
				}
				c.see(x)
			})
		}
	}
}

// errAs reports whether an error is of a type.
func errAs[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
