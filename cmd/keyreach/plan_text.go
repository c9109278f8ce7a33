package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/plan"
)

// planReport is a plan with what is shown of it.
type planReport struct {
	plan     *plan.Plan
	names    map[string]string // of accounts, by number
	estateAt string            // empty for a saved plan
	out      string            // where the plan is saved; empty when it is not
	only     []string          // the accounts whose part is shown; all when empty
	partial  bool
}

// part is the part of the plan that is shown and saved.
func (r *planReport) part() *plan.Plan {
	part := *r.plan
	part.Steps = []plan.Step{}
	for i := range r.plan.Steps {
		if s := r.plan.Steps[i]; r.shows(s.Op.Slot().Account) {
			part.Steps = append(part.Steps, s)
		}
	}
	return &part
}

func (r *planReport) shows(account string) bool {
	return len(r.only) == 0 || slices.Contains(r.only, account)
}

// account is an account by number and name.
func (r *planReport) account(id string) string {
	if name := r.names[id]; name != "" {
		return id + " (" + name + ")"
	}
	return id
}

func (r *planReport) text(w io.Writer) error {
	p := &planPrinter{printer: printer{w: w}, report: r}
	p.requests()
	for _, t := range turnsOf(r.plan) {
		if r.shows(t.account) {
			p.turn(&t)
		}
	}
	p.order()
	if !r.part().Empty() {
		p.opens()
		p.asked()
	}
	p.stuck()
	p.notes()
	p.summary()
	return p.err
}

// requests says for which uses of keys the plan is, when no route declares them.
func (p *planPrinter) requests() {
	if len(p.report.plan.Requests) == 0 {
		return
	}
	p.section("For what no route declares, and nothing else:")
	for _, line := range requestLines(p.report.plan) {
		p.line(2, 2, "- %s", line)
	}
}

func requestLines(p *plan.Plan) []string {
	var list []string
	for i := range p.Requests {
		a := &p.Requests[i]
		line := a.Principal + " may do " + a.Action + " on " + a.Key
		if a.Via != "" {
			line += " through " + a.Via
		}
		list = append(list, line)
	}
	return list
}

// planPrinter prints a plan for people.
type planPrinter struct {
	printer
	report *planReport
	began  bool
}

// section begins a part of the text, an empty line below what is above it.
func (p *planPrinter) section(format string, args ...any) {
	if p.began {
		p.blank()
	}
	p.began = true
	p.line(0, 0, format, args...)
}

// turn prints the steps of an account.
func (p *planPrinter) turn(t *turn) {
	p.section("Account %s: %s", p.report.account(t.account), count(len(t.steps), "change"))
	for _, i := range t.steps {
		p.blank()
		p.step(i+1, &p.report.plan.Steps[i])
	}
}

func count(n int, word string) string { return fmt.Sprintf("%d %s", n, plural(n, word)) }

func (p *planPrinter) step(number int, s *plan.Step) {
	calls, on := callsOf(s)
	head := fmt.Sprintf("%d. ", number)
	p.line(0, len(head), "%s%s on %s", head, strings.Join(calls, ", "), on)
	p.line(3, 5, "why: %s", visible(s.Why))
	if len(s.Routes) > 0 {
		p.line(3, 5, "for: %s", strings.Join(s.Routes, ", "))
	}
	for _, c := range s.Changes() {
		p.change(&c)
	}
}

// change prints one difference. Its lines are kept as they are, to be compared with what
// a console shows.
func (p *planPrinter) change(c *plan.Change) {
	if len(c.Lines) == 1 {
		p.put(3, 2, c.Sign+" "+c.Name+valueOf(c.Lines[0]))
		return
	}
	p.verbatim(3, c.Sign+" "+c.Name)
	for _, l := range c.Lines {
		p.verbatim(5, l)
	}
}

// valueOf is the value in a line of a difference. That something is there is said by the
// sign alone.
func valueOf(line string) string {
	value := line[min(2, len(line)):]
	if value == "there" || value == "" {
		return ""
	}
	return ": " + value
}

// verbatim prints a line without wrapping it.
func (p *printer) verbatim(indent int, s string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.TrimRight(strings.Repeat(" ", indent)+visible(s), " "))
	}
}

// order says which accounts go when, where there are several.
func (p *planPrinter) order() {
	turns := turnsOf(p.report.plan)
	if len(turns) < 2 {
		return
	}
	if len(p.report.only) > 0 {
		p.section("This is a part of the plan. Each account applies its own, in this order:")
	} else {
		p.section("Each account can apply its own part (--account), in this order:")
	}
	for i := range turns {
		here := ""
		if len(p.report.only) > 0 && p.report.shows(turns[i].account) {
			here = ", shown here"
		}
		p.line(2, 3, "%d. account %s: %s%s", i+1, p.report.account(turns[i].account), turns[i].numbers(), here)
	}
}

// asked says what AWS may do without.
func (p *planPrinter) asked() {
	rights, order := askedRights(p.report.plan.Asked)
	if len(order) == 0 {
		return
	}
	p.section("AWS's documentation asks for these; it was recorded to work without. --tight leaves them out:")
	for _, rest := range order {
		p.line(2, 2, "- %s %s", strings.Join(rights[rest], ", "), rest)
	}
}

// askedRights puts together the actions that are asked for on one key for one principal.
func askedRights(asked []string) (rights map[string][]string, order []string) {
	rights = map[string][]string{}
	for _, a := range asked {
		action, rest, _ := strings.Cut(a, " ")
		if rights[rest] == nil {
			order = append(order, rest)
		}
		rights[rest] = append(rights[rest], action)
	}
	return rights, order
}

// stuck prints what others have to do, each as the letter to them.
func (p *planPrinter) stuck() {
	list := p.report.plan.Stuck
	if len(list) == 0 {
		return
	}
	p.section("No change of this plan opens the following. Each is a message that can be sent as it stands:")
	for i := range list {
		p.blank()
		p.line(2, 0, "%s, step %s: for %s", list[i].Route, list[i].Step, p.owner(list[i].Owner))
		p.blank()
		for l := range strings.Lines(strings.TrimSpace(list[i].Message)) {
			p.put(4, 0, strings.TrimSpace(l))
		}
	}
}

// owner is who has to do something, with the name of the account.
func (p *planPrinter) owner(text string) string {
	if id, ok := strings.CutPrefix(text, "account "); ok {
		return "account " + p.report.account(id)
	}
	return text
}

func (p *planPrinter) notes() {
	if len(p.report.plan.Notes) == 0 {
		return
	}
	p.section("To be known:")
	for _, n := range p.report.plan.Notes {
		p.line(2, 2, "- %s", anyName(n))
	}
}

// summary is what a person reads first, at the end.
func (p *planPrinter) summary() {
	part := p.report.part()
	text := p.report.amount()
	if n := len(stuckRoutes(p.report.plan)); n > 0 {
		text += fmt.Sprintf("; %s %s blocked", count(n, "route"), pick(n == 1, "stays", "stay"))
		if !p.report.partial && p.report.estateAt != "" {
			text += ", and no change is made for " + pick(n == 1, "it", "them") + " (--partial plans what can be opened)"
		}
	}
	switch {
	case part.Empty():
	case p.report.out != "":
		text += "; nothing is written to AWS yet: keyreach apply " + p.report.out
	default:
		text += "; nothing is written to AWS: save the plan with --out plan.json, then keyreach apply plan.json"
	}
	p.section("%s", text)
}

// amount says how much there is to do.
func (r *planReport) amount() string {
	part := r.part()
	switch accounts := len(part.Accounts()); {
	case !part.Empty():
		return count(len(part.Steps), "change") + " in " + count(accounts, "account")
	case !r.plan.Empty():
		return "Nothing to do in account " + strings.Join(r.only, ", ")
	case len(r.plan.Stuck) > 0:
		return "Nothing to do here"
	case r.plan.Kind == "revoke":
		return "Nothing to do: nothing is there that was made for " + strings.Join(r.plan.Routes, ", ")
	case len(r.plan.Notes) > 0:
		return "Nothing to do: nothing that a change can open is closed for " + strings.Join(r.plan.Routes, ", ") + r.onEstate()
	}
	return "Nothing to do: every right that " + strings.Join(r.plan.Routes, ", ") + pick(len(r.plan.Routes) == 1, " needs", " need") + " is there" + r.onEstate()
}

// onEstate says on which estate it is so, when that is known.
func (r *planReport) onEstate() string {
	if r.estateAt == "" {
		return ""
	}
	return ", on the estate " + r.estateAt
}

// stuckRoutes are the routes that stay blocked.
func stuckRoutes(p *plan.Plan) []string {
	var names []string
	for i := range p.Stuck {
		names = append(names, p.Stuck[i].Route)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
