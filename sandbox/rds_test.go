package sandbox_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyreach/keyreach/sandbox"
)

// databases is a sandbox with what tests ask of its RDS.
type databases struct {
	*world
	*rds.Client // the owner's root user
}

func newDatabases(t *testing.T) *databases {
	t.Helper()
	w := newWorld(t)
	return &databases{w, rds.NewFromConfig(w.root(owner))}
}

func (d *databases) of(account string) *rds.Client { return rds.NewFromConfig(d.root(account)) }

// instance is a request for an instance; an empty key makes one that is not encrypted.
func instance(id, key string) *rds.CreateDBInstanceInput {
	in := &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: &id, Engine: new("postgres"), DBInstanceClass: new("db.t3.micro"), AllocatedStorage: new(int32(20)), MasterUsername: new("root"), MasterUserPassword: new("correct horse"),
	}
	if key != "" {
		in.StorageEncrypted, in.KmsKeyId = new(true), &key
	}
	return in
}

// create makes an instance and waits for it.
func (d *databases) create(id, key string) *types.DBInstance {
	d.Helper()
	need(d.CreateDBInstance(d.Context(), instance(id, key)))(d)
	d.pass(10 * time.Second)
	return d.get(id)
}

func (d *databases) get(id string) *types.DBInstance {
	d.Helper()
	return &need(d.DescribeDBInstances(d.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &id}))(d).DBInstances[0]
}

func (d *databases) status(id string) string { return *d.get(id).DBInstanceStatus }

// snap makes a snapshot and waits for it.
func (d *databases) snap(id, snapshot string) *types.DBSnapshot {
	d.Helper()
	n := need(d.CreateDBSnapshot(d.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: &id, DBSnapshotIdentifier: &snapshot}))(d).DBSnapshot
	d.pass(10 * time.Second)
	return n
}

func (d *databases) snapshots(c *rds.Client, in *rds.DescribeDBSnapshotsInput) (ids []string) {
	d.Helper()
	for _, n := range need(c.DescribeDBSnapshots(d.Context(), in))(d).DBSnapshots {
		ids = append(ids, *n.DBSnapshotIdentifier)
	}
	return ids
}

func (d *databases) share(snapshot string, with ...string) {
	d.Helper()
	need(d.ModifyDBSnapshotAttribute(d.Context(), &rds.ModifyDBSnapshotAttributeInput{DBSnapshotIdentifier: &snapshot, AttributeName: new("restore"), ValuesToAdd: with}))(d)
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestAnInstanceIsCreatedBackedUpStoppedStartedAndDeleted(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	made := need(d.CreateDBInstance(t.Context(), instance("Orders", "")))(t).DBInstance
	equal(t, "made", []string{*made.DBInstanceIdentifier, *made.DBInstanceStatus}, []string{"orders", "creating"})
	if made.Endpoint != nil || made.KmsKeyId != nil || *made.StorageEncrypted {
		t.Errorf("a new plain instance has the endpoint %v and the key %v", made.Endpoint, made.KmsKeyId)
	}
	_, err := d.CreateDBInstance(t.Context(), instance("orders", ""))
	refused(t, err, "DBInstanceAlreadyExists", "DB instance already exists")
	_, err = d.CreateDBSnapshot(t.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: new("orders"), DBSnapshotIdentifier: new("s")})
	refused(t, err, "InvalidDBInstanceState", "not currently in the available state")
	d.pass(3 * time.Second)
	equal(t, "after the creation", d.status("orders"), "backing-up")
	d.pass(2 * time.Second)
	equal(t, "after the backup", d.status("orders"), "available")
	if i := d.get("orders"); i.Endpoint == nil || *i.Endpoint.Port != 5432 || i.LatestRestorableTime == nil {
		t.Errorf("an available instance has the endpoint %v", i.Endpoint)
	}
	need(d.StopDBInstance(t.Context(), &rds.StopDBInstanceInput{DBInstanceIdentifier: new("orders")}))(t)
	equal(t, "stopping", d.status("orders"), "stopping")
	d.pass(3 * time.Second)
	equal(t, "stopped", d.status("orders"), "stopped")
	d.pass(7 * day)
	equal(t, "AWS starts it after seven days", d.status("orders"), "available")
	_, err = d.DeleteDBInstance(t.Context(), &rds.DeleteDBInstanceInput{DBInstanceIdentifier: new("orders")})
	refused(t, err, "InvalidParameterCombination", "FinalDBSnapshotIdentifier is required")
	need(d.DeleteDBInstance(t.Context(), &rds.DeleteDBInstanceInput{DBInstanceIdentifier: new("orders"), FinalDBSnapshotIdentifier: new("last")}))(t)
	equal(t, "deleting", d.status("orders"), "deleting")
	d.pass(10 * time.Second)
	_, err = d.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: new("orders")})
	refused(t, err, "DBInstanceNotFound", "DBInstance orders not found.")
	equal(t, "what is left", d.snapshots(d.Client, &rds.DescribeDBSnapshotsInput{}), []string{"last"})
}

func TestDeletionProtectionHoldsUntilItIsTakenOff(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	in := instance("orders", "")
	in.DeletionProtection = new(true)
	need(d.CreateDBInstance(t.Context(), in))(t)
	d.pass(10 * time.Second)
	gone := &rds.DeleteDBInstanceInput{DBInstanceIdentifier: new("orders"), SkipFinalSnapshot: new(true)}
	_, err := d.DeleteDBInstance(t.Context(), gone)
	refused(t, err, "InvalidParameterCombination", "Cannot delete protected DB Instance")
	need(d.ModifyDBInstance(t.Context(), &rds.ModifyDBInstanceInput{DBInstanceIdentifier: new("orders"), DeletionProtection: new(false), DBInstanceClass: new("db.m6g.large")}))(t)
	equal(t, "while it changes", d.status("orders"), "modifying")
	d.pass(2 * time.Second)
	equal(t, "changed", *d.get("orders").DBInstanceClass, "db.m6g.large")
	need(d.DeleteDBInstance(t.Context(), gone))(t)
}

func TestEveryNameOfAKeyEncryptsAndTheAnswerHasItsARN(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	full := d.key(owner, "")
	need(d.kmsOf(d.root(owner)).CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: new("alias/orders"), TargetKeyId: &full}))(t)
	_, id, _ := strings.Cut(full, "key/")
	for i, name := range []string{full, id, "alias/orders", "arn:aws:kms:us-east-1:" + owner + ":alias/orders"} {
		made := need(d.CreateDBInstance(t.Context(), instance(fmt.Sprintf("db%d", i), name)))(t).DBInstance
		equal(t, name, *made.KmsKeyId, full)
	}
	in := instance("plain", "")
	in.StorageEncrypted = new(true)
	made := need(d.CreateDBInstance(t.Context(), in))(t).DBInstance
	managed := need(d.kmsOf(d.root(owner)).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/aws/rds")}))(t).KeyMetadata
	equal(t, "the default key", *made.KmsKeyId, *managed.Arn)

	const end = "does not exist, is not enabled or you do not have permissions to access it."
	need(d.kmsOf(d.root(owner)).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &full}))(t)
	signing := *need(d.kmsOf(d.root(owner)).CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY"}))(t).KeyMetadata.Arn
	for _, name := range []string{full, "alias/none", d.key(consumer, ""), signing, strings.Replace(full, "us-east-1", "us-west-2", 1)} {
		_, err := d.CreateDBInstance(t.Context(), instance("refused", name))
		refused(t, err, "KMSKeyNotAccessibleFault", "Specified KMS key ["+name+"] "+end)
	}
}

func TestTheGrantsOfADatabaseEndWithIt(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	full := d.key(owner, "")
	made := d.create("orders", full)
	grants := func() []string {
		var list []string
		for _, g := range need(d.kmsOf(d.root(owner)).ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &full}))(t).Grants {
			list = append(list, aws.ToString(g.GranteeServicePrincipal)+aws.ToString(g.GranteePrincipal)+" "+g.Constraints.EncryptionContextSubset["aws:rds:db-id"])
		}
		return list
	}
	if got := grants(); len(got) != 1 || !strings.HasSuffix(got[0], *made.DbiResourceId) {
		t.Errorf("grants %v", got)
	}
	need(d.DeleteDBInstance(t.Context(), &rds.DeleteDBInstanceInput{DBInstanceIdentifier: new("orders"), SkipFinalSnapshot: new(true)}))(t)
	d.pass(10 * time.Second)
	equal(t, "grants of no database", grants(), nil)
}

func TestADatabaseStopsWithoutItsKeyAndIsLostAfterSevenDays(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	full := d.key(owner, "")
	d.create("one", full)
	d.create("two", full)
	keys := d.kmsOf(d.root(owner))
	need(keys.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &full}))(t)
	d.pass(time.Hour)
	equal(t, "at first", d.status("one"), "available")
	d.pass(2 * time.Hour)
	equal(t, "then", d.status("one"), "inaccessible-encryption-credentials-recoverable")
	_, err := d.StartDBInstance(t.Context(), &rds.StartDBInstanceInput{DBInstanceIdentifier: new("one")})
	refused(t, err, "KMSKeyNotAccessibleFault", full)
	need(keys.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &full}))(t)
	need(d.StartDBInstance(t.Context(), &rds.StartDBInstanceInput{DBInstanceIdentifier: new("one")}))(t)
	d.pass(8 * day)
	equal(t, "started in time", d.status("one"), "available")
	equal(t, "not started", d.status("two"), "inaccessible-encryption-credentials")
	_, err = d.StartDBInstance(t.Context(), &rds.StartDBInstanceInput{DBInstanceIdentifier: new("two")})
	refused(t, err, "InvalidDBInstanceState", "two")
	// A key that is usable again before RDS notices does no harm.
	need(keys.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &full}))(t)
	d.pass(time.Hour)
	need(keys.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &full}))(t)
	d.pass(day)
	equal(t, "back in time", d.status("one"), "available")
}

func TestAutomatedSnapshotsComeDailyGoWithTheirDaysAndAreNotSharedButCopied(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	in := instance("orders", "")
	in.BackupRetentionPeriod = new(int32(3))
	need(d.CreateDBInstance(t.Context(), in))(t)
	d.pass(10*day + time.Minute)
	automated := d.snapshots(d.Client, &rds.DescribeDBSnapshotsInput{SnapshotType: new("automated")})
	if len(automated) != 4 && len(automated) != 3 || !strings.HasPrefix(automated[0], "rds:orders-20") {
		t.Errorf("automated snapshots %v", automated)
	}
	newest := automated[len(automated)-1]
	_, err := d.ModifyDBSnapshotAttribute(t.Context(), &rds.ModifyDBSnapshotAttributeInput{DBSnapshotIdentifier: &newest, AttributeName: new("restore"), ValuesToAdd: []string{consumer}})
	refused(t, err, "InvalidDBSnapshotState", "utomated")
	_, err = d.DeleteDBSnapshot(t.Context(), &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: &newest})
	refused(t, err, "InvalidDBSnapshotState", "manual")
	copied := need(d.CopyDBSnapshot(t.Context(), &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: &newest, TargetDBSnapshotIdentifier: new("kept")}))(t).DBSnapshot
	equal(t, "the copy", *copied.SnapshotType, "manual")
	d.pass(10 * time.Second)
	d.share("kept", consumer)

	// A point in time, also of an instance whose backups were kept.
	restored := need(d.RestoreDBInstanceToPointInTime(t.Context(), &rds.RestoreDBInstanceToPointInTimeInput{
		SourceDBInstanceIdentifier: new("orders"), TargetDBInstanceIdentifier: new("earlier"), RestoreTime: new(d.Now().Add(-day)),
	}))(t).DBInstance
	equal(t, "the class", *restored.DBInstanceClass, "db.t3.micro")
	_, err = d.RestoreDBInstanceToPointInTime(t.Context(), &rds.RestoreDBInstanceToPointInTimeInput{
		SourceDBInstanceIdentifier: new("orders"), TargetDBInstanceIdentifier: new("older"), RestoreTime: new(d.Now().Add(-9 * day)),
	})
	refused(t, err, "InvalidParameterValue", "restor")
	need(d.DeleteDBInstance(t.Context(), &rds.DeleteDBInstanceInput{DBInstanceIdentifier: new("orders"), SkipFinalSnapshot: new(true), DeleteAutomatedBackups: new(false)}))(t)
	d.pass(time.Minute)
	backups := need(d.DescribeDBInstanceAutomatedBackups(t.Context(), &rds.DescribeDBInstanceAutomatedBackupsInput{DBInstanceIdentifier: new("orders")}))(t).DBInstanceAutomatedBackups
	if len(backups) != 1 || *backups[0].Status != "retained" {
		t.Fatalf("backups %v", backups)
	}
	need(d.RestoreDBInstanceToPointInTime(t.Context(), &rds.RestoreDBInstanceToPointInTimeInput{
		SourceDbiResourceId: backups[0].DbiResourceId, TargetDBInstanceIdentifier: new("orders"), UseLatestRestorableTime: new(true),
	}))(t)
	d.pass(4 * day)
	if left := need(d.DescribeDBInstanceAutomatedBackups(t.Context(), &rds.DescribeDBInstanceAutomatedBackupsInput{DbiResourceId: backups[0].DbiResourceId}))(t).DBInstanceAutomatedBackups; len(left) != 0 {
		t.Errorf("%d backups are left after their days", len(left))
	}
}

func TestASnapshotIsSeenByThoseThatItIsSharedWithAndByNobodyElse(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	d.create("orders", "")
	full := *d.snap("orders", "private").DBSnapshotArn
	theirs := d.of(consumer)
	none := func(when string) {
		t.Helper()
		_, err := theirs.DescribeDBSnapshots(t.Context(), &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: &full})
		refused(t, err, "DBSnapshotNotFound", "")
		equal(t, when, d.snapshots(theirs, &rds.DescribeDBSnapshotsInput{IncludeShared: new(true), IncludePublic: new(true)}), nil)
	}
	none("before")
	d.share("private", consumer)
	for what, in := range map[string]*rds.DescribeDBSnapshotsInput{
		"by ARN": {DBSnapshotIdentifier: &full}, "of the type": {SnapshotType: new("shared")}, "included": {IncludeShared: new(true)},
		"filtered": {IncludeShared: new(true), Filters: []types.Filter{{Name: new("snapshot-type"), Values: []string{"shared"}}}},
	} {
		equal(t, what, d.snapshots(theirs, in), []string{full})
	}
	equal(t, "not asked for", d.snapshots(theirs, &rds.DescribeDBSnapshotsInput{}), nil)
	_, err := theirs.DescribeDBSnapshotAttributes(t.Context(), &rds.DescribeDBSnapshotAttributesInput{DBSnapshotIdentifier: &full})
	refused(t, err, "DBSnapshotNotFound", "")
	_, err = theirs.DeleteDBSnapshot(t.Context(), &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: &full})
	refused(t, err, "DBSnapshotNotFound", "")
	equal(t, "in another Region", d.snapshots(rds.NewFromConfig(d.Root(consumer, "us-west-2")), &rds.DescribeDBSnapshotsInput{IncludeShared: new(true)}), nil)
	// A plain one is restored as it is shared.
	need(theirs.RestoreDBInstanceFromDBSnapshot(t.Context(), &rds.RestoreDBInstanceFromDBSnapshotInput{DBInstanceIdentifier: new("again"), DBSnapshotIdentifier: &full}))(t)
	need(d.ModifyDBSnapshotAttribute(t.Context(), &rds.ModifyDBSnapshotAttributeInput{DBSnapshotIdentifier: new("private"), AttributeName: new("restore"), ValuesToRemove: []string{consumer}}))(t)
	none("after")
	d.share("private", "all")
	equal(t, "public", d.snapshots(theirs, &rds.DescribeDBSnapshotsInput{SnapshotType: new("public")}), []string{full})
	equal(t, "public of one's own", d.snapshots(d.Client, &rds.DescribeDBSnapshotsInput{SnapshotType: new("public"), IncludePublic: new(true)}), []string{"private"})

	var many []string
	for i := range 20 {
		many = append(many, fmt.Sprintf("%012d", i+1))
	}
	_, err = d.ModifyDBSnapshotAttribute(t.Context(), &rds.ModifyDBSnapshotAttributeInput{DBSnapshotIdentifier: new("private"), AttributeName: new("restore"), ValuesToAdd: many})
	refused(t, err, "SharedSnapshotQuotaExceeded", "")
	_, err = d.ModifyDBSnapshotAttribute(t.Context(), &rds.ModifyDBSnapshotAttributeInput{DBSnapshotIdentifier: new("private"), AttributeName: new("restore"), ValuesToAdd: []string{"me"}})
	refused(t, err, "InvalidParameterValue", "me")
}

// The source Region is asked in the caller's name: a policy for the Region of the copy
// alone does not do.
func TestACopyInAnotherRegionNeedsAKeyThereAndTheRightInBoth(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	d.create("orders", d.key(owner, ""))
	full := *d.snap("orders", "first").DBSnapshotArn
	there := d.Root(owner, "us-west-2")
	west := rds.NewFromConfig(there)
	key := *need(d.kmsOf(there).CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata.Arn
	in := &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: &full, TargetDBSnapshotIdentifier: new("there"), SourceRegion: new(home)}
	_, err := west.CopyDBSnapshot(t.Context(), in)
	refused(t, err, "InvalidParameterValue", "Must specify new KMS key for cross region encrypted snapshot copy.")
	in.KmsKeyId = &key
	n := need(west.CopyDBSnapshot(t.Context(), in))(t).DBSnapshot
	equal(t, "the copy", []string{*n.KmsKeyId, *n.SourceRegion, *n.SourceDBSnapshotIdentifier, *n.Status}, []string{key, home, full, "creating"})

	admin := iam.NewFromConfig(d.root(owner))
	person, keys := d.user(owner, "person", "")
	narrow := func(condition string) {
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"},{"Effect":"Allow","Action":"rds:CopyDBSnapshot","Resource":"*","Condition":` + condition + `}]}`
		need(admin.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &person.name, PolicyName: new("own"), PolicyDocument: &policy}))(t)
	}
	keys.Region = "us-west-2"
	as := rds.NewFromConfig(keys)
	for condition, want := range map[string]string{
		`{"StringEquals":{"aws:RequestedRegion":"us-west-2"}}`:               "on resource: " + full + " because no identity-based policy allows the rds:CopyDBSnapshot action",
		`{"Bool":{"aws:ViaAWSService":"false"}}`:                             "on resource: " + full + " because no identity-based policy allows the rds:CopyDBSnapshot action",
		`{"StringEquals":{"aws:RequestedRegion":["us-west-2","us-east-1"]}}`: "",
	} {
		narrow(condition)
		in.TargetDBSnapshotIdentifier = new(fmt.Sprintf("by-%d", len(condition)))
		_, err := as.CopyDBSnapshot(t.Context(), in)
		d.ends(condition, err, want)
	}
}

func TestASnapshotCopiedWithoutAKeyStaysAsItIsAndAPlainOneIsEncryptedByACopy(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	key := d.key(owner, "")
	d.create("orders", key)
	d.create("plain", "")
	d.snap("orders", "encrypted")
	d.snap("plain", "open")
	cp := func(from, to, key string) *types.DBSnapshot {
		in := &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: &from, TargetDBSnapshotIdentifier: &to}
		if key != "" {
			in.KmsKeyId = &key
		}
		return need(d.CopyDBSnapshot(t.Context(), in))(t).DBSnapshot
	}
	same := cp("encrypted", "c1", "")
	equal(t, "under the same key", *same.KmsKeyId, key)
	equal(t, "where it comes from", *same.SourceDBSnapshotIdentifier, "arn:aws:rds:us-east-1:"+owner+":snapshot:encrypted")
	equal(t, "still plain", *cp("open", "c2", "").Encrypted, false)
	equal(t, "encrypted by the copy", *cp("open", "c3", key).KmsKeyId, key)
	_, err := d.CopyDBSnapshot(t.Context(), &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: new("open"), TargetDBSnapshotIdentifier: new("c3")})
	refused(t, err, "DBSnapshotAlreadyExists", "c3")
	_, err = d.CopyDBSnapshot(t.Context(), &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: new("c3"), TargetDBSnapshotIdentifier: new("c4")})
	refused(t, err, "InvalidDBSnapshotState", "not available")
	_, err = d.CopyDBSnapshot(t.Context(), &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: new("none"), TargetDBSnapshotIdentifier: new("c4")})
	refused(t, err, "DBSnapshotNotFound", "none")
}

func TestListsOfDatabasesAndSnapshotsHavePagesAndFilters(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	d.create("orders", "")
	in := instance("other", "")
	in.Engine, in.DBInstanceIdentifier = new("mysql"), new("other")
	need(d.CreateDBInstance(t.Context(), in))(t)
	for i := range 25 {
		d.snap("orders", fmt.Sprintf("s%02d", i))
	}
	_, err := d.DescribeDBSnapshots(t.Context(), &rds.DescribeDBSnapshotsInput{MaxRecords: new(int32(5))})
	refused(t, err, "InvalidParameterValue", "20 and 100")
	pages := rds.NewDescribeDBSnapshotsPaginator(d.Client, &rds.DescribeDBSnapshotsInput{MaxRecords: new(int32(20)), SnapshotType: new("manual")})
	var sizes []int
	for pages.HasMorePages() {
		sizes = append(sizes, len(need(pages.NextPage(t.Context()))(t).DBSnapshots))
	}
	equal(t, "pages", sizes, []int{20, 5})
	_, err = d.DescribeDBSnapshots(t.Context(), &rds.DescribeDBSnapshotsInput{Marker: new("nonsense")})
	refused(t, err, "InvalidParameterValue", "marker")
	for name, want := range map[string]int{"orders": 1, *d.get("other").DBInstanceArn: 1, "none": 0} {
		got := need(d.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{Filters: []types.Filter{{Name: new("db-instance-id"), Values: []string{name}}}}))(t).DBInstances
		equal(t, name, len(got), want)
	}
	got := need(d.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{Filters: []types.Filter{{Name: new("engine"), Values: []string{"mysql"}}}}))(t).DBInstances
	equal(t, "by engine", len(got), 1)
	_, err = d.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{Filters: []types.Filter{{Name: new("colour"), Values: []string{"red"}}}})
	refused(t, err, "InvalidParameterValue", "Unrecognized filter name: colour")
}

func TestTagsAreCopiedFilteredByAndAskedFor(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	in := instance("orders", "")
	in.Tags, in.CopyTagsToSnapshot = []types.Tag{{Key: new("team"), Value: new("sales")}}, new(true)
	person, keys := d.user(owner, "person", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["rds:CreateDBInstance","iam:CreateServiceLinkedRole"],"Resource":"*"},
		{"Effect":"Allow","Action":"rds:CreateDBSnapshot","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"sales"}}},
		{"Effect":"Allow","Action":"rds:CreateDBSnapshot","Resource":"arn:aws:rds:*:*:snapshot:*"}]}`)
	as := rds.NewFromConfig(keys)
	_, err := as.CreateDBInstance(t.Context(), in)
	d.ends("tagging is not allowed", err, "because no identity-based policy allows the rds:AddTagsToResource action")
	need(d.CreateDBInstance(t.Context(), in))(t)
	d.create("untagged", "")
	_, err = as.CreateDBSnapshot(t.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: new("untagged"), DBSnapshotIdentifier: new("u")})
	d.ends("a tag is missing", err, "User: "+person.arn+" is not authorized to perform: rds:CreateDBSnapshot on resource: arn:aws:rds:us-east-1:"+owner+":db:untagged because no identity-based policy allows the rds:CreateDBSnapshot action")
	n := need(as.CreateDBSnapshot(t.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: new("orders"), DBSnapshotIdentifier: new("s")}))(t).DBSnapshot
	d.pass(10 * time.Second)
	need(d.AddTagsToResource(t.Context(), &rds.AddTagsToResourceInput{ResourceName: n.DBSnapshotArn, Tags: []types.Tag{{Key: new("until"), Value: new("may")}}}))(t)
	need(d.RemoveTagsFromResource(t.Context(), &rds.RemoveTagsFromResourceInput{ResourceName: n.DBSnapshotArn, TagKeys: []string{"nothing"}}))(t)
	c := need(d.CopyDBSnapshot(t.Context(), &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: new("s"), TargetDBSnapshotIdentifier: new("c"), CopyTags: new(true)}))(t).DBSnapshot
	tags := need(d.ListTagsForResource(t.Context(), &rds.ListTagsForResourceInput{ResourceName: c.DBSnapshotArn}))(t).TagList
	equal(t, "tags of the copy", len(tags), 2)
	d.share("s", consumer)
	if seen := need(d.of(consumer).DescribeDBSnapshots(t.Context(), &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: n.DBSnapshotArn}))(t).DBSnapshots[0]; len(seen.TagList) != 0 {
		t.Errorf("another account sees the tags %v", seen.TagList)
	}
}

func TestPoliciesSeeWhatADatabaseIsToBe(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	_, keys := d.user(owner, "person", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":["rds:CreateDBInstance","rds:CreateDBCluster","rds:RestoreDBInstanceFromDBSnapshot"],"Resource":"*","Condition":{"Bool":{"rds:StorageEncrypted":"false"}}},
		{"Effect":"Deny","Action":"rds:CreateDBInstance","Resource":"*","Condition":{"StringEquals":{"rds:DatabaseEngine":"mysql"}}}]}`)
	as := rds.NewFromConfig(keys)
	_, err := as.CreateDBInstance(t.Context(), instance("orders", ""))
	d.ends("not encrypted", err, "with an explicit deny in an identity-based policy")
	in := instance("orders", "alias/aws/rds")
	in.Engine = new("mysql")
	_, err = as.CreateDBInstance(t.Context(), in)
	d.ends("mysql", err, "with an explicit deny in an identity-based policy")
	in.Engine = new("postgres")
	need(as.CreateDBInstance(t.Context(), in))(t)
	d.pass(10 * time.Second)
	d.snap("orders", "s")
	need(as.RestoreDBInstanceFromDBSnapshot(t.Context(), &rds.RestoreDBInstanceFromDBSnapshotInput{DBInstanceIdentifier: new("again"), DBSnapshotIdentifier: new("s")}))(t)

	// Amazon's own example: the default groups count as well.
	_, keys = d.user(owner, "narrow", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"rds:CreateDBInstance","Resource":"arn:aws:rds:*:`+owner+`:db:test*"}]}`)
	_, err = rds.NewFromConfig(keys).CreateDBInstance(t.Context(), instance("test1", ""))
	d.ends("the parameter group", err, "on resource: arn:aws:rds:us-east-1:"+owner+":pg:default.postgres17 because no identity-based policy allows the rds:CreateDBInstance action")
	_, err = rds.NewFromConfig(keys).DescribeDBSnapshots(t.Context(), &rds.DescribeDBSnapshotsInput{})
	d.ends("all snapshots", err, "on resource: arn:aws:rds:us-east-1:"+owner+":snapshot:* because no identity-based policy allows the rds:DescribeDBSnapshots action")
}

func TestAClusterHasMembersThatShareItsKeyStopAndGoBeforeIt(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	key := d.key(owner, "")
	need(d.CreateDBCluster(t.Context(), &rds.CreateDBClusterInput{
		DBClusterIdentifier: new("shop"), Engine: new("aurora-mysql"), MasterUsername: new("root"), MasterUserPassword: new("correct horse"), KmsKeyId: &key, StorageEncrypted: new(true),
	}))(t)
	for _, id := range []string{"shop-1", "shop-2"} {
		m := need(d.CreateDBInstance(t.Context(), &rds.CreateDBInstanceInput{DBInstanceIdentifier: &id, DBClusterIdentifier: new("shop"), Engine: new("aurora-mysql"), DBInstanceClass: new("db.r6g.large")}))(t).DBInstance
		equal(t, "the member's key", *m.KmsKeyId, key)
		d.pass(5 * time.Second)
	}
	cl := need(d.DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{DBClusterIdentifier: new("shop")}))(t).DBClusters[0]
	if *cl.Status != "available" || len(cl.DBClusterMembers) != 2 || !*cl.DBClusterMembers[0].IsClusterWriter || *cl.DBClusterMembers[0].DBInstanceIdentifier != "shop-1" || *cl.DBClusterMembers[1].IsClusterWriter {
		t.Errorf("the cluster %s has the members %v", *cl.Status, cl.DBClusterMembers)
	}
	_, err := d.CreateDBSnapshot(t.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: new("shop-1"), DBSnapshotIdentifier: new("s")})
	refused(t, err, "InvalidParameterValue", "member of a cluster")
	need(d.StopDBCluster(t.Context(), &rds.StopDBClusterInput{DBClusterIdentifier: new("shop")}))(t)
	d.pass(5 * time.Second)
	equal(t, "a member of a stopped cluster", d.status("shop-2"), "stopped")
	need(d.StartDBCluster(t.Context(), &rds.StartDBClusterInput{DBClusterIdentifier: new("shop")}))(t)
	d.pass(5 * time.Second)
	equal(t, "a member of a started cluster", d.status("shop-2"), "available")
	gone := &rds.DeleteDBClusterInput{DBClusterIdentifier: new("shop"), FinalDBSnapshotIdentifier: new("last")}
	_, err = d.DeleteDBCluster(t.Context(), gone)
	refused(t, err, "InvalidDBClusterStateFault", "still contains DB instances")
	for _, id := range []string{"shop-1", "shop-2"} {
		need(d.DeleteDBInstance(t.Context(), &rds.DeleteDBInstanceInput{DBInstanceIdentifier: &id}))(t)
	}
	need(d.DeleteDBCluster(t.Context(), gone))(t)
	d.pass(10 * time.Second)
	_, err = d.DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{DBClusterIdentifier: new("shop")})
	refused(t, err, "DBClusterNotFoundFault", "DBCluster shop not found.")
	again := need(d.RestoreDBClusterFromSnapshot(t.Context(), &rds.RestoreDBClusterFromSnapshotInput{DBClusterIdentifier: new("shop"), SnapshotIdentifier: new("last"), Engine: new("aurora-mysql"), KmsKeyId: new("alias/aws/rds")}))(t).DBCluster
	if *again.KmsKeyId == key {
		t.Error("the key that the restore names is not taken")
	}
}

func TestGroupsAreMadeUsedAndNotDeletedWhileTheyAre(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	need(d.CreateDBSubnetGroup(t.Context(), &rds.CreateDBSubnetGroupInput{DBSubnetGroupName: new("Private"), DBSubnetGroupDescription: new("x"), SubnetIds: []string{"subnet-1", "subnet-2"}}))(t)
	need(d.CreateDBParameterGroup(t.Context(), &rds.CreateDBParameterGroupInput{DBParameterGroupName: new("tuned"), DBParameterGroupFamily: new("postgres17"), Description: new("x")}))(t)
	need(d.ModifyDBParameterGroup(t.Context(), &rds.ModifyDBParameterGroupInput{DBParameterGroupName: new("tuned"), Parameters: []types.Parameter{{ParameterName: new("log_statement"), ParameterValue: new("all"), ApplyMethod: types.ApplyMethodImmediate}}}))(t)
	set := need(d.DescribeDBParameters(t.Context(), &rds.DescribeDBParametersInput{DBParameterGroupName: new("tuned"), Source: new("user")}))(t).Parameters
	if len(set) != 1 || *set[0].ParameterValue != "all" {
		t.Errorf("parameters %v", set)
	}
	in := instance("orders", "")
	in.DBSubnetGroupName, in.DBParameterGroupName = new("private"), new("tuned")
	need(d.CreateDBInstance(t.Context(), in))(t)
	equal(t, "the subnets", len(d.get("orders").DBSubnetGroup.Subnets), 2)
	_, err := d.DeleteDBSubnetGroup(t.Context(), &rds.DeleteDBSubnetGroupInput{DBSubnetGroupName: new("private")})
	refused(t, err, "InvalidDBSubnetGroupStateFault", "orders")
	_, err = d.DeleteDBParameterGroup(t.Context(), &rds.DeleteDBParameterGroupInput{DBParameterGroupName: new("tuned")})
	refused(t, err, "InvalidDBParameterGroupState", "orders")
	in = instance("wrong", "")
	in.Engine, in.DBParameterGroupName = new("mysql"), new("tuned")
	_, err = d.CreateDBInstance(t.Context(), in)
	refused(t, err, "InvalidParameterCombination", "DBParameterGroupFamily")
	need(d.DeleteDBInstance(t.Context(), &rds.DeleteDBInstanceInput{DBInstanceIdentifier: new("orders"), SkipFinalSnapshot: new(true)}))(t)
	d.pass(10 * time.Second)
	need(d.DeleteDBSubnetGroup(t.Context(), &rds.DeleteDBSubnetGroupInput{DBSubnetGroupName: new("private")}))(t)
	_, err = d.DescribeDBSubnetGroups(t.Context(), &rds.DescribeDBSubnetGroupsInput{DBSubnetGroupName: new("private")})
	refused(t, err, "DBSubnetGroupNotFoundFault", "private")
}

func TestEventsTellWhatHappenedInTheTimeThatIsAskedFor(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	d.create("orders", "")
	d.snap("orders", "s")
	messages := func(in *rds.DescribeEventsInput) (list []string) {
		for _, e := range need(d.DescribeEvents(t.Context(), in))(t).Events {
			list = append(list, *e.SourceIdentifier+": "+*e.Message)
		}
		return list
	}
	got := messages(&rds.DescribeEventsInput{SourceType: types.SourceTypeDbSnapshot, SourceIdentifier: new("s")})
	equal(t, "of the snapshot", got, []string{"s: Creating manual snapshot", "s: Manual snapshot created"})
	if all := messages(&rds.DescribeEventsInput{}); !slices.Contains(all, "orders: DB instance created") {
		t.Errorf("events %v", all)
	}
	d.pass(2 * time.Hour)
	equal(t, "of the last hour", messages(&rds.DescribeEventsInput{}), nil)
	if n := len(messages(&rds.DescribeEventsInput{Duration: new(int32(180))})); n < 3 {
		t.Errorf("%d events of the last three hours", n)
	}
	d.pass(30 * day)
	equal(t, "after 14 days", len(messages(&rds.DescribeEventsInput{SourceType: types.SourceTypeDbSnapshot, SourceIdentifier: new("s"), Duration: new(int32(60 * 24 * 40))})), 0)
	equal(t, "of another account", len(need(d.of(consumer).DescribeEvents(t.Context(), &rds.DescribeEventsInput{Duration: new(int32(20160))}))(t).Events), 0)
}

func TestWhatTheSandboxHasNotOfRDSIsRefusedAsSuch(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	in := instance("orders", "")
	in.ManageMasterUserPassword = new(true)
	_, err := d.CreateDBInstance(t.Context(), in)
	refused(t, err, "NotImplemented", "Secrets Manager")
	_, err = d.CreateDBCluster(t.Context(), &rds.CreateDBClusterInput{DBClusterIdentifier: new("c"), Engine: new("mysql"), MasterUsername: new("u"), MasterUserPassword: new("correct horse")})
	refused(t, err, "NotImplemented", "Aurora")
	_, err = d.CreateDBProxy(t.Context(), &rds.CreateDBProxyInput{DBProxyName: new("p"), EngineFamily: "MYSQL", RoleArn: new("r"), VpcSubnetIds: []string{"s"}, Auth: []types.UserAuthConfig{{}}})
	refused(t, err, "NotImplemented", "rds:CreateDBProxy")
	for id, code := range map[string]string{"1st": "InvalidParameterValue", "two--hyphens": "InvalidParameterValue", "ends-": "InvalidParameterValue"} {
		_, err := d.CreateDBInstance(t.Context(), instance(id, ""))
		refused(t, err, code, "Identifiers must begin with a letter")
	}
	in = instance("orders", "")
	in.EngineVersion = new("9.1")
	_, err = d.CreateDBInstance(t.Context(), in)
	refused(t, err, "InvalidParameterCombination", "Cannot find version 9.1 for postgres")
}

func TestDatabasesAndTheirSnapshotsSurviveARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	w := newWorldWith(t, sandbox.Options{State: file})
	d := &databases{w, rds.NewFromConfig(w.root(owner))}
	before := d.create("orders", d.key(owner, ""))
	d.snap("orders", "first")
	d.share("first", consumer)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again := newWorldWith(t, sandbox.Options{State: file})
	d = &databases{again, rds.NewFromConfig(again.root(owner))}
	after := d.get("orders")
	before.LatestRestorableTime, after.LatestRestorableTime = nil, nil
	if diff := cmp.Diff(before, after, cmpopts.IgnoreUnexported(types.DBInstance{}, types.Endpoint{}, types.DBSubnetGroup{}, types.PendingModifiedValues{}, types.DBParameterGroupStatus{}, types.OptionGroupMembership{})); diff != "" {
		t.Errorf("-before +after\n%s", diff)
	}
	equal(t, "shared snapshots", len(d.snapshots(d.of(consumer), &rds.DescribeDBSnapshotsInput{SnapshotType: new("shared")})), 1)
	d.pass(day)
	equal(t, "what was on the agenda is done", len(d.snapshots(d.Client, &rds.DescribeDBSnapshotsInput{SnapshotType: new("automated")})), 2)
}
