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

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// RestoreJob makes a resource of a recovery point.
type RestoreJob struct {
	Account, Region, ID string
	Point, Vault        string // the recovery point's ARN, and its vault's name
	PointCreated        time.Time
	Source, Kind        string
	Role                string
	Metadata            map[string]string
	Tags                map[string]string `json:",omitempty"` // that the resource gets
	Status              types.RestoreJobStatus
	Message             string `json:",omitempty"`
	Made                string `json:",omitempty"` // the resource's ARN, when it is begun
	Size                int64
	Created             time.Time
	Completed           *time.Time `json:",omitempty"`
}

func (j *RestoreJob) key() string { return state.Key(j.Account, j.Region, j.ID) }

// putRestore stores a job and tells what became of it.
func (s *Service) putRestore(j *RestoreJob, at time.Time) {
	s.restores.Put(j.key(), j)
	s.tell(at, j.Account, j.Region, "Restore Job State Change", j.Point, struct {
		ID        string `json:"restoreJobId"`
		Vault     string `json:"backupVaultArn"`
		Point     string `json:"recoveryPointArn"`
		Source    string `json:"sourceResourceArn"`
		Size      int64  `json:"backupSizeInBytes,string"`
		Created   string `json:"creationDate"`
		Role      string `json:"iamRoleArn"`
		Percent   int    `json:"percentDone"`
		Kind      string `json:"resourceType"`
		Status    string `json:"status"`
		Message   string `json:"statusMessage,omitempty"`
		Made      string `json:"createdResourceArn,omitempty"`
		Completed string `json:"completionDate,omitempty"`
	}{
		j.ID, vaultARN(j.Region, j.Account, j.Vault), j.Point, j.Source, j.Size, timestamp(&j.Created), j.Role, 0, j.Kind, string(j.Status), j.Message, j.Made, timestamp(j.Completed),
	})
}

// restorable finds the recovery point of a restore, in whichever of the caller's vaults.
func (s *Service) restorable(c *gate.Call, pointARN *string) (*Point, error) {
	p := s.points.Get(row(c, text(pointARN)))
	if p == nil {
		return nil, notFound("Cannot find recovery point.") // how it begins is documented
	}
	return p, nil
}

func (s *Service) asksStartRestore(c *gate.Call, in *backup.StartRestoreJobInput) ([]gate.Ask, error) {
	p, err := s.restorable(c, in.RecoveryPointArn)
	if err != nil {
		return nil, err
	}
	v := s.vaults.Get(row(c, p.Vault))
	if v == nil {
		return nil, hidden()
	}
	pass, err := askPass(c, in.IamRoleArn)
	return append([]gate.Ask{askVault(c, "backup:StartRestoreJob", p.ARN, v, p.Tags)}, pass...), err
}

// StartRestoreJob begins to make a resource of a recovery point.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartRestoreJob.html.
func (s *Service) StartRestoreJob(ctx context.Context, in *backup.StartRestoreJobInput) (*backup.StartRestoreJobOutput, error) {
	c := gate.From(ctx)
	switch id, seen := s.tokens.Seen(c, in.IdempotencyToken, in); {
	case seen == gate.Other:
		return nil, invalidValue("The idempotency token was used with other parameters.") // assumed text
	case seen == gate.Same:
		return &backup.StartRestoreJobOutput{RestoreJobId: &id}, nil
	}
	p, err := s.restorable(c, in.RecoveryPointArn)
	switch {
	case err != nil:
		return nil, err
	case p.Status != types.RecoveryPointStatusCompleted && p.Status != types.RecoveryPointStatusExpired:
		return nil, invalidRequest("The recovery point is not completed.") // assumed text
	case text(in.IamRoleArn) == "":
		return nil, refuse("MissingParameterValueException", "The IAM role ARN is missing.") // assumed text
	case in.ResourceType != nil && *in.ResourceType != p.Kind:
		return nil, invalidValue("The recovery point is of the type " + p.Kind + ", not " + *in.ResourceType + ".") // assumed text
	}
	if err := s.checkRole(ctx, in.IamRoleArn); err != nil {
		return nil, err
	}
	j := &RestoreJob{
		Account: p.Account, Region: p.Region, ID: strings.ToUpper(s.IDs.UUID()), Point: p.ARN, Vault: p.Vault, PointCreated: p.Created, Source: p.Resource, Kind: p.Kind,
		Role: *in.IamRoleArn, Metadata: maps.Clone(in.Metadata), Status: types.RestoreJobStatusPending, Size: p.Size, Created: c.At,
	}
	if in.CopySourceTagsToRestoredResource {
		j.Tags = maps.Clone(p.Tags)
	}
	s.putRestore(j, c.At)
	s.later(j.Account, j.Region, "restore-start", j.ID, c.At.Add(untilStart))
	s.tokens.Keep(c, in.IdempotencyToken, in, j.ID)
	return &backup.StartRestoreJobOutput{RestoreJobId: &j.ID}, nil
}

// endRestore ends a job that failed.
func (s *Service) endRestore(j *RestoreJob, at time.Time, why string) {
	n := *j
	n.Status, n.Message, n.Completed, n.Made = types.RestoreJobStatusFailed, why, &at, ""
	s.putRestore(&n, at)
}

// restoreStart begins to make the resource, as the job's role.
func (s *Service) restoreStart(ctx context.Context, id string) error {
	c := gate.From(ctx)
	old := s.restores.Get(row(c, id))
	if old == nil || old.Status != types.RestoreJobStatusPending {
		return nil
	}
	p, err := s.restorable(c, &old.Point)
	if err != nil {
		s.endRestore(old, c.At, said(err))
		return nil
	}
	k, ok := s.kindNamed(old.Kind)
	if !ok {
		s.endRestore(old, c.At, "Unsupported resource type")
		return nil
	}
	actor, err := s.actor(ctx, old.Role)
	if err != nil {
		s.endRestore(old, c.At, notAssumed(old.Role))
		return nil
	}
	j := *old
	j.Status = types.RestoreJobStatusRunning
	err = s.DB.Try(func() (err error) {
		j.Made, err = k.restore(actor, &j, p)
		return err
	})
	if err != nil {
		s.endRestore(old, c.At, said(err))
		return nil
	}
	s.putRestore(&j, c.At)
	s.later(j.Account, j.Region, "restore-look", j.ID, c.At.Add(untilLook))
	return nil
}

// restoreLook looks whether the resource is made.
func (s *Service) restoreLook(ctx context.Context, id string) error {
	c := gate.From(ctx)
	old := s.restores.Get(row(c, id))
	if old == nil || old.Status != types.RestoreJobStatusRunning {
		return nil
	}
	made := s.look(ctx, old.Kind, old.Role, func(actor context.Context, k kind) (progress, error) { return k.restored(actor, old.Made) })
	switch {
	case made.failed != "":
		s.endRestore(old, c.At, made.failed)
		return nil
	case !made.done && c.At.Sub(old.Created) < longest:
		s.later(old.Account, old.Region, "restore-look", id, again(old.Created, c.At))
		return nil
	case !made.done:
		s.endRestore(old, c.At, "An internal error occurred.") // documented
		return nil
	}
	j := *old
	j.Status, j.Completed = types.RestoreJobStatusCompleted, &c.At
	if p := s.points.Get(row(c, j.Point)); p != nil {
		n := *p
		n.Restored = &c.At
		s.points.Put(n.key(), &n)
	}
	s.putRestore(&j, c.At)
	return nil
}

func (j *RestoreJob) shown() types.RestoreJobsListMember {
	return types.RestoreJobsListMember{
		AccountId: &j.Account, BackupSizeInBytes: &j.Size, BackupVaultArn: new(vaultARN(j.Region, j.Account, j.Vault)), CompletionDate: j.Completed,
		CreatedResourceArn: unless(j.Made), CreationDate: &j.Created, IamRoleArn: &j.Role, PercentDone: percent(j.Status == types.RestoreJobStatusCompleted),
		RecoveryPointArn: &j.Point, RecoveryPointCreationDate: &j.PointCreated, ResourceType: &j.Kind, RestoreJobId: &j.ID, SourceResourceArn: &j.Source,
		Status: j.Status, StatusMessage: unless(j.Message),
	}
}

// restoreJob finds a job of the caller's account.
func (s *Service) restoreJob(ctx context.Context, id *string) (*RestoreJob, error) {
	j := s.restores.Get(row(gate.From(ctx), text(id)))
	if j == nil {
		return nil, notFound("Restore job " + text(id) + " does not exist.") // assumed text
	}
	return j, nil
}

// DescribeRestoreJob tells about a job.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRestoreJob.html.
func (s *Service) DescribeRestoreJob(ctx context.Context, in *backup.DescribeRestoreJobInput) (*backup.DescribeRestoreJobOutput, error) {
	j, err := s.restoreJob(ctx, in.RestoreJobId)
	if err != nil {
		return nil, err
	}
	r := j.shown()
	return &backup.DescribeRestoreJobOutput{
		AccountId: r.AccountId, BackupSizeInBytes: r.BackupSizeInBytes, BackupVaultArn: r.BackupVaultArn, CompletionDate: r.CompletionDate, CreatedResourceArn: r.CreatedResourceArn,
		CreationDate: r.CreationDate, IamRoleArn: r.IamRoleArn, PercentDone: r.PercentDone, RecoveryPointArn: r.RecoveryPointArn, RecoveryPointCreationDate: r.RecoveryPointCreationDate,
		ResourceType: r.ResourceType, RestoreJobId: r.RestoreJobId, SourceResourceArn: r.SourceResourceArn, Status: r.Status, StatusMessage: r.StatusMessage,
	}, nil
}

// GetRestoreJobMetadata tells what a job was told.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetRestoreJobMetadata.html.
func (s *Service) GetRestoreJobMetadata(ctx context.Context, in *backup.GetRestoreJobMetadataInput) (*backup.GetRestoreJobMetadataOutput, error) {
	j, err := s.restoreJob(ctx, in.RestoreJobId)
	if err != nil {
		return nil, err
	}
	return &backup.GetRestoreJobMetadataOutput{RestoreJobId: &j.ID, Metadata: maps.Clone(j.Metadata)}, nil
}

// restoresOf are the account's jobs that a filter takes, the newest first.
func (s *Service) restoresOf(ctx context.Context, takes func(*RestoreJob) bool) []types.RestoreJobsListMember {
	list := []types.RestoreJobsListMember{}
	for _, j := range s.restores.All(row(gate.From(ctx), "")) {
		if takes(j) {
			list = append(list, j.shown())
		}
	}
	slices.SortFunc(list, func(a, b types.RestoreJobsListMember) int {
		return cmp.Or(b.CreationDate.Compare(*a.CreationDate), strings.Compare(*a.RestoreJobId, *b.RestoreJobId))
	})
	return list
}

// ListRestoreJobs lists the account's jobs.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRestoreJobs.html.
func (s *Service) ListRestoreJobs(ctx context.Context, in *backup.ListRestoreJobsInput) (*backup.ListRestoreJobsOutput, error) {
	list := s.restoresOf(ctx, func(j *RestoreJob) bool {
		return (in.ByStatus == "" || in.ByStatus == j.Status) && fits(in.ByAccountId, j.Account) && fits(in.ByResourceType, j.Kind) && fits(in.ByParentJobId, "") &&
			fits(in.ByRestoreTestingPlanArn, "") && within(j.Created, in.ByCreatedAfter, in.ByCreatedBefore) && ended(j.Completed, in.ByCompleteAfter, in.ByCompleteBefore)
	})
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &backup.ListRestoreJobsOutput{RestoreJobs: page, NextToken: next}, err
}

// ListRestoreJobsByProtectedResource lists the jobs of what was backed up of a resource.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRestoreJobsByProtectedResource.html.
func (s *Service) ListRestoreJobsByProtectedResource(ctx context.Context, in *backup.ListRestoreJobsByProtectedResourceInput) (*backup.ListRestoreJobsByProtectedResourceOutput, error) {
	list := s.restoresOf(ctx, func(j *RestoreJob) bool {
		return j.Source == *in.ResourceArn && (in.ByStatus == "" || in.ByStatus == j.Status) && within(j.PointCreated, in.ByRecoveryPointCreationDateAfter, in.ByRecoveryPointCreationDateBefore)
	})
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &backup.ListRestoreJobsByProtectedResourceOutput{RestoreJobs: page, NextToken: next}, err
}
