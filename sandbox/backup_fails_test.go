package sandbox_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	backuptypes "github.com/aws/aws-sdk-go-v2/service/backup/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// TestACopyIntoAnotherAccountFailsForWantOfAnything takes away one thing of all that a copy
// needs, and reads why in the job.
func TestACopyIntoAnotherAccountFailsForWantOfAnything(t *testing.T) {
	t.Parallel()
	const noRight = "You are not authorized to perform this operation. User: arn:aws:sts::" + owner + ":assumed-role/Backups/AWSBackup-Backups is not authorized to perform: "
	tests := []struct {
		name  string
		alone bool   // the accounts are in no organization
		admit string // the action that the source's key admits
		key   string // source key: "" for a customer key
		vault string // the vault's key: "" for a customer key
		shut  bool   // the vault has no access policy
		spoil func(*backups)
		says  string
	}{
		{name: "nothing"},
		{name: "one organization", alone: true, says: "Copy job failed. Both source and destination account must be a member of the same organization."},
		{name: "the organization's setting", spoil: func(b *backups) { b.crossAccount("false") }, says: "Copy job failed. Cross-account copy feature is not enabled for the current organization."},
		{name: "the vault's policy", shut: true, says: "Access Denied trying to call AWS Backup service"},
		{name: "the right to copy into vaults", spoil: func(b *backups) { b.denied(owner, "Backups", "backup:CopyIntoBackupVault") }, says: "Access Denied trying to call AWS Backup service"},
		{name: "the right to copy from vaults", spoil: func(b *backups) { b.denied(owner, "Backups", "backup:CopyFromBackupVault") }, says: "Access Denied trying to call AWS Backup service"},
		{name: "the right to copy into that vault", spoil: func(b *backups) {
			policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"backup:CopyFromBackupVault","Resource":"*","Condition":{"ForAllValues:ArnLike":{"backup:CopyTargets":"arn:aws:backup:*:` + consumer + `:backup-vault:*"}}}]}`
			need(iam.NewFromConfig(b.root(owner)).PutRolePolicy(b.Context(), &iam.PutRolePolicyInput{RoleName: new("Backups"), PolicyName: new("targets"), PolicyDocument: &policy}))(b)
		}, says: "Access Denied trying to call AWS Backup service"},
		{name: "the vault itself", spoil: func(b *backups) {
			need(b.of(consumer).DeleteBackupVault(b.Context(), &backup.DeleteBackupVaultInput{BackupVaultName: new("safe")}))(b)
		}, says: "Access Denied trying to call AWS Backup service"},
		{name: "a customer key of the vault", vault: "aws/backup", says: "Only the contents of a Backup vault encrypted by an AWS KMS key may be copied."},
		{name: "a customer key of the volume", key: "aws/ebs", says: "Encrypted snapshots with EBS default key cannot be shared"},
		{name: "the right to share", spoil: func(b *backups) { b.denied(owner, "Backups", "ec2:ModifySnapshotAttribute") }, says: noRight + "ec2:ModifySnapshotAttribute"},
		{name: "the key's admission", admit: "kms:DescribeKey", says: "Given key ID is not accessible"},
		{name: "the source's key", spoil: func(b *backups) {
			need(b.kmsOf(b.root(owner)).ScheduleKeyDeletion(b.Context(), &kms.ScheduleKeyDeletionInput{KeyId: new(b.keyOf["source"])}))(b)
		}, says: "Not authorized to use key KEY"},
		{name: "the vault's key", spoil: func(b *backups) {
			need(b.kmsOf(b.root(consumer)).DisableKey(b.Context(), &kms.DisableKeyInput{KeyId: new(b.keyOf["target"])}))(b)
		}, says: "is disabled"},
		{name: "the copying role's right on the vault's key", spoil: func(b *backups) {
			policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + consumer + `:root"},"Action":"kms:*","Resource":"*"},
				{"Effect":"Deny","Principal":{"AWS":"` + linkedBackup + `"},"Action":"kms:GenerateDataKeyWithoutPlaintext","Resource":"*"}]}`
			need(b.kmsOf(b.root(consumer)).PutKeyPolicy(b.Context(), &kms.PutKeyPolicyInput{KeyId: new(b.keyOf["target"]), Policy: &policy}))(b)
		}, says: "Given key ID is not accessible"},
		{name: "retention that the vault's lock takes", spoil: func(b *backups) {
			need(b.of(consumer).PutBackupVaultLockConfiguration(b.Context(), &backup.PutBackupVaultLockConfigurationInput{BackupVaultName: new("safe"), MaxRetentionDays: new(int64(30))}))(b)
		}, says: "The retention specified in the job is not within the range specified for the target Backup Vault."},
	}
	for _, tt := range tests {
		t.Run("without "+tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBackups(t)
			if !tt.alone {
				b.together()
			}
			b.keyOf = map[string]string{"source": b.key(owner, admitting(or(tt.admit, "kms:CreateGrant"))), "target": b.key(consumer, "")}
			vaultKey, volumeKey := b.keyOf["target"], b.keyOf["source"]
			if tt.vault != "" {
				vaultKey = ""
			}
			if tt.key != "" {
				volumeKey = ""
			}
			b.vault(owner, "daily", "")
			to := b.vault(consumer, "safe", vaultKey)
			if !tt.shut {
				b.open(consumer, "safe", owner)
			}
			point := b.point(owner, "daily", b.volume(owner, volumeKey), b.role)
			if tt.spoil != nil {
				tt.spoil(b)
			}
			job := b.copy(owner, "daily", point, to, b.role)
			says := strings.ReplaceAll(tt.says, "KEY", b.keyOf["source"])
			if strings.Contains(tt.says, "AWS KMS key") {
				says = tt.says
			}
			got := aws.ToString(job.StatusMessage)
			if says == "" {
				if job.State != backuptypes.CopyJobStateCompleted {
					t.Errorf("the copy is %s: %s", job.State, got)
				}
				return
			}
			if job.State != backuptypes.CopyJobStateFailed || !strings.Contains(got, says) {
				t.Errorf("the copy is %s: %s\nwant: %s", job.State, got, says)
			}
			b.nothingLeft(point)
		})
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// nothingLeft looks that a copy which failed left neither a share nor a recovery point.
func (b *backups) nothingLeft(point string) {
	b.Helper()
	seen, err := ec2.NewFromConfig(b.root(consumer)).DescribeSnapshots(b.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{point[strings.LastIndexByte(point, '/')+1:]}})
	if err == nil {
		b.Errorf("the other account still sees the source: %+v", seen.Snapshots)
	}
	list, err := b.of(consumer).ListRecoveryPointsByBackupVault(b.Context(), &backup.ListRecoveryPointsByBackupVaultInput{BackupVaultName: new("safe")})
	if err == nil && len(list.RecoveryPoints) > 0 {
		b.Errorf("the vault has %+v", list.RecoveryPoints)
	}
	own := need(ec2.NewFromConfig(b.root(consumer)).DescribeSnapshots(b.Context(), &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}}))(b)
	if len(own.Snapshots) > 0 {
		b.Errorf("the copy left %+v", own.Snapshots)
	}
}

// TestABackupFailsForWantOfAnything does the same with a backup and a restore.
func TestABackupFailsForWantOfAnything(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, action, says string }{
		{"the right to make snapshots", "ec2:CreateSnapshot", "not authorized to perform: ec2:CreateSnapshot"},
		{"the right to see the volume", "ec2:DescribeVolumes", "not authorized to perform: ec2:DescribeVolumes"},
		{"the right to tag", "ec2:CreateTags", "not authorized to perform: ec2:CreateTags"},
		{"the right to see the snapshot", "ec2:DescribeSnapshots", "not authorized to perform: ec2:DescribeSnapshots"},
	} {
		t.Run("without "+tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBackups(t)
			b.denied(owner, "Backups", tt.action)
			b.vault(owner, "daily", "")
			j := b.backup(owner, "daily", b.volume(owner, "none"), b.role)
			if got := aws.ToString(j.StatusMessage); j.State != backuptypes.BackupJobStateFailed || !strings.Contains(got, tt.says) {
				t.Errorf("the backup is %s: %s", j.State, got)
			}
			if list := need(b.of(owner).ListRecoveryPointsByBackupVault(t.Context(), &backup.ListRecoveryPointsByBackupVaultInput{BackupVaultName: new("daily")}))(t); len(list.RecoveryPoints) > 0 {
				t.Errorf("the vault has %+v", list.RecoveryPoints)
			}
		})
	}
}

func TestARestoreFailsForWantOfAnything(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, action, says string }{
		{"the right to make volumes", "ec2:CreateVolume", "not authorized to perform: ec2:CreateVolume"},
		{"a grant on the key", "kms:CreateGrant", "KMS key is either disabled or pending deletion or access to KMS key is denied"},
		{"a data key", "kms:GenerateDataKeyWithoutPlaintext", "KMS key is either disabled or pending deletion or access to KMS key is denied"},
	} {
		t.Run("without "+tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBackups(t)
			source := b.key(consumer, "")
			b.vault(consumer, "daily", "")
			role := b.serviceRole(consumer, "Backups", "")
			b.attach(consumer, "Backups", "AWSBackupServiceRolePolicyForBackup")
			point := b.point(consumer, "daily", b.volume(consumer, source), role)
			b.denied(consumer, "Restores", tt.action)
			r := b.restored(consumer, point, b.restore, map[string]string{"availabilityZone": home + "a"})
			if got := aws.ToString(r.StatusMessage); r.Status != backuptypes.RestoreJobStatusFailed || !strings.Contains(got, tt.says) {
				t.Errorf("the restore is %s: %s", r.Status, got)
			}
		})
	}
}
