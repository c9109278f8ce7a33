package autoscaling

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// keptOperations are about what is kept and shown, and does nothing: there are no
// metrics, and nobody completes lifecycle actions.
func (s *Service) keptOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, onGroup(s, "PutScalingPolicy", func(in *autoscaling.PutScalingPolicyInput) *string { return in.AutoScalingGroupName }), s.PutScalingPolicy),
		gate.Op(gate.Reads, onAll[autoscaling.DescribePoliciesInput]("DescribePolicies"), s.DescribePolicies),
		gate.Op(gate.Writes, onGroup(s, "DeletePolicy", func(in *autoscaling.DeletePolicyInput) *string { return in.AutoScalingGroupName }), s.DeletePolicy),
		gate.Op(gate.Writes, onGroup(s, "PutScheduledUpdateGroupAction", func(in *autoscaling.PutScheduledUpdateGroupActionInput) *string { return in.AutoScalingGroupName }), s.PutScheduledUpdateGroupAction),
		gate.Op(gate.Reads, onAll[autoscaling.DescribeScheduledActionsInput]("DescribeScheduledActions"), s.DescribeScheduledActions),
		gate.Op(gate.Writes, onGroup(s, "DeleteScheduledAction", func(in *autoscaling.DeleteScheduledActionInput) *string { return in.AutoScalingGroupName }), s.DeleteScheduledAction),
		gate.Op(gate.Writes, onGroup(s, "PutLifecycleHook", func(in *autoscaling.PutLifecycleHookInput) *string { return in.AutoScalingGroupName }), s.PutLifecycleHook),
		gate.Op(gate.Reads, onAll[autoscaling.DescribeLifecycleHooksInput]("DescribeLifecycleHooks"), s.DescribeLifecycleHooks),
		gate.Op(gate.Writes, onGroup(s, "DeleteLifecycleHook", func(in *autoscaling.DeleteLifecycleHookInput) *string { return in.AutoScalingGroupName }), s.DeleteLifecycleHook),
		gate.Op(gate.Reads, onAll[autoscaling.DescribeLoadBalancersInput]("DescribeLoadBalancers"), s.DescribeLoadBalancers),
		gate.Op(gate.Reads, onAll[autoscaling.DescribeLoadBalancerTargetGroupsInput]("DescribeLoadBalancerTargetGroups"), s.DescribeLoadBalancerTargetGroups),
		gate.Op(gate.Reads, onAll[autoscaling.DescribeNotificationConfigurationsInput]("DescribeNotificationConfigurations"), s.DescribeNotificationConfigurations),
	}
}

// processes are what a group does by itself.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html.
func processes() []string {
	return []string{"Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck", "InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions"}
}

// chosen are the processes that a request names: all when it names none.
func chosen(names []string) ([]string, error) {
	if len(names) == 0 {
		return processes(), nil
	}
	for _, name := range names {
		if !slices.Contains(processes(), name) {
			return nil, invalid(name + " is not a process that can be suspended or resumed.") // assumed text
		}
	}
	return names, nil
}

// SuspendProcesses has a group do less by itself.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SuspendProcesses.html.
func (s *Service) SuspendProcesses(ctx context.Context, in *autoscaling.SuspendProcessesInput) (*autoscaling.SuspendProcessesOutput, error) {
	c := gate.From(ctx)
	g, err := s.group(c, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	names, err := chosen(in.ScalingProcesses)
	if err != nil {
		return nil, err
	}
	s.change(g, func(g *Group) {
		list := slices.Clone(g.Shown.SuspendedProcesses)
		for _, name := range names {
			if !g.suspended(name) {
				list = append(list, types.SuspendedProcess{ProcessName: &name, SuspensionReason: new("User suspended at " + stamp(c.At))})
			}
		}
		g.Shown.SuspendedProcesses = list
	})
	return &autoscaling.SuspendProcessesOutput{}, nil
}

// ResumeProcesses has it do so again.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_ResumeProcesses.html.
func (s *Service) ResumeProcesses(ctx context.Context, in *autoscaling.ResumeProcessesInput) (*autoscaling.ResumeProcessesOutput, error) {
	c := gate.From(ctx)
	g, err := s.group(c, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	names, err := chosen(in.ScalingProcesses)
	if err != nil {
		return nil, err
	}
	g = s.change(g, func(g *Group) {
		g.Shown.SuspendedProcesses = slices.DeleteFunc(slices.Clone(g.Shown.SuspendedProcesses), func(p types.SuspendedProcess) bool { return slices.Contains(names, *p.ProcessName) })
		g.Next, g.Tries, g.Failing = time.Time{}, 0, time.Time{}
	})
	s.plan(g, c.At.Add(step))
	return &autoscaling.ResumeProcessesOutput{}, nil
}

// PutScalingPolicy keeps a policy.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html.
func (s *Service) PutScalingPolicy(ctx context.Context, in *autoscaling.PutScalingPolicyInput) (*autoscaling.PutScalingPolicyOutput, error) {
	g, err := s.group(gate.From(ctx), in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	key := state.Key(g.Account, g.Region, g.name(), *in.PolicyName)
	name := behalf.ARN("autoscaling", g.Region, g.Account, "scalingPolicy:", s.IDs.UUID(), ":autoScalingGroupName/", g.name(), ":policyName/", *in.PolicyName)
	if old := s.policies.Get(key); old != nil {
		name = *old.Shown.PolicyARN
	}
	s.policies.Put(key, &Policy{g.Account, g.Region, types.ScalingPolicy{
		AutoScalingGroupName: in.AutoScalingGroupName, PolicyName: in.PolicyName, PolicyARN: &name, PolicyType: or(in.PolicyType, "SimpleScaling"),
		AdjustmentType: in.AdjustmentType, Cooldown: in.Cooldown, Enabled: or(in.Enabled, true), EstimatedInstanceWarmup: in.EstimatedInstanceWarmup,
		MetricAggregationType: in.MetricAggregationType, MinAdjustmentMagnitude: in.MinAdjustmentMagnitude,
		PredictiveScalingConfiguration: in.PredictiveScalingConfiguration, ScalingAdjustment: in.ScalingAdjustment, StepAdjustments: in.StepAdjustments,
		TargetTrackingConfiguration: in.TargetTrackingConfiguration,
	}})
	return &autoscaling.PutScalingPolicyOutput{PolicyARN: &name, Alarms: []types.Alarm{}}, nil
}

// DescribePolicies lists policies.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribePolicies.html.
func (s *Service) DescribePolicies(ctx context.Context, in *autoscaling.DescribePoliciesInput) (*autoscaling.DescribePoliciesOutput, error) {
	var list []types.ScalingPolicy
	for _, p := range s.policies.All(within(ctx, in.AutoScalingGroupName)) {
		named := len(in.PolicyNames) == 0 || slices.Contains(in.PolicyNames, *p.Shown.PolicyName) || slices.Contains(in.PolicyNames, *p.Shown.PolicyARN)
		if named && (len(in.PolicyTypes) == 0 || slices.Contains(in.PolicyTypes, *p.Shown.PolicyType)) {
			list = append(list, p.Shown)
		}
	}
	out, next, err := page(list, in.NextToken, in.MaxRecords, 50)
	return &autoscaling.DescribePoliciesOutput{ScalingPolicies: out, NextToken: next}, err
}

// within begins the keys of the rows of a group, or of all groups of the caller's.
func within(ctx context.Context, group *string) string {
	c := gate.From(ctx)
	if group == nil {
		return state.Key(c.Caller.Account, c.Region, "")
	}
	return state.Key(c.Caller.Account, c.Region, *group, "")
}

// DeletePolicy deletes a policy.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeletePolicy.html.
func (s *Service) DeletePolicy(ctx context.Context, in *autoscaling.DeletePolicyInput) (*autoscaling.DeletePolicyOutput, error) {
	for key, p := range s.policies.All(within(ctx, in.AutoScalingGroupName)) {
		if *p.Shown.PolicyARN == *in.PolicyName || *p.Shown.PolicyName == *in.PolicyName {
			s.policies.Delete(key)
			return &autoscaling.DeletePolicyOutput{}, nil
		}
	}
	return nil, invalid("Policy name not found - " + *in.PolicyName) // assumed text
}

// PutScheduledUpdateGroupAction keeps what a group should do at a time.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html.
func (s *Service) PutScheduledUpdateGroupAction(ctx context.Context, in *autoscaling.PutScheduledUpdateGroupActionInput) (*autoscaling.PutScheduledUpdateGroupActionOutput, error) {
	g, err := s.group(gate.From(ctx), in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	key := state.Key(g.Account, g.Region, g.name(), *in.ScheduledActionName)
	name := behalf.ARN("autoscaling", g.Region, g.Account, "scheduledUpdateGroupAction:", s.IDs.UUID(), ":autoScalingGroupName/", g.name(), ":scheduledActionName/", *in.ScheduledActionName)
	if old := s.schedules.Get(key); old != nil {
		name = *old.Shown.ScheduledActionARN
	}
	s.schedules.Put(key, &Schedule{g.Account, g.Region, types.ScheduledUpdateGroupAction{
		AutoScalingGroupName: in.AutoScalingGroupName, ScheduledActionName: in.ScheduledActionName, ScheduledActionARN: &name,
		DesiredCapacity: in.DesiredCapacity, MinSize: in.MinSize, MaxSize: in.MaxSize, Recurrence: in.Recurrence, TimeZone: in.TimeZone,
		StartTime: cmp.Or(in.StartTime, in.Time), Time: cmp.Or(in.StartTime, in.Time), EndTime: in.EndTime,
	}})
	return &autoscaling.PutScheduledUpdateGroupActionOutput{}, nil
}

// DescribeScheduledActions lists what groups should do at a time.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScheduledActions.html.
func (s *Service) DescribeScheduledActions(ctx context.Context, in *autoscaling.DescribeScheduledActionsInput) (*autoscaling.DescribeScheduledActionsOutput, error) {
	var list []types.ScheduledUpdateGroupAction
	for _, p := range s.schedules.All(within(ctx, in.AutoScalingGroupName)) {
		if len(in.ScheduledActionNames) == 0 || slices.Contains(in.ScheduledActionNames, *p.Shown.ScheduledActionName) || slices.Contains(in.ScheduledActionNames, *p.Shown.ScheduledActionARN) {
			list = append(list, p.Shown)
		}
	}
	out, next, err := page(list, in.NextToken, in.MaxRecords, 50)
	return &autoscaling.DescribeScheduledActionsOutput{ScheduledUpdateGroupActions: out, NextToken: next}, err
}

// DeleteScheduledAction deletes one.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteScheduledAction.html.
func (s *Service) DeleteScheduledAction(ctx context.Context, in *autoscaling.DeleteScheduledActionInput) (*autoscaling.DeleteScheduledActionOutput, error) {
	key := within(ctx, in.AutoScalingGroupName) + *in.ScheduledActionName
	if s.schedules.Get(key) == nil {
		return nil, invalid("Scheduled action name not found - Scheduled action " + *in.ScheduledActionName + " not found") // assumed text
	}
	s.schedules.Delete(key)
	return &autoscaling.DeleteScheduledActionOutput{}, nil
}

// PutLifecycleHook keeps a hook. Instances do not wait for it.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html.
func (s *Service) PutLifecycleHook(ctx context.Context, in *autoscaling.PutLifecycleHookInput) (*autoscaling.PutLifecycleHookOutput, error) {
	g, err := s.group(gate.From(ctx), in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	s.putHook(g, types.LifecycleHook{
		LifecycleHookName: in.LifecycleHookName, LifecycleTransition: in.LifecycleTransition, DefaultResult: in.DefaultResult, HeartbeatTimeout: in.HeartbeatTimeout,
		NotificationMetadata: in.NotificationMetadata, NotificationTargetARN: in.NotificationTargetARN, RoleARN: in.RoleARN,
	})
	return &autoscaling.PutLifecycleHookOutput{}, nil
}

func (s *Service) putHook(g *Group, h types.LifecycleHook) {
	h.AutoScalingGroupName, h.DefaultResult, h.HeartbeatTimeout = new(g.name()), or(h.DefaultResult, "ABANDON"), or(h.HeartbeatTimeout, 3600)
	h.GlobalTimeout = new(min(*h.HeartbeatTimeout*100, 172800))
	s.hooks.Put(state.Key(g.Account, g.Region, g.name(), *h.LifecycleHookName), &Hook{g.Account, g.Region, h})
}

// DescribeLifecycleHooks lists hooks.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeLifecycleHooks.html.
func (s *Service) DescribeLifecycleHooks(ctx context.Context, in *autoscaling.DescribeLifecycleHooksInput) (*autoscaling.DescribeLifecycleHooksOutput, error) {
	if _, err := s.group(gate.From(ctx), in.AutoScalingGroupName); err != nil {
		return nil, err
	}
	out := &autoscaling.DescribeLifecycleHooksOutput{LifecycleHooks: []types.LifecycleHook{}}
	for _, h := range s.hooks.All(within(ctx, in.AutoScalingGroupName)) {
		if len(in.LifecycleHookNames) == 0 || slices.Contains(in.LifecycleHookNames, *h.Shown.LifecycleHookName) {
			out.LifecycleHooks = append(out.LifecycleHooks, h.Shown)
		}
	}
	return out, nil
}

// DeleteLifecycleHook deletes a hook.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteLifecycleHook.html.
func (s *Service) DeleteLifecycleHook(ctx context.Context, in *autoscaling.DeleteLifecycleHookInput) (*autoscaling.DeleteLifecycleHookOutput, error) {
	key := within(ctx, in.AutoScalingGroupName) + *in.LifecycleHookName
	if s.hooks.Get(key) == nil {
		return nil, invalid("No Lifecycle Hook found for Lifecycle Hook name " + *in.LifecycleHookName) // assumed text
	}
	s.hooks.Delete(key)
	return &autoscaling.DeleteLifecycleHookOutput{}, nil
}

// DescribeLoadBalancers lists the load balancers that a group was made with.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeLoadBalancers.html.
func (s *Service) DescribeLoadBalancers(ctx context.Context, in *autoscaling.DescribeLoadBalancersInput) (*autoscaling.DescribeLoadBalancersOutput, error) {
	g, err := s.group(gate.From(ctx), in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	out := &autoscaling.DescribeLoadBalancersOutput{LoadBalancers: []types.LoadBalancerState{}}
	for _, name := range g.Shown.LoadBalancerNames {
		out.LoadBalancers = append(out.LoadBalancers, types.LoadBalancerState{LoadBalancerName: &name, State: new("Added")})
	}
	return out, nil
}

// DescribeLoadBalancerTargetGroups lists the target groups that a group was made with.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeLoadBalancerTargetGroups.html.
func (s *Service) DescribeLoadBalancerTargetGroups(ctx context.Context, in *autoscaling.DescribeLoadBalancerTargetGroupsInput) (*autoscaling.DescribeLoadBalancerTargetGroupsOutput, error) {
	g, err := s.group(gate.From(ctx), in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	out := &autoscaling.DescribeLoadBalancerTargetGroupsOutput{LoadBalancerTargetGroups: []types.LoadBalancerTargetGroupState{}}
	for _, name := range g.Shown.TargetGroupARNs {
		out.LoadBalancerTargetGroups = append(out.LoadBalancerTargetGroups, types.LoadBalancerTargetGroupState{LoadBalancerTargetGroupARN: &name, State: new("Added")})
	}
	return out, nil
}

// DescribeNotificationConfigurations lists nothing: the sandbox has no topics.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeNotificationConfigurations.html.
func (s *Service) DescribeNotificationConfigurations(context.Context, *autoscaling.DescribeNotificationConfigurationsInput) (*autoscaling.DescribeNotificationConfigurationsOutput, error) {
	return &autoscaling.DescribeNotificationConfigurationsOutput{NotificationConfigurations: []types.NotificationConfiguration{}}, nil
}
