package estate

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

// UnmarshalNode reads a policy, a string that holds one, or
// {"unreadable": "why"}. What the reader of policies finds odd is kept in
// Findings.
func (d *Document) UnmarshalNode(n *source.Node) error { return d.read("", n) }

// read is UnmarshalNode for a node of a file.
func (d *Document) read(file string, n *source.Node) error {
	if n.Kind == source.Map {
		if why := n.Field("unreadable"); why != nil && len(n.Fields) == 1 {
			if why.Kind != source.String || why.Text == "" {
				return &source.SyntaxError{Pos: why.Pos, Text: `"unreadable" is a text that says why`}
			}
			d.Unreadable = why.Text
			return nil
		}
	}
	p, findings, err := policy.FromNode(file, n)
	if err != nil {
		var refused *policy.Error
		if errors.As(err, &refused) {
			return &source.SyntaxError{Pos: n.Pos, Text: refused.Text}
		}
		return err
	}
	d.Source, d.Findings, d.compiled = p, findings, policy.Compile(p)
	return nil
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
	l.addDecode(root, source.Decode(root, e))
	e.documents(func(_ string, d *Document) { d.name(l.file) })
}

// addDecode tells what could not be read into the model.
func (l *loader) addDecode(n *source.Node, err error) {
	var many *source.DecodeErrors
	var syntax *source.SyntaxError
	switch {
	case err == nil:
	case errors.As(err, &many):
		for i := range many.Problems {
			p := &many.Problems[i]
			text := p.Text
			if p.Path != "" {
				text = p.Path + ": " + text
			}
			l.addOnce(p.Pos, text, p.Hint)
		}
	case errors.As(err, &syntax):
		l.addOnce(syntax.Pos, syntax.Text, "")
	default:
		l.addOnce(n.Pos, err.Error(), "")
	}
}
