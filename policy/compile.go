package policy

import "github.com/keyreach/keyreach/arn"

// Policy is a document compiled for evaluation. It is read-only and may be
// used by many goroutines at once.
type Policy struct {
	Document   *Document
	statements []statement
}

// statement is one compiled statement.
type statement struct {
	source       *Statement
	index        int
	effect       effect
	principals   []principal
	notPrincipal bool
	hasPrincipal bool
	actions      []pattern
	notAction    bool
	resources    []pattern
	notResource  bool
	hasResource  bool
	conditions   []condition
}

type effect uint8

const (
	noEffect effect = iota // neither Allow nor Deny: AWS takes no such statement
	allow
	deny
	eitherEffect // a template expression: it may become Allow or Deny
)

// Compile prepares a document for evaluation. It never fails: what AWS would
// refuse is compiled to a statement without effect, and the reader has already
// reported it.
func Compile(d *Document) *Policy {
	p := &Policy{Document: d, statements: make([]statement, len(d.Statements))}
	variables := d.Version != nil && d.Version.Text == Version2012
	for i := range d.Statements {
		p.statements[i] = compileStatement(&d.Statements[i], i, variables)
	}
	return p
}

func compileStatement(s *Statement, index int, variables bool) statement {
	c := statement{source: s, index: index, effect: compileEffect(s)}
	if s.Opaque {
		return c
	}
	c.conditions = compileConditions(s, variables)
	c.actions, c.notAction = compileList(s.Action, s.NotAction, compileOptions{fold: true, wild: true})
	c.resources, c.notResource = compileList(s.Resource, s.NotResource, compileOptions{wild: true, variables: variables})
	c.hasResource = s.Resource != nil || s.NotResource != nil
	if element := s.Principal; element != nil {
		c.principals, c.hasPrincipal = compilePrincipals(element), true
	} else if s.NotPrincipal != nil {
		c.principals, c.hasPrincipal, c.notPrincipal = compilePrincipals(s.NotPrincipal), true, true
	}
	return c
}

func compileEffect(s *Statement) effect {
	switch {
	case s.Opaque:
		return eitherEffect
	case s.Effect == nil:
		return noEffect
	case s.Effect.Unknown || s.Effect.Kind == OpaqueValue:
		return eitherEffect
	case s.Effect.Text == "Allow":
		return allow
	case s.Effect.Text == "Deny":
		return deny
	}
	return noEffect
}

// compileList compiles an element or its Not form. A NotAction or NotResource
// without any value excepts nothing, yet AWS takes no such statement, so it
// matches nothing.
func compileList(list, notList *List, o compileOptions) (ps []pattern, not bool) {
	if list == nil {
		list, not = notList, true
	}
	if list == nil || len(list.Values) == 0 {
		return nil, false
	}
	ps = make([]pattern, len(list.Values))
	for i := range list.Values {
		ps[i] = compilePattern(&list.Values[i], o)
	}
	return ps, not
}

// principal is one compiled name of a Principal element.
type principal struct {
	arn.Principal
	vague   bool
	pattern pattern // of a vague one
	source  *Value
}

func compilePrincipals(e *PrincipalElement) []principal {
	if e.Text != nil {
		return []principal{compilePrincipal(e.Text, "AWS")}
	}
	var ps []principal
	for i := range e.Groups {
		g := &e.Groups[i]
		for j := range g.Names.Values {
			ps = append(ps, compilePrincipal(&g.Names.Values[j], g.Type))
		}
	}
	return ps
}

func compilePrincipal(v *Value, group string) principal {
	p := principal{source: v}
	if v.Unknown || v.Kind == OpaqueValue {
		p.vague = true
		p.pattern = compilePattern(v, compileOptions{})
		return p
	}
	switch group {
	case "Service":
		p.Principal = arn.Principal{Kind: arn.Service, Text: v.Text, Name: v.Text}
		if v.Text == "*" {
			p.Kind = arn.Everyone
		}
	case "Federated":
		p.Principal = arn.Principal{Kind: arn.Federated, Text: v.Text, Name: v.Text}
	case "CanonicalUser":
		p.Principal = arn.Principal{Kind: arn.Canonical, Text: v.Text, Name: v.Text}
	case "AWS":
		// What is no principal matches nobody; AWS would refuse the policy.
		if parsed, err := arn.ParsePrincipal(v.Text); err == nil && parsed.Kind != arn.Service {
			p.Principal = parsed
		}
	}
	return p
}
