package ec2

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func (s *Service) volumeOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksCreateVolume, s.CreateVolume),
		gate.Op(gate.Writes, s.asksDeleteVolume, s.DeleteVolume),
		gate.Op(gate.Reads, onAll[ec2.DescribeVolumesInput]("DescribeVolumes"), s.DescribeVolumes),
		gate.Op(gate.Reads, onAll[ec2.DescribeVolumeStatusInput]("DescribeVolumeStatus"), s.DescribeVolumeStatus),
		gate.Op(gate.Reads, s.asksDescribeVolumeAttribute, s.DescribeVolumeAttribute),
		gate.Op(gate.Writes, s.asksModifyVolumeAttribute, s.ModifyVolumeAttribute),
		gate.Op(gate.Writes, s.asksModifyVolume, s.ModifyVolume),
		gate.Op(gate.Reads, onAll[ec2.DescribeVolumesModificationsInput]("DescribeVolumesModifications"), s.DescribeVolumesModifications),
	}
}

// asksCreateVolume: recorded, both the snapshot and volume/* are asked about, each with
// condition keys of its own.
func (s *Service) asksCreateVolume(c *gate.Call, in *ec2.CreateVolumeInput) ([]gate.Ask, error) {
	var asks []gate.Ask
	tags := tagsFor(in.TagSpecifications, types.ResourceTypeVolume)
	g := gate.RequestTags(tags)
	id := aws.ToString(in.SnapshotId)
	encrypted := aws.ToBool(in.Encrypted) || s.settingsOf(c).Encrypt
	size := aws.ToInt32(in.Size)
	if id != "" {
		asks = append(asks, s.askSnapshot(c, "CreateVolume", c.Region, id, nil))
		one(&g, "ec2:parentsnapshot", behalf.ARN("ec2", c.Region, "", "snapshot/", id))
		if n := s.Snapshots.Get(c.Region, id); n != nil && n.Seen(c.Caller.Account) {
			encrypted, size = encrypted || n.KeyARN != "", cmp.Or(size, n.Size)
		}
	}
	one(&g, "ec2:availabilityzone", aws.ToString(in.AvailabilityZone))
	one(&g, "ec2:encrypted", strconv.FormatBool(encrypted))
	one(&g, "ec2:volumesize", strconv.Itoa(int(size)))
	one(&g, "ec2:volumetype", cmp.Or(string(in.VolumeType), "gp2"))
	one(&g, "ec2:kmskeyid", aws.ToString(in.KmsKeyId))
	if in.Iops != nil {
		one(&g, "ec2:volumeiops", strconv.Itoa(int(*in.Iops)))
	}
	resource := behalf.ARN("ec2", c.Region, c.Caller.Account, "volume/*")
	asks = append(asks, askOn(c, "CreateVolume", resource, "", "AWS::EC2::Volume", g))
	return append(asks, askTags("CreateVolume", resource, tags)...), nil
}

// CreateVolume makes a volume. It answers before the key is looked at.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html.
func (s *Service) CreateVolume(ctx context.Context, in *ec2.CreateVolumeInput) (*ec2.CreateVolumeOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	tags, err := newTags(in.TagSpecifications, types.ResourceTypeVolume)
	if err != nil {
		return nil, err
	}
	if in.OutpostArn != nil {
		return nil, notOffered("Outposts")
	}
	id, seen := s.tokens.Seen(c, in.ClientToken, in)
	if seen == gate.Other {
		return nil, otherToken()
	}
	v := s.volume(c.Caller.Account, c.Region, id)
	if seen == gate.New || v == nil {
		v, _, err = s.makeVolume(ctx, volumeSpec{
			Size: aws.ToInt32(in.Size), Type: string(in.VolumeType), Zone: zoneOf(c, in), SnapshotID: aws.ToString(in.SnapshotId),
			Encrypted: in.Encrypted, KmsKeyID: in.KmsKeyId, IOPS: in.Iops, Throughput: in.Throughput, Tags: tags,
			Operation: "ec2:CreateVolume", MultiAttach: aws.ToBool(in.MultiAttachEnabled),
		})
		if err != nil {
			return nil, err
		}
		s.tokens.Keep(c, in.ClientToken, in, v.ID)
	}
	return &ec2.CreateVolumeOutput{
		AvailabilityZone: &v.Zone, AvailabilityZoneId: new(zoneID(v.Region, v.Zone)), CreateTime: &v.Created, Encrypted: new(v.KeyARN != ""), Iops: wire.Optional(v.IOPS), KmsKeyId: wire.Optional(v.KeyARN),
		MultiAttachEnabled: &v.MultiAttach, Size: &v.Size, SnapshotId: &v.SnapshotID, State: types.VolumeState(v.state(c.At)),
		Tags: shownTags(v.Tags), Throughput: wire.Optional(v.Throughput), VolumeId: &v.ID, VolumeType: types.VolumeType(v.Type),
	}, nil
}

// zoneOf is the Availability Zone that a request names, by its name or its id.
func zoneOf(c *gate.Call, in *ec2.CreateVolumeInput) string {
	if in.AvailabilityZone != nil || in.AvailabilityZoneId == nil {
		return aws.ToString(in.AvailabilityZone)
	}
	for _, zone := range zones(c.Region) {
		if zoneID(c.Region, zone) == *in.AvailabilityZoneId {
			return zone
		}
	}
	return *in.AvailabilityZoneId
}

func (s *Service) asksDeleteVolume(c *gate.Call, in *ec2.DeleteVolumeInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askVolume(c, "DeleteVolume", aws.ToString(in.VolumeId), nil)}, nil
}

// DeleteVolume deletes a volume, and retires the grants that were made for it.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVolume.html.
func (s *Service) DeleteVolume(ctx context.Context, in *ec2.DeleteVolumeInput) (*ec2.DeleteVolumeOutput, error) {
	c := gate.From(ctx)
	v, err := s.ownVolume(c, in.VolumeId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	switch v.state(c.At) {
	case "in-use":
		return nil, refuse("VolumeInUse", "Volume "+v.ID+" is currently attached to "+v.Attached[0].Instance)
	case "deleting":
		return &ec2.DeleteVolumeOutput{}, nil
	case "creating":
		return nil, refuse("IncorrectState", "The volume '"+v.ID+"' is 'creating'") // assumed text
	}
	s.dropVolume(ctx, v)
	return &ec2.DeleteVolumeOutput{}, nil
}

// dropVolume has a volume deleted, whether or not it is attached.
func (s *Service) dropVolume(ctx context.Context, v *Volume) {
	v = v.clone()
	v.Attached, v.Gone = nil, gate.From(ctx).At.Add(volumeTime)
	s.putVolume(v)
	s.volumeTask(v, v.Gone, "volume-gone")
}

// ownVolume finds a volume of the caller's account.
func (s *Service) ownVolume(c *gate.Call, id *string) (*Volume, error) {
	if err := checkID(id, "vol-", "volumeId", "InvalidVolumeID.Malformed"); err != nil {
		return nil, err
	}
	if v := s.volume(c.Caller.Account, c.Region, *id); v != nil {
		return v, nil
	}
	return nil, noVolume(*id)
}

func noVolume(id string) error {
	return refuse("InvalidVolume.NotFound", "The volume '"+id+"' does not exist.")
}

// checkID refuses an identifier that no resource can have, with the codes and texts that
// users report.
// See https://github.com/cloudavail/aws-missing-tools/issues/59,
// https://github.com/cloud-custodian/cloud-custodian/pull/1738 and
// https://github.com/turbot/steampipe-plugin-aws/issues/918.
func checkID(given *string, prefix, parameter, malformed string) error {
	id := aws.ToString(given)
	switch {
	case given == nil:
		return refuse("MissingParameter", "The request must contain the parameter "+parameter)
	case id == "":
		return invalidValue("Value () for parameter " + parameter + " is invalid. Parameter may not be null or empty")
	case !strings.HasPrefix(id, prefix):
		return invalidValue("Value (" + id + ") for parameter " + parameter + " is invalid. Expected: '" + prefix + "...'.")
	case !wellFormed(prefix, id):
		return refuse(malformed, "Invalid id: \""+id+"\"")
	}
	return nil
}

// DescribeVolumes lists volumes.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html.
func (s *Service) DescribeVolumes(ctx context.Context, in *ec2.DescribeVolumesInput) (*ec2.DescribeVolumesOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	var list []types.Volume
	err := s.eachVolume(c, in.VolumeIds, in.Filters, func(v *Volume) { list = append(list, v.shown(c.At)) })
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeVolumesOutput{Volumes: page, NextToken: next}, nil
}

// eachVolume visits the volumes of the caller's account that have one of the ids, or
// all of them, and that match.
func (s *Service) eachVolume(c *gate.Call, ids []string, filters []types.Filter, visit func(*Volume)) error {
	var list []*Volume
	for _, id := range ids {
		v, err := s.ownVolume(c, &id)
		if err != nil {
			return err
		}
		list = append(list, v)
	}
	if len(ids) == 0 {
		for _, v := range s.volumes.All(state.Key(c.Caller.Account, c.Region, "")) {
			list = append(list, v)
		}
	}
	for _, v := range list {
		ok, err := match(filters, v.fields(c.At))
		if err != nil {
			return err
		}
		if ok {
			visit(v)
		}
	}
	return nil
}

// fields are what DescribeVolumes filters by.
func (v *Volume) fields(now time.Time) fields {
	f := fields{
		"availability-zone": {v.Zone}, "create-time": {v.Created.Format(time.RFC3339)}, "encrypted": {strconv.FormatBool(v.KeyARN != "")},
		"availability-zone-id": {zoneID(v.Region, v.Zone)}, "multi-attach-enabled": {strconv.FormatBool(v.MultiAttach)}, "size": {strconv.Itoa(int(v.shownTraits(now).Size))}, "snapshot-id": {v.SnapshotID},
		"status": {v.state(now)}, "volume-id": {v.ID}, "volume-type": {v.shownTraits(now).Type}, "fast-restored": {"false"}, "operator.managed": {"false"},
		"attachment.attach-time": nil, "attachment.delete-on-termination": nil, "attachment.device": nil, "attachment.instance-id": nil, "attachment.status": nil,
	}
	for i := range v.Attached {
		a := &v.Attached[i]
		f["attachment.attach-time"] = append(f["attachment.attach-time"], a.At.Format(time.RFC3339))
		f["attachment.delete-on-termination"] = append(f["attachment.delete-on-termination"], strconv.FormatBool(a.DeleteOnTermination))
		f["attachment.device"] = append(f["attachment.device"], a.Device)
		f["attachment.instance-id"] = append(f["attachment.instance-id"], a.Instance)
		f["attachment.status"] = append(f["attachment.status"], a.state(now))
	}
	return f.tagged(v.Tags)
}

// state is what an attachment is at a time.
func (a *Attachment) state(now time.Time) string {
	switch {
	case !a.Gone.IsZero():
		return "detaching"
	case now.Before(a.Ready):
		return "attaching"
	}
	return "attached"
}

// shown is a volume as AWS shows it.
func (v *Volume) shown(now time.Time) types.Volume {
	t := v.shownTraits(now)
	out := types.Volume{
		AvailabilityZone: &v.Zone, AvailabilityZoneId: new(zoneID(v.Region, v.Zone)), CreateTime: &v.Created, Encrypted: new(v.KeyARN != ""), Iops: wire.Optional(t.IOPS), KmsKeyId: wire.Optional(v.KeyARN),
		MultiAttachEnabled: &t.MultiAttach, Size: &t.Size, SnapshotId: &v.SnapshotID, State: types.VolumeState(v.state(now)), Tags: shownTags(v.Tags),
		Throughput: wire.Optional(t.Throughput), VolumeId: &v.ID, VolumeType: types.VolumeType(t.Type),
	}
	for i := range v.Attached {
		a := &v.Attached[i]
		out.Attachments = append(out.Attachments, types.VolumeAttachment{
			AttachTime: &a.At, DeleteOnTermination: &a.DeleteOnTermination, Device: &a.Device, InstanceId: &a.Instance,
			State: types.VolumeAttachmentState(a.state(now)), VolumeId: &v.ID,
		})
	}
	return out
}

// DescribeVolumeStatus tells that volumes are well.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumeStatus.html.
func (s *Service) DescribeVolumeStatus(ctx context.Context, in *ec2.DescribeVolumeStatusInput) (*ec2.DescribeVolumeStatusOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	var list []types.VolumeStatusItem
	var failed error
	err := s.eachVolume(c, in.VolumeIds, nil, func(v *Volume) {
		f := fields{
			"availability-zone": {v.Zone}, "volume-status.status": {"ok"}, "volume-status.details-name": {"io-enabled", "io-performance"},
			"volume-status.details-status": {"passed", "not-applicable"}, "action.code": nil, "action.description": nil, "action.event-id": nil,
			"event.description": nil, "event.event-id": nil, "event.event-type": nil, "event.not-after": nil, "event.not-before": nil,
		}
		ok, err := match(in.Filters, f)
		if err != nil {
			failed = err
		}
		if !ok || v.state(c.At) == "creating" {
			return
		}
		list = append(list, types.VolumeStatusItem{
			Actions: []types.VolumeStatusAction{}, AvailabilityZone: &v.Zone, Events: []types.VolumeStatusEvent{}, VolumeId: &v.ID,
			VolumeStatus: &types.VolumeStatusInfo{Status: types.VolumeStatusInfoStatusOk, Details: []types.VolumeStatusDetails{
				{Name: types.VolumeStatusNameIoEnabled, Status: new("passed")}, {Name: types.VolumeStatusNameIoPerformance, Status: new("not-applicable")},
			}},
		})
	})
	if err := cmp.Or(err, failed); err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeVolumeStatusOutput{VolumeStatuses: page, NextToken: next}, nil
}

func (s *Service) asksDescribeVolumeAttribute(c *gate.Call, in *ec2.DescribeVolumeAttributeInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askVolume(c, "DescribeVolumeAttribute", aws.ToString(in.VolumeId), estate.Given{})}, nil
}

// DescribeVolumeAttribute tells an attribute of a volume.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumeAttribute.html.
func (s *Service) DescribeVolumeAttribute(ctx context.Context, in *ec2.DescribeVolumeAttributeInput) (*ec2.DescribeVolumeAttributeOutput, error) {
	v, err := s.ownVolume(gate.From(ctx), in.VolumeId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	out := &ec2.DescribeVolumeAttributeOutput{VolumeId: &v.ID}
	switch in.Attribute {
	case types.VolumeAttributeNameAutoEnableIO:
		out.AutoEnableIO = &types.AttributeBooleanValue{Value: &v.AutoEnableIO}
	case types.VolumeAttributeNameProductCodes:
		out.ProductCodes = []types.ProductCode{}
	default:
		return nil, invalidValue("Value (" + string(in.Attribute) + ") for parameter attribute is invalid. Unknown attribute.")
	}
	return out, nil
}

func (s *Service) asksModifyVolumeAttribute(c *gate.Call, in *ec2.ModifyVolumeAttributeInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askVolume(c, "ModifyVolumeAttribute", aws.ToString(in.VolumeId), estate.Given{})}, nil
}

// ModifyVolumeAttribute changes an attribute of a volume.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolumeAttribute.html.
func (s *Service) ModifyVolumeAttribute(ctx context.Context, in *ec2.ModifyVolumeAttributeInput) (*ec2.ModifyVolumeAttributeOutput, error) {
	v, err := s.ownVolume(gate.From(ctx), in.VolumeId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	if in.AutoEnableIO != nil {
		v = v.clone()
		v.AutoEnableIO = aws.ToBool(in.AutoEnableIO.Value)
		s.putVolume(v)
	}
	return &ec2.ModifyVolumeAttributeOutput{}, nil
}
