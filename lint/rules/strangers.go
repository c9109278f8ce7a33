package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/policy"
)

// stranger is a request by somebody of an account and an organization that no
// policy means.
func stranger(w world) *scene {
	const account, organization = "000000000000", "o-0000000000"
	return &scene{world: w, known: map[string][]policy.ContextValue{
		"kms:calleraccount":     {policy.One(account)},
		"aws:principalaccount":  {policy.One(account)},
		"aws:principalarn":      {policy.One("arn:aws:iam::" + account + ":role/stranger")},
		"aws:principalorgid":    {{}, policy.One(organization)},
		"aws:principalorgpaths": {{}, policy.Many(organization + "/r-0000/ou-0000/")},
		"aws:securetransport":   {policy.One("true")},
	}}
}

// ordinary is a request by some role of one's own, which is no exception from
// anything. What its account and organization are called is not known here.
func ordinary(w world) *scene {
	sc := &scene{world: w, known: map[string][]policy.ContextValue{
		"aws:securetransport": {policy.One("true")},
	}}
	if w != serviceCall {
		sc.known["aws:principalarn"] = []policy.ContextValue{policy.One("arn:aws:iam::000000000000:role/Ordinary")}
	}
	return sc
}

// denied reports whether a Deny with these conditions hits a request of the scene
// for lack of one of the keys: a condition on such a key holds because the request
// does not have it, and no other lets the request go. It returns that condition.
func (sc *scene) denied(conditions []asked, keys func(string) bool) *asked {
	var by *asked
	for i := range conditions {
		a := &conditions[i]
		if keys(a.name) && a.absentIn(sc) {
			if a.byAbsence() != policy.True {
				return nil
			}
			if by == nil {
				by = a
			}
			continue
		}
		switch t := a.best(sc); {
		case t == policy.False, a.name == "":
			return nil
		case t == policy.Unknown && negated(a.op.Name) && !strings.HasPrefix(a.name, "aws:principaltag/"):
			return nil // it may except everybody of one's own
		}
	}
	return by
}

// absentIn reports whether requests of the scene lack the condition's key.
func (a *asked) absentIn(sc *scene) bool {
	return sc.values(a.name, a.set)[0].Presence == policy.Absent
}

// comes reports whether the statement applies to requests of a world.
func (p *place) comes(w world) bool {
	return slices.Contains(p.worlds(), w)
}
