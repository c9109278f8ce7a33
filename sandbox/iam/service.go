// Package iam is AWS IAM in a sandbox: users, groups, roles, policies and access
// keys. What a caller's policies are, it tells package gate.
package iam

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Config is what IAM needs from the sandbox.
type Config struct {
	DB    *state.DB
	Clock *state.Clock
	IDs   *state.IDs
	Gate  *gate.Gate
	// KnownAccount reports whether the sandbox has seen an account.
	KnownAccount func(string) bool
	// AccountCreated tells since when the sandbox knows an account.
	AccountCreated func(string) time.Time
	// MultiRegionKeys reports whether an account has multi-Region keys, whose
	// service-linked role then stays.
	MultiRegionKeys func(account string) bool
}

// Service is IAM.
type Service struct {
	Config
	users     *state.Table[User]
	groups    *state.Table[Group]
	roles     *state.Table[Role]
	policies  *state.Table[Policy]    // by ARN
	keys      *state.Table[AccessKey] // by id
	profiles  *state.Table[Profile]
	aliases   *state.Table[string]   // of accounts
	deletions *state.Table[Deletion] // by task
	passwords *state.Table[PasswordPolicy]
	reports   *state.Table[time.Time] // when an account's credential report was made
	ids       *state.Table[string]    // unique id → ARN
	aws       map[string]*Policy      // AWS's managed policies, by ARN

	// bound are the policies of principals, worked out once until IAM changes.
	bound atomic.Pointer[sync.Map] // ARN → gate.Identity
}

// New returns IAM on a sandbox's state.
func New(c Config) *Service {
	s := &Service{Config: c, aws: awsPolicies()}
	s.users = state.NewTable(c.DB, "iam.users", (*User).ready)
	s.groups = state.NewTable(c.DB, "iam.groups", (*Group).ready)
	s.roles = state.NewTable(c.DB, "iam.roles", (*Role).ready)
	s.policies = state.NewTable(c.DB, "iam.policies", (*Policy).ready)
	s.keys = state.NewTable[AccessKey](c.DB, "iam.accesskeys", nil)
	s.profiles = state.NewTable[Profile](c.DB, "iam.instanceprofiles", nil)
	s.aliases = state.NewTable[string](c.DB, "iam.accountaliases", nil)
	s.deletions = state.NewTable[Deletion](c.DB, "iam.deletions", nil)
	s.passwords = state.NewTable[PasswordPolicy](c.DB, "iam.passwordpolicies", nil)
	s.reports = state.NewTable[time.Time](c.DB, "iam.credentialreports", nil)
	s.ids = state.NewTable[string](c.DB, "iam.ids", nil)
	s.bound.Store(&sync.Map{})
	forget := func(string) { s.bound.Store(&sync.Map{}) }
	s.users.OnChange(forget)
	s.groups.OnChange(forget)
	s.roles.OnChange(forget)
	s.policies.OnChange(forget)
	return s
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "iam" }

func (s *Service) user(account, name string) *User { return s.users.Get(row(account, name)) }
func (s *Service) role(account, name string) *Role { return s.roles.Get(row(account, name)) }

// policy finds a managed policy, the account's or AWS's.
func (s *Service) policy(policyARN string) *Policy {
	if p := s.policies.Get(policyARN); p != nil {
		return p
	}
	return s.aws[policyARN]
}

// visible finds a managed policy that an account has: its own, or one of AWS's.
func (s *Service) visible(account, policyARN string) *Policy {
	if p := s.policy(policyARN); p != nil && (p.Account == account || p.Account == "aws") {
		return p
	}
	return nil
}

// Role returns a role by its ARN, for who may be asked to assume it.
func (s *Service) Role(roleARN string) (*Role, bool) {
	p, err := arn.ParsePrincipal(roleARN)
	if err != nil || p.Kind != arn.Role {
		return nil, false
	}
	r := s.role(p.Account, p.Name)
	return r, r != nil && r.arn() == roleARN
}

// ARN returns the role's ARN, TrustPolicy who may assume it.
func (r *Role) ARN() string                { return r.arn() }
func (r *Role) TrustPolicy() *estate.Named { return r.trust }

// AccessKey returns an access key by its id, with the user's ARN and unique id.
func (s *Service) AccessKey(id string) (key *AccessKey, userARN, userID string) {
	k := s.keys.Get(id)
	if k == nil {
		return nil, "", ""
	}
	u := s.user(k.Account, k.User)
	if u == nil {
		return nil, "", ""
	}
	return k, u.arn(), u.ID
}

// UniqueID returns the unique id behind a principal's ARN.
func (s *Service) UniqueID(p arn.Principal) (string, bool) {
	switch p.Kind {
	case arn.User:
		if u := s.user(p.Account, p.Name); u != nil && u.arn() == p.Text {
			return u.ID, true
		}
	case arn.Role:
		if r := s.role(p.Account, p.Name); r != nil && r.arn() == p.Text {
			return r.ID, true
		}
	case arn.AssumedRole:
		if r := s.role(p.Account, p.Name); r != nil {
			return r.ID + ":" + p.Session, true
		}
	case arn.FederatedUser:
		return p.Account + ":" + p.Name, s.KnownAccount(p.Account)
	case arn.AccountRoot:
		return p.Account, true
	}
	return "", false
}

// ARN returns the ARN behind a unique id: AIDA…, AROA… or AROA…:session.
func (s *Service) ARN(id string) (string, bool) {
	bare, session, isSession := strings.Cut(id, ":")
	name := s.ids.Get(bare)
	if name == nil {
		if arn.IsAccount(bare) && isSession {
			return "arn:aws:sts::" + bare + ":federated-user/" + session, s.KnownAccount(bare)
		}
		return "", false
	}
	if !isSession {
		return *name, true
	}
	p, err := arn.ParsePrincipal(*name)
	if err != nil || p.Kind != arn.Role {
		return "", false
	}
	return "arn:aws:sts::" + p.Account + ":assumed-role/" + p.Name + "/" + session, true
}

// Identity returns the policies behind a caller.
func (s *Service) Identity(c *gate.Caller) gate.Identity {
	principal := c.Text
	if c.Session != nil {
		principal = c.Session.Principal
	}
	id := s.identity(principal)
	if c.Session != nil {
		id.Session = s.sessionPolicies(c.Session)
	}
	return id
}

func (s *Service) sessionPolicies(session *gate.Session) []estate.Named {
	var list []estate.Named
	for _, d := range session.Documents {
		list = append(list, estate.Named{Name: "session policy", Document: d})
	}
	for _, a := range session.PolicyARNs {
		if p := s.policy(a); p != nil && p.current() != nil {
			list = append(list, estate.Named{Name: "session policy " + a, Document: p.current().doc})
		}
	}
	if len(list) == 0 && session.Federated() {
		list = append(list, nothing)
	}
	return list
}

// nothing is the session policy of a federated user to whom none was given: the
// session then has no rights of its own.
// See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html.
var nothing = estate.Named{Name: "session policy", Document: gate.Document("no session policy", `{"Version":"2012-10-17","Statement":[]}`)}

var everything = estate.Named{Name: "root user", Document: gate.Document("root user", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)}

func (s *Service) identity(principal string) gate.Identity {
	cache := s.bound.Load()
	if known, ok := cache.Load(principal); ok {
		return known.(gate.Identity)
	}
	id := s.bind(principal, nil)
	cache.Store(principal, id)
	return id
}

// bind gathers the policies of a user or role, without those that are left out.
func (s *Service) bind(principal string, out excluded) gate.Identity {
	p, err := arn.ParsePrincipal(principal)
	if err != nil {
		return gate.Identity{}
	}
	var id gate.Identity
	var e *Entity
	kind := types.AttachmentTypeRole
	switch p.Kind {
	case arn.User:
		kind = types.AttachmentTypeUser
		u := s.user(p.Account, p.Name)
		if u == nil {
			return id
		}
		e = &u.Entity
		for _, name := range u.Groups {
			if g := s.groups.Get(row(p.Account, name)); g != nil {
				id.Policies = s.held(id.Policies, &g.Entity, types.AttachmentTypeGroup, out)
			}
		}
	case arn.Role:
		r := s.role(p.Account, p.Name)
		if r == nil {
			return id
		}
		e = &r.Entity
	case arn.AccountRoot:
		// The root user needs no policy; those whom it vouches for get all it has.
		id.Policies = []estate.Named{everything}
		return id
	default:
		return id
	}
	id.Policies = s.held(id.Policies, e, kind, out)
	if b := s.policy(e.Boundary); b != nil && b.current() != nil && !out.boundary(e.Boundary) {
		id.Boundary = &estate.Named{Name: "permissions boundary " + e.Boundary, Document: b.current().doc}
	}
	id.Tags = tagMap(e.Tags)
	return id
}

// held adds the inline and attached policies of an entity.
func (s *Service) held(list []estate.Named, e *Entity, kind types.AttachmentType, out excluded) []estate.Named {
	prefix := ""
	if kind == types.AttachmentTypeGroup {
		prefix = "group " + e.Name + ": "
	}
	for i := range e.Inline {
		if out.inline(kind, e.Name, e.Inline[i].Name) {
			continue
		}
		list = append(list, estate.Named{Name: prefix + "inline policy " + e.Inline[i].Name, Document: e.Inline[i].doc})
	}
	for _, a := range e.Attached {
		if p := s.policy(a); p != nil && p.current() != nil && !out.managed(a) {
			list = append(list, estate.Named{Name: prefix + "managed policy " + a, Document: p.current().doc})
		}
	}
	return list
}

func tagMap(tags []Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// KeyAccount returns the account of an access key.
func (s *Service) KeyAccount(id string) (string, bool) {
	if k := s.keys.Get(id); k != nil {
		return k.Account, true
	}
	return "", false
}

// HasPolicy reports whether an account has a managed policy with this ARN.
func (s *Service) HasPolicy(account, policyARN string) bool {
	return s.visible(account, policyARN) != nil
}

// TagMap returns the role's tags.
func (r *Role) TagMap() map[string]string { return tagMap(r.Tags) }
