package live

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	drstypes "github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/cloud"
)

// awsTime reads a time as EC2 writes it in texts; zero when it is none.
func awsTime(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// whyBackupJob, whyCopyJob and whyRestoreJob: an id of AWS Backup does not tell of what
// kind its job is.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeBackupJob.html.
func whyBackupJob(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	out, err := backup.NewFromConfig(w.cfg).DescribeBackupJob(ctx, &backup.DescribeBackupJobInput{BackupJobId: &w.id})
	if err != nil {
		return nil, w.missing(err, "backup:DescribeBackupJob")
	}
	return w.job(&cloud.Failed{
		What: "backup job", State: string(out.State), Text: aws.ToString(out.StatusMessage), At: theTime(out.CreationDate), Until: theTime(out.CompletionDate),
		Operation: "backup:StartBackupJob", Principal: aws.ToString(out.IamRoleArn),
	}, aws.ToString(out.ResourceArn), aws.ToString(out.RecoveryPointArn), aws.ToString(out.BackupVaultArn)), nil
}

func whyCopyJob(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	out, err := backup.NewFromConfig(w.cfg).DescribeCopyJob(ctx, &backup.DescribeCopyJobInput{CopyJobId: &w.id})
	if err != nil || out.CopyJob == nil {
		return nil, w.missing(err, "backup:DescribeCopyJob")
	}
	j := out.CopyJob
	return w.job(&cloud.Failed{
		What: "copy job", State: string(j.State), Text: aws.ToString(j.StatusMessage), At: theTime(j.CreationDate), Until: theTime(j.CompletionDate),
		Operation: "backup:StartCopyJob", Principal: aws.ToString(j.IamRoleArn),
	}, aws.ToString(j.ResourceArn), aws.ToString(j.SourceRecoveryPointArn), aws.ToString(j.DestinationBackupVaultArn), aws.ToString(j.DestinationRecoveryPointArn)), nil
}

func whyRestoreJob(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	out, err := backup.NewFromConfig(w.cfg).DescribeRestoreJob(ctx, &backup.DescribeRestoreJobInput{RestoreJobId: &w.id})
	if err != nil {
		return nil, w.missing(err, "backup:DescribeRestoreJob")
	}
	return w.job(&cloud.Failed{
		What: "restore job", State: string(out.Status), Text: aws.ToString(out.StatusMessage), At: theTime(out.CreationDate), Until: theTime(out.CompletionDate),
		Operation: "backup:StartRestoreJob", Principal: aws.ToString(out.IamRoleArn),
	}, aws.ToString(out.RecoveryPointArn), aws.ToString(out.CreatedResourceArn)), nil
}

// job completes what is told of a job of AWS Backup.
func (w *whySearch) job(f *cloud.Failed, about ...string) *cloud.Failed {
	f.Fine = f.State != "FAILED" && f.State != "ABORTED" && f.State != "PARTIAL" && f.State != "EXPIRED"
	for _, a := range without(about...) {
		f.Related = append(f.Related, lastPart(a))
		f.Log = append(f.Log, "about "+a)
	}
	return f
}

// whyPoint tells of a recovery point, which is found in the vault that has it.
func whyPoint(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	c := backup.NewFromConfig(w.cfg)
	pages := backup.NewListBackupVaultsPaginator(c, &backup.ListBackupVaultsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, w.missing(err, "backup:ListBackupVaults")
		}
		for i := range page.BackupVaultList {
			out, err := c.DescribeRecoveryPoint(ctx, &backup.DescribeRecoveryPointInput{BackupVaultName: page.BackupVaultList[i].BackupVaultName, RecoveryPointArn: &w.subject.ID})
			if err != nil {
				if err := w.missing(err, "backup:DescribeRecoveryPoint"); err != nil {
					return nil, err
				}
				continue
			}
			f := &cloud.Failed{
				What: "recovery point", ARN: w.subject.ID, State: string(out.Status), Text: aws.ToString(out.StatusMessage), At: theTime(out.CreationDate), Until: theTime(out.CompletionDate),
				Operation: "backup:StartBackupJob", Principal: aws.ToString(out.IamRoleArn), Keys: without(aws.ToString(out.EncryptionKeyArn)),
			}
			if aws.ToString(out.SourceBackupVaultArn) != "" {
				f.Operation = "backup:StartCopyJob"
			}
			w.job(f, aws.ToString(out.ResourceArn))
			f.Fine = out.Status == "COMPLETED" || out.Status == "AVAILABLE" || out.Status == "CREATING"
			return f, nil
		}
	}
	return nil, nil
}

// whyRecovery tells of a job of Elastic Disaster Recovery. The errors of keys stand in
// the job's log only.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_JobLog.html.
func whyRecovery(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	out, err := taskDRS(w.cfg).DescribeJobs(ctx, &drs.DescribeJobsInput{Filters: &drstypes.DescribeJobsRequestFilters{JobIDs: []string{w.id}}})
	if err != nil || len(out.Items) == 0 {
		return nil, w.missing(err, "drs:DescribeJobs")
	}
	j := &out.Items[0]
	p := recoveryProgress(j)
	f := &cloud.Failed{
		What: "recovery job", ARN: aws.ToString(j.Arn), State: string(j.Status), Text: p.Failed, Fine: p.Failed == "", At: drsTime(j.CreationDateTime), Until: drsTime(j.EndDateTime),
		Operation: "drs:StartRecovery", Related: []string{w.id},
	}
	for _, s := range j.ParticipatingServers {
		f.Related = append(f.Related, without(aws.ToString(s.SourceServerID), aws.ToString(s.RecoveryInstanceID))...)
	}
	pages := drs.NewDescribeJobLogItemsPaginator(taskDRS(w.cfg), &drs.DescribeJobLogItemsInput{JobID: &w.id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return f, w.missing(err, "drs:DescribeJobLogItems")
		}
		for _, e := range page.Items {
			text := string(e.Event)
			if d := e.EventData; d != nil {
				f.Related = append(f.Related, without(aws.ToString(d.ConversionServerID), aws.ToString(d.TargetInstanceID))...)
				if raw := aws.ToString(d.RawError); raw != "" {
					text, f.Text = text+": "+raw, reason(string(e.Event), raw)
				}
			}
			f.Log = append(f.Log, logLine(drsTime(e.LogDateTime), "%s", text))
		}
	}
	return f, nil
}

// whyDBSnapshot tells of a snapshot of RDS, whose events alone say why it failed.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html.
func whyDBSnapshot(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	id := rdsName(w.subject.ID)
	out, err := taskRDS(w.cfg, "").DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: &id})
	if err != nil || len(out.DBSnapshots) == 0 {
		return nil, w.missing(err, "rds:DescribeDBSnapshots")
	}
	s := &out.DBSnapshots[0]
	f := &cloud.Failed{
		What: "DB snapshot", ARN: aws.ToString(s.DBSnapshotArn), State: aws.ToString(s.Status), At: theTime(s.SnapshotCreateTime), Operation: "rds:CopyDBSnapshot",
		Keys: without(aws.ToString(s.KmsKeyId)), Related: without(id, aws.ToString(s.DBInstanceIdentifier)), Fine: !rdsBroken(aws.ToString(s.Status)),
	}
	return f, w.databaseEvents(ctx, f, id, rdstypes.SourceTypeDbSnapshot)
}

func whyClusterSnapshot(ctx context.Context, w *whySearch) (*cloud.Failed, error) {
	id := rdsName(w.subject.ID)
	out, err := taskRDS(w.cfg, "").DescribeDBClusterSnapshots(ctx, &rds.DescribeDBClusterSnapshotsInput{DBClusterSnapshotIdentifier: &id})
	if err != nil || len(out.DBClusterSnapshots) == 0 {
		return nil, w.missing(err, "rds:DescribeDBClusterSnapshots")
	}
	s := &out.DBClusterSnapshots[0]
	f := &cloud.Failed{
		What: "DB cluster snapshot", ARN: aws.ToString(s.DBClusterSnapshotArn), State: aws.ToString(s.Status), At: theTime(s.SnapshotCreateTime), Operation: "rds:CopyDBClusterSnapshot",
		Keys: without(aws.ToString(s.KmsKeyId)), Related: without(id, aws.ToString(s.DBClusterIdentifier)), Fine: !rdsBroken(aws.ToString(s.Status)),
	}
	return f, w.databaseEvents(ctx, f, id, rdstypes.SourceTypeDbClusterSnapshot)
}

// rdsEventMinutes is how long RDS keeps events.
const rdsEventMinutes = 14 * 24 * 60

func (w *whySearch) databaseEvents(ctx context.Context, f *cloud.Failed, id string, kind rdstypes.SourceType) error {
	out, err := taskRDS(w.cfg, "").DescribeEvents(ctx, &rds.DescribeEventsInput{SourceIdentifier: new(strings.ToLower(id)), SourceType: kind, Duration: new(int32(rdsEventMinutes))})
	if err != nil {
		return w.missing(err, "rds:DescribeEvents")
	}
	for _, e := range out.Events {
		f.Log = append(f.Log, logLine(theTime(e.Date), "%s", aws.ToString(e.Message)))
		if f.Text = aws.ToString(e.Message); f.At.IsZero() {
			f.At = theTime(e.Date)
		}
	}
	return nil
}
