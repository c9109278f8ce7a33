package sandbox_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

const west = "us-west-2"

// multi is a multi-Region key with clients in two Regions.
type multi struct {
	*world
	home, west *kms.Client
	key        string // ARN of the primary
}

func newMulti(t *testing.T) *multi {
	t.Helper()
	w := newWorld(t)
	m := &multi{world: w, home: w.kmsOf(w.Root(owner, home)), west: w.kmsOf(w.Root(owner, west))}
	m.key = *need(m.home.CreateKey(t.Context(), &kms.CreateKeyInput{MultiRegion: aws.Bool(true)}))(t).KeyMetadata.Arn
	return m
}

func (m *multi) replicate(region string) error {
	return just(m.home.ReplicateKey(m.Context(), &kms.ReplicateKeyInput{KeyId: &m.key, ReplicaRegion: &region}))
}

// replica is the ARN of the key in the west.
func (m *multi) replica() string { return strings.Replace(m.key, home, west, 1) }

func (m *multi) describe(c *kms.Client, arn string) *types.KeyMetadata {
	m.Helper()
	return need(c.DescribeKey(m.Context(), &kms.DescribeKeyInput{KeyId: &arn}))(m).KeyMetadata
}

func TestReplicasThatAreMadeAndRefused(t *testing.T) {
	t.Parallel()
	m := newMulti(t)
	out := need(m.home.ReplicateKey(t.Context(), &kms.ReplicateKeyInput{KeyId: &m.key, ReplicaRegion: aws.String(west)}))(t)
	if r := out.ReplicaKeyMetadata; r.KeyState != types.KeyStateCreating || r.Enabled || *r.Arn != m.replica() || r.MultiRegionConfiguration.MultiRegionKeyType != types.MultiRegionKeyTypeReplica {
		t.Errorf("the new replica is %+v", r)
	}
	if !strings.Contains(*out.ReplicaPolicy, "Enable IAM User Permissions") {
		t.Errorf("its policy is %s", *out.ReplicaPolicy)
	}
	m.ends("the primary's Region", m.replicate(home), "ValidationException: us-east-1 cannot have a replica because it contains the primary.")
	m.ends("another partition", m.replicate("cn-north-1"), "ValidationException: The replica key Region must be in the same AWS partition as the primary key Region.")
	m.ends("no Region", m.replicate("us-middle-9"), "ValidationException: Region us-middle-9 is not a valid Region or multi-Region keys are not supported in Region us-middle-9.")
	m.ends("the same again", m.replicate(west), "AlreadyExistsException: You can create only one replica of each primary key in each AWS Region.")
	_, err := m.west.ReplicateKey(t.Context(), &kms.ReplicateKeyInput{KeyId: aws.String(m.replica()), ReplicaRegion: aws.String("eu-west-1")})
	m.ends("a replica of a replica", err, "UnsupportedOperationException: "+m.replica()+" is not a multi-region primary key.")
	single := m.world.key(owner, "")
	_, err = m.home.ReplicateKey(t.Context(), &kms.ReplicateKeyInput{KeyId: &single, ReplicaRegion: aws.String(west)})
	m.ends("a single-Region key", err, "is not a multi-region primary key.")

	blob := need(m.home.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &m.key, Plaintext: []byte("everywhere")}))(t).CiphertextBlob
	plain := need(m.west.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob}))(t)
	if string(plain.Plaintext) != "everywhere" || *plain.KeyId != m.replica() {
		t.Errorf("the replica decrypts %q under %s", plain.Plaintext, *plain.KeyId)
	}
}

// Policy, grants, aliases, tags and the enabled state are each Region's own.
func TestWhatReplicasDoNotShare(t *testing.T) {
	t.Parallel()
	m := newMulti(t)
	need(m.home.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/here"), TargetKeyId: &m.key}))(t)
	need(m.home.TagResource(t.Context(), &kms.TagResourceInput{KeyId: &m.key, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}}))(t)
	need(m.home.CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: &m.key, GranteePrincipal: aws.String("arn:aws:iam::" + owner + ":root"), Operations: decryptOnly}))(t)
	if err := m.replicate(west); err != nil {
		t.Fatal(err)
	}
	there := m.replica()
	if n := len(need(m.west.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &there}))(t).Grants); n != 0 {
		t.Errorf("the replica has %d grants", n)
	}
	if n := len(need(m.west.ListAliases(t.Context(), &kms.ListAliasesInput{KeyId: &there}))(t).Aliases); n != 0 {
		t.Errorf("the replica has %d aliases", n)
	}
	if n := len(need(m.west.ListResourceTags(t.Context(), &kms.ListResourceTagsInput{KeyId: &there}))(t).Tags); n != 0 {
		t.Errorf("the replica has %d tags", n)
	}
	need(m.home.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &m.key}))(t)
	if s := m.describe(m.west, there).KeyState; s != types.KeyStateEnabled {
		t.Errorf("the replica of a disabled primary is %s", s)
	}
}

func TestAPrimaryWaitsForItsReplicas(t *testing.T) {
	t.Parallel()
	m := newMulti(t)
	if err := m.replicate(west); err != nil {
		t.Fatal(err)
	}
	out := need(m.home.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &m.key, PendingWindowInDays: aws.Int32(7)}))(t)
	if out.KeyState != types.KeyStatePendingReplicaDeletion || out.DeletionDate != nil || *out.PendingWindowInDays != 7 {
		t.Errorf("scheduled: %+v", out)
	}
	need(m.home.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: &m.key}))(t)
	need(m.home.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &m.key, Policy: aws.String(document(rootStatement))}))(t)
	_, err := m.home.TagResource(t.Context(), &kms.TagResourceInput{KeyId: &m.key, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})
	m.ends("tagging", err, "KMSInvalidStateException: "+m.key+" is pending replica deletion.")

	there := m.replica()
	need(m.west.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &there, PendingWindowInDays: aws.Int32(7)}))(t)
	m.ends("a replica while the first is in deletion", m.replicate(west), "is pending replica deletion.")
	if err := m.Advance(8 * day); err != nil {
		t.Fatal(err)
	}
	if k := m.describe(m.home, m.key); k.KeyState != types.KeyStatePendingDeletion || k.DeletionDate == nil {
		t.Errorf("after its replica's end the primary is %s until %v", k.KeyState, k.DeletionDate)
	}
	need(m.home.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &m.key}))(t)
	if s := m.describe(m.home, m.key).KeyState; s != types.KeyStateDisabled {
		t.Errorf("taken back, it is %s", s)
	}
}

func TestAReplicaIsPromoted(t *testing.T) {
	t.Parallel()
	m := newMulti(t)
	if err := m.replicate(west); err != nil {
		t.Fatal(err)
	}
	there := m.replica()
	promote := func(c *kms.Client, key, region string) error {
		return just(c.UpdatePrimaryRegion(t.Context(), &kms.UpdatePrimaryRegionInput{KeyId: &key, PrimaryRegion: &region}))
	}
	need(m.west.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &there}))(t)
	m.ends("a disabled replica", promote(m.home, m.key, west), "DisabledException: "+there+" is disabled.")
	need(m.west.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &there}))(t)
	need(m.west.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &there}))(t)
	m.ends("a replica in deletion", promote(m.home, m.key, west), "KMSInvalidStateException: "+there+" is pending deletion.")
	need(m.west.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &there}))(t)
	need(m.west.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &there}))(t)
	need(m.home.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &m.key}))(t)
	m.ends("with a disabled primary", promote(m.home, m.key, west), "DisabledException: "+m.key+" is disabled.")
	need(m.home.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &m.key}))(t)
	m.ends("well", promote(m.home, m.key, west), "")
	m.ends("from the old primary", promote(m.home, m.key, west), "is not a multi-region primary key.")
	k := m.describe(m.home, m.key).MultiRegionConfiguration
	if k.MultiRegionKeyType != types.MultiRegionKeyTypeReplica || *k.PrimaryKey.Region != west || len(k.ReplicaKeys) != 1 || *k.ReplicaKeys[0].Region != home {
		t.Errorf("the old primary says %+v", k)
	}
}

func TestTheFirstMultiRegionKeyMakesItsServiceLinkedRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.role(owner, "maker", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}`, "")
	maker := w.kmsOf(w.session(owner, r.arn, "mine", ""))
	in := &kms.CreateKeyInput{MultiRegion: aws.Bool(true)}
	if _, err := maker.CreateKey(t.Context(), in); err == nil {
		t.Error("a maker without rights in IAM made the first key")
	}
	need(w.kmsOf(w.root(owner)).CreateKey(t.Context(), in))(t)
	role := need(iam.NewFromConfig(w.root(owner)).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("AWSServiceRoleForKeyManagementServiceMultiRegionKeys")}))(t).Role
	if *role.Path != "/aws-service-role/mrk.kms.amazonaws.com/" {
		t.Errorf("the role's path is %s", *role.Path)
	}
	need(maker.CreateKey(t.Context(), in))(t)
	task := need(iam.NewFromConfig(w.root(owner)).DeleteServiceLinkedRole(t.Context(), &iam.DeleteServiceLinkedRoleInput{RoleName: role.RoleName}))(t).DeletionTaskId
	status := need(iam.NewFromConfig(w.root(owner)).GetServiceLinkedRoleDeletionStatus(t.Context(), &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}))(t)
	if status.Status != "FAILED" || *status.Reason.Reason != "Account owns one or more multi-Region keys" {
		t.Errorf("the task ended %+v", status)
	}
}
