package ec2

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func (s *Service) imageOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Reads, onAll[ec2.DescribeImagesInput]("DescribeImages"), s.DescribeImages),
		gate.Op(gate.Writes, onImage(s, "DeregisterImage", func(in *ec2.DeregisterImageInput) *string { return in.ImageId }), s.DeregisterImage),
		gate.Op(gate.Writes, onImage(s, "EnableImage", func(in *ec2.EnableImageInput) *string { return in.ImageId }), s.EnableImage),
		gate.Op(gate.Writes, onImage(s, "DisableImage", func(in *ec2.DisableImageInput) *string { return in.ImageId }), s.DisableImage),
	}
}

// shown is an image as an account sees it. Recorded: without the tags of others.
func (s *Service) shownImage(m *Image, viewer string, now time.Time) types.Image {
	out := types.Image{
		ImageId: &m.ID, Name: &m.Name, OwnerId: &m.Account, ImageLocation: new(m.location()), CreationDate: new(m.Created.Format("2006-01-02T15:04:05.000Z")),
		Architecture: types.ArchitectureValues(m.Architecture), VirtualizationType: types.VirtualizationType(m.Virtualization), Hypervisor: types.HypervisorTypeXen,
		ImageType: types.ImageTypeValuesMachine, Public: new(m.public()), State: m.state(now), RootDeviceType: types.DeviceType(m.RootType),
		PlatformDetails: &m.PlatformDetails, UsageOperation: &m.UsageOperation, EnaSupport: &m.ENA, BootMode: types.BootModeValues(m.BootMode),
		Platform: types.PlatformValues(m.Platform), ImdsSupport: types.ImdsSupportValues(m.IMDS), TpmSupport: types.TpmSupportValues(m.TPM),
		Description: wire.Optional(m.Description), ImageOwnerAlias: wire.Optional(m.Alias), RootDeviceName: wire.Optional(m.RootDevice), SriovNetSupport: wire.Optional(m.SRIOV),
		KernelId: wire.Optional(m.Kernel), RamdiskId: wire.Optional(m.Ramdisk), SourceImageId: wire.Optional(m.SourceImage), SourceImageRegion: wire.Optional(m.SourceRegion),
		SourceInstanceId: wire.Optional(m.SourceInstance), BlockDeviceMappings: []types.BlockDeviceMapping{},
	}
	if tags := m.Tags[viewer]; len(tags) > 0 {
		out.Tags = shownTags(tags)
	}
	for _, b := range m.Mappings {
		out.BlockDeviceMappings = append(out.BlockDeviceMappings, s.shownMapping(m.Region, b))
	}
	if m.Failed != "" && out.State == types.ImageStateFailed {
		out.StateReason = &types.StateReason{Code: new("Client.InternalError"), Message: &m.Failed} // assumed
	}
	if viewer == m.Account && !m.Used.IsZero() {
		out.LastLaunchedTime = new(m.Used.Format("2006-01-02T15:04:05Z"))
	}
	return out
}

func (m *Image) location() string {
	if m.Alias != "" {
		return m.Alias + "/" + m.Name
	}
	return m.Account + "/" + m.Name
}

// DescribeImages lists the images that the account may launch: its own, those that are
// shared with it, and public ones.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html.
func (s *Service) DescribeImages(ctx context.Context, in *ec2.DescribeImagesInput) (*ec2.DescribeImagesOutput, error) {
	c := gate.From(ctx)
	if len(in.ImageIds) > 0 && in.MaxResults != nil {
		return nil, refuse("InvalidParameterCombination", "The parameter imageIdsSet cannot be used with the parameter maxResults") // assumed text
	}
	if err := s.checkImageIDs(c, in.ImageIds); err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	list := []types.Image{}
	for _, m := range s.seenImages(c) {
		switch {
		case len(in.ImageIds) > 0 && !slices.Contains(in.ImageIds, m.ID),
			len(in.Owners) > 0 && !m.ownedBy(in.Owners, c.Caller.Account),
			len(in.ExecutableUsers) > 0 && !m.executable(in.ExecutableUsers, c.Caller.Account),
			m.state(c.At) == types.ImageStateDisabled && !aws.ToBool(in.IncludeDisabled):
			continue
		}
		shown := s.shownImage(m, c.Caller.Account, c.At)
		ok, err := match(in.Filters, imageFields(m, &shown, c.Caller.Account))
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, shown)
		}
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 1)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeImagesOutput{Images: page, NextToken: next}, nil
}

// checkImageIDs refuses ids that there are not. Recorded: those of others' images are
// no error, and find nothing.
func (s *Service) checkImageIDs(c *gate.Call, ids []string) error {
	var none []string
	for _, id := range ids {
		if !wellFormed("ami-", id) {
			return noImage(id)
		}
		if s.images.Get(state.Key(c.Region, id)) == nil && amazonImage(c.Region, id) == nil {
			none = append(none, id)
		}
	}
	if len(none) > 0 {
		return noImages(none)
	}
	return nil
}

// noImages refuses for ids of no image.
func noImages(ids []string) error {
	if len(ids) == 1 {
		return noImage(ids[0])
	}
	return refuse("InvalidAMIID.NotFound", "The image ids '["+strings.Join(ids, ", ")+"]' do not exist")
}

// seenImages are the images of the Region that the caller's account sees.
func (s *Service) seenImages(c *gate.Call) []*Image {
	var list []*Image
	for _, m := range s.images.All(state.Key(c.Region, "")) {
		if s.image(c, m.ID) != nil {
			list = append(list, m)
		}
	}
	return append(list, amazonImages(c.Region)...)
}

func (m *Image) ownedBy(owners []string, caller string) bool {
	return slices.ContainsFunc(owners, func(o string) bool {
		return o == m.Account || o == m.Alias && o != "" || o == "self" && m.Account == caller
	})
}

// executable reports whether an image may be launched by one of those that a request
// names, by a permission of their own.
func (m *Image) executable(users []string, caller string) bool {
	return slices.ContainsFunc(users, func(user string) bool {
		if user == "all" {
			return m.public()
		}
		if user == "self" {
			user = caller
		}
		return slices.ContainsFunc(m.Launch, func(p types.LaunchPermission) bool { return aws.ToString(p.UserId) == user })
	})
}

// imageFields are what images are filtered by.
func imageFields(m *Image, shown *types.Image, viewer string) fields {
	f := fields{
		"architecture": {m.Architecture}, "creation-date": {*shown.CreationDate}, "description": {m.Description}, "ena-support": {strconv.FormatBool(m.ENA)},
		"hypervisor": {"xen"}, "image-id": {m.ID}, "image-type": {"machine"}, "is-public": {strconv.FormatBool(m.public())}, "kernel-id": {m.Kernel},
		"manifest-location": {m.location()}, "name": {m.Name}, "owner-alias": {m.Alias}, "owner-id": {m.Account}, "platform": {m.Platform},
		"platform-details": {m.PlatformDetails}, "product-code": nil, "product-code.type": nil, "ramdisk-id": {m.Ramdisk}, "root-device-name": {m.RootDevice},
		"root-device-type": {m.RootType}, "source-image-id": {m.SourceImage}, "source-image-region": {m.SourceRegion}, "source-instance-id": {m.SourceInstance},
		"state": {string(shown.State)}, "state-reason-code": nil, "state-reason-message": nil, "sriov-net-support": {m.SRIOV},
		"virtualization-type": {m.Virtualization}, "usage-operation": {m.UsageOperation}, "image-allowed": {"true"},
		"block-device-mapping.device-name": nil, "block-device-mapping.snapshot-id": nil, "block-device-mapping.volume-size": nil,
		"block-device-mapping.volume-type": nil, "block-device-mapping.delete-on-termination": nil, "block-device-mapping.encrypted": nil,
	}
	if r := shown.StateReason; r != nil {
		f["state-reason-code"], f["state-reason-message"] = []string{*r.Code}, []string{*r.Message}
	}
	add := func(name, value string) {
		name = "block-device-mapping." + name
		f[name] = append(f[name], value)
	}
	for _, b := range shown.BlockDeviceMappings {
		add("device-name", aws.ToString(b.DeviceName))
		if e := b.Ebs; e != nil {
			add("snapshot-id", aws.ToString(e.SnapshotId))
			add("volume-size", strconv.Itoa(int(aws.ToInt32(e.VolumeSize))))
			add("volume-type", string(e.VolumeType))
			add("delete-on-termination", strconv.FormatBool(aws.ToBool(e.DeleteOnTermination)))
			add("encrypted", strconv.FormatBool(aws.ToBool(e.Encrypted)))
		}
	}
	return f.tagged(m.Tags[viewer])
}

// DeregisterImage takes an image away; the snapshots stay unless they are to go too.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeregisterImage.html.
func (s *Service) DeregisterImage(ctx context.Context, in *ec2.DeregisterImageInput) (*ec2.DeregisterImageOutput, error) {
	c := gate.From(ctx)
	m, err := s.ownImage(c, *in.ImageId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.images.Delete(m.row())
	s.tellImage(m, c.At, "deregistered")
	out := &ec2.DeregisterImageOutput{Return: new(true)}
	if !aws.ToBool(in.DeleteAssociatedSnapshots) {
		return out, nil
	}
	for _, id := range m.snapshots() {
		out.DeleteSnapshotResults = append(out.DeleteSnapshotResults, types.DeleteSnapshotReturnCode{SnapshotId: &id, ReturnCode: s.deleteWith(ctx, c, id)})
	}
	return out, nil
}

// deleteWith deletes a snapshot with its image, for which the caller needs the right.
func (s *Service) deleteWith(ctx context.Context, c *gate.Call, id string) types.SnapshotReturnCodes {
	n := s.Snapshots.Get(c.Region, id)
	if n == nil || n.Account != c.Caller.Account {
		return types.SnapshotReturnCodesWarnSkipped
	}
	if s.imageOf(n) != "" {
		return types.SnapshotReturnCodesWarnSkipped
	}
	err := s.Agent.DB.Try(func() error {
		_, err := s.Agent.Client.Do(ctx, "ec2", "DeleteSnapshot", &ec2.DeleteSnapshotInput{SnapshotId: &id}, gate.Forward{Service: "ec2"})
		return err
	})
	if err != nil {
		return types.SnapshotReturnCodesErrorMissingPermissions
	}
	return types.SnapshotReturnCodesSuccess
}

// DisableImage takes an image out of use: others do not see it any more, and nobody
// launches it.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableImage.html.
func (s *Service) DisableImage(ctx context.Context, in *ec2.DisableImageInput) (*ec2.DisableImageOutput, error) {
	return &ec2.DisableImageOutput{Return: new(true)}, s.setDisabled(gate.From(ctx), *in.ImageId, in.DryRun, true)
}

// EnableImage brings a disabled image back. It is private then.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImage.html.
func (s *Service) EnableImage(ctx context.Context, in *ec2.EnableImageInput) (*ec2.EnableImageOutput, error) {
	return &ec2.EnableImageOutput{Return: new(true)}, s.setDisabled(gate.From(ctx), *in.ImageId, in.DryRun, false)
}

func (s *Service) setDisabled(c *gate.Call, id string, dryRun *bool, disabled bool) error {
	m, err := s.ownImage(c, id)
	if err != nil {
		return err
	}
	if err := dry(dryRun); err != nil {
		return err
	}
	if m.Disabled == disabled {
		return nil
	}
	m = m.clone()
	m.Disabled, m.Launch = disabled, nil
	s.images.Put(m.row(), m)
	s.tellImage(m, c.At, string(m.state(c.At)))
	return nil
}
