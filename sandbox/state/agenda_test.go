package state_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyreach/keyreach/sandbox/state"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// agenda is an agenda in a file, or in memory.
func agenda(t *testing.T, path string) (*state.DB, *state.Agenda) {
	t.Helper()
	db, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	a := state.NewAgenda(db)
	if err := db.Load(); err != nil {
		t.Fatal(err)
	}
	return db, a
}

func add(t *testing.T, db *state.DB, a *state.Agenda, what string, at time.Time) {
	t.Helper()
	if err := db.Update(func() error { a.Add(state.Task{At: at, Service: "ec2", What: what}); return nil }); err != nil {
		t.Fatal(err)
	}
}

// due takes what is due by a time.
func due(t *testing.T, db *state.DB, a *state.Agenda, now time.Time) (list []string) {
	t.Helper()
	err := db.Update(func() error {
		for {
			task, ok := a.Take(now)
			if !ok {
				return nil
			}
			list = append(list, task.What)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestTasksAreTakenAtTheirTimeAndInTheirOrder(t *testing.T) {
	t.Parallel()
	db, a := agenda(t, "")
	if _, ok := a.Next(); ok {
		t.Error("an empty agenda has a next task")
	}
	add(t, db, a, "later", noon.Add(time.Hour))
	add(t, db, a, "first", noon)
	add(t, db, a, "second", noon)
	if next, ok := a.Next(); !ok || !next.Equal(noon) {
		t.Errorf("the next is due at %v", next)
	}
	if got := due(t, db, a, noon.Add(-1)); got != nil {
		t.Errorf("%v before anything is due", got)
	}
	if got := due(t, db, a, noon); len(got) != 2 || got[0] != "first" || got[1] != "second" {
		t.Errorf("at noon %v", got)
	}
	if got := due(t, db, a, noon.Add(2*time.Hour)); len(got) != 1 || got[0] != "later" {
		t.Errorf("later %v", got)
	}
}

func TestTheAgendaSurvivesARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	db, a := agenda(t, path)
	add(t, db, a, "one", noon)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, a = agenda(t, path)
	defer db.Close()
	add(t, db, a, "two", noon)
	if next, ok := a.Next(); !ok || !next.Equal(noon) {
		t.Errorf("after a restart the next is due at %v, %v", next, ok)
	}
	if got := due(t, db, a, noon); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestATaskThatIsTakenBackIsNotDue(t *testing.T) {
	t.Parallel()
	db, a := agenda(t, "")
	fail := errors.New("no")
	if err := db.Update(func() error { a.Add(state.Task{At: noon}); return fail }); !errors.Is(err, fail) {
		t.Fatal(err)
	}
	if next, ok := a.Next(); ok {
		t.Errorf("a task is due at %v", next)
	}
}

func TestATriedPartLeavesNothingWhenItFails(t *testing.T) {
	t.Parallel()
	db, a := agenda(t, "")
	fail := errors.New("no")
	err := db.Update(func() error {
		a.Add(state.Task{At: noon, What: "stays"})
		if err := db.Try(func() error { a.Add(state.Task{At: noon, What: "goes"}); return fail }); !errors.Is(err, fail) {
			t.Errorf("the failure reads %v", err)
		}
		return db.Try(func() error { a.Add(state.Task{At: noon, What: "comes"}); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := due(t, db, a, noon); len(got) != 2 || got[0] != "stays" || got[1] != "comes" {
		t.Errorf("what is left is %v", got)
	}
}
