package live

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/cloud"
)

// whyInstance tells of an instance. Its volumes go with it when it ends, and so the ids
// that KMS was told of are those of the snapshots of its image.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html.
func whyInstance(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	out, err := taskEC2(w.cfg).DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{w.id}})
	if err != nil {
		return nil, w.missing(err, "ec2:DescribeInstances")
	}
	for _, r := range out.Reservations {
		for i := range r.Instances {
			return w.instance(&r.Instances[i]), nil
		}
	}
	return nil, nil
}

func (w *whySearch) instance(i *types.Instance) *cloud.Failed {
	f := &cloud.Failed{What: "instance", Operation: "ec2:RunInstances", At: theTime(i.LaunchTime), Related: []string{w.id}}
	if i.State != nil {
		f.State = string(i.State.Name)
	}
	if i.StateReason != nil {
		f.Text = reason(aws.ToString(i.StateReason.Code), aws.ToString(i.StateReason.Message))
	}
	f.Fine = f.State == "running" || f.State == "pending" || f.Text == "" || strings.HasPrefix(f.Text, "Client.User")
	if t := aws.ToString(i.StateTransitionReason); t != "" {
		f.Log = append(f.Log, t)
	}
	for _, b := range i.BlockDeviceMappings {
		if b.Ebs != nil {
			f.Related = append(f.Related, without(aws.ToString(b.Ebs.VolumeId))...)
		}
	}
	for _, t := range i.Tags {
		switch aws.ToString(t.Key) {
		case "aws:autoscaling:groupName":
			f.Log = append(f.Log, "it was launched by the Auto Scaling group "+aws.ToString(t.Value))
		case "aws:ec2:fleet-id", "aws:ec2spot:fleet-request-id":
			f.Log = append(f.Log, "it was launched by the fleet "+aws.ToString(t.Value))
		}
	}
	return f
}

// whySnapshot tells of a snapshot. That a copy could not use a key shows later, in its
// StateMessage.
// See https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html.
func whySnapshot(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	out, err := taskEC2(w.cfg).DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{w.id}})
	if err != nil || len(out.Snapshots) == 0 {
		return nil, w.missing(err, "ec2:DescribeSnapshots")
	}
	s := &out.Snapshots[0]
	f := &cloud.Failed{
		What: "snapshot", State: string(s.State), Text: aws.ToString(s.StateMessage), At: theTime(s.StartTime), Until: theTime(s.CompletionTime),
		Operation: "ec2:CopySnapshot", Keys: without(aws.ToString(s.KmsKeyId)), Related: without(w.id, aws.ToString(s.VolumeId)),
		Fine: s.State == types.SnapshotStateCompleted || s.State == types.SnapshotStatePending,
	}
	if d := aws.ToString(s.Description); d != "" {
		f.Log = append(f.Log, "its description: "+d)
	}
	return f, nil
}

// whyVolume tells of a volume. One whose key could not be used is gone soon after it was
// made, and nothing but CloudTrail tells of it.
// See https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html.
func whyVolume(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	f := &cloud.Failed{What: "volume", Operation: "ec2:CreateVolume", Related: []string{w.id}}
	out, err := taskEC2(w.cfg).DescribeVolumes(ctx, &ec2.DescribeVolumesInput{VolumeIds: []string{w.id}})
	if err != nil || len(out.Volumes) == 0 {
		wrapped := w.c.failed(err, "ec2:DescribeVolumes", w.subject.Account, w.cfg.Region)
		if err == nil || cloud.KindOf(wrapped) == cloud.NotFound {
			f.State, f.Text = "gone", "InvalidVolume.NotFound: the volume "+w.id+" does not exist"
			return f, nil
		}
		return nil, w.missing(err, "ec2:DescribeVolumes")
	}
	v := &out.Volumes[0]
	f.State, f.At, f.Keys = string(v.State), theTime(v.CreateTime), without(aws.ToString(v.KmsKeyId))
	f.Related = append(f.Related, without(aws.ToString(v.SnapshotId))...)
	f.Fine = v.State != types.VolumeStateError
	return f, nil
}

func whyImage(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	out, err := taskEC2(w.cfg).DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{w.id}, IncludeDisabled: new(true)})
	if err != nil || len(out.Images) == 0 {
		return nil, w.missing(err, "ec2:DescribeImages")
	}
	i := &out.Images[0]
	f := &cloud.Failed{What: "image", State: string(i.State), Operation: "ec2:CopyImage", Related: []string{w.id}, Fine: i.State == types.ImageStateAvailable || i.State == types.ImageStatePending}
	if i.StateReason != nil {
		f.Text = reason(aws.ToString(i.StateReason.Code), aws.ToString(i.StateReason.Message))
	}
	f.At = awsTime(aws.ToString(i.CreationDate))
	for _, b := range i.BlockDeviceMappings {
		if b.Ebs != nil {
			f.Related = append(f.Related, without(aws.ToString(b.Ebs.SnapshotId))...)
			f.Keys = append(f.Keys, without(aws.ToString(b.Ebs.KmsKeyId))...)
		}
	}
	return f, nil
}

func whyActivity(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	out, err := autoscaling.NewFromConfig(w.cfg).DescribeScalingActivities(ctx, &autoscaling.DescribeScalingActivitiesInput{ActivityIds: []string{w.id}, IncludeDeletedGroups: new(true)})
	if err != nil || len(out.Activities) == 0 {
		return nil, w.missing(err, "autoscaling:DescribeScalingActivities")
	}
	return w.activity(ctx, &out.Activities[0])
}

// whyGroupActivity is the newest activity of a group that failed.
func whyGroupActivity(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	name := w.id // that ends an ARN, after autoScalingGroupName/
	out, err := autoscaling.NewFromConfig(w.cfg).DescribeScalingActivities(ctx, &autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: &name})
	if err != nil {
		return nil, w.missing(err, "autoscaling:DescribeScalingActivities")
	}
	for i := range out.Activities {
		switch out.Activities[i].StatusCode {
		case astypes.ScalingActivityStatusCodeFailed, astypes.ScalingActivityStatusCodeCancelled:
			return w.activity(ctx, &out.Activities[i])
		}
	}
	if len(out.Activities) > 0 {
		return w.activity(ctx, &out.Activities[0])
	}
	return nil, nil
}

// activity tells of a scaling activity, with the reason of the instance that it launched,
// and the role as which the group launches.
// See https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-troubleshooting.html.
func (w *whySearch) activity(ctx context.Context, a *astypes.Activity) (*cloud.Failed, error) {
	f := &cloud.Failed{
		What: "scaling activity", State: string(a.StatusCode), Text: aws.ToString(a.StatusMessage), At: theTime(a.StartTime), Until: theTime(a.EndTime),
		Operation: "ec2:RunInstances", Fine: a.StatusCode == astypes.ScalingActivityStatusCodeSuccessful, Log: without(aws.ToString(a.Description), aws.ToString(a.Cause)),
	}
	if name := aws.ToString(a.AutoScalingGroupName); name != "" {
		out, err := autoscaling.NewFromConfig(w.cfg).DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
		if err != nil {
			if err := w.missing(err, "autoscaling:DescribeAutoScalingGroups"); err != nil {
				return nil, err
			}
		} else if len(out.AutoScalingGroups) > 0 {
			f.Principal = aws.ToString(out.AutoScalingGroups[0].ServiceLinkedRoleARN)
		}
	}
	for word := range strings.FieldsSeq(f.Log[0] + " " + f.Text) {
		if id := strings.Trim(word, ".,;:"); strings.HasPrefix(id, "i-") {
			f.Related = append(f.Related, id)
		}
	}
	return f, nil
}
