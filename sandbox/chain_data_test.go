package sandbox_test

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/keyreach/keyreach/route"
)

func rdsChain() chain {
	return chain{
		name: "rds",
		file: accountsOfChains + `    kind: rds
    source: {account: owner, key: "OWNER_KEY"}
    target: {account: consumer, key: "CONSUMER_KEY"}
`,
		prepare: func(j *journey) {
			c := rds.NewFromConfig(j.root(owner))
			need(c.CreateDBInstance(j.Context(), &rds.CreateDBInstanceInput{
				DBInstanceIdentifier: new("db"), DBInstanceClass: new("db.t3.micro"), Engine: new("postgres"), AllocatedStorage: new(int32(20)),
				MasterUsername: new("master"), MasterUserPassword: new("not-a-secret-1"), StorageEncrypted: new(true),
			}))(j)
			j.ready(j.settled("the database", func() (bool, error) {
				out, err := c.DescribeDBInstances(j.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: new("db")})
				return err == nil && aws.ToString(out.DBInstances[0].DBInstanceStatus) == "available", err
			}))
			need(c.CreateDBSnapshot(j.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: new("db"), DBSnapshotIdentifier: new("first")}))(j)
			j.ready(j.dbSnapshotSettles(c, "first"))
		},
		steps: steps{
			"prepare": func(j *journey, s *route.StepProof) error {
				c := rds.NewFromConfig(j.as(s.Actor))
				_, err := c.CopyDBSnapshot(j.Context(), &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: new("first"), TargetDBSnapshotIdentifier: new("shared"), KmsKeyId: &j.keys[0]})
				if err != nil {
					return err
				}
				return j.dbSnapshotSettles(c, "shared")
			},
			"share": func(j *journey, s *route.StepProof) error {
				_, err := rds.NewFromConfig(j.as(s.Actor)).ModifyDBSnapshotAttribute(j.Context(), &rds.ModifyDBSnapshotAttributeInput{
					DBSnapshotIdentifier: new("shared"), AttributeName: new("restore"), ValuesToAdd: []string{consumer},
				})
				return err
			},
			"copy": func(j *journey, s *route.StepProof) error {
				c := rds.NewFromConfig(j.as(s.Actor))
				_, err := c.CopyDBSnapshot(j.Context(), &rds.CopyDBSnapshotInput{
					SourceDBSnapshotIdentifier: new("arn:aws:rds:" + home + ":" + owner + ":snapshot:shared"), TargetDBSnapshotIdentifier: new("mine"), KmsKeyId: &j.keys[1],
				})
				if err != nil {
					return err
				}
				return j.dbSnapshotSettles(c, "mine")
			},
			"restore": func(j *journey, s *route.StepProof) error {
				c := rds.NewFromConfig(j.as(s.Actor))
				_, err := c.RestoreDBInstanceFromDBSnapshot(j.Context(), &rds.RestoreDBInstanceFromDBSnapshotInput{DBInstanceIdentifier: new("restored"), DBSnapshotIdentifier: new("mine")})
				if err != nil {
					return err
				}
				return j.settled("the database", func() (bool, error) {
					out, err := c.DescribeDBInstances(j.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: new("restored")})
					return err == nil && aws.ToString(out.DBInstances[0].DBInstanceStatus) == "available", err
				})
			},
		},
	}
}

func (j *journey) dbSnapshotSettles(c *rds.Client, name string) error {
	return j.settled("the snapshot", func() (bool, error) {
		out, err := c.DescribeDBSnapshots(j.Context(), &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: &name})
		return err == nil && aws.ToString(out.DBSnapshots[0].Status) == "available", err
	})
}

func auroraChain() chain {
	return chain{
		name: "aurora",
		file: accountsOfChains + `    kind: aurora
    source: {account: owner, key: "OWNER_KEY"}
    target: {account: consumer, key: "CONSUMER_KEY"}
`,
		prepare: func(j *journey) {
			c := rds.NewFromConfig(j.root(owner))
			need(c.CreateDBCluster(j.Context(), &rds.CreateDBClusterInput{
				DBClusterIdentifier: new("db"), Engine: new("aurora-postgresql"), MasterUsername: new("master"), MasterUserPassword: new("not-a-secret-1"), StorageEncrypted: new(true),
			}))(j)
			j.ready(j.clusterSettles(c, "db"))
			need(c.CreateDBClusterSnapshot(j.Context(), &rds.CreateDBClusterSnapshotInput{DBClusterIdentifier: new("db"), DBClusterSnapshotIdentifier: new("first")}))(j)
			j.ready(j.clusterSnapshotSettles(c, "first"))
		},
		steps: steps{
			"prepare": func(j *journey, s *route.StepProof) error {
				return j.copyCluster(rds.NewFromConfig(j.as(s.Actor)), "first", "shared", j.keys[0])
			},
			"share": func(j *journey, s *route.StepProof) error {
				_, err := rds.NewFromConfig(j.as(s.Actor)).ModifyDBClusterSnapshotAttribute(j.Context(), &rds.ModifyDBClusterSnapshotAttributeInput{
					DBClusterSnapshotIdentifier: new("shared"), AttributeName: new("restore"), ValuesToAdd: []string{consumer},
				})
				return err
			},
			"copy": func(j *journey, s *route.StepProof) error {
				return j.copyCluster(rds.NewFromConfig(j.as(s.Actor)), "arn:aws:rds:"+home+":"+owner+":cluster-snapshot:shared", "mine", j.keys[1])
			},
			"restore": func(j *journey, s *route.StepProof) error {
				c := rds.NewFromConfig(j.as(s.Actor))
				_, err := c.RestoreDBClusterFromSnapshot(j.Context(), &rds.RestoreDBClusterFromSnapshotInput{DBClusterIdentifier: new("restored"), SnapshotIdentifier: new("mine"), Engine: new("aurora-postgresql")})
				if err != nil {
					return err
				}
				return j.clusterSettles(c, "restored")
			},
		},
	}
}

func (j *journey) copyCluster(c *rds.Client, from, to, key string) error {
	_, err := c.CopyDBClusterSnapshot(j.Context(), &rds.CopyDBClusterSnapshotInput{SourceDBClusterSnapshotIdentifier: &from, TargetDBClusterSnapshotIdentifier: &to, KmsKeyId: &key})
	if err != nil {
		return err
	}
	return j.clusterSnapshotSettles(c, to)
}

func (j *journey) clusterSettles(c *rds.Client, name string) error {
	return j.settled("the cluster", func() (bool, error) {
		out, err := c.DescribeDBClusters(j.Context(), &rds.DescribeDBClustersInput{DBClusterIdentifier: &name})
		return err == nil && aws.ToString(out.DBClusters[0].Status) == "available", err
	})
}

func (j *journey) clusterSnapshotSettles(c *rds.Client, name string) error {
	return j.settled("the snapshot", func() (bool, error) {
		out, err := c.DescribeDBClusterSnapshots(j.Context(), &rds.DescribeDBClusterSnapshotsInput{DBClusterSnapshotIdentifier: &name})
		return err == nil && aws.ToString(out.DBClusterSnapshots[0].Status) == "available", err
	})
}

// bucket makes a bucket of an account that lets principals of others do something.
func (j *journey) bucket(account, name string, foreign string, actions ...string) *s3.Client {
	j.Helper()
	c := s3.NewFromConfig(j.root(account), func(o *s3.Options) { o.UsePathStyle = true })
	need(c.CreateBucket(j.Context(), &s3.CreateBucketInput{Bucket: &name}))(j)
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":["%s"],"Resource":["arn:aws:s3:::%s","arn:aws:s3:::%s/*"]}]}`, foreign, strings.Join(actions, `","`), name, name)
	need(c.PutBucketPolicy(j.Context(), &s3.PutBucketPolicyInput{Bucket: &name, Policy: &policy}))(j)
	return c
}

func (j *journey) s3As(principal string) *s3.Client {
	j.Helper()
	return s3.NewFromConfig(j.as(principal), func(o *s3.Options) { o.UsePathStyle = true })
}

func backupChain() chain {
	return chain{
		name: "backup",
		file: accountsOfChains + `    kind: backup
    vault: {account: owner, key: "OWNER_KEY"}
    hosts: [{account: consumer}]
    restorers: [{account: owner}]
`,
		prepare: func(j *journey) {
			j.bucket(owner, "backups", "arn:aws:iam::"+consumer+":root", "s3:PutObject", "s3:GetObject")
		},
		steps: steps{
			"write": func(j *journey, s *route.StepProof) error {
				_, err := j.s3As(s.Actor).PutObject(j.Context(), &s3.PutObjectInput{
					Bucket: new("backups"), Key: new("etcd"), Body: strings.NewReader("a backup"), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &j.keys[0],
				})
				return err
			},
			"restore": func(j *journey, s *route.StepProof) error {
				_, err := j.s3As(s.Actor).GetObject(j.Context(), &s3.GetObjectInput{Bucket: new("backups"), Key: new("etcd")})
				return err
			},
		},
	}
}

func replicationChain() chain {
	return chain{
		name: "s3-replication",
		file: accountsOfChains + `    kind: s3-replication
    source: {account: owner, key: "OWNER_KEY"}
    destination: {account: consumer, key: "CONSUMER_KEY"}
`,
		prepare: func(j *journey) {
			role := "arn:aws:iam::" + owner + ":role/Owner"
			trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
			need(iam.NewFromConfig(j.root(owner)).UpdateAssumeRolePolicy(j.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: new("Owner"), PolicyDocument: &trust}))(j)
			from := j.bucket(owner, "original", "arn:aws:iam::"+consumer+":root", "s3:GetObject")
			to := j.bucket(consumer, "replicas", role, "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:GetObjectVersionTagging", "s3:ObjectOwnerOverrideToBucketOwner")
			on := &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}
			need(from.PutBucketVersioning(j.Context(), &s3.PutBucketVersioningInput{Bucket: new("original"), VersioningConfiguration: on}))(j)
			need(to.PutBucketVersioning(j.Context(), &s3.PutBucketVersioningInput{Bucket: new("replicas"), VersioningConfiguration: on}))(j)
			need(from.PutBucketReplication(j.Context(), &s3.PutBucketReplicationInput{Bucket: new("original"), ReplicationConfiguration: &s3types.ReplicationConfiguration{
				Role: &role, Rules: []s3types.ReplicationRule{{
					ID: new("all"), Priority: new(int32(1)), Status: s3types.ReplicationRuleStatusEnabled, Filter: &s3types.ReplicationRuleFilter{Prefix: new("")},
					DeleteMarkerReplication: &s3types.DeleteMarkerReplication{Status: s3types.DeleteMarkerReplicationStatusDisabled},
					SourceSelectionCriteria: &s3types.SourceSelectionCriteria{SseKmsEncryptedObjects: &s3types.SseKmsEncryptedObjects{Status: s3types.SseKmsEncryptedObjectsStatusEnabled}},
					Destination:             &s3types.Destination{Bucket: new("arn:aws:s3:::replicas"), EncryptionConfiguration: &s3types.EncryptionConfiguration{ReplicaKmsKeyID: &j.keys[1]}},
				}},
			}}))(j)
		},
		steps: steps{
			"replicate": func(j *journey, _ *route.StepProof) error {
				c := s3.NewFromConfig(j.root(owner), func(o *s3.Options) { o.UsePathStyle = true })
				need(c.PutObject(j.Context(), &s3.PutObjectInput{
					Bucket: new("original"), Key: new("data"), Body: strings.NewReader("data"), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &j.keys[0],
				}))(j)
				return j.settled("the replication", func() (bool, error) {
					out, err := c.HeadObject(j.Context(), &s3.HeadObjectInput{Bucket: new("original"), Key: new("data")})
					if err == nil && out.ReplicationStatus == s3types.ReplicationStatusFailed {
						return false, &failure{text: "the object has replication status FAILED"}
					}
					return err == nil && out.ReplicationStatus == s3types.ReplicationStatusCompleted, err
				})
			},
		},
	}
}

func secretChain() chain {
	return chain{
		name: "secret",
		file: accountsOfChains + `    kind: secret
    owner: {account: owner, key: "OWNER_KEY"}
    readers: [{account: consumer}]
`,
		prepare: func(j *journey) {
			c := secretsmanager.NewFromConfig(j.root(owner))
			out := need(c.CreateSecret(j.Context(), &secretsmanager.CreateSecretInput{Name: new("shared"), SecretString: new("value"), KmsKeyId: &j.keys[0]}))(j)
			j.made["secret"] = *out.ARN
			policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + consumer + `:role/Consumer"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
			need(c.PutResourcePolicy(j.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: out.ARN, ResourcePolicy: &policy}))(j)
		},
		steps: steps{
			"read": func(j *journey, s *route.StepProof) error {
				_, err := secretsmanager.NewFromConfig(j.as(s.Actor)).GetSecretValue(j.Context(), &secretsmanager.GetSecretValueInput{SecretId: new(j.made["secret"])})
				return err
			},
		},
	}
}
