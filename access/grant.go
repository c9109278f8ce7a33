package access

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// grantAnswer is what the grants of a key say together.
type grantAnswer struct {
	allow policy.Truth
	// need is the limits that stand in the way of the grant that comes closest:
	// one that names the caller for this operation.
	need need
	// named is set when some grant names the caller for this operation;
	// refused when such a one fails all the same, on its constraint or because
	// its principal is gone.
	named, refused bool
}

// GrantReport is what one grant says to a request.
type GrantReport struct {
	Grant *estate.Grant
	// Grade says how the grant names the caller.
	Grade policy.Grade
	// Applies says whether the grant covers the operation and its constraint
	// holds; Why says what is amiss when it does not or may not.
	Applies policy.Truth
	Why     string
	Missing []string // context keys that are not known
	// Party is grantee, retiring principal or issuing account.
	Party string
}

// askGrants asks every grant on the key.
// See https://docs.aws.amazon.com/kms/latest/developerguide/grants.html.
func askGrants(c *estate.Case, r *recorder, l *layers) grantAnswer {
	a := grantAnswer{need: noPath}
	for i := range c.Grants {
		g := &c.Grants[i]
		for party := range parties {
			grade, ok := party.names(g, c)
			if !ok {
				continue
			}
			a.add(party.report(g, grade, c), c, r, l)
		}
	}
	if c.GrantsUnread != "" {
		a.allow = a.allow.Or(policy.Unknown)
	}
	return a
}

func (a *grantAnswer) add(rep GrantReport, c *estate.Case, r *recorder, l *layers) {
	if r != nil {
		r.grants = append(r.grants, rep)
	}
	if rep.Applies == policy.False {
		a.refused = a.refused || rep.Why != "" && covers(rep.Grant, c.Request.Action)
		return
	}
	a.named = true
	n := grantNeed(rep.Grant, rep.Grade, c, l)
	a.allow = a.allow.Or(rep.Applies.And(n.met(l)))
	a.need = closer(a.need, n.missing(l))
}

// party is a role that a principal has in a grant.
type party int

const (
	grantee party = iota
	retiringPrincipal
	issuingAccount
	parties
)

var partyNames = [parties]string{"grantee", "retiring principal", "issuing account"}

// names reports whether the grant names the caller in this role, and how. Only
// RetireGrant knows the other roles than grantee.
func (p party) names(g *estate.Grant, c *estate.Case) (policy.Grade, bool) {
	caller := &c.Request.Caller
	switch p {
	case grantee:
		q := g.Grantee()
		return policy.GradeOf(&q, caller)
	case retiringPrincipal:
		q := g.Retiring()
		grade, ok := policy.GradeOf(&q, caller)
		return grade, ok && isRetire(c)
	}
	if !isRetire(c) || caller.Account == "" || caller.Account != g.Issuer() {
		return 0, false
	}
	if caller.Kind == arn.AccountRoot {
		return policy.ByRoot, true
	}
	return policy.ByAccount, true
}

// report works out whether the grant, which names the caller, covers the
// request.
func (p party) report(g *estate.Grant, grade policy.Grade, c *estate.Case) GrantReport {
	rep := GrantReport{Grant: g, Grade: grade, Applies: policy.True, Party: partyNames[p]}
	if p != grantee {
		return rep
	}
	switch {
	case dead(g, &c.Request.Caller):
		rep.Applies = policy.False
		rep.Why = "it was made for " + g.GranteePrincipalID + ", which is gone; the principal of that name now is " + c.Request.Caller.ID
	case !covers(g, c.Request.Action):
		rep.Applies = policy.False
		rep.Why = "its operations do not include " + operationOf(c.Request.Action)
	case equalFold(c.Request.Action, "kms:CreateGrant"):
		rep.child(c)
	case constrained(c.Request.Action):
		rep.constrain(c)
	}
	return rep
}

// dead reports whether the grantee was deleted and made again: AWS binds a
// grant to the unique id, which the new principal does not have.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html.
func dead(g *estate.Grant, caller *policy.Caller) bool {
	if g.GranteePrincipalID == "" || caller.ID == "" {
		return false
	}
	id, _, _ := strings.Cut(g.GranteePrincipalID, ":")
	now, _, _ := strings.Cut(caller.ID, ":")
	return id != now
}

// covers reports whether the grant's operations include the action.
func covers(g *estate.Grant, action string) bool {
	want := operationOf(action)
	for _, op := range g.Operations {
		if strings.EqualFold(op, want) {
			return true
		}
	}
	return false
}

// operationOf cuts the service from an action: grants name bare operations.
func operationOf(action string) string {
	_, op, _ := strings.Cut(action, ":")
	return op
}

// constrained reports whether a grant's constraint counts for the action.
// DescribeKey and RetireGrant carry no encryption context, and AWS does not
// hold the constraint against them.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantConstraints.html.
func constrained(action string) bool {
	op, ok := awsfacts.KMSOperation(action)
	return ok && op.EncryptionContext
}

func equalFold(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }
