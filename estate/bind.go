package estate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/policy"
)

// index is what Index works out once, so that Bind only looks up.
type index struct {
	principals map[string]*bound // by ARN
	roles      map[string]*bound // by account and role name
	keys       map[string]*boundKey
	accounts   map[string]*Account
	places     map[string]*standing
	endpoints  map[string]*Named
}

// bound is a principal with its policies by name.
type bound struct {
	*Principal
	identity []Named
	boundary *Named
	trust    *Named
	unread   string
}

type boundKey struct {
	*Key
	policy *Named
	unread string
}

// standing is where an account stands and which control policies reach it.
type standing struct {
	place
	scp, rcp [][]Named
	// exempt is set for the management account, which control policies pass by.
	exempt bool
}

// fullAccess is what AWS attaches everywhere until somebody takes it away.
// See https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_attach.html.
const fullAccess = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// openEndpoint is the policy of an endpoint to which nobody gave one.
const openEndpoint = `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`

// Index makes the estate ready for Bind. It reports what points at nothing: a
// control policy attached by a name that no policy has, a thing listed twice.
// Load calls it; code that fills an Estate by hand calls it once at the end.
func (e *Estate) Index() error {
	e.index = index{
		principals: make(map[string]*bound, len(e.Principals)),
		roles:      make(map[string]*bound, len(e.Principals)),
		keys:       make(map[string]*boundKey, len(e.Keys)),
		accounts:   make(map[string]*Account, len(e.Accounts)),
		places:     map[string]*standing{},
		endpoints:  map[string]*Named{},
	}
	var errs []error
	for i := range e.Accounts {
		e.index.accounts[e.Accounts[i].ID] = &e.Accounts[i]
	}
	for i := range e.Principals {
		errs = append(errs, e.indexPrincipal(&e.Principals[i]))
	}
	for i := range e.Keys {
		errs = append(errs, e.indexKey(&e.Keys[i]))
	}
	for i := range e.Endpoints {
		errs = append(errs, e.indexEndpoint(&e.Endpoints[i]))
	}
	if e.Organization != nil {
		errs = append(errs, e.indexOrganization())
	}
	return errors.Join(errs...)
}

func (e *Estate) indexPrincipal(p *Principal) error {
	parsed, err := arn.ParsePrincipal(p.ARN)
	if err != nil || (parsed.Kind != arn.User && parsed.Kind != arn.Role) {
		return fmt.Errorf("principal %q: its arn is that of a user or a role", p.ARN)
	}
	if e.index.principals[p.ARN] != nil {
		return fmt.Errorf("principal %s is listed twice", p.ARN)
	}
	b := &bound{Principal: p, unread: p.Unreadable}
	for i := range p.Policies {
		a := &p.Policies[i]
		if a.Document == nil {
			continue
		}
		if a.Document.Unreadable != "" {
			b.unread = fmt.Sprintf("policy %s of %s: %s", a.Name, p.ARN, a.Document.Unreadable)
			continue
		}
		b.identity = append(b.identity, Named{Name: attachedName(a), Document: a.Document})
	}
	if p.Boundary != nil {
		b.boundary = &Named{Name: "permissions boundary", Document: p.Boundary}
	}
	if p.Trust != nil {
		b.trust = &Named{Name: "trust policy", Document: p.Trust}
	}
	e.index.principals[p.ARN] = b
	if parsed.Kind != arn.Role {
		return nil
	}
	// A session's ARN names its role without the path, so two roles of one name
	// in one account could not be told apart; IAM allows no such two.
	name := parsed.Account + "/" + parsed.Name
	if other := e.index.roles[name]; other != nil {
		return fmt.Errorf("principal %s: %s has the same name, and role names are unique in an account", p.ARN, other.ARN)
	}
	e.index.roles[name] = b
	return nil
}

// indexEndpoint notes the policy of an endpoint; one without lets everything
// through, as AWS's default does.
// See https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html.
func (e *Estate) indexEndpoint(p *Endpoint) error {
	if e.index.endpoints[p.ID] != nil {
		return fmt.Errorf("endpoint %s is listed twice", p.ID)
	}
	d := p.Policy
	if d == nil {
		read, _, err := policy.Read("default policy of "+p.ID, []byte(openEndpoint))
		if err != nil {
			return err
		}
		d = NewDocument(read)
	}
	e.index.endpoints[p.ID] = &Named{Name: "endpoint " + p.ID, Document: d}
	return nil
}

func attachedName(a *Attached) string {
	switch {
	case a.Kind == "group" && a.Group != "":
		return fmt.Sprintf("policy %s of group %s", a.Name, a.Group)
	case a.Kind == "":
		return "policy " + a.Name
	}
	return a.Kind + " policy " + a.Name
}

func (e *Estate) indexKey(k *Key) error {
	a, err := arn.Parse(k.ARN)
	if err != nil || !a.IsKMSKey() {
		return fmt.Errorf("key %q: its arn is that of a KMS key", k.ARN)
	}
	if e.index.keys[k.ARN] != nil {
		return fmt.Errorf("key %s is listed twice", k.ARN)
	}
	b := &boundKey{Key: k}
	switch {
	case k.Policy == nil:
		b.unread = "the estate holds no policy for it"
	case k.Policy.Unreadable != "":
		b.unread = k.Policy.Unreadable
	default:
		b.policy = &Named{Name: "key policy", Document: k.Policy}
	}
	for i := range k.Grants {
		if err := k.Grants[i].prepare(a.Account); err != nil {
			return fmt.Errorf("key %s: %w", k.ARN, err)
		}
	}
	e.index.keys[k.ARN] = b
	return nil
}

func (e *Estate) indexOrganization() error {
	o := e.Organization
	builtin := map[string]*Document{}
	for _, name := range []string{"FullAWSAccess", "RCPFullAWSAccess"} {
		d, _, err := policy.Read(name, []byte(fullAccess))
		if err != nil {
			return err
		}
		builtin[name] = NewDocument(d)
	}
	w := orgWalk{estate: e, org: o, builtin: builtin}
	w.unit(&o.Root, o.ID+"/", nil, nil)
	return errors.Join(w.errs...)
}

// orgWalk goes down the organization and notes what reaches each account.
type orgWalk struct {
	estate  *Estate
	org     *Organization
	builtin map[string]*Document
	errs    []error
}

func (w *orgWalk) unit(u *Unit, path string, scp, rcp [][]Named) {
	path += u.ID + "/"
	scp = append(slices.Clone(scp), w.level(u.SCPs, u.ID))
	rcp = append(slices.Clone(rcp), w.level(u.RCPs, u.ID))
	for i := range u.Accounts {
		a := &u.Accounts[i]
		s := &standing{place: place{known: true, org: w.org.ID, paths: []string{path}}}
		if s.exempt = a.ID == w.org.ManagementAccount; !s.exempt {
			s.scp = append(slices.Clone(scp), w.level(a.SCPs, a.ID))
			s.rcp = append(slices.Clone(rcp), w.level(a.RCPs, a.ID))
		}
		w.estate.index.places[a.ID] = s
	}
	for i := range u.Units {
		w.unit(&u.Units[i], path, scp, rcp)
	}
}

func (w *orgWalk) level(names []string, target string) []Named {
	level := make([]Named, 0, len(names))
	for _, name := range names {
		d := w.org.Policies[name]
		if d == nil {
			d = w.builtin[name]
		}
		if d == nil {
			w.errs = append(w.errs, fmt.Errorf("organization: %s is attached to %s, and organization.policies has no policy of that name", name, target))
			continue
		}
		level = append(level, Named{Name: name + " on " + target, Document: d})
	}
	return level
}

// Bind gathers everything in the estate that bears on the request.
func (e *Estate) Bind(r Request) Case {
	c := Case{Request: r}
	c.facts.estate = true
	e.bindCaller(&c)
	e.bindResource(&c)
	if r.Endpoint != "" {
		c.Endpoint = e.endpoint(r.Endpoint)
	}
	if a := e.index.accounts[r.Caller.Account]; a != nil && len(a.Regions) > 0 && r.Target.Region != "" {
		c.RegionOff = !slices.Contains(a.Regions, r.Target.Region)
	}
	return c
}

// endpoint returns the policy of an endpoint. One that the estate does not
// hold has a policy that nobody could read.
func (e *Estate) endpoint(id string) *Named {
	if n := e.index.endpoints[id]; n != nil {
		return n
	}
	return &Named{Name: "endpoint " + id, Document: &Document{Unreadable: "the estate does not hold the endpoint " + id}}
}

func (e *Estate) bindCaller(c *Case) {
	r := &c.Request
	p := e.principal(&r.Caller)
	switch {
	case p != nil:
		c.Identity, c.IdentityUnread = p.identity, p.unread
		c.Boundary = p.boundary
		if p.boundary != nil {
			c.BoundaryUnread = p.boundary.Unreadable
			r.Caller.Bounded = true
		}
		c.facts.callerTags, c.facts.tagsKnown = p.Tags, p.unread == "" || p.Tags != nil
		if r.Caller.ID == "" && p.ID != "" {
			r.Caller.ID = p.ID
			if r.Caller.Kind == arn.AssumedRole {
				r.Caller.ID += ":" + r.Caller.Session
			}
		}
		if r.Caller.Kind == arn.AssumedRole {
			r.Caller.Principal = r.Caller.WithRole(p.ARN)
		}
	case r.Caller.Kind == arn.Service || r.Caller.Kind == arn.AccountRoot:
	case r.Caller.IsServiceLinked():
		e.bindServiceLinked(c)
	default:
		c.IdentityUnread = "the estate does not hold " + callerName(&r.Caller)
		if b := e.index.roles[r.Caller.Account+"/"+r.Caller.Name]; b != nil {
			c.IdentityUnread += "; it holds " + b.ARN
		}
	}
	for i := range r.SessionPolicies {
		c.Session = append(c.Session, Named{Name: "session policy", Document: r.SessionPolicies[i]})
	}
	e.bindControls(c)
}

func callerName(c *policy.Caller) string {
	if c.Kind == arn.AssumedRole {
		return "the role " + c.Name + " of " + c.Account
	}
	return c.Text
}

// principal finds the user or role behind a caller.
func (e *Estate) principal(c *policy.Caller) *bound {
	switch c.Kind {
	case arn.User, arn.Role:
		return e.index.principals[c.Text]
	case arn.AssumedRole:
		if c.PathKnown {
			return e.index.principals[c.RoleARN]
		}
		return e.index.roles[c.Account+"/"+c.Name]
	case arn.FederatedUser:
		// GetFederationToken gives the session the rights of the user who called
		// it, and the ARN does not say who that was.
		return nil
	}
	return nil
}

func (e *Estate) bindControls(c *Case) {
	r := &c.Request
	if e.Organization == nil {
		return
	}
	if s := e.index.places[r.Caller.Account]; s != nil {
		c.facts.callerOrg, c.SCP = s.place, s.scp
	} else {
		c.facts.callerOrg = e.outside()
	}
	if r.Caller.Kind != arn.Service {
		c.SCPUnread = e.unreadFor(r.Caller.Account)
	}
	if s := e.index.places[r.ResourceAccount]; s != nil {
		c.facts.resourceOrg, c.RCP = s.place, s.rcp
	} else {
		c.facts.resourceOrg = e.outside()
	}
	c.RCPUnread = e.unreadFor(r.ResourceAccount)
}

// unreadFor returns why it is not known which control policies bind an
// account. An account that the organization does not list may be in it all the
// same when the organization could not be read; the management account is
// bound by none.
func (e *Estate) unreadFor(account string) string {
	if account == "" || account == e.Organization.ManagementAccount {
		return ""
	}
	return e.Organization.Unreadable
}

// outside is the place of an account that the organization does not list. When
// the organization could not be read, that tells nothing.
func (e *Estate) outside() place {
	return place{known: e.Organization.Unreadable == "" && len(e.index.places) > 0}
}

func (e *Estate) bindResource(c *Case) {
	t := &c.Request.Target
	switch {
	case t.IsKMSKey():
		k := e.index.keys[c.Request.Resource]
		if k == nil {
			c.ResourceUnread = "the estate does not hold " + c.Request.Resource
			c.GrantsUnread = c.ResourceUnread
			return
		}
		c.Key, c.Resource, c.ResourceUnread = k.Key, k.policy, k.unread
		c.Grants, c.GrantsUnread = k.Grants, k.GrantsUnreadable
	case t.Service == "iam" && strings.HasPrefix(t.Resource, "role/"):
		if p := e.index.principals[c.Request.Resource]; p != nil {
			c.Resource = p.trust
		}
		if c.Resource == nil {
			c.ResourceUnread = "the estate does not hold the trust policy of " + c.Request.Resource
		}
	}
}

// Key returns the key with this ARN, or nil.
func (e *Estate) Key(keyARN string) *Key {
	if k := e.index.keys[keyARN]; k != nil {
		return k.Key
	}
	return nil
}

// Principal returns the user or role with this ARN, or nil.
func (e *Estate) Principal(principalARN string) *Principal {
	if p := e.index.principals[principalARN]; p != nil {
		return p.Principal
	}
	return nil
}

// Account returns the account with this number, or nil.
func (e *Estate) Account(id string) *Account { return e.index.accounts[id] }

// DefaultEBSKey returns the ARN of the key under which EBS encrypts in an
// account and Region when nobody names one, or nothing when that is not known:
// it is never assumed to be aws/ebs.
func (e *Estate) DefaultEBSKey(account, region string) string {
	a := e.index.accounts[account]
	if a == nil {
		return ""
	}
	d, ok := a.EBSDefaults[region]
	if !ok {
		return ""
	}
	alias := "alias/aws/ebs"
	if d.Key != "" {
		key, err := arn.Parse(d.Key)
		if err != nil || key.IsKMSKey() {
			return d.Key
		}
		alias = key.Resource
	}
	for i := range e.Keys {
		key, err := arn.Parse(e.Keys[i].ARN)
		if err == nil && key.Account == account && key.Region == region && slices.Contains(e.Keys[i].Aliases, alias) {
			return e.Keys[i].ARN
		}
	}
	return ""
}

// Holds reports whether the estate holds any user or role of the account.
func (e *Estate) Holds(account string) bool {
	for i := range e.Principals {
		if p, err := arn.ParsePrincipal(e.Principals[i].ARN); err == nil && p.Account == account {
			return true
		}
	}
	return false
}

// SameOrganization reports whether two accounts are in one organization, and
// whether that is known.
func (e *Estate) SameOrganization(a, b string) (same, known bool) {
	if e.Organization == nil {
		return false, false
	}
	inA, inB := e.index.places[a] != nil, e.index.places[b] != nil
	if inA && inB {
		return true, true
	}
	return false, e.Organization.Unreadable == "" && inA != inB
}
