package source

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML reads one YAML document with goccy/go-yaml and turns its tree into
// nodes.
func parseYAML(text string) (n *Node, problems []Problem, failure *SyntaxError) {
	if len(text) > maxYAMLSize {
		return nil, nil, &SyntaxError{Text: fmt.Sprintf("the YAML has %d bytes, more than the %d MiB that are read; JSON may be larger", len(text), maxYAMLSize>>20)}
	}
	if at, deep := flowTooDeep(text); deep {
		return nil, nil, &SyntaxError{Pos: at, Text: fmt.Sprintf("more than %d lists and maps stand inside one another: no such document is read", maxDepth)}
	}
	c := converter{lines: strings.SplitAfter(text, "\n"), anchors: map[string]*Node{}}
	// The library panics on some broken input; such a text is refused like any
	// other that cannot be read.
	defer func() {
		if r := recover(); r != nil {
			n, problems, failure = nil, nil, &SyntaxError{Pos: Pos{1, 1}, Text: "the YAML cannot be read: write it in its plain form, or as JSON"}
		}
	}()
	tokens := lexer.Tokenize(text)
	c.locate(text, tokens)
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, nil, c.syntax(err)
	}
	root, failure := c.document(file)
	if failure != nil {
		return nil, c.problems, failure
	}
	return root, c.problems, nil
}

// flowTooDeep looks for brackets nested too deep before the recursive parser
// meets them. It counts those in texts too, which no honest document has many
// of unclosed.
func flowTooDeep(text string) (Pos, bool) {
	depth, line, start := 0, int32(1), 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '[', '{':
			if depth++; depth > maxDepth {
				return Pos{line, int32(i - start + 1)}, true
			}
		case ']', '}':
			depth = max(depth-1, 0)
		case '\n':
			line++
			start = i + 1
		}
	}
	return Pos{}, false
}

// converter turns the library's tree into nodes.
type converter struct {
	lines    []string
	places   map[*token.Token]Pos // see locate
	anchors  map[string]*Node
	nodes    int
	problems []Problem
}

// syntax puts the library's error into ours.
func (c *converter) syntax(err error) *SyntaxError {
	var s *yaml.SyntaxError
	if errors.As(err, &s) && s.Token != nil && s.Token.Position != nil {
		return &SyntaxError{Pos: c.pos(s.Token), Text: "the YAML cannot be read here: " + s.Message}
	}
	return &SyntaxError{Pos: Pos{1, 1}, Text: "the YAML cannot be read: " + firstLine(err.Error())}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (c *converter) document(file *ast.File) (*Node, *SyntaxError) {
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil || d.Body.Type() == ast.CommentType || d.Body.Type() == ast.DirectiveType {
			continue
		}
		if body != nil {
			at := Pos{1, 1}
			if d.Start != nil {
				at = c.pos(d.Start)
			}
			return nil, &SyntaxError{Pos: at, Text: "a second document begins here: give one document in each file"}
		}
		body = d.Body
	}
	if body == nil {
		return nil, &SyntaxError{Pos: Pos{1, 1}, Text: "the text is empty: a JSON or YAML document is expected"}
	}
	root := new(Node)
	return root, c.node(root, body, 0)
}

// locate works out where each token stands. The library's columns are short by
// one for every tag before them on the line, but the origins of its tokens put
// together are the text; where they are not, its own positions must do.
func (c *converter) locate(text string, tokens token.Tokens) {
	places := make(map[*token.Token]Pos, len(tokens))
	offset, at := 0, Pos{1, 1}
	step := func(s string) {
		if n := strings.Count(s, "\n"); n > 0 {
			at.Line += int32(n)
			at.Column = int32(len(s) - strings.LastIndexByte(s, '\n'))
		} else {
			at.Column += int32(len(s))
		}
	}
	for _, t := range tokens {
		if !strings.HasPrefix(text[offset:], t.Origin) {
			return
		}
		offset += len(t.Origin)
		word := strings.TrimLeft(t.Origin, " \t\r\n")
		step(t.Origin[:len(t.Origin)-len(word)])
		places[t] = at
		step(word)
	}
	c.places = places
}

// pos turns the library's position, which counts characters, into ours.
func (c *converter) pos(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	if at, ok := c.places[t]; ok {
		return at
	}
	line, column := t.Position.Line, max(t.Position.Column, 1)
	if line < 1 || line > len(c.lines) {
		return Pos{int32(max(line, 1)), int32(column)}
	}
	text := c.lines[line-1]
	at := 0
	for range column - 1 {
		if at >= len(text) {
			break
		}
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return Pos{int32(line), int32(at + 1)}
}

func (c *converter) node(n *Node, from ast.Node, depth int) *SyntaxError {
	n.Pos = c.pos(from.GetToken())
	if depth > maxDepth {
		return &SyntaxError{Pos: n.Pos, Text: fmt.Sprintf("more than %d lists and maps stand inside one another: no such document is read", maxDepth)}
	}
	if c.nodes++; c.nodes > maxNodes {
		return &SyntaxError{Pos: n.Pos, Text: fmt.Sprintf("the document has more than %d values: no such document is read", maxNodes)}
	}
	switch from := from.(type) {
	case *ast.MappingNode:
		return c.mapping(n, from.Values, depth)
	case *ast.MappingValueNode:
		return c.mapping(n, []*ast.MappingValueNode{from}, depth)
	case *ast.SequenceNode:
		n.Kind = List
		n.Items = make([]Node, len(from.Values))
		for i, v := range from.Values {
			if err := c.node(&n.Items[i], v, depth+1); err != nil {
				return err
			}
		}
		return nil
	case *ast.AnchorNode:
		err := c.node(n, from.Value, depth)
		c.anchors[from.Name.GetToken().Value] = n
		return err
	case *ast.AliasNode:
		return c.alias(n, from.Value.GetToken().Value)
	case *ast.TagNode:
		return c.tag(n, from, depth)
	}
	c.scalar(n, from)
	return nil
}

// alias copies what an anchor names. Anchors are noted once their value is
// complete, so a value never holds itself.
func (c *converter) alias(n *Node, name string) *SyntaxError {
	at := n.Pos
	target := c.anchors[name]
	if target == nil {
		n.Kind, n.Text = Intrinsic, "*"+name
		return nil
	}
	*n = *target
	n.Pos = at
	if c.nodes += count(target); c.nodes > maxNodes {
		return &SyntaxError{Pos: at, Text: fmt.Sprintf("with *%s written out the document has more than %d values: no such document is read", name, maxNodes)}
	}
	return nil
}

func count(n *Node) int {
	total := 1
	for i := range n.Items {
		total += count(&n.Items[i])
	}
	for i := range n.Fields {
		total += count(&n.Fields[i].Value)
	}
	return total
}

func (c *converter) tag(n *Node, from *ast.TagNode, depth int) *SyntaxError {
	at, name := n.Pos, from.Start.Value
	if strings.HasPrefix(name, "!!") || name == "!" {
		if from.Value == nil {
			return nil
		}
		err := c.node(n, from.Value, depth)
		if (name == "!!str" || name == "!") && n.Kind != List && n.Kind != Map {
			n.Kind, n.Text = String, from.Value.GetToken().Value
		}
		return err
	}
	*n = Node{Kind: Intrinsic, Pos: at, Text: name, Items: make([]Node, 1)}
	if from.Value == nil {
		n.Items[0].Pos = at
		return nil
	}
	return c.node(&n.Items[0], from.Value, depth+1)
}

func (c *converter) mapping(n *Node, values []*ast.MappingValueNode, depth int) *SyntaxError {
	n.Kind = Map
	n.Fields = make([]Field, 0, len(values))
	if len(values) > 0 {
		n.Pos = c.pos(values[0].Key.GetToken())
	}
	var merged []*Node // what the map has itself goes before
	for _, v := range values {
		if err := c.cutName(v); err != nil {
			return err
		}
		var f Field
		if err := c.node(&f.Value, v.Value, depth+1); err != nil {
			return err
		}
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, &f.Value)
			continue
		}
		f.Name, f.Pos = keyText(v.Key), c.pos(v.Key.GetToken())
		n.Fields = append(n.Fields, f)
	}
	c.problems = repeats(c.problems, n.Fields)
	for _, m := range merged {
		merge(n, m)
	}
	return nil
}

// cutName refuses a name that the library cuts short: between braces it ends a
// plain name at its first colon, though YAML wants a blank after it. Read so,
// {kms:ViaService: x} would be another map than the one that was written.
func (c *converter) cutName(v *ast.MappingValueNode) *SyntaxError {
	key, colon := v.Key.GetToken(), v.Start
	at, known := c.places[colon]
	if !known || key.Type != token.StringType {
		return nil
	}
	line := c.lines[at.Line-1]
	if next := int(at.Column); next >= len(line) || strings.IndexByte(" \t\r\n,[]{}", line[next]) >= 0 {
		return nil
	}
	return &SyntaxError{Pos: c.pos(key), Text: "the name that begins here has a colon in it: put it in quotes, because between braces a name ends at its first colon"}
}

// merge adds the members of a merged map, or of a list of them, that the map
// does not have yet.
// See https://yaml.org/type/merge.html.
func merge(n, from *Node) {
	for i := range from.Items {
		merge(n, &from.Items[i])
	}
	for i := range from.Fields {
		if n.Field(from.Fields[i].Name) == nil {
			n.Fields = append(n.Fields, from.Fields[i])
		}
	}
}

func keyText(key ast.MapKeyNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	if k, ok := key.(*ast.MappingKeyNode); ok && k.Value != nil {
		return k.Value.GetToken().Value
	}
	return key.GetToken().Value
}

var (
	wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	jsonNumber  = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
)

// scalar reads a single value. A number keeps the digits that were written; one
// that JSON cannot write so (a leading zero, hexadecimal, a date) stays a text,
// so that an account number never changes.
func (c *converter) scalar(n *Node, from ast.Node) {
	n.Kind, n.Text = String, from.GetToken().Value
	switch from := from.(type) {
	case *ast.StringNode:
		n.Text = from.Value
	case *ast.LiteralNode:
		n.Text = from.Value.Value
	case *ast.NullNode:
		n.Kind, n.Text = Null, ""
	case *ast.BoolNode:
		n.Kind, n.Text = Bool, strconv.FormatBool(from.Value)
	case *ast.IntegerNode:
		if wholeNumber.MatchString(n.Text) {
			n.Kind = Number
		}
	case *ast.FloatNode:
		if jsonNumber.MatchString(n.Text) {
			n.Kind = Number
		}
	}
}

// Suggest returns the name among known that name was most likely meant to be,
// or nothing when none is near.
func Suggest(name string, known []string) string {
	limit := max(2, len(name)/3)
	best, distance := "", limit+1
	folded := strings.ToLower(name)
	for _, k := range known {
		if d := distanceOf(folded, strings.ToLower(k), distance); d < distance {
			best, distance = k, d
		}
	}
	if distance >= len(name) {
		return "" // nothing of the name would be left
	}
	return best
}

// distanceOf counts the letters to add, drop or replace between a and b; at or
// above the limit it may stop counting.
func distanceOf(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
		if slices.Min(row) >= limit {
			return limit
		}
	}
	return row[len(b)]
}

func abs(n int) int { return max(n, -n) }
