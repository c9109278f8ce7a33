package sandbox_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/backup"
	backuptypes "github.com/aws/aws-sdk-go-v2/service/backup/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/sandbox"
)

// TestABackupJobGoesThroughItsStatesOnTheSandboxsClock looks at each.
func TestABackupJobGoesThroughItsStatesOnTheSandboxsClock(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	c := b.of(owner)
	b.vault(owner, "daily", "")
	volume := b.volume(owner, "none")
	in := &backup.StartBackupJobInput{
		BackupVaultName: new("daily"), ResourceArn: &volume, IamRoleArn: &b.role, IdempotencyToken: new("once"), RecoveryPointTags: map[string]string{"kept": "yes"},
		Lifecycle: &backuptypes.Lifecycle{DeleteAfterDays: new(int64(7))},
	}
	j := need(c.StartBackupJob(t.Context(), in))(t)
	if again := need(c.StartBackupJob(t.Context(), in))(t); *again.BackupJobId != *j.BackupJobId {
		t.Errorf("the token made another job: %s", *again.BackupJobId)
	}
	in.RecoveryPointTags = nil
	_, err := c.StartBackupJob(t.Context(), in)
	refused(t, err, "InvalidParameterValueException", "token")
	look := func() *backup.DescribeBackupJobOutput {
		return need(c.DescribeBackupJob(t.Context(), &backup.DescribeBackupJobInput{BackupJobId: j.BackupJobId}))(t)
	}
	if d := look(); d.State != backuptypes.BackupJobStateCreated || d.RecoveryPointArn != nil || *d.ResourceType != "EBS" {
		t.Errorf("at first it is %+v", d)
	}
	b.pass(1100 * time.Millisecond)
	if d := look(); d.State != backuptypes.BackupJobStateRunning || d.RecoveryPointArn == nil || d.CompletionDate != nil {
		t.Errorf("then it is %+v", d)
	}
	if p := need(c.DescribeRecoveryPoint(t.Context(), &backup.DescribeRecoveryPointInput{BackupVaultName: new("daily"), RecoveryPointArn: look().RecoveryPointArn}))(t); p.Status != backuptypes.RecoveryPointStatusCreating {
		t.Errorf("its recovery point is %s", p.Status)
	}
	b.pass(time.Minute)
	d := look()
	if d.State != backuptypes.BackupJobStateCompleted || d.CompletionDate == nil || *d.BackupSizeInBytes != 8<<30 || *d.PercentDone != "100.0" || d.CompletionDate.Sub(*d.CreationDate) > 10*time.Second {
		t.Errorf("at the end it is %+v", d)
	}
	n := need(ec2.NewFromConfig(b.root(owner)).DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{(*d.RecoveryPointArn)[strings.LastIndexByte(*d.RecoveryPointArn, '/')+1:]}}))(t).Snapshots[0]
	tags := map[string]string{}
	for _, tag := range n.Tags {
		tags[*tag.Key] = *tag.Value
	}
	if tags["kept"] != "yes" || tags["aws:backup:source-resource"] == "" {
		t.Errorf("the snapshot has the tags %v", tags)
	}
	// It lives for seven days.
	b.pass(8 * day)
	if list := need(c.ListRecoveryPointsByBackupVault(t.Context(), &backup.ListRecoveryPointsByBackupVaultInput{BackupVaultName: new("daily")}))(t).RecoveryPoints; len(list) != 0 {
		t.Errorf("after its life the vault has %+v", list)
	}
}

func TestWhoStartsAJobPassesARoleThatTrustsAWSBackup(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	b.vault(owner, "daily", "")
	volume := b.volume(owner, "none")
	_, c := b.user(owner, "starter", allow("backup:StartBackupJob"))
	start := func(c *backup.Client, role string) error {
		_, err := c.StartBackupJob(t.Context(), &backup.StartBackupJobInput{BackupVaultName: new("daily"), ResourceArn: &volume, IamRoleArn: &role})
		return err
	}
	refused(t, start(backup.NewFromConfig(c), b.role), "AccessDeniedException", "iam:PassRole on resource: "+b.role+" because no identity-based policy allows")
	_, c = b.user(owner, "other", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"backup:StartBackupJob","Resource":"*"},
		{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"backup.amazonaws.com"}}}]}`)
	b.ends("passing a role to AWS Backup", start(backup.NewFromConfig(c), b.role), "")
	untrusted := b.world.role(owner, "Untrusted", "", "").arn
	refused(t, start(b.of(owner), untrusted), "InvalidParameterValueException", "IAM Role "+untrusted+" cannot be assumed by AWS Backup")
	refused(t, start(b.of(owner), b.restore), "AccessDeniedException", "Cross-account pass role is not allowed.")
	_, err := b.of(owner).StartBackupJob(t.Context(), &backup.StartBackupJobInput{BackupVaultName: new("daily"), ResourceArn: new("arn:aws:sqs:us-east-1:" + owner + ":queue"), IamRoleArn: &b.role})
	refused(t, err, "InvalidParameterValueException", "Unsupported resource type")
	_, err = b.of(owner).StartBackupJob(t.Context(), &backup.StartBackupJobInput{BackupVaultName: new("none"), ResourceArn: &volume, IamRoleArn: &b.role})
	refused(t, err, "AccessDeniedException", "Insufficient privileges")
	gone := "arn:aws:ec2:us-east-1:" + owner + ":volume/vol-00000000000000000"
	if j := b.backup(owner, "daily", gone, b.role); j.State != backuptypes.BackupJobStateFailed || !strings.Contains(*j.StatusMessage, "does not exist") {
		t.Errorf("a backup of a volume that there is not is %s: %s", j.State, aws.ToString(j.StatusMessage))
	}
}

// TestTheServiceLinkedRoleIsMadeWhenItIsFirstNeeded and not before.
func TestTheServiceLinkedRoleIsMadeWhenItIsFirstNeeded(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	there := func() bool {
		_, err := iam.NewFromConfig(b.root(consumer)).GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("AWSServiceRoleForBackup")})
		return err == nil
	}
	b.vault(consumer, "safe", "")
	if there() {
		t.Error("a vault alone made the role")
	}
	b.open(consumer, "safe", owner)
	if !there() {
		t.Error("nobody made the role")
	}
}

func TestListsOfJobsAreFilteredAndHavePages(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	c := b.of(owner)
	b.vault(owner, "daily", "")
	to := b.vault(owner, "weekly", b.key(owner, ""))
	first, second := b.volume(owner, "none"), b.volume(owner, "none")
	a := b.point(owner, "daily", first, b.role)
	b.point(owner, "daily", second, b.role)
	b.point(owner, "weekly", second, b.role)
	b.copy(owner, "daily", a, to, b.role)
	b.restored(owner, a, b.serviceRole(owner, "Restores", allow("ec2:*", "kms:*")), map[string]string{"availabilityZone": home + "a"})
	count := func(in *backup.ListBackupJobsInput) (n int) {
		p := backup.NewListBackupJobsPaginator(c, in)
		for p.HasMorePages() {
			n += len(need(p.NextPage(t.Context()))(t).BackupJobs)
		}
		return n
	}
	for name, tt := range map[string]struct {
		in   *backup.ListBackupJobsInput
		want int
	}{
		"all":         {&backup.ListBackupJobsInput{MaxResults: new(int32(1))}, 3},
		"resource":    {&backup.ListBackupJobsInput{ByResourceArn: &second}, 2},
		"vault":       {&backup.ListBackupJobsInput{ByBackupVaultName: new("weekly")}, 1},
		"state":       {&backup.ListBackupJobsInput{ByState: backuptypes.BackupJobStateFailed}, 0},
		"type":        {&backup.ListBackupJobsInput{ByResourceType: new("RDS")}, 0},
		"account":     {&backup.ListBackupJobsInput{ByAccountId: new(owner)}, 3},
		"made before": {&backup.ListBackupJobsInput{ByCreatedBefore: new(b.Now().Add(-time.Hour))}, 0},
		"made after":  {&backup.ListBackupJobsInput{ByCreatedAfter: new(b.Now().Add(-time.Hour))}, 3},
	} {
		if got := count(tt.in); got != tt.want {
			t.Errorf("%s: %d jobs, want %d", name, got, tt.want)
		}
	}
	copies := need(c.ListCopyJobs(t.Context(), &backup.ListCopyJobsInput{ByDestinationVaultArn: &to}))(t).CopyJobs
	if len(copies) != 1 || copies[0].State != backuptypes.CopyJobStateCompleted || *copies[0].SourceRecoveryPointArn != a {
		t.Errorf("the copies are %+v", copies)
	}
	restores := need(c.ListRestoreJobs(t.Context(), &backup.ListRestoreJobsInput{ByStatus: backuptypes.RestoreJobStatusCompleted}))(t).RestoreJobs
	byResource := need(c.ListRestoreJobsByProtectedResource(t.Context(), &backup.ListRestoreJobsByProtectedResourceInput{ResourceArn: &first}))(t).RestoreJobs
	if len(restores) != 1 || len(byResource) != 1 || *restores[0].RecoveryPointArn != a {
		t.Errorf("the restores are %+v and %+v", restores, byResource)
	}
	protected := need(c.ListProtectedResources(t.Context(), &backup.ListProtectedResourcesInput{}))(t).Results
	if len(protected) != 2 {
		t.Errorf("protected are %+v", protected)
	}
	points := need(c.ListRecoveryPointsByResource(t.Context(), &backup.ListRecoveryPointsByResourceInput{ResourceArn: &first}))(t).RecoveryPoints
	if len(points) != 2 || *points[0].BackupVaultName != "weekly" {
		t.Errorf("the points of the first volume are %+v", points)
	}
	if none := need(b.of(consumer).ListBackupJobs(t.Context(), &backup.ListBackupJobsInput{}))(t).BackupJobs; len(none) != 0 {
		t.Errorf("another account lists %+v", none)
	}
}

// TestACopyWithinAnAccountIsUnderTheVaultsKeyAlsoInAnotherRegion copies what is not even
// encrypted.
func TestACopyWithinAnAccountIsUnderTheVaultsKeyAlsoInAnotherRegion(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	b.vault(owner, "daily", "")
	there := backup.NewFromConfig(b.Root(owner, away))
	key := *need(b.kmsOf(b.Root(owner, away)).CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata.Arn
	to := need(there.CreateBackupVault(t.Context(), &backup.CreateBackupVaultInput{BackupVaultName: new("away"), EncryptionKeyArn: &key}))(t)
	plain := need(there.CreateBackupVault(t.Context(), &backup.CreateBackupVaultInput{BackupVaultName: new("plain")}))(t)
	point := b.point(owner, "daily", b.volume(owner, "none"), b.role)
	job := b.copy(owner, "daily", point, *to.BackupVaultArn, b.role)
	if job.State != backuptypes.CopyJobStateCompleted || *job.DestinationEncryptionKeyArn != key || !strings.HasPrefix(*job.DestinationRecoveryPointArn, "arn:aws:ec2:"+away+"::snapshot/") {
		t.Fatalf("the copy is %s: %s", job.State, aws.ToString(job.StatusMessage))
	}
	// Under AWS Backup's own key EBS has a default key of its own.
	job = b.copy(owner, "daily", point, *plain.BackupVaultArn, b.role)
	k := need(b.kmsOf(b.Root(owner, away)).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/aws/ebs")}))(t).KeyMetadata
	if job.State != backuptypes.CopyJobStateCompleted || *job.DestinationEncryptionKeyArn != *k.Arn {
		t.Errorf("the copy is %s under %s: %s", job.State, aws.ToString(job.DestinationEncryptionKeyArn), aws.ToString(job.StatusMessage))
	}
}

// A Region in which nobody asked for a vault yet has its default vault all the same.
func TestTheDefaultVaultOfAnotherRegionTakesCopies(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	b.vault(owner, "daily", "")
	point := b.point(owner, "daily", b.volume(owner, "none"), b.role)
	job := b.copy(owner, "daily", point, "arn:aws:backup:"+away+":"+owner+":backup-vault:Default", b.role)
	if job.State != backuptypes.CopyJobStateCompleted {
		t.Errorf("the copy is %s: %s", job.State, aws.ToString(job.StatusMessage))
	}
	job = b.copy(owner, "daily", point, "arn:aws:backup:"+away+":"+owner+":backup-vault:other", b.role)
	if job.State != backuptypes.CopyJobStateFailed {
		t.Errorf("a copy into a vault that there is not is %s", job.State)
	}
}

// TestEventBridgeIsToldOfJobs reads the states of each kind of job.
func TestEventBridgeIsToldOfJobs(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	rules := eventbridge.NewFromConfig(b.root(owner))
	need(rules.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: new("backups"), EventPattern: new(`{"source":["aws.backup"]}`)}))(t)
	need(rules.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: new("backups"), Targets: []ebtypes.Target{{Id: new("queue"), Arn: new("arn:aws:sqs:us-east-1:" + owner + ":queue")}}}))(t)
	var mu sync.Mutex
	var told []string
	cancel := b.Subscribe(func(d sandbox.Delivery) {
		var e struct {
			DetailType string   `json:"detail-type"`
			Resources  []string `json:"resources"`
			Detail     struct{ State, Status, ResourceArn, StatusMessage string }
		}
		if err := json.Unmarshal(d.EventJSON, &e); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		told = append(told, strings.TrimSuffix(e.DetailType, " State Change")+" "+e.Detail.State+e.Detail.Status)
	})
	defer cancel()
	b.vault(owner, "daily", "")
	to := b.vault(owner, "weekly", b.key(owner, ""))
	point := b.point(owner, "daily", b.volume(owner, "none"), b.role)
	b.copy(owner, "daily", point, to, b.role)
	b.restored(owner, point, b.serviceRole(owner, "Restores", allow("ec2:*", "kms:*")), map[string]string{"availabilityZone": home + "a"})
	want := []string{
		"Backup Job CREATED", "Backup Job RUNNING", "Backup Job COMPLETED", "Copy Job CREATED", "Copy Job RUNNING", "Copy Job COMPLETED",
		"Restore Job PENDING", "Restore Job RUNNING", "Restore Job COMPLETED",
	}
	deadline := time.Now().Add(time.Minute)
	for {
		mu.Lock()
		got := slices.Clone(told)
		mu.Unlock()
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("told were %v", got)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestAJobThatIsStoppedMakesNothing(t *testing.T) {
	t.Parallel()
	b := newBackups(t)
	c := b.of(owner)
	b.vault(owner, "daily", "")
	volume := b.volume(owner, "none")
	j := need(c.StartBackupJob(t.Context(), &backup.StartBackupJobInput{BackupVaultName: new("daily"), ResourceArn: &volume, IamRoleArn: &b.role}))(t)
	need(c.StopBackupJob(t.Context(), &backup.StopBackupJobInput{BackupJobId: j.BackupJobId}))(t)
	b.pass(time.Minute)
	if d := need(c.DescribeBackupJob(t.Context(), &backup.DescribeBackupJobInput{BackupJobId: j.BackupJobId}))(t); d.State != backuptypes.BackupJobStateAborted {
		t.Errorf("the job is %s", d.State)
	}
	_, err := c.StopBackupJob(t.Context(), &backup.StopBackupJobInput{BackupJobId: j.BackupJobId})
	refused(t, err, "InvalidRequestException", "")
	if own := need(ec2.NewFromConfig(b.root(owner)).DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}}))(t); len(own.Snapshots) != 0 {
		t.Errorf("it made %+v", own.Snapshots)
	}
}
