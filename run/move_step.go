package run

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/keyreach/keyreach/cloud"
)

// all does everything that is not done: it begins what can begin, looks at what goes on,
// and waits a while, until nothing is left.
func (e *mover) all(ctx context.Context) error {
	pause := firstPoll
	for {
		left, changed := 0, false
		for i := range e.works {
			w := &e.works[i]
			if w.done || !e.ready(w) {
				left += countOpen(w)
				continue
			}
			before := w.told
			if err := e.step(ctx, w); err != nil {
				return err
			}
			left += countOpen(w)
			changed = changed || w.done || w.told != before
		}
		if left == 0 {
			return nil
		}
		if changed {
			pause = firstPoll
			if e.anyReady() {
				continue
			}
		}
		if err := e.o.Clock.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(pause*2, e.o.Poll)
	}
}

func countOpen(w *moving) int {
	if w.done {
		return 0
	}
	return 1
}

// ready reports whether everything before a piece of work is done.
func (e *mover) ready(w *moving) bool {
	for _, i := range w.After {
		if !e.works[i].done {
			return false
		}
	}
	return w.Source == 0 || e.works[w.Source-1].done
}

// anyReady reports whether something can begin that has not.
func (e *mover) anyReady() bool {
	for i := range e.works {
		if w := &e.works[i]; !w.begun && !w.done && !w.Watch && w.attempts == 0 && e.ready(w) {
			return true
		}
	}
	return false
}

// task is the task with what earlier work made.
func (e *mover) task(w *moving) cloud.Task {
	t := w.Task
	t.Args = maps.Clone(t.Args)
	if t.Args == nil {
		t.Args = map[string]string{}
	}
	if w.Source > 0 {
		from := e.works[w.Source-1].progress
		switch {
		case w.Arg == "":
			t.Source = from.ID
		case from.Made[w.Arg] != "":
			t.Args[w.Arg] = from.Made[w.Arg]
		default:
			t.Args[w.Arg] = from.ID
		}
	}
	if w.begun && w.progress.ID != "" {
		t.Args["id"] = w.progress.ID
	}
	return t
}

// step looks at one piece of work, and begins it when nobody has.
func (e *mover) step(ctx context.Context, w *moving) error {
	if w.since.IsZero() {
		w.since = e.now()
	}
	if e.now().Sub(w.since) > e.o.Limit {
		return &SlowError{What: w.What(), Limit: e.o.Limit, State: w.progress.State}
	}
	p, found, err := e.m.Look(ctx, e.task(w))
	if err != nil {
		return e.bear(ctx, w, err)
	}
	switch {
	case found:
		w.misses = 0
		return e.seen(ctx, w, p)
	case w.begun:
		return e.missing(w)
	case w.Watch:
		e.say(w, "AWS has not begun")
		return nil
	}
	return e.begin(ctx, w)
}

// begin makes the call, after it is in the journal that it will be.
func (e *mover) begin(ctx context.Context, w *moving) error {
	if err := e.record(ctx, w, PhaseIntent, w.Task.Operation, nil); err != nil {
		return err
	}
	call, release := graceful(ctx)
	p, err := e.m.Start(call, e.task(w))
	release()
	if err != nil {
		if note := e.record(ctx, w, PhaseNote, "the call failed", err); note != nil {
			return note
		}
		return e.bear(ctx, w, err)
	}
	w.attempts = 0
	return e.seen(ctx, w, p)
}

// seen takes in how far a piece of work is.
func (e *mover) seen(ctx context.Context, w *moving, p cloud.Progress) error {
	first := !w.begun
	w.begun, w.removed = true, false
	if p.ID == "" {
		p.ID = w.progress.ID
	}
	w.progress = p
	if first && !p.Done {
		if err := e.record(ctx, w, PhaseResult, p.State, nil); err != nil {
			return err
		}
	}
	switch {
	case p.Failed != "":
		failed := &MoveError{What: w.What(), ID: p.ID, Text: p.Failed}
		if err := e.record(ctx, w, PhaseNote, p.Failed, nil); err != nil {
			return err
		}
		return failed
	case p.Done:
		w.done = true
		return e.record(ctx, w, PhaseReadBack, p.State, nil)
	}
	e.say(w, e.howFar(w))
	return nil
}

// howFar is the progress in words: AWS's state, percent, the time it took and the time it
// is likely to take.
func (e *mover) howFar(w *moving) string {
	p := &w.progress
	text := orNothing(p.State)
	if p.FullCopy {
		text += ", all of the data is copied because the key changes"
	}
	if p.Percent < 0 {
		return text
	}
	text += fmt.Sprintf(", %d %%", p.Percent)
	if begun := e.now().Sub(w.since); p.Percent > 0 && p.Percent < 100 && begun > time.Minute {
		text += fmt.Sprintf(", about %s left", (begun * time.Duration(100-p.Percent) / time.Duration(p.Percent)).Round(time.Minute))
	}
	return text
}

// say reports a change of state, once.
func (e *mover) say(w *moving, text string) {
	if w.told != text {
		w.told = text
		e.tell(w, PhaseWait, text)
	}
}

// missing bears with what AWS does not show yet. See
// https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html.
func (e *mover) missing(w *moving) error {
	w.misses++
	if w.misses > missesBorne {
		return &MoveError{What: w.What(), ID: w.progress.ID, Text: "AWS shows it no more: it is gone"}
	}
	e.say(w, "AWS does not show it yet")
	return nil
}

// missesBorne is how often something that was begun may not be seen.
const missesBorne = 8

// bear decides about a failed call: it is made again when the failure passes, or when
// what was written just before may not have spread; else it is the step's failure.
func (e *mover) bear(ctx context.Context, w *moving, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	kind := cloud.KindOf(err)
	if kind == cloud.Expired || kind == cloud.Credentials {
		return err
	}
	if (cloud.Passes(err) || kind == cloud.Lost) && w.attempts < attemptsBorne(kind) {
		w.attempts++
		e.say(w, fmt.Sprintf("AWS: %s; trying again (%d)", kind, w.attempts))
		return nil
	}
	return &MoveError{What: w.What(), Err: err}
}

// attemptsBorne is how often a call is made that fails in one way.
func attemptsBorne(kind cloud.Kind) int {
	switch kind {
	case cloud.NotFound, cloud.State, cloud.UnknownPrincipal:
		return 6 // about two minutes: it may not be seen yet
	}
	return busyCalls
}

// sweep removes what work made, the last first.
func (e *mover) sweep(ctx context.Context, which func(*moving) bool) error {
	for i := len(e.works) - 1; i >= 0; i-- {
		w := &e.works[i]
		if w.Watch || w.removed || !which(w) || !w.begun && w.since.IsZero() {
			continue
		}
		if err := e.remove(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (e *mover) remove(ctx context.Context, w *moving) error {
	if err := e.record(ctx, w, PhaseIntent, "removing", nil); err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		call, release := graceful(ctx)
		err := e.m.Remove(call, e.task(w))
		release()
		if err == nil {
			w.removed = true
			return e.record(ctx, w, PhaseResult, removedText, nil)
		}
		kind := cloud.KindOf(err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if attempt >= attemptsBorne(kind) || !cloud.Passes(err) && kind != cloud.Lost {
			return &MoveError{What: "removing what " + w.What() + " made", ID: w.progress.ID, Err: err}
		}
		e.say(w, fmt.Sprintf("removing: %s; trying again", kind))
		if err := e.o.Clock.Sleep(ctx, min(firstPoll<<attempt, e.o.Poll)); err != nil {
			return err
		}
	}
}
