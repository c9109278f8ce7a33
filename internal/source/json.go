package source

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The scanner is our own for speed alone. tailscale/hujson, which reads the
// same language, runs at about 100 MB/s on policies (65 allocations and nine
// bytes of heap for each byte read) before a single node is built: it checks
// every literal with encoding/json and keeps all white space. Tens of
// thousands of policies are read for one estate, so the tree is built in one
// pass here. The tests hold this scanner against hujson as the judge.

// scanner reads one JSON text. Strings of its nodes are parts of text.
type scanner struct {
	text  string
	at    int   // the next byte
	line  int32 // the line of the next byte, from 1
	start int   // where that line begins
	depth int
	// nodes and fields are stacks of the members of the lists and maps that are
	// still open; when one closes, its members move to a slice of the right size.
	nodes    []Node
	fields   []Field
	slabs    slabs
	problems []Problem
}

// slabs hands out slices for many small lists from few allocations.
type slabs struct {
	nodes  []Node
	fields []Field
}

func (s *slabs) keepNodes(ns []Node) []Node {
	if len(ns) > cap(s.nodes)-len(s.nodes) {
		s.nodes = make([]Node, 0, max(16, len(ns)))
	}
	n := len(s.nodes)
	s.nodes = append(s.nodes, ns...)
	return s.nodes[n:len(s.nodes):len(s.nodes)]
}

func (s *slabs) keepFields(fs []Field) []Field {
	if len(fs) > cap(s.fields)-len(s.fields) {
		s.fields = make([]Field, 0, max(16, len(fs)))
	}
	n := len(s.fields)
	s.fields = append(s.fields, fs...)
	return s.fields[n:len(s.fields):len(s.fields)]
}

func parseJSON(text string) (*Node, []Problem, *SyntaxError) {
	// Arrays on the stack serve as the first room of the stacks.
	var nodes [16]Node
	var fields [24]Field
	s := scanner{text: text, line: 1, nodes: nodes[:0], fields: fields[:0]}
	root := new(Node)
	if err := s.space(); err != nil {
		return nil, s.problems, err
	}
	if err := s.value(root); err != nil {
		return nil, s.problems, err
	}
	if err := s.space(); err != nil {
		return nil, s.problems, err
	}
	if s.at < len(text) {
		return nil, s.problems, s.fail("%s after the end of the document: remove what follows it", s.found())
	}
	return root, s.problems, nil
}

func (s *scanner) pos() Pos { return Pos{s.line, int32(s.at - s.start + 1)} }

func (s *scanner) fail(format string, args ...any) *SyntaxError {
	return &SyntaxError{Pos: s.pos(), Text: fmt.Sprintf(format, args...)}
}

// found names the character at the scanner, for messages.
func (s *scanner) found() string {
	if s.at >= len(s.text) {
		return "the text ends"
	}
	r, _ := utf8.DecodeRuneInString(s.text[s.at:])
	return fmt.Sprintf("%q stands", r)
}

func (s *scanner) problem(kind ProblemKind, at Pos, text string) {
	if len(s.problems) < maxProblems {
		s.problems = append(s.problems, Problem{Pos: at, Kind: kind, Text: text})
	}
}

// space skips white space and comments.
func (s *scanner) space() *SyntaxError {
	text, at := s.text, s.at
	for at < len(text) {
		switch text[at] {
		case ' ', '\t', '\r':
			at++
		case '\n':
			at++
			s.line++
			s.start = at
		case '/':
			s.at = at
			if err := s.comment(); err != nil {
				return err
			}
			at = s.at
		default:
			s.at = at
			return nil
		}
	}
	s.at = at
	return nil
}

func (s *scanner) comment() *SyntaxError {
	from, at := s.text[s.at:], s.pos()
	var n int
	switch {
	case strings.HasPrefix(from, "//"):
		if n = strings.IndexByte(from, '\n'); n < 0 {
			n = len(from)
		}
	case strings.HasPrefix(from, "/*"):
		if n = strings.Index(from[2:], "*/"); n < 0 {
			return s.fail("a comment begins here and does not end: close it with */")
		}
		n += 4
		if lines := strings.Count(from[:n], "\n"); lines > 0 {
			s.line += int32(lines)
			s.start = s.at + strings.LastIndexByte(from[:n], '\n') + 1
		}
	default:
		return s.fail("a single / stands here: remove it, or write // for a comment")
	}
	s.problem(Comment, at, "")
	s.at += n
	return nil
}

// value reads the value that begins at the scanner into n, which is zero.
func (s *scanner) value(n *Node) *SyntaxError {
	n.Pos = s.pos()
	if s.at >= len(s.text) {
		return s.fail("the text ends where a value should stand: it was cut off, or a bracket is missing")
	}
	switch c := s.text[s.at]; c {
	case '"':
		n.Kind = String
		return s.str(&n.Text)
	case '{':
		n.Kind = Map
		return s.object(n)
	case '[':
		n.Kind = List
		return s.array(n)
	case 't', 'f', 'n':
		return s.word(n)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		n.Kind = Number
		return s.number(n)
	}
	return s.failValue()
}

// failValue explains what people write where JSON wants a value.
func (s *scanner) failValue() *SyntaxError {
	switch rest := s.text[s.at:]; {
	case rest[0] == '\'', strings.HasPrefix(rest, "“"), strings.HasPrefix(rest, "”"), strings.HasPrefix(rest, "‘"):
		return s.fail("JSON strings stand in plain double quotes (\"), not in these")
	case strings.HasPrefix(rest, "True"), strings.HasPrefix(rest, "False"), strings.HasPrefix(rest, "None"):
		return s.fail("this is Python: JSON writes true, false and null")
	case rest[0] == ',':
		return s.fail("a comma stands where a value should: remove it, or write the value")
	case rest[0] == '}', rest[0] == ']':
		return s.fail("%q stands where a value should: write the value, or remove the comma or colon before it", rest[0])
	case rest[0] == '#':
		return s.fail("JSON has no # comments: remove it, or write //")
	}
	return s.fail("%s where a value should: texts need double quotes around them", s.found())
}

func (s *scanner) word(n *Node) *SyntaxError {
	rest := s.text[s.at:]
	switch {
	case strings.HasPrefix(rest, "true"):
		n.Kind, n.Text = Bool, rest[:4]
	case strings.HasPrefix(rest, "false"):
		n.Kind, n.Text = Bool, rest[:5]
	case strings.HasPrefix(rest, "null"):
		n.Kind = Null
		s.at += 4
		return s.endOfWord()
	default:
		return s.failValue()
	}
	s.at += len(n.Text)
	return s.endOfWord()
}

// endOfWord makes sure that a word or number does not run on into a letter.
func (s *scanner) endOfWord() *SyntaxError {
	if s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-', c == '+':
			return s.fail("%s directly after a value: texts need double quotes around them", s.found())
		}
	}
	return nil
}

// number reads a number by the grammar of RFC 8259, section 6.
func (s *scanner) number(n *Node) *SyntaxError {
	from := s.at
	digits := func() bool {
		begin := s.at
		for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
			s.at++
		}
		return s.at > begin
	}
	next := func(c byte) bool {
		if s.at < len(s.text) && s.text[s.at] == c {
			s.at++
			return true
		}
		return false
	}
	next('-')
	if !next('0') && !digits() {
		return s.fail("%s where a digit should", s.found())
	}
	if next('.') && !digits() {
		return s.fail("%s where a digit should", s.found())
	}
	if next('e') || next('E') {
		if !next('+') {
			next('-')
		}
		if !digits() {
			return s.fail("%s where a digit should", s.found())
		}
	}
	if s.at < len(s.text) && s.text[s.at-1] == '0' && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		return s.fail("JSON numbers have no leading zero: put an account number in double quotes")
	}
	n.Text = s.text[from:s.at]
	return s.endOfWord()
}

// plain marks the bytes that a JSON string holds as they are.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x20 && c != '"' && c != '\\'
	}
	return t
}()

// str reads the string whose opening quote is at the scanner.
func (s *scanner) str(to *string) *SyntaxError {
	text := s.text
	from := s.at + 1
	at := from
	for at < len(text) && plain[text[at]] {
		at++
	}
	if at < len(text) && text[at] == '"' {
		*to = text[from:at]
		s.at = at + 1
		return nil
	}
	return s.escaped(to, from, at)
}

// escaped reads the rest of a string that holds more than plain bytes.
func (s *scanner) escaped(to *string, from, at int) *SyntaxError {
	opened := s.pos()
	b := []byte(s.text[from:at])
	for at < len(s.text) {
		c := s.text[at]
		switch {
		case c == '"':
			*to = string(b)
			s.at = at + 1
			return nil
		case c == '\\':
			n := unescape(&b, s.text[at:])
			if n == 0 {
				s.at = at
				return s.fail("a backslash begins no escape that JSON has: write \\\\ for the backslash itself")
			}
			at += n
		case c < 0x20:
			if c == '\n' || c == '\r' {
				return &SyntaxError{Pos: opened, Text: "the string that begins here does not end on its line: close its quote, or write \\n for a line break"}
			}
			s.at = at
			return s.fail("a control character stands in a string: write it as %q", fmt.Sprintf("\\u%04x", c))
		default:
			b = append(b, c)
			at++
		}
	}
	return &SyntaxError{Pos: opened, Text: "the string that begins here does not end: close its quote"}
}

// unescape appends what the escape at the beginning of s means and returns its
// length, or 0 when it is none.
func unescape(b *[]byte, s string) int {
	if len(s) < 2 {
		return 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
		*b = append(*b, "\"\\/\b\f\n\r\t"[i])
		return 2
	}
	r := hex4(s)
	if r < 0 {
		return 0
	}
	n := 6
	if utf16.IsSurrogate(r) {
		low := hex4(s[6:])
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			n = 12
		}
	}
	*b = utf8.AppendRune(*b, r)
	return n
}

// hex4 reads \uXXXX, or returns -1.
func hex4(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil || s[2] == '+' {
		return -1
	}
	return rune(v)
}

// open counts one more list or map that is open.
func (s *scanner) open() *SyntaxError {
	if s.depth++; s.depth > maxDepth {
		return s.fail("more than %d lists and maps stand inside one another: no such document is read", maxDepth)
	}
	s.at++
	return s.space()
}

func (s *scanner) array(n *Node) *SyntaxError {
	begin := len(s.nodes)
	if err := s.open(); err != nil {
		return err
	}
	for !s.closes(']') {
		var item Node
		if err := s.value(&item); err != nil {
			return err
		}
		s.nodes = append(s.nodes, item)
		if err := s.comma(']', "list"); err != nil {
			return err
		}
	}
	if members := s.nodes[begin:]; len(members) > 0 {
		n.Items = s.slabs.keepNodes(members)
	}
	s.nodes = s.nodes[:begin]
	return nil
}

func (s *scanner) object(n *Node) *SyntaxError {
	begin := len(s.fields)
	if err := s.open(); err != nil {
		return err
	}
	for !s.closes('}') {
		var f Field
		if err := s.member(&f); err != nil {
			return err
		}
		s.fields = append(s.fields, f)
		if err := s.comma('}', "map"); err != nil {
			return err
		}
	}
	if members := s.fields[begin:]; len(members) > 0 {
		s.problems = repeats(s.problems, members)
		n.Fields = s.slabs.keepFields(members)
	}
	s.fields = s.fields[:begin]
	return nil
}

// closes steps over the bracket that ends a list or map.
func (s *scanner) closes(bracket byte) bool {
	if s.at < len(s.text) && s.text[s.at] == bracket {
		s.at++
		s.depth--
		return true
	}
	return false
}

func (s *scanner) member(f *Field) *SyntaxError {
	f.Pos = s.pos()
	if s.at >= len(s.text) {
		return s.fail("the text ends inside a map: it was cut off, or a } is missing")
	}
	if s.text[s.at] != '"' {
		return s.fail("%s where a name should: names stand in double quotes", s.found())
	}
	if err := s.str(&f.Name); err != nil {
		return err
	}
	if err := s.space(); err != nil {
		return err
	}
	if s.at >= len(s.text) || s.text[s.at] != ':' {
		return s.fail("%s after the name %q: write a colon and a value", s.found(), f.Name)
	}
	s.at++
	if err := s.space(); err != nil {
		return err
	}
	return s.value(&f.Value)
}

// comma steps over the comma between two members; a bracket may follow it.
func (s *scanner) comma(bracket byte, what string) *SyntaxError {
	if err := s.space(); err != nil {
		return err
	}
	switch {
	case s.at >= len(s.text):
		return s.fail("the text ends inside a %s: it was cut off, or a %c is missing", what, bracket)
	case s.text[s.at] == bracket:
		return nil
	case s.text[s.at] != ',':
		return s.fail("%s after a member of a %s: a comma or %c is missing before it", s.found(), what, bracket)
	}
	at := s.pos()
	s.at++
	if err := s.space(); err != nil {
		return err
	}
	if s.at < len(s.text) && s.text[s.at] == bracket {
		s.problem(TrailingComma, at, "")
	}
	return nil
}
