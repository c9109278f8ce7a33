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

// ec2Labor is how the operations of EC2 and EBS are done: what they make has the task's
// tag, since EC2 names it itself.
func ec2Labor(operation string) (labor, bool) {
	switch operation {
	case "ec2:CreateSnapshot":
		return labor{look: lookSnapshot, start: createSnapshot, remove: removeSnapshots}, true
	case "ec2:CopySnapshot":
		return labor{look: lookSnapshot, start: copySnapshot, remove: removeSnapshots}, true
	case "ec2:ModifySnapshotAttribute":
		return labor{look: lookSnapshotShare, start: shareSnapshot, remove: unshareSnapshot}, true
	case "ec2:CreateVolume":
		return labor{look: lookVolume, start: createVolume, remove: removeVolumes}, true
	case "ec2:AttachVolume":
		return labor{look: lookAttachment, start: attachVolume, remove: detachVolume}, true
	case "ec2:CopyImage":
		return labor{look: lookImage, start: copyImage, remove: removeImages}, true
	case "ec2:ModifyImageAttribute":
		return labor{look: lookImageShare, start: shareImage, remove: unshareImage}, true
	case "ec2:RunInstances":
		return labor{look: lookLaunch, start: startLaunch, remove: removeLaunch}, true
	}
	return labor{}, false
}

func taskEC2(c aws.Config) *ec2.Client { return ec2.NewFromConfig(c) }

// tagged are the tags of what an operation makes, for each kind of thing.
func (w *work) tagged(kinds ...types.ResourceType) (list []types.TagSpecification) {
	for _, kind := range kinds {
		list = append(list, types.TagSpecification{ResourceType: kind, Tags: w.ec2Tags()})
	}
	return list
}

func (w *work) ec2Tags() (list []types.Tag) {
	keys, all := w.tags()
	for _, key := range keys {
		list = append(list, types.Tag{Key: &key, Value: new(all[key])})
	}
	return list
}

// byTag finds what the task made.
func (w *work) byTag() []types.Filter {
	return []types.Filter{{Name: new("tag:" + cloud.TaskTag), Values: []string{w.Name}}}
}

// ec2Own reports whether tags say that the task made something.
func (w *work) ec2Own(tags []types.Tag) bool {
	return slices.ContainsFunc(tags, func(t types.Tag) bool { return aws.ToString(t.Key) == cloud.TaskTag && aws.ToString(t.Value) == w.Name })
}

// removed reports whether Remove ended something that AWS still shows.
func removed(tags []types.Tag) bool {
	return slices.ContainsFunc(tags, func(t types.Tag) bool { return aws.ToString(t.Key) == removedTag })
}

// markRemoved marks things that go away, so that nobody takes them for the task's.
func (w *work) markRemoved(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := taskEC2(w.own).CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: []types.Tag{{Key: new(removedTag), Value: new("true")}}})
	return w.gone(w.failed(err, "ec2:CreateTags"))
}

// snapshots are those that the task made, the newest first.
func (w *work) snapshots(ctx context.Context) ([]types.Snapshot, error) {
	var list []types.Snapshot
	pages := ec2.NewDescribeSnapshotsPaginator(taskEC2(w.own), &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}, Filters: w.byTag()})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, w.failed(err, "ec2:DescribeSnapshots")
		}
		list = append(list, out.Snapshots...)
	}
	slices.SortFunc(list, func(a, b types.Snapshot) int { return aws.ToTime(b.StartTime).Compare(aws.ToTime(a.StartTime)) })
	return list, nil
}

func lookSnapshot(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	list, err := w.snapshots(ctx)
	if err != nil || len(list) == 0 {
		return cloud.Progress{}, false, err
	}
	return w.snapshotProgress(ctx, &list[0]), true, nil
}

func (w *work) snapshotProgress(ctx context.Context, n *types.Snapshot) cloud.Progress {
	p := cloud.Progress{ID: aws.ToString(n.SnapshotId), State: string(n.State), Percent: percent(aws.ToString(n.Progress)), Started: aws.ToTime(n.StartTime)}
	switch n.State {
	case types.SnapshotStateCompleted:
		p.Done, p.Percent = true, 100
	case types.SnapshotStateError:
		p.Failed = reason("", aws.ToString(n.StateMessage))
		if p.Failed == "" {
			p.Failed = p.ID + " is in state error"
		}
	}
	if w.Operation == "ec2:CopySnapshot" {
		key, known := w.snapshotKey(ctx)
		p.FullCopy = known && !sameKey(key, aws.ToString(n.KmsKeyId))
	}
	return p
}

// snapshotKey is the key of the source, when it can be seen.
func (w *work) snapshotKey(ctx context.Context) (key string, known bool) {
	out, err := taskEC2(in(w.own, w.sourceRegion())).DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{lastPart(w.Source)}})
	if err != nil || len(out.Snapshots) == 0 {
		return "", false
	}
	return aws.ToString(out.Snapshots[0].KmsKeyId), true
}

func createSnapshot(ctx context.Context, w *work) (cloud.Progress, error) {
	out, err := taskEC2(w.actor).CreateSnapshot(ctx, &ec2.CreateSnapshotInput{VolumeId: new(lastPart(w.Source)), Description: &w.Name, TagSpecifications: w.tagged(types.ResourceTypeSnapshot)})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return w.snapshotProgress(ctx, &types.Snapshot{SnapshotId: out.SnapshotId, State: out.State, Progress: out.Progress, StartTime: out.StartTime, KmsKeyId: out.KmsKeyId}), nil
}

func copySnapshot(ctx context.Context, w *work) (cloud.Progress, error) {
	call := &ec2.CopySnapshotInput{
		SourceRegion: new(w.sourceRegion()), SourceSnapshotId: new(lastPart(w.Source)), Description: &w.Name, TagSpecifications: w.tagged(types.ResourceTypeSnapshot),
		KmsKeyId: optional(w.Key),
	}
	if w.Key != "" {
		call.Encrypted = new(true)
	}
	out, err := taskEC2(w.actor).CopySnapshot(ctx, call)
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	p, found, err := lookSnapshot(ctx, w)
	if err != nil || !found {
		p = cloud.Progress{ID: aws.ToString(out.SnapshotId), State: string(types.SnapshotStatePending), Percent: -1}
	}
	return p, nil
}

func removeSnapshots(ctx context.Context, w *work) error {
	list, err := w.snapshots(ctx)
	if err != nil {
		return err
	}
	for _, n := range list {
		_, err := taskEC2(w.own).DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: n.SnapshotId})
		if err := w.gone(w.failed(err, "ec2:DeleteSnapshot")); err != nil {
			return err
		}
	}
	return nil
}

func lookSnapshotShare(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	out, err := taskEC2(w.own).DescribeSnapshotAttribute(ctx, &ec2.DescribeSnapshotAttributeInput{SnapshotId: new(lastPart(w.Source)), Attribute: types.SnapshotAttributeNameCreateVolumePermission})
	if err != nil {
		return cloud.Progress{}, false, w.failed(err, "ec2:DescribeSnapshotAttribute")
	}
	return w.shared(func(account string) bool {
		return slices.ContainsFunc(out.CreateVolumePermissions, func(p types.CreateVolumePermission) bool { return aws.ToString(p.UserId) == account })
	})
}

// modifySnapshot shares with the accounts of the task, or no longer.
func (w *work) modifySnapshot(ctx context.Context, as aws.Config, add bool) error {
	var list []types.CreateVolumePermission
	for _, account := range w.With {
		list = append(list, types.CreateVolumePermission{UserId: &account})
	}
	change := &types.CreateVolumePermissionModifications{Add: list}
	if !add {
		change = &types.CreateVolumePermissionModifications{Remove: list}
	}
	_, err := taskEC2(as).ModifySnapshotAttribute(ctx, &ec2.ModifySnapshotAttributeInput{
		SnapshotId: new(lastPart(w.Source)), Attribute: types.SnapshotAttributeNameCreateVolumePermission, CreateVolumePermission: change,
	})
	return w.failed(err, w.Operation)
}

func shareSnapshot(ctx context.Context, w *work) (cloud.Progress, error) {
	return w.sharing(w.modifySnapshot(ctx, w.actor, true))
}

func unshareSnapshot(ctx context.Context, w *work) error {
	return w.modifySnapshot(ctx, w.own, false)
}

// volumes are those that the task made and that are not going away.
func (w *work) volumes(ctx context.Context) ([]types.Volume, error) {
	var list []types.Volume
	pages := ec2.NewDescribeVolumesPaginator(taskEC2(w.own), &ec2.DescribeVolumesInput{Filters: w.byTag()})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, w.failed(err, "ec2:DescribeVolumes")
		}
		list = append(list, out.Volumes...)
	}
	return slices.DeleteFunc(list, func(v types.Volume) bool {
		return v.State == types.VolumeStateDeleting || v.State == types.VolumeStateDeleted
	}), nil
}

// volume is one volume by its id.
func (w *work) volume(ctx context.Context, id string) (*types.Volume, error) {
	out, err := taskEC2(w.own).DescribeVolumes(ctx, &ec2.DescribeVolumesInput{VolumeIds: []string{lastPart(id)}})
	if err != nil {
		return nil, w.failed(err, "ec2:DescribeVolumes")
	}
	if len(out.Volumes) == 0 {
		return nil, w.invalid(fmt.Errorf("the volume %s is not found", id), cloud.NotFound)
	}
	return &out.Volumes[0], nil
}

// lookVolume finds a volume. One whose key could not be used is taken away by EBS; it is
// found as failed by whoever knows its id.
func lookVolume(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	list, err := w.volumes(ctx)
	if err != nil {
		return cloud.Progress{}, false, err
	}
	id := w.Args[argStarted]
	switch {
	case len(list) > 0:
		v := &list[0]
		return volumeProgress(aws.ToString(v.VolumeId), v.State, v), true, nil
	case id == "":
		return cloud.Progress{}, false, nil
	}
	v, err := w.volume(ctx, id)
	switch {
	case cloud.KindOf(err) == cloud.NotFound:
		return cloud.Progress{ID: id, State: "gone", Percent: -1, Failed: textOf(err)}, true, nil
	case err != nil:
		return cloud.Progress{}, false, err
	}
	return volumeProgress(id, v.State, v), true, nil
}

// textOf is what AWS said, without the words around it.
func textOf(err error) string {
	if e, ok := err.(*cloud.Error); ok {
		return e.Err.Error()
	}
	return err.Error()
}

func volumeProgress(id string, state types.VolumeState, v *types.Volume) cloud.Progress {
	p := cloud.Progress{ID: id, State: string(state), Percent: -1}
	if v != nil {
		p.Started = aws.ToTime(v.CreateTime)
	}
	switch state {
	case types.VolumeStateAvailable, types.VolumeStateInUse:
		p.Done, p.Percent = true, 100
	case types.VolumeStateError:
		p.Failed = id + " is in state error"
	}
	return p
}

// createVolume makes a volume of a snapshot, or an empty one of 1 GiB.
func createVolume(ctx context.Context, w *work) (cloud.Progress, error) {
	call := &ec2.CreateVolumeInput{
		AvailabilityZone: new(w.zone()), KmsKeyId: optional(w.Key), ClientToken: new(w.token(0)), TagSpecifications: w.tagged(types.ResourceTypeVolume), VolumeType: types.VolumeTypeGp3,
	}
	if w.Key != "" {
		call.Encrypted = new(true)
	}
	if w.Source != "" && w.Scenario != "empty" {
		call.SnapshotId = new(lastPart(w.Source))
	} else {
		call.Size = new(int32(1))
	}
	out, err := taskEC2(w.actor).CreateVolume(ctx, call)
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return volumeProgress(aws.ToString(out.VolumeId), out.State, &types.Volume{CreateTime: out.CreateTime}), nil
}

// zone is the Availability Zone of the task.
func (w *work) zone() string {
	if z := w.Args["availabilityZone"]; z != "" {
		return z
	}
	return w.Region + "a"
}

func removeVolumes(ctx context.Context, w *work) error {
	list, err := w.volumes(ctx)
	if err != nil {
		return err
	}
	for _, v := range list {
		_, err := taskEC2(w.own).DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: v.VolumeId})
		if err := w.gone(w.failed(err, "ec2:DeleteVolume")); err != nil {
			return err
		}
	}
	return nil
}

// lookAttachment finds a volume's attachment to the task's instance. One that EC2 could
// not open ends by itself; it is found as failed by whoever knows that it had begun.
func lookAttachment(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	if err := w.needed("instance"); err != nil {
		return cloud.Progress{}, false, err
	}
	v, err := w.volume(ctx, w.Source)
	if err != nil {
		return cloud.Progress{}, false, err
	}
	for _, a := range v.Attachments {
		if aws.ToString(a.InstanceId) == lastPart(w.Args["instance"]) && a.State != types.VolumeAttachmentStateDetached && a.State != types.VolumeAttachmentStateDetaching {
			return attachmentProgress(a.State, &a), true, nil
		}
	}
	if w.Args[argStarted] == "" {
		return cloud.Progress{}, false, nil
	}
	return cloud.Progress{ID: w.Args[argStarted], State: string(types.VolumeAttachmentStateDetached), Percent: -1, Failed: "EC2 detached " + w.Source + " from " + w.Args["instance"] + " again"}, true, nil
}

func attachmentProgress(state types.VolumeAttachmentState, a *types.VolumeAttachment) cloud.Progress {
	p := cloud.Progress{ID: aws.ToString(a.VolumeId), State: string(state), Percent: -1, Started: aws.ToTime(a.AttachTime)}
	if state == types.VolumeAttachmentStateAttached {
		p.Done, p.Percent = true, 100
	}
	return p
}

func attachVolume(ctx context.Context, w *work) (cloud.Progress, error) {
	device := w.Args["device"]
	if device == "" {
		device = "/dev/sdf"
	}
	out, err := taskEC2(w.actor).AttachVolume(ctx, &ec2.AttachVolumeInput{VolumeId: new(lastPart(w.Source)), InstanceId: new(lastPart(w.Args["instance"])), Device: &device})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return attachmentProgress(out.State, &types.VolumeAttachment{VolumeId: out.VolumeId, AttachTime: out.AttachTime}), nil
}

// detachVolume ends the attachment that there is.
func detachVolume(ctx context.Context, w *work) error {
	w.Args = map[string]string{"instance": w.Args["instance"]}
	_, found, err := lookAttachment(ctx, w)
	if err != nil || !found {
		return err
	}
	_, err = taskEC2(w.own).DetachVolume(ctx, &ec2.DetachVolumeInput{VolumeId: new(lastPart(w.Source)), InstanceId: new(lastPart(w.Args["instance"]))})
	return w.failed(err, "ec2:DetachVolume")
}
