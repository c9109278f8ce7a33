package ec2

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// DescribeInstanceAttribute tells one attribute of an instance.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceAttribute.html.
func (s *Service) DescribeInstanceAttribute(ctx context.Context, in *ec2.DescribeInstanceAttributeInput) (*ec2.DescribeInstanceAttributeOutput, error) {
	c := gate.From(ctx)
	list, err := s.found(c, []string{*in.InstanceId})
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	i, flag := list[0], func(b *bool) *types.AttributeBooleanValue {
		return &types.AttributeBooleanValue{Value: new(aws.ToBool(b))}
	}
	out, asked := &ec2.DescribeInstanceAttributeOutput{InstanceId: &i.ID}, i.Asked
	switch in.Attribute {
	case types.InstanceAttributeNameInstanceType:
		out.InstanceType = &types.AttributeValue{Value: new(string(typeOf(asked)))}
	case types.InstanceAttributeNameKernel:
		out.KernelId = &types.AttributeValue{Value: asked.KernelId}
	case types.InstanceAttributeNameRamdisk:
		out.RamdiskId = &types.AttributeValue{Value: asked.RamdiskId}
	case types.InstanceAttributeNameUserData:
		out.UserData = &types.AttributeValue{Value: asked.UserData}
	case types.InstanceAttributeNameDisableApiTermination:
		out.DisableApiTermination = flag(asked.DisableApiTermination)
	case types.InstanceAttributeNameDisableApiStop:
		out.DisableApiStop = flag(asked.DisableApiStop)
	case types.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		out.InstanceInitiatedShutdownBehavior = &types.AttributeValue{Value: new(shutdownOf(asked))}
	case types.InstanceAttributeNameRootDeviceName:
		out.RootDeviceName = &types.AttributeValue{Value: &i.Image.RootDevice}
	case types.InstanceAttributeNameBlockDeviceMapping:
		out.BlockDeviceMappings = shownDevices(s.devicesOf(i), c.At)
	case types.InstanceAttributeNameProductCodes:
		out.ProductCodes = []types.ProductCode{}
	case types.InstanceAttributeNameSourceDestCheck:
		out.SourceDestCheck = flag(&i.SourceDestCheck)
	case types.InstanceAttributeNameGroupSet:
		out.Groups = i.groups()
	case types.InstanceAttributeNameEbsOptimized:
		out.EbsOptimized = flag(asked.EbsOptimized)
	case types.InstanceAttributeNameSriovNetSupport:
		out.SriovNetSupport = &types.AttributeValue{Value: new("simple")}
	case types.InstanceAttributeNameEnaSupport:
		out.EnaSupport = flag(&i.Image.ENA)
	case types.InstanceAttributeNameEnclaveOptions:
		out.EnclaveOptions = &types.EnclaveOptions{Enabled: new(asked.EnclaveOptions != nil && aws.ToBool(asked.EnclaveOptions.Enabled))}
	default:
		return nil, invalidValue("Value (" + string(in.Attribute) + ") for parameter attribute is invalid. Unknown attribute.")
	}
	return out, nil
}

func shutdownOf(asked *ec2.RunInstancesInput) string {
	if asked.InstanceInitiatedShutdownBehavior != "" {
		return string(asked.InstanceInitiatedShutdownBehavior)
	}
	return string(types.ShutdownBehaviorStop)
}

// whileStopped are the attributes that only stopped instances can be given.
func whileStopped(in *ec2.ModifyInstanceAttributeInput) string {
	switch {
	case in.InstanceType != nil || in.Attribute == types.InstanceAttributeNameInstanceType:
		return "instanceType"
	case in.UserData != nil || in.Attribute == types.InstanceAttributeNameUserData:
		return "userData"
	case in.EbsOptimized != nil || in.Attribute == types.InstanceAttributeNameEbsOptimized:
		return "ebsOptimized"
	case in.EnaSupport != nil:
		return "enaSupport"
	case in.Kernel != nil:
		return "kernel"
	case in.Ramdisk != nil:
		return "ramdisk"
	}
	return ""
}

// ModifyInstanceAttribute changes an attribute of an instance.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html.
func (s *Service) ModifyInstanceAttribute(ctx context.Context, in *ec2.ModifyInstanceAttributeInput) (*ec2.ModifyInstanceAttributeOutput, error) {
	c := gate.From(ctx)
	list, err := s.found(c, []string{*in.InstanceId})
	if err != nil {
		return nil, err
	}
	i := list[0]
	if what := whileStopped(in); what != "" && i.state(c.At) != stopped {
		return nil, refuse("IncorrectInstanceState", "The instance '"+i.ID+"' is not in the 'stopped' state.")
	}
	if err := byName(in); err != nil {
		return nil, err
	}
	n := i.ask(func(asked *ec2.RunInstancesInput) { modify(asked, in) })
	if in.SourceDestCheck != nil {
		n.SourceDestCheck = aws.ToBool(in.SourceDestCheck.Value)
	}
	if in.EnaSupport != nil {
		n.Image.ENA = aws.ToBool(in.EnaSupport.Value)
	}
	if len(in.Groups) > 0 {
		w, err := network{i.Account, i.Region}.placed(&i.Subnet, nil, in.Groups)
		if err != nil {
			return nil, err
		}
		n.Groups = w.groups
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.putInstance(n)
	return &ec2.ModifyInstanceAttributeOutput{}, s.modifyDevices(i, in.BlockDeviceMappings)
}

// byName writes an attribute that is given by its name and its value, as older clients
// do, in the place of the newer form.
func byName(in *ec2.ModifyInstanceAttributeInput) error {
	if in.Attribute == "" || in.Value == nil {
		return nil
	}
	flag := &types.AttributeBooleanValue{Value: new(*in.Value == "true")}
	value := &types.AttributeValue{Value: in.Value}
	switch in.Attribute {
	case types.InstanceAttributeNameInstanceType:
		in.InstanceType = value
	case types.InstanceAttributeNameKernel:
		in.Kernel = value
	case types.InstanceAttributeNameRamdisk:
		in.Ramdisk = value
	case types.InstanceAttributeNameInstanceInitiatedShutdownBehavior:
		in.InstanceInitiatedShutdownBehavior = value
	case types.InstanceAttributeNameUserData:
		data, err := base64.StdEncoding.DecodeString(*in.Value)
		if err != nil {
			return invalidValue("Invalid BASE64 encoding of user data.")
		}
		in.UserData = &types.SecureBlobAttributeValue{Value: data}
	case types.InstanceAttributeNameDisableApiTermination:
		in.DisableApiTermination = flag
	case types.InstanceAttributeNameDisableApiStop:
		in.DisableApiStop = flag
	case types.InstanceAttributeNameEbsOptimized:
		in.EbsOptimized = flag
	case types.InstanceAttributeNameSourceDestCheck:
		in.SourceDestCheck = flag
	default:
		return invalidValue("Value (" + string(in.Attribute) + ") for parameter attribute is invalid. Unknown attribute.")
	}
	return nil
}

func modify(asked *ec2.RunInstancesInput, in *ec2.ModifyInstanceAttributeInput) {
	if in.DisableApiTermination != nil {
		asked.DisableApiTermination = in.DisableApiTermination.Value
	}
	if in.DisableApiStop != nil {
		asked.DisableApiStop = in.DisableApiStop.Value
	}
	if in.EbsOptimized != nil {
		asked.EbsOptimized = in.EbsOptimized.Value
	}
	if in.InstanceInitiatedShutdownBehavior != nil {
		asked.InstanceInitiatedShutdownBehavior = types.ShutdownBehavior(aws.ToString(in.InstanceInitiatedShutdownBehavior.Value))
	}
	if in.InstanceType != nil {
		asked.InstanceType = types.InstanceType(aws.ToString(in.InstanceType.Value))
	}
	if in.Kernel != nil {
		asked.KernelId = in.Kernel.Value
	}
	if in.Ramdisk != nil {
		asked.RamdiskId = in.Ramdisk.Value
	}
	if in.UserData != nil {
		asked.UserData = new(base64.StdEncoding.EncodeToString(in.UserData.Value))
	}
	if in.EnclaveOptions != nil {
		asked.EnclaveOptions = in.EnclaveOptions
	}
}

// modifyDevices changes whether volumes end with their instance.
func (s *Service) modifyDevices(i *Instance, list []types.InstanceBlockDeviceMappingSpecification) error {
	for _, m := range list {
		if m.Ebs == nil || m.Ebs.DeleteOnTermination == nil {
			continue
		}
		at := slices.IndexFunc(s.devicesOf(i), func(d device) bool { return d.Device == aws.ToString(m.DeviceName) })
		if at < 0 {
			return refuse("InvalidInstanceAttributeValue", "No device is currently mapped at "+aws.ToString(m.DeviceName))
		}
		v := s.devicesOf(i)[at].volume.clone()
		for n := range v.Attached {
			if v.Attached[n].Instance == i.ID {
				v.Attached[n].DeleteOnTermination = *m.Ebs.DeleteOnTermination
			}
		}
		s.putVolume(v)
	}
	return nil
}

// ModifyInstanceMetadataOptions changes the options of the metadata service.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataOptions.html.
func (s *Service) ModifyInstanceMetadataOptions(ctx context.Context, in *ec2.ModifyInstanceMetadataOptionsInput) (*ec2.ModifyInstanceMetadataOptionsOutput, error) {
	list, err := s.found(gate.From(ctx), []string{*in.InstanceId})
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	n := list[0].ask(func(asked *ec2.RunInstancesInput) {
		o := types.InstanceMetadataOptionsRequest{}
		if asked.MetadataOptions != nil {
			o = *asked.MetadataOptions
		}
		o.HttpEndpoint, o.HttpTokens = cmp.Or(in.HttpEndpoint, o.HttpEndpoint), cmp.Or(in.HttpTokens, o.HttpTokens)
		o.HttpProtocolIpv6, o.InstanceMetadataTags = cmp.Or(in.HttpProtocolIpv6, o.HttpProtocolIpv6), cmp.Or(in.InstanceMetadataTags, o.InstanceMetadataTags)
		o.HttpPutResponseHopLimit = cmp.Or(in.HttpPutResponseHopLimit, o.HttpPutResponseHopLimit)
		asked.MetadataOptions = &o
	})
	s.putInstance(n)
	return &ec2.ModifyInstanceMetadataOptionsOutput{InstanceId: &n.ID, InstanceMetadataOptions: n.metadata()}, nil
}

// DescribeInstanceCreditSpecifications tells how burstable instances spend credits.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceCreditSpecifications.html.
func (s *Service) DescribeInstanceCreditSpecifications(ctx context.Context, in *ec2.DescribeInstanceCreditSpecificationsInput) (*ec2.DescribeInstanceCreditSpecificationsOutput, error) {
	c := gate.From(ctx)
	list, err := s.listed(c, in.InstanceIds)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	all := []types.InstanceCreditSpecification{}
	for _, i := range list {
		// Without ids AWS lists those that spend without limit.
		if credits := i.credits(); credits != "" && (len(in.InstanceIds) > 0 || credits == unlimited) {
			ok, err := match(in.Filters, fields{"instance-id": {i.ID}})
			if err != nil {
				return nil, err
			}
			if ok {
				all = append(all, types.InstanceCreditSpecification{InstanceId: &i.ID, CpuCredits: &credits})
			}
		}
	}
	page, next, err := pageOf(all, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeInstanceCreditSpecificationsOutput{InstanceCreditSpecifications: page, NextToken: next}, nil
}

const unlimited = "unlimited"

// credits is how an instance spends credits, empty for one that has none.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-unlimited-mode.html.
func (i *Instance) credits() string {
	kind := string(typeOf(i.Asked))
	if i.Asked.CreditSpecification != nil && i.Asked.CreditSpecification.CpuCredits != nil {
		return *i.Asked.CreditSpecification.CpuCredits
	}
	switch family, _, _ := strings.Cut(kind, "."); family {
	case "t2":
		return "standard"
	case "t3", "t3a", "t4g":
		return unlimited
	}
	return ""
}
