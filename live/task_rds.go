package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/cloud"
)

// rdsLabor is how the operations of RDS and Aurora are done: what they make has the
// task's name as its identifier, which RDS keeps in small letters.
func rdsLabor(operation string) (labor, bool) {
	switch operation {
	case "rds:CreateDBSnapshot":
		return labor{look: lookDBSnapshot, start: createDBSnapshot, remove: removeDBSnapshot}, true
	case "rds:CopyDBSnapshot":
		return labor{look: lookDBSnapshot, start: copyDBSnapshot, remove: removeDBSnapshot}, true
	case "rds:ModifyDBSnapshotAttribute":
		return labor{look: lookDBShare, start: shareDBSnapshot, remove: unshareDBSnapshot}, true
	case "rds:RestoreDBInstanceFromDBSnapshot":
		return labor{look: lookDBInstance, start: restoreDBInstance, remove: removeDBInstance}, true
	case "rds:CreateDBClusterSnapshot":
		return labor{look: lookClusterSnapshot, start: createClusterSnapshot, remove: removeClusterSnapshot}, true
	case "rds:CopyDBClusterSnapshot":
		return labor{look: lookClusterSnapshot, start: copyClusterSnapshot, remove: removeClusterSnapshot}, true
	case "rds:ModifyDBClusterSnapshotAttribute":
		return labor{look: lookClusterShare, start: shareClusterSnapshot, remove: unshareClusterSnapshot}, true
	case "rds:RestoreDBClusterFromSnapshot":
		return labor{look: lookCluster, start: restoreCluster, remove: removeCluster}, true
	}
	return labor{}, false
}

// taskRDS is a client of RDS for a task.
func taskRDS(c aws.Config, region string) *rds.Client {
	return rds.NewFromConfig(c, func(o *rds.Options) {
		if region != "" {
			o.Region = region
		}
	})
}

func (w *work) rdsTags() (list []types.Tag) {
	keys, all := w.tags()
	for _, key := range keys {
		list = append(list, types.Tag{Key: &key, Value: new(all[key])})
	}
	return list
}

// rdsOwn reports whether tags say that the task made something: what only has its name
// is somebody else's.
func (w *work) rdsOwn(tags []types.Tag) bool {
	return slices.ContainsFunc(tags, func(t types.Tag) bool { return aws.ToString(t.Key) == cloud.TaskTag && aws.ToString(t.Value) == w.Name })
}

// rdsName is the identifier in an ARN of RDS, which may have colons itself.
func rdsName(id string) string {
	a, err := arn.Parse(id)
	if err != nil {
		return id
	}
	_, name, _ := strings.Cut(a.Resource, ":")
	return name
}

// rdsSource is how a copy or a restore names its source: as an ARN when it is of another
// account or Region, as RDS asks for.
func (w *work) rdsSource(kind string) string {
	account := w.SourceAccount
	if account == "" {
		account = w.Account
	}
	a, err := arn.Parse(w.Source)
	switch {
	case err == nil && a.Account == w.Account && a.Region == w.Region:
		return rdsName(w.Source) // to restore, RDS takes ARNs of shared snapshots only
	case err == nil || account == w.Account && !w.away():
		return w.Source
	}
	return fmt.Sprintf("arn:%s:rds:%s:%s:%s:%s", awsfacts.PartitionName(w.sourceRegion()), w.sourceRegion(), account, kind, w.Source)
}

// from is the Region for CopyDBSnapshot and its like, nil within a Region. The SDK signs
// the call to the other Region.
func (w *work) from() *string {
	if !w.away() {
		return nil
	}
	return &w.SourceRegion
}

// rdsProgress is how far a snapshot or a database is, by RDS's status.
func (w *work) rdsProgress(id, status *string, at *time.Time) cloud.Progress {
	p := cloud.Progress{ID: aws.ToString(id), State: aws.ToString(status), Percent: -1, Started: aws.ToTime(at)}
	switch {
	case p.State == "available":
		p.Done, p.Percent = true, 100
	case rdsBroken(p.State):
		p.Failed = w.Name + " is " + p.State
	}
	return p
}

// rdsBroken reports whether a status is one that RDS does not leave by itself.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html.
func rdsBroken(status string) bool {
	return status == "failed" || status == "restore-error" || strings.HasPrefix(status, "incompatible-") || strings.HasPrefix(status, "inaccessible-encryption-credentials")
}

// whyRDS puts what RDS tells of a failure behind its status.
func (w *work) whyRDS(ctx context.Context, p *cloud.Progress, kind types.SourceType) error {
	if p.Failed == "" {
		return nil
	}
	out, err := taskRDS(w.own, "").DescribeEvents(ctx, &rds.DescribeEventsInput{SourceIdentifier: new(strings.ToLower(w.Name)), SourceType: kind, Duration: new(int32(1440))})
	if err != nil {
		return w.failed(err, "rds:DescribeEvents")
	}
	if n := len(out.Events); n > 0 {
		p.Failed += ": " + aws.ToString(out.Events[n-1].Message)
	}
	return nil
}

// dbSnapshot finds a snapshot by identifier or ARN; nil is none.
func (w *work) dbSnapshot(ctx context.Context, id, region string) (*types.DBSnapshot, error) {
	out, err := taskRDS(w.own, region).DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: &id, IncludeShared: new(strings.HasPrefix(id, "arn:"))})
	if err = w.gone(w.failed(err, "rds:DescribeDBSnapshots")); err != nil || out == nil || len(out.DBSnapshots) == 0 {
		return nil, err
	}
	return &out.DBSnapshots[0], nil
}

func lookDBSnapshot(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	n, err := w.dbSnapshot(ctx, w.Name, "")
	if err != nil || n == nil || !w.rdsOwn(n.TagList) || aws.ToString(n.Status) == "deleting" {
		return cloud.Progress{}, false, err
	}
	p := w.dbSnapshotProgress(ctx, n)
	return p, true, w.whyRDS(ctx, &p, types.SourceTypeDbSnapshot)
}

func (w *work) dbSnapshotProgress(ctx context.Context, n *types.DBSnapshot) cloud.Progress {
	p := w.rdsProgress(n.DBSnapshotArn, n.Status, n.SnapshotCreateTime)
	if !p.Done && n.PercentProgress != nil {
		p.Percent = int(*n.PercentProgress)
	}
	if w.Operation == "rds:CopyDBSnapshot" {
		source, err := w.dbSnapshot(ctx, w.rdsSource("snapshot"), w.sourceRegion())
		p.FullCopy = err == nil && source != nil && !sameKey(aws.ToString(source.KmsKeyId), aws.ToString(n.KmsKeyId))
	}
	return p
}

func createDBSnapshot(ctx context.Context, w *work) (cloud.Progress, error) {
	out, err := taskRDS(w.actor, "").CreateDBSnapshot(ctx, &rds.CreateDBSnapshotInput{DBInstanceIdentifier: new(rdsName(w.Source)), DBSnapshotIdentifier: &w.Name, Tags: w.rdsTags()})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return w.dbSnapshotProgress(ctx, out.DBSnapshot), nil
}

func copyDBSnapshot(ctx context.Context, w *work) (cloud.Progress, error) {
	out, err := taskRDS(w.actor, "").CopyDBSnapshot(ctx, &rds.CopyDBSnapshotInput{
		SourceDBSnapshotIdentifier: new(w.rdsSource("snapshot")), TargetDBSnapshotIdentifier: &w.Name, KmsKeyId: optional(w.Key), SourceRegion: w.from(), Tags: w.rdsTags(),
	})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return w.dbSnapshotProgress(ctx, out.DBSnapshot), nil
}

func removeDBSnapshot(ctx context.Context, w *work) error {
	_, found, err := lookDBSnapshot(ctx, w)
	if err != nil || !found {
		return err
	}
	_, err = taskRDS(w.own, "").DeleteDBSnapshot(ctx, &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: &w.Name})
	return w.failed(err, "rds:DeleteDBSnapshot")
}

// optional is nil for an empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// shared is the progress of sharing with all of a list.
func (w *work) shared(has func(string) bool) (cloud.Progress, bool, error) {
	if len(w.With) == 0 {
		return cloud.Progress{}, false, w.invalid(errors.New("the task "+w.Name+" shares with nobody"), cloud.Invalid)
	}
	for _, one := range w.With {
		if !has(one) {
			return cloud.Progress{}, false, nil
		}
	}
	return cloud.Progress{ID: w.Source, State: "shared", Percent: 100, Done: true}, true, nil
}

// sharing is the answer of a Start that shared.
func (w *work) sharing(err error) (cloud.Progress, error) {
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return cloud.Progress{ID: w.Source, State: "shared", Percent: 100, Done: true}, nil
}

// restoreAttribute names the accounts that may copy or restore a snapshot.
const restoreAttribute = "restore"

func lookDBShare(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	list, err := w.readersOfDB(ctx)
	if err != nil {
		return cloud.Progress{}, false, err
	}
	return w.shared(list.with)
}

// readersOfDB are the attributes of a snapshot.
type readersOfDB []types.DBSnapshotAttribute

// with reports whether the snapshot is shared with an account.
func (l readersOfDB) with(account string) bool {
	return slices.ContainsFunc(l, func(a types.DBSnapshotAttribute) bool {
		return aws.ToString(a.AttributeName) == restoreAttribute && slices.Contains(a.AttributeValues, account)
	})
}

func (w *work) readersOfDB(ctx context.Context) (readersOfDB, error) {
	out, err := taskRDS(w.own, "").DescribeDBSnapshotAttributes(ctx, &rds.DescribeDBSnapshotAttributesInput{DBSnapshotIdentifier: new(rdsName(w.Source))})
	if err != nil {
		return nil, w.failed(err, "rds:DescribeDBSnapshotAttributes")
	}
	return out.DBSnapshotAttributesResult.DBSnapshotAttributes, nil
}

func shareDBSnapshot(ctx context.Context, w *work) (cloud.Progress, error) {
	_, err := taskRDS(w.actor, "").ModifyDBSnapshotAttribute(ctx, &rds.ModifyDBSnapshotAttributeInput{
		DBSnapshotIdentifier: new(rdsName(w.Source)), AttributeName: new(restoreAttribute), ValuesToAdd: w.With,
	})
	return w.sharing(err)
}

func unshareDBSnapshot(ctx context.Context, w *work) error {
	list, err := w.readersOfDB(ctx)
	if err != nil || !slices.ContainsFunc(w.With, list.with) {
		return err
	}
	_, err = taskRDS(w.own, "").ModifyDBSnapshotAttribute(ctx, &rds.ModifyDBSnapshotAttributeInput{
		DBSnapshotIdentifier: new(rdsName(w.Source)), AttributeName: new(restoreAttribute), ValuesToRemove: w.With,
	})
	return w.failed(err, w.Operation)
}

func lookDBInstance(ctx context.Context, w *work) (cloud.Progress, bool, error) {
	out, err := taskRDS(w.own, "").DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &w.Name})
	if err = w.gone(w.failed(err, "rds:DescribeDBInstances")); err != nil || out == nil || len(out.DBInstances) == 0 {
		return cloud.Progress{}, false, err
	}
	d := &out.DBInstances[0]
	if !w.rdsOwn(d.TagList) || aws.ToString(d.DBInstanceStatus) == "deleting" {
		return cloud.Progress{}, false, nil
	}
	p := w.rdsProgress(d.DBInstanceArn, d.DBInstanceStatus, d.InstanceCreateTime)
	return p, true, w.whyRDS(ctx, &p, types.SourceTypeDbInstance)
}

func restoreDBInstance(ctx context.Context, w *work) (cloud.Progress, error) {
	out, err := taskRDS(w.actor, "").RestoreDBInstanceFromDBSnapshot(ctx, &rds.RestoreDBInstanceFromDBSnapshotInput{
		DBInstanceIdentifier: &w.Name, DBSnapshotIdentifier: new(w.rdsSource("snapshot")), Tags: w.rdsTags(),
		DBInstanceClass: optional(w.Args["dbInstanceClass"]), DBSubnetGroupName: optional(w.Args["dbSubnetGroupName"]),
		PubliclyAccessible: new(false), DeletionProtection: new(false),
	})
	if err != nil {
		return cloud.Progress{}, w.failed(err, w.Operation)
	}
	return w.rdsProgress(out.DBInstance.DBInstanceArn, out.DBInstance.DBInstanceStatus, out.DBInstance.InstanceCreateTime), nil
}

// removeDBInstance deletes the database without a last snapshot: it is one of a snapshot
// that is still there.
func removeDBInstance(ctx context.Context, w *work) error {
	_, found, err := lookDBInstance(ctx, w)
	if err != nil || !found {
		return err
	}
	_, err = taskRDS(w.own, "").DeleteDBInstance(ctx, &rds.DeleteDBInstanceInput{DBInstanceIdentifier: &w.Name, SkipFinalSnapshot: new(true), DeleteAutomatedBackups: new(true)})
	return w.failed(err, "rds:DeleteDBInstance")
}
