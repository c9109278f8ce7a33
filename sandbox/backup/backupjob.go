package backup

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/backup/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// BackupJob makes a recovery point.
type BackupJob struct {
	Account, Region, ID   string
	Vault, Resource, Kind string
	Role                  string
	State                 types.BackupJobState
	Message               string `json:",omitempty"`
	Point                 string `json:",omitempty"` // the recovery point's ARN, when it is begun
	Size                  int64
	KeyARN                string `json:",omitempty"`
	Created               time.Time
	Began, Completed      *time.Time        `json:",omitempty"`
	Lifecycle             *types.Lifecycle  `json:",omitempty"`
	Options               map[string]string `json:",omitempty"`
	Tags                  map[string]string `json:",omitempty"`
	StartWindow           time.Duration
}

func (j *BackupJob) key() string { return state.Key(j.Account, j.Region, j.ID) }

func (j *BackupJob) vaultARN() string { return vaultARN(j.Region, j.Account, j.Vault) }

// putBackup stores a job and tells what became of it.
func (s *Service) putBackup(j *BackupJob, at time.Time) {
	s.backups.Put(j.key(), j)
	done := j.State == types.BackupJobStateCompleted
	detail := struct {
		ID        string  `json:"backupJobId"`
		Size      int64   `json:"backupSizeInBytes,omitempty"`
		VaultARN  string  `json:"backupVaultArn"`
		Vault     string  `json:"backupVaultName"`
		Bytes     string  `json:"bytesTransferred"`
		Created   string  `json:"creationDate"`
		Role      string  `json:"iamRoleArn"`
		Resource  string  `json:"resourceArn"`
		Kind      string  `json:"resourceType"`
		State     string  `json:"state"`
		Message   string  `json:"statusMessage,omitempty"`
		Completed string  `json:"completionDate,omitempty"`
		StartBy   string  `json:"startBy"`
		Percent   float64 `json:"percentDone"`
	}{
		j.ID, j.Size, j.vaultARN(), j.Vault, "0", timestamp(&j.Created), j.Role, j.Resource, j.Kind, string(j.State), j.Message,
		timestamp(j.Completed), timestamp(new(j.Created.Add(j.StartWindow))), 0,
	}
	if done {
		detail.Percent = 100
	}
	s.tell(at, j.Account, j.Region, "Backup Job State Change", j.Point, detail)
}

func (s *Service) asksStartBackup(c *gate.Call, in *backup.StartBackupJobInput) ([]gate.Ask, error) {
	list, err := onVault(s, "StartBackupJob", func(in *backup.StartBackupJobInput) *string { return in.BackupVaultName }, nil)(c, in)
	if err != nil {
		return nil, err
	}
	pass, err := askPass(c, in.IamRoleArn)
	return append(list, pass...), err
}

// StartBackupJob begins to back a resource up.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartBackupJob.html.
func (s *Service) StartBackupJob(ctx context.Context, in *backup.StartBackupJobInput) (*backup.StartBackupJobOutput, error) {
	c := gate.From(ctx)
	switch id, seen := s.tokens.Seen(c, in.IdempotencyToken, in); {
	case seen == gate.Other:
		return nil, invalidValue("The idempotency token was used with other parameters.") // assumed text
	case seen == gate.Same && s.backups.Get(row(c, id)) != nil:
		return s.backups.Get(row(c, id)).begun(), nil
	}
	k, ok := s.kindOf(*in.ResourceArn)
	if !ok {
		return nil, invalidValue("Unsupported resource type: " + *in.ResourceArn) // how it begins is documented
	}
	if a, err := arn.Parse(*in.ResourceArn); err != nil || a.Account != c.Caller.Account || a.Region != c.Region {
		return nil, invalidValue("The resource " + *in.ResourceArn + " is not in this account and Region.") // assumed text
	}
	if in.LogicallyAirGappedBackupVaultArn != nil {
		return nil, invalidRequest("The sandbox has no logically air-gapped vaults.") // our own text
	}
	if err := checkTags(in.RecoveryPointTags); err != nil {
		return nil, err
	}
	if err := s.checkRole(ctx, in.IamRoleArn); err != nil {
		return nil, err
	}
	if _, err := s.linkedRole(ctx, c.Caller.Account); err != nil {
		return nil, err
	}
	j := s.beginBackup(c, &BackupJob{
		Vault: *in.BackupVaultName, Resource: *in.ResourceArn, Kind: k.name(), Role: *in.IamRoleArn, Lifecycle: in.Lifecycle,
		Options: in.BackupOptions, Tags: maps.Clone(in.RecoveryPointTags), StartWindow: minutes(in.StartWindowMinutes, 8*60),
	})
	s.tokens.Keep(c, in.IdempotencyToken, in, j.ID)
	return j.begun(), nil
}

// minutes is a window, plainly so many minutes.
func minutes(n *int64, plain int64) time.Duration {
	if n != nil {
		plain = *n
	}
	return time.Duration(plain) * time.Minute
}

// beginBackup stores a job that is to be done.
func (s *Service) beginBackup(c *gate.Call, j *BackupJob) *BackupJob {
	j.Account, j.Region, j.ID = c.Caller.Account, c.Region, strings.ToUpper(s.IDs.UUID())
	j.State, j.Created = types.BackupJobStateCreated, c.At
	s.putBackup(j, c.At)
	s.later(j.Account, j.Region, "backup-start", j.ID, c.At.Add(untilStart))
	return j
}

func (j *BackupJob) begun() *backup.StartBackupJobOutput {
	return &backup.StartBackupJobOutput{BackupJobId: &j.ID, CreationDate: &j.Created, RecoveryPointArn: unless(j.Point)}
}

// endBackup ends a job that failed, with what it began.
func (s *Service) endBackup(j *BackupJob, at time.Time, why string) {
	n := *j
	n.State, n.Message, n.Completed = types.BackupJobStateFailed, why, &at
	if n.Point != "" {
		s.points.Delete(state.Key(n.Account, n.Region, n.Point))
		n.Point = ""
	}
	s.putBackup(&n, at)
}

// backupStart begins to make the recovery point, as the job's role.
func (s *Service) backupStart(ctx context.Context, id string) error {
	c := gate.From(ctx)
	old := s.backups.Get(row(c, id))
	if old == nil || old.State != types.BackupJobStateCreated {
		return nil
	}
	v := s.vaults.Get(row(c, old.Vault))
	k, ok := s.kindNamed(old.Kind)
	var days *int64
	if old.Lifecycle != nil {
		days = old.Lifecycle.DeleteAfterDays
	}
	switch {
	case v == nil:
		s.endBackup(old, c.At, "Backup job failed because backup vault "+old.vaultARN()+" does not exist.") // as in AWS's example of an event
		return nil
	case !ok:
		s.endBackup(old, c.At, "Unsupported resource type")
		return nil
	case !v.keeps(days):
		s.endBackup(old, c.At, "Backup job failed. The retention specified in the job is not within the range specified for the target Backup Vault.") // documented of copies
		return nil
	}
	actor, err := s.actor(ctx, old.Role)
	if err != nil {
		s.endBackup(old, c.At, notAssumed(old.Role))
		return nil
	}
	j := *old
	j.State, j.Began = types.BackupJobStateRunning, &c.At
	var metadata map[string]string
	err = s.DB.Try(func() (err error) {
		j.Point, metadata, err = k.backup(actor, &j)
		return err
	})
	if err != nil {
		s.endBackup(old, c.At, said(err))
		return nil
	}
	p := &Point{
		Account: j.Account, Region: j.Region, Vault: j.Vault, ARN: j.Point, Resource: j.Resource, Kind: j.Kind, Status: types.RecoveryPointStatusCreating,
		Created: j.Created, Role: j.Role, Lifecycle: j.Lifecycle, Tags: j.Tags, Metadata: metadata,
	}
	s.points.Put(p.key(), p)
	s.putBackup(&j, c.At)
	s.later(j.Account, j.Region, "backup-look", j.ID, c.At.Add(untilLook))
	return nil
}

// backupLook looks whether the recovery point is made.
func (s *Service) backupLook(ctx context.Context, id string) error {
	c := gate.From(ctx)
	old := s.backups.Get(row(c, id))
	if old == nil || old.State != types.BackupJobStateRunning {
		return nil
	}
	made := s.look(ctx, old.Kind, old.Role, func(actor context.Context, k kind) (progress, error) { return k.made(actor, old.Point) })
	point := s.points.Get(row(c, old.Point))
	switch {
	case made.failed != "" || point == nil:
		s.endBackup(old, c.At, cmp.Or(made.failed, "The recovery point is no longer available."))
		return nil
	case !made.done && c.At.Sub(old.Created) < longest:
		s.later(old.Account, old.Region, "backup-look", id, again(*old.Began, c.At))
		return nil
	case !made.done:
		s.endBackup(old, c.At, "Backup job expired before completion.") // documented
		return nil
	}
	j, p := *old, *point
	j.State, j.Completed, j.Size, j.KeyARN = types.BackupJobStateCompleted, &c.At, made.size, made.key
	s.finish(&p, made, c.At)
	s.putBackup(&j, c.At)
	return nil
}

// look asks a kind how far something is, as a role. What goes wrong is why it fails.
func (s *Service) look(ctx context.Context, kindName, role string, ask func(context.Context, kind) (progress, error)) (made progress) {
	k, ok := s.kindNamed(kindName)
	if !ok {
		return progress{failed: "Unsupported resource type"}
	}
	actor, err := s.actor(ctx, role)
	if err != nil {
		return progress{failed: notAssumed(role)}
	}
	err = s.DB.Try(func() (err error) {
		made, err = ask(actor, k)
		return err
	})
	if err != nil {
		return progress{failed: said(err)}
	}
	return made
}

// finish completes a recovery point.
func (s *Service) finish(p *Point, made progress, at time.Time) {
	p.Status, p.Completed, p.Size, p.KeyARN = types.RecoveryPointStatusCompleted, &at, made.size, made.key
	if made.key != "" && p.SourceVault != "" {
		p.Metadata = maps.Clone(p.Metadata)
		p.Metadata["encrypted"], p.Metadata["kmsKeyId"] = "true", made.key
	}
	s.points.Put(p.key(), p)
	s.planEnd(p)
}

func (j *BackupJob) shown(at time.Time) types.BackupJob {
	done := j.State == types.BackupJobStateCompleted
	b := types.BackupJob{
		AccountId: &j.Account, BackupJobId: &j.ID, BackupOptions: j.Options, BackupSizeInBytes: &j.Size, BackupVaultArn: new(j.vaultARN()), BackupVaultName: &j.Vault,
		CompletionDate: j.Completed, CreationDate: &j.Created, EncryptionKeyArn: unless(j.KeyARN), IamRoleArn: &j.Role, InitiationDate: j.Began,
		IsEncrypted: j.KeyARN != "", PercentDone: percent(done), RecoveryPointArn: unless(j.Point), RecoveryPointLifecycle: j.Lifecycle, ResourceArn: &j.Resource,
		ResourceType: &j.Kind, StartBy: new(j.Created.Add(j.StartWindow)), State: j.State, StatusMessage: unless(j.Message), VaultType: new(string(types.VaultTypeBackupVault)),
		MessageCategory: category(done),
	}
	return b
}

// DescribeBackupJob tells about a job.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeBackupJob.html.
func (s *Service) DescribeBackupJob(ctx context.Context, in *backup.DescribeBackupJobInput) (*backup.DescribeBackupJobOutput, error) {
	c := gate.From(ctx)
	j := s.backups.Get(row(c, *in.BackupJobId))
	if j == nil {
		return nil, notFound("Backup job " + *in.BackupJobId + " does not exist.") // assumed text
	}
	b := j.shown(c.At)
	return &backup.DescribeBackupJobOutput{
		AccountId: b.AccountId, BackupJobId: b.BackupJobId, BackupOptions: b.BackupOptions, BackupSizeInBytes: b.BackupSizeInBytes, BackupVaultArn: b.BackupVaultArn,
		BackupVaultName: b.BackupVaultName, CompletionDate: b.CompletionDate, CreationDate: b.CreationDate, EncryptionKeyArn: b.EncryptionKeyArn,
		IamRoleArn: b.IamRoleArn, InitiationDate: b.InitiationDate, IsEncrypted: b.IsEncrypted, MessageCategory: b.MessageCategory, PercentDone: b.PercentDone,
		RecoveryPointArn: b.RecoveryPointArn, RecoveryPointLifecycle: b.RecoveryPointLifecycle, ResourceArn: b.ResourceArn, ResourceType: b.ResourceType, StartBy: b.StartBy,
		State: b.State, StatusMessage: b.StatusMessage, VaultType: b.VaultType,
	}, nil
}

// ListBackupJobs lists the account's jobs, the newest first.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupJobs.html.
func (s *Service) ListBackupJobs(ctx context.Context, in *backup.ListBackupJobsInput) (*backup.ListBackupJobsOutput, error) {
	c := gate.From(ctx)
	list := []types.BackupJob{}
	for _, j := range s.backups.All(row(c, "")) {
		state := in.ByState == "" || in.ByState == j.State
		if state && fits(in.ByAccountId, j.Account) && fits(in.ByBackupVaultName, j.Vault) && fits(in.ByResourceArn, j.Resource) && fits(in.ByResourceType, j.Kind) &&
			fits(in.ByParentJobId, "") && fits(in.ByMessageCategory, text(category(j.State == types.BackupJobStateCompleted))) && within(j.Created, in.ByCreatedAfter, in.ByCreatedBefore) && ended(j.Completed, in.ByCompleteAfter, in.ByCompleteBefore) {
			list = append(list, j.shown(c.At))
		}
	}
	slices.SortFunc(list, func(a, b types.BackupJob) int {
		return cmp.Or(b.CreationDate.Compare(*a.CreationDate), strings.Compare(*a.BackupJobId, *b.BackupJobId))
	})
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &backup.ListBackupJobsOutput{BackupJobs: page, NextToken: next}, err
}

// ended reports whether a job ended between two times, nil for no bound.
func ended(at, after, before *time.Time) bool {
	if at == nil {
		return after == nil && before == nil
	}
	return within(*at, after, before)
}

// StopBackupJob ends a job that is not done. What it began is left to its own end.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StopBackupJob.html.
func (s *Service) StopBackupJob(ctx context.Context, in *backup.StopBackupJobInput) (*backup.StopBackupJobOutput, error) {
	c := gate.From(ctx)
	old := s.backups.Get(row(c, *in.BackupJobId))
	switch {
	case old == nil:
		return nil, notFound("Backup job " + *in.BackupJobId + " does not exist.") // assumed text
	case old.State != types.BackupJobStateCreated && old.State != types.BackupJobStateRunning:
		return nil, invalidRequest("Backup job " + old.ID + " cannot be stopped: it is " + string(old.State) + ".") // assumed text
	}
	j := *old
	j.State, j.Completed = types.BackupJobStateAborted, &c.At
	if j.Point != "" {
		s.points.Delete(state.Key(j.Account, j.Region, j.Point))
	}
	s.putBackup(&j, c.At)
	return &backup.StopBackupJobOutput{}, nil
}
