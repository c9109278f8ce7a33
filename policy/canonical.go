package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/internal/source"
)

// Canonical returns the document as JSON in a form that is the same for two
// documents that say the same in different spelling: the order of statements,
// of elements and of values does not count, nor does a list of one, the case
// of actions, operators and condition keys, a missing Version, a bare account
// number as principal, a Sid or an Id. What AWS would refuse is kept as it is.
//
// It is made for comparing and hashing, not for sending to AWS.
func (d *Document) Canonical() []byte {
	statements := make([][]byte, len(d.Statements))
	for i := range d.Statements {
		statements[i] = canonicalStatement(&d.Statements[i])
	}
	slices.SortFunc(statements, bytes.Compare)
	statements = slices.CompactFunc(statements, bytes.Equal)
	version := Version2008
	if d.Version != nil {
		version = d.Version.Text
	}
	var p printer
	m := p.open()
	p.name(&m, "Version")
	p.text(version)
	p.name(&m, "Statement")
	p.b = append(p.b, '[')
	p.b = append(p.b, bytes.Join(statements, []byte{','})...)
	p.b = append(p.b, ']')
	p.extra(&m, d.Extra)
	p.b = append(p.b, '}')
	return p.b
}

// Hash returns "sha256:" and the hash of the canonical form in hexadecimal.
// Documents with the same hash say the same.
func (d *Document) Hash() string {
	sum := sha256.Sum256(d.Canonical())
	return "sha256:" + hex.EncodeToString(sum[:])
}

func canonicalStatement(s *Statement) []byte {
	if s.Opaque {
		return s.AppendJSON(nil)
	}
	var p printer
	m := p.open()
	p.optional(&m, "Effect", s.Effect)
	p.canonicalPrincipal(&m, "Principal", s.Principal)
	p.canonicalPrincipal(&m, "NotPrincipal", s.NotPrincipal)
	p.canonicalList(&m, "Action", s.Action, strings.ToLower)
	p.canonicalList(&m, "NotAction", s.NotAction, strings.ToLower)
	p.canonicalList(&m, "Resource", s.Resource, nil)
	p.canonicalList(&m, "NotResource", s.NotResource, nil)
	if len(s.Conditions) > 0 {
		p.canonicalConditions(&m, s.Conditions)
	}
	p.extra(&m, s.Extra)
	p.b = append(p.b, '}')
	return p.b
}

// extra prints the members that the language does not know, by name.
func (p *printer) extra(m *member, es []Element) {
	es = slices.Clone(es)
	slices.SortStableFunc(es, func(a, b Element) int { return strings.Compare(a.Name, b.Name) })
	for i := range es {
		p.node(m, es[i].Name, &es[i].Node)
	}
}

// canonicalValue returns the value as JSON; booleans and numbers are the same
// as their texts.
func canonicalValue(v *Value, change func(string) string) []byte {
	switch v.Kind {
	case OpaqueValue:
		return []byte(v.Text)
	case NullValue:
		return []byte("null")
	}
	text := v.Text
	if change != nil {
		text = change(text)
	}
	return source.AppendJSON(nil, &source.Node{Kind: source.String, Text: text})
}

func (p *printer) canonicalList(m *member, name string, l *List, change func(string) string) {
	if l == nil {
		return
	}
	p.name(m, name)
	p.set(l.Values, change)
}

// set prints values as a sorted list without repetition.
func (p *printer) set(vs []Value, change func(string) string) {
	items := make([][]byte, len(vs))
	for i := range vs {
		items[i] = canonicalValue(&vs[i], change)
	}
	slices.SortFunc(items, bytes.Compare)
	items = slices.CompactFunc(items, bytes.Equal)
	p.b = append(p.b, '[')
	p.b = append(p.b, bytes.Join(items, []byte{','})...)
	p.b = append(p.b, ']')
}

func (p *printer) canonicalPrincipal(m *member, name string, e *PrincipalElement) {
	if e == nil {
		return
	}
	p.name(m, name)
	groups := e.Groups
	switch {
	case e.Text != nil && e.Text.Kind == OpaqueValue:
		p.value(e.Text)
		return
	case e.Text != nil:
		groups = []PrincipalGroup{{Type: "AWS", Names: List{Values: []Value{*e.Text}}}}
	default:
		groups = slices.Clone(groups)
		slices.SortStableFunc(groups, func(a, b PrincipalGroup) int { return strings.Compare(a.Type, b.Type) })
	}
	gm := p.open()
	for i := range groups {
		p.name(&gm, groups[i].Type)
		p.set(groups[i].Names.Values, canonicalPrincipalName(groups[i].Type))
	}
	p.b = append(p.b, '}')
}

// canonicalPrincipalName spells an account as its root ARN, which is what KMS
// stores for the bare number.
func canonicalPrincipalName(group string) func(string) string {
	if group != "AWS" {
		return nil
	}
	return func(s string) string {
		if p, err := arn.ParsePrincipal(s); err == nil && p.Kind == arn.AccountRoot {
			return p.Text
		}
		return s
	}
}

func (p *printer) canonicalConditions(m *member, os []Operator) {
	p.name(m, "Condition")
	if len(os) == 1 && os[0].Name == "" {
		p.conditions(os)
		return
	}
	os = slices.Clone(os)
	for i := range os {
		os[i].Name = canonicalOperator(os[i].Name)
	}
	slices.SortStableFunc(os, func(a, b Operator) int { return strings.Compare(a.Name, b.Name) })
	om := p.open()
	for i := range os {
		p.name(&om, os[i].Name)
		if len(os[i].Keys) == 1 && os[i].Keys[0].isOpaque() {
			p.list(&os[i].Keys[0].Values)
			continue
		}
		keys := slices.Clone(os[i].Keys)
		for j := range keys {
			keys[j].Name = canonicalKey(keys[j].Name)
		}
		slices.SortStableFunc(keys, func(a, b Key) int { return strings.Compare(a.Name, b.Name) })
		km := p.open()
		for j := range keys {
			p.name(&km, keys[j].Name)
			p.set(keys[j].Values.Values, nil)
		}
		p.b = append(p.b, '}')
	}
	p.b = append(p.b, '}')
}

// canonicalKey lower-cases a condition key, of which letter case does not
// count.
func canonicalKey(name string) string { return strings.ToLower(name) }

// canonicalOperator spells an operator as AWS does.
func canonicalOperator(name string) string {
	if _, ok := operatorNamed(name); !ok {
		return name
	}
	rest := name
	prefix := ""
	for _, quantifier := range [...]string{"ForAllValues:", "ForAnyValue:"} {
		if n := len(quantifier); len(rest) > n && strings.EqualFold(rest[:n], quantifier) {
			prefix, rest = quantifier, rest[n:]
		}
	}
	suffix := ""
	if n := len(rest) - len("IfExists"); n > 0 && strings.EqualFold(rest[n:], "IfExists") {
		rest, suffix = rest[:n], "IfExists"
	}
	for _, known := range operatorNames {
		if strings.EqualFold(rest, known) {
			return prefix + known + suffix
		}
	}
	return name
}
