package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/keyreach/keyreach/plan"
)

// markdown prints the plan for a pull request.
func (r *planReport) markdown(w io.Writer) error {
	var b strings.Builder
	p := &planPrinter{report: r}
	fmt.Fprintf(&b, "## Keyreach plan: %s\n\n", cell(strings.Join(r.plan.Routes, ", ")))
	if lines := requestLines(r.plan); len(lines) > 0 {
		b.WriteString("For what no route declares, and nothing else:\n\n")
		for _, line := range lines {
			fmt.Fprintf(&b, "- %s\n", cell(line))
		}
		b.WriteString("\n")
	}
	r.markdownSteps(&b)
	if !r.part().Empty() {
		r.markdownOpens(&b)
		if rights, order := askedRights(r.plan.Asked); len(order) > 0 {
			b.WriteString("### Asked for by AWS's documentation\n\nIt was recorded to work without: `--tight` leaves these out.\n\n")
			for _, rest := range order {
				fmt.Fprintf(&b, "- %s %s\n", code(strings.Join(rights[rest], ", ")), cell(rest))
			}
			b.WriteString("\n")
		}
	}
	if len(r.plan.Stuck) > 0 {
		b.WriteString("### Stays blocked\n\n")
		for i := range r.plan.Stuck {
			s := &r.plan.Stuck[i]
			fmt.Fprintf(&b, "- **%s**, step %s: %s has to act\n\n%s\n", cell(s.Route), cell(s.Step), cell(p.owner(s.Owner)), fenced("text", strings.Split(strings.TrimSpace(s.Message), "\n")))
		}
	}
	if len(r.plan.Notes) > 0 {
		b.WriteString("### To be known\n\n")
		for _, n := range r.plan.Notes {
			fmt.Fprintf(&b, "- %s\n", cell(anyName(n)))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%s. Digest %s\n", cell(r.amount()), code(r.part().Digest()))
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *planReport) markdownSteps(b *strings.Builder) {
	var diffs strings.Builder
	rows := 0
	for _, t := range turnsOf(r.plan) {
		if !r.shows(t.account) {
			continue
		}
		for _, i := range t.steps {
			if rows == 0 {
				b.WriteString("| step | account | call | on | why | routes |\n|---|---|---|---|---|---|\n")
			}
			rows++
			s := &r.plan.Steps[i]
			calls, on := callsOf(s)
			fmt.Fprintf(b, "| %d | %s | %s | %s | %s | %s |\n", i+1, cell(r.account(t.account)), cell(strings.Join(calls, ", ")), cell(on), cell(s.Why), cell(strings.Join(s.Routes, ", ")))
			markdownDiff(&diffs, i+1, s)
		}
	}
	if rows > 0 {
		b.WriteString("\n" + diffs.String())
	}
}

func markdownDiff(b *strings.Builder, number int, s *plan.Step) {
	calls, on := callsOf(s)
	var lines []string
	for _, c := range s.Changes() {
		lines = append(lines, "# "+c.Sign+" "+c.Name)
		lines = append(lines, c.Lines...)
	}
	fmt.Fprintf(b, "<details><summary>Step %d: %s on %s</summary>\n\n%s\n</details>\n\n", number, cell(strings.Join(calls, ", ")), cell(on), fenced("diff", lines))
}

func (r *planReport) markdownOpens(b *strings.Builder) {
	list := sortedAccess(r.plan.Opens)
	if len(list) == 0 {
		return
	}
	b.WriteString("### What this opens, and nothing else\n\n| who | what | on | when |\n|---|---|---|---|\n")
	for i := range list {
		a := &list[i]
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", cell(r.who(a)), cell(strings.Join(a.actions, ", ")), cell(resourceName(a.resource)), cell(strings.Join(a.conditions(), ", and ")))
	}
	b.WriteString("\n")
}

// fenced is a block of lines that nothing in them can end.
func fenced(language string, lines []string) string {
	fence := "```"
	for _, l := range lines {
		for strings.Contains(l, fence) {
			fence += "`"
		}
	}
	var b strings.Builder
	b.WriteString(fence + language + "\n")
	for _, l := range lines {
		b.WriteString(visible(l) + "\n")
	}
	return b.String() + fence + "\n"
}

// code is text in a monospaced face.
func code(s string) string { return "`" + strings.ReplaceAll(visible(s), "`", "'") + "`" }
