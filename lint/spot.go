package lint

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// Spot is what the output needs of the text at the place of a finding, so that
// the text itself need not be kept.
type Spot struct {
	Excerpt   string // the line, with a caret under the place
	Character int    // the column in characters, from 1
}

// remember notes what the output needs of the text of a file, and keeps the text
// where there is something to mend in it.
func (r *Result) remember(data []byte) {
	var places []finding.Position
	var lines *columns
	note := func(x *rules.Found) {
		if x.Position.File == r.File && x.Position.Line > 0 {
			if lines == nil {
				lines = newColumns(data)
			}
			// What is not there, such as the value after a colon, is at the end of its
			// line, and parsers count a space besides.
			x.Position.Column = min(x.Position.Column, len(lines.line(x.Position.Line))+1)
			places = append(places, x.Position)
		}
		if len(x.Edits) > 0 {
			r.Data = data
		}
	}
	for i := range r.Found {
		note(&r.Found[i])
	}
	for i := range r.Muted {
		note(&r.Muted[i].Found)
	}
	if len(places) == 0 {
		return
	}
	// In their order, so that no line is gone over twice.
	slices.SortFunc(places, func(a, b finding.Position) int {
		return cmp.Or(a.Line-b.Line, a.Column-b.Column)
	})
	r.Spots = make(map[finding.Position]Spot, len(places))
	for _, p := range slices.Compact(places) {
		r.Spots[p] = Spot{
			Excerpt:   source.ExcerptLine(lines.line(p.Line), source.Pos{Line: int32(p.Line), Column: int32(p.Column)}),
			Character: lines.character(p.Line, p.Column),
		}
	}
}

// columns turns places in bytes into places in characters.
type columns struct {
	data   []byte
	starts []int
	// The place that was asked last: of two on one line the later one is counted
	// from the earlier, so that asking in order is linear.
	lastLine, lastByte, lastCharacter int
}

func newColumns(data []byte) *columns { return &columns{data: data, starts: lineStarts(data)} }

// line is the text of a line, from 1; nil when there is no such line.
func (c *columns) line(n int) []byte {
	if n < 1 || n > len(c.starts) {
		return nil
	}
	line, _, _ := bytes.Cut(c.data[c.starts[n-1]:], []byte("\n"))
	return line
}

// character is the column in characters of a column in bytes, both from 1.
func (c *columns) character(line, column int) int {
	column = max(column, 1)
	if line < 1 || line > len(c.starts) {
		return column
	}
	from := c.starts[line-1]
	to := min(from+column-1, len(c.data))
	count := 0
	if line == c.lastLine && c.lastByte <= to {
		from, count = c.lastByte, c.lastCharacter
	}
	count += utf8.RuneCount(c.data[from:to])
	c.lastLine, c.lastByte, c.lastCharacter = line, to, count
	return count + 1
}

// place is the line and the character of an offset.
func (c *columns) place(at int) (line, column int) {
	i, exact := slices.BinarySearch(c.starts, at)
	if !exact {
		i--
	}
	i = max(i, 0)
	return i + 1, c.character(i+1, at-c.starts[i]+1)
}

// lineStarts are the offsets at which lines begin. A byte order mark is no part
// of the first one.
func lineStarts(data []byte) []int {
	first := 0
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		first = 3
	}
	starts := []int{first}
	for i, c := range data {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}
