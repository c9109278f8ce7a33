package sandbox_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	backuptypes "github.com/aws/aws-sdk-go-v2/service/backup/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/estate"
)

// backups is a world with what the chain of vaults needs: the owner has the volumes, the
// consumer the vault that they are copied into.
type backups struct {
	*world
	role    string // of the owner, with AWS's policy for backups
	restore string // of the consumer
	keyOf   map[string]string
}

// backupTrust lets AWS Backup assume a role.
const backupTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"backup.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

func newBackups(t *testing.T) *backups {
	t.Helper()
	w := newWorld(t)
	b := &backups{world: w}
	b.role = w.serviceRole(owner, "Backups", "")
	b.attach(owner, "Backups", "AWSBackupServiceRolePolicyForBackup")
	b.restore = w.serviceRole(consumer, "Restores", "")
	b.attach(consumer, "Restores", "AWSBackupServiceRolePolicyForRestores")
	return b
}

// serviceRole makes a role that AWS Backup may assume.
func (w *world) serviceRole(account, name, policy string) string {
	w.Helper()
	c := iam.NewFromConfig(w.root(account))
	r := need(c.CreateRole(w.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: new(backupTrust)}))(w).Role
	if policy != "" {
		need(c.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: new("own"), PolicyDocument: &policy}))(w)
	}
	return *r.Arn
}

// attach gives a role AWS's own policy for it.
func (w *world) attach(account, role, policy string) {
	w.Helper()
	need(iam.NewFromConfig(w.root(account)).AttachRolePolicy(w.Context(), &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: new("arn:aws:iam::aws:policy/service-role/" + policy)}))(w)
}

// denied gives a role of a test's a policy that denies.
func (w *world) denied(account, role string, actions ...string) {
	w.Helper()
	need(iam.NewFromConfig(w.root(account)).PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("denied"), PolicyDocument: new(deny(actions...))}))(w)
}

// together puts the accounts into one organization, which lets them copy into each
// other's vaults.
func (b *backups) together() {
	b.Helper()
	m := organizations.NewFromConfig(b.root(management))
	need(m.CreateOrganization(b.Context(), &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll}))(b)
	for _, account := range []string{owner, consumer} {
		need(iam.NewFromConfig(b.root(account)).ListRoles(b.Context(), &iam.ListRolesInput{}))(b)
		h := need(m.InviteAccountToOrganization(b.Context(), &organizations.InviteAccountToOrganizationInput{
			Target: &orgtypes.HandshakeParty{Id: &account, Type: orgtypes.HandshakePartyTypeAccount},
		}))(b).Handshake
		need(organizations.NewFromConfig(b.root(account)).AcceptHandshake(b.Context(), &organizations.AcceptHandshakeInput{HandshakeId: h.Id}))(b)
	}
	b.crossAccount("true")
}

func (b *backups) crossAccount(on string) {
	b.Helper()
	need(backup.NewFromConfig(b.root(management)).UpdateGlobalSettings(b.Context(), &backup.UpdateGlobalSettingsInput{GlobalSettings: map[string]string{"isCrossAccountBackupEnabled": on}}))(b)
}

func (b *backups) of(account string) *backup.Client { return backup.NewFromConfig(b.root(account)) }

// vault makes a vault; an empty key is aws/backup.
func (b *backups) vault(account, name, key string) string {
	b.Helper()
	in := &backup.CreateBackupVaultInput{BackupVaultName: &name}
	if key != "" {
		in.EncryptionKeyArn = &key
	}
	return *need(b.of(account).CreateBackupVault(b.Context(), in))(b).BackupVaultArn
}

// open lets an account copy into a vault.
func (b *backups) open(account, vault, from string) {
	b.Helper()
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"backup:CopyIntoBackupVault","Resource":"*"}]}`, from)
	need(b.of(account).PutBackupVaultAccessPolicy(b.Context(), &backup.PutBackupVaultAccessPolicyInput{BackupVaultName: &vault, Policy: &policy}))(b)
}

// volume makes a volume; an empty key is aws/ebs, "none" is none.
func (b *backups) volume(account, key string) string {
	b.Helper()
	in := &ec2.CreateVolumeInput{AvailabilityZone: new(home + "a"), Size: new(int32(8)), VolumeType: ec2types.VolumeTypeGp3, Encrypted: new(key != "none")}
	if key != "" && key != "none" {
		in.KmsKeyId = &key
	}
	v := need(ec2.NewFromConfig(b.root(account)).CreateVolume(b.Context(), in))(b)
	b.pass(10 * time.Second)
	return "arn:aws:ec2:" + home + ":" + account + ":volume/" + *v.VolumeId
}

// backup backs a volume up and returns the recovery point.
func (b *backups) backup(account, vault, resource, role string) *backup.DescribeBackupJobOutput {
	b.Helper()
	j := need(b.of(account).StartBackupJob(b.Context(), &backup.StartBackupJobInput{BackupVaultName: &vault, ResourceArn: &resource, IamRoleArn: &role}))(b)
	b.pass(time.Minute)
	return need(b.of(account).DescribeBackupJob(b.Context(), &backup.DescribeBackupJobInput{BackupJobId: j.BackupJobId}))(b)
}

// point is the recovery point of a job that has to have worked.
func (b *backups) point(account, vault, resource, role string) string {
	b.Helper()
	j := b.backup(account, vault, resource, role)
	if j.State != backuptypes.BackupJobStateCompleted {
		b.Fatalf("the backup is %s: %s", j.State, aws.ToString(j.StatusMessage))
	}
	return *j.RecoveryPointArn
}

func (b *backups) copy(account, vault, point, to, role string) *backuptypes.CopyJob {
	b.Helper()
	j := need(b.of(account).StartCopyJob(b.Context(), &backup.StartCopyJobInput{SourceBackupVaultName: &vault, RecoveryPointArn: &point, DestinationBackupVaultArn: &to, IamRoleArn: &role}))(b)
	b.pass(time.Minute)
	return need(b.of(account).DescribeCopyJob(b.Context(), &backup.DescribeCopyJobInput{CopyJobId: j.CopyJobId}))(b).CopyJob
}

func (b *backups) restored(account, point, role string, metadata map[string]string) *backup.DescribeRestoreJobOutput {
	b.Helper()
	j := need(b.of(account).StartRestoreJob(b.Context(), &backup.StartRestoreJobInput{RecoveryPointArn: &point, IamRoleArn: &role, Metadata: metadata, ResourceType: new("EBS")}))(b)
	b.pass(time.Minute)
	return need(b.of(account).DescribeRestoreJob(b.Context(), &backup.DescribeRestoreJobInput{RestoreJobId: j.RestoreJobId}))(b)
}

// linkedBackup is the role that copies in the consumer's account.
const linkedBackup = "arn:aws:iam::" + consumer + ":role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"

// admitting is a key policy of the owner that lets the copying role in.
func admitting(actions ...string) string {
	statements := []map[string]any{{"Effect": "Allow", "Principal": map[string]string{"AWS": "arn:aws:iam::" + owner + ":root"}, "Action": "kms:*", "Resource": "*"}}
	if len(actions) > 0 {
		statements = append(statements, map[string]any{"Effect": "Allow", "Principal": map[string]string{"AWS": "arn:aws:iam::" + consumer + ":root"}, "Action": actions, "Resource": "*"})
	}
	text, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	return string(text)
}

// TestARecoveryPointIsCopiedToAnotherAccountAndRestoredThere goes the whole way.
func TestARecoveryPointIsCopiedToAnotherAccountAndRestoredThere(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	b.together()
	source, target := b.key(owner, admitting("kms:CreateGrant")), b.key(consumer, "")
	b.vault(owner, "daily", "")
	to := b.vault(consumer, "safe", target)
	b.open(consumer, "safe", owner)

	volume := b.volume(owner, source)
	point := b.point(owner, "daily", volume, b.role)
	if !strings.HasPrefix(point, "arn:aws:ec2:us-east-1::snapshot/snap-") {
		t.Fatalf("the recovery point is %s", point)
	}
	p := need(b.of(owner).DescribeRecoveryPoint(t.Context(), &backup.DescribeRecoveryPointInput{BackupVaultName: new("daily"), RecoveryPointArn: &point}))(t)
	if *p.EncryptionKeyArn != source || !p.IsEncrypted || *p.BackupSizeInBytes != 8<<30 || p.Status != backuptypes.RecoveryPointStatusCompleted {
		t.Errorf("the recovery point is %+v", p)
	}

	job := b.copy(owner, "daily", point, to, b.role)
	if job.State != backuptypes.CopyJobStateCompleted {
		t.Fatalf("the copy is %s: %s", job.State, aws.ToString(job.StatusMessage))
	}
	made := need(b.of(consumer).DescribeRecoveryPoint(t.Context(), &backup.DescribeRecoveryPointInput{BackupVaultName: new("safe"), RecoveryPointArn: job.DestinationRecoveryPointArn}))(t)
	if *made.EncryptionKeyArn != target || *made.ResourceArn != volume || *made.IamRoleArn != linkedBackup {
		t.Errorf("the copy is %+v", made)
	}
	shared := need(ec2.NewFromConfig(b.root(owner)).DescribeSnapshotAttribute(t.Context(), &ec2.DescribeSnapshotAttributeInput{
		SnapshotId: new(point[strings.LastIndexByte(point, '/')+1:]), Attribute: ec2types.SnapshotAttributeNameCreateVolumePermission,
	}))(t)
	if len(shared.CreateVolumePermissions) != 0 {
		t.Errorf("the source is still shared: %v", shared.CreateVolumePermissions)
	}

	r := b.restored(consumer, *job.DestinationRecoveryPointArn, b.restore, map[string]string{"availabilityZone": home + "b", "volumeType": "gp3"})
	if r.Status != backuptypes.RestoreJobStatusCompleted {
		t.Fatalf("the restore is %s: %s", r.Status, aws.ToString(r.StatusMessage))
	}
	id := (*r.CreatedResourceArn)[strings.LastIndexByte(*r.CreatedResourceArn, '/')+1:]
	v := need(ec2.NewFromConfig(b.root(consumer)).DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{id}}))(t).Volumes[0]
	if v.State != ec2types.VolumeStateAvailable || *v.KmsKeyId != target || *v.AvailabilityZone != home+"b" {
		t.Errorf("the restored volume is %+v", v)
	}
}

// TestAnEstateHasTheVaultsWithWhoMayCopyIntoThem reads what check looks at.
func TestAnEstateHasTheVaultsWithWhoMayCopyIntoThem(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	key := b.key(consumer, "")
	b.vault(consumer, "safe", key)
	b.vault(consumer, "plain", "")
	b.open(consumer, "safe", owner)
	vaults := map[string]estate.Resource{}
	e := need(b.Estate())(t)
	for _, r := range e.Resources {
		if r.Type == "backup:BackupVault" {
			vaults[r.ID] = r
		}
	}
	if r := vaults["safe"]; r.Key != key || r.Account != consumer || r.Attributes["copyIntoAllowedFor"] != owner || !strings.Contains(r.Attributes["accessPolicy"], owner) {
		t.Errorf("the estate has %+v", r)
	}
	if r := vaults["plain"]; len(vaults) != 2 || e.Key(r.Key) == nil || e.Key(r.Key).Manager != "AWS" || r.Attributes["copyIntoAllowedFor"] != "" {
		t.Errorf("the estate has %d vaults, and of that under AWS's own key %+v", len(vaults), r)
	}
}

// TestAVolumeIsRestoredByTheMetadataOfItsRecoveryPoint of whichever type it is.
func TestAVolumeIsRestoredByTheMetadataOfItsRecoveryPoint(t *testing.T) {
	t.Parallel()
	for _, kind := range []ec2types.VolumeType{ec2types.VolumeTypeGp2, ec2types.VolumeTypeGp3, ec2types.VolumeTypeIo1, ec2types.VolumeTypeStandard} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBackups(t)
			c := b.of(owner)
			b.vault(owner, "daily", "")
			in := &ec2.CreateVolumeInput{AvailabilityZone: new(home + "a"), Size: new(int32(8)), VolumeType: kind, Encrypted: new(true), KmsKeyId: new(b.key(owner, ""))}
			if kind == ec2types.VolumeTypeIo1 {
				in.Iops = new(int32(200))
			}
			v := need(ec2.NewFromConfig(b.root(owner)).CreateVolume(t.Context(), in))(t)
			b.pass(10 * time.Second)
			point := b.point(owner, "daily", "arn:aws:ec2:"+home+":"+owner+":volume/"+*v.VolumeId, b.role)
			m := need(c.GetRecoveryPointRestoreMetadata(t.Context(), &backup.GetRecoveryPointRestoreMetadataInput{BackupVaultName: new("daily"), RecoveryPointArn: &point}))(t).RestoreMetadata
			role := b.serviceRole(owner, "Restores", "")
			b.attach(owner, "Restores", "AWSBackupServiceRolePolicyForRestores")
			r := b.restored(owner, point, role, m)
			if r.Status != backuptypes.RestoreJobStatusCompleted {
				t.Fatalf("by %v the restore is %s: %s", m, r.Status, aws.ToString(r.StatusMessage))
			}
			got := need(ec2.NewFromConfig(b.root(owner)).DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{(*r.CreatedResourceArn)[strings.LastIndexByte(*r.CreatedResourceArn, '/')+1:]}}))(t).Volumes[0]
			if got.VolumeType != kind || *got.KmsKeyId != *in.KmsKeyId || kind == ec2types.VolumeTypeIo1 && *got.Iops != 200 {
				t.Errorf("the volume is %+v", got)
			}
		})
	}
}
