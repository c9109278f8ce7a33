package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
)

// allowing returns the Allow statements of the policies of some kinds.
func (m *Material) allowing(kinds ...Kind) []place {
	return slices.DeleteFunc(m.statements(kinds...), func(p place) bool { return !p.allows() })
}

// includes says whether the statement's actions take an action in. What is still
// to be filled in may become anything.
func (p *place) includes(action string) policy.Truth {
	switch {
	case p.s.Action != nil:
		return listCovers(p.s.Action, action)
	case p.s.NotAction != nil:
		return listCovers(p.s.NotAction, action).Not()
	}
	return policy.False
}

func listCovers(l *policy.List, action string) policy.Truth {
	t := policy.False
	for i := range l.Values {
		switch v := &l.Values[i]; {
		case unfilled(v):
			t = t.Or(policy.Unknown)
		case arn.Glob(strings.ToLower(v.Text), strings.ToLower(action)):
			return policy.True
		}
	}
	return t
}

// unfilled reports whether a value is not known, or only in part.
func unfilled(v *policy.Value) bool { return v.Unknown || v.Kind == policy.OpaqueValue }

// kmsActions returns the KMS actions that a value covers; none of one that is
// not about KMS alone.
func kmsActions(v *policy.Value) []string {
	if unfilled(v) || !isKMSAction(v.Text) {
		return nil
	}
	return awsfacts.ActionsMatching(v.Text)
}

func isKMSAction(text string) bool { return len(text) > 4 && strings.EqualFold(text[:4], "kms:") }

// given reports whether one of the statements covers the action, or may once it
// is filled in.
func given(ps []place, action string) bool {
	return slices.ContainsFunc(ps, func(p place) bool { return p.includes(action) != policy.False })
}

// settled reports whether everything that a policy allows is known: a statement,
// an effect or an action that is still to be filled in may allow anything.
func (p *Policy) settled() bool {
	for i := range p.Doc.Statements {
		s := &p.Doc.Statements[i]
		if s.Opaque || s.Effect != nil && unfilled(s.Effect) {
			return false
		}
		for _, l := range []*policy.List{s.Action, s.NotAction} {
			if l != nil && slices.ContainsFunc(l.Values, func(v policy.Value) bool { return unfilled(&v) }) {
				return false
			}
		}
	}
	return true
}

// allows returns the Allow statements of the policy.
func (p *Policy) allows() []place {
	var ps []place
	for i := range p.Doc.Statements {
		if at := (place{policy: p, s: &p.Doc.Statements[i], index: i}); !at.s.Opaque && at.allows() {
			ps = append(ps, at)
		}
	}
	return ps
}

// opens reports whether an action reads or makes what is encrypted.
func opens(action string) bool {
	switch name := strings.TrimPrefix(action, "kms:"); name {
	case "Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo":
		return true
	default:
		return strings.HasPrefix(name, "GenerateDataKey")
	}
}

// asksFor reports whether a condition other than a negated one asks for one of
// the keys; a name that ends in : stands for all that begin so.
func (p *place) asksFor(keys ...string) bool {
	for i := range p.s.Conditions {
		op := &p.s.Conditions[i]
		if negated(op.Name) {
			continue
		}
		for j := range op.Keys {
			name := strings.ToLower(op.Keys[j].Name)
			if slices.ContainsFunc(keys, func(key string) bool {
				key = strings.ToLower(key)
				return name == key || strings.HasSuffix(key, ":") && strings.HasPrefix(name, key)
			}) {
				return true
			}
		}
	}
	return false
}

// openCondition reports whether a condition is a template expression: it may ask
// for anything.
func (p *place) openCondition() bool {
	for i := range p.s.Conditions {
		for j := range p.s.Conditions[i].Keys {
			if p.s.Conditions[i].Keys[j].Name == "" {
				return true
			}
		}
	}
	return false
}

// viaServices returns the services, by their short names, that kms:ViaService
// may be in the statement: "ec2" of ec2.us-east-1.amazonaws.com.
func (p *place) viaServices() []string {
	var names []string
	for _, c := range p.conditions("kms:ViaService") {
		if negated(c.op.Name) {
			continue
		}
		for _, v := range c.key.Values.Values {
			if name, _, ok := strings.Cut(v.Text, "."); ok && v.Kind != policy.OpaqueValue && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// limitsGrants reports whether a condition limits for what, to whom or through
// which service grants are made. One that is still a template expression may.
func (p *place) limitsGrants() bool {
	return p.limitsGrantees() || p.asksFor("kms:ViaService", "kms:EncryptionContext:", "kms:EncryptionContextKeys")
}

// limitsGrantees reports whether a condition limits for whom or for what grants
// are made, and not only by whom they are asked for.
func (p *place) limitsGrantees() bool {
	return p.openCondition() || p.asksFor("kms:GrantIsForAWSResource", "kms:GranteePrincipal", "kms:GranteeServicePrincipal",
		"kms:GrantOperations", "kms:GrantConstraintType")
}

// patterns returns the values of Action that cover a KMS action of a kind.
func (p *place) patterns(of func(action string) bool) []string {
	var texts []string
	if p.s.Action == nil {
		return nil
	}
	for i := range p.s.Action.Values {
		v := &p.s.Action.Values[i]
		if slices.ContainsFunc(kmsActions(v), of) && !slices.Contains(texts, v.Text) {
			texts = append(texts, v.Text)
		}
	}
	return texts
}
