package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	backuptypes "github.com/aws/aws-sdk-go-v2/service/backup/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
)

// database makes an instance or a cluster under a key and returns its ARN.
func (b *backups) database(cluster bool, key string) string {
	b.Helper()
	c := rds.NewFromConfig(b.root(owner))
	in := &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: new("orders"), Engine: new("postgres"), DBInstanceClass: new("db.t3.micro"), AllocatedStorage: new(int32(20)), MasterUsername: new("root"),
		MasterUserPassword: new("correct horse"), StorageEncrypted: new(true),
	}
	if key != "" {
		in.KmsKeyId = &key
	}
	defer b.pass(10 * time.Minute)
	if !cluster {
		return *need(c.CreateDBInstance(b.Context(), in))(b).DBInstance.DBInstanceArn
	}
	return *need(c.CreateDBCluster(b.Context(), &rds.CreateDBClusterInput{
		DBClusterIdentifier: new("orders"), Engine: new("aurora-postgresql"), MasterUsername: new("root"), MasterUserPassword: new("correct horse"), StorageEncrypted: new(true), KmsKeyId: in.KmsKeyId,
	}))(b).DBCluster.DBClusterArn
}

// TestADatabaseIsBackedUpCopiedToAnotherAccountAndRestoredThere goes the whole way, and
// without what it needs.
func TestADatabaseIsBackedUpCopiedToAnotherAccountAndRestoredThere(t *testing.T) {
	t.Parallel()
	for name, cluster := range map[string]bool{"instance": false, "cluster": true} {
		for _, tt := range []struct{ name, admit, key, says string }{
			{"with all", "kms:DescribeKey,kms:CreateGrant", "customer", ""},
			{"without a grant on the key", "kms:DescribeKey", "customer", "KMS key"},
			{"without sight of the key", "kms:CreateGrant", "customer", "KMS key"},
			{"under the default key", "kms:CreateGrant", "", "shared"},
		} {
			t.Run(name+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				b := newBackups(t)
				b.together()
				need(iam.NewFromConfig(b.root(consumer)).CreateServiceLinkedRole(t.Context(), &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("rds.amazonaws.com")}))(t)
				source, target := b.key(owner, admitting(strings.Split(tt.admit, ",")...)), b.key(consumer, "")
				b.vault(owner, "daily", "")
				to := b.vault(consumer, "safe", target)
				b.open(consumer, "safe", owner)
				if tt.key == "" {
					source = ""
				}
				point := b.point(owner, "daily", b.database(cluster, source), b.role)
				if !strings.Contains(point, "snapshot:awsbackup:job-") {
					t.Errorf("the recovery point is %s", point)
				}
				job := b.copy(owner, "daily", point, to, b.role)
				if got := aws.ToString(job.StatusMessage); tt.says != "" {
					if job.State != backuptypes.CopyJobStateFailed || !strings.Contains(got, tt.says) {
						t.Errorf("the copy is %s: %s", job.State, got)
					}
					return
				}
				if job.State != backuptypes.CopyJobStateCompleted || *job.DestinationEncryptionKeyArn != target {
					t.Fatalf("the copy is %s: %s", job.State, aws.ToString(job.StatusMessage))
				}
				r := need(b.of(consumer).StartRestoreJob(t.Context(), &backup.StartRestoreJobInput{
					RecoveryPointArn: job.DestinationRecoveryPointArn, IamRoleArn: &b.restore,
					Metadata: map[string]string{"DBInstanceIdentifier": "restored", "DBClusterIdentifier": "restored", "Engine": "aurora-postgresql"},
				}))(t)
				b.pass(10 * time.Minute)
				d := need(b.of(consumer).DescribeRestoreJob(t.Context(), &backup.DescribeRestoreJobInput{RestoreJobId: r.RestoreJobId}))(t)
				if d.Status != backuptypes.RestoreJobStatusCompleted || !strings.HasSuffix(*d.CreatedResourceArn, ":restored") {
					t.Errorf("the restore is %s: %s", d.Status, aws.ToString(d.StatusMessage))
				}
				need(b.of(consumer).DeleteRecoveryPoint(t.Context(), &backup.DeleteRecoveryPointInput{BackupVaultName: new("safe"), RecoveryPointArn: job.DestinationRecoveryPointArn}))(t)
				left, err := rds.NewFromConfig(b.root(consumer)).DescribeDBSnapshots(t.Context(), &rds.DescribeDBSnapshotsInput{SnapshotType: new("awsbackup")})
				if err != nil || len(left.DBSnapshots) > 0 {
					t.Errorf("left are %+v (%v)", left, err)
				}
			})
		}
	}
}
