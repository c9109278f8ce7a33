package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
)

// collection is what the documents name that bear on the change.
type collection struct {
	s         *survey
	partition string
	// accounts are those of the estates (true) and those that only policies name.
	accounts map[string]bool
	named    map[string]arn.Principal
	patterns []string // of aws:PrincipalArn
	// actions and resources are what changed documents of the callers' side name.
	actions, resources map[string]bool
	// owners are the accounts of the callers whose own policies changed.
	owners map[string]bool
	// changed are the users and roles whose policies changed, by account and name.
	changed map[string]bool
	used    map[string]bool // account numbers that cannot be invented
}

// collect goes through what differs and what stands beside it.
func (s *survey) collect(before, after *estate.Estate) *collection {
	c := &collection{
		s: s, partition: "aws", accounts: map[string]bool{}, named: map[string]arn.Principal{},
		actions: map[string]bool{}, resources: map[string]bool{}, owners: map[string]bool{}, used: map[string]bool{}, changed: map[string]bool{},
	}
	for _, e := range [...]*estate.Estate{before, after} {
		c.holds(e)
	}
	for _, e := range [...]*estate.Estate{before, after} {
		c.organization(e)
		c.principalsOf(e, before, after)
	}
	for _, e := range [...]*estate.Estate{before, after} {
		for i := range e.Principals {
			c.sessionsIn(e.Principals[i].Trust)
		}
		for i := range e.Keys {
			c.key(&e.Keys[i], before.Key(e.Keys[i].ARN), after.Key(e.Keys[i].ARN))
		}
		for i := range e.Resources {
			r := &e.Resources[i]
			c.document(policyOf(r))
		}
		for i := range e.Endpoints {
			c.document(e.Endpoints[i].Policy)
		}
	}
	return c
}

// holds notes the accounts of an estate.
func (c *collection) holds(e *estate.Estate) {
	note := func(id string) {
		if arn.IsAccount(id) {
			c.accounts[id] = true
		}
	}
	for i := range e.Accounts {
		note(e.Accounts[i].ID)
	}
	if e.Organization != nil {
		note(e.Organization.ManagementAccount)
		eachUnit(&e.Organization.Root, nil, func(u *estate.Unit, _ []string) {
			for i := range u.Accounts {
				note(u.Accounts[i].ID)
			}
		})
	}
	for i := range e.Keys {
		if a, err := arn.Parse(e.Keys[i].ARN); err == nil {
			note(a.Account)
			c.partition = a.Partition
		}
	}
	for i := range e.Principals {
		if p, ok := principalOf(e.Principals[i].ARN); ok {
			note(p.Account)
			c.partition = p.Partition
		}
	}
	for i := range e.Resources {
		note(e.Resources[i].Account)
	}
}

// organization notes what the control policies name. When they changed, every
// account's callers changed with them.
func (c *collection) organization(e *estate.Estate) {
	if e.Organization == nil {
		return
	}
	for _, name := range sortedKeys(e.Organization.Policies) {
		d := e.Organization.Policies[name]
		c.document(d)
		if c.s.wide {
			c.callers(d)
		}
	}
	if c.s.wide {
		c.resources["*"] = true
		for id, held := range c.accounts {
			c.owners[id] = c.owners[id] || held
		}
	}
}

// principalsOf notes what the policies of changed principals name.
func (c *collection) principalsOf(e, before, after *estate.Estate) {
	for i := range e.Principals {
		p := &e.Principals[i]
		b, a := before.Principal(p.ARN), after.Principal(p.ARN)
		if a == nil {
			continue
		}
		if b == nil || c.s.text(b.Trust) != c.s.text(a.Trust) || c.s.wide {
			c.document(p.Trust)
		}
		if b != nil && c.s.principalText(b) == c.s.principalText(a) && !c.s.wide {
			continue
		}
		if parsed, ok := principalOf(p.ARN); ok {
			c.owners[parsed.Account] = true
			c.changed[parsed.Account+"/"+parsed.Name] = true
		}
		for j := range p.Policies {
			c.document(p.Policies[j].Document)
			c.callers(p.Policies[j].Document)
		}
		c.document(p.Boundary)
		c.callers(p.Boundary)
	}
}

// key notes what the policy and the grants of a changed key name.
func (c *collection) key(k, before, after *estate.Key) {
	c.sessions(k)
	if after == nil || before != nil && !c.s.wide && c.s.keyText(before) == c.s.keyText(after) {
		return
	}
	c.document(k.Policy)
	for i := range k.Grants {
		g := &k.Grants[i]
		for _, text := range [...]string{g.GranteePrincipal, g.GranteeServicePrincipal, g.RetiringPrincipal, g.Issuer()} {
			if p, ok := principalOf(text); ok && text != "" {
				c.name(p)
			}
		}
	}
}

// sessions notes the sessions that a key's policy or grants name of roles whose
// own policies changed: what a ceiling of the role lets through, it may let
// through for a session that is named only.
func (c *collection) sessions(k *estate.Key) {
	c.sessionsIn(k.Policy)
	for i := range k.Grants {
		p := k.Grants[i].Grantee()
		c.session(&p)
	}
}

func (c *collection) sessionsIn(d *estate.Document) {
	if d == nil || d.Source == nil {
		return
	}
	for p := range d.Source.Principals() {
		c.session(&p)
	}
}

func (c *collection) session(p *arn.Principal) {
	if p.Kind == arn.AssumedRole && c.changed[p.Account+"/"+p.Name] {
		c.name(*p)
	}
}

// document notes the principals and accounts that a document names.
func (c *collection) document(d *estate.Document) {
	if d == nil || d.Source == nil {
		return
	}
	for p := range d.Source.Principals() {
		c.name(p)
	}
	uses := c.s.read(d).uses
	for _, u := range uses["aws:principalarn"] {
		c.patterns = append(c.patterns, u.values...)
	}
	for _, k := range [...]string{"aws:principalaccount", "kms:calleraccount"} {
		for _, u := range uses[k] {
			for _, id := range u.values {
				if p, ok := principalOf(id); ok {
					c.name(p)
				}
			}
		}
	}
	for _, u := range uses["aws:username"] {
		for _, name := range u.values {
			c.patterns = append(c.patterns, "arn:aws:iam::*:user/"+name)
		}
	}
	for _, u := range uses["aws:principalservicename"] {
		for _, name := range instances(u.values) {
			c.name(arn.Principal{Kind: arn.Service, Text: name, Name: name})
		}
	}
}

func (c *collection) name(p arn.Principal) {
	if p.Kind == arn.Invalid || p.Kind == arn.Everyone {
		return
	}
	if p.Account != "" {
		c.used[p.Account] = true
		if _, known := c.accounts[p.Account]; !known {
			c.accounts[p.Account] = false // somebody else's
		}
	}
	if p.Kind != arn.AccountRoot {
		c.named[p.Text] = p
	}
}

// callers notes the actions and resources that a policy of the callers' side
// names.
func (c *collection) callers(d *estate.Document) {
	if d == nil || d.Source == nil {
		return
	}
	for i := range d.Source.Statements {
		st := &d.Source.Statements[i]
		for _, text := range append(textsOf(st.Action), textsOf(st.NotAction)...) {
			c.actions[instance(text)] = true
		}
		for _, text := range append(textsOf(st.Resource), textsOf(st.NotResource)...) {
			c.resources[text] = true
		}
	}
}

// unused invents an account number that nothing names.
func (c *collection) unused() string {
	for n := 1; ; n++ {
		id := fmt.Sprintf("9000000%05d", n)
		if _, held := c.accounts[id]; !held && !c.used[id] {
			c.used[id] = true
			return id
		}
	}
}

// member is an account that joins the organization tomorrow.
type member struct {
	account string
	path    []string // unit ids, root first
}

func (m member) unit() string { return m.path[len(m.path)-1] }

// maxUnits bounds the units into which accounts are invented.
const maxUnits = 200

// join invents an account in the root and in every unit of the organizations.
func (c *collection) join(before, after *estate.Estate) ([]member, error) {
	paths := map[string][]string{}
	for _, e := range [...]*estate.Estate{before, after} {
		if e.Organization != nil {
			eachUnit(&e.Organization.Root, nil, func(_ *estate.Unit, path []string) { paths[strings.Join(path, "/")] = path })
		}
	}
	if len(paths) > maxUnits {
		return nil, fmt.Errorf("comparing estates: the organization has %d units, more than the %d that are tried", len(paths), maxUnits)
	}
	var members []member
	for _, p := range sortedKeys(paths) {
		members = append(members, member{account: c.unused(), path: paths[p]})
	}
	return members, nil
}

// eachUnit goes through a unit and those below it, with the ids on the way.
func eachUnit(u *estate.Unit, above []string, do func(*estate.Unit, []string)) {
	path := append(slices.Clone(above), u.ID)
	do(u, path)
	for i := range u.Units {
		eachUnit(&u.Units[i], path, do)
	}
}

// joined returns a copy of the estate with the members in its organization. A
// member of a unit that the estate does not have stands as near above it as can
// be.
func joined(e *estate.Estate, members []member) (*estate.Estate, error) {
	out := *e
	out.Keys = slices.Clone(e.Keys)
	for i := range out.Keys {
		out.Keys[i].Grants = slices.Clone(out.Keys[i].Grants)
	}
	if e.Organization != nil {
		o := *e.Organization
		o.Root = cloneUnit(&o.Root)
		out.Organization = &o
		for _, m := range members {
			u := &o.Root
			for _, id := range m.path[1:] {
				i := slices.IndexFunc(u.Units, func(v estate.Unit) bool { return v.ID == id })
				if i < 0 {
					break
				}
				u = &u.Units[i]
			}
			u.Accounts = append(u.Accounts, estate.AccountPolicies{ID: m.account, SCPs: []string{"FullAWSAccess"}})
		}
	}
	if err := out.Index(); err != nil {
		return nil, fmt.Errorf("comparing estates: %w", err)
	}
	return &out, nil
}

func cloneUnit(u *estate.Unit) estate.Unit {
	out := *u
	out.Accounts = slices.Clone(u.Accounts)
	out.Units = make([]estate.Unit, len(u.Units))
	for i := range u.Units {
		out.Units[i] = cloneUnit(&u.Units[i])
	}
	return out
}
