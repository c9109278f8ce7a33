package live_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	drstypes "github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/sandbox"
	agents "github.com/keyreach/keyreach/sandbox/drs"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

const (
	first  = "111122223333"
	second = "444455556666"
	home   = "us-east-1"
)

// need ends a test when a call that prepares it fails.
func need[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// shop is a sandbox in which an account has one of everything that collecting reads.
type shop struct {
	testing.TB
	*sandboxtest.Server
	key  string
	made map[string]string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{TB: t, Server: sandboxtest.Start(t, sandbox.Options{}), made: map[string]string{}}
	c := kms.NewFromConfig(s.Root(first, home))
	s.key = *need(c.CreateKey(t.Context(), &kms.CreateKeyInput{Tags: []kmstypes.Tag{{TagKey: new("app"), TagValue: new("shop")}}}))(t).KeyMetadata.Arn
	need(c.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: new("alias/shop"), TargetKeyId: &s.key}))(t)
	need(c.CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: &s.key, GranteePrincipal: new("arn:aws:iam::" + first + ":root"), Operations: []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt}}))(t)
	need(c.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: &s.key}))(t)
	s.people()
	s.volumes()
	s.databases()
	s.recovery()
	s.store()
	s.organization()
	return s
}

func (s *shop) pass(d time.Duration) {
	s.Helper()
	if err := s.Advance(d); err != nil {
		s.Fatal(err)
	}
}

func (s *shop) people() {
	c := iam.NewFromConfig(s.Root(first, home))
	need(c.CreateUser(s.Context(), &iam.CreateUserInput{UserName: new("ann"), PermissionsBoundary: new("arn:aws:iam::aws:policy/AdministratorAccess")}))(s)
	need(c.CreateGroup(s.Context(), &iam.CreateGroupInput{GroupName: new("readers")}))(s)
	need(c.PutGroupPolicy(s.Context(), &iam.PutGroupPolicyInput{GroupName: new("readers"), PolicyName: new("read"), PolicyDocument: new(allowing("kms:Decrypt"))}))(s)
	need(c.AddUserToGroup(s.Context(), &iam.AddUserToGroupInput{GroupName: new("readers"), UserName: new("ann")}))(s)
}

func allowing(actions ...string) string {
	text, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": actions, "Resource": "*"}}})
	return string(text)
}

func (s *shop) volumes() {
	c := ec2.NewFromConfig(s.Root(first, home))
	need(c.EnableEbsEncryptionByDefault(s.Context(), &ec2.EnableEbsEncryptionByDefaultInput{}))(s)
	need(c.ModifyEbsDefaultKmsKeyId(s.Context(), &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &s.key}))(s)
	v := need(c.CreateVolume(s.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(home + "a"), Size: new(int32(3)), Encrypted: new(true), KmsKeyId: &s.key}))(s)
	s.pass(time.Minute)
	n := need(c.CreateSnapshot(s.Context(), &ec2.CreateSnapshotInput{VolumeId: v.VolumeId}))(s)
	s.pass(time.Minute)
	s.made["snapshot"] = *n.SnapshotId
	need(c.ModifySnapshotAttribute(s.Context(), &ec2.ModifySnapshotAttributeInput{
		SnapshotId: n.SnapshotId, Attribute: ec2types.SnapshotAttributeNameCreateVolumePermission, OperationType: ec2types.OperationTypeAdd, UserIds: []string{second},
	}))(s)
	image := need(c.RegisterImage(s.Context(), &ec2.RegisterImageInput{
		Name: new("web"), Architecture: ec2types.ArchitectureValuesX8664, VirtualizationType: new("hvm"), RootDeviceName: new("/dev/xvda"),
		BlockDeviceMappings: []ec2types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &ec2types.EbsBlockDevice{SnapshotId: n.SnapshotId}}},
	}))(s)
	s.made["image"] = *image.ImageId
	need(c.ModifyImageAttribute(s.Context(), &ec2.ModifyImageAttributeInput{ImageId: image.ImageId, LaunchPermission: &ec2types.LaunchPermissionModifications{Add: []ec2types.LaunchPermission{{UserId: new(second)}}}}))(s)
}

func (s *shop) databases() {
	c := rds.NewFromConfig(s.Root(first, home))
	need(c.CreateDBInstance(s.Context(), &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: new("orders"), Engine: new("postgres"), DBInstanceClass: new("db.t3.micro"), AllocatedStorage: new(int32(20)), MasterUsername: new("root"),
		MasterUserPassword: new("correct horse"), StorageEncrypted: new(true), KmsKeyId: &s.key,
	}))(s)
	need(c.CreateDBCluster(s.Context(), &rds.CreateDBClusterInput{
		DBClusterIdentifier: new("stock"), Engine: new("aurora-postgresql"), MasterUsername: new("root"), MasterUserPassword: new("correct horse"), StorageEncrypted: new(true), KmsKeyId: &s.key,
	}))(s)
	s.pass(time.Hour)
	need(c.CreateDBSnapshot(s.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: new("orders"), DBSnapshotIdentifier: new("orders-1")}))(s)
	need(c.CreateDBClusterSnapshot(s.Context(), &rds.CreateDBClusterSnapshotInput{DBClusterIdentifier: new("stock"), DBClusterSnapshotIdentifier: new("stock-1")}))(s)
	s.pass(time.Hour)
	need(c.ModifyDBSnapshotAttribute(s.Context(), &rds.ModifyDBSnapshotAttributeInput{DBSnapshotIdentifier: new("orders-1"), AttributeName: new("restore"), ValuesToAdd: []string{second}}))(s)
	need(c.ModifyDBClusterSnapshotAttribute(s.Context(), &rds.ModifyDBClusterSnapshotAttributeInput{DBClusterSnapshotIdentifier: new("stock-1"), AttributeName: new("restore"), ValuesToAdd: []string{second}}))(s)
}

func (s *shop) recovery() {
	c := drs.NewFromConfig(s.Root(first, home))
	need(c.InitializeService(s.Context(), &drs.InitializeServiceInput{}))(s)
	t := need(c.CreateReplicationConfigurationTemplate(s.Context(), &drs.CreateReplicationConfigurationTemplateInput{
		EbsEncryption: drstypes.ReplicationConfigurationEbsEncryptionCustom, EbsEncryptionKeyArn: &s.key, AssociateDefaultSecurityGroup: new(true), CreatePublicIP: new(false),
		DataPlaneRouting: drstypes.ReplicationConfigurationDataPlaneRoutingPrivateIp, DefaultLargeStagingDiskType: drstypes.ReplicationConfigurationDefaultLargeStagingDiskTypeGp3,
		PitPolicy:                     []drstypes.PITPolicyRule{{Interval: aws.Int32(10), RetentionDuration: aws.Int32(60), Units: drstypes.PITPolicyRuleUnitsMinute, Enabled: new(true)}},
		ReplicationServerInstanceType: new("t3.small"), ReplicationServersSecurityGroupsIDs: []string{}, StagingAreaSubnetId: new("subnet-0123456789abcdef0"),
		StagingAreaTags: map[string]string{"purpose": "staging"}, UseDedicatedReplicationServer: new(false),
	}))(s)
	s.made["template"] = *t.ReplicationConfigurationTemplateID
	server, err := s.AddSourceServer(agents.Agent{Account: first, Region: home, Hostname: "web", Disks: []agents.AgentDisk{{Device: "/dev/xvda", Bytes: 1 << 30}}})
	s.made["server"] = *need(server, err)(s).SourceServerID
}

func (s *shop) store() {
	v := backup.NewFromConfig(s.Root(first, home))
	need(v.CreateBackupVault(s.Context(), &backup.CreateBackupVaultInput{BackupVaultName: new("safe"), EncryptionKeyArn: &s.key}))(s)
	need(v.PutBackupVaultAccessPolicy(s.Context(), &backup.PutBackupVaultAccessPolicyInput{
		BackupVaultName: new("safe"), Policy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + second + `:root"},"Action":"backup:CopyIntoBackupVault","Resource":"*"}]}`),
	}))(s)
	c := s3.NewFromConfig(s.Root(first, home), func(o *s3.Options) { o.UsePathStyle = true })
	need(c.CreateBucket(s.Context(), &s3.CreateBucketInput{Bucket: new("shop-data")}))(s)
	need(c.PutBucketEncryption(s.Context(), &s3.PutBucketEncryptionInput{Bucket: new("shop-data"), ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
		Rules: []s3types.ServerSideEncryptionRule{{BucketKeyEnabled: new(true), ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &s.key}}},
	}}))(s)
	need(c.PutBucketVersioning(s.Context(), &s3.PutBucketVersioningInput{Bucket: new("shop-data"), VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}))(s)
	need(c.PutBucketLifecycleConfiguration(s.Context(), &s3.PutBucketLifecycleConfigurationInput{Bucket: new("shop-data"), LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{
		Rules: []s3types.LifecycleRule{{ID: new("old"), Status: s3types.ExpirationStatusEnabled, Filter: &s3types.LifecycleRuleFilter{Prefix: new("")}, Expiration: &s3types.LifecycleExpiration{Days: new(int32(30))}}},
	}}))(s)
}

func (s *shop) organization() {
	c := organizations.NewFromConfig(s.Root(first, home))
	need(c.CreateOrganization(s.Context(), &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll}))(s)
	root := need(c.ListRoots(s.Context(), &organizations.ListRootsInput{}))(s).Roots[0].Id
	need(c.EnablePolicyType(s.Context(), &organizations.EnablePolicyTypeInput{RootId: root, PolicyType: orgtypes.PolicyTypeServiceControlPolicy}))(s)
	unit := need(c.CreateOrganizationalUnit(s.Context(), &organizations.CreateOrganizationalUnitInput{ParentId: root, Name: new("shops")}))(s).OrganizationalUnit.Id
	p := need(c.CreatePolicy(s.Context(), &organizations.CreatePolicyInput{
		Name: new("no-deletion"), Description: new(""), Type: orgtypes.PolicyTypeServiceControlPolicy,
		Content: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:ScheduleKeyDeletion","Resource":"*"}]}`),
	}))(s)
	need(c.AttachPolicy(s.Context(), &organizations.AttachPolicyInput{PolicyId: p.Policy.PolicySummary.Id, TargetId: unit}))(s)
}

// scope is the account in its Region.
func (s *shop) scope() live.Scope {
	return live.Scope{Accounts: []live.ScopeAccount{{ID: first, Name: "shop", Regions: []string{home}}}}
}

func resource(t *testing.T, e *estate.Estate, kind, id string) estate.Resource {
	t.Helper()
	i := slices.IndexFunc(e.Resources, func(r estate.Resource) bool { return r.Type == kind && r.ID == id })
	if i < 0 {
		t.Errorf("%s %s was not collected", kind, id)
		return estate.Resource{}
	}
	return e.Resources[i]
}

func TestEveryKindOfResourceIsCollected(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	e, stats := collect(t, roots(s.Server, nil), s.scope())
	at := func(r estate.Resource) estate.Resource {
		r.Account, r.Region = first, home
		r.Key = s.key
		return r
	}
	for _, want := range []estate.Resource{
		{Type: "ec2:Snapshot", ID: s.made["snapshot"], ARN: "arn:aws:ec2:us-east-1::snapshot/" + s.made["snapshot"], SharedWith: []string{second}, Attributes: map[string]string{"volumeSize": "3"}},
		{Type: "ec2:Image", ID: s.made["image"], ARN: "arn:aws:ec2:us-east-1::image/" + s.made["image"], SharedWith: []string{second}, Attributes: map[string]string{"snapshots": s.made["snapshot"]}},
		{Type: "rds:DBInstance", ID: "orders", ARN: "arn:aws:rds:us-east-1:111122223333:db:orders", Attributes: map[string]string{"engine": "postgres"}},
		{Type: "rds:DBCluster", ID: "stock", ARN: "arn:aws:rds:us-east-1:111122223333:cluster:stock", Attributes: map[string]string{"engine": "aurora-postgresql"}},
		{Type: "rds:DBSnapshot", ID: "orders-1", ARN: "arn:aws:rds:us-east-1:111122223333:snapshot:orders-1", SharedWith: []string{second}, Attributes: map[string]string{"engine": "postgres", "dbInstanceIdentifier": "orders", "snapshotType": "manual"}},
		{Type: "rds:DBClusterSnapshot", ID: "stock-1", ARN: "arn:aws:rds:us-east-1:111122223333:cluster-snapshot:stock-1", SharedWith: []string{second}, Attributes: map[string]string{"engine": "aurora-postgresql", "dbClusterIdentifier": "stock", "snapshotType": "manual"}},
		{Type: "drs:ReplicationConfigurationTemplate", ID: s.made["template"], ARN: "arn:aws:drs:us-east-1:111122223333:replication-configuration-template/" + s.made["template"], Attributes: map[string]string{"ebsEncryption": "CUSTOM"}},
		{Type: "drs:SourceServer", ID: s.made["server"], ARN: "arn:aws:drs:us-east-1:111122223333:source-server/" + s.made["server"]},
		{Type: "backup:BackupVault", ID: "safe", ARN: "arn:aws:backup:us-east-1:111122223333:backup-vault:safe"},
		{Type: "s3:Bucket", ID: "shop-data", ARN: "arn:aws:s3:::shop-data"},
	} {
		got := resource(t, e, want.Type, want.ID)
		switch want.Type {
		case "drs:SourceServer":
			want.Attributes = got.Attributes
			if got.Attributes["ebsEncryption"] != "CUSTOM" {
				t.Errorf("the server's attributes are %v", got.Attributes)
			}
		case "backup:BackupVault":
			want.Attributes = map[string]string{estate.VaultCopyFrom: second, estate.VaultAccessPolicy: got.Attributes[estate.VaultAccessPolicy]}
			if !strings.Contains(got.Attributes[estate.VaultAccessPolicy], "CopyIntoBackupVault") {
				t.Errorf("the vault's access policy is %q", got.Attributes[estate.VaultAccessPolicy])
			}
		case "s3:Bucket":
			want.Attributes = map[string]string{
				estate.BucketEncryption: "aws:kms", estate.BucketKeyOn: "true", estate.BucketVersioning: "Enabled", estate.BucketPublicAccess: "true",
				estate.BucketLifecycle: `{"Rules":[{"Expiration":{"Days":30},"Filter":{"Prefix":""},"ID":"old","Status":"Enabled"}]}`,
			}
		}
		if d := cmp.Diff(at(want), got); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", want.Type, want.ID, d)
		}
	}
	if d := e.Account(first).EBSDefaults[home]; !d.Encrypt || d.Key != s.key {
		t.Errorf("the EBS default is %+v", d)
	}
	if k := e.Key(s.key); k.Rotation != "on" || len(k.Grants) == 0 || k.Tags["app"] != "shop" || !slices.Equal(k.Aliases, []string{"alias/shop"}) {
		t.Errorf("the key is %+v", k)
	}
	if p := e.Principal("arn:aws:iam::" + first + ":user/ann"); p == nil || p.Boundary == nil || len(p.Policies) != 1 || p.Policies[0].Kind != "group" || p.Policies[0].Group != "readers" {
		t.Errorf("the user is %+v", p)
	}
	if u := e.Organization.Root.Units; len(u) != 1 || !slices.Contains(u[0].SCPs, "no-deletion") || e.Organization.Policies["no-deletion"] == nil {
		t.Errorf("the organization is %+v", e.Organization)
	}
	if len(stats.Record.Unread) != 1 || stats.Record.Unread[0].Operation != "ec2:DescribeVpcEndpoints" { // which the sandbox has not
		t.Errorf("unread: %+v", stats.Record.Unread)
	}
}

func TestAKeyTakesAtMostFiveCalls(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	c := kms.NewFromConfig(s.Root(first, home))
	const keys = 12
	for range keys {
		need(c.CreateKey(t.Context(), &kms.CreateKeyInput{}))(t)
	}
	var f front
	_, stats := collect(t, roots(f.before(t, s), nil), live.Scope{Accounts: []live.ScopeAccount{{ID: first, Regions: []string{home}}}})
	perKey := map[string]int{}
	for _, r := range f.seen {
		var in struct{ KeyId string }
		if strings.HasPrefix(r.target, "TrentService.") && json.Unmarshal(r.body, &in) == nil && in.KeyId != "" {
			perKey[in.KeyId]++
		}
	}
	if len(perKey) < keys {
		t.Fatalf("the server saw calls for %d keys, want %d", len(perKey), keys)
	}
	most := slices.Max(slices.Collect(maps.Values(perKey)))
	if most != 5 || stats.KeyCallsMax != most {
		t.Errorf("the server saw up to %d calls for a key and the Stats say %d, want 5", most, stats.KeyCallsMax)
	}
	total := 0
	for _, n := range perKey {
		total += n
	}
	if mean := float64(total) / float64(len(perKey)); stats.KeyCallsMean != mean {
		t.Errorf("the server saw %v calls for each key, and the Stats say %v", mean, stats.KeyCallsMean)
	}
	if got, want := stats.Total(), len(f.seen)-1; got != want { // one asks who is calling
		t.Errorf("the Stats say %d calls, and the server saw %d", got, want)
	}
}

func TestCollectingTwiceGivesTheSame(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := roots(s.Server, nil)
	collect(t, c, s.scope()) // the first has AWS make keys that it did not have
	var texts []string
	for _, atOnce := range []int{1, 16} {
		scope := s.scope()
		scope.Concurrency = atOnce
		e, _ := collect(t, c, scope)
		e.CollectedAt = nil
		texts = append(texts, string(need(e.AppendJSON(nil))(t)))
	}
	if texts[0] != texts[1] {
		t.Errorf("collecting differs (-first +second):\n%s", cmp.Diff(texts[0], texts[1]))
	}
	again, err := estate.Load("estate.json", []byte(texts[0]))
	if err != nil {
		t.Fatalf("what was collected is no estate: %v", err)
	}
	if text := string(need(again.AppendJSON(nil))(t)); text != texts[0] {
		t.Errorf("what was collected reads back otherwise:\n%s", cmp.Diff(texts[0], text))
	}
}
