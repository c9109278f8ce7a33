package sandbox_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// machine launches an instance that runs.
func (w *world) machine(as aws.Config) string {
	w.Helper()
	c := ec2.NewFromConfig(as)
	image := need(c.DescribeImages(w.Context(), &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []types.Filter{{Name: new("architecture"), Values: []string{"x86_64"}}}}))(w).Images[0].ImageId
	out := need(c.RunInstances(w.Context(), &ec2.RunInstancesInput{
		ImageId: image, MinCount: new(int32(1)), MaxCount: new(int32(1)), Placement: &types.Placement{AvailabilityZone: new(zone)},
	}))(w)
	w.pass(5 * time.Second)
	return *out.Instances[0].InstanceId
}

// ebsTold is what EBS tells in an event.
type ebsTold struct {
	Event, Result, Cause, Source string
	SnapshotID                   string `json:"snapshot_id"`
}

// ebsEvents has everything that EBS tells an account delivered.
func (b *bridge) ebsEvents(account string) {
	b.rule(b.root(account), "default", "ebs-"+account, `{"source":["aws.ec2"],"detail-type":[{"prefix":"EBS "}]}`, ebtypes.Target{})
}

// tells checks what EBS tells next, and of which resources.
func (b *bridge) tells(want ebsTold, resources ...string) {
	b.Helper()
	d := b.next()
	var got ebsTold
	if err := json.Unmarshal([]byte(mustJSON(b, d.Event.Detail)), &got); err != nil {
		b.Fatal(err)
	}
	if got != want || fmt.Sprint(d.Event.Resources) != fmt.Sprint(resources) {
		b.Errorf("EBS tells %+v of %v, want %+v of %v", got, d.Event.Resources, want, resources)
	}
}

func mustJSON(t interface{ Fatal(...any) }, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func volumeARN(id string) string { return "arn:aws:ec2:" + home + ":" + owner + ":volume/" + id }

func TestAVolumeIsAttachedByTheGrantOnItsKey(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := ec2.NewFromConfig(b.root(owner))
	key := b.key(owner, "")
	instance := b.machine(b.root(owner))
	id := b.volume(b.root(owner), &ec2.CreateVolumeInput{Size: new(int32(1)), Encrypted: new(true), KmsKeyId: &key})
	b.ebsEvents(owner)
	_, without := b.user(owner, "without", allow("ec2:*"))
	attach := func() {
		t.Helper()
		out := need(ec2.NewFromConfig(without).AttachVolume(t.Context(), &ec2.AttachVolumeInput{VolumeId: &id, InstanceId: &instance, Device: new("/dev/sdf")}))(t)
		if out.State != types.VolumeAttachmentStateAttaching {
			t.Errorf("the attachment is %s", out.State)
		}
		b.pass(2 * time.Second)
	}
	attach()
	v := need(c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{id}}))(t).Volumes[0]
	if v.State != types.VolumeStateInUse || v.Attachments[0].State != types.VolumeAttachmentStateAttached || *v.Attachments[0].InstanceId != instance {
		t.Errorf("the volume is %s", v.State)
	}
	_, err := c.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &id})
	b.ends("deleting it", err, "VolumeInUse: Volume "+id+" is currently attached to "+instance)
	_, err = c.AttachVolume(t.Context(), &ec2.AttachVolumeInput{VolumeId: &id, InstanceId: &instance, Device: new("/dev/sdg")})
	b.ends("attaching it again", err, "VolumeInUse: "+id+" is already attached to an instance")
	need(c.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: &id}))(t)
	b.pass(2 * time.Second)
	if got := b.volumeState(b.root(owner), id); got != "available" {
		t.Errorf("the volume is %s", got)
	}
	b.none("what went well")
	need(b.kmsOf(b.root(owner)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	attach()
	b.tells(ebsTold{Event: "attachVolume", Result: "failed", Cause: key + " is disabled."}, volumeARN(id), key)
	if got := b.volumeState(b.root(owner), id); got != "available" {
		t.Errorf("the volume is %s", got)
	}
	need(b.kmsOf(b.root(owner)).EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &key}))(t)
	attach()
	if got := b.volumeState(b.root(owner), id); got != "in-use" {
		t.Errorf("the volume is %s", got)
	}
}

func TestTheSnapshotsOfAnInstanceAreMadeTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	instance := w.machine(w.root(owner))
	id := w.volume(w.root(owner), &ec2.CreateVolumeInput{Size: new(int32(3))})
	need(c.AttachVolume(t.Context(), &ec2.AttachVolumeInput{VolumeId: &id, InstanceId: &instance, Device: new("/dev/sdf")}))(t)
	w.pass(2 * time.Second)
	data := need(c.CreateSnapshots(t.Context(), &ec2.CreateSnapshotsInput{InstanceSpecification: &types.InstanceSpecification{InstanceId: &instance, ExcludeBootVolume: new(true)}}))(t).Snapshots
	if len(data) != 1 || *data[0].VolumeId != id || *data[0].VolumeSize != 3 {
		t.Errorf("without the boot volume: %v", data)
	}
	w.pass(time.Minute)
	if all := need(c.CreateSnapshots(t.Context(), &ec2.CreateSnapshotsInput{InstanceSpecification: &types.InstanceSpecification{InstanceId: &instance}}))(t).Snapshots; len(all) != 2 {
		t.Errorf("all volumes: %v", all)
	}
}

func TestASnapshotOfAnImageIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	id := w.written(w.root(owner), &ebs.StartSnapshotInput{}, nil)
	image := need(c.RegisterImage(t.Context(), &ec2.RegisterImageInput{
		Name: new("image"), RootDeviceName: new("/dev/xvda"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &id}}},
	}))(t).ImageId
	_, err := c.DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &id})
	w.ends("deleting it", err, "InvalidSnapshot.InUse: The snapshot "+id+" is currently in use by "+*image)
	need(c.DeregisterImage(t.Context(), &ec2.DeregisterImageInput{ImageId: image}))(t)
	need(c.DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &id}))(t)
}

func TestEBSTellsWhatBecomesOfVolumesAndSnapshots(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	c := ec2.NewFromConfig(b.root(owner))
	key := b.key(owner, sharedKey)
	b.ebsEvents(owner)
	id := b.volume(b.root(owner), &ec2.CreateVolumeInput{Size: new(int32(1)), Encrypted: new(true), KmsKeyId: &key})
	b.tells(ebsTold{Event: "createVolume", Result: "available"}, volumeARN(id))
	odd := func(id string) string { return "arn:aws:ec2::" + home + ":snapshot/" + id }
	n := *need(c.CreateSnapshot(t.Context(), &ec2.CreateSnapshotInput{VolumeId: &id}))(t).SnapshotId
	b.pass(3 * time.Second)
	b.tells(ebsTold{Event: "createSnapshot", Result: "succeeded", Source: "arn:aws:ec2::" + home + ":volume/" + id, SnapshotID: odd(n)}, odd(n))
	copied := *need(c.CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &n, KmsKeyId: &key}))(t).SnapshotId
	b.pass(3 * time.Second)
	b.tells(ebsTold{Event: "copySnapshot", Result: "succeeded", Source: odd(n), SnapshotID: odd(copied)}, odd(copied))
	b.ebsEvents(consumer)
	b.share(n, consumer)
	b.tells(ebsTold{Event: "shareSnapshot", Result: "succeeded", Source: owner, SnapshotID: odd(n)}, odd(n))
	b.share(n, consumer)
	b.none("sharing it again")
	need(c.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &id}))(t)
	b.pass(3 * time.Second)
	b.tells(ebsTold{Event: "deleteVolume", Result: "deleted"}, volumeARN(id))
	need(b.kmsOf(b.root(owner)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	lost := b.volume(b.root(owner), &ec2.CreateVolumeInput{Size: new(int32(1)), Encrypted: new(true), KmsKeyId: &key})
	b.tells(ebsTold{Event: "createVolume", Result: "failed", Cause: key + " is disabled."}, volumeARN(lost))
	missing := *need(c.CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: new("snap-0123456789abcdef0")}))(t).SnapshotId
	b.pass(3 * time.Second)
	b.tells(ebsTold{Event: "copySnapshot", Result: "failed", Cause: "Source snapshot is not found", Source: odd("snap-0123456789abcdef0"), SnapshotID: odd(missing)}, odd(missing))
}
