// Package autoscaling is Amazon EC2 Auto Scaling in a sandbox: groups that keep as many
// instances as they should have. A group's service-linked role launches them, through
// EC2, on the sandbox's clock; what EC2 refuses stands in the group's activities.
package autoscaling

import (
	"slices"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Config is what Auto Scaling needs from the sandbox.
type Config struct {
	DB     *state.DB
	IDs    *state.IDs
	Agenda *state.Agenda
	Agent  *behalf.Agent
	Events gate.Events // nil for none
	// Profiles are IAM's instance profiles.
	Profiles Profiles
}

// Profiles tells which instance profiles there are.
type Profiles interface {
	// InstanceProfile returns the ARN and id of an instance profile of an account and
	// the ARN of its role, empty when it has none.
	InstanceProfile(account, name string) (profileARN, id, role string, ok bool)
}

// Service is Auto Scaling.
type Service struct {
	Config
	groups     *state.Table[Group]         // account, Region, name
	configs    *state.Table[Configuration] // account, Region, name
	members    *state.Table[Member]        // account, Region, instance
	activities *state.Table[Activity]      // account, Region, group, id
	policies   *state.Table[Policy]        // account, Region, group, name
	schedules  *state.Table[Schedule]      // account, Region, group, name
	hooks      *state.Table[Hook]          // account, Region, group, name
}

// New returns Auto Scaling on a sandbox's state.
func New(c Config) *Service {
	return &Service{
		Config:     c,
		groups:     state.NewTable[Group](c.DB, "autoscaling.groups", nil),
		configs:    state.NewTable[Configuration](c.DB, "autoscaling.configurations", nil),
		members:    state.NewTable[Member](c.DB, "autoscaling.instances", nil),
		activities: state.NewTable[Activity](c.DB, "autoscaling.activities", nil),
		policies:   state.NewTable[Policy](c.DB, "autoscaling.policies", nil),
		schedules:  state.NewTable[Schedule](c.DB, "autoscaling.schedules", nil),
		hooks:      state.NewTable[Hook](c.DB, "autoscaling.hooks", nil),
	}
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "autoscaling" }

// Operations are what the service offers, by what they are about.
func (s *Service) Operations() []gate.Operation {
	return slices.Concat(s.groupOperations(), s.instanceOperations(), s.configurationOperations(), s.tagOperations(), s.keptOperations())
}
