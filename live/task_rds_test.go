package live_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/cloud"
)

// aDatabase makes an encrypted database or Aurora cluster under the default key.
func (w *taskWorld) aDatabase(cluster bool) string {
	w.Helper()
	c := rds.NewFromConfig(w.root(taskOwner))
	var err error
	if cluster {
		_, err = c.CreateDBCluster(w.Context(), &rds.CreateDBClusterInput{
			DBClusterIdentifier: new("orders"), Engine: new("aurora-postgresql"), MasterUsername: new("root"), MasterUserPassword: new("correct horse"), StorageEncrypted: new(true),
		})
	} else {
		_, err = c.CreateDBInstance(w.Context(), &rds.CreateDBInstanceInput{
			DBInstanceIdentifier: new("orders"), Engine: new("postgres"), DBInstanceClass: new("db.t3.micro"), AllocatedStorage: new(int32(20)), MasterUsername: new("root"),
			MasterUserPassword: new("correct horse"), StorageEncrypted: new(true),
		})
	}
	w.well(err)
	w.pass(20 * time.Second)
	return "orders"
}

// rdsWords are the operations on instances or clusters.
type rdsWords struct{ create, copy, share, restore string }

func wordsOfRDS(cluster bool) rdsWords {
	if cluster {
		return rdsWords{"rds:CreateDBClusterSnapshot", "rds:CopyDBClusterSnapshot", "rds:ModifyDBClusterSnapshotAttribute", "rds:RestoreDBClusterFromSnapshot"}
	}
	return rdsWords{"rds:CreateDBSnapshot", "rds:CopyDBSnapshot", "rds:ModifyDBSnapshotAttribute", "rds:RestoreDBInstanceFromDBSnapshot"}
}

func (o rdsWords) all() []cloud.Task {
	return []cloud.Task{{Operation: o.create}, {Operation: o.copy}, {Operation: o.share}, {Operation: o.restore}}
}

func eachRDS(t *testing.T, test func(t *testing.T, cluster bool)) {
	for name, cluster := range map[string]bool{"instance": false, "cluster": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, cluster)
		})
	}
}

func TestADatabaseIsMovedToAnotherAccountByTasks(t *testing.T) {
	t.Parallel()
	eachRDS(t, func(t *testing.T, cluster bool) {
		o := wordsOfRDS(cluster)
		w := newTaskWorld(t, o.all()...)
		source := w.aDatabase(cluster)
		shared, own, away := w.key(taskOwner, taskHome), w.key(taskConsumer, taskHome), w.key(taskOwner, taskAway)
		start := w.things()

		snapshot := taskIn(taskOwner, o.create, "Kr-first", cloud.Task{Source: source})
		made := w.works(snapshot)
		if made.FullCopy {
			t.Error("a snapshot is no copy")
		}
		beforeCopy := w.things()
		prepare := taskIn(taskOwner, o.copy, "kr-shareable", cloud.Task{Source: made.ID, Key: shared, Scenario: "own"})
		copied := w.works(prepare)
		if !copied.FullCopy || copied.Percent != 100 || copied.Started.IsZero() {
			t.Errorf("a copy under another key is %+v", copied)
		}

		share := taskIn(taskOwner, o.share, "kr-share", cloud.Task{Source: copied.ID, With: []string{taskConsumer}})
		w.works(share)
		beforeTaken := w.things()
		take := taskIn(taskConsumer, o.copy, "kr-taken", cloud.Task{Source: copied.ID, SourceAccount: taskOwner, Key: own, Scenario: "shared"})
		taken := w.works(take)
		beforeRestore := w.things()
		restore := taskIn(taskConsumer, o.restore, "kr-restored", cloud.Task{Source: taken.ID, Key: own})
		w.works(restore)
		elsewhere := taskIn(taskOwner, o.copy, "kr-away", cloud.Task{Source: lastOf(copied.ID), SourceRegion: taskHome, Key: away})
		elsewhere.Region = taskAway
		if p := w.works(elsewhere); !strings.Contains(p.ID, taskAway) {
			t.Errorf("the copy in another Region is %s", p.ID)
		}
		if err := w.mover.Remove(t.Context(), elsewhere); err != nil {
			t.Error(err)
		}

		w.leaves(restore, beforeRestore)
		w.leaves(take, beforeTaken)
		w.leaves(share, beforeTaken)
		w.leaves(prepare, beforeCopy)
		w.leaves(snapshot, start)
	})
}

// lastOf is the identifier in an ARN of RDS.
func lastOf(id string) string { return id[strings.LastIndexByte(id, ':')+1:] }

func TestACopyOfADatabaseSnapshotFailsAtTheCallWhenAKeyRefuses(t *testing.T) {
	t.Parallel()
	eachRDS(t, func(t *testing.T, cluster bool) {
		o := wordsOfRDS(cluster)
		w := newTaskWorld(t, o.all()...)
		first := w.works(taskIn(taskOwner, o.create, "kr-first", cloud.Task{Source: w.aDatabase(cluster)}))
		before := w.things()
		task := taskIn(taskOwner, o.copy, "kr-copy", cloud.Task{Source: lastOf(first.ID), Key: w.disabled(taskOwner)})
		w.fails(task, "KMSKeyNotAccessibleFault")
		w.leaves(task, before)
	})
}

func TestASnapshotOfTheSameNameThatNobodyTaggedIsNotTheTasks(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, cloud.Task{Operation: "rds:CreateDBSnapshot"})
	source := w.aDatabase(false)
	c := rds.NewFromConfig(w.root(taskOwner))
	_, err := c.CreateDBSnapshot(t.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: &source, DBSnapshotIdentifier: new("kr-theirs"), Tags: []rdstypes.Tag{{Key: new("team"), Value: new("orders")}}})
	w.well(err)
	before := w.things()
	task := taskIn(taskOwner, "rds:CreateDBSnapshot", "kr-theirs", cloud.Task{Source: source})
	w.pass(time.Minute)
	if _, err := w.mover.Start(t.Context(), task); cloud.KindOf(err) != cloud.Exists {
		t.Errorf("starting fails with %v", err)
	}
	w.leaves(task, before)
}
