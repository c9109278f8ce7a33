package autoscaling

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// asRole returns a context in which the group's service-linked role acts.
func (s *Service) asRole(ctx context.Context, g *Group) (context.Context, error) {
	return s.Agent.Role(ctx, *g.Shown.ServiceLinkedRoleARN, "AutoScaling", "")
}

// ec2 calls EC2 as whoever ctx says: a role that acts for a group, or the user whose call
// Auto Scaling forwards. Nothing is left of a call that fails.
func (s *Service) ec2(ctx context.Context, operation string, in any) (out any, err error) {
	f := gate.Forward{Service: "autoscaling"}
	if before := gate.From(ctx).Forward; before != nil {
		f.Assumed = before.Assumed
	}
	err = s.DB.Try(func() error {
		out, err = s.Agent.Client.Do(ctx, "ec2", operation, in, f)
		return err
	})
	return out, err
}

// place is where an instance may be launched.
type place struct{ zone, zoneID, subnet string }

// places are the subnets of a group, or its Availability Zones.
func (s *Service) places(role context.Context, g *Group) ([]place, error) {
	ids := split(g.Shown.VPCZoneIdentifier)
	if len(ids) == 0 {
		var list []place
		for _, zone := range g.Shown.AvailabilityZones {
			list = append(list, place{zone: zone})
		}
		return list, nil
	}
	out, err := s.ec2(role, "DescribeSubnets", &ec2.DescribeSubnetsInput{SubnetIds: ids})
	if err != nil {
		return nil, err
	}
	var list []place
	for _, n := range out.(*ec2.DescribeSubnetsOutput).Subnets {
		list = append(list, place{aws.ToString(n.AvailabilityZone), aws.ToString(n.AvailabilityZoneId), aws.ToString(n.SubnetId)})
	}
	return list, nil
}

// zones works out the Availability Zones of a group from its subnets.
func (s *Service) zones(ctx context.Context, g *Group) error {
	role, err := s.asRole(ctx, g)
	if err != nil {
		return err
	}
	list, err := s.places(role, g)
	if err != nil {
		return invalid(textOf(err))
	}
	if *g.Shown.VPCZoneIdentifier == "" {
		return nil
	}
	g.Shown.AvailabilityZones = nil
	for _, p := range list {
		if !slices.Contains(g.Shown.AvailabilityZones, p.zone) {
			g.Shown.AvailabilityZones = append(g.Shown.AvailabilityZones, p.zone)
		}
	}
	slices.Sort(g.Shown.AvailabilityZones)
	return nil
}

// checkLaunch checks what a group launches. With a launch template the caller needs the
// right to launch it, which Auto Scaling finds out by a dry run.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html.
func (s *Service) checkLaunch(ctx context.Context, g *Group) error {
	c := gate.From(ctx)
	if name := g.Shown.LaunchConfigurationName; name != nil {
		if s.configs.Get(state.Key(c.Caller.Account, c.Region, *name)) == nil {
			return noConfiguration(*name)
		}
		return nil
	}
	role, err := s.asRole(ctx, g)
	if err != nil {
		return err
	}
	if err := s.nameTemplate(role, &g.Shown); err != nil {
		return err
	}
	places, err := s.places(role, g)
	if err != nil {
		return invalid(textOf(err))
	}
	in, err := s.launchInput(g, places[0], false, "")
	if err != nil {
		return err
	}
	in.DryRun, in.TagSpecifications = new(true), nil // it is the role that tags
	_, err = s.ec2(ctx, "RunInstances", in)
	template, _ := templateOf(g.Shown.LaunchTemplate, g.Shown.MixedInstancesPolicy)
	switch code := codeOf(err); {
	case err == nil || code == "DryRunOperation":
		return nil
	case code == "UnauthorizedOperation":
		return denied("You are not authorized to use launch template: " + aws.ToString(template.LaunchTemplateId)) // as users report it
	case code == "":
		return err
	}
	return invalid("You must use a valid fully-formed launch template. " + textOf(err))
}

// nameTemplate completes the name or the id of a group's launch template.
func (s *Service) nameTemplate(role context.Context, g *types.AutoScalingGroup) error {
	t, _ := templateOf(g.LaunchTemplate, g.MixedInstancesPolicy)
	if t == nil {
		return invalid("Valid requests must contain either LaunchTemplateId or LaunchTemplateName")
	}
	found, err := s.template(role, t)
	if err != nil {
		return err
	}
	full := types.LaunchTemplateSpecification{LaunchTemplateId: found.LaunchTemplateId, LaunchTemplateName: found.LaunchTemplateName, Version: or(t.Version, "$Default")}
	if g.LaunchTemplate != nil {
		g.LaunchTemplate = &full
		return nil
	}
	mixed, launch := *g.MixedInstancesPolicy, *g.MixedInstancesPolicy.LaunchTemplate
	launch.LaunchTemplateSpecification = &full
	mixed.LaunchTemplate = &launch
	g.MixedInstancesPolicy = &mixed
	return nil
}

// template looks a launch template up.
func (s *Service) template(role context.Context, t *types.LaunchTemplateSpecification) (*ec2types.LaunchTemplate, error) {
	in := &ec2.DescribeLaunchTemplatesInput{}
	switch {
	case t.LaunchTemplateId != nil:
		in.LaunchTemplateIds = []string{*t.LaunchTemplateId}
	case t.LaunchTemplateName != nil:
		in.LaunchTemplateNames = []string{*t.LaunchTemplateName}
	default:
		return nil, invalid("Valid requests must contain either LaunchTemplateId or LaunchTemplateName")
	}
	out, err := s.ec2(role, "DescribeLaunchTemplates", in)
	if err != nil {
		return nil, invalid("You must use a valid fully-formed launch template. " + textOf(err))
	}
	list := out.(*ec2.DescribeLaunchTemplatesOutput).LaunchTemplates
	if len(list) == 0 {
		return nil, invalid("You must use a valid fully-formed launch template. There is no such launch template.") // assumed text
	}
	return &list[0], nil
}

// version is the number behind the version of a group's launch template.
func (s *Service) version(role context.Context, t *types.LaunchTemplateSpecification) *types.LaunchTemplateSpecification {
	out := *t
	found, err := s.template(role, t)
	if err != nil {
		return &out
	}
	switch aws.ToString(t.Version) {
	case "", "$Default":
		out.Version = number(found.DefaultVersionNumber)
	case "$Latest":
		out.Version = number(found.LatestVersionNumber)
	}
	return &out
}

func number(n *int64) *string { return new(strconv.FormatInt(aws.ToInt64(n), 10)) }

// launchInput is the call with which an instance of a group is launched.
func (s *Service) launchInput(g *Group, at place, spot bool, token string) (*ec2.RunInstancesInput, error) {
	in := &ec2.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), TagSpecifications: instanceTags(g)}
	if token != "" {
		in.ClientToken = &token
	}
	if at.subnet != "" {
		in.SubnetId = &at.subnet
	} else if at.zone != "" {
		in.Placement = &ec2types.Placement{AvailabilityZone: &at.zone}
	}
	if name := g.Shown.LaunchConfigurationName; name != nil {
		k := s.configs.Get(state.Key(g.Account, g.Region, *name))
		if k == nil {
			return nil, noConfiguration(*name)
		}
		fromConfiguration(in, &k.Shown)
		return in, nil
	}
	t, kinds := templateOf(g.Shown.LaunchTemplate, g.Shown.MixedInstancesPolicy)
	in.LaunchTemplate = &ec2types.LaunchTemplateSpecification{LaunchTemplateId: t.LaunchTemplateId, Version: t.Version}
	if len(kinds) > 0 {
		in.InstanceType = ec2types.InstanceType(kinds[0])
	}
	if spot {
		in.InstanceMarketOptions = &ec2types.InstanceMarketOptionsRequest{MarketType: ec2types.MarketTypeSpot}
	}
	return in, nil
}

// instanceTags are what a group's instances are tagged with.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html.
func instanceTags(g *Group) []ec2types.TagSpecification {
	tags := []ec2types.Tag{{Key: new("aws:autoscaling:groupName"), Value: g.Shown.AutoScalingGroupName}}
	for _, t := range g.Shown.Tags {
		if aws.ToBool(t.PropagateAtLaunch) {
			tags = append(tags, ec2types.Tag{Key: t.Key, Value: or(t.Value, "")})
		}
	}
	return []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeInstance, Tags: tags}}
}

// fromConfiguration takes over a launch configuration.
func fromConfiguration(in *ec2.RunInstancesInput, k *types.LaunchConfiguration) {
	in.ImageId, in.InstanceType = k.ImageId, ec2types.InstanceType(aws.ToString(k.InstanceType))
	in.EbsOptimized = k.EbsOptimized
	in.KeyName, in.KernelId, in.RamdiskId = given(k.KeyName), given(k.KernelId), given(k.RamdiskId)
	if text := aws.ToString(k.UserData); text != "" {
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			text = base64.StdEncoding.EncodeToString([]byte(text))
		}
		in.UserData = &text
	}
	if k.InstanceMonitoring != nil {
		in.Monitoring = &ec2types.RunInstancesMonitoringEnabled{Enabled: k.InstanceMonitoring.Enabled}
	}
	if profile := aws.ToString(k.IamInstanceProfile); profile != "" {
		in.IamInstanceProfile = &ec2types.IamInstanceProfileSpecification{Name: &profile}
		if strings.HasPrefix(profile, "arn:") {
			in.IamInstanceProfile = &ec2types.IamInstanceProfileSpecification{Arn: &profile}
		}
	}
	for _, group := range k.SecurityGroups {
		if strings.HasPrefix(group, "sg-") {
			in.SecurityGroupIds = append(in.SecurityGroupIds, group)
		} else {
			in.SecurityGroups = append(in.SecurityGroups, group)
		}
	}
	for _, b := range k.BlockDeviceMappings {
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, mapping(b))
	}
}

func mapping(b types.BlockDeviceMapping) ec2types.BlockDeviceMapping {
	out := ec2types.BlockDeviceMapping{DeviceName: b.DeviceName, VirtualName: b.VirtualName}
	if aws.ToBool(b.NoDevice) {
		out.NoDevice = new("")
	}
	if b.Ebs != nil {
		out.Ebs = &ec2types.EbsBlockDevice{
			DeleteOnTermination: b.Ebs.DeleteOnTermination, Encrypted: b.Ebs.Encrypted, Iops: b.Ebs.Iops, SnapshotId: b.Ebs.SnapshotId,
			Throughput: b.Ebs.Throughput, VolumeSize: b.Ebs.VolumeSize, VolumeType: ec2types.VolumeType(aws.ToString(b.Ebs.VolumeType)),
		}
	}
	return out
}

// given is a text, or nothing for an empty one.
func given(text *string) *string {
	if aws.ToString(text) == "" {
		return nil
	}
	return text
}
