package script

import (
	"cmp"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// reader reads one file.
type reader struct {
	file, text string
	lines      []int // where each line begins
	out        Parsed
	scripts    []*script
	vars       variables
	shown      []shown
	words      []pendingWord
	starts     map[*rules.Command]int // where in the text a command begins
	// within turns a place in the text into one in the file; nil when the text is
	// the file.
	within   func(source.Pos) source.Pos
	partAt   map[int]int // the part that begins at an offset
	budget   int         // how many bytes are still parsed again to mend broken blocks
	looked   int         // how many nodes of conditions were looked at
	expanded int         // how many bytes of variables were put in
}

// maxRetry bounds the work of mending broken blocks.
const maxRetry = 4 << 20

func newReader(file, text string) *reader {
	return &reader{file: file, text: text, lines: lineStarts(text), vars: variables{}, partAt: map[int]int{}, starts: map[*rules.Command]int{}, budget: maxRetry}
}

// whole returns the file as a piece, without the byte order mark.
func (r *reader) whole() piece {
	at := len(r.text) - len(strings.TrimPrefix(r.text, "\ufeff"))
	b := builder{}
	b.add(r.text[at:], at)
	return b.piece()
}

// finish walks the scripts, when all of them and all variables are known.
func (r *reader) finish() *Parsed {
	r.collect()
	for i := 0; i < len(r.scripts); i++ { // scripts in here-documents are added on the way
		r.walk(r.scripts[i], i+1)
	}
	r.resolve()
	first := source.Pos{Line: 1, Column: 1}
	slices.SortStableFunc(r.out.Parts, func(a, b Part) int {
		p, q := a.At(first), b.At(first)
		return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
	})
	slices.SortStableFunc(r.out.Commands, func(a, b *rules.Command) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return &r.out
}
