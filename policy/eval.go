package policy

// Query is what a document is asked: who calls which action on what, in which
// context.
type Query struct {
	Caller   *Caller
	Action   string // "kms:Decrypt"; letter case does not count
	Resource string // the ARN, or "*" for an action without a resource
	Context  Context
	// Names is set for the kinds of policy whose statements name principals:
	// resource policies, trust policies, resource control policies, endpoint
	// policies. For the others a Principal element is passed over.
	Names bool
	// StoredIDs are the unique ids that AWS keeps behind the ARNs of users and
	// roles in the document, where they are known.
	StoredIDs map[string]string
	// NoResource is set for trust policies, whose statements need no Resource.
	NoResource bool
}

// Outcome is what one document says to one query.
type Outcome struct {
	// Allowed has the grades by which an Allow statement applies to the caller;
	// MaybeAllowed those for which that cannot be known.
	Allowed, MaybeAllowed Grades
	// Denied says whether a Deny statement applies.
	Denied Truth
}

// Allow returns whether the document allows by any of the grades.
func (o Outcome) Allow(by Grades) Truth {
	switch {
	case o.Allowed&by != 0:
		return True
	case o.MaybeAllowed&by != 0:
		return Unknown
	}
	return False
}

// Any is every grade.
const Any Grades = 1<<grades - 1

// Direct is the grades that name the caller, its role or everyone, rather
// than leave the decision to the caller's account.
const Direct = Any &^ (1 << ByAccount)

// Eval evaluates the document. It does not allocate unless a policy variable
// has to be filled in.
func (p *Policy) Eval(q *Query) Outcome {
	var o Outcome
	for i := range p.statements {
		s := &p.statements[i]
		if s.effect == noEffect {
			continue
		}
		sure, maybe := s.apply(q)
		o.add(s.effect, sure, maybe)
	}
	return o
}

func (o *Outcome) add(e effect, sure, maybe Grades) {
	switch e {
	case allow:
		o.Allowed |= sure
		o.MaybeAllowed |= maybe
	case deny:
		if sure != 0 {
			o.Denied = True
		} else if maybe != 0 {
			o.Denied = o.Denied.Or(Unknown)
		}
	case eitherEffect:
		o.MaybeAllowed |= sure | maybe
		if sure|maybe != 0 {
			o.Denied = o.Denied.Or(Unknown)
		}
	}
}

// apply returns the grades by which the statement surely applies, and those by
// which it may.
func (s *statement) apply(q *Query) (sure, maybe Grades) {
	if s.source.Opaque {
		return 0, Any
	}
	t := s.matchAction(q)
	if t == False {
		return 0, 0
	}
	sure, maybe = s.matchPrincipal(q)
	if sure|maybe == 0 {
		return 0, 0
	}
	if t = t.And(s.matchResource(q)); t == False {
		return 0, 0
	}
	for i := range s.conditions {
		if t = t.And(s.conditions[i].eval(q.Context)); t == False {
			return 0, 0
		}
	}
	if t == Unknown {
		return 0, sure | maybe
	}
	return sure, maybe
}

func (s *statement) matchAction(q *Query) Truth {
	return matchAny(s.actions, s.notAction, q.Action, q.Context)
}

func (s *statement) matchResource(q *Query) Truth {
	if !s.hasResource {
		return truth(q.NoResource)
	}
	return matchAny(s.resources, s.notResource, q.Resource, q.Context)
}

// matchPrincipal returns how the statement names the caller. A NotPrincipal
// that does not leave the caller out counts as naming everyone.
func (s *statement) matchPrincipal(q *Query) (sure, maybe Grades) {
	if !q.Names {
		return Unnamed.set(), 0
	}
	if !s.hasPrincipal {
		return 0, 0
	}
	if !s.notPrincipal {
		return s.names(q)
	}
	switch s.excepts(q) {
	case False:
		return ByEveryone.set(), 0
	case Unknown:
		return 0, ByEveryone.set()
	}
	return 0, 0
}

// matchAny returns whether any pattern matches, or for a Not element whether
// none does.
func matchAny(ps []pattern, not bool, s string, ctx Context) Truth {
	if len(ps) == 0 {
		return False
	}
	t := False
	for i := range ps {
		if t = t.Or(ps[i].match(s, ctx)); t == True {
			break
		}
	}
	if not {
		return t.Not()
	}
	return t
}
