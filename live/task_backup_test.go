package live_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/backup"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/cloud"
)

// taskManagement is the account that has the organization.
const taskManagement = "999988887777"

// together puts both accounts into one organization, which lets them copy backups.
func (w *taskWorld) together() {
	w.Helper()
	m := organizations.NewFromConfig(w.root(taskManagement))
	_, err := m.CreateOrganization(w.Context(), &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll})
	w.well(err)
	for _, account := range []string{taskOwner, taskConsumer} {
		h, err := m.InviteAccountToOrganization(w.Context(), &organizations.InviteAccountToOrganizationInput{Target: &orgtypes.HandshakeParty{Id: &account, Type: orgtypes.HandshakePartyTypeAccount}})
		w.well(err)
		_, err = organizations.NewFromConfig(w.root(account)).AcceptHandshake(w.Context(), &organizations.AcceptHandshakeInput{HandshakeId: h.Handshake.Id})
		w.well(err)
	}
	_, err = backup.NewFromConfig(w.root(taskManagement)).UpdateGlobalSettings(w.Context(), &backup.UpdateGlobalSettingsInput{GlobalSettings: map[string]string{"isCrossAccountBackupEnabled": "true"}})
	w.well(err)
}

// backupRole makes a role of AWS Backup's, with AWS's policies for it and rights on keys.
func (w *taskWorld) backupRole(account, name string) string {
	w.Helper()
	c := iam.NewFromConfig(w.root(account))
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"backup.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	r, err := c.CreateRole(w.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	w.well(err)
	for _, policy := range []string{"AWSBackupServiceRolePolicyForBackup", "AWSBackupServiceRolePolicyForRestores"} {
		_, err := c.AttachRolePolicy(w.Context(), &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: new("arn:aws:iam::aws:policy/service-role/" + policy)})
		w.well(err)
	}
	_, err = c.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: new("keys"), PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`)})
	w.well(err)
	return *r.Role.Arn
}

func (w *taskWorld) vault(account, name, key string) string {
	w.Helper()
	c := backup.NewFromConfig(w.root(account))
	v, err := c.CreateBackupVault(w.Context(), &backup.CreateBackupVaultInput{BackupVaultName: &name, EncryptionKeyArn: &key})
	w.well(err)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + taskOwner + `:root"},"Action":"backup:CopyIntoBackupVault","Resource":"*"}]}`
	_, err = c.PutBackupVaultAccessPolicy(w.Context(), &backup.PutBackupVaultAccessPolicyInput{BackupVaultName: &name, Policy: &policy})
	w.well(err)
	return *v.BackupVaultArn
}

// backupWorld is a world with a volume, a role and vaults.
type backupWorld struct {
	*taskWorld
	back, copy, restore cloud.Task
	vaultKey            string
}

func newBackupWorld(t *testing.T) *backupWorld {
	t.Helper()
	w := &backupWorld{taskWorld: newTaskWorld(t, cloud.Task{Operation: "backup:StartBackupJob"}, cloud.Task{Operation: "backup:StartCopyJob"}, cloud.Task{Operation: "backup:StartRestoreJob"})}
	w.together()
	key, own := w.key(taskOwner, taskHome), w.key(taskConsumer, taskHome)
	role, restorer := w.backupRole(taskOwner, "Backups"), w.backupRole(taskConsumer, "Restores")
	w.vaultKey = own
	w.vault(taskOwner, "daily", key)
	safe := w.vault(taskConsumer, "safe", own)
	since := w.Now().Add(-time.Second).Format(time.RFC3339)
	volume := w.aVolume(taskOwner, key)
	w.back = taskIn(taskOwner, "backup:StartBackupJob", "kr-backup", cloud.Task{
		Source: "arn:aws:ec2:us-east-1:" + taskOwner + ":volume/" + volume, Args: map[string]string{"vault": "daily", "iamRoleArn": role, "since": since},
	})
	// The copy is the vault account's step, by AWS Backup's own role, of a point that the
	// other account has.
	w.copy = taskIn(taskConsumer, "backup:StartCopyJob", "kr-copy", cloud.Task{
		SourceAccount: taskOwner, Args: map[string]string{"sourceVault": "daily", "destinationVault": safe, "iamRoleArn": role, "since": since},
	})
	w.copy.Actor = taskRole(taskConsumer, "aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup")
	w.restore = taskIn(taskConsumer, "backup:StartRestoreJob", "kr-restore", cloud.Task{Key: own, Scenario: "own-snapshot", Args: map[string]string{"availabilityZone": taskHome + "c"}})
	w.restore.Actor = restorer
	return w
}

func TestARecoveryPointIsMadeCopiedAndRestoredByTasks(t *testing.T) {
	t.Parallel()
	w := newBackupWorld(t)
	start := w.things()
	w.copy.Source = w.works(w.back).ID
	beforeCopy := w.things()
	copied := w.works(w.copy)
	if !copied.FullCopy || copied.Made["job"] == "" || copied.Started.IsZero() {
		t.Errorf("the copy is %+v", copied)
	}
	w.restore.Source = copied.ID
	beforeRestore := w.things()
	for range 2 {
		if p := w.works(w.restore); !strings.Contains(p.ID, ":volume/vol-") {
			t.Errorf("the restore made %s", p.ID)
		}
		if got := w.volumesOf(taskConsumer); len(got) != 1 || got[0] != w.vaultKey {
			t.Errorf("the volumes are under %v, want %s", got, w.vaultKey)
		}
		w.leaves(w.restore, beforeRestore)
	}
	w.leaves(w.copy, beforeCopy)
	w.works(w.copy)
	w.leaves(w.copy, beforeCopy)
	w.leaves(w.back, start)
}

func TestAJobOfAWSBackupFailsWithItsMessage(t *testing.T) {
	t.Parallel()
	w := newBackupWorld(t)
	w.copy.Source = w.works(w.back).ID
	w.restore.Source = w.works(w.copy).ID
	before := w.things()
	w.disable(w.vaultKey)
	closed := w.copy
	w.pass(time.Minute)
	closed.Args = taskArgs(closed.Args, "since", w.Now().Format(time.RFC3339))
	w.fails(closed, "is disabled")
	w.fails(w.restore, "KMS key")
	for _, task := range []cloud.Task{closed, w.restore} {
		if err := w.mover.Remove(t.Context(), task); err != nil {
			t.Errorf("removing what failed: %v", err)
		}
	}
	w.pass(time.Minute)
	if after := w.things(); len(after) != len(before) {
		t.Errorf("what failed leaves %v", after)
	}
}
