package source

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

func (c *converter) mapping(n *Node, values []*ast.MappingValueNode, flow bool, depth int) *SyntaxError {
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
		if err := c.complexName(v); err != nil {
			return err
		}
		f := Field{Pos: c.pos(v.Key.GetToken())}
		if !flow {
			if err := c.swallowed(v.Value, f.Pos.Column+1, f.Pos.Column); err != nil {
				return err
			}
		}
		name, err := c.name(v.Key, depth)
		if err != nil {
			return err
		}
		f.Name = name
		if err := c.node(&f.Value, v.Value, depth+1); err != nil {
			return err
		}
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, &f.Value)
			continue
		}
		n.Fields = append(n.Fields, f)
	}
	c.problems = repeats(c.problems, n.Fields)
	return merge(n, merged)
}

// name reads the name of a member: what a scalar says, and for a name that is
// not a text the literal that was written.
func (c *converter) name(key ast.Node, depth int) (string, *SyntaxError) {
	switch key := key.(type) {
	case *ast.MappingKeyNode:
		return c.name(key.Value, depth)
	case *ast.StringNode:
		return key.Value, nil
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.LiteralNode:
		// Their token is only the sign before the name.
		var n Node
		if err := c.node(&n, key, depth); err != nil {
			return "", err
		}
		if n.Kind != String && n.Kind != Number && n.Kind != Bool {
			return "", &SyntaxError{Pos: n.Pos, Text: fmt.Sprintf("%s stands where a name should: write the name itself, in quotes if need be", n.Kind)}
		}
		return n.Text, nil
	}
	return key.GetToken().Value, nil
}

// cutName refuses a name that the library ends at a colon with no blank after
// it, as before a quote: YAML has the name go on.
func (c *converter) cutName(v *ast.MappingValueNode) *SyntaxError {
	key, colon := v.Key.GetToken(), v.Start
	at := c.pos(colon)
	if key.Type != token.StringType || int(at.Line) > len(c.lines) {
		return nil
	}
	line, next := c.lines[at.Line-1], int(at.Column)
	if next >= len(line) || line[next-1] != ':' || strings.IndexByte(" \t\r\n,[]{}", line[next]) >= 0 {
		return nil
	}
	return &SyntaxError{Pos: c.pos(key), Text: "no blank follows the colon after this name: put one there, or the whole name in quotes"}
}

// swallowed refuses a block list or map that stands left of where it may. After
// a tag or a dash without a value the library takes the next lines for that
// value, whatever their column: a: !Sub and b: 1 below it are two members, and
// would be read as one.
func (c *converter) swallowed(value ast.Node, forMap, forList int32) *SyntaxError {
	var begin Pos
	least := forMap
	switch v := value.(type) {
	case *ast.AnchorNode:
		return c.swallowed(v.Value, forMap, forList)
	case *ast.TagNode:
		return c.swallowed(v.Value, forMap, forList)
	case *ast.MappingNode:
		if v.IsFlowStyle || len(v.Values) == 0 {
			return nil
		}
		begin = c.pos(v.Values[0].Key.GetToken())
	case *ast.MappingValueNode:
		begin = c.pos(v.Key.GetToken())
	case *ast.SequenceNode:
		if v.IsFlowStyle {
			return nil
		}
		begin, least = c.pos(v.GetToken()), forList
	default:
		return nil
	}
	if begin.Column >= least {
		return nil
	}
	return &SyntaxError{Pos: begin, Text: "this stands too far left to be the value that is missing above it: indent it, or write that value (\"\" for an empty text)"}
}

// complexName refuses ? a: b, which is a map for a name; the library reads it as
// the member a.
func (c *converter) complexName(v *ast.MappingValueNode) *SyntaxError {
	key, ok := v.Key.(*ast.MappingKeyNode)
	if !ok || v.Start == nil || v.Start.Type != token.MappingValueType {
		return nil
	}
	at := c.pos(key.GetToken())
	if c.pos(v.Start).Line != at.Line {
		return nil
	}
	return &SyntaxError{Pos: at, Text: "a question mark begins a name here that is itself a map: write the name alone"}
}

// merge adds the members of merged maps, or of lists of them, that the map does
// not have yet.
// See https://yaml.org/type/merge.html.
func merge(n *Node, merged []*Node) *SyntaxError {
	if len(merged) == 0 {
		return nil
	}
	have := make(map[string]struct{}, len(n.Fields))
	for i := range n.Fields {
		have[n.Fields[i].Name] = struct{}{}
	}
	var add func(from *Node, list bool) *SyntaxError
	add = func(from *Node, list bool) *SyntaxError {
		switch {
		case from.Kind == List && list:
			for i := range from.Items {
				if err := add(&from.Items[i], false); err != nil {
					return err
				}
			}
		case from.Kind == Map:
			for _, f := range from.Distinct() {
				if _, ok := have[f.Name]; !ok {
					have[f.Name] = struct{}{}
					n.Fields = append(n.Fields, f)
				}
			}
		case from.Kind == Intrinsic && strings.HasPrefix(from.Text, "*"):
			return &SyntaxError{Pos: from.Pos, Text: fmt.Sprintf("<< merges %s, and no anchor of that name stands before it: write &%s before the map it names", from.Text, from.Text[1:])}
		default:
			return &SyntaxError{Pos: from.Pos, Text: fmt.Sprintf("%s stands where << wants a map: name a map, or put << in quotes if it is a name", from.Kind)}
		}
		return nil
	}
	for _, m := range merged {
		if err := add(m, true); err != nil {
			return err
		}
	}
	return nil
}
