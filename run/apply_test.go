package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

// fixture is a plan, the cloud on which it is performed, and the journal.
type fixture struct {
	t     testing.TB
	cloud *fakeCloud
	clock *fakeClock
	j     *Journal
	plan  *plan.Plan
}

func newFixture(t testing.TB, ops ...estate.Op) *fixture {
	t.Helper()
	e := smallEstate(t)
	if ops == nil {
		ops = severalOps()
	}
	return &fixture{t: t, cloud: newFake(e), clock: newClock(), j: testJournal(t), plan: planOf(t, e, ops...)}
}

func (f *fixture) options() Options { return Options{Clock: f.clock} }

func (f *fixture) apply() (*Run, error) {
	return Apply(f.t.Context(), f.cloud, f.j, f.plan, f.options())
}

func (f *fixture) resume(id string) (*Run, error) {
	return Resume(f.t.Context(), f.cloud, f.j, id, f.options())
}

func (f *fixture) undo(id string) (*Run, error) {
	return Undo(f.t.Context(), f.cloud, f.j, id, f.options())
}

// must is a run that has to come to its end.
func (f *fixture) must(r *Run, err error) *Run {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	if r.Status != Done {
		f.t.Fatalf("run %s is %s: %s", r.ID, r.Status, r.Error)
	}
	return r
}

// once sees that nothing was written twice.
func (f *fixture) once() {
	f.t.Helper()
	for slot, n := range f.cloud.writes {
		if n != 1 {
			f.t.Errorf("the %s was written %d times", slot, n)
		}
	}
	if len(f.cloud.writes) != len(f.plan.Steps) {
		f.t.Errorf("%d things were written, of %d", len(f.cloud.writes), len(f.plan.Steps))
	}
}

// phases are those of each step, in order.
func phases(r *Run) string {
	text := make([]string, len(r.Plan.Steps))
	for i := range r.Records {
		if rec := &r.Records[i]; rec.Step >= 0 {
			text[rec.Step] += string(rec.Phase)[:1]
		}
	}
	return strings.Join(text, " ")
}

func TestApplyWritesEverythingOnceAndReadsItBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var events []Event
	o := f.options()
	o.Report = func(e Event) { events = append(events, e) }
	r := f.must(Apply(t.Context(), f.cloud, f.j, f.plan, o))
	f.once()
	if want := strings.TrimSpace(strings.Repeat("irr ", len(f.plan.Steps))); phases(r) != want {
		t.Errorf("the phases are %s", phases(r))
	}
	real := r.Records[slices.IndexFunc(r.Records, func(r Record) bool { return len(r.Made) > 0 })].Made[newKey]
	text := asText(t, f.cloud.e)
	if strings.Contains(strings.ReplaceAll(text, `"`+plannedTag+`": "`+newKey+`"`, ""), "planned-1") {
		t.Errorf("a provisional name was written:\n%s", text)
	}
	if n := strings.Count(text, keyID(real)); n < 5 {
		t.Errorf("the real name %s stands in %d places", real, n)
	}
	last := events[len(events)-1]
	if last.Step != len(f.plan.Steps) || last.Of != len(f.plan.Steps) || last.Phase != PhaseReadBack || last.Run != r.ID {
		t.Errorf("the last event is %+v", last)
	}
	if r.Change != "CHG-1" || r.Digest != f.plan.Digest() || r.Kind != KindApply || r.Ended.IsZero() {
		t.Errorf("the run is %+v", r)
	}
}

func TestApplyingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.apply())
	before := asText(t, f.cloud.e)
	r := f.must(f.apply())
	f.once()
	if want := strings.TrimSpace(strings.Repeat("s ", len(f.plan.Steps))); phases(r) != want {
		t.Errorf("the phases are %s", phases(r))
	}
	if diff := cmp.Diff(before, asText(t, f.cloud.e)); diff != "" {
		t.Error(diff)
	}
	// Undoing the second takes nothing back: it did nothing.
	f.must(f.undo(r.ID))
	if diff := cmp.Diff(before, asText(t, f.cloud.e)); diff != "" {
		t.Error(diff)
	}
}

func TestApplyGoesFurtherWhereOpsOfOneSlotFollowEachOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt")}, &estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt", "Encrypt")})
	f.must(f.apply())
	r := f.must(f.apply())
	if phases(r) != "s s" {
		t.Errorf("the phases are %s", phases(r))
	}
}

func TestApplyRefusesCredentialsOfAnotherAccountBeforeAnyWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.cloud.callers["444455556666"] = "arn:aws:iam::999999999999:user/x"
	r, err := f.apply()
	if cloud.KindOf(err) != cloud.Credentials || r != nil || f.cloud.performed() != 0 {
		t.Errorf("%v, %v, %d writes", r, err, f.cloud.performed())
	}
}

func TestApplyRefusesAKeyThatIsMadeLaterOnly(t *testing.T) {
	t.Parallel()
	ops := severalOps()
	f := newFixture(t, ops[8], ops[0]) // the default key, and the key
	var unmade *UnmadeError
	if r, err := f.apply(); !errors.As(err, &unmade) || unmade.Step != 1 || r != nil || f.cloud.performed() != 0 {
		t.Errorf("%v, %v", r, err)
	}
}

func TestApplyOfOneAccountWritesItsPartOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.options()
	o.Accounts = []string{"444455556666"}
	var unmade *UnmadeError
	if _, err := Apply(t.Context(), f.cloud, f.j, f.plan, o); !errors.As(err, &unmade) || unmade.Account != "111122223333" || unmade.Key != newKey {
		t.Fatalf("the part that needs a key which is not made: %v", err)
	}
	f.cloud.callers["444455556666"] = "arn:aws:iam::999999999999:user/x"
	o.Accounts = []string{"111122223333"}
	first := f.must(Apply(t.Context(), f.cloud, f.j, f.plan, o))
	for slot := range f.cloud.writes {
		if slot.Account != "111122223333" {
			t.Errorf("the %s was written", slot)
		}
	}
	delete(f.cloud.callers, "444455556666")
	o.Accounts = []string{"444455556666"}
	second := f.must(Apply(t.Context(), f.cloud, f.j, f.plan, o))
	f.once()
	// The other account may have its journal elsewhere: it is told the name.
	elsewhere := newFixture(t)
	elsewhere.cloud.e, elsewhere.cloud.writes = f.cloud.e, map[estate.Slot]int{}
	o.Made = map[string]string{newKey: f.cloud.e.Keys[2].ARN}
	third := elsewhere.must(Apply(t.Context(), elsewhere.cloud, elsewhere.j, f.plan, o))
	if elsewhere.cloud.performed() != 0 {
		t.Errorf("it was written again: %v", phases(third))
	}
	f.must(f.undo(second.ID))
	f.must(f.undo(first.ID))
	if diff := cmp.Diff(asText(t, smallEstate(t)), asText(t, f.cloud.e)); diff != "" {
		t.Error(diff)
	}
}

// Every fault at every call: the end is complete or can be resumed, the journal knows
// of every write, and the end of all is the same.
func TestAFaultAtAnyCallLeadsToTheSameEnd(t *testing.T) {
	t.Parallel()
	smooth := newFixture(t)
	smooth.must(smooth.apply())
	want := asText(t, smooth.cloud.e)
	for name, bad := range map[string]fault{
		"throttled":                       {kind: cloud.Throttled},
		"unavailable, nothing done":       {kind: cloud.Unavailable},
		"unavailable, done nevertheless":  {kind: cloud.Unavailable, after: true},
		"no answer, nothing done":         {kind: cloud.Lost},
		"no answer, done nevertheless":    {kind: cloud.Lost, after: true},
		"credentials expired":             {kind: cloud.Expired},
		"denied":                          {kind: cloud.Denied},
		"a principal that is not seen":    {kind: cloud.UnknownPrincipal},
		"not found":                       {kind: cloud.NotFound},
		"invalid":                         {kind: cloud.Invalid},
		"exists, made by a first attempt": {kind: cloud.Exists, after: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			for n := 1; n <= smooth.cloud.n; n += callStep() {
				f.again(t, fmt.Sprintf("CHG-%d", n))
				f.cloud.faults[n] = bad
				f.toTheEnd(fmt.Sprintf("at call %d", n), want)
			}
		})
	}
}

// again makes the fixture new but for its journal.
func (f *fixture) again(t testing.TB, change string) {
	f.t, f.cloud, f.clock = t, newFake(smallEstate(t)), newClock()
	p := *f.plan
	p.Change = change // a change of its own: the journal knows of no key yet
	f.plan = &p
}

// toTheEnd applies and resumes until it is done.
func (f *fixture) toTheEnd(at, want string) *Run {
	f.t.Helper()
	r, err := f.apply()
	for try := 0; err != nil; try++ {
		if try > 5 {
			f.t.Fatalf("%s: it does not end: %v", at, err)
		}
		if r == nil {
			if f.cloud.performed() > 0 {
				f.t.Fatalf("%s: something was written without a run: %v", at, err)
			}
			r, err = f.apply()
			continue
		}
		if r.Status != Stopped && r.Status != Failed {
			f.t.Errorf("%s: the run is %s after %v", at, r.Status, err)
		}
		f.inJournal(at, r)
		r, err = f.resume(r.ID)
	}
	if r.Status != Done {
		f.t.Errorf("%s: the run is %s", at, r.Status)
	}
	f.once()
	if diff := cmp.Diff(want, asText(f.t, f.cloud.e)); diff != "" {
		f.t.Errorf("%s: the end is another: %s", at, diff)
	}
	return r
}

// inJournal sees that everything written has its intent.
func (f *fixture) inJournal(at string, r *Run) {
	f.t.Helper()
	for slot := range f.cloud.writes {
		if !slices.ContainsFunc(r.Records, func(rec Record) bool {
			return rec.Phase == PhaseIntent && rec.Slot == slot || rec.Slot.Kind == slot.Kind
		}) {
			f.t.Errorf("%s: the journal knows nothing of the %s", at, slot)
		}
	}
}

func TestApplyWaitsWhileWritesSpread(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.cloud.lag = 3
	r := f.must(f.apply())
	f.once()
	if f.clock.slept == 0 {
		t.Error("it did not wait")
	}
	f.must(f.undo(r.ID))
	if diff := cmp.Diff(asText(t, smallEstate(t)), asText(t, f.cloud.e)); diff != "" {
		t.Error(diff)
	}
}

func TestAKeyOfWhichNoAnswerCameIsNotMadeTwiceThoughItShowsLate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.cloud.lag = 3
	smooth := newFixture(t)
	smooth.must(smooth.apply())
	first := slices.IndexFunc(smooth.cloud.log, func(c call) bool { return c.name == "Perform" })
	f.cloud.faults[first+1] = fault{kind: cloud.Lost, after: true}
	f.must(f.apply())
	f.once()
	keys := 0
	for i := range f.cloud.e.Keys {
		if f.cloud.e.Keys[i].Tags[plannedTag] != "" {
			keys++
		}
	}
	if keys > 1 {
		t.Errorf("%d keys were made", keys)
	}
}

func TestApplyDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]cloud.Kind{
		"a principal that nobody ever sees": cloud.UnknownPrincipal, "AWS that is busy for ever": cloud.Throttled, "no answer ever": cloud.Lost,
		"denied after a write of the same run": cloud.Denied, "not found after a write of the same run": cloud.NotFound,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.cloud.refuse = func(c call) error {
				if c.name == "Perform" && c.op.Slot().Kind == "grant" {
					return (&fault{kind: kind}).error("kms:CreateGrant")
				}
				return nil
			}
			r, err := f.apply()
			if cloud.KindOf(err) != kind || r.Status != Stopped {
				t.Fatalf("%v, %v", r, err)
			}
			if f.clock.slept == 0 || f.clock.slept > DefaultSettle+longWait {
				t.Errorf("it waited %v", f.clock.slept)
			}
			f.cloud.refuse = nil
			f.must(f.resume(r.ID))
			f.once()
		})
	}
}

func TestApplyIsRefusedAtOnceWhereTimeDoesNotHelp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.cloud.refuse = func(c call) error {
		if c.name == "Perform" {
			return (&fault{kind: cloud.Denied}).error("kms:CreateKey")
		}
		return nil
	}
	r, err := f.apply()
	if cloud.KindOf(err) != cloud.Denied || r.Status != Stopped || f.clock.slept != 0 {
		t.Errorf("%v, %v, after %v", r, err, f.clock.slept)
	}
	if phases(r) != "in"+strings.Repeat(" ", len(f.plan.Steps)-1) {
		t.Errorf("the phases are %q", phases(r))
	}
	// A call that was refused made nothing: there is nothing to undo.
	f.must(f.undo(r.ID))
}

func TestApplySaysThatAWriteWasNeverSeen(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt")})
	f.cloud.lag = 1000
	r, err := f.apply()
	var over *OverwrittenError
	if !errors.As(err, &over) || !over.Old || r.Status != Failed || f.clock.slept < DefaultSettle {
		t.Errorf("%v, %v, after %v", r, err, f.clock.slept)
	}
}

func TestAnEndOfTheContextStopsAfterTheCallUnderWay(t *testing.T) {
	t.Parallel()
	smooth := newFixture(t)
	smooth.must(smooth.apply())
	want := asText(t, smooth.cloud.e)
	f := newFixture(t)
	for n := 1; n <= smooth.cloud.n; n += callStep() {
		f.again(t, fmt.Sprintf("CHG-%d", n))
		ctx, cancel := context.WithCancel(t.Context())
		f.cloud.before = func(c call) {
			if c.n == n {
				cancel()
			}
		}
		r, err := Apply(ctx, f.cloud, f.j, f.plan, f.options())
		cancel()
		if err == nil {
			if n < smooth.cloud.n {
				t.Errorf("at call %d: it was not stopped", n)
			}
			continue
		}
		if !errors.Is(err, context.Canceled) && r == nil {
			t.Fatalf("at call %d: %v", n, err)
		}
		if r != nil && r.Status != Stopped {
			t.Errorf("at call %d: the run is %s", n, r.Status)
		}
		if writes := f.cloud.log[len(f.cloud.log)-1]; writes.name == "Perform" && writes.n != n {
			t.Errorf("at call %d: it wrote later, at %d", n, writes.n)
		}
		if r == nil {
			continue
		}
		f.must(f.resume(r.ID))
		f.once()
		if diff := cmp.Diff(want, asText(t, f.cloud.e)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestExpiredRunsAreThoseStillOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.options()
	o.Until = f.clock.Now().Add(time.Hour)
	r := f.must(Apply(t.Context(), f.cloud, f.j, f.plan, o))
	for after, want := range map[time.Duration]int{time.Minute: 0, time.Hour: 0, time.Hour + time.Second: 1} {
		if got, err := f.j.Expired(f.clock.Now().Add(after)); err != nil || len(got) != want {
			t.Errorf("after %v: %v, %v", after, got, err)
		}
	}
	f.must(f.undo(r.ID))
	if got, err := f.j.Expired(f.clock.Now().Add(time.Hour * 2)); err != nil || len(got) != 0 {
		t.Errorf("after the undo: %v, %v", got, err)
	}
}
