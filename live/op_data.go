package live

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	drstypes "github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

func (c *Cloud) currentEBS(ctx context.Context, o *estate.EBSEncryption) (*estate.EBSEncryption, error) {
	p, err := c.at(ctx, o.Account, o.Region)
	if err != nil {
		return nil, err
	}
	api := ec2.NewFromConfig(p.cfg)
	on, err := opAsk(ctx, p, "ec2:GetEbsEncryptionByDefault", api.GetEbsEncryptionByDefault, &ec2.GetEbsEncryptionByDefaultInput{})
	if err != nil {
		return nil, err
	}
	key, err := opAsk(ctx, p, "ec2:GetEbsDefaultKmsKeyId", api.GetEbsDefaultKmsKeyId, &ec2.GetEbsDefaultKmsKeyIdInput{})
	if err != nil {
		return nil, err
	}
	was := &estate.EBSEncryption{Account: o.Account, Region: o.Region, Encrypt: aws.ToBool(on.EbsEncryptionByDefault), Key: aws.ToString(key.KmsKeyId)}
	managed, err := c.managedKey(ctx, was)
	if managed {
		was.Key = ""
	}
	return was, err
}

// managedKey reports whether the default key is AWS's own for EBS, which EC2 tells by
// its alias or, once it is made, by its ARN.
func (c *Cloud) managedKey(ctx context.Context, o *estate.EBSEncryption) (bool, error) {
	if o.Key == "" || strings.HasSuffix(o.Key, "alias/aws/ebs") {
		return true, nil
	}
	a, err := arn.Parse(o.Key)
	if err != nil || a.Account != o.Account || !a.IsKMSKey() {
		return false, nil // AWS's own key would be of the account
	}
	k, err := c.atKey(ctx, o.Key)
	if err != nil {
		return false, err
	}
	m, err := k.describe(ctx, o.Key)
	if err != nil {
		return false, opDone(err, cloud.NotFound) // a default key may be deleted
	}
	return m.KeyManager == types.KeyManagerTypeAws, nil
}

// setEBS sets the key while encryption by default is off, so that no volume comes under
// the other one.
func (c *Cloud) setEBS(ctx context.Context, o *estate.EBSEncryption) error {
	p, err := c.at(ctx, o.Account, o.Region)
	if err != nil {
		return err
	}
	api := ec2.NewFromConfig(p.cfg)
	if !o.Encrypt {
		if err := opTell(ctx, p, "ec2:DisableEbsEncryptionByDefault", api.DisableEbsEncryptionByDefault, &ec2.DisableEbsEncryptionByDefaultInput{}); err != nil {
			return err
		}
	}
	if o.Key == "" || strings.HasSuffix(o.Key, "alias/aws/ebs") {
		err = opTell(ctx, p, "ec2:ResetEbsDefaultKmsKeyId", api.ResetEbsDefaultKmsKeyId, &ec2.ResetEbsDefaultKmsKeyIdInput{})
	} else {
		err = opTell(ctx, p, "ec2:ModifyEbsDefaultKmsKeyId", api.ModifyEbsDefaultKmsKeyId, &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &o.Key})
	}
	if err != nil || !o.Encrypt {
		return err
	}
	return opTell(ctx, p, "ec2:EnableEbsEncryptionByDefault", api.EnableEbsEncryptionByDefault, &ec2.EnableEbsEncryptionByDefaultInput{})
}

const opSourceServer = "drs:SourceServer"

func (c *Cloud) currentReplication(ctx context.Context, o *estate.ReplicationEncryption) (*estate.ReplicationEncryption, error) {
	p, err := c.at(ctx, o.Account, o.Region)
	if err != nil {
		return nil, err
	}
	api, id := drs.NewFromConfig(p.cfg), lastPart(o.ID)
	was := &estate.ReplicationEncryption{Type: o.Type, ID: o.ID, Account: o.Account, Region: o.Region}
	if o.Type == opSourceServer {
		out, err := opAsk(ctx, p, "drs:GetReplicationConfiguration", api.GetReplicationConfiguration, &drs.GetReplicationConfigurationInput{SourceServerID: &id})
		if err != nil {
			return nil, err
		}
		was.Encryption, was.Key = string(out.EbsEncryption), aws.ToString(out.EbsEncryptionKeyArn)
		return was, nil
	}
	const operation = "drs:DescribeReplicationConfigurationTemplates"
	out, err := opAsk(ctx, p, operation, api.DescribeReplicationConfigurationTemplates, &drs.DescribeReplicationConfigurationTemplatesInput{ReplicationConfigurationTemplateIDs: []string{id}})
	switch {
	case err != nil:
		return nil, err
	case len(out.Items) == 0:
		return nil, p.missing(operation, "there is no replication configuration template "+id)
	}
	was.Encryption, was.Key = string(out.Items[0].EbsEncryption), aws.ToString(out.Items[0].EbsEncryptionKeyArn)
	return was, nil
}

func (c *Cloud) setReplication(ctx context.Context, o *estate.ReplicationEncryption) error {
	p, err := c.at(ctx, o.Account, o.Region)
	if err != nil {
		return err
	}
	api, id := drs.NewFromConfig(p.cfg), lastPart(o.ID)
	var key *string
	if o.Key != "" {
		key = &o.Key
	}
	encryption := drstypes.ReplicationConfigurationEbsEncryption(o.Encryption)
	if o.Type == opSourceServer {
		return opTell(ctx, p, "drs:UpdateReplicationConfiguration", api.UpdateReplicationConfiguration, &drs.UpdateReplicationConfigurationInput{
			SourceServerID: &id, EbsEncryption: encryption, EbsEncryptionKeyArn: key,
		})
	}
	return opTell(ctx, p, "drs:UpdateReplicationConfigurationTemplate", api.UpdateReplicationConfigurationTemplate, &drs.UpdateReplicationConfigurationTemplateInput{
		ReplicationConfigurationTemplateID: &id, EbsEncryption: encryption, EbsEncryptionKeyArn: key,
	})
}

// vaultName is the name of a vault that may be told by its ARN.
func vaultName(vault string) string {
	if _, name, ok := strings.Cut(vault, ":backup-vault:"); ok {
		return name
	}
	return vault
}

func (c *Cloud) currentVault(ctx context.Context, o *estate.VaultPolicy) (*estate.VaultPolicy, error) {
	p, err := c.at(ctx, o.Account, o.Region)
	if err != nil {
		return nil, err
	}
	api, name := backup.NewFromConfig(p.cfg), vaultName(o.Vault)
	was := &estate.VaultPolicy{Vault: o.Vault, Account: o.Account, Region: o.Region}
	out, err := opAsk(ctx, p, "backup:GetBackupVaultAccessPolicy", api.GetBackupVaultAccessPolicy, &backup.GetBackupVaultAccessPolicyInput{BackupVaultName: &name})
	switch {
	case opGone(err): // AWS Backup says the same of a policy and of a vault that is not there
		if err := opTell(ctx, p, "backup:DescribeBackupVault", api.DescribeBackupVault, &backup.DescribeBackupVaultInput{BackupVaultName: &name}); err != nil {
			return nil, err
		}
		return was, nil
	case err != nil:
		return nil, err
	}
	was.Document = aws.ToString(out.Policy)
	return was, nil
}

func (c *Cloud) putVaultPolicy(ctx context.Context, o *estate.VaultPolicy) error {
	p, err := c.at(ctx, o.Account, o.Region)
	if err != nil {
		return err
	}
	api, name := backup.NewFromConfig(p.cfg), vaultName(o.Vault)
	if o.Document == "" {
		err = opTell(ctx, p, "backup:DeleteBackupVaultAccessPolicy", api.DeleteBackupVaultAccessPolicy, &backup.DeleteBackupVaultAccessPolicyInput{BackupVaultName: &name})
		return opDone(err, cloud.NotFound)
	}
	return opTell(ctx, p, "backup:PutBackupVaultAccessPolicy", api.PutBackupVaultAccessPolicy, &backup.PutBackupVaultAccessPolicyInput{BackupVaultName: &name, Policy: &o.Document})
}

// invalid is the failure of an op that AWS could not be asked.
func (p *opPlace) invalid(operation, text string) error {
	return &cloud.Error{Kind: cloud.Invalid, Operation: operation, Account: p.account, Region: p.region, Err: errors.New(text)}
}
