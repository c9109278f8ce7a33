package ec2

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Instance is an instance as the state keeps it. There is no machine behind it: it goes
// through the states that one would.
type Instance struct {
	Account, Region, ID string
	Reservation         string
	// Requester is who launched it for somebody, as a service.
	Requester string `json:",omitempty"`
	Index     int32
	Launched  time.Time
	// Asked is the request with all that a launch template added. Much of what is told
	// of an instance stands there, and its attributes are changed there.
	Asked *ec2.RunInstancesInput
	// Image is what of its image an instance keeps.
	Image imageTraits

	Zone, Subnet string
	Groups       []string
	Address      string // private
	Interface    string // the id of its network interface
	// Profile is its instance profile.
	Profile *Profile `json:",omitempty"`

	Lifecycle   string            `json:",omitempty"` // spot, scheduled
	SpotRequest string            `json:",omitempty"`
	Tags        map[string]string `json:",omitempty"`
	// SourceDestCheck is what its network interface checks.
	SourceDestCheck bool
	// Grants are those of its last start.
	Grants []behalf.Grant `json:",omitempty"`
	// Steps are the states that it goes through, the oldest first, those to come too.
	Steps []Step
}

// Profile is an instance profile, and its role.
type Profile struct{ ARN, ID, Role string }

// imageTraits is what of its image an instance keeps.
type imageTraits struct {
	Architecture, Virtualization, RootDevice, RootType, BootMode, Platform, PlatformDetails, UsageOperation string
	ENA                                                                                                     bool
	Watch                                                                                                   string `json:",omitempty"`
}

// Step is a state from a time on.
type Step struct {
	At    time.Time
	State string
	// Code and Message are the reason for the state, Transition the older form of it.
	Code       string `json:",omitempty"`
	Message    string `json:",omitempty"`
	Transition string `json:",omitempty"`
}

// States of an instance.
const (
	pending      = "pending"
	running      = "running"
	shuttingDown = "shutting-down"
	terminated   = "terminated"
	stopping     = "stopping"
	stopped      = "stopped"
)

// stateCode is the number of a state.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html.
func stateCode(name string) int32 {
	switch name {
	case running:
		return 16
	case shuttingDown:
		return 32
	case terminated:
		return 48
	case stopping:
		return 64
	case stopped:
		return 80
	}
	return 0
}

// How long an instance takes from state to state, and how long a terminated one is
// still seen.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html.
const (
	stepTime    = 2 * time.Second
	afterwards  = time.Hour
	refusedTime = time.Second
)

// ARN is the instance's.
func (i *Instance) ARN() string { return behalf.ARN("ec2", i.Region, i.Account, "instance/", i.ID) }

func (i *Instance) row() string { return state.Key(i.Account, i.Region, i.ID) }

// at is the step in which the instance is at a time.
func (i *Instance) at(now time.Time) Step {
	step := i.Steps[0]
	for _, s := range i.Steps {
		if !s.At.After(now) {
			step = s
		}
	}
	return step
}

// state is what the instance is at a time.
func (i *Instance) state(now time.Time) string { return i.at(now).State }

// next has the instance go through other states from a time on: what was to come does
// not. The result is a copy.
func (i *Instance) next(now time.Time, steps ...Step) *Instance {
	n := *i
	n.Steps = slices.DeleteFunc(slices.Clone(i.Steps), func(s Step) bool { return s.At.After(now) })
	n.Steps = append(n.Steps, steps...)
	return &n
}

// ask changes what an instance was asked to be. The result is a copy.
func (i *Instance) ask(change func(*ec2.RunInstancesInput)) *Instance {
	n, asked := *i, *i.Asked
	change(&asked)
	n.Asked = &asked
	return &n
}

// instance returns an instance of an account, or nil.
func (s *Service) instance(account, region, id string) *Instance {
	return s.instances.Get(state.Key(account, region, id))
}

func (s *Service) putInstance(i *Instance) { s.instances.Put(i.row(), i) }

// plan stores an instance, tells of the steps that are taken now, and has the others
// taken in their time.
func (s *Service) plan(now time.Time, i *Instance, steps ...Step) *Instance {
	i = i.next(now, steps...)
	s.putInstance(i)
	for _, step := range steps {
		if step.At.After(now) {
			s.Agenda.Add(state.Task{At: step.At, Service: "ec2", Account: i.Account, Region: i.Region, What: "instance-step", Subject: i.ID})
			continue
		}
		s.tellInstance(i, step)
	}
	return i
}

// tellInstance tells of an instance's new state.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html.
func (s *Service) tellInstance(i *Instance, step Step) {
	s.emit(step.At, i.Account, i.Region, "EC2 Instance State-change Notification", map[string]string{"instance-id": i.ID, "state": step.State}, i.ARN())
}

// found returns the instances with ids, all of which the caller's account has.
func (s *Service) found(c *gate.Call, ids []string) ([]*Instance, error) {
	list := make([]*Instance, 0, len(ids))
	var none []string
	for _, id := range ids {
		i := s.instance(c.Caller.Account, c.Region, id)
		switch {
		case i != nil:
			list = append(list, i)
		case !wellFormed("i-", id):
			return nil, refuse("InvalidInstanceID.Malformed", "Invalid id: \""+id+"\"")
		default:
			none = append(none, id)
		}
	}
	return list, missing("InvalidInstanceID.NotFound", "The instance ID", none)
}
