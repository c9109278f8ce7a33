package script

import (
	"sort"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

// piece is a text taken out of the file: a block without its indentation, a
// here-document, a word without its quotes. It knows where each byte comes from.
type piece struct {
	text string
	runs []run // by at, ascending; the first has at 0
}

// run says that the text from at on is what the file has from the offset from
// on. The text of a fixed run stands in the file nowhere, and all of it is
// placed at from.
type run struct {
	at, from int
	fixed    bool
}

// offset returns the offset in the file of an offset in the text.
func (p *piece) offset(at int) int {
	if len(p.runs) == 0 {
		return 0
	}
	i := sort.Search(len(p.runs), func(i int) bool { return p.runs[i].at > at }) - 1
	r := p.runs[max(i, 0)]
	if r.fixed {
		return r.from
	}
	return r.from + at - r.at
}

// cut returns a part of the piece.
func (p *piece) cut(from, to int) piece {
	b := builder{}
	b.copy(p, from, to)
	return b.piece()
}

// unixLines returns the piece with the line ends of Unix, without which no
// here-document ends.
func (p *piece) unixLines() piece {
	if !strings.Contains(p.text, "\r\n") {
		return *p
	}
	b := builder{}
	from := 0
	for {
		n := strings.Index(p.text[from:], "\r\n")
		if n < 0 {
			b.copy(p, from, len(p.text))
			return b.piece()
		}
		b.copy(p, from, from+n)
		from += n + 1
	}
}

// builder puts a piece together.
type builder struct {
	text strings.Builder
	runs []run
}

func (b *builder) piece() piece { return piece{text: b.text.String(), runs: b.runs} }

// add appends text that stands in the file at an offset.
func (b *builder) add(text string, from int) {
	if text == "" {
		return
	}
	at := b.text.Len()
	if n := len(b.runs); n == 0 || b.runs[n-1].fixed || b.runs[n-1].from+at-b.runs[n-1].at != from {
		b.runs = append(b.runs, run{at: at, from: from})
	}
	b.text.WriteString(text)
}

// put appends text that takes the place of what stands at an offset.
func (b *builder) put(text string, from int) {
	if text == "" {
		return
	}
	b.runs = append(b.runs, run{at: b.text.Len(), from: from, fixed: true})
	b.text.WriteString(text)
}

// copy appends a part of another piece.
func (b *builder) copy(p *piece, from, to int) {
	first := sort.Search(len(p.runs), func(i int) bool { return p.runs[i].at > from }) - 1
	for i := max(first, 0); i < len(p.runs) && p.runs[i].at < to; i++ {
		r := &p.runs[i]
		end := len(p.text)
		if i+1 < len(p.runs) {
			end = p.runs[i+1].at
		}
		start := max(r.at, from)
		if end = min(end, to); start >= end {
			continue
		}
		if r.fixed {
			b.put(p.text[start:end], r.from)
		} else {
			b.add(p.text[start:end], r.from+start-r.at)
		}
	}
}

// lineEnd returns where the line ends that an offset is in.
func lineEnd(text string, at int) int {
	if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(text)
}

// lineStarts returns the offset at which each line of a text begins.
func lineStarts(text string) []int {
	starts := []int{0}
	for at := 0; ; {
		n := strings.IndexByte(text[at:], '\n')
		if n < 0 {
			return starts
		}
		at += n + 1
		starts = append(starts, at)
	}
}

// pos returns the line and column of an offset in the file.
func (r *reader) pos(offset int) source.Pos {
	line := r.line(offset)
	p := source.Pos{Line: int32(line), Column: int32(offset - r.lines[line-1] + 1)}
	if r.within != nil {
		return r.within(p)
	}
	return p
}

// line returns the number of the line of the text that an offset is in.
func (r *reader) line(offset int) int { return sort.SearchInts(r.lines, offset+1) }

// place is pos with the name of the file.
func (r *reader) place(offset int) finding.Position {
	p := r.pos(offset)
	return finding.Position{File: r.file, Line: int(p.Line), Column: int(p.Column)}
}

// locator returns what turns positions in a piece into positions in the file.
func (r *reader) locator(p piece) func(source.Pos) source.Pos {
	var starts []int
	return func(at source.Pos) source.Pos {
		if at.Line < 1 {
			return at
		}
		if starts == nil {
			starts = lineStarts(p.text)
		}
		line := min(int(at.Line), len(starts))
		offset := starts[line-1] + max(int(at.Column), 1) - 1
		return r.pos(min(p.offset(min(offset, len(p.text))), len(r.text)))
	}
}
