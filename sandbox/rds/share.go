package rds

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// maxShared is how many accounts a snapshot may be shared with.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ShareSnapshot.html.
const maxShared = 20

// restore is the attribute with which snapshots are shared; there is no other.
const restore = "restore"

// share adds accounts to those that may restore a snapshot, or "all", and takes others
// away. What AWS does not let anybody share stands on its page; how it says so is not
// known, and assumed to be the error that the operation declares.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ShareSnapshot.html.
func (s *Service) share(c *gate.Call, k *snapshotKind, id, attribute string, add, remove []string) (*Snapshot, error) {
	old, err := s.own(c, k, id)
	if err != nil {
		return nil, err
	}
	if attribute != restore {
		return nil, invalid("Invalid attribute name: " + attribute) // assumed text
	}
	for _, account := range append(slices.Clone(add), remove...) {
		if account != "all" && !arn.IsAccount(account) {
			return nil, invalid("Invalid account id: " + account) // assumed text
		}
	}
	switch {
	case old.status(c.At) != "available":
		return nil, refuse(k.invalidState, "The snapshot "+old.ID+" is not available.") // assumed text
	case len(add) == 0:
	case old.Type != "manual":
		return nil, refuse(k.invalidState, "Automated snapshots cannot be shared: copy "+old.ID+" and share the copy.") // assumed text
	case old.Encryption.Default:
		return nil, refuse(k.invalidState, "Snapshots encrypted under the default key of RDS cannot be shared: copy "+old.ID+" under a customer managed key and share the copy.") // assumed text
	case old.Encryption.ARN != "" && slices.Contains(add, "all"):
		return nil, refuse(k.invalidState, "Encrypted snapshots cannot be made public.") // assumed text
	}
	n := *old
	n.Shared = slices.DeleteFunc(slices.Clone(n.Shared), func(a string) bool { return slices.Contains(remove, a) })
	for _, account := range add {
		if !slices.Contains(n.Shared, account) {
			n.Shared = append(n.Shared, account)
		}
	}
	if len(n.Shared) > maxShared {
		return nil, refuse("SharedSnapshotQuotaExceeded", "A manual snapshot is shared with at most 20 accounts.") // assumed text
	}
	s.snapshots.Put(n.row(), &n)
	return &n, nil
}

func (n *Snapshot) attributes() *types.DBSnapshotAttributesResult {
	return &types.DBSnapshotAttributesResult{
		DBSnapshotIdentifier: &n.ID, DBSnapshotAttributes: []types.DBSnapshotAttribute{{AttributeName: new(restore), AttributeValues: append([]string{}, n.Shared...)}},
	}
}

func (n *Snapshot) clusterAttributes() *types.DBClusterSnapshotAttributesResult {
	return &types.DBClusterSnapshotAttributesResult{
		DBClusterSnapshotIdentifier: &n.ID, DBClusterSnapshotAttributes: []types.DBClusterSnapshotAttribute{{AttributeName: new(restore), AttributeValues: append([]string{}, n.Shared...)}},
	}
}

// ModifyDBSnapshotAttribute shares a snapshot of an instance, or ends that.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBSnapshotAttribute.html.
func (s *Service) ModifyDBSnapshotAttribute(ctx context.Context, in *rds.ModifyDBSnapshotAttributeInput) (*rds.ModifyDBSnapshotAttributeOutput, error) {
	n, err := s.share(gate.From(ctx), kindOf(kindSnapshot), *in.DBSnapshotIdentifier, *in.AttributeName, in.ValuesToAdd, in.ValuesToRemove)
	if err != nil {
		return nil, err
	}
	return &rds.ModifyDBSnapshotAttributeOutput{DBSnapshotAttributesResult: n.attributes()}, nil
}

// DescribeDBSnapshotAttributes tells the owner whom a snapshot is shared with.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSnapshotAttributes.html.
func (s *Service) DescribeDBSnapshotAttributes(ctx context.Context, in *rds.DescribeDBSnapshotAttributesInput) (*rds.DescribeDBSnapshotAttributesOutput, error) {
	n, err := s.own(gate.From(ctx), kindOf(kindSnapshot), *in.DBSnapshotIdentifier)
	if err != nil {
		return nil, err
	}
	return &rds.DescribeDBSnapshotAttributesOutput{DBSnapshotAttributesResult: n.attributes()}, nil
}

// ModifyDBClusterSnapshotAttribute shares a snapshot of a cluster, or ends that.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBClusterSnapshotAttribute.html.
func (s *Service) ModifyDBClusterSnapshotAttribute(ctx context.Context, in *rds.ModifyDBClusterSnapshotAttributeInput) (*rds.ModifyDBClusterSnapshotAttributeOutput, error) {
	n, err := s.share(gate.From(ctx), kindOf(kindClusterSnapshot), *in.DBClusterSnapshotIdentifier, *in.AttributeName, in.ValuesToAdd, in.ValuesToRemove)
	if err != nil {
		return nil, err
	}
	return &rds.ModifyDBClusterSnapshotAttributeOutput{DBClusterSnapshotAttributesResult: n.clusterAttributes()}, nil
}

// DescribeDBClusterSnapshotAttributes tells the owner whom a snapshot is shared with.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusterSnapshotAttributes.html.
func (s *Service) DescribeDBClusterSnapshotAttributes(ctx context.Context, in *rds.DescribeDBClusterSnapshotAttributesInput) (*rds.DescribeDBClusterSnapshotAttributesOutput, error) {
	n, err := s.own(gate.From(ctx), kindOf(kindClusterSnapshot), *in.DBClusterSnapshotIdentifier)
	if err != nil {
		return nil, err
	}
	return &rds.DescribeDBClusterSnapshotAttributesOutput{DBClusterSnapshotAttributesResult: n.clusterAttributes()}, nil
}
