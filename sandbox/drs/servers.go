package drs

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) serverOperations() []gate.Operation {
	return []gate.Operation{
		op(s, gate.Reads, onAll[drs.DescribeSourceServersInput]("DescribeSourceServers"), s.DescribeSourceServers),
		op(s, gate.Reads, on(s, "DescribeRecoverySnapshots", serverKind, func(in *drs.DescribeRecoverySnapshotsInput) *string { return in.SourceServerID }), s.DescribeRecoverySnapshots),
		op(s, gate.Writes, on(s, "DisconnectSourceServer", serverKind, func(in *drs.DisconnectSourceServerInput) *string { return in.SourceServerID }), s.DisconnectSourceServer),
		op(s, gate.Writes, on(s, "DeleteSourceServer", serverKind, func(in *drs.DeleteSourceServerInput) *string { return in.SourceServerID }), s.DeleteSourceServer),
		op(s, gate.Writes, on(s, "StartReplication", serverKind, func(in *drs.StartReplicationInput) *string { return in.SourceServerID }), s.StartReplication),
		op(s, gate.Writes, on(s, "StopReplication", serverKind, func(in *drs.StopReplicationInput) *string { return in.SourceServerID }), s.StopReplication),
		op(s, gate.Writes, on(s, "RetryDataReplication", serverKind, func(in *drs.RetryDataReplicationInput) *string { return in.SourceServerID }), s.RetryDataReplication),
		op(s, gate.Reads, onAll[drs.ListStagingAccountsInput]("ListStagingAccounts"), s.ListStagingAccounts),
		op(s, gate.Writes, onAll[drs.ListExtensibleSourceServersInput]("ListExtensibleSourceServers"), s.ListExtensibleSourceServers),
		op(s, gate.Writes, extending, s.CreateExtendedSourceServer),
	}
}

// Agent is what an agent tells of the machine that it is installed on.
type Agent struct {
	Account  string      `json:"account"`
	Region   string      `json:"region"`
	Hostname string      `json:"hostname"`
	Disks    []AgentDisk `json:"disks"`
	// OriginAccount, OriginRegion and InstanceID are those of a machine on AWS; its
	// servers can replicate back there.
	OriginAccount string            `json:"origin_account,omitempty"`
	OriginRegion  string            `json:"origin_region,omitempty"`
	InstanceID    string            `json:"instance_id,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
}

// AgentDisk is a disk of it; the first is that which the machine boots from.
type AgentDisk struct {
	Device string `json:"device"`
	Bytes  int64  `json:"bytes"`
}

// AddSourceServer makes a source server, as an agent does when it is installed, and
// starts its replication. It is called in Update.
func (s *Service) AddSourceServer(ctx context.Context, a Agent) (*types.SourceServer, error) {
	c := gate.From(ctx)
	switch {
	case !s.initialized(a.Account, a.Region):
		return nil, uninitialized(a.Account)
	case a.Hostname == "" || len(a.Disks) == 0:
		return nil, invalid("A source server has a hostname and at least one disk.")
	case a.OriginAccount != "" && !arn.IsAccount(a.OriginAccount):
		return nil, invalid("The origin account " + a.OriginAccount + " is not twelve digits.")
	}
	v, err := s.newServer(c, &a)
	if err != nil {
		return nil, err
	}
	s.start(c, v)
	s.putServer(v)
	return v.shown(), nil
}

// newServer makes the row of a server that does not replicate yet.
func (s *Service) newServer(c *gate.Call, a *Agent) (*Server, error) {
	v := &Server{
		Account: a.Account, Region: a.Region, ID: "s-" + s.IDs.Hex(17), Created: c.At, Hostname: a.Hostname, Cores: 2, RAM: 4 << 30, OS: "Linux",
		AWSInstance: a.InstanceID, OriginAccount: a.OriginAccount, OriginRegion: a.OriginRegion, Direction: types.ReplicationDirectionFailover,
		Result: types.LastLaunchResultNotStarted, Tags: a.Tags,
	}
	if v.OriginRegion != "" {
		v.OriginZone = v.OriginRegion + "a"
		if v.OriginAccount == "" {
			v.OriginAccount = a.Account
		}
	}
	const gib = 1 << 30
	for _, d := range a.Disks {
		if d.Device == "" || d.Bytes <= 0 || d.Bytes > 64<<40 {
			return nil, invalid("A disk has a device name, and 1 byte to 64 TiB.")
		}
		v.Disks = append(v.Disks, staged{Device: d.Device, Bytes: d.Bytes, Size: int32((d.Bytes + gib - 1) / gib)})
	}
	v.Replication = s.begin(c, v.ID, v.Disks)
	v.Launch = s.beginLaunch(c, v.ID, v.Hostname)
	return v, nil
}

// shown is a server as DRS tells it.
func (v *Server) shown() *types.SourceServer {
	out := &types.SourceServer{
		SourceServerID: &v.ID, Arn: new(v.arn()), Tags: shownTags(v.Tags), DataReplicationInfo: v.shownReplication(), LastLaunchResult: v.Result,
		ReplicationDirection: v.Direction, AgentVersion: new("6.3.0"), SourceProperties: v.shownProperties(),
		LifeCycle:   &types.LifeCycle{AddedToServiceDateTime: shownTime(v.Created), FirstByteDateTime: shownTime(v.Synced), LastSeenByServiceDateTime: shownTime(v.Created), LastLaunch: v.Last},
		StagingArea: &types.StagingArea{Status: types.ExtensionStatusNotExtended, StagingAccountID: &v.Account},
	}
	if v.Instance != "" {
		out.RecoveryInstanceId = &v.Instance
	}
	if v.Reversed != "" {
		out.ReversedDirectionSourceServerArn = &v.Reversed
	}
	if v.OriginRegion != "" {
		out.SourceCloudProperties = &types.SourceCloudProperties{OriginAccountID: &v.OriginAccount, OriginRegion: &v.OriginRegion, OriginAvailabilityZone: &v.OriginZone}
	}
	if x := v.Staging; x != nil {
		out.StagingArea = &types.StagingArea{Status: x.Status, StagingAccountID: &x.Account, StagingSourceServerArn: new(behalf.ARN("drs", v.Region, x.Account, serverKind, "/", x.Server))}
		if x.Message != "" {
			out.StagingArea.ErrorMessage = &x.Message
		}
	}
	return out
}

func (v *Server) arn() string { return behalf.ARN("drs", v.Region, v.Account, serverKind, "/", v.ID) }

func (v *Server) shownProperties() *types.SourceProperties {
	p := &types.SourceProperties{
		Cpus: []types.CPU{{Cores: v.Cores}}, RamBytes: v.RAM, Os: &types.OS{FullString: &v.OS}, LastUpdatedDateTime: shownTime(v.Created),
		IdentificationHints: &types.IdentificationHints{Hostname: &v.Hostname}, RecommendedInstanceType: new("c5.large"), SupportsNitroInstances: new(true),
	}
	if v.AWSInstance != "" {
		p.IdentificationHints.AwsInstanceID = &v.AWSInstance
	}
	for _, d := range v.Disks {
		p.Disks = append(p.Disks, types.Disk{DeviceName: &d.Device, Bytes: d.Bytes})
	}
	return p
}

func (v *Server) shownReplication() *types.DataReplicationInfo {
	info := &types.DataReplicationInfo{DataReplicationState: v.State, ReplicatedDisks: []types.DataReplicationInfoReplicatedDisk{}}
	if v.Staging != nil {
		return info
	}
	info.StagingAvailabilityZone = new(v.Region + "a")
	for _, d := range v.Disks {
		disk := types.DataReplicationInfoReplicatedDisk{DeviceName: &d.Device, TotalStorageBytes: d.Bytes, VolumeStatus: types.VolumeStatusRegular}
		if !v.Synced.IsZero() {
			disk.ReplicatedStorageBytes = d.Bytes
		}
		info.ReplicatedDisks = append(info.ReplicatedDisks, disk)
	}
	switch v.State {
	case types.DataReplicationStateContinuous:
		info.LagDuration = new("P0D")
	case types.DataReplicationStateInitiating, types.DataReplicationStateStalled:
		info.DataReplicationInitiation = v.initiation()
	}
	if v.Error != "" {
		info.DataReplicationError = &types.DataReplicationError{Error: v.Error, RawError: &v.Raw}
	}
	return info
}

// initiation are the steps to the first byte. Only the staging disks can fail here.
func (v *Server) initiation() *types.DataReplicationInitiation {
	out := &types.DataReplicationInitiation{StartDateTime: shownTime(v.Started), NextAttemptDateTime: shownTime(v.Attempt)}
	steps := types.DataReplicationInitiationStepName("").Values()
	at := slices.Index(steps, types.DataReplicationInitiationStepNameCreateStagingDisks)
	for i, name := range steps {
		status := types.DataReplicationInitiationStepStatusNotStarted
		switch {
		case i < at:
			status = types.DataReplicationInitiationStepStatusSucceeded
		case i == at && v.Error == types.DataReplicationErrorStringFailedToCreateStagingDisks:
			status = types.DataReplicationInitiationStepStatusFailed
		case i == at:
			status = types.DataReplicationInitiationStepStatusInProgress
		}
		out.Steps = append(out.Steps, types.DataReplicationInitiationStep{Name: name, Status: status})
	}
	return out
}

// DescribeSourceServers lists source servers. Whether those that are extended can still be
// reached is looked at now.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeSourceServers.html.
func (s *Service) DescribeSourceServers(ctx context.Context, in *drs.DescribeSourceServersInput) (*drs.DescribeSourceServersOutput, error) {
	c := gate.From(ctx)
	list := []types.SourceServer{}
	for _, v := range rows(c, s.servers) {
		if !fits(v, in.Filters) {
			continue
		}
		if v.Staging != nil {
			if !c.Writing {
				return nil, gate.ErrUpdate
			}
			v = s.look(ctx, v)
		}
		list = append(list, *v.shown())
	}
	out := &drs.DescribeSourceServersOutput{}
	var err error
	out.Items, out.NextToken, err = page(list, in.NextToken, in.MaxResults)
	return out, err
}

func fits(v *Server, f *types.DescribeSourceServersRequestFilters) bool {
	if f == nil {
		return true
	}
	staging := v.Account
	if v.Staging != nil {
		staging = v.Staging.Account
	}
	return named(f.SourceServerIDs, v.ID) && named(f.StagingAccountIDs, staging) && (f.HardwareId == nil || *f.HardwareId == v.AWSInstance)
}

// DisconnectSourceServer ends a server's replication and its agent.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DisconnectSourceServer.html.
func (s *Service) DisconnectSourceServer(ctx context.Context, in *drs.DisconnectSourceServerInput) (*drs.DisconnectSourceServerOutput, error) {
	v, err := s.end(ctx, *in.SourceServerID, types.DataReplicationStateDisconnected)
	if err != nil {
		return nil, err
	}
	return new(drs.DisconnectSourceServerOutput(flat(v.shown()))), nil
}

// flat is a server as the operations answer it that have its members in their answer.
func flat(v *types.SourceServer) drs.RetryDataReplicationOutput {
	var out drs.RetryDataReplicationOutput
	overlay(&out, v)
	return out
}

// end ends a server's replication. Its points stay until the server is deleted, and an
// extended one has none to end.
func (s *Service) end(ctx context.Context, id string, to types.DataReplicationState) (*Server, error) {
	old, err := s.server(gate.From(ctx), id)
	if err != nil {
		return nil, err
	}
	switch {
	case old.Staging != nil && to == types.DataReplicationStateStopped:
		return nil, conflict("SourceServer", id, "The source server "+id+" is extended: it replicates in the staging account.")
	case old.State == to || old.State == types.DataReplicationStateDisconnected:
		return nil, conflict("SourceServer", id, "The replication of the source server "+id+" is "+string(old.State)+" already.")
	}
	v := *old
	s.dropVolumes(ctx, &v)
	v.Generation++
	v.State, v.Error, v.Raw, v.Attempt = to, "", "", time.Time{}
	s.putServer(&v)
	return &v, nil
}

// DeleteSourceServer ends a server, with its points. One that replicates has to be
// disconnected first; one that is extended need not.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DeleteSourceServer.html.
func (s *Service) DeleteSourceServer(ctx context.Context, in *drs.DeleteSourceServerInput) (*drs.DeleteSourceServerOutput, error) {
	v, err := s.server(gate.From(ctx), *in.SourceServerID)
	if err != nil {
		return nil, err
	}
	if v.Staging == nil && v.State != types.DataReplicationStateDisconnected {
		return nil, conflict("SourceServer", v.ID, "The source server "+v.ID+" has to be disconnected before it is deleted.")
	}
	if v.Staging == nil {
		for _, p := range s.pointsOf(v) {
			s.dropPoint(ctx, p)
		}
	}
	s.servers.Delete(state.Key(v.Account, v.Region, v.ID))
	return &drs.DeleteSourceServerOutput{}, nil
}

// StartReplication starts a server's replication after it was stopped.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_StartReplication.html.
func (s *Service) StartReplication(ctx context.Context, in *drs.StartReplicationInput) (*drs.StartReplicationOutput, error) {
	v, err := s.again(ctx, *in.SourceServerID, types.DataReplicationStateStopped)
	if err != nil {
		return nil, err
	}
	return &drs.StartReplicationOutput{SourceServer: v.shown()}, nil
}

// again starts a replication that is in one of some states.
func (s *Service) again(ctx context.Context, id string, from ...types.DataReplicationState) (*Server, error) {
	old, err := s.server(gate.From(ctx), id)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(from, old.State) || old.Staging != nil {
		return nil, conflict("SourceServer", id, "The replication of the source server "+id+" is "+string(old.State)+".")
	}
	v := *old
	s.restart(ctx, &v)
	s.putServer(&v)
	return &v, nil
}

// StopReplication stops a server's replication.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_StopReplication.html.
func (s *Service) StopReplication(ctx context.Context, in *drs.StopReplicationInput) (*drs.StopReplicationOutput, error) {
	v, err := s.end(ctx, *in.SourceServerID, types.DataReplicationStateStopped)
	if err != nil {
		return nil, err
	}
	return &drs.StopReplicationOutput{SourceServer: v.shown()}, nil
}

// RetryDataReplication has a replication begin again that is stalled, stopped or
// disconnected.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_RetryDataReplication.html.
func (s *Service) RetryDataReplication(ctx context.Context, in *drs.RetryDataReplicationInput) (*drs.RetryDataReplicationOutput, error) {
	v, err := s.again(ctx, *in.SourceServerID, types.DataReplicationStateStalled, types.DataReplicationStateStopped, types.DataReplicationStateDisconnected)
	if err != nil {
		return nil, err
	}
	return new(flat(v.shown())), nil
}
