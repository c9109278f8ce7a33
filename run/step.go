package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

// grace is how long the call under way may take when a run is to stop.
const grace = 20 * time.Second

// step performs one step, from wherever it is.
func (e *engine) step(ctx context.Context, s *step) error {
	if s.written == nil {
		if err := e.write(ctx, s); err != nil || s.done {
			return err
		}
	}
	return e.readBack(ctx, s)
}

// write brings a step to its result, or past it. Before each call it looks: nothing is
// done twice and nothing is written over what nobody has seen.
func (e *engine) write(ctx context.Context, s *step) error {
	p := patience{e: e}
	for {
		l, err := e.look(ctx, s)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		switch {
		case l.verdict == other:
			return e.changed([]error{e.surprise(s, &l)})
		case l.verdict != before:
			return e.found(ctx, s, &l)
		case e.mayAppear(s, &l):
			if err := p.pause(ctx, s, "waiting for what may have been made"); err != nil {
				return err
			}
			continue
		}
		err = e.call(ctx, s, &l)
		if err == nil {
			return nil
		}
		if e.leaves(l.op, err) != "" && cloud.KindOf(err) != cloud.Denied { // which may pass
			return e.leave(ctx, s, &l, err)
		}
		if err := p.again(ctx, s, err); err != nil {
			return e.leave(ctx, s, &l, err)
		}
	}
}

// found records that a step needs no write: somebody did it before, or a call of this
// run did whose answer did not come.
func (e *engine) found(ctx context.Context, s *step, l *look) error {
	r := Record{Step: s.index, Slot: l.op.Slot(), After: l.have, Made: e.madeBy(s)}
	switch {
	case s.open():
		r.Phase, r.Before, r.After, r.Text = PhaseResult, s.intent.Before, l.op, "found as written; the answer had not come"
	case l.verdict == further:
		r.Phase, r.Text = PhaseSkip, "already further"
	default:
		r.Phase, r.Text = PhaseSkip, "already so"
	}
	return e.record(ctx, r)
}

// madeBy is the name that AWS gave to what a step makes.
func (e *engine) madeBy(s *step) map[string]string {
	key, ok := s.op.(*estate.NewKey)
	if !ok || e.names[key.ARN] == "" {
		return nil
	}
	return map[string]string{key.ARN: e.names[key.ARN]}
}

// mayAppear reports whether a call that was not answered may have made something that
// cannot be seen yet, and of which a second call would make another: a key that AWS
// names.
func (e *engine) mayAppear(s *step, l *look) bool {
	key, ok := l.op.(*estate.NewKey)
	return ok && !key.Absent && key.Primary == "" && s.open() && e.now().Before(s.asked.Add(e.o.Settle))
}

// call makes one call that writes, with its records.
func (e *engine) call(ctx context.Context, s *step, l *look) error {
	if !e.run.takesBack() { // which writes the very text that was there
		l.op = inPlace(l.have, l.op)
	}
	r := Record{Step: s.index, Slot: l.op.Slot(), Phase: PhaseIntent, Before: l.have, After: l.op}
	if err := e.record(ctx, r); err != nil {
		return err
	}
	within, stop := graceful(ctx)
	made, err := e.cloud.Perform(within, l.op)
	stop()
	if _, ok := l.op.(*estate.NewKey); !ok {
		made = nil // only names of keys are kept, and never the token of a grant
	}
	if err == nil {
		r.Phase, r.Made = PhaseResult, made
		named := names{}
		named.add(e.names)
		named.add(made)
		if r.After, err = named.rename(s.op); err != nil {
			return err
		}
		r.Slot = r.After.Slot()
		return e.record(ctx, r)
	}
	r.Phase, r.Text, r.Error, r.Kind = PhaseNote, "the call failed", err.Error(), kindOf(err)
	if err := e.record(ctx, r); err != nil {
		return err
	}
	return fmt.Errorf("writing the %s: %w", l.op.Slot(), err)
}

// inPlace is an op that writes a policy, with what it leaves alone byte for byte as it is.
func inPlace(have, op estate.Op) estate.Op {
	switch o := op.(type) {
	case *estate.KeyPolicy:
		if was, ok := have.(*estate.KeyPolicy); ok {
			return &estate.KeyPolicy{Key: o.Key, Document: plan.Splice(was.Document, o.Document, plan.MaxKeyPolicy)}
		}
	case *estate.VaultPolicy:
		if was, ok := have.(*estate.VaultPolicy); ok && o.Document != "" {
			placed := *o
			placed.Document = plan.Splice(was.Document, o.Document, plan.MaxVaultPolicy)
			return &placed
		}
	case *estate.BucketSetting:
		if was, ok := have.(*estate.BucketSetting); ok && o.Setting == estate.BucketPolicy && o.Text != "" {
			placed := *o
			placed.Text = plan.Splice(was.Text, o.Text, plan.MaxBucketPolicy)
			return &placed
		}
	}
	return op
}

// kindOf is how a call that writes failed. One that was broken off may have been
// performed.
func kindOf(err error) cloud.Kind {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return cloud.Lost
	}
	return cloud.KindOf(err)
}

// graceful is a context that lets a call be finished when ctx ends, within bounds.
func graceful(ctx context.Context) (context.Context, func()) {
	within, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return within, func() { stop(); cancel() }
}

// leave records that an undo leaves a thing, or returns the error that ends the run.
func (e *engine) leave(ctx context.Context, s *step, l *look, err error) error {
	why := e.leaves(l.op, err)
	if why == "" {
		return err
	}
	return e.record(ctx, Record{Step: s.index, Slot: l.op.Slot(), Phase: PhaseLeft, After: l.have, Text: why})
}

// leaves says why an undo leaves a thing that it could not take away: a service still
// uses its role, a bucket has data, an organization lets nobody delete keys. It is empty
// for failures that end the run.
func (e *engine) leaves(op estate.Op, err error) string {
	var failed *cloud.Error
	if !e.run.takesBack() || !errors.As(err, &failed) {
		return ""
	}
	if state, ok := op.(*estate.KeyState); ok && state.State == "PendingDeletion" && failed.Kind == cloud.Denied {
		return "the key is not scheduled for deletion again: " + failed.Err.Error()
	}
	if op.Value() != "" {
		return ""
	}
	switch op.(type) {
	case *estate.NewKey:
		if failed.Kind == cloud.Denied {
			return "the key stays, and can be deleted by who may: " + failed.Err.Error()
		}
	case *estate.LinkedRole:
		switch failed.Kind {
		case cloud.State, cloud.Invalid, cloud.Denied, cloud.Other:
			return "the service-linked role stays: " + failed.Err.Error()
		}
	case *estate.NewBucket:
		if failed.Code == "BucketNotEmpty" || failed.Kind == cloud.State {
			return "the bucket is not empty and stays"
		}
	}
	return ""
}

// readBack looks until AWS shows what was written.
func (e *engine) readBack(ctx context.Context, s *step) error {
	p := patience{e: e}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, err := e.look(ctx, s)
		if err != nil {
			return err
		}
		old := s.intent != nil && s.intent.Before != nil && l.have.Value() == s.intent.Before.Value()
		switch {
		case l.verdict == wanted || l.verdict == further:
			return e.record(ctx, Record{Step: s.index, Slot: l.op.Slot(), Phase: PhaseReadBack, After: l.have})
		case !old || !e.now().Before(s.written.At.Add(e.o.Settle)):
			return &OverwrittenError{Step: s.index + 1, Slot: l.op.Slot(), Wrote: l.op, Have: l.have, Old: old}
		}
		if err := p.pause(ctx, s, "settling: AWS still shows what was there before"); err != nil {
			return err
		}
	}
}
