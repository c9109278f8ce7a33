package input

import (
	"errors"
	"net/url"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

// isDocument reports whether a map is a policy document.
func isDocument(n *source.Node) bool {
	if n.Kind != source.Map {
		return false
	}
	s := n.Field("Statement")
	if s == nil {
		return false
	}
	switch s.Kind {
	case source.Map:
		return isStatement(s) || isExpression(s)
	case source.List:
		if len(s.Items) == 0 {
			return n.Field("Version") != nil
		}
		for i := range s.Items {
			if isStatement(&s.Items[i]) || isExpression(&s.Items[i]) {
				return true
			}
		}
		return isVersion(n.Field("Version"))
	case source.Intrinsic:
		return isVersion(n.Field("Version"))
	}
	return false
}

// isVersion reports whether a value is a version of the policy language.
func isVersion(n *source.Node) bool {
	return n != nil && (n.Text == policy.Version2012 || n.Text == policy.Version2008)
}

// isStatement reports whether a map is a statement.
func isStatement(n *source.Node) bool {
	if n.Kind != source.Map {
		return false
	}
	found := 0
	for i := range n.Fields {
		switch n.Fields[i].Name {
		case "Effect":
			if v := &n.Fields[i].Value; v.Kind == source.String && v.Text != "Allow" && v.Text != "Deny" && n.Field("Action") == nil {
				return false // a taint of Kubernetes, say
			}
			found += 2
		case "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal":
			found++
		}
	}
	return found >= 3
}

// areStatements reports whether a list is one of statements.
func areStatements(n *source.Node) bool {
	if n.Kind != source.List {
		return false
	}
	for i := range n.Items {
		if isStatement(&n.Items[i]) {
			return true
		}
	}
	return false
}

// mayHoldPolicy reports whether a string is likely the text of a policy.
func mayHoldPolicy(n *source.Node) bool {
	if n.Kind != source.String {
		return false
	}
	text := strings.TrimSpace(n.Text)
	if strings.HasPrefix(text, "%7B") {
		return strings.Contains(text, "Statement")
	}
	rest := strings.TrimLeft(text, "\"\\")
	return len(rest) > 0 && (rest[0] == '{' || rest[0] == '[' || rest[0] == '<' || rest[0] == '%') && strings.Contains(rest, "Effect") && strings.Contains(rest, "Action")
}

// isExpression reports whether a node is an expression of CloudFormation, in
// either form.
func isExpression(n *source.Node) bool {
	return n.Kind == source.Intrinsic || n.Kind == source.Map && len(n.Fields) == 1 && (n.Fields[0].Name == "Ref" || strings.HasPrefix(n.Fields[0].Name, "Fn::"))
}

// policy reads a document of any form and adds it to the material; of says what
// is known of it. It returns nil when the node holds no policy.
func (r *reader) policy(n *source.Node, of rules.Policy) *rules.Policy {
	switch {
	case isExpression(n):
		return r.branches(n, of)
	case n.Kind == source.String:
		return r.text(n, of)
	case isStatement(n):
		of.Whole, of.Standalone = false, false
		return r.add(&source.Node{Kind: source.List, Pos: n.Pos, Items: []source.Node{*n}}, of, r.problems, true)
	case areStatements(n):
		of.Whole, of.Standalone = false, false
		return r.add(n, of, r.problems, true)
	case isDocument(n), n.Kind == source.Map && isVersion(n.Field("Version")):
		return r.add(n, of, r.problems, r.fragment)
	}
	return nil
}

// branches reads a policy that an Fn::If chooses: both.
func (r *reader) branches(n *source.Node, of rules.Policy) *rules.Policy {
	name, arg := expression(n)
	if name != "If" || arg.Kind != source.List || len(arg.Items) != 3 {
		return nil
	}
	first := r.policy(&arg.Items[1], of)
	second := r.policy(&arg.Items[2], of)
	if first == nil {
		return second
	}
	return first
}

// text reads a policy that stands in a string.
func (r *reader) text(n *source.Node, of rules.Policy) *rules.Policy {
	if !mayHoldPolicy(n) {
		return nil
	}
	if strings.HasPrefix(strings.TrimSpace(n.Text), "%7B") {
		decoded, err := url.QueryUnescape(n.Text)
		if err != nil {
			return nil
		}
		n = &source.Node{Kind: source.String, Pos: n.Pos, Text: decoded}
	}
	p := r.inner(n)
	if p == nil {
		return nil
	}
	if p.n.Kind == source.String {
		return r.text(&source.Node{Kind: source.String, Pos: n.Pos, Text: p.n.Text}, of)
	}
	was := *r
	r.problems, r.template, r.fragment = p.problems, r.template || p.template, p.fragment
	got := r.policy(p.n, of)
	r.problems, r.template, r.fragment = was.problems, was.template, was.fragment
	if p.template && got != nil {
		got.Standalone = false
	}
	return got
}

// add reads a document from its tree.
func (r *reader) add(n *source.Node, of rules.Policy, problems []source.Problem, fragment bool) *rules.Policy {
	if len(problems) > 0 && n.Pos != (source.Pos{}) {
		problems = r.own(n, problems)
	}
	tree := clone(n, nil)
	flatten(&tree)
	if r.at != nil {
		tree = clone(&tree, r.at)
	}
	d, found, err := policy.FromTree(r.file, &tree, problems)
	if err != nil {
		var e *policy.Error
		if errors.As(err, &e) {
			*r.errs = append(*r.errs, &Error{Position: e.Position, Text: e.Text})
		}
		return nil
	}
	p := of
	p.Doc = d
	if p.Kind == rules.OtherPolicy {
		p.Kind = kindOf(d, r.hint, fragment)
	}
	if r.template || fragment {
		p.Standalone = false
	}
	for _, f := range found {
		if r.meant(&f, fragment) {
			p.Read = append(p.Read, f)
		}
	}
	r.m.Policies = append(r.m.Policies, &p)
	return &p
}

// own returns the problems of a text that stand in a document, at their places
// in the file.
func (r *reader) own(n *source.Node, problems []source.Problem) []source.Problem {
	from, to := n.Pos, last(n)
	var own []source.Problem
	for _, p := range problems {
		inside := !before(p.Pos, from) && !before(to, p.Pos)
		if inside || p.Kind != source.DuplicateKey && !before(p.Pos, from) {
			p.Pos = r.place(p.Pos)
			own = append(own, p)
		}
	}
	return own
}

// meant reports whether a finding of the reader of policies holds for what was
// written: statements without a document around them need no Version, and what
// a template works out by itself is nothing that a person has to fill in.
func (r *reader) meant(f *finding.Finding, fragment bool) bool {
	switch f.Rule {
	case policy.RuleVersion:
		return !fragment
	case policy.RulePlaceholder:
		return !r.lowered[source.Pos{Line: int32(f.Position.Line), Column: int32(f.Position.Column)}]
	}
	return true
}

// flatten puts the statements that an Fn::If chooses into the list in its place,
// those of both branches. Nothing else is changed.
func flatten(n *source.Node) {
	if n.Kind == source.Map {
		if n = n.Field("Statement"); n == nil {
			return
		}
	}
	if n.Kind != source.List {
		return
	}
	var items []source.Node
	for i := range n.Items {
		items = append(items, chosen(&n.Items[i])...)
	}
	n.Items = items
}

// chosen returns the statements that an item of a list may be.
func chosen(n *source.Node) []source.Node {
	name, arg := expression(n)
	if name != "If" || arg.Kind != source.List || len(arg.Items) != 3 {
		return []source.Node{*n}
	}
	var all []source.Node
	sids := map[string]bool{}
	for i := 1; i < 3; i++ {
		branch := &arg.Items[i]
		statements := []source.Node{*branch}
		if isNoValue(branch) {
			continue
		}
		if branch.Kind == source.List {
			statements = branch.Items
		}
		for j := range statements {
			s := statements[j]
			if !isStatement(&s) {
				return []source.Node{*n}
			}
			if sid := s.Field("Sid"); sid != nil {
				if sids[sid.Text] {
					s = without(&s, "Sid") // only one of the two will be there
				}
				sids[sid.Text] = true
			}
			all = append(all, s)
		}
	}
	return all
}

func without(n *source.Node, name string) source.Node {
	c := *n
	c.Fields = nil
	for _, f := range n.Fields {
		if f.Name != name {
			c.Fields = append(c.Fields, f)
		}
	}
	return c
}
