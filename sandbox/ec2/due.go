package ec2

import (
	"context"
	"errors"
	"maps"

	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Due does what stands on the agenda.
func (s *Service) Due(ctx context.Context, t state.Task) error {
	all := map[string]func(context.Context, state.Task) error{}
	maps.Copy(all, s.volumeDues())
	maps.Copy(all, s.fleetDues())
	maps.Copy(all, s.instanceDues())
	maps.Copy(all, s.imageDues())
	do := all[t.What]
	if do == nil {
		return errors.New("nobody does " + t.What)
	}
	return do(ctx, t)
}

// volumeDues are what happens to volumes and snapshots, by the words on the agenda.
func (s *Service) volumeDues() map[string]func(context.Context, state.Task) error {
	return map[string]func(context.Context, state.Task) error{
		"volume-made": s.volumeMade, "volume-gone": s.volumeGone, "volume-attached": s.volumeAttached, "volume-detached": s.volumeDetached,
		blocks.DoneTask: s.snapshotDone,
	}
}

// volumeMade ends the making of a volume.
func (s *Service) volumeMade(ctx context.Context, t state.Task) error {
	v := s.volume(t.Account, t.Region, t.Subject)
	if v == nil {
		return nil
	}
	if v.Lost == "" {
		s.tellVolume(v, t.At, "createVolume", "available", "")
		return nil
	}
	s.tellVolume(v, t.At, "createVolume", "failed", v.Lost)
	s.removeVolume(ctx, v)
	return nil
}

// volumeGone ends a volume that was deleted.
func (s *Service) volumeGone(ctx context.Context, t state.Task) error {
	if v := s.volume(t.Account, t.Region, t.Subject); v != nil {
		s.tellVolume(v, t.At, "deleteVolume", "deleted", "")
		s.removeVolume(ctx, v)
	}
	return nil
}

// removeVolume takes a volume away, with its grants and its content.
func (s *Service) removeVolume(ctx context.Context, v *Volume) {
	s.Agent.Retire(ctx, v.Grants)
	s.Snapshots.Release(v.Layer)
	s.volumes.Delete(state.Key(v.Account, v.Region, v.ID))
}

// snapshotDone ends the making of a snapshot. The grants with which EBS copied it are
// retired then: assumed.
func (s *Service) snapshotDone(ctx context.Context, t state.Task) error {
	n := s.Snapshots.Get(t.Region, t.Subject)
	if n == nil {
		return nil
	}
	if len(n.Grants) > 0 {
		s.Agent.Retire(ctx, n.Grants)
		n = n.Clone()
		n.Grants = nil
		s.Snapshots.Put(n)
	}
	s.tellSnapshot(n)
	return nil
}
