package estate

import (
	_ "embed" // for the two schemas
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/keyreach/keyreach/internal/source"
)

// EstateSchema is the JSON Schema of the estate file, which docs/ publishes.
//
//go:embed estate.schema.json
var EstateSchema string

// CaseSchema is the JSON Schema of one line of a case file.
//
//go:embed case.schema.json
var CaseSchema string

// schema is the estate's schema in two forms: to validate by, and as plain
// data, from which messages take the words for what a value should have been.
type schema struct {
	*jsonschema.Schema
	text any
}

var estateSchema = sync.OnceValue(func() *schema {
	text, err := jsonschema.UnmarshalJSON(strings.NewReader(EstateSchema))
	if err != nil {
		panic("estate.schema.json: " + err.Error()) // it is part of the program
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	const url = "urn:keyreach:estate:1"
	if err := c.AddResource(url, text); err != nil {
		panic("estate.schema.json: " + err.Error())
	}
	return &schema{Schema: c.MustCompile(url), text: text}
})

// part returns the part of the schema at a location, or nil.
func (s *schema) part(location string) map[string]any {
	_, pointer, _ := strings.Cut(location, "#")
	at := s.text
	for _, name := range strings.Split(pointer, "/")[1:] {
		switch x := at.(type) {
		case map[string]any:
			at = x[strings.NewReplacer("%24", "$", "~1", "/", "~0", "~").Replace(name)]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(x) {
				return nil
			}
			at = x[i]
		}
	}
	m, _ := at.(map[string]any)
	return m
}

// word returns a text of a part of the schema, such as its title.
func word(part map[string]any, name, otherwise string) string {
	if s, ok := part[name].(string); ok {
		return s
	}
	return otherwise
}

// example returns an example of a text, as a hint.
func example(part map[string]any) string {
	if list, ok := part["examples"].([]any); ok && len(list) > 0 {
		if s, ok := list[0].(string); ok {
			return "it looks like " + s
		}
	}
	return ""
}

// validate checks the tree against the schema and tells all that is wrong.
func (l *loader) validate(root *source.Node) {
	err := estateSchema().Validate(l.plain(root, ""))
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return
	}
	l.explain(root, invalid)
	if len(l.list) == 0 { // what nobody could explain is wrong all the same
		l.add(root.Pos, "the estate breaks its schema: "+invalid.Error(), "")
	}
}

// plain turns a node into the values that the validator knows. On the way it
// tells members that stand twice. Of a policy only the outside is turned: its
// inside is the business of the policy reader.
func (l *loader) plain(n *source.Node, name string) any {
	switch n.Kind {
	case source.Bool:
		return n.Text == "true"
	case source.Number:
		if _, err := strconv.ParseInt(n.Text, 10, 32); err != nil {
			return json.Number("0.5") // a number, and none that the schema asks for
		}
		return json.Number(n.Text)
	case source.String, source.Intrinsic:
		return n.Text
	case source.List:
		items := make([]any, len(n.Items))
		for i := range n.Items {
			items[i] = l.plain(&n.Items[i], "")
		}
		return items
	case source.Map:
		return l.plainMap(n, name)
	}
	return nil
}

func (l *loader) plainMap(n *source.Node, name string) map[string]any {
	m := make(map[string]any, len(n.Fields))
	for i := range n.Fields {
		f := &n.Fields[i]
		if _, twice := m[f.Name]; twice {
			l.add(f.Pos, fmt.Sprintf("%q stands twice in this map", f.Name), "remove one of the two")
		}
		switch {
		case name == "policies" || isDocument(f.Name):
			m[f.Name] = l.plainDocument(&f.Value)
		default:
			m[f.Name] = l.plain(&f.Value, f.Name)
		}
	}
	return m
}

// isDocument reports whether a member of this name holds a policy. So does
// every member of organization.policies.
func isDocument(name string) bool {
	switch name {
	case "document", "policy", "boundary", "trust":
		return true
	}
	return false
}

func (l *loader) plainDocument(n *source.Node) any {
	switch n.Kind {
	case source.Map:
		if n.Field("unreadable") != nil {
			return l.plainMap(n, "")
		}
		return map[string]any{}
	case source.List:
		return []any{}
	}
	return l.plain(n, "")
}

// explain tells what a validation error means, cause by cause.
func (l *loader) explain(root *source.Node, e *jsonschema.ValidationError) {
	node := root.At(e.InstanceLocation)
	if node == nil {
		node = root
	}
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf: // its causes are the ways out, not what is wrong
	case *kind.PropertyNames:
		l.wrongName(root, k.Property, e)
		return
	default:
		for _, cause := range e.Causes {
			l.explain(root, cause)
		}
		if len(e.Causes) > 0 {
			return
		}
	}
	l.explainOne(node, e)
}

// explainOne tells what an error without causes of its own means.
func (l *loader) explainOne(node *source.Node, e *jsonschema.ValidationError) {
	part := estateSchema().part(e.SchemaURL)
	what := label(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			if name == "format_version" {
				continue // Load has looked at it
			}
			l.add(node.Pos, fmt.Sprintf("this %s has no %q", word(part, "title", "map"), name), "add it")
		}
	case *kind.AdditionalProperties:
		slices.Sort(k.Properties)
		for _, name := range k.Properties {
			l.unknownMember(node, name, part)
		}
	case *kind.Type:
		l.add(node.Pos, fmt.Sprintf("%s is %s; it should be %s", what, kindWord(node.Kind), wanted(k.Want)), kindHint(node, part, k.Want))
	case *kind.Enum:
		l.add(node.Pos, fmt.Sprintf("%s is %s, which is none of %s", what, written(node), list(k.Want)), suggest(node.Text, texts(k.Want)))
	case *kind.Pattern, *kind.Format:
		l.add(node.Pos, fmt.Sprintf("%s is %s, which is not %s", what, written(node), word(part, "title", "of the right form")), example(part))
	case *kind.MinLength:
		l.add(node.Pos, what+" is empty", "fill it in, or leave it out")
	case *kind.AnyOf:
		names := alternatives(e.Causes)
		l.add(node.Pos, fmt.Sprintf("this %s has none of %s", word(part, "title", "map"), strings.Join(names, ", ")), "add one of them")
	case *kind.Const: // format_version, which Load has looked at
	default:
		l.add(node.Pos, fmt.Sprintf("%s breaks the rule %s of the schema", what, strings.Join(k.KeywordPath(), "/")), "")
	}
}

// wrongName tells a member whose name is not of the form that names have in its
// map. Which map that is, the schema tells and not the error, whose path the
// validator (v6.0.3) goes on writing to.
func (l *loader) wrongName(root *source.Node, name string, e *jsonschema.ValidationError) {
	part := map[string]any{}
	for at := e; len(at.Causes) > 0; {
		at = at.Causes[0]
		part = estateSchema().part(at.SchemaURL)
	}
	steps := strings.Split(e.SchemaURL, "/") // …/properties/ebs_defaults/propertyNames
	in := steps[max(len(steps)-2, 0)]
	named(root, in, func(m *source.Node) {
		for i := range m.Fields {
			if f := &m.Fields[i]; f.Name == name {
				l.Add(f.Pos, fmt.Sprintf("a name in %q is %q, which is not %s", in, name, word(part, "title", "of the right form")), example(part))
			}
		}
	})
}

// named calls do for every member of this name below a node.
func named(n *source.Node, name string, do func(*source.Node)) {
	for i := range n.Items {
		named(&n.Items[i], name, do)
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		if f.Name == name {
			do(&f.Value)
			continue
		}
		named(&f.Value, name, do)
	}
}

func (l *loader) unknownMember(node *source.Node, name string, part map[string]any) {
	known, _ := part["properties"].(map[string]any)
	names := slices.Sorted(maps.Keys(known))
	hint := suggest(name, names)
	switch {
	case hint != "":
	case len(names) == 1:
		hint = "its only member is " + names[0]
	case len(names) > 0:
		hint = "its members are " + strings.Join(names, ", ")
	}
	for i := range node.Fields {
		if f := &node.Fields[i]; f.Name == name {
			l.add(f.Pos, fmt.Sprintf("%q is no member of this %s", name, word(part, "title", "map")), hint)
			return
		}
	}
}

// label names the value at a path for a message.
func label(path []string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if _, err := strconv.Atoi(path[i]); err != nil {
			if i < len(path)-1 {
				return fmt.Sprintf("a member of %q", path[i])
			}
			return fmt.Sprintf("%q", path[i])
		}
	}
	return "the estate"
}

// written is a value as it stands in the file, shortened.
func written(n *source.Node) string {
	if n.Kind != source.String {
		return kindWord(n.Kind)
	}
	if text := []rune(n.Text); len(text) > 80 {
		return fmt.Sprintf("%q", string(text[:77])+"…")
	}
	return fmt.Sprintf("%q", n.Text)
}

func kindWord(k source.Kind) string {
	switch k {
	case source.Null:
		return "null"
	case source.Bool:
		return "true or false"
	case source.Number:
		return "a number"
	case source.List:
		return "a list"
	case source.Map:
		return "a map"
	case source.Intrinsic:
		return "a template expression"
	}
	return "a text"
}

// wanted puts the schema's names of types into words. null is never advised.
func wanted(types []string) string {
	words := map[string]string{"object": "a map", "array": "a list", "string": "a text", "boolean": "true or false", "number": "a number", "integer": "a number"}
	var ws []string
	for _, t := range types {
		if w := words[t]; w != "" {
			ws = append(ws, w)
		}
	}
	return strings.Join(ws, " or ")
}

// kindHint is typeHint with the words for a policy, which may stand in several
// forms.
func kindHint(n *source.Node, part map[string]any, want []string) string {
	if word(part, "title", "") == "policy" {
		return `write the policy itself, or {"unreadable": "why"}`
	}
	return typeHint(n, want)
}

func typeHint(n *source.Node, want []string) string {
	switch {
	case n.Kind == source.Null:
		return "leave it out when there is none"
	case slices.Contains(want, "string") && (n.Kind == source.Number || n.Kind == source.Bool):
		return fmt.Sprintf("put it in quotes: %q", n.Text)
	case slices.Contains(want, "array") && n.Kind == source.String:
		return fmt.Sprintf("put it in a list: [%q]", n.Text)
	case slices.Contains(want, "boolean") && n.Kind == source.String:
		return "write true or false without quotes"
	}
	return ""
}

func texts(values []any) []string {
	var ts []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			ts = append(ts, s)
		}
	}
	return ts
}

func list(values []any) string { return strings.Join(texts(values), ", ") }

// alternatives returns the members any one of which would do.
func alternatives(causes []*jsonschema.ValidationError) []string {
	var names []string
	for _, c := range causes {
		if r, ok := c.ErrorKind.(*kind.Required); ok {
			names = append(names, r.Missing...)
		}
	}
	return names
}
