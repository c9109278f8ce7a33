// Package sandbox is an embedded AWS that refuses what AWS refuses, on AWS's own wire:
// KMS, IAM, STS, Organizations and CloudTrail, and the services that use keys for others,
// from EC2 to the Parameter Store. It has several accounts and Regions, and every call is
// authorized by package access.
//
// A Sandbox is an http.Handler:
//
//	s, err := sandbox.New(sandbox.Options{})
//	…
//	http.ListenAndServe("127.0.0.1:4599", s)
//
// A caller whose access key id is an account number is that account's root user,
// and the account is made on first sight.
package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/sigv4"
	"github.com/keyreach/keyreach/sandbox/cloudtrail"
	"github.com/keyreach/keyreach/sandbox/drs"
	"github.com/keyreach/keyreach/sandbox/ec2"
	"github.com/keyreach/keyreach/sandbox/events"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/iam"
	"github.com/keyreach/keyreach/sandbox/kms"
	"github.com/keyreach/keyreach/sandbox/organizations"
	"github.com/keyreach/keyreach/sandbox/rds"
	"github.com/keyreach/keyreach/sandbox/s3"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/sts"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// GCPercent is what a process that does nothing but serve a sandbox gives to
// debug.SetGCPercent: what is live is little, and mostly the history of calls, which
// needs not be walked through so often.
const GCPercent = 300

// Options are how a sandbox is made. The zero value is one in memory.
type Options struct {
	// Estate fills the sandbox; nil leaves it empty. With a state that has accounts
	// already it is not used: see Kept.
	Estate *estate.Estate
	// State is the file that keeps the state; empty for none.
	State string
	// DefaultAccount makes callers with credentials that nobody knows the root user
	// of this account.
	DefaultAccount string
	// Strict takes neither account numbers nor unknown credentials: every call needs
	// a signature that IAM or STS can check.
	Strict bool
	// Seed makes the ids come out the same in every run; 0 makes them random.
	Seed uint64
	// GrantDelay is how long a new grant takes to count for callers that do not pass
	// its token.
	GrantDelay time.Duration
	// History is how many calls are remembered; 0 means 4096.
	History int
}

// Account is an account that the sandbox has seen.
type Account struct {
	ID      string
	Created time.Time
}

// Sandbox is the embedded AWS.
type Sandbox struct {
	options  Options
	db       *state.DB
	clock    *state.Clock
	ids      *state.IDs
	gate     *gate.Gate
	accounts *state.Table[Account]
	settings *state.Table[setting]
	guests   *state.Table[guest] // by access key id
	kms      *kms.Service
	iam      *iam.Service
	sts      *sts.Service
	orgs     *organizations.Service
	trail    *cloudtrail.Service
	drs      *drs.Service
	ec2      *ec2.Service
	events   *events.Service
	rds      *rds.Service
	s3       *s3.Service
	services map[string]*served
	targets  map[string]*served // by the prefix of X-Amz-Target
	versions map[string]*served // query services by API version
	signed   map[string]*served // REST services by the name in the scope of a signature
	keys     sigv4.Keys
	log      *cloudtrail.Log
	recent   recent
	seal     sealer
	kept     bool
	// estate is what a reset fills the sandbox from.
	estate atomic.Pointer[estate.Estate]
	agenda *state.Agenda
	alarm  alarm
}

// setting is a value that survives a restart.
type setting struct{ Value string }

// served is a service with its codec and what it offers.
type served struct {
	service gate.Service
	head    awsfacts.APIHead
	// codec and ops are made, and the tables read, when they are first asked for: a
	// sandbox is ready at once, and holds nothing of services that nobody calls.
	codec func() *wire.Codec
	ops   func() map[string]gate.Operation
}

// New makes a sandbox.
func New(o Options) (*Sandbox, error) {
	if o.DefaultAccount != "" && !arn.IsAccount(o.DefaultAccount) {
		return nil, fmt.Errorf("making the sandbox: the default account %q is not twelve digits", o.DefaultAccount)
	}
	if o.History <= 0 {
		o.History = 4096
	}
	db, err := state.Open(o.State)
	if err != nil {
		return nil, err
	}
	s := &Sandbox{
		options: o, db: db, clock: &state.Clock{}, ids: state.NewIDs(o.Seed), services: map[string]*served{},
		targets: map[string]*served{}, versions: map[string]*served{}, signed: map[string]*served{}, log: cloudtrail.NewLog(o.History), seal: newSealer(),
	}
	s.accounts = state.NewTable[Account](db, "accounts", nil)
	s.settings = state.NewTable[setting](db, "settings", nil)
	s.guests = state.NewTable[guest](db, "guests", nil)
	s.agenda = state.NewAgenda(db)
	s.connect()
	if err := s.start(); err != nil {
		_ = db.Close() // the first error tells
		return nil, err
	}
	return s, nil
}

// start reads the state, and fills an empty one from the estate.
func (s *Sandbox) start() error {
	if err := s.db.Load(); err != nil {
		return err
	}
	if v := s.settings.Get("clock"); v != nil {
		ahead, err := time.ParseDuration(v.Value)
		if err != nil {
			return fmt.Errorf("reading the clock of the state: %w", err)
		}
		s.clock.Set(ahead)
	}
	s.s3.Sweep()
	s.kept = s.accounts.Len() > 0
	s.estate.Store(s.options.Estate)
	if s.options.Estate != nil && !s.kept {
		return s.Fill(s.options.Estate)
	}
	return nil
}

// Kept reports whether the state had accounts when the sandbox was made, so that
// Options.Estate was not used.
func (s *Sandbox) Kept() bool { return s.kept }

func (s *Sandbox) serve(service gate.Service) {
	name := service.Name()
	head, ok := awsfacts.LookupAPIHead(name)
	if !ok {
		panic("sandbox: no table for " + name)
	}
	v := &served{service: service, head: head}
	v.codec = sync.OnceValue(func() *wire.Codec {
		api, _ := awsfacts.LookupAPI(name) // there is one where there is a head
		var unions []any
		if u, ok := service.(gate.Unions); ok {
			unions = u.Unions()
		}
		return wire.New(api, unions...)
	})
	v.ops = sync.OnceValue(func() map[string]gate.Operation {
		ops := map[string]gate.Operation{}
		for _, op := range service.Operations() {
			ops[op.Name] = op
		}
		return ops
	})
	s.services[name] = v
	switch head.Protocol {
	case "json":
		s.targets[head.TargetPrefix] = v
		// botocore writes CloudTrail's prefix with a package before it, the Go SDK
		// without.
		s.targets[head.TargetPrefix[strings.LastIndexByte(head.TargetPrefix, '.')+1:]] = v
	case "query", "ec2":
		s.versions[head.Version] = v
	default:
		s.signed[head.SigningName] = v
	}
}

// Close ends what the sandbox does by itself, and closes the state file.
func (s *Sandbox) Close() error {
	s.stopAlarm()
	s.events.Close()
	return errors.Join(s.db.Close(), s.s3.Close())
}

// Now is the sandbox's time.
func (s *Sandbox) Now() time.Time { return s.clock.Now() }

// Advance moves the sandbox's clock ahead, and does what has become due on the
// way.
func (s *Sandbox) Advance(by time.Duration) error {
	if by < 0 {
		return fmt.Errorf("moving the clock: %s is back, and it only goes ahead", by)
	}
	err := s.db.Update(func() error {
		old := s.clock.Ahead()
		if by > state.MaxAhead-old {
			return fmt.Errorf("moving the clock: it is %s ahead and goes at most %s ahead", old, state.MaxAhead)
		}
		s.db.OnUndo(func() { s.clock.Set(old) })
		s.clock.Set(old + by)
		s.settings.Put("clock", &setting{s.clock.Ahead().String()})
		return nil
	})
	if err != nil {
		return err
	}
	s.settle()
	s.setAlarm()
	return s.db.Update(func() error { s.sweep(); return nil })
}

func (s *Sandbox) sweep() {
	now := s.clock.Now()
	s.kms.Sweep(now)
	s.sts.Sweep(now)
	s.sweepGuests(now)
}

// Reset empties the sandbox, and fills it again from the estate it was made with
// or that was put last. The clock stays where it is.
func (s *Sandbox) Reset() error { return s.reset(s.estate.Load()) }

// reset puts an estate, or nothing for nil, in the place of all there is. When that
// fails, all there is stays.
func (s *Sandbox) reset(e *estate.Estate) error {
	err := s.db.Update(func() error {
		s.db.Clear()
		s.settings.Put("clock", &setting{s.clock.Ahead().String()})
		if e == nil {
			return nil
		}
		return s.fill(e)
	})
	if err != nil {
		return err
	}
	s.estate.Store(e)
	s.log.Clear()
	s.s3.Sweep()
	return nil
}

// knows reports whether the sandbox has seen an account.
func (s *Sandbox) knows(account string) bool { return s.accounts.Get(account) != nil }

// since is when the sandbox first saw an account.
func (s *Sandbox) since(account string) time.Time {
	if a := s.accounts.Get(account); a != nil {
		return a.Created
	}
	return s.clock.Now() // of one that a reset took away meanwhile
}

// roles gives STS what it asks of IAM.
type roles struct{ *iam.Service }

// RoleByARN returns a role.
func (r roles) RoleByARN(roleARN string) (sts.Role, bool) {
	role, ok := r.Role(roleARN)
	if !ok {
		return sts.Role{}, false
	}
	return sts.Role{
		ARN: roleARN, ID: role.ID, Account: role.Account, Name: role.Name, Trust: role.TrustPolicy(), MaxSession: role.MaxSession, Tags: role.TagMap(),
	}, true
}

// accounts makes accounts for Organizations.
type accounts struct{ s *Sandbox }

// Known reports whether there is an account.
func (a accounts) Known(id string) bool { return a.s.knows(id) }

// Create makes an account with a role that has all rights and that the management
// account may assume.
// See https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_create.html.
func (a accounts) Create(id, role, management string) error {
	now := a.s.clock.Now()
	a.s.accounts.Put(id, &Account{ID: id, Created: now})
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"sts:AssumeRole"}]}`, management)
	const admin = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	return a.s.iam.Import(&estate.Principal{
		ARN: "arn:aws:iam::" + id + ":role/" + role, Trust: gate.Document("trust policy", trust),
		Policies: []estate.Attached{{Name: "AdministratorAccess", Kind: "managed", ARN: "arn:aws:iam::aws:policy/AdministratorAccess", Document: gate.Document("AdministratorAccess", admin)}},
	}, now)
}

// random fills b.
func random(b []byte) { _, _ = rand.Read(b) } // never fails since Go 1.24
