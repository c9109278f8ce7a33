package access

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/estate"
)

// GainKind says what sort of principal a gain is about.
type GainKind string

// The kinds of principals that Gains asks for. Administrators, new principals
// and outsiders are invented: they stand for whoever comes tomorrow, and
// Gain.Principal describes them in words.
const (
	GainPrincipal     GainKind = "principal"           // a user, role or session that the estate holds or a policy names
	GainAccount       GainKind = "account"             // the root user of an account
	GainServiceLinked GainKind = "service-linked role" // of one of the accounts
	GainNewAdmin      GainKind = "new administrator"   // with Action * on Resource *
	GainNewPrincipal  GainKind = "new principal"       // without any policy
	GainNewMember     GainKind = "new member account"  // an administrator of an account that joins the organization
	GainOutsider      GainKind = "outsider"            // an administrator of an account outside of it
	GainNamed         GainKind = "named principal"     // named by a policy or grant, and not in the estate
	GainService       GainKind = "service"             // an AWS service principal
	GainAnonymous     GainKind = "anonymous"           // a request that nobody signed
)

// Gain is something that one estate opens and another did not.
type Gain struct {
	// Principal is the ARN or name of who gains, or a description of an invented
	// one: "a new administrator of 111111111111".
	Principal string   `json:"principal"`
	Kind      GainKind `json:"kind"`
	// Actions gain alike: on the same resource, in the same context, by the same
	// statements. Sorted.
	Actions []string `json:"actions"`
	// Resource is an ARN, or "*" for actions without a resource. One whose name
	// is keyreach-unnamed is invented: it stands for the keys, roles, buckets and
	// objects that the estates do not hold.
	Resource string `json:"resource"`
	// Context is what the request has to have, by context key: one value, the
	// values of a multivalued key, or none where the key has to be absent. A key
	// that is not listed may have any value. The values are examples of what the
	// policies tell apart.
	Context map[string][]string `json:"context,omitempty"`
	// Before and After are the decisions; a key whose state forbids the operation
	// counts as ImplicitDeny.
	Before Effect `json:"before"`
	After  Effect `json:"after"`
	// Uncertain is set when one of the decisions is Unknown: it may be a gain, and
	// nobody can say that it is none.
	Uncertain bool `json:"uncertain,omitempty"`
	// By is the statements and grants that allow it now, each with its document;
	// Lifted are the denials that stood against it before and do so no more.
	By     []Evidence `json:"by,omitempty"`
	Lifted []Evidence `json:"lifted,omitempty"`
	// Incomplete is set when the comparison was given up at its bound: what it
	// would have found is not known, and the change has to be refused. Such a gain
	// names the question that was too large, or nothing when all was.
	Incomplete bool   `json:"incomplete,omitempty"`
	Why        string `json:"why,omitempty"`
}

// Probes adds to what Gains asks, and bounds it.
type Probes struct {
	// Principals are further callers: ARNs, account numbers, service names. What
	// cannot be read as a caller makes the answer Incomplete.
	Principals []string
	// Decisions bounds the comparison as a whole, in pairs of decisions; zero
	// means DefaultDecisions.
	Decisions int
}

// The bounds of Gains: pairs of decisions in all, and for one principal, action
// and resource.
const (
	DefaultDecisions = 2_000_000
	questionBound    = 20_000
)

// Gains returns what the estate after opens that the estate before did not. The
// answer is about the policies, not about today's principals only: beside every
// user and role of both estates it asks for principals that nobody made yet, for
// a member account that joins tomorrow and for an outsider. Swapped arguments
// give the losses.
//
// Both estates are indexed. The order of the answer is fixed. It is empty only
// when nothing opens as far as the probes go.
//
// # How contexts are covered
//
// A question begins with every context key not known. While a decision is open,
// it is split on a key that an undecided statement waits for: into the values
// that these statements tell apart, one that none of them names, and absence. So
// conditions of unchanged statements count as well as those of changed ones, and
// a part of the question that is settled is not divided further. The facts of
// callers and resources (account, organization, tags of users, key properties)
// are those of the estates; tags of a role stay open where its trust policy lets
// a session bring others.
//
// An invented principal is an administrator or has no policy at all: for one
// request a principal's own policies allow, are silent or deny, and the last
// never opens anything.
//
// # What it cannot see
//
//   - Sets of a multivalued key are tried as single values, pairs and all values
//     together: conditions that only three chosen values of more satisfy
//     together are missed.
//   - Text patterns are compared two at a time; what only the overlap of three
//     patterns matches is missed.
//   - A variable in a Resource element that follows from the caller
//     (${aws:username}) is filled in for the resources that the estates hold and
//     for invented names only.
//   - A principal that a NotPrincipal names and that gets a permissions boundary
//     later.
//   - Resources without a policy in the estates (queues, topics, secrets,
//     functions) are judged by identity policies alone.
//   - Where an identity policy, boundary or control policy changes, the actions
//     of services other than KMS, STS, S3, IAM and AWS Backup are those that the
//     policies name, and for a wildcard one invented action.
//   - Service-linked roles that are neither in the table of them nor named.
//   - A new VPC endpoint: only the policies of endpoints that both estates hold
//     are compared.
//   - That the account which issued a new grant may retire it: it comes with
//     every grant, and opens no data.
func Gains(before, after *estate.Estate, o Probes) []Gain {
	if o.Decisions <= 0 {
		o.Decisions = DefaultDecisions
	}
	s, err := newSurvey(before, after, o)
	if err != nil {
		return []Gain{{Incomplete: true, Uncertain: true, Why: err.Error()}}
	}
	s.run()
	return s.result()
}

// run asks every probe about every target, directly and through each endpoint
// whose policy changed.
func (s *survey) run() {
	for i := range s.targets {
		t := &s.targets[i]
		for j := range s.probes {
			p := &s.probes[j]
			if !s.wide && !p.changed && !t.changed || p.kind == GainAnonymous && t.service() != "s3" {
				continue // nothing differs; or a service that knows no anonymous request
			}
			for _, endpoint := range append([]string{""}, s.endpoints...) {
				if s.ask(p, t, endpoint); s.left <= 0 {
					s.found = append(s.found, Gain{
						Incomplete: true, Uncertain: true, Why: "the comparison was given up at its bound of decisions",
					})
					return
				}
			}
		}
	}
}

// result merges gains that differ in the action only, and sorts. The variants
// of one probe, which have its label, become one in this way.
func (s *survey) result() []Gain {
	merged := map[string]*Gain{}
	for i := range s.found {
		g := &s.found[i]
		id := g.Principal + "\x00" + string(g.Kind) + "\x00" + g.sameness()
		if m := merged[id]; m != nil {
			m.Actions = append(m.Actions, g.Actions...)
		} else {
			merged[id] = g
		}
	}
	gains := make([]Gain, 0, len(merged))
	for _, id := range sortedKeys(merged) {
		g := merged[id]
		slices.Sort(g.Actions)
		g.Actions = slices.Compact(g.Actions)
		gains = append(gains, *g)
	}
	slices.SortStableFunc(gains, compareGains)
	return gains
}

// sameness is all of a gain but its principal and actions.
func (g *Gain) sameness() string {
	var b strings.Builder
	write := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
			b.WriteByte(0)
		}
	}
	write(g.Resource, g.Before.String(), g.After.String(), g.Why)
	if g.Incomplete {
		write("incomplete")
	}
	for _, k := range sortedKeys(g.Context) {
		write(k)
		write(g.Context[k]...)
	}
	for _, list := range [][]Evidence{g.By, g.Lifted} {
		write("evidence")
		for i := range list {
			write(list[i].Document, list[i].Statement, string(list[i].Layer))
		}
	}
	return b.String()
}

// compareGains sorts gains by resource, then principal, certain ones first.
func compareGains(a, b Gain) int {
	for _, c := range [...]int{
		strings.Compare(a.Resource, b.Resource), strings.Compare(string(a.Kind), string(b.Kind)),
		strings.Compare(a.Principal, b.Principal), int(b.After) - int(a.After),
		slices.Compare(a.Actions, b.Actions), strings.Compare(a.sameness(), b.sameness()),
	} {
		if c != 0 {
			return c
		}
	}
	return 0
}
