package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
)

// keyAccount returns the account of the key that a key policy belongs to: the one
// that is known, or the only one to whose root the policy gives all of KMS, as the
// default policy does. It is empty when neither tells.
func (p *place) keyAccount() string {
	if p.policy.Kind != KeyPolicy {
		return ""
	}
	if p.policy.Key.Account != "" {
		return p.policy.Key.Account
	}
	var accounts []string
	for i := range p.policy.Doc.Statements {
		o := place{policy: p.policy, s: &p.policy.Doc.Statements[i], index: i}
		if o.s.Opaque || !o.allows() || len(o.s.Conditions) > 0 || !o.coversAll() {
			continue
		}
		for _, n := range o.principals() {
			q, err := arn.ParsePrincipal(n.value.Text)
			if err == nil && q.Kind == arn.AccountRoot && n.group == "AWS" && !slices.Contains(accounts, q.Account) {
				accounts = append(accounts, q.Account)
			}
		}
	}
	if len(accounts) != 1 {
		return ""
	}
	return accounts[0]
}

// coversAll reports whether the statement is about every KMS action.
func (p *place) coversAll() bool {
	return p.s.Action != nil && slices.ContainsFunc(p.s.Action.Values, func(v policy.Value) bool {
		return v.Text == "*" || strings.EqualFold(v.Text, "kms:*")
	})
}
