package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// engine performs one run: it looks, decides, writes and records, step by step.
type engine struct {
	cloud Cloud
	j     *Journal
	run   *Run
	o     Options
	steps []step
	names names
	// callers is who the calls are made as, by account.
	callers map[string]string
	wrote   time.Time // when the run wrote last
	began   time.Time
}

// step is one op of the plan and how far it is.
type step struct {
	index   int // in the plan
	op, was estate.Op
	done    bool
	// intent is the record of the last call that writes, written that of its result.
	intent, written *Record
	// asked is when the last call was made that may have been performed though no answer
	// says so; earlier is what asked was before the last call.
	asked, earlier time.Time
}

// open reports whether a call may have been performed of which the result is not
// known.
func (s *step) open() bool { return !s.asked.IsZero() }

// newEngine takes the steps from the plan of a run, and how far they are from its
// records.
func newEngine(c Cloud, j *Journal, r *Run, o Options, made names) *engine {
	e := &engine{cloud: c, j: j, run: r, o: o, names: made, callers: map[string]string{}, began: o.Clock.Now()}
	at := map[int]int{}
	for i := range r.Plan.Steps {
		if p := &r.Plan.Steps[i]; r.has(p.Op.Slot().Account) {
			at[i] = len(e.steps)
			e.steps = append(e.steps, step{index: i, op: p.Op, was: p.Was})
		}
	}
	for i := range r.Records {
		rec := &r.Records[i]
		e.names.add(rec.Made)
		if k, ok := at[rec.Step]; ok {
			e.steps[k].take(rec)
		}
		if rec.Phase == PhaseResult {
			e.wrote = rec.At
		}
	}
	return e
}

// take brings a step to where a record says that it is.
func (s *step) take(r *Record) {
	switch r.Phase {
	case PhaseIntent:
		s.intent, s.asked, s.earlier = r, r.At, s.asked
	case PhaseResult:
		s.written, s.asked = r, time.Time{}
	case PhaseNote:
		if r.Kind != "" && !unanswered(r.Kind) {
			s.asked = s.earlier
		}
	case PhaseReadBack, PhaseSkip, PhaseLeft:
		s.done = true
	}
}

// unanswered reports whether a call that failed in such a way may have been performed.
// Of an answer 5xx nobody can know, and where something exists already a first attempt
// of the same call may have made it.
func unanswered(k cloud.Kind) bool {
	return k == cloud.Lost || k == cloud.Unavailable || k == cloud.Exists
}

func (e *engine) now() time.Time { return e.o.Clock.Now().UTC() }

// record writes a record and tells of it. It is written also when ctx has ended: what
// happened has happened.
func (e *engine) record(ctx context.Context, r Record) error {
	r.Run, r.At = e.run.ID, e.now()
	if err := e.j.add(context.WithoutCancel(ctx), &r); err != nil {
		return err
	}
	if r.Step >= 0 {
		for i := range e.steps {
			if e.steps[i].index == r.Step {
				e.steps[i].take(&r)
			}
		}
	}
	e.names.add(r.Made)
	if r.Phase == PhaseResult {
		e.wrote = r.At
	}
	e.tell(r.Step, r.Slot, r.Phase, r.Text)
	e.o.After(r)
	return nil
}

func (e *engine) tell(index int, slot estate.Slot, phase Phase, text string) {
	e.o.Report(Event{Run: e.run.ID, Step: index + 1, Of: len(e.run.Plan.Steps), Slot: slot, Phase: phase, Text: text, Elapsed: e.o.Clock.Now().Sub(e.began)})
}

// verdict is what the look at a slot says about its step.
type verdict int

const (
	before  verdict = iota // as it was: write
	wanted                 // as the op wants it
	further                // as a later op of the same slot wants it
	other
)

// look is what a slot holds, with the op and what was there by the names that AWS
// gave.
type look struct {
	op, was, have estate.Op
	verdict       verdict
}

// look looks at the slot of a step.
func (e *engine) look(ctx context.Context, s *step) (look, error) {
	have, err := e.current(ctx, s)
	if key, ok := s.op.(*estate.NewKey); err == nil && ok && !key.Absent {
		have, err = e.known(ctx, s, key, have)
	}
	if err != nil {
		return look{}, fmt.Errorf("looking at the %s: %w", s.op.Slot(), err)
	}
	l := look{have: have}
	if l.op, err = e.names.rename(s.op); err != nil {
		return l, err
	}
	if l.was, err = e.names.rename(s.was); err != nil {
		return l, err
	}
	l.verdict = e.judge(s, &l)
	return l, nil
}

// missingLooks is how often in a row AWS has to say that something is not there, for an
// op that wants it away, until that is taken for true: some moments after it was made
// AWS may say so of what is there.
const missingLooks = 3

// current asks AWS what the slot of a step holds. Where there is no role any more
// there is no policy of it either.
func (e *engine) current(ctx context.Context, s *step) (estate.Op, error) {
	op, err := e.names.rename(s.op)
	if err != nil {
		return nil, err
	}
	p := patience{e: e}
	for looks := 1; ; looks++ {
		var have estate.Op
		missing := false
		err := e.patient(ctx, s, func() error {
			var err error
			have, err = e.cloud.Current(ctx, op)
			if missing = cloud.KindOf(err) == cloud.NotFound && op.Value() == ""; missing {
				return nil
			}
			return err
		})
		switch {
		case err != nil || !missing:
			return have, err
		case looks == missingLooks:
			return op, nil
		}
		if err := p.pause(ctx, s, "looking again: it is not there"); err != nil {
			return nil, err
		}
	}
}

// known finds out the name of the key that a step makes: AWS has one that the step
// made before, or the one that an earlier run made is gone.
func (e *engine) known(ctx context.Context, s *step, key *estate.NewKey, have estate.Op) (estate.Op, error) {
	real, named := e.names[key.ARN]
	if named && have.Value() == "" && s.intent == nil {
		delete(e.names, key.ARN)
		var err error
		if have, err = e.current(ctx, s); err != nil {
			return nil, err
		}
		named = false
	}
	if got, ok := have.(*estate.NewKey); ok && !got.Absent && got.ARN != key.ARN && (!named || got.ARN != real) {
		e.names[key.ARN] = got.ARN
	}
	return have, nil
}

func (e *engine) judge(s *step, l *look) verdict {
	switch {
	case estate.SameOp(l.have, l.op):
		return wanted
	case same(l.have, l.was):
		return before
	}
	for i := range e.steps {
		later := &e.steps[i]
		if later.index <= s.index || later.op.Slot() != s.op.Slot() {
			continue
		}
		if op, err := e.names.rename(later.op); err == nil && estate.SameOp(l.have, op) {
			return further
		}
	}
	return other
}

// same is estate.SameOp of things of which the slot is the same but for the name of a
// key that is not there.
func same(a, b estate.Op) bool {
	return estate.SameOp(a, b) || a.Slot().Kind == "key" && b.Slot().Kind == "key" && a.Value() == "" && b.Value() == ""
}

// check looks at everything before the first write.
func (e *engine) check(ctx context.Context) error {
	if err := e.unmade(); err != nil {
		return err
	}
	if err := e.identify(ctx); err != nil {
		return err
	}
	var stale []error
	pending := map[int]bool{}
	for i := range e.steps {
		s := &e.steps[i]
		if s.done || s.written != nil {
			continue
		}
		if e.waits(i, pending) {
			pending[i] = true
			continue
		}
		e.tell(s.index, s.op.Slot(), PhaseCheck, "")
		l, err := e.look(ctx, s)
		switch {
		case e.run.takesBack() && cloud.KindOf(err) == cloud.NotFound:
			stale = append(stale, &StaleError{Step: s.index + 1, Slot: s.op.Slot(), Want: s.was})
		case err != nil:
			return err
		case l.verdict == before:
			pending[i] = true
		case l.verdict == other:
			stale = append(stale, e.surprise(s, &l))
		}
	}
	return e.changed(stale)
}

// surprise is the error for a slot that is not as it should be.
func (e *engine) surprise(s *step, l *look) error {
	if s.open() {
		return &OverwrittenError{Step: s.index + 1, Slot: s.op.Slot(), Wrote: l.op, Have: l.have}
	}
	return &StaleError{Step: s.index + 1, Slot: s.op.Slot(), Want: l.was, Have: l.have}
}

// changed puts together what was found to be stale. An undo says it in its own way.
func (e *engine) changed(stale []error) error {
	if len(stale) == 0 || !e.run.takesBack() {
		return errors.Join(stale...)
	}
	all := &ChangedSinceError{Of: e.run.Of}
	for _, err := range stale {
		var s *StaleError
		if !errors.As(err, &s) {
			return errors.Join(stale...)
		}
		all.Changes = append(all.Changes, Change{Slot: s.Slot, Left: s.Want, Have: s.Have})
	}
	return all
}

// waits reports whether a step can be looked at only when an earlier one was
// performed: it changes the same thing further, or something that is yet to be made.
func (e *engine) waits(i int, pending map[int]bool) bool {
	slot := e.steps[i].op.Slot()
	for k := range i {
		if !pending[k] {
			continue
		}
		earlier := e.steps[k].op
		s := earlier.Slot()
		switch key, ok := earlier.(*estate.NewKey); {
		case s == slot:
			return true
		case ok && !key.Absent && keyID(key.ARN) != "" && replaceWord(slot.Subject, keyID(key.ARN), "") != slot.Subject:
			return true // also the replica of a key that has no name yet
		case makes(earlier) && s.Subject == slot.Subject:
			return true
		}
	}
	return false
}

// makes reports whether an op makes something on which others work.
func makes(op estate.Op) bool {
	switch op.(type) {
	case *estate.NewKey, *estate.NewRole, *estate.LinkedRole, *estate.NewBucket:
		return op.Value() != ""
	}
	return false
}

// unmade finds ops that name a key which neither is made nor will be when it is their
// turn in this run.
func (e *engine) unmade() error {
	for i := range e.run.Plan.Steps {
		key, ok := e.run.Plan.Steps[i].Op.(*estate.NewKey)
		if !ok || key.Absent || key.Primary != "" || e.names[key.ARN] != "" {
			continue
		}
		mine := e.run.has(key.Slot().Account)
		for k := range e.steps {
			if s := &e.steps[k]; !s.done && !(mine && s.index >= i) && mentions(s.op, key.ARN) {
				return &UnmadeError{Step: s.index + 1, Slot: s.op.Slot(), Key: key.ARN, Account: key.Slot().Account}
			}
		}
	}
	return nil
}

// identify asks who the calls to each account are made as.
func (e *engine) identify(ctx context.Context) error {
	for i := range e.steps {
		s := &e.steps[i]
		account := s.op.Slot().Account
		if s.done || e.callers[account] != "" {
			continue
		}
		var caller string
		err := e.patient(ctx, s, func() error {
			var err error
			caller, err = e.cloud.Caller(ctx, account)
			return err
		})
		if err != nil {
			return fmt.Errorf("asking who writes in account %s: %w", account, err)
		}
		if a, err := arn.Parse(caller); err == nil && a.Account != account {
			return &cloud.Error{Kind: cloud.Credentials, Operation: "sts:GetCallerIdentity", Account: account,
				Err: fmt.Errorf("the credentials are those of %s of account %s", caller, a.Account)}
		}
		e.callers[account] = caller
	}
	return nil
}
