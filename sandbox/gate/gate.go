package gate

import (
	"slices"
	"strconv"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// Identities tells what policies a caller has.
type Identities interface {
	Identity(c *Caller) Identity
}

// Identity is what the caller's account says of it.
type Identity struct {
	Policies []estate.Named
	Boundary *estate.Named
	Session  []estate.Named
	Tags     map[string]string
}

// Organizations tells where an account stands and what control policies reach
// it.
type Organizations interface {
	Standing(account string) Standing
}

// Standing is an account's place and its control policies, root first.
type Standing struct {
	Place    estate.Place
	SCP, RCP [][]estate.Named
	// Unread says why the control policies could not be read, in an estate that
	// filled the sandbox.
	Unread string
}

// Ask is one question that an operation needs answered with yes: the action, the
// resource, and what the resource's owner says.
type Ask struct {
	Action   string
	Resource string // an ARN, or "*"
	Target   arn.ARN
	// Owner is the account that owns the resource; the caller's when empty.
	Owner   string
	Context estate.Given
	// Policy is the resource's own: key policy, trust policy. Nil for none.
	Policy *estate.Named
	Key    *estate.Key
	Grants []estate.Grant
	// Waiting are grants that do not count yet, WaitingWhy says so to who is refused
	// what they allow.
	Waiting    []estate.Grant
	WaitingWhy string
	// Ciphertext is set when the caller named no key and the ciphertext did.
	Ciphertext bool
	// Together is set by the gate when the caller and the owner are of one organization.
	Together bool
	// Missing is set when the resource does not exist and the caller must not
	// learn it: the question is refused in the words for any foreign resource.
	Missing bool
}

// Gate asks package access.
type Gate struct {
	Identities    Identities
	Organizations Organizations
}

// Authorize puts the questions in turn. The error is a *Denied when one is
// answered with no.
func (g *Gate) Authorize(c *Call, asks []Ask) error {
	for i := range asks {
		if err := g.one(c, &asks[i]); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gate) one(c *Call, a *Ask) error {
	missing := ""
	if a.Missing {
		// Asked all the same, of a key that lets nobody in: a caller whose own policies
		// deny reads so of keys that exist.
		empty := *a
		empty.Policy, empty.Key, missing = &nobody, &estate.Key{ARN: a.Resource}, a.Resource
		a = &empty
	}
	k := g.Case(c, a)
	c.Asked = append(c.Asked, k)
	if access.Decide(k) == access.Allow {
		return nil
	}
	d := access.Authorize(k)
	a.Together = g.together(c, a)
	return &Denied{Action: a.Action, Text: denial(c, a, &d), Decision: d, Case: k, Missing: missing, Why: waiting(k, a)}
}

// together reports whether the caller and the owner are of one organization.
func (g *Gate) together(c *Call, a *Ask) bool {
	if a.Owner == "" || a.Owner == c.Caller.Account {
		return true
	}
	mine, theirs := g.Organizations.Standing(c.Caller.Account).Place, g.Organizations.Standing(a.Owner).Place
	return mine.Organization != "" && mine.Organization == theirs.Organization
}

// waiting says whether grants that do not count yet would have allowed a call.
func waiting(k *estate.Case, a *Ask) string {
	if len(a.Waiting) == 0 {
		return ""
	}
	later := *k
	later.Grants = slices.Concat(k.Grants, a.Waiting)
	if access.Decide(&later) != access.Allow {
		return ""
	}
	return a.WaitingWhy
}

// Would reports whether the resource's own policy would let the caller in, were
// everything else open: what AWS checks before it takes a new key policy.
func (g *Gate) Would(c *Call, a *Ask) bool {
	k := g.Case(c, a)
	k.Identity, k.Boundary, k.Session, k.SCP, k.RCP, k.Grants = []estate.Named{allowAll}, nil, nil, nil, nil, nil
	k.Request.Caller.Bounded = false
	return access.Decide(k) == access.Allow
}

var (
	allowAll = estate.Named{Name: "everything", Document: Document("everything", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)}
	// nobody is the policy of a key that does not exist.
	nobody = estate.Named{Name: "no key policy", Document: Document("no key policy", `{"Version":"2012-10-17","Statement":[]}`)}
)

// Case gathers what bears on a question.
func (g *Gate) Case(c *Call, a *Ask) *estate.Case {
	owner := a.Owner
	if owner == "" {
		owner = c.Caller.Account
	}
	id := g.Identities.Identity(&c.Caller)
	k := &estate.Case{
		ID: c.ID, Identity: id.Policies, Boundary: id.Boundary, Session: id.Session,
		Resource: a.Policy, Grants: a.Grants, Key: a.Key,
		Request: estate.Request{
			Caller: c.Caller.Caller, Action: a.Action, Resource: a.Resource, Target: a.Target, ResourceAccount: owner, At: c.At,
		},
	}
	k.Request.Caller.Bounded = id.Boundary != nil
	if s := c.Caller.Session; s != nil {
		k.Request.SessionTags, k.Request.SourceIdentity = s.Tags, s.Source
	}
	mine := g.Organizations.Standing(c.Caller.Account)
	theirs := mine
	if owner != c.Caller.Account {
		theirs = g.Organizations.Standing(owner)
	}
	k.SCP, k.RCP = mine.SCP, theirs.RCP
	k.SCPUnread, k.RCPUnread = mine.Unread, theirs.Unread
	k.Know(estate.Facts{CallerTags: id.Tags, CallerPlace: mine.Place, ResourcePlace: theirs.Place})
	k.Request.Context = contextOf(c, a)
	return k
}

// contextOf adds to the question's own context what every call has.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html.
func contextOf(c *Call, a *Ask) estate.Given {
	common := 6
	if c.Forward != nil {
		common = 9
	}
	g := make(estate.Given, 0, len(a.Context)+common)
	g = append(g, a.Context...)
	add := func(name, value string) { g = append(g, estate.NewEntry(name, policy.One(value))) }
	add("aws:requestedregion", c.Region)
	if f := c.Forward; f != nil {
		forwarded(&g, c, f)
	} else if c.SourceIP != "" {
		add("aws:sourceip", c.SourceIP)
	}
	if c.UserAgent != "" {
		add("aws:useragent", c.UserAgent)
	}
	add("aws:securetransport", "true") // assumed: the sandbox stands for an endpoint that has TLS
	s := c.Caller.Session
	if s != nil {
		add("aws:tokenissuetime", s.IssuedText)
	}
	switch {
	case c.MFA:
		add("aws:multifactorauthpresent", "true")
		add("aws:multifactorauthage", "0")
	case s != nil && s.MFA:
		add("aws:multifactorauthpresent", "true")
		add("aws:multifactorauthage", strconv.Itoa(int(c.At.Sub(s.Issued).Seconds())))
	case s != nil:
		add("aws:multifactorauthpresent", "false")
	}
	return g
}

// forwarded sets the keys that only services can set.
func forwarded(g *estate.Given, c *Call, f *Forward) {
	add := func(name, value string) { *g = append(*g, estate.NewEntry(name, policy.One(value))) }
	if c.Caller.Kind == arn.Service {
		if f.SourceARN != "" {
			add("aws:sourcearn", f.SourceARN)
		}
		if f.SourceAccount != "" {
			add("aws:sourceaccount", f.SourceAccount)
		}
		return
	}
	if f.Assumed {
		return
	}
	if c.Service == "kms" {
		add("kms:viaservice", f.Service+"."+c.Region+".amazonaws.com")
	}
	all := make([]string, 0, len(f.through)+1)
	for _, name := range f.through {
		all = append(all, name+".amazonaws.com")
	}
	all = append(all, f.Service+".amazonaws.com")
	add("aws:viaawsservice", "true")
	add("aws:calledviafirst", all[0])
	add("aws:calledvialast", all[len(all)-1])
	*g = append(*g, estate.NewEntry("aws:calledvia", policy.Many(all...)))
}
