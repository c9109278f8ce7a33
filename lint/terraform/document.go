package terraform

import (
	"strings"

	"github.com/keyreach/keyreach/internal/source"
)

// document makes the policy that a data source aws_iam_policy_document renders,
// and reports whether it is all of it: documents from elsewhere may add to it.
// See https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_policy_document.
func document(body *source.Node) (doc source.Node, whole bool) {
	if rendered, ok := rendered(given(body, "json")); ok {
		return rendered, true
	}
	doc = source.Node{Kind: source.Map, Pos: body.Pos}
	version := source.Node{Kind: source.String, Pos: body.Pos, Text: "2012-10-17"}
	if v := given(body, "version"); v != nil {
		version = *v
	}
	doc.Fields = append(doc.Fields, source.Field{Name: "Version", Pos: version.Pos, Value: version})
	if id := given(body, "policy_id"); id != nil {
		doc.Fields = append(doc.Fields, source.Field{Name: "Id", Pos: id.Pos, Value: *id})
	}
	list := source.Node{Kind: source.List, Pos: body.Pos}
	statements := objects(body.Field("statement"))
	for _, s := range statements {
		list.Items = append(list.Items, statement(s))
	}
	whole = body.Field("dynamic") == nil // the JSON syntax has such blocks under their own name
	for _, name := range []string{"source_json", "override_json", "source_policy_documents", "override_policy_documents"} {
		if v := given(body, name); v != nil && !holdsNothing(v) {
			whole = false
		}
	}
	doc.Fields = append(doc.Fields, source.Field{Name: "Statement", Pos: list.Pos, Value: list})
	return doc, whole && len(statements) > 0
}

// rendered reads the policy that a plan shows of a data source that was read.
func rendered(text *source.Node) (source.Node, bool) {
	if text == nil || text.Kind != source.String {
		return source.Node{}, false
	}
	n, _, err := source.Parse([]byte(text.Text))
	if err != nil || n.Field("Statement") == nil {
		return source.Node{}, false
	}
	n.Relocate(func(source.Pos) source.Pos { return text.Pos })
	return *n, true
}

// given returns an argument that is there and not null.
func given(body *source.Node, name string) *source.Node {
	if v := body.Field(name); v != nil && v.Kind != source.Null {
		return v
	}
	return nil
}

// elements are the arguments of a statement block and their names in a policy.
var elements = [...][2]string{
	{"sid", "Sid"}, {"effect", "Effect"}, {"actions", "Action"}, {"not_actions", "NotAction"},
	{"resources", "Resource"}, {"not_resources", "NotResource"},
}

func statement(s *source.Node) source.Node {
	n := source.Node{Kind: source.Map, Pos: s.Pos}
	for _, e := range elements {
		v := given(s, e[0])
		switch {
		case v != nil && v.Kind == source.String && v.Text == "", v != nil && v.Kind == source.List && len(v.Items) == 0:
			v = nil // the provider leaves it out
		case v == nil && e[0] == "effect":
			v = &source.Node{Kind: source.String, Pos: s.Pos, Text: "Allow"}
		}
		if v != nil {
			n.Fields = append(n.Fields, source.Field{Name: e[1], Pos: v.Pos, Value: variables(v)})
		}
	}
	for _, p := range [...][2]string{{"principals", "Principal"}, {"not_principals", "NotPrincipal"}} {
		if blocks := objects(s.Field(p[0])); len(blocks) > 0 {
			n.Fields = append(n.Fields, source.Field{Name: p[1], Pos: blocks[0].Pos, Value: principals(blocks)})
		}
	}
	if blocks := objects(s.Field("condition")); len(blocks) > 0 {
		n.Fields = append(n.Fields, source.Field{Name: "Condition", Pos: blocks[0].Pos, Value: conditions(blocks)})
	}
	return n
}

// principals gathers blocks by their type; the type * is everybody.
func principals(blocks []*source.Node) source.Node {
	n := source.Node{Kind: source.Map, Pos: blocks[0].Pos}
	for _, b := range blocks {
		typ, names := given(b, "type"), given(b, "identifiers")
		if typ == nil || names == nil {
			continue
		}
		if typ.Kind != source.String || strings.Contains(typ.Text, "${") {
			return source.Node{Kind: source.Intrinsic, Pos: b.Pos, Text: "principals"}
		}
		if typ.Text == "*" {
			return source.Node{Kind: source.String, Pos: names.Pos, Text: "*"}
		}
		join(&n, typ.Text, b.Pos, variables(names))
	}
	return n
}

// join adds values to those that a map has under a name.
func join(n *source.Node, name string, at source.Pos, values source.Node) {
	old := n.Field(name)
	if old == nil {
		n.Fields = append(n.Fields, source.Field{Name: name, Pos: at, Value: values})
		return
	}
	*old = concat([]source.Node{listOf(old), listOf(&values)})
}

// listOf makes a list of one value that is none.
func listOf(n *source.Node) source.Node {
	if n.Kind == source.List {
		return *n
	}
	return source.Node{Kind: source.List, Pos: n.Pos, Items: []source.Node{*n}}
}

func conditions(blocks []*source.Node) source.Node {
	n := source.Node{Kind: source.Map, Pos: blocks[0].Pos}
	for _, b := range blocks {
		test, variable, values := given(b, "test"), given(b, "variable"), given(b, "values")
		if test == nil || variable == nil || values == nil {
			continue
		}
		if plain(test) == "" {
			return source.Node{Kind: source.Intrinsic, Pos: b.Pos, Text: "condition"}
		}
		keys := n.Field(test.Text)
		if keys == nil {
			n.Fields = append(n.Fields, source.Field{Name: test.Text, Pos: test.Pos, Value: source.Node{Kind: source.Map, Pos: test.Pos}})
			keys = n.Field(test.Text)
		}
		join(keys, asText(variable), variable.Pos, variables(values))
	}
	return n
}

// variables writes policy variables as AWS does: in these arguments Terraform has
// them as &{…}, because ${…} is its own.
func variables(v *source.Node) source.Node {
	n := *v
	if n.Kind == source.String {
		n.Text = strings.ReplaceAll(n.Text, "&{", "${")
	}
	if len(v.Items) > 0 {
		n.Items = make([]source.Node, len(v.Items))
		for i := range v.Items {
			n.Items[i] = variables(&v.Items[i])
		}
	}
	return n
}
