package rules

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
)

// completeness says how sure it is that a key policy is the whole policy of a
// key. Most policies without an administrator that people publish are parts,
// which a module or a reader puts to the rest.
type completeness uint8

const (
	part       completeness = iota // or nobody can tell
	presented                      // a guide shows it as the key policy
	writtenOut                     // a document by itself with all its values
	whole                          // it is known to be
)

// completeness looks at the document and what is said about it.
func (m *Material) completeness(p *Policy) completeness {
	switch {
	case p.Kind != KeyPolicy || !p.settled():
		return part
	case p.Whole:
		return whole
	case p.Doc.Form == policy.BareStatements || p.Doc.Form == policy.NoStatement:
		return part
	case len(m.Prose) > 0:
		if m.presents(p) {
			return presented
		}
		return part
	case p.Doc.Version != nil && literal(p.Doc):
		return writtenOut
	}
	return part
}

// literal reports whether every principal of a policy is an account, user or
// role that is written out. Statements for a service, or for everybody under
// conditions, are what is added to other statements.
func literal(d *policy.Document) bool {
	for i := range d.Statements {
		p := place{s: &d.Statements[i]}
		ns := p.principalNames()
		for _, n := range ns {
			if unfilled(n.value) || n.kind != arn.AccountRoot && n.kind != arn.Role && n.kind != arn.User {
				return false
			}
		}
		if len(ns) == 0 {
			return false
		}
	}
	return true
}

// presents reports whether the paragraph above a document shows it as a key
// policy, and not as a statement to be added to one.
func (m *Material) presents(p *Policy) bool {
	var above *Prose
	for _, t := range m.Prose {
		if t.Pos.Line < int(p.Doc.Pos.Line) && (above == nil || t.Pos.Line > above.Pos.Line) {
			above = t
		}
	}
	if above == nil {
		return false
	}
	heading := ""
	if n := len(above.Headings); n > 0 {
		heading = strings.ToLower(above.Headings[n-1])
	}
	text := strings.ToLower(above.Text)
	if strings.Contains(text, "statement") {
		return false
	}
	return strings.Contains(text, "key policy") || strings.Contains(heading, "key") && strings.Contains(heading, "policy")
}
