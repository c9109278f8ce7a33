package plan

import (
	"fmt"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// askable refuses what a plan for mere requests must not open. Nobody declared them: they
// may stem from a text that a stranger wrote. So such a plan lets nobody in whom the
// estate does not hold, and gives nobody power over a key, however little a guard that
// only compares would find too much in it.
func askable(uses []route.Asked, e *estate.Estate) error {
	refusal := &RefusedError{Guard: RequestGuard, Text: "a text that was refused is no reason to open this"}
	for i := range uses {
		for _, why := range []string{strangerOf(&uses[i], e), powerOf(&uses[i])} {
			if why != "" {
				refusal.Details = append(refusal.Details, why)
			}
		}
	}
	if len(refusal.Details) > 0 {
		return refusal
	}
	return nil
}

// strangerOf says why a plan must not let the principal of a request in; nothing when it
// may. Services are let in by no plan at all.
func strangerOf(a *route.Asked, e *estate.Estate) string {
	p, err := arn.ParsePrincipal(a.Principal)
	switch {
	case err != nil:
		return fmt.Sprintf("%q is no principal", a.Principal)
	case p.Kind == arn.Service:
		return ""
	case p.IsServiceLinked() && e.Account(p.Account) != nil:
		return "" // AWS makes it, and makes it anew
	case p.Kind == arn.AssumedRole:
		for i := range e.Principals {
			if role, err := arn.ParsePrincipal(e.Principals[i].ARN); err == nil && p.SameRole(role) {
				return ""
			}
		}
	case p.Kind == arn.User, p.Kind == arn.Role:
		if e.Principal(a.Principal) != nil {
			return ""
		}
	default:
		return fmt.Sprintf("%s is neither a user nor a role", a.Principal)
	}
	if !e.Holds(p.Account) {
		return fmt.Sprintf("%s is of account %s, of which the estate holds nobody", a.Principal, p.Account)
	}
	return fmt.Sprintf("account %s has no %s in the estate", p.Account, a.Principal)
}

// powerOf says why a plan must not give anybody the action of a request; nothing when it
// may: the uses that a grant can allow, and looking. Who may make grants by a policy gives
// everything on the key to anybody, so that needs a service which makes them for its
// resources, or a grant that bounds them.
// See https://docs.aws.amazon.com/kms/latest/developerguide/grants.html.
func powerOf(a *route.Asked) string {
	known, ok := awsfacts.KMSAction(a.Action)
	switch {
	case !ok:
		return fmt.Sprintf("%s is no action of KMS", a.Action)
	case known.Name == "kms:CreateGrant":
		if a.Via == "" && !needsGrant(parsed(a.Principal), parsedARN(a.Key)) {
			return fmt.Sprintf("%s for %s, called directly and not through a service, would let it give the key to anybody", known.Name, a.Principal)
		}
		return ""
	case known.AccessLevel == "Read", known.AccessLevel == "List":
		return ""
	}
	if op, ok := awsfacts.KMSOperation(known.Name); ok && op.GrantOperation && known.Name != "kms:RetireGrant" {
		return ""
	}
	return fmt.Sprintf("%s administers the key", known.Name)
}
