package backup

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// databases is the kind of RDS instances, whose recovery points are DB snapshots.
type databases struct{ agent *behalf.Agent }

// clusters is the kind of Aurora clusters, whose recovery points are DB cluster
// snapshots.
type clusters struct{ agent *behalf.Agent }

func (databases) name() string { return "RDS" }

func (clusters) name() string { return "Aurora" }

// do calls a service as a role.
func do[O any](ctx context.Context, a *behalf.Agent, service, operation string, in any, f gate.Forward) (*O, error) {
	out, err := a.Client.Do(ctx, service, operation, in, f)
	if err != nil {
		return nil, err
	}
	return out.(*O), nil
}

// nameIn is what follows the type in the ARN of a database or its snapshot.
func nameIn(resource string) string {
	a, err := arn.Parse(resource)
	if err != nil {
		return resource
	}
	_, name, _ := strings.Cut(a.Resource, ":")
	return name
}

// jobSnapshot is the identifier of the snapshot that a job makes. Documented in examples
// of events.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html.
func jobSnapshot(kind, job string) *string {
	return new("awsbackup:" + kind + "-" + strings.ToLower(job))
}

// rdsTags are tags as RDS has them.
func rdsTags(tags map[string]string) []types.Tag {
	var list []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: new(key), Value: new(tags[key])})
	}
	return list
}

// gone reports whether an error says that something is not there.
func gone(err error) bool {
	refused := (*wire.Error)(nil)
	return errors.As(err, &refused) && strings.Contains(refused.Code, "NotFound")
}

// reached reads how far a database or a snapshot is from its status.
func reached(status string, key *string, gigabytes *int32) progress {
	p := progress{done: status == "available", key: text(key)}
	if gigabytes != nil {
		p.size = int64(*gigabytes) * gibibyte
	}
	if strings.Contains(status, "fail") || strings.Contains(status, "inaccessible") || strings.Contains(status, "incompatible") {
		p.failed = "The database is in the state " + status + "." // assumed text
	}
	return p
}

// share says with whom a snapshot is shared.
func share(account string, on bool) (add, remove []string) {
	if on {
		return []string{account}, nil
	}
	return nil, []string{account}
}

func (k databases) backup(ctx context.Context, j *BackupJob) (string, map[string]string, error) {
	out, err := do[rds.DescribeDBInstancesOutput](ctx, k.agent, "rds", "DescribeDBInstances", &rds.DescribeDBInstancesInput{DBInstanceIdentifier: new(nameIn(j.Resource))}, asRole)
	if err != nil {
		return "", nil, err
	}
	v := &out.DBInstances[0]
	made, err := do[rds.CreateDBSnapshotOutput](ctx, k.agent, "rds", "CreateDBSnapshot", &rds.CreateDBSnapshotInput{
		DBInstanceIdentifier: v.DBInstanceIdentifier, DBSnapshotIdentifier: jobSnapshot("job", j.ID), Tags: rdsTags(j.Tags),
	}, asRole)
	if err != nil {
		return "", nil, err
	}
	return text(made.DBSnapshot.DBSnapshotArn), map[string]string{
		"DBInstanceIdentifier": text(v.DBInstanceIdentifier), "DBInstanceClass": text(v.DBInstanceClass), "Engine": text(v.Engine), "AvailabilityZone": text(v.AvailabilityZone),
	}, nil
}

func (k databases) made(ctx context.Context, point string) (progress, error) {
	out, err := do[rds.DescribeDBSnapshotsOutput](ctx, k.agent, "rds", "DescribeDBSnapshots", &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: new(nameIn(point))}, asRole)
	if err != nil || len(out.DBSnapshots) == 0 {
		return progress{failed: "The snapshot is no longer available."}, err
	}
	n := &out.DBSnapshots[0]
	return reached(text(n.Status), n.KmsKeyId, n.AllocatedStorage), nil
}

func (k databases) share(ctx context.Context, point, account string, on bool) error {
	in := &rds.ModifyDBSnapshotAttributeInput{DBSnapshotIdentifier: new(nameIn(point)), AttributeName: new("restore")}
	in.ValuesToAdd, in.ValuesToRemove = share(account, on)
	_, err := k.agent.Client.Do(ctx, "rds", "ModifyDBSnapshotAttribute", in, asRole)
	return err
}

// rdsKey is the key of a copy: RDS's own where the vault's cannot serve.
func rdsKey(keyARN string) *string { return new(cmp.Or(keyARN, "alias/aws/rds")) }

func (k databases) copy(ctx context.Context, j *CopyJob, keyARN string, tags map[string]string) (string, error) {
	in := &rds.CopyDBSnapshotInput{
		SourceDBSnapshotIdentifier: &j.Point, TargetDBSnapshotIdentifier: jobSnapshot("copyjob", j.ID), KmsKeyId: rdsKey(keyARN), Tags: rdsTags(tags), SourceRegion: &j.Region,
	}
	out, err := do[rds.CopyDBSnapshotOutput](ctx, k.agent, "rds", "CopyDBSnapshot", in, asRole)
	if err != nil {
		return "", err
	}
	return text(out.DBSnapshot.DBSnapshotArn), nil
}

func (k databases) remove(ctx context.Context, point string, f gate.Forward) error {
	_, err := k.agent.Client.Do(ctx, "rds", "DeleteDBSnapshot", &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: new(nameIn(point))}, f)
	if gone(err) {
		return nil // somebody else did it
	}
	return err
}

// restore makes an instance.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-rds.html.
func (k databases) restore(ctx context.Context, j *RestoreJob, p *Point) (string, error) {
	in := &rds.RestoreDBInstanceFromDBSnapshotInput{
		DBSnapshotIdentifier: new(nameIn(p.ARN)), DBInstanceIdentifier: new(cmp.Or(j.Metadata["DBInstanceIdentifier"], "awsbackup-"+strings.ToLower(j.ID))),
		DBInstanceClass: unless(j.Metadata["DBInstanceClass"]), AvailabilityZone: unless(j.Metadata["AvailabilityZone"]), Tags: rdsTags(j.Tags),
	}
	out, err := do[rds.RestoreDBInstanceFromDBSnapshotOutput](ctx, k.agent, "rds", "RestoreDBInstanceFromDBSnapshot", in, asRole)
	if err != nil {
		return "", err
	}
	return text(out.DBInstance.DBInstanceArn), nil
}

func (k databases) restored(ctx context.Context, created string) (progress, error) {
	out, err := do[rds.DescribeDBInstancesOutput](ctx, k.agent, "rds", "DescribeDBInstances", &rds.DescribeDBInstancesInput{DBInstanceIdentifier: new(nameIn(created))}, asRole)
	if err != nil || len(out.DBInstances) == 0 {
		return progress{failed: noKey}, err
	}
	return reached(text(out.DBInstances[0].DBInstanceStatus), out.DBInstances[0].KmsKeyId, nil), nil
}

func (k clusters) backup(ctx context.Context, j *BackupJob) (string, map[string]string, error) {
	out, err := do[rds.DescribeDBClustersOutput](ctx, k.agent, "rds", "DescribeDBClusters", &rds.DescribeDBClustersInput{DBClusterIdentifier: new(nameIn(j.Resource))}, asRole)
	if err != nil {
		return "", nil, err
	}
	v := &out.DBClusters[0]
	made, err := do[rds.CreateDBClusterSnapshotOutput](ctx, k.agent, "rds", "CreateDBClusterSnapshot", &rds.CreateDBClusterSnapshotInput{
		DBClusterIdentifier: v.DBClusterIdentifier, DBClusterSnapshotIdentifier: jobSnapshot("job", j.ID), Tags: rdsTags(j.Tags),
	}, asRole)
	if err != nil {
		return "", nil, err
	}
	return text(made.DBClusterSnapshot.DBClusterSnapshotArn), map[string]string{"DBClusterIdentifier": text(v.DBClusterIdentifier), "Engine": text(v.Engine)}, nil
}

func (k clusters) made(ctx context.Context, point string) (progress, error) {
	out, err := do[rds.DescribeDBClusterSnapshotsOutput](ctx, k.agent, "rds", "DescribeDBClusterSnapshots", &rds.DescribeDBClusterSnapshotsInput{DBClusterSnapshotIdentifier: new(nameIn(point))}, asRole)
	if err != nil || len(out.DBClusterSnapshots) == 0 {
		return progress{failed: "The snapshot is no longer available."}, err
	}
	n := &out.DBClusterSnapshots[0]
	return reached(text(n.Status), n.KmsKeyId, n.AllocatedStorage), nil
}

func (k clusters) share(ctx context.Context, point, account string, on bool) error {
	in := &rds.ModifyDBClusterSnapshotAttributeInput{DBClusterSnapshotIdentifier: new(nameIn(point)), AttributeName: new("restore")}
	in.ValuesToAdd, in.ValuesToRemove = share(account, on)
	_, err := k.agent.Client.Do(ctx, "rds", "ModifyDBClusterSnapshotAttribute", in, asRole)
	return err
}

// copy copies a snapshot. Of a cluster that is not encrypted the copy is not either.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html#copy-encryption.
func (k clusters) copy(ctx context.Context, j *CopyJob, keyARN string, tags map[string]string) (string, error) {
	in := &rds.CopyDBClusterSnapshotInput{
		SourceDBClusterSnapshotIdentifier: &j.Point, TargetDBClusterSnapshotIdentifier: jobSnapshot("copyjob", j.ID), KmsKeyId: rdsKey(keyARN), Tags: rdsTags(tags), SourceRegion: &j.Region,
	}
	if j.Plain {
		in.KmsKeyId = nil
	}
	out, err := do[rds.CopyDBClusterSnapshotOutput](ctx, k.agent, "rds", "CopyDBClusterSnapshot", in, asRole)
	if err != nil {
		return "", err
	}
	return text(out.DBClusterSnapshot.DBClusterSnapshotArn), nil
}

func (k clusters) remove(ctx context.Context, point string, f gate.Forward) error {
	_, err := k.agent.Client.Do(ctx, "rds", "DeleteDBClusterSnapshot", &rds.DeleteDBClusterSnapshotInput{DBClusterSnapshotIdentifier: new(nameIn(point))}, f)
	if gone(err) {
		return nil // somebody else did it
	}
	return err
}

// restore makes a cluster, without instances.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-aur.html.
func (k clusters) restore(ctx context.Context, j *RestoreJob, p *Point) (string, error) {
	in := &rds.RestoreDBClusterFromSnapshotInput{
		SnapshotIdentifier: new(nameIn(p.ARN)), DBClusterIdentifier: new(cmp.Or(j.Metadata["DBClusterIdentifier"], "awsbackup-"+strings.ToLower(j.ID))),
		Engine: new(cmp.Or(j.Metadata["Engine"], p.Metadata["Engine"])), KmsKeyId: unless(j.Metadata["KmsKeyId"]), Tags: rdsTags(j.Tags),
	}
	out, err := do[rds.RestoreDBClusterFromSnapshotOutput](ctx, k.agent, "rds", "RestoreDBClusterFromSnapshot", in, asRole)
	if err != nil {
		return "", err
	}
	return text(out.DBCluster.DBClusterArn), nil
}

func (k clusters) restored(ctx context.Context, created string) (progress, error) {
	out, err := do[rds.DescribeDBClustersOutput](ctx, k.agent, "rds", "DescribeDBClusters", &rds.DescribeDBClustersInput{DBClusterIdentifier: new(nameIn(created))}, asRole)
	if err != nil || len(out.DBClusters) == 0 {
		return progress{failed: noKey}, err
	}
	return reached(text(out.DBClusters[0].Status), out.DBClusters[0].KmsKeyId, nil), nil
}
