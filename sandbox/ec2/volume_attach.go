package ec2

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) attachOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksAttachVolume, s.AttachVolume),
		gate.Op(gate.Writes, s.asksDetachVolume, s.DetachVolume),
	}
}

func (s *Service) asksAttachVolume(c *gate.Call, in *ec2.AttachVolumeInput) ([]gate.Ask, error) {
	return []gate.Ask{s.askInstance(c, "AttachVolume", aws.ToString(in.InstanceId)), s.askVolume(c, "AttachVolume", aws.ToString(in.VolumeId), nil)}, nil
}

// AttachVolume attaches a volume to an instance. Whether its key lets EC2 open it shows
// when the call is over.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVolume.html.
func (s *Service) AttachVolume(ctx context.Context, in *ec2.AttachVolumeInput) (*ec2.AttachVolumeOutput, error) {
	c := gate.From(ctx)
	v, err := s.ownVolume(c, in.VolumeId)
	if err != nil {
		return nil, err
	}
	list, err := s.found(c, []string{aws.ToString(in.InstanceId)})
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	i := list[0]
	if err := s.mayAttach(c, v, i, aws.ToString(in.Device)); err != nil {
		return nil, err
	}
	a := Attachment{Instance: i.ID, Device: *in.Device, At: c.At, Ready: c.At.Add(volumeTime)}
	v = v.clone()
	v.Attached = append(v.Attached, a)
	s.putVolume(v)
	s.Agenda.Add(state.Task{At: a.Ready, Service: "ec2", Account: v.Account, Region: v.Region, What: "volume-attached", Subject: v.ID + " " + i.ID})
	return &ec2.AttachVolumeOutput{
		AttachTime: &a.At, DeleteOnTermination: new(false), Device: &a.Device, InstanceId: &a.Instance, State: types.VolumeAttachmentStateAttaching, VolumeId: &v.ID,
	}, nil
}

// mayAttach refuses what does not fit.
func (s *Service) mayAttach(c *gate.Call, v *Volume, i *Instance, device string) error {
	is := v.state(c.At)
	shared := v.MultiAttach && is == "in-use" && !slices.ContainsFunc(v.Attached, func(a Attachment) bool { return a.Instance == i.ID })
	switch {
	case device == "":
		return refuse("MissingParameter", "The request must contain the parameter device")
	case is == "in-use" && !shared:
		return refuse("VolumeInUse", v.ID+" is already attached to an instance")
	case is != "available" && !shared:
		return refuse("IncorrectState", "Volume "+v.ID+" is "+is) // assumed text
	case i.state(c.At) != running && i.state(c.At) != stopped:
		return refuse("IncorrectState", "Instance '"+i.ID+"' is not 'running'.")
	case i.Zone != v.Zone:
		return refuse("InvalidVolume.ZoneMismatch", "The volume '"+v.ID+"' is not in the same availability zone as instance '"+i.ID+"'")
	}
	for _, other := range s.attachedTo(c, i.ID) {
		if slices.ContainsFunc(other.Attached, func(a Attachment) bool { return a.Instance == i.ID && a.Device == device }) {
			return invalidValue("Invalid value '" + device + "' for unixDevice. Attachment point " + device + " is already in use")
		}
	}
	return nil
}

// volumeAttached ends an attachment: EC2 opens the volume's data key by the grant that
// was made for the volume. When it cannot, the volume is as it was before and EBS tells
// why.
// See https://docs.aws.amazon.com/ebs/latest/userguide/ebs-cloud-watch-events.html.
func (s *Service) volumeAttached(ctx context.Context, t state.Task) error {
	id, instance, _ := strings.Cut(t.Subject, " ")
	v := s.volume(t.Account, t.Region, id)
	if v == nil || !slices.ContainsFunc(v.Attached, func(a Attachment) bool { return a.Instance == instance && a.Gone.IsZero() }) {
		return nil
	}
	err := s.openVolume(ctx, v)
	if err == nil {
		return nil
	}
	s.detach(v, instance)
	s.tellVolume(v, t.At, "attachVolume", "failed", causeOf(err))
	return nil
}

// openVolume opens the data key of a volume as EC2 does when an instance needs it: by
// one of the grants that were made for the volume.
func (s *Service) openVolume(ctx context.Context, v *Volume) (err error) {
	if v.KeyARN == "" {
		return nil
	}
	err = errors.New("the volume has no grant left")
	for _, g := range v.Grants {
		if err = s.Agent.Open(ctx, g, v.DataKey, v.context()); err == nil {
			return nil
		}
	}
	return err
}

func (s *Service) asksDetachVolume(c *gate.Call, in *ec2.DetachVolumeInput) ([]gate.Ask, error) {
	asks := []gate.Ask{s.askVolume(c, "DetachVolume", aws.ToString(in.VolumeId), nil)}
	instance := aws.ToString(in.InstanceId)
	if v := s.volume(c.Caller.Account, c.Region, aws.ToString(in.VolumeId)); v != nil && len(v.Attached) > 0 {
		instance = cmp.Or(instance, v.Attached[0].Instance)
	}
	if instance != "" {
		asks = append(asks, s.askInstance(c, "DetachVolume", instance))
	}
	return asks, nil
}

// DetachVolume detaches a volume.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachVolume.html.
func (s *Service) DetachVolume(ctx context.Context, in *ec2.DetachVolumeInput) (*ec2.DetachVolumeOutput, error) {
	c := gate.From(ctx)
	v, err := s.ownVolume(c, in.VolumeId)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(v.Attached, func(a Attachment) bool {
		return (in.InstanceId == nil || a.Instance == *in.InstanceId) && (in.Device == nil || a.Device == *in.Device)
	})
	switch {
	case len(v.Attached) == 0:
		return nil, refuse("IncorrectState", "Volume '"+v.ID+"' is in the 'available' state.")
	case at < 0:
		return nil, refuse("InvalidAttachment.NotFound", "The volume '"+v.ID+"' is not attached so") // assumed text
	case len(v.Attached) > 1 && in.InstanceId == nil:
		return nil, refuse("MissingParameter", "The request must contain the parameter instanceId")
	case s.isRoot(c, &v.Attached[at]):
		return nil, notPermitted("Unable to detach root volume '" + v.ID + "' from instance '" + v.Attached[at].Instance + "'")
	}
	v = v.clone()
	a := &v.Attached[at]
	if a.Gone.IsZero() {
		a.Gone = c.At.Add(volumeTime)
		s.Agenda.Add(state.Task{At: a.Gone, Service: "ec2", Account: v.Account, Region: v.Region, What: "volume-detached", Subject: v.ID + " " + a.Instance})
	}
	s.putVolume(v)
	return &ec2.DetachVolumeOutput{
		AttachTime: &a.At, DeleteOnTermination: &a.DeleteOnTermination, Device: &a.Device, InstanceId: &a.Instance, State: types.VolumeAttachmentStateDetaching, VolumeId: &v.ID,
	}, nil
}

// isRoot reports whether an instance that is not stopped boots from a volume.
func (s *Service) isRoot(c *gate.Call, a *Attachment) bool {
	i := s.instance(c.Caller.Account, c.Region, a.Instance)
	return i != nil && a.Device == i.Image.RootDevice && i.state(c.At) != stopped
}

// volumeDetached ends a detachment. The volume keeps the grant that was made for it.
func (s *Service) volumeDetached(_ context.Context, t state.Task) error {
	id, instance, _ := strings.Cut(t.Subject, " ")
	v := s.volume(t.Account, t.Region, id)
	if v == nil {
		return nil
	}
	v = v.clone()
	v.Attached = slices.DeleteFunc(v.Attached, func(a Attachment) bool { return a.Instance == instance && !a.Gone.IsZero() })
	s.putVolume(v)
	return nil
}
