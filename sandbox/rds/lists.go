package rds

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// listing is what a request asks of snapshots of either kind.
type listing struct {
	id, source, resource, kind *string
	shared, public             *bool
	wanted                     wanted
}

// found are the snapshots that a request asks for and the caller may use. Those of
// others are left out unless they are asked for.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSnapshots.html.
func (s *Service) found(c *gate.Call, k *snapshotKind, l listing) ([]*Snapshot, error) {
	kind := aws.ToString(l.kind)
	switch kind {
	case "", "manual", "automated", "shared", "public", "awsbackup":
	default:
		return nil, invalid("Invalid snapshot type: " + kind) // assumed text
	}
	var all []*Snapshot
	if id := aws.ToString(l.id); id != "" {
		n, err := s.snapshot(c, k, id)
		if err != nil {
			return nil, err
		}
		if n.Region != c.Region {
			return nil, k.missing(id)
		}
		all = append(all, n)
	} else {
		for _, n := range s.snapshots.All(key(k.kind, "")) {
			if n.Region == c.Region && l.covers(n, kind, c.Caller.Account) {
				all = append(all, n)
			}
		}
	}
	var list []*Snapshot
	for _, n := range all {
		if as, _ := n.open(c.Caller.Account); l.fits(n, as, k) {
			list = append(list, n)
		}
	}
	return list, nil
}

// covers reports whether the type of snapshots that is asked for, or none, takes one in.
func (l *listing) covers(n *Snapshot, kind, account string) bool {
	as, open := n.open(account)
	public := false
	for _, a := range n.Shared {
		public = public || a == "all"
	}
	switch {
	case !open:
		return false
	case kind == "public":
		return public
	case kind == "shared":
		return as == "shared"
	case as == "shared":
		return is(l.shared) && kind != "automated" && kind != "awsbackup"
	case as == "public":
		return is(l.public) && kind != "automated" && kind != "awsbackup"
	}
	return kind == "" || kind == n.Type
}

// fits reports whether a snapshot has what the request names.
func (l *listing) fits(n *Snapshot, as string, k *snapshotKind) bool {
	if l.source != nil && *l.source != "" {
		_, _, name, ok := split(*l.source)
		if ok && name != n.Source || !ok && *l.source != n.Source {
			return false
		}
	}
	if l.resource != nil && *l.resource != n.Resource {
		return false
	}
	w := l.wanted
	prefix := "db-"
	if k.kind == kindClusterSnapshot {
		prefix = "db-cluster-"
	}
	source := prefix + "instance-id"
	if k.kind == kindClusterSnapshot {
		source = "db-cluster-id"
	}
	return w.has(source, n.Source, arnOf(n.Region, n.Account, k.database, n.Source)) && w.has(prefix+"snapshot-id", n.ID, n.arn()) &&
		w.has("dbi-resource-id", n.Resource) && w.has("snapshot-type", as, n.Type) && w.has("engine", n.engine())
}

// DescribeDBSnapshots lists snapshots of instances.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSnapshots.html.
func (s *Service) DescribeDBSnapshots(ctx context.Context, in *rds.DescribeDBSnapshotsInput) (*rds.DescribeDBSnapshotsOutput, error) {
	c := gate.From(ctx)
	w, err := wants(in.Filters, "db-instance-id", "db-snapshot-id", "dbi-resource-id", "snapshot-type", "engine")
	if err != nil {
		return nil, err
	}
	all, err := s.found(c, kindOf(kindSnapshot), listing{in.DBSnapshotIdentifier, in.DBInstanceIdentifier, in.DbiResourceId, in.SnapshotType, in.IncludeShared, in.IncludePublic, w})
	if err != nil {
		return nil, err
	}
	list := []types.DBSnapshot{}
	for _, n := range all {
		list = append(list, *s.shownInstance(n, c))
	}
	part, next, err := page(list, in.Marker, in.MaxRecords)
	return &rds.DescribeDBSnapshotsOutput{DBSnapshots: part, Marker: next}, err
}

// DescribeDBClusterSnapshots lists snapshots of clusters.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusterSnapshots.html.
func (s *Service) DescribeDBClusterSnapshots(ctx context.Context, in *rds.DescribeDBClusterSnapshotsInput) (*rds.DescribeDBClusterSnapshotsOutput, error) {
	c := gate.From(ctx)
	w, err := wants(in.Filters, "db-cluster-id", "db-cluster-snapshot-id", "snapshot-type", "engine")
	if err != nil {
		return nil, err
	}
	all, err := s.found(c, kindOf(kindClusterSnapshot), listing{in.DBClusterSnapshotIdentifier, in.DBClusterIdentifier, in.DbClusterResourceId, in.SnapshotType, in.IncludeShared, in.IncludePublic, w})
	if err != nil {
		return nil, err
	}
	list := []types.DBClusterSnapshot{}
	for _, n := range all {
		list = append(list, *s.shownSnapshot(n, c))
	}
	part, next, err := page(list, in.Marker, in.MaxRecords)
	return &rds.DescribeDBClusterSnapshotsOutput{DBClusterSnapshots: part, Marker: next}, err
}
