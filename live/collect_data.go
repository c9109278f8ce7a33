package live

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/drs"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// readRecovery reads under which keys Elastic Disaster Recovery replicates. Where the
// service was never set up there is nothing to read. See
// https://docs.aws.amazon.com/drs/latest/APIReference/API_InitializeService.html.
func (r *reader) readRecovery(ctx context.Context) error {
	c := drs.NewFromConfig(r.cfg)
	var found []estate.Resource
	pages := drs.NewDescribeReplicationConfigurationTemplatesPaginator(c, &drs.DescribeReplicationConfigurationTemplatesInput{MaxResults: aws.Int32(50)})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			if r.answered(err, "drs:DescribeReplicationConfigurationTemplates", "UninitializedAccountException") {
				return nil
			}
			_, err = r.refused(err, "drs:DescribeReplicationConfigurationTemplates")
			return err
		}
		for _, t := range out.Items {
			found = append(found, estate.Resource{
				Type: "drs:ReplicationConfigurationTemplate", ID: aws.ToString(t.ReplicationConfigurationTemplateID), ARN: aws.ToString(t.Arn), Account: r.account, Region: r.region,
				Key: aws.ToString(t.EbsEncryptionKeyArn), Attributes: map[string]string{"ebsEncryption": string(t.EbsEncryption)},
			})
		}
	}
	servers, err := r.sourceServers(ctx, c)
	return r.keep(append(found, servers...), err)
}

func (r *reader) sourceServers(ctx context.Context, c *drs.Client) ([]estate.Resource, error) {
	var found []estate.Resource
	pages := drs.NewDescribeSourceServersPaginator(c, &drs.DescribeSourceServersInput{MaxResults: aws.Int32(200)})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = r.refused(err, "drs:DescribeSourceServers")
			return nil, err
		}
		for _, s := range out.Items {
			server := estate.Resource{
				Type: "drs:SourceServer", ID: aws.ToString(s.SourceServerID), ARN: aws.ToString(s.Arn), Account: r.account, Region: r.region, Attributes: map[string]string{},
			}
			if a := s.StagingArea; a != nil {
				note(server.Attributes, "stagingArea.status", string(a.Status))
				note(server.Attributes, "stagingArea.stagingSourceServerArn", aws.ToString(a.StagingSourceServerArn))
			}
			if d := s.DataReplicationInfo; d != nil {
				note(server.Attributes, "dataReplicationInfo.dataReplicationState", string(d.DataReplicationState))
			}
			found = append(found, server)
		}
	}
	return found, collectEach(ctx, r.scope.Concurrency, indexes(len(found)), func(ctx context.Context, i int) error {
		out, err := c.GetReplicationConfiguration(ctx, &drs.GetReplicationConfigurationInput{SourceServerID: &found[i].ID})
		if err != nil {
			_, err = r.refused(err, "drs:GetReplicationConfiguration")
			return err
		}
		found[i].Key, found[i].Attributes["ebsEncryption"] = aws.ToString(out.EbsEncryptionKeyArn), string(out.EbsEncryption)
		return nil
	})
}

// note sets an attribute of which there is something to say.
func note(attributes map[string]string, name, value string) {
	if value != "" {
		attributes[name] = value
	}
}

// answered reports whether a call failed with one of AWS's codes, which is an answer.
func (r *reader) answered(err error, operation string, codes ...string) bool {
	e, ok := r.cloud.failed(err, operation, r.account, r.region).(*cloud.Error)
	for _, code := range codes {
		if ok && e.Code == code {
			return true
		}
	}
	return false
}

// readVaults reads the backup vaults, their keys and who may copy into them.
func (r *reader) readVaults(ctx context.Context) error {
	c := backup.NewFromConfig(r.cfg)
	var found []estate.Resource
	pages := backup.NewListBackupVaultsPaginator(c, &backup.ListBackupVaultsInput{MaxResults: aws.Int32(1000)})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = r.refused(err, "backup:ListBackupVaults")
			return err
		}
		for _, v := range out.BackupVaultList {
			found = append(found, estate.Resource{
				Type: "backup:BackupVault", ID: aws.ToString(v.BackupVaultName), ARN: aws.ToString(v.BackupVaultArn), Account: r.account, Region: r.region,
				Key: aws.ToString(v.EncryptionKeyArn), Attributes: map[string]string{},
			})
		}
	}
	err := collectEach(ctx, r.scope.Concurrency, indexes(len(found)), func(ctx context.Context, i int) error { return r.vaultPolicy(ctx, c, &found[i]) })
	return r.keep(found, err)
}

// vaultPolicy reads a vault's access policy. A vault that has none lets nobody else in;
// of one whose policy may not be read, who may copy into it is not said.
func (r *reader) vaultPolicy(ctx context.Context, c *backup.Client, vault *estate.Resource) error {
	out, err := c.GetBackupVaultAccessPolicy(ctx, &backup.GetBackupVaultAccessPolicyInput{BackupVaultName: &vault.ID})
	if err != nil {
		if r.answered(err, "backup:GetBackupVaultAccessPolicy", "ResourceNotFoundException") {
			vault.Attributes[estate.VaultCopyFrom] = ""
			return nil
		}
		_, err = r.refused(err, "backup:GetBackupVaultAccessPolicy")
		return err
	}
	text := aws.ToString(out.Policy)
	vault.Attributes[estate.VaultAccessPolicy] = text
	if d := collectedDocument("access policy of "+vault.ID, text); d.Unreadable == "" {
		vault.Attributes[estate.VaultCopyFrom] = strings.Join(estate.CopyFrom(d), ",")
	}
	return nil
}
