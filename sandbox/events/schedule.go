package events

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// What stands on the agenda.
const fires = "schedule fires"

// schedule puts the first firing of a rule on the agenda.
func (s *Service) schedule(c *gate.Call, r *Rule) {
	r.Due = time.Time{}
	if p := readSchedule(aws.ToString(r.Schedule)); p != nil {
		s.await(r, p, c.At, c.At)
	}
}

// await has a rule fire next after a time.
func (s *Service) await(r *Rule, p plan, anchor, after time.Time) {
	due, ok := p.next(anchor, after)
	if !ok {
		return // its years are over
	}
	r.Due = due
	s.Agenda.Add(state.Task{At: due, Service: s.Name(), Account: r.Account, Region: r.Region, What: fires, Subject: r.row()})
}

// maxMissed is about how many firings are made up for when the clock moves far: those
// before them are left out.
const maxMissed = 100

// Due fires a schedule. A rule that is off goes on counting.
func (s *Service) Due(_ context.Context, t state.Task) error {
	old := s.rules.Get(t.Subject)
	if old == nil || !old.Due.Equal(t.At) {
		return nil // ended, or its schedule is another
	}
	r := *old
	r.Due = time.Time{}
	if p := readSchedule(aws.ToString(r.Schedule)); p != nil {
		s.await(&r, p, t.At, resume(p, t.At, s.Clock.Now()))
	}
	s.rules.Put(r.row(), &r)
	if r.on() {
		s.fire(&r, t.At)
	}
	return nil
}

// resume is the time after which a schedule goes on that fired and is to catch up: that
// time, unless too many firings are between it and now.
func resume(p plan, fired, now time.Time) time.Time {
	at := fired
	for range maxMissed {
		next, ok := p.next(fired, at)
		if !ok || next.After(now) {
			return fired
		}
		at = next
	}
	if skipped := now.Add(-at.Sub(fired)); skipped.After(fired) {
		return skipped
	}
	return fired
}
