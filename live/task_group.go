package live

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/cloud"
)

// group is the Auto Scaling group of the task; nil is none, or one that goes away.
func (w *work) group(ctx context.Context) (*types.AutoScalingGroup, error) {
	out, err := autoscaling.NewFromConfig(w.own).DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{w.Name}})
	if err != nil || len(out.AutoScalingGroups) == 0 {
		return nil, w.failed(err, "autoscaling:DescribeAutoScalingGroups")
	}
	g := &out.AutoScalingGroups[0]
	own := slices.ContainsFunc(g.Tags, func(t types.TagDescription) bool {
		return aws.ToString(t.Key) == cloud.TaskTag && aws.ToString(t.Value) == w.Name
	})
	if !own || g.Status != nil {
		return nil, nil
	}
	return g, nil
}

// lookGroup is done when the group's instance is in service, and failed when a launch
// was: the group tries again by itself, but each try needs the same key.
func lookGroup(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	g, err := w.group(ctx)
	if err != nil || g == nil {
		return cloud.Progress{}, false, err
	}
	p := cloud.Progress{ID: aws.ToString(g.AutoScalingGroupName), State: "no instance", Percent: -1, Started: aws.ToTime(g.CreatedTime)}
	for _, i := range g.Instances {
		p.State = string(i.LifecycleState)
		if i.LifecycleState == types.LifecycleStateInService {
			p.Done, p.Percent, p.Made = true, 100, map[string]string{"instance": aws.ToString(i.InstanceId)}
			return p, true, nil
		}
	}
	p.Failed, err = w.whyGroup(ctx)
	return p, true, err
}

// whyGroup is what the newest activity says that failed, with the reason of the instance
// that it had launched.
func (w *work) whyGroup(ctx context.Context) (string, error) {
	out, err := autoscaling.NewFromConfig(w.own).DescribeScalingActivities(ctx, &autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: &w.Name})
	if err != nil {
		return "", w.failed(err, "autoscaling:DescribeScalingActivities")
	}
	for _, a := range out.Activities {
		if a.StatusCode != types.ScalingActivityStatusCodeFailed && a.StatusCode != types.ScalingActivityStatusCodeCancelled {
			continue
		}
		why := aws.ToString(a.StatusMessage)
		if why == "" {
			why = string(a.StatusCode)
		}
		list, _, err := w.instances(ctx)
		if err != nil {
			return "", err
		}
		for _, i := range list {
			if r := i.StateReason; r != nil && !strings.Contains(why, aws.ToString(r.Code)) {
				return why + " (" + reason(aws.ToString(r.Code), aws.ToString(r.Message)) + ")", nil
			}
		}
		return why, nil
	}
	return "", nil
}

// makeGroup makes a group of one instance, in the first zone or in the task's subnet.
func makeGroup(ctx context.Context, w *work) (cloud.Progress, error) {
	template, err := w.template(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	call := &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: &w.Name, MinSize: new(int32(1)), MaxSize: new(int32(1)),
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &template, Version: new("$Latest")},
	}
	if call.VPCZoneIdentifier = optional(w.Args["subnetId"]); call.VPCZoneIdentifier == nil {
		zone, err := w.firstZone(ctx)
		if err != nil {
			return cloud.Progress{}, err
		}
		call.AvailabilityZones = []string{zone}
	}
	keys, all := w.tags()
	for _, key := range keys {
		call.Tags = append(call.Tags, types.Tag{ResourceId: &w.Name, ResourceType: new("auto-scaling-group"), Key: &key, Value: new(all[key]), PropagateAtLaunch: new(true)})
	}
	if _, err := autoscaling.NewFromConfig(w.actor).CreateAutoScalingGroup(ctx, call); err != nil {
		return cloud.Progress{}, w.failed(err, "autoscaling:CreateAutoScalingGroup")
	}
	return cloud.Progress{ID: w.Name, State: "no instance", Percent: -1}, nil
}

// firstZone is the first Availability Zone of the Region that the account may use.
func (w *work) firstZone(ctx context.Context) (string, error) {
	if z := w.Args["availabilityZone"]; z != "" {
		return z, nil
	}
	out, err := taskEC2(w.own).DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	if err != nil {
		return "", w.failed(err, "ec2:DescribeAvailabilityZones")
	}
	var names []string
	for _, z := range out.AvailabilityZones {
		if z.State == ec2types.AvailabilityZoneStateAvailable && (z.ZoneType == nil || *z.ZoneType == "availability-zone") {
			names = append(names, aws.ToString(z.ZoneName))
		}
	}
	if len(names) == 0 {
		return w.zone(), nil
	}
	return slices.Min(names), nil
}

// removeGroup takes the group away with its instances, and then the template.
func removeGroup(ctx context.Context, w *work) error {
	g, err := w.group(ctx)
	if err != nil {
		return err
	}
	if g != nil {
		_, err := autoscaling.NewFromConfig(w.own).DeleteAutoScalingGroup(ctx, &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: &w.Name, ForceDelete: new(true)})
		if err := w.failed(err, "autoscaling:DeleteAutoScalingGroup"); err != nil {
			return err
		}
	}
	if err := removeInstances(ctx, w); err != nil {
		return err
	}
	return w.removeTemplate(ctx)
}
