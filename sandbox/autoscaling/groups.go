package autoscaling

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func (s *Service) groupOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.askCreate, s.CreateAutoScalingGroup),
		gate.Op(gate.Writes, s.askUpdate, s.UpdateAutoScalingGroup),
		gate.Op(gate.Writes, onGroup(s, "DeleteAutoScalingGroup", func(in *autoscaling.DeleteAutoScalingGroupInput) *string { return in.AutoScalingGroupName }), s.DeleteAutoScalingGroup),
		gate.Op(gate.Reads, onAll[autoscaling.DescribeAutoScalingGroupsInput]("DescribeAutoScalingGroups"), s.DescribeAutoScalingGroups),
		gate.Op(gate.Writes, onGroup(s, "SetDesiredCapacity", func(in *autoscaling.SetDesiredCapacityInput) *string { return in.AutoScalingGroupName }), s.SetDesiredCapacity),
		gate.Op(gate.Writes, onGroup(s, "SuspendProcesses", func(in *autoscaling.SuspendProcessesInput) *string { return in.AutoScalingGroupName }), s.SuspendProcesses),
		gate.Op(gate.Writes, onGroup(s, "ResumeProcesses", func(in *autoscaling.ResumeProcessesInput) *string { return in.AutoScalingGroupName }), s.ResumeProcesses),
		gate.Op(gate.Reads, onAll[autoscaling.DescribeScalingActivitiesInput]("DescribeScalingActivities"), s.DescribeScalingActivities),
		gate.Op(gate.Reads, onAll[autoscaling.DescribeAccountLimitsInput]("DescribeAccountLimits"), s.DescribeAccountLimits),
	}
}

// group returns a group of the caller's.
func (s *Service) group(c *gate.Call, name *string) (*Group, error) {
	g := s.groups.Get(state.Key(c.Caller.Account, c.Region, aws.ToString(name)))
	if g == nil {
		return nil, noGroup(aws.ToString(name))
	}
	return g, nil
}

// change stores a changed copy of a group.
func (s *Service) change(g *Group, f func(*Group)) *Group {
	next := *g
	f(&next)
	s.groups.Put(next.key(), &next)
	return &next
}

// CreateAutoScalingGroup makes a group. The service-linked role that acts for it is made
// on first use, for which the caller needs the right.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html.
func (s *Service) CreateAutoScalingGroup(ctx context.Context, in *autoscaling.CreateAutoScalingGroupInput) (*autoscaling.CreateAutoScalingGroupOutput, error) {
	c := gate.From(ctx)
	name := *in.AutoScalingGroupName
	if s.groups.Get(state.Key(c.Caller.Account, c.Region, name)) != nil {
		return nil, wire.Refuse("AlreadyExists", "AutoScalingGroup by this name already exists - A group with the name "+name+" already exists")
	}
	if in.InstanceId != nil {
		return nil, wire.Refuse("NotImplemented", "The sandbox makes no group from an instance: name a launch template or a launch configuration.")
	}
	role, err := s.roleOf(ctx, in.ServiceLinkedRoleARN)
	if err != nil {
		return nil, err
	}
	g := &Group{Account: c.Caller.Account, Region: c.Region, Shown: s.newGroup(c, in, role)}
	if err := s.complete(ctx, g, true); err != nil {
		return nil, err
	}
	g.Why = userRequest(c.At, "created an AutoScalingGroup changing the desired capacity", 0, g.desired())
	s.groups.Put(g.key(), g)
	for _, h := range in.LifecycleHookSpecificationList {
		s.putHook(g, types.LifecycleHook{
			LifecycleHookName: h.LifecycleHookName, LifecycleTransition: h.LifecycleTransition, DefaultResult: h.DefaultResult,
			HeartbeatTimeout: h.HeartbeatTimeout, NotificationMetadata: h.NotificationMetadata, NotificationTargetARN: h.NotificationTargetARN, RoleARN: h.RoleARN,
		})
	}
	s.plan(g, c.At.Add(step))
	return &autoscaling.CreateAutoScalingGroupOutput{}, nil
}

// newGroup is a group with AWS's defaults for what a request leaves out.
func (s *Service) newGroup(c *gate.Call, in *autoscaling.CreateAutoScalingGroupInput, role string) types.AutoScalingGroup {
	g := types.AutoScalingGroup{
		AutoScalingGroupName: in.AutoScalingGroupName, AutoScalingGroupARN: new(groupARN(c.Caller.Account, c.Region, s.IDs.UUID(), *in.AutoScalingGroupName)),
		CreatedTime: new(c.At.Truncate(time.Millisecond)), ServiceLinkedRoleARN: &role,
		MinSize: in.MinSize, MaxSize: in.MaxSize, DesiredCapacity: or(in.DesiredCapacity, *in.MinSize), DefaultCooldown: or(in.DefaultCooldown, 300),
		HealthCheckType: or(in.HealthCheckType, "EC2"), HealthCheckGracePeriod: or(in.HealthCheckGracePeriod, 0),
		NewInstancesProtectedFromScaleIn: or(in.NewInstancesProtectedFromScaleIn, false), TerminationPolicies: in.TerminationPolicies,
		AvailabilityZones: in.AvailabilityZones, AvailabilityZoneIds: in.AvailabilityZoneIds, VPCZoneIdentifier: or(in.VPCZoneIdentifier, ""),
		LaunchConfigurationName: in.LaunchConfigurationName, LaunchTemplate: in.LaunchTemplate, MixedInstancesPolicy: in.MixedInstancesPolicy,
		AvailabilityZoneDistribution: in.AvailabilityZoneDistribution, AvailabilityZoneImpairmentPolicy: in.AvailabilityZoneImpairmentPolicy,
		CapacityRebalance: in.CapacityRebalance, CapacityReservationSpecification: in.CapacityReservationSpecification, Context: in.Context,
		DefaultInstanceWarmup: in.DefaultInstanceWarmup, DeletionProtection: in.DeletionProtection, DesiredCapacityType: in.DesiredCapacityType,
		InstanceLifecyclePolicy: in.InstanceLifecyclePolicy, InstanceMaintenancePolicy: in.InstanceMaintenancePolicy,
		LoadBalancerNames: in.LoadBalancerNames, TargetGroupARNs: in.TargetGroupARNs, TrafficSources: in.TrafficSources,
		MaxInstanceLifetime: in.MaxInstanceLifetime, PlacementGroup: in.PlacementGroup, Operator: in.Operator,
	}
	if len(g.TerminationPolicies) == 0 {
		g.TerminationPolicies = []string{"Default"}
	}
	if g.AvailabilityZoneDistribution == nil {
		g.AvailabilityZoneDistribution = &types.AvailabilityZoneDistribution{CapacityDistributionStrategy: types.CapacityDistributionStrategyBalancedBestEffort}
	}
	for _, t := range in.Tags {
		g.Tags = putTag(g.Tags, *in.AutoScalingGroupName, t)
	}
	return g
}

// or is a value, or its default.
func or[T any](v *T, plain T) *T {
	if v == nil {
		return &plain
	}
	return v
}

// roleOf is the service-linked role of a new group: the one that is named, or the plain
// one, which is made on first use.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-service-linked-role.html.
func (s *Service) roleOf(ctx context.Context, named *string) (string, error) {
	if named == nil {
		role, err := s.Agent.EnsureLinkedRole(ctx, "autoscaling.amazonaws.com")
		return role, noRole(err)
	}
	c := gate.From(ctx)
	p, err := arn.ParsePrincipal(*named)
	if err != nil || p.Kind != arn.Role || p.Account != c.Caller.Account || !strings.Contains(*named, ":role/aws-service-role/autoscaling.amazonaws.com/") {
		return "", invalid("ARN specified for Service-Linked Role is not valid.") // assumed text
	}
	if _, there := s.Agent.Principals.UniqueID(p); !there {
		return "", invalid("ARN specified for Service-Linked Role does not exist.") // assumed text
	}
	return *named, nil
}

// complete checks a group's settings and works out what follows from them. Launch is set
// when what is launched is new.
func (s *Service) complete(ctx context.Context, g *Group, launch bool) error {
	v := &g.Shown
	least, most, want := *v.MinSize, *v.MaxSize, *v.DesiredCapacity
	switch {
	case least > most:
		return invalid(fmt.Sprintf("Max bound, %d, must be greater than or equal to min bound, %d", most, least))
	case want < least || want > most:
		return invalid(fmt.Sprintf("Desired capacity:%d must be between the specified min size:%d and max size:%d", want, least, most))
	}
	ways := 0
	for _, given := range []bool{v.LaunchConfigurationName != nil, v.LaunchTemplate != nil, v.MixedInstancesPolicy != nil} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return invalid("Valid requests must contain either launchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
	}
	if len(v.AvailabilityZones) == 0 && len(v.AvailabilityZoneIds) == 0 && *v.VPCZoneIdentifier == "" {
		return invalid("At least one Availability Zone or VPC Subnet is required.")
	}
	if err := s.zones(ctx, g); err != nil {
		return err
	}
	if !launch {
		return nil
	}
	if v.MixedInstancesPolicy != nil {
		v.MixedInstancesPolicy = mixedDefaults(v.MixedInstancesPolicy)
	}
	return s.checkLaunch(ctx, g)
}

// mixedDefaults fills in what a policy for mixed instances leaves out.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstancesDistribution.html.
func mixedDefaults(p *types.MixedInstancesPolicy) *types.MixedInstancesPolicy {
	out := *p
	d := types.InstancesDistribution{}
	if p.InstancesDistribution != nil {
		d = *p.InstancesDistribution
	}
	d.OnDemandAllocationStrategy = or(d.OnDemandAllocationStrategy, "prioritized")
	d.OnDemandBaseCapacity = or(d.OnDemandBaseCapacity, 0)
	d.OnDemandPercentageAboveBaseCapacity = or(d.OnDemandPercentageAboveBaseCapacity, 100)
	d.SpotAllocationStrategy = or(d.SpotAllocationStrategy, "lowest-price")
	if *d.SpotAllocationStrategy == "lowest-price" {
		d.SpotInstancePools = or(d.SpotInstancePools, 2)
	}
	out.InstancesDistribution = &d
	return &out
}

// UpdateAutoScalingGroup changes a group's settings. Instances that are there stay as
// they are.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html.
func (s *Service) UpdateAutoScalingGroup(ctx context.Context, in *autoscaling.UpdateAutoScalingGroupInput) (*autoscaling.UpdateAutoScalingGroupOutput, error) {
	c := gate.From(ctx)
	g, err := s.group(c, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	next := *g
	before := g.desired()
	v := &next.Shown
	merge(v, in)
	if in.ServiceLinkedRoleARN != nil {
		role, err := s.roleOf(ctx, in.ServiceLinkedRoleARN)
		if err != nil {
			return nil, err
		}
		v.ServiceLinkedRoleARN = &role
	}
	if in.DesiredCapacity == nil {
		v.DesiredCapacity = new(min(max(*v.DesiredCapacity, *v.MinSize), *v.MaxSize))
	}
	if in.VPCZoneIdentifier != nil && in.AvailabilityZones == nil {
		v.AvailabilityZones = nil
	}
	launch := in.LaunchConfigurationName != nil || in.LaunchTemplate != nil || in.MixedInstancesPolicy != nil
	if launch {
		v.LaunchConfigurationName, v.LaunchTemplate, v.MixedInstancesPolicy = in.LaunchConfigurationName, in.LaunchTemplate, in.MixedInstancesPolicy
	}
	if err := s.complete(ctx, &next, launch); err != nil {
		return nil, err
	}
	if after := next.desired(); after != before {
		next.Why = userRequest(c.At, fmt.Sprintf("update of AutoScalingGroup constraints to min: %d, max: %d, desired: %d changing the desired capacity", *v.MinSize, *v.MaxSize, after), before, after)
	}
	next.Next, next.Tries, next.Failing = time.Time{}, 0, time.Time{}
	s.groups.Put(next.key(), &next)
	s.plan(&next, c.At.Add(step))
	return &autoscaling.UpdateAutoScalingGroupOutput{}, nil
}

// merge takes over what a request for an update has.
func merge(v *types.AutoScalingGroup, in *autoscaling.UpdateAutoScalingGroupInput) {
	take(&v.MinSize, in.MinSize)
	take(&v.MaxSize, in.MaxSize)
	take(&v.DesiredCapacity, in.DesiredCapacity)
	take(&v.DefaultCooldown, in.DefaultCooldown)
	take(&v.HealthCheckType, in.HealthCheckType)
	take(&v.HealthCheckGracePeriod, in.HealthCheckGracePeriod)
	take(&v.NewInstancesProtectedFromScaleIn, in.NewInstancesProtectedFromScaleIn)
	take(&v.VPCZoneIdentifier, in.VPCZoneIdentifier)
	take(&v.AvailabilityZoneDistribution, in.AvailabilityZoneDistribution)
	take(&v.AvailabilityZoneImpairmentPolicy, in.AvailabilityZoneImpairmentPolicy)
	take(&v.CapacityRebalance, in.CapacityRebalance)
	take(&v.CapacityReservationSpecification, in.CapacityReservationSpecification)
	take(&v.Context, in.Context)
	take(&v.DefaultInstanceWarmup, in.DefaultInstanceWarmup)
	take(&v.DesiredCapacityType, in.DesiredCapacityType)
	take(&v.InstanceLifecyclePolicy, in.InstanceLifecyclePolicy)
	take(&v.InstanceMaintenancePolicy, in.InstanceMaintenancePolicy)
	take(&v.MaxInstanceLifetime, in.MaxInstanceLifetime)
	take(&v.PlacementGroup, in.PlacementGroup)
	if in.DeletionProtection != "" {
		v.DeletionProtection = in.DeletionProtection
	}
	for _, list := range []struct {
		to   *[]string
		from []string
	}{{&v.TerminationPolicies, in.TerminationPolicies}, {&v.AvailabilityZones, in.AvailabilityZones}, {&v.AvailabilityZoneIds, in.AvailabilityZoneIds}} {
		if len(list.from) > 0 {
			*list.to = list.from
		}
	}
}

func take[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

// SetDesiredCapacity changes how many instances a group has.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html.
func (s *Service) SetDesiredCapacity(ctx context.Context, in *autoscaling.SetDesiredCapacityInput) (*autoscaling.SetDesiredCapacityOutput, error) {
	c := gate.From(ctx)
	g, err := s.group(c, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	want := *in.DesiredCapacity
	switch {
	case want > *g.Shown.MaxSize:
		return nil, invalid(fmt.Sprintf("New SetDesiredCapacity value %d is above max value %d for the AutoScalingGroup.", want, *g.Shown.MaxSize))
	case want < *g.Shown.MinSize:
		return nil, invalid(fmt.Sprintf("New SetDesiredCapacity value %d is below min value %d for the AutoScalingGroup.", want, *g.Shown.MinSize))
	}
	g = s.change(g, func(g *Group) {
		g.Why = userRequest(c.At, "explicitly set group desired capacity changing the desired capacity", g.desired(), int(want))
		g.Shown.DesiredCapacity, g.Next = &want, time.Time{}
	})
	s.plan(g, c.At.Add(step))
	return &autoscaling.SetDesiredCapacityOutput{}, nil
}

// DeleteAutoScalingGroup deletes a group, with ForceDelete its instances too.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html.
func (s *Service) DeleteAutoScalingGroup(ctx context.Context, in *autoscaling.DeleteAutoScalingGroupInput) (*autoscaling.DeleteAutoScalingGroupOutput, error) {
	c := gate.From(ctx)
	g, err := s.group(c, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	force := aws.ToBool(in.ForceDelete)
	protection := g.Shown.DeletionProtection
	if protection == types.DeletionProtectionPreventAllDeletion || force && protection == types.DeletionProtectionPreventForceDeletion {
		return nil, invalid("The group " + g.name() + " is protected from being deleted.") // assumed text
	}
	members := s.membersOf(g)
	if !force && slices.ContainsFunc(members, (*Member).leaving) {
		return nil, wire.Refuse("ScalingActivityInProgress", "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.")
	}
	if !force && len(members) > 0 {
		return nil, wire.Refuse("ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.")
	}
	if len(members) == 0 {
		s.end(g)
		return &autoscaling.DeleteAutoScalingGroupOutput{}, nil
	}
	g = s.change(g, func(g *Group) {
		g.Why = userRequest(c.At, "force deleted AutoScalingGroup changing the desired capacity", g.desired(), 0)
		g.Shown.Status, g.Shown.MinSize, g.Shown.DesiredCapacity = new("Delete in progress"), new(int32(0)), new(int32(0))
	})
	s.plan(g, c.At.Add(step))
	return &autoscaling.DeleteAutoScalingGroupOutput{}, nil
}

// end takes a group away, and leaves its activities, which say that it is deleted.
func (s *Service) end(g *Group) {
	s.groups.Delete(g.key())
	within := g.key() + "\x00"
	for _, a := range s.activities.All(within) {
		next := *a
		next.Shown.AutoScalingGroupState = new("Deleted")
		s.activities.Put(next.key(), &next)
	}
	for key := range s.policies.All(within) {
		s.policies.Delete(key)
	}
	for key := range s.schedules.All(within) {
		s.schedules.Delete(key)
	}
	for key := range s.hooks.All(within) {
		s.hooks.Delete(key)
	}
}

// membersOf are the instances of a group, the oldest first.
func (s *Service) membersOf(g *Group) []*Member {
	var list []*Member
	for _, m := range s.members.All(state.Key(g.Account, g.Region, "")) {
		if m.Group == g.name() {
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, func(a, b *Member) int { return a.Since.Compare(b.Since) })
	return list
}

// DescribeAutoScalingGroups lists groups with their instances.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html.
func (s *Service) DescribeAutoScalingGroups(ctx context.Context, in *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
	c := gate.From(ctx)
	var list []types.AutoScalingGroup
	for _, g := range s.groups.All(state.Key(c.Caller.Account, c.Region, "")) {
		if len(in.AutoScalingGroupNames) > 0 && !slices.Contains(in.AutoScalingGroupNames, g.name()) {
			continue
		}
		fits, err := tagged(g.Shown.Tags, in.Filters)
		if err != nil {
			return nil, err
		}
		if !fits {
			continue
		}
		list = append(list, s.shown(g))
	}
	out, next, err := page(list, in.NextToken, in.MaxRecords, 50)
	return &autoscaling.DescribeAutoScalingGroupsOutput{AutoScalingGroups: out, NextToken: next}, err
}

// shown is a group as it is described: lists that are empty are there, as on AWS.
func (s *Service) shown(g *Group) types.AutoScalingGroup {
	v := g.Shown
	v.Instances = []types.Instance{}
	for _, m := range s.membersOf(g) {
		v.Instances = append(v.Instances, m.Shown)
	}
	there(&v.AvailabilityZones)
	there(&v.LoadBalancerNames)
	there(&v.TargetGroupARNs)
	there(&v.SuspendedProcesses)
	there(&v.EnabledMetrics)
	there(&v.Tags)
	there(&v.TrafficSources)
	return v
}

// there makes a list that is nothing an empty one.
func there[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}

// DescribeAccountLimits tells AWS's default quotas.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html.
func (s *Service) DescribeAccountLimits(ctx context.Context, _ *autoscaling.DescribeAccountLimitsInput) (*autoscaling.DescribeAccountLimitsOutput, error) {
	c := gate.From(ctx)
	within := state.Key(c.Caller.Account, c.Region, "")
	var groups, configs int32
	for range s.groups.All(within) {
		groups++
	}
	for range s.configs.All(within) {
		configs++
	}
	return &autoscaling.DescribeAccountLimitsOutput{
		MaxNumberOfAutoScalingGroups: new(int32(500)), MaxNumberOfLaunchConfigurations: new(int32(200)),
		NumberOfAutoScalingGroups: &groups, NumberOfLaunchConfigurations: &configs,
	}, nil
}
