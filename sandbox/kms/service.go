// Package kms is AWS KMS in a sandbox: keys with real cryptography, their
// policies, grants, aliases, states and Regions. It decides no access: for every
// operation it says what has to be asked, and package gate asks.
package kms

import (
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Principals tells which users and roles there are. IAM does.
type Principals interface {
	// UniqueID returns the unique id behind an ARN: of a session or federated user
	// that of its role or account with the session's name. It is false when nobody
	// has that ARN.
	UniqueID(p arn.Principal) (id string, ok bool)
	// ARN returns the ARN behind a unique id, with a session's name or without.
	ARN(id string) (string, bool)
}

// Config is what KMS needs from the sandbox.
type Config struct {
	DB         *state.DB
	Clock      *state.Clock
	IDs        *state.IDs
	Gate       *gate.Gate
	Client     gate.Client
	Principals Principals
	Events     gate.Events // nil for nobody
	// GrantDelay is how long a new grant takes to count for callers without its
	// token.
	GrantDelay time.Duration
	// Changed is told in Update when a key becomes usable or stops being so; nil for
	// nobody.
	Changed func(arn string, usable bool)
}

// Service is KMS.
type Service struct {
	Config
	keys    *state.Table[Key]   // account, Region, key id
	aliases *state.Table[Alias] // account, Region, name
	grants  *state.Table[Grant] // account, Region, key id, grant id

	// views are the grants of each key in the form that package access asks.
	views   sync.Map // key's row key → []estate.Grant
	ciphers ciphers
	pairs   pairs
	last    lastUsage
	started time.Time
}

// New returns KMS on a sandbox's state.
func New(c Config) *Service {
	s := &Service{Config: c, started: c.Clock.Now()}
	s.keys = state.NewTable(c.DB, "kms.keys", (*Key).ready)
	s.aliases = state.NewTable[Alias](c.DB, "kms.aliases", nil)
	s.grants = state.NewTable(c.DB, "kms.grants", (*Grant).ready)
	s.grants.OnChange(func(row string) { s.views.Delete(row[:strings.LastIndexByte(row, 0)]) })
	return s
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "kms" }

// Sweep does what has become due: keys end, material expires, keys rotate. It is
// called in Update.
func (s *Service) Sweep(now time.Time) {
	for row, k := range s.keys.All("") {
		switch due := k.at(now); {
		case due == nil:
			s.end(row, k)
			s.emit(k, *k.DeletionDate, "KMS CMK Deletion", nil)
		case due != k:
			s.put(due)
			s.emit(k, *k.ValidTo, "KMS Imported Key Material Expiration", nil)
		case k.Rotates && !now.Before(k.NextRotation) && k.current() != nil:
			r := k.clone()
			for !now.Before(r.NextRotation) {
				before := r.LastMaterial
				s.rotate(r, r.NextRotation, types.RotationTypeAutomatic)
				s.emitRotation(r, before, types.RotationTypeAutomatic, r.NextRotation)
				r.NextRotation = r.NextRotation.AddDate(0, 0, int(max(1, r.PeriodDays)))
			}
			s.putEverywhere(r)
		}
	}
}

// end takes a key away with its aliases and grants. The primary of a replica that
// ends forgets it, and starts to wait itself if it was to be deleted.
func (s *Service) end(row string, k *Key) {
	s.keys.Delete(row)
	for _, name := range k.AliasNames {
		s.aliases.Delete(state.Key(k.Account, k.Region, name))
	}
	for g := range s.grants.All(state.Key(row, "")) {
		s.grants.Delete(g)
	}
	if k.MultiRegion && k.Primary != k.Region {
		s.replicaEnded(k)
	}
}
