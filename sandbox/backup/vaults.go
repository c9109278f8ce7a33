package backup

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/backup/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Vault is a backup vault as the state keeps it.
type Vault struct {
	Account, Region, Name string
	KeyARN                string
	Managed               bool   `json:",omitempty"` // the key is aws/backup
	Creator               string `json:",omitempty"` // the creator's request id
	Created               time.Time
	Policy                string            `json:",omitempty"` // the access policy
	Tags                  map[string]string `json:",omitempty"`
	// Locked is set by a lock, MinDays and MaxDays are what retention it demands;
	// LockDate is from when the lock itself cannot be taken away, nil for never.
	Locked           bool       `json:",omitempty"`
	MinDays, MaxDays *int64     `json:",omitempty"`
	LockDate         *time.Time `json:",omitempty"`
	// Topic and Topics are what PutBackupVaultNotifications was told.
	Topic  string                   `json:",omitempty"`
	Topics []types.BackupVaultEvent `json:",omitempty"`

	named *estate.Named // the access policy, nil for none
}

func (v *Vault) ready() {
	v.named = nil
	if v.Policy != "" {
		v.named = &estate.Named{Name: "access policy of " + v.Name, Document: gate.Document("access policy of "+v.Name, v.Policy)}
	}
}

// ARN is the vault's.
func (v *Vault) ARN() string { return vaultARN(v.Region, v.Account, v.Name) }

func (v *Vault) key() string { return state.Key(v.Account, v.Region, v.Name) }

func (v *Vault) keyType() types.EncryptionKeyType {
	if v.Managed {
		return types.EncryptionKeyTypeAwsOwnedKmsKey
	}
	return types.EncryptionKeyTypeCustomerManagedKmsKey
}

// defaultVault is the vault that every account has, under AWS Backup's own key. It is
// made when somebody first asks for it.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/vaults.html.
const defaultVault = "Default"

// vaultOf finds a vault. One that there is not reads as one that the caller may not see.
func (s *Service) vaultOf(c *gate.Call, account, region string, name *string) (*Vault, error) {
	if name == nil || *name == "" {
		return nil, refuse("MissingParameterValueException", "Backup vault name is missing.") // assumed text
	}
	if v := s.vaults.Get(state.Key(account, region, *name)); v != nil {
		return v, nil
	}
	if *name != defaultVault || account != c.Caller.Account || region != c.Region {
		return nil, hidden()
	}
	return s.makeDefault(c)
}

func (s *Service) makeDefault(c *gate.Call) (*Vault, error) {
	if !c.Writing {
		return nil, gate.ErrUpdate
	}
	k, ok, err := s.Keys.Find(c, c.Region, "alias/aws/backup")
	if err == nil && !ok {
		err = errors.New("there is no aws/backup")
	}
	if err != nil {
		return nil, err
	}
	v := &Vault{Account: c.Caller.Account, Region: c.Region, Name: defaultVault, Creator: defaultVault, Created: c.At, KeyARN: k.ARN, Managed: true}
	s.vaults.Put(v.key(), v)
	return v, nil
}

func (s *Service) vaultOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksCreateVault, s.CreateBackupVault),
		gate.Op(gate.Reads, onVault(s, "DescribeBackupVault", func(in *backup.DescribeBackupVaultInput) *string { return in.BackupVaultName }, func(in *backup.DescribeBackupVaultInput) *string { return in.BackupVaultAccountId }), s.DescribeBackupVault),
		gate.Op(gate.Reads, onAny[backup.ListBackupVaultsInput]("ListBackupVaults"), s.ListBackupVaults),
		gate.Op(gate.Writes, onVault(s, "DeleteBackupVault", func(in *backup.DeleteBackupVaultInput) *string { return in.BackupVaultName }, nil), s.DeleteBackupVault),
		gate.Op(gate.Writes, onVault(s, "PutBackupVaultAccessPolicy", func(in *backup.PutBackupVaultAccessPolicyInput) *string { return in.BackupVaultName }, nil), s.PutBackupVaultAccessPolicy),
		gate.Op(gate.Reads, onVault(s, "GetBackupVaultAccessPolicy", func(in *backup.GetBackupVaultAccessPolicyInput) *string { return in.BackupVaultName }, nil), s.GetBackupVaultAccessPolicy),
		gate.Op(gate.Writes, onVault(s, "DeleteBackupVaultAccessPolicy", func(in *backup.DeleteBackupVaultAccessPolicyInput) *string { return in.BackupVaultName }, nil), s.DeleteBackupVaultAccessPolicy),
		gate.Op(gate.Writes, onVault(s, "PutBackupVaultLockConfiguration", func(in *backup.PutBackupVaultLockConfigurationInput) *string { return in.BackupVaultName }, nil), s.PutBackupVaultLockConfiguration),
		gate.Op(gate.Writes, onVault(s, "DeleteBackupVaultLockConfiguration", func(in *backup.DeleteBackupVaultLockConfigurationInput) *string { return in.BackupVaultName }, nil), s.DeleteBackupVaultLockConfiguration),
		gate.Op(gate.Writes, onVault(s, "PutBackupVaultNotifications", func(in *backup.PutBackupVaultNotificationsInput) *string { return in.BackupVaultName }, nil), s.PutBackupVaultNotifications),
		gate.Op(gate.Reads, onVault(s, "GetBackupVaultNotifications", func(in *backup.GetBackupVaultNotificationsInput) *string { return in.BackupVaultName }, nil), s.GetBackupVaultNotifications),
		gate.Op(gate.Writes, onVault(s, "DeleteBackupVaultNotifications", func(in *backup.DeleteBackupVaultNotificationsInput) *string { return in.BackupVaultName }, nil), s.DeleteBackupVaultNotifications),
	}
}

// asksCreateVault asks for what AWS documents of CreateBackupVault beside the uses of the
// key, which are made.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html#backup-api-permissions-ref.
func (s *Service) asksCreateVault(c *gate.Call, in *backup.CreateBackupVaultInput) ([]gate.Ask, error) {
	list := askMake(c, "backup:CreateBackupVault", vaultARN(c.Region, c.Caller.Account, *in.BackupVaultName), in.BackupVaultTags)
	return append(list, gate.Ask{Action: "backup-storage:MountCapsule", Resource: "*"}), nil
}

// CreateBackupVault makes a vault under a key, for which the caller needs the key.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupVault.html.
func (s *Service) CreateBackupVault(ctx context.Context, in *backup.CreateBackupVaultInput) (*backup.CreateBackupVaultOutput, error) {
	c := gate.From(ctx)
	if err := checkTags(in.BackupVaultTags); err != nil {
		return nil, err
	}
	if *in.BackupVaultName == defaultVault && s.vaults.Get(row(c, defaultVault)) == nil {
		if _, err := s.makeDefault(c); err != nil {
			return nil, err
		}
	}
	id, seen := s.tokens.Seen(c, in.CreatorRequestId, in)
	if old := s.vaults.Get(row(c, *in.BackupVaultName)); old != nil {
		if seen == gate.Same && id == old.Name {
			return old.made(), nil
		}
		return nil, refuse("AlreadyExistsException", "Backup vault with the same name already exists") // assumed text
	}
	k, err := s.vaultKey(ctx, cmp.Or(text(in.EncryptionKeyArn), "alias/aws/backup"))
	if err != nil {
		return nil, err
	}
	v := &Vault{
		Account: c.Caller.Account, Region: c.Region, Name: *in.BackupVaultName, KeyARN: k.ARN, Managed: k.Managed,
		Creator: text(in.CreatorRequestId), Created: c.At, Tags: maps.Clone(in.BackupVaultTags),
	}
	s.vaults.Put(v.key(), v)
	s.tokens.Keep(c, in.CreatorRequestId, in, v.Name)
	return v.made(), nil
}

// vaultKey is the key for a new vault, which the caller has to be able to use.
func (s *Service) vaultKey(ctx context.Context, id string) (gate.KeyFacts, error) {
	c := gate.From(ctx)
	k, ok, err := s.Keys.Find(c, c.Region, id)
	if err != nil {
		return gate.KeyFacts{}, err
	}
	if !ok {
		return gate.KeyFacts{}, invalidValue("The encryption key " + id + " does not exist.") // assumed text
	}
	_, err = s.Agent.Use(ctx, "backup:CreateBackupVault", "", map[string]behalf.Key{"vault": {ARN: k.ARN}})
	if refused := (*behalf.Refused)(nil); errors.As(err, &refused) {
		return gate.KeyFacts{}, hidden()
	}
	return k, err
}

func (v *Vault) made() *backup.CreateBackupVaultOutput {
	return &backup.CreateBackupVaultOutput{BackupVaultArn: new(v.ARN()), BackupVaultName: &v.Name, CreationDate: &v.Created}
}

// countPoints is how many recovery points a vault has.
func (s *Service) countPoints(v *Vault) (n int64) {
	for range s.pointsIn(v) {
		n++
	}
	return n
}

// DescribeBackupVault tells about a vault.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeBackupVault.html.
func (s *Service) DescribeBackupVault(ctx context.Context, in *backup.DescribeBackupVaultInput) (*backup.DescribeBackupVaultOutput, error) {
	c := gate.From(ctx)
	v, err := s.vaultOf(c, cmp.Or(text(in.BackupVaultAccountId), c.Caller.Account), c.Region, in.BackupVaultName)
	if err != nil {
		return nil, err
	}
	return &backup.DescribeBackupVaultOutput{
		BackupVaultArn: new(v.ARN()), BackupVaultName: &v.Name, CreationDate: &v.Created, CreatorRequestId: unless(v.Creator),
		EncryptionKeyArn: &v.KeyARN, EncryptionKeyType: v.keyType(), Locked: &v.Locked, LockDate: v.LockDate,
		MinRetentionDays: v.MinDays, MaxRetentionDays: v.MaxDays, NumberOfRecoveryPoints: s.countPoints(v),
		VaultState: types.VaultStateAvailable, VaultType: types.VaultTypeBackupVault,
	}, nil
}

// ListBackupVaults lists the account's vaults.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupVaults.html.
func (s *Service) ListBackupVaults(ctx context.Context, in *backup.ListBackupVaultsInput) (*backup.ListBackupVaultsOutput, error) {
	c := gate.From(ctx)
	if s.vaults.Get(row(c, defaultVault)) == nil {
		if _, err := s.makeDefault(c); err != nil {
			return nil, err
		}
	}
	list := []types.BackupVaultListMember{}
	for _, v := range s.vaults.All(row(c, "")) {
		if in.ByShared || in.ByVaultType != "" && in.ByVaultType != types.VaultTypeBackupVault {
			continue
		}
		list = append(list, types.BackupVaultListMember{
			BackupVaultArn: new(v.ARN()), BackupVaultName: &v.Name, CreationDate: &v.Created, CreatorRequestId: unless(v.Creator),
			EncryptionKeyArn: &v.KeyARN, EncryptionKeyType: v.keyType(), Locked: &v.Locked, LockDate: v.LockDate,
			MinRetentionDays: v.MinDays, MaxRetentionDays: v.MaxDays, NumberOfRecoveryPoints: s.countPoints(v),
			VaultState: types.VaultStateAvailable, VaultType: types.VaultTypeBackupVault,
		})
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &backup.ListBackupVaultsOutput{BackupVaultList: page, NextToken: next}, err
}

// DeleteBackupVault ends a vault that is empty.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupVault.html.
func (s *Service) DeleteBackupVault(ctx context.Context, in *backup.DeleteBackupVaultInput) (*backup.DeleteBackupVaultOutput, error) {
	v, err := s.mine(ctx, in.BackupVaultName)
	if err != nil {
		return nil, err
	}
	switch {
	case v.Name == defaultVault:
		return nil, invalidRequest("The default backup vault cannot be deleted.") // assumed text
	case s.countPoints(v) > 0:
		return nil, invalidRequest("Backup vault cannot be deleted because it contains recovery points.") // assumed text
	}
	s.vaults.Delete(v.key())
	return &backup.DeleteBackupVaultOutput{}, nil
}

// mine is a vault of the caller's.
func (s *Service) mine(ctx context.Context, name *string) (*Vault, error) {
	c := gate.From(ctx)
	return s.vaultOf(c, c.Caller.Account, c.Region, name)
}

// change changes a vault of the caller's.
func (s *Service) change(ctx context.Context, name *string, f func(*Vault)) error {
	old, err := s.mine(ctx, name)
	if err != nil {
		return err
	}
	v := *old
	f(&v)
	s.vaults.Put(v.key(), &v)
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// unless is a text for an answer, nil for none.
func unless(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// paged cuts a page from a list.
func paged[T any](list []T, token *string, limit *int32) ([]T, *string, error) {
	page, next, ok := gate.Page(list, token, limit, 1000)
	if !ok {
		return nil, nil, invalidValue("The next token is invalid.") // assumed text
	}
	return page, next, nil
}
