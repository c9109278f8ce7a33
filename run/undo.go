package run

import (
	"context"
	"slices"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

// Undo takes back what a run wrote, the last first, as a run of its own: what the run
// found is written again, what it made is taken away. It fails with
// *ChangedSinceError, without a write, when something is not as the run left it, and
// with *StatusError for a run that cannot be undone. What AWS does not take back
// stands in Left of the returned run. An undo that was begun before is resumed.
func Undo(ctx context.Context, c Cloud, j *Journal, id string, o Options) (*Run, error) {
	o.fill()
	return j.alone(&o, func() (*Run, error) {
		of, err := j.Run(id)
		if err != nil {
			return nil, err
		}
		if err := undoable(of); err != nil {
			return of, err
		}
		begun, err := j.begunUndo(of.ID, o.Accounts)
		if err != nil {
			return nil, err
		}
		if begun != nil {
			return resume(ctx, c, j, begun, o)
		}
		p, err := undoing(ctx, c, j, of, o)
		if err != nil {
			return nil, err
		}
		r := &Run{
			Kind: KindUndo, Of: of.ID, Change: of.Change, Digest: p.Digest(), Plan: p, Routes: of.Routes, Accounts: o.Accounts,
			Started: o.Clock.Now().UTC(), Status: Running,
		}
		return newEngine(c, j, r, o, names{}).start(ctx)
	})
}

func undoable(r *Run) error {
	switch {
	case r.Status == Undone:
		return &StatusError{ID: r.ID, Status: r.Status, Why: "is undone already"}
	case r.Kind == KindUndo:
		return &StatusError{ID: r.ID, Status: r.Status, Why: "is itself an undo: apply the plan again instead"}
	case r.Plan == nil:
		return &StatusError{ID: r.ID, Status: r.Status, Why: "performs no plan"}
	}
	return nil
}

// begunUndo is an undo of the run, by the same accounts, that has not ended.
func (j *Journal) begunUndo(of string, accounts []string) (*Run, error) {
	undos, err := j.runs("WHERE of = ? AND kind = ? AND status != ?", of, KindUndo, Done)
	if err != nil {
		return nil, err
	}
	for _, u := range undos {
		if slices.Equal(u.Accounts, accounts) || len(u.Accounts)+len(accounts) == 0 {
			return j.Run(u.ID)
		}
	}
	return nil, nil
}

// undoing is the plan that takes back what a run wrote or may have written.
func undoing(ctx context.Context, c Cloud, j *Journal, of *Run, o Options) (*plan.Plan, error) {
	e := newEngine(c, j, of, o, names{})
	part := Run{Accounts: o.Accounts}
	if err := e.resolve(ctx, &part); err != nil {
		return nil, err
	}
	p := &plan.Plan{FormatVersion: plan.FormatVersion, Kind: string(KindUndo), Change: of.Change, MadeAt: e.now(), Routes: of.Routes}
	for _, s := range slices.Backward(e.steps) {
		if s.intent == nil || s.written == nil && !s.open() || e.nothing(&s) {
			continue
		}
		gone := of.Plan.Steps[s.index].Gone
		before, err := withoutGone(s.intent.Before, gone)
		if err != nil {
			return nil, err
		}
		op, err := e.names.rename(before)
		if err != nil {
			return nil, err
		}
		was, err := e.names.rename(s.op)
		if err != nil {
			return nil, err
		}
		if s.written != nil {
			was = s.written.After
		}
		p.Steps = append(p.Steps, plan.Step{Op: op, Was: was, Why: "takes back: " + of.Plan.Steps[s.index].Why, Routes: of.Plan.Steps[s.index].Routes, Gone: gone})
	}
	return p, nil
}

// withoutGone is an op that writes a policy back, without the principals that are gone:
// AWS takes no policy that names them.
func withoutGone(op estate.Op, gone []string) (estate.Op, error) {
	if len(gone) == 0 {
		return op, nil
	}
	var err error
	switch o := op.(type) {
	case *estate.KeyPolicy:
		back := *o
		back.Document, err = plan.WithoutGone(o.Document, gone)
		return &back, err
	case *estate.VaultPolicy:
		back := *o
		back.Document, err = plan.WithoutGone(o.Document, gone)
		return &back, err
	}
	return op, nil
}

// resolve waits until AWS shows the writes that the run did not read back: what looks
// undone already may only not have spread yet. It finds the keys that calls may have
// made which were not answered.
func (e *engine) resolve(ctx context.Context, part *Run) error {
	for i := range e.steps {
		s := &e.steps[i]
		at := s.asked
		if s.written != nil {
			at = s.written.At
		}
		if s.done || at.IsZero() || !part.has(s.op.Slot().Account) {
			continue
		}
		p := patience{e: e}
		for {
			l, err := e.look(ctx, s)
			if err != nil {
				return err
			}
			if l.verdict != before || !e.now().Before(at.Add(e.o.Settle)) {
				break
			}
			if err := p.pause(ctx, s, "settling: waiting for what may have been written"); err != nil {
				return err
			}
		}
	}
	return nil
}

// nothing reports whether a call that was not answered made no key.
func (e *engine) nothing(s *step) bool {
	key, ok := s.op.(*estate.NewKey)
	return ok && s.open() && !key.Absent && key.Primary == "" && e.names[key.ARN] == ""
}

// undone is the run that is taken back as a whole now that this one has ended, or
// nothing.
func (e *engine) undone() (string, error) {
	r := e.run
	if r.Status != Done || r.Of == "" {
		return "", nil
	}
	of, err := e.j.Run(r.Of)
	if err != nil {
		return "", err
	}
	parts, err := e.j.runs("WHERE of = ? AND kind = ? AND status = ? AND id != ?", r.Of, r.Kind, Done, r.ID)
	if err != nil {
		return "", err
	}
	parts = append(parts, r)
	for i := range of.Records {
		rec := &of.Records[i]
		taken := slices.ContainsFunc(parts, func(p *Run) bool { return p.has(rec.Slot.Account) })
		if rec.Phase == PhaseIntent && !taken {
			return "", nil
		}
	}
	return of.ID, nil
}
