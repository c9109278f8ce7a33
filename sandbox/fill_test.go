package sandbox_test

import (
	"encoding/json"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	backuptypes "github.com/aws/aws-sdk-go-v2/service/backup/types"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	drstypes "github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox"
)

// Keys and things of an estate that fills a sandbox.
const (
	filledKey      = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
	filledClosed   = "arn:aws:kms:us-east-1:111122223333:key/99999999-2222-3333-4444-555555555555"
	filledMine     = "arn:aws:kms:us-east-1:444455556666:key/55555555-2222-3333-4444-555555555555"
	filledOrg      = "arn:aws:organizations::999999999999:organization/o-aaaaaaaaaa"
	filledPolicy   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::filled-bucket/*"}]}`
	filledAccess   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"backup:CopyIntoBackupVault","Resource":"*"}]}`
	filledLifetime = `{"Rules":[{"Expiration":{"Days":30},"Filter":{"Prefix":"logs/"},"ID":"logs","Status":"Enabled"}]}`
)

// open is the policy of a key that lets accounts do all.
func open(accounts ...string) string {
	roots := make([]string, len(accounts))
	for i, a := range accounts {
		roots[i] = "arn:aws:iam::" + a + ":root"
	}
	return jsonText(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": roots}, "Action": "kms:*", "Resource": "*"}}})
}

// filledResources are one or two of each type, with all that the services keep.
func filledResources() []estate.Resource {
	both := []string{consumer}
	at := func(kind, id, account, key string, attributes map[string]string, shared ...string) estate.Resource {
		return estate.Resource{Type: kind, ID: id, Account: account, Region: home, Key: key, SharedWith: shared, Attributes: attributes}
	}
	return []estate.Resource{
		at("ec2:Volume", "vol-00000000000000001", owner, filledKey, map[string]string{"size": "2", "note": "kept though no service knows it"}),
		at("ec2:Volume", "vol-00000000000000002", owner, "", nil),
		at("ec2:Snapshot", "snap-00000000000000001", owner, filledKey, map[string]string{"volumeSize": "3"}, both...),
		at("ec2:Snapshot", "snap-00000000000000002", owner, filledClosed, nil, both...),
		at("ec2:Snapshot", "snap-00000000000000003", owner, "", nil, "all"),
		at("ec2:Image", "ami-00000000000000001", owner, filledKey, map[string]string{"snapshots": "snap-00000000000000001"}, consumer, filledOrg),
		at("rds:DBInstance", "orders", owner, filledKey, map[string]string{"engine": "mysql"}),
		at("rds:DBCluster", "ledger", owner, filledKey, nil),
		at("rds:DBInstance", "ledger-1", owner, filledKey, map[string]string{"dbClusterIdentifier": "ledger", "engine": "aurora-postgresql"}),
		at("rds:DBSnapshot", "orders-first", owner, filledKey, nil, both...),
		at("rds:DBSnapshot", "closed-first", owner, filledClosed, nil, both...),
		at("rds:DBClusterSnapshot", "ledger-first", owner, filledKey, nil, both...),
		at("drs:ReplicationConfigurationTemplate", "rct-1111111111111111a", owner, filledKey, map[string]string{"ebsEncryption": "CUSTOM"}),
		at("drs:SourceServer", "s-1111111111111111a", owner, filledKey, map[string]string{"stagingArea.status": "NOT_EXTENDED"}),
		at("drs:SourceServer", "s-1111111111111111b", consumer, "", map[string]string{"stagingArea.status": "EXTENDED", "stagingArea.stagingSourceServerArn": "arn:aws:drs:us-east-1:111122223333:source-server/s-1111111111111111a"}),
		at("backup:BackupVault", "safe", consumer, filledMine, map[string]string{"accessPolicy": filledAccess}),
		at("backup:BackupVault", "safer", consumer, filledMine, map[string]string{"copyIntoAllowedFor": owner}),
		at("s3:Bucket", "filled-bucket", owner, filledKey, map[string]string{
			"policy": filledPolicy, "versioning": "Enabled", "encryption": "aws:kms", "publicAccessBlock": "true", "lifecycle": filledLifetime, "bucketKey": "true",
		}),
		at("s3:Bucket", "plain-bucket", consumer, "", map[string]string{"encryption": "AES256", "publicAccessBlock": "false", "bucketKey": "false"}),
		at("secretsmanager:Secret", "app/login", owner, filledKey, nil),
		at("ssm:Parameter", "/app/token", owner, filledKey, nil),
		at("ssm:Parameter", "plain", owner, "", map[string]string{"type": "String"}),
		at("sqs:Queue", "jobs", owner, filledKey, map[string]string{"kept": "as it came"}),
	}
}

func filledEstate(t *testing.T, resources []estate.Resource) *estate.Estate {
	t.Helper()
	type object = map[string]any
	key := func(arn, policy string) object { return object{"arn": arn, "policy": json.RawMessage(policy)} }
	return loaded(t, jsonText(object{
		"format_version": 1, "accounts": []object{{"id": owner}, {"id": consumer}}, "principals": []object{},
		"keys":      []object{key(filledKey, open(owner, consumer)), key(filledClosed, open(owner)), key(filledMine, open(consumer, owner))},
		"resources": resources,
	}))
}

// filledWorld is a world of the estate.
func filledWorld(t *testing.T, more ...estate.Resource) *world {
	t.Helper()
	return newWorldWith(t, sandbox.Options{Estate: filledEstate(t, append(filledResources(), more...))})
}

// held finds a resource of an estate.
func held(e *estate.Estate, kind, id string) *estate.Resource {
	for i := range e.Resources {
		if r := &e.Resources[i]; r.Type == kind && r.ID == id {
			return r
		}
	}
	return nil
}

// comesBack checks that an estate has the resources as they were given.
func comesBack(t *testing.T, e *estate.Estate, given []estate.Resource) {
	t.Helper()
	for _, want := range given {
		got := held(e, want.Type, want.ID)
		if got == nil {
			t.Errorf("%s %s is gone", want.Type, want.ID)
			continue
		}
		if got.Account != want.Account || got.Region != want.Region || got.Key != want.Key || !slices.Equal(got.SharedWith, want.SharedWith) || want.ARN != "" && got.ARN != want.ARN {
			t.Errorf("%s %s came back as %+v", want.Type, want.ID, *got)
		}
		for name, value := range want.Attributes {
			if got.Attributes[name] != value {
				t.Errorf("%s %s has %s %q, want %q", want.Type, want.ID, name, got.Attributes[name], value)
			}
		}
	}
}

func TestAFilledSandboxGivesTheEstateBack(t *testing.T) {
	t.Parallel()
	w := filledWorld(t)
	first := need(w.Estate())(t)
	comesBack(t, first, filledResources())
	if got := held(first, "backup:BackupVault", "safe").Attributes["copyIntoAllowedFor"]; got != owner {
		t.Errorf("the vault takes copies of %q", got)
	}
	// What came out fills another, and comes out of that the same.
	again := newWorldWith(t, sandbox.Options{Estate: loaded(t, jsonText(first))})
	second := need(again.Estate())(t)
	comesBack(t, second, first.Resources)
	if len(second.Resources) != len(first.Resources) {
		t.Errorf("%d resources became %d", len(first.Resources), len(second.Resources))
	}
}

func TestAFilledSandboxIsTheSameAfterARestart(t *testing.T) {
	t.Parallel()
	o := sandbox.Options{Estate: filledEstate(t, filledResources()), State: filepath.Join(t.TempDir(), "state")}
	var outs [2][]estate.Resource
	for i := range outs {
		s := need(sandbox.New(o))(t)
		outs[i] = need(s.Estate())(t).Resources
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	comesBack(t, &estate.Estate{Resources: outs[1]}, outs[0])
	comesBack(t, &estate.Estate{Resources: outs[1]}, filledResources())
}

func TestWhatIsDeletedDoesNotComeBack(t *testing.T) {
	t.Parallel()
	w := filledWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	need(c.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: new("vol-00000000000000001")}))(t)
	w.pass(time.Minute)
	if r := held(need(w.Estate())(t), "ec2:Volume", "vol-00000000000000001"); r != nil {
		t.Errorf("there is %+v", r)
	}
}

func TestWhatAnEstateLeavesOutIsMadeUpSensibly(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, sandbox.Options{Estate: filledEstate(t, []estate.Resource{
		{Type: "ec2:Snapshot", ARN: "arn:aws:ec2:eu-west-1::snapshot/snap-00000000000000009", Account: owner},
		{Type: "ec2:Image", ID: "ami-00000000000000009", Account: owner, Region: home, Key: filledKey},
		{Type: "ec2:Volume", Account: owner, Region: home},
		{Type: "rds:DBInstance", ID: "db", Account: owner, Region: home, Key: "arn:aws:kms:us-east-1:111122223333:alias/aws/rds"},
		{Type: "rds:DBInstance", ID: "strange", Account: owner, Region: home, Attributes: map[string]string{"engine": "db2-se"}},
		{Type: "backup:BackupVault", ID: "vault", Account: owner, Region: home},
		{Type: "secretsmanager:Secret", ARN: "arn:aws:secretsmanager:us-east-1:111122223333:secret:a-b-AbCdEf", Account: owner},
	})})
	e := need(w.Estate())(t)
	if r := held(e, "ec2:Snapshot", "snap-00000000000000009"); r == nil || r.Region != away || r.Attributes["volumeSize"] != "1" {
		t.Errorf("the snapshot is %+v", r)
	}
	image := held(e, "ec2:Image", "ami-00000000000000009")
	if n := held(e, "ec2:Snapshot", image.Attributes["snapshots"]); n == nil || n.Key != filledKey || image.Key != filledKey {
		t.Errorf("the image %+v consists of %+v", image, n)
	}
	for kind, id := range map[string]string{"rds:DBInstance": "db", "backup:BackupVault": "vault"} {
		if r := held(e, kind, id); r == nil || e.Key(r.Key) == nil || e.Key(r.Key).Manager != "AWS" {
			t.Errorf("%s is %+v", kind, r)
		}
	}
	if r := held(e, "rds:DBInstance", "strange"); r == nil || r.Attributes["engine"] != "db2-se" {
		t.Errorf("what the sandbox has no engine for is %+v", r)
	}
	if r := held(e, "secretsmanager:Secret", "a-b"); r == nil || r.ARN != "arn:aws:secretsmanager:us-east-1:111122223333:secret:a-b-AbCdEf" {
		t.Errorf("the secret is %+v", r)
	}
}

// Filling again leaves what the second estate does not speak of as it is.
func TestASecondFillAddsToTheFirst(t *testing.T) {
	t.Parallel()
	w := filledWorld(t)
	if err := w.Fill(&estate.Estate{FormatVersion: estate.FormatVersion, Resources: []estate.Resource{
		{Type: "ec2:Snapshot", ID: "snap-00000000000000001", Account: owner, Region: home, Key: filledMine, Attributes: map[string]string{"volumeSize": "7"}},
	}}); err != nil {
		t.Fatal(err)
	}
	e := need(w.Estate())(t)
	if r := held(e, "ec2:Snapshot", "snap-00000000000000001"); r.Key != filledMine || r.Attributes["volumeSize"] != "7" || len(r.SharedWith) != 0 {
		t.Errorf("the snapshot is %+v", r)
	}
	if r := held(e, "ec2:Volume", "vol-00000000000000001"); r == nil || r.Attributes["note"] == "" {
		t.Errorf("the volume is %+v", r)
	}
}

// What was copied of a snapshot is still there when the snapshot is filled anew and gone.
func TestACopyOfAFilledSnapshotOutlivesIt(t *testing.T) {
	t.Parallel()
	w := filledWorld(t)
	c, direct := ec2.NewFromConfig(w.root(owner)), ebs.NewFromConfig(w.root(owner))
	id := "snap-00000000000000001"
	block := func(of string) []byte {
		t.Helper()
		list := need(direct.ListSnapshotBlocks(t.Context(), &ebs.ListSnapshotBlocksInput{SnapshotId: &of}))(t)
		if len(list.Blocks) != 1 {
			t.Fatalf("%s has %d blocks", of, len(list.Blocks))
		}
		out := need(direct.GetSnapshotBlock(t.Context(), &ebs.GetSnapshotBlockInput{SnapshotId: &of, BlockIndex: list.Blocks[0].BlockIndex, BlockToken: list.Blocks[0].BlockToken}))(t)
		return need(io.ReadAll(out.BlockData))(t)
	}
	before := block(id)
	copied := *need(c.CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id, KmsKeyId: new(filledKey), Encrypted: new(true)}))(t).SnapshotId
	w.pass(time.Minute)
	if err := w.Fill(filledEstate(t, filledResources())); err != nil {
		t.Fatal(err)
	}
	need(c.DeregisterImage(t.Context(), &ec2.DeregisterImageInput{ImageId: new("ami-00000000000000001")}))(t)
	need(c.DeleteSnapshot(t.Context(), &ec2.DeleteSnapshotInput{SnapshotId: &id}))(t)
	if after := block(copied); len(after) != 512<<10 || !slices.Equal(after, before) {
		t.Errorf("the copy has %d bytes", len(after))
	}
}

func TestAnEstateWithAWrongValueFillsNothing(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]estate.Resource{
		"a size":      {Type: "ec2:Snapshot", ID: "snap-1", Account: owner, Attributes: map[string]string{"volumeSize": "much"}},
		"a lifecycle": {Type: "s3:Bucket", ID: "filled-bucket", Account: owner, Attributes: map[string]string{"lifecycle": "{"}},
	} {
		_, err := sandbox.New(sandbox.Options{Estate: filledEstate(t, []estate.Resource{r})})
		if err == nil || !strings.Contains(err.Error(), r.Type+" "+r.ID) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A filled snapshot opens where its key opens.
func TestAFilledSnapshotOpensOnlyWhereItsKeyDoes(t *testing.T) {
	t.Parallel()
	w := filledWorld(t)
	c := ec2.NewFromConfig(w.root(consumer))
	copyOf := func(id string) (ec2types.SnapshotState, string) {
		out, err := c.CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(home), SourceSnapshotId: &id, KmsKeyId: new(filledMine), Encrypted: new(true)})
		if err != nil {
			return "", refusal(err)
		}
		w.pass(time.Minute)
		n := need(c.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*out.SnapshotId}}))(t).Snapshots[0]
		return n.State, aws.ToString(n.StateMessage)
	}
	if is, why := copyOf("snap-00000000000000001"); is != ec2types.SnapshotStateCompleted {
		t.Errorf("under the key that lets the account in: %s %s", is, why)
	}
	if is, why := copyOf("snap-00000000000000002"); is != ec2types.SnapshotStateError || why != "Given key ID is not accessible" {
		t.Errorf("under the key that does not: %s %s", is, why)
	}
	if is, why := copyOf("snap-00000000000000003"); is != ec2types.SnapshotStateCompleted {
		t.Errorf("without a key, public: %s %s", is, why)
	}
}

// A filled volume can be attached and snapshotted, and a filled image launched.
func TestFilledVolumesAndImagesWork(t *testing.T) {
	t.Parallel()
	w := filledWorld(t)
	c := ec2.NewFromConfig(w.root(owner))
	ran := need(c.RunInstances(t.Context(), &ec2.RunInstancesInput{ImageId: new("ami-00000000000000001"), MinCount: new(int32(1)), MaxCount: new(int32(1)), Placement: &ec2types.Placement{AvailabilityZone: new(home + "a")}}))(t)
	instance := *ran.Instances[0].InstanceId
	w.pass(time.Minute)
	if got := w.stateOf(c, instance); got != "running" {
		t.Fatalf("the instance is %s", got)
	}
	volume := "vol-00000000000000001"
	need(c.AttachVolume(t.Context(), &ec2.AttachVolumeInput{Device: new("/dev/sdf"), InstanceId: &instance, VolumeId: &volume}))(t)
	w.pass(time.Minute)
	if v := need(c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{volume}}))(t).Volumes[0]; v.State != ec2types.VolumeStateInUse {
		t.Errorf("the volume is %s", v.State)
	}
	n := need(c.CreateSnapshot(t.Context(), &ec2.CreateSnapshotInput{VolumeId: &volume}))(t)
	if aws.ToString(n.KmsKeyId) != filledKey {
		t.Errorf("its snapshot is under %s", aws.ToString(n.KmsKeyId))
	}
}

func TestAFilledDatabaseSnapshotIsRestoredAndCopied(t *testing.T) {
	t.Parallel()
	w := filledWorld(t)
	mine := rds.NewFromConfig(w.root(owner))
	need(mine.RestoreDBInstanceFromDBSnapshot(t.Context(), &rds.RestoreDBInstanceFromDBSnapshotInput{DBInstanceIdentifier: new("again"), DBSnapshotIdentifier: new("orders-first")}))(t)
	need(mine.CreateDBSnapshot(t.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: new("orders"), DBSnapshotIdentifier: new("second")}))(t)
	need(mine.RestoreDBClusterFromSnapshot(t.Context(), &rds.RestoreDBClusterFromSnapshotInput{DBClusterIdentifier: new("again"), SnapshotIdentifier: new("ledger-first"), Engine: new("aurora-postgresql")}))(t)
	w.pass(time.Minute)
	if v := need(mine.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: new("again")}))(t).DBInstances[0]; *v.DBInstanceStatus != "available" || *v.KmsKeyId != filledKey || *v.Engine != "postgres" {
		t.Errorf("the restored database is %s under %s", *v.DBInstanceStatus, *v.KmsKeyId)
	}
	theirs := rds.NewFromConfig(w.admin(consumer))
	take := func(source string) error {
		return just(theirs.CopyDBSnapshot(t.Context(), &rds.CopyDBSnapshotInput{
			SourceDBSnapshotIdentifier: new("arn:aws:rds:us-east-1:111122223333:snapshot:" + source), TargetDBSnapshotIdentifier: new("copy-of-" + source), KmsKeyId: new(filledMine),
		}))
	}
	w.ends("under a key that lets the account in", take("orders-first"), "")
	w.ends("under one that does not", take("closed-first"), "["+filledClosed+"] does not exist, is not enabled or you do not have permissions to access it.")
}

// A filled vault takes copies from the accounts that its policy lets in.
func TestAFilledVaultTakesCopies(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	b.together()
	source, target := b.key(owner, admitting("kms:CreateGrant")), b.key(consumer, "")
	volume := estate.Resource{Type: "ec2:Volume", ID: "vol-00000000000000001", Account: owner, Region: home, Key: source}
	vault := func(account, name, key, from string) estate.Resource {
		return estate.Resource{Type: "backup:BackupVault", ID: name, Account: account, Region: home, Key: key, Attributes: map[string]string{"copyIntoAllowedFor": from}}
	}
	err := b.Fill(&estate.Estate{FormatVersion: estate.FormatVersion, Resources: []estate.Resource{volume, vault(owner, "daily", "", ""), vault(consumer, "safe", target, owner), vault(consumer, "shut", target, "")}})
	if err != nil {
		t.Fatal(err)
	}
	point := b.point(owner, "daily", "arn:aws:ec2:us-east-1:111122223333:volume/"+volume.ID, b.role)
	const vaults = "arn:aws:backup:us-east-1:444455556666:backup-vault:"
	if job := b.copy(owner, "daily", point, vaults+"safe", b.role); job.State != backuptypes.CopyJobStateCompleted {
		t.Errorf("into the vault that lets the account in: %s %s", job.State, aws.ToString(job.StatusMessage))
	}
	if job := b.copy(owner, "daily", point, vaults+"shut", b.role); job.State != backuptypes.CopyJobStateFailed {
		t.Errorf("into the one that does not: %s", job.State)
	}
}

func TestAFilledBucketKeepsWhatItsKeyAndPolicyLet(t *testing.T) {
	t.Parallel()
	w := filledWorld(t)
	mine := s3Of(w.root(owner))
	w.put(mine, "filled-bucket", "k", "text")
	out := need(mine.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new("filled-bucket"), Key: new("k")}))(t)
	if aws.ToString(out.SSEKMSKeyId) != filledKey || !aws.ToBool(out.BucketKeyEnabled) || out.VersionId == nil {
		t.Errorf("the object is under %s", aws.ToString(out.SSEKMSKeyId))
	}
	theirs := s3Of(w.root(consumer))
	if got := w.get(theirs, "filled-bucket", "k"); got != "text" {
		t.Errorf("whom policy and key let in: %q", got)
	}
	_, err := theirs.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("filled-bucket"), Key: new("k"), Body: strings.NewReader("x")})
	if got := refusal(err); !strings.HasPrefix(got, "AccessDenied") {
		t.Errorf("writing, which the policy does not let: %q", got)
	}
}

func TestFilledSecretsAndParametersOpen(t *testing.T) {
	t.Parallel()
	w := filledWorld(t, estate.Resource{Type: "secretsmanager:Secret", ID: "default", Account: owner, Region: home}, estate.Resource{Type: "ssm:Parameter", ID: "default", Account: owner, Region: home, Key: "alias/aws/ssm"})
	secrets, parameters := secretsmanager.NewFromConfig(w.root(owner)), ssm.NewFromConfig(w.root(owner))
	for _, id := range []string{"app/login", "default"} {
		if v := need(secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id}))(t); aws.ToString(v.SecretString) == "" {
			t.Errorf("the secret %s is empty", id)
		}
	}
	for _, name := range []string{"/app/token", "default", "plain"} {
		if v := need(parameters.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &name, WithDecryption: new(true)}))(t); aws.ToString(v.Parameter.Value) == "" {
			t.Errorf("the parameter %s is empty", name)
		}
	}
	w.ends("without the key", just(secretsmanager.NewFromConfig(second(w.user(owner, "keyless", statement("Allow", "secretsmanager:*")))).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: new("app/login")})), "Access to KMS is not allowed")
	e := need(w.Estate())(t)
	if k := held(e, "secretsmanager:Secret", "default").Key + held(e, "ssm:Parameter", "default").Key; k != "alias/aws/secretsmanageralias/aws/ssm" {
		t.Errorf("AWS's own keys are %q", k)
	}
}

func second[A, B any](_ A, b B) B { return b }

// A filled server is recoverable at once, and one that is extended is looked up where it
// is staged.
func TestAFilledSourceServerIsRecovered(t *testing.T) {
	t.Parallel()
	w := filledWorld(t)
	c := drs.NewFromConfig(w.root(owner))
	points := need(c.DescribeRecoverySnapshots(t.Context(), &drs.DescribeRecoverySnapshotsInput{SourceServerID: new("s-1111111111111111a")}))(t).Items
	if len(points) != 1 || len(points[0].EbsSnapshots) != 1 {
		t.Fatalf("the points are %+v", points)
	}
	if n := held(need(w.Estate())(t), "ec2:Snapshot", points[0].EbsSnapshots[0]); n == nil || n.Key != filledKey {
		t.Errorf("its snapshot is %+v", n)
	}
	admin := drs.NewFromConfig(w.admin(owner))
	need(admin.InitializeService(t.Context(), &drs.InitializeServiceInput{}))(t) // the roles, which the estate does not have
	const role = "arn:aws:iam::" + owner + ":role/aws-service-role/drs.amazonaws.com/AWSServiceRoleForElasticDisasterRecovery"
	policy := strings.Replace(open(owner), `"arn:aws:iam::`+owner+`:root"`, `"arn:aws:iam::`+owner+`:root","`+role+`"`, 1)
	need(w.kmsOf(w.root(owner)).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: new(filledKey), Policy: &policy}))(t) // the role has no other right on keys
	job := need(admin.StartRecovery(t.Context(), &drs.StartRecoveryInput{IsDrill: new(true), SourceServers: []drstypes.StartRecoveryRequestSourceServer{{SourceServerID: new("s-1111111111111111a"), RecoverySnapshotID: points[0].SnapshotID}}}))(t).Job
	w.pass(5 * time.Minute)
	jobs := need(admin.DescribeJobs(t.Context(), &drs.DescribeJobsInput{Filters: &drstypes.DescribeJobsRequestFilters{JobIDs: []string{*job.JobID}}}))(t).Items
	if jobs[0].Status != drstypes.JobStatusCompleted || jobs[0].ParticipatingServers[0].LaunchStatus != drstypes.LaunchStatusLaunched {
		log := need(admin.DescribeJobLogItems(t.Context(), &drs.DescribeJobLogItemsInput{JobID: job.JobID}))(t)
		t.Errorf("the recovery is %s: %s", jobs[0].ParticipatingServers[0].LaunchStatus, jsonText(log.Items))
	}
	servers := need(drs.NewFromConfig(w.root(consumer)).DescribeSourceServers(t.Context(), &drs.DescribeSourceServersInput{Filters: nil}))(t).Items
	if len(servers) != 1 || servers[0].StagingArea.Status != "EXTENSION_ERROR" {
		t.Errorf("without the role of the staging account it is %s", jsonText(servers))
	}
	unknown := newWorldWith(t, sandbox.Options{Estate: filledEstate(t, []estate.Resource{{Type: "drs:SourceServer", ID: "s-1", Account: owner, Region: home, Attributes: map[string]string{"stagingArea.status": "EXTENDED"}}})})
	servers = need(drs.NewFromConfig(unknown.root(owner)).DescribeSourceServers(t.Context(), &drs.DescribeSourceServersInput{}))(t).Items
	if len(servers) != 1 || servers[0].StagingArea.Status != "EXTENDED" {
		t.Errorf("of one that nobody knows where it is staged: %s", jsonText(servers))
	}
}

// Whoever rehearses goes from one thing that time brings to the next.
func TestTheClockCanGoToWhatIsDueNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if at, ok := w.NextDue(); ok {
		t.Errorf("in an empty sandbox something is due at %s", at)
	}
	c := ec2.NewFromConfig(w.root(owner))
	v := need(c.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(home + "a"), Size: new(int32(1))}))(t)
	if at, ok := w.NextDue(); ok { // else it is done already
		w.pass(max(0, at.Sub(w.Now())))
	}
	if got := need(c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{*v.VolumeId}}))(t).Volumes[0].State; got != ec2types.VolumeStateAvailable {
		t.Errorf("the volume is %s", got)
	}
	if at, ok := w.NextDue(); ok {
		t.Errorf("something is still due at %s", at)
	}
}

// Everything is in the estate, also what calls made.
func TestAnEstateHasWhatCallsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	c := ec2.NewFromConfig(w.root(owner))
	v := need(c.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(home + "a"), Size: new(int32(4)), Encrypted: new(true), KmsKeyId: &key}))(t)
	w.pass(time.Minute)
	n := *need(c.CreateSnapshot(t.Context(), &ec2.CreateSnapshotInput{VolumeId: v.VolumeId}))(t).SnapshotId
	w.pass(time.Minute)
	m := w.scalingImage(owner, key)
	w.bucket(owner, "made-by-call")
	need(secretsmanager.NewFromConfig(w.root(owner)).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: new("made"), SecretString: new("x"), KmsKeyId: &key}))(t)
	e := need(w.Estate())(t)
	for id, kind := range map[string]string{*v.VolumeId: "ec2:Volume", n: "ec2:Snapshot", m: "ec2:Image", "made": "secretsmanager:Secret"} {
		if r := held(e, kind, id); r == nil || r.Key != key {
			t.Errorf("%s is %+v", kind, r)
		}
	}
	if r := held(e, "s3:Bucket", "made-by-call"); r == nil || !maps.Equal(r.Attributes, map[string]string{"encryption": "AES256", "bucketKey": "false", "publicAccessBlock": "true"}) {
		t.Errorf("the bucket is %+v", r)
	}
}
