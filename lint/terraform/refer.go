package terraform

import (
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
)

// reference works out a name: of a for expression, of a local value, or of
// something that only Terraform knows.
func (e *evaluator) reference(x *hclsyntax.ScopeTraversalExpr) source.Node {
	root := x.Traversal.RootName()
	for i := len(e.scope) - 1; i >= 0; i-- {
		if e.scope[i].name == root {
			return e.steps(e.scope[i].value, x.Traversal[1:], x.SrcRange)
		}
	}
	if root == "local" && len(x.Traversal) > 1 {
		if name, ok := x.Traversal[1].(hcl.TraverseAttr); ok {
			if v, ok := e.local(name.Name); ok {
				return e.steps(v, x.Traversal[2:], x.SrcRange)
			}
		}
	}
	return e.elsewhere(x.SrcRange)
}

// onlyText are the last words of references that can be nothing but one text.
var onlyText = lazy.Regexp(`^[A-Za-z0-9_.'\-\[\]]+\.(?:arn|id|account_id|partition|dns_suffix|name|region|key_id|key_arn|target_key_arn|target_key_id|unique_id|user_id)$`)

// elsewhere is the value of a reference to what this text does not hold: a text
// with a placeholder where it can only be a text, and otherwise unknown.
func (e *evaluator) elsewhere(r hcl.Range) source.Node {
	n := e.unknown(r)
	root, _, _ := strings.Cut(n.Text, ".")
	switch root {
	case "var", "local", "each", "self", "module":
		return n
	}
	if onlyText.MatchString(n.Text) {
		n.Kind, n.Text = source.String, "${"+n.Text+"}"
	}
	return n
}

// local returns the value of a local, and whether the text declares it. One that
// needs itself has none.
func (e *evaluator) local(name string) (source.Node, bool) {
	l := e.locals[name]
	if l == nil || l.busy {
		return source.Node{}, false
	}
	if !l.done {
		before, scope, at := e.work, e.scope, e.text
		l.busy, e.scope, e.text = true, nil, l.text
		if l.json != nil {
			l.value = e.json(l.json)
		} else {
			l.value = e.eval(l.expr)
		}
		e.scope, e.text = scope, at
		l.busy, l.done, l.size = false, true, e.work-before
	}
	e.work += l.size // whoever walks over the value walks over all of it
	return l.value, e.work <= maxWork
}

// steps goes down from a value by attributes and indexes.
func (e *evaluator) steps(v source.Node, path hcl.Traversal, r hcl.Range) source.Node {
	for _, s := range path {
		var key source.Node
		switch s := s.(type) {
		case hcl.TraverseAttr:
			key = source.Node{Kind: source.String, Text: s.Name}
		case hcl.TraverseIndex:
			key = indexKey(s.Key)
		default:
			return e.unknown(r)
		}
		if v.Kind == source.Intrinsic || v.Kind == source.String {
			return e.elsewhere(r)
		}
		v = e.step(v, &key, r)
	}
	return v
}

func indexKey(key cty.Value) source.Node {
	switch {
	case key.IsNull() || !key.IsKnown():
	case key.Type() == cty.String:
		return source.Node{Kind: source.String, Text: key.AsString()}
	case key.Type() == cty.Number:
		return source.Node{Kind: source.Number, Text: key.AsBigFloat().Text('f', -1)}
	}
	return source.Node{Kind: source.Intrinsic}
}

// step returns one member of a value, or unknown when it does not show it.
func (e *evaluator) step(v source.Node, key *source.Node, r hcl.Range) source.Node {
	switch {
	case v.Kind == source.Map && (key.Kind == source.String || key.Kind == source.Number):
		if m := v.Field(key.Text); m != nil {
			return *m
		}
	case v.Kind == source.List && key.Kind == source.Number && allKnown(&v):
		if i, err := strconv.Atoi(key.Text); err == nil && i >= 0 && i < len(v.Items) {
			return v.Items[i]
		}
	}
	return e.elsewhere(r)
}

// plain returns a text that is wholly known, or nothing.
func plain(n *source.Node) string {
	if n == nil || n.Kind != source.String || strings.Contains(n.Text, "${") {
		return ""
	}
	return n.Text
}

// asText is a value within a text: what is not known stands as ${…}.
func asText(n *source.Node) string {
	switch n.Kind {
	case source.String, source.Bool, source.Number:
		return n.Text
	case source.Intrinsic:
		return "${" + n.Text + "}"
	case source.List, source.Map:
		return "${value}"
	}
	return ""
}
