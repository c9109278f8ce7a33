package sandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/rds"
)

// rescue is how a database that was made under the default key comes into another
// account: a snapshot, its copy under a customer's key, which is shared, the other
// account's copy under its own key, and a database of that.
type rescue struct {
	*world
	cluster          bool
	dba, keeper      *rds.Client
	shared, own      string // keys
	snapshot         string // the ARN of the last copy
	snapshotKey, key string // of the last copy and of the restored database
}

// The steps of a rescue.
const (
	stepCreate   = "create"
	stepSnapshot = "snapshot"
	stepCopy     = "copy"
	stepShare    = "share"
	stepTake     = "take"
	stepRestore  = "restore"
)

// rights are what the two people need, by who needs them for what; those on keys are
// on one key each.
func rights(cluster bool) map[string][]string {
	if cluster {
		return map[string][]string{
			"dba":           {"rds:CreateDBCluster", "rds:CreateDBClusterSnapshot", "rds:CopyDBClusterSnapshot", "rds:ModifyDBClusterSnapshotAttribute", "iam:CreateServiceLinkedRole"},
			"dba on shared": {"kms:DescribeKey", "kms:CreateGrant"}, "keeper": {"rds:CopyDBClusterSnapshot", "rds:RestoreDBClusterFromSnapshot", "iam:CreateServiceLinkedRole"},
			"keeper on shared": {"kms:DescribeKey", "kms:CreateGrant"}, "keeper on own": {"kms:DescribeKey", "kms:CreateGrant"}, "policy of shared": {"kms:DescribeKey", "kms:CreateGrant"},
		}
	}
	return map[string][]string{
		"dba":           {"rds:CreateDBInstance", "rds:CreateDBSnapshot", "rds:CopyDBSnapshot", "rds:ModifyDBSnapshotAttribute", "iam:CreateServiceLinkedRole"},
		"dba on shared": {"kms:DescribeKey", "kms:CreateGrant"}, "keeper": {"rds:CopyDBSnapshot", "rds:RestoreDBInstanceFromDBSnapshot", "iam:CreateServiceLinkedRole"},
		"keeper on shared": {"kms:DescribeKey", "kms:CreateGrant"}, "keeper on own": {"kms:DescribeKey", "kms:CreateGrant"}, "policy of shared": {"kms:DescribeKey", "kms:CreateGrant"},
	}
}

func statementOn(resource string, actions []string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":["%s"],"Resource":%q}`, strings.Join(append([]string{"sts:GetCallerIdentity"}, actions...), `","`), resource)
}

// newRescue gives the two people their rights but for one, named "who: action".
func newRescue(t *testing.T, cluster bool, without string) *rescue {
	t.Helper()
	r := &rescue{world: newWorld(t), cluster: cluster}
	who, action, _ := strings.Cut(without, ": ")
	all := rights(cluster)
	all[who] = slices.DeleteFunc(all[who], func(a string) bool { return a == action })
	r.own = r.world.key(consumer, "")
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":["kms:Decrypt","%s"],"Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"rds.us-east-1.amazonaws.com"}}}]}`,
		owner, consumer, strings.Join(all["policy of shared"], `","`))
	r.shared = r.world.key(owner, policy)
	document := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	_, dba := r.user(owner, "dba", document(statementOn("*", all["dba"]), statementOn(r.shared, all["dba on shared"]), statementOn("arn:aws:kms:us-east-1:"+owner+":alias/aws/rds", nil)))
	_, keeper := r.user(consumer, "keeper", document(statementOn("*", all["keeper"]), statementOn(r.shared, all["keeper on shared"]), statementOn(r.own, all["keeper on own"])))
	r.dba, r.keeper = rds.NewFromConfig(dba), rds.NewFromConfig(keeper)
	return r
}

// run goes through the steps until one fails.
func (r *rescue) run() (step string, err error) {
	r.Helper()
	steps := []struct {
		name string
		do   func() error
	}{{stepCreate, r.create}, {stepSnapshot, r.snap}, {stepCopy, r.copy}, {stepShare, r.share}, {stepTake, r.take}, {stepRestore, r.again}}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return s.name, err
		}
		r.pass(10 * time.Second)
	}
	return "", nil
}

func (r *rescue) create() error {
	if r.cluster {
		_, err := r.dba.CreateDBCluster(r.Context(), &rds.CreateDBClusterInput{
			DBClusterIdentifier: new("orders"), Engine: new("aurora-postgresql"), MasterUsername: new("root"), MasterUserPassword: new("correct horse"), StorageEncrypted: new(true),
		})
		return err
	}
	_, err := r.dba.CreateDBInstance(r.Context(), &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: new("orders"), Engine: new("postgres"), DBInstanceClass: new("db.t3.micro"), AllocatedStorage: new(int32(20)), MasterUsername: new("root"),
		MasterUserPassword: new("correct horse"), StorageEncrypted: new(true),
	})
	return err
}

func (r *rescue) snap() error {
	if r.cluster {
		_, err := r.dba.CreateDBClusterSnapshot(r.Context(), &rds.CreateDBClusterSnapshotInput{DBClusterIdentifier: new("orders"), DBClusterSnapshotIdentifier: new("first")})
		return err
	}
	_, err := r.dba.CreateDBSnapshot(r.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: new("orders"), DBSnapshotIdentifier: new("first")})
	return err
}

func (r *rescue) copy() error {
	return r.copyBy(r.dba, "first", "shareable", r.shared)
}

func (r *rescue) copyBy(c *rds.Client, from, to, key string) error {
	if r.cluster {
		out, err := c.CopyDBClusterSnapshot(r.Context(), &rds.CopyDBClusterSnapshotInput{SourceDBClusterSnapshotIdentifier: &from, TargetDBClusterSnapshotIdentifier: &to, KmsKeyId: &key})
		if err == nil {
			r.snapshot, r.snapshotKey = *out.DBClusterSnapshot.DBClusterSnapshotArn, *out.DBClusterSnapshot.KmsKeyId
		}
		return err
	}
	out, err := c.CopyDBSnapshot(r.Context(), &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: &from, TargetDBSnapshotIdentifier: &to, KmsKeyId: &key})
	if err == nil {
		r.snapshot, r.snapshotKey = *out.DBSnapshot.DBSnapshotArn, *out.DBSnapshot.KmsKeyId
	}
	return err
}

func (r *rescue) share() error { return r.shareOf("shareable", consumer) }

func (r *rescue) shareOf(id, account string) error {
	if r.cluster {
		_, err := r.dba.ModifyDBClusterSnapshotAttribute(r.Context(), &rds.ModifyDBClusterSnapshotAttributeInput{DBClusterSnapshotIdentifier: &id, AttributeName: new("restore"), ValuesToAdd: []string{account}})
		return err
	}
	_, err := r.dba.ModifyDBSnapshotAttribute(r.Context(), &rds.ModifyDBSnapshotAttributeInput{DBSnapshotIdentifier: &id, AttributeName: new("restore"), ValuesToAdd: []string{account}})
	return err
}

func (r *rescue) take() error { return r.copyBy(r.keeper, r.snapshot, "rescued", r.own) }

func (r *rescue) again() error { return r.restoreOf("rescued") }

func (r *rescue) restoreOf(id string) error {
	if r.cluster {
		out, err := r.keeper.RestoreDBClusterFromSnapshot(r.Context(), &rds.RestoreDBClusterFromSnapshotInput{DBClusterIdentifier: new("orders-again"), Engine: new("aurora-postgresql"), SnapshotIdentifier: &id})
		if err == nil {
			r.key = *out.DBCluster.KmsKeyId
		}
		return err
	}
	out, err := r.keeper.RestoreDBInstanceFromDBSnapshot(r.Context(), &rds.RestoreDBInstanceFromDBSnapshotInput{DBInstanceIdentifier: new("orders-again"), DBSnapshotIdentifier: &id})
	if err == nil {
		r.key = *out.DBInstance.KmsKeyId
	}
	return err
}

// each runs a test for instances and for clusters.
func each(t *testing.T, test func(t *testing.T, cluster bool)) {
	for name, cluster := range map[string]bool{"instance": false, "cluster": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, cluster)
		})
	}
}

func TestADatabaseUnderTheDefaultKeyComesIntoAnotherAccountUnderThatAccountsKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cluster bool) {
		r := newRescue(t, cluster, "")
		if step, err := r.run(); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		if r.snapshotKey != r.own || r.key != r.own {
			t.Errorf("the last snapshot is under %s and the database under %s, want %s", r.snapshotKey, r.key, r.own)
		}
		// With the first account's key gone, the other account's database stays usable.
		need(r.kmsOf(r.root(owner)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &r.shared}))(t)
		r.pass(day)
		if cluster {
			got := *need(rds.NewFromConfig(r.root(consumer)).DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{}))(t).DBClusters[0].Status
			if got != "available" {
				t.Errorf("the cluster is %s", got)
			}
			return
		}
		got := need(rds.NewFromConfig(r.root(consumer)).DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{}))(t).DBInstances[0]
		if *got.DBInstanceStatus != "available" || *got.DBInstanceClass != "db.t3.micro" || *got.MasterUsername != "root" {
			t.Errorf("the instance is %s, %s of %s", *got.DBInstanceStatus, *got.DBInstanceClass, *got.MasterUsername)
		}
	})
}

// Each right that is needed is taken away in turn.
func TestARescueFailsWhereARightIsMissing(t *testing.T) {
	t.Parallel()
	const gone = "] does not exist, is not enabled or you do not have permissions to access it."
	each(t, func(t *testing.T, cluster bool) {
		target := "KMSKeyNotAccessibleFault: The target KMS key ["
		create, snapshot, cp, share, restore := "CreateDBInstance", "CreateDBSnapshot", "CopyDBSnapshot", "ModifyDBSnapshotAttribute", "RestoreDBInstanceFromDBSnapshot"
		if cluster {
			target = "KMSKeyNotAccessibleFault: Specified KMS key ["
			create, snapshot, cp, share, restore = "CreateDBCluster", "CreateDBClusterSnapshot", "CopyDBClusterSnapshot", "ModifyDBClusterSnapshotAttribute", "RestoreDBClusterFromSnapshot"
		}
		const source, noRole = "KMSKeyNotAccessibleFault: The source snapshot KMS key [", "InvalidParameterValue: Unable to create the resource. Verify that you have permission to create service linked role."
		denied := func(action string) string {
			return "because no identity-based policy allows the rds:" + action + " action"
		}
		cases := []struct{ without, step, want string }{
			{"dba: rds:" + create, stepCreate, denied(create)},
			{"dba: iam:CreateServiceLinkedRole", stepCreate, noRole},
			{"dba: rds:" + snapshot, stepSnapshot, denied(snapshot)},
			{"dba: rds:" + cp, stepCopy, denied(cp)},
			{"dba on shared: kms:DescribeKey", stepCopy, target + "SHARED" + gone},
			{"dba on shared: kms:CreateGrant", stepCopy, target + "SHARED" + gone},
			{"dba: rds:" + share, stepShare, denied(share)},
			{"keeper: rds:" + cp, stepTake, denied(cp)},
			{"keeper on shared: kms:DescribeKey", stepTake, source + "SHARED" + gone},
			{"keeper on shared: kms:CreateGrant", stepTake, source + "SHARED" + gone},
			{"policy of shared: kms:DescribeKey", stepTake, source + "SHARED" + gone},
			{"policy of shared: kms:CreateGrant", stepTake, source + "SHARED" + gone},
			{"keeper on own: kms:DescribeKey", stepTake, target + "OWN" + gone},
			{"keeper on own: kms:CreateGrant", stepTake, target + "OWN" + gone},
			{"keeper: rds:" + restore, stepRestore, denied(restore)},
			{"keeper: iam:CreateServiceLinkedRole", stepRestore, noRole},
		}
		covered := 0
		for _, list := range rights(cluster) {
			covered += len(list)
		}
		if covered != len(cases) {
			t.Errorf("%d rights, and %d of them are taken away", covered, len(cases))
		}
		for _, c := range cases {
			t.Run(c.without, func(t *testing.T) {
				t.Parallel()
				r := newRescue(t, cluster, c.without)
				step, err := r.run()
				want := strings.NewReplacer("SHARED", r.shared, "OWN", r.own).Replace(c.want)
				if got := refusal(err); step != c.step || !strings.Contains(got, want) {
					t.Errorf("fails at %q with %q\nwant %q with %q", step, got, c.step, want)
				}
			})
		}
	})
}

// What is refused of the wrong order: nothing comes out of the account under its
// default key, and nothing is restored of another account's encrypted snapshot.
func TestASnapshotUnderTheDefaultKeyIsNotSharedAndASharedEncryptedOneIsNotRestored(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, cluster bool) {
		r := newRescue(t, cluster, "")
		code := "InvalidDBSnapshotState"
		if cluster {
			code = "InvalidDBClusterSnapshotStateFault"
		}
		for _, do := range []func() error{r.create, r.snap} {
			if err := do(); err != nil {
				t.Fatal(err)
			}
			r.pass(10 * time.Second)
		}
		refused(t, r.shareOf("first", consumer), code, "default key")
		if err := r.copy(); err != nil {
			t.Fatal(err)
		}
		refused(t, r.shareOf("shareable", consumer), code, "not available")
		r.pass(10 * time.Second)
		refused(t, r.shareOf("shareable", "all"), code, "public")
		missing := "DBSnapshotNotFound"
		if cluster {
			missing = "DBClusterSnapshotNotFoundFault"
		}
		refused(t, r.take(), missing, "not found")
		if err := r.share(); err != nil {
			t.Fatal(err)
		}
		refused(t, r.restoreOf(r.snapshot), code, "copy")
		refused(t, r.copyBy(r.keeper, r.snapshot, "rescued", ""), "InvalidParameterValue", "KmsKeyId")
		refused(t, r.copyBy(rds.NewFromConfig(r.root(consumer)), r.snapshot, "by-root", r.own), "KMSKeyNotAccessibleFault", "The source snapshot KMS key ["+r.shared)
		if err := r.take(); err != nil {
			t.Fatal(err)
		}
	})
}
