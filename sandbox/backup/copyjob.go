package backup

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/backup/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// CopyJob copies a recovery point into another vault.
type CopyJob struct {
	Account, Region, ID string
	Vault, Point        string // from where, and what
	Target              string // the ARN of the vault to copy into
	Role                string
	Actor               string `json:",omitempty"` // the role that copies
	Resource, Kind      string
	Plain               bool `json:",omitempty"` // what is copied is not encrypted
	State               types.CopyJobState
	Message             string `json:",omitempty"`
	Made                string `json:",omitempty"` // the copy's ARN, when it is begun
	Shared              bool   `json:",omitempty"` // with the other account, while it copies
	Size                int64
	Created             time.Time
	Completed           *time.Time       `json:",omitempty"`
	Lifecycle           *types.Lifecycle `json:",omitempty"`
}

func (j *CopyJob) key() string { return state.Key(j.Account, j.Region, j.ID) }

// target is the account, Region and name of the vault to copy into.
func (j *CopyJob) target() (account, region, name string) {
	a, _ := arn.Parse(j.Target) // checked when the job was made
	return a.Account, a.Region, strings.TrimPrefix(a.Resource, "backup-vault:")
}

// putCopy stores a job and tells what became of it.
func (s *Service) putCopy(j *CopyJob, at time.Time) {
	s.copies.Put(j.key(), j)
	s.tell(at, j.Account, j.Region, "Copy Job State Change", j.Point, struct {
		ID        string `json:"copyJobId"`
		Size      int64  `json:"backupSizeInBytes"`
		Created   string `json:"creationDate"`
		Role      string `json:"iamRoleArn"`
		Resource  string `json:"resourceArn"`
		Kind      string `json:"resourceType"`
		Source    string `json:"sourceBackupVaultArn"`
		State     string `json:"state"`
		Message   string `json:"statusMessage,omitempty"`
		Completed string `json:"completionDate,omitempty"`
		Target    string `json:"destinationBackupVaultArn"`
		Made      string `json:"destinationRecoveryPointArn,omitempty"`
	}{
		j.ID, j.Size, timestamp(&j.Created), j.Role, j.Resource, j.Kind, vaultARN(j.Region, j.Account, j.Vault), string(j.State), j.Message,
		timestamp(j.Completed), j.Target, j.Made,
	})
}

func (s *Service) asksStartCopy(c *gate.Call, in *backup.StartCopyJobInput) ([]gate.Ask, error) {
	list, err := onPoint(s, "StartCopyJob", func(in *backup.StartCopyJobInput) (v, p, a *string) {
		return in.SourceBackupVaultName, in.RecoveryPointArn, nil
	})(c, in)
	if err != nil {
		return nil, err
	}
	pass, err := askPass(c, in.IamRoleArn)
	return append(list, pass...), err
}

// StartCopyJob begins to copy a recovery point. Whether it may be copied shows in the
// job.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartCopyJob.html.
func (s *Service) StartCopyJob(ctx context.Context, in *backup.StartCopyJobInput) (*backup.StartCopyJobOutput, error) {
	c := gate.From(ctx)
	switch id, seen := s.tokens.Seen(c, in.IdempotencyToken, in); {
	case seen == gate.Other:
		return nil, invalidValue("The idempotency token was used with other parameters.") // assumed text
	case seen == gate.Same && s.copies.Get(row(c, id)) != nil:
		return s.copies.Get(row(c, id)).begun(), nil
	}
	_, p, err := s.seen(ctx, nil, in.SourceBackupVaultName, in.RecoveryPointArn)
	if err != nil {
		return nil, err
	}
	a, err := arn.Parse(*in.DestinationBackupVaultArn)
	switch {
	case err != nil || a.Service != "backup" || !strings.HasPrefix(a.Resource, "backup-vault:"):
		return nil, invalidValue("The destination backup vault ARN is invalid: " + *in.DestinationBackupVaultArn) // assumed text
	case *in.DestinationBackupVaultArn == p.vaultARN():
		return nil, invalidValue("The destination backup vault is the vault of the recovery point.") // assumed text
	case p.Status != types.RecoveryPointStatusCompleted:
		return nil, invalidRequest("The recovery point is not completed.") // assumed text
	}
	if err := s.checkRole(ctx, in.IamRoleArn); err != nil {
		return nil, err
	}
	j := s.beginCopy(c, &CopyJob{Target: *in.DestinationBackupVaultArn, Role: *in.IamRoleArn, Lifecycle: in.Lifecycle}, p)
	s.tokens.Keep(c, in.IdempotencyToken, in, j.ID)
	return j.begun(), nil
}

// beginCopy stores a job that is to be done.
func (s *Service) beginCopy(c *gate.Call, j *CopyJob, p *Point) *CopyJob {
	j.Account, j.Region, j.ID = p.Account, p.Region, strings.ToUpper(s.IDs.UUID())
	j.Vault, j.Point, j.Resource, j.Kind, j.Size, j.Plain = p.Vault, p.ARN, p.Resource, p.Kind, p.Size, p.KeyARN == ""
	j.State, j.Created = types.CopyJobStateCreated, c.At
	s.putCopy(j, c.At)
	s.later(j.Account, j.Region, "copy-start", j.ID, c.At.Add(untilStart))
	return j
}

func (j *CopyJob) begun() *backup.StartCopyJobOutput {
	return &backup.StartCopyJobOutput{CopyJobId: &j.ID, CreationDate: &j.Created}
}

// Messages of copies that AWS Backup does not make. Documented.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-dashboards.html and
// https://repost.aws/knowledge-center/backup-troubleshoot-cross-account-copy.
const (
	notTogether = "Copy job failed. Both source and destination account must be a member of the same organization."
	notEnabled  = "Copy job failed. Cross-account copy feature is not enabled for the current organization."
	notLetIn    = "Access Denied trying to call AWS Backup service"
	defaultKey  = "Copy job failed because the destination Backup vault is encrypted with the default Backup service managed key. " +
		"The contents of this vault cannot be copied. Only the contents of a Backup vault encrypted by an AWS KMS key may be copied."
	notKept = "Copy job failed. The retention specified in the job is not within the range specified for the target Backup Vault."
)

// endCopy ends a job that failed, with what it began.
func (s *Service) endCopy(ctx context.Context, j *CopyJob, why string) {
	at := gate.From(ctx).At
	n := *j
	n.State, n.Message, n.Completed = types.CopyJobStateFailed, why, &at
	if n.Made != "" {
		account, region, _ := n.target()
		s.points.Delete(state.Key(account, region, n.Made))
		_ = s.asActor(ctx, &n, func(actor context.Context, k kind) error { return k.remove(actor, n.Made, asRole) }) // what is left of it is EC2's
		n.Made = ""
	}
	s.unshare(ctx, &n)
	s.putCopy(&n, at)
}

// unshare takes back that the other account may copy the recovery point. AWS does not
// document how long it may: assumed.
func (s *Service) unshare(ctx context.Context, j *CopyJob) {
	k, ok := s.kindNamed(j.Kind)
	if !j.Shared || !ok {
		return
	}
	j.Shared = false
	account, _, _ := j.target()
	_ = s.DB.Try(func() error { // the copy is made, or failed already
		actor, err := s.actor(ctx, j.Role)
		if err != nil {
			return err
		}
		return k.share(actor, j.Point, account, false)
	})
}

// asActor does something in the account and Region of the copy, as the role that copies.
func (s *Service) asActor(ctx context.Context, j *CopyJob, f func(context.Context, kind) error) error {
	k, ok := s.kindNamed(j.Kind)
	if !ok {
		return errors.New("unsupported resource type")
	}
	_, region, _ := j.target()
	return s.DB.Try(func() error {
		actor, err := s.actor(in(ctx, region), j.Actor)
		if err != nil {
			return err
		}
		return f(actor, k)
	})
}

// mayCopy tells why AWS Backup does not make a copy, empty when it does. The order of
// these checks is assumed.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html.
func (s *Service) mayCopy(ctx context.Context, j *CopyJob) (*Vault, string) {
	account, region, name := j.target()
	mine, theirs := s.Organizations.Standing(j.Account).Place, s.Organizations.Standing(account).Place
	if account != j.Account && (mine.Organization == "" || mine.Organization != theirs.Organization) {
		return nil, notTogether
	}
	if account != j.Account && s.globalOf(mine.Organization).Values[crossAccount] != "true" {
		return nil, notEnabled
	}
	actor, err := s.actor(ctx, j.Role)
	if err != nil {
		return nil, notAssumed(j.Role)
	}
	source, v := s.vaults.Get(state.Key(j.Account, j.Region, j.Vault)), s.vaults.Get(state.Key(account, region, name))
	if v == nil && account == j.Account { // which may be the default vault of another Region
		v, _ = s.vaultOf(gate.From(in(actor, region)), account, region, &name) // none is told below
	}
	var days *int64
	if j.Lifecycle != nil {
		days = j.Lifecycle.DeleteAfterDays
	}
	switch {
	case source == nil || v == nil || !s.letsCopy(actor, source, v, theirs):
		return nil, notLetIn
	case account != j.Account && v.Managed:
		return nil, defaultKey
	case !v.keeps(days):
		return nil, notKept
	}
	return v, ""
}

// letsCopy asks whether the job's role may copy from the one vault into the other.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html.
func (s *Service) letsCopy(actor context.Context, source, target *Vault, place estate.Place) bool {
	c := *gate.From(actor)
	from := askVault(&c, "backup:CopyFromBackupVault", source.ARN(), source, source.Tags)
	from.Context = append(from.Context, estate.NewEntry("backup:copytargets", policy.Many(target.ARN())))
	if len(place.Paths) > 0 {
		from.Context = append(from.Context, estate.NewEntry("backup:copytargetorgpaths", policy.Many(place.Paths...)))
	}
	into := askVault(&c, "backup:CopyIntoBackupVault", target.ARN(), target, target.Tags)
	return s.Gate.Authorize(&c, []gate.Ask{from, into}) == nil
}

// copyStart begins to make the copy. Within an account the job's role makes it; into
// another account AWS Backup's service-linked role there does, and the job's role lets
// it see the recovery point.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html#copy-encryption.
func (s *Service) copyStart(ctx context.Context, id string) error {
	c := gate.From(ctx)
	old := s.copies.Get(row(c, id))
	if old == nil || old.State != types.CopyJobStateCreated {
		return nil
	}
	j := *old
	p := s.points.Get(row(c, j.Point))
	v, why := s.mayCopy(ctx, &j)
	if p == nil && why == "" {
		why = "Cannot find recovery point."
	}
	if why != "" {
		s.endCopy(ctx, &j, why)
		return nil
	}
	keyARN := v.KeyARN
	if v.Managed {
		keyARN = "" // the resource's own service has a default key for it
	}
	j.State, j.Actor = types.CopyJobStateRunning, j.Role
	err := s.DB.Try(func() error {
		if v.Account == j.Account {
			return nil
		}
		linked, err := s.linkedRole(ctx, v.Account)
		if err != nil {
			return err
		}
		j.Actor = linked
		return s.shareWith(ctx, &j, v.Account)
	})
	if err == nil {
		err = s.asActor(ctx, &j, func(actor context.Context, k kind) (err error) {
			j.Made, err = k.copy(actor, &j, keyARN, p.Tags)
			return err
		})
	}
	if err != nil {
		j.Made = ""
		s.endCopy(ctx, &j, said(err))
		return nil
	}
	n := &Point{
		Account: v.Account, Region: v.Region, Vault: v.Name, ARN: j.Made, Resource: j.Resource, Kind: j.Kind, SourceVault: p.vaultARN(),
		Status: types.RecoveryPointStatusCreating, Created: c.At, Role: j.Actor, Lifecycle: j.Lifecycle, Tags: maps.Clone(p.Tags), Metadata: maps.Clone(p.Metadata),
	}
	s.points.Put(n.key(), n)
	s.putCopy(&j, c.At)
	s.later(j.Account, j.Region, "copy-look", j.ID, c.At.Add(untilLook))
	return nil
}

// shareWith lets the other account see the recovery point.
func (s *Service) shareWith(ctx context.Context, j *CopyJob, account string) error {
	k, ok := s.kindNamed(j.Kind)
	if !ok {
		return errors.New("unsupported resource type")
	}
	actor, err := s.actor(ctx, j.Role)
	if err != nil {
		return err
	}
	if err := k.share(actor, j.Point, account, true); err != nil {
		return err
	}
	j.Shared = true
	return nil
}

// copyLook looks whether the copy is made.
func (s *Service) copyLook(ctx context.Context, id string) error {
	c := gate.From(ctx)
	old := s.copies.Get(row(c, id))
	if old == nil || old.State != types.CopyJobStateRunning {
		return nil
	}
	account, region, _ := old.target()
	made := s.look(in(ctx, region), old.Kind, old.Actor, func(actor context.Context, k kind) (progress, error) { return k.made(actor, old.Made) })
	point := s.points.Get(state.Key(account, region, old.Made))
	switch {
	case made.failed != "" || point == nil:
		s.endCopy(ctx, old, cmp.Or(made.failed, "The recovery point is no longer available."))
		return nil
	case !made.done && c.At.Sub(old.Created) < longest:
		s.later(old.Account, old.Region, "copy-look", id, again(old.Created, c.At))
		return nil
	case !made.done:
		s.endCopy(ctx, old, "Copy job encountered a fatal error.") // documented
		return nil
	}
	j, p := *old, *point
	j.State, j.Completed, j.Size = types.CopyJobStateCompleted, &c.At, made.size
	s.unshare(ctx, &j)
	s.finish(&p, made, c.At)
	s.putCopy(&j, c.At)
	return nil
}

func (s *Service) shownCopy(j *CopyJob) *types.CopyJob {
	account, region, name := j.target()
	out := &types.CopyJob{
		AccountId: &j.Account, BackupSizeInBytes: &j.Size, CompletionDate: j.Completed, CopyJobId: &j.ID,
		CreationDate: &j.Created, DestinationBackupVaultArn: &j.Target, DestinationRecoveryPointArn: unless(j.Made), DestinationRecoveryPointLifecycle: j.Lifecycle,
		IamRoleArn: &j.Role, ResourceArn: &j.Resource, ResourceType: &j.Kind, SourceBackupVaultArn: new(vaultARN(j.Region, j.Account, j.Vault)),
		SourceRecoveryPointArn: &j.Point, State: j.State, StatusMessage: unless(j.Message), DestinationVaultType: new(string(types.VaultTypeBackupVault)),
		MessageCategory: category(j.State == types.CopyJobStateCompleted),
	}
	if p := s.points.Get(state.Key(account, region, j.Made)); p != nil && p.Vault == name {
		out.DestinationEncryptionKeyArn = unless(p.KeyARN)
	}
	return out
}

// DescribeCopyJob tells about a job. The account that copies from sees it.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeCopyJob.html.
func (s *Service) DescribeCopyJob(ctx context.Context, in *backup.DescribeCopyJobInput) (*backup.DescribeCopyJobOutput, error) {
	j := s.copies.Get(row(gate.From(ctx), *in.CopyJobId))
	if j == nil {
		return nil, notFound("Copy job " + *in.CopyJobId + " does not exist.") // assumed text
	}
	return &backup.DescribeCopyJobOutput{CopyJob: s.shownCopy(j)}, nil
}

// ListCopyJobs lists the account's jobs, the newest first.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListCopyJobs.html.
func (s *Service) ListCopyJobs(ctx context.Context, in *backup.ListCopyJobsInput) (*backup.ListCopyJobsOutput, error) {
	list := []types.CopyJob{}
	for _, j := range s.copies.All(row(gate.From(ctx), "")) {
		state := in.ByState == "" || in.ByState == j.State
		if state && fits(in.ByAccountId, j.Account) && fits(in.ByDestinationVaultArn, j.Target) && fits(in.ByResourceArn, j.Resource) && fits(in.ByResourceType, j.Kind) &&
			fits(in.BySourceRecoveryPointArn, j.Point) && fits(in.ByParentJobId, "") && fits(in.ByMessageCategory, text(category(j.State == types.CopyJobStateCompleted))) && within(j.Created, in.ByCreatedAfter, in.ByCreatedBefore) &&
			ended(j.Completed, in.ByCompleteAfter, in.ByCompleteBefore) {
			list = append(list, *s.shownCopy(j))
		}
	}
	slices.SortFunc(list, func(a, b types.CopyJob) int {
		return cmp.Or(b.CreationDate.Compare(*a.CreationDate), strings.Compare(*a.CopyJobId, *b.CopyJobId))
	})
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &backup.ListCopyJobsOutput{CopyJobs: page, NextToken: next}, err
}
