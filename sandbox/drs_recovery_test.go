package sandbox_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
	"github.com/keyreach/keyreach/usage"
)

// pair is a staging and a target account, with a server that replicates under a key of
// the staging account.
type pair struct {
	staging, target *site
	key, server     string
}

// The two statements that AWS documents for the key of a staging account.
// See https://docs.aws.amazon.com/drs/latest/userguide/multi-account.html.
const (
	stagingRoleStatement = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + owner + `:role/service-role/DRSStagingAccountRole_` + consumer + `"},"Action":"kms:ReEncrypt*","Resource":"*",
		"Condition":{"StringEquals":{"kms:CallerAccount":"` + owner + `","kms:ViaService":"ec2.us-east-1.amazonaws.com"}}}`
	targetStatement = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + consumer + `:root"},"Action":"kms:ReEncrypt*","Resource":"*",
		"Condition":{"StringEquals":{"kms:CallerAccount":"` + consumer + `","kms:ViaService":"ec2.us-east-1.amazonaws.com"}}}`
)

// pair makes both accounts, with a key that admits whom the staging itself needs.
func (w *world) pair() *pair {
	w.Helper()
	p := &pair{key: w.key(owner, "")}
	p.staging, p.target = w.site(owner, p.key), w.site(consumer, "")
	w.setPolicy(p.key, stagingPolicy(owner))
	(&journey{world: w}).trustTarget("DRSStagingAccountRole_")
	p.server = p.staging.add("web")
	p.staging.synced(p.server)
	return p
}

// extend extends the server into the target account.
func (p *pair) extend() string {
	p.target.Helper()
	out := need(p.target.drs.CreateExtendedSourceServer(p.target.Context(), &drs.CreateExtendedSourceServerInput{SourceServerArn: p.staging.show(p.server).Arn}))(p.target)
	return *out.SourceServer.SourceServerID
}

// open has the key admit the staging role and the target account.
func (p *pair) open() {
	p.staging.Helper()
	p.staging.setPolicy(p.key, stagingPolicy(owner, stagingRoleStatement, targetStatement))
}

// launches are the statuses of a job's servers.
func (s *site) launches(job string) (list []string) {
	s.Helper()
	out := need(s.drs.DescribeJobs(s.Context(), &drs.DescribeJobsInput{Filters: &types.DescribeJobsRequestFilters{JobIDs: []string{job}}}))(s)
	for _, p := range out.Items[0].ParticipatingServers {
		list = append(list, string(p.LaunchStatus))
	}
	return list
}

// A whole chain, with two accounts and every state on the way, takes less than a second
// when the clock is run forward.
func TestADrillFromStagingToTargetTakesLessThanASecond(t *testing.T) {
	t.Parallel()
	least := time.Hour
	for range 3 { // the machine may be busy with other tests
		w := newWorld(t)
		begin := time.Now()
		p := w.pair()
		p.open()
		job := p.target.recover(p.target.drs, p.extend(), true)
		log := jobEvents(p.target.ended(job))
		instances := need(p.target.drs.DescribeRecoveryInstances(t.Context(), &drs.DescribeRecoveryInstancesInput{}))(t).Items
		if len(instances) != 1 || instances[0].Ec2InstanceState != "RUNNING" || !*instances[0].IsDrill {
			t.Fatalf("the recovery instances are %+v after %v", instances, log)
		}
		end := need(p.target.drs.TerminateRecoveryInstances(t.Context(), &drs.TerminateRecoveryInstancesInput{RecoveryInstanceIDs: []string{*instances[0].RecoveryInstanceID}}))(t)
		p.target.ended(*end.Job.JobID)
		if left := need(p.target.drs.DescribeRecoveryInstances(t.Context(), &drs.DescribeRecoveryInstancesInput{}))(t).Items; len(left) != 0 {
			t.Fatalf("after the termination there is %+v", left)
		}
		least = min(least, time.Since(begin))
	}
	t.Logf("initialized, replicated, extended, drilled, terminated: %s", least.Round(time.Millisecond))
	if least > time.Second {
		t.Errorf("it took %s", least)
	}
}

// What practitioners met: the staging role has no right on the key.
func TestSharingNeedsTheStagingRoleOnTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pair()
	id := p.extend()
	if x := p.target.show(id).StagingArea; x.Status != "EXTENDED" || *x.StagingAccountID != owner || !strings.HasSuffix(*x.StagingSourceServerArn, p.server) {
		t.Errorf("the extension is %+v", x)
	}
	// The statement that people add first, for the service, helps nothing.
	w.setPolicy(p.key, stagingPolicy(owner, targetStatement, `{"Effect":"Allow","Principal":{"Service":"drs.amazonaws.com"},"Action":["kms:Decrypt","kms:DescribeKey","kms:CreateGrant","kms:ReEncrypt*"],"Resource":"*",
		"Condition":{"StringEquals":{"kms:ViaService":["ec2.us-east-1.amazonaws.com","drs.us-east-1.amazonaws.com"]}}}`))
	job := p.target.recover(p.target.drs, id, true)
	log := jobEvents(p.target.ended(job))
	want := []string{"JOB_START", "USING_PREVIOUS_SNAPSHOT", "SNAPSHOT_FAIL: An error occurred (AuthFailure) when calling the ModifySnapshotAttribute operation: Not authorized to use key " + p.key, "JOB_END"}
	if !slices.Equal(log, want) {
		t.Errorf("the log is %q, want %q", log, want)
	}
	if got := p.target.launches(job); got[0] != "FAILED" || p.target.show(id).LastLaunchResult != "FAILED" {
		t.Errorf("the launch is %v", got)
	}
	p.open()
	job = p.target.recover(p.target.drs, id, true)
	if log := jobEvents(p.target.ended(job)); p.target.launches(job)[0] != "LAUNCHED" || log[len(log)-2] != "LAUNCH_START" {
		t.Errorf("with the two statements the log is %q", log)
	}
	// The volumes are under the target's own key, not the staging account's.
	for _, v := range need(ec2.NewFromConfig(w.root(consumer)).DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{}))(t).Volumes {
		if !strings.Contains(*v.KmsKeyId, ":"+consumer+":") {
			t.Errorf("a recovery volume is under %s", *v.KmsKeyId)
		}
	}
}

func TestARecoveryInTheTargetAccountIsForWhoStartedIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pair()
	p.open()
	id := p.extend()
	// The console's policy has no right on keys: the half of the target's IAM is missing.
	_, operator := w.user(consumer, "operator", "")
	c := iam.NewFromConfig(w.root(consumer))
	need(c.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: new("operator"), PolicyArn: new("arn:aws:iam::aws:policy/AWSElasticDisasterRecoveryConsoleFullAccess_v2")}))(t)
	as := drs.NewFromConfig(operator)
	job := p.target.recover(as, id, true)
	log := jobEvents(p.target.ended(job))
	if n := len(log); n < 2 || log[n-2] != "LAUNCH_FAILED: Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state" {
		t.Errorf("without the right on the key the log is %q", log)
	}
	need(c.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: new("operator"), PolicyName: new("key"), PolicyDocument: new(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ReEncrypt*","Resource":"` + p.key + `"}]}`)}))(t)
	job = p.target.recover(as, id, true)
	if log := jobEvents(p.target.ended(job)); p.target.launches(job)[0] != "LAUNCHED" {
		t.Errorf("with it the log is %q", log)
	}
	// Not the operator itself: only through DRS.
	_, err := ec2.NewFromConfig(operator).RunInstances(t.Context(), &ec2.RunInstancesInput{ImageId: new("ami-00000000"), MinCount: new(int32(1)), MaxCount: new(int32(1))})
	w.begins("a launch of the operator's own", err, "UnauthorizedOperation: ")
}

func TestASnapshotUnderTheDefaultKeyIsNotExtended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := &pair{staging: w.site(owner, ""), target: w.site(consumer, "")}
	(&journey{world: w}).trustTarget("DRSStagingAccountRole_")
	p.server = p.staging.add("web")
	p.staging.synced(p.server)
	id := p.extend()
	const text = "Encrypted snapshots with EBS default key cannot be shared"
	if x := p.target.show(id).StagingArea; x.Status != "EXTENSION_ERROR" || *x.ErrorMessage != text {
		t.Errorf("the extension is %+v", x)
	}
	log := jobEvents(p.target.ended(p.target.recover(p.target.drs, id, false)))
	if want := "SNAPSHOT_FAIL: An error occurred (OperationNotPermitted) when calling the ModifySnapshotAttribute operation: " + text; !slices.Contains(log, want) {
		t.Errorf("the log is %q", log)
	}
	// A customer managed key, and a new sync, put it right.
	key := w.key(owner, "")
	w.setPolicy(key, stagingPolicy(owner, stagingRoleStatement, targetStatement))
	need(p.staging.drs.UpdateReplicationConfiguration(t.Context(), &drs.UpdateReplicationConfigurationInput{SourceServerID: &p.server, EbsEncryption: types.ReplicationConfigurationEbsEncryptionCustom, EbsEncryptionKeyArn: &key}))(t)
	w.pass(time.Minute)
	if x := p.target.show(id).StagingArea; x.Status != "EXTENDED" || x.ErrorMessage != nil {
		t.Errorf("under another key the extension is %+v", x)
	}
	job := p.target.recover(p.target.drs, id, false)
	if log := jobEvents(p.target.ended(job)); p.target.launches(job)[0] != "LAUNCHED" {
		t.Errorf("under another key the log is %q", log)
	}
}

func TestAStagingAccountHasToTrustTheTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	staging, target := w.site(owner, ""), w.site(consumer, "")
	server := staging.add("web")
	staging.synced(server)
	extend := func() error {
		_, err := target.drs.CreateExtendedSourceServer(t.Context(), &drs.CreateExtendedSourceServerInput{SourceServerArn: staging.show(server).Arn})
		return err
	}
	list := func() ([]types.StagingSourceServer, error) {
		out, err := target.drs.ListExtensibleSourceServers(t.Context(), &drs.ListExtensibleSourceServersInput{StagingAccountID: new(owner)})
		if err != nil {
			return nil, err
		}
		return out.Items, nil
	}
	w.begins("without the role", extend(), "AccessDeniedException: ")
	_, err := list()
	w.begins("listing without the role", err, "AccessDeniedException: ")
	c := iam.NewFromConfig(w.root(owner))
	name := "DRSStagingAccountRole_" + consumer
	trust := func(identity string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"drs.amazonaws.com"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"],"Condition":{"StringEquals":{"sts:SourceIdentity":%q}}}]}`, identity)
	}
	need(c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, Path: new("/service-role/"), AssumeRolePolicyDocument: new(trust("999988887777"))}))(t)
	w.begins("with a role that trusts another account", extend(), "AccessDeniedException: ")
	need(c.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: new(trust(consumer))}))(t)
	if got := need(list())(t); len(got) != 1 || *got[0].Hostname != "web" {
		t.Errorf("the extensible servers are %+v", got)
	}
	if err := extend(); err != nil {
		t.Fatal(err)
	}
	w.begins("a second time", extend(), "ValidationException: ")
	if got := need(list())(t); len(got) != 0 {
		t.Errorf("what is extended is extensible: %+v", got)
	}
	accounts := need(target.drs.ListStagingAccounts(t.Context(), &drs.ListStagingAccountsInput{}))(t).Accounts
	if len(accounts) != 1 || *accounts[0].AccountID != owner {
		t.Errorf("the staging accounts are %+v", accounts)
	}
	byStaging := &drs.DescribeSourceServersInput{Filters: &types.DescribeSourceServersRequestFilters{StagingAccountIDs: []string{owner}}}
	if got := need(target.drs.DescribeSourceServers(t.Context(), byStaging))(t).Items; len(got) != 1 {
		t.Errorf("by the staging account the servers are %+v", got)
	}
	need(c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: &name}))(t)
	if got := need(target.drs.DescribeSourceServers(t.Context(), byStaging))(t).Items; got[0].StagingArea.Status != "EXTENSION_ERROR" {
		t.Errorf("without the role the extension is %+v", got[0].StagingArea)
	}
}

func TestAnExtendedServerStaysInItsRegion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pair()
	there := drs.NewFromConfig(w.Root(consumer, "us-west-2"))
	need(there.InitializeService(t.Context(), &drs.InitializeServiceInput{}))(t)
	_, err := there.CreateExtendedSourceServer(t.Context(), &drs.CreateExtendedSourceServerInput{SourceServerArn: p.staging.show(p.server).Arn})
	w.begins("from another Region", err, "ValidationException: ")
}

func TestARecoveryGoesThroughItsStatesAndLeavesAnInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "")
	s := w.site(owner, key)
	w.setPolicy(key, stagingPolicy(owner))
	id := s.add("web")
	s.synced(id)
	w.pass(5 * time.Minute)
	out := need(s.drs.StartRecovery(t.Context(), &drs.StartRecoveryInput{
		SourceServers: []types.StartRecoveryRequestSourceServer{{SourceServerID: &id}}, Tags: map[string]string{"why": "test"},
	}))(t).Job
	if out.Status != "PENDING" || out.Type != "LAUNCH" || out.InitiatedBy != "START_RECOVERY" || out.Tags["why"] != "test" || out.ParticipatingServers[0].LaunchStatus != "PENDING" {
		t.Errorf("the job begins as %+v", out)
	}
	_, err := s.drs.StartRecovery(t.Context(), &drs.StartRecoveryInput{SourceServers: []types.StartRecoveryRequestSourceServer{{SourceServerID: &id}}})
	w.begins("another one at once", err, "ConflictException: ")
	_, err = s.drs.DeleteJob(t.Context(), &drs.DeleteJobInput{JobID: out.JobID})
	w.begins("deleting a job that runs", err, "ConflictException: ")
	w.pass(time.Second)
	if is := s.launches(*out.JobID); is[0] != "IN_PROGRESS" {
		t.Errorf("after a second the launch is %v", is)
	}
	log := jobEvents(s.ended(*out.JobID))
	want := []string{"JOB_START", "SNAPSHOT_START", "SNAPSHOT_END", "CONVERSION_START", "CONVERSION_END", "LAUNCH_START", "JOB_END"}
	if !slices.Equal(log, want) {
		t.Errorf("the log is %q", log)
	}
	v := s.show(id)
	if v.LastLaunchResult != "SUCCEEDED" || v.LifeCycle.LastLaunch.Status != "LAUNCHED" || v.LifeCycle.LastLaunch.Initiated.Type != "RECOVERY" || v.RecoveryInstanceId == nil {
		t.Errorf("the server is %+v", v)
	}
	got := need(s.drs.DescribeRecoveryInstances(t.Context(), &drs.DescribeRecoveryInstancesInput{Filters: &types.DescribeRecoveryInstancesRequestFilters{SourceServerIDs: []string{id}}}))(t).Items
	if len(got) != 1 || *got[0].RecoveryInstanceID != *v.RecoveryInstanceId || got[0].Ec2InstanceState != "RUNNING" || *got[0].IsDrill || got[0].PointInTimeSnapshotDateTime == nil || len(got[0].RecoveryInstanceProperties.Disks) != 2 {
		t.Errorf("the recovery instance is %+v", got)
	}
	// The instance has both disks under the key of the settings; DRS's image is gone.
	c := ec2.NewFromConfig(w.root(owner))
	instance := need(c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{*v.RecoveryInstanceId}}))(t).Reservations[0].Instances[0]
	for _, d := range instance.BlockDeviceMappings {
		volume := need(c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{*d.Ebs.VolumeId}}))(t).Volumes[0]
		if *volume.KmsKeyId != key {
			t.Errorf("%s is under %s", *d.DeviceName, *volume.KmsKeyId)
		}
	}
	if images := need(c.DescribeImages(t.Context(), &ec2.DescribeImagesInput{Owners: []string{"self"}}))(t).Images; len(images) != 0 {
		t.Errorf("images are left: %d", len(images))
	}
	need(s.drs.DeleteJob(t.Context(), &drs.DeleteJobInput{JobID: out.JobID}))(t)
	_, err = s.drs.DescribeJobLogItems(t.Context(), &drs.DescribeJobLogItemsInput{JobID: out.JobID})
	w.begins("the log of a job that is deleted", err, "ResourceNotFoundException: ")
}

func TestARecoveryGoesToThePointThatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	id := s.add("web")
	s.synced(id)
	w.pass(25 * time.Minute)
	points := need(s.drs.DescribeRecoverySnapshots(t.Context(), &drs.DescribeRecoverySnapshotsInput{SourceServerID: &id, Order: types.RecoverySnapshotsOrderAsc}))(t).Items
	job := s.recover(s.drs, id, true, *points[0].SnapshotID)
	log := jobEvents(s.ended(job))
	if !slices.Contains(log, "USING_PREVIOUS_SNAPSHOT") || slices.Contains(log, "SNAPSHOT_START") {
		t.Errorf("the log is %q", log)
	}
	instances := need(s.drs.DescribeRecoveryInstances(t.Context(), &drs.DescribeRecoveryInstancesInput{}))(t).Items
	if *instances[0].PointInTimeSnapshotDateTime != *points[0].Timestamp {
		t.Errorf("recovered to %s, not %s", *instances[0].PointInTimeSnapshotDateTime, *points[0].Timestamp)
	}
	// A new drill takes the place of the old one's instance.
	job = s.recover(s.drs, id, true)
	if log := jobEvents(s.ended(job)); log[1] != "CLEANUP_START" || log[2] != "CLEANUP_END" {
		t.Errorf("the log of the second is %q", log)
	}
	if left := need(s.drs.DescribeRecoveryInstances(t.Context(), &drs.DescribeRecoveryInstancesInput{}))(t).Items; len(left) != 1 || *left[0].JobID != job {
		t.Errorf("after the second there is %+v", left)
	}
	job = s.recover(s.drs, id, true, "pit-00000000000000000")
	if log := jobEvents(s.ended(job)); !strings.HasPrefix(log[len(log)-2], "USING_PREVIOUS_SNAPSHOT_FAILED: ") {
		t.Errorf("to a point that is not there the log is %q", log)
	}
}

func TestALaunchFailsWhenTheKeyStopsLettingTheServiceLinkedRoleIn(t *testing.T) {
	t.Parallel()
	const broken = "LAUNCH_FAILED: Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state"
	for what, change := range map[string]func(*world, string){
		"no grant": func(w *world, key string) {
			w.setPolicy(key, strings.Replace(stagingPolicy(owner), `,"kms:CreateGrant"]`, `]`, 1))
		},
		"no data key": func(w *world, key string) {
			w.setPolicy(key, strings.Replace(stagingPolicy(owner), `["kms:GenerateDataKeyWithoutPlaintext",`, `[`, 1))
		},
		"a disabled key": func(w *world, key string) {
			need(w.kmsOf(w.root(owner)).DisableKey(w.Context(), &kms.DisableKeyInput{KeyId: &key}))(w)
		},
		"a key that is to be deleted": func(w *world, key string) {
			need(w.kmsOf(w.root(owner)).ScheduleKeyDeletion(w.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key}))(w)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := w.key(owner, "")
			s := w.site(owner, key)
			w.setPolicy(key, stagingPolicy(owner))
			id := s.add("web")
			s.synced(id)
			change(w, key)
			log := jobEvents(s.ended(s.recover(s.drs, id, true)))
			if !slices.Contains(log, broken) {
				t.Errorf("the log is %q", log)
			}
			if v := s.show(id); v.LastLaunchResult != "FAILED" || v.RecoveryInstanceId != nil {
				t.Errorf("the server is %+v", v)
			}
		})
	}
}

func TestLaunchSettingsCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	m := machine(owner, "web")
	m.Tags = map[string]string{"tier": "gold"}
	id := *need(w.AddSourceServer(m))(t).SourceServerID
	need(s.drs.UpdateLaunchConfiguration(t.Context(), &drs.UpdateLaunchConfigurationInput{SourceServerID: &id, CopyTags: new(true), LaunchDisposition: types.LaunchDispositionStopped}))(t)
	s.synced(id)
	s.ended(s.recover(s.drs, id, false))
	w.pass(10 * time.Second)
	instance := need(ec2.NewFromConfig(w.root(owner)).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{*s.show(id).RecoveryInstanceId}}))(t).Reservations[0].Instances[0]
	tags := map[string]string{}
	for _, tag := range instance.Tags {
		tags[*tag.Key] = *tag.Value
	}
	if instance.State.Name != ec2types.InstanceStateNameStopped || tags["tier"] != "gold" || tags["Name"] != "web" || tags["AWSElasticDisasterRecoveryManaged"] == "" {
		t.Errorf("the instance is %s with the tags %v", instance.State.Name, tags)
	}
}

func TestRecoveryInstancesAreTerminatedDisconnectedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	id := s.add("web")
	s.synced(id)
	s.ended(s.recover(s.drs, id, true))
	instance := *s.show(id).RecoveryInstanceId
	// The termination is for its caller, who needs the right in EC2.
	_, weak := w.user(owner, "weak", allow("drs:*"))
	terminate := func(c *drs.Client) string {
		return *need(c.TerminateRecoveryInstances(t.Context(), &drs.TerminateRecoveryInstancesInput{RecoveryInstanceIDs: []string{instance}}))(t).Job.JobID
	}
	job := terminate(drs.NewFromConfig(weak))
	if log := jobEvents(s.ended(job)); !strings.HasPrefix(log[len(log)-2], "CLEANUP_FAIL: An error occurred (UnauthorizedOperation) when calling the TerminateInstances operation: ") || s.launches(job)[0] != "FAILED" {
		t.Errorf("without the right the log is %q", log)
	}
	_, err := s.drs.DeleteRecoveryInstance(t.Context(), &drs.DeleteRecoveryInstanceInput{RecoveryInstanceID: &instance})
	w.begins("deleting one that is connected", err, "ConflictException: ")
	job = terminate(s.drs)
	s.ended(job)
	if s.launches(job)[0] != "TERMINATED" || s.show(id).RecoveryInstanceId != nil {
		t.Errorf("terminated, the job has %v", s.launches(job))
	}
	s.ended(s.recover(s.drs, id, false))
	instance = *s.show(id).RecoveryInstanceId
	need(s.drs.DisconnectRecoveryInstance(t.Context(), &drs.DisconnectRecoveryInstanceInput{RecoveryInstanceID: &instance}))(t)
	need(s.drs.DeleteRecoveryInstance(t.Context(), &drs.DeleteRecoveryInstanceInput{RecoveryInstanceID: &instance}))(t)
	found := need(ec2.NewFromConfig(w.root(owner)).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{instance}}))(t).Reservations[0].Instances[0]
	if found.State.Name != ec2types.InstanceStateNameRunning || s.show(id).RecoveryInstanceId != nil {
		t.Errorf("deleted from DRS, the instance is %s", found.State.Name)
	}
}

func TestAFailbackGoesByItsClientOrByReversedReplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	id := s.add("web")
	s.synced(id)
	s.ended(s.recover(s.drs, id, false))
	instance := *s.show(id).RecoveryInstanceId
	state := func() types.FailbackState {
		return need(s.drs.DescribeRecoveryInstances(t.Context(), &drs.DescribeRecoveryInstancesInput{}))(t).Items[0].Failback.State
	}
	launch := func() (*drs.StartFailbackLaunchOutput, error) {
		return s.drs.StartFailbackLaunch(t.Context(), &drs.StartFailbackLaunchInput{RecoveryInstanceIDs: []string{instance}})
	}
	_, err := launch()
	w.begins("before a client runs", err, "ConflictException: ")
	_, err = s.drs.ReverseReplication(t.Context(), &drs.ReverseReplicationInput{RecoveryInstanceID: &instance})
	w.begins("reversing what did not run on AWS", err, "ValidationException: ")
	for range 2 {
		if err := w.StartFailbackClient(owner, home, instance); err != nil {
			t.Fatal(err)
		}
		if is := state(); is != "FAILBACK_IN_PROGRESS" {
			t.Errorf("at once it is %s", is)
		}
		w.pass(5 * time.Second)
		if is := state(); is != "FAILBACK_READY_FOR_LAUNCH" {
			t.Errorf("later it is %s", is)
		}
		if id != "" {
			need(s.drs.StopFailback(t.Context(), &drs.StopFailbackInput{RecoveryInstanceID: &instance}))(t)
			if is := state(); is != "FAILBACK_NOT_STARTED" {
				t.Errorf("stopped, it is %s", is)
			}
			id = ""
		}
	}
	job := *need(launch())(t).Job.JobID
	s.ended(job)
	if is := state(); is != "FAILBACK_COMPLETED" {
		t.Errorf("launched, it is %s", is)
	}
	need(s.drs.UpdateFailbackReplicationConfiguration(t.Context(), &drs.UpdateFailbackReplicationConfigurationInput{RecoveryInstanceID: &instance, BandwidthThrottling: 7, UsePrivateIP: new(true)}))(t)
	got := need(s.drs.GetFailbackReplicationConfiguration(t.Context(), &drs.GetFailbackReplicationConfigurationInput{RecoveryInstanceID: &instance}))(t)
	if got.BandwidthThrottling != 7 || !*got.UsePrivateIP || *got.RecoveryInstanceID != instance {
		t.Errorf("the settings are %+v", got)
	}
}

// A job goes on where it was when the sandbox is started again, for the session that
// started it.
func TestAJobGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	start := func() (*world, func()) {
		s := need(sandbox.New(sandbox.Options{State: file}))(t)
		web := httptest.NewServer(s)
		return &world{TB: t, Server: sandboxtest.At(t, s, web.URL), admins: map[string]aws.Config{}}, func() {
			web.Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	w, stop := start()
	p := w.pair()
	p.open()
	id := p.extend()
	role := w.role(consumer, "operator", allow("*"), "")
	// The session's policy leaves out the key, and counts after the restart too.
	in := &sts.AssumeRoleInput{RoleArn: &role.arn, RoleSessionName: new("day"), Policy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"kms:ReEncrypt*","Resource":"*"}]}`)}
	c := need(sts.NewFromConfig(w.admin(consumer)).AssumeRole(t.Context(), in))(t).Credentials
	job := p.target.recover(drs.NewFromConfig(w.As(home, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)), id, true)
	w.pass(2 * time.Second)
	stop()

	w, stop = start()
	defer stop()
	log := jobEvents((&journey{world: w}).siteOf(consumer).ended(job))
	if n := len(log); log[n-2] != "LAUNCH_FAILED: Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state" {
		t.Errorf("the log is %q", log)
	}
}

func TestDRSTellsEventBridgeWhatHappens(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.rule(b.root(owner), "default", "drs", `{"source":["aws.drs"]}`, ebtypes.Target{})
	key := b.key(owner, "")
	s := b.site(owner, key)
	id := s.add("web")
	b.pass(5 * time.Second)
	told := func(detailType, part string) {
		t.Helper()
		if d := b.next(); d.Event.DetailType != detailType || !strings.Contains(string(d.Event.Detail), part) || !strings.HasSuffix(d.Event.Resources[0], ":source-server/"+id) {
			t.Errorf("delivered %+v", d.Event)
		}
	}
	told("DRS Source Server Data Replication Stalled Change", `"STALLED"`)
	b.setPolicy(key, stagingPolicy(owner))
	b.pass(6 * time.Minute)
	told("DRS Source Server Data Replication Stalled Change", `"NOT_STALLED"`)
	told("DRS PIT Snapshot Taken", `"SUCCEEDED"`)
	s.ended(s.recover(s.drs, id, true)) // to that point, which is younger than a minute
	told("DRS Source Server Launch Result", `"DRILL_LAUNCH_SUCCEEDED"`)
}

func TestReversedReplicationNeedsTheOriginReadyAndItsTrust(t *testing.T) {
	t.Parallel()
	j := &journey{world: newWorld(t), made: map[string]string{}}
	instance := j.recovered() // in the consumer's account, of a server of the owner's
	there := j.siteOf(consumer)
	reverse := func() error {
		_, err := there.drs.ReverseReplication(t.Context(), &drs.ReverseReplicationInput{RecoveryInstanceID: &instance})
		return err
	}
	j.begins("before the origin is initialized", reverse(), "ValidationException: ")
	origin := j.site(owner, "")
	j.begins("without the origin's trust", reverse(), "AccessDeniedException: ")
	j.trustTarget("DRSCrossAccountReplicationRole_")
	if err := reverse(); err != nil {
		t.Fatal(err)
	}
	j.begins("a second time", reverse(), "ConflictException: ")
	back := need(origin.drs.DescribeSourceServers(t.Context(), &drs.DescribeSourceServersInput{}))(t).Items
	if len(back) != 1 || back[0].ReplicationDirection != "FAILBACK" || !strings.Contains(*back[0].ReversedDirectionSourceServerArn, ":"+consumer+":source-server/") {
		t.Fatalf("the origin has %+v", back)
	}
	origin.synced(*back[0].SourceServerID)
	state := func() types.FailbackState {
		return need(there.drs.DescribeRecoveryInstances(t.Context(), &drs.DescribeRecoveryInstancesInput{}))(t).Items[0].Failback.State
	}
	if is := state(); is != "FAILBACK_READY_FOR_LAUNCH" {
		t.Errorf("synced, the failback is %s", is)
	}
	job := origin.recover(origin.drs, *back[0].SourceServerID, false)
	if origin.ended(job); origin.launches(job)[0] != "LAUNCHED" {
		t.Errorf("home again: %v", origin.launches(job))
	}
	need(there.drs.StopFailback(t.Context(), &drs.StopFailbackInput{RecoveryInstanceID: &instance}))(t)
	if is := origin.show(*back[0].SourceServerID).DataReplicationInfo.DataReplicationState; is != "STOPPED" || state() != "FAILBACK_NOT_STARTED" {
		t.Errorf("stopped, the server is %s and the failback %s", is, state())
	}
}

func TestDRSEndpointsOfTheSandboxRefuseWhatIsNoMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	s.synced(s.add("web"))
	for body, want := range map[string]string{
		`{"account":"1","region":"us-east-1","hostname":"h","disks":[{"device":"d","bytes":1}]}`:                                 "not twelve digits",
		`{"account":"111122223333","region":"nowhere","hostname":"h","disks":[{"device":"d","bytes":1}]}`:                        "no Region",
		`{"account":"111122223333","region":"us-east-1","hostname":"h","disks":[]}`:                                              "at least one disk",
		`{"account":"111122223333","region":"us-east-1","hostname":"h","disks":[{"device":"d","bytes":0}]}`:                      "1 byte to 64 TiB",
		`{"account":"111122223333","region":"us-east-1","hostname":"h","discs":[]}`:                                              "unknown field",
		`{"account":"444455556666","region":"us-east-1","hostname":"h","disks":[{"device":"d","bytes":1}]}`:                      "UninitializedAccountException",
		`{"account":"111122223333","region":"us-east-1","hostname":"h","origin_account":"x","disks":[{"device":"d","bytes":1}]}`: "origin account",
	} {
		res := need(w.Client().Post(w.URL+"/_keyreach/drs/source-servers", "application/json", strings.NewReader(body)))(t)
		text := need(io.ReadAll(res.Body))(t)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s %s", body, res.Status, text)
		}
	}
	if err := w.StartFailbackClient(owner, home, "i-00000000"); err == nil {
		t.Error("a failback client runs on nothing")
	}
}

func TestTheStagingAccountSeesTheTargetsJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pair()
	p.open()
	p.target.ended(p.target.recover(p.target.drs, p.extend(), true))
	jobs := need(p.staging.drs.DescribeJobs(t.Context(), &drs.DescribeJobsInput{}))(t).Items
	if len(jobs) != 1 || jobs[0].Type != "CREATE_CONVERTED_SNAPSHOT" || jobs[0].InitiatedBy != "TARGET_ACCOUNT" || *jobs[0].ParticipatingServers[0].SourceServerID != p.server {
		t.Errorf("the staging account has %+v", jobs)
	}
}

// What check proves of an estate of the sandbox is what the sandbox did.
func TestCheckProvesTheRouteThatDRSWent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, targetKey := w.key(owner, ""), w.key(consumer, "")
	p := &pair{key: key, staging: w.site(owner, key), target: w.site(consumer, targetKey)}
	(&journey{world: w}).trustTarget("DRSStagingAccountRole_")
	w.setPolicy(key, stagingPolicy(owner, stagingRoleStatement, targetStatement))
	operator := w.role(consumer, "Consumer", allow("*"), "")
	f := need(route.Load("keyreach.yaml", []byte(strings.NewReplacer("OWNER_KEY", key, "CONSUMER_KEY", targetKey).Replace(drsChains()[1].file))))(t)
	// missing is what check misses; what AWS asks for beside what it needs does not count.
	missing := func() (list []string) {
		proof := need(route.Prove(&f.Routes[0], need(w.Estate())(t), w.Now()))(t)
		for _, step := range proof.Steps {
			for _, c := range step.Preconditions {
				if c.Verdict != route.Proven {
					list = append(list, step.Name+": "+c.Text)
				}
			}
			for _, r := range step.Requests {
				if r.Use.Need == usage.Required && r.Verdict != route.Proven {
					list = append(list, step.Name+": "+r.Use.Action)
				}
			}
		}
		return list
	}
	if got := missing(); !slices.Equal(got, []string{"recover: the source servers are extended into the target account"}) {
		t.Errorf("before the server is extended, check misses %q", got)
	}
	p.server = p.staging.add("web")
	p.staging.synced(p.server)
	id := p.extend()
	if got := missing(); len(got) > 0 {
		t.Errorf("check misses %q", got)
	}
	job := p.target.recover(drs.NewFromConfig(w.session(consumer, operator.arn, "day", "")), id, true)
	if log := jobEvents(p.target.ended(job)); p.target.launches(job)[0] != "LAUNCHED" {
		t.Errorf("the log is %q", log)
	}
}

func TestAnExtendedServerIsEndedInTheTargetAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pair()
	id := p.extend()
	_, err := p.target.drs.StopReplication(t.Context(), &drs.StopReplicationInput{SourceServerID: &id})
	w.begins("stopping it", err, "ConflictException: ")
	need(p.target.drs.DisconnectSourceServer(t.Context(), &drs.DisconnectSourceServerInput{SourceServerID: &id}))(t)
	if is := p.target.show(id).DataReplicationInfo.DataReplicationState; is != "DISCONNECTED" {
		t.Errorf("disconnected, it is %s", is)
	}
	need(p.target.drs.DeleteSourceServer(t.Context(), &drs.DeleteSourceServerInput{SourceServerID: &id}))(t)
	if is := p.staging.show(p.server).DataReplicationInfo.DataReplicationState; is != "CONTINUOUS" {
		t.Errorf("in the staging account it is %s", is)
	}
	p.extend() // again
}
