package autoscaling

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// States of health as instances have them. DescribeAutoScalingInstances writes them in
// capital letters.
const healthy, unhealthy = "Healthy", "Unhealthy"

func (s *Service) instanceOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Reads, onAll[autoscaling.DescribeAutoScalingInstancesInput]("DescribeAutoScalingInstances"), s.DescribeAutoScalingInstances),
		gate.Op(gate.Writes, onInstance(s, "TerminateInstanceInAutoScalingGroup", func(in *autoscaling.TerminateInstanceInAutoScalingGroupInput) *string { return in.InstanceId }), s.TerminateInstanceInAutoScalingGroup),
		gate.Op(gate.Writes, onInstance(s, "SetInstanceHealth", func(in *autoscaling.SetInstanceHealthInput) *string { return in.InstanceId }), s.SetInstanceHealth),
		gate.Op(gate.Writes, onGroup(s, "SetInstanceProtection", func(in *autoscaling.SetInstanceProtectionInput) *string { return in.AutoScalingGroupName }), s.SetInstanceProtection),
		gate.Op(gate.Writes, onGroup(s, "AttachInstances", func(in *autoscaling.AttachInstancesInput) *string { return in.AutoScalingGroupName }), s.AttachInstances),
		gate.Op(gate.Writes, onGroup(s, "DetachInstances", func(in *autoscaling.DetachInstancesInput) *string { return in.AutoScalingGroupName }), s.DetachInstances),
	}
}

// DescribeAutoScalingInstances lists instances of groups.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingInstances.html.
func (s *Service) DescribeAutoScalingInstances(ctx context.Context, in *autoscaling.DescribeAutoScalingInstancesInput) (*autoscaling.DescribeAutoScalingInstancesOutput, error) {
	c := gate.From(ctx)
	var list []types.AutoScalingInstanceDetails
	for _, m := range s.members.All(state.Key(c.Caller.Account, c.Region, "")) {
		if len(in.InstanceIds) > 0 && !slices.Contains(in.InstanceIds, m.id()) {
			continue
		}
		v := m.Shown
		list = append(list, types.AutoScalingInstanceDetails{
			AutoScalingGroupName: new(m.Group), InstanceId: v.InstanceId, InstanceType: v.InstanceType, AvailabilityZone: v.AvailabilityZone,
			AvailabilityZoneId: v.AvailabilityZoneId, HealthStatus: new(strings.ToUpper(*v.HealthStatus)), LifecycleState: new(string(v.LifecycleState)),
			ProtectedFromScaleIn: v.ProtectedFromScaleIn, LaunchConfigurationName: v.LaunchConfigurationName, LaunchTemplate: v.LaunchTemplate,
			ImageId: v.ImageId, WeightedCapacity: v.WeightedCapacity,
		})
	}
	out, next, err := page(list, in.NextToken, in.MaxRecords, 50)
	return &autoscaling.DescribeAutoScalingInstancesOutput{AutoScalingInstances: out, NextToken: next}, err
}

// held returns an instance of the caller's groups, with its group.
func (s *Service) held(c *gate.Call, id string) (*Group, *Member, error) {
	m := s.members.Get(state.Key(c.Caller.Account, c.Region, id))
	if m == nil {
		return nil, nil, noInstance(id)
	}
	g, err := s.group(c, &m.Group)
	return g, m, err
}

// TerminateInstanceInAutoScalingGroup ends an instance, and has it replaced unless the
// group becomes smaller.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TerminateInstanceInAutoScalingGroup.html.
func (s *Service) TerminateInstanceInAutoScalingGroup(ctx context.Context, in *autoscaling.TerminateInstanceInAutoScalingGroupInput) (*autoscaling.TerminateInstanceInAutoScalingGroupOutput, error) {
	c := gate.From(ctx)
	if in.InstanceId == nil {
		return nil, wire.Refuse("NotImplemented", "The sandbox terminates one instance at a time: give InstanceId.")
	}
	g, m, err := s.held(c, *in.InstanceId)
	if err != nil {
		return nil, err
	}
	if m.leaving() {
		return nil, wire.Refuse("ScalingActivityInProgress", "Scaling activity in progress for the instance "+m.id()+".") // assumed text
	}
	cause := "At " + stamp(c.At) + " instance " + m.id() + " was taken out of service in response to a user request."
	if aws.ToBool(in.ShouldDecrementDesiredCapacity) {
		if g.desired() <= int(*g.Shown.MinSize) {
			return nil, invalid("Currently, desiredSize equals minSize (" + fmt.Sprint(*g.Shown.MinSize) + "). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.")
		}
		cause = fmt.Sprintf("At %s instance %s was taken out of service in response to a user request, shrinking the capacity from %d to %d.", stamp(c.At), m.id(), g.desired(), g.desired()-1)
		g = s.change(g, func(g *Group) { g.Shown.DesiredCapacity = new(*g.Shown.DesiredCapacity - 1) })
	}
	a := s.terminate(ctx, g, m, cause)
	s.plan(g, c.At.Add(step))
	return &autoscaling.TerminateInstanceInAutoScalingGroupOutput{Activity: &a.Shown}, nil
}

// SetInstanceHealth says how an instance is: one that is unhealthy is replaced.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceHealth.html.
func (s *Service) SetInstanceHealth(ctx context.Context, in *autoscaling.SetInstanceHealthInput) (*autoscaling.SetInstanceHealthOutput, error) {
	c := gate.From(ctx)
	_, m, err := s.held(c, *in.InstanceId)
	if err != nil {
		return nil, err
	}
	if *in.HealthStatus != healthy && *in.HealthStatus != unhealthy {
		return nil, invalid("Valid instance health states are: [Healthy, Unhealthy].") // assumed text
	}
	next := *m
	next.Shown.HealthStatus = in.HealthStatus
	s.members.Put(next.key(), &next)
	if *in.HealthStatus == unhealthy {
		s.later(&next, doCheck, c.At.Add(step))
	}
	return &autoscaling.SetInstanceHealthOutput{}, nil
}

// SetInstanceProtection has instances stay when their group becomes smaller.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceProtection.html.
func (s *Service) SetInstanceProtection(ctx context.Context, in *autoscaling.SetInstanceProtectionInput) (*autoscaling.SetInstanceProtectionOutput, error) {
	g, err := s.group(gate.From(ctx), in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	for _, id := range in.InstanceIds {
		_, m, err := s.held(gate.From(ctx), id)
		if err != nil || m.Group != g.name() {
			return nil, noInstance(id)
		}
		next := *m
		next.Shown.ProtectedFromScaleIn = in.ProtectedFromScaleIn
		s.members.Put(next.key(), &next)
	}
	return &autoscaling.SetInstanceProtectionOutput{}, nil
}

// AttachInstances takes instances that run into a group, which becomes larger.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachInstances.html.
func (s *Service) AttachInstances(ctx context.Context, in *autoscaling.AttachInstancesInput) (*autoscaling.AttachInstancesOutput, error) {
	c := gate.From(ctx)
	g, err := s.group(c, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	want := g.desired() + len(in.InstanceIds)
	if want > int(*g.Shown.MaxSize) {
		return nil, invalid(fmt.Sprintf("Attaching %d instance(s) would exceed the max size %d of the AutoScalingGroup %s.", len(in.InstanceIds), *g.Shown.MaxSize, g.name())) // assumed text
	}
	for _, id := range in.InstanceIds {
		if m := s.members.Get(state.Key(c.Caller.Account, c.Region, id)); m != nil {
			return nil, invalid("Instance " + id + " is already part of AutoScalingGroup:" + m.Group + ".")
		}
		i, err := s.instance(ctx, g, id)
		switch {
		case codeOf(err) == "InternalError":
			return nil, err
		case err != nil || i == nil:
			return nil, invalid("Invalid Instance ID(s): [" + id + "].") // assumed text
		case i.State.Name != ec2types.InstanceStateNameRunning:
			return nil, invalid("Instance " + id + " is not in correct state.") // assumed text
		}
		m := s.member(ctx, g, i, place{})
		m.Shown.LifecycleState, m.Shown.LaunchTemplate, m.Shown.LaunchConfigurationName = types.LifecycleStateInService, nil, nil
		s.members.Put(m.key(), m)
	}
	s.change(g, func(g *Group) { g.Shown.DesiredCapacity = new(int32(want)) })
	return &autoscaling.AttachInstancesOutput{}, nil
}

// DetachInstances lets instances go, which run on.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DetachInstances.html.
func (s *Service) DetachInstances(ctx context.Context, in *autoscaling.DetachInstancesInput) (*autoscaling.DetachInstancesOutput, error) {
	c := gate.From(ctx)
	g, err := s.group(c, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	smaller := aws.ToBool(in.ShouldDecrementDesiredCapacity)
	if smaller && g.desired()-len(in.InstanceIds) < int(*g.Shown.MinSize) {
		return nil, invalid(fmt.Sprintf("Detaching %d instance(s) would leave the AutoScalingGroup %s below its min size %d.", len(in.InstanceIds), g.name(), *g.Shown.MinSize)) // assumed text
	}
	out := &autoscaling.DetachInstancesOutput{Activities: []types.Activity{}}
	for _, id := range in.InstanceIds {
		_, m, err := s.held(c, id)
		if err != nil || m.Group != g.name() {
			return nil, noInstance(id)
		}
		if m.Shown.LifecycleState != types.LifecycleStateInService {
			return nil, invalid("The instance " + id + " is not in InService or Standby.")
		}
		s.members.Delete(m.key())
		a := s.begin(ctx, g, "Detaching EC2 instance: "+id, "At "+stamp(c.At)+" instance "+id+" was detached in response to a user request.")
		a.Instance = id
		a.Shown.Details = new(details(place{zone: aws.ToString(m.Shown.AvailabilityZone), subnet: m.Subnet}))
		a.Shown.StatusCode, a.Shown.EndTime, a.Shown.Progress = types.ScalingActivityStatusCodeSuccessful, a.Shown.StartTime, new(int32(100))
		s.activities.Put(a.key(), a)
		out.Activities = append(out.Activities, a.Shown)
	}
	if smaller {
		g = s.change(g, func(g *Group) { g.Shown.DesiredCapacity = new(int32(g.desired() - len(in.InstanceIds))) })
	}
	s.plan(g, c.At.Add(step))
	return out, nil
}
