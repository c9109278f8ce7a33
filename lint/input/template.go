package input

import (
	"bytes"
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
)

// A template is read by taking out what is no JSON: expressions become strings
// of the same length, so that every place stays, and lines of control become
// blanks. Of two branches the first is read. Afterwards each such string is made
// what it is: a value that is not known.

// masked is a text with its placeholders taken out.
type masked struct {
	text     []byte
	marks    map[int]string // what stood at a byte
	controls bool
	comments []int
}

// span returns how long the expression is that begins a text, and whether it is
// one of control, which is no value.
func span(text []byte) (n int, control bool) {
	if len(text) < 2 {
		return 0, false
	}
	switch {
	case bytes.HasPrefix(text, []byte("{%")):
		return enclosed(text, "%}"), true
	case bytes.HasPrefix(text, []byte("{#")):
		return enclosed(text, "#}"), true
	case bytes.HasPrefix(text, []byte("<%=")):
		return enclosed(text, "%>"), false
	case bytes.HasPrefix(text, []byte("<%")):
		return enclosed(text, "%>"), true
	case bytes.HasPrefix(text, []byte("{{")):
		n := enclosed(text, "}}")
		return n, n > 0 && isControl(text[2:n-2])
	case bytes.HasPrefix(text, []byte("%{")):
		return braced(text), true
	case bytes.HasPrefix(text, []byte("${")), bytes.HasPrefix(text, []byte("#{")):
		return braced(text), false
	}
	return 0, false
}

// longestExpression bounds the search for the end of an expression.
const longestExpression = 2048

func enclosed(text []byte, end string) int {
	i := bytes.Index(text[2:min(len(text), longestExpression)], []byte(end))
	if i < 0 {
		return 0
	}
	return 2 + i + len(end)
}

// braced measures ${ … }, in which braces and quotes may stand.
func braced(text []byte) int {
	depth, quoted, call := 0, false, false
	for i := 1; i < min(len(text), longestExpression); i++ {
		switch c := text[i]; {
		case c == '"' && (depth > 1 || call):
			quoted = !quoted
		case quoted:
		case c == '(':
			call = true
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// word returns the first word of an expression of control.
func word(inner []byte) string {
	s := strings.TrimLeft(string(inner[:min(len(inner), 40)]), "-~ \t\r\n")
	if i := strings.IndexFunc(s, func(r rune) bool { return r < 'a' || r > 'z' }); i >= 0 {
		s = s[:i]
	}
	return s
}

// isControl reports whether a {{ … }} is a statement, as Helm has them.
func isControl(inner []byte) bool {
	switch word(inner) {
	case "if", "else", "end", "range", "with", "define", "block":
		return true
	}
	return false
}

var (
	angle  = lazy.Regexp(`^<[A-Za-z][^<>"\n]*>`)
	dollar = lazy.Regexp(`^\$[A-Za-z_][A-Za-z0-9_]*`)
	// ellipsis is a comment that stands for what an excerpt leaves out.
	ellipsis = lazy.Regexp(`^#\s*(?:\.\.\.|…)\s*$`)
	// numbered is a line with its number before it.
	numbered = lazy.Regexp(`^\s*[0-9]+[:|.]?(?:\s|$)`)
)

// mask takes the placeholders out of a text that means to be JSON.
func mask(text []byte) *masked {
	m := &masked{text: bytes.Clone(text), marks: map[int]string{}}
	inString, skipping := false, 0
	for i := 0; i < len(text); {
		n, control := span(text[i:])
		switch {
		case n > 0 && control && !inString:
			skipping = branch(word(text[i+2:i+n]), skipping)
			m.controls = true
			m.blank(i, i+n)
		case skipping > 0:
			n = max(n, 1)
			m.blank(i, i+n)
		case inString:
			n, inString = m.inString(text, i, n)
		case text[i] == '"':
			n, inString = 1, true
		default:
			n = m.outside(text, i, n)
		}
		i += n
	}
	return m
}

// branch counts the branches that are passed over: an else opens one, and its
// end closes it.
func branch(word string, skipping int) int {
	switch {
	case skipping > 0 && (word == "if" || word == "for" || word == "range" || word == "with"):
		return skipping + 1
	case skipping > 0 && strings.HasPrefix(word, "end"):
		return skipping - 1
	case skipping == 0 && strings.HasPrefix(word, "el"):
		return 1
	}
	return skipping
}

// blank puts blanks in the place of a part, and keeps its lines.
func (m *masked) blank(from, to int) {
	for i := from; i < to; i++ {
		if m.text[i] != '\n' {
			m.text[i] = ' '
		}
	}
}

// inString hides the quotes of an expression inside a string.
func (m *masked) inString(text []byte, i, n int) (int, bool) {
	switch {
	case n > 0:
		for j := i; j < i+n; j++ {
			switch m.text[j] {
			case '"':
				m.text[j] = '\''
			case '\\', '\n', '\r', '\t':
				m.text[j] = ' '
			}
		}
		return n, true
	case text[i] == '\\':
		return 2, true
	}
	return 1, text[i] != '"'
}

// outside masks what stands outside of strings, and returns its length.
func (m *masked) outside(text []byte, i, n int) int {
	rest := text[i:]
	switch c := text[i]; {
	case n > 0:
	case c == '<':
		n = len(angle.Find(rest))
	case c == '$':
		n = len(dollar.Find(rest))
	case c == '#':
		if n = bytes.IndexByte(rest, '\n'); n < 0 {
			n = len(rest)
		}
		if ellipsis.Match(rest[:n]) {
			m.controls = true
		} else {
			m.comments = append(m.comments, i)
		}
		m.blank(i, i+n)
		return n
	case bytes.HasPrefix(rest, []byte("...")):
		m.controls = true
		m.blank(i, i+3)
		return 3
	}
	if n < 2 {
		return 1
	}
	m.marks[i] = string(text[i : i+n])
	m.text[i], m.text[i+n-1] = '"', '"'
	for j := i + 1; j < i+n-1; j++ {
		m.text[j] = 'x'
	}
	return n
}

var (
	controlLine = lazy.Regexp(`(?m)^[ \t]*(?:\{%.*%\}|\{\{.*\}\}|\{#.*#\}|%\{.*\})[ \t\r]*$`)
	bareValue   = lazy.Regexp(`(?m)(?:: |- )[ \t]*(\{\{[^\n"]*\}\}[^\s"]*)[ \t\r]*$`)
)

// maskYAML takes the lines of control and the bare expressions out of YAML.
func maskYAML(text []byte) *masked {
	m := &masked{text: bytes.Clone(text), marks: map[int]string{}}
	for _, at := range controlLine.FindAllIndex(text, -1) {
		m.controls = true
		m.blank(at[0], at[1])
	}
	for _, at := range bareValue.FindAllSubmatchIndex(text, -1) {
		from, to := at[2], at[3]
		m.marks[from] = string(text[from:to])
		m.text[from], m.text[to-1] = '"', '"'
		for j := from + 1; j < to-1; j++ {
			m.text[j] = 'x'
		}
	}
	return m
}

// changed reports whether anything was taken out.
func (m *masked) changed() bool { return len(m.marks) > 0 || m.controls || len(m.comments) > 0 }

// restore makes what was taken out a value that is not known.
func (m *masked) restore(n *source.Node, starts []int) {
	original := func(p source.Pos) (string, bool) {
		at, ok := offset(starts, len(m.text), p)
		if !ok {
			return "", false
		}
		text, ok := m.marks[at]
		return text, ok
	}
	if text, ok := original(n.Pos); ok && n.Kind == source.String {
		n.Kind, n.Text = source.Intrinsic, text
	}
	for i := range n.Items {
		m.restore(&n.Items[i], starts)
	}
	for i := range n.Fields {
		if text, ok := original(n.Fields[i].Pos); ok {
			n.Fields[i].Name = text
		}
		m.restore(&n.Fields[i].Value, starts)
	}
}

// parse reads the masked text.
func (m *masked) parse() (*source.Node, []source.Problem, error) {
	n, problems, err := source.Parse(m.text)
	if err != nil {
		return nil, nil, err
	}
	starts := lineStarts(m.text)
	if len(m.marks) > 0 {
		m.restore(n, starts)
	}
	var kept []source.Problem
	for _, p := range problems {
		if p.Kind != source.TrailingComma || !m.controls && len(m.comments) == 0 {
			kept = append(kept, p)
		}
	}
	for _, at := range m.comments {
		kept = append(kept, source.Problem{Pos: posIn(starts, at), Kind: source.Comment})
	}
	return n, kept, nil
}

// unnumbered takes the line numbers away that stand before every line of a
// listing, or returns nil.
func unnumbered(text []byte) []byte {
	out := bytes.Clone(text)
	at, lines := 0, 0
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) > 0 {
			n := len(numbered.Find(line))
			if n == 0 {
				return nil
			}
			lines++
			for i := at; i < at+n; i++ {
				if out[i] != '\n' {
					out[i] = ' '
				}
			}
		}
		at += len(line)
	}
	if lines < 3 {
		return nil
	}
	return out
}
