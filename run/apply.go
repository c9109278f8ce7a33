package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/plan"
)

// DefaultSettle is how long a run waits for what it wrote to spread. AWS promises no
// time for IAM, and says of KMS that it is usually less than five minutes; that two
// minutes do in practice is assumed. See
// https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency.
const DefaultSettle = 2 * time.Minute

// Options say how a run goes on. The zero value is a run of all accounts by the clock
// of the machine.
type Options struct {
	Clock Clock
	// Report is told what happens, in order.
	Report func(Event)
	// After is told of every record when it is in the journal.
	After func(Record)
	// Accounts are those whose part of the plan is performed; none means all.
	Accounts []string
	// Until is when what the run opens should be closed again; zero for never.
	Until time.Time
	// Settle is how long the run waits for what it wrote to spread; 0 is DefaultSettle.
	Settle time.Duration
	// Of is the run that a plan which revokes takes back.
	Of string
	// Made are the ARNs of keys that another account's part of the plan has made
	// elsewhere, by the provisional ones.
	Made map[string]string
}

func (o *Options) fill() {
	if o.Clock == nil {
		o.Clock = System()
	}
	if o.Settle == 0 {
		o.Settle = DefaultSettle
	}
	if o.Report == nil {
		o.Report = func(Event) {}
	}
	if o.After == nil {
		o.After = func(Record) {}
	}
}

// Apply performs a plan. Before the first write it looks at who it would write as and
// at everything that it would write: it fails without a run, and without a write, when
// credentials are of another account (*cloud.Error), when something is not as it was
// when the plan was made (*StaleError), or when the plan names a key that is yet to be
// made (*UnmadeError).
//
// Each step is looked at again right before its write, written, and read back. What is
// as wanted already is skipped, so that a plan can be applied twice. When a step fails,
// the run is returned with the error and can be resumed. When ctx ends, the call under
// way is finished and recorded, and the error is that of ctx.
//
// Between the last look and the write another writer is not noticed before the
// reading back, and if both wrote the same moment perhaps never: KMS and IAM have no
// compare-and-swap.
func Apply(ctx context.Context, c Cloud, j *Journal, p *plan.Plan, o Options) (*Run, error) {
	o.fill()
	return j.alone(&o, func() (*Run, error) {
		r := &Run{
			Kind: KindApply, Of: o.Of, Change: p.Change, Digest: p.Digest(), Plan: p, Routes: p.Routes, Accounts: o.Accounts,
			Started: o.Clock.Now().UTC(), Status: Running, Until: o.Until,
		}
		if p.Kind == string(KindRevoke) {
			r.Kind = KindRevoke
		}
		if o.Of != "" {
			of, err := j.Run(o.Of)
			if err != nil {
				return nil, err
			}
			r.Of = of.ID
		}
		made, err := j.madeFor(r.Digest)
		if err != nil {
			return nil, err
		}
		made.add(o.Made)
		return newEngine(c, j, r, o, made).start(ctx)
	})
}

// Resume goes on with a run that was stopped, failed or killed, from its journal. What
// is done is not done again. A run that is done is returned as it is. It fails with
// *StatusError for a run that was undone or whose undo has begun.
func Resume(ctx context.Context, c Cloud, j *Journal, id string, o Options) (*Run, error) {
	o.fill()
	return j.alone(&o, func() (*Run, error) {
		r, err := j.Run(id)
		if err != nil {
			return nil, err
		}
		return resume(ctx, c, j, r, o)
	})
}

func resume(ctx context.Context, c Cloud, j *Journal, r *Run, o Options) (*Run, error) {
	switch {
	case r.Status == Done:
		return r, nil
	case r.Status == Undone:
		return r, &StatusError{ID: r.ID, Status: r.Status, Why: "was undone"}
	case r.Plan == nil:
		return r, &StatusError{ID: r.ID, Status: r.Status, Why: "performs no plan"}
	}
	undos, err := j.runs("WHERE of = ? AND kind = ?", r.ID, KindUndo)
	if err != nil {
		return r, err
	}
	if len(undos) > 0 {
		return r, &StatusError{ID: r.ID, Status: r.Status, Why: "cannot be resumed: its undo " + undos[0].ID + " has begun"}
	}
	made, err := j.madeFor(r.Digest)
	if err != nil {
		return r, err
	}
	made.add(o.Made)
	e := newEngine(c, j, r, o, made)
	if err := e.check(ctx); err != nil {
		return e.end(ctx, err)
	}
	r.Status, r.Ended, r.Error = Running, time.Time{}, ""
	if err := j.set(context.WithoutCancel(ctx), r, ""); err != nil {
		return r, err
	}
	return e.perform(ctx)
}

// alone does something while nobody else performs with the journal.
func (j *Journal) alone(o *Options, f func() (*Run, error)) (r *Run, err error) {
	release, err := j.lock(o.Clock.Now())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	return f()
}

// start performs a run that has not begun.
func (e *engine) start(ctx context.Context) (*Run, error) {
	if len(e.steps) == 0 && len(e.run.Accounts) > 0 {
		return nil, fmt.Errorf("choosing steps: the plan writes nothing in %v", e.run.Accounts)
	}
	if err := e.check(ctx); err != nil {
		return nil, err
	}
	if err := e.j.begin(context.WithoutCancel(ctx), e.run); err != nil {
		return nil, err
	}
	return e.perform(ctx)
}

// perform performs the steps that are not done.
func (e *engine) perform(ctx context.Context) (*Run, error) {
	return e.end(ctx, e.all(ctx))
}

func (e *engine) all(ctx context.Context) error {
	for _, account := range slices.Sorted(maps.Keys(e.callers)) {
		note := Record{Step: -1, Phase: PhaseNote, Text: "calls to account " + account + " are made as " + e.callers[account]}
		if err := e.record(ctx, note); err != nil {
			return err
		}
	}
	if known := e.madeElsewhere(); len(known) > 0 {
		if err := e.record(ctx, Record{Step: -1, Phase: PhaseNote, Made: known, Text: "keys that were made before"}); err != nil {
			return err
		}
	}
	for i := range e.steps {
		s := &e.steps[i]
		if s.done {
			continue
		}
		if err := e.step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// madeElsewhere are the names that the records of the run do not tell yet.
func (e *engine) madeElsewhere() names {
	known := maps.Clone(e.names)
	for i := range e.run.Records {
		for provisional := range e.run.Records[i].Made {
			delete(known, provisional)
		}
	}
	return known
}

// end writes how the run ended and returns it as the journal has it.
func (e *engine) end(ctx context.Context, failed error) (*Run, error) {
	ctx = context.WithoutCancel(ctx)
	r := e.run
	r.Status, r.Ended, r.Error = statusAfter(failed), e.now(), ""
	if failed != nil {
		r.Error = failed.Error()
	}
	undone, err := e.undone()
	if err == nil {
		err = e.j.set(ctx, r, undone)
	}
	if err != nil {
		return r, errors.Join(failed, err)
	}
	out, err := e.j.Run(r.ID)
	if err != nil {
		return r, errors.Join(failed, err)
	}
	return out, failed
}

// statusAfter is how a run stands that ended with an error, or without one.
func statusAfter(err error) Status {
	var failed *cloud.Error
	switch {
	case err == nil:
		return Done
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Stopped
	case errors.As(err, &failed) && failed.Kind != cloud.Invalid && failed.Kind != cloud.Other:
		return Stopped
	}
	return Failed
}
