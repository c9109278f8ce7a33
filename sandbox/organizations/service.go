// Package organizations is AWS Organizations in a sandbox: organizations, units,
// accounts, service control and resource control policies. What control policies
// reach an account, it tells package gate.
package organizations

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Accounts is what the sandbox does with accounts.
type Accounts interface {
	// Known reports whether there is an account.
	Known(id string) bool
	// Create makes an account with a role that the management account may assume.
	Create(id, role, management string) error
}

// Config is what Organizations needs from the sandbox.
type Config struct {
	DB       *state.DB
	Clock    *state.Clock
	IDs      *state.IDs
	Accounts Accounts
}

// Service is Organizations.
type Service struct {
	Config
	organizations *state.Table[Organization] // by id
	members       *state.Table[Member]       // by account
	units         *state.Table[Unit]         // organization, id
	policies      *state.Table[Policy]       // organization, id
	attachments   *state.Table[Attachment]   // organization, target, policy id
	creations     *state.Table[Creation]     // organization, id
	handshakes    *state.Table[Handshake]    // by id
	trusted       *state.Table[Trusted]      // organization, service
	delegates     *state.Table[Delegate]     // organization, account, service

	// standings are where accounts stand, worked out once until something changes.
	standings atomic.Pointer[sync.Map] // account → gate.Standing
}

// New returns Organizations on a sandbox's state.
func New(c Config) *Service {
	s := &Service{Config: c}
	s.organizations = state.NewTable[Organization](c.DB, "organizations", nil)
	s.members = state.NewTable[Member](c.DB, "organizations.members", nil)
	s.units = state.NewTable[Unit](c.DB, "organizations.units", nil)
	s.policies = state.NewTable(c.DB, "organizations.policies", (*Policy).ready)
	s.attachments = state.NewTable[Attachment](c.DB, "organizations.attachments", nil)
	s.creations = state.NewTable[Creation](c.DB, "organizations.creations", nil)
	s.handshakes = state.NewTable[Handshake](c.DB, "organizations.handshakes", nil)
	s.trusted = state.NewTable[Trusted](c.DB, "organizations.trusted", nil)
	s.delegates = state.NewTable[Delegate](c.DB, "organizations.delegates", nil)
	s.standings.Store(&sync.Map{})
	forget := func(string) { s.standings.Store(&sync.Map{}) }
	s.organizations.OnChange(forget)
	s.members.OnChange(forget)
	s.units.OnChange(forget)
	s.policies.OnChange(forget)
	s.attachments.OnChange(forget)
	return s
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "organizations" }

// Standing tells where an account stands, and which control policies reach it.
// The management account is bound by none.
func (s *Service) Standing(account string) gate.Standing {
	known := s.standings.Load()
	if v, ok := known.Load(account); ok {
		return v.(gate.Standing)
	}
	v := s.stand(account)
	known.Store(account, v)
	return v
}

func (s *Service) stand(account string) gate.Standing {
	m := s.members.Get(account)
	if m == nil {
		return s.outside()
	}
	o := s.organizations.Get(m.Organization)
	chain := s.chain(o, m.Parent)
	path := o.ID + "/"
	for _, id := range chain {
		path += id + "/"
	}
	v := gate.Standing{Place: estate.Place{Organization: o.ID, Paths: []string{path}}}
	if account == o.Management {
		return v
	}
	v.Unread = o.Unreadable
	for _, id := range append(chain, account) {
		if o.on(types.PolicyTypeServiceControlPolicy) {
			v.SCP = append(v.SCP, s.level(o, id, types.PolicyTypeServiceControlPolicy))
		}
		if o.on(types.PolicyTypeResourceControlPolicy) {
			v.RCP = append(v.RCP, s.level(o, id, types.PolicyTypeResourceControlPolicy))
		}
	}
	return v
}

// outside is the standing of an account in no organization. When an organization
// could not be read, the account may be in it all the same.
func (s *Service) outside() gate.Standing {
	for _, o := range s.organizations.All("") {
		if o.Unreadable != "" {
			return gate.Standing{Unread: o.Unreadable, Place: estate.Place{Unknown: true}}
		}
	}
	return gate.Standing{}
}

// chain are the ids from the root down to a root or unit.
func (s *Service) chain(o *Organization, id string) []string {
	var up []string
	for id != o.Root {
		u := s.units.Get(state.Key(o.ID, id))
		if u == nil {
			break
		}
		up = append(up, id)
		id = u.Parent
	}
	up = append(up, o.Root)
	slices.Reverse(up)
	return up
}

// level are the policies of a type that are attached to one target. The name
// begins with the ARN, which AWS's refusals repeat.
func (s *Service) level(o *Organization, target string, t types.PolicyType) []estate.Named {
	level := []estate.Named{}
	for _, p := range s.attached(o, target, t) {
		level = append(level, estate.Named{Name: o.policyARN(p) + " on " + target, Document: p.doc})
	}
	return level
}

// attached are the policies of a type on one target.
func (s *Service) attached(o *Organization, target string, t types.PolicyType) []*Policy {
	var list []*Policy
	for _, a := range s.attachments.All(state.Key(o.ID, target, "")) {
		if p := s.policy(o, a.Policy); p != nil && p.Type == t {
			list = append(list, p)
		}
	}
	return list
}

// policy finds a policy, the organization's or AWS's.
func (s *Service) policy(o *Organization, id string) *Policy {
	for _, k := range kinds {
		if k.full.ID == id {
			return k.full
		}
	}
	return s.policies.Get(state.Key(o.ID, id))
}

func (s *Service) attach(o *Organization, target, policyID string) {
	s.attachments.Put(state.Key(o.ID, target, policyID), &Attachment{policyID})
}

// attachFull attaches what AWS attaches to every new root, unit and account.
func (s *Service) attachFull(o *Organization, target string) {
	for _, t := range o.Enabled {
		s.attach(o, target, kindOf(t).full.ID)
	}
}

// detachAll takes every policy off a target that ends.
func (s *Service) detachAll(o *Organization, target string) {
	for row := range s.attachments.All(state.Key(o.ID, target, "")) {
		s.attachments.Delete(row)
	}
}

// targets are the root, all units and all accounts of an organization.
func (s *Service) targets(o *Organization) []string {
	ids := []string{o.Root}
	for _, u := range s.units.All(state.Key(o.ID, "")) {
		ids = append(ids, u.ID)
	}
	for _, m := range s.members.All("") {
		if m.Organization == o.ID {
			ids = append(ids, m.Account)
		}
	}
	return ids
}
