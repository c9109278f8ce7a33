package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func (s *Service) imageShareOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Reads, onImage(s, "DescribeImageAttribute", func(in *ec2.DescribeImageAttributeInput) *string { return in.ImageId }), s.DescribeImageAttribute),
		gate.Op(gate.Writes, s.asksModifyImageAttribute, s.ModifyImageAttribute),
		gate.Op(gate.Writes, onImage(s, "ResetImageAttribute", func(in *ec2.ResetImageAttributeInput) *string { return in.ImageId }), s.ResetImageAttribute),
		gate.Op(gate.Writes, onImage(s, "CancelImageLaunchPermission", func(in *ec2.CancelImageLaunchPermissionInput) *string { return in.ImageId }), s.CancelImageLaunchPermission),
		gate.Op(gate.Reads, onAll[ec2.GetImageBlockPublicAccessStateInput]("GetImageBlockPublicAccessState"), s.GetImageBlockPublicAccessState),
		gate.Op(gate.Writes, onAll[ec2.EnableImageBlockPublicAccessInput]("EnableImageBlockPublicAccess"), s.EnableImageBlockPublicAccess),
		gate.Op(gate.Writes, onAll[ec2.DisableImageBlockPublicAccessInput]("DisableImageBlockPublicAccess"), s.DisableImageBlockPublicAccess),
	}
}

// permissions are a change of who may launch an image.
type permissions struct{ add, remove []types.LaunchPermission }

// permissionsOf reads a request in its newer or its older form.
func permissionsOf(in *ec2.ModifyImageAttributeInput) (p permissions) {
	if m := in.LaunchPermission; m != nil {
		p.add, p.remove = slices.Clone(m.Add), slices.Clone(m.Remove)
	}
	to := &p.add
	if in.OperationType == types.OperationTypeRemove {
		to = &p.remove
	}
	for _, user := range in.UserIds {
		*to = append(*to, types.LaunchPermission{UserId: &user})
	}
	for _, group := range in.UserGroups {
		*to = append(*to, types.LaunchPermission{Group: types.PermissionGroup(group)})
	}
	for _, o := range in.OrganizationArns {
		*to = append(*to, types.LaunchPermission{OrganizationArn: &o})
	}
	for _, o := range in.OrganizationalUnitArns {
		*to = append(*to, types.LaunchPermission{OrganizationalUnitArn: &o})
	}
	return p
}

// asksModifyImageAttribute: several recipients are one key with several values, as
// recorded for snapshots.
func (s *Service) asksModifyImageAttribute(c *gate.Call, in *ec2.ModifyImageAttributeInput) ([]gate.Ask, error) {
	p := permissionsOf(in)
	var g estate.Given
	for _, side := range []struct {
		name string
		list []types.LaunchPermission
	}{{"ec2:add/", p.add}, {"ec2:remove/", p.remove}} {
		values := map[string][]string{}
		for _, e := range side.list {
			kind, value := kindOf(&e)
			if !slices.Contains(values[kind], value) {
				values[kind] = append(values[kind], value)
			}
		}
		for _, kind := range []string{"userid", "group", "organizationarn", "organizationalunitarn"} {
			switch v := values[kind]; len(v) {
			case 0:
			case 1:
				one(&g, side.name+kind, v[0])
			default:
				g = append(g, estate.NewEntry(side.name+kind, policy.Many(v...)))
			}
		}
	}
	one(&g, "ec2:attribute", attributeOf(in))
	return []gate.Ask{s.askImage(c, "ModifyImageAttribute", c.Region, aws.ToString(in.ImageId), g)}, nil
}

// attributeOf is the attribute that a request changes.
func attributeOf(in *ec2.ModifyImageAttributeInput) string {
	switch {
	case in.Attribute != nil:
		return *in.Attribute
	case in.Description != nil:
		return "Description"
	case in.ImdsSupport != nil:
		return "ImdsSupport"
	}
	return "LaunchPermission"
}

func kindOf(p *types.LaunchPermission) (kind, value string) {
	switch {
	case p.UserId != nil:
		return "userid", *p.UserId
	case p.OrganizationArn != nil:
		return "organizationarn", *p.OrganizationArn
	case p.OrganizationalUnitArn != nil:
		return "organizationalunitarn", *p.OrganizationalUnitArn
	}
	return "group", string(p.Group)
}

func sameRecipient(a, b types.LaunchPermission) bool {
	kind, value := kindOf(&a)
	other, same := kindOf(&b)
	return kind == other && value == same
}

// ModifyImageAttribute shares an image, or changes what is told of it.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyImageAttribute.html.
func (s *Service) ModifyImageAttribute(ctx context.Context, in *ec2.ModifyImageAttributeInput) (*ec2.ModifyImageAttributeOutput, error) {
	c := gate.From(ctx)
	m, err := s.ownImage(c, *in.ImageId)
	if err != nil {
		return nil, err
	}
	p := permissionsOf(in)
	if err := s.mayPermit(c, m, p); err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	m = m.clone()
	switch attribute := strings.ToLower(aws.ToString(in.Attribute)); {
	case in.Description != nil:
		m.Description = aws.ToString(in.Description.Value)
	case attribute == "description":
		m.Description = aws.ToString(in.Value)
	case in.ImdsSupport != nil:
		m.IMDS, m.Watch = aws.ToString(in.ImdsSupport.Value), aws.ToString(in.ImdsSupport.Value)
	case attribute == "imdssupport":
		m.IMDS, m.Watch = aws.ToString(in.Value), aws.ToString(in.Value)
	case attribute != "" && attribute != "launchpermission":
		return nil, invalidValue("Value (" + *in.Attribute + ") for parameter attribute is invalid. Unknown attribute.")
	case len(p.add)+len(p.remove) == 0:
		return nil, refuse("InvalidParameterCombination", "No attributes specified.")
	}
	for _, e := range p.add {
		if !slices.ContainsFunc(m.Launch, func(o types.LaunchPermission) bool { return sameRecipient(o, e) }) {
			m.Launch = append(m.Launch, e)
		}
	}
	m.Launch = slices.DeleteFunc(m.Launch, func(o types.LaunchPermission) bool {
		return slices.ContainsFunc(p.remove, func(e types.LaunchPermission) bool { return sameRecipient(o, e) })
	})
	s.images.Put(m.row(), m)
	return &ec2.ModifyImageAttributeOutput{}, nil
}

// mayPermit refuses what may not be shared. The texts about keys are as users report
// them: an image under the account's own aws/ebs is shared with nobody, an encrypted one
// not with everybody.
func (s *Service) mayPermit(c *gate.Call, m *Image, p permissions) error {
	for _, e := range slices.Concat(p.add, p.remove) {
		if err := checkRecipient(&e); err != nil {
			return err
		}
	}
	if len(p.add) == 0 {
		return nil
	}
	public := slices.ContainsFunc(p.add, func(e types.LaunchPermission) bool { return e.Group != "" })
	for _, id := range m.snapshots() {
		n := s.Snapshots.Get(m.Region, id)
		switch {
		case n == nil:
		case n.Default:
			return refuse("InvalidParameter", "Snapshots encrypted with the AWS Managed CMK can’t be shared. Specify another snapshot.")
		case public && n.KeyARN != "":
			return refuse("UnsupportedOperation", "Encrypted snapshots can’t be shared publicly. Specify another snapshot.")
		}
	}
	if public && !s.settingsOf(c).PublicImages {
		return notPermitted("Images cannot be shared publicly: block public access for images is enabled in this account and Region") // assumed text
	}
	if m.Disabled {
		return refuse("InvalidAMIID.Unavailable", "The image id '["+m.ID+"]' is disabled") // assumed text
	}
	return nil
}

// checkRecipient refuses recipients that cannot be.
func checkRecipient(p *types.LaunchPermission) error {
	kind, value := kindOf(p)
	switch kind {
	case "userid":
		if !arn.IsAccount(value) {
			return refuse("InvalidAMIAttributeItemValue", "Invalid attribute item value \""+value+"\" for userId item type.")
		}
	case "group":
		if value != "all" {
			return refuse("InvalidAMIAttributeItemValue", "Invalid attribute item value \""+value+"\" for userGroup item type.")
		}
	default:
		a, err := arn.Parse(value)
		part := map[string]string{"organizationarn": "organization/", "organizationalunitarn": "ou/"}[kind]
		if err != nil || a.Service != "organizations" || !strings.HasPrefix(a.Resource, part) {
			return invalidValue("The ARN " + value + " is none of an organization or a unit of one") // assumed text
		}
	}
	return nil
}

// DescribeImageAttribute tells one attribute of an image to its owner.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImageAttribute.html.
func (s *Service) DescribeImageAttribute(ctx context.Context, in *ec2.DescribeImageAttributeInput) (*ec2.DescribeImageAttributeOutput, error) {
	m, err := s.ownImage(gate.From(ctx), *in.ImageId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	value := func(v string) *types.AttributeValue { return &types.AttributeValue{Value: wire.Optional(v)} }
	out := &ec2.DescribeImageAttributeOutput{ImageId: &m.ID}
	switch in.Attribute {
	case types.ImageAttributeNameLaunchPermission:
		out.LaunchPermissions = append([]types.LaunchPermission{}, m.Launch...)
	case types.ImageAttributeNameDescription:
		out.Description = value(m.Description)
	case types.ImageAttributeNameKernel:
		out.KernelId = value(m.Kernel)
	case types.ImageAttributeNameRamdisk:
		out.RamdiskId = value(m.Ramdisk)
	case types.ImageAttributeNameSriovNetSupport:
		out.SriovNetSupport = value(m.SRIOV)
	case types.ImageAttributeNameBootMode:
		out.BootMode = value(m.BootMode)
	case types.ImageAttributeNameTpmSupport:
		out.TpmSupport = value(m.TPM)
	case types.ImageAttributeNameUefiData:
		out.UefiData = value(m.UEFI)
	case types.ImageAttributeNameImdsSupport:
		out.ImdsSupport = value(m.IMDS)
	case types.ImageAttributeNameDeregistrationProtection:
		out.DeregistrationProtection = value("disabled")
	case types.ImageAttributeNameProductCodes:
		out.ProductCodes = []types.ProductCode{}
	case types.ImageAttributeNameLastLaunchedTime:
		out.LastLaunchedTime = value("")
		if !m.Used.IsZero() {
			out.LastLaunchedTime = value(m.Used.Format("2006-01-02T15:04:05Z"))
		}
	case types.ImageAttributeNameBlockDeviceMapping:
		for _, b := range m.Mappings {
			out.BlockDeviceMappings = append(out.BlockDeviceMappings, s.shownMapping(m.Region, b))
		}
	default:
		return nil, invalidValue("Value (" + string(in.Attribute) + ") for parameter attribute is invalid. Unknown attribute.")
	}
	return out, nil
}

// ResetImageAttribute shares an image with nobody again.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResetImageAttribute.html.
func (s *Service) ResetImageAttribute(ctx context.Context, in *ec2.ResetImageAttributeInput) (*ec2.ResetImageAttributeOutput, error) {
	m, err := s.ownImage(gate.From(ctx), *in.ImageId)
	if err != nil {
		return nil, err
	}
	if in.Attribute != types.ResetImageAttributeNameLaunchPermission {
		return nil, invalidValue("Value (" + string(in.Attribute) + ") for parameter attribute is invalid. Unknown attribute.")
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	m = m.clone()
	m.Launch = nil
	s.images.Put(m.row(), m)
	return &ec2.ResetImageAttributeOutput{}, nil
}

// CancelImageLaunchPermission ends what another account shared with the caller's by
// name.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CancelImageLaunchPermission.html.
func (s *Service) CancelImageLaunchPermission(ctx context.Context, in *ec2.CancelImageLaunchPermissionInput) (*ec2.CancelImageLaunchPermissionOutput, error) {
	c := gate.From(ctx)
	m := s.image(c, *in.ImageId)
	if m == nil {
		return nil, noImage(*in.ImageId)
	}
	mine := func(p types.LaunchPermission) bool { return aws.ToString(p.UserId) == c.Caller.Account }
	if m.Account == c.Caller.Account || !slices.ContainsFunc(m.Launch, mine) {
		return nil, invalidValue("The image " + m.ID + " is not shared with this account") // assumed text
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	m = m.clone()
	m.Launch = slices.DeleteFunc(m.Launch, mine)
	s.images.Put(m.row(), m)
	return &ec2.CancelImageLaunchPermissionOutput{Return: new(true)}, nil
}

// States of block public access for images. New accounts have it enabled.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-public-access-to-amis.html.
const (
	newSharingBlocked = "block-new-sharing"
	sharingUnblocked  = "unblocked"
)

// GetImageBlockPublicAccessState tells whether images may be shared with everybody.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetImageBlockPublicAccessState.html.
func (s *Service) GetImageBlockPublicAccessState(ctx context.Context, in *ec2.GetImageBlockPublicAccessStateInput) (*ec2.GetImageBlockPublicAccessStateOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	is := newSharingBlocked
	if s.settingsOf(gate.From(ctx)).PublicImages {
		is = sharingUnblocked
	}
	return &ec2.GetImageBlockPublicAccessStateOutput{ImageBlockPublicAccessState: &is, ManagedBy: types.ManagedByAccount}, nil
}

// EnableImageBlockPublicAccess has images not shared with everybody any more; those that
// are stay so.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageBlockPublicAccess.html.
func (s *Service) EnableImageBlockPublicAccess(ctx context.Context, in *ec2.EnableImageBlockPublicAccessInput) (*ec2.EnableImageBlockPublicAccessOutput, error) {
	if in.ImageBlockPublicAccessState != types.ImageBlockPublicAccessEnabledStateBlockNewSharing {
		return nil, invalidValue("Value (" + string(in.ImageBlockPublicAccessState) + ") for parameter imageBlockPublicAccessState is invalid.") // assumed text
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.set(gate.From(ctx), func(v *Settings) { v.PublicImages = false })
	return &ec2.EnableImageBlockPublicAccessOutput{ImageBlockPublicAccessState: types.ImageBlockPublicAccessEnabledStateBlockNewSharing}, nil
}

// DisableImageBlockPublicAccess lets images be shared with everybody.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableImageBlockPublicAccess.html.
func (s *Service) DisableImageBlockPublicAccess(ctx context.Context, in *ec2.DisableImageBlockPublicAccessInput) (*ec2.DisableImageBlockPublicAccessOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.set(gate.From(ctx), func(v *Settings) { v.PublicImages = true })
	return &ec2.DisableImageBlockPublicAccessOutput{ImageBlockPublicAccessState: types.ImageBlockPublicAccessDisabledStateUnblocked}, nil
}
