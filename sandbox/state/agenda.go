package state

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// Task is something that a service does later.
type Task struct {
	At      time.Time
	Service string // the service's name, as "ec2"
	Account string
	Region  string
	// What says what to do, Subject with what: words of the service's own.
	What, Subject string
}

// Agenda is the tasks that wait for their time, kept like any state.
type Agenda struct {
	tasks *Table[Task]
	last  atomic.Uint64 // the number of the last task, which orders those of one time
	next  atomic.Int64  // when the first is due, in nanoseconds of Unix time
}

// NewAgenda adds an agenda to a DB.
func NewAgenda(db *DB) *Agenda {
	a := &Agenda{}
	a.next.Store(math.MaxInt64)
	a.tasks = NewTable[Task](db, "agenda", nil)
	a.tasks.OnChange(func(string) { a.note() })
	return a
}

// note looks when the first task is due.
func (a *Agenda) note() {
	next := int64(math.MaxInt64)
	if len(a.tasks.keys) > 0 {
		next = a.tasks.rows[a.tasks.keys[0]].At.UnixNano()
	}
	a.next.Store(next)
}

// Add has a task done at its time. It is called in Update.
func (a *Agenda) Add(t Task) {
	for {
		key := fmt.Sprintf("%020d%020d", t.At.UnixNano(), a.last.Add(1))
		if a.tasks.Get(key) == nil { // of a state that was kept, numbers begin anew
			a.tasks.Put(key, &t)
			return
		}
	}
}

// Next returns when the first task is due; false when there is none.
func (a *Agenda) Next() (time.Time, bool) {
	n := a.next.Load()
	return time.Unix(0, n).UTC(), n != math.MaxInt64
}

// Take removes the first task when it is due. It is called in Update.
func (a *Agenda) Take(now time.Time) (Task, bool) {
	if len(a.tasks.keys) == 0 {
		return Task{}, false
	}
	key := a.tasks.keys[0]
	t := *a.tasks.rows[key]
	if t.At.After(now) {
		return Task{}, false
	}
	a.tasks.Delete(key)
	return t, true
}
