package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// settle does what is due by now and returns the time up to which that is so. Every
// call does it before it looks at anything, so that what a caller sees is as it is at
// the time of the call.
func (s *Sandbox) settle() time.Time {
	now := s.clock.Now()
	for {
		if next, ok := s.agenda.Next(); !ok || next.After(now) {
			return now
		}
		s.one(now)
	}
}

// one does the first task that is due. One that fails is told to the log and is not
// tried again; nothing is left of it.
func (s *Sandbox) one(now time.Time) {
	var t state.Task
	err := s.db.Update(func() error {
		var ok bool
		if t, ok = s.agenda.Take(now); !ok {
			return nil // somebody else was faster
		}
		if err := s.db.Try(func() (err error) { return s.due(t) }); err != nil {
			log.Printf("sandbox: doing what is due, %s %s %s: %v", t.Service, t.What, t.Subject, err)
		}
		return nil
	})
	if err != nil {
		log.Printf("sandbox: doing what is due: %v", err)
	}
	s.tellEvents()
}

// due has a task done by its service.
func (s *Sandbox) due(t state.Task) (err error) {
	defer func() {
		if what := recover(); what != nil {
			err = fmt.Errorf("panic: %v", what)
		}
	}()
	v := s.services[t.Service]
	if v == nil {
		return errors.New("there is no such service")
	}
	d, ok := v.service.(gate.Dues)
	if !ok {
		return errors.New("the service does nothing later")
	}
	c := &gate.Call{
		ID: s.ids.UUID(), Service: t.Service, Operation: t.What, Region: t.Region, At: t.At, Writing: true,
		Caller: behalf.Caller(t.Service + ".amazonaws.com"),
	}
	c.Caller.Account = t.Account
	return d.Due(gate.With(context.Background(), c), t)
}

// NextDue is when the sandbox next does something by itself, and whether it is going to:
// Advance to that time, and it is done. After what a call started, such as a copy, is
// over, there may still be what happens regularly, such as backups.
func (s *Sandbox) NextDue() (time.Time, bool) { return s.agenda.Next() }

// alarm wakes the sandbox when something is due while nobody calls, so that events
// leave at their time.
type alarm struct {
	mu     sync.Mutex
	timer  *time.Timer
	at     time.Time
	closed bool
}

// set has the alarm go off for the first task.
func (s *Sandbox) setAlarm() {
	next, ok := s.agenda.Next()
	a := &s.alarm
	a.mu.Lock()
	defer a.mu.Unlock()
	if !ok || a.closed || a.timer != nil && a.at.Equal(next) {
		return
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	a.at = next
	a.timer = time.AfterFunc(next.Sub(s.clock.Now()), func() {
		s.settle()
		s.setAlarm()
	})
}

// stopAlarm ends what the sandbox does by itself.
func (s *Sandbox) stopAlarm() {
	s.alarm.mu.Lock()
	defer s.alarm.mu.Unlock()
	s.alarm.closed = true
	if s.alarm.timer != nil {
		s.alarm.timer.Stop()
	}
}
