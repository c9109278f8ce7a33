package live

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// Need is a right that Keyreach needs itself.
type Need struct {
	Action   string // iam:GetPolicy
	Resource string // a pattern of ARNs, or *
	// If bounds the right, unless it is the zero value.
	If NeedCondition
}

// NeedCondition is that a condition key has one of the values, which may be patterns
// (StringLike).
type NeedCondition struct {
	Key    string
	Values []string
}

func (c NeedCondition) compare(other NeedCondition) int {
	return cmp.Or(cmp.Compare(c.Key, other.Key), slices.Compare(c.Values, other.Values))
}

// Beside reports whether two rights can stand in one statement.
func (n Need) Beside(other Need) bool {
	return n.Resource == other.Resource && n.If.compare(other.If) == 0
}

// Purpose is what a right is needed for.
type Purpose string

// The purposes.
const (
	ForReading  Purpose = "read"
	ForApplying Purpose = "apply" // and for undoing and revoking
	ForRunning  Purpose = "run"   // to begin, watch and remove the work on data
	ForWhy      Purpose = "why"   // to look at what failed, and at CloudTrail
)

// needsFor are the tables of the purposes. Each stands beside the code that makes the
// calls.
func needsFor() map[Purpose]func() []Need {
	return map[Purpose]func() []Need{ForReading: readNeeds, ForApplying: applyNeeds, ForRunning: runNeeds, ForWhy: whyNeeds}
}

// Purposes returns those of which Needs knows the rights, sorted.
func Purposes() []Purpose { return slices.Sorted(maps.Keys(needsFor())) }

// Needs returns the rights that Keyreach needs for a purpose, sorted.
func Needs(p Purpose) ([]Need, error) {
	of, ok := needsFor()[p]
	if !ok {
		return nil, fmt.Errorf("there is no purpose %q", p)
	}
	return sortedNeeds(of()), nil
}

// sortedNeeds have those of one resource under one condition together.
func sortedNeeds(list []Need) []Need {
	slices.SortFunc(list, func(a, b Need) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), a.If.compare(b.If), cmp.Compare(a.Action, b.Action))
	})
	return slices.CompactFunc(list, func(a, b Need) bool { return a.Action == b.Action && a.Beside(b) })
}

// readNeeds are the rights that Collect needs. Who it is called as it may ask without.
func readNeeds() []Need {
	var list []Need
	for operation, action := range readCalls() {
		list = append(list, Need{Action: cmp.Or(action, operation), Resource: "*"})
	}
	return list
}

// applyNeeds are the rights that ops need, of every kind.
func applyNeeds() []Need {
	const (
		key, role, user = "arn:aws:kms:us-east-1:111122223333:key/1", "arn:aws:iam::111122223333:role/r", "arn:aws:iam::111122223333:user/u"
		account, region = "111122223333", "us-east-1"
	)
	ops := []estate.Op{
		&estate.KeyPolicy{Key: key}, &estate.NewKey{ARN: key}, &estate.NewKey{ARN: key, Absent: true}, &estate.NewKey{ARN: key, Primary: key},
		&estate.NewKey{ARN: estate.ProvisionalKey(account, region, "k")}, &estate.KeyState{Key: key, State: "Enabled"}, &estate.KeyState{Key: key, State: "Disabled"},
		&estate.Alias{Name: "alias/a", Account: account, Region: region, Key: key}, &estate.Alias{Name: "alias/a", Account: account, Region: region},
		&estate.Rotation{Key: key, On: true}, &estate.Rotation{Key: key}, &estate.GrantTo{Key: key, Issuer: account}, &estate.GrantTo{Key: key, Issuer: account, Absent: true},
		&estate.InlinePolicy{Principal: role, Document: "{}"}, &estate.InlinePolicy{Principal: role}, &estate.InlinePolicy{Principal: user, Document: "{}"}, &estate.InlinePolicy{Principal: user},
		&estate.NewRole{ARN: role, Managed: []string{role}}, &estate.NewRole{ARN: role, Absent: true}, &estate.LinkedRole{ARN: role}, &estate.LinkedRole{ARN: role, Absent: true},
		&estate.EBSEncryption{Account: account, Region: region, Encrypt: true, Key: key}, &estate.EBSEncryption{Account: account, Region: region},
		&estate.VaultPolicy{Vault: "v", Account: account, Region: region, Document: "{}"}, &estate.VaultPolicy{Vault: "v", Account: account, Region: region},
		&estate.NewBucket{Bucket: "b", Account: account, Region: region}, &estate.NewBucket{Bucket: "b", Account: account, Region: region, Absent: true},
	}
	for _, typ := range []string{"drs:ReplicationConfigurationTemplate", "drs:SourceServer"} {
		ops = append(ops, &estate.ReplicationEncryption{Type: typ, ID: "i", Account: account, Region: region, Encryption: "CUSTOM", Key: key})
	}
	for _, setting := range []string{estate.BucketPolicy, estate.BucketVersioning, estate.BucketEncryption, estate.BucketPublicAccess, estate.BucketLifecycle, estate.BucketKeyOn} {
		ops = append(ops, &estate.BucketSetting{Bucket: "b", Account: account, Region: region, Setting: setting})
	}
	for _, typ := range []string{"ec2:Snapshot", "ec2:Image", "rds:DBSnapshot", "rds:DBClusterSnapshot"} {
		ops = append(ops, &estate.Share{Type: typ, ID: "i", Account: account, Region: region, With: account})
	}
	var list []Need
	for _, op := range ops {
		for _, action := range OpActions(op) {
			list = append(list, Need{Action: action, Resource: "*"})
		}
	}
	return list
}

// runNeeds are the rights that the work on data needs, of every kind, beside the keys.
func runNeeds() []Need {
	var list []Need
	for _, table := range workActions() {
		for _, actions := range table {
			for _, action := range actions {
				list = append(list, Need{Action: action, Resource: "*"})
			}
		}
	}
	for _, as := range route.Consumers() {
		for _, action := range launchActions(as.Name) {
			list = append(list, Need{Action: action, Resource: "*"})
		}
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
