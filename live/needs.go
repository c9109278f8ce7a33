package live

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Need is a right that Keyreach needs itself.
type Need struct {
	Action   string // iam:GetPolicy
	Resource string // a pattern of ARNs, or *
}

// Purpose is what a right is needed for.
type Purpose string

// The purposes.
const (
	ForReading Purpose = "read"
)

// needsFor are the tables of the purposes. Each stands beside the code that makes the
// calls.
func needsFor() map[Purpose]func() []Need {
	return map[Purpose]func() []Need{ForReading: readNeeds}
}

// Purposes returns those of which Needs knows the rights, sorted.
func Purposes() []Purpose { return slices.Sorted(maps.Keys(needsFor())) }

// Needs returns the rights that Keyreach needs for a purpose, sorted.
func Needs(p Purpose) ([]Need, error) {
	of, ok := needsFor()[p]
	if !ok {
		return nil, fmt.Errorf("there is no purpose %q", p)
	}
	list := of()
	slices.SortFunc(list, func(a, b Need) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Action, b.Action))
	})
	return slices.Compact(list), nil
}

// readNeeds are the rights that Collect needs. Who it is called as it may ask without.
func readNeeds() []Need {
	var list []Need
	for operation, action := range readCalls() {
		list = append(list, Need{Action: cmp.Or(action, operation), Resource: "*"})
	}
	return list
}

// readCalls are the operations that Collect calls, with the action that each needs where
// that has another name. See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
// for those of S3.
func readCalls() map[string]string {
	return map[string]string{
		"backup:GetBackupVaultAccessPolicy": "", "backup:ListBackupVaults": "",
		"drs:DescribeReplicationConfigurationTemplates": "", "drs:DescribeSourceServers": "", "drs:GetReplicationConfiguration": "",
		"ec2:DescribeImageAttribute": "", "ec2:DescribeImages": "", "ec2:DescribeRegions": "", "ec2:DescribeSnapshotAttribute": "", "ec2:DescribeSnapshots": "",
		"ec2:DescribeVpcEndpoints": "", "ec2:GetEbsDefaultKmsKeyId": "", "ec2:GetEbsEncryptionByDefault": "",
		"iam:GetAccountAuthorizationDetails": "", "iam:GetPolicy": "", "iam:GetPolicyVersion": "",
		"kms:DescribeKey": "", "kms:GetKeyPolicy": "", "kms:GetKeyRotationStatus": "", "kms:ListAliases": "", "kms:ListGrants": "", "kms:ListKeys": "", "kms:ListResourceTags": "",
		"organizations:DescribeOrganization": "", "organizations:DescribePolicy": "", "organizations:ListAccountsForParent": "",
		"organizations:ListOrganizationalUnitsForParent": "", "organizations:ListPolicies": "", "organizations:ListRoots": "", "organizations:ListTargetsForPolicy": "",
		"rds:DescribeDBClusterSnapshotAttributes": "", "rds:DescribeDBClusterSnapshots": "", "rds:DescribeDBClusters": "", "rds:DescribeDBInstances": "",
		"rds:DescribeDBSnapshotAttributes": "", "rds:DescribeDBSnapshots": "",
		"s3:GetBucketEncryption":             "s3:GetEncryptionConfiguration",
		"s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
		"s3:GetBucketPolicy":                 "", "s3:GetBucketVersioning": "",
		"s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
		"s3:ListBuckets":          "s3:ListAllMyBuckets",
	}
}
