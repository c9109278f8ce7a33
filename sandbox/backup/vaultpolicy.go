package backup

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// PutBackupVaultAccessPolicy says who may do what with a vault and what is in it. Setting
// a vault up for other accounts is one of the occasions on which AWS Backup makes its
// service-linked role.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultAccessPolicy.html.
func (s *Service) PutBackupVaultAccessPolicy(ctx context.Context, in *backup.PutBackupVaultAccessPolicyInput) (*backup.PutBackupVaultAccessPolicyOutput, error) {
	if in.Policy == nil {
		return nil, refuse("MissingParameterValueException", "The policy is missing.") // assumed text
	}
	if _, err := gate.ReadPolicy("vault access policy", *in.Policy, false); err != nil {
		return nil, invalidValue("The specified policy is invalid: " + err.Error()) // assumed text
	}
	if _, err := s.linkedRole(ctx, gate.From(ctx).Caller.Account); err != nil {
		return nil, err
	}
	return &backup.PutBackupVaultAccessPolicyOutput{}, s.change(ctx, in.BackupVaultName, func(v *Vault) { v.Policy = *in.Policy })
}

// GetBackupVaultAccessPolicy returns a vault's access policy.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetBackupVaultAccessPolicy.html.
func (s *Service) GetBackupVaultAccessPolicy(ctx context.Context, in *backup.GetBackupVaultAccessPolicyInput) (*backup.GetBackupVaultAccessPolicyOutput, error) {
	v, err := s.mine(ctx, in.BackupVaultName)
	if err != nil {
		return nil, err
	}
	if v.Policy == "" {
		return nil, notFound("Backup vault " + v.Name + " has no associated policy") // assumed text
	}
	return &backup.GetBackupVaultAccessPolicyOutput{BackupVaultArn: new(v.ARN()), BackupVaultName: &v.Name, Policy: &v.Policy}, nil
}

// DeleteBackupVaultAccessPolicy takes a vault's access policy away.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupVaultAccessPolicy.html.
func (s *Service) DeleteBackupVaultAccessPolicy(ctx context.Context, in *backup.DeleteBackupVaultAccessPolicyInput) (*backup.DeleteBackupVaultAccessPolicyOutput, error) {
	return &backup.DeleteBackupVaultAccessPolicyOutput{}, s.change(ctx, in.BackupVaultName, func(v *Vault) { v.Policy = "" })
}

// fixed reports whether a vault's lock can no longer be changed.
func (v *Vault) fixed(now time.Time) bool { return v.LockDate != nil && !now.Before(*v.LockDate) }

// errFixed refuses to touch a lock that has become final.
func errFixed() error {
	return invalidRequest("The vault lock configuration cannot be changed any more.") // assumed text
}

// PutBackupVaultLockConfiguration locks a vault: what is in it cannot be deleted before
// its time, and retention has to be within the bounds. With a number of days the lock
// becomes final after them.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultLockConfiguration.html.
func (s *Service) PutBackupVaultLockConfiguration(ctx context.Context, in *backup.PutBackupVaultLockConfigurationInput) (*backup.PutBackupVaultLockConfigurationOutput, error) {
	at := gate.From(ctx).At
	v, err := s.mine(ctx, in.BackupVaultName)
	switch {
	case err != nil:
		return nil, err
	case v.fixed(at):
		return nil, errFixed()
	case in.ChangeableForDays != nil && *in.ChangeableForDays < 3:
		return nil, invalidValue("ChangeableForDays has to be 3 or more.") // documented bound, assumed text
	case in.MinRetentionDays != nil && (*in.MinRetentionDays < 1 || in.MaxRetentionDays != nil && *in.MaxRetentionDays < *in.MinRetentionDays):
		return nil, invalidValue("The retention period is invalid.") // assumed text
	}
	return &backup.PutBackupVaultLockConfigurationOutput{}, s.change(ctx, in.BackupVaultName, func(v *Vault) {
		v.Locked, v.MinDays, v.MaxDays, v.LockDate = true, in.MinRetentionDays, in.MaxRetentionDays, nil
		if in.ChangeableForDays != nil {
			v.LockDate = new(at.AddDate(0, 0, int(*in.ChangeableForDays)))
		}
	})
}

// DeleteBackupVaultLockConfiguration unlocks a vault whose lock is not final.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupVaultLockConfiguration.html.
func (s *Service) DeleteBackupVaultLockConfiguration(ctx context.Context, in *backup.DeleteBackupVaultLockConfigurationInput) (*backup.DeleteBackupVaultLockConfigurationOutput, error) {
	v, err := s.mine(ctx, in.BackupVaultName)
	if err != nil {
		return nil, err
	}
	if v.fixed(gate.From(ctx).At) {
		return nil, errFixed()
	}
	return &backup.DeleteBackupVaultLockConfigurationOutput{}, s.change(ctx, in.BackupVaultName, func(v *Vault) {
		v.Locked, v.MinDays, v.MaxDays, v.LockDate = false, nil, nil, nil
	})
}

// keeps reports whether a vault's lock takes what is kept for so many days, nil for
// ever.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html.
func (v *Vault) keeps(days *int64) bool {
	switch {
	case !v.Locked:
		return true
	case days == nil:
		return v.MaxDays == nil
	}
	return (v.MinDays == nil || *days >= *v.MinDays) && (v.MaxDays == nil || *days <= *v.MaxDays)
}

// PutBackupVaultNotifications keeps where a vault's events are to be told; the sandbox
// has no SNS to tell them with.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultNotifications.html.
func (s *Service) PutBackupVaultNotifications(ctx context.Context, in *backup.PutBackupVaultNotificationsInput) (*backup.PutBackupVaultNotificationsOutput, error) {
	return &backup.PutBackupVaultNotificationsOutput{}, s.change(ctx, in.BackupVaultName, func(v *Vault) { v.Topic, v.Topics = text(in.SNSTopicArn), in.BackupVaultEvents })
}

// GetBackupVaultNotifications tells where a vault's events are to be told.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetBackupVaultNotifications.html.
func (s *Service) GetBackupVaultNotifications(ctx context.Context, in *backup.GetBackupVaultNotificationsInput) (*backup.GetBackupVaultNotificationsOutput, error) {
	v, err := s.mine(ctx, in.BackupVaultName)
	if err != nil {
		return nil, err
	}
	if v.Topic == "" {
		return nil, notFound("Backup vault " + v.Name + " has no notifications") // assumed text
	}
	return &backup.GetBackupVaultNotificationsOutput{BackupVaultArn: new(v.ARN()), BackupVaultName: &v.Name, SNSTopicArn: &v.Topic, BackupVaultEvents: v.Topics}, nil
}

// DeleteBackupVaultNotifications forgets where a vault's events are to be told.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DeleteBackupVaultNotifications.html.
func (s *Service) DeleteBackupVaultNotifications(ctx context.Context, in *backup.DeleteBackupVaultNotificationsInput) (*backup.DeleteBackupVaultNotificationsOutput, error) {
	return &backup.DeleteBackupVaultNotificationsOutput{}, s.change(ctx, in.BackupVaultName, func(v *Vault) { v.Topic, v.Topics = "", nil })
}
