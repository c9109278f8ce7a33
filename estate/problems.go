package estate

import (
	"cmp"
	"errors"
	"slices"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

// Problems gathers what keeps a text from being read, one for each place: a later check
// that stumbles over what an earlier one told has nothing new to say.
type Problems struct {
	File string // its name for messages
	Data []byte
	list []Problem
}

// Position is a place of the text.
func (p *Problems) Position(at source.Pos) finding.Position {
	return finding.Position{File: p.File, Line: int(at.Line), Column: int(at.Column)}
}

// Add tells of a place what is wrong and what to do.
func (p *Problems) Add(at source.Pos, text, hint string) {
	where := p.Position(at)
	if !slices.ContainsFunc(p.list, func(q Problem) bool { return q.Position == where }) {
		p.list = append(p.list, Problem{Position: where, Text: text, Hint: hint, Excerpt: source.Excerpt(p.Data, at)})
	}
}

// AddDecode tells what of a node did not fit the type that it was read into.
func (p *Problems) AddDecode(n *source.Node, err error) {
	var many *source.DecodeErrors
	switch {
	case err == nil:
	case errors.As(err, &many):
		for _, d := range many.Problems {
			text := d.Text
			if d.Path != "" {
				text = d.Path + ": " + text
			}
			p.Add(d.Pos, text, d.Hint)
		}
	default:
		p.Add(n.Pos, err.Error(), "")
	}
}

// Any reports whether anything was told.
func (p *Problems) Any() bool { return len(p.list) > 0 }

// Err is a *FileError with everything that was told, in the order of the text; nil for
// nothing.
func (p *Problems) Err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Position.Line, b.Position.Line), cmp.Compare(a.Position.Column, b.Position.Column))
	})
	return &FileError{File: p.File, Problems: p.list}
}
