package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/run"
)

// clockText is a time as people read it.
func clockText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// sayPlan prints a plan that is about to be performed.
func (r *planReport) sayPlan(w io.Writer, head string) error {
	p := &planPrinter{printer: printer{w: w}, report: r}
	p.requests()
	for _, t := range turnsOf(r.plan) {
		if r.shows(t.account) {
			p.turn(&t)
		}
	}
	if r.plan.Kind != string(run.KindUndo) {
		p.order()
	}
	if !r.part().Empty() {
		p.opens()
		p.asked()
	}
	p.stuck()
	p.notes()
	p.section("%s", head)
	return p.err
}

// events prints what a run reports, a line for each change of state.
type events struct {
	talk printer
	// moves is set for the work of a route, whose slots are named otherwise.
	moves bool
	kind  run.Kind
	last  string
}

func (v *events) report(e run.Event) {
	text := planEvent(&e, verbOf(v.kind))
	if v.moves {
		text = moveEvent(&e)
	}
	if text == "" {
		return
	}
	if e.Step > 0 {
		text = fmt.Sprintf("%d/%d %s", e.Step, e.Of, text)
	}
	if text == v.last {
		return
	}
	v.last = text
	if e.Phase == run.PhaseWait && e.Elapsed >= time.Second {
		text += fmt.Sprintf(" (%s so far)", e.Elapsed.Round(time.Second))
	}
	v.talk.line(0, 4, "%s", text)
}

// planEvent is what happens to a step of a plan; writing is the word for it.
func planEvent(e *run.Event, writing string) string {
	what := slotText(e.Slot)
	switch e.Phase {
	case run.PhaseIntent:
		return fmt.Sprintf("account %s: %s %s", e.Slot.Account, writing, what)
	case run.PhaseResult:
		return strings.TrimSuffix("written; "+e.Text, "; ")
	case run.PhaseReadBack:
		return "read back: AWS holds what was written"
	case run.PhaseSkip:
		return fmt.Sprintf("account %s: %s is %s", e.Slot.Account, what, e.Text)
	case run.PhaseLeft:
		return fmt.Sprintf("%s stays: %s", what, e.Text)
	case run.PhaseWait, run.PhaseNote:
		return e.Text
	}
	return ""
}

// verbOf is the word for what a run of a kind does to a thing.
func verbOf(k run.Kind) string {
	if k == run.KindUndo {
		return "putting back"
	}
	return "writing"
}

// slotText is what an op changes, as people name it.
func slotText(s estate.Slot) string {
	switch s.Kind {
	case "key-policy":
		return "the policy of " + newKeyName(s.Subject)
	case "key":
		return newKeyName(s.Subject)
	case "key-state":
		return "the state of " + newKeyName(s.Subject)
	case "rotation":
		return "the rotation of " + newKeyName(s.Subject)
	case "alias":
		return s.Subject + orEmptyIn(s.Region)
	case "grant":
		return "the grant " + s.Part + " on " + newKeyName(s.Subject)
	case "inline-policy":
		return "the inline policy " + s.Part + " of " + s.Subject
	case "role", "linked-role":
		return "the role " + s.Subject
	case "ebs-encryption":
		return "the default encryption of volumes" + orEmptyIn(s.Region)
	case "replication-encryption":
		return "the encryption of " + s.Subject + orEmptyIn(s.Region)
	case "vault-policy":
		return "the policy of the vault " + s.Subject + orEmptyIn(s.Region)
	case "bucket":
		return "the bucket " + s.Subject
	case "bucket-setting":
		return s.Part + " of the bucket " + s.Subject
	case "share":
		return "that " + s.Subject + " is shared with " + s.Part
	}
	return "the " + s.String()
}

// moveEvent is what happens to a piece of work on data.
func moveEvent(e *run.Event) string {
	switch e.Phase {
	case run.PhaseIntent:
		if e.Text == "removing" {
			return fmt.Sprintf("%s: removing %s", e.Slot.Kind, e.Slot.Subject)
		}
		return fmt.Sprintf("%s %s in account %s%s", workText(e.Slot.Kind, e.Text), e.Slot.Subject, e.Slot.Account, orEmptyIn(e.Slot.Region))
	case run.PhaseReadBack:
		return fmt.Sprintf("%s: done (%s)", e.Slot.Kind, orDash(e.Text))
	case run.PhaseResult, run.PhaseWait, run.PhaseNote:
		return e.Slot.Kind + ": " + orDash(e.Text)
	}
	return ""
}

// workText is a piece of work with its operation, which is its only name before the route
// begins.
func workText(what, operation string) string {
	if what == operation {
		return operation
	}
	return what + ": " + operation
}

func orEmptyIn(region string) string {
	if region == "" {
		return ""
	}
	return in(region)
}

// tellLeft lists what AWS does not take back, with its time.
func (p *printer) tellLeft(left []run.Left) {
	for i := range left {
		l := &left[i]
		text := fmt.Sprintf("left in account %s%s: %s: %s", l.Slot.Account, orEmptyIn(l.Slot.Region), slotText(l.Slot), l.Why)
		switch {
		case !l.Until.IsZero():
			text += ", " + clockText(l.Until)
		case l.Slot.Kind == "key":
			text += " (aws kms describe-key says when that is)"
		}
		p.line(0, 2, "%s", text)
	}
}

// outcome is how many steps ended how.
type outcome struct{ written, same, left int }

func outcomeOf(r *run.Run) outcome {
	var o outcome
	written := map[int]bool{}
	for i := range r.Records {
		switch rec := &r.Records[i]; rec.Phase {
		case run.PhaseResult:
			written[rec.Step] = true
		case run.PhaseSkip:
			o.same++
		case run.PhaseLeft:
			o.left++
		}
	}
	o.written = len(written)
	return o
}

func (o outcome) String() string {
	text := count(o.written, "change") + " written and read back"
	if o.written == 0 {
		text = "nothing had to be written"
	}
	if o.same > 0 {
		text += fmt.Sprintf(", %d already so", o.same)
	}
	if o.left > 0 {
		text += fmt.Sprintf(", %d left", o.left)
	}
	return text
}

// takenBack is what undoing a run writes, as far as the journal tells: for each slot that
// was or may have been written, what was there before.
func takenBack(r *run.Run) *plan.Plan {
	p := &plan.Plan{FormatVersion: plan.FormatVersion, Kind: string(run.KindUndo), Change: r.Change, Routes: r.Routes}
	if r.Plan == nil {
		return p
	}
	for i := len(r.Plan.Steps) - 1; i >= 0; i-- {
		before, after := writtenAt(r, i)
		if before != nil {
			p.Steps = append(p.Steps, plan.Step{Op: before, Was: after, Why: "takes back: " + r.Plan.Steps[i].Why, Routes: r.Plan.Steps[i].Routes})
		}
	}
	return p
}

// writtenAt is what a step of a run found and what it left; nothing when it wrote
// nothing.
func writtenAt(r *run.Run, step int) (before, after estate.Op) {
	var found, sent, wrote estate.Op
	for i := range r.Records {
		rec := &r.Records[i]
		switch {
		case rec.Step != step:
		case rec.Phase == run.PhaseIntent:
			found, sent = rec.Before, rec.After
		case rec.Phase == run.PhaseResult:
			wrote = rec.After
		case rec.Phase == run.PhaseNote && rec.Kind != "" && !unanswered(rec.Kind):
			sent = nil
		}
	}
	switch {
	case wrote != nil:
		return found, wrote
	case sent != nil:
		return found, sent
	}
	return nil, nil
}
