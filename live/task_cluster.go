package live

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/cloud"
)

// clusterSnapshot finds a snapshot of a cluster by identifier or ARN; nil is none.
func (w *work) clusterSnapshot(ctx context.Context, id, region string) (*types.DBClusterSnapshot, error) {
	out, err := taskRDS(w.own, region).DescribeDBClusterSnapshots(ctx, &rds.DescribeDBClusterSnapshotsInput{DBClusterSnapshotIdentifier: &id, IncludeShared: new(strings.HasPrefix(id, "arn:"))})
	if err = w.gone(w.failed(err, "rds:DescribeDBClusterSnapshots")); err != nil || out == nil || len(out.DBClusterSnapshots) == 0 {
		return nil, err
	}
	return &out.DBClusterSnapshots[0], nil
}

func lookClusterSnapshot(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	n, err := w.clusterSnapshot(ctx, w.Name, "")
	if err != nil || n == nil || !w.rdsOwn(n.TagList) || aws.ToString(n.Status) == "deleting" {
		return cloud.Progress{}, false, err
	}
	p := w.clusterSnapshotProgress(ctx, n)
	return p, true, w.whyRDS(ctx, &p, types.SourceTypeDbClusterSnapshot)
}

func (w *work) clusterSnapshotProgress(ctx context.Context, n *types.DBClusterSnapshot) cloud.Progress {
	p := w.rdsProgress(n.DBClusterSnapshotArn, n.Status, n.SnapshotCreateTime)
	if !p.Done && n.PercentProgress != nil {
		p.Percent = int(*n.PercentProgress)
	}
	if w.Operation == "rds:CopyDBClusterSnapshot" {
		source, err := w.clusterSnapshot(ctx, w.rdsSource("cluster-snapshot"), w.sourceRegion())
		p.FullCopy = err == nil && source != nil && !sameKey(aws.ToString(source.KmsKeyId), aws.ToString(n.KmsKeyId))
	}
	return p
}

func createClusterSnapshot(ctx context.Context, w *work) (cloud.Progress, error) {
	out, err := taskRDS(w.actor, "").CreateDBClusterSnapshot(ctx, &rds.CreateDBClusterSnapshotInput{DBClusterIdentifier: new(rdsName(w.Source)), DBClusterSnapshotIdentifier: &w.Name, Tags: w.rdsTags()})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return w.clusterSnapshotProgress(ctx, out.DBClusterSnapshot), nil
}

func copyClusterSnapshot(ctx context.Context, w *work) (cloud.Progress, error) {
	out, err := taskRDS(w.actor, "").CopyDBClusterSnapshot(ctx, &rds.CopyDBClusterSnapshotInput{
		SourceDBClusterSnapshotIdentifier: new(w.rdsSource("cluster-snapshot")), TargetDBClusterSnapshotIdentifier: &w.Name, KmsKeyId: optional(w.Key), SourceRegion: w.from(), Tags: w.rdsTags(),
	})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return w.clusterSnapshotProgress(ctx, out.DBClusterSnapshot), nil
}

func removeClusterSnapshot(ctx context.Context, w *work) error {
	_, found, err := lookClusterSnapshot(ctx, w)
	if err != nil || !found {
		return err
	}
	_, err = taskRDS(w.own, "").DeleteDBClusterSnapshot(ctx, &rds.DeleteDBClusterSnapshotInput{DBClusterSnapshotIdentifier: &w.Name})
	return w.failed(err, "rds:DeleteDBClusterSnapshot")
}

func lookClusterShare(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	list, err := w.readersOfCluster(ctx)
	if err != nil {
		return cloud.Progress{}, false, err
	}
	return w.shared(list.with)
}

// readersOfCluster are the attributes of a cluster's snapshot.
type readersOfCluster []types.DBClusterSnapshotAttribute

// with reports whether the snapshot is shared with an account.
func (l readersOfCluster) with(account string) bool {
	return slices.ContainsFunc(l, func(a types.DBClusterSnapshotAttribute) bool {
		return aws.ToString(a.AttributeName) == restoreAttribute && slices.Contains(a.AttributeValues, account)
	})
}

func (w *work) readersOfCluster(ctx context.Context) (readersOfCluster, error) {
	out, err := taskRDS(w.own, "").DescribeDBClusterSnapshotAttributes(ctx, &rds.DescribeDBClusterSnapshotAttributesInput{DBClusterSnapshotIdentifier: new(rdsName(w.Source))})
	if err != nil {
		return nil, w.failed(err, "rds:DescribeDBClusterSnapshotAttributes")
	}
	return out.DBClusterSnapshotAttributesResult.DBClusterSnapshotAttributes, nil
}

func shareClusterSnapshot(ctx context.Context, w *work) (cloud.Progress, error) {
	_, err := taskRDS(w.actor, "").ModifyDBClusterSnapshotAttribute(ctx, &rds.ModifyDBClusterSnapshotAttributeInput{
		DBClusterSnapshotIdentifier: new(rdsName(w.Source)), AttributeName: new(restoreAttribute), ValuesToAdd: w.With,
	})
	return w.sharing(err)
}

func unshareClusterSnapshot(ctx context.Context, w *work) error {
	list, err := w.readersOfCluster(ctx)
	if err != nil || !slices.ContainsFunc(w.With, list.with) {
		return err
	}
	_, err = taskRDS(w.own, "").ModifyDBClusterSnapshotAttribute(ctx, &rds.ModifyDBClusterSnapshotAttributeInput{
		DBClusterSnapshotIdentifier: new(rdsName(w.Source)), AttributeName: new(restoreAttribute), ValuesToRemove: w.With,
	})
	return w.failed(err, w.Operation)
}

func lookCluster(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	out, err := taskRDS(w.own, "").DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: &w.Name})
	if err = w.gone(w.failed(err, "rds:DescribeDBClusters")); err != nil || out == nil || len(out.DBClusters) == 0 {
		return cloud.Progress{}, false, err
	}
	d := &out.DBClusters[0]
	if !w.rdsOwn(d.TagList) || aws.ToString(d.Status) == "deleting" {
		return cloud.Progress{}, false, nil
	}
	p := w.rdsProgress(d.DBClusterArn, d.Status, d.ClusterCreateTime)
	return p, true, w.whyRDS(ctx, &p, types.SourceTypeDbCluster)
}

// restoreCluster restores the cluster alone, without instances: that shows that its
// storage opens.
func restoreCluster(ctx context.Context, w *work) (cloud.Progress, error) {
	source := w.rdsSource("cluster-snapshot")
	n, err := w.clusterSnapshot(ctx, source, "")
	if err != nil {
		return cloud.Progress{}, err
	}
	if n == nil {
		return cloud.Progress{}, w.invalid(errors.New("the snapshot "+source+" is not found"), cloud.NotFound)
	}
	out, err := taskRDS(w.actor, "").RestoreDBClusterFromSnapshot(ctx, &rds.RestoreDBClusterFromSnapshotInput{
		DBClusterIdentifier: &w.Name, SnapshotIdentifier: &source, Engine: n.Engine, EngineVersion: n.EngineVersion, KmsKeyId: optional(w.Key), Tags: w.rdsTags(),
		DBSubnetGroupName: optional(w.Args["dbSubnetGroupName"]), DeletionProtection: new(false),
	})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return w.rdsProgress(out.DBCluster.DBClusterArn, out.DBCluster.Status, out.DBCluster.ClusterCreateTime), nil
}

func removeCluster(ctx context.Context, w *work) error {
	_, found, err := lookCluster(ctx, w)
	if err != nil || !found {
		return err
	}
	_, err = taskRDS(w.own, "").DeleteDBCluster(ctx, &rds.DeleteDBClusterInput{DBClusterIdentifier: &w.Name, SkipFinalSnapshot: new(true), DeleteAutomatedBackups: new(true)})
	return w.failed(err, "rds:DeleteDBCluster")
}
