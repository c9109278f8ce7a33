package rds

import (
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/keyreach/keyreach/sandbox/gate"
)

const reads, writes = gate.Reads, gate.Writes

// Operations are those on databases, their snapshots, groups, tags and events. Each
// stands with what has to be allowed for it.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html.
func (s *Service) Operations() []gate.Operation {
	ops := append(s.instanceOperations(), s.clusterOperations()...)
	ops = append(ops, s.snapshotOperations()...)
	ops = append(ops, s.restoreOperations()...)
	return append(ops, s.groupOperations()...)
}

// onOne is what an operation needs that is about one resource.
func onOne[I any](s *Service, action, kind string, id func(*I) *string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return on(s, action, func(in *I, q *question) { q.of(kind, id(in)) })
}

func (s *Service) instanceOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on(s, "CreateDBInstance", s.askCreate), s.CreateDBInstance),
		gate.Op(reads, onOne(s, "DescribeDBInstances", kindInstance, func(in *rds.DescribeDBInstancesInput) *string { return in.DBInstanceIdentifier }), s.DescribeDBInstances),
		gate.Op(writes, on(s, "ModifyDBInstance", func(in *rds.ModifyDBInstanceInput, q *question) {
			q.about(kindInstance, *in.DBInstanceIdentifier)
			if in.DBParameterGroupName != nil {
				q.about(kindParameters, *in.DBParameterGroupName)
			}
			if in.OptionGroupName != nil {
				q.about(kindOptions, *in.OptionGroupName)
			}
		}), s.ModifyDBInstance),
		gate.Op(writes, onOne(s, "RebootDBInstance", kindInstance, func(in *rds.RebootDBInstanceInput) *string { return in.DBInstanceIdentifier }), s.RebootDBInstance),
		gate.Op(writes, onOne(s, "StartDBInstance", kindInstance, func(in *rds.StartDBInstanceInput) *string { return in.DBInstanceIdentifier }), s.StartDBInstance),
		gate.Op(writes, on(s, "StopDBInstance", func(in *rds.StopDBInstanceInput, q *question) {
			q.about(kindInstance, *in.DBInstanceIdentifier)
			if in.DBSnapshotIdentifier != nil {
				q.about(kindSnapshot, *in.DBSnapshotIdentifier)
			}
		}), s.StopDBInstance),
		gate.Op(writes, onOne(s, "DeleteDBInstance", kindInstance, func(in *rds.DeleteDBInstanceInput) *string { return in.DBInstanceIdentifier }), s.DeleteDBInstance),
		gate.Op(reads, onOne(s, "DescribeDBInstanceAutomatedBackups", kindInstance, func(in *rds.DescribeDBInstanceAutomatedBackupsInput) *string { return in.DBInstanceIdentifier }), s.DescribeDBInstanceAutomatedBackups),
		gate.Op(writes, onAny[rds.DeleteDBInstanceAutomatedBackupInput](s, "DeleteDBInstanceAutomatedBackup"), s.DeleteDBInstanceAutomatedBackup),
	}
}

// askCreate is what making an instance asks.
func (s *Service) askCreate(in *rds.CreateDBInstanceInput, q *question) {
	q.about(kindInstance, *in.DBInstanceIdentifier)
	if in.DBClusterIdentifier != nil {
		q.about(kindCluster, *in.DBClusterIdentifier)
	}
	q.partsOf(kindParameters, *in.Engine, in.EngineVersion, settingsOf(in))
	q.tagged(kindInstance, *in.DBInstanceIdentifier, settingsOf(in).requested("db-instance"))
	q.one("rds:databaseengine", *in.Engine)
	q.one("rds:databaseclass", *in.DBInstanceClass)
	q.one("rds:databasename", aws.ToString(in.DBName))
	q.yes("rds:storageencrypted", is(in.StorageEncrypted))
	q.yes("rds:multiaz", is(in.MultiAZ))
	q.yes("rds:vpc", true)
	q.yes("rds:copytagstosnapshot", is(in.CopyTagsToSnapshot))
	q.yes("rds:managemasteruserpassword", is(in.ManageMasterUserPassword))
	if in.PubliclyAccessible != nil {
		q.yes("rds:publiclyaccessible", *in.PubliclyAccessible)
	}
	if in.AllocatedStorage != nil {
		q.one("rds:storagesize", strconv.Itoa(int(*in.AllocatedStorage)))
	}
	if in.Iops != nil {
		q.one("rds:piops", strconv.Itoa(int(*in.Iops)))
	}
}

func (s *Service) clusterOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on(s, "CreateDBCluster", func(in *rds.CreateDBClusterInput, q *question) {
			q.about(kindCluster, *in.DBClusterIdentifier)
			q.partsOf(kindClusterParams, *in.Engine, in.EngineVersion, settingsOf(in))
			q.tagged(kindCluster, *in.DBClusterIdentifier, settingsOf(in).requested("cluster"))
			q.one("rds:databaseengine", *in.Engine)
			q.one("rds:databasename", aws.ToString(in.DatabaseName))
			q.one("rds:databaseclass", aws.ToString(in.DBClusterInstanceClass))
			q.yes("rds:storageencrypted", is(in.StorageEncrypted))
			q.yes("rds:copytagstosnapshot", is(in.CopyTagsToSnapshot))
			q.yes("rds:managemasteruserpassword", is(in.ManageMasterUserPassword))
		}), s.CreateDBCluster),
		gate.Op(reads, onOne(s, "DescribeDBClusters", kindCluster, func(in *rds.DescribeDBClustersInput) *string { return in.DBClusterIdentifier }), s.DescribeDBClusters),
		gate.Op(writes, on(s, "ModifyDBCluster", func(in *rds.ModifyDBClusterInput, q *question) {
			q.about(kindCluster, *in.DBClusterIdentifier)
			if in.DBClusterParameterGroupName != nil {
				q.about(kindClusterParams, *in.DBClusterParameterGroupName)
			}
		}), s.ModifyDBCluster),
		gate.Op(writes, onOne(s, "StartDBCluster", kindCluster, func(in *rds.StartDBClusterInput) *string { return in.DBClusterIdentifier }), s.StartDBCluster),
		gate.Op(writes, onOne(s, "StopDBCluster", kindCluster, func(in *rds.StopDBClusterInput) *string { return in.DBClusterIdentifier }), s.StopDBCluster),
		gate.Op(writes, on(s, "DeleteDBCluster", func(in *rds.DeleteDBClusterInput, q *question) {
			q.about(kindCluster, *in.DBClusterIdentifier)
			if in.FinalDBSnapshotIdentifier != nil {
				q.about(kindClusterSnapshot, *in.FinalDBSnapshotIdentifier)
			}
		}), s.DeleteDBCluster),
		gate.Op(reads, onOne(s, "DescribeDBClusterAutomatedBackups", kindCluster, func(in *rds.DescribeDBClusterAutomatedBackupsInput) *string { return in.DBClusterIdentifier }), s.DescribeDBClusterAutomatedBackups),
		gate.Op(reads, onAny[rds.DescribeGlobalClustersInput](s, "DescribeGlobalClusters"), s.DescribeGlobalClusters),
		gate.Op(reads, onAny[rds.DescribePendingMaintenanceActionsInput](s, "DescribePendingMaintenanceActions"), s.DescribePendingMaintenanceActions),
	}
}

func (s *Service) snapshotOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on(s, "CreateDBSnapshot", func(in *rds.CreateDBSnapshotInput, q *question) {
			q.about(kindInstance, *in.DBInstanceIdentifier)
			q.about(kindSnapshot, *in.DBSnapshotIdentifier)
			q.tagged(kindSnapshot, *in.DBSnapshotIdentifier, in.Tags)
		}), s.CreateDBSnapshot),
		gate.Op(reads, on(s, "DescribeDBSnapshots", func(in *rds.DescribeDBSnapshotsInput, q *question) {
			if in.DBSnapshotIdentifier == nil && in.DBInstanceIdentifier != nil {
				q.of(kindInstance, in.DBInstanceIdentifier)
				return
			}
			q.of(kindSnapshot, in.DBSnapshotIdentifier)
		}), s.DescribeDBSnapshots),
		gate.Op(writes, onOne(s, "DeleteDBSnapshot", kindSnapshot, func(in *rds.DeleteDBSnapshotInput) *string { return in.DBSnapshotIdentifier }), s.DeleteDBSnapshot),
		gate.Op(writes, onOne(s, "ModifyDBSnapshot", kindSnapshot, func(in *rds.ModifyDBSnapshotInput) *string { return in.DBSnapshotIdentifier }), s.ModifyDBSnapshot),
		gate.Op(writes, on(s, "CopyDBSnapshot", func(in *rds.CopyDBSnapshotInput, q *question) {
			q.askCopy(kindSnapshot, *in.SourceDBSnapshotIdentifier, *in.TargetDBSnapshotIdentifier, settingsOf(in).requested("snapshot"))
		}), s.CopyDBSnapshot),
		gate.Op(writes, onOne(s, "ModifyDBSnapshotAttribute", kindSnapshot, func(in *rds.ModifyDBSnapshotAttributeInput) *string { return in.DBSnapshotIdentifier }), s.ModifyDBSnapshotAttribute),
		gate.Op(reads, onOne(s, "DescribeDBSnapshotAttributes", kindSnapshot, func(in *rds.DescribeDBSnapshotAttributesInput) *string { return in.DBSnapshotIdentifier }), s.DescribeDBSnapshotAttributes),
		gate.Op(writes, on(s, "CreateDBClusterSnapshot", func(in *rds.CreateDBClusterSnapshotInput, q *question) {
			q.about(kindCluster, *in.DBClusterIdentifier)
			q.about(kindClusterSnapshot, *in.DBClusterSnapshotIdentifier)
			q.tagged(kindClusterSnapshot, *in.DBClusterSnapshotIdentifier, in.Tags)
		}), s.CreateDBClusterSnapshot),
		gate.Op(reads, on(s, "DescribeDBClusterSnapshots", func(in *rds.DescribeDBClusterSnapshotsInput, q *question) {
			if in.DBClusterSnapshotIdentifier == nil && in.DBClusterIdentifier != nil {
				q.of(kindCluster, in.DBClusterIdentifier)
				return
			}
			q.of(kindClusterSnapshot, in.DBClusterSnapshotIdentifier)
		}), s.DescribeDBClusterSnapshots),
		gate.Op(writes, onOne(s, "DeleteDBClusterSnapshot", kindClusterSnapshot, func(in *rds.DeleteDBClusterSnapshotInput) *string { return in.DBClusterSnapshotIdentifier }), s.DeleteDBClusterSnapshot),
		gate.Op(writes, on(s, "CopyDBClusterSnapshot", func(in *rds.CopyDBClusterSnapshotInput, q *question) {
			q.askCopy(kindClusterSnapshot, *in.SourceDBClusterSnapshotIdentifier, *in.TargetDBClusterSnapshotIdentifier, in.Tags)
		}), s.CopyDBClusterSnapshot),
		gate.Op(writes, onOne(s, "ModifyDBClusterSnapshotAttribute", kindClusterSnapshot, func(in *rds.ModifyDBClusterSnapshotAttributeInput) *string { return in.DBClusterSnapshotIdentifier }), s.ModifyDBClusterSnapshotAttribute),
		gate.Op(reads, onOne(s, "DescribeDBClusterSnapshotAttributes", kindClusterSnapshot, func(in *rds.DescribeDBClusterSnapshotAttributesInput) *string { return in.DBClusterSnapshotIdentifier }), s.DescribeDBClusterSnapshotAttributes),
	}
}

// restoreOperations ask for the right on what is restored and on what is made. A
// request to restore has no StorageEncrypted, so that rds:StorageEncrypted is not there
// either.
func (s *Service) restoreOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on(s, "RestoreDBInstanceFromDBSnapshot", func(in *rds.RestoreDBInstanceFromDBSnapshotInput, q *question) {
			if in.DBSnapshotIdentifier != nil {
				q.about(kindSnapshot, *in.DBSnapshotIdentifier)
				if n, err := s.snapshot(q.c, kindOf(kindSnapshot), *in.DBSnapshotIdentifier); err == nil {
					q.partsOf(kindParameters, n.engine(), n.Instance.EngineVersion, settingsOf(in))
				}
			}
			q.about(kindInstance, *in.DBInstanceIdentifier)
			q.tagged(kindInstance, *in.DBInstanceIdentifier, settingsOf(in).requested("db-instance"))
			q.one("rds:databaseengine", aws.ToString(in.Engine))
			q.one("rds:databaseclass", aws.ToString(in.DBInstanceClass))
		}), s.RestoreDBInstanceFromDBSnapshot),
		gate.Op(writes, on(s, "RestoreDBInstanceToPointInTime", func(in *rds.RestoreDBInstanceToPointInTimeInput, q *question) {
			if in.SourceDBInstanceIdentifier != nil {
				q.about(kindInstance, *in.SourceDBInstanceIdentifier)
			}
			q.about(kindInstance, *in.TargetDBInstanceIdentifier)
			if b, err := s.instanceBackups(q.c, in.SourceDBInstanceIdentifier, in.SourceDbiResourceId, in.SourceDBInstanceAutomatedBackupsArn); err == nil {
				q.partsOf(kindParameters, aws.ToString(b.Instance.Engine), b.Instance.EngineVersion, settingsOf(in))
			}
			q.tagged(kindInstance, *in.TargetDBInstanceIdentifier, settingsOf(in).requested("db-instance"))
		}), s.RestoreDBInstanceToPointInTime),
		gate.Op(writes, on(s, "RestoreDBClusterFromSnapshot", func(in *rds.RestoreDBClusterFromSnapshotInput, q *question) {
			q.about(kindClusterSnapshot, *in.SnapshotIdentifier)
			q.about(kindCluster, *in.DBClusterIdentifier)
			q.partsOf(kindClusterParams, *in.Engine, in.EngineVersion, settingsOf(in))
			q.tagged(kindCluster, *in.DBClusterIdentifier, settingsOf(in).requested("cluster"))
			q.one("rds:databaseengine", *in.Engine)
		}), s.RestoreDBClusterFromSnapshot),
		gate.Op(writes, on(s, "RestoreDBClusterToPointInTime", func(in *rds.RestoreDBClusterToPointInTimeInput, q *question) {
			if in.SourceDBClusterIdentifier != nil {
				q.about(kindCluster, *in.SourceDBClusterIdentifier)
				if cl, err := s.cluster(q.c, *in.SourceDBClusterIdentifier); err == nil {
					q.partsOf(kindClusterParams, aws.ToString(cl.DB.Engine), cl.DB.EngineVersion, settingsOf(in))
				}
			}
			q.about(kindCluster, *in.DBClusterIdentifier)
			q.tagged(kindCluster, *in.DBClusterIdentifier, settingsOf(in).requested("cluster"))
		}), s.RestoreDBClusterToPointInTime),
	}
}

// partsOf is parts for an engine by its name.
func (q *question) partsOf(params, name string, version *string, o *settings) {
	e, err := engineOf(name)
	if err != nil {
		return
	}
	if _, m, err := e.version(version); err == nil {
		q.parts(params, e, m, o)
	}
}

func (s *Service) groupOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on(s, "CreateDBSubnetGroup", func(in *rds.CreateDBSubnetGroupInput, q *question) {
			q.about(kindSubnets, *in.DBSubnetGroupName)
			q.tagged(kindSubnets, *in.DBSubnetGroupName, in.Tags)
		}), s.CreateDBSubnetGroup),
		gate.Op(writes, onOne(s, "ModifyDBSubnetGroup", kindSubnets, func(in *rds.ModifyDBSubnetGroupInput) *string { return in.DBSubnetGroupName }), s.ModifyDBSubnetGroup),
		gate.Op(writes, onOne(s, "DeleteDBSubnetGroup", kindSubnets, func(in *rds.DeleteDBSubnetGroupInput) *string { return in.DBSubnetGroupName }), s.DeleteDBSubnetGroup),
		gate.Op(reads, onOne(s, "DescribeDBSubnetGroups", kindSubnets, func(in *rds.DescribeDBSubnetGroupsInput) *string { return in.DBSubnetGroupName }), s.DescribeDBSubnetGroups),
		gate.Op(writes, on(s, "CreateDBParameterGroup", func(in *rds.CreateDBParameterGroupInput, q *question) {
			q.about(kindParameters, *in.DBParameterGroupName)
			q.tagged(kindParameters, *in.DBParameterGroupName, in.Tags)
		}), s.CreateDBParameterGroup),
		gate.Op(writes, onOne(s, "ModifyDBParameterGroup", kindParameters, func(in *rds.ModifyDBParameterGroupInput) *string { return in.DBParameterGroupName }), s.ModifyDBParameterGroup),
		gate.Op(writes, onOne(s, "ResetDBParameterGroup", kindParameters, func(in *rds.ResetDBParameterGroupInput) *string { return in.DBParameterGroupName }), s.ResetDBParameterGroup),
		gate.Op(writes, onOne(s, "DeleteDBParameterGroup", kindParameters, func(in *rds.DeleteDBParameterGroupInput) *string { return in.DBParameterGroupName }), s.DeleteDBParameterGroup),
		gate.Op(reads, onOne(s, "DescribeDBParameterGroups", kindParameters, func(in *rds.DescribeDBParameterGroupsInput) *string { return in.DBParameterGroupName }), s.DescribeDBParameterGroups),
		gate.Op(reads, onOne(s, "DescribeDBParameters", kindParameters, func(in *rds.DescribeDBParametersInput) *string { return in.DBParameterGroupName }), s.DescribeDBParameters),
		gate.Op(writes, on(s, "CreateDBClusterParameterGroup", func(in *rds.CreateDBClusterParameterGroupInput, q *question) {
			q.about(kindClusterParams, *in.DBClusterParameterGroupName)
			q.tagged(kindClusterParams, *in.DBClusterParameterGroupName, in.Tags)
		}), s.CreateDBClusterParameterGroup),
		gate.Op(writes, onOne(s, "ModifyDBClusterParameterGroup", kindClusterParams, func(in *rds.ModifyDBClusterParameterGroupInput) *string { return in.DBClusterParameterGroupName }), s.ModifyDBClusterParameterGroup),
		gate.Op(writes, onOne(s, "ResetDBClusterParameterGroup", kindClusterParams, func(in *rds.ResetDBClusterParameterGroupInput) *string { return in.DBClusterParameterGroupName }), s.ResetDBClusterParameterGroup),
		gate.Op(writes, onOne(s, "DeleteDBClusterParameterGroup", kindClusterParams, func(in *rds.DeleteDBClusterParameterGroupInput) *string { return in.DBClusterParameterGroupName }), s.DeleteDBClusterParameterGroup),
		gate.Op(reads, onOne(s, "DescribeDBClusterParameterGroups", kindClusterParams, func(in *rds.DescribeDBClusterParameterGroupsInput) *string { return in.DBClusterParameterGroupName }), s.DescribeDBClusterParameterGroups),
		gate.Op(reads, onOne(s, "DescribeDBClusterParameters", kindClusterParams, func(in *rds.DescribeDBClusterParametersInput) *string { return in.DBClusterParameterGroupName }), s.DescribeDBClusterParameters),
		gate.Op(reads, onOne(s, "DescribeOptionGroups", kindOptions, func(in *rds.DescribeOptionGroupsInput) *string { return in.OptionGroupName }), s.DescribeOptionGroups),
		gate.Op(reads, onAny[rds.DescribeDBEngineVersionsInput](s, "DescribeDBEngineVersions"), s.DescribeDBEngineVersions),
		gate.Op(reads, onAny[rds.DescribeOrderableDBInstanceOptionsInput](s, "DescribeOrderableDBInstanceOptions"), s.DescribeOrderableDBInstanceOptions),
		gate.Op(reads, onAny[rds.DescribeEventsInput](s, "DescribeEvents"), s.DescribeEvents),
		gate.Op(writes, on(s, "AddTagsToResource", func(in *rds.AddTagsToResourceInput, q *question) {
			q.ask(q.action, *in.ResourceName)
			q.tags(in.Tags)
		}), s.AddTagsToResource),
		gate.Op(writes, on(s, "RemoveTagsFromResource", func(in *rds.RemoveTagsFromResourceInput, q *question) {
			q.ask(q.action, *in.ResourceName)
			q.keys(in.TagKeys)
		}), s.RemoveTagsFromResource),
		gate.Op(reads, on(s, "ListTagsForResource", func(in *rds.ListTagsForResourceInput, q *question) { q.ask(q.action, *in.ResourceName) }), s.ListTagsForResource),
	}
}
