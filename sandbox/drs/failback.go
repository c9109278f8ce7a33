package drs

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) failbackOperations() []gate.Operation {
	return []gate.Operation{
		op(s, gate.Reads, on(s, "GetFailbackReplicationConfiguration", instanceKind, func(in *drs.GetFailbackReplicationConfigurationInput) *string { return in.RecoveryInstanceID }), s.GetFailbackReplicationConfiguration),
		op(s, gate.Writes, on(s, "UpdateFailbackReplicationConfiguration", instanceKind, func(in *drs.UpdateFailbackReplicationConfigurationInput) *string { return in.RecoveryInstanceID }), s.UpdateFailbackReplicationConfiguration),
		op(s, gate.Writes, on(s, "ReverseReplication", instanceKind, func(in *drs.ReverseReplicationInput) *string { return in.RecoveryInstanceID }), s.ReverseReplication),
		op(s, gate.Writes, s.launchingBack, s.StartFailbackLaunch),
		op(s, gate.Writes, on(s, "StopFailback", instanceKind, func(in *drs.StopFailbackInput) *string { return in.RecoveryInstanceID }), s.StopFailback),
	}
}

// GetFailbackReplicationConfiguration tells how a recovery instance replicates back.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_GetFailbackReplicationConfiguration.html.
func (s *Service) GetFailbackReplicationConfiguration(ctx context.Context, in *drs.GetFailbackReplicationConfigurationInput) (*drs.GetFailbackReplicationConfigurationOutput, error) {
	r, err := s.instance(gate.From(ctx), *in.RecoveryInstanceID)
	if err != nil {
		return nil, err
	}
	return new(r.Settings), nil
}

// UpdateFailbackReplicationConfiguration changes that.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_UpdateFailbackReplicationConfiguration.html.
func (s *Service) UpdateFailbackReplicationConfiguration(ctx context.Context, in *drs.UpdateFailbackReplicationConfigurationInput) (*drs.UpdateFailbackReplicationConfigurationOutput, error) {
	old, err := s.instance(gate.From(ctx), *in.RecoveryInstanceID)
	if err != nil {
		return nil, err
	}
	r := *old
	overlay(&r.Settings, in)
	s.putInstance(&r)
	return &drs.UpdateFailbackReplicationConfigurationOutput{}, nil
}

// ReverseReplication has a recovery instance replicate back to the account and Region
// that its server came from: a source server there, with that account's settings and key.
// DRS has to be initialized there. Into another account it goes by the role that the
// account has for it, which carries no rights on keys.
// See https://docs.aws.amazon.com/drs/latest/userguide/failback-failover-region-region.html
// and https://docs.aws.amazon.com/drs/latest/userguide/failback-failover-cross-account.html.
func (s *Service) ReverseReplication(ctx context.Context, in *drs.ReverseReplicationInput) (*drs.ReverseReplicationOutput, error) {
	c := gate.From(ctx)
	old, err := s.instance(c, *in.RecoveryInstanceID)
	if err != nil {
		return nil, err
	}
	v, err := s.server(c, old.Server)
	switch {
	case err != nil:
		return nil, err
	case v.OriginRegion == "":
		return nil, invalid("The source server of the recovery instance " + old.ID + " did not run on AWS.")
	case old.Disconnected || old.Reversed != "":
		return nil, conflict("RecoveryInstance", old.ID, "The replication of the recovery instance "+old.ID+" cannot be reversed now.")
	case !s.initialized(v.OriginAccount, v.OriginRegion):
		return nil, invalid("Account " + v.OriginAccount + " is not initialized in " + v.OriginRegion + ".")
	}
	if v.OriginAccount != c.Caller.Account {
		if _, err := s.trusted(ctx, v.OriginAccount, "DRSCrossAccountReplicationRole_"); err != nil {
			return nil, untrusted(v.OriginAccount, c.Caller.Account, err)
		}
	}
	there := own(ctx, v.OriginAccount, v.OriginRegion)
	agent := Agent{Account: v.OriginAccount, Region: v.OriginRegion, Hostname: v.Hostname, OriginAccount: c.Caller.Account, OriginRegion: c.Region, InstanceID: old.ID}
	for _, d := range v.Disks {
		agent.Disks = append(agent.Disks, AgentDisk{Device: d.Device, Bytes: d.Bytes})
	}
	back, err := s.newServer(gate.From(there), &agent)
	if err != nil {
		return nil, err
	}
	back.Direction, back.Reversed = types.ReplicationDirectionFailback, v.arn()
	s.start(gate.From(there), back)
	s.putServer(back)
	r := *old
	r.Reversed, r.Failback, r.FailbackAt = back.arn(), types.FailbackStateFailbackInProgress, c.At
	s.putInstance(&r)
	return &drs.ReverseReplicationOutput{ReversedDirectionSourceServerArn: new(back.arn())}, nil
}

// own is a context whose call DRS makes itself in an account and a Region.
func own(ctx context.Context, account, region string) context.Context {
	who := behalf.Caller(principal)
	who.Account = account
	ctx = gate.As(ctx, who)
	gate.From(ctx).Region = region
	return ctx
}

// reversed is the server that a recovery instance replicates back to, nil for none.
func (s *Service) reversed(r *Instance) *Server {
	a, err := arn.Parse(r.Reversed)
	if err != nil {
		return nil
	}
	return s.servers.Get(state.Key(a.Account, a.Region, strings.TrimPrefix(a.Resource, serverKind+"/")))
}

// failbackState is how far a failback is. One by reversed replication is as far as the
// server is that it replicates to.
func (s *Service) failbackState(r *Instance) types.FailbackState {
	if r.Reversed == "" || r.Failback != types.FailbackStateFailbackInProgress {
		return r.Failback
	}
	switch v := s.reversed(r); {
	case v == nil:
		return types.FailbackStateFailbackNotStarted
	case v.State == types.DataReplicationStateContinuous:
		return types.FailbackStateFailbackReadyForLaunch
	case v.State == types.DataReplicationStateStalled:
		return types.FailbackStateFailbackError
	}
	return types.FailbackStateFailbackInProgress
}

// replicationBack is the state of a recovery instance's replication.
func (s *Service) replicationBack(r *Instance) types.RecoveryInstanceDataReplicationState {
	switch v := s.reversed(r); {
	case r.Disconnected:
		return types.RecoveryInstanceDataReplicationStateDisconnected
	case v != nil:
		return types.RecoveryInstanceDataReplicationState(v.State)
	case r.Failback == types.FailbackStateFailbackReadyForLaunch:
		return types.RecoveryInstanceDataReplicationStateContinuous
	case r.Failback == types.FailbackStateFailbackInProgress:
		return types.RecoveryInstanceDataReplicationStateInitialSync
	}
	return types.RecoveryInstanceDataReplicationStateStopped
}

// StartFailbackClient has a failback client on the original machine take a recovery
// instance's data back, which AWS has no operation for. It is called in Update.
// See https://docs.aws.amazon.com/drs/latest/userguide/failback-performing-main.html.
func (s *Service) StartFailbackClient(ctx context.Context, account, region, instance string) error {
	c := gate.From(ctx)
	old := s.instances.Get(state.Key(account, region, instance))
	if old == nil {
		return notFound("RecoveryInstance", instance)
	}
	if old.Disconnected || backs(old.Failback) {
		return conflict("RecoveryInstance", instance, "The recovery instance "+instance+" cannot fail back now.")
	}
	r := *old
	r.Failback, r.FailbackAt = types.FailbackStateFailbackInProgress, c.At
	s.putInstance(&r)
	s.Agenda.Add(state.Task{At: c.At.Add(3 * time.Second), Service: s.Name(), Account: account, Region: region, What: readyTask, Subject: instance})
	return nil
}

// failbackReady ends the first sync of a failback.
func (s *Service) failbackReady(ctx context.Context, id string) error {
	c := gate.From(ctx)
	old := s.instances.Get(state.Key(c.Caller.Account, c.Region, id))
	if old == nil || old.Failback != types.FailbackStateFailbackInProgress {
		return nil
	}
	s.setFailback(c, old, types.FailbackStateFailbackReadyForLaunch)
	return nil
}

func (s *Service) setFailback(c *gate.Call, old *Instance, to types.FailbackState) {
	r := *old
	r.Failback = to
	s.putInstance(&r)
	s.emit(c, instanceKind, "DRS Recovery Instance Failback State Change", r.ID, map[string]string{"state": string(to)})
}

// launchingBack is what StartFailbackLaunch needs.
func (s *Service) launchingBack(c *gate.Call, in *drs.StartFailbackLaunchInput) ([]gate.Ask, error) {
	list, err := onEach(s, "StartFailbackLaunch", instanceKind, func(in *drs.StartFailbackLaunchInput) []string { return in.RecoveryInstanceIDs })(c, in)
	return append(list, askTags("StartFailbackLaunch", resourceARN(c, jobKind, "*"), in.Tags)...), err
}

// StartFailbackLaunch starts a job that starts the original machines from what was
// replicated back by their failback clients.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_StartFailbackLaunch.html.
func (s *Service) StartFailbackLaunch(ctx context.Context, in *drs.StartFailbackLaunchInput) (*drs.StartFailbackLaunchOutput, error) {
	c := gate.From(ctx)
	j := s.newJob(c, types.JobTypeLaunch, types.InitiatedByFailback, in.Tags)
	for _, id := range in.RecoveryInstanceIDs {
		old, err := s.instance(c, id)
		if err != nil {
			return nil, err // not among the errors of AWS's page: assumed
		}
		if old.Failback != types.FailbackStateFailbackReadyForLaunch {
			return nil, conflict("RecoveryInstance", id, "The failback of the recovery instance "+id+" is not ready for launch.")
		}
		r := *old
		r.FailbackJob = j.ID
		s.putInstance(&r)
		j.Servers = append(j.Servers, Participant{Server: r.Server, Instance: id, Launch: types.LaunchStatusPending, Stage: failbackStage})
	}
	s.begun(c, j)
	return &drs.StartFailbackLaunchOutput{Job: j.shown()}, nil
}

// failback ends a failback.
func (w *work) failback() {
	old, err := w.s.instance(w.c, w.p.Instance)
	if err != nil || old.Failback != types.FailbackStateFailbackReadyForLaunch {
		w.fail(types.JobLogEventLaunchFailed, "The failback of the recovery instance "+w.p.Instance+" was stopped.") // assumed text
		return
	}
	w.log(types.JobLogEventConversionStart, "")
	w.log(types.JobLogEventConversionEnd, "")
	w.log(types.JobLogEventLaunchStart, "")
	w.s.setFailback(w.c, old, types.FailbackStateFailbackCompleted)
	w.p.Stage, w.p.Launch = "", types.LaunchStatusLaunched
}

// StopFailback ends a failback that is not launched. Of reversed replication it ends the
// server that the data went to.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_StopFailback.html.
func (s *Service) StopFailback(ctx context.Context, in *drs.StopFailbackInput) (*drs.StopFailbackOutput, error) {
	c := gate.From(ctx)
	old, err := s.instance(c, *in.RecoveryInstanceID)
	if err != nil {
		return nil, err
	}
	if !backs(old.Failback) {
		return &drs.StopFailbackOutput{}, nil
	}
	r := *old
	if v := s.reversed(old); v != nil && v.replicates() {
		if _, err := s.end(own(ctx, v.Account, v.Region), v.ID, types.DataReplicationStateStopped); err != nil {
			return nil, err
		}
		r.Reversed = ""
	}
	s.setFailback(c, &r, types.FailbackStateFailbackNotStarted)
	return &drs.StopFailbackOutput{}, nil
}
