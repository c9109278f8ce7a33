package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// alias copies what an anchor names.
func (c *converter) alias(n *Node, name string, depth int) *SyntaxError {
	at := n.Pos
	target, known := c.anchors[name]
	if !known {
		n.Kind, n.Text = Intrinsic, "*"+name
		return nil
	}
	if target == nil {
		return &SyntaxError{Pos: at, Text: fmt.Sprintf("*%s stands inside the value that &%s names, which would never end: write out what is meant", name, name)}
	}
	*n = *target
	n.Pos = at
	nodes, deep := measure(target)
	if c.nodes += nodes; c.nodes > maxNodes {
		return &SyntaxError{Pos: at, Text: fmt.Sprintf("with *%s written out the document has more than %d values: no such document is read", name, maxNodes)}
	}
	if depth+deep > maxDepth {
		return tooDeep(at)
	}
	return nil
}

// measure counts the nodes of a tree, and the levels below its root.
func measure(n *Node) (nodes, deep int) {
	nodes = 1
	add := func(below *Node) {
		more, levels := measure(below)
		nodes += more
		deep = max(deep, levels+1)
	}
	for i := range n.Items {
		add(&n.Items[i])
	}
	for i := range n.Fields {
		add(&n.Fields[i].Value)
	}
	return nodes, deep
}

// tagName writes the long forms of a tag in the short one.
func tagName(tag string) string {
	if inner, ok := strings.CutPrefix(tag, "!<"); ok {
		tag = strings.TrimSuffix(inner, ">")
	}
	if core, ok := strings.CutPrefix(tag, "tag:yaml.org,2002:"); ok {
		return "!!" + core
	}
	return tag
}

func (c *converter) tag(n *Node, from *ast.TagNode, depth int) *SyntaxError {
	at, name := n.Pos, tagName(from.Start.Value)
	if strings.HasPrefix(name, "!!") || name == "!" {
		if from.Value != nil {
			if err := c.node(n, from.Value, depth); err != nil {
				return err
			}
		}
		retag(n, name, from.Value)
		return nil
	}
	*n = Node{Kind: Intrinsic, Pos: at, Text: name, Items: make([]Node, 1)}
	if from.Value == nil {
		n.Items[0].Pos = at
		return nil
	}
	return c.node(&n.Items[0], from.Value, depth+1)
}

// retag makes a scalar what a tag of YAML itself says. A text that the tag
// does not fit stays a text, so that nothing written is lost.
func retag(n *Node, tag string, from ast.Node) {
	switch tag {
	case "!!str", "!":
		if n.Kind == Null || n.Kind == Bool || n.Kind == Number {
			n.Kind, n.Text = String, literal(from)
		}
	case "!!int", "!!float":
		pattern := wholeNumber
		if tag == "!!float" {
			pattern = jsonNumber
		}
		if n.Kind == String && pattern.MatchString(n.Text) {
			n.Kind = Number
		}
	case "!!bool":
		if low := strings.ToLower(n.Text); n.Kind == String && (low == "true" || low == "false") {
			n.Kind, n.Text = Bool, low
		}
	case "!!null":
		if n.Kind == String && slices.Contains([]string{"", "~", "null"}, strings.ToLower(n.Text)) {
			n.Kind, n.Text = Null, ""
		}
	}
}

// literal returns a scalar as it was written, without the anchor and the tags
// before it.
func literal(from ast.Node) string {
	switch from := from.(type) {
	case nil:
		return ""
	case *ast.AnchorNode:
		return literal(from.Value)
	case *ast.TagNode:
		return literal(from.Value)
	case *ast.NullNode:
		if from.GetToken().Type == token.ImplicitNullType {
			return "" // the library writes null where nothing stands
		}
	}
	return from.GetToken().Value
}
