package rules

import (
	"slices"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

// use is one right on a key of an estate that a statement gives by name.
type use struct {
	at     place
	caller arn.Principal
	action string
	key    string
}

// maxUses bounds how many rights of an estate are decided; each takes a look at
// every policy that bears on it.
const maxUses = 2000

// identityUses returns the rights on the contents of keys of the estate that IAM
// policies of its principals give by the key's ARN.
func (m *Material) identityUses() []use {
	var all []use
	for _, p := range m.allowing(IdentityPolicy) {
		caller, err := arn.ParsePrincipal(p.policy.Owner)
		if err != nil || p.s.Resource == nil || m.Estate.Principal(p.policy.Owner) == nil {
			continue
		}
		for i := range p.s.Resource.Values {
			key := p.s.Resource.Values[i].Text
			if m.Estate.Key(key) == nil {
				continue
			}
			for _, action := range p.contents() {
				if all = append(all, use{at: p, caller: caller, action: action, key: key}); len(all) == maxUses {
					return all
				}
			}
		}
	}
	return all
}

// keyUses returns the rights on contents that key policies of the estate give to
// users and roles of the estate that are of another account than the key.
func (m *Material) keyUses() []use {
	var all []use
	for _, p := range m.allowing(KeyPolicy) {
		key := p.policy.Owner
		if m.Estate.Key(key) == nil {
			continue
		}
		for _, n := range p.principals() {
			caller, err := arn.ParsePrincipal(n.value.Text)
			if err != nil || caller.Account == p.policy.Key.Account || m.Estate.Principal(n.value.Text) == nil || caller.IsServiceLinked() {
				continue
			}
			for _, action := range p.contents() {
				if all = append(all, use{at: p, caller: caller, action: action, key: key}); len(all) == maxUses {
					return all
				}
			}
		}
	}
	return all
}

// contents returns the actions on the contents of keys that the statement names.
// An administrator's kms:* is none: it is bounded on purpose.
func (p *place) contents() []string {
	if p.s.Action == nil {
		return nil
	}
	var actions []string
	for i := range p.s.Action.Values {
		covered := kmsActions(&p.s.Action.Values[i])
		if slices.Contains(covered, "kms:PutKeyPolicy") {
			continue
		}
		for _, a := range covered {
			if opens(a) && !slices.Contains(actions, a) {
				actions = append(actions, a)
			}
		}
	}
	return actions
}

// blockers returns what denies the use in the estate, of the layers asked for.
func (u *use) blockers(e *estate.Estate, layers ...access.Layer) []access.Blocker {
	q, err := estate.NewRequest(u.caller.Text, u.action, u.key)
	if err != nil {
		return nil
	}
	c := e.Bind(q)
	switch access.Decide(&c) {
	case access.Allow, access.Unknown:
		return nil
	}
	d := access.Authorize(&c)
	return slices.DeleteFunc(d.Blockers, func(b access.Blocker) bool { return !slices.Contains(layers, b.Layer) })
}
