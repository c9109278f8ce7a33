package ec2

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// modification is a change of a volume. It shows when Half of its time is over.
type modification struct {
	From, To       traits
	At, Half, Done time.Time
}

// traits are what a modification changes.
type traits struct {
	Type                   string
	Size, IOPS, Throughput int32
	MultiAttach            bool
}

func (v *Volume) traits() traits {
	return traits{v.Type, v.Size, v.IOPS, v.Throughput, v.MultiAttach}
}

// shownTraits are those that a volume has at a time.
func (v *Volume) shownTraits(now time.Time) traits {
	if m := v.Changed; m != nil && now.Before(m.Half) {
		return m.From
	}
	return v.traits()
}

// state is what a modification is at a time, and its progress.
func (m *modification) state(now time.Time) (types.VolumeModificationState, int64) {
	switch {
	case now.Before(m.Half):
		return types.VolumeModificationStateModifying, 0
	case now.Before(m.Done):
		return types.VolumeModificationStateOptimizing, 50
	}
	return types.VolumeModificationStateCompleted, 100
}

func (s *Service) asksModifyVolume(c *gate.Call, in *ec2.ModifyVolumeInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askVolume(c, "ModifyVolume", aws.ToString(in.VolumeId), nil)}, nil
}

// ModifyVolume changes size, type and speed of a volume.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolume.html.
func (s *Service) ModifyVolume(ctx context.Context, in *ec2.ModifyVolumeInput) (*ec2.ModifyVolumeOutput, error) {
	c := gate.From(ctx)
	v, err := s.ownVolume(c, in.VolumeId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	if is := v.state(c.At); is != "available" && is != "in-use" {
		return nil, refuse("IncorrectState", "The volume '"+v.ID+"' is '"+is+"'") // assumed text
	}
	if m := v.Changed; m != nil {
		if is, _ := m.state(c.At); is != types.VolumeModificationStateCompleted {
			return nil, refuse("IncorrectModificationState", "The volume "+v.ID+" is being modified: "+string(is)) // assumed text
		}
	}
	changed, err := v.modified(in)
	if err != nil {
		return nil, err
	}
	changed.Changed = &modification{From: v.traits(), To: changed.traits(), At: c.At, Half: c.At.Add(volumeTime), Done: c.At.Add(2 * volumeTime)}
	s.putVolume(changed)
	return &ec2.ModifyVolumeOutput{VolumeModification: changed.shownModification(c.At)}, nil
}

// modified is the volume as a request wants it.
func (v *Volume) modified(in *ec2.ModifyVolumeInput) (*Volume, error) {
	n := v.clone()
	spec := volumeSpec{Size: v.Size, Type: v.Type, Zone: v.Zone, IOPS: in.Iops, Throughput: in.Throughput}
	if in.Size != nil {
		spec.Size = *in.Size
	}
	if in.VolumeType != "" {
		spec.Type = string(in.VolumeType)
	}
	if spec.Size < v.Size {
		return nil, refuse("InvalidParameterValue", "New size cannot be smaller than existing size")
	}
	if limits, ok := limitsOf(spec.Type); ok && spec.Type == v.Type || limits.iops[1] >= v.IOPS && limits.iops[0] <= v.IOPS {
		if spec.IOPS == nil && limits.iops[1] != 0 && v.IOPS != 0 {
			spec.IOPS = &v.IOPS
		}
		if spec.Throughput == nil && limits.throughput[1] != 0 && v.Throughput != 0 {
			spec.Throughput = &v.Throughput
		}
	}
	if err := n.shape(&spec, nil); err != nil {
		return nil, err
	}
	if in.MultiAttachEnabled != nil {
		n.MultiAttach = *in.MultiAttachEnabled
	}
	return n, nil
}

func (v *Volume) shownModification(now time.Time) *types.VolumeModification {
	m := v.Changed
	is, progress := m.state(now)
	out := &types.VolumeModification{
		ModificationState: is, Progress: &progress, StartTime: &m.At, VolumeId: &v.ID,
		OriginalIops: wire.Optional(m.From.IOPS), OriginalMultiAttachEnabled: &m.From.MultiAttach, OriginalSize: &m.From.Size, OriginalThroughput: wire.Optional(m.From.Throughput), OriginalVolumeType: types.VolumeType(m.From.Type),
		TargetIops: wire.Optional(m.To.IOPS), TargetMultiAttachEnabled: &m.To.MultiAttach, TargetSize: &m.To.Size, TargetThroughput: wire.Optional(m.To.Throughput), TargetVolumeType: types.VolumeType(m.To.Type),
	}
	if is == types.VolumeModificationStateCompleted {
		out.EndTime = &m.Done
	}
	return out
}

// DescribeVolumesModifications tells the last modification of volumes.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumesModifications.html.
func (s *Service) DescribeVolumesModifications(ctx context.Context, in *ec2.DescribeVolumesModificationsInput) (*ec2.DescribeVolumesModificationsOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	var list []types.VolumeModification
	var failed error
	err := s.eachVolume(c, in.VolumeIds, nil, func(v *Volume) {
		m := v.Changed
		if m == nil {
			if len(in.VolumeIds) > 0 && failed == nil {
				failed = refuse("InvalidVolumeModification.NotFound", "Modification for volume '"+v.ID+"' does not exist.")
			}
			return
		}
		is, _ := m.state(c.At)
		ok, err := match(in.Filters, fields{
			"modification-state": {string(is)}, "original-iops": {strconv.Itoa(int(m.From.IOPS))}, "original-size": {strconv.Itoa(int(m.From.Size))},
			"original-volume-type": {m.From.Type}, "originalMultiAttachEnabled": {strconv.FormatBool(m.From.MultiAttach)}, "start-time": {m.At.Format(time.RFC3339)},
			"target-iops": {strconv.Itoa(int(m.To.IOPS))}, "target-size": {strconv.Itoa(int(m.To.Size))}, "target-volume-type": {m.To.Type},
			"targetMultiAttachEnabled": {strconv.FormatBool(m.To.MultiAttach)}, "volume-id": {v.ID},
		})
		if err != nil {
			failed = err
		}
		if ok {
			list = append(list, *v.shownModification(c.At))
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 1)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeVolumesModificationsOutput{VolumesModifications: page, NextToken: next}, nil
}
