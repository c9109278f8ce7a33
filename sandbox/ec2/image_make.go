package ec2

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) imageMakeOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksRegisterImage, s.RegisterImage),
		gate.Op(gate.Writes, s.asksCreateImage, s.CreateImage),
		gate.Op(gate.Writes, s.asksCopyImage, s.CopyImage),
	}
}

// askNewImage asks for an action on an image that is to be made, and for its tags.
func askNewImage(c *gate.Call, operation string, specs []types.TagSpecification) []gate.Ask {
	tags := tagsFor(specs, types.ResourceTypeImage)
	resource := behalf.ARN("ec2", c.Region, "", "image/*")
	asks := []gate.Ask{askOn(c, operation, resource, "", "AWS::EC2::Ami", gate.RequestTags(tags))}
	asks = append(asks, askTags(operation, resource, tags)...)
	return append(asks, askTags(operation, newSnapshots(c), tagsFor(specs, types.ResourceTypeSnapshot))...)
}

// asksRegisterImage: recorded, the snapshot is asked about too.
func (s *Service) asksRegisterImage(c *gate.Call, in *ec2.RegisterImageInput) ([]gate.Ask, error) {
	asks := askNewImage(c, "RegisterImage", in.TagSpecifications)
	for _, m := range in.BlockDeviceMappings {
		if m.Ebs != nil && aws.ToString(m.Ebs.SnapshotId) != "" {
			asks = append(asks, s.askSnapshot(c, "RegisterImage", c.Region, *m.Ebs.SnapshotId, nil))
		}
	}
	return asks, nil
}

func (s *Service) asksCreateImage(c *gate.Call, in *ec2.CreateImageInput) ([]gate.Ask, error) {
	asks := append([]gate.Ask{s.askInstance(c, "CreateImage", aws.ToString(in.InstanceId))}, askNewImage(c, "CreateImage", in.TagSpecifications)...)
	return append(asks, askOn(c, "CreateImage", newSnapshots(c), "", "AWS::EC2::Snapshot", gate.RequestTags(tagsFor(in.TagSpecifications, types.ResourceTypeSnapshot)))), nil
}

// asksCopyImage asks about the image that is copied, the copy and its snapshots.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/copy-ami-permissions.html.
func (s *Service) asksCopyImage(c *gate.Call, in *ec2.CopyImageInput) ([]gate.Ask, error) {
	asks := []gate.Ask{s.askImage(c, "CopyImage", aws.ToString(in.SourceRegion), aws.ToString(in.SourceImageId), nil)}
	asks = append(asks, askNewImage(c, "CopyImage", in.TagSpecifications)...)
	return append(asks, askOn(c, "CopyImage", newSnapshots(c), "", "AWS::EC2::Snapshot", nil)), nil
}

// askImage asks for an action on an image, there or not. One that the caller does not
// see is asked about as one of its own.
func (s *Service) askImage(c *gate.Call, operation, region, id string, more estate.Given) gate.Ask {
	m := s.imageIn(c, region, id)
	if m == nil {
		return askOn(c, operation, behalf.ARN("ec2", region, "", "image/", id), "", "AWS::EC2::Ami", more)
	}
	return askOn(c, operation, m.ARN(), m.Account, "AWS::EC2::Ami", append(m.given(c.Caller.Account), more...))
}

// onImage is what an operation needs on the image that it names.
func onImage[I any](s *Service, operation string, id func(*I) *string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		return []gate.Ask{s.askImage(c, operation, c.Region, aws.ToString(id(in)), estate.Given{estate.NewEntry("ec2:imageid", policy.One(aws.ToString(id(in))))})}, nil
	}
}

// imageIn finds an image of a Region that the caller sees, or nil.
func (s *Service) imageIn(c *gate.Call, region, id string) *Image {
	there := *c
	there.Region = region
	return s.image(&there, id)
}

// named checks the name of a new image: it is the account's only one of that name.
func (s *Service) named(c *gate.Call, name string) error {
	if len(name) < 3 || len(name) > 128 {
		return refuse("InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', '/' and '_'")
	}
	for _, m := range s.images.All(state.Key(c.Region, "")) {
		if m.Account == c.Caller.Account && m.Name == name {
			return refuse("InvalidAMIName.Duplicate", "AMI name "+name+" is already in use by AMI "+m.ID)
		}
	}
	return nil
}

// newImage is an image of the caller's that is available at a time.
func (s *Service) newImage(c *gate.Call, name, description *string, specs []types.TagSpecification, done time.Time) (*Image, error) {
	if err := s.named(c, aws.ToString(name)); err != nil {
		return nil, err
	}
	tags, err := newTags(specs, types.ResourceTypeImage)
	if err != nil {
		return nil, err
	}
	return &Image{
		Account: c.Caller.Account, Region: c.Region, ID: "ami-0" + s.IDs.Hex(16), Name: aws.ToString(name), Description: aws.ToString(description),
		Created: c.At, Done: done, Tags: ownTags(c, tags),
	}, nil
}

// keep stores a new image and has told when it is available.
func (s *Service) keep(m *Image) {
	s.images.Put(m.row(), m)
	s.Agenda.Add(state.Task{At: m.Done, Service: "ec2", Account: m.Account, Region: m.Region, What: "image-done", Subject: m.ID})
}

// imageDues are what happens to images, by the words on the agenda.
func (s *Service) imageDues() map[string]func(context.Context, state.Task) error {
	return map[string]func(context.Context, state.Task) error{"image-done": func(_ context.Context, t state.Task) error {
		if m := s.images.Get(state.Key(t.Region, t.Subject)); m != nil {
			s.tellImage(m, t.At, string(m.state(t.At)))
		}
		return nil
	}}
}

// RegisterImage makes an image of snapshots. It is available at once: assumed.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html.
func (s *Service) RegisterImage(ctx context.Context, in *ec2.RegisterImageInput) (*ec2.RegisterImageOutput, error) {
	c := gate.From(ctx)
	if aws.ToString(in.ImageLocation) != "" {
		return nil, notOffered("images that are backed by an instance store")
	}
	m, err := s.newImage(c, in.Name, in.Description, in.TagSpecifications, c.At)
	if err != nil {
		return nil, err
	}
	m.imageTraits = imageTraits{
		Architecture: textOr(string(in.Architecture), "i386"), Virtualization: textOr(aws.ToString(in.VirtualizationType), "paravirtual"),
		RootDevice: aws.ToString(in.RootDeviceName), RootType: "ebs", BootMode: string(in.BootMode), PlatformDetails: "Linux/UNIX",
		UsageOperation: "RunInstances", ENA: aws.ToBool(in.EnaSupport), Watch: string(in.ImdsSupport),
	}
	m.Kernel, m.Ramdisk, m.SRIOV = aws.ToString(in.KernelId), aws.ToString(in.RamdiskId), aws.ToString(in.SriovNetSupport)
	m.IMDS, m.TPM, m.UEFI = string(in.ImdsSupport), string(in.TpmSupport), aws.ToString(in.UefiData)
	if m.Mappings, err = s.registered(c, m.RootDevice, in.BlockDeviceMappings); err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.keep(m)
	return &ec2.RegisterImageOutput{ImageId: &m.ID}, nil
}

func textOr(text, plain string) string {
	if text == "" {
		return plain
	}
	return text
}

// registered are the devices of an image, with what their snapshots add. The texts of
// its refusals are assumed.
func (s *Service) registered(c *gate.Call, root string, mappings []types.BlockDeviceMapping) ([]types.BlockDeviceMapping, error) {
	list, rooted := []types.BlockDeviceMapping{}, false
	for _, m := range mappings {
		if m.Ebs == nil {
			list = append(list, m)
			continue
		}
		e := *m.Ebs
		if e.KmsKeyId != nil {
			return nil, refuse("InvalidParameter", "The parameter KmsKeyId cannot be specified for an image")
		}
		if aws.ToString(e.SnapshotId) != "" {
			n, err := s.sourceOf(c, &volumeSpec{SnapshotID: *e.SnapshotId})
			if err != nil {
				return nil, err
			}
			e.VolumeSize = new(max(aws.ToInt32(e.VolumeSize), n.Size))
			rooted = rooted || root == "" || aws.ToString(m.DeviceName) == root
		} else if aws.ToInt32(e.VolumeSize) == 0 {
			return nil, refuse("MissingParameter", "The request must contain the parameter size or snapshotId")
		}
		if e.DeleteOnTermination == nil {
			e.DeleteOnTermination = new(true)
		}
		if e.VolumeType == "" {
			e.VolumeType = types.VolumeTypeGp2
		}
		m.Ebs = &e
		list = append(list, m)
	}
	if !rooted {
		return nil, refuse("InvalidBlockDeviceMapping", "The root device "+root+" has no snapshot")
	}
	return list, nil
}

// CreateImage makes an image of an instance: a snapshot of each of its volumes. It asks
// KMS for nothing, as snapshots of volumes do not: recorded.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html.
func (s *Service) CreateImage(ctx context.Context, in *ec2.CreateImageInput) (*ec2.CreateImageOutput, error) {
	c := gate.From(ctx)
	list, err := s.found(c, []string{aws.ToString(in.InstanceId)})
	if err != nil {
		return nil, err
	}
	i := list[0]
	if is := i.state(c.At); is != running && is != stopped && is != stopping {
		return nil, refuse("IncorrectState", "Instance is not in state 'running' or 'stopped'.") // assumed text
	}
	m, err := s.newImage(c, in.Name, in.Description, in.TagSpecifications, c.At.Add(imageTime))
	if err != nil {
		return nil, err
	}
	tags, err := newTags(in.TagSpecifications, types.ResourceTypeSnapshot)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	m.imageTraits, m.SourceInstance = i.Image, i.ID
	m.BootMode = textOr(string(in.BootModeOverride), m.BootMode)
	var under []types.BlockDeviceMapping
	for _, d := range s.devicesOf(i) {
		under = append(under, d.mapping())
	}
	for _, b := range mergedMappings(under, in.BlockDeviceMappings) {
		if b.NoDevice != nil {
			continue
		}
		s.snap(ctx, i, m, &b, tags)
		m.Mappings = append(m.Mappings, b)
	}
	s.keep(m)
	return &ec2.CreateImageOutput{ImageId: &m.ID}, nil
}

// mapping is a device as one of an image.
func (d *device) mapping() types.BlockDeviceMapping {
	v := d.volume
	e := &types.EbsBlockDevice{DeleteOnTermination: &d.DeleteOnTermination, VolumeSize: &v.Size, VolumeType: types.VolumeType(v.Type)}
	if v.Type == "io1" || v.Type == "io2" || v.Type == "gp3" {
		e.Iops = &v.IOPS
	}
	if v.Type == "gp3" {
		e.Throughput = &v.Throughput
	}
	return types.BlockDeviceMapping{DeviceName: &d.Device, Ebs: e}
}

// snap makes the snapshot of a device for an image.
func (s *Service) snap(ctx context.Context, i *Instance, m *Image, b *types.BlockDeviceMapping, tags map[string]string) {
	for _, d := range s.devicesOf(i) {
		if d.Device != aws.ToString(b.DeviceName) || b.Ebs == nil {
			continue
		}
		n := s.snapshotOf(ctx, d.volume, fmt.Sprintf("Created by CreateImage(%s) for %s", i.ID, m.ID), maps.Clone(tags))
		e := *b.Ebs
		e.SnapshotId = &n.ID
		b.Ebs = &e
	}
}

// CopyImage copies an image and its snapshots into the Region of the call.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopyImage.html.
func (s *Service) CopyImage(ctx context.Context, in *ec2.CopyImageInput) (*ec2.CopyImageOutput, error) {
	c := gate.From(ctx)
	if id, outcome := s.tokens.Seen(c, in.ClientToken, in); outcome == gate.Same {
		return &ec2.CopyImageOutput{ImageId: &id}, nil
	} else if outcome == gate.Other {
		return nil, otherToken()
	}
	if in.DestinationOutpostArn != nil || in.DestinationAvailabilityZone != nil || in.DestinationAvailabilityZoneId != nil {
		return nil, notOffered("Outposts and Local Zones")
	}
	source, err := s.copied(c, in)
	if err != nil {
		return nil, err
	}
	m, err := s.newImage(c, in.Name, in.Description, in.TagSpecifications, c.At.Add(imageTime))
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	m.imageTraits, m.SourceImage, m.SourceRegion = source.imageTraits, source.ID, source.Region
	m.Kernel, m.Ramdisk, m.SRIOV, m.IMDS, m.TPM, m.UEFI = source.Kernel, source.Ramdisk, source.SRIOV, source.IMDS, source.TPM, source.UEFI
	if aws.ToBool(in.CopyImageTags) && len(m.Tags) == 0 {
		m.Tags = ownTags(c, withoutReserved(source.Tags[c.Caller.Account]))
	}
	for _, b := range source.Mappings {
		if err := s.copyDevice(ctx, in, source, m, &b); err != nil {
			return nil, err
		}
		m.Mappings = append(m.Mappings, b)
	}
	s.keep(m)
	s.tokens.Keep(c, in.ClientToken, in, m.ID)
	return &ec2.CopyImageOutput{ImageId: &m.ID}, nil
}

// copied finds the image that is to be copied. Who copies needs the snapshots too:
// sharing an image opens them for launches only.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/CopyingAMIs.html.
func (s *Service) copied(c *gate.Call, in *ec2.CopyImageInput) (*Image, error) {
	region := aws.ToString(in.SourceRegion)
	if !isRegion(region) {
		return nil, refuse("InvalidRegion", region+" is not a valid region name")
	}
	m := s.imageIn(c, region, *in.SourceImageId)
	if m == nil {
		return nil, noImage(*in.SourceImageId)
	}
	if is := m.state(c.At); is != types.ImageStateAvailable {
		return nil, refuse("InvalidAMIID.Unavailable", "The image id '["+m.ID+"]' is "+string(is)) // assumed text
	}
	s.amazonSnapshots(m)
	for _, id := range m.snapshots() {
		n := s.Snapshots.Get(region, id)
		switch {
		case n == nil || !n.Seen(c.Caller.Account):
			return nil, refuse("InvalidRequest", "You do not have permission to access the storage of this ami") // as users report
		case n.KeyARN != "" && in.Encrypted != nil && !*in.Encrypted:
			return nil, refuse("InvalidRequest", "Snapshot "+id+" is encrypted. Creating an unencrypted copy from an encrypted snapshot is not supported.") // as users report
		}
	}
	return m, nil
}

// copyDevice copies the snapshot of a device. Where a key refuses, the image fails with
// the snapshot: assumed.
func (s *Service) copyDevice(ctx context.Context, in *ec2.CopyImageInput, source, m *Image, b *types.BlockDeviceMapping) error {
	if b.Ebs == nil || b.Ebs.SnapshotId == nil {
		return nil
	}
	n, err := s.copySnapshot(ctx, copySpec{
		SourceRegion: source.Region, SourceID: *b.Ebs.SnapshotId, Encrypted: in.Encrypted, KmsKeyID: in.KmsKeyId, Operation: "ec2:CopyImage",
		Description: fmt.Sprintf("Copied for DestinationAmi %s from SourceAmi %s for SourceSnapshot %s. Task created on %d.", m.ID, source.ID, *b.Ebs.SnapshotId, m.Created.UnixMilli()),
		Tags:        tagsFor(in.TagSpecifications, types.ResourceTypeSnapshot),
	})
	if err != nil {
		return err
	}
	if n.Failed != "" {
		m.Failed = n.Failed
	}
	e := *b.Ebs
	e.SnapshotId = &n.ID
	b.Ebs = &e
	return nil
}

// shownMapping is a device of an image as it is told: whether it is encrypted is its
// snapshot's.
func (s *Service) shownMapping(region string, b types.BlockDeviceMapping) types.BlockDeviceMapping {
	if b.Ebs == nil {
		return b
	}
	e := *b.Ebs
	encrypted := aws.ToBool(e.Encrypted)
	if n := s.Snapshots.Get(region, aws.ToString(e.SnapshotId)); n != nil {
		encrypted = encryptedSnapshot(n)
	}
	e.Encrypted = &encrypted
	b.Ebs = &e
	return b
}

func encryptedSnapshot(n *blocks.Snapshot) bool { return n.KeyARN != "" }
