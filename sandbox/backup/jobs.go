package backup

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Times that jobs take on the sandbox's clock; AWS's take minutes to hours.
const (
	untilStart = time.Second
	untilLook  = time.Second
	// longest is how long a job looks for the end of what it began.
	longest = 7 * 24 * time.Hour
)

func (s *Service) jobOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksStartBackup, s.StartBackupJob),
		gate.Op(gate.Reads, onAny[backup.DescribeBackupJobInput]("DescribeBackupJob"), s.DescribeBackupJob),
		gate.Op(gate.Reads, onAny[backup.ListBackupJobsInput]("ListBackupJobs"), s.ListBackupJobs),
		gate.Op(gate.Writes, onAny[backup.StopBackupJobInput]("StopBackupJob"), s.StopBackupJob),
		gate.Op(gate.Writes, s.asksStartCopy, s.StartCopyJob),
		gate.Op(gate.Reads, onAny[backup.DescribeCopyJobInput]("DescribeCopyJob"), s.DescribeCopyJob),
		gate.Op(gate.Reads, onAny[backup.ListCopyJobsInput]("ListCopyJobs"), s.ListCopyJobs),
		gate.Op(gate.Writes, s.asksStartRestore, s.StartRestoreJob),
		gate.Op(gate.Reads, onAny[backup.DescribeRestoreJobInput]("DescribeRestoreJob"), s.DescribeRestoreJob),
		gate.Op(gate.Reads, onAny[backup.ListRestoreJobsInput]("ListRestoreJobs"), s.ListRestoreJobs),
		gate.Op(gate.Reads, onAny[backup.ListRestoreJobsByProtectedResourceInput]("ListRestoreJobsByProtectedResource"), s.ListRestoreJobsByProtectedResource),
		gate.Op(gate.Reads, onAny[backup.GetRestoreJobMetadataInput]("GetRestoreJobMetadata"), s.GetRestoreJobMetadata),
	}
}

// later puts a step of a job on the agenda.
func (s *Service) later(account, region, what, id string, at time.Time) {
	s.Agenda.Add(state.Task{At: at, Service: "backup", Account: account, Region: region, What: what, Subject: id})
}

// again is when to look once more for the end of what began at a time: soon at first,
// then seldom.
func again(began, now time.Time) time.Time {
	return now.Add(max(untilLook, now.Sub(began)/4))
}

// checkRole refuses a role that does not let AWS Backup in. Reported of jobs and
// selections.
func (s *Service) checkRole(ctx context.Context, role *string) error {
	if _, err := s.actor(ctx, text(role)); err != nil {
		return invalidValue(notAssumed(text(role)))
	}
	return nil
}

// percent is how much of a job is done.
func percent(done bool) *string {
	if done {
		return new("100.0")
	}
	return new("0.0")
}

// tell emits what became of a job.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html.
func (s *Service) tell(at time.Time, account, region, what, resource string, detail any) {
	if s.Events == nil {
		return
	}
	resources := []string{}
	if resource != "" {
		resources = append(resources, resource)
	}
	s.Events.Emit(gate.Event{At: at, Account: account, Region: region, Source: "aws.backup", DetailType: what, Resources: resources, Detail: detail})
}

// timestamp is a time as events have it.
func timestamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// planARN is the ARN of a plan.
func planARN(region, account, id string) string {
	return behalf.ARN("backup", region, account, "backup-plan:", id)
}

// category is the kind of a job's message. Which kinds there are of failures AWS
// documents as a list of texts for each, and the sandbox does not tell them apart.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-dashboards.html.
func category(done bool) *string {
	if done {
		return new("SUCCESS")
	}
	return nil
}
