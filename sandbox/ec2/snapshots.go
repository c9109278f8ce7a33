package ec2

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func (s *Service) snapshotOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksCreateSnapshot, s.CreateSnapshot),
		gate.Op(gate.Writes, s.asksCreateSnapshots, s.CreateSnapshots),
		gate.Op(gate.Writes, s.asksDeleteSnapshot, s.DeleteSnapshot),
		gate.Op(gate.Reads, onAll[ec2.DescribeSnapshotsInput]("DescribeSnapshots"), s.DescribeSnapshots),
		gate.Op(gate.Reads, onAll[ec2.DescribeSnapshotTierStatusInput]("DescribeSnapshotTierStatus"), s.DescribeSnapshotTierStatus),
		gate.Op(gate.Reads, onAll[ec2.ListSnapshotsInRecycleBinInput]("ListSnapshotsInRecycleBin"), s.ListSnapshotsInRecycleBin),
		gate.Op(gate.Writes, s.asksCopySnapshot, s.CopySnapshot),
	}
}

func (s *Service) asksCreateSnapshot(c *gate.Call, in *ec2.CreateSnapshotInput) ([]gate.Ask, error) {
	tags := tagsFor(in.TagSpecifications, types.ResourceTypeSnapshot)
	g := gate.RequestTags(tags)
	one(&g, "ec2:parentvolume", behalf.ARN("ec2", c.Region, c.Caller.Account, "volume/", aws.ToString(in.VolumeId)))
	asks := []gate.Ask{
		s.askVolume(c, "CreateSnapshot", aws.ToString(in.VolumeId), nil),
		askOn(c, "CreateSnapshot", newSnapshots(c), "", "AWS::EC2::Snapshot", g),
	}
	return append(asks, askTags("CreateSnapshot", newSnapshots(c), tags)...), nil
}

// perVolume is how long a volume cannot be snapshotted again.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
const perVolume = 15 * time.Second

// CreateSnapshot makes a snapshot of a volume.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html.
func (s *Service) CreateSnapshot(ctx context.Context, in *ec2.CreateSnapshotInput) (*ec2.CreateSnapshotOutput, error) {
	c := gate.From(ctx)
	v, err := s.ownVolume(c, in.VolumeId)
	if err != nil {
		return nil, err
	}
	tags, err := serviceTags(c, in.TagSpecifications, types.ResourceTypeSnapshot)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	if in.OutpostArn != nil || in.Location == types.SnapshotLocationEnumLocal {
		return nil, notOffered("Outposts and Local Zones")
	}
	n, err := s.snapshot(ctx, v, aws.ToString(in.Description), tags)
	if err != nil {
		return nil, err
	}
	shown := shownSnapshot(n, c.Caller.Account, c.At)
	return &ec2.CreateSnapshotOutput{
		Description: shown.Description, Encrypted: shown.Encrypted, KmsKeyId: shown.KmsKeyId, OwnerId: shown.OwnerId, Progress: new(""),
		SnapshotId: shown.SnapshotId, StartTime: shown.StartTime, State: shown.State, Tags: shown.Tags, VolumeId: shown.VolumeId, VolumeSize: shown.VolumeSize,
	}, nil
}

// snapshot makes a snapshot of a volume that is there, not too soon after another.
func (s *Service) snapshot(ctx context.Context, v *Volume, description string, tags map[string]string) (*blocks.Snapshot, error) {
	c := gate.From(ctx)
	if is := v.state(c.At); is == "creating" || is == "deleting" {
		return nil, refuse("IncorrectState", "The volume '"+v.ID+"' is '"+is+"'") // assumed text
	}
	if !v.Snapped.IsZero() && c.At.Before(v.Snapped.Add(perVolume)) {
		return nil, refuse("SnapshotCreationPerVolumeRateExceeded", "The maximum per volume CreateSnapshot request rate has been exceeded. Use an increasing or variable sleep interval between requests.")
	}
	n := s.snapshotOf(ctx, v, description, tags)
	v = v.clone()
	v.Snapped = c.At
	s.putVolume(v)
	return n, nil
}

func (s *Service) asksCreateSnapshots(c *gate.Call, in *ec2.CreateSnapshotsInput) ([]gate.Ask, error) {
	tags := tagsFor(in.TagSpecifications, types.ResourceTypeSnapshot)
	instance := ""
	if in.InstanceSpecification != nil {
		instance = aws.ToString(in.InstanceSpecification.InstanceId)
	}
	asks := []gate.Ask{
		askOn(c, "CreateSnapshots", behalf.ARN("ec2", c.Region, c.Caller.Account, "instance/", instance), "", "AWS::EC2::Instance", nil),
		askOn(c, "CreateSnapshots", newSnapshots(c), "", "AWS::EC2::Snapshot", gate.RequestTags(tags)),
	}
	for _, v := range s.attachedTo(c, instance) {
		asks = append(asks, s.askVolume(c, "CreateSnapshots", v.ID, nil))
	}
	return append(asks, askTags("CreateSnapshots", newSnapshots(c), tags)...), nil
}

// attachedTo are the volumes of an instance.
func (s *Service) attachedTo(c *gate.Call, instance string) (list []*Volume) {
	for _, v := range s.volumes.All(state.Key(c.Caller.Account, c.Region, "")) {
		if slices.ContainsFunc(v.Attached, func(a Attachment) bool { return a.Instance == instance }) {
			list = append(list, v)
		}
	}
	return list
}

// rootDevice reports whether a volume is the one that an instance boots from: by the
// names that AWS's images have for it.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html.
func rootDevice(v *Volume) bool {
	return slices.ContainsFunc(v.Attached, func(a Attachment) bool { return a.Device == "/dev/xvda" || a.Device == "/dev/sda1" })
}

// CreateSnapshots makes snapshots of the volumes of an instance.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html.
func (s *Service) CreateSnapshots(ctx context.Context, in *ec2.CreateSnapshotsInput) (*ec2.CreateSnapshotsOutput, error) {
	c := gate.From(ctx)
	if in.InstanceSpecification == nil {
		return nil, refuse("MissingParameter", "The request must contain the parameter InstanceSpecification")
	}
	spec := in.InstanceSpecification
	volumes := s.attachedTo(c, aws.ToString(spec.InstanceId))
	if len(volumes) == 0 {
		return nil, refuse("InvalidInstanceID.NotFound", "The instance ID '"+aws.ToString(spec.InstanceId)+"' does not exist")
	}
	tags, err := serviceTags(c, in.TagSpecifications, types.ResourceTypeSnapshot)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	out := &ec2.CreateSnapshotsOutput{}
	for _, v := range volumes {
		if slices.Contains(spec.ExcludeDataVolumeIds, v.ID) || aws.ToBool(spec.ExcludeBootVolume) && rootDevice(v) {
			continue
		}
		all := tags
		if in.CopyTagsFromSource == types.CopyTagsFromSourceVolume {
			all = withoutReserved(v.Tags)
			for key, value := range tags {
				all[key] = value
			}
		}
		n, err := s.snapshot(ctx, v, aws.ToString(in.Description), all)
		if err != nil {
			return nil, err
		}
		shown := shownSnapshot(n, c.Caller.Account, c.At)
		out.Snapshots = append(out.Snapshots, types.SnapshotInfo{
			Description: shown.Description, Encrypted: shown.Encrypted, OwnerId: shown.OwnerId, Progress: new(""), SnapshotId: shown.SnapshotId,
			StartTime: shown.StartTime, State: shown.State, Tags: shown.Tags, VolumeId: shown.VolumeId, VolumeSize: shown.VolumeSize,
		})
	}
	return out, nil
}

// withoutReserved are tags that may be copied.
func withoutReserved(tags map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range tags {
		if !strings.HasPrefix(key, "aws:") {
			out[key] = value
		}
	}
	return out
}

func (s *Service) asksDeleteSnapshot(c *gate.Call, in *ec2.DeleteSnapshotInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askSnapshot(c, "DeleteSnapshot", c.Region, aws.ToString(in.SnapshotId), nil)}, nil
}

// DeleteSnapshot deletes a snapshot, also one that is pending. Copies, volumes and
// children keep what they hold.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSnapshot.html.
func (s *Service) DeleteSnapshot(ctx context.Context, in *ec2.DeleteSnapshotInput) (*ec2.DeleteSnapshotOutput, error) {
	c := gate.From(ctx)
	n, err := s.ownSnapshot(c, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	if image := s.imageOf(n); image != "" {
		return nil, refuse("InvalidSnapshot.InUse", "The snapshot "+n.ID+" is currently in use by "+image)
	}
	if l := s.lockOf(n); l != nil && l.holds(c.At) {
		return nil, notPermitted("The snapshot " + n.ID + " is locked") // assumed text
	}
	s.Agent.Retire(ctx, n.Grants)
	s.Snapshots.Delete(n)
	s.locks.Delete(state.Key(n.Region, n.ID))
	return &ec2.DeleteSnapshotOutput{}, nil
}

// ownSnapshot finds a snapshot of the caller's account. That one of another account that
// the caller sees is refused as an image is (recorded) is assumed.
func (s *Service) ownSnapshot(c *gate.Call, id *string) (*blocks.Snapshot, error) {
	n, err := s.seenSnapshot(c, id)
	if err == nil && n.Account != c.Caller.Account {
		return nil, refuse("AuthFailure", "Not authorized for snapshot:"+n.ID) // assumed text
	}
	return n, err
}

// seenSnapshot finds a snapshot that the caller's account sees.
func (s *Service) seenSnapshot(c *gate.Call, id *string) (*blocks.Snapshot, error) {
	if err := checkID(id, "snap-", "snapshotId", "InvalidSnapshotID.Malformed"); err != nil {
		return nil, err
	}
	n := s.Snapshots.Get(c.Region, *id)
	if n == nil || !n.Seen(c.Caller.Account) {
		return nil, noSnapshot(*id)
	}
	return n, nil
}

// DescribeSnapshots lists snapshots. Recorded of who sees what: a recipient finds a
// shared snapshot by its owner and by what itself may restore, not by what the owner
// may.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html.
func (s *Service) DescribeSnapshots(ctx context.Context, in *ec2.DescribeSnapshotsInput) (*ec2.DescribeSnapshotsOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	var seen []*blocks.Snapshot
	for _, id := range in.SnapshotIds {
		n, err := s.seenSnapshot(c, &id)
		if err != nil {
			return nil, err
		}
		seen = append(seen, n)
	}
	if len(in.SnapshotIds) == 0 {
		for n := range s.Snapshots.All(c.Region) {
			if n.Seen(c.Caller.Account) {
				seen = append(seen, n)
			}
		}
	}
	list := []types.Snapshot{}
	for _, n := range seen {
		if len(in.OwnerIds) > 0 && !owned(n, in.OwnerIds, c.Caller.Account) || len(in.RestorableByUserIds) > 0 && !restorable(n, in.RestorableByUserIds, c.Caller.Account) {
			continue
		}
		ok, err := match(in.Filters, snapshotFields(n, c.Caller.Account, c.At))
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, shownSnapshot(n, c.Caller.Account, c.At))
		}
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeSnapshotsOutput{Snapshots: page, NextToken: next}, nil
}

func owned(n *blocks.Snapshot, owners []string, caller string) bool {
	return slices.ContainsFunc(owners, func(o string) bool { return o == n.Account || o == "self" && n.Account == caller })
}

// restorable reports whether one of the users may make volumes of a snapshot, as far as
// the caller may know.
func restorable(n *blocks.Snapshot, users []string, caller string) bool {
	return slices.ContainsFunc(users, func(u string) bool {
		switch u {
		case "all":
			return n.Public
		case "self", caller:
			return n.Account == caller || slices.Contains(n.Shared, caller)
		}
		return n.Account == caller && slices.Contains(n.Shared, u)
	})
}

// snapshotFields are what DescribeSnapshots filters by.
func snapshotFields(n *blocks.Snapshot, account string, now time.Time) fields {
	return fields{
		"description": {n.Description}, "encrypted": {strconv.FormatBool(n.KeyARN != "")}, "owner-alias": nil, "owner-id": {n.Account},
		"progress": {progress(n, now)}, "snapshot-id": {n.ID}, "start-time": {n.Created.Format(time.RFC3339)}, "status": {n.State(now)},
		"storage-tier": {"standard"}, "transfer-type": {transfer(n)}, "volume-id": {n.VolumeID}, "volume-size": {strconv.Itoa(int(n.Size))},
	}.tagged(n.TagsOf(account))
}

// progress is how much of a snapshot is done. Recorded of a copy that failed: nothing.
func progress(n *blocks.Snapshot, now time.Time) string {
	if n.State(now) == blocks.Completed {
		return "100%"
	}
	return "0%"
}

func transfer(n *blocks.Snapshot) string {
	if n.Copied == "" {
		return ""
	}
	return string(types.TransferTypeStandard)
}

// shownSnapshot is a snapshot as AWS shows it to an account.
func shownSnapshot(n *blocks.Snapshot, account string, now time.Time) types.Snapshot {
	out := types.Snapshot{
		Description: &n.Description, Encrypted: new(n.KeyARN != ""), KmsKeyId: wire.Optional(n.KeyARN), OwnerId: &n.Account, Progress: new(progress(n, now)),
		SnapshotId: &n.ID, StartTime: &n.Created, State: types.SnapshotState(n.State(now)), StorageTier: types.StorageTierStandard,
		VolumeId: &n.VolumeID, VolumeSize: &n.Size, TransferType: types.TransferType(transfer(n)),
	}
	if tags := n.TagsOf(account); len(tags) > 0 {
		out.Tags = shownTags(tags)
	}
	switch n.State(now) {
	case blocks.Completed:
		out.CompletionTime = &n.Done
	case blocks.Failed:
		out.StateMessage = wire.Optional(n.Failed)
	}
	return out
}

// DescribeSnapshotTierStatus tells that all snapshots are in the standard tier: there is
// no archive.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshotTierStatus.html.
func (s *Service) DescribeSnapshotTierStatus(ctx context.Context, in *ec2.DescribeSnapshotTierStatusInput) (*ec2.DescribeSnapshotTierStatusOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	var list []types.SnapshotTierStatus
	for n := range s.Snapshots.All(c.Region) {
		if n.Account != c.Caller.Account {
			continue
		}
		ok, err := match(in.Filters, fields{"snapshot-id": {n.ID}, "volume-id": {n.VolumeID}, "last-tiering-operation": nil})
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, types.SnapshotTierStatus{
				OwnerId: &n.Account, SnapshotId: &n.ID, Status: types.SnapshotState(n.State(c.At)), StorageTier: types.StorageTierStandard,
				Tags: shownTags(n.TagsOf(n.Account)), VolumeId: &n.VolumeID,
			})
		}
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 1)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeSnapshotTierStatusOutput{SnapshotTierStatuses: page, NextToken: next}, nil
}

// ListSnapshotsInRecycleBin lists none: without retention rules nothing is kept.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ListSnapshotsInRecycleBin.html.
func (s *Service) ListSnapshotsInRecycleBin(_ context.Context, in *ec2.ListSnapshotsInRecycleBinInput) (*ec2.ListSnapshotsInRecycleBinOutput, error) {
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	return &ec2.ListSnapshotsInRecycleBinOutput{Snapshots: []types.SnapshotRecycleBinInfo{}}, nil
}

// snapshotIDs are well-formed, in the old length and the new.
var snapshotIDs = regexp.MustCompile(`^snap-([0-9a-f]{8}|[0-9a-f]{17})$`)

// asksCopySnapshot: recorded, the source and snapshot/* are asked about, which a caller
// who names no snapshot or Region never gets to.
func (s *Service) asksCopySnapshot(c *gate.Call, in *ec2.CopySnapshotInput) ([]gate.Ask, error) {
	id, region := aws.ToString(in.SourceSnapshotId), aws.ToString(in.SourceRegion)
	switch {
	case id == "":
		return nil, refuse("MissingParameter", "The request must contain the parameter sourceSnapshotId")
	case region == "":
		return nil, refuse("MissingParameter", "The request must contain the parameter sourceRegion")
	case !snapshotIDs.MatchString(id) || strings.Trim(id[5:], "0") == "":
		return nil, invalidValue("The specified snapshotId is invalid")
	case !isRegion(region) || awsfacts.PartitionName(region) != awsfacts.PartitionName(c.Region):
		return nil, refuse("InvalidRegion", region+" is not a valid region name")
	}
	if err := checkPresigned(c, in); err != nil {
		return nil, err
	}
	tags := tagsFor(in.TagSpecifications, types.ResourceTypeSnapshot)
	asks := []gate.Ask{
		s.askSnapshot(c, "CopySnapshot", region, id, nil),
		askOn(c, "CopySnapshot", newSnapshots(c), "", "AWS::EC2::Snapshot", gate.RequestTags(tags)),
	}
	return append(asks, askTags("CopySnapshot", newSnapshots(c), tags)...), nil
}

// CopySnapshot copies a snapshot into the Region that is called.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html.
func (s *Service) CopySnapshot(ctx context.Context, in *ec2.CopySnapshotInput) (*ec2.CopySnapshotOutput, error) {
	tags, err := serviceTags(gate.From(ctx), in.TagSpecifications, types.ResourceTypeSnapshot)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	if in.DestinationOutpostArn != nil {
		return nil, notOffered("Outposts")
	}
	n, err := s.copySnapshot(ctx, copySpec{
		SourceRegion: *in.SourceRegion, SourceID: *in.SourceSnapshotId, Description: aws.ToString(in.Description),
		Encrypted: in.Encrypted, KmsKeyID: in.KmsKeyId, Tags: tags, Operation: "ec2:CopySnapshot",
	})
	if err != nil {
		return nil, err
	}
	out := &ec2.CopySnapshotOutput{SnapshotId: &n.ID}
	if len(tags) > 0 { // AWS's examples have no empty list
		out.Tags = shownTags(tags)
	}
	return out, nil
}
