// Package input finds out what a file is, and makes of it what the rules look at.
package input

import (
	"errors"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

// Error says where and why a file cannot be read.
type Error struct {
	Position finding.Position
	Text     string
}

func (e *Error) Error() string { return e.Position.String() + ": " + e.Text }

// Read reads a file; it returns the material and what kind of file it is.
func Read(name string, data []byte) (*rules.Material, string, error) {
	m := &rules.Material{File: name}
	d, fs, err := policy.Read(name, data)
	var wrong *policy.Error
	var syntax *source.SyntaxError
	switch {
	case errors.As(err, &wrong):
		return nil, "", &Error{wrong.Position, wrong.Text}
	case errors.As(err, &syntax):
		return nil, "", &Error{finding.Position{File: name, Line: int(syntax.Pos.Line), Column: int(syntax.Pos.Column)}, syntax.Text}
	case err != nil:
		return nil, "", &Error{finding.Position{File: name}, err.Error()}
	}
	p := &rules.Policy{Doc: d, Kind: rules.IdentityPolicy, Read: fs}
	for i := range d.Statements {
		if d.Statements[i].Principal != nil {
			p.Kind = rules.KeyPolicy
		}
	}
	m.Policies = append(m.Policies, p)
	return m, "policy", nil
}
