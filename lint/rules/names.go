package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
)

// keyOwners returns the accounts of the keys that the key policies belong to: the one
// that is known, or the only one to whose root the policy gives all of KMS, as the
// default policy does. A policy of which neither tells is left out.
func (m *Material) keyOwners() map[*Policy]string {
	owners := map[*Policy]string{}
	for _, p := range m.Policies {
		if p.Kind == KeyPolicy && p.Key.Account != "" {
			owners[p] = p.Key.Account
		} else if p.Kind == KeyPolicy {
			if account := ownerOf(p); account != "" {
				owners[p] = account
			}
		}
	}
	return owners
}

// ownerOf returns the only account that the policy leaves the key to, or nothing.
func ownerOf(whole *Policy) string {
	owner := ""
	for i := range whole.Doc.Statements {
		p := place{policy: whole, s: &whole.Doc.Statements[i], index: i}
		if p.s.Opaque || !p.allows() || len(p.s.Conditions) > 0 || !p.coversAll() {
			continue
		}
		for _, n := range p.principals() {
			q, err := arn.ParsePrincipal(n.value.Text)
			if err != nil || q.Kind != arn.AccountRoot || n.group != "AWS" {
				continue
			}
			if owner != "" && owner != q.Account {
				return ""
			}
			owner = q.Account
		}
	}
	return owner
}

// coversAll reports whether the statement is about every KMS action.
func (p *place) coversAll() bool {
	return p.s.Action != nil && slices.ContainsFunc(p.s.Action.Values, func(v policy.Value) bool {
		return v.Text == "*" || strings.EqualFold(v.Text, "kms:*")
	})
}

// somePolicies returns the policies of which some statement is as asked.
func (m *Material) somePolicies(ask func(*place) bool) map[*Policy]bool {
	some := map[*Policy]bool{}
	for _, p := range m.statements() {
		if !some[p.policy] && ask(&p) {
			some[p.policy] = true
		}
	}
	return some
}
