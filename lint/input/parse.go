package input

import (
	"bytes"
	"fmt"

	"github.com/keyreach/keyreach/internal/source"
)

// maxMended is the size beyond which a text that is no JSON or YAML as it
// stands is not tried in other ways.
const maxMended = 1 << 20

// maxYAML is the size of the largest document of YAML that is read: its parser
// needs several hundred bytes for each byte. CloudFormation and Kubernetes take
// none that are larger.
const maxYAML = 3 << 19

// parsed is a tree, and how it was got.
type parsed struct {
	n                  *source.Node
	problems           []source.Problem
	template, fragment bool
}

// parse reads JSON, YAML or a template of one of them, also an excerpt without
// its outer brackets or a listing with line numbers.
func parse(text []byte) (*parsed, error) {
	if rest := bytes.TrimLeft(text, " \t\r\n"); len(text) > maxYAML && len(rest) > 0 && bytes.IndexByte([]byte(`{["/`), rest[0]) < 0 {
		return nil, &source.SyntaxError{Pos: source.Pos{Line: 1, Column: 1}, Text: fmt.Sprintf("the YAML has %d bytes, more than the %d KiB that are read; JSON may be larger", len(text), maxYAML>>10)}
	}
	n, problems, err := source.Parse(text)
	if err == nil && !(n.Kind == source.String && mayBeTemplate(text)) {
		return &parsed{n: n, problems: problems}, nil
	}
	if len(text) > maxMended {
		return nil, err
	}
	if p, mended := mend(text); p != nil {
		return p, nil
	} else if mended != nil {
		err = mended
	}
	if err == nil {
		return &parsed{n: n, problems: problems}, nil
	}
	if plain := unnumbered(text); plain != nil {
		if p, _ := parse(plain); p != nil {
			return p, nil
		}
	}
	return nil, err
}

// mayBeTemplate reports whether a text that YAML takes for one string is likely
// a template that begins with an expression.
func mayBeTemplate(text []byte) bool {
	rest := bytes.TrimSpace(text)
	n, _ := span(rest)
	return n > 0 && bytes.Contains(text, []byte(`"Effect"`))
}

// mend reads a text after taking out its placeholders, and with brackets around
// it. The error is nil when there was nothing to take out.
func mend(text []byte) (*parsed, error) {
	m := mask(text)
	rest := bytes.TrimSpace(m.text)
	if len(rest) == 0 || bytes.IndexByte([]byte(`{["`), rest[0]) < 0 {
		m = maskYAML(text)
		n, problems, err := m.parse()
		if !m.changed() || err != nil {
			return nil, errIf(err, m.changed())
		}
		return &parsed{n: n, problems: problems, template: true}, nil
	}
	n, problems, err := m.parse()
	if err == nil {
		return &parsed{n: n, problems: problems, template: len(m.marks) > 0 || m.controls}, nil
	}
	if p := bracketed(m, rest[0]); p != nil {
		return p, nil
	}
	return nil, errIf(err, m.changed())
}

func errIf(err error, is bool) error {
	if is {
		return err
	}
	return nil
}

// bracketed reads an excerpt: members without the braces around them, or maps
// without the brackets of their list.
func bracketed(m *masked, first byte) *parsed {
	opening, closing := "{", "}"
	switch first {
	case '{':
		opening, closing = "[", "]"
	case '[':
		return nil
	}
	marks := make(map[int]string, len(m.marks))
	for at, text := range m.marks {
		marks[at+1] = text
	}
	around := &masked{text: []byte(opening + string(m.text) + "\n" + closing), marks: marks, controls: true}
	n, problems, err := around.parse()
	if err != nil || len(n.Items) < 2 && len(n.Fields) == 0 {
		return nil
	}
	shift := func(p source.Pos) source.Pos {
		if p.Line == 1 && p.Column > 1 {
			p.Column--
		}
		return p
	}
	moved := clone(n, shift)
	for i := range problems {
		problems[i].Pos = shift(problems[i].Pos)
	}
	return &parsed{n: &moved, problems: problems, template: len(marks) > 0, fragment: true}
}

// documents cuts a text of YAML at the lines of three dashes. It returns where
// each document begins.
func documents(text []byte) []int {
	if rest := bytes.TrimLeft(text, " \t\r\n"); len(rest) > 0 && (rest[0] == '{' || rest[0] == '[') {
		return []int{0}
	}
	starts := []int{0}
	at := 0
	for line := range bytes.Lines(text) {
		if at > 0 && bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || isBlank(line[3])) {
			starts = append(starts, at)
		}
		at += len(line)
	}
	return starts
}

// blankDocument reports whether a document has nothing but comments and marks.
func blankDocument(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) && !bytes.Equal(line, []byte("...")) {
			return false
		}
	}
	return true
}

// trees reads every document of a text of JSON or YAML.
func (r *reader) trees() {
	starts := documents(r.data)
	for i, from := range starts {
		to := len(r.data)
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		text := r.data[from:to]
		if blankDocument(text) {
			continue
		}
		one := r
		if from > 0 || to < len(r.data) {
			lines := int32(bytes.Count(r.data[:from], []byte("\n")))
			one = r.part(text, func(p source.Pos) source.Pos {
				p.Line += lines
				return p
			})
		}
		one.document()
		r.is(one.format)
	}
}

// document reads one document.
func (r *reader) document() {
	p, err := parse(r.data)
	if err != nil {
		r.syntax(err)
		return
	}
	r.problems, r.template, r.fragment = p.problems, p.template, p.fragment
	r.tree(p.n)
	r.steps(p.n, "")
}

// inner reads the text of a string that is JSON, or returns nil. Its places are
// those of the data.
func (r *reader) inner(n *source.Node) *parsed {
	p, err := parse([]byte(n.Text))
	at := r.inString(n)
	if err != nil {
		if s, ok := err.(*source.SyntaxError); ok {
			r.fail(at(s.Pos), "the policy in this string cannot be read: "+s.Text)
		}
		return nil
	}
	moved := clone(p.n, at)
	problems := make([]source.Problem, len(p.problems))
	for i, problem := range p.problems {
		problem.Pos = at(problem.Pos)
		problems[i] = problem
	}
	p.n, p.problems = &moved, problems
	return p
}
