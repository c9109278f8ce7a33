package terraform

import (
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// ReadPlan makes material of what "terraform show -json" prints of a plan or a
// state, and reports whether the tree is that. file is its name for positions.
// See https://developer.hashicorp.com/terraform/internals/json-format.
func ReadPlan(file string, n *source.Node) (*rules.Material, bool) {
	if n == nil || n.Kind != source.Map || n.Field("format_version") == nil {
		return nil, false
	}
	planned, changes, values := n.Field("planned_values"), n.Field("resource_changes"), n.Field("values")
	if planned == nil && changes == nil && (values == nil || n.Field("terraform_version") == nil) {
		return nil, false
	}
	p := &planReader{
		module:  &module{evaluator: newEvaluator(file, nil), regions: map[string]string{}},
		unknown: map[string]*source.Node{}, links: map[string]*source.Node{}, seen: map[string]bool{},
	}
	p.changes(changes)
	if c := n.Field("configuration"); c != nil {
		p.configuration(c.Field("root_module"), "", 0)
	}
	p.tree(planned, "")
	p.tree(values, "")
	if prior := n.Field("prior_state"); prior != nil {
		p.tree(prior.Field("values"), "data")
	}
	for _, change := range objects(changes) {
		if after := change.Field("change"); after != nil {
			p.resource(change, after.Field("after"))
		}
	}
	m := p.material("terraform-plan")
	m.Format = "Terraform plan"
	return m, true
}

// planReader takes over the resources of a plan.
type planReader struct {
	*module
	unknown map[string]*source.Node // what is known after apply only, by address
	links   map[string]*source.Node // expressions of the configuration, by address without indexes
	seen    map[string]bool
}

func (p *planReader) changes(list *source.Node) {
	for _, c := range objects(list) {
		if change := c.Field("change"); change != nil {
			if after := change.Field("after_unknown"); after != nil {
				p.unknown[plain(c.Field("address"))] = after
			}
		}
	}
}

// configuration notes of what each argument is made.
func (p *planReader) configuration(m *source.Node, path string, depth int) {
	if m == nil || depth > 50 {
		return
	}
	for _, r := range objects(m.Field("resources")) {
		if x := r.Field("expressions"); x != nil {
			p.links[path+plain(r.Field("address"))] = x
		}
	}
	if calls := m.Field("module_calls"); calls != nil {
		for i := range calls.Fields {
			f := &calls.Fields[i]
			p.configuration(f.Value.Field("module"), path+"module."+f.Name+".", depth+1)
		}
	}
}

// tree takes over the resources of a module and of those in it.
func (p *planReader) tree(values *source.Node, mode string) {
	if values == nil {
		return
	}
	stack := objects(values.Field("root_module"))
	for len(stack) > 0 {
		m := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, r := range objects(m.Field("resources")) {
			if mode == "" || plain(r.Field("mode")) == mode {
				p.resource(r, r.Field("values"))
			}
		}
		stack = append(stack, objects(m.Field("child_modules"))...)
	}
}

var indexes = lazy.Regexp(`\[(?:[0-9]+|"[^"]*")\]`)

// resource takes over one resource with its values; that which goes has none.
func (p *planReader) resource(r, values *source.Node) {
	address, typ, name := plain(r.Field("address")), plain(r.Field("type")), plain(r.Field("name"))
	if values == nil || values.Kind != source.Map || typ == "" || name == "" || p.seen[address] {
		return
	}
	p.seen[address] = true
	b := block{kind: "resource", typ: typ, name: name, pos: r.Pos, body: *values}
	own := typ + "." + name
	if plain(r.Field("mode")) == "data" {
		b.kind, own = "data", "data."+own
	}
	bare := indexes.ReplaceAllString(address, "")
	if path, ok := strings.CutSuffix(bare, own); ok {
		b.path = path
	}
	if u := p.unknown[address]; u != nil {
		b.body = overlay(values, u, 0)
	}
	p.link(&b, p.links[bare])
	p.blocks = append(p.blocks, b)
}

// overlay puts unknown values where a plan says that they are.
func overlay(values, unknown *source.Node, depth int) source.Node {
	n := *values
	switch {
	case depth > maxNested:
	case unknown.Kind == source.Bool && unknown.Text == "true":
		return source.Node{Kind: source.Intrinsic, Pos: values.Pos, Text: "known after apply"}
	case unknown.Kind == source.List && n.Kind == source.List:
		n.Items = append([]source.Node(nil), n.Items...)
		for i := range unknown.Items {
			if i >= len(n.Items) {
				n.Items = append(n.Items, source.Node{Pos: values.Pos})
			}
			n.Items[i] = overlay(&n.Items[i], &unknown.Items[i], depth+1)
		}
	case unknown.Kind == source.Map && n.Kind == source.Map:
		n.Fields = append([]source.Field(nil), n.Fields...)
		for _, f := range unknown.Fields {
			if v := n.Field(f.Name); v != nil {
				*v = overlay(v, &f.Value, depth+1)
			} else if got := overlay(&source.Node{Pos: values.Pos}, &f.Value, depth+1); got.Kind != source.Null {
				n.Fields = append(n.Fields, source.Field{Name: f.Name, Pos: values.Pos, Value: got})
			}
		}
	}
	return n
}

// link writes at arguments that are not known yet what they refer to, and notes
// the documents of those that are known.
func (p *planReader) link(b *block, expressions *source.Node) {
	if expressions == nil {
		return
	}
	for i := range b.body.Fields {
		f := &b.body.Fields[i]
		ref := reference(expressions.Field(f.Name))
		if ref == "" {
			continue
		}
		if f.Value.Kind == source.Intrinsic {
			f.Value.Text = ref
			if onlyText.MatchString(ref) {
				f.Value.Kind, f.Value.Text = source.String, "${"+ref+"}"
			}
			continue
		}
		if address, _ := documentIn(&source.Node{Kind: source.Intrinsic, Text: ref}); address != "" {
			p.linked = append(p.linked, b.path+address)
		}
	}
}

// reference is the one thing that an expression refers to, or nothing. A plan
// lists the whole reference first, and then its beginnings.
func reference(x *source.Node) string {
	if x == nil {
		return ""
	}
	refs := x.Field("references")
	if refs == nil || len(refs.Items) == 0 {
		return ""
	}
	first := refs.Items[0].Text
	for i := range refs.Items {
		if !strings.HasPrefix(first, refs.Items[i].Text) {
			return ""
		}
	}
	return first
}
