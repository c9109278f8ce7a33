package drs

import (
	"context"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) recoveryOperations() []gate.Operation {
	return []gate.Operation{
		op(s, gate.Writes, s.recovering, s.StartRecovery),
		op(s, gate.Reads, onAll[drs.DescribeJobsInput]("DescribeJobs"), s.DescribeJobs),
		op(s, gate.Reads, on(s, "DescribeJobLogItems", jobKind, func(in *drs.DescribeJobLogItemsInput) *string { return in.JobID }), s.DescribeJobLogItems),
		op(s, gate.Writes, on(s, "DeleteJob", jobKind, func(in *drs.DeleteJobInput) *string { return in.JobID }), s.DeleteJob),
		op(s, gate.Reads, onAll[drs.DescribeRecoveryInstancesInput]("DescribeRecoveryInstances"), s.DescribeRecoveryInstances),
		op(s, gate.Writes, onEach(s, "TerminateRecoveryInstances", instanceKind, func(in *drs.TerminateRecoveryInstancesInput) []string { return in.RecoveryInstanceIDs }), s.TerminateRecoveryInstances),
		op(s, gate.Writes, on(s, "DisconnectRecoveryInstance", instanceKind, func(in *drs.DisconnectRecoveryInstanceInput) *string { return in.RecoveryInstanceID }), s.DisconnectRecoveryInstance),
		op(s, gate.Writes, on(s, "DeleteRecoveryInstance", instanceKind, func(in *drs.DeleteRecoveryInstanceInput) *string { return in.RecoveryInstanceID }), s.DeleteRecoveryInstance),
	}
}

// recovering is what StartRecovery needs: the right on each server, and to tag the job.
func (s *Service) recovering(c *gate.Call, in *drs.StartRecoveryInput) ([]gate.Ask, error) {
	list, err := onEach(s, "StartRecovery", serverKind, func(in *drs.StartRecoveryInput) (ids []string) {
		for _, x := range in.SourceServers {
			ids = append(ids, *x.SourceServerID)
		}
		return ids
	})(c, in)
	return append(list, askTags("StartRecovery", resourceARN(c, jobKind, "*"), in.Tags)...), err
}

// StartRecovery starts a job that launches recovery instances. Whatever goes wrong with
// keys shows in its log.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_StartRecovery.html.
func (s *Service) StartRecovery(ctx context.Context, in *drs.StartRecoveryInput) (*drs.StartRecoveryOutput, error) {
	c := gate.From(ctx)
	by, kind := types.InitiatedByStartRecovery, types.LastLaunchTypeRecovery
	if aws.ToBool(in.IsDrill) {
		by, kind = types.InitiatedByStartDrill, types.LastLaunchTypeDrill
	}
	j := s.newJob(c, types.JobTypeLaunch, by, in.Tags)
	for _, x := range in.SourceServers {
		old, err := s.server(c, *x.SourceServerID)
		if err != nil {
			return nil, err // not among the errors of AWS's page: assumed
		}
		if s.busy(c, old.ID) {
			return nil, conflict("SourceServer", old.ID, "The source server "+old.ID+" is in a job that has not ended.")
		}
		v := *old
		v.Result = types.LastLaunchResultPending
		v.Last = &types.LifeCycleLastLaunch{
			Initiated: &types.LifeCycleLastLaunchInitiated{ApiCallDateTime: shownTime(c.At), JobID: &j.ID, Type: kind}, Status: types.LaunchStatusPending,
		}
		s.putServer(&v)
		j.Servers = append(j.Servers, Participant{Server: v.ID, Point: aws.ToString(x.RecoverySnapshotID), Launch: types.LaunchStatusPending, Stage: cleanupStage})
	}
	s.begun(c, j)
	return &drs.StartRecoveryOutput{Job: j.shown()}, nil
}

// newJob makes a job for the caller. Its credentials stay out of the state.
func (s *Service) newJob(c *gate.Call, kind types.JobType, by types.InitiatedBy, tags map[string]string) *Job {
	who := c.Caller
	if who.Session != nil {
		session := *who.Session
		session.Token, session.Secret = "", ""
		who.Session = &session
	}
	return &Job{
		Account: c.Caller.Account, Region: c.Region, ID: "drsjob-" + s.IDs.Hex(17), Type: kind, By: by, Status: types.JobStatusPending, Created: c.At,
		Tags: maps.Clone(tags), Caller: who,
	}
}

// begun stores a job and has it go on.
func (s *Service) begun(c *gate.Call, j *Job) {
	s.putJob(j)
	s.goOn(c, j)
}

func (s *Service) goOn(c *gate.Call, j *Job) {
	s.Agenda.Add(state.Task{At: c.At.Add(time.Second), Service: s.Name(), Account: j.Account, Region: j.Region, What: jobTask, Subject: j.ID})
}

// busy reports whether a server is in a job that has not ended.
func (s *Service) busy(c *gate.Call, server string) bool {
	for _, j := range rows(c, s.jobs) {
		if j.Status == types.JobStatusCompleted {
			continue
		}
		for _, p := range j.Servers {
			if p.Server == server {
				return true
			}
		}
	}
	return false
}
