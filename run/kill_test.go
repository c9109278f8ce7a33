package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

// killed is what a hook panics with in place of a kill.
type killed struct{}

// until runs f until a hook kills it.
func until(f func() error) (err error, was bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			was = true
		}
	}()
	return f(), false
}

// cuts are the points at which a run can be killed: after every record, and before and
// after every call that writes, which has no record of its own.
func cuts(records, writes int) []string {
	var all []string
	for n := 1; n <= records; n += callStep() {
		all = append(all, fmt.Sprintf("record %d", n))
	}
	for n := 1; n <= writes; n++ {
		all = append(all, fmt.Sprintf("before write %d", n), fmt.Sprintf("after write %d", n))
	}
	return all
}

// arm has the fake and the options kill at a cut.
func arm(cut string, f *fakeCloud, o *Options, kill func()) {
	what, number, _ := strings.Cut(cut, " ")
	records, writes := 0, 0
	o.After = func(Record) {
		if records++; what == "record" && strconv.Itoa(records) == number {
			kill()
		}
	}
	count := func(which string) func(call) {
		return func(c call) {
			if c.name != "Perform" {
				return
			}
			if which == "before" {
				writes++
			}
			if what == which && "write "+strconv.Itoa(writes) == number {
				kill()
			}
		}
	}
	f.before, f.after = count("before"), count("after")
}

func TestARunKilledAtAnyPointIsResumedToTheSameEnd(t *testing.T) {
	t.Parallel()
	smooth := newFixture(t)
	applied := smooth.must(smooth.apply())
	want := asText(t, smooth.cloud.e)
	undone := smooth.must(smooth.undo(applied.ID))
	for _, cut := range cuts(len(applied.Records), len(applied.Plan.Steps)) {
		f := newFixture(t)
		o := f.options()
		arm(cut, f.cloud, &o, func() { panic(killed{}) })
		if err, was := until(func() error { _, err := Apply(t.Context(), f.cloud, f.j, f.plan, o); return err }); !was {
			t.Fatalf("at %s: it was not killed: %v", cut, err)
		}
		f.cloud.before, f.cloud.after = nil, nil
		runs, err := f.j.Runs()
		if err != nil || len(runs) != 1 || runs[0].Status != Running {
			t.Fatalf("at %s: the runs are %v, %v", cut, runs, err)
		}
		f.must(f.resume(runs[0].ID))
		f.once()
		if diff := cmp.Diff(want, asText(t, f.cloud.e)); diff != "" {
			t.Errorf("at %s: the end is another: %s", cut, diff)
		}
	}
	for _, cut := range cuts(len(undone.Records), len(undone.Plan.Steps)) {
		f := newFixture(t)
		r := f.must(f.apply())
		o := f.options()
		arm(cut, f.cloud, &o, func() { panic(killed{}) })
		if err, was := until(func() error { _, err := Undo(t.Context(), f.cloud, f.j, r.ID, o); return err }); !was {
			t.Fatalf("undoing, at %s: it was not killed: %v", cut, err)
		}
		f.cloud.before, f.cloud.after = nil, nil
		f.must(f.undo(r.ID))
		if diff := cmp.Diff(asText(t, smallEstate(t)), asText(t, f.cloud.e)); diff != "" {
			t.Errorf("undoing, at %s: the end is another: %s", cut, diff)
		}
	}
}

// The environment of a test binary that is to be killed: where, and at which cut.
const (
	envKill = "KEYREACH_TEST_KILL"
	envCut  = "KEYREACH_TEST_CUT"
)

// TestMain has the test binary be a process that applies when it is told to.
func TestMain(m *testing.M) {
	if dir := os.Getenv(envKill); dir != "" {
		fmt.Fprintln(os.Stderr, applyAndDie(dir, os.Getenv(envCut)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child is what a process shares with the one that starts it.
func child(dir string) (*fakeCloud, *Journal, error) {
	file := filepath.Join(dir, "estate.json")
	e, err := estate.LoadFile(file)
	if err != nil {
		return nil, nil, err
	}
	f := newFake(e)
	f.file = file
	j, err := Open(filepath.Join(dir, "state"))
	return f, j, err
}

// applyAndDie applies the plan in the directory and is killed as nothing can be that
// lets it do anything more.
func applyAndDie(dir, cut string) error {
	f, j, err := child(dir)
	if err != nil {
		return err
	}
	p, err := readPlan(dir)
	if err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	o := Options{Clock: newClock()}
	arm(cut, f, &o, func() {
		if err := self.Kill(); err != nil {
			panic(err)
		}
		select {} // nothing more happens
	})
	r, err := Apply(context.Background(), f, j, p, o)
	return fmt.Errorf("it was not killed: %v, %w", r, err)
}

func TestAProcessKilledAtAnyPointIsResumedToTheSameEnd(t *testing.T) {
	t.Parallel()
	smooth := newFixture(t)
	applied := smooth.must(smooth.apply())
	want := asText(t, smooth.cloud.e)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range cuts(len(applied.Records), len(applied.Plan.Steps)) {
		t.Run(cut, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			(&fakeCloud{e: smallEstate(t), file: filepath.Join(dir, "estate.json")}).mustKeep(t)
			writePlan(t, dir, smooth.plan)
			cmd := exec.CommandContext(t.Context(), self)
			cmd.Env = append(os.Environ(), envKill+"="+dir, envCut+"="+cut)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Exited() {
				t.Fatalf("it ended by itself: %v: %s", err, out)
			}
			f, j, err := child(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			runs, err := j.Runs()
			if err != nil || len(runs) != 1 || runs[0].Status != Running {
				t.Fatalf("the runs are %v, %v", runs, err)
			}
			r, err := Resume(t.Context(), f, j, runs[0].ID, Options{Clock: newClock()})
			if err != nil || r.Status != Done {
				t.Fatalf("%v, %v", r, err)
			}
			if diff := cmp.Diff(want, asText(t, f.e)); diff != "" {
				t.Errorf("the end is another: %s", diff)
			}
			if n := f.performed() + answered(r, cut); n != len(r.Plan.Steps) {
				t.Errorf("%d writes for %d steps", n, len(r.Plan.Steps))
			}
		})
	}
}

// answered is how many writes the killed process made: those with a result before the
// cut, and the one after which it was killed.
func answered(r *Run, cut string) int {
	if what, number, _ := strings.Cut(cut, " write "); what != cut {
		n, _ := strconv.Atoi(number) // the test made it
		if what == "before" {
			n--
		}
		return n
	}
	number, _ := strings.CutPrefix(cut, "record ")
	last, _ := strconv.Atoi(number)
	n := 0
	for i := range r.Records {
		if r.Records[i].Seq <= last && r.Records[i].Phase == PhaseResult {
			n++
		}
	}
	return n
}

func (f *fakeCloud) mustKeep(t testing.TB) {
	t.Helper()
	if err := f.keep(); err != nil {
		t.Fatal(err)
	}
}

func writePlan(t testing.TB, dir string, p *plan.Plan) {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readPlan(dir string) (*plan.Plan, error) {
	text, err := os.ReadFile(filepath.Join(dir, "plan.json"))
	if err != nil {
		return nil, err
	}
	var p plan.Plan
	return &p, json.Unmarshal(text, &p)
}
