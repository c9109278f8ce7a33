package policy

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
)

// Grade says how a statement names the caller. The difference matters: a
// statement that names the account only lets the account's own policies
// decide, and one that names a user or a session is not limited by a
// permissions boundary or session policy that says nothing.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html.
type Grade uint8

// The grades.
const (
	ByAccount  Grade = iota // the caller's account is named
	ByEveryone              // "*"
	ByRole                  // the role, or the role of the session
	ByUser                  // the user itself
	BySession               // the role session or federated user itself
	ByRoot                  // the account, and the caller is its root user
	ByService               // the calling service, provider or canonical user
	Unnamed                 // the kind of policy names no principals
	grades
)

var gradeNames = [grades]string{
	"the account", "everyone", "the role", "the user", "the session", "the account's root user", "the service", "no principal",
}

// String returns the grade in words.
func (g Grade) String() string { return gradeNames[g] }

// Grades is a set of grades.
type Grades uint16

func (g Grade) set() Grades { return 1 << g }

// Has reports whether g is in the set.
func (s Grades) Has(g Grade) bool { return s&g.set() != 0 }

// Caller is who asks.
type Caller struct {
	arn.Principal
	// ID is the unique id, AROA…:session for a role session; empty when unknown.
	ID string
	// Bounded is set when a permissions boundary is attached to the caller.
	Bounded bool
}

// GradeOf returns how the name p names the caller, and whether it does. It is
// the rule for policies and for grants alike.
func GradeOf(p *arn.Principal, c *Caller) (Grade, bool) {
	switch p.Kind {
	case arn.Everyone:
		return ByEveryone, true
	case arn.AccountRoot:
		if c.Account != p.Account {
			return 0, false
		}
		if c.Kind == arn.AccountRoot {
			return ByRoot, true
		}
		return ByAccount, true
	case arn.User:
		return ByUser, c.Kind == arn.User && c.Text == p.Text
	case arn.Role:
		return ByRole, c.SameRole(*p)
	case arn.AssumedRole, arn.FederatedUser:
		return BySession, c.Kind == p.Kind && c.Text == p.Text
	case arn.UniqueID:
		return gradeID(p, c)
	case arn.Service, arn.Federated, arn.Canonical:
		return ByService, c.Kind == p.Kind && c.Text == p.Text
	}
	return 0, false
}

// gradeID matches a stored unique id: what AWS keeps behind an ARN, and shows
// in its place once the user or role is gone.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
func gradeID(p *arn.Principal, c *Caller) (Grade, bool) {
	if c.ID == "" {
		return 0, false
	}
	if c.ID == p.Text {
		switch c.Kind {
		case arn.AssumedRole, arn.FederatedUser:
			return BySession, true
		case arn.User:
			return ByUser, true
		}
		return ByRole, true
	}
	n := len(p.Text)
	return ByRole, len(c.ID) > n && c.ID[:n] == p.Text && c.ID[n] == ':'
}

// maybe returns the grades that a name with a placeholder may turn out to
// have.
func (p *principal) maybe(c *Caller) Grades {
	var s Grades
	try := func(text string, g Grade) {
		if text != "" && p.pattern.matchText(text) {
			s |= g.set()
		}
	}
	switch c.Kind {
	case arn.AssumedRole:
		try(c.Text, BySession)
		try(c.RoleARN, ByRole)
	case arn.Role:
		try(c.Text, ByRole)
	case arn.User:
		try(c.Text, ByUser)
	case arn.FederatedUser:
		try(c.Text, BySession)
	case arn.Service, arn.Federated, arn.Canonical:
		try(c.Text, ByService)
	}
	if c.Account != "" {
		g := ByAccount
		if c.Kind == arn.AccountRoot {
			g = ByRoot
		}
		try("arn:"+c.Partition+":iam::"+c.Account+":root", g)
		try(c.Account, g)
	}
	try("*", ByEveryone)
	return s
}

// dead reports whether AWS stored another unique id behind the user's or
// role's ARN than the caller has: the one that was meant is gone, and the
// statement does not name its successor.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
func (q *Query) dead(p *arn.Principal) bool {
	if len(q.StoredIDs) == 0 || q.Caller.ID == "" || p.Kind != arn.User && p.Kind != arn.Role {
		return false
	}
	stored := q.StoredIDs[p.Text]
	id, _, _ := strings.Cut(q.Caller.ID, ":")
	return stored != "" && stored != id
}

// names returns the grades by which the statement surely names the caller and
// those by which it may.
func (s *statement) names(q *Query) (sure, maybe Grades) {
	for i := range s.principals {
		p := &s.principals[i]
		if p.vague {
			maybe |= p.maybe(q.Caller)
		} else if g, ok := GradeOf(&p.Principal, q.Caller); ok && !q.dead(&p.Principal) {
			sure |= g.set()
		}
	}
	return sure, maybe
}

// excepts returns whether a NotPrincipal element leaves the caller out. AWS
// may look at the account first, then at the role, then at the session, and
// each has to be named; that it always does so is documented only as "might",
// so a list that names the caller but not all of these leaves the answer
// unknown. A caller with a permissions boundary is never left out.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html.
func (s *statement) excepts(q *Query) Truth {
	if q.Caller.Bounded {
		return False
	}
	sure, maybe := s.names(q)
	result := exceptionIn(sure, q.Caller.Kind)
	if exceptionIn(sure|maybe, q.Caller.Kind) > result {
		return Unknown
	}
	return result
}

func exceptionIn(g Grades, caller arn.Kind) Truth {
	account := g.Has(ByAccount)
	switch {
	case g.Has(ByEveryone), g.Has(ByService), g.Has(ByRoot):
		return True
	case caller == arn.AssumedRole && g.Has(BySession) && g.Has(ByRole) && account,
		caller == arn.FederatedUser && g.Has(BySession) && account,
		caller == arn.User && g.Has(ByUser) && account:
		return True
	case g.Has(BySession), g.Has(ByUser), g.Has(ByRole) && account:
		return Unknown
	}
	return False
}
