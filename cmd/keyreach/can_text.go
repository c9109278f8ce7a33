package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
)

// headline is the answer in words.
func headline(d *access.Decision) string {
	switch {
	case d.Effect == access.Allow && d.Usable:
		return "ALLOWED"
	case d.Effect == access.Allow:
		return "ALLOWED, BUT THE KEY CANNOT DO IT NOW"
	case d.Effect == access.ExplicitDeny:
		return "DENIED EXPLICITLY"
	case d.Effect == access.Unknown:
		return "UNKNOWN"
	}
	return "DENIED"
}

func canText(w io.Writer, c *estate.Case, d *access.Decision) error {
	p := &printer{w: w}
	p.line(0, 0, "%s", headline(d))
	p.line(2, 0, "%s %s on %s", c.Request.Caller.Text, c.Request.Action, c.Request.Resource)
	section(p, "Against it", len(d.Blockers)+len(d.Unknown), func() {
		for _, r := range reasons(d) {
			p.put(2+r.indent, r.lead, r.text)
		}
	})
	section(p, "For it", len(d.Evidence), func() {
		for i := range d.Evidence {
			p.evidence(&d.Evidence[i])
		}
	})
	section(p, "Would match but for one thing", len(loose(d)), func() {
		for _, e := range loose(d) {
			p.line(2, 2, "%s%s", e.String(), at(e.Position))
		}
	})
	context := contextOf(c)
	section(p, "Context", len(context), func() {
		for _, v := range context {
			p.put(2, 2, v.String())
		}
	})
	section(p, "Notes", len(d.Notes), func() {
		for _, n := range d.Notes {
			p.line(2, 2, "%s", n)
		}
	})
	if !d.ValidUntil.IsZero() {
		p.blank()
		p.line(0, 0, "Valid until %s: %s", d.ValidUntil.Format("2006-01-02 15:04 MST"), d.ValidWhy)
	}
	return p.err
}

func (v contextView) String() string {
	if v.Values == nil {
		return fmt.Sprintf("%s: %s", v.Key, v.Origin)
	}
	values := slices.Clone(v.Values)
	for i := range values {
		values[i] = cmp.Or(values[i], `""`)
	}
	return fmt.Sprintf("%s = %s (%s)", v.Key, strings.Join(values, ", "), v.Origin)
}

func section(p *printer, title string, n int, body func()) {
	if n == 0 {
		return
	}
	p.blank()
	p.line(0, 0, "%s", title)
	body()
}

func (p *printer) evidence(e *access.Evidence) {
	verb := "allows it"
	if e.Effect == "Deny" {
		verb = "denies it"
	}
	by := ""
	if e.By != "" {
		by = ", naming " + e.By
	}
	p.line(2, 2, "%s %s %s%s%s", e.Document, e.Statement, verb, by, at(e.Position))
}

// loose returns the near misses that no blocker has told.
func loose(d *access.Decision) []access.Evidence {
	var es []access.Evidence
	if d.Effect == access.Unknown {
		return nil // what is open has been told
	}
	for _, e := range d.NearMisses {
		told := e.Effect == "Deny"
		for i := range d.Blockers {
			for j := range d.Blockers[i].NearMisses {
				o := &d.Blockers[i].NearMisses[j]
				told = told || o.Layer == e.Layer && o.Document == e.Document && o.Statement == e.Statement
			}
		}
		if !told {
			es = append(es, e)
		}
	}
	return es
}

func canMarkdown(w io.Writer, c *estate.Case, d *access.Decision) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n`%s` `%s` on `%s`\n\n", headline(d), c.Request.Caller.Text, c.Request.Action, c.Request.Resource)
	for _, r := range reasons(d) {
		fmt.Fprintf(&b, "%s- %s\n", strings.Repeat(" ", r.indent), cell(r.text))
	}
	for i := range d.Evidence {
		e := &d.Evidence[i]
		fmt.Fprintf(&b, "- %s %s: %s%s\n", cell(e.Document), cell(e.Statement), e.Effect, at(e.Position))
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "- note: %s\n", cell(n))
	}
	if !d.ValidUntil.IsZero() {
		fmt.Fprintf(&b, "\nValid until %s: %s\n", d.ValidUntil.Format("2006-01-02 15:04 MST"), cell(d.ValidWhy))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
