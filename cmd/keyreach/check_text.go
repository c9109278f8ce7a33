package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

func (r *report) text(w io.Writer) error {
	p := &checkPrinter{printer: printer{w: w}, report: r}
	for i := range r.proofs {
		if i > 0 {
			p.blank()
		}
		p.route(&r.file.Routes[r.chosen[i]], &r.proofs[i])
	}
	p.findings("In the policies of the estate", r.findings)
	p.blank()
	p.summary()
	return p.err
}

// checkPrinter prints a report for people.
type checkPrinter struct {
	printer
	report *report
}

// account is an account by number and the name that the file gives it.
func (p *checkPrinter) account(id string) string {
	for name, a := range p.report.file.Accounts {
		if a.ID == id {
			return fmt.Sprintf("%s (%s)", id, name)
		}
	}
	return id
}

func (p *checkPrinter) route(r *route.Route, proof *route.Proof) {
	p.line(0, 0, "%s: %s", proof.Route, strings.ToUpper(proof.Verdict.String()))
	p.line(2, 0, "%s", r.Kind.About)
	p.blank()
	for i := range proof.Steps {
		s := &proof.Steps[i]
		p.line(2, 0, "%-8s %s", s.Verdict, stepLine(s))
	}
	for i := range proof.Steps {
		p.step(&proof.Steps[i], i+1)
	}
	if !proof.ValidUntil.IsZero() {
		p.blank()
		p.line(0, 0, "Valid until %s: %s", proof.ValidUntil.Format("2006-01-02 15:04 MST"), proof.ValidWhy)
	}
	p.findings("Findings", p.unsaid(proof))
}

func stepLine(s *route.StepProof) string {
	return fmt.Sprintf("%-10s %s", s.Name, s.About)
}

// step says what keeps a step from being proven.
func (p *checkPrinter) step(s *route.StepProof, number int) {
	if s.Verdict == route.Proven {
		return
	}
	p.blank()
	p.line(0, 0, "%d. %s: %s, by account %s in %s", number, s.Name, strings.ToUpper(s.Verdict.String()), p.account(s.Account), s.Region)
	for _, c := range s.Preconditions {
		p.precondition(&c)
	}
	for _, g := range route.Groups(s.Requests) {
		if g.Verdict != route.Proven {
			p.group(&g)
		}
	}
}

func (p *checkPrinter) precondition(c *route.Precondition) {
	if c.Verdict == route.Proven {
		return
	}
	what := "not met"
	if c.Verdict == route.OpenIf {
		what = "open if"
	}
	p.line(3, len(what)+2, "%s: %s%s", what, c.Text, tag(c.Rule))
	p.line(5, 0, "found: %s", c.Found)
	if c.Settle != "" {
		p.line(5, 0, "to settle it: %s", c.Settle)
	}
	if c.Confidence == usage.Inferred {
		p.line(5, 0, "inferred from %s", c.Source)
	}
}

func tag(rule string) string {
	if rule == "" {
		return ""
	}
	return " [" + rule + "]"
}

// group says who lacks what on which key, and everything that stands against
// it.
func (p *checkPrinter) group(g *route.Group) {
	u := &g.Use
	p.line(3, 2, "- %s", p.lacks(g))
	p.line(5, 0, "why it is needed: %s%s (%s, %s)", u.About, via(u, g.Key), u.Need, sureness(u))
	for _, r := range reasonsOf(g) {
		p.put(5, r.lead, r.text)
	}
	if u.Failure.Text != "" && g.Verdict == route.Blocked {
		p.line(5, 0, "how it shows: %s%s", prefixed(u.Failure.Code), u.Failure.Text)
	}
}

func prefixed(code string) string {
	if code == "" {
		return ""
	}
	return code + ", "
}

func (p *checkPrinter) lacks(g *route.Group) string {
	who := principalName(g.Caller)
	key := "key " + g.Key
	switch g.Verdict {
	case route.OpenIf:
		return fmt.Sprintf("%s may lack %s on %s", who, g.Use.Asks(), key)
	case route.Fragile:
		return fmt.Sprintf("%s lacks %s on %s; AWS asks for it, and was recorded to work without, or nobody recorded either", who, g.Use.Asks(), key)
	}
	return fmt.Sprintf("%s lacks %s on %s", who, g.Use.Asks(), key)
}

// principalName is the part of a principal's ARN that people know it by, and
// its account.
func principalName(s string) string {
	a, err := arn.Parse(s)
	if err != nil {
		return s
	}
	return fmt.Sprintf("%s of %s", a.Resource, a.Account)
}

func via(u *usage.Use, key string) string {
	a, err := arn.Parse(key)
	if u.Via == "" || err != nil {
		return ""
	}
	return ", through " + usage.ViaService(u.Via, a.Region)
}

func sureness(u *usage.Use) string {
	switch {
	case u.Confidence == usage.Recorded:
		return "recorded from AWS; " + u.Source
	case u.Confidence == usage.Inferred:
		return "inferred: " + u.From + "; " + u.Source
	case u.From != "":
		return "documented: " + u.Source + "; " + u.From
	}
	return "documented: " + u.Source
}

// reason is one line below a request.
type reason struct {
	lead int
	text string
}

// reasonsOf gathers what the requests of a group have against them, each thing
// once.
func reasonsOf(g *route.Group) []reason {
	var rs []reason
	add := func(lead int, s string) {
		if !slices.ContainsFunc(rs, func(r reason) bool { return r.text == s }) {
			rs = append(rs, reason{lead, s})
		}
	}
	for i := range g.Requests {
		if g.Requests[i].Verdict != route.Proven {
			reasons(&g.Requests[i].Decision, add)
		}
	}
	return rs
}

// reasons says everything that a decision rests on.
func reasons(d *access.Decision, add func(lead int, s string)) {
	for i := range d.Blockers {
		b := &d.Blockers[i]
		head := fmt.Sprintf("%s: ", b.Layer)
		add(len(head), head+b.Text+at(b.Position)+changedBy(b))
	}
	for i := range d.Unknown {
		u := &d.Unknown[i]
		add(9, "open if: "+u.Text+"; to settle it: "+cmp.Or(u.Settle, "ask the owner"))
	}
	for i := range d.NearMisses {
		e := &d.NearMisses[i]
		if e.Effect == "Allow" {
			add(6, "near: "+e.String()+at(e.Position))
		}
	}
}

func changedBy(b *access.Blocker) string {
	switch {
	case b.Owner == "":
		return ""
	case b.Layer == access.SCP, b.Layer == access.RCP:
		return "; only the organization of account " + b.Owner + " can change it"
	case b.Layer == access.Operation:
		return ""
	}
	return "; account " + b.Owner + " can change it"
}

func at(p finding.Position) string {
	if s := p.String(); s != "" {
		return " (" + s + ")"
	}
	return ""
}

// unsaid returns the findings that the steps have not said already.
func (p *checkPrinter) unsaid(proof *route.Proof) []finding.Finding {
	var fs []finding.Finding
	for _, f := range proof.Findings {
		if f.Position.Line > 0 || !proof.Says(f.Rule) {
			fs = append(fs, f)
		}
	}
	return fs
}

func (p *checkPrinter) findings(title string, fs []finding.Finding) {
	if len(fs) == 0 {
		return
	}
	p.blank()
	p.line(0, 0, "%s", title)
	for i := range fs {
		f := &fs[i]
		p.line(2, 9, "%-8s %s %s%s", f.Severity, f.Rule, f.Text, at(f.Position))
		if f.Subject != "" {
			p.line(11, 4, "in: %s", f.Subject)
		}
		if f.Fix != "" {
			p.line(11, 5, "fix: %s", f.Fix)
		}
	}
}

func (p *checkPrinter) summary() {
	count := map[route.Verdict]int{}
	for i := range p.report.proofs {
		count[p.report.proofs[i].Verdict]++
	}
	var parts []string
	for _, v := range []route.Verdict{route.Blocked, route.OpenIf, route.Fragile, route.Proven} {
		if n := count[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	p.line(0, 0, "%d %s: %s, on the estate %s", len(p.report.proofs), plural(len(p.report.proofs), "route"), strings.Join(parts, ", "), p.report.estateAt)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
