package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
)

// drsLabor is how Elastic Disaster Recovery is used. Replication and points in time are
// its own doing and only looked at; "drs:replicate" is no operation of AWS.
func drsLabor(operation string) (labor, bool) {
	switch operation {
	case "drs:replicate":
		return labor{look: lookReplication}, true
	case "drs:DescribeRecoverySnapshots":
		return labor{look: lookPoint}, true
	case "drs:CreateExtendedSourceServer":
		return labor{look: lookExtended, start: extendServer, remove: removeExtended}, true
	case "drs:StartRecovery":
		return labor{look: lookRecovery, start: startRecovery, remove: removeRecovery}, true
	case "drs:ReverseReplication":
		return labor{look: lookReversed, start: reverseReplication, remove: removeReversed}, true
	}
	return labor{}, false
}

func taskDRS(c aws.Config) *drs.Client { return drs.NewFromConfig(c) }

// drsTime reads a time as DRS writes it; zero when it is none.
func drsTime(text *string) time.Time {
	at, err := time.Parse(time.RFC3339, aws.ToString(text))
	if err != nil {
		return time.Time{}
	}
	return at
}

// sourceServers lists source servers as somebody sees them.
func (w *work) sourceServers(ctx context.Context, as aws.Config, filter *types.DescribeSourceServersRequestFilters) (list []types.SourceServer, err error) {
	pages := drs.NewDescribeSourceServersPaginator(taskDRS(as), &drs.DescribeSourceServersInput{Filters: filter})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, w.failed(err, "drs:DescribeSourceServers")
		}
		list = append(list, out.Items...)
	}
	return list, nil
}

// server is one source server; nil when there is none of that id.
func (w *work) server(ctx context.Context, as aws.Config, id string) (*types.SourceServer, error) {
	list, err := w.sourceServers(ctx, as, &types.DescribeSourceServersRequestFilters{SourceServerIDs: []string{id}})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// replication is how far a server's replication is: it has all of the data when it is
// continuous.
func replication(s *types.SourceServer) cloud.Progress {
	p := cloud.Progress{ID: aws.ToString(s.SourceServerID), Percent: -1}
	info := s.DataReplicationInfo
	if info == nil {
		return p
	}
	p.State = string(info.DataReplicationState)
	if i := info.DataReplicationInitiation; i != nil {
		p.Started = drsTime(i.StartDateTime)
	}
	var copied, total int64
	for _, d := range info.ReplicatedDisks {
		copied, total = copied+d.ReplicatedStorageBytes, total+d.TotalStorageBytes
	}
	if total > 0 {
		p.Percent = int(min(copied*100/total, 100))
	}
	switch info.DataReplicationState {
	case types.DataReplicationStateContinuous:
		p.Done, p.Percent = true, 100
	case types.DataReplicationStateStalled:
		p.Failed = p.State
		if e := info.DataReplicationError; e != nil {
			p.Failed = reason(string(e.Error), aws.ToString(e.RawError))
		}
	}
	return p
}

func lookReplication(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	s, err := w.server(ctx, w.own, lastPart(w.Source))
	if err != nil || s == nil {
		return cloud.Progress{}, false, err
	}
	return replication(s), true, nil
}

// lookPoint is done when the server has a point in time to be recovered from.
func lookPoint(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	pages := drs.NewDescribeRecoverySnapshotsPaginator(taskDRS(w.own), &drs.DescribeRecoverySnapshotsInput{SourceServerID: new(lastPart(w.Source)), Order: types.RecoverySnapshotsOrderDesc})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return cloud.Progress{}, false, w.failed(err, w.Operation)
		}
		for _, n := range out.Items {
			if n.Timestamp != nil {
				return cloud.Progress{ID: aws.ToString(n.SnapshotID), State: "available", Percent: 100, Done: true, Started: drsTime(n.Timestamp)}, true, nil
			}
		}
	}
	s, found, err := lookReplication(ctx, w)
	s.ID, s.Done, s.Percent = "", false, -1
	return s, found, err
}

// extended is the server that the task's source is extended to; nil is none.
func (w *work) extended(ctx context.Context) (*types.SourceServer, error) {
	a, err := arn.Parse(w.Source)
	if err != nil {
		return nil, w.invalid(fmt.Errorf("the source of the task %s: %w", w.Name, err), cloud.Invalid)
	}
	list, err := w.sourceServers(ctx, w.own, &types.DescribeSourceServersRequestFilters{StagingAccountIDs: []string{a.Account}})
	for _, s := range list {
		if s.StagingArea != nil && aws.ToString(s.StagingArea.StagingSourceServerArn) == w.Source {
			return &s, err
		}
	}
	return nil, err
}

func extension(s *types.SourceServer) cloud.Progress {
	p := cloud.Progress{ID: aws.ToString(s.SourceServerID), Percent: -1}
	if s.StagingArea == nil {
		return p
	}
	p.State = string(s.StagingArea.Status)
	switch s.StagingArea.Status {
	case types.ExtensionStatusExtended:
		p.Done, p.Percent = true, 100
	case types.ExtensionStatusExtensionError:
		p.Failed = reason(p.State, aws.ToString(s.StagingArea.ErrorMessage))
	}
	return p
}

// lookExtended finds the extended server also when somebody else extended it: there is
// one of a kind.
func lookExtended(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	s, err := w.extended(ctx)
	if err != nil || s == nil {
		return cloud.Progress{}, false, err
	}
	return extension(s), true, nil
}

func extendServer(ctx context.Context, w *work) (cloud.Progress, error) {
	_, tags := w.tags()
	out, err := taskDRS(w.actor).CreateExtendedSourceServer(ctx, &drs.CreateExtendedSourceServerInput{SourceServerArn: &w.Source, Tags: tags})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return extension(out.SourceServer), nil
}

// removeExtended takes the extended server away when the task made it.
func removeExtended(ctx context.Context, w *work) error {
	s, err := w.extended(ctx)
	if err != nil || s == nil || s.Tags[cloud.TaskTag] != w.Name {
		return err
	}
	_, err = taskDRS(w.own).DeleteSourceServer(ctx, &drs.DeleteSourceServerInput{SourceServerID: s.SourceServerID})
	return w.failed(err, "drs:DeleteSourceServer")
}

// recovery is the task's job; nil is none.
func (w *work) recovery(ctx context.Context) (*types.Job, error) {
	var list []types.Job
	pages := drs.NewDescribeJobsPaginator(taskDRS(w.own), &drs.DescribeJobsInput{})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, w.failed(err, "drs:DescribeJobs")
		}
		for _, j := range out.Items {
			if j.Tags[cloud.TaskTag] == w.Name {
				list = append(list, j)
			}
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	j := slices.MaxFunc(list, func(a, b types.Job) int {
		return cmp.Compare(aws.ToString(a.CreationDateTime), aws.ToString(b.CreationDateTime))
	})
	return &j, nil
}

// lookRecovery is done when the job ended and every server was launched. The errors of
// keys stand in the job's log only.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_JobLog.html.
func lookRecovery(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	j, err := w.recovery(ctx)
	if err != nil || j == nil {
		return cloud.Progress{}, false, err
	}
	p := recoveryProgress(j)
	event, why, err := w.jobLog(ctx, aws.ToString(j.JobID))
	if err != nil {
		return p, true, err
	}
	if event != "" {
		p.State = event
	}
	if p.Failed != "" && why != "" {
		p.Failed = why
	}
	return p, true, nil
}

func recoveryProgress(j *types.Job) cloud.Progress {
	p := cloud.Progress{ID: aws.ToString(j.JobID), State: string(j.Status), Percent: -1, Started: drsTime(j.CreationDateTime)}
	launched, failed, instances := 0, 0, []string(nil)
	for _, s := range j.ParticipatingServers {
		switch s.LaunchStatus {
		case types.LaunchStatusLaunched:
			launched++
		case types.LaunchStatusFailed:
			failed++
		}
		if s.RecoveryInstanceID != nil {
			instances = append(instances, *s.RecoveryInstanceID)
		}
	}
	if len(instances) > 0 {
		p.Made = map[string]string{"recovery instance": strings.Join(instances, ",")}
	}
	ended := j.Status == types.JobStatusCompleted
	switch {
	case ended && launched == len(j.ParticipatingServers) && launched > 0:
		p.Done, p.Percent = true, 100
	case ended || failed > 0:
		p.Failed = fmt.Sprintf("%d of the %d servers of %s were launched", launched, len(j.ParticipatingServers), p.ID)
	}
	return p
}

// jobLog is the newest event of a job's log, and the newest error in it: an earlier one
// may have been got over, as by using the previous snapshot.
func (w *work) jobLog(ctx context.Context, id string) (event, why string, err error) {
	pages := drs.NewDescribeJobLogItemsPaginator(taskDRS(w.own), &drs.DescribeJobLogItemsInput{JobID: &id})
	newest, wrong := "", ""
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return "", "", w.failed(err, "drs:DescribeJobLogItems")
		}
		for _, e := range out.Items {
			at := aws.ToString(e.LogDateTime)
			if at >= newest {
				newest, event = at, string(e.Event)
			}
			if at >= wrong && e.EventData != nil && e.EventData.RawError != nil {
				wrong, why = at, reason(string(e.Event), *e.EventData.RawError)
			}
		}
	}
	return event, why, nil
}

// startRecovery recovers the servers of the source, several with commas between them,
// from their latest points.
func startRecovery(ctx context.Context, w *work) (cloud.Progress, error) {
	_, tags := w.tags()
	call := &drs.StartRecoveryInput{IsDrill: new(w.Args["drill"] == "true"), Tags: tags}
	for id := range strings.SplitSeq(w.Source, ",") {
		call.SourceServers = append(call.SourceServers, types.StartRecoveryRequestSourceServer{SourceServerID: new(lastPart(strings.TrimSpace(id)))})
	}
	out, err := taskDRS(w.actor).StartRecovery(ctx, call)
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return recoveryProgress(out.Job), nil
}

// removeRecovery terminates what was recovered and deletes the job. A job that runs
// cannot be stopped: it fails with kind cloud.State until that has ended.
func removeRecovery(ctx context.Context, w *work) error {
	j, err := w.recovery(ctx)
	if err != nil || j == nil {
		return err
	}
	if j.Status != types.JobStatusCompleted {
		return w.invalid(fmt.Errorf("the job %s has not ended", aws.ToString(j.JobID)), cloud.State)
	}
	var ids []string
	for _, s := range j.ParticipatingServers {
		if s.RecoveryInstanceID != nil {
			ids = append(ids, *s.RecoveryInstanceID)
		}
	}
	if ids, err = w.recovered(ctx, ids); err != nil {
		return err
	}
	if len(ids) > 0 {
		_, err := taskDRS(w.own).TerminateRecoveryInstances(ctx, &drs.TerminateRecoveryInstancesInput{RecoveryInstanceIDs: ids})
		if err := w.gone(w.failed(err, "drs:TerminateRecoveryInstances")); err != nil {
			return err
		}
	}
	_, err = taskDRS(w.own).DeleteJob(ctx, &drs.DeleteJobInput{JobID: j.JobID})
	return w.failed(err, "drs:DeleteJob")
}

// recovered are those of some recovery instances that are there.
func (w *work) recovered(ctx context.Context, ids []string) (there []string, err error) {
	list, err := w.recoveryInstances(ctx, ids)
	for _, r := range list {
		there = append(there, aws.ToString(r.RecoveryInstanceID))
	}
	return there, err
}

func (w *work) recoveryInstances(ctx context.Context, ids []string) (list []types.RecoveryInstance, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	pages := drs.NewDescribeRecoveryInstancesPaginator(taskDRS(w.own), &drs.DescribeRecoveryInstancesInput{Filters: &types.DescribeRecoveryInstancesRequestFilters{RecoveryInstanceIDs: ids}})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, w.failed(err, "drs:DescribeRecoveryInstances")
		}
		list = append(list, out.Items...)
	}
	return list, nil
}
