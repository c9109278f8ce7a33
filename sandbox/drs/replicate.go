package drs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// What DRS does later.
const (
	stageTask  = "StageDisks"    // make the staging volumes
	stagedTask = "DisksStaged"   // look whether they came about
	syncedTask = "InitialSync"   // the first sync is over
	pointTask  = "TakePoint"     // take a point in time
	doneTask   = "PointTaken"    // look whether its snapshots are there
	jobTask    = "ContinueJob"   // go on with a job
	readyTask  = "FailbackReady" // a failback has caught up
)

// How long replication takes on the sandbox's clock. AWS takes hours for a first sync.
const (
	stageAfter  = time.Second
	stagedAfter = 3 * time.Second
	syncAfter   = 2 * time.Second
	retryAfter  = 5 * time.Minute // assumed: how soon DRS tries again by itself
)

// replicates reports whether a server's replication runs or tries to.
func (v *Server) replicates() bool {
	switch v.State {
	case types.DataReplicationStateStopped, types.DataReplicationStateDisconnected:
		return false
	}
	return true
}

// later has a server's replication go on.
func (s *Service) later(v *Server, at time.Time, what string) {
	s.Agenda.Add(state.Task{At: at, Service: s.Name(), Account: v.Account, Region: v.Region, What: what, Subject: v.ID + " " + strconv.Itoa(v.Generation)})
}

// start has a server replicate from the beginning. The caller puts the server.
func (s *Service) start(c *gate.Call, v *Server) {
	v.Generation++
	v.State, v.Error, v.Raw, v.Started, v.Synced, v.Attempt = types.DataReplicationStateInitiating, "", "", c.At, time.Time{}, time.Time{}
	s.later(v, c.At.Add(stageAfter), stageTask)
}

// restart gives up what was replicated and starts again.
func (s *Service) restart(ctx context.Context, v *Server) {
	s.dropVolumes(ctx, v)
	s.start(gate.From(ctx), v)
}

// Due does what is due.
func (s *Service) Due(ctx context.Context, t state.Task) error {
	c := gate.From(ctx)
	switch t.What {
	case jobTask:
		return s.continueJob(ctx, t.Subject)
	case readyTask:
		return s.failbackReady(ctx, t.Subject)
	case doneTask:
		return s.pointTaken(ctx, t.Subject)
	}
	id, generation, _ := strings.Cut(t.Subject, " ")
	old := s.servers.Get(state.Key(c.Caller.Account, c.Region, id))
	if old == nil || strconv.Itoa(old.Generation) != generation || !old.replicates() {
		return nil // of a replication that is over
	}
	v := *old
	v.Disks = slices.Clone(v.Disks)
	switch t.What {
	case stageTask:
		s.stage(ctx, &v)
	case stagedTask:
		s.staged(ctx, &v)
	case syncedTask:
		s.synced(ctx, &v)
	case pointTask:
		s.pointDue(ctx, &v)
	default:
		return fmt.Errorf("drs: there is no task %s", t.What)
	}
	return nil
}

// stage makes a staging volume for each disk, as the service-linked role, under the key
// of the server's settings.
// See https://docs.aws.amazon.com/drs/latest/userguide/replication-server-errors.html.
func (s *Service) stage(ctx context.Context, v *Server) {
	c := gate.From(ctx)
	for i := range v.Disks {
		d := &v.Disks[i]
		in := &ec2.CreateVolumeInput{
			AvailabilityZone: new(c.Region + "a"), Size: &d.Size, VolumeType: ec2types.VolumeTypeGp3, TagSpecifications: v.tagged(ec2types.ResourceTypeVolume, v.Replication.StagingAreaTags),
		}
		switch v.Replication.EbsEncryption {
		case types.ReplicationConfigurationEbsEncryptionCustom:
			in.Encrypted, in.KmsKeyId = new(true), v.Replication.EbsEncryptionKeyArn
		case types.ReplicationConfigurationEbsEncryptionDefault:
			in.Encrypted = new(true)
		}
		out, err := asLinked[ec2.CreateVolumeOutput](ctx, s, "CreateVolume", in)
		if err != nil {
			s.dropVolumes(ctx, v)
			s.stall(c, v, types.DataReplicationErrorStringFailedToCreateStagingDisks, raw("CreateVolume", err))
			return
		}
		d.Volume, d.Key = aws.ToString(out.VolumeId), aws.ToString(out.KmsKeyId)
	}
	s.later(v, c.At.Add(stagedAfter), stagedTask)
	s.putServer(v)
}

// staged looks whether the staging volumes came about: EC2 takes the request and drops a
// volume whose key cannot be used.
func (s *Service) staged(ctx context.Context, v *Server) {
	c := gate.From(ctx)
	for i := range v.Disks {
		state, why := s.volumeState(ctx, v.Disks[i].Volume)
		if state == ec2types.VolumeStateCreating {
			s.later(v, c.At.Add(time.Second), stagedTask)
			return
		}
		if state != ec2types.VolumeStateAvailable && state != ec2types.VolumeStateInUse {
			s.dropVolumes(ctx, v)
			s.stall(c, v, types.DataReplicationErrorStringFailedToCreateStagingDisks, why)
			return
		}
	}
	s.unstall(c, v)
	v.State = types.DataReplicationStateInitialSync
	s.later(v, c.At.Add(syncAfter), syncedTask)
	s.putServer(v)
}

// volumeState is what EC2 says of a volume, and why it is not there.
func (s *Service) volumeState(ctx context.Context, id string) (ec2types.VolumeState, string) {
	out, err := asLinked[ec2.DescribeVolumesOutput](ctx, s, "DescribeVolumes", &ec2.DescribeVolumesInput{VolumeIds: []string{id}})
	switch {
	case err != nil:
		return "", raw("DescribeVolumes", err)
	case len(out.Volumes) == 0:
		return "", "The volume '" + id + "' does not exist."
	}
	return out.Volumes[0].State, "The volume '" + id + "' is in state " + string(out.Volumes[0].State) + "." // assumed text
}

// stall says why a replication does not go on, and has it tried again.
func (s *Service) stall(c *gate.Call, v *Server, why types.DataReplicationErrorString, text string) {
	if v.State != types.DataReplicationStateStalled {
		s.emit(c, serverKind, "DRS Source Server Data Replication Stalled Change", v.ID, map[string]string{"state": "STALLED"})
	}
	v.State, v.Error, v.Raw = types.DataReplicationStateStalled, why, text
	v.Attempt = soon(c.At, retryAfter, s.Clock.Now())
	what := stageTask
	if why == types.DataReplicationErrorStringSnapshotsFailure {
		what = pointTask
	}
	s.later(v, v.Attempt, what)
	s.putServer(v)
}

// unstall takes an error back.
func (s *Service) unstall(c *gate.Call, v *Server) {
	if v.State == types.DataReplicationStateStalled {
		s.emit(c, serverKind, "DRS Source Server Data Replication Stalled Change", v.ID, map[string]string{"state": "NOT_STALLED"})
	}
	v.Error, v.Raw, v.Attempt = "", "", time.Time{}
}

// soon is when something happens again that happens regularly. Where the clock was moved
// far ahead, the times between are left out but for the last few.
func soon(at time.Time, every time.Duration, now time.Time) time.Time {
	const few = 6
	next := at.Add(every)
	if behind := now.Sub(next); behind > few*every {
		next = next.Add((behind/every - few) * every)
	}
	return next
}

// synced begins continuous replication, and takes the first point in time.
func (s *Service) synced(ctx context.Context, v *Server) {
	v.State = types.DataReplicationStateContinuous
	v.Synced = gate.From(ctx).At
	s.pointDue(ctx, v)
}

// dropVolumes deletes a server's staging volumes. Those that are gone are gone.
func (s *Service) dropVolumes(ctx context.Context, v *Server) {
	disks := slices.Clone(v.Disks)
	for i := range disks {
		if id := disks[i].Volume; id != "" {
			_, _ = asLinked[ec2.DeleteVolumeOutput](ctx, s, "DeleteVolume", &ec2.DeleteVolumeInput{VolumeId: &id})
		}
		disks[i].Volume, disks[i].Key = "", ""
	}
	v.Disks = disks
}
