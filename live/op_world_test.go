package live_test

import (
	"context"
	"errors"
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
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/sandbox"
	sandboxdrs "github.com/keyreach/keyreach/sandbox/drs"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// Two accounts of the tests of ops: the first owns the keys.
const (
	opOwner    = "111122223333"
	opConsumer = "444455556666"
	opHome     = "us-east-1"
	opAway     = "eu-west-1"
)

// opWorld is a sandbox, and a Cloud that reaches its accounts as their roots.
type opWorld struct {
	testing.TB
	*sandboxtest.Server
	cloud *live.Cloud
}

func newOpWorld(t testing.TB, o sandbox.Options) *opWorld {
	t.Helper()
	w := &opWorld{TB: t, Server: sandboxtest.Start(t, o)}
	w.cloud = w.open(nil)
	return w
}

// open is another Cloud, as of another process. Without signIn its caller is the root
// of each account.
func (w *opWorld) open(signIn func(context.Context, string) (live.Keys, error)) *live.Cloud {
	if signIn == nil {
		signIn = func(_ context.Context, principal string) (live.Keys, error) {
			return live.Keys{AccessKeyID: principal, SecretAccessKey: "any"}, nil
		}
	}
	return live.Open(live.Options{Endpoint: w.URL, Region: opHome, SignIn: signIn, MaxAttempts: 1})
}

// opNeed ends the test when a call that prepares it fails.
func opNeed[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *opWorld) current(op estate.Op) estate.Op {
	w.Helper()
	return opNeed(w.cloud.Current(w.Context(), op))(w)
}

func (w *opWorld) perform(op estate.Op) map[string]string {
	w.Helper()
	return opNeed(w.cloud.Perform(w.Context(), op))(w)
}

func (w *opWorld) pass(by time.Duration) {
	w.Helper()
	if err := w.Advance(by); err != nil {
		w.Fatal(err)
	}
}

// key makes a key of an account in a Region.
func (w *opWorld) key(account, region string) string {
	w.Helper()
	return *opNeed(kms.NewFromConfig(w.Root(account, region)).CreateKey(w.Context(), &kms.CreateKeyInput{MultiRegion: new(true)}))(w).KeyMetadata.Arn
}

func (w *opWorld) role(account, name string) string {
	w.Helper()
	trust := opTrust(account)
	return *opNeed(iam.NewFromConfig(w.Root(account, opHome)).CreateRole(w.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))(w).Role.Arn
}

func opTrust(account string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"sts:AssumeRole"}]}`
}

// opKeyPolicy lets the owner do all, and others what is told.
func opKeyPolicy(others ...string) string {
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + opOwner + `:root"},"Action":"kms:*","Resource":"*"}`
	if len(others) > 0 {
		text += `,{"Effect":"Allow","Principal":{"AWS":["` + strings.Join(others, `","`) + `"]},"Action":["kms:Decrypt","kms:CreateGrant","kms:ListGrants"],"Resource":"*"}`
	}
	return text + `]}`
}

func (w *opWorld) bucket(name string) string {
	w.Helper()
	w.perform(&estate.NewBucket{Bucket: name, Account: opOwner, Region: opHome})
	return name
}

func (w *opWorld) vault(name string) string {
	w.Helper()
	opNeed(backup.NewFromConfig(w.Root(opOwner, opHome)).CreateBackupVault(w.Context(), &backup.CreateBackupVaultInput{BackupVaultName: &name, EncryptionKeyArn: new(w.key(opOwner, opHome))}))(w)
	return name
}

func (w *opWorld) snapshot() string {
	w.Helper()
	api := ec2.NewFromConfig(w.Root(opOwner, opHome))
	volume := opNeed(api.CreateVolume(w.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(opHome + "a"), Size: new(int32(1)), Encrypted: new(true), KmsKeyId: new(w.key(opOwner, opHome))}))(w).VolumeId
	w.pass(time.Minute)
	id := *opNeed(api.CreateSnapshot(w.Context(), &ec2.CreateSnapshotInput{VolumeId: volume}))(w).SnapshotId
	w.pass(time.Hour)
	return id
}

func (w *opWorld) image() string {
	w.Helper()
	id := w.snapshot()
	return *opNeed(ec2.NewFromConfig(w.Root(opOwner, opHome)).RegisterImage(w.Context(), &ec2.RegisterImageInput{
		Name: new("golden"), Architecture: ec2types.ArchitectureValuesX8664, VirtualizationType: new("hvm"), RootDeviceName: new("/dev/xvda"), EnaSupport: new(true),
		BlockDeviceMappings: []ec2types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &ec2types.EbsBlockDevice{SnapshotId: &id}}},
	}))(w).ImageId
}

// narrowed is a Cloud whose callers are sessions of roles that may do anything, narrowed
// by the policies of their accounts.
func (w *opWorld) narrowed(policies map[string]string) *live.Cloud {
	w.Helper()
	const all = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	sessions := map[string]live.Keys{}
	for account, policy := range policies {
		api := iam.NewFromConfig(w.Root(account, opHome))
		role := w.role(account, "apply")
		opNeed(api.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: new("apply"), PolicyName: new("all"), PolicyDocument: new(all)}))(w)
		opNeed(api.CreateUser(w.Context(), &iam.CreateUserInput{UserName: new("admin")}))(w) // the root user assumes no roles
		opNeed(api.PutUserPolicy(w.Context(), &iam.PutUserPolicyInput{UserName: new("admin"), PolicyName: new("all"), PolicyDocument: new(all)}))(w)
		k := opNeed(api.CreateAccessKey(w.Context(), &iam.CreateAccessKeyInput{UserName: new("admin")}))(w).AccessKey
		admin := sts.NewFromConfig(w.As(opHome, *k.AccessKeyId, *k.SecretAccessKey, ""))
		c := opNeed(admin.AssumeRole(w.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: new("keyreach"), Policy: &policy}))(w).Credentials
		sessions[account] = live.Keys{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
	}
	return w.open(func(_ context.Context, principal string) (live.Keys, error) {
		k, ok := sessions[principal]
		if !ok {
			return k, errors.New("nobody is narrowed in " + principal)
		}
		return k, nil
	})
}

// organization makes one with a unit, and returns their ARNs.
func (w *opWorld) organization() (all, unit string) {
	w.Helper()
	api := organizations.NewFromConfig(w.Root(opOwner, opHome))
	all = *opNeed(api.CreateOrganization(w.Context(), &organizations.CreateOrganizationInput{}))(w).Organization.Arn
	root := opNeed(api.ListRoots(w.Context(), &organizations.ListRootsInput{}))(w).Roots[0].Id
	return all, *opNeed(api.CreateOrganizationalUnit(w.Context(), &organizations.CreateOrganizationalUnitInput{ParentId: root, Name: new("unit")}))(w).OrganizationalUnit.Arn
}

func (w *opWorld) dbSnapshot() string {
	w.Helper()
	api := rds.NewFromConfig(w.Root(opOwner, opHome))
	opNeed(api.CreateDBInstance(w.Context(), &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: new("db"), Engine: new("postgres"), DBInstanceClass: new("db.t3.micro"), AllocatedStorage: new(int32(20)),
		MasterUsername: new("root"), MasterUserPassword: new("correct horse"), StorageEncrypted: new(true), KmsKeyId: new(w.key(opOwner, opHome)),
	}))(w)
	w.pass(time.Hour)
	opNeed(api.CreateDBSnapshot(w.Context(), &rds.CreateDBSnapshotInput{DBInstanceIdentifier: new("db"), DBSnapshotIdentifier: new("nightly")}))(w)
	w.pass(time.Hour)
	return "nightly"
}

func (w *opWorld) clusterSnapshot() string {
	w.Helper()
	api := rds.NewFromConfig(w.Root(opOwner, opHome))
	opNeed(api.CreateDBCluster(w.Context(), &rds.CreateDBClusterInput{
		DBClusterIdentifier: new("shop"), Engine: new("aurora-mysql"), MasterUsername: new("root"), MasterUserPassword: new("correct horse"),
		StorageEncrypted: new(true), KmsKeyId: new(w.key(opOwner, opHome)),
	}))(w)
	w.pass(time.Hour)
	opNeed(api.CreateDBClusterSnapshot(w.Context(), &rds.CreateDBClusterSnapshotInput{DBClusterIdentifier: new("shop"), DBClusterSnapshotIdentifier: new("weekly")}))(w)
	w.pass(time.Hour)
	return "weekly"
}

// template initializes Elastic Disaster Recovery and returns its replication template.
func (w *opWorld) template() string {
	w.Helper()
	api := drs.NewFromConfig(w.Root(opOwner, opHome))
	opNeed(api.InitializeService(w.Context(), &drs.InitializeServiceInput{}))(w)
	return *opNeed(api.CreateReplicationConfigurationTemplate(w.Context(), &drs.CreateReplicationConfigurationTemplateInput{
		EbsEncryption: drstypes.ReplicationConfigurationEbsEncryptionDefault, AssociateDefaultSecurityGroup: new(true), CreatePublicIP: new(false),
		DataPlaneRouting:              drstypes.ReplicationConfigurationDataPlaneRoutingPrivateIp,
		DefaultLargeStagingDiskType:   drstypes.ReplicationConfigurationDefaultLargeStagingDiskTypeGp3,
		PitPolicy:                     []drstypes.PITPolicyRule{{Interval: aws.Int32(10), RetentionDuration: aws.Int32(60), Units: drstypes.PITPolicyRuleUnitsMinute, Enabled: new(true)}},
		ReplicationServerInstanceType: new("t3.small"), ReplicationServersSecurityGroupsIDs: []string{}, StagingAreaSubnetId: new("subnet-0123456789abcdef0"),
		StagingAreaTags: map[string]string{}, UseDedicatedReplicationServer: new(false),
	}))(w).ReplicationConfigurationTemplateID
}

func (w *opWorld) sourceServer() string {
	w.Helper()
	w.template()
	return *opNeed(w.AddSourceServer(sandboxdrs.Agent{
		Account: opOwner, Region: opHome, Hostname: "web", Disks: []sandboxdrs.AgentDisk{{Device: "/dev/nvme0n1", Bytes: 8 << 30}},
	}))(w).SourceServerID
}

// objectIn puts an object into a bucket, so that it cannot be deleted.
func (w *opWorld) objectIn(bucket string) {
	w.Helper()
	api := s3.NewFromConfig(w.Root(opOwner, opHome), func(o *s3.Options) { o.UsePathStyle = true })
	opNeed(api.PutObject(w.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: new("one"), Body: strings.NewReader("x")}))(w)
}
