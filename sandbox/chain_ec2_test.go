package sandbox_test

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/keyreach/keyreach/route"
)

// snapshotUnder makes a completed snapshot under a key, as the account's root.
func (j *journey) snapshotUnder(account, key string) string {
	j.Helper()
	c := ec2.NewFromConfig(j.root(account))
	v := need(c.CreateVolume(j.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(home + "a"), Size: new(int32(1)), Encrypted: new(true), KmsKeyId: &key}))(j)
	j.ready(j.volumeSettles(c, *v.VolumeId))
	n := need(c.CreateSnapshot(j.Context(), &ec2.CreateSnapshotInput{VolumeId: v.VolumeId}))(j)
	j.ready(j.snapshotSettles(c, *n.SnapshotId))
	return *n.SnapshotId
}

// ready ends the test when what a chain needs does not come about.
func (j *journey) ready(err error) {
	j.Helper()
	if err != nil {
		j.Fatal(err)
	}
}

func (j *journey) volumeSettles(c *ec2.Client, id string) error {
	return j.settled("the volume", func() (bool, error) {
		out, err := c.DescribeVolumes(j.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{id}})
		var gone smithy.APIError
		if errors.As(err, &gone) && gone.ErrorCode() == "InvalidVolume.NotFound" {
			return false, &failure{gone.ErrorCode(), gone.ErrorMessage()}
		}
		return err == nil && out.Volumes[0].State == types.VolumeStateAvailable, err
	})
}

func (j *journey) snapshotSettles(c *ec2.Client, id string) error {
	return j.settled("the snapshot", func() (bool, error) {
		out, err := c.DescribeSnapshots(j.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
		if err != nil {
			return false, err
		}
		n := out.Snapshots[0]
		if n.State == types.SnapshotStateError {
			return false, &failure{text: aws.ToString(n.StateMessage)}
		}
		return n.State == types.SnapshotStateCompleted, nil
	})
}

func (j *journey) instanceSettles(c *ec2.Client, id string) error {
	return j.settled("the instance", func() (bool, error) {
		out, err := c.DescribeInstances(j.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
		if err != nil {
			return false, err
		}
		i := out.Reservations[0].Instances[0]
		if i.State.Name == types.InstanceStateNameTerminated {
			return false, &failure{aws.ToString(i.StateReason.Code), aws.ToString(i.StateReason.Message)}
		}
		return i.State.Name == types.InstanceStateNameRunning, nil
	})
}

// imageOf registers an image of a snapshot.
func (j *journey) imageOf(account, snapshot string) string {
	j.Helper()
	return *need(ec2.NewFromConfig(j.root(account)).RegisterImage(j.Context(), &ec2.RegisterImageInput{
		Name: new("image-of-" + snapshot), Architecture: types.ArchitectureValuesX8664, VirtualizationType: new("hvm"), RootDeviceName: new("/dev/xvda"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &snapshot}}},
	}))(j).ImageId
}

func ebsChain() chain {
	return chain{
		name: "ebs",
		file: accountsOfChains + `    kind: ebs
    owner: {account: owner, key: "OWNER_KEY"}
    consumers: [{account: consumer, key: "CONSUMER_KEY"}]
`,
		prepare: func(j *journey) {
			j.made["snapshot"] = j.snapshotUnder(owner, j.keys[0])
			plain := ec2.NewFromConfig(j.root(consumer))
			v := need(plain.CreateVolume(j.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(home + "a"), Size: new(int32(1))}))(j)
			j.ready(j.volumeSettles(plain, *v.VolumeId))
			n := need(plain.CreateSnapshot(j.Context(), &ec2.CreateSnapshotInput{VolumeId: v.VolumeId}))(j)
			j.ready(j.snapshotSettles(plain, *n.SnapshotId))
			out := need(plain.RunInstances(j.Context(), &ec2.RunInstancesInput{ImageId: new(j.imageOf(consumer, *n.SnapshotId)), MinCount: new(int32(1)), MaxCount: new(int32(1)), Placement: &types.Placement{AvailabilityZone: new(home + "a")}}))(j)
			j.made["instance"] = *out.Instances[0].InstanceId
			j.ready(j.instanceSettles(plain, j.made["instance"]))
		},
		steps: steps{"share": shareSnapshot, "copy": copySnapshot, "volume": volumeOfCopy, "attach": attachVolume},
	}
}

func shareSnapshot(j *journey, s *route.StepProof) error {
	_, err := ec2.NewFromConfig(j.as(s.Actor)).ModifySnapshotAttribute(j.Context(), &ec2.ModifySnapshotAttributeInput{
		SnapshotId: new(j.made["snapshot"]), Attribute: types.SnapshotAttributeNameCreateVolumePermission,
		CreateVolumePermission: &types.CreateVolumePermissionModifications{Add: []types.CreateVolumePermission{{UserId: new(consumer)}}},
	})
	return err
}

func copySnapshot(j *journey, s *route.StepProof) error {
	c := ec2.NewFromConfig(j.as(s.Actor))
	out, err := c.CopySnapshot(j.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: new(j.made["snapshot"]), KmsKeyId: &j.keys[1], Encrypted: new(true)})
	if err != nil {
		return err
	}
	j.made["copy"] = *out.SnapshotId
	return j.snapshotSettles(c, *out.SnapshotId)
}

func volumeOfCopy(j *journey, s *route.StepProof) error {
	c := ec2.NewFromConfig(j.as(s.Actor))
	out, err := c.CreateVolume(j.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(home + "a"), SnapshotId: new(j.made["copy"]), KmsKeyId: &j.keys[1], Encrypted: new(true)})
	if err != nil {
		return err
	}
	j.made["volume"] = *out.VolumeId
	return j.volumeSettles(c, *out.VolumeId)
}

func attachVolume(j *journey, s *route.StepProof) error {
	c := ec2.NewFromConfig(j.as(s.Actor))
	_, err := c.AttachVolume(j.Context(), &ec2.AttachVolumeInput{Device: new("/dev/sdf"), InstanceId: new(j.made["instance"]), VolumeId: new(j.made["volume"])})
	if err != nil {
		return err
	}
	return j.settled("the attachment", func() (bool, error) {
		out, err := c.DescribeVolumes(j.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{j.made["volume"]}})
		return err == nil && len(out.Volumes[0].Attachments) == 1 && out.Volumes[0].Attachments[0].State == types.VolumeAttachmentStateAttached, err
	})
}

func amiChain() chain {
	return chain{
		name: "ami",
		file: accountsOfChains + `    kind: ami
    owner: {account: owner, key: "OWNER_KEY"}
    copies: [{account: owner, region: eu-west-1, key: "AWAY_KEY"}]
    consumers: [{account: consumer, as: role, key: "CONSUMER_KEY"}]
`,
		prepare: func(j *journey) { j.made["image"] = j.imageOf(owner, j.snapshotUnder(owner, j.keys[0])) },
		steps:   steps{"copy": copyImage, "share": shareImage, "launch": launchImage},
	}
}

func copyImage(j *journey, s *route.StepProof) error {
	c := ec2.NewFromConfig(in(j.as(s.Actor), away))
	out, err := c.CopyImage(j.Context(), &ec2.CopyImageInput{Name: new("copy"), SourceRegion: new(home), SourceImageId: new(j.made["image"]), Encrypted: new(true), KmsKeyId: &j.keys[2]})
	if err != nil {
		return err
	}
	return j.settled("the image", func() (bool, error) {
		out, err := c.DescribeImages(j.Context(), &ec2.DescribeImagesInput{ImageIds: []string{*out.ImageId}})
		if err != nil {
			return false, err
		}
		image := out.Images[0]
		if image.State == types.ImageStateFailed {
			return false, &failure{aws.ToString(image.StateReason.Code), aws.ToString(image.StateReason.Message)}
		}
		return image.State == types.ImageStateAvailable, nil
	})
}

func shareImage(j *journey, s *route.StepProof) error {
	_, err := ec2.NewFromConfig(j.as(s.Actor)).ModifyImageAttribute(j.Context(), &ec2.ModifyImageAttributeInput{
		ImageId: new(j.made["image"]), LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{{UserId: new(consumer)}}},
	})
	return err
}

// rootUnder has an instance's root volume encrypted under a key.
func rootUnder(key string) []types.BlockDeviceMapping {
	return []types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &types.EbsBlockDevice{Encrypted: new(true), KmsKeyId: &key}}}
}

func launchImage(j *journey, s *route.StepProof) error {
	c := ec2.NewFromConfig(j.as(s.Actor))
	out, err := c.RunInstances(j.Context(), &ec2.RunInstancesInput{
		ImageId: new(j.made["image"]), InstanceType: types.InstanceTypeT3Nano, MinCount: new(int32(1)), MaxCount: new(int32(1)), BlockDeviceMappings: rootUnder(j.keys[1]),
	})
	if err != nil {
		return err
	}
	return j.instanceSettles(c, *out.Instances[0].InstanceId)
}

func autoScalingChain() chain {
	c := amiChain()
	c.name = "ami, by Auto Scaling"
	c.file = accountsOfChains + `    kind: ami
    owner: {account: owner, key: "OWNER_KEY"}
    consumers: [{account: consumer, as: auto-scaling, key: "CONSUMER_KEY"}]
`
	c.linked = map[string][]string{consumer: {"autoscaling.amazonaws.com"}}
	c.steps = steps{"share": shareImage, "launch": launchGroup}
	return c
}

// launchGroup makes a group of one instance and says why it does not launch.
func launchGroup(j *journey, _ *route.StepProof) error {
	compute, c := ec2.NewFromConfig(j.root(consumer)), autoscaling.NewFromConfig(j.root(consumer))
	mappings := []types.LaunchTemplateBlockDeviceMappingRequest{{DeviceName: new("/dev/xvda"), Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{Encrypted: new(true), KmsKeyId: &j.keys[1]}}}
	template := need(compute.CreateLaunchTemplate(j.Context(), &ec2.CreateLaunchTemplateInput{LaunchTemplateName: new("group"), LaunchTemplateData: &types.RequestLaunchTemplateData{
		ImageId: new(j.made["image"]), InstanceType: types.InstanceTypeT3Nano, BlockDeviceMappings: mappings,
	}}))(j).LaunchTemplate
	name := "group"
	need(c.CreateAutoScalingGroup(j.Context(), &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: &name, MinSize: new(int32(1)), MaxSize: new(int32(1)), AvailabilityZones: []string{home + "a"},
		LaunchTemplate: &astypes.LaunchTemplateSpecification{LaunchTemplateId: template.LaunchTemplateId, Version: new("$Latest")},
	}))(j)
	return j.settled("the group", func() (bool, error) {
		done := need(c.DescribeScalingActivities(j.Context(), &autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: &name}))(j).Activities
		for _, a := range done {
			if a.StatusCode == astypes.ScalingActivityStatusCodeFailed || a.StatusCode == astypes.ScalingActivityStatusCodeCancelled {
				return false, &failure{text: aws.ToString(a.StatusMessage) + j.whyTerminated(compute)}
			}
		}
		group := need(c.DescribeAutoScalingGroups(j.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}}))(j).AutoScalingGroups[0]
		return len(group.Instances) == 1 && group.Instances[0].LifecycleState == astypes.LifecycleStateInService, nil
	})
}

// whyTerminated are the reasons of all instances that ended.
func (j *journey) whyTerminated(c *ec2.Client) string {
	var why strings.Builder
	for _, r := range need(c.DescribeInstances(j.Context(), &ec2.DescribeInstancesInput{}))(j).Reservations {
		for _, i := range r.Instances {
			if i.StateReason != nil {
				why.WriteString("; " + aws.ToString(i.StateReason.Code))
			}
		}
	}
	return why.String()
}
