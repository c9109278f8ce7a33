package rds

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// restorable finds a snapshot to restore: one of the Region of the call, available,
// and not one that is both encrypted and another account's, which has to be copied
// first. AWS documents that; how it says so is assumed.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ShareSnapshot.html.
func (s *Service) restorable(c *gate.Call, k *snapshotKind, id string) (*Snapshot, error) {
	n, err := s.snapshot(c, k, id)
	switch {
	case err != nil:
		return nil, err
	case n.Region != c.Region:
		return nil, k.missing(id)
	case n.status(c.At) != "available":
		return nil, refuse(k.invalidState, "The snapshot "+n.ID+" is not available.") // assumed text
	case n.Account != c.Caller.Account && n.Encryption.ARN != "":
		return nil, refuse(k.invalidState, "A shared snapshot that is encrypted cannot be restored: copy "+n.arn()+" into this account and restore the copy.") // assumed text
	}
	return n, nil
}

// RestoreDBInstanceFromDBSnapshot makes an instance of a snapshot, under the snapshot's
// key.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceFromDBSnapshot.html.
func (s *Service) RestoreDBInstanceFromDBSnapshot(ctx context.Context, in *rds.RestoreDBInstanceFromDBSnapshotInput) (*rds.RestoreDBInstanceFromDBSnapshotOutput, error) {
	c := gate.From(ctx)
	if in.DBSnapshotIdentifier == nil {
		if in.DBClusterSnapshotIdentifier != nil {
			return nil, notOffered("restoring an instance from the snapshot of a cluster")
		}
		return nil, combination("DBSnapshotIdentifier is missing.") // assumed text
	}
	n, err := s.restorable(c, kindOf(kindSnapshot), *in.DBSnapshotIdentifier)
	if err != nil {
		return nil, err
	}
	i, err := s.again(c, *in.DBInstanceIdentifier, in.Engine, n.Instance, n.Class, in)
	if err != nil {
		return nil, err
	}
	if err := s.linked(ctx); err != nil {
		return nil, err
	}
	if err := s.under(ctx, &i.Encryption, "rds:RestoreDBInstanceFromDBSnapshot", "snapshot", n.Encryption.ARN, sourceKey, aws.ToString(i.DB.DbiResourceId)); err != nil {
		return nil, err
	}
	s.begin(c, i, n.ID)
	return &rds.RestoreDBInstanceFromDBSnapshotOutput{DBInstance: s.shown(i, c.At)}, nil
}

// under puts a restored database under a key, if it was under one.
func (s *Service) under(ctx context.Context, e *Encryption, operation, part, keyARN, which, resource string) error {
	if keyARN == "" {
		return nil
	}
	made, err := s.encrypt(ctx, operation, "", part, keyARN, which, resource, nil)
	if err == nil {
		*e = *made
	}
	return err
}

// again prepares an instance that is restored, of the class of its source unless
// another is named.
func (s *Service) again(c *gate.Call, id string, named *string, base *types.DBSnapshot, class string, in any) (*Instance, error) {
	e, err := engineOf(or(named, aws.ToString(base.Engine)))
	if err != nil {
		return nil, err
	}
	if e.name != aws.ToString(base.Engine) {
		return nil, combination("The engine " + e.name + " is not that of the source, " + aws.ToString(base.Engine) + ".") // assumed text
	}
	version, m, err := e.version(base.EngineVersion)
	if err != nil {
		return nil, err
	}
	i, err := s.draft(c, id, e, m, version, class, base, in)
	if err == nil && settingsOf(in).Port == nil && base.Port != nil {
		i.Port = *base.Port
	}
	return i, err
}

// within checks the time that a request wants to go back to.
func within(c *gate.Call, latest *bool, to, first, last *time.Time) error {
	switch {
	case is(latest) && to != nil:
		return combination("A time and the latest restorable time cannot both be asked for.") // assumed text
	case !is(latest) && to == nil:
		return combination("Either a time or the latest restorable time has to be asked for.") // assumed text
	case last == nil || to != nil && (to.After(*last) || first != nil && to.Before(*first)):
		return invalid("The specified instance cannot be restored to a time later than the latest restorable time, or before the earliest.") // assumed text
	}
	return nil
}

// RestoreDBInstanceToPointInTime makes an instance of the backups of another, which may
// be gone if its automated backups were kept.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceToPointInTime.html.
func (s *Service) RestoreDBInstanceToPointInTime(ctx context.Context, in *rds.RestoreDBInstanceToPointInTimeInput) (*rds.RestoreDBInstanceToPointInTimeOutput, error) {
	c := gate.From(ctx)
	b, err := s.instanceBackups(c, in.SourceDBInstanceIdentifier, in.SourceDbiResourceId, in.SourceDBInstanceAutomatedBackupsArn)
	if err != nil {
		return nil, err
	}
	if err := within(c, in.UseLatestRestorableTime, in.RestoreTime, &b.Earliest, b.Latest); err != nil {
		return nil, err
	}
	i, err := s.again(c, *in.TargetDBInstanceIdentifier, in.Engine, b.Instance, b.Class, in)
	if err != nil {
		return nil, err
	}
	if err := s.linked(ctx); err != nil {
		return nil, err
	}
	if err := s.under(ctx, &i.Encryption, "rds:RestoreDBInstanceToPointInTime", "database", b.Encryption.ARN, namedKey, aws.ToString(i.DB.DbiResourceId)); err != nil {
		return nil, err
	}
	s.begin(c, i, "")
	return &rds.RestoreDBInstanceToPointInTimeOutput{DBInstance: s.shown(i, c.At)}, nil
}

// RestoreDBClusterFromSnapshot makes a cluster of a snapshot: under the key that is
// named, or else the snapshot's. The snapshot may be one of an instance, by its ARN.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBClusterFromSnapshot.html.
func (s *Service) RestoreDBClusterFromSnapshot(ctx context.Context, in *rds.RestoreDBClusterFromSnapshotInput) (*rds.RestoreDBClusterFromSnapshotOutput, error) {
	c := gate.From(ctx)
	k := kindOf(kindClusterSnapshot)
	if _, kind, _, ok := split(*in.SnapshotIdentifier); ok && kind == kindSnapshot {
		k = kindOf(kindSnapshot)
	}
	n, err := s.restorable(c, k, *in.SnapshotIdentifier)
	if err != nil {
		return nil, err
	}
	base := n.asCluster()
	cl, err := s.clusterAgain(c, *in.DBClusterIdentifier, *in.Engine, in.EngineVersion, base, in)
	if err != nil {
		return nil, err
	}
	if err := s.linked(ctx); err != nil {
		return nil, err
	}
	const operation = "rds:RestoreDBClusterFromSnapshot"
	if id := aws.ToString(in.KmsKeyId); id != "" {
		e, err := s.encrypt(ctx, operation, "new-key", "database", id, namedKey, aws.ToString(cl.DB.DbClusterResourceId), nil)
		if err != nil {
			return nil, err
		}
		cl.Encryption = *e
	} else if err := s.under(ctx, &cl.Encryption, operation, "snapshot", n.Encryption.ARN, sourceKey, aws.ToString(cl.DB.DbClusterResourceId)); err != nil {
		return nil, err
	}
	s.beginCluster(c, cl)
	return &rds.RestoreDBClusterFromSnapshotOutput{DBCluster: s.shownCluster(cl, c.At)}, nil
}

// asCluster is a snapshot of either kind as one of a cluster.
func (n *Snapshot) asCluster() *types.DBClusterSnapshot {
	if n.Cluster != nil {
		return n.Cluster
	}
	v := &types.DBClusterSnapshot{}
	take(v, n.Instance)
	v.StorageType, v.AllocatedStorage = nil, nil
	return v
}

// clusterAgain prepares a cluster that is restored. A snapshot of MySQL or PostgreSQL
// becomes one of the Aurora of the same kind.
func (s *Service) clusterAgain(c *gate.Call, id, named string, version *string, base *types.DBClusterSnapshot, in any) (*Cluster, error) {
	e, err := auroraOf(named)
	if err != nil {
		return nil, err
	}
	from := aws.ToString(base.Engine)
	moved := from == "mysql" && e.name == "aurora-mysql" || from == "postgres" && e.name == "aurora-postgresql"
	switch {
	case from != e.name && !moved:
		return nil, combination("The engine " + e.name + " is not that of the source, " + from + ".") // assumed text
	case version == nil && !moved:
		version = base.EngineVersion
	}
	v, m, err := e.version(version)
	if err != nil {
		return nil, err
	}
	return s.draftCluster(c, id, e, m, v, base, in)
}

// RestoreDBClusterToPointInTime makes a cluster of the backups of another: under the
// key that is named, or else the same.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBClusterToPointInTime.html.
func (s *Service) RestoreDBClusterToPointInTime(ctx context.Context, in *rds.RestoreDBClusterToPointInTimeInput) (*rds.RestoreDBClusterToPointInTimeOutput, error) {
	c := gate.From(ctx)
	b, err := s.clusterBackups(c, in.SourceDBClusterIdentifier, in.SourceDbClusterResourceId)
	if err != nil {
		return nil, err
	}
	if err := within(c, in.UseLatestRestorableTime, in.RestoreToTime, &b.Earliest, b.Latest); err != nil {
		return nil, err
	}
	cl, err := s.clusterAgain(c, *in.DBClusterIdentifier, aws.ToString(b.Cluster.Engine), nil, b.Cluster, in)
	if err != nil {
		return nil, err
	}
	if err := s.linked(ctx); err != nil {
		return nil, err
	}
	if err := s.under(ctx, &cl.Encryption, "rds:RestoreDBClusterToPointInTime", "database", or(in.KmsKeyId, b.Encryption.ARN), namedKey, aws.ToString(cl.DB.DbClusterResourceId)); err != nil {
		return nil, err
	}
	s.beginCluster(c, cl)
	return &rds.RestoreDBClusterToPointInTimeOutput{DBCluster: s.shownCluster(cl, c.At)}, nil
}
