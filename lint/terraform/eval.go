package terraform

import (
	"sort"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/keyreach/keyreach/internal/source"
)

// Limits of what is worked out: locals may refer to one another so that a short
// text stands for an endless value.
const (
	maxNested = 150     // expressions inside one another, locals included
	maxWork   = 400_000 // values worked out
	maxText   = 1 << 20 // bytes of one text
)

// evaluator works out expressions as far as that can be done without running
// Terraform.
type evaluator struct {
	file    string
	text    *text
	locals  map[string]*local
	pending []*hclsyntax.Body
	scope   []binding
	nested  int
	work    int
	// broken holds why a text that begins like JSON is none, and tolerated what a
	// JSON text has that JSON has not, both by the place of the value.
	broken    map[source.Pos]*source.SyntaxError
	tolerated map[source.Pos][]source.Problem
}

// text is what expressions are parts of, with the bytes at which lines begin.
// All of a text with a fixed place has that place.
type text struct {
	src   []byte
	lines []int
	fixed source.Pos
}

// local is a local value: an expression of HCL or a value of JSON.
type local struct {
	expr  hclsyntax.Expression
	json  *source.Node
	text  *text
	busy  bool
	done  bool
	value source.Node
	size  int
}

// binding is a name within a for expression or a dynamic block.
type binding struct {
	name  string
	value source.Node
}

func newEvaluator(file string, data []byte) *evaluator {
	t := &text{src: data, lines: []int{0}}
	for i, c := range data {
		if c == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}
	return &evaluator{
		file: file, text: t, locals: map[string]*local{},
		broken: map[source.Pos]*source.SyntaxError{}, tolerated: map[source.Pos][]source.Problem{},
	}
}

// pos is the place of a byte of the text.
func (e *evaluator) pos(at int) source.Pos {
	t := e.text
	if t.fixed.Line > 0 {
		return t.fixed
	}
	i := sort.Search(len(t.lines), func(i int) bool { return t.lines[i] > at }) - 1
	if i < 0 {
		return source.Pos{Line: 1, Column: 1}
	}
	return source.Pos{Line: int32(i + 1), Column: int32(at - t.lines[i] + 1)}
}

func (e *evaluator) at(r hcl.Range) source.Pos { return e.pos(r.Start.Byte) }

// written is the source of an expression on one line, fit to stand in ${…},
// within a JSON string and within an ARN: colons and wildcards are not its own.
func (e *evaluator) written(r hcl.Range) string {
	const most = 200
	from, to := r.Start.Byte, r.End.Byte
	if from < 0 || to > len(e.text.src) || from > to {
		return "?"
	}
	s := string(e.text.src[from:min(to, from+most)])
	s = strings.Join(strings.Fields(s), " ")
	return strings.Map(harmless, s)
}

// harmless keeps what may stand anywhere in a policy. What would close a
// placeholder or a string, part an ARN or be a wildcard becomes another sign.
func harmless(r rune) rune {
	switch r {
	case '"':
		return '\''
	case '\\':
		return '/'
	case '{':
		return '('
	case '}':
		return ')'
	case ':', '?', '*':
		return '~'
	}
	if r < ' ' || r > '~' {
		return '~'
	}
	return r
}

// unknown is the value of an expression that cannot be worked out.
func (e *evaluator) unknown(r hcl.Range) source.Node {
	return source.Node{Kind: source.Intrinsic, Pos: e.at(r), Text: e.written(r)}
}

// eval works out an expression.
func (e *evaluator) eval(x hclsyntax.Expression) source.Node {
	e.work++
	if e.nested >= maxNested || e.work > maxWork {
		return e.unknown(x.Range())
	}
	e.nested++
	defer func() { e.nested-- }()
	switch x := x.(type) {
	case *hclsyntax.ParenthesesExpr:
		return e.eval(x.Expression)
	case *hclsyntax.LiteralValueExpr:
		return e.literal(x)
	case *hclsyntax.TemplateExpr:
		return e.template(x.Parts, x.SrcRange)
	case *hclsyntax.TemplateWrapExpr:
		return e.eval(x.Wrapped)
	case *hclsyntax.ObjectConsExpr:
		return e.object(x)
	case *hclsyntax.TupleConsExpr:
		n := source.Node{Kind: source.List, Pos: e.at(x.SrcRange)}
		for _, item := range x.Exprs {
			n.Items = append(n.Items, e.eval(item))
		}
		return n
	case *hclsyntax.FunctionCallExpr:
		return e.call(x)
	case *hclsyntax.ConditionalExpr:
		return e.conditional(x)
	case *hclsyntax.ForExpr:
		return e.each(x)
	case *hclsyntax.ScopeTraversalExpr:
		return e.reference(x)
	case *hclsyntax.RelativeTraversalExpr:
		return e.steps(e.eval(x.Source), x.Traversal, x.SrcRange)
	case *hclsyntax.IndexExpr:
		key := e.eval(x.Key)
		return e.step(e.eval(x.Collection), &key, x.SrcRange)
	case *hclsyntax.BinaryOpExpr:
		return e.binary(x)
	case *hclsyntax.UnaryOpExpr:
		return e.unary(x)
	}
	return e.unknown(x.Range())
}

func (e *evaluator) literal(x *hclsyntax.LiteralValueExpr) source.Node {
	n := source.Node{Pos: e.at(x.SrcRange)}
	switch v := x.Val; {
	case v.IsNull():
	case v.Type() == cty.Bool:
		n.Kind, n.Text = source.Bool, strconv.FormatBool(v.True())
	case v.Type() == cty.Number:
		n.Kind, n.Text = source.Number, e.written(x.SrcRange)
		if !isNumber(n.Text) {
			return e.unknown(x.SrcRange)
		}
	case v.Type() == cty.String:
		n.Kind, n.Text = source.String, v.AsString()
	default:
		return e.unknown(x.SrcRange)
	}
	return n
}

// isNumber recognises what is written alike in HCL and JSON. Working a literal
// out and writing it again takes longer than reading the file.
func isNumber(text string) bool {
	digits := strings.TrimLeft(text, "0123456789.")
	return text != "" && digits == "" && len(text) <= 40 && text[0] != '.' && text[len(text)-1] != '.' &&
		strings.Count(text, ".") <= 1 && (text[0] != '0' || len(text) == 1 || text[1] == '.')
}

func (e *evaluator) object(x *hclsyntax.ObjectConsExpr) source.Node {
	n := source.Node{Kind: source.Map, Pos: e.at(x.SrcRange)}
	for _, item := range x.Items {
		f := source.Field{Pos: e.at(item.KeyExpr.Range()), Value: e.eval(item.ValueExpr)}
		if k, ok := item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr); ok {
			if !k.ForceNonLiteral {
				f.Name = hcl.ExprAsKeyword(k.Wrapped)
			}
			if f.Name == "" {
				key := e.eval(k.Wrapped)
				f.Name = asText(&key)
			}
		}
		n.Fields = append(n.Fields, f)
	}
	return n
}

// conditional takes a side when it is known which. Otherwise, where one side
// holds nothing, it takes the other: what stands there can come to be. Two sides
// that differ are not known.
func (e *evaluator) conditional(x *hclsyntax.ConditionalExpr) source.Node {
	c := e.eval(x.Condition)
	yes, no := e.eval(x.TrueResult), e.eval(x.FalseResult)
	switch {
	case c.Kind == source.Bool && c.Text == "true":
		return yes
	case c.Kind == source.Bool && c.Text == "false":
		return no
	case same(&yes, &no), holdsNothing(&no) && isCollection(&yes):
		return yes
	case holdsNothing(&yes) && isCollection(&no):
		return no
	}
	return e.unknown(x.SrcRange)
}

func isCollection(n *source.Node) bool { return n.Kind == source.List || n.Kind == source.Map }

func holdsNothing(n *source.Node) bool {
	return n.Kind == source.Null || isCollection(n) && len(n.Items)+len(n.Fields) == 0
}

// same compares plain values.
func same(a, b *source.Node) bool {
	return a.Kind == b.Kind && a.Kind != source.Intrinsic && !isCollection(a) && a.Text == b.Text && !strings.Contains(a.Text, "${")
}

// each works out a for expression over a known collection. Over an unknown one
// the value of a list is one member in which the names of the for are unknown:
// it shows the form that all members have.
func (e *evaluator) each(x *hclsyntax.ForExpr) source.Node {
	if x.KeyExpr != nil {
		return e.unknown(x.SrcRange)
	}
	n := source.Node{Kind: source.List, Pos: e.at(x.SrcRange)}
	over := e.eval(x.CollExpr)
	if !allKnown(&over) {
		n.Items = []source.Node{e.eval(x.ValExpr)}
		return n
	}
	for _, b := range bindings(&over) {
		mark := len(e.scope)
		e.scope = append(e.scope, binding{x.KeyVar, b[0]}, binding{x.ValVar, b[1]})
		keep := true
		if x.CondExpr != nil {
			c := e.eval(x.CondExpr)
			keep = c.Kind != source.Bool || c.Text == "true"
		}
		if keep && e.work <= maxWork {
			n.Items = append(n.Items, e.eval(x.ValExpr))
		}
		e.scope = e.scope[:mark]
	}
	return n
}

// allKnown reports whether all members of a collection are there.
func allKnown(n *source.Node) bool {
	if !isCollection(n) {
		return false
	}
	for i := range n.Items {
		if n.Items[i].Kind == source.Intrinsic {
			return false
		}
	}
	return true
}

// bindings are the keys and values of a known collection.
func bindings(n *source.Node) [][2]source.Node {
	var pairs [][2]source.Node
	for i := range n.Items {
		pairs = append(pairs, [2]source.Node{{Kind: source.Number, Text: strconv.Itoa(i), Pos: n.Items[i].Pos}, n.Items[i]})
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		pairs = append(pairs, [2]source.Node{{Kind: source.String, Text: f.Name, Pos: f.Pos}, f.Value})
	}
	return pairs
}

func (e *evaluator) binary(x *hclsyntax.BinaryOpExpr) source.Node {
	l, r := e.eval(x.LHS), e.eval(x.RHS)
	n := source.Node{Kind: source.Bool, Pos: e.at(x.SrcRange)}
	known := func(n *source.Node) bool {
		return (n.Kind == source.Bool || n.Kind == source.Number || n.Kind == source.String) && !strings.Contains(n.Text, "${")
	}
	is := func(n *source.Node, word string) bool { return n.Kind == source.Bool && n.Text == word }
	switch {
	case (x.Op == hclsyntax.OpEqual || x.Op == hclsyntax.OpNotEqual) && known(&l) && known(&r) && l.Kind == r.Kind:
		n.Text = strconv.FormatBool((l.Text == r.Text) == (x.Op == hclsyntax.OpEqual))
	case x.Op == hclsyntax.OpLogicalAnd && (is(&l, "false") || is(&r, "false")):
		n.Text = "false"
	case x.Op == hclsyntax.OpLogicalOr && (is(&l, "true") || is(&r, "true")):
		n.Text = "true"
	case x.Op == hclsyntax.OpLogicalAnd && is(&l, "true") && is(&r, "true"):
		n.Text = "true"
	case x.Op == hclsyntax.OpLogicalOr && is(&l, "false") && is(&r, "false"):
		n.Text = "false"
	default:
		return e.unknown(x.SrcRange)
	}
	return n
}

func (e *evaluator) unary(x *hclsyntax.UnaryOpExpr) source.Node {
	v := e.eval(x.Val)
	switch {
	case x.Op == hclsyntax.OpLogicalNot && v.Kind == source.Bool:
		v.Text = strconv.FormatBool(v.Text != "true")
	case x.Op == hclsyntax.OpNegate && v.Kind == source.Number:
		v.Text = strings.TrimPrefix("-"+v.Text, "--")
	default:
		return e.unknown(x.SrcRange)
	}
	v.Pos = e.at(x.SrcRange)
	return v
}
