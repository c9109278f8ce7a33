// Package rds is Amazon RDS and Aurora in a sandbox: DB instances and DB clusters
// without an engine behind them, their snapshots, how snapshots are copied, shared and
// restored, and the keys that all of this uses. It decides no access.
package rds

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Config is what RDS needs from the sandbox.
type Config struct {
	DB     *state.DB
	IDs    *state.IDs
	Agenda *state.Agenda
	Agent  *behalf.Agent
	// Events takes what happens; nil for nobody.
	Events gate.Events
}

// Service is RDS.
type Service struct {
	Config
	instances *state.Table[Instance] // account, Region, identifier
	clusters  *state.Table[Cluster]  // account, Region, identifier
	snapshots *state.Table[Snapshot] // kind, account, Region, identifier
	backups   *state.Table[Backup]   // account, Region, resource id
	groups    *state.Table[Group]    // kind, account, Region, name
	tags      *state.Table[[]types.Tag]
	events    *state.Table[Event]   // account, Region, time, id
	lost      *state.Table[LostKey] // ARN of the key
}

// New returns RDS on a sandbox's state.
func New(c Config) *Service {
	return &Service{
		Config:    c,
		instances: state.NewTable[Instance](c.DB, "rds.instances", nil),
		clusters:  state.NewTable[Cluster](c.DB, "rds.clusters", nil),
		snapshots: state.NewTable[Snapshot](c.DB, "rds.snapshots", nil),
		backups:   state.NewTable[Backup](c.DB, "rds.backups", nil),
		groups:    state.NewTable[Group](c.DB, "rds.groups", nil),
		tags:      state.NewTable[[]types.Tag](c.DB, "rds.tags", nil),
		events:    state.NewTable[Event](c.DB, "rds.events", nil),
		lost:      state.NewTable[LostKey](c.DB, "rds.lostkeys", nil),
	}
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "rds" }

// How long things take; on AWS it is minutes.
const (
	creating = 3 * time.Second
	backing  = time.Second
	changing = time.Second
	halting  = 2 * time.Second
	deleting = 2 * time.Second
	snapping = 2 * time.Second
)

func refuse(code, text string) error { return wire.Refuse(code, text) }

// notOffered refuses a part of an operation that the sandbox does not have.
func notOffered(what string) error {
	return &wire.Error{Code: "NotImplemented", Message: "Keyreach's sandbox does not offer " + what + "; docs/sandbox.md tells what it offers", Status: http.StatusNotImplemented}
}

// The tasks that RDS has done later.
const (
	taskEvent         = "event"
	taskDropInstance  = "delete-instance"
	taskDropCluster   = "delete-cluster"
	taskBackUp        = "back-up"
	taskStartInstance = "start-instance"
	taskStartCluster  = "start-cluster"
	taskKeyLost       = "key-lost"
	taskKeyGone       = "key-gone"
)

// Due does what has become due.
func (s *Service) Due(ctx context.Context, t state.Task) error {
	c := gate.From(ctx)
	switch t.What {
	case taskEvent:
		s.emit(c, t.Subject)
	case taskDropInstance:
		s.dropInstance(ctx, t.Subject)
	case taskDropCluster:
		s.dropCluster(ctx, t.Subject)
	case taskBackUp:
		s.backUp(c, t.Subject)
	case taskStartInstance:
		s.startOverdueInstance(c, t.Subject)
	case taskStartCluster:
		s.startOverdueCluster(c, t.Subject)
	case taskKeyLost:
		s.keyLost(c, t.Subject)
	case taskKeyGone:
		s.keyGone(c, t.Subject)
	}
	return nil
}

// later puts a task on the agenda of the call's account and Region.
func (s *Service) later(c *gate.Call, at time.Time, what, subject string) {
	s.Agenda.Add(state.Task{At: at, Service: s.Name(), Account: c.Caller.Account, Region: c.Region, What: what, Subject: subject})
}

// Phase is a status and the time from which something has it.
type Phase struct {
	Status string
	From   time.Time
}

// Phases are the statuses of something, the first first.
type Phases []Phase

// at is the status at a time.
func (p Phases) at(now time.Time) string {
	status := ""
	for _, one := range p {
		if one.From.After(now) {
			break
		}
		status = one.Status
	}
	return status
}

// then returns the phases up to now followed by others.
func (p Phases) then(now time.Time, next ...Phase) Phases {
	var past Phases
	if status := p.at(now); status != "" {
		past = Phases{{status, now}}
		for _, one := range p {
			if !one.From.After(now) {
				past[0].From = one.From
			}
		}
	}
	return append(past, next...)
}

// during is a status for a while, and the one after it.
func during(now time.Time, status string, takes time.Duration, after string) []Phase {
	return []Phase{{status, now}, {after, now.Add(takes)}}
}
