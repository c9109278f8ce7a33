package autoscaling

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func (s *Service) configurationOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.askNew, s.CreateLaunchConfiguration),
		gate.Op(gate.Reads, onAll[autoscaling.DescribeLaunchConfigurationsInput]("DescribeLaunchConfigurations"), s.DescribeLaunchConfigurations),
		gate.Op(gate.Writes, func(c *gate.Call, in *autoscaling.DeleteLaunchConfigurationInput) ([]gate.Ask, error) {
			return []gate.Ask{s.askConfiguration(c, "DeleteLaunchConfiguration", *in.LaunchConfigurationName, nil)}, nil
		}, s.DeleteLaunchConfiguration),
	}
}

// askNew is what CreateLaunchConfiguration needs: beside the operation the right to pass
// the role of an instance profile.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/us-iam-role.html.
func (s *Service) askNew(c *gate.Call, in *autoscaling.CreateLaunchConfigurationInput) ([]gate.Ask, error) {
	var g estate.Given
	for _, v := range []struct {
		name  string
		value *string
	}{{"imageid", in.ImageId}, {"instancetype", in.InstanceType}, {"spotprice", in.SpotPrice}} {
		if v.value != nil {
			g = append(g, estate.NewEntry("autoscaling:"+v.name, policy.One(*v.value)))
		}
	}
	list := []gate.Ask{s.askConfiguration(c, "CreateLaunchConfiguration", *in.LaunchConfigurationName, g)}
	profile := aws.ToString(in.IamInstanceProfile)
	if _, _, role, ok := s.Profiles.InstanceProfile(c.Caller.Account, profile[strings.LastIndexByte(profile, '/')+1:]); ok {
		list = append(list, askPass(&role, "ec2.amazonaws.com")...)
	}
	return list, nil
}

func noConfiguration(name string) error {
	return invalid("Launch configuration name not found - Launch configuration " + name + " not found")
}

// CreateLaunchConfiguration keeps what a group launches, in the form that came before
// launch templates.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateLaunchConfiguration.html.
func (s *Service) CreateLaunchConfiguration(ctx context.Context, in *autoscaling.CreateLaunchConfigurationInput) (*autoscaling.CreateLaunchConfigurationOutput, error) {
	c := gate.From(ctx)
	name := *in.LaunchConfigurationName
	if s.configs.Get(state.Key(c.Caller.Account, c.Region, name)) != nil {
		return nil, wire.Refuse("AlreadyExists", "Launch Configuration by this name already exists - A launch configuration already exists with the name "+name)
	}
	if in.InstanceId != nil {
		return nil, wire.Refuse("NotImplemented", "The sandbox makes no launch configuration from an instance: name an image.")
	}
	if in.ImageId == nil || in.InstanceType == nil {
		return nil, invalid("Valid requests must contain either the InstanceID parameter or both the ImageId and InstanceType parameters.")
	}
	v := types.LaunchConfiguration{
		LaunchConfigurationName: &name, LaunchConfigurationARN: new(configurationARN(c.Caller.Account, c.Region, s.IDs.UUID(), name)),
		CreatedTime: new(c.At.Truncate(time.Millisecond)), ImageId: in.ImageId, InstanceType: in.InstanceType,
		AssociatePublicIpAddress: in.AssociatePublicIpAddress, BlockDeviceMappings: in.BlockDeviceMappings, ClassicLinkVPCId: in.ClassicLinkVPCId,
		ClassicLinkVPCSecurityGroups: in.ClassicLinkVPCSecurityGroups, EbsOptimized: or(in.EbsOptimized, false), IamInstanceProfile: in.IamInstanceProfile,
		InstanceMonitoring: or(in.InstanceMonitoring, types.InstanceMonitoring{Enabled: new(true)}), KernelId: or(in.KernelId, ""), KeyName: or(in.KeyName, ""),
		MetadataOptions: in.MetadataOptions, PlacementTenancy: in.PlacementTenancy, RamdiskId: or(in.RamdiskId, ""), SecurityGroups: in.SecurityGroups,
		SpotPrice: in.SpotPrice, UserData: or(in.UserData, ""),
	}
	there(&v.BlockDeviceMappings)
	there(&v.ClassicLinkVPCSecurityGroups)
	there(&v.SecurityGroups)
	s.configs.Put(state.Key(c.Caller.Account, c.Region, name), &Configuration{Account: c.Caller.Account, Region: c.Region, Shown: v})
	return &autoscaling.CreateLaunchConfigurationOutput{}, nil
}

// DescribeLaunchConfigurations lists launch configurations.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeLaunchConfigurations.html.
func (s *Service) DescribeLaunchConfigurations(ctx context.Context, in *autoscaling.DescribeLaunchConfigurationsInput) (*autoscaling.DescribeLaunchConfigurationsOutput, error) {
	c := gate.From(ctx)
	var list []types.LaunchConfiguration
	for _, k := range s.configs.All(state.Key(c.Caller.Account, c.Region, "")) {
		if len(in.LaunchConfigurationNames) == 0 || slices.Contains(in.LaunchConfigurationNames, *k.Shown.LaunchConfigurationName) {
			list = append(list, k.Shown)
		}
	}
	out, next, err := page(list, in.NextToken, in.MaxRecords, 50)
	return &autoscaling.DescribeLaunchConfigurationsOutput{LaunchConfigurations: out, NextToken: next}, err
}

// DeleteLaunchConfiguration deletes a launch configuration that no group has.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteLaunchConfiguration.html.
func (s *Service) DeleteLaunchConfiguration(ctx context.Context, in *autoscaling.DeleteLaunchConfigurationInput) (*autoscaling.DeleteLaunchConfigurationOutput, error) {
	c := gate.From(ctx)
	name := *in.LaunchConfigurationName
	key := state.Key(c.Caller.Account, c.Region, name)
	if s.configs.Get(key) == nil {
		return nil, noConfiguration(name)
	}
	for _, g := range s.groups.All(state.Key(c.Caller.Account, c.Region, "")) {
		if aws.ToString(g.Shown.LaunchConfigurationName) == name {
			return nil, wire.Refuse("ResourceInUse", "Cannot delete launch configuration "+name+" because it is attached to AutoScalingGroup "+g.name())
		}
	}
	s.configs.Delete(key)
	return &autoscaling.DeleteLaunchConfigurationOutput{}, nil
}
