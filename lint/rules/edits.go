package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/policy"
)

// otherOperator is the edit that writes another operator over a condition, when
// the condition's key is the only one under the operator and the statement does
// not have the other one yet. Terraform may have the name without quotes, where
// no colon can stand.
func (p *place) otherOperator(a *asked, to string) []Edit {
	if len(a.op.Keys) != 1 || a.op.Pos.Line == 0 || strings.Contains(to, ":") && strings.HasSuffix(p.policy.Doc.File, ".tf") {
		return nil
	}
	if slices.ContainsFunc(p.s.Conditions, func(op policy.Operator) bool { return strings.EqualFold(op.Name, to) }) {
		return nil
	}
	return []Edit{{At: p.at(a.op.Pos), Old: a.op.Name, New: to}}
}
