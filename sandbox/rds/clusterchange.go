package rds

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// changedCluster finds a cluster to change in some statuses and copies it.
func (s *Service) changedCluster(c *gate.Call, id string, statuses ...string) (*Cluster, error) {
	old, err := s.cluster(c, id)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(statuses, old.Phases.at(c.At)) {
		return nil, refuse("InvalidDBClusterStateFault", "DbCluster "+old.ID+" is not in available state") // assumed text
	}
	cl := *old
	return &cl, nil
}

// ModifyDBCluster changes a cluster, at once.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBCluster.html.
func (s *Service) ModifyDBCluster(ctx context.Context, in *rds.ModifyDBClusterInput) (*rds.ModifyDBClusterOutput, error) {
	c := gate.From(ctx)
	cl, err := s.changedCluster(c, *in.DBClusterIdentifier, append(usable, "stopped")...)
	if err != nil {
		return nil, err
	}
	if in.NewDBClusterIdentifier != nil {
		return nil, notOffered("renaming a DB cluster")
	}
	o := settingsOf(in)
	if err := o.check(); err != nil {
		return nil, err
	}
	e, err := engineOf(aws.ToString(cl.DB.Engine))
	if err != nil {
		return nil, err
	}
	version, m, err := e.version(first(in.EngineVersion, cl.DB.EngineVersion))
	if err != nil {
		return nil, err
	}
	take(&cl.DB, in)
	cl.DB.EngineVersion = &version
	if err := s.setCluster(c, cl, m, o); err != nil {
		return nil, err
	}
	if cl.Phases.at(c.At) == "available" {
		cl.Phases = cl.Phases.then(c.At, during(c.At, "modifying", changing, "available")...)
	}
	s.putCluster(cl)
	for _, old := range s.members(cl) {
		i := *old
		i.DB.EngineVersion, i.DB.BackupRetentionPeriod = &version, cl.DB.BackupRetentionPeriod
		s.putInstance(&i)
	}
	return &rds.ModifyDBClusterOutput{DBCluster: s.shownCluster(cl, c.At)}, nil
}

// phase puts a cluster and its members into other statuses.
func (s *Service) phase(c *gate.Call, cl *Cluster, next ...Phase) {
	cl.Phases = cl.Phases.then(c.At, next...)
	s.putCluster(cl)
	for _, old := range s.members(cl) {
		if old.Phases.at(c.At) == "deleting" {
			continue
		}
		i := *old
		i.Phases = i.Phases.then(c.At, next...)
		s.putInstance(&i)
	}
}

// StopDBCluster stops a cluster with its members for at most seven days.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_StopDBCluster.html.
func (s *Service) StopDBCluster(ctx context.Context, in *rds.StopDBClusterInput) (*rds.StopDBClusterOutput, error) {
	c := gate.From(ctx)
	cl, err := s.changedCluster(c, *in.DBClusterIdentifier, "available")
	if err != nil {
		return nil, err
	}
	cl.Restart = c.At.Add(stopsFor)
	s.phase(c, cl, during(c.At, "stopping", halting, "stopped")...)
	s.later(c, cl.Restart, taskStartCluster, cl.row())
	s.tell(c, c.At.Add(halting), kindCluster, cl.ID, "RDS-EVENT-0150", "notification", "DB cluster stopped")
	return &rds.StopDBClusterOutput{DBCluster: s.shownCluster(cl, c.At)}, nil
}

// StartDBCluster starts a stopped cluster, or one whose key is usable again.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_StartDBCluster.html.
func (s *Service) StartDBCluster(ctx context.Context, in *rds.StartDBClusterInput) (*rds.StartDBClusterOutput, error) {
	c := gate.From(ctx)
	cl, err := s.changedCluster(c, *in.DBClusterIdentifier, "stopped", recoverable)
	if err != nil {
		return nil, err
	}
	if s.isLost(cl.Encryption.ARN) {
		return nil, inaccessible(namedKey, cl.Encryption.ARN)
	}
	s.startCluster(c, cl)
	return &rds.StartDBClusterOutput{DBCluster: s.shownCluster(cl, c.At)}, nil
}

func (s *Service) startCluster(c *gate.Call, cl *Cluster) {
	cl.Restart = time.Time{}
	s.phase(c, cl, during(c.At, "starting", halting, "available")...)
	s.tell(c, c.At.Add(halting), kindCluster, cl.ID, "RDS-EVENT-0151", "notification", "DB cluster started")
}

// startOverdueCluster starts a cluster that has been stopped for too long.
func (s *Service) startOverdueCluster(c *gate.Call, row string) {
	if old := s.clusters.Get(row); old != nil && old.Restart.Equal(c.At) && old.Phases.at(c.At) == "stopped" {
		cl := *old
		s.startCluster(c, &cl)
	}
}

// DeleteDBCluster ends a cluster without members, after a last snapshot if one is
// asked for.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBCluster.html.
func (s *Service) DeleteDBCluster(ctx context.Context, in *rds.DeleteDBClusterInput) (*rds.DeleteDBClusterOutput, error) {
	c := gate.From(ctx)
	old, err := s.cluster(c, *in.DBClusterIdentifier)
	if err != nil {
		return nil, err
	}
	cl, final := *old, aws.ToString(in.FinalDBSnapshotIdentifier)
	switch {
	case cl.Phases.at(c.At) == "deleting":
		return nil, refuse("InvalidDBClusterStateFault", "DbCluster "+cl.ID+" is already being deleted.") // assumed text
	case is(cl.DB.DeletionProtection):
		return nil, combination("Cannot delete protected Cluster, please disable deletion protection and try again.")
	case slices.ContainsFunc(s.members(&cl), func(i *Instance) bool { return i.Phases.at(c.At) != "deleting" }):
		return nil, refuse("InvalidDBClusterStateFault", "Cluster cannot be deleted, it still contains DB instances in non-deleting state.")
	case final == "" && !is(in.SkipFinalSnapshot):
		return nil, combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
	case final != "" && is(in.SkipFinalSnapshot):
		return nil, combination("FinalDBSnapshotIdentifier cannot be specified when SkipFinalSnapshot is specified.") // assumed text
	}
	if final != "" {
		if _, err := s.snapCluster(c, &cl, final, "manual", nil); err != nil {
			return nil, err
		}
	}
	s.retain(c, clusterBackup(&cl), in.DeleteAutomatedBackups == nil || *in.DeleteAutomatedBackups)
	cl.Phases = cl.Phases.then(c.At, Phase{"deleting", c.At})
	s.putCluster(&cl)
	s.later(c, c.At.Add(deleting), taskDropCluster, cl.row())
	return &rds.DeleteDBClusterOutput{DBCluster: s.shownCluster(&cl, c.At)}, nil
}

// dropCluster takes away a cluster that was deleted.
func (s *Service) dropCluster(ctx context.Context, row string) {
	cl := s.clusters.Get(row)
	if cl == nil {
		return
	}
	c := gate.From(ctx)
	s.clusters.Delete(row)
	s.tags.Delete(cl.arn())
	s.Agent.Retire(ctx, cl.Encryption.Grants)
	s.tell(c, c.At, kindCluster, cl.ID, "RDS-EVENT-0171", "deletion", "DB cluster deleted")
}

// snapCluster makes a snapshot of a cluster, under the cluster's key.
func (s *Service) snapCluster(c *gate.Call, cl *Cluster, id, kind string, tags []types.Tag) (*Snapshot, error) {
	if kind == "manual" {
		var err error
		if id, err = s.place(c, kindOf(kindClusterSnapshot), "DBClusterSnapshotIdentifier", id); err != nil {
			return nil, err
		}
	}
	e, err := engineOf(aws.ToString(cl.DB.Engine))
	if err != nil {
		return nil, err
	}
	v := &types.DBClusterSnapshot{}
	take(v, &cl.DB)
	v.TagList, v.BackupRetentionPeriod, v.PreferredBackupWindow = nil, nil, nil
	v.LicenseModel, v.VpcId = &e.license, new(vpcOf(cl.Account, cl.Region))
	v.AvailabilityZones = []string{cl.Region + "a", cl.Region + "b", cl.Region + "c"}
	if is(cl.DB.CopyTagsToSnapshot) {
		tags = append(slices.Clone(s.tagsOf(cl.arn())), tags...)
	}
	n := &Snapshot{Kind: kindClusterSnapshot, ID: id, Source: cl.ID, Resource: aws.ToString(cl.DB.DbClusterResourceId), Type: kind, Cluster: v}
	n.Encryption = cl.Encryption.inherited()
	return n, s.keep(c, n, tags)
}

// shownSnapshot is a snapshot of a cluster as an account sees it.
func (s *Service) shownSnapshot(n *Snapshot, c *gate.Call) *types.DBClusterSnapshot {
	v := *n.Cluster
	v.DBClusterSnapshotIdentifier, v.DBClusterSnapshotArn, v.DBClusterIdentifier, v.DbClusterResourceId = &n.ID, new(n.arn()), &n.Source, &n.Resource
	kind, _ := n.open(c.Caller.Account)
	v.SnapshotType, v.Status, v.PercentProgress, v.SnapshotCreateTime = &kind, new(n.status(c.At)), n.progress(c.At), &n.Created
	v.StorageEncrypted, v.KmsKeyId = new(n.Encryption.ARN != ""), n.Encryption.shown()
	if n.Account == c.Caller.Account {
		v.TagList = s.tagsOf(n.arn())
	} else {
		v.DBClusterSnapshotIdentifier = v.DBClusterSnapshotArn
	}
	return &v
}

// CreateDBClusterSnapshot makes a manual snapshot of a cluster.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBClusterSnapshot.html.
func (s *Service) CreateDBClusterSnapshot(ctx context.Context, in *rds.CreateDBClusterSnapshotInput) (*rds.CreateDBClusterSnapshotOutput, error) {
	c := gate.From(ctx)
	cl, err := s.changedCluster(c, *in.DBClusterIdentifier, append(usable, "stopped")...)
	if err != nil {
		return nil, err
	}
	n, err := s.snapCluster(c, cl, *in.DBClusterSnapshotIdentifier, "manual", in.Tags)
	if err != nil {
		return nil, err
	}
	return &rds.CreateDBClusterSnapshotOutput{DBClusterSnapshot: s.shownSnapshot(n, c)}, nil
}

// DeleteDBClusterSnapshot ends a manual snapshot.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBClusterSnapshot.html.
func (s *Service) DeleteDBClusterSnapshot(ctx context.Context, in *rds.DeleteDBClusterSnapshotInput) (*rds.DeleteDBClusterSnapshotOutput, error) {
	n, err := s.end(ctx, kindOf(kindClusterSnapshot), *in.DBClusterSnapshotIdentifier)
	if err != nil {
		return nil, err
	}
	v := s.shownSnapshot(n, gate.From(ctx))
	v.Status = new("deleted")
	return &rds.DeleteDBClusterSnapshotOutput{DBClusterSnapshot: v}, nil
}
