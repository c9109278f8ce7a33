package organizations

import (
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Import puts the organization of an estate into the service. It is called in
// Update.
func (s *Service) Import(e *estate.Organization, now time.Time) {
	o := &Organization{
		ID: e.ID, Management: e.ManagementAccount, Root: e.Root.ID, FeatureSet: types.OrganizationFeatureSetAll, Created: now,
		Enabled: []types.PolicyType{types.PolicyTypeServiceControlPolicy, types.PolicyTypeResourceControlPolicy}, Unreadable: e.Unreadable,
	}
	s.organizations.Put(o.ID, o)
	m := importing{s: s, o: o, e: e, now: now, ids: map[string]string{}}
	m.unit(&e.Root, "")
	for _, name := range slices.Sorted(maps.Keys(e.Policies)) {
		m.policy(name, types.PolicyTypeServiceControlPolicy) // attached nowhere
	}
}

// importing goes down an organization.
type importing struct {
	s   *Service
	o   *Organization
	e   *estate.Organization
	now time.Time
	ids map[string]string // by name
}

func (m *importing) unit(u *estate.Unit, parent string) {
	if parent != "" {
		m.s.units.Put(state.Key(m.o.ID, u.ID), &Unit{Organization: m.o.ID, ID: u.ID, Name: u.Name, Parent: parent})
	}
	m.attach(u.ID, u.SCPs, u.RCPs)
	for i := range u.Accounts {
		a := &u.Accounts[i]
		m.s.members.Put(a.ID, &Member{
			Organization: m.o.ID, Account: a.ID, Parent: u.ID, Name: a.ID, Email: emailOf(a.ID), Method: types.AccountJoinedMethodInvited, Joined: m.now,
		})
		m.attach(a.ID, a.SCPs, a.RCPs)
	}
	for i := range u.Units {
		m.unit(&u.Units[i], u.ID)
	}
}

func (m *importing) attach(target string, scps, rcps []string) {
	for _, name := range scps {
		m.s.attach(m.o, target, m.policy(name, types.PolicyTypeServiceControlPolicy))
	}
	// AWS has it everywhere and lets nobody take it away; an estate need not say so.
	m.s.attach(m.o, target, kindOf(types.PolicyTypeResourceControlPolicy).full.ID)
	for _, name := range rcps {
		m.s.attach(m.o, target, m.policy(name, types.PolicyTypeResourceControlPolicy))
	}
}

// policy makes the policy of a name, once, and returns its id.
func (m *importing) policy(name string, t types.PolicyType) string {
	d := m.e.Policies[name]
	if full := kindOf(t).full; d == nil && name == full.Name {
		return full.ID
	}
	if id, ok := m.ids[name]; ok {
		return id
	}
	p := &Policy{Organization: m.o.ID, ID: "p-" + m.s.IDs.Hex(8), Name: name, Type: t}
	if d != nil {
		p.Content = gate.TextOf(d)
	}
	m.ids[name] = p.ID
	m.s.policies.Put(state.Key(m.o.ID, p.ID), p)
	return p.ID
}

// Export returns the organization as an estate has it, nil when there is none. Of
// several, which an estate cannot hold, it is the oldest.
func (s *Service) Export() *estate.Organization {
	var o *Organization
	for _, other := range s.organizations.All("") {
		if o == nil || other.Created.Before(o.Created) {
			o = other
		}
	}
	if o == nil {
		return nil
	}
	e := &estate.Organization{ID: o.ID, ManagementAccount: o.Management, Unreadable: o.Unreadable, Policies: map[string]*estate.Document{}}
	for _, p := range s.policies.All(state.Key(o.ID, "")) {
		e.Policies[p.Name] = p.doc
	}
	e.Root = s.exportUnit(o, o.Root, "Root")
	return e
}

func (s *Service) exportUnit(o *Organization, id, name string) estate.Unit {
	u := estate.Unit{ID: id, Name: name, SCPs: s.names(o, id, types.PolicyTypeServiceControlPolicy), RCPs: s.names(o, id, types.PolicyTypeResourceControlPolicy)}
	for _, m := range s.membersUnder(o, id) {
		u.Accounts = append(u.Accounts, estate.AccountPolicies{
			ID: m.Account, SCPs: s.names(o, m.Account, types.PolicyTypeServiceControlPolicy), RCPs: s.names(o, m.Account, types.PolicyTypeResourceControlPolicy),
		})
	}
	for _, child := range s.unitsUnder(o, id) {
		u.Units = append(u.Units, s.exportUnit(o, child.ID, child.Name))
	}
	return u
}

// names are those of the policies of a type on a target. A type that is off
// limits nothing, which an estate says with AWS's policy that allows everything.
func (s *Service) names(o *Organization, target string, t types.PolicyType) []string {
	if !o.on(t) {
		return []string{kindOf(t).full.Name}
	}
	var list []string
	for _, p := range s.attached(o, target, t) {
		list = append(list, p.Name)
	}
	return list
}
