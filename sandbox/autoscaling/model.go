package autoscaling

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Group is an Auto Scaling group as the state keeps it.
type Group struct {
	Account, Region string
	// Shown is the group as it is described, but for its instances.
	Shown types.AutoScalingGroup
	// Why is who last changed the capacity, for the cause of what follows.
	Why string `json:",omitempty"`
	// Failing is since when launches fail, and Tries how many did; Next is when the next
	// is tried.
	Failing, Next time.Time
	Tries         int
}

func (g *Group) name() string { return aws.ToString(g.Shown.AutoScalingGroupName) }

func (g *Group) desired() int { return int(aws.ToInt32(g.Shown.DesiredCapacity)) }

func (g *Group) key() string { return state.Key(g.Account, g.Region, g.name()) }

// leaving reports whether the group is being deleted.
func (g *Group) leaving() bool { return g.Shown.Status != nil }

// suspended reports whether a process of the group does nothing.
func (g *Group) suspended(process string) bool {
	for _, p := range g.Shown.SuspendedProcesses {
		if aws.ToString(p.ProcessName) == process {
			return true
		}
	}
	return false
}

// Configuration is a launch configuration.
type Configuration struct {
	Account, Region string
	Shown           types.LaunchConfiguration
}

// Member is an instance of a group.
type Member struct {
	Account, Region, Group string
	Shown                  types.Instance
	Since                  time.Time
	Subnet                 string `json:",omitempty"`
	// Activity is what is being done with it.
	Activity string `json:",omitempty"`
}

func (m *Member) key() string { return state.Key(m.Account, m.Region, m.id()) }

func (m *Member) id() string { return aws.ToString(m.Shown.InstanceId) }

// leaving reports whether the instance no longer counts.
func (m *Member) leaving() bool {
	return m.Shown.LifecycleState == types.LifecycleStateTerminating
}

// Activity is something that was done with an instance.
type Activity struct {
	Account, Region string
	Shown           types.Activity
	Instance        string `json:",omitempty"`
}

func (a *Activity) key() string {
	return state.Key(a.Account, a.Region, aws.ToString(a.Shown.AutoScalingGroupName), aws.ToString(a.Shown.ActivityId))
}

// Policy, Schedule and Hook are kept and shown; nothing acts by them.
type (
	Policy struct {
		Account, Region string
		Shown           types.ScalingPolicy
	}
	Schedule struct {
		Account, Region string
		Shown           types.ScheduledUpdateGroupAction
	}
	Hook struct {
		Account, Region string
		Shown           types.LifecycleHook
	}
)

// groupARN is the ARN of a group; the id of one that there is not is "*".
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html.
func groupARN(account, region, id, name string) string {
	return behalf.ARN("autoscaling", region, account, "autoScalingGroup:", id, ":autoScalingGroupName/", name)
}

func configurationARN(account, region, id, name string) string {
	return behalf.ARN("autoscaling", region, account, "launchConfiguration:", id, ":launchConfigurationName/", name)
}
