package drs

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// shownInstance is a recovery instance as DRS tells it, with what EC2 says of it now.
func (s *Service) shownInstance(ctx context.Context, r *Instance) types.RecoveryInstance {
	out := types.RecoveryInstance{
		RecoveryInstanceID: &r.ID, Ec2InstanceID: &r.ID, Arn: new(behalf.ARN("drs", r.Region, r.Account, instanceKind, "/", r.ID)), SourceServerID: &r.Server,
		JobID: &r.Job, IsDrill: &r.Drill, PointInTimeSnapshotDateTime: shownTime(r.Point), OriginEnvironment: r.Origin, Tags: shownTags(r.Tags),
		Ec2InstanceState: types.EC2InstanceStateNotFound, AgentVersion: new("6.3.0"),
		Failback:            &types.RecoveryInstanceFailback{State: s.failbackState(r), FailbackInitiationTime: shownTime(r.FailbackAt), FailbackToOriginalServer: new(false)},
		DataReplicationInfo: &types.RecoveryInstanceDataReplicationInfo{DataReplicationState: s.replicationBack(r)},
	}
	if r.OriginZone != "" {
		out.OriginAvailabilityZone = &r.OriginZone
	}
	if r.FailbackJob != "" {
		out.Failback.FailbackJobID = &r.FailbackJob
	}
	found, err := s.ec2Instance(ctx, r.ID)
	if err != nil {
		return out
	}
	out.Ec2InstanceState = ec2State(found.State.Name)
	p := &types.RecoveryInstanceProperties{IdentificationHints: &types.IdentificationHints{AwsInstanceID: &r.ID}, LastUpdatedDateTime: shownTime(r.Created)}
	v := s.servers.Get(state.Key(r.Account, r.Region, r.Server))
	if v != nil {
		p.Cpus, p.RamBytes, p.Os = []types.CPU{{Cores: v.Cores}}, v.RAM, &types.OS{FullString: &v.OS}
	}
	for i, d := range found.BlockDeviceMappings {
		if d.Ebs == nil {
			continue
		}
		disk := types.RecoveryInstanceDisk{EbsVolumeID: d.Ebs.VolumeId, InternalDeviceName: d.DeviceName}
		if v != nil && i < len(v.Disks) {
			disk.Bytes = v.Disks[i].Bytes
		}
		p.Disks = append(p.Disks, disk)
	}
	out.RecoveryInstanceProperties = p
	return out
}

func ec2State(name ec2types.InstanceStateName) types.EC2InstanceState {
	switch name {
	case ec2types.InstanceStateNamePending:
		return types.EC2InstanceStatePending
	case ec2types.InstanceStateNameRunning:
		return types.EC2InstanceStateRunning
	case ec2types.InstanceStateNameStopping:
		return types.EC2InstanceStateStopping
	case ec2types.InstanceStateNameStopped:
		return types.EC2InstanceStateStopped
	case ec2types.InstanceStateNameShuttingDown:
		return types.EC2InstanceStateShuttingDown
	case ec2types.InstanceStateNameTerminated:
		return types.EC2InstanceStateTerminated
	}
	return types.EC2InstanceStateNotFound
}

// DescribeRecoveryInstances lists recovery instances. DRS looks at EC2 itself; that AWS
// asks the caller for ec2:DescribeInstances is left out.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeRecoveryInstances.html.
func (s *Service) DescribeRecoveryInstances(ctx context.Context, in *drs.DescribeRecoveryInstancesInput) (*drs.DescribeRecoveryInstancesOutput, error) {
	list := []types.RecoveryInstance{}
	for _, r := range rows(gate.From(ctx), s.instances) {
		if f := in.Filters; f == nil || named(f.RecoveryInstanceIDs, r.ID) && named(f.SourceServerIDs, r.Server) {
			list = append(list, s.shownInstance(ctx, r))
		}
	}
	out := &drs.DescribeRecoveryInstancesOutput{}
	var err error
	out.Items, out.NextToken, err = page(list, in.NextToken, in.MaxResults)
	return out, err
}

// TerminateRecoveryInstances starts a job that terminates recovery instances, for its
// caller, who needs ec2:TerminateInstances.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_TerminateRecoveryInstances.html.
func (s *Service) TerminateRecoveryInstances(ctx context.Context, in *drs.TerminateRecoveryInstancesInput) (*drs.TerminateRecoveryInstancesOutput, error) {
	c := gate.From(ctx)
	j := s.newJob(c, types.JobTypeTerminate, types.InitiatedByTerminateRecoveryInstances, nil)
	for _, id := range in.RecoveryInstanceIDs {
		r, err := s.instance(c, id)
		if err != nil {
			return nil, err // not among the errors of AWS's page: assumed
		}
		if s.busy(c, r.Server) {
			return nil, conflict("RecoveryInstance", id, "The source server "+r.Server+" of the recovery instance "+id+" is in a job that has not ended.")
		}
		j.Servers = append(j.Servers, Participant{Server: r.Server, Instance: id, Launch: types.LaunchStatusPending, Stage: terminateStage})
	}
	s.begun(c, j)
	return &drs.TerminateRecoveryInstancesOutput{Job: j.shown()}, nil
}

// endInstance terminates an instance and forgets the recovery instance.
func (s *Service) endInstance(ctx context.Context, id string) error {
	_, err := ask[ec2.TerminateInstancesOutput](ctx, s, "TerminateInstances", &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		if code, _ := answered(err); code != "InvalidInstanceID.NotFound" {
			return err
		}
	}
	c := gate.From(ctx)
	s.instances.Delete(state.Key(c.Caller.Account, c.Region, id))
	return nil
}

// terminate terminates an instance. Which events the log of such a job has is assumed.
func (w *work) terminate() {
	w.log(types.JobLogEventCleanupStart, "")
	if err := w.s.endInstance(w.asCaller(), w.p.Instance); err != nil {
		w.fail(types.JobLogEventCleanupFail, raw("TerminateInstances", err))
		return
	}
	if w.v != nil && w.v.Instance == w.p.Instance {
		v := *w.v
		v.Instance = ""
		if v.Last != nil {
			last := *v.Last
			last.Status = types.LaunchStatusTerminated
			v.Last = &last
		}
		w.s.putServer(&v)
	}
	w.p.Stage, w.p.Launch = goneStage, types.LaunchStatusInProgress
}

// gone waits until the instance is terminated.
func (w *work) gone() {
	found, err := w.s.ec2Instance(w.ctx, w.p.Instance)
	if err == nil && found.State.Name != ec2types.InstanceStateNameTerminated {
		return
	}
	w.log(types.JobLogEventCleanupEnd, "")
	w.p.Stage, w.p.Launch = "", types.LaunchStatusTerminated
}

// DisconnectRecoveryInstance ends a recovery instance's agent: it goes on as an instance
// of EC2, and can fail back no more.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DisconnectRecoveryInstance.html.
func (s *Service) DisconnectRecoveryInstance(ctx context.Context, in *drs.DisconnectRecoveryInstanceInput) (*drs.DisconnectRecoveryInstanceOutput, error) {
	old, err := s.instance(gate.From(ctx), *in.RecoveryInstanceID)
	if err != nil {
		return nil, err
	}
	if old.Disconnected {
		return nil, conflict("RecoveryInstance", old.ID, "The recovery instance "+old.ID+" is disconnected already.")
	}
	r := *old
	r.Disconnected = true
	s.putInstance(&r)
	return &drs.DisconnectRecoveryInstanceOutput{}, nil
}

// DeleteRecoveryInstance forgets a recovery instance, which has to be disconnected; the
// instance of EC2 stays.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DeleteRecoveryInstance.html.
func (s *Service) DeleteRecoveryInstance(ctx context.Context, in *drs.DeleteRecoveryInstanceInput) (*drs.DeleteRecoveryInstanceOutput, error) {
	c := gate.From(ctx)
	r, err := s.instance(c, *in.RecoveryInstanceID)
	if err != nil {
		return nil, err
	}
	if !r.Disconnected {
		return nil, conflict("RecoveryInstance", r.ID, "The recovery instance "+r.ID+" has to be disconnected before it is deleted.")
	}
	s.instances.Delete(state.Key(r.Account, r.Region, r.ID))
	if old := s.servers.Get(state.Key(r.Account, r.Region, r.Server)); old != nil && old.Instance == r.ID {
		v := *old
		v.Instance = ""
		s.putServer(&v)
	}
	return &drs.DeleteRecoveryInstanceOutput{}, nil
}

// backs reports whether data goes back.
func backs(f types.FailbackState) bool {
	return slices.Contains([]types.FailbackState{types.FailbackStateFailbackInProgress, types.FailbackStateFailbackReadyForLaunch}, f)
}
