package backup

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// volumes is the kind of EBS volumes, whose recovery points are snapshots.
type volumes struct{ agent *behalf.Agent }

func (volumes) name() string { return "EBS" }

// sourceTag is on all that AWS Backup makes in EC2: its managed policy for backup roles
// lets them share what has the tag.
// See https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForBackup.html.
const sourceTag = "aws:backup:source-resource"

// managedTag is on what AWS Backup copies into other accounts; its service-linked role
// may delete what has it.
// See https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceLinkedRolePolicyForBackup.html.
const managedTag = "AWSBackupManagedResource"

const gibibyte = 1 << 30

// idOf is the id in the ARN of a volume, a snapshot or an image.
func idOf(resource string) string {
	a, err := arn.Parse(resource)
	if err != nil {
		return resource
	}
	for i := range a.Resource {
		if a.Resource[i] == '/' {
			return a.Resource[i+1:]
		}
	}
	return a.Resource
}

// specification is tags as a request of EC2 has them.
func specification(kind types.ResourceType, tags map[string]string) []types.TagSpecification {
	if len(tags) == 0 {
		return nil
	}
	spec := types.TagSpecification{ResourceType: kind}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		spec.Tags = append(spec.Tags, types.Tag{Key: new(key), Value: new(tags[key])})
	}
	return []types.TagSpecification{spec}
}

func (k volumes) backup(ctx context.Context, j *BackupJob) (string, map[string]string, error) {
	id := idOf(j.Resource)
	out, err := do[ec2.DescribeVolumesOutput](ctx, k.agent, "ec2", "DescribeVolumes", &ec2.DescribeVolumesInput{VolumeIds: []string{id}}, asRole)
	if err != nil {
		return "", nil, err
	}
	if len(out.Volumes) == 0 {
		return "", nil, refuse("", "The specified volume was not found.") // documented
	}
	v := &out.Volumes[0]
	tags := map[string]string{sourceTag: j.Resource}
	for _, t := range v.Tags {
		tags[text(t.Key)] = text(t.Value)
	}
	maps.Copy(tags, j.Tags)
	n, err := do[ec2.CreateSnapshotOutput](ctx, k.agent, "ec2", "CreateSnapshot", &ec2.CreateSnapshotInput{
		VolumeId: &id, Description: new("This snapshot is created by the AWS Backup service."), TagSpecifications: specification(types.ResourceTypeSnapshot, tags),
	}, asRole)
	if err != nil {
		return "", nil, err
	}
	return snapshotARN(ctx, n.SnapshotId), volumeMetadata(v), nil
}

func snapshotARN(ctx context.Context, id *string) string {
	return behalf.ARN("ec2", gate.From(ctx).Region, "", "snapshot/", text(id))
}

// volumeMetadata is what the restore of a volume may be told.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-ebs.html.
func volumeMetadata(v *types.Volume) map[string]string {
	m := map[string]string{
		"volumeId": text(v.VolumeId), "availabilityZone": text(v.AvailabilityZone), "volumeType": string(v.VolumeType), "encrypted": "false",
	}
	if v.Size != nil {
		m["volumeSize"] = strconv.Itoa(int(*v.Size))
	}
	if v.Iops != nil {
		m["iops"] = strconv.Itoa(int(*v.Iops))
	}
	if v.Throughput != nil {
		m["throughput"] = strconv.Itoa(int(*v.Throughput))
	}
	if v.Encrypted != nil && *v.Encrypted {
		m["encrypted"] = "true"
		m["kmsKeyId"] = text(v.KmsKeyId)
	}
	return m
}

func (k volumes) made(ctx context.Context, point string) (progress, error) {
	out, err := do[ec2.DescribeSnapshotsOutput](ctx, k.agent, "ec2", "DescribeSnapshots", &ec2.DescribeSnapshotsInput{SnapshotIds: []string{idOf(point)}}, asRole)
	if err != nil {
		return progress{}, err
	}
	if len(out.Snapshots) == 0 {
		return progress{failed: "The snapshot is no longer available."}, nil
	}
	n := &out.Snapshots[0]
	p := progress{done: n.State == types.SnapshotStateCompleted, key: text(n.KmsKeyId)}
	if n.VolumeSize != nil {
		p.size = int64(*n.VolumeSize) * gibibyte
	}
	if n.State == types.SnapshotStateError {
		p.failed = text(n.StateMessage)
		if p.failed == "" {
			p.failed = "An internal error occurred."
		}
	}
	return p, nil
}

func (k volumes) share(ctx context.Context, point, account string, on bool) error {
	in := &ec2.ModifySnapshotAttributeInput{
		SnapshotId: new(idOf(point)), Attribute: types.SnapshotAttributeNameCreateVolumePermission, OperationType: types.OperationTypeAdd, UserIds: []string{account},
	}
	if !on {
		in.OperationType = types.OperationTypeRemove
	}
	_, err := do[ec2.ModifySnapshotAttributeOutput](ctx, k.agent, "ec2", "ModifySnapshotAttribute", in, asRole)
	return err
}

// copy copies a snapshot. The copy is encrypted in any case.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html#copy-encryption.
func (k volumes) copy(ctx context.Context, j *CopyJob, keyARN string, tags map[string]string) (string, error) {
	all := map[string]string{sourceTag: j.Resource, managedTag: "true"}
	maps.Copy(all, tags)
	out, err := do[ec2.CopySnapshotOutput](ctx, k.agent, "ec2", "CopySnapshot", &ec2.CopySnapshotInput{
		SourceRegion: &j.Region, SourceSnapshotId: new(idOf(j.Point)), Encrypted: new(true), KmsKeyId: unless(keyARN),
		Description: new("This snapshot is created by the AWS Backup service."), TagSpecifications: specification(types.ResourceTypeSnapshot, all),
	}, asRole)
	if err != nil {
		return "", err
	}
	return snapshotARN(ctx, out.SnapshotId), nil
}

func (k volumes) remove(ctx context.Context, point string, f gate.Forward) error {
	_, err := k.agent.Client.Do(ctx, "ec2", "DeleteSnapshot", &ec2.DeleteSnapshotInput{SnapshotId: new(idOf(point))}, f)
	if refused := (*wire.Error)(nil); errors.As(err, &refused) && refused.Code == "InvalidSnapshot.NotFound" {
		return nil // somebody else did it
	}
	return err
}

// restore makes a volume. What it is told of the speed of a volume of a type that does not
// take it is left out, so that a point's own metadata restores it.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-ebs.html.
func (k volumes) restore(ctx context.Context, j *RestoreJob, p *Point) (string, error) {
	in := &ec2.CreateVolumeInput{SnapshotId: new(idOf(p.ARN)), AvailabilityZone: unless(j.Metadata["availabilityZone"]), VolumeType: types.VolumeType(j.Metadata["volumeType"])}
	for _, n := range []struct {
		name  string
		to    **int32
		takes bool
	}{
		{"volumeSize", &in.Size, true},
		{"iops", &in.Iops, slices.Contains([]types.VolumeType{types.VolumeTypeGp3, types.VolumeTypeIo1, types.VolumeTypeIo2}, in.VolumeType)},
		{"throughput", &in.Throughput, in.VolumeType == types.VolumeTypeGp3},
	} {
		if v := j.Metadata[n.name]; v != "" && n.takes {
			number, err := strconv.ParseInt(v, 10, 32)
			if err != nil {
				return "", invalidValue(n.name + " is invalid: " + v) // assumed text
			}
			*n.to = new(int32(number))
		}
	}
	if j.Metadata["encrypted"] == "true" {
		in.Encrypted, in.KmsKeyId = new(true), unless(j.Metadata["kmsKeyId"])
	}
	in.TagSpecifications = specification(types.ResourceTypeVolume, j.Tags)
	out, err := do[ec2.CreateVolumeOutput](ctx, k.agent, "ec2", "CreateVolume", in, asRole)
	if err != nil {
		return "", err
	}
	return behalf.ARN("ec2", p.Region, p.Account, "volume/", text(out.VolumeId)), nil
}

// noKey is the message of a restore whose volume disappeared, which it does for want of
// the key. AWS documents the message; that it is this one is assumed.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-dashboards.html.
const noKey = "KMS key is either disabled or pending deletion or access to KMS key is denied"

func (k volumes) restored(ctx context.Context, created string) (progress, error) {
	out, err := do[ec2.DescribeVolumesOutput](ctx, k.agent, "ec2", "DescribeVolumes", &ec2.DescribeVolumesInput{VolumeIds: []string{idOf(created)}}, asRole)
	if refused := (*wire.Error)(nil); errors.As(err, &refused) && refused.Code == "InvalidVolume.NotFound" {
		return progress{failed: noKey}, nil
	}
	if err != nil {
		return progress{}, err
	}
	if len(out.Volumes) == 0 {
		return progress{failed: noKey}, nil
	}
	v := &out.Volumes[0]
	p := progress{done: v.State == types.VolumeStateAvailable || v.State == types.VolumeStateInUse, key: text(v.KmsKeyId)}
	if v.State == types.VolumeStateError || v.State == types.VolumeStateDeleting || v.State == types.VolumeStateDeleted {
		p.failed = noKey
	}
	return p, nil
}
