package input

import (
	"bytes"
	"sort"
	"strconv"
	"unicode/utf16"

	"github.com/keyreach/keyreach/internal/source"
)

// posAt returns the place of a byte.
func posAt(data []byte, at int) source.Pos {
	line := bytes.Count(data[:at], []byte("\n"))
	start := bytes.LastIndexByte(data[:at], '\n') + 1
	return source.Pos{Line: int32(line + 1), Column: int32(at - start + 1)}
}

// lineStarts returns where the lines of a text begin.
func lineStarts(text []byte) []int {
	starts := []int{0}
	for i, c := range text {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// offset returns the byte at a place, and false when the text has no such
// place.
func offset(starts []int, size int, p source.Pos) (int, bool) {
	if p.Line < 1 || int(p.Line) > len(starts) || p.Column < 1 {
		return 0, false
	}
	at := starts[p.Line-1] + int(p.Column) - 1
	return at, at <= size
}

// posIn is posAt by the beginnings of the lines.
func posIn(starts []int, at int) source.Pos {
	line := sort.SearchInts(starts, at+1)
	return source.Pos{Line: int32(line), Column: int32(at - starts[line-1] + 1)}
}

// clone copies a tree and gives every place of it another. A tree may share
// parts with itself, where an alias repeats an anchor.
func clone(n *source.Node, at func(source.Pos) source.Pos) source.Node {
	c := *n
	if at != nil && n.Pos.Line > 0 {
		c.Pos = at(n.Pos)
	}
	if len(n.Items) > 0 {
		c.Items = make([]source.Node, len(n.Items))
	}
	for i := range n.Items {
		c.Items[i] = clone(&n.Items[i], at)
	}
	if len(n.Fields) > 0 {
		c.Fields = make([]source.Field, len(n.Fields))
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		c.Fields[i] = source.Field{Name: f.Name, Pos: f.Pos, Value: clone(&f.Value, at)}
		if at != nil && f.Pos.Line > 0 {
			c.Fields[i].Pos = at(f.Pos)
		}
	}
	return c
}

// inString returns what turns a place in the text of a string into a place of
// the data that the string stands in. Where the two cannot be brought together
// every place is that of the string.
func (r *reader) inString(n *source.Node) func(source.Pos) source.Pos {
	whole := func(source.Pos) source.Pos { return n.Pos }
	if r.starts == nil {
		r.starts = lineStarts(r.data)
	}
	from, ok := offset(r.starts, len(r.data), n.Pos)
	if !ok {
		return whole
	}
	offsets := align(r.data[from:], n.Text)
	if offsets == nil {
		return whole
	}
	inner := lineStarts([]byte(n.Text))
	return func(p source.Pos) source.Pos {
		at, ok := offset(inner, len(n.Text), p)
		if !ok || at >= len(offsets) {
			return n.Pos
		}
		return posIn(r.starts, from+int(offsets[at]))
	}
}

// align finds for each byte of a string the byte of the data from which it was
// read: a quoted string of JSON or YAML, a block of YAML, or plain text. White
// space counts for nothing in it. It returns nil when the two do not fit.
func align(raw []byte, text string) []int32 {
	a := aligner{raw: raw}
	switch {
	case len(raw) == 0:
		return nil
	case raw[0] == '"' || raw[0] == '\'':
		a.quote, a.j = raw[0], 1
	case raw[0] == '|' || raw[0] == '>':
		end := bytes.IndexByte(raw, '\n')
		if end < 0 {
			return nil
		}
		a.j = end
	}
	offsets := make([]int32, 0, len(text))
	for i := 0; i < len(text); {
		from, n, ok := a.next(text[i:])
		if !ok {
			return nil
		}
		for range n {
			offsets = append(offsets, int32(from))
		}
		i += n
	}
	return offsets
}

type aligner struct {
	raw   []byte
	j     int
	quote byte
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// next brings the beginning of text together with the data: where it stands and
// how many bytes of the text that is.
func (a *aligner) next(text string) (from, n int, ok bool) {
	c := text[0]
	if !isBlank(c) {
		a.skip()
	}
	if a.j >= len(a.raw) {
		return a.j - 1, 1, isBlank(c)
	}
	from = a.j
	switch raw := a.raw[a.j]; {
	case raw == '\\' && a.quote == '"':
		size, decoded := unescape(a.raw[a.j:])
		if size == 0 || len(text) < len(decoded) || text[:len(decoded)] != decoded {
			return 0, 0, false
		}
		a.j += size
		return from, len(decoded), true
	case raw == '\'' && a.quote == '\'':
		a.j += 2
		return from, 1, c == '\''
	case isBlank(c):
		if isBlank(raw) {
			a.j++
		}
		return from, 1, true
	}
	a.j++
	return from, 1, a.raw[from] == c
}

// skip passes over white space, and over the line breaks that a quoted text of
// YAML escapes.
func (a *aligner) skip() {
	for a.j < len(a.raw) {
		escaped := a.quote == '"' && a.raw[a.j] == '\\' && a.j+1 < len(a.raw) && a.raw[a.j+1] == '\n'
		if !escaped && !isBlank(a.raw[a.j]) {
			return
		}
		a.j++
	}
}

// unescape reads one escape of JSON: how long it is, and what it means.
func unescape(raw []byte) (size int, text string) {
	if len(raw) < 2 {
		return 0, ""
	}
	switch raw[1] {
	case 'n':
		return 2, "\n"
	case 't':
		return 2, "\t"
	case 'r':
		return 2, "\r"
	case 'b':
		return 2, "\b"
	case 'f':
		return 2, "\f"
	case '"', '\\', '/', ' ':
		return 2, string(raw[1])
	case 'u':
		first, ok := hex4(raw)
		if !ok {
			return 0, ""
		}
		if utf16.IsSurrogate(first) {
			if second, ok := hex4(raw[6:]); ok {
				return 12, string(utf16.DecodeRune(first, second))
			}
		}
		return 6, string(first)
	}
	return 0, ""
}

func hex4(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(raw[2:6]), 16, 32)
	return rune(v), err == nil
}

func before(a, b source.Pos) bool {
	return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
}

// last returns the last place of a tree.
func last(n *source.Node) source.Pos {
	end := n.Pos
	later := func(p source.Pos) {
		if before(end, p) {
			end = p
		}
	}
	for i := range n.Items {
		later(last(&n.Items[i]))
	}
	for i := range n.Fields {
		later(n.Fields[i].Pos)
		later(last(&n.Fields[i].Value))
	}
	return end
}
