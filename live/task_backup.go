package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
)

// backupLabor is how the jobs of AWS Backup are done. A job has no tags: it is found by
// what it is about and when it was made. AWS Backup acts as a role that only it may
// assume, so whoever has the account begins.
func backupLabor(operation string) (labor, bool) {
	switch operation {
	case "backup:StartBackupJob":
		return labor{look: lookBackup, start: startBackup, remove: removeBackup, own: true}, true
	case "backup:StartCopyJob":
		return labor{look: lookCopy, start: startCopy, remove: removeCopy, own: true}, true
	case "backup:StartRestoreJob":
		return labor{look: lookRestore, start: startRestore, remove: removeRestore, own: true}, true
	}
	return labor{}, false
}

// job is one of AWS Backup, of any kind.
type job struct {
	id, state, message, made string
	percent                  int
	at                       time.Time
}

// progress is how far a job is. There is no way on from what is not named here.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupJob.html.
func (j job) progress() cloud.Progress {
	p := cloud.Progress{ID: j.made, State: j.state, Percent: j.percent, Started: j.at, Made: map[string]string{"job": j.id}}
	switch j.state {
	case "COMPLETED":
		p.Done, p.Percent = true, 100
	case "CREATED", "PENDING", "RUNNING", "ABORTING":
	default:
		p.Failed = j.message
		if p.Failed == "" {
			p.Failed = "the job " + j.id + " is " + j.state
		}
	}
	return p
}

// newest is the newest job whose result is not gone again; ended is how many newer ones
// have nothing left.
func newest(jobs []job, gone func(job) (bool, error)) (j job, found bool, ended int, err error) {
	slices.SortFunc(jobs, func(a, b job) int { return b.at.Compare(a.at) })
	for _, j := range jobs {
		if j.state != "COMPLETED" || j.made == "" {
			return j, true, ended, nil
		}
		if is, err := gone(j); err != nil || !is {
			return j, err == nil, ended, err
		}
		ended++
	}
	return job{}, false, ended, nil
}

// jobToken is the idempotency token of a job: what comes after another time is another
// job.
func (w *work) jobToken(ended int) string {
	t := *w
	t.Args = map[string]string{argAttempt: strings.Trim(w.Args[argAttempt]+" "+w.Args[argSince], " ")}
	return t.token(ended)
}

// after is the bound for lists of jobs, whose times have whole seconds; nil is none.
func (w *work) after() (*time.Time, error) {
	at, err := w.since()
	if err != nil || at.IsZero() {
		return nil, err
	}
	return new(at.Truncate(time.Second).Add(-time.Second)), nil
}

// pointThere reports whether a recovery point is in a vault.
func (w *work) pointThere(ctx context.Context, vaultARN, point string) (bool, error) {
	c, name, err := w.vault(ctx, vaultARN)
	if err != nil {
		return false, err
	}
	_, err = c.DescribeRecoveryPoint(ctx, &backup.DescribeRecoveryPointInput{BackupVaultName: &name, RecoveryPointArn: &point})
	err = w.failed(err, "backup:DescribeRecoveryPoint")
	if cloud.KindOf(err) == cloud.NotFound {
		return false, nil
	}
	return err == nil, err
}

// vault is a client in the account and Region of a vault, and the vault's name.
func (w *work) vault(ctx context.Context, vaultARN string) (*backup.Client, string, error) {
	a, err := arn.Parse(vaultARN)
	if err != nil || a.Service != "backup" {
		return nil, "", w.invalid(fmt.Errorf("%q is no ARN of a backup vault", vaultARN), cloud.Invalid)
	}
	cfg, err := w.c.config(ctx, a.Account, a.Region)
	return backup.NewFromConfig(cfg), strings.TrimPrefix(a.Resource, "backup-vault:"), err
}

func (w *work) removePoint(ctx context.Context, vaultARN, point string) error {
	c, name, err := w.vault(ctx, vaultARN)
	if err != nil {
		return err
	}
	_, err = c.DeleteRecoveryPoint(ctx, &backup.DeleteRecoveryPointInput{BackupVaultName: &name, RecoveryPointArn: &point})
	return w.gone(w.failed(err, "backup:DeleteRecoveryPoint"))
}

func (w *work) backups(ctx context.Context) (j job, found bool, ended int, err error) {
	after, err := w.after()
	if err != nil {
		return job{}, false, 0, err
	}
	if err := w.needed("vault", "iamRoleArn"); err != nil {
		return job{}, false, 0, err
	}
	var list []job
	vaults := map[string]string{}
	pages := backup.NewListBackupJobsPaginator(backup.NewFromConfig(w.own), &backup.ListBackupJobsInput{ByResourceArn: &w.Source, ByBackupVaultName: new(w.Args["vault"]), ByCreatedAfter: after})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return job{}, false, 0, w.failed(err, "backup:ListBackupJobs")
		}
		for _, j := range out.BackupJobs {
			made := aws.ToString(j.RecoveryPointArn)
			vaults[made] = aws.ToString(j.BackupVaultArn)
			list = append(list, job{aws.ToString(j.BackupJobId), string(j.State), aws.ToString(j.StatusMessage), made, percent(aws.ToString(j.PercentDone)), aws.ToTime(j.CreationDate)})
		}
	}
	return newest(list, func(j job) (bool, error) {
		there, err := w.pointThere(ctx, vaults[j.made], j.made)
		return !there, err
	})
}

func lookBackup(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	j, found, _, err := w.backups(ctx)
	if err != nil || !found {
		return cloud.Progress{}, false, err
	}
	return j.progress(), true, nil
}

func startBackup(ctx context.Context, w *work) (cloud.Progress, error) {
	_, _, ended, err := w.backups(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	_, tags := w.tags()
	out, err := backup.NewFromConfig(w.own).StartBackupJob(ctx, &backup.StartBackupJobInput{
		BackupVaultName: new(w.Args["vault"]), IamRoleArn: new(w.Args["iamRoleArn"]), ResourceArn: &w.Source, RecoveryPointTags: tags, IdempotencyToken: new(w.jobToken(ended)),
	})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return job{id: aws.ToString(out.BackupJobId), state: "CREATED", made: aws.ToString(out.RecoveryPointArn), percent: -1, at: aws.ToTime(out.CreationDate)}.progress(), nil
}

// removeBackup deletes the recovery point of the newest job.
func removeBackup(ctx context.Context, w *work) error {
	p, found, err := lookBackup(ctx, w)
	if err != nil || !found || !p.Done {
		return err
	}
	_, err = backup.NewFromConfig(w.own).DeleteRecoveryPoint(ctx, &backup.DeleteRecoveryPointInput{BackupVaultName: new(w.Args["vault"]), RecoveryPointArn: &p.ID})
	return w.failed(err, "backup:DeleteRecoveryPoint")
}

// copier is a client where the copied point is: there the job runs.
func (w *work) copier(ctx context.Context) (*backup.Client, error) {
	account := w.SourceAccount
	if account == "" {
		account = w.Account
	}
	cfg, err := w.c.config(ctx, account, w.sourceRegion())
	return backup.NewFromConfig(cfg), err
}

func (w *work) copies(ctx context.Context) (j job, found bool, ended int, err error) {
	after, err := w.after()
	if err != nil {
		return job{}, false, 0, err
	}
	if err := w.needed("sourceVault", "destinationVault", "iamRoleArn"); err != nil {
		return job{}, false, 0, err
	}
	c, err := w.copier(ctx)
	if err != nil {
		return job{}, false, 0, err
	}
	var list []job
	vault := w.Args["destinationVault"]
	pages := backup.NewListCopyJobsPaginator(c, &backup.ListCopyJobsInput{BySourceRecoveryPointArn: &w.Source, ByDestinationVaultArn: &vault, ByCreatedAfter: after})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return job{}, false, 0, w.failed(err, "backup:ListCopyJobs")
		}
		for _, j := range out.CopyJobs {
			list = append(list, job{aws.ToString(j.CopyJobId), string(j.State), aws.ToString(j.StatusMessage), aws.ToString(j.DestinationRecoveryPointArn), -1, aws.ToTime(j.CreationDate)})
		}
	}
	return newest(list, func(j job) (bool, error) {
		there, err := w.pointThere(ctx, vault, j.made)
		return !there, err
	})
}

// copied is how far a copy is. AWS Backup copies the whole of the data into a vault of
// another account or key.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html.
func copied(j job) cloud.Progress {
	p := j.progress()
	p.FullCopy = true
	return p
}

func lookCopy(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	j, found, _, err := w.copies(ctx)
	if err != nil || !found {
		return cloud.Progress{}, false, err
	}
	return copied(j), true, nil
}

func startCopy(ctx context.Context, w *work) (cloud.Progress, error) {
	_, _, ended, err := w.copies(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	c, err := w.copier(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	out, err := c.StartCopyJob(ctx, &backup.StartCopyJobInput{
		RecoveryPointArn: &w.Source, SourceBackupVaultName: new(w.Args["sourceVault"]), DestinationBackupVaultArn: new(w.Args["destinationVault"]), IamRoleArn: new(w.Args["iamRoleArn"]),
		IdempotencyToken: new(w.jobToken(ended)),
	})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return copied(job{id: aws.ToString(out.CopyJobId), state: "CREATED", percent: -1, at: aws.ToTime(out.CreationDate)}), nil
}

// removeCopy deletes the copy that the newest job made.
func removeCopy(ctx context.Context, w *work) error {
	p, found, err := lookCopy(ctx, w)
	if err != nil || !found || !p.Done {
		return err
	}
	return w.removePoint(ctx, w.Args["destinationVault"], p.ID)
}

func (w *work) restores(ctx context.Context) (j job, found bool, ended int, err error) {
	after, err := w.after()
	if err != nil {
		return job{}, false, 0, err
	}
	var list []job
	pages := backup.NewListRestoreJobsPaginator(backup.NewFromConfig(w.own), &backup.ListRestoreJobsInput{ByCreatedAfter: after})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return job{}, false, 0, w.failed(err, "backup:ListRestoreJobs")
		}
		for _, j := range out.RestoreJobs {
			if aws.ToString(j.RecoveryPointArn) == w.Source {
				list = append(list, job{aws.ToString(j.RestoreJobId), string(j.Status), aws.ToString(j.StatusMessage), aws.ToString(j.CreatedResourceArn), percent(aws.ToString(j.PercentDone)), aws.ToTime(j.CreationDate)})
			}
		}
	}
	return newest(list, func(j job) (bool, error) {
		if !strings.Contains(j.made, ":volume/") {
			return false, nil
		}
		_, err := w.volume(ctx, j.made)
		return cloud.KindOf(err) == cloud.NotFound, w.gone(err)
	})
}

func lookRestore(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	j, found, _, err := w.restores(ctx)
	if err != nil || !found {
		return cloud.Progress{}, false, err
	}
	return j.progress(), true, nil
}

// startRestore makes a volume of a recovery point, as the role that restores: the
// argument iamRoleArn, or else the actor.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-ebs.html.
func startRestore(ctx context.Context, w *work) (cloud.Progress, error) {
	_, _, ended, err := w.restores(ctx)
	if err != nil {
		return cloud.Progress{}, err
	}
	role := w.Args["iamRoleArn"]
	if role == "" {
		role = w.Actor
	}
	metadata := map[string]string{"availabilityZone": w.zone()}
	if w.Key != "" {
		metadata["encrypted"], metadata["kmsKeyId"] = "true", w.Key
	}
	out, err := backup.NewFromConfig(w.own).StartRestoreJob(ctx, &backup.StartRestoreJobInput{
		RecoveryPointArn: &w.Source, IamRoleArn: &role, Metadata: metadata, IdempotencyToken: new(w.jobToken(ended)), ResourceType: new("EBS"),
	})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return job{id: aws.ToString(out.RestoreJobId), state: "PENDING", percent: -1}.progress(), nil
}

// removeRestore deletes the volume that the newest job made.
func removeRestore(ctx context.Context, w *work) error {
	p, found, err := lookRestore(ctx, w)
	if err != nil || !found || p.ID == "" {
		return err
	}
	if !strings.Contains(p.ID, ":volume/") {
		return w.invalid(fmt.Errorf("%s is no volume, and nothing else is deleted", p.ID), cloud.Invalid)
	}
	_, err = taskEC2(w.own).DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: new(lastPart(p.ID))})
	return w.failed(err, "ec2:DeleteVolume")
}
