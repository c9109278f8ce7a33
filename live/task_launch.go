package live

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/cloud"
)

// launcher is a way in which consumers start instances.
type launcher struct {
	look   func(context.Context, *work) (cloud.Progress, bool, error)
	start  func(context.Context, *work) (cloud.Progress, error)
	remove func(context.Context, *work) error
}

// launcherOf is the way of the task's consumer.
func (w *work) launcherOf() (launcher, error) {
	switch w.As {
	case "", "role", "image-builder":
		return launcher{lookInstances, runInstances, removeInstances}, nil
	case "karpenter", "eks-auto-mode":
		return launcher{lookInstances, runFleet, removeInstantFleet}, nil
	case "auto-scaling", "eks-managed-node-group":
		return launcher{lookGroup, makeGroup, removeGroup}, nil
	case "ec2-fleet":
		return launcher{lookFleet, requestFleet, removeFleets}, nil
	case "spot":
		return launcher{lookSpot, requestSpot, removeSpot}, nil
	}
	return launcher{}, w.invalid(fmt.Errorf("instances started by %q are not known", w.As), cloud.Invalid)
}

func lookLaunch(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	l, err := w.launcherOf()
	if err != nil {
		return cloud.Progress{}, false, err
	}
	return l.look(ctx, w)
}

func startLaunch(ctx context.Context, w *work) (cloud.Progress, error) {
	l, err := w.launcherOf()
	if err != nil {
		return cloud.Progress{}, err
	}
	return l.start(ctx, w)
}

func removeLaunch(ctx context.Context, w *work) error {
	l, err := w.launcherOf()
	if err != nil {
		return err
	}
	return l.remove(ctx, w)
}

// instances are those with the task's tag, the newest first, and how many of them Remove
// ended, which AWS shows for another hour.
func (w *work) instances(ctx context.Context) (list []types.Instance, ended int, err error) {
	all, err := w.instancesLike(ctx, &ec2.DescribeInstancesInput{Filters: w.byTag()})
	if err != nil {
		return nil, 0, err
	}
	list = slices.DeleteFunc(slices.Clone(all), func(i types.Instance) bool { return removed(i.Tags) })
	return list, len(all) - len(list), nil
}

func (w *work) instancesLike(ctx context.Context, like *ec2.DescribeInstancesInput) (list []types.Instance, err error) {
	pages := ec2.NewDescribeInstancesPaginator(taskEC2(w.own), like)
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, w.failed(err, "ec2:DescribeInstances")
		}
		for _, r := range out.Reservations {
			list = append(list, r.Instances...)
		}
	}
	slices.SortFunc(list, func(a, b types.Instance) int { return aws.ToTime(b.LaunchTime).Compare(aws.ToTime(a.LaunchTime)) })
	return list, nil
}

// instanceProgress is how far an instance is: it is usable when it runs. One that ended
// says why; EC2 ends those whose volumes it could not open.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html.
func instanceProgress(i *types.Instance) cloud.Progress {
	p := cloud.Progress{ID: aws.ToString(i.InstanceId), Percent: -1, Started: aws.ToTime(i.LaunchTime)}
	if i.State != nil {
		p.State = string(i.State.Name)
	}
	switch types.InstanceStateName(p.State) {
	case types.InstanceStateNameRunning:
		p.Done, p.Percent = true, 100
	case types.InstanceStateNameTerminated:
		p.Failed = p.ID + " is terminated"
		if r := i.StateReason; r != nil {
			p.Failed = reason(aws.ToString(r.Code), aws.ToString(r.Message))
		}
	}
	return p
}

func lookInstances(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	list, _, err := w.instances(ctx)
	if err != nil || len(list) == 0 {
		return cloud.Progress{}, false, err
	}
	return instanceProgress(&list[0]), true, nil
}

// instanceType is that of the task; the smallest that is everywhere unless said.
func (w *work) instanceType() types.InstanceType {
	if t := w.Args["instanceType"]; t != "" {
		return types.InstanceType(t)
	}
	return types.InstanceTypeT3Nano
}

func runInstances(ctx context.Context, w *work) (cloud.Progress, error) {
	devices, err := w.devices(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	_, ended, err := w.instances(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	call := &ec2.RunInstancesInput{
		ImageId: &w.Source, InstanceType: w.instanceType(), MinCount: new(int32(1)), MaxCount: new(int32(1)), BlockDeviceMappings: devices,
		ClientToken: new(w.token(ended)), TagSpecifications: w.tagged(types.ResourceTypeInstance, types.ResourceTypeVolume), SubnetId: optional(w.Args["subnetId"]),
	}
	if z := w.Args["availabilityZone"]; z != "" {
		call.Placement = &types.Placement{AvailabilityZone: &z}
	}
	out, err := taskEC2(w.actor).RunInstances(ctx, call)
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return instanceProgress(&out.Instances[0]), nil
}

// removeInstances ends all instances that have the task's tag.
func removeInstances(ctx context.Context, w *work) error {
	all, err := w.instancesLike(ctx, &ec2.DescribeInstancesInput{Filters: w.byTag()})
	if err != nil {
		return err
	}
	return w.end(ctx, all)
}

// end terminates instances that live and marks them all.
func (w *work) end(ctx context.Context, list []types.Instance) error {
	var alive, all []string
	for _, i := range list {
		if i.State == nil || i.State.Name != types.InstanceStateNameTerminated && i.State.Name != types.InstanceStateNameShuttingDown {
			alive = append(alive, aws.ToString(i.InstanceId))
		}
		if !removed(i.Tags) {
			all = append(all, aws.ToString(i.InstanceId))
		}
	}
	if len(alive) > 0 {
		_, err := taskEC2(w.own).TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: alive})
		if err := w.gone(w.failed(err, "ec2:TerminateInstances")); err != nil {
			return err
		}
	}
	return w.markRemoved(ctx, all)
}

// template is the launch template of the task, which has its name, made now unless it is
// there.
func (w *work) template(ctx context.Context) (string, error) {
	id, err := w.templateThere(ctx)
	if err != nil || id != "" {
		return id, err
	}
	devices, err := w.devices(ctx)
	if err != nil {
		return "", err
	}
	data := &types.RequestLaunchTemplateData{ImageId: &w.Source, InstanceType: w.instanceType()}
	for _, d := range devices {
		data.BlockDeviceMappings = append(data.BlockDeviceMappings, types.LaunchTemplateBlockDeviceMappingRequest{
			DeviceName: d.DeviceName,
			Ebs:        &types.LaunchTemplateEbsBlockDeviceRequest{Encrypted: d.Ebs.Encrypted, KmsKeyId: d.Ebs.KmsKeyId, DeleteOnTermination: d.Ebs.DeleteOnTermination},
		})
	}
	for _, kind := range []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume} {
		data.TagSpecifications = append(data.TagSpecifications, types.LaunchTemplateTagSpecificationRequest{ResourceType: kind, Tags: w.ec2Tags()})
	}
	out, err := taskEC2(w.own).CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: &w.Name, LaunchTemplateData: data, TagSpecifications: w.tagged(types.ResourceTypeLaunchTemplate),
	})
	if err = w.failed(err, "ec2:CreateLaunchTemplate"); cloud.KindOf(err) == cloud.Exists {
		// Filters see what was made a moment ago later than names do.
		there, looked := w.templateLike(ctx, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{w.Name}})
		if looked == nil && there != "" {
			return there, nil
		}
	}
	if err != nil {
		return "", err
	}
	return aws.ToString(out.LaunchTemplate.LaunchTemplateId), nil
}

func (w *work) templateThere(ctx context.Context) (string, error) {
	return w.templateLike(ctx, &ec2.DescribeLaunchTemplatesInput{Filters: w.byTag()})
}

// templateLike finds the task's template; one that only has its name is not.
func (w *work) templateLike(ctx context.Context, like *ec2.DescribeLaunchTemplatesInput) (string, error) {
	out, err := taskEC2(w.own).DescribeLaunchTemplates(ctx, like)
	if err != nil {
		return "", w.failed(err, "ec2:DescribeLaunchTemplates")
	}
	for _, t := range out.LaunchTemplates {
		if w.ec2Own(t.Tags) {
			return aws.ToString(t.LaunchTemplateId), nil
		}
	}
	return "", nil
}

func (w *work) removeTemplate(ctx context.Context) error {
	id, err := w.templateThere(ctx)
	if err != nil || id == "" {
		return err
	}
	_, err = taskEC2(w.own).DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: &id})
	return w.gone(w.failed(err, "ec2:DeleteLaunchTemplate"))
}
