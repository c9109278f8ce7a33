package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// How a route run waits.
const (
	// DefaultPoll is the longest pause between two looks at what AWS does.
	DefaultPoll = 30 * time.Second
	firstPoll   = 2 * time.Second
	// DefaultLimit is how long one piece of work may take. A copy under another key copies
	// all of the data, which takes hours for terabytes.
	DefaultLimit = 24 * time.Hour
)

// MoveOptions say how the work on data goes on.
type MoveOptions struct {
	Options
	// Keep leaves what is only on the way.
	Keep bool
	// Poll and Limit are DefaultPoll and DefaultLimit when 0.
	Poll, Limit time.Duration
}

func (o *MoveOptions) fill() {
	o.Options.fill()
	if o.Poll == 0 {
		o.Poll = DefaultPoll
	}
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
}

// MoveError says that AWS ended a piece of work without success.
type MoveError struct {
	What string // the step
	ID   string // of what was made, if anything
	Text string // AWS's
	Err  error  // of a call
}

func (e *MoveError) Error() string {
	text := e.What + " failed"
	if e.ID != "" {
		text += " (" + e.ID + ")"
	}
	if e.Text != "" {
		return text + ": " + e.Text
	}
	return text + ": " + e.Err.Error()
}

func (e *MoveError) Unwrap() error { return e.Err }

// SlowError says that AWS has not come to an end within the limit. The run can be
// resumed.
type SlowError struct {
	What  string
	Limit time.Duration
	State string
}

func (e *SlowError) Error() string {
	return fmt.Sprintf("%s has not ended after %s; AWS says %s", e.What, e.Limit, orNothing(e.State))
}

func orNothing(state string) string {
	if state == "" {
		return "nothing"
	}
	return state
}

// Perform does the work of a route (see Moves). Each piece is looked for before it is
// begun, so that what is there under its name is taken over; independent pieces run
// beside each other on AWS. When all is done, what was only on the way is removed. When
// something fails, the run is returned with the error, and Left lists what remains.
func Perform(ctx context.Context, m Mover, j *Journal, moves []Move, routes []string, o MoveOptions) (*Run, error) {
	o.fill()
	return j.alone(&o.Options, func() (*Run, error) {
		e := newMoving(m, j, &Run{Kind: KindRoute, Routes: routes, Moves: moves, Started: o.Clock.Now().UTC(), Status: Running}, o)
		if err := e.identify(ctx); err != nil {
			return nil, err
		}
		if err := j.begin(context.WithoutCancel(ctx), e.run); err != nil {
			return nil, err
		}
		return e.perform(ctx)
	})
}

// Continue goes on with a route run from its journal.
func Continue(ctx context.Context, m Mover, j *Journal, id string, o MoveOptions) (*Run, error) {
	o.fill()
	return j.alone(&o.Options, func() (*Run, error) {
		r, err := j.Run(id)
		switch {
		case err != nil:
			return nil, err
		case r.Kind != KindRoute:
			return r, &StatusError{ID: r.ID, Status: r.Status, Why: "performs a plan"}
		case r.Status == Done:
			return r, nil
		case r.Status == Undone:
			return r, &StatusError{ID: r.ID, Status: r.Status, Why: "was cleaned up"}
		}
		e := newMoving(m, j, r, o)
		if err := e.identify(ctx); err != nil {
			return r, err
		}
		r.Status, r.Ended, r.Error = Running, time.Time{}, ""
		if err := j.set(context.WithoutCancel(ctx), r, ""); err != nil {
			return r, err
		}
		return e.perform(ctx)
	})
}

// Clean removes everything that a route run made.
func Clean(ctx context.Context, m Mover, j *Journal, id string, o MoveOptions) (*Run, error) {
	o.fill()
	return j.alone(&o.Options, func() (*Run, error) {
		r, err := j.Run(id)
		if err != nil {
			return nil, err
		}
		if r.Kind != KindRoute {
			return r, &StatusError{ID: r.ID, Status: r.Status, Why: "performs a plan"}
		}
		e := newMoving(m, j, r, o)
		if err := e.identify(ctx); err != nil {
			return r, err
		}
		err = e.sweep(ctx, func(*moving) bool { return true })
		if err == nil {
			r.Status = Undone
		}
		return e.end(ctx, err)
	})
}

// moving is one piece of work and how far it is.
type moving struct {
	*Move
	index            int
	progress         cloud.Progress
	begun, done      bool
	removed          bool
	since            time.Time // begun
	told             string
	misses, attempts int
}

// mover performs a route run.
type mover struct {
	m     Mover
	j     *Journal
	run   *Run
	o     MoveOptions
	works []moving
	began time.Time
	// callers is who the calls are made as, by account.
	callers map[string]string
}

// newMoving takes the work from the run and how far it is from its records.
func newMoving(m Mover, j *Journal, r *Run, o MoveOptions) *mover {
	e := &mover{m: m, j: j, run: r, o: o, began: o.Clock.Now()}
	for i := range r.Moves {
		e.works = append(e.works, moving{Move: &r.Moves[i], index: i})
	}
	for i := range r.Records {
		rec := &r.Records[i]
		if rec.Step < 0 || rec.Step >= len(e.works) {
			continue
		}
		e.works[rec.Step].take(rec)
	}
	return e
}

// take brings a piece of work to where a record says that it is.
func (w *moving) take(r *Record) {
	switch r.Phase {
	case PhaseIntent:
		if w.since.IsZero() {
			w.since = r.At
		}
	case PhaseResult, PhaseReadBack:
		if r.Text == removedText {
			w.removed = true
			return
		}
		w.begun, w.removed = true, false
		w.done = r.Phase == PhaseReadBack
		w.progress.Made = maps.Clone(r.Made)
		w.progress.ID = w.progress.Made["id"]
		delete(w.progress.Made, "id")
	}
}

// removedText is what a record of a removal says.
const removedText = "removed"

func (e *mover) now() time.Time { return e.o.Clock.Now().UTC() }

// identify asks who the calls are made as, in each account.
func (e *mover) identify(ctx context.Context) error {
	var accounts []string
	for i := range e.works {
		accounts = append(accounts, e.works[i].Task.Account)
	}
	slices.Sort(accounts)
	e.callers = map[string]string{}
	for _, account := range slices.Compact(accounts) {
		if err := e.caller(ctx, account); err != nil {
			return err
		}
	}
	return nil
}

// caller asks until AWS answers or has been busy for long.
func (e *mover) caller(ctx context.Context, account string) error {
	for attempt := 0; ; attempt++ {
		who, err := e.m.Caller(ctx, account)
		switch cloud.KindOf(err) {
		case cloud.Throttled, cloud.Unavailable, cloud.Lost:
		default:
			e.callers[account] = who
			return err
		}
		if attempt >= busyCalls {
			return err
		}
		if err := e.o.Clock.Sleep(ctx, min(firstPoll<<attempt, e.o.Poll)); err != nil {
			return err
		}
	}
}

// perform does what is not done, and then removes what was on the way.
func (e *mover) perform(ctx context.Context) (*Run, error) {
	for _, account := range slices.Sorted(maps.Keys(e.callers)) {
		note := Record{Run: e.run.ID, Step: -1, Phase: PhaseNote, At: e.now(), Text: "calls to account " + account + " are made as " + e.callers[account]}
		if err := e.j.add(context.WithoutCancel(ctx), &note); err != nil {
			return e.end(ctx, err)
		}
		e.run.Records = append(e.run.Records, note)
		e.o.After(note)
		e.o.Report(Event{Run: e.run.ID, Of: len(e.works), Phase: PhaseNote, Text: note.Text})
	}
	err := e.all(ctx)
	if err == nil && !e.o.Keep {
		err = e.sweep(ctx, func(w *moving) bool { return w.Passing })
	}
	if err == nil {
		e.run.Status = Done
	}
	return e.end(ctx, err)
}

// end writes how the run ended.
func (e *mover) end(ctx context.Context, failed error) (*Run, error) {
	ctx = context.WithoutCancel(ctx)
	r := e.run
	if r.Ended = e.now(); failed != nil {
		r.Status, r.Error = statusAfter(failed), failed.Error()
		var slow *SlowError
		if errors.As(failed, &slow) {
			r.Status = Stopped
		}
	}
	if err := e.j.set(ctx, r, ""); err != nil {
		return r, errors.Join(failed, err)
	}
	out, err := e.j.Run(r.ID)
	if err != nil {
		return r, errors.Join(failed, err)
	}
	return out, failed
}

// record writes a record of a piece of work.
func (e *mover) record(ctx context.Context, w *moving, phase Phase, text string, failed error) error {
	r := Record{Run: e.run.ID, Step: w.index, Phase: phase, At: e.now(), Slot: w.slot(), Text: text}
	if phase == PhaseResult || phase == PhaseReadBack {
		r.Made = maps.Clone(w.progress.Made)
		if r.Made == nil {
			r.Made = map[string]string{}
		}
		r.Made["id"] = w.progress.ID
	}
	if failed != nil {
		r.Error, r.Kind = failed.Error(), cloud.KindOf(failed)
	}
	if err := e.j.add(context.WithoutCancel(ctx), &r); err != nil {
		return err
	}
	e.run.Records = append(e.run.Records, r)
	e.o.After(r)
	e.tell(w, phase, text)
	return nil
}

func (w *moving) slot() estate.Slot {
	return estate.Slot{Kind: w.What(), Account: w.Task.Account, Region: w.Task.Region, Subject: w.Task.Name, Part: w.Task.Operation}
}

func (e *mover) tell(w *moving, phase Phase, text string) {
	e.o.Report(Event{Run: e.run.ID, Step: w.index + 1, Of: len(e.works), Slot: w.slot(), Phase: phase, Text: text, Elapsed: e.o.Clock.Now().Sub(e.began)})
}

// settleMoves fills Left with what a route run made and did not remove.
func (r *Run) settleMoves() {
	e := newMoving(nil, nil, r, MoveOptions{Options: Options{Clock: System()}})
	for i := range e.works {
		w := &e.works[i]
		switch {
		case w.removed || r.Status == Done && !w.Passing:
		case w.begun && w.progress.ID != "":
			r.Left = append(r.Left, Left{Slot: w.slot(), Why: w.progress.ID})
		case !w.begun && !w.since.IsZero() && !w.Watch:
			// What a call makes on the way, such as a launch template, may be there.
			r.Left = append(r.Left, Left{Slot: w.slot(), Why: "perhaps something of " + w.Task.Name + ": the call did not succeed"})
		}
	}
}
