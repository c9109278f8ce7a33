package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
)

// world is a way in which a request comes to KMS. Which condition keys a request
// has, and what stands in them, follows from it.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
// and https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html.
type world uint8

const (
	directCall    world = iota // a user or role calls KMS
	forwardedCall              // a service passes on the call of a user or role
	serviceCall                // a service calls for itself
)

// scene is a kind of request, as far as something is known of it.
type scene struct {
	world  world
	action string // "" when it does not matter which
	// known holds what the request has in some keys, by their lower-case names.
	known map[string][]policy.ContextValue
}

// values returns what a request of the scene may have in a key, given in lower
// case. Operators that compare a multivalued key as one value never match it,
// whatever it holds; set says that the operator has ForAllValues or ForAnyValue.
func (sc *scene) values(key string, set bool) []policy.ContextValue {
	absent, open := policy.ContextValue{}, policy.NotGiven()
	if vs, ok := sc.known[key]; ok {
		return vs
	}
	if sc.action != "" {
		if carries, known := awsfacts.Carries(sc.action, key); known && !carries {
			return []policy.ContextValue{absent}
		}
	}
	if vs := sc.ofWorld(key); vs != nil {
		return vs
	}
	if k, ok := awsfacts.LookupConditionKey(key); ok && k.Multivalued && !set {
		return []policy.ContextValue{absent, policy.Many("x")}
	}
	return []policy.ContextValue{open}
}

// ofWorld returns what follows from the way of the request alone, or nil.
func (sc *scene) ofWorld(key string) []policy.ContextValue {
	absent, open := policy.ContextValue{}, policy.NotGiven()
	choose := func(of ...policy.ContextValue) []policy.ContextValue { return of[sc.world : sc.world+1] }
	no, yes := policy.One("false"), policy.One("true")
	switch key {
	case "kms:viaservice", "aws:calledvia", "aws:calledviafirst", "aws:calledvialast":
		// A service that calls for itself can have come by way of another one.
		return choose(absent, open, open)
	case "aws:viaawsservice":
		return choose(no, yes, open)
	case "kms:grantisforawsresource":
		if sc.world == directCall {
			return []policy.ContextValue{no}
		}
	case "aws:principalisawsservice":
		return choose(no, no, yes)
	case "aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths",
		"aws:principalservicename", "aws:principalservicenameslist":
		return choose(absent, absent, open)
	case "aws:principalorgid", "aws:principalorgpaths":
		if sc.world == serviceCall {
			return []policy.ContextValue{absent}
		}
	case "aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn", "aws:vpcsourceip", "aws:vpceaccount", "aws:vpceorgid", "aws:vpceorgpaths":
		return choose(open, absent, absent)
	case "aws:sourceip":
		if sc.world != directCall {
			// Not there, or an address of AWS.
			return []policy.ContextValue{absent, open}
		}
	}
	return nil
}

// one answers for a single key, and knows nothing of others.
type one struct {
	key   string
	value policy.ContextValue
}

func (o one) Lookup(name string) policy.ContextValue {
	if name == o.key {
		return o.value
	}
	return policy.NotGiven()
}

// asked is one condition, ready to be asked.
type asked struct {
	condition
	name     string // of the key, in lower case
	set      bool
	compiled *policy.Policy
}

// asks returns the conditions of the statement.
func (p *place) asks() []asked {
	var all []asked
	for i := range p.s.Conditions {
		op := &p.s.Conditions[i]
		for j := range op.Keys {
			k := &op.Keys[j]
			all = append(all, asked{
				condition: condition{op: op, key: k}, name: strings.ToLower(k.Name),
				set: strings.Contains(op.Name, ":"), compiled: p.compile(op, k),
			})
		}
	}
	return all
}

// compile makes a policy whose only condition is the given one.
func (p *place) compile(op *policy.Operator, k *policy.Key) *policy.Policy {
	every := &policy.List{Values: []policy.Value{{Text: "*"}}}
	d := &policy.Document{Version: p.policy.Doc.Version, Statements: []policy.Statement{{
		Effect: &policy.Value{Text: "Allow"}, Action: every, Resource: every,
		Conditions: []policy.Operator{{Name: op.Name, Keys: []policy.Key{*k}}},
	}}}
	return policy.Compile(d)
}

// with returns whether the condition holds when the request has this in its key.
func (a *asked) with(v policy.ContextValue) policy.Truth {
	q := policy.Query{Caller: &policy.Caller{}, Action: "kms:Decrypt", Resource: "*", Context: one{a.name, v}}
	return a.compiled.Eval(&q).Allow(policy.Any)
}

// best returns the most that can be hoped of the condition in a scene: False when
// no request of that kind satisfies it, True when one is known that does.
func (a *asked) best(sc *scene) policy.Truth {
	best := policy.False
	for _, v := range sc.values(a.name, a.set) {
		best = best.Or(a.with(v))
	}
	return best
}

// best is the same for all conditions of a statement.
func best(conditions []asked, sc *scene) policy.Truth {
	t := policy.True
	for i := range conditions {
		t = t.And(conditions[i].best(sc))
	}
	return t
}

// byAbsence reports whether the condition holds for a request that lacks the key.
func (a *asked) byAbsence() policy.Truth { return a.with(policy.ContextValue{}) }

// worlds returns the ways in which those come whom the statement names.
func (p *place) worlds() []world {
	principals := []world{directCall, forwardedCall}
	everybody := append(slices.Clone(principals), serviceCall)
	switch p.policy.Kind {
	case IdentityPolicy, BoundaryPolicy, SessionPolicy, ControlPolicy:
		return principals
	}
	e := p.s.Principal
	if e == nil || e.Text != nil {
		return everybody
	}
	var service, others bool
	for i := range e.Groups {
		g := &e.Groups[i]
		service = service || g.Type == "Service"
		others = others || g.Type != "Service"
		for j := range g.Names.Values {
			if v := &g.Names.Values[j]; v.Text == "*" || v.Kind == policy.OpaqueValue {
				return everybody
			}
		}
	}
	switch {
	case service && others:
		return everybody
	case service:
		return []world{serviceCall}
	}
	return principals
}

// kmsPattern is one value of an Action element and the KMS actions it covers.
type kmsPattern struct {
	value   *policy.Value
	covered []string
}

// kmsPatterns returns the values of Action that cover an action of KMS.
func (p *place) kmsPatterns() []kmsPattern {
	var ps []kmsPattern
	if p.s.Action == nil {
		return nil
	}
	for i := range p.s.Action.Values {
		v := &p.s.Action.Values[i]
		if v.Kind != policy.StringValue || v.Unknown {
			continue
		}
		if covered := awsfacts.ActionsMatching(v.Text); len(covered) > 0 {
			ps = append(ps, kmsPattern{v, covered})
		}
	}
	return ps
}

// onlyKMS reports whether the pattern can cover actions of KMS only.
func (k kmsPattern) onlyKMS() bool {
	return isKMSAction(k.value.Text)
}

// covers reports whether a value of Action covers a KMS action.
func (p *place) covers(action string) bool {
	return slices.ContainsFunc(p.kmsPatterns(), func(k kmsPattern) bool { return slices.Contains(k.covered, action) })
}

// plain reports whether the text of a value is all there.
func plain(v *policy.Value) bool { return v.Kind == policy.StringValue && !v.Unknown }

// named is one name of a Principal element.
type named struct {
	group string
	value *policy.Value
}

// principals returns the names of the statement's Principal element.
func (p *place) principals() []named {
	e := p.s.Principal
	if e == nil {
		return nil
	}
	if e.Text != nil {
		return []named{{"AWS", e.Text}}
	}
	var ns []named
	for i := range e.Groups {
		for j := range e.Groups[i].Names.Values {
			ns = append(ns, named{e.Groups[i].Type, &e.Groups[i].Names.Values[j]})
		}
	}
	return ns
}
