package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/run"
)

// ended gives the end of a run its exit code, and says what can be done about it. r is
// nil when the run did not begin.
func (a *actFlags) ended(s *streams, r *run.Run, err error) error {
	switch kind := cloud.KindOf(err); {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		if r == nil {
			fmt.Fprintln(s.err, "nothing was written")
			return err
		}
		fmt.Fprintf(s.err, "run %s stopped; it goes on with\n  %s\n", r.ID, a.resumeCommand(r.ID))
		return err
	case isStale(err):
		return a.stale(s, r, err)
	case kind == cloud.Credentials || kind == cloud.Expired:
		return a.noWayIn(r, err, kind)
	case r == nil || !wrote(r):
		return a.refusedBefore(r, err)
	}
	hint := whoHint(err) + "what was written is in the journal; when the cause is gone, go on with\n" + a.resumeCommand(r.ID)
	if r.Kind != run.KindUndo {
		hint += "\nor take back what was written with\n" + a.undoCommand(r.ID)
	}
	return (&exitError{code: exitPartial, err: fmt.Errorf("run %s is %s: %w", r.ID, r.Status, err)}).hinting(hint)
}

// noWayIn is the end for want of credentials.
func (a *actFlags) noWayIn(r *run.Run, err error, kind cloud.Kind) error {
	exit := &exitError{code: exitCredentials, err: err}
	hint := "give each account a way in with access: in keyreach.yaml, or name a --profile of the account"
	if kind == cloud.Expired {
		hint = "renew the credentials"
	}
	if r == nil {
		return exit.hinting(hint + "\nnothing was written")
	}
	return exit.hinting(hint + "; then go on with\n" + a.resumeCommand(r.ID))
}

// refusedBefore is the end of what wrote nothing.
func (a *actFlags) refusedBefore(r *run.Run, err error) error {
	exit := failure(err)
	var locked *run.LockedError
	var unmade *run.UnmadeError
	var status *run.StatusError
	var none *run.NoRunError
	switch {
	case errors.As(err, &locked):
		return exit.hinting("wait for it to end, and try again; nothing was written")
	case errors.As(err, &unmade):
		return exit.hinting("have account " + unmade.Account + " apply its part first: --account " + unmade.Account)
	case errors.As(err, &none):
		return noRun(none)
	case errors.As(err, &status), r == nil:
		return exit.hinting(whoHint(err) + "nothing was written")
	}
	return exit.hinting(whoHint(err) + "nothing was written; when the cause is gone, go on with\n" + a.resumeCommand(r.ID))
}

// whoHint says what can be done about a refusal.
func whoHint(err error) string {
	var failed *cloud.Error
	if !errors.As(err, &failed) || failed.Kind != cloud.Denied {
		return ""
	}
	return "whoever has the way into account " + failed.Account + " may not do this: name somebody who may, with access: in keyreach.yaml or --profile\n"
}

// noRun is the answer to an id of which there is no run.
func noRun(e *run.NoRunError) error {
	switch {
	case e.Many:
		return misuse(e).hinting("give more of it")
	case len(e.Like) > 0:
		return misuse(e).hinting("there is " + strings.Join(e.Like, ", ") + "; see keyreach runs list")
	}
	return misuse(e).hinting("the journal is empty; is --state the one with which it was written?")
}

// wrote reports whether a run wrote something, or may have.
func wrote(r *run.Run) bool {
	last := map[int]run.Phase{}
	for i := range r.Records {
		rec := &r.Records[i]
		switch {
		case rec.Phase == run.PhaseResult:
			return true
		case rec.Phase == run.PhaseNote && rec.Kind != "" && !unanswered(rec.Kind):
			delete(last, rec.Step)
		case rec.Phase == run.PhaseIntent:
			last[rec.Step] = rec.Phase
		}
	}
	return len(last) > 0
}

// unanswered reports whether a call that failed so may have been performed.
func unanswered(k cloud.Kind) bool {
	return k == cloud.Lost || k == cloud.Unavailable || k == cloud.Exists
}

func isStale(err error) bool {
	var stale *run.StaleError
	var over *run.OverwrittenError
	var since *run.ChangedSinceError
	return errors.As(err, &stale) || errors.As(err, &over) || errors.As(err, &since)
}

// stale lists what is not as it should be, with the difference, and ends with the code
// for it.
func (a *actFlags) stale(s *streams, r *run.Run, err error) error {
	p := &planPrinter{printer: printer{w: s.err}, report: &planReport{}}
	var since *run.ChangedSinceError
	if errors.As(err, &since) {
		p.line(0, 0, "Changed since run %s, and not by it:", since.Of)
		for i := range since.Changes {
			c := &since.Changes[i]
			p.differs(&plan.Step{Op: c.Have, Was: c.Left})
		}
		exit := &exitError{code: exitStale, err: fmt.Errorf("run %s is not undone: %s changed since", since.Of, things(len(since.Changes)))}
		return exit.hinting("nothing was written; put back what is listed and undo again; keyreach revoke ROUTE takes out what is Keyreach's and leaves the rest; what the run wrote:\nkeyreach runs show " + since.Of + a.flags(false))
	}
	n := 0
	for _, one := range flat(err) {
		var stale *run.StaleError
		var over *run.OverwrittenError
		switch {
		case errors.As(one, &stale):
			p.line(0, 0, "Changed since the plan was made:")
			p.differs(&plan.Step{Op: stale.Have, Was: stale.Want})
			n++
		case errors.As(one, &over):
			p.line(0, 0, "Written by this run (-), and as AWS has it now (+):")
			p.differs(&plan.Step{Op: over.Have, Was: over.Wrote})
			n++
		}
	}
	exit := &exitError{code: exitStale, err: err}
	if n > 1 {
		exit.err = fmt.Errorf("the plan is stale: %s changed since it was made", things(n))
	}
	if r == nil {
		return exit.hinting("nothing was written; collect, plan again and look at the new plan")
	}
	return exit.hinting("nothing was written over it. What this run wrote before stands: keyreach runs show " + r.ID + a.flags(false) +
		"\ntake it back with\n" + a.undoCommand(r.ID) + "\nor collect, plan again and apply the new plan")
}

// differs prints how something differs from what was expected.
func (p *planPrinter) differs(s *plan.Step) {
	slot := s.Op.Slot()
	p.line(2, 2, "account %s: %s", slot.Account, slotText(slot))
	changes := s.Changes()
	for i := range changes {
		p.change(&changes[i])
	}
}

func things(n int) string {
	if n == 1 {
		return "one thing has"
	}
	return fmt.Sprintf("%d things have", n)
}

// flat are the errors that were joined.
func flat(err error) []error {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var list []error
	for _, one := range many.Unwrap() {
		list = append(list, flat(one)...)
	}
	return slices.Clip(list)
}
