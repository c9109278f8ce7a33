package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

// place is one statement with the policy it stands in.
type place struct {
	policy *Policy
	s      *policy.Statement
	index  int
}

// statements returns the statements of the policies of some kinds; of all when
// none is named. A statement that is a template expression is left out.
func (m *Material) statements(kinds ...Kind) []place {
	var ps []place
	for _, p := range m.Policies {
		if len(kinds) > 0 && !slices.Contains(kinds, p.Kind) {
			continue
		}
		for i := range p.Doc.Statements {
			if s := &p.Doc.Statements[i]; !s.Opaque {
				ps = append(ps, place{policy: p, s: s, index: i})
			}
		}
	}
	return ps
}

// allows reports whether the statement is an Allow.
func (p *place) allows() bool { return p.s.Effect != nil && p.s.Effect.Text == "Allow" }

// denies reports whether the statement is a Deny.
func (p *place) denies() bool { return p.s.Effect != nil && p.s.Effect.Text == "Deny" }

// at gives the position of a part of the statement.
func (p *place) at(pos policy.Pos) finding.Position { return p.policy.Doc.Position(pos) }

// name is how messages call the statement: by its Sid, or its number.
func (p *place) name() string {
	return access.StatementName(p.s, p.index)
}

// add reports something about the statement.
func (r *Report) add(p *place, pos policy.Pos, text, fix string, edits ...Edit) {
	r.Add(p.at(pos), p.policy.Owner, p.name()+": "+text, fix, edits...)
}

// addAs is add with a severity of its own.
func (r *Report) addAs(sev finding.Severity, p *place, pos policy.Pos, text, fix string, edits ...Edit) {
	r.AddAs(sev, p.at(pos), p.policy.Owner, p.name()+": "+text, fix, edits...)
}

// conditions returns where the statement asks for a condition key.
func (p *place) conditions(key string) []condition {
	var cs []condition
	for i := range p.s.Conditions {
		op := &p.s.Conditions[i]
		for j := range op.Keys {
			if strings.EqualFold(op.Keys[j].Name, key) {
				cs = append(cs, condition{op: op, key: &op.Keys[j]})
			}
		}
	}
	return cs
}

// condition is one key under one operator.
type condition struct {
	op  *policy.Operator
	key *policy.Key
}
