package terraform

import (
	"bytes"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/keyreach/keyreach/internal/source"
)

// template works out a text with expressions in it. One that is a JSON document
// becomes the tree of it, with the places that its parts have in the file.
func (e *evaluator) template(parts []hclsyntax.Expression, r hcl.Range) source.Node {
	s := splice{e: e}
	if lit, ok := first(parts); ok {
		s.json = strings.HasPrefix(strings.TrimLeft(lit, " \t\r\n"), "{")
	}
	for _, p := range parts {
		s.add(p)
	}
	if len(s.buf) > maxText || e.work > maxWork {
		return e.unknown(r)
	}
	e.work += len(s.buf) / 64
	plain := source.Node{Kind: source.String, Pos: e.at(r), Text: string(s.buf)}
	if !s.json {
		return plain
	}
	n, problems, err := source.Parse(s.buf)
	if err != nil {
		if s.bare {
			return e.unknown(r)
		}
		if syntax, ok := err.(*source.SyntaxError); ok {
			e.broken[plain.Pos] = &source.SyntaxError{Pos: s.relocate()(syntax.Pos), Text: syntax.Text}
		}
		return plain
	}
	to := s.relocate()
	n.Relocate(to)
	s.restore(n, 0)
	for _, p := range problems {
		p.Pos = to(p.Pos)
		e.tolerated[n.Pos] = append(e.tolerated[n.Pos], p)
	}
	return *n
}

// first returns the text with which a template begins.
func first(parts []hclsyntax.Expression) (string, bool) {
	var b strings.Builder
	for _, p := range parts {
		lit, ok := p.(*hclsyntax.LiteralValueExpr)
		if !ok || lit.Val.IsNull() || lit.Val.Type().FriendlyName() != "string" {
			break
		}
		b.WriteString(lit.Val.AsString())
		if strings.TrimSpace(b.String()) != "" {
			break
		}
	}
	return b.String(), b.Len() > 0
}

// splice puts a text together and remembers from where its bytes are.
type splice struct {
	e     *evaluator
	buf   []byte
	marks []mark
	// json is set when the text begins like a JSON document; inString and escape
	// say where in it the end is.
	json, inString, escape bool
	// bare is set once an expression stood outside of a string of the document.
	// values are such expressions' values, for which a string stands in the text.
	bare   bool
	values []source.Node
	after  bool // the last thing written is such a string
}

// mark says that the bytes from at on are those of the file from from on, or
// that all of them stand for what is at from.
type mark struct {
	at, from int
	exact    bool
}

func (s *splice) add(x hclsyntax.Expression) {
	switch x := x.(type) {
	case *hclsyntax.LiteralValueExpr:
		if !x.Val.IsNull() && x.Val.Type().FriendlyName() == "string" {
			s.literal(x.Val.AsString(), x.SrcRange)
			return
		}
	case *hclsyntax.TemplateExpr:
		for _, p := range x.Parts {
			s.add(p)
		}
		return
	case *hclsyntax.ConditionalExpr:
		if s.json && !s.inString {
			s.bare = true
			if isEmptyText(x.FalseResult) {
				s.add(x.TrueResult)
				return
			}
		}
	}
	s.value(s.e.eval(x), x.Range())
}

// isEmptyText recognises the side that a directive without else has.
func isEmptyText(x hclsyntax.Expression) bool {
	switch x := x.(type) {
	case *hclsyntax.TemplateExpr:
		return len(x.Parts) == 0 || len(x.Parts) == 1 && isEmptyText(x.Parts[0])
	case *hclsyntax.LiteralValueExpr:
		return !x.Val.IsNull() && x.Val.Type().FriendlyName() == "string" && x.Val.AsString() == ""
	}
	return false
}

// literal appends text that stands in the file, perhaps with escapes or without
// the white space that a heredoc takes away.
func (s *splice) literal(val string, r hcl.Range) {
	if len(s.buf)+len(val) > maxText {
		s.buf = append(s.buf, make([]byte, maxText)...)
		return
	}
	if s.after {
		if rest := strings.TrimLeft(val, " \t\r\n"); rest != "" {
			s.after = false
			if strings.IndexByte(`{["`, rest[0]) >= 0 {
				s.buf = append(s.buf, ',')
			}
		}
	}
	from, to := r.Start.Byte, r.End.Byte
	src := s.e.text.src
	if from < 0 || to > len(src) || from > to {
		from, to = 0, 0
	}
	s.align(val, src[from:to], from)
	s.buf = append(s.buf, val...)
	if s.json {
		s.follow(val)
	}
}

// align notes for the bytes of val where they stand in src, which begins at from.
func (s *splice) align(val string, src []byte, from int) {
	at := len(s.buf)
	if len(val) <= len(src) && bytes.HasSuffix(src, []byte(val)) {
		s.marks = append(s.marks, mark{at, from + len(src) - len(val), true})
		return
	}
	s.marks = append(s.marks, mark{at, from, true})
	i := 0
	for j := 0; j < len(val) && i < len(src); j++ {
		if src[i] == val[j] && src[i] != '\\' {
			if n := i + 1; n < len(src) && (val[j] == '$' || val[j] == '%') && src[n] == val[j] && j+1 < len(val) && val[j+1] == '{' {
				i++ // $${ stands for ${
				s.marks = append(s.marks, mark{at + j + 1, from + i + 1, true})
			}
			i++
			continue
		}
		n := 2 // an escape
		if i+1 < len(src) && src[i+1] == 'u' {
			n = 6
		}
		i += n
		s.marks = append(s.marks, mark{at + j + 1, from + i, true})
	}
}

// follow keeps count of whether the end of the text is within a JSON string.
func (s *splice) follow(text string) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case s.escape:
			s.escape = false
		case s.inString && c == '\\':
			s.escape = true
		case c == '"':
			s.inString = !s.inString
		}
	}
}

// value appends the value of an expression.
func (s *splice) value(v source.Node, r hcl.Range) {
	s.marks = append(s.marks, mark{len(s.buf), r.Start.Byte, false})
	text := asText(&v)
	switch {
	case len(s.buf)+len(text) > maxText:
		s.buf = append(s.buf, make([]byte, maxText)...)
	case !s.json:
		s.buf = append(s.buf, text...)
	case s.inString:
		quoted := source.AppendJSON(nil, &source.Node{Kind: source.String, Text: text})
		s.buf = append(s.buf, quoted[1:len(quoted)-1]...)
	case v.Kind == source.Bool || v.Kind == source.Number || v.Kind == source.String && !strings.Contains(text, "${"):
		s.bare = true
		s.buf = append(s.buf, text...)
		s.follow(text)
	default:
		s.bare, s.after = true, true
		if b := bytes.TrimRight(s.buf, " \t\r\n"); len(b) > 0 && strings.IndexByte(`}]"`, b[len(b)-1]) >= 0 {
			s.buf = append(s.buf, ',')
		}
		s.buf = fmt.Appendf(s.buf, `"\u0000%d"`, len(s.values))
		s.values = append(s.values, v)
	}
}

// restore puts the values back for which strings were written.
func (s *splice) restore(n *source.Node, depth int) {
	if index, ok := strings.CutPrefix(n.Text, "\x00"); ok && n.Kind == source.String {
		if i, err := strconv.Atoi(index); err == nil && i < len(s.values) && depth < maxNested {
			*n = s.values[i]
		}
		return
	}
	for i := range n.Items {
		s.restore(&n.Items[i], depth+1)
	}
	for i := range n.Fields {
		n.Fields[i].Name = strings.ReplaceAll(n.Fields[i].Name, "\x00", "$")
		s.restore(&n.Fields[i].Value, depth+1)
	}
}

// relocate returns the way from a place of the text to the place in the file.
func (s *splice) relocate() func(source.Pos) source.Pos {
	lines := []int{0}
	for i, c := range s.buf {
		if c == '\n' {
			lines = append(lines, i+1)
		}
	}
	return func(p source.Pos) source.Pos {
		if p.Line < 1 || int(p.Line) > len(lines) {
			return p
		}
		at := lines[p.Line-1] + int(p.Column) - 1
		i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].at > at }) - 1
		if i < 0 {
			return p
		}
		if m := s.marks[i]; m.exact {
			return s.e.pos(m.from + at - m.at)
		}
		return s.e.pos(s.marks[i].from)
	}
}
