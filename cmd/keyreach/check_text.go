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
		p.probes(i)
	}
	p.findings("In the policies of", r.findings)
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
	if name := namesIn(p.report.file)[id]; name != "" {
		return fmt.Sprintf("%s (%s)", id, name)
	}
	return id
}

func (p *checkPrinter) route(r *route.Route, proof *route.Proof) {
	p.line(0, 0, "%s: %s", proof.Route, strings.ToUpper(proof.Verdict.String()))
	p.line(2, 0, "%s", r.Kind.About)
	p.blank()
	width := len("replicate ")
	for i := range proof.Steps {
		width = max(width, len(stepName(&proof.Steps[i])))
	}
	for i := range proof.Steps {
		s := &proof.Steps[i]
		p.line(2, 13+width, "%d. %-8s %-*s %s", i+1, s.Verdict, width, stepName(s), s.About)
	}
	for i := range proof.Steps {
		p.step(&proof.Steps[i], i+1)
	}
	p.inferred(proof)
	if !proof.ValidUntil.IsZero() {
		p.blank()
		p.line(0, 0, "Valid until %s: %s", proof.ValidUntil.Format("2006-01-02 15:04 MST"), proof.ValidWhy)
	}
	p.findings("Findings about", p.unsaid(proof))
}

// inferred says what a route that is not blocked takes for true although AWS
// neither documents it nor was recorded to do it.
func (p *checkPrinter) inferred(proof *route.Proof) {
	all := proof.Inferred()
	if proof.Verdict == route.Blocked || len(all) == 0 {
		return
	}
	p.blank()
	p.line(0, 0, "Inferred, as nobody recorded just this and no page says it:")
	for _, in := range all {
		p.line(2, 2, "- %s: %s", strings.Join(in.Steps, ", "), strings.Join(in.What, "; "))
		p.line(4, 0, "from: %s", in.From)
	}
}

// stepName is the step, with the party that takes it when there are many.
func stepName(s *route.StepProof) string {
	if s.For == "" {
		return s.Name
	}
	return s.Name + " " + s.For
}

// step says what keeps a step from being proven.
func (p *checkPrinter) step(s *route.StepProof, number int) {
	if s.Verdict == route.Proven {
		return
	}
	p.blank()
	p.line(0, 0, "%d. %s: %s, by account %s in %s", number, stepName(s), strings.ToUpper(s.Verdict.String()), p.account(s.Account), s.Region)
	for _, c := range s.Preconditions {
		p.precondition(&c)
	}
	p.groups(s)
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

// groups says who lacks what on which key. What AWS only asks for is told in
// few lines when something that it requires is missing too.
func (p *checkPrinter) groups(s *route.StepProof) {
	gs := slices.DeleteFunc(route.Groups(s.Requests), func(g route.Group) bool { return g.Verdict == route.Proven })
	var asked []string // lines in order, by what they say of the rights
	rights := map[string][]string{}
	for i := range gs {
		g := &gs[i]
		if g.Verdict != route.Fragile || s.Verdict <= route.Fragile {
			p.group(g)
		} else if !said(gs, g) {
			line := askedLine(g)
			if rights[line] == nil {
				asked = append(asked, line)
			}
			rights[line] = append(rights[line], g.Use.Asks())
		}
	}
	for _, line := range asked {
		p.line(3, 2, "- AWS asks for "+line, strings.Join(rights[line], ", "))
	}
}

// askedLine says what of a right, which takes the place of %s, AWS only asks
// for.
func askedLine(g *route.Group) string {
	missing := "which is missing as well"
	if g.Decision.Effect == access.Unknown {
		missing = "of which as little is known"
	}
	return "%s on the " + g.Use.Key + " key too, " + missing + " (" + strings.ReplaceAll(sureness(&g.Use), "%", "%%") + ")"
}

// said reports whether the same right is missing as a required one.
func said(gs []route.Group, g *route.Group) bool {
	return slices.ContainsFunc(gs, func(o route.Group) bool {
		return o.Verdict != route.Fragile && o.Use.Asks() == g.Use.Asks() && o.Caller == g.Caller && o.Key == g.Key
	})
}

// group says what stands against the requests of a group.
func (p *checkPrinter) group(g *route.Group) {
	u := &g.Use
	p.line(3, 2, "- %s", lacks(g))
	p.line(5, 0, "for: %s%s (%s, %s)", u.About, via(u, g.Key), u.Need, sureness(u))
	for _, r := range reasonsOf(g) {
		p.put(5+r.indent, r.lead, r.text)
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

func lacks(g *route.Group) string {
	who := principalName(g.Caller)
	switch g.Verdict {
	case route.OpenIf:
		return fmt.Sprintf("%s may lack %s on key %s", who, g.Use.Asks(), g.Key)
	case route.Fragile:
		return fmt.Sprintf("%s lacks %s on key %s, which AWS asks for; it was recorded to work without, or nobody recorded it", who, g.Use.Asks(), g.Key)
	}
	return fmt.Sprintf("%s lacks %s on key %s", who, g.Use.Asks(), g.Key)
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
	indent, lead int
	text         string
}

// reasonsOf gathers what the requests of a group have against them, each thing
// once. What the line above them has said in full is said short.
func reasonsOf(g *route.Group) []reason {
	var rs []reason
	for i := range g.Requests {
		q := &g.Requests[i]
		if q.Verdict == route.Proven {
			continue
		}
		short := strings.NewReplacer(g.Key, "the key", g.Caller, shortName(g.Caller), q.Use.Action, g.Use.Asks())
		for _, r := range reasons(&q.Decision) {
			r.text = short.Replace(r.text)
			if !slices.ContainsFunc(rs, func(s reason) bool { return s.text == r.text }) {
				rs = append(rs, r)
			}
		}
	}
	return rs
}

func shortName(principal string) string {
	if a, err := arn.Parse(principal); err == nil {
		return a.Resource
	}
	return principal
}

// reasons says everything that a decision rests on.
func reasons(d *access.Decision) []reason {
	var rs []reason
	for i := range d.Blockers {
		b := &d.Blockers[i]
		head := fmt.Sprintf("%s: ", b.Layer)
		rs = append(rs, reason{0, len(head), head + b.Text + at(b.Position) + changedBy(b)})
		for j := range b.NearMisses {
			e := &b.NearMisses[j]
			rs = append(rs, reason{2, 6, "near: " + e.String() + at(e.Position)})
		}
	}
	for i := range d.Unknown {
		u := &d.Unknown[i]
		head, text := "not known: ", u.Text
		if u.If != "" {
			head, text = "open if: ", u.If+" ("+u.Text+")"
		}
		rs = append(rs, reason{0, len(head), head + text + "; to settle it: " + cmp.Or(u.Settle, "ask the owner")})
	}
	return rs
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

// findings lists what rules report, together for each thing that they are
// about.
func (p *checkPrinter) findings(title string, fs []finding.Finding) {
	var subjects []string
	for i := range fs {
		if !slices.Contains(subjects, fs[i].Subject) {
			subjects = append(subjects, fs[i].Subject)
		}
	}
	for _, subject := range subjects {
		p.blank()
		p.line(0, 0, "%s %s", title, subject)
		for i := range fs {
			if fs[i].Subject == subject {
				p.finding(&fs[i])
			}
		}
	}
}

func (p *checkPrinter) finding(f *finding.Finding) {
	const lead = len("critical KEY000 ")
	p.line(2, lead, "%-8s %s %s%s", f.Severity, f.Rule, strings.ReplaceAll(f.Text, f.Subject, "the key"), at(f.Position))
	if f.Fix != "" {
		p.line(2+lead, 5, "fix: %s", f.Fix)
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
	if stem, ok := strings.CutSuffix(word, "y"); ok && !strings.ContainsAny(stem[max(len(stem)-1, 0):], "aeou") {
		return stem + "ies"
	}
	return word + "s"
}
