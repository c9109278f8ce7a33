package live_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/live"
)

// looks gives the ways into both accounts the rights to look at what failed, and nothing
// else.
func (w *taskWorld) looks() *live.Cloud {
	w.Helper()
	needs, err := live.Needs(live.ForWhy)
	w.well(err)
	var actions []string
	for _, n := range needs {
		actions = append(actions, n.Action)
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []map[string]any{{"Effect": "Allow", "Action": actions, "Resource": "*"}}})
	w.well(err)
	for _, account := range []string{taskOwner, taskConsumer} {
		_, err := iam.NewFromConfig(w.root(account)).PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: new("Way"), PolicyName: new("own"), PolicyDocument: new(string(text))})
		w.well(err)
	}
	return w.fresh()
}

// explained is why something in an account failed.
func (w *taskWorld) explained(account, id string) *diagnose.Explanation {
	w.Helper()
	x, err := diagnose.Explain(w.Context(), w.looks(), cloud.Subject{ID: id, Account: account, Region: taskHome}, diagnose.WhyOptions{Now: w.Now()})
	if err != nil {
		w.Fatalf("explaining %s: %v", id, err)
	}
	return x
}

// says holds an explanation against what it has to say: who, what and on which key.
func (w *taskWorld) says(x *diagnose.Explanation, who, action, key string) {
	w.Helper()
	for _, want := range []string{"The " + x.Failed.What + " " + x.Failed.ID + " failed ", " because ", who, action, key} {
		if !strings.Contains(x.Says, want) {
			w.Errorf("%s %s is explained without %q:\n%s\n%+v\nfailed: %+v\nnear: %+v\nnotes: %q", x.Failed.What, x.Failed.ID, want, x.Says, x.Denial, x.Failed, x.Near, x.Notes)
			return
		}
	}
	if !x.Found() || x.Denial == nil || x.Incident == nil || len(x.Incident.Causes) == 0 || len(x.Notes) > 0 {
		w.Errorf("%s: found %t, denied %+v, incident %+v, notes %q", x.Failed.ID, x.Found(), x.Denial, x.Incident, x.Notes)
	}
}

func TestWhatEC2MadeInVainIsExplained(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, tasksOfEBS()...)
	key, no := w.key(taskOwner, taskHome), w.closed(taskOwner)
	snapshot := w.aSnapshot(taskOwner, key)
	c := ec2.NewFromConfig(w.actor(taskOwner))
	copied, err := c.CopySnapshot(t.Context(), &ec2.CopySnapshotInput{SourceRegion: new(taskHome), SourceSnapshotId: &snapshot, KmsKeyId: &no})
	w.well(err)
	volume, err := c.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: new(taskHome + "a"), SnapshotId: &snapshot, Encrypted: new(true), KmsKeyId: &no})
	w.well(err)
	fine := w.aSnapshot(taskOwner, key)
	w.pass(10 * time.Second)
	x := w.explained(taskOwner, *copied.SnapshotId)
	w.says(x, ":assumed-role/Actor/", "kms:", no)
	if x.Failed.State != "error" || x.Failed.Text != "Given key ID is not accessible" || x.Incident.KeyAccount != taskOwner {
		t.Errorf("the copy is %+v, of a key of account %q", x.Failed, x.Incident.KeyAccount)
	}
	w.says(w.explained(taskOwner, *volume.VolumeId), ":assumed-role/Actor/", "kms:", no)
	if x := w.explained(taskOwner, fine); x.Found() || !strings.Contains(x.Says, "did not fail") {
		t.Errorf("of a snapshot that is there it is said: %s", x.Says)
	}
}

// actor is how the account's Actor makes its calls.
func (w *taskWorld) actor(account string) aws.Config {
	w.Helper()
	k, err := w.options().SignIn(w.Context(), taskRole(account, "Actor"))
	w.well(err)
	return w.Server.As(taskHome, k.AccessKeyID, k.SecretAccessKey, k.SessionToken)
}

func TestALaunchThatEndsAtOnceIsExplained(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, cloud.Task{Operation: "ec2:RunInstances"})
	image := w.anImage(taskOwner, w.key(taskOwner, taskHome))
	no := w.closed(taskOwner)
	c := ec2.NewFromConfig(w.actor(taskOwner))
	out, err := c.RunInstances(t.Context(), runOne(image, no))
	w.well(err)
	w.pass(10 * time.Second)
	x := w.explained(taskOwner, *out.Instances[0].InstanceId)
	w.says(x, ":assumed-role/Actor/", "kms:", no)
	if !strings.HasPrefix(x.Failed.Text, "Client.") || x.Failed.Operation != "ec2:RunInstances" {
		t.Errorf("the instance is %+v", x.Failed)
	}
}

func TestAScalingActivityIsExplainedByTheRoleOfAutoScaling(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, cloud.Task{Operation: "ec2:RunInstances", As: "auto-scaling"})
	no := w.closed(taskOwner)
	task := taskIn(taskOwner, "ec2:RunInstances", "kr-group", cloud.Task{As: "auto-scaling", Source: w.anImage(taskOwner, w.key(taskOwner, taskHome)), Key: no})
	w.fails(task, "Client.")
	out, err := autoscaling.NewFromConfig(w.root(taskOwner)).DescribeScalingActivities(t.Context(), &autoscaling.DescribeScalingActivitiesInput{})
	w.well(err)
	var failed string
	for _, a := range out.Activities {
		if a.StatusCode != "Successful" && a.StatusCode != "InProgress" {
			failed = *a.ActivityId
		}
	}
	for _, id := range []string{failed, *out.Activities[0].AutoScalingGroupName} {
		w.says(w.explained(taskOwner, id), "AWSServiceRoleForAutoScaling", "kms:", no)
	}
}

func TestJobsOfAWSBackupAreExplained(t *testing.T) {
	t.Parallel()
	w := newBackupWorld(t)
	point := w.works(w.back)
	w.copy.Source = point.ID
	_, err := kms.NewFromConfig(w.root(taskConsumer)).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &w.vaultKey, Policy: new(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + taskConsumer + `:root"},"Action":["kms:DescribeKey","kms:PutKeyPolicy"],"Resource":"*"}]}`)})
	w.well(err)
	p, err := w.mover.Start(t.Context(), w.copy)
	w.well(err)
	w.ends(w.copy)
	x := w.explained(taskOwner, p.Made["job"])
	w.says(x, "", "kms:", w.vaultKey)
	if x.Failed.What != "copy job" || x.Failed.State != "FAILED" || x.Failed.Principal == "" {
		t.Errorf("the job is %+v", x.Failed)
	}
	if x := w.explained(taskOwner, point.Made["job"]); x.Found() || x.Failed.What != "backup job" {
		t.Errorf("of a backup that was made it is said: %s", x.Says)
	}
}

func TestARecoveryIsExplainedByTheAccountThatDidNotShare(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, tasksOfDRS()...)
	key, own := w.key(taskOwner, taskHome), w.key(taskConsumer, taskHome)
	recovery := w.extendedRecovery(key, own)
	_, err := kms.NewFromConfig(w.root(taskOwner)).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: new(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + taskOwner + `:root"},"Action":"kms:*","Resource":"*"}]}`)})
	w.well(err)
	p, err := w.mover.Start(t.Context(), recovery)
	w.well(err)
	w.ends(recovery)
	x := w.explained(taskConsumer, p.ID)
	w.says(x, "", "kms:", key)
	if x.Incident.KeyAccount != taskOwner || len(x.Failed.Log) == 0 {
		t.Errorf("the job's log is %q, the key of account %s", x.Failed.Log, x.Incident.KeyAccount)
	}
}

func TestWhatIsNotThereIsNotExplained(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t)
	c := w.looks()
	for id, want := range map[string]cloud.Kind{
		"snap-0123456789abcdef0": cloud.NotFound, "i-0123456789abcdef0": cloud.NotFound, "ami-0123456789abcdef0": cloud.NotFound, "drsjob-0123456789abcdef0": cloud.NotFound,
		"12345678-1234-1234-1234-123456789012": cloud.NotFound, "no-such-snapshot": cloud.NotFound,
		"arn:aws:backup:us-east-1:" + taskOwner + ":recovery-point:1": cloud.NotFound, "arn:aws:rds:us-east-1:" + taskOwner + ":cluster-snapshot:none": cloud.NotFound,
		"arn:aws:s3:::bucket": cloud.Invalid, "?": cloud.Invalid, "": cloud.Invalid,
	} {
		if f, err := c.Failed(t.Context(), cloud.Subject{ID: id, Account: taskOwner, Region: taskHome}); cloud.KindOf(err) != want {
			t.Errorf("%q is %+v, %v, want %s", id, f, err, want)
		}
	}
}

func TestWhoMayNotLookIsToldSo(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t)
	w.allow(taskOwner, "s3:ListAllMyBuckets")
	for _, id := range []string{"snap-0123456789abcdef0", "12345678-1234-1234-1234-123456789012"} {
		if _, err := w.fresh().Failed(t.Context(), cloud.Subject{ID: id, Account: taskOwner, Region: taskHome}); cloud.KindOf(err) != cloud.Denied {
			t.Errorf("looking for %s without a right: %v", id, err)
		}
	}
}

// Every right in the table is asked for by some look, and none is missing.
func TestTheRightsToExplainAreOnesThatOnlyLook(t *testing.T) {
	t.Parallel()
	needs, err := live.Needs(live.ForWhy)
	if err != nil || len(needs) == 0 {
		t.Fatal(err)
	}
	for _, n := range needs {
		_, op, _ := strings.Cut(n.Action, ":")
		if !slices.ContainsFunc([]string{"Describe", "List", "Lookup", "Decode"}, func(verb string) bool { return strings.HasPrefix(op, verb) }) {
			t.Errorf("%s does more than look", n.Action)
		}
	}
}

func TestAnEncodedRefusalIsDecoded(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t)
	_, err := ec2.NewFromConfig(w.actor(taskOwner)).StopInstances(t.Context(), &ec2.StopInstancesInput{InstanceIds: []string{w.anInstance(taskOwner)}})
	if err == nil {
		t.Fatal("the call is not refused")
	}
	_, encoded, ok := strings.Cut(err.Error(), "Encoded authorization failure message: ")
	if !ok {
		t.Fatalf("the refusal has no encoded message: %v", err)
	}
	c := w.looks()
	d, err := c.Decode(t.Context(), taskOwner, strings.Fields(encoded)[0])
	if err != nil || d.Action != "ec2:StopInstances" || !strings.Contains(d.Principal, "/Actor/") || !strings.Contains(d.Resource, ":instance/") || d.ExplicitDeny {
		t.Errorf("decoded it is %+v, %v", d, err)
	}
	if _, err := c.Decode(t.Context(), taskOwner, "bm9uZQ"); err == nil {
		t.Error("what is no message is decoded")
	}
	w.allow(taskOwner, "s3:ListAllMyBuckets")
	if _, err := w.fresh().Decode(t.Context(), taskOwner, strings.Fields(encoded)[0]); cloud.KindOf(err) != cloud.Denied {
		t.Errorf("without the right: %v", err)
	}
}

func TestCloudTrailTellsWhatWasChanged(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t)
	key := w.key(taskOwner, taskHome)
	since := w.Now()
	w.pass(time.Minute)
	w.disable(key)
	_, err := kms.NewFromConfig(w.actor(taskOwner)).Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: []byte("none"), KeyId: &key})
	if err == nil {
		t.Fatal("it is decrypted")
	}
	c := w.looks()
	q := cloud.Trail{Account: taskOwner, Region: taskHome, From: since, Names: []string{"DisableKey", "PutKeyPolicy"}, Made: true}
	made, whole, err := c.Trail(t.Context(), q)
	if err != nil || !whole || len(made) != 1 || made[0].Name != "DisableKey" || !slices.Contains(made[0].Resources, key) || !strings.HasSuffix(made[0].Who, ":root") {
		t.Errorf("changed were %+v, %v", made, err)
	}
	q.Names, q.Sources, q.Made, q.Refused = nil, []string{"kms.amazonaws.com"}, false, true
	refused, _, err := c.Trail(t.Context(), q)
	if err != nil || len(refused) != 1 || refused[0].Name != "Decrypt" || refused[0].Code == "" || !strings.Contains(refused[0].Who, "/Actor/") {
		t.Errorf("refused were %+v, %v", refused, err)
	}
}

// runOne is the launch of an instance with one volume under a key.
func runOne(image, key string) *ec2.RunInstancesInput {
	return &ec2.RunInstancesInput{
		ImageId: &image, MinCount: new(int32(1)), MaxCount: new(int32(1)), InstanceType: ec2types.InstanceTypeT3Micro,
		BlockDeviceMappings: []ec2types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &ec2types.EbsBlockDevice{Encrypted: new(true), KmsKeyId: &key}}},
	}
}

// extendedRecovery is the task of recovering a server of the owner in the consumer's
// account.
func (w *taskWorld) extendedRecovery(key, own string) cloud.Task {
	w.Helper()
	w.site(taskOwner, key)
	w.site(taskConsumer, own)
	w.trusts("DRSStagingAccountRole_")
	server := w.agent(taskOwner, false)
	w.is(taskIn(taskOwner, "drs:replicate", "kr-replicate", cloud.Task{Source: *server.SourceServerID}))
	w.is(taskIn(taskOwner, "drs:DescribeRecoverySnapshots", "kr-point", cloud.Task{Source: *server.SourceServerID}))
	there := w.works(taskIn(taskConsumer, "drs:CreateExtendedSourceServer", "kr-extend", cloud.Task{Source: *server.Arn, SourceAccount: taskOwner}))
	w.pass(10 * time.Minute)
	return taskIn(taskConsumer, "drs:StartRecovery", "kr-recover", cloud.Task{Source: there.ID, Scenario: "extended", Args: map[string]string{"drill": "true"}})
}

// Of what is fine every kind of thing is found, with what is told of it.
func TestWhatDidNotFailIsFound(t *testing.T) {
	t.Parallel()
	eachRDS(t, func(t *testing.T, cluster bool) {
		o := wordsOfRDS(cluster)
		w := newTaskWorld(t, o.all()...)
		made := w.works(taskIn(taskOwner, o.create, "kr-first", cloud.Task{Source: w.aDatabase(cluster)}))
		for _, id := range []string{made.ID, lastOf(made.ID)} {
			x := w.explained(taskOwner, id)
			if x.Found() || !strings.HasPrefix(x.Failed.What, "DB ") || x.Failed.State != "available" || len(x.Failed.Keys) != 1 {
				t.Errorf("%s is %+v: %s", id, x.Failed, x.Says)
			}
		}
	})
	w := newBackupWorld(t)
	image := w.anImage(taskOwner, w.key(taskOwner, taskHome))
	point := w.works(w.back)
	w.copy.Source = point.ID
	copied := w.works(w.copy)
	w.restore.Source = copied.ID
	restored := w.works(w.restore)
	for _, tt := range []struct{ account, id, what string }{
		{taskOwner, image, "image"}, {taskOwner, point.ID, "snapshot"}, {taskOwner, point.Made["job"], "backup job"}, {taskOwner, copied.Made["job"], "copy job"},
		{taskConsumer, restored.Made["job"], "restore job"}, {taskConsumer, restored.ID, "volume"},
	} {
		if x := w.explained(tt.account, tt.id); x.Found() || x.Failed.What != tt.what || x.Failed.At.IsZero() || !strings.Contains(x.Says, "did not fail") {
			t.Errorf("%s %s is %+v: %s", tt.what, tt.id, x.Failed, x.Says)
		}
	}
}
