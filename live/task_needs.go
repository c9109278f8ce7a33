package live

import "slices"

// TaskActions are the IAM actions, beside those on keys, that a task of an operation
// needs to be started, looked at and removed, sorted; nil for an operation that Look and
// Start do not know. Those that Start makes as the actor are among them. Where the actor
// is another account's principal, the looking and removing is done in the account of
// what the task made. See
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html.
func TaskActions(operation, scenario, as string) []string {
	list := taskActions(operation, scenario, as)
	slices.Sort(list)
	return slices.Compact(list)
}

func taskActions(operation, scenario, as string) []string {
	switch {
	case operation == "ec2:ModifySnapshotAttribute" && scenario == "drs":
		return nil
	case operation == "ec2:RunInstances":
		return launchActions(as)
	}
	for _, table := range workActions() {
		if list, ok := table[operation]; ok {
			return list
		}
	}
	return nil
}

// rdsActions: to restore, RDS makes its service-linked role for whoever has none yet.
func rdsActions() map[string][]string {
	const tag, events, linked = "rds:AddTagsToResource", "rds:DescribeEvents", "iam:CreateServiceLinkedRole"
	return map[string][]string{
		"rds:CreateDBSnapshot":                 {"rds:CreateDBSnapshot", "rds:DescribeDBSnapshots", "rds:DeleteDBSnapshot", tag, events},
		"rds:CopyDBSnapshot":                   {"rds:CopyDBSnapshot", "rds:DescribeDBSnapshots", "rds:DeleteDBSnapshot", tag, events},
		"rds:ModifyDBSnapshotAttribute":        {"rds:ModifyDBSnapshotAttribute", "rds:DescribeDBSnapshotAttributes"},
		"rds:RestoreDBInstanceFromDBSnapshot":  {"rds:RestoreDBInstanceFromDBSnapshot", "rds:DescribeDBInstances", "rds:DeleteDBInstance", tag, events, linked},
		"rds:CreateDBClusterSnapshot":          {"rds:CreateDBClusterSnapshot", "rds:DescribeDBClusterSnapshots", "rds:DeleteDBClusterSnapshot", tag, events},
		"rds:CopyDBClusterSnapshot":            {"rds:CopyDBClusterSnapshot", "rds:DescribeDBClusterSnapshots", "rds:DeleteDBClusterSnapshot", tag, events},
		"rds:ModifyDBClusterSnapshotAttribute": {"rds:ModifyDBClusterSnapshotAttribute", "rds:DescribeDBClusterSnapshotAttributes"},
		"rds:RestoreDBClusterFromSnapshot":     {"rds:RestoreDBClusterFromSnapshot", "rds:DescribeDBClusterSnapshots", "rds:DescribeDBClusters", "rds:DeleteDBCluster", tag, events, linked},
	}
}

func ec2Actions() map[string][]string {
	const tag = "ec2:CreateTags"
	return map[string][]string{
		"ec2:CreateSnapshot":          {"ec2:CreateSnapshot", "ec2:DescribeSnapshots", "ec2:DeleteSnapshot", tag},
		"ec2:CopySnapshot":            {"ec2:CopySnapshot", "ec2:DescribeSnapshots", "ec2:DeleteSnapshot", tag},
		"ec2:ModifySnapshotAttribute": {"ec2:ModifySnapshotAttribute", "ec2:DescribeSnapshotAttribute"},
		"ec2:CreateVolume":            {"ec2:CreateVolume", "ec2:DescribeVolumes", "ec2:DeleteVolume", tag},
		"ec2:AttachVolume":            {"ec2:AttachVolume", "ec2:DescribeVolumes", "ec2:DetachVolume"},
		"ec2:CopyImage":               {"ec2:CopyImage", "ec2:DescribeImages", "ec2:DeregisterImage", "ec2:DescribeSnapshots", "ec2:DeleteSnapshot", tag},
		"ec2:ModifyImageAttribute":    {"ec2:ModifyImageAttribute", "ec2:DescribeImageAttribute"},
	}
}

// launchActions are those of a launch by a kind of consumer. Services make their roles
// on first use, for whoever may.
func launchActions(as string) []string {
	list := []string{"ec2:DescribeImages", "ec2:DescribeInstances", "ec2:RunInstances", "ec2:TerminateInstances", "ec2:CreateTags"}
	template := []string{"ec2:CreateLaunchTemplate", "ec2:DescribeLaunchTemplates", "ec2:DeleteLaunchTemplate"}
	const linked = "iam:CreateServiceLinkedRole"
	switch as {
	case "", "role", "image-builder":
		return list
	case "karpenter", "eks-auto-mode":
		return slices.Concat(list, template, []string{"ec2:CreateFleet", "ec2:DeleteFleets"})
	case "ec2-fleet":
		return slices.Concat(list, template, []string{"ec2:CreateFleet", "ec2:DeleteFleets", "ec2:DescribeFleets", "ec2:DescribeFleetHistory", linked})
	case "auto-scaling", "eks-managed-node-group":
		return slices.Concat(list, template, []string{
			"autoscaling:CreateAutoScalingGroup", "autoscaling:CreateOrUpdateTags", "autoscaling:DeleteAutoScalingGroup", "autoscaling:DescribeAutoScalingGroups",
			"autoscaling:DescribeScalingActivities", "ec2:DescribeAvailabilityZones", linked,
		})
	case "spot":
		return slices.Concat(list, []string{"ec2:RequestSpotInstances", "ec2:DescribeSpotInstanceRequests", "ec2:CancelSpotInstanceRequests", linked})
	}
	return nil
}

func backupActions() map[string][]string {
	const pass, see, remove = "iam:PassRole", "backup:DescribeRecoveryPoint", "backup:DeleteRecoveryPoint"
	return map[string][]string{
		// A recovery point is deleted with its caller's right on the snapshot that it is.
		"backup:StartBackupJob":  {"backup:StartBackupJob", "backup:TagResource", "backup:ListBackupJobs", see, remove, pass, "ec2:DeleteSnapshot"},
		"backup:StartCopyJob":    {"backup:StartCopyJob", "backup:ListCopyJobs", see, remove, pass, "ec2:DeleteSnapshot"},
		"backup:StartRestoreJob": {"backup:StartRestoreJob", "backup:ListRestoreJobs", pass, "ec2:DescribeVolumes", "ec2:DeleteVolume"},
	}
}

// drsActions: in a target account DRS calls EC2 with the rights of who recovers.
// See https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSElasticDisasterRecoveryConsoleFullAccess_v2.html.
func drsActions() map[string][]string {
	return map[string][]string{
		"drs:replicate":                  {"drs:DescribeSourceServers"},
		"drs:DescribeRecoverySnapshots":  {"drs:DescribeRecoverySnapshots", "drs:DescribeSourceServers"},
		"drs:CreateExtendedSourceServer": {"drs:CreateExtendedSourceServer", "drs:DescribeSourceServers", "drs:DeleteSourceServer", "drs:TagResource"},
		"drs:StartRecovery": {
			"drs:StartRecovery", "drs:DescribeJobs", "drs:DescribeJobLogItems", "drs:DescribeRecoveryInstances", "drs:TerminateRecoveryInstances", "drs:DeleteJob", "drs:TagResource",
			"ec2:CreateVolume", "ec2:DeleteVolume", "ec2:DescribeVolumes", "ec2:CreateSnapshot", "ec2:DeleteSnapshot", "ec2:DescribeSnapshots", "ec2:RegisterImage", "ec2:DeregisterImage",
			"ec2:DescribeImages", "ec2:RunInstances", "ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances", "ec2:DescribeInstances", "ec2:AttachVolume", "ec2:DetachVolume",
			"ec2:CreateTags", "iam:PassRole",
		},
		"drs:ReverseReplication": {"drs:ReverseReplication", "drs:DescribeRecoveryInstances", "drs:DescribeSourceServers", "drs:DisconnectSourceServer", "drs:DeleteSourceServer"},
	}
}

func dataActions() map[string][]string {
	return map[string][]string{
		// Looking at an object is s3:GetObject; without s3:ListBucket one that is not there
		// reads as denied.
		"s3:PutObject":                  {"s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject", "s3:DeleteObjectVersion"},
		"s3:GetObject":                  {"s3:GetObject"},
		"s3:ReplicateObject":            {"s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject", "s3:DeleteObjectVersion"},
		"kms:Encrypt":                   {},
		"kms:GenerateDataKey":           {},
		"kms:Decrypt":                   {},
		"secretsmanager:GetSecretValue": {"secretsmanager:GetSecretValue"},
	}
}

// workActions are the tables of the actions by operation, one for each service.
func workActions() []map[string][]string {
	return []map[string][]string{rdsActions(), ec2Actions(), backupActions(), drsActions(), dataActions()}
}
