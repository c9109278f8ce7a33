package access

import (
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// Effect is the outcome of an authorization.
type Effect uint8

// The effects. Unknown means that the decision rests on something that is not
// known; Decision.Unknown names it.
const (
	ImplicitDeny Effect = iota
	ExplicitDeny
	Unknown
	Allow
)

var effectNames = [...]string{"ImplicitDeny", "ExplicitDeny", "Unknown", "Allow"}

// String returns the effect in the word of the case file.
func (e Effect) String() string { return effectNames[e] }

// MarshalText writes the word of String.
func (e Effect) MarshalText() ([]byte, error) { return []byte(effectNames[e]), nil }

// Decide returns the decision alone. It is Authorize without the reasons: the
// same questions to the same layers, without allocating unless a policy
// variable has to be filled in or a grant has to be judged.
func Decide(c *estate.Case) Effect {
	l := look(c, nil)
	ps := pathsOf(c, &l)
	return effectOf(c, &l, &ps)
}

func effectOf(c *estate.Case, l *layers, ps *paths) Effect {
	denied := l.identity.deny.Or(l.boundary.deny).Or(l.session.deny).Or(l.resource.Denied).
		Or(l.scp.deny).Or(l.rcp).Or(l.endpoint.deny)
	if denied == policy.True {
		return ExplicitDeny
	}
	allowed := policy.False
	if !isRetire(c) {
		for i := range ps.n {
			allowed = allowed.Or(ps.list[i].met(l))
		}
	}
	allowed = allowed.Or(l.grants.allow).And(l.scp.allow).And(l.endpoint.allow)
	switch {
	case allowed == policy.False || l.misuse != fits || c.RegionOff:
		return ImplicitDeny
	case allowed == policy.True && denied == policy.False:
		return Allow
	}
	return Unknown
}

// Usable reports whether the key's state lets the operation through. It is
// apart from the decision: AWS checks the state of a key after it has allowed
// the call.
// See https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html.
func Usable(c *estate.Case) (awsfacts.StateRule, bool) {
	if !isKMSKey(c) {
		return awsfacts.StateRule{OK: true}, true
	}
	rule := awsfacts.InState(c.Request.Action, awsfacts.KeyState(c.KeyState()))
	return rule, rule.OK
}
