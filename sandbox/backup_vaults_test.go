package sandbox_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	backuptypes "github.com/aws/aws-sdk-go-v2/service/backup/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/sandbox"
)

func TestAVaultIsMadeUnderItsKeyAndFound(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	c := b.of(owner)
	key := b.key(owner, "")
	in := &backup.CreateBackupVaultInput{BackupVaultName: new("daily"), EncryptionKeyArn: &key, CreatorRequestId: new("once"), BackupVaultTags: map[string]string{"team": "a"}}
	made := need(c.CreateBackupVault(t.Context(), in))(t)
	again := need(c.CreateBackupVault(t.Context(), in))(t)
	if *made.BackupVaultArn != "arn:aws:backup:us-east-1:"+owner+":backup-vault:daily" || !made.CreationDate.Equal(*again.CreationDate) {
		t.Errorf("made %+v, again %+v", made, again)
	}
	_, err := c.CreateBackupVault(t.Context(), &backup.CreateBackupVaultInput{BackupVaultName: new("daily")})
	if exists := (*backuptypes.AlreadyExistsException)(nil); !errors.As(err, &exists) {
		t.Errorf("a vault of the same name: %v", err)
	}
	v := need(c.DescribeBackupVault(t.Context(), &backup.DescribeBackupVaultInput{BackupVaultName: new("daily")}))(t)
	if *v.EncryptionKeyArn != key || v.EncryptionKeyType != backuptypes.EncryptionKeyTypeCustomerManagedKmsKey || *v.CreatorRequestId != "once" || *v.Locked {
		t.Errorf("the vault is %+v", v)
	}
	// The default vault is there as soon as somebody looks, under AWS Backup's own key.
	list := need(c.ListBackupVaults(t.Context(), &backup.ListBackupVaultsInput{}))(t).BackupVaultList
	if len(list) != 2 || *list[0].BackupVaultName != "Default" {
		t.Fatalf("the vaults are %+v", list)
	}
	k := need(b.kmsOf(b.root(owner)).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/aws/backup")}))(t)
	if *k.KeyMetadata.Arn != *list[0].EncryptionKeyArn {
		t.Errorf("the default vault is under %s", *list[0].EncryptionKeyArn)
	}
	_, err = c.DeleteBackupVault(t.Context(), &backup.DeleteBackupVaultInput{BackupVaultName: new("Default")})
	refused(t, err, "InvalidRequestException", "default")
	need(c.DeleteBackupVault(t.Context(), &backup.DeleteBackupVaultInput{BackupVaultName: new("daily")}))(t)
	_, err = c.DescribeBackupVault(t.Context(), &backup.DescribeBackupVaultInput{BackupVaultName: new("daily")})
	refused(t, err, "AccessDeniedException", "Insufficient privileges to perform this action.")
}

// TestAVaultNeedsItsMakersRightOnTheKey takes each right on the key away.
func TestAVaultNeedsItsMakersRightOnTheKey(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"", "kms:DescribeKey", "kms:CreateGrant", "kms:GenerateDataKey", "kms:Decrypt", "backup-storage:MountCapsule", "backup:CreateBackupVault"} {
		t.Run("without "+action, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := w.key(owner, "")
			allowed := slices.DeleteFunc([]string{"backup:CreateBackupVault", "backup-storage:MountCapsule", "kms:DescribeKey", "kms:CreateGrant", "kms:GenerateDataKey", "kms:Decrypt"}, func(a string) bool { return a == action })
			_, c := w.user(owner, "maker", allow(allowed...))
			_, err := backup.NewFromConfig(c).CreateBackupVault(t.Context(), &backup.CreateBackupVaultInput{BackupVaultName: new("daily"), EncryptionKeyArn: &key})
			switch {
			case action == "":
				w.ends("with all", err, "")
			case strings.HasPrefix(action, "kms:"):
				refused(t, err, "AccessDeniedException", "Insufficient privileges to perform this action.")
			default:
				refused(t, err, "AccessDeniedException", "because no identity-based policy allows the "+action+" action")
			}
		})
	}
}

func TestListsOfVaultsHavePages(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	for i := range 5 {
		b.vault(owner, fmt.Sprintf("vault-%d", i), "")
	}
	var names []string
	in := &backup.ListBackupVaultsInput{MaxResults: new(int32(2))}
	pages := 0
	for {
		out := need(b.of(owner).ListBackupVaults(t.Context(), in))(t)
		pages++
		for _, v := range out.BackupVaultList {
			names = append(names, *v.BackupVaultName)
		}
		if out.NextToken == nil {
			break
		}
		in.NextToken = out.NextToken
	}
	if want := []string{"Default", "vault-0", "vault-1", "vault-2", "vault-3", "vault-4"}; !slices.Equal(names, want) || pages != 3 {
		t.Errorf("%d pages of %v", pages, names)
	}
	in.NextToken = new("nonsense")
	_, err := b.of(owner).ListBackupVaults(t.Context(), in)
	refused(t, err, "InvalidParameterValueException", "")
}

// TestAVaultsPolicyLetsOtherAccountsInAndKeepsItsOwnOut looks at both of its effects.
func TestAVaultsPolicyLetsOtherAccountsInAndKeepsItsOwnOut(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	c := b.of(owner)
	b.vault(owner, "daily", "")
	point := b.point(owner, "daily", b.volume(owner, "none"), b.role)
	_, err := c.GetBackupVaultAccessPolicy(t.Context(), &backup.GetBackupVaultAccessPolicyInput{BackupVaultName: new("daily")})
	refused(t, err, "ResourceNotFoundException", "")
	look := func() error {
		_, err := b.of(consumer).DescribeBackupVault(t.Context(), &backup.DescribeBackupVaultInput{BackupVaultName: new("daily"), BackupVaultAccountId: new(owner)})
		return err
	}
	see := func() error {
		_, err := b.of(consumer).DescribeRecoveryPoint(t.Context(), &backup.DescribeRecoveryPointInput{BackupVaultName: new("daily"), BackupVaultAccountId: new(owner), RecoveryPointArn: &point})
		return err
	}
	refused(t, look(), "AccessDeniedException", "")
	refused(t, see(), "AccessDeniedException", "")
	policy := `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + consumer + `:root"},"Action":["backup:DescribeBackupVault","backup:DescribeRecoveryPoint"],"Resource":"*"},
		{"Effect":"Deny","Principal":"*","Action":"backup:DeleteRecoveryPoint","Resource":"*"}]}`
	need(c.PutBackupVaultAccessPolicy(t.Context(), &backup.PutBackupVaultAccessPolicyInput{BackupVaultName: new("daily"), Policy: &policy}))(t)
	b.ends("looking with the policy", look(), "")
	b.ends("seeing with the policy", see(), "")
	_, err = c.DeleteRecoveryPoint(t.Context(), &backup.DeleteRecoveryPointInput{BackupVaultName: new("daily"), RecoveryPointArn: &point})
	refused(t, err, "AccessDeniedException", "with an explicit deny in a resource-based policy")
	if got := need(c.GetBackupVaultAccessPolicy(t.Context(), &backup.GetBackupVaultAccessPolicyInput{BackupVaultName: new("daily")}))(t); *got.Policy != policy {
		t.Errorf("the policy is %s", *got.Policy)
	}
	_, err = c.PutBackupVaultAccessPolicy(t.Context(), &backup.PutBackupVaultAccessPolicyInput{BackupVaultName: new("daily"), Policy: new("{")})
	refused(t, err, "InvalidParameterValueException", "")
	need(c.DeleteBackupVaultAccessPolicy(t.Context(), &backup.DeleteBackupVaultAccessPolicyInput{BackupVaultName: new("daily")}))(t)
	refused(t, look(), "AccessDeniedException", "")
	_, err = c.DeleteBackupVault(t.Context(), &backup.DeleteBackupVaultInput{BackupVaultName: new("daily")})
	refused(t, err, "InvalidRequestException", "contains recovery points")
	need(c.DeleteRecoveryPoint(t.Context(), &backup.DeleteRecoveryPointInput{BackupVaultName: new("daily"), RecoveryPointArn: &point}))(t)
	_, err = ec2.NewFromConfig(b.root(owner)).DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{point[strings.LastIndexByte(point, '/')+1:]}})
	refused(t, err, "InvalidSnapshot.NotFound", "")
}

// TestALockKeepsWhatIsInTheVaultAndBecomesFinal follows a lock over its grace time.
func TestALockKeepsWhatIsInTheVaultAndBecomesFinal(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	c := b.of(owner)
	b.vault(owner, "daily", "")
	volume := b.volume(owner, "none")
	point := b.point(owner, "daily", volume, b.role)
	_, err := c.PutBackupVaultLockConfiguration(t.Context(), &backup.PutBackupVaultLockConfigurationInput{BackupVaultName: new("daily"), ChangeableForDays: new(int64(2))})
	refused(t, err, "InvalidParameterValueException", "")
	need(c.PutBackupVaultLockConfiguration(t.Context(), &backup.PutBackupVaultLockConfigurationInput{BackupVaultName: new("daily"), MinRetentionDays: new(int64(7)), ChangeableForDays: new(int64(3))}))(t)
	_, err = c.DeleteRecoveryPoint(t.Context(), &backup.DeleteRecoveryPointInput{BackupVaultName: new("daily"), RecoveryPointArn: &point})
	refused(t, err, "InvalidRequestException", "locked")
	need(c.DeleteBackupVaultLockConfiguration(t.Context(), &backup.DeleteBackupVaultLockConfigurationInput{BackupVaultName: new("daily")}))(t)
	need(c.PutBackupVaultLockConfiguration(t.Context(), &backup.PutBackupVaultLockConfigurationInput{BackupVaultName: new("daily"), MinRetentionDays: new(int64(7)), ChangeableForDays: new(int64(3))}))(t)
	b.pass(3 * day)
	_, err = c.DeleteBackupVaultLockConfiguration(t.Context(), &backup.DeleteBackupVaultLockConfigurationInput{BackupVaultName: new("daily")})
	refused(t, err, "InvalidRequestException", "")
	j := need(c.StartBackupJob(t.Context(), &backup.StartBackupJobInput{BackupVaultName: new("daily"), ResourceArn: &volume, IamRoleArn: &b.role, Lifecycle: &backuptypes.Lifecycle{DeleteAfterDays: new(int64(1))}}))(t)
	b.pass(time.Minute)
	if d := need(c.DescribeBackupJob(t.Context(), &backup.DescribeBackupJobInput{BackupJobId: j.BackupJobId}))(t); d.State != backuptypes.BackupJobStateFailed || !strings.Contains(*d.StatusMessage, "retention") {
		t.Errorf("a job with too short a retention is %s: %s", d.State, aws.ToString(d.StatusMessage))
	}
}

func TestTagsOfVaultsPlansAndRecoveryPoints(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	c := b.of(owner)
	vault := b.vault(owner, "daily", "")
	point := b.point(owner, "daily", b.volume(owner, "none"), b.role)
	plan := *need(c.CreateBackupPlan(t.Context(), planOf("nightly", "daily")))(t).BackupPlanArn
	for _, arn := range []string{vault, point, plan} {
		need(c.TagResource(t.Context(), &backup.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
		need(c.UntagResource(t.Context(), &backup.UntagResourceInput{ResourceArn: &arn, TagKeyList: []string{"a"}}))(t)
		if tags := need(c.ListTags(t.Context(), &backup.ListTagsInput{ResourceArn: &arn}))(t).Tags; len(tags) != 1 || tags["b"] != "2" {
			t.Errorf("%s has the tags %v", arn, tags)
		}
		_, err := c.TagResource(t.Context(), &backup.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{"aws:x": "1"}})
		refused(t, err, "InvalidParameterValueException", "")
		_, err = b.of(consumer).ListTags(t.Context(), &backup.ListTagsInput{ResourceArn: &arn})
		if err == nil {
			t.Errorf("another account lists the tags of %s", arn)
		}
	}
	// A policy may ask for a tag of the vault.
	_, u := b.user(owner, "tagged", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"backup:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/b":"2"}}}]}`)
	need(backup.NewFromConfig(u).DescribeBackupVault(t.Context(), &backup.DescribeBackupVaultInput{BackupVaultName: new("daily")}))(t)
	b.vault(owner, "other", "")
	_, err := backup.NewFromConfig(u).DescribeBackupVault(t.Context(), &backup.DescribeBackupVaultInput{BackupVaultName: new("other")})
	refused(t, err, "AccessDeniedException", "no identity-based policy allows")
}

// planOf is a plan with one rule.
func planOf(name, vault string) *backup.CreateBackupPlanInput {
	return &backup.CreateBackupPlanInput{BackupPlan: &backuptypes.BackupPlanInput{BackupPlanName: &name, Rules: []backuptypes.BackupRuleInput{{RuleName: new("rule"), TargetBackupVaultName: &vault}}}}
}

func TestPlansAndSelectionsAreKept(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	c := b.of(owner)
	in := planOf("nightly", "Default")
	in.CreatorRequestId = new("once")
	p := need(c.CreateBackupPlan(t.Context(), in))(t)
	if again := need(c.CreateBackupPlan(t.Context(), in))(t); *again.BackupPlanId != *p.BackupPlanId {
		t.Errorf("made again: %s", *again.BackupPlanId)
	}
	_, err := c.CreateBackupPlan(t.Context(), planOf("nightly", "Default"))
	refused(t, err, "AlreadyExistsException", "Backup plan with the same plan document already exists")
	need(c.UpdateBackupPlan(t.Context(), &backup.UpdateBackupPlanInput{BackupPlanId: p.BackupPlanId, BackupPlan: planOf("hourly", "Default").BackupPlan}))(t)
	got := need(c.GetBackupPlan(t.Context(), &backup.GetBackupPlanInput{BackupPlanId: p.BackupPlanId}))(t)
	if *got.BackupPlan.BackupPlanName != "hourly" || *got.BackupPlan.Rules[0].StartWindowMinutes != 480 || got.BackupPlan.Rules[0].RuleId == nil || *got.VersionId == *p.VersionId {
		t.Errorf("the plan is %+v", got.BackupPlan)
	}
	old := need(c.GetBackupPlan(t.Context(), &backup.GetBackupPlanInput{BackupPlanId: p.BackupPlanId, VersionId: p.VersionId}))(t)
	if *old.BackupPlan.BackupPlanName != "nightly" {
		t.Errorf("its first version is %+v", old.BackupPlan)
	}
	if versions := need(c.ListBackupPlanVersions(t.Context(), &backup.ListBackupPlanVersionsInput{BackupPlanId: p.BackupPlanId}))(t).BackupPlanVersionsList; len(versions) != 2 || *versions[0].VersionId != *got.VersionId {
		t.Errorf("its versions are %+v", versions)
	}
	selection := &backup.CreateBackupSelectionInput{BackupPlanId: p.BackupPlanId, BackupSelection: &backuptypes.BackupSelection{SelectionName: new("all"), IamRoleArn: &b.role, Resources: []string{"*"}}}
	n := need(c.CreateBackupSelection(t.Context(), selection))(t)
	if got := need(c.GetBackupSelection(t.Context(), &backup.GetBackupSelectionInput{BackupPlanId: p.BackupPlanId, SelectionId: n.SelectionId}))(t); *got.BackupSelection.SelectionName != "all" || got.BackupSelection.Resources[0] != "*" {
		t.Errorf("the selection is %+v", got.BackupSelection)
	}
	untrusted := b.world.role(owner, "Untrusted", "", "").arn
	selection.BackupSelection.IamRoleArn = &untrusted
	_, err = c.CreateBackupSelection(t.Context(), selection)
	refused(t, err, "InvalidParameterValueException", "IAM Role "+untrusted+" cannot be assumed by AWS Backup")
	_, err = c.DeleteBackupPlan(t.Context(), &backup.DeleteBackupPlanInput{BackupPlanId: p.BackupPlanId})
	refused(t, err, "InvalidRequestException", "selections must be deleted")
	need(c.DeleteBackupSelection(t.Context(), &backup.DeleteBackupSelectionInput{BackupPlanId: p.BackupPlanId, SelectionId: n.SelectionId}))(t)
	need(c.DeleteBackupPlan(t.Context(), &backup.DeleteBackupPlanInput{BackupPlanId: p.BackupPlanId}))(t)
	if list := need(c.ListBackupPlans(t.Context(), &backup.ListBackupPlansInput{}))(t).BackupPlansList; len(list) != 0 {
		t.Errorf("the plans are %+v", list)
	}
	if list := need(c.ListBackupPlans(t.Context(), &backup.ListBackupPlansInput{IncludeDeleted: new(true)}))(t).BackupPlansList; len(list) != 1 || list[0].DeletionDate == nil {
		t.Errorf("the plans with the deleted are %+v", list)
	}
}

// TestOnlyTheManagementAccountLetsAccountsCopyIntoEachOthersVaults is about the settings
// of an organization and of a Region.
func TestOnlyTheManagementAccountLetsAccountsCopyIntoEachOthersVaults(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	_, err := b.of(owner).DescribeGlobalSettings(t.Context(), &backup.DescribeGlobalSettingsInput{})
	refused(t, err, "InvalidRequestException", "organization")
	b.together()
	_, err = b.of(owner).UpdateGlobalSettings(t.Context(), &backup.UpdateGlobalSettingsInput{GlobalSettings: map[string]string{"isCrossAccountBackupEnabled": "false"}})
	refused(t, err, "InvalidRequestException", "management account")
	g := need(b.of(owner).DescribeGlobalSettings(t.Context(), &backup.DescribeGlobalSettingsInput{}))(t)
	if g.GlobalSettings["isCrossAccountBackupEnabled"] != "true" || g.LastUpdateTime == nil {
		t.Errorf("the settings are %+v", g)
	}
	need(b.of(owner).UpdateRegionSettings(t.Context(), &backup.UpdateRegionSettingsInput{ResourceTypeOptInPreference: map[string]bool{"EBS": false}}))(t)
	if r := need(b.of(owner).DescribeRegionSettings(t.Context(), &backup.DescribeRegionSettingsInput{}))(t); r.ResourceTypeOptInPreference["EBS"] || !r.ResourceTypeOptInPreference["RDS"] {
		t.Errorf("the Region's settings are %+v", r)
	}
	if r := need(b.of(consumer).DescribeRegionSettings(t.Context(), &backup.DescribeRegionSettingsInput{}))(t); !r.ResourceTypeOptInPreference["EBS"] {
		t.Error("another account has them too")
	}
	if types := need(b.of(owner).GetSupportedResourceTypes(t.Context(), &backup.GetSupportedResourceTypesInput{}))(t).ResourceTypes; !slices.Contains(types, "EBS") {
		t.Errorf("the types are %v", types)
	}
}

// TestVaultsAndJobsSurviveARestart keeps a job that is not done in a file.
func TestVaultsAndJobsSurviveARestart(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/state"
	w := newWorldWith(t, sandbox.Options{State: file})
	b := &backups{world: w}
	b.role = w.serviceRole(owner, "Backups", "")
	b.attach(owner, "Backups", "AWSBackupServiceRolePolicyForBackup")
	b.vault(owner, "daily", "")
	b.open(owner, "daily", consumer)
	volume := b.volume(owner, "none")
	j := need(b.of(owner).StartBackupJob(t.Context(), &backup.StartBackupJobInput{BackupVaultName: new("daily"), ResourceArn: &volume, IamRoleArn: &b.role}))(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b = &backups{world: newWorldWith(t, sandbox.Options{State: file})}
	b.pass(time.Minute)
	d := need(b.of(owner).DescribeBackupJob(t.Context(), &backup.DescribeBackupJobInput{BackupJobId: j.BackupJobId}))(t)
	if d.State != backuptypes.BackupJobStateCompleted {
		t.Errorf("the job is %s: %s", d.State, aws.ToString(d.StatusMessage))
	}
	need(b.of(owner).GetBackupVaultAccessPolicy(t.Context(), &backup.GetBackupVaultAccessPolicyInput{BackupVaultName: new("daily")}))(t)
}
