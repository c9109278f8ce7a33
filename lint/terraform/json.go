package terraform

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/keyreach/keyreach/internal/source"
)

// readJSON reads configuration in JSON.
// See https://developer.hashicorp.com/terraform/language/syntax/json.
func (m *module) readJSON(data []byte) {
	if len(data) > maxSize {
		m.fail(source.Pos{}, fmt.Sprintf("the text has %d bytes, more than the %d MiB that are read", len(data), maxSize>>20))
		return
	}
	root, _, err := source.Parse(data)
	if err != nil {
		if syntax, ok := err.(*source.SyntaxError); ok {
			m.fail(syntax.Pos, syntax.Text)
			return
		}
		m.fail(source.Pos{}, err.Error())
		return
	}
	for _, l := range objects(root.Field("locals")) {
		for i := range l.Fields {
			m.locals[l.Fields[i].Name] = &local{json: &l.Fields[i].Value, text: m.text}
		}
	}
	for _, p := range objects(root.Field("provider")) {
		for _, body := range objects(p.Field("aws")) {
			m.provider(body)
		}
	}
	for _, kind := range []string{"resource", "data"} {
		for _, types := range objects(root.Field(kind)) {
			for i := range types.Fields {
				m.jsonBlocks(kind, types.Fields[i].Name, &types.Fields[i].Value)
			}
		}
	}
	m.jsonBlocks("module", "module", root.Field("module"))
}

// jsonBlocks takes over the blocks of one type, which stand under their names.
func (m *module) jsonBlocks(kind, typ string, named *source.Node) {
	for _, names := range objects(named) {
		for i := range names.Fields {
			f := &names.Fields[i]
			for _, body := range objects(&f.Value) {
				m.blocks = append(m.blocks, block{kind: kind, typ: typ, name: f.Name, pos: f.Pos, body: m.json(body)})
			}
		}
	}
}

// objects returns the maps of a value that is a map or a list of maps.
func objects(n *source.Node) []*source.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == source.Map:
		return []*source.Node{n}
	}
	var maps []*source.Node
	for i := range n.Items {
		if n.Items[i].Kind == source.Map {
			maps = append(maps, &n.Items[i])
		}
	}
	return maps
}

// json works out the templates in a value of JSON.
func (e *evaluator) json(n *source.Node) source.Node {
	out := *n
	switch n.Kind {
	case source.String:
		if strings.Contains(n.Text, "${") || strings.Contains(n.Text, "%{") {
			return e.jsonTemplate(n)
		}
	case source.List:
		out.Items = make([]source.Node, len(n.Items))
		for i := range n.Items {
			out.Items[i] = e.json(&n.Items[i])
		}
	case source.Map:
		out.Fields = make([]source.Field, 0, len(n.Fields))
		for _, f := range n.Fields {
			if f.Name == "//" {
				continue // a comment
			}
			f.Value = e.json(&f.Value)
			out.Fields = append(out.Fields, f)
		}
	}
	return out
}

func (e *evaluator) jsonTemplate(n *source.Node) source.Node {
	unknown := source.Node{Kind: source.Intrinsic, Pos: n.Pos, Text: "template"}
	data := []byte(n.Text)
	if _, why := tooMuch(data); why != "" || e.work > maxWork {
		return unknown
	}
	tokens, _ := hclsyntax.LexTemplate(data, "", hcl.InitialPos)
	if _, why := tooDeep(tokens); why != "" {
		return unknown
	}
	x, ok := parseTemplate(data)
	if !ok {
		return unknown
	}
	before := e.text
	e.text = &text{src: data, lines: []int{0}, fixed: n.Pos}
	defer func() { e.text = before }()
	return e.eval(x)
}

// parseTemplate reads a template; see parse.
func parseTemplate(data []byte) (x hclsyntax.Expression, ok bool) {
	defer func() {
		if recover() != nil {
			x, ok = nil, false
		}
	}()
	x, diags := hclsyntax.ParseTemplate(data, "", hcl.InitialPos)
	return x, x != nil && !diags.HasErrors()
}
