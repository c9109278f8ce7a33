package source

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML reads one YAML document with goccy/go-yaml and turns its tree into
// nodes.
func parseYAML(text string) (n *Node, problems []Problem, failure *SyntaxError) {
	if len(text) > maxYAMLSize {
		return nil, nil, &SyntaxError{Text: fmt.Sprintf("the YAML has %d bytes, more than the %d MiB that are read; JSON may be larger", len(text), maxYAMLSize>>20)}
	}
	// The library leaves the line breaks of Windows in quoted texts.
	text = strings.ReplaceAll(text, "\r\n", "\n")
	c := converter{lines: strings.SplitAfter(text, "\n"), anchors: map[string]*Node{}}
	// The library panics on some broken input; such a text is refused like any
	// other that cannot be read.
	defer func() {
		if r := recover(); r != nil {
			n, problems, failure = nil, nil, &SyntaxError{Pos: Pos{1, 1}, Text: "the YAML cannot be read: write it in its plain form, or as JSON"}
		}
	}()
	tokens := tokenize(text)
	c.locate(text, tokens)
	tokens, failure = c.guard(tokens)
	if failure != nil {
		return nil, nil, failure
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, nil, c.syntax(err)
	}
	root, failure := c.document(file)
	if failure == nil {
		failure = c.runOn(tokens)
	}
	if failure != nil {
		return nil, c.problems, failure
	}
	return root, c.problems, nil
}

// converter turns the library's tree into nodes.
type converter struct {
	lines    []string
	places   map[*token.Token]Pos // see locate
	anchors  map[string]*Node     // nil while the value of the anchor is read
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

// document finds the one document that guard has left.
func (c *converter) document(file *ast.File) (*Node, *SyntaxError) {
	for _, d := range file.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType && d.Body.Type() != ast.DirectiveType {
			root := new(Node)
			return root, c.node(root, d.Body, 0)
		}
	}
	return nil, &SyntaxError{Pos: Pos{1, 1}, Text: "the text is empty: a JSON or YAML document is expected"}
}

func (c *converter) node(n *Node, from ast.Node, depth int) *SyntaxError {
	n.Pos = c.pos(from.GetToken())
	if depth > maxDepth {
		return tooDeep(n.Pos)
	}
	if c.nodes++; c.nodes > maxNodes {
		return &SyntaxError{Pos: n.Pos, Text: fmt.Sprintf("the document has more than %d values: no such document is read", maxNodes)}
	}
	switch from := from.(type) {
	case *ast.MappingNode:
		return c.mapping(n, from.Values, from.IsFlowStyle, depth)
	case *ast.MappingValueNode:
		return c.mapping(n, []*ast.MappingValueNode{from}, from.IsFlowStyle, depth)
	case *ast.SequenceNode:
		n.Kind = List
		n.Items = make([]Node, len(from.Values))
		for i, v := range from.Values {
			if !from.IsFlowStyle {
				if err := c.swallowed(v, n.Pos.Column+1, n.Pos.Column+1); err != nil {
					return err
				}
			}
			if err := c.node(&n.Items[i], v, depth+1); err != nil {
				return err
			}
		}
		return nil
	case *ast.AnchorNode:
		name := from.Name.GetToken().Value
		c.anchors[name] = nil // until its value is complete
		err := c.node(n, from.Value, depth)
		c.anchors[name] = n
		return err
	case *ast.AliasNode:
		return c.alias(n, from.Value.GetToken().Value, depth)
	case *ast.TagNode:
		return c.tag(n, from, depth)
	}
	c.scalar(n, from)
	return nil
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
		if t := from.GetToken(); t.Type == token.StringType && strings.Contains(n.Text, "\n") {
			n.Text = fold(t.Origin)
		}
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

// fold joins the lines of a text without quotes: a line break is a blank, and
// an empty line a line break. The library leaves the breaks before lines that
// are indented further.
func fold(text string) string {
	var b strings.Builder
	breaks := 0
	for i, line := range strings.Split(strings.Trim(text, blanks), "\n") {
		if line = strings.Trim(line, blanks); line == "" {
			breaks++
			continue
		}
		if i > 0 && breaks == 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.Repeat("\n", breaks))
		b.WriteString(line)
		breaks = 0
	}
	return b.String()
}
