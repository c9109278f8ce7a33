package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/route"
)

func (r *report) markdown(w io.Writer) error {
	var b strings.Builder
	for i := range r.proofs {
		markdownRoute(&b, &r.proofs[i])
		r.markdownProbes(&b, i)
	}
	markdownFindings(&b, "In the policies of the estate", r.findings)
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownRoute(b *strings.Builder, p *route.Proof) {
	fmt.Fprintf(b, "## %s: %s\n\n| step | verdict | what |\n|---|---|---|\n", cell(p.Route), p.Verdict)
	for i := range p.Steps {
		s := &p.Steps[i]
		fmt.Fprintf(b, "| %s | %s | %s |\n", cell(s.Name), s.Verdict, cell(s.About))
	}
	b.WriteString("\n")
	for i := range p.Steps {
		markdownStep(b, &p.Steps[i])
	}
	if all := p.Inferred(); p.Verdict != route.Blocked && len(all) > 0 {
		b.WriteString("### Inferred\n\n")
		for _, in := range all {
			fmt.Fprintf(b, "- %s: %s; from: %s\n", cell(strings.Join(in.Steps, ", ")), cell(strings.Join(in.What, "; ")), cell(in.From))
		}
		b.WriteString("\n")
	}
	if !p.ValidUntil.IsZero() {
		fmt.Fprintf(b, "Valid until %s: %s\n\n", p.ValidUntil.Format("2006-01-02 15:04 MST"), cell(p.ValidWhy))
	}
	markdownFindings(b, "Findings", p.Findings)
}

func markdownStep(b *strings.Builder, s *route.StepProof) {
	if s.Verdict == route.Proven {
		return
	}
	fmt.Fprintf(b, "### %s\n\n", cell(s.Name))
	for _, c := range s.Preconditions {
		if c.Verdict != route.Proven {
			fmt.Fprintf(b, "- %s: %s; found: %s%s\n", c.Verdict, cell(c.Text), cell(c.Found), tag(c.Rule))
		}
	}
	for _, g := range route.Groups(s.Requests) {
		if g.Verdict == route.Proven {
			continue
		}
		fmt.Fprintf(b, "- %s: `%s` needs `%s` on `%s` (%s, %s)\n", g.Verdict, g.Caller, g.Use.Asks(), g.Key, g.Use.Need, g.Use.Confidence)
		for _, r := range reasonsOf(&g) {
			fmt.Fprintf(b, "  - %s\n", cell(r.text))
		}
	}
	b.WriteString("\n")
}

func markdownFindings(b *strings.Builder, title string, fs []finding.Finding) {
	if len(fs) == 0 {
		return
	}
	fmt.Fprintf(b, "### %s\n\n| severity | rule | where | what | fix |\n|---|---|---|---|---|\n", title)
	for _, f := range fs {
		where := f.Position.String()
		if where == "" {
			where = f.Subject
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", f.Severity, f.Rule, cell(where), cell(f.Text), cell(f.Fix))
	}
	b.WriteString("\n")
}

// cell keeps a text from breaking the table or the markup around it.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "`", `\`+"`").Replace(visible(strings.ReplaceAll(s, "\n", " ")))
}
