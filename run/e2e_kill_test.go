package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/run"
)

// envChild names the file of the job of a process that is to be killed.
const envChild = "KEYREACH_TEST_CHILD"

// job is what such a process is to do.
type job struct {
	URL     string
	Journal string
	Ahead   time.Duration        // of the sandbox's clock
	Keys    map[string]live.Keys // by principal
	// One of them is to be done: a plan applied, a run undone, work performed.
	Plan  *plan.Plan `json:",omitempty"`
	Undo  string     `json:",omitempty"`
	Moves []run.Move `json:",omitempty"`
	// Record is after which record of the journal it kills itself; 0 for never.
	Record int
}

// childClock is the clock of the sandbox as another process sees it.
type childClock struct {
	url   string
	ahead time.Duration
}

func (c *childClock) Now() time.Time { return time.Now().Add(c.ahead) }

func (c *childClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	res, err := http.Post(c.url+"/_keyreach/clock", "application/json", strings.NewReader(fmt.Sprintf(`{"advance":%q}`, d)))
	if err != nil {
		return err
	}
	c.ahead += d
	return res.Body.Close()
}

// perform does the job.
func (b *job) perform(ctx context.Context) error {
	j, err := run.Open(b.Journal)
	if err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	records := 0
	o := run.Options{Clock: &childClock{b.URL, b.Ahead}, After: func(run.Record) {
		if records++; records == b.Record {
			if err := self.Kill(); err != nil {
				panic(err)
			}
			select {} // nothing more happens
		}
	}}
	c := live.Open(live.Options{Endpoint: b.URL, Region: home, SessionName: "e2e", MaxAttempts: 1, SignIn: func(_ context.Context, principal string) (live.Keys, error) {
		k, ok := b.Keys[principal]
		if !ok {
			return k, errors.New("nobody gave it credentials of " + principal)
		}
		return k, nil
	}})
	switch {
	case b.Plan != nil:
		_, err = run.Apply(ctx, c, j, b.Plan, o)
	case b.Undo != "":
		_, err = run.Undo(ctx, c, j, b.Undo, o)
	default:
		_, err = run.Perform(ctx, c, j, b.Moves, []string{"database"}, run.MoveOptions{Options: o, Poll: 10 * time.Second})
	}
	return errors.Join(errors.New("it was not killed"), err)
}

// TestTheProcessThatIsKilled is no test: other tests start this binary with it, and kill
// what they started.
func TestTheProcessThatIsKilled(t *testing.T) {
	file := os.Getenv(envChild)
	if file == "" {
		t.Skip("it is the process that other tests start and kill")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b job
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	t.Fatal(b.perform(t.Context()))
}

// killed has another process do a job on the twin until it is killed: after a record, or
// when the sandbox has performed the call with a number and has not answered.
func (w *twin) killed(b job, call int) {
	w.Helper()
	b.URL, b.Journal, b.Ahead, b.Keys = w.URL, w.journal.Dir(), time.Until(w.Now()), map[string]live.Keys{}
	for _, account := range []string{production, recovery} {
		for _, principal := range []string{account, "arn:aws:iam::" + account + ":role/Operator"} {
			k, err := w.signIn(w.Context(), principal)
			if err != nil {
				w.Fatal(err)
			}
			b.Keys[principal] = k
		}
	}
	text, err := json.Marshal(&b)
	if err != nil {
		w.Fatal(err)
	}
	file := filepath.Join(w.TempDir(), "job.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		w.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	cmd := exec.CommandContext(w.Context(), self, "-test.run=^TestTheProcessThatIsKilled$")
	cmd.Env = append(os.Environ(), envChild+"="+file)
	var told strings.Builder
	cmd.Stdout, cmd.Stderr = &told, &told
	w.faults.Clear()
	started := make(chan *os.Process, 1)
	if call > 0 {
		w.faults.After(call, func() { _ = (<-started).Kill() })
	}
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	started <- cmd.Process
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		w.Fatalf("it ended by itself: %v: %s", err, told.String())
	}
	w.faults.Clear()
}

// cut is where a process is killed: after so many records, or at a call.
type cut struct{ record, call int }

func (c cut) String() string {
	if c.call > 0 {
		return fmt.Sprintf("call %d has no answer", c.call)
	}
	return fmt.Sprintf("after record %d", c.record)
}

// cutsOf are all moments at which a run is killed: after every record, and when a call
// was performed and nothing is recorded of it yet.
func (w *twin) cutsOf(r *run.Run) []cut {
	w.Helper()
	var list []cut
	for n := range r.Records {
		list = append(list, cut{record: n + 1})
	}
	for n := range w.faults.Calls() {
		list = append(list, cut{call: n + 1})
	}
	return list
}

// eachCut runs a test for the cuts: a few of them, or all.
func eachCut(t *testing.T, cuts []cut, test func(*testing.T, cut)) {
	t.Logf("%d moments", len(cuts))
	for i := 0; i < len(cuts); i += killStep() {
		t.Run(cuts[i].String(), func(t *testing.T) {
			t.Parallel()
			test(t, cuts[i])
		})
	}
}

// left is the run that a killed process left, or nil when it had not begun one.
func (w *twin) left() *run.Run {
	w.Helper()
	runs, err := w.journal.Runs()
	if err != nil {
		w.Fatal(err)
	}
	if len(runs) == 0 {
		return nil
	}
	if runs[0].Status != run.Running {
		w.Fatalf("the run is %v", runs[0])
	}
	return runs[0]
}

func TestAnApplyKilledAtAnyMomentComesToTheSameEnd(t *testing.T) {
	t.Parallel()
	smooth, p := smallTwin(t)
	smooth.faults.Clear()
	r, err := run.Apply(t.Context(), smooth.cloud, smooth.journal, p, smooth.options())
	if err != nil {
		t.Fatal(err)
	}
	cuts := smooth.cutsOf(r)
	want := smooth.ended()
	eachCut(t, cuts, func(t *testing.T, c cut) {
		w, p := again(t, p)
		w.killed(job{Plan: p, Record: c.record}, c.call)
		r := w.left()
		var err error
		if r == nil { // it only looked
			r, err = run.Apply(t.Context(), w.cloud, w.journal, p, w.options())
		} else {
			r, err = run.Resume(t.Context(), w.cloud, w.journal, r.ID, w.options())
		}
		if err != nil || r.Status != run.Done {
			t.Fatalf("going on: %v, %v", r, err)
		}
		w.same(want, w.ended())
	})
}

func TestAnUndoKilledAtAnyMomentComesToTheSameEnd(t *testing.T) {
	t.Parallel()
	_, p := smallTwin(t)
	applied := func(t *testing.T) (*twin, string) {
		w, p := again(t, p)
		r, err := run.Apply(t.Context(), w.cloud, w.journal, p, w.options())
		if err != nil {
			t.Fatal(err)
		}
		w.faults.Clear()
		return w, r.ID
	}
	smooth, id := applied(t)
	r, err := run.Undo(t.Context(), smooth.open(), smooth.journal, id, smooth.options())
	if err != nil {
		t.Fatal(err)
	}
	cuts := smooth.cutsOf(r)
	want := smooth.ended()
	eachCut(t, cuts, func(t *testing.T, c cut) {
		w, id := applied(t)
		w.killed(job{Undo: id, Record: c.record}, c.call)
		r, err := run.Undo(t.Context(), w.open(), w.journal, id, w.options())
		if err != nil || r.Status != run.Done || len(r.Left) != 1 {
			t.Fatalf("going on: %+v, %v", r, err)
		}
		w.same(want, w.ended())
	})
}

func TestARouteKilledAtAnyMomentComesToTheSameEnd(t *testing.T) {
	t.Parallel()
	e, routes := openedEstate(t)
	smooth := newTwin(t, e)
	moves := drillOf(t, routes, smooth.estate(), smooth.Now())
	smooth.faults.Clear()
	r, err := run.Perform(t.Context(), smooth.cloud, smooth.journal, moves, []string{"database"}, smooth.moveOptions())
	if err != nil {
		t.Fatal(err)
	}
	cuts := smooth.cutsOf(r)
	want := smooth.made()
	eachCut(t, cuts, func(t *testing.T, c cut) {
		w := newTwin(t, e)
		w.killed(job{Moves: moves, Record: c.record}, c.call)
		r := w.left()
		var err error
		if r == nil { // it only asked who it is
			r, err = run.Perform(t.Context(), w.cloud, w.journal, moves, []string{"database"}, w.moveOptions())
		} else {
			r, err = run.Continue(t.Context(), w.cloud, w.journal, r.ID, w.moveOptions())
		}
		if err != nil || r.Status != run.Done {
			t.Fatalf("going on: %v, %v", r, err)
		}
		w.clean(e, r)
		w.same(want, w.made())
	})
}
