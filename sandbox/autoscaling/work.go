package autoscaling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// What Auto Scaling does later, by the words on the agenda.
const (
	doScale = "Scale" // a group: as many instances as it should have
	doWatch = "Watch" // an instance that starts: is it in service?
	doEnd   = "End"   // an instance that is terminated: take it off
	doCheck = "Check" // an instance that EC2 says is gone: replace it
)

// How long things take. AWS documents none of it, and takes longer.
const (
	step = time.Second
	// Launches that fail are tried again after firstPause, then after twice as long
	// each time, up to longestPause: assumed. AWS documents only that a group that fails
	// for a day is suspended.
	firstPause, longestPause = time.Minute, time.Hour
	giveUp                   = 24 * time.Hour
	// patience is how long an instance may take to run.
	patience = 10 * time.Minute
)

// Due does what stands on the agenda.
func (s *Service) Due(ctx context.Context, t state.Task) error {
	key := state.Key(t.Account, t.Region, t.Subject)
	if t.What == doScale {
		if g := s.groups.Get(key); g != nil {
			s.scale(ctx, g)
		}
		return nil
	}
	m := s.members.Get(key)
	if m == nil {
		return nil
	}
	g := s.groups.Get(state.Key(m.Account, m.Region, m.Group))
	if g == nil {
		s.members.Delete(m.key())
		return nil
	}
	switch t.What {
	case doWatch:
		s.watch(ctx, g, m)
	case doEnd:
		s.ended(ctx, g, m)
	case doCheck:
		s.check(ctx, g, m)
	default:
		return fmt.Errorf("doing %s: it is nothing that Auto Scaling does", t.What)
	}
	return nil
}

func (s *Service) plan(g *Group, at time.Time) {
	s.Agenda.Add(state.Task{At: at, Service: s.Name(), Account: g.Account, Region: g.Region, What: doScale, Subject: g.name()})
}

func (s *Service) later(m *Member, what string, at time.Time) {
	s.Agenda.Add(state.Task{At: at, Service: s.Name(), Account: m.Account, Region: m.Region, What: what, Subject: m.id()})
}

// scale launches what a group lacks, or terminates what it has too many of.
func (s *Service) scale(ctx context.Context, g *Group) {
	now := gate.From(ctx).At
	members := s.membersOf(g)
	if g.leaving() && len(members) == 0 {
		s.end(g)
		return
	}
	members = slices.DeleteFunc(members, (*Member).leaving)
	switch have, want := len(members), g.desired(); {
	case have < want && !g.suspended("Launch") && !now.Before(g.Next):
		s.launch(ctx, g, have, want)
	case have > want && !g.suspended("Terminate"):
		for i, m := range surplus(members, have-want, g.leaving()) {
			cause := g.Why + fmt.Sprintf("  At %s an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from %d to %d.", stamp(now), have-i, have-i-1) +
				"  At " + stamp(now) + " instance " + m.id() + " was selected for termination."
			s.terminate(ctx, g, m, cause)
		}
	}
}

// surplus chooses what a group terminates: of the Availability Zone with the most
// instances the oldest, and none that is protected unless the group itself goes.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html.
func surplus(members []*Member, n int, all bool) []*Member {
	var out []*Member
	rest := slices.Clone(members)
	for len(out) < n {
		count := map[string]int{}
		for _, m := range rest {
			count[aws.ToString(m.Shown.AvailabilityZone)]++
		}
		best := -1
		for i, m := range rest {
			if aws.ToBool(m.Shown.ProtectedFromScaleIn) && !all {
				continue
			}
			if best < 0 || count[*m.Shown.AvailabilityZone] > count[*rest[best].Shown.AvailabilityZone] {
				best = i
			}
		}
		if best < 0 {
			return out
		}
		out = append(out, rest[best])
		rest = slices.Delete(rest, best, best+1)
	}
	return out
}

// launch launches instances until there are as many as wanted, or one fails.
func (s *Service) launch(ctx context.Context, g *Group, have, want int) {
	for n := have; n < want; n++ {
		cause := fmt.Sprintf("At %s an instance was started in response to a difference between desired and actual capacity, increasing the capacity from %d to %d.", stamp(gate.From(ctx).At), have, want)
		if g.Why != "" {
			cause = g.Why + "  " + cause
		}
		if !s.launchOne(ctx, g, cause) {
			return
		}
	}
}

// launchOne launches one instance as the group's role, and reports whether EC2 took the
// call.
func (s *Service) launchOne(ctx context.Context, g *Group, cause string) bool {
	a := s.begin(ctx, g, "Launching a new EC2 instance", cause)
	i, at, err := s.runInstance(ctx, g, *a.Shown.ActivityId)
	if err != nil {
		// As AWS's examples read.
		a.Shown.StatusMessage = new(fullStop(textOf(err)) + " Launching EC2 instance failed.")
		a.Shown.Description = new("Launching a new EC2 instance.  Status Reason: " + *a.Shown.StatusMessage)
		a.Shown.Details = new(details(at))
		s.finish(ctx, g, a, types.ScalingActivityStatusCodeFailed)
		s.failed(ctx, g)
		return false
	}
	m := s.member(ctx, g, i, at)
	m.Activity = *a.Shown.ActivityId
	s.members.Put(m.key(), m)
	a.Instance = m.id()
	a.Shown.Description = new("Launching a new EC2 instance: " + m.id())
	a.Shown.Details = new(details(place{zone: *m.Shown.AvailabilityZone, subnet: m.Subnet}))
	a.Shown.Progress = new(int32(30))
	s.activities.Put(a.key(), a)
	s.later(m, doWatch, gate.From(ctx).At.Add(step))
	return true
}

// runInstance has the role of a group call RunInstances, where the group has the fewest
// instances. The role for Spot acts when a launch configuration names a price.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html.
func (s *Service) runInstance(ctx context.Context, g *Group, token string) (*ec2types.Instance, place, error) {
	role, err := s.asRole(ctx, g)
	if err != nil {
		return nil, place{}, errors.New("Access denied when attempting to assume role " + *g.Shown.ServiceLinkedRoleARN) // assumed text
	}
	places, err := s.places(role, g)
	if err != nil || len(places) == 0 {
		return nil, place{}, err
	}
	at := emptiest(places, s.membersOf(g))
	in, err := s.launchInput(g, at, s.spot(g), token)
	if err != nil {
		return nil, at, err
	}
	if s.priced(g) {
		if role, err = s.asSpot(ctx, role); err != nil {
			return nil, at, err
		}
	}
	out, err := s.ec2(role, "RunInstances", in)
	if err != nil {
		return nil, at, err
	}
	return &out.(*ec2.RunInstancesOutput).Instances[0], at, nil
}

// priced reports whether a group asks for Spot instances by a launch configuration.
func (s *Service) priced(g *Group) bool {
	name := g.Shown.LaunchConfigurationName
	if name == nil {
		return false
	}
	k := s.configs.Get(state.Key(g.Account, g.Region, *name))
	return k != nil && aws.ToString(k.Shown.SpotPrice) != ""
}

// asSpot lets the service-linked role for Spot instances act, which Auto Scaling's may
// make.
func (s *Service) asSpot(ctx, role context.Context) (context.Context, error) {
	spot, err := s.Agent.EnsureLinkedRole(role, "spot.amazonaws.com")
	if err != nil {
		return nil, err
	}
	return s.Agent.Role(ctx, spot, "AutoScaling", "")
}

// spot reports whether the next instance of a group is a Spot instance.
func (s *Service) spot(g *Group) bool {
	p := g.Shown.MixedInstancesPolicy
	if p == nil || p.InstancesDistribution == nil {
		return false
	}
	base, share := int(aws.ToInt32(p.InstancesDistribution.OnDemandBaseCapacity)), 100
	if v := p.InstancesDistribution.OnDemandPercentageAboveBaseCapacity; v != nil {
		share = int(*v)
	}
	have := len(s.membersOf(g))
	if have < base {
		return false
	}
	above := have - base + 1
	// Of those above the base, the share that is On-Demand comes first.
	return (above*share+99)/100 == ((above-1)*share+99)/100
}

// emptiest is where the fewest instances are.
func emptiest(places []place, members []*Member) place {
	best, least := places[0], -1
	for _, p := range places {
		n := 0
		for _, m := range members {
			if p.subnet != "" && m.Subnet == p.subnet || p.subnet == "" && aws.ToString(m.Shown.AvailabilityZone) == p.zone {
				n++
			}
		}
		if least < 0 || n < least {
			best, least = p, n
		}
	}
	return best
}

// member is a new instance of a group.
func (s *Service) member(ctx context.Context, g *Group, i *ec2types.Instance, at place) *Member {
	m := &Member{Account: g.Account, Region: g.Region, Group: g.name(), Since: gate.From(ctx).At, Subnet: aws.ToString(i.SubnetId)}
	m.Shown = types.Instance{
		InstanceId: i.InstanceId, InstanceType: new(string(i.InstanceType)), AvailabilityZone: new(at.zone), HealthStatus: new("Healthy"),
		LifecycleState: types.LifecycleStatePending, ProtectedFromScaleIn: or(g.Shown.NewInstancesProtectedFromScaleIn, false),
		LaunchConfigurationName: g.Shown.LaunchConfigurationName,
	}
	if at.zoneID != "" {
		m.Shown.AvailabilityZoneId = &at.zoneID
	}
	if i.Placement != nil && i.Placement.AvailabilityZone != nil {
		m.Shown.AvailabilityZone = i.Placement.AvailabilityZone
	}
	if t, _ := templateOf(g.Shown.LaunchTemplate, g.Shown.MixedInstancesPolicy); t != nil {
		if role, err := s.asRole(ctx, g); err == nil {
			m.Shown.LaunchTemplate = s.version(role, t)
		}
	}
	return m
}

// instance looks at an instance as the role of its group; nil when EC2 has none.
func (s *Service) instance(ctx context.Context, g *Group, id string) (*ec2types.Instance, error) {
	role, err := s.asRole(ctx, g)
	if err != nil {
		return nil, err
	}
	out, err := s.ec2(role, "DescribeInstances", &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return nil, err
	}
	for _, r := range out.(*ec2.DescribeInstancesOutput).Reservations {
		for i := range r.Instances {
			return &r.Instances[i], nil
		}
	}
	return nil, nil
}

// watch looks whether an instance that was launched runs by now.
func (s *Service) watch(ctx context.Context, g *Group, m *Member) {
	now := gate.From(ctx).At
	i, err := s.instance(ctx, g, m.id())
	state := ec2types.InstanceStateNameTerminated
	switch {
	case err == nil && i != nil:
		state = i.State.Name
	case err != nil && codeOf(err) != "InvalidInstanceID.NotFound":
		state = ec2types.InstanceStateNamePending // the role may not look
	}
	switch {
	case state == ec2types.InstanceStateNameRunning:
		s.inService(ctx, g, m)
	case state == ec2types.InstanceStateNamePending && now.Sub(m.Since) < patience:
		s.later(m, doWatch, now.Add(step))
	default:
		s.died(ctx, g, m, i)
	}
}

// inService ends a launch that went well.
func (s *Service) inService(ctx context.Context, g *Group, m *Member) {
	next := *m
	next.Activity, next.Shown.LifecycleState = "", types.LifecycleStateInService
	s.members.Put(next.key(), &next)
	if a := s.activityOf(g, m); a != nil {
		s.finish(ctx, g, a, types.ScalingActivityStatusCodeSuccessful)
	}
	s.change(g, func(g *Group) { g.Why, g.Tries, g.Failing, g.Next = "", 0, time.Time{}, time.Time{} })
}

// died ends a launch whose instance ended before it ran: EC2's reason stands in the
// activity, which is cancelled, as users report it.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-instancelaunchfailure.html.
func (s *Service) died(ctx context.Context, g *Group, m *Member, i *ec2types.Instance) {
	s.members.Delete(m.key())
	if a := s.activityOf(g, m); a != nil {
		a.Shown.StatusMessage = new("Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: " + reasonOf(i))
		a.Shown.Description = new(*a.Shown.Description + ".  Status Reason: " + *a.Shown.StatusMessage)
		s.finish(ctx, g, a, types.ScalingActivityStatusCodeCancelled)
	}
	s.failed(ctx, g)
}

// reasonOf is why an instance ended.
func reasonOf(i *ec2types.Instance) string {
	switch {
	case i == nil:
		return "Client.InstanceNotFound: the instance is gone" // assumed text
	case i.StateReason != nil:
		return aws.ToString(i.StateReason.Message)
	}
	return aws.ToString(i.StateTransitionReason)
}

// failed plans the next try. A group that failed for a day launches nothing any more
// until somebody resumes it.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html.
func (s *Service) failed(ctx context.Context, g *Group) {
	now := gate.From(ctx).At
	g = s.groups.Get(g.key())
	if now.Before(g.Next) {
		return // of several that failed together, the first planned it
	}
	g = s.change(g, func(g *Group) {
		if g.Tries == 0 {
			g.Failing = now
		}
		g.Next = now.Add(min(firstPause<<min(g.Tries, 10), longestPause))
		g.Tries++
		if now.Sub(g.Failing) >= giveUp {
			g.Tries, g.Failing = 0, time.Time{}
			g.Shown.SuspendedProcesses = append(slices.Clone(g.Shown.SuspendedProcesses), types.SuspendedProcess{
				ProcessName: new("Launch"), SuspensionReason: new("Administrator suspended at " + stamp(now)), // assumed text
			})
		}
	})
	if !g.suspended("Launch") {
		s.plan(g, g.Next)
	}
}

// terminate has the role of a group terminate an instance.
func (s *Service) terminate(ctx context.Context, g *Group, m *Member, cause string) *Activity {
	a := s.begin(ctx, g, "Terminating EC2 instance: "+m.id(), cause)
	a.Instance = m.id()
	a.Shown.Details = new(details(place{zone: aws.ToString(m.Shown.AvailabilityZone), subnet: m.Subnet}))
	role, err := s.asRole(ctx, g)
	if err == nil {
		_, err = s.ec2(role, "TerminateInstances", &ec2.TerminateInstancesInput{InstanceIds: []string{m.id()}})
	}
	if err != nil && codeOf(err) != "InvalidInstanceID.NotFound" {
		a.Shown.StatusMessage = new(textOf(err))
		s.finish(ctx, g, a, types.ScalingActivityStatusCodeFailed)
		return a
	}
	s.activities.Put(a.key(), a)
	next := *m
	next.Activity, next.Shown.LifecycleState = *a.Shown.ActivityId, types.LifecycleStateTerminating
	s.members.Put(next.key(), &next)
	s.later(&next, doEnd, gate.From(ctx).At.Add(2*step))
	return a
}

// ended takes an instance that was terminated off its group.
func (s *Service) ended(ctx context.Context, g *Group, m *Member) {
	s.members.Delete(m.key())
	if a := s.activityOf(g, m); a != nil {
		s.finish(ctx, g, a, types.ScalingActivityStatusCodeSuccessful)
	}
	s.plan(g, gate.From(ctx).At.Add(step))
}

// check replaces an instance that is not well any more.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html.
func (s *Service) check(ctx context.Context, g *Group, m *Member) {
	now := gate.From(ctx).At
	if m.leaving() || g.suspended("ReplaceUnhealthy") || m.Shown.LifecycleState == types.LifecycleStatePending {
		return
	}
	next := *m
	cause := "At " + stamp(now) + " an instance was taken out of service in response to a user health-check."
	if aws.ToString(m.Shown.HealthStatus) == healthy {
		if g.suspended("HealthCheck") {
			return
		}
		cause = "At " + stamp(now) + " an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped."
		next.Shown.HealthStatus = new(unhealthy)
		s.members.Put(next.key(), &next)
	}
	s.terminate(ctx, g, &next, cause)
}

// Heard takes what EC2 tells: an instance of a group that stops or ends is replaced. It is
// called in Update.
func (s *Service) Heard(e gate.Event) {
	about, ok := e.Detail.(map[string]string)
	if !ok || e.DetailType != "EC2 Instance State-change Notification" {
		return
	}
	m := s.members.Get(state.Key(e.Account, e.Region, about["instance-id"]))
	if m == nil || m.Shown.LifecycleState != types.LifecycleStateInService {
		return
	}
	switch ec2types.InstanceStateName(about["state"]) {
	case ec2types.InstanceStateNamePending, ec2types.InstanceStateNameRunning:
	default:
		s.later(m, doCheck, e.At.Add(step))
	}
}
