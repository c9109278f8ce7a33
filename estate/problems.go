package estate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

// maxProblems is how many problems of one file are kept.
const maxProblems = 1000

// Problems gathers what keeps a text from being read.
type Problems struct {
	File    string // its name for messages
	Data    []byte
	skipped int32 // lines of the file before Data, which positions count in
	list    []Problem
}

// Position is a place of the text.
func (p *Problems) Position(at source.Pos) finding.Position {
	if at.Line == 0 {
		return finding.Position{File: p.File}
	}
	return finding.Position{File: p.File, Line: int(at.Line), Column: int(at.Column)}
}

// Add tells of a place what is wrong and what to do, unless something of it was told: a
// later check that stumbles over what an earlier one told has nothing new to say.
func (p *Problems) Add(at source.Pos, text, hint string) {
	where := p.Position(at)
	if !slices.ContainsFunc(p.list, func(q Problem) bool { return q.Position == where }) {
		p.add(at, text, hint)
	}
}

// add tells of a place what is wrong beside what was told of it.
func (p *Problems) add(at source.Pos, text, hint string) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, Problem{Position: p.Position(at), Text: text, Hint: hint})
	}
}

// AddDecode tells what of a node did not fit the type that it was read into.
func (p *Problems) AddDecode(n *source.Node, err error) {
	var many *source.DecodeErrors
	var syntax *source.SyntaxError
	switch {
	case err == nil:
	case errors.As(err, &many):
		for i := range many.Problems {
			d := &many.Problems[i]
			text := d.Text
			if d.Path != "" {
				text = d.Path + ": " + text
			}
			p.Add(d.Pos, text, d.Hint)
		}
	case errors.As(err, &syntax):
		p.Add(syntax.Pos, syntax.Text, "")
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
	// Each excerpt costs a walk through the text, which may be one long line.
	for i := range p.list[:min(shown, len(p.list))] {
		q := &p.list[i]
		q.Excerpt = p.excerpt(source.Pos{Line: int32(q.Position.Line), Column: int32(q.Position.Column)})
	}
	return &FileError{File: p.File, Problems: p.list}
}

// excerpt returns the line at a position. Where Data is one line of a file,
// its number there is put in place of the one it has in Data.
func (p *Problems) excerpt(at source.Pos) string {
	e := source.Excerpt(p.Data, source.Pos{Line: at.Line - p.skipped, Column: at.Column})
	if p.skipped == 0 || e == "" {
		return e
	}
	line, caret, _ := strings.Cut(e, "\n")
	_, line, _ = strings.Cut(line, "| ")
	_, caret, _ = strings.Cut(caret, "| ")
	number := fmt.Sprintf("%5d ", at.Line)
	return number + "| " + line + "\n" + strings.Repeat(" ", len(number)) + "| " + caret
}
