package live_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/cloud"
)

// aVolume makes a volume; an empty key is none.
func (w *taskWorld) aVolume(account, key string) string {
	w.Helper()
	call := &ec2.CreateVolumeInput{AvailabilityZone: new(taskHome + "a"), Size: new(int32(1))}
	if key != "" {
		call.Encrypted, call.KmsKeyId = new(true), &key
	}
	v, err := ec2.NewFromConfig(w.root(account)).CreateVolume(w.Context(), call)
	w.well(err)
	w.pass(5 * time.Second)
	return *v.VolumeId
}

func (w *taskWorld) aSnapshot(account, key string) string {
	w.Helper()
	n, err := ec2.NewFromConfig(w.root(account)).CreateSnapshot(w.Context(), &ec2.CreateSnapshotInput{VolumeId: new(w.aVolume(account, key))})
	w.well(err)
	w.pass(5 * time.Second)
	return *n.SnapshotId
}

// anImage registers an image whose root volume and second volume are under a key.
func (w *taskWorld) anImage(account, key string) string {
	w.Helper()
	snapshot := w.aSnapshot(account, key)
	m, err := ec2.NewFromConfig(w.root(account)).RegisterImage(w.Context(), &ec2.RegisterImageInput{
		Name: new("image-of-" + snapshot), Architecture: types.ArchitectureValuesX8664, VirtualizationType: new("hvm"), RootDeviceName: new("/dev/xvda"),
		BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: new("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &snapshot}}, {DeviceName: new("/dev/xvdb"), Ebs: &types.EbsBlockDevice{SnapshotId: &snapshot}},
		},
	})
	w.well(err)
	w.pass(5 * time.Second)
	return *m.ImageId
}

func (w *taskWorld) anInstance(account string) string {
	w.Helper()
	out, err := ec2.NewFromConfig(w.root(account)).RunInstances(w.Context(), &ec2.RunInstancesInput{
		ImageId: new(w.anImage(account, "")), MinCount: new(int32(1)), MaxCount: new(int32(1)), Placement: &types.Placement{AvailabilityZone: new(taskHome + "a")},
	})
	w.well(err)
	w.pass(5 * time.Second)
	return *out.Instances[0].InstanceId
}

func tasksOfEBS() []cloud.Task {
	return []cloud.Task{
		{Operation: "ec2:CreateSnapshot"}, {Operation: "ec2:CopySnapshot"}, {Operation: "ec2:ModifySnapshotAttribute"}, {Operation: "ec2:CreateVolume"}, {Operation: "ec2:AttachVolume"},
	}
}

func TestASnapshotIsMovedToAnotherAccountByTasks(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, tasksOfEBS()...)
	key, own, away := w.key(taskOwner, taskHome), w.key(taskConsumer, taskHome), w.key(taskConsumer, taskAway)
	volume, instance := w.aVolume(taskOwner, key), w.anInstance(taskConsumer)
	start := w.things()

	snapshot := taskIn(taskOwner, "ec2:CreateSnapshot", "kr-snapshot", cloud.Task{Source: "arn:aws:ec2:us-east-1:" + taskOwner + ":volume/" + volume})
	made := w.works(snapshot)
	share := taskIn(taskOwner, "ec2:ModifySnapshotAttribute", "kr-share", cloud.Task{Source: made.ID, With: []string{taskConsumer}, Scenario: "share"})
	w.works(share)

	beforeCopy := w.things()
	take := taskIn(taskConsumer, "ec2:CopySnapshot", "kr-copy", cloud.Task{Source: made.ID, SourceAccount: taskOwner, Key: own})
	taken := w.works(take)
	if !taken.FullCopy || taken.Started.IsZero() || taken.Percent != 100 {
		t.Errorf("a copy under another key is %+v", taken)
	}
	same := taskIn(taskConsumer, "ec2:CopySnapshot", "kr-same", cloud.Task{Source: taken.ID, Key: own})
	if p := w.works(same); p.FullCopy {
		t.Errorf("a copy under the same key is %+v", p)
	}
	elsewhere := taskIn(taskConsumer, "ec2:CopySnapshot", "kr-away", cloud.Task{Source: taken.ID, SourceRegion: taskHome, Key: away})
	elsewhere.Region = taskAway
	w.works(elsewhere)

	beforeVolume := w.things()
	of := taskIn(taskConsumer, "ec2:CreateVolume", "kr-volume", cloud.Task{Source: taken.ID, Key: own, Scenario: "own-snapshot"})
	disk := w.works(of)
	empty := taskIn(taskConsumer, "ec2:CreateVolume", "kr-empty", cloud.Task{Key: own, Scenario: "empty", Args: map[string]string{"availabilityZone": taskHome + "b"}})
	w.works(empty)
	if err := w.mover.Remove(t.Context(), empty); err != nil {
		t.Error(err)
	}
	attach := taskIn(taskConsumer, "ec2:AttachVolume", "kr-attach", cloud.Task{Source: disk.ID, Args: map[string]string{"instance": instance, "device": "/dev/sdh"}})
	w.works(attach)
	if err := w.mover.Remove(t.Context(), attach); err != nil {
		t.Error(err)
	}
	w.pass(time.Minute)
	w.leaves(of, beforeVolume)
	for _, task := range []cloud.Task{elsewhere, same} {
		if err := w.mover.Remove(t.Context(), task); err != nil {
			t.Error(err)
		}
	}
	w.leaves(take, beforeCopy)
	w.leaves(share, beforeCopy)
	w.leaves(snapshot, start)
}

func TestWhatEBSCannotOpenFailsWithItsText(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, tasksOfEBS()...)
	key, no := w.key(taskOwner, taskHome), w.closed(taskOwner)
	snapshot, instance := w.aSnapshot(taskOwner, key), w.anInstance(taskOwner)
	before := w.things()
	copied := taskIn(taskOwner, "ec2:CopySnapshot", "kr-copy", cloud.Task{Source: snapshot, Key: no})
	w.fails(copied, "Given key ID is not accessible")
	w.leaves(copied, before)
	volume := taskIn(taskOwner, "ec2:CreateVolume", "kr-volume", cloud.Task{Source: snapshot, Key: no})
	w.fails(volume, "InvalidVolume.NotFound: The volume 'vol-")
	w.leaves(volume, before)

	disk := taskIn(taskOwner, "ec2:CreateVolume", "kr-disk", cloud.Task{Source: snapshot, Key: key})
	made := w.works(disk)
	w.disable(key)
	attach := taskIn(taskOwner, "ec2:AttachVolume", "kr-attach", cloud.Task{Source: made.ID, Args: map[string]string{"instance": instance}})
	w.fails(attach, "again")
	w.leaves(attach, w.things())
	w.leaves(disk, before)
}

// What is made again after it was removed is another thing, under the same name.
func TestATaskCanBeDoneAgainAfterItWasRemoved(t *testing.T) {
	t.Parallel()
	tasks := append(tasksOfEBS(), cloud.Task{Operation: "ec2:RunInstances"}, cloud.Task{Operation: "ec2:CopyImage"})
	w := newTaskWorld(t, tasks...)
	key := w.key(taskOwner, taskHome)
	snapshot, image := w.aSnapshot(taskOwner, key), w.anImage(taskOwner, key)
	for _, task := range []cloud.Task{
		taskIn(taskOwner, "ec2:CopySnapshot", "kr-copy", cloud.Task{Source: snapshot, Key: key}),
		taskIn(taskOwner, "ec2:CreateVolume", "kr-volume", cloud.Task{Source: snapshot, Key: key}),
		taskIn(taskOwner, "ec2:CopyImage", "kr-image", cloud.Task{Source: image, Key: key}),
		taskIn(taskOwner, "ec2:RunInstances", "kr-launch", cloud.Task{Source: image, Key: key}),
	} {
		before := w.things()
		first := w.works(task)
		w.leaves(task, before)
		if second := w.works(task); second.ID == first.ID {
			t.Errorf("%s made %s again", task.Operation, second.ID)
		}
		w.leaves(task, before)
	}
}

func TestAnImageIsCopiedAndSharedByTasks(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, cloud.Task{Operation: "ec2:CopyImage"}, cloud.Task{Operation: "ec2:ModifyImageAttribute"})
	key, away := w.key(taskOwner, taskHome), w.key(taskOwner, taskAway)
	image := w.anImage(taskOwner, key)
	before := w.things()
	copied := taskIn(taskOwner, "ec2:CopyImage", "kr-image", cloud.Task{Source: image, SourceRegion: taskHome, Key: away, Scenario: "cross-region"})
	copied.Region = taskAway
	if p := w.works(copied); !p.FullCopy {
		t.Errorf("the copy is %+v", p)
	}
	w.leaves(copied, before)
	const unit, organization = "arn:aws:organizations::123456789012:ou/o-123example/ou-1234-5example", "arn:aws:organizations::123456789012:organization/o-123example"
	share := taskIn(taskOwner, "ec2:ModifyImageAttribute", "kr-share", cloud.Task{Source: image, With: []string{taskConsumer, unit, organization}})
	w.works(share)
	w.leaves(share, before)
	w.disable(key)
	w.fails(taskIn(taskOwner, "ec2:CopyImage", "kr-closed", cloud.Task{Source: image, Key: w.key(taskOwner, taskHome)}), "Given key ID is not accessible")
	w.leaves(taskIn(taskOwner, "ec2:CopyImage", "kr-closed", cloud.Task{Source: image}), before)
}
