package backup

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/backup/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Point is a recovery point as the state keeps it. What it is of, a snapshot say, keeps
// the resource's own service.
type Point struct {
	Account, Region, Vault string
	ARN                    string
	Resource, Kind         string // what it is of, and its type
	SourceVault            string `json:",omitempty"` // of a copy: the ARN of the vault copied from
	Status                 types.RecoveryPointStatus
	Message                string     `json:",omitempty"`
	Created                time.Time  // when its job was
	Completed              *time.Time `json:",omitempty"`
	Restored               *time.Time `json:",omitempty"`
	Size                   int64
	KeyARN                 string `json:",omitempty"` // empty when it is not encrypted
	Role                   string
	Lifecycle              *types.Lifecycle  `json:",omitempty"`
	Tags                   map[string]string `json:",omitempty"`
	// Metadata is what a restore may be told, as it was of the resource.
	Metadata map[string]string `json:",omitempty"`
}

func (p *Point) key() string { return state.Key(p.Account, p.Region, p.ARN) }

func (p *Point) vaultARN() string { return vaultARN(p.Region, p.Account, p.Vault) }

// ends is when the point's life ends, nil for never.
func (p *Point) ends() *time.Time {
	if p.Lifecycle == nil || p.Lifecycle.DeleteAfterDays == nil {
		return nil
	}
	return new(p.Created.AddDate(0, 0, int(*p.Lifecycle.DeleteAfterDays)))
}

func (p *Point) calculated() *types.CalculatedLifecycle {
	if end := p.ends(); end != nil {
		return &types.CalculatedLifecycle{DeleteAt: end}
	}
	return nil
}

// keyType is nothing for a point that is not encrypted, and for one under a default key.
func (p *Point) keyType() types.EncryptionKeyType {
	if p.KeyARN == "" {
		return ""
	}
	return types.EncryptionKeyTypeCustomerManagedKmsKey
}

// pointsIn are the recovery points of a vault.
func (s *Service) pointsIn(v *Vault) iter.Seq[*Point] {
	return func(yield func(*Point) bool) {
		for _, p := range s.points.All(state.Key(v.Account, v.Region, "")) {
			if p.Vault == v.Name && !yield(p) {
				return
			}
		}
	}
}

// pointIn finds a recovery point of a vault.
func (s *Service) pointIn(v *Vault, pointARN *string) (*Point, error) {
	if p := s.points.Get(state.Key(v.Account, v.Region, text(pointARN))); p != nil && p.Vault == v.Name {
		return p, nil
	}
	return nil, notFound("Cannot find recovery point.") // how it begins is documented
}

func (s *Service) pointOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Reads, onPoint(s, "DescribeRecoveryPoint", func(in *backup.DescribeRecoveryPointInput) (v, p, a *string) {
			return in.BackupVaultName, in.RecoveryPointArn, in.BackupVaultAccountId
		}), s.DescribeRecoveryPoint),
		gate.Op(gate.Reads, onPoint(s, "GetRecoveryPointRestoreMetadata", func(in *backup.GetRecoveryPointRestoreMetadataInput) (v, p, a *string) {
			return in.BackupVaultName, in.RecoveryPointArn, in.BackupVaultAccountId
		}), s.GetRecoveryPointRestoreMetadata),
		gate.Op(gate.Writes, onPoint(s, "DeleteRecoveryPoint", func(in *backup.DeleteRecoveryPointInput) (v, p, a *string) {
			return in.BackupVaultName, in.RecoveryPointArn, nil
		}), s.DeleteRecoveryPoint),
		gate.Op(gate.Writes, onPoint(s, "UpdateRecoveryPointLifecycle", func(in *backup.UpdateRecoveryPointLifecycleInput) (v, p, a *string) {
			return in.BackupVaultName, in.RecoveryPointArn, nil
		}), s.UpdateRecoveryPointLifecycle),
		gate.Op(gate.Reads, onVault(s, "ListRecoveryPointsByBackupVault", func(in *backup.ListRecoveryPointsByBackupVaultInput) *string { return in.BackupVaultName }, func(in *backup.ListRecoveryPointsByBackupVaultInput) *string { return in.BackupVaultAccountId }), s.ListRecoveryPointsByBackupVault),
		gate.Op(gate.Reads, onAny[backup.ListRecoveryPointsByResourceInput]("ListRecoveryPointsByResource"), s.ListRecoveryPointsByResource),
		gate.Op(gate.Reads, onAny[backup.ListProtectedResourcesInput]("ListProtectedResources"), s.ListProtectedResources),
		gate.Op(gate.Reads, onVault(s, "ListProtectedResourcesByBackupVault", func(in *backup.ListProtectedResourcesByBackupVaultInput) *string { return in.BackupVaultName }, func(in *backup.ListProtectedResourcesByBackupVaultInput) *string { return in.BackupVaultAccountId }), s.ListProtectedResourcesByBackupVault),
		gate.Op(gate.Reads, onAny[backup.DescribeProtectedResourceInput]("DescribeProtectedResource"), s.DescribeProtectedResource),
	}
}

// seen is a vault that an operation names, and a point in it.
func (s *Service) seen(ctx context.Context, account, vault, point *string) (*Vault, *Point, error) {
	c := gate.From(ctx)
	v, err := s.vaultOf(c, cmp.Or(text(account), c.Caller.Account), c.Region, vault)
	if err != nil {
		return nil, nil, err
	}
	p, err := s.pointIn(v, point)
	return v, p, err
}

// DescribeRecoveryPoint tells about a recovery point.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRecoveryPoint.html.
func (s *Service) DescribeRecoveryPoint(ctx context.Context, in *backup.DescribeRecoveryPointInput) (*backup.DescribeRecoveryPointOutput, error) {
	_, p, err := s.seen(ctx, in.BackupVaultAccountId, in.BackupVaultName, in.RecoveryPointArn)
	if err != nil {
		return nil, err
	}
	return &backup.DescribeRecoveryPointOutput{
		BackupSizeInBytes: &p.Size, BackupVaultArn: new(p.vaultARN()), BackupVaultName: &p.Vault, CalculatedLifecycle: p.calculated(),
		CompletionDate: p.Completed, CreationDate: &p.Created, EncryptionKeyArn: unless(p.KeyARN), EncryptionKeyType: p.keyType(),
		IamRoleArn: &p.Role, InitiationDate: &p.Created, IsEncrypted: p.KeyARN != "", LastRestoreTime: p.Restored, Lifecycle: p.Lifecycle,
		RecoveryPointArn: &p.ARN, ResourceArn: &p.Resource, ResourceType: &p.Kind, SourceBackupVaultArn: unless(p.SourceVault), Status: p.Status,
		StatusMessage: unless(p.Message), StorageClass: types.StorageClassWarm, VaultType: types.VaultTypeBackupVault,
	}, nil
}

// GetRecoveryPointRestoreMetadata tells what a restore may be told.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetRecoveryPointRestoreMetadata.html.
func (s *Service) GetRecoveryPointRestoreMetadata(ctx context.Context, in *backup.GetRecoveryPointRestoreMetadataInput) (*backup.GetRecoveryPointRestoreMetadataOutput, error) {
	_, p, err := s.seen(ctx, in.BackupVaultAccountId, in.BackupVaultName, in.RecoveryPointArn)
	if err != nil {
		return nil, err
	}
	return &backup.GetRecoveryPointRestoreMetadataOutput{BackupVaultArn: new(p.vaultARN()), RecoveryPointArn: &p.ARN, ResourceType: &p.Kind, RestoreMetadata: maps.Clone(p.Metadata)}, nil
}

// DeleteRecoveryPoint deletes a recovery point, and what it is of in the caller's name.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteRecoveryPoint.html.
func (s *Service) DeleteRecoveryPoint(ctx context.Context, in *backup.DeleteRecoveryPointInput) (*backup.DeleteRecoveryPointOutput, error) {
	v, p, err := s.seen(ctx, nil, in.BackupVaultName, in.RecoveryPointArn)
	if err != nil {
		return nil, err
	}
	if v.Locked {
		return nil, invalidRequest("The recovery point cannot be deleted: its vault is locked.") // assumed text
	}
	if p.Status == types.RecoveryPointStatusCreating {
		return nil, refuse("InvalidResourceStateException", "The recovery point is being created.") // assumed text
	}
	if k, ok := s.kindNamed(p.Kind); ok {
		if err := k.remove(ctx, p.ARN, gate.Forward{Service: "backup"}); err != nil {
			return nil, err
		}
	}
	s.points.Delete(p.key())
	return &backup.DeleteRecoveryPointOutput{}, nil
}

// UpdateRecoveryPointLifecycle says how long a recovery point is kept.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateRecoveryPointLifecycle.html.
func (s *Service) UpdateRecoveryPointLifecycle(ctx context.Context, in *backup.UpdateRecoveryPointLifecycleInput) (*backup.UpdateRecoveryPointLifecycleOutput, error) {
	v, old, err := s.seen(ctx, nil, in.BackupVaultName, in.RecoveryPointArn)
	if err != nil {
		return nil, err
	}
	p := *old
	if in.Lifecycle != nil {
		if !v.keeps(in.Lifecycle.DeleteAfterDays) {
			return nil, invalidValue("The retention is not within the range specified for the backup vault.") // assumed text
		}
		p.Lifecycle = in.Lifecycle
		s.points.Put(p.key(), &p)
		s.planEnd(&p)
	}
	return &backup.UpdateRecoveryPointLifecycleOutput{BackupVaultArn: new(p.vaultARN()), CalculatedLifecycle: p.calculated(), Lifecycle: p.Lifecycle, RecoveryPointArn: &p.ARN}, nil
}

// planEnd has a point deleted at the end of its life.
func (s *Service) planEnd(p *Point) {
	if end := p.ends(); end != nil && p.Status == types.RecoveryPointStatusCompleted {
		s.Agenda.Add(state.Task{At: *end, Service: "backup", Account: p.Account, Region: p.Region, What: "expire", Subject: p.ARN})
	}
}

// expire deletes a point at the end of its life, as the role that made it. A point that
// the role may not delete stays as expired.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/recovery-points.html.
func (s *Service) expire(ctx context.Context, pointARN string) error {
	c := gate.From(ctx)
	old := s.points.Get(row(c, pointARN))
	if old == nil || old.Status != types.RecoveryPointStatusCompleted {
		return nil
	}
	if end := old.ends(); end == nil || end.After(c.At) {
		return nil // its life was made longer
	}
	err := s.DB.Try(func() error {
		k, ok := s.kindNamed(old.Kind)
		if !ok {
			return nil
		}
		actor, err := s.actor(ctx, old.Role)
		if err != nil {
			return err
		}
		return k.remove(actor, old.ARN, asRole)
	})
	if err == nil {
		s.points.Delete(old.key())
		return nil
	}
	p := *old
	p.Status, p.Message = types.RecoveryPointStatusExpired, said(err)
	s.points.Put(p.key(), &p)
	return nil
}

// newest orders recovery points, the newest first.
func newest(a, b *Point) int {
	return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ARN, b.ARN))
}

// ListRecoveryPointsByBackupVault lists the recovery points of a vault.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRecoveryPointsByBackupVault.html.
func (s *Service) ListRecoveryPointsByBackupVault(ctx context.Context, in *backup.ListRecoveryPointsByBackupVaultInput) (*backup.ListRecoveryPointsByBackupVaultOutput, error) {
	c := gate.From(ctx)
	v, err := s.vaultOf(c, cmp.Or(text(in.BackupVaultAccountId), c.Caller.Account), c.Region, in.BackupVaultName)
	if err != nil {
		return nil, err
	}
	list := []types.RecoveryPointByBackupVault{}
	for _, p := range slices.SortedFunc(s.pointsIn(v), newest) {
		if !fits(in.ByResourceArn, p.Resource) || !fits(in.ByResourceType, p.Kind) || !fits(in.ByBackupPlanId, "") || !fits(in.ByParentRecoveryPointArn, "") ||
			!within(p.Created, in.ByCreatedAfter, in.ByCreatedBefore) {
			continue
		}
		list = append(list, types.RecoveryPointByBackupVault{
			BackupSizeInBytes: &p.Size, BackupVaultArn: new(p.vaultARN()), BackupVaultName: &p.Vault, CalculatedLifecycle: p.calculated(),
			CompletionDate: p.Completed, CreationDate: &p.Created, EncryptionKeyArn: unless(p.KeyARN), EncryptionKeyType: p.keyType(),
			IamRoleArn: &p.Role, InitiationDate: &p.Created, IsEncrypted: p.KeyARN != "", LastRestoreTime: p.Restored, Lifecycle: p.Lifecycle,
			RecoveryPointArn: &p.ARN, ResourceArn: &p.Resource, ResourceType: &p.Kind, SourceBackupVaultArn: unless(p.SourceVault), Status: p.Status,
			StatusMessage: unless(p.Message), VaultType: types.VaultTypeBackupVault,
		})
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &backup.ListRecoveryPointsByBackupVaultOutput{RecoveryPoints: page, NextToken: next}, err
}

// own are the account's recovery points of a Region, the newest first.
func (s *Service) own(c *gate.Call) []*Point {
	var list []*Point
	for _, p := range s.points.All(row(c, "")) {
		list = append(list, p)
	}
	slices.SortFunc(list, newest)
	return list
}

// ListRecoveryPointsByResource lists the recovery points of a resource.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRecoveryPointsByResource.html.
func (s *Service) ListRecoveryPointsByResource(ctx context.Context, in *backup.ListRecoveryPointsByResourceInput) (*backup.ListRecoveryPointsByResourceOutput, error) {
	list := []types.RecoveryPointByResource{}
	for _, p := range s.own(gate.From(ctx)) {
		if p.Resource == *in.ResourceArn {
			list = append(list, types.RecoveryPointByResource{
				BackupSizeBytes: &p.Size, BackupVaultName: &p.Vault, CreationDate: &p.Created, EncryptionKeyArn: unless(p.KeyARN), EncryptionKeyType: p.keyType(),
				RecoveryPointArn: &p.ARN, Status: p.Status, StatusMessage: unless(p.Message), VaultType: types.VaultTypeBackupVault,
			})
		}
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &backup.ListRecoveryPointsByResourceOutput{RecoveryPoints: page, NextToken: next}, err
}

// protected are the resources that points are of, each with its newest. Which resources
// are in an account does not depend on whether they are still there.
func protected(points []*Point) []types.ProtectedResource {
	list := []types.ProtectedResource{}
	listed := map[string]bool{}
	for _, p := range points {
		if listed[p.Resource] || p.Status != types.RecoveryPointStatusCompleted {
			continue
		}
		listed[p.Resource] = true
		list = append(list, types.ProtectedResource{
			LastBackupTime: p.Completed, LastBackupVaultArn: new(p.vaultARN()), LastRecoveryPointArn: &p.ARN, ResourceArn: &p.Resource, ResourceType: &p.Kind,
		})
	}
	return list
}

// ListProtectedResources lists the resources that have recovery points.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListProtectedResources.html.
func (s *Service) ListProtectedResources(ctx context.Context, in *backup.ListProtectedResourcesInput) (*backup.ListProtectedResourcesOutput, error) {
	page, next, err := paged(protected(s.own(gate.From(ctx))), in.NextToken, in.MaxResults)
	return &backup.ListProtectedResourcesOutput{Results: page, NextToken: next}, err
}

// ListProtectedResourcesByBackupVault lists the resources that have recovery points in a
// vault.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListProtectedResourcesByBackupVault.html.
func (s *Service) ListProtectedResourcesByBackupVault(ctx context.Context, in *backup.ListProtectedResourcesByBackupVaultInput) (*backup.ListProtectedResourcesByBackupVaultOutput, error) {
	c := gate.From(ctx)
	v, err := s.vaultOf(c, cmp.Or(text(in.BackupVaultAccountId), c.Caller.Account), c.Region, in.BackupVaultName)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(protected(slices.SortedFunc(s.pointsIn(v), newest)), in.NextToken, in.MaxResults)
	return &backup.ListProtectedResourcesByBackupVaultOutput{Results: page, NextToken: next}, err
}

// DescribeProtectedResource tells when a resource was last backed up.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeProtectedResource.html.
func (s *Service) DescribeProtectedResource(ctx context.Context, in *backup.DescribeProtectedResourceInput) (*backup.DescribeProtectedResourceOutput, error) {
	for _, r := range protected(s.own(gate.From(ctx))) {
		if *r.ResourceArn == *in.ResourceArn {
			return &backup.DescribeProtectedResourceOutput{
				LastBackupTime: r.LastBackupTime, LastBackupVaultArn: r.LastBackupVaultArn, LastRecoveryPointArn: r.LastRecoveryPointArn,
				ResourceArn: r.ResourceArn, ResourceType: r.ResourceType,
			}, nil
		}
	}
	return nil, notFound("Resource " + *in.ResourceArn + " is not protected.") // assumed text
}

// fits reports whether a filter, nil for none, takes a value.
func fits(filter *string, value string) bool {
	return filter == nil || *filter == "" || *filter == "*" || *filter == value
}

// within reports whether a time lies between two, nil for no bound.
func within(at time.Time, after, before *time.Time) bool {
	return (after == nil || at.After(*after)) && (before == nil || at.Before(*before))
}
