package live

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/keyreach/keyreach/estate"
)

// readDatabases reads the encrypted DB instances and clusters.
func (r *reader) readDatabases(ctx context.Context) error {
	c := rds.NewFromConfig(r.cfg)
	var found []estate.Resource
	instances := rds.NewDescribeDBInstancesPaginator(c, &rds.DescribeDBInstancesInput{MaxRecords: aws.Int32(100)})
	for turn := ctx; instances.HasMorePages(); turn = furtherPage(ctx) {
		out, err := instances.NextPage(turn)
		if err != nil {
			if _, err := r.refused(err, "rds:DescribeDBInstances"); err != nil {
				return err
			}
			break
		}
		for i := range out.DBInstances {
			d := &out.DBInstances[i]
			found = r.database(found, "rds:DBInstance", d.DBInstanceIdentifier, d.DBInstanceArn, d.KmsKeyId, map[string]*string{"engine": d.Engine, "dbClusterIdentifier": d.DBClusterIdentifier})
		}
	}
	clusters := rds.NewDescribeDBClustersPaginator(c, &rds.DescribeDBClustersInput{MaxRecords: aws.Int32(100)})
	for turn := ctx; clusters.HasMorePages(); turn = furtherPage(ctx) {
		out, err := clusters.NextPage(turn)
		if err != nil {
			if _, err := r.refused(err, "rds:DescribeDBClusters"); err != nil {
				return err
			}
			break
		}
		for i := range out.DBClusters {
			d := &out.DBClusters[i]
			found = r.database(found, "rds:DBCluster", d.DBClusterIdentifier, d.DBClusterArn, d.KmsKeyId, map[string]*string{"engine": d.Engine})
		}
	}
	return r.keep(found, nil)
}

// database appends a database or a snapshot of one when it is encrypted.
func (r *reader) database(list []estate.Resource, kind string, id, at, key *string, more map[string]*string) []estate.Resource {
	if aws.ToString(key) == "" {
		return list
	}
	attributes := map[string]string{}
	for name, value := range more {
		note(attributes, name, aws.ToString(value))
	}
	return append(list, estate.Resource{Type: kind, ID: aws.ToString(id), ARN: aws.ToString(at), Account: r.account, Region: r.region, Key: aws.ToString(key), Attributes: attributes})
}

// readDatabaseSnapshots reads the manual snapshots under customers' keys, which alone
// can be shared, and with whom they are. See
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/share-encrypted-snapshot.html.
func (r *reader) readDatabaseSnapshots(ctx context.Context) error {
	c := rds.NewFromConfig(r.cfg)
	found, err := r.databaseSnapshots(ctx, c)
	if err != nil {
		return err
	}
	ofClusters, err := r.clusterSnapshots(ctx, c)
	if err != nil {
		return err
	}
	found = append(found, ofClusters...)
	err = collectEach(ctx, r.scope.Concurrency, indexes(len(found)), func(ctx context.Context, i int) error { return r.sharedDatabase(ctx, c, &found[i]) })
	return r.keep(found, err)
}

func (r *reader) databaseSnapshots(ctx context.Context, c *rds.Client) ([]estate.Resource, error) {
	var found []estate.Resource
	pages := rds.NewDescribeDBSnapshotsPaginator(c, &rds.DescribeDBSnapshotsInput{SnapshotType: aws.String("manual"), MaxRecords: aws.Int32(100)})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = r.refused(err, "rds:DescribeDBSnapshots")
			return nil, err
		}
		for i := range out.DBSnapshots {
			if s := &out.DBSnapshots[i]; r.matters(aws.ToString(s.KmsKeyId)) {
				found = r.database(found, "rds:DBSnapshot", s.DBSnapshotIdentifier, s.DBSnapshotArn, s.KmsKeyId,
					map[string]*string{"engine": s.Engine, "dbInstanceIdentifier": s.DBInstanceIdentifier, "snapshotType": s.SnapshotType})
			}
		}
	}
	return found, nil
}

func (r *reader) clusterSnapshots(ctx context.Context, c *rds.Client) ([]estate.Resource, error) {
	var found []estate.Resource
	pages := rds.NewDescribeDBClusterSnapshotsPaginator(c, &rds.DescribeDBClusterSnapshotsInput{SnapshotType: aws.String("manual"), MaxRecords: aws.Int32(100)})
	for turn := ctx; pages.HasMorePages(); turn = furtherPage(ctx) {
		out, err := pages.NextPage(turn)
		if err != nil {
			_, err = r.refused(err, "rds:DescribeDBClusterSnapshots")
			return nil, err
		}
		for i := range out.DBClusterSnapshots {
			if s := &out.DBClusterSnapshots[i]; r.matters(aws.ToString(s.KmsKeyId)) {
				found = r.database(found, "rds:DBClusterSnapshot", s.DBClusterSnapshotIdentifier, s.DBClusterSnapshotArn, s.KmsKeyId,
					map[string]*string{"engine": s.Engine, "dbClusterIdentifier": s.DBClusterIdentifier, "snapshotType": s.SnapshotType})
			}
		}
	}
	return found, nil
}

// sharedDatabase reads with whom a snapshot is shared.
func (r *reader) sharedDatabase(ctx context.Context, c *rds.Client, s *estate.Resource) error {
	if s.Type == "rds:DBSnapshot" {
		out, err := c.DescribeDBSnapshotAttributes(ctx, &rds.DescribeDBSnapshotAttributesInput{DBSnapshotIdentifier: &s.ID})
		if err != nil {
			_, err = r.refused(err, "rds:DescribeDBSnapshotAttributes")
			return err
		}
		for _, a := range out.DBSnapshotAttributesResult.DBSnapshotAttributes {
			s.SharedWith = restoring(s.SharedWith, a.AttributeName, a.AttributeValues)
		}
		return nil
	}
	out, err := c.DescribeDBClusterSnapshotAttributes(ctx, &rds.DescribeDBClusterSnapshotAttributesInput{DBClusterSnapshotIdentifier: &s.ID})
	if err != nil {
		_, err = r.refused(err, "rds:DescribeDBClusterSnapshotAttributes")
		return err
	}
	for _, a := range out.DBClusterSnapshotAttributesResult.DBClusterSnapshotAttributes {
		s.SharedWith = restoring(s.SharedWith, a.AttributeName, a.AttributeValues)
	}
	return nil
}

// restoring adds the accounts of the attribute that says who may restore.
func restoring(list []string, name *string, values []string) []string {
	if aws.ToString(name) != "restore" {
		return list
	}
	list = append(list, values...)
	slices.Sort(list)
	return list
}
