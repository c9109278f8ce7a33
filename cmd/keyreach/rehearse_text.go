package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

// head begins a part of the rehearsal.
func (h *rehearsal) head(format string, args ...any) {
	if h.acted++; h.acted > 1 {
		h.talk.blank()
	}
	h.talk.line(0, 3, "%d. %s", h.acted, fmt.Sprintf(format, args...))
}

func (h *rehearsal) tellBefore() {
	h.head("A twin of the estate stands: accounts %s. Nothing of it is on AWS.", strings.Join(h.accounts(), ", "))
	h.head("What works now")
	for i := range h.before {
		p := &h.before[i]
		h.talk.line(3, 0, "%s: %s", p.Route, strings.ToUpper(p.Verdict.String()))
		for j := range p.Steps {
			s := &p.Steps[j]
			h.talk.line(5, 10, "%-8s  %s", s.Verdict, stepName(s))
		}
	}
}

func (h *rehearsal) accounts() []string {
	var ids []string
	for i := range h.routes {
		for _, parties := range h.routes[i].Parties {
			for _, p := range parties {
				ids = append(ids, p.Account)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (h *rehearsal) tellPlan() {
	switch {
	case h.plan.Empty() && len(h.plan.Stuck) == 0:
		h.head("The plan: there is nothing to change")
		return
	case h.plan.Empty():
		h.head("The plan: no change of permissions opens the rest")
	default:
		h.head("The plan: %s in %s", count(len(h.plan.Steps), "change"), count(len(h.plan.Accounts()), "account"))
	}
	p := planPrinter{printer: printer{w: h.talk.w}, report: &planReport{plan: h.plan}}
	for i := range h.plan.Steps {
		h.talk.blank()
		p.step(i+1, &h.plan.Steps[i])
	}
	if !h.plan.Empty() {
		p.began = true
		p.opens()
		p.asked()
	}
	h.talk.err = errors.Join(h.talk.err, p.err)
	for i := range h.plan.Stuck {
		h.tellStuck(&h.plan.Stuck[i])
	}
}

func (h *rehearsal) tellStuck(x *plan.Stuck) {
	h.talk.line(3, 0, "%s, %s: %s", x.Route, x.Step, x.What)
	h.talk.line(5, 5, "why: %s", x.Why)
	h.talk.line(5, 5, "who: %s", x.Owner)
	h.talk.line(5, 6, "what: %s", x.Do)
	h.talk.line(5, 7, "proof: %s", x.Proof)
}

func (h *rehearsal) tellApply() {
	h.head("The plan is applied to the twin, each change written, read back and kept in a journal")
}

func (h *rehearsal) tellDrill(r *route.Route) {
	h.head("The recovery drill of %s, by the actors of the route with the SDK", r.Name)
}

// tellMove tells what happens in a drill: each piece of work with its states, once.
func (h *rehearsal) tellMove(e run.Event) {
	text := e.Text
	if e.Step == 0 {
		return // of no piece of work
	}
	switch e.Phase {
	case run.PhaseIntent:
		if text != e.Slot.Part {
			return // a removal, which is told when it is done
		}
		text += " " + orDash(e.Slot.Subject)
	case run.PhaseReadBack:
		text = cmp.Or(text, "done") + ": done"
	}
	if text == "" || h.told == fmt.Sprint(e.Step, text) {
		return
	}
	h.told = fmt.Sprint(e.Step, text)
	label := fmt.Sprintf("%d/%d %s: ", e.Step, e.Of, e.Slot.Kind)
	h.talk.line(3, len(label), "%s%s", label, text)
}

func orDash(text string) string { return cmp.Or(text, "-") }

func (h *rehearsal) tellClose(p *plan.Plan) {
	h.head("%s closes again: %s", p.Routes[0], count(len(p.Steps), "change"))
	for i := range p.Steps {
		h.talk.line(3, 0, "account %s: %s", p.Steps[i].Op.Slot().Account, p.Steps[i].Op.Slot())
	}
	for _, n := range p.Notes {
		h.talk.line(3, 0, "%s", n)
	}
}

// stepRow is a step of a route as the table at the end has it.
type stepRow struct {
	Route  string `json:"route"`
	Step   string `json:"step"`
	Before string `json:"before"`
	After  string `json:"after"`
	Proven string `json:"proven"`
	Closed string `json:"closed,omitempty"`
}

// rows are all steps of all routes.
func (h *rehearsal) rows() []stepRow {
	var rows []stepRow
	for i := range h.before {
		for j := range h.before[i].Steps {
			s := &h.before[i].Steps[j]
			row := stepRow{Route: h.before[i].Route, Step: stepName(s), Before: s.Verdict.String(), After: "-", Proven: "-"}
			if a := sameStep(h.after, i, j); a != nil {
				row.After = a.Verdict.String()
				row.Proven = h.how(row.Route, a)
			}
			if c := sameStep(h.closed, i, j); c != nil {
				row.Closed = c.Verdict.String()
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// sameStep is the step in another proof of the same route: a route's steps do not change.
func sameStep(proofs []route.Proof, i, j int) *route.StepProof {
	if i < len(proofs) && j < len(proofs[i].Steps) {
		return &proofs[i].Steps[j]
	}
	return nil
}

// how says how a step is proven: performed, or by the policies alone.
func (h *rehearsal) how(name string, s *route.StepProof) string {
	d := h.drills[name]
	if d == nil || d.run == nil {
		return "by the policies"
	}
	for i := range d.moves {
		m := &d.moves[i]
		if !slices.Contains(m.Steps, s.Name) || m.For != s.For {
			continue
		}
		switch done, failed := d.ended(i); {
		case failed != "":
			return "FAILED: " + m.Task.Operation
		case done:
			return "performed: " + m.Task.Operation
		}
		return "not reached"
	}
	return "by the policies"
}

// ended says how a move of a drill ended, from the journal.
func (d *drill) ended(move int) (done bool, failed string) {
	for i := range d.run.Records {
		r := &d.run.Records[i]
		if r.Step != move {
			continue
		}
		switch r.Phase {
		case run.PhaseReadBack:
			done = true
		case run.PhaseNote:
			failed = cmp.Or(r.Error, r.Text)
		}
	}
	if done {
		failed = ""
	}
	return done, failed
}

// tell prints the table, and says by the exit code whether the recovery works.
func (h *rehearsal) tell() error {
	if h.o.format != textFormat {
		if err := h.s.output("", func(w io.Writer) error { return h.o.format.writeData(w, h.view()) }); err != nil {
			return failure(err)
		}
	} else {
		h.table()
	}
	if h.talk.err != nil {
		return failure(h.talk.err)
	}
	if !h.works() {
		return blocked()
	}
	return nil
}

// rehearsalView is what came out, as data.
type rehearsalView struct {
	FormatVersion int          `json:"format_version"`
	Works         bool         `json:"works"`
	Seconds       float64      `json:"seconds"`
	Changes       int          `json:"changes"`
	Steps         []stepRow    `json:"steps"`
	Stuck         []plan.Stuck `json:"stuck,omitempty"`
	Left          []string     `json:"left,omitempty"`
}

func (h *rehearsal) view() rehearsalView {
	return rehearsalView{
		FormatVersion: 1, Works: h.works(), Seconds: h.took.Seconds(), Changes: len(h.plan.Steps), Steps: orEmpty(h.rows()), Stuck: h.plan.Stuck, Left: h.left(),
	}
}

// left is what the drills left behind.
func (h *rehearsal) left() []string {
	var list []string
	for i := range h.routes {
		if d := h.drills[h.routes[i].Name]; d != nil && d.run != nil {
			for _, l := range d.run.Left {
				list = append(list, l.Why)
			}
		}
	}
	return list
}

func (h *rehearsal) table() {
	rows := h.rows()
	heads := []string{"route", "step", "before", "after", "proven"}
	if h.closed != nil {
		heads = []string{"route", "step", "before", "after", "closed", "proven"}
	}
	cells := [][]string{heads}
	for _, r := range rows {
		line := []string{r.Route, r.Step, r.Before, r.After, r.Proven}
		if h.closed != nil {
			line = []string{r.Route, r.Step, r.Before, r.After, r.Closed, r.Proven}
		}
		cells = append(cells, line)
	}
	h.talk.blank()
	h.talk.columns(cells)
	h.talk.blank()
	for i := range h.routes {
		name := h.routes[i].Name
		switch d := h.drills[name]; {
		case h.stuck(name):
			h.talk.line(0, 0, "%s STAYS BLOCKED: the plan above says who has to do what.", name)
		case d == nil || d.unable != nil:
			h.talk.line(0, 0, "%s was not performed: %v", name, d.unable)
		case d.failed != nil:
			h.talk.line(0, 0, "%s FAILS: %v", name, d.failed)
		default:
			h.talk.line(0, 0, "%s WORKS: it was performed to its end on the twin, and what was started is ended.", name)
		}
	}
	for _, l := range h.left() {
		h.talk.line(0, 0, "left on the twin, which is gone with it: %s", l)
	}
	h.talk.line(0, 0, "It took %.1f s. Nothing was written to AWS.", h.took.Seconds())
}
