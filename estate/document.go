package estate

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

// UnmarshalNode reads a policy, a string that holds one, or
// {"unreadable": "why"}. What the reader of policies finds odd is kept in
// Findings.
func (d *Document) UnmarshalNode(n *source.Node) error { return d.read("", n) }

// read is UnmarshalNode for a node of a file.
func (d *Document) read(file string, n *source.Node) error {
	if why := n.Field("unreadable"); why != nil {
		return d.readReason(n, why)
	}
	n = decoded(n)
	p, findings, err := policy.FromNode(file, n)
	if err != nil {
		var refused *policy.Error
		if errors.As(err, &refused) {
			return &source.SyntaxError{Pos: n.Pos, Text: refused.Text}
		}
		return err
	}
	if err := refuse(p); err != nil {
		return err
	}
	if again := repeated(nil, p, n); len(again) > 0 {
		findings = append(findings, again...)
		finding.Sort(findings)
	}
	d.Source, d.Findings, d.compiled = p, findings, policy.Compile(p)
	return nil
}

// readReason reads why a policy could not be read.
func (d *Document) readReason(n, why *source.Node) error {
	for i := range n.Fields {
		if f := &n.Fields[i]; f.Name == "Statement" {
			return &source.SyntaxError{Pos: f.Pos, Text: "a policy that could not be read has no Statement: take out this, or unreadable"}
		}
	}
	if why.Kind != source.String || why.Text == "" {
		return &source.SyntaxError{Pos: why.Pos, Text: `"unreadable" is a text that says why`}
	}
	d.Unreadable = why.Text
	return nil
}

// decoded undoes the URL encoding in which IAM's API returns a policy.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html.
func decoded(n *source.Node) *source.Node {
	if n.Kind != source.String || !strings.HasPrefix(n.Text, "%") {
		return n
	}
	text, err := url.PathUnescape(n.Text)
	if err != nil {
		return n
	}
	c := *n
	c.Text = text
	return &c
}

// wrappers are the members under which AWS's commands print a policy.
var wrappers = []string{"Policy", "PolicyDocument", "AssumeRolePolicyDocument", "Document", "Content", "PolicyVersion"}

// refuse returns an error for a document that is no policy at all: read as one
// it would quietly say nothing. An empty map is a policy that says nothing.
func refuse(p *policy.Document) error {
	switch p.Form {
	case policy.BareStatements:
		if len(p.Statements) == 0 {
			return &source.SyntaxError{Pos: p.Pos, Text: "an empty list is no policy: leave it out when there is none"}
		}
		for i := range p.Statements {
			for _, x := range p.Statements[i].Extra {
				if x.Name == "Statement" || x.Name == "unreadable" {
					return &source.SyntaxError{Pos: p.Statements[i].Pos, Text: "this is a list of policies, and one policy stands here: take it out of the list"}
				}
			}
		}
	case policy.NoStatement:
		if p.Version != nil || p.ID != nil || len(p.Extra) == 0 {
			return nil
		}
		for _, x := range p.Extra {
			switch {
			case source.Suggest(x.Name, []string{"Version", "Id", "Statement"}) != "":
				return nil // misspelt, as a finding says
			case slices.Contains(wrappers, x.Name):
				return &source.SyntaxError{Pos: x.Pos, Text: fmt.Sprintf("this is no policy: what is under %q is; leave the rest out", x.Name)}
			case x.Name == "Effect":
				return &source.SyntaxError{Pos: p.Pos, Text: `this is a statement: a policy has it under "Statement"`}
			}
		}
		return &source.SyntaxError{Pos: p.Extra[0].Pos, Text: fmt.Sprintf("this is no policy: it has no Statement, and a policy has no %q", p.Extra[0].Name)}
	}
	return nil
}

// repeated returns a finding for every member of a policy that stands twice in
// its map. A policy inside a string is looked through by the reader of policies.
func repeated(found []finding.Finding, p *policy.Document, n *source.Node) []finding.Finding {
	for i := range n.Items {
		found = repeated(found, p, &n.Items[i])
	}
	var seen map[string]bool
	if len(n.Distinct()) < len(n.Fields) {
		seen = make(map[string]bool, len(n.Fields))
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		found = repeated(found, p, &f.Value)
		if seen == nil {
			continue
		}
		if seen[f.Name] {
			found = append(found, finding.Finding{
				Rule: policy.RuleDuplicate, Severity: finding.Error, Position: p.Position(f.Pos),
				Text: fmt.Sprintf("%q stands twice here: AWS refuses the policy; the last one is read", f.Name), Fix: "keep one of the two",
			})
		}
		seen[f.Name] = true
	}
	return found
}

// MarshalJSON writes what UnmarshalNode reads.
func (d *Document) MarshalJSON() ([]byte, error) {
	if d.Unreadable != "" {
		return json.Marshal(map[string]string{"unreadable": d.Unreadable})
	}
	if d.Source == nil {
		return nil, errors.New("writing a policy: it has neither a source nor a reason why it could not be read")
	}
	return d.Source.AppendJSON(nil), nil
}

// name puts the file's name into the policies, which are read without it.
func (d *Document) name(file string) {
	if d == nil || d.Source == nil {
		return
	}
	d.Source.File = file
	for i := range d.Findings {
		d.Findings[i].Position.File = file
	}
}

// documents calls do for every policy of the estate with the ARN or id of its
// owner.
func (e *Estate) documents(do func(owner string, d *Document)) {
	if o := e.Organization; o != nil {
		for name, d := range o.Policies {
			do(o.ID+"/"+name, d)
		}
	}
	for i := range e.Principals {
		p := &e.Principals[i]
		for j := range p.Policies {
			do(p.ARN, p.Policies[j].Document)
		}
		for j := range p.NotAttached {
			do(p.ARN, p.NotAttached[j].Document)
		}
		do(p.ARN, p.Boundary)
		do(p.ARN, p.Trust)
	}
	for i := range e.Keys {
		do(e.Keys[i].ARN, e.Keys[i].Policy)
	}
	for i := range e.Endpoints {
		do(e.Endpoints[i].ID, e.Endpoints[i].Policy)
	}
}

// suggest is a hint at the name that was most likely meant, or nothing.
func suggest(name string, known []string) string {
	if near := source.Suggest(name, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return ""
}

// decode reads the tree into the estate. What the checks before have told of a
// place is not told again.
func (l *loader) decode(root *source.Node, e *Estate) {
	l.AddDecode(root, source.Decode(root, e))
	e.documents(func(_ string, d *Document) { d.name(l.File) })
}
