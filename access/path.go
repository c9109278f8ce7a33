package access

import (
	"math/bits"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// need is a set of layers that have to allow for one way of being allowed.
type need uint8

const (
	needIdentity need = 1 << iota
	needBoundary
	needSession
	needResource
	needGrant
	noPath = need(1<<8 - 1)

	chain  = needIdentity | needBoundary | needSession // through the caller's own policies
	limits = needBoundary | needSession
)

// closer returns the set with fewer layers missing; the first when equal.
func closer(a, b need) need {
	if bits.OnesCount8(uint8(b)) < bits.OnesCount8(uint8(a)) {
		return b
	}
	return a
}

// path is one way of being allowed: what the resource side says on it, and
// which of the caller's layers have to allow too.
type path struct {
	resource policy.Truth
	needs    need
}

// met returns whether the path is open.
func (p path) met(l *layers) policy.Truth {
	t := p.resource
	if p.needs&needIdentity != 0 {
		t = t.And(l.identity.allow)
	}
	if p.needs&needBoundary != 0 {
		t = t.And(l.boundary.allow)
	}
	if p.needs&needSession != 0 {
		t = t.And(l.session.allow)
	}
	return t
}

// missing returns the layers of the path that surely do not allow.
func (p path) missing(l *layers) need {
	var n need
	if p.resource == policy.False {
		n |= needResource
	}
	if p.needs&needIdentity != 0 && l.identity.allow == policy.False {
		n |= needIdentity
	}
	if p.needs&needBoundary != 0 && l.boundary.allow == policy.False {
		n |= needBoundary
	}
	if p.needs&needSession != 0 && l.session.allow == policy.False {
		n |= needSession
	}
	return n
}

// maxPaths is the number of ways that there can be: the account's and one for
// each direct grade.
const maxPaths = 7

// paths lists the ways in which the request can be allowed, likeliest repair
// first, grants apart.
type paths struct {
	list [maxPaths]path
	n    int
}

func (ps *paths) add(resource policy.Truth, needs need) {
	ps.list[ps.n] = path{resource, needs}
	ps.n++
}

// pathsOf works out which ways there are: the rule of KMS keys and role trust,
// where the resource's policy has to agree; the general rule, where in one
// account either side suffices and across accounts both must; and the rule for
// resources that have no policy and are shared instead.
func pathsOf(c *estate.Case, l *layers) (ps paths) {
	caller := &c.Request.Caller
	o := l.resource
	switch {
	case caller.Account == "":
		// A service or an identity provider has no policies of its own.
		ps.add(o.Allow(policy.Any), 0)
	case noResourcePolicy(c):
		ps.add(policy.True, chain)
	case !c.SameAccount():
		ps.add(o.Allow(policy.Any), chain)
	default:
		account := o.Allow(grade(policy.ByAccount) | grade(policy.ByRoot))
		if !isKMSKey(c) && !isRole(c) {
			account = policy.True // the account need not be named
		}
		ps.add(account, chain)
		for _, g := range directGrades {
			if t := o.Allow(grade(g)); t != policy.False {
				ps.add(t, limitsOf(g))
			}
		}
		if ps.n == 1 {
			ps.add(policy.False, limitsOf(ownGrade(caller)))
		}
	}
	return ps
}

var directGrades = [...]policy.Grade{
	policy.BySession, policy.ByUser, policy.ByRoot, policy.ByService, policy.ByRole, policy.ByEveryone,
}

func grade(g policy.Grade) policy.Grades { return 1 << g }

// limitsOf returns which of the caller's ceilings an Allow that names the
// caller by this grade still needs. A user or session that is named itself is
// not limited by a boundary or session policy that is silent, a role is; for
// "*" AWS does not say, and the role's rule is assumed.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html.
func limitsOf(g policy.Grade) need {
	switch g {
	case policy.ByRole, policy.ByEveryone:
		return limits
	case policy.ByAccount:
		return chain
	}
	return 0
}

// ownGrade is the grade by which a statement written for this caller would
// name it.
func ownGrade(c *policy.Caller) policy.Grade {
	switch c.Kind {
	case arn.User:
		return policy.ByUser
	case arn.FederatedUser:
		return policy.BySession
	}
	return policy.ByRole
}

// grantNeed returns what a grant that covers the request still needs. Inside
// the key's account, and when issued from the caller's account, a grant is
// enough; issued by anybody else for a caller in another account it only
// stands in for the key policy.
// Recorded from AWS; https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
// does not say it.
func grantNeed(g *estate.Grant, by policy.Grade, c *estate.Case, l *layers) path {
	p := path{resource: policy.True, needs: limitsOf(by)}
	if by == policy.ByRoot {
		p.needs = 0
	}
	if !c.SameAccount() && c.Request.Caller.Account != "" && g.Issuer() != c.Request.Caller.Account {
		p.needs = chain
	}
	return p
}

// noResourcePolicy reports whether the resource has no policy that AWS would
// ask: EBS snapshots, images and database snapshots are shared by an attribute
// instead, and KMS actions that are about no key are IAM's alone.
func noResourcePolicy(c *estate.Case) bool {
	switch service := c.Request.Target.Service; service {
	case "kms":
		return !isKMSKey(c)
	case "ec2", "rds", "drs", "fsx":
		// A snapshot in a backup vault has the vault's policy.
		return c.Resource == nil
	}
	return c.Request.Resource == "*"
}
