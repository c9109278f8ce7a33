package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

func (r *reader) statement(s *Statement, n *source.Node) {
	s.Pos = n.Pos
	if n.Kind != source.Map || isIntrinsic(n) {
		s.Opaque = true
		s.Extra = []Element{{Pos: n.Pos, Node: *n}}
		if !isIntrinsic(n) {
			r.shape(n, "a statement", "a map")
		}
		return
	}
	for i, f := range n.Distinct() {
		s.order.note(i, r.element(s, &f))
	}
	r.complete(s)
}

// element reads one member of a statement.
func (r *reader) element(s *Statement, f *source.Field) uint64 {
	v := &f.Value
	switch f.Name {
	case "Sid":
		if s.Sid = r.value(v, "Sid"); s.Sid != nil {
			s.Sid.Unknown = false // it decides nothing
		}
		return sidElement
	case "Effect":
		s.Effect = r.value(v, "Effect")
		return effectElement
	case "Action":
		s.Action = r.list(v, "Action")
		return actionElement
	case "NotAction":
		s.NotAction = r.list(v, "NotAction")
		return notActionElement
	case "Resource":
		s.Resource = r.list(v, "Resource")
		return resourceElement
	case "NotResource":
		s.NotResource = r.list(v, "NotResource")
		return notResourceElement
	case "Principal":
		if s.Principal = r.principal(v, "Principal"); s.Principal != nil {
			return principalElement
		}
	case "NotPrincipal":
		if s.NotPrincipal = r.principal(v, "NotPrincipal"); s.NotPrincipal != nil {
			return notPrincipalElement
		}
	case "Condition":
		if r.conditions(s, v) {
			return conditionElement
		}
	default:
		r.unknown(f.Pos, f.Name, "a statement", statementElements)
	}
	s.Extra = append(s.Extra, Element{Name: f.Name, Pos: f.Pos, Node: *v})
	return extraElement
}

// complete reports what a statement lacks, and what excludes one another.
func (r *reader) complete(s *Statement) {
	switch e := s.Effect; {
	case e == nil:
		r.add(RuleEffect, finding.Error, s.Pos, "the statement has no Effect, so it neither allows nor denies", `add "Effect": "Allow" or "Deny"`)
	case e.Unknown || e.Kind == OpaqueValue || e.Text == "Allow" || e.Text == "Deny":
	default:
		r.add(RuleEffect, finding.Error, e.Pos, fmt.Sprintf("Effect is %q, so the statement neither allows nor denies", e.Text), "write Allow or Deny, with the capital")
	}
	if s.Action == nil && s.NotAction == nil && !s.misspells("Action") {
		r.add(RuleIncomplete, finding.Error, s.Pos, "the statement has no Action, so it applies to nothing", "add Action")
	}
	if s.Resource == nil && s.NotResource == nil && !isTrust(s) && !s.misspells("Resource") {
		r.add(RuleIncomplete, finding.Error, s.Pos, "the statement has no Resource, so it applies to nothing", `add "Resource": "*" in a key policy, the ARNs elsewhere`)
	}
	r.exclude(s, s.Action != nil && s.NotAction != nil, "Action")
	r.exclude(s, s.Resource != nil && s.NotResource != nil, "Resource")
	r.exclude(s, s.Principal != nil && s.NotPrincipal != nil, "Principal")
}

// misspells reports whether the statement has an unknown member that was meant for an
// element or for its opposite. That member is told of, and needs no second finding.
func (s *Statement) misspells(element string) bool {
	return slices.ContainsFunc(s.Extra, func(e Element) bool {
		near := source.Suggest(e.Name, statementElements)
		return near != e.Name && (near == element || near == "Not"+element)
	})
}

func (r *reader) exclude(s *Statement, both bool, element string) {
	if both {
		r.add(RuleShape, finding.Error, s.Pos, fmt.Sprintf("the statement has %s and Not%s: AWS refuses it; only %s is read", element, element, element), "keep one of the two")
	}
}

// isTrust reports whether a statement is one of a role's trust policy, which
// has no Resource.
func isTrust(s *Statement) bool {
	if s.Action == nil || s.Principal == nil && s.NotPrincipal == nil {
		return false
	}
	for i := range s.Action.Values {
		if v := &s.Action.Values[i]; len(v.Text) < 4 || !strings.EqualFold(v.Text[:4], "sts:") {
			return false
		}
	}
	return len(s.Action.Values) > 0
}

// isIntrinsic reports whether a node is an expression of a template language:
// a YAML tag, {"Ref": …} or {"Fn::Sub": …}.
func isIntrinsic(n *source.Node) bool {
	if n.Kind == source.Intrinsic {
		return true
	}
	if n.Kind != source.Map || len(n.Fields) != 1 {
		return false
	}
	name := n.Fields[0].Name
	return name == "Ref" || strings.HasPrefix(name, "Fn::")
}

// shape reports a value of the wrong kind.
func (r *reader) shape(n *source.Node, what, want string) {
	r.add(RuleShape, finding.Error, n.Pos, fmt.Sprintf("%s is %s; it should be %s", what, n.Kind, want), "")
}

// setValue reads one scalar. What is none is kept as its source text, so that
// nothing is known of it.
func (r *reader) setValue(v *Value, n *source.Node, element string) {
	v.Pos, v.Text = n.Pos, n.Text
	switch n.Kind {
	case source.String:
		if v.Unknown = hasPlaceholder(n.Text); v.Unknown && element != "Sid" {
			if r.placeholders++; r.first == nil {
				r.first = v
			}
		}
	case source.Bool:
		v.Kind = BoolValue
	case source.Number:
		v.Kind = NumberValue
	case source.Null:
		v.Kind = NullValue
		r.shape(n, element, "a string")
	default:
		v.Kind = OpaqueValue
		v.Text = string(source.AppendJSON(nil, n))
		if !isIntrinsic(n) {
			r.shape(n, "a value of "+element, "a string")
		}
	}
}

func (r *reader) value(n *source.Node, element string) *Value {
	v := new(Value)
	r.setValue(v, n, element)
	return v
}

// list reads one value or a list of them. An empty one is reported.
func (r *reader) list(n *source.Node, element string) *List {
	l := new(List)
	r.setList(l, n, element)
	if len(l.Values) == 0 || len(l.Values) == 1 && l.Values[0].Kind == StringValue && l.Values[0].Text == "" {
		r.add(RuleEmpty, finding.Error, n.Pos, element+" is empty, so the statement applies to nothing", "name something, or remove the statement")
	}
	return l
}

func (r *reader) setList(l *List, n *source.Node, element string) {
	l.Pos = n.Pos
	items := n.Items
	if n.Kind != source.List {
		l.Single = true
		l.Values = make([]Value, 1)
		r.setValue(&l.Values[0], n, element)
		return
	}
	if len(items) == 0 {
		return
	}
	l.Values = make([]Value, len(items))
	for i := range items {
		r.setValue(&l.Values[i], &items[i], element)
	}
}

// principal reads a Principal or NotPrincipal, or returns nil for what cannot
// be one.
func (r *reader) principal(n *source.Node, element string) *PrincipalElement {
	p := &PrincipalElement{Pos: n.Pos}
	switch {
	case n.Kind == source.String || isIntrinsic(n):
		p.Text = r.value(n, element)
		if n.Kind == source.String && n.Text != "*" && !p.Text.Unknown {
			r.principalText(n, element)
		}
	case n.Kind == source.Map:
		fields := n.Distinct()
		p.Groups = make([]PrincipalGroup, len(fields))
		for i := range fields {
			f := &fields[i]
			p.Groups[i] = PrincipalGroup{Type: f.Name, Pos: f.Pos}
			r.group(&p.Groups[i], &f.Value)
		}
		if len(fields) == 0 {
			r.emptyPrincipal(n.Pos, element)
		}
	default:
		r.shape(n, element, `"*" or a map such as {"AWS": …}`)
		return nil
	}
	return p
}

func (r *reader) principalText(n *source.Node, element string) {
	if n.Text == "" {
		r.emptyPrincipal(n.Pos, element)
		return
	}
	r.add(RuleShape, finding.Error, n.Pos, fmt.Sprintf("%s is the string %q; only \"*\" may stand so", element, n.Text), `write {"AWS": "…"} or {"Service": "…"}`)
}

var principalTypes = []string{"AWS", "Service", "Federated", "CanonicalUser"}

func (r *reader) group(g *PrincipalGroup, n *source.Node) {
	r.setList(&g.Names, n, "Principal")
	switch g.Type {
	case "AWS", "Service", "Federated", "CanonicalUser":
	default:
		r.unknown(g.Pos, g.Type, "a Principal", principalTypes)
	}
	if len(g.Names.Values) == 0 {
		r.emptyPrincipal(n.Pos, "Principal")
	}
	for i := range g.Names.Values {
		if v := &g.Names.Values[i]; v.Kind == StringValue && v.Text == "" {
			r.emptyPrincipal(v.Pos, "Principal")
		}
	}
}

func (r *reader) emptyPrincipal(at Pos, element string) {
	r.add(RuleEmpty, finding.Error, at, element+" is empty: it names nobody, and AWS refuses the policy", "name a principal")
}

// conditions reads a Condition and reports whether it is one.
func (r *reader) conditions(s *Statement, n *source.Node) bool {
	switch {
	case isIntrinsic(n):
		s.HasCondition = true
		s.Conditions = []Operator{{Pos: n.Pos, Keys: []Key{r.opaqueKey(n)}}}
		return true
	case n.Kind != source.Map:
		r.shape(n, "Condition", "a map from operators to keys")
		return false
	}
	s.HasCondition = true
	fields := n.Distinct()
	if len(fields) == 0 {
		return true
	}
	s.Conditions = make([]Operator, len(fields))
	for i := range fields {
		f := &fields[i]
		s.Conditions[i] = Operator{Name: f.Name, Pos: f.Pos}
		r.operator(&s.Conditions[i], &f.Value)
	}
	return true
}

// opaqueKey stands for conditions of which nothing is known.
func (r *reader) opaqueKey(n *source.Node) Key {
	k := Key{Pos: n.Pos, Values: List{Pos: n.Pos, Single: true, Values: make([]Value, 1)}}
	v := &k.Values.Values[0]
	v.Pos, v.Kind, v.Text = n.Pos, OpaqueValue, string(source.AppendJSON(nil, n))
	return k
}

func (r *reader) operator(o *Operator, n *source.Node) {
	if strings.HasPrefix(o.Name, "Fn::") || n.Kind != source.Map || isIntrinsic(n) {
		if n.Kind != source.Map && n.Kind != source.Intrinsic && !strings.HasPrefix(o.Name, "Fn::") {
			r.shape(n, o.Name, "a map from condition keys to values")
		}
		o.Keys = []Key{r.opaqueKey(n)}
		return
	}
	if _, ok := operatorNamed(o.Name); !ok {
		r.unknownOperator(o)
	}
	fields := n.Distinct()
	o.Keys = make([]Key, len(fields))
	for i := range fields {
		f := &fields[i]
		o.Keys[i] = Key{Name: f.Name, Pos: f.Pos}
		r.setList(&o.Keys[i].Values, &f.Value, f.Name)
	}
}

func (r *reader) unknownOperator(o *Operator) {
	fix := "use one of AWS's operators"
	base := o.Name[strings.IndexByte(o.Name, ':')+1:]
	if near := source.Suggest(base, operatorNames); near != "" {
		fix = "did you mean " + o.Name[:len(o.Name)-len(base)] + near + "?"
	}
	r.add(RuleOperator, finding.Error, o.Pos, fmt.Sprintf("%q is no condition operator: AWS refuses the policy, and whether the statement applies is not known", o.Name), fix)
}

// operatorNames are the operators as AWS writes them, for suggestions and for
// the canonical form.
var operatorNames = []string{
	"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
	"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
	"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
	"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null",
}
