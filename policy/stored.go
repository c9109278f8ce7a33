package policy

import (
	"iter"

	"github.com/keyreach/keyreach/arn"
)

// Stored takes the document as a service that stores it does: to the letter. What
// looks like a placeholder is text like any other, which matches nothing.
func (d *Document) Stored() {
	plain := func(v *Value) {
		if v != nil {
			v.Unknown = false
		}
	}
	list := func(l *List) {
		for i := range l.Values {
			plain(&l.Values[i])
		}
	}
	plain(d.Version)
	plain(d.ID)
	for i := range d.Statements {
		s := &d.Statements[i]
		plain(s.Sid)
		plain(s.Effect)
		for _, l := range []*List{s.Action, s.NotAction, s.Resource, s.NotResource} {
			if l != nil {
				list(l)
			}
		}
		for _, p := range []*PrincipalElement{s.Principal, s.NotPrincipal} {
			if p == nil {
				continue
			}
			plain(p.Text)
			for g := range p.Groups {
				list(&p.Groups[g].Names)
			}
		}
		for o := range s.Conditions {
			for k := range s.Conditions[o].Keys {
				list(&s.Conditions[o].Keys[k].Values)
			}
		}
	}
}

// Principals runs over everybody whom a Principal or NotPrincipal element names.
// What names nobody comes with the kind Invalid and its text.
func (d *Document) Principals() iter.Seq[arn.Principal] {
	return func(yield func(arn.Principal) bool) {
		for i := range d.Statements {
			for _, p := range []*PrincipalElement{d.Statements[i].Principal, d.Statements[i].NotPrincipal} {
				if p != nil && !p.each(yield) {
					return
				}
			}
		}
	}
}

func (p *PrincipalElement) each(yield func(arn.Principal) bool) bool {
	if p.Text != nil && !yield(parsed(p.Text.Text)) {
		return false
	}
	for g := range p.Groups {
		for _, v := range p.Groups[g].Names.Values {
			if !yield(parsed(v.Text)) {
				return false
			}
		}
	}
	return true
}

func parsed(text string) arn.Principal {
	p, err := arn.ParsePrincipal(text)
	if err != nil {
		return arn.Principal{Text: text}
	}
	return p
}
