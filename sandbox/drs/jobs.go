package drs

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// mostTicks is how many seconds a job waits for EC2 before it gives up.
const mostTicks = 600

// work is one server of a job, and what is known while it is looked at.
type work struct {
	s   *Service
	ctx context.Context
	c   *gate.Call
	job *Job
	p   *Participant
	v   *Server
}

// continueJob does what a job does next for each of its servers.
func (s *Service) continueJob(ctx context.Context, id string) error {
	c := gate.From(ctx)
	old := s.jobs.Get(state.Key(c.Caller.Account, c.Region, id))
	if old == nil {
		return nil
	}
	j := *old
	j.Servers, j.Log = slices.Clone(old.Servers), slices.Clone(old.Log)
	if j.Status == types.JobStatusPending {
		j.Status = types.JobStatusStarted
		j.Log = append(j.Log, entry{At: c.At, Event: types.JobLogEventJobStart})
	}
	j.Ticks++
	running := false
	for i := range j.Servers {
		w := &work{s: s, ctx: ctx, c: c, job: &j, p: &j.Servers[i]}
		w.step()
		running = running || w.p.Stage != ""
	}
	if running {
		s.goOn(c, &j)
	} else {
		j.Status, j.Ended = types.JobStatusCompleted, c.At
		j.Log = append(j.Log, entry{At: c.At, Event: types.JobLogEventJobEnd})
	}
	s.putJob(&j)
	return nil
}

// step does a server's next stage. A server that is gone is skipped.
func (w *work) step() {
	if w.p.Stage == "" {
		return
	}
	w.v = w.s.servers.Get(state.Key(w.c.Caller.Account, w.c.Region, w.p.Server))
	if w.v == nil && w.recovers() {
		w.log(types.JobLogEventServerSkipped, "")
		w.p.Stage, w.p.Launch = "", types.LaunchStatusFailed
		return
	}
	if w.job.Ticks > mostTicks {
		w.fail(types.JobLogEventLaunchFailed, "EC2 did not finish in time.") // assumed text
		return
	}
	stages[w.p.Stage](w)
}

// recovers reports whether the job launches source servers.
func (w *work) recovers() bool {
	return w.job.Type == types.JobTypeLaunch && w.job.By != types.InitiatedByFailback
}

func (w *work) log(event types.JobLogEvent, raw string) {
	w.job.Log = append(w.job.Log, entry{At: w.c.At, Event: event, Server: w.p.Server, Instance: w.p.Instance, Raw: raw})
}

// next goes on with another stage.
func (w *work) next(stage string, launch types.LaunchStatus) {
	w.p.Stage, w.p.Launch = stage, launch
	if w.recovers() {
		w.ended(types.LastLaunchResultPending)
	}
}

// fail ends a server's part of the job with an error.
func (w *work) fail(event types.JobLogEvent, raw string) {
	w.log(event, raw)
	w.dropImage()
	w.p.Stage, w.p.Launch = "", types.LaunchStatusFailed
	if w.v != nil && w.recovers() {
		w.ended(types.LastLaunchResultFailed)
		w.tell("FAILED")
	}
}

// ended keeps on the server how its launch stands.
func (w *work) ended(result types.LastLaunchResult) {
	v := *w.v
	v.Result = result
	if v.Last != nil {
		last := *v.Last
		last.Status = w.p.Launch
		v.Last = &last
	}
	w.s.putServer(&v)
	w.v = &v
}

// tell tells EventBridge how a launch ended.
func (w *work) tell(how string) {
	kind := "RECOVERY_LAUNCH_"
	if w.job.By == types.InitiatedByStartDrill {
		kind = "DRILL_LAUNCH_"
	}
	w.s.emit(w.c, serverKind, "DRS Source Server Launch Result", w.v.ID, map[string]string{"state": kind + how, "job-id": w.job.ID})
}

func (j *Job) shown() *types.Job {
	out := &types.Job{
		JobID: &j.ID, Arn: new(behalf.ARN("drs", j.Region, j.Account, jobKind, "/", j.ID)), Type: j.Type, InitiatedBy: j.By, Status: j.Status,
		CreationDateTime: shownTime(j.Created), EndDateTime: shownTime(j.Ended), ParticipatingServers: []types.ParticipatingServer{}, Tags: shownTags(j.Tags),
	}
	for _, p := range j.Servers {
		shown := types.ParticipatingServer{SourceServerID: &p.Server, LaunchStatus: p.Launch}
		if p.Instance != "" {
			shown.RecoveryInstanceID = &p.Instance
		}
		out.ParticipatingServers = append(out.ParticipatingServers, shown)
	}
	return out
}

// DescribeJobs lists jobs, the latest first.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeJobs.html.
func (s *Service) DescribeJobs(ctx context.Context, in *drs.DescribeJobsInput) (*drs.DescribeJobsOutput, error) {
	var from, to time.Time
	var ids []string
	if f := in.Filters; f != nil {
		var err error
		if from, err = readTime(f.FromDate); err != nil {
			return nil, err
		}
		if to, err = readTime(f.ToDate); err != nil {
			return nil, err
		}
		ids = f.JobIDs
	}
	list := []types.Job{}
	all := rows(gate.From(ctx), s.jobs)
	slices.SortStableFunc(all, func(a, b *Job) int { return b.Created.Compare(a.Created) })
	for _, j := range all {
		if named(ids, j.ID) && !j.Created.Before(from) && (to.IsZero() || !j.Created.After(to)) {
			list = append(list, *j.shown())
		}
	}
	out := &drs.DescribeJobsOutput{}
	var err error
	out.Items, out.NextToken, err = page(list, in.NextToken, in.MaxResults)
	return out, err
}

func (s *Service) job(c *gate.Call, id string) (*Job, error) {
	if j := s.jobs.Get(state.Key(c.Caller.Account, c.Region, id)); j != nil {
		return j, nil
	}
	return nil, notFound("Job", id)
}

// DescribeJobLogItems tells what a job did.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DescribeJobLogItems.html.
func (s *Service) DescribeJobLogItems(ctx context.Context, in *drs.DescribeJobLogItemsInput) (*drs.DescribeJobLogItemsOutput, error) {
	j, err := s.job(gate.From(ctx), *in.JobID)
	if err != nil {
		return nil, err
	}
	list := []types.JobLog{}
	for _, e := range j.Log {
		item := types.JobLog{Event: e.Event, LogDateTime: shownTime(e.At), EventData: &types.JobLogEventData{}}
		for to, text := range map[**string]string{&item.EventData.SourceServerID: e.Server, &item.EventData.TargetInstanceID: e.Instance, &item.EventData.RawError: e.Raw} {
			if text != "" {
				*to = &text
			}
		}
		list = append(list, item)
	}
	out := &drs.DescribeJobLogItemsOutput{}
	out.Items, out.NextToken, err = page(list, in.NextToken, in.MaxResults)
	return out, err
}

// DeleteJob ends the memory of a job that is over.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_DeleteJob.html.
func (s *Service) DeleteJob(ctx context.Context, in *drs.DeleteJobInput) (*drs.DeleteJobOutput, error) {
	j, err := s.job(gate.From(ctx), *in.JobID)
	if err != nil {
		return nil, err
	}
	if j.Status != types.JobStatusCompleted {
		return nil, conflict("Job", j.ID, "The job "+j.ID+" has not ended.")
	}
	s.jobs.Delete(state.Key(j.Account, j.Region, j.ID))
	return &drs.DeleteJobOutput{}, nil
}
