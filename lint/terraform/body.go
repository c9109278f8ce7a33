package terraform

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/keyreach/keyreach/internal/source"
)

// maxCopies is how many blocks a dynamic block may stand for.
const maxCopies = 100

// body makes a map of a block: its attributes, and its blocks as lists of maps
// under their type, which is how Terraform's own JSON shows them.
func (e *evaluator) body(b *hclsyntax.Body, at source.Pos) source.Node {
	n := source.Node{Kind: source.Map, Pos: at}
	if e.work++; e.work > maxWork {
		return n
	}
	attributes := make([]*hclsyntax.Attribute, 0, len(b.Attributes))
	for _, a := range b.Attributes {
		attributes = append(attributes, a)
	}
	slices.SortFunc(attributes, func(a, b *hclsyntax.Attribute) int {
		return cmp.Compare(a.NameRange.Start.Byte, b.NameRange.Start.Byte)
	})
	for _, a := range attributes {
		n.Fields = append(n.Fields, source.Field{Name: a.Name, Pos: e.at(a.NameRange), Value: e.eval(a.Expr)})
	}
	for _, inner := range b.Blocks {
		place := e.at(inner.TypeRange)
		if inner.Type == "dynamic" && len(inner.Labels) == 1 {
			e.dynamic(&n, inner, place)
			continue
		}
		appendBlock(&n, inner.Type, place, e.body(inner.Body, place))
	}
	return n
}

// appendBlock adds a block to the list of those of its type.
func appendBlock(n *source.Node, typ string, at source.Pos, body source.Node) {
	if list := n.Field(typ); list != nil && list.Kind == source.List {
		list.Items = append(list.Items, body)
		return
	}
	n.Fields = append(n.Fields, source.Field{Name: typ, Pos: at, Value: source.Node{Kind: source.List, Pos: at, Items: []source.Node{body}}})
}

// dynamic adds the blocks that a dynamic block stands for: one for each member
// of a known collection, and otherwise one, in which the member is unknown.
// See https://developer.hashicorp.com/terraform/language/expressions/dynamic-blocks.
func (e *evaluator) dynamic(n *source.Node, b *hclsyntax.Block, at source.Pos) {
	name := b.Labels[0]
	var content *hclsyntax.Body
	for _, inner := range b.Body.Blocks {
		if inner.Type == "content" {
			content = inner.Body
		}
	}
	if content == nil {
		return
	}
	iterator := name
	if a := b.Body.Attributes["iterator"]; a != nil {
		if x, ok := a.Expr.(*hclsyntax.ScopeTraversalExpr); ok {
			iterator = x.Traversal.RootName()
		}
	}
	var over source.Node
	if a := b.Body.Attributes["for_each"]; a != nil {
		over = e.eval(a.Expr)
	}
	if !allKnown(&over) || len(over.Items)+len(over.Fields) > maxCopies {
		appendBlock(n, name, at, e.body(content, at))
		return
	}
	for _, pair := range bindings(&over) {
		e.scope = append(e.scope, binding{iterator, source.Node{Kind: source.Map, Pos: at, Fields: []source.Field{
			{Name: "key", Pos: at, Value: pair[0]}, {Name: "value", Pos: at, Value: pair[1]},
		}}})
		appendBlock(n, name, at, e.body(content, at))
		e.scope = e.scope[:len(e.scope)-1]
	}
}
