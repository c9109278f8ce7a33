package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	drstypes "github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	sandboxdrs "github.com/keyreach/keyreach/sandbox/drs"
)

const gib = 1 << 30

// site is an account that replicates servers.
type site struct {
	*world
	account string
	drs     *drs.Client
}

// site initializes an account, with replication settings that name a key; empty for the
// default key of EBS.
func (w *world) site(account, key string) *site {
	w.Helper()
	s := &site{w, account, drs.NewFromConfig(w.root(account))}
	need(s.drs.InitializeService(w.Context(), &drs.InitializeServiceInput{}))(w)
	s.template(key)
	return s
}

// template makes replication settings.
func (s *site) template(key string) *drs.CreateReplicationConfigurationTemplateOutput {
	s.Helper()
	return need(s.drs.CreateReplicationConfigurationTemplate(s.Context(), templateWith(key)))(s)
}

func templateWith(key string) *drs.CreateReplicationConfigurationTemplateInput {
	in := &drs.CreateReplicationConfigurationTemplateInput{
		EbsEncryption: drstypes.ReplicationConfigurationEbsEncryptionDefault, AssociateDefaultSecurityGroup: new(true), CreatePublicIP: new(false),
		DataPlaneRouting:              drstypes.ReplicationConfigurationDataPlaneRoutingPrivateIp,
		DefaultLargeStagingDiskType:   drstypes.ReplicationConfigurationDefaultLargeStagingDiskTypeGp3,
		PitPolicy:                     []drstypes.PITPolicyRule{{Interval: aws.Int32(10), RetentionDuration: aws.Int32(60), Units: drstypes.PITPolicyRuleUnitsMinute, Enabled: new(true)}},
		ReplicationServerInstanceType: new("t3.small"), ReplicationServersSecurityGroupsIDs: []string{}, StagingAreaSubnetId: new("subnet-0123456789abcdef0"),
		StagingAreaTags: map[string]string{"purpose": "staging"}, UseDedicatedReplicationServer: new(false),
	}
	if key != "" {
		in.EbsEncryption, in.EbsEncryptionKeyArn = drstypes.ReplicationConfigurationEbsEncryptionCustom, &key
	}
	return in
}

// machine is what an agent tells of a machine with two disks.
func machine(account, name string) sandboxdrs.Agent {
	return sandboxdrs.Agent{
		Account: account, Region: home, Hostname: name,
		Disks: []sandboxdrs.AgentDisk{{Device: "/dev/nvme0n1", Bytes: 8 * gib}, {Device: "/dev/nvme1n1", Bytes: 20*gib + 1}},
	}
}

// add installs an agent and returns the id of its source server.
func (s *site) add(name string) string {
	s.Helper()
	return *need(s.AddSourceServer(machine(s.account, name)))(s).SourceServerID
}

// show is a source server as it is now.
func (s *site) show(id string) drstypes.SourceServer {
	s.Helper()
	out := need(s.drs.DescribeSourceServers(s.Context(), &drs.DescribeSourceServersInput{Filters: &drstypes.DescribeSourceServersRequestFilters{SourceServerIDs: []string{id}}}))(s)
	if len(out.Items) != 1 {
		s.Fatalf("%d source servers are %s", len(out.Items), id)
	}
	return out.Items[0]
}

// synced waits, on the sandbox's clock, until a server has a point in time.
func (s *site) synced(id string) {
	s.Helper()
	for range 30 {
		out := need(s.drs.DescribeRecoverySnapshots(s.Context(), &drs.DescribeRecoverySnapshotsInput{SourceServerID: &id}))(s)
		if len(out.Items) > 0 && out.Items[0].Timestamp != nil {
			return
		}
		s.pass(time.Second)
	}
	s.Fatalf("the server does not get a point in time: %+v", s.show(id).DataReplicationInfo)
}

func TestASourceServerReplicatesOverTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	id := s.add("web")
	var seen []drstypes.DataReplicationState
	for range 12 {
		if is := s.show(id).DataReplicationInfo.DataReplicationState; len(seen) == 0 || seen[len(seen)-1] != is {
			seen = append(seen, is)
		}
		w.pass(time.Second)
	}
	t.Log(seen, s.show(id).DataReplicationInfo.DataReplicationError)
	if len(seen) != 3 || seen[0] != "INITIATING" || seen[1] != "INITIAL_SYNC" || seen[2] != "CONTINUOUS" {
		t.Errorf("the states are %v", seen)
	}
	s.synced(id)
}

func TestNothingGoesBeforeTheAccountIsInitialized(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := drs.NewFromConfig(w.root(owner))
	_, err := c.DescribeSourceServers(t.Context(), &drs.DescribeSourceServersInput{})
	w.begins("before", err, "UninitializedAccountException: ")
	if _, err := w.AddSourceServer(machine(owner, "web")); err == nil {
		t.Error("an agent was installed in an account that is not initialized")
	}
	// The caller makes the roles, and needs the rights to.
	_, weak := w.user(owner, "weak", allow("drs:*"))
	_, err = drs.NewFromConfig(weak).InitializeService(t.Context(), &drs.InitializeServiceInput{})
	w.ends("without rights in IAM", err, "because no identity-based policy allows the iam:CreateServiceLinkedRole action")
	for range 2 {
		need(c.InitializeService(t.Context(), &drs.InitializeServiceInput{}))(t)
	}
	need(c.DescribeSourceServers(t.Context(), &drs.DescribeSourceServersInput{}))(t)
	roles := iam.NewFromConfig(w.root(owner))
	for _, name := range []string{"AWSServiceRoleForElasticDisasterRecovery", "AWSElasticDisasterRecoveryAgentRole", "AWSElasticDisasterRecoveryRecoveryInstanceRole"} {
		need(roles.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &name}))(t)
	}
	// With the roles there, the right to initialize is enough in another Region.
	weak.Region = "eu-west-1"
	need(drs.NewFromConfig(weak).InitializeService(t.Context(), &drs.InitializeServiceInput{}))(t)
	weak.Region = "eu-west-2"
	_, err = drs.NewFromConfig(weak).DescribeJobs(t.Context(), &drs.DescribeJobsInput{})
	w.begins("in a third Region", err, "UninitializedAccountException: ")
}

// begins checks that a call was refused with a text that begins so.
func (w *world) begins(what string, err error, want string) {
	w.Helper()
	if got := refusal(err); !strings.HasPrefix(got, want) {
		w.Errorf("%s: got %q, want a beginning of %q", what, got, want)
	}
}

func TestReplicationSettingsNameAKeyOfTheRegion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := drs.NewFromConfig(w.root(owner))
	need(c.InitializeService(t.Context(), &drs.InitializeServiceInput{}))(t)
	key := w.key(owner, "")
	for what, bad := range map[string]string{
		"an alias": "arn:aws:kms:us-east-1:111122223333:alias/drs", "a key id": key[len(key)-36:], "another Region": strings.Replace(key, home, "eu-west-1", 1),
	} {
		_, err := c.CreateReplicationConfigurationTemplate(t.Context(), templateWith(bad))
		w.begins(what, err, "ValidationException: ebsEncryptionKeyArn "+bad)
	}
	in := templateWith(key)
	in.EbsEncryptionKeyArn = nil
	_, err := c.CreateReplicationConfigurationTemplate(t.Context(), in)
	w.begins("no key", err, "ValidationException: ")
	in = templateWith(key)
	in.Tags = map[string]string{"team": "dr"}
	made := need(c.CreateReplicationConfigurationTemplate(t.Context(), in))(t)
	_, err = c.CreateReplicationConfigurationTemplate(t.Context(), in)
	w.begins("a second", err, "ServiceQuotaExceededException: ")

	list := need(c.DescribeReplicationConfigurationTemplates(t.Context(), &drs.DescribeReplicationConfigurationTemplatesInput{}))(t).Items
	if len(list) != 1 || *list[0].EbsEncryptionKeyArn != key || list[0].EbsEncryption != "CUSTOM" || *list[0].Arn != *made.Arn || list[0].Tags["team"] != "dr" || list[0].StagingAreaTags["purpose"] != "staging" {
		t.Errorf("the templates are %+v", list)
	}
	up := need(c.UpdateReplicationConfigurationTemplate(t.Context(), &drs.UpdateReplicationConfigurationTemplateInput{
		ReplicationConfigurationTemplateID: made.ReplicationConfigurationTemplateID, EbsEncryption: drstypes.ReplicationConfigurationEbsEncryptionDefault, UseDedicatedReplicationServer: new(true),
	}))(t)
	if up.EbsEncryptionKeyArn != nil || up.EbsEncryption != "DEFAULT" || !*up.UseDedicatedReplicationServer || *up.ReplicationServerInstanceType != "t3.small" {
		t.Errorf("changed, it is %+v", up)
	}
	need(c.DeleteReplicationConfigurationTemplate(t.Context(), &drs.DeleteReplicationConfigurationTemplateInput{ReplicationConfigurationTemplateID: made.ReplicationConfigurationTemplateID}))(t)
	_, err = c.DescribeReplicationConfigurationTemplates(t.Context(), &drs.DescribeReplicationConfigurationTemplatesInput{ReplicationConfigurationTemplateIDs: []string{*made.ReplicationConfigurationTemplateID}})
	w.begins("deleted", err, "ResourceNotFoundException: ")
}

func TestLaunchSettingsBeginWithTheTemplateAndAreTheServersOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	made := need(s.drs.CreateLaunchConfigurationTemplate(t.Context(), &drs.CreateLaunchConfigurationTemplateInput{CopyTags: new(true), LaunchDisposition: drstypes.LaunchDispositionStopped}))(t).LaunchConfigurationTemplate
	id := s.add("web")
	got := need(s.drs.GetLaunchConfiguration(t.Context(), &drs.GetLaunchConfigurationInput{SourceServerID: &id}))(t)
	if !*got.CopyTags || got.LaunchDisposition != "STOPPED" || *got.Name != "web" {
		t.Errorf("the server begins with %+v", got)
	}
	need(s.drs.UpdateLaunchConfigurationTemplate(t.Context(), &drs.UpdateLaunchConfigurationTemplateInput{LaunchConfigurationTemplateID: made.LaunchConfigurationTemplateID, CopyTags: new(false)}))(t)
	up := need(s.drs.UpdateLaunchConfiguration(t.Context(), &drs.UpdateLaunchConfigurationInput{SourceServerID: &id, LaunchDisposition: drstypes.LaunchDispositionStarted}))(t)
	if !*up.CopyTags || up.LaunchDisposition != "STARTED" {
		t.Errorf("the server has %+v", up)
	}
	list := need(s.drs.DescribeLaunchConfigurationTemplates(t.Context(), &drs.DescribeLaunchConfigurationTemplatesInput{}))(t).Items
	if len(list) != 1 || *list[0].CopyTags || list[0].LaunchDisposition != "STOPPED" || *list[0].Arn != *made.Arn {
		t.Errorf("the templates are %+v", list)
	}
	need(s.drs.DeleteLaunchConfigurationTemplate(t.Context(), &drs.DeleteLaunchConfigurationTemplateInput{LaunchConfigurationTemplateID: made.LaunchConfigurationTemplateID}))(t)
	_, err := s.drs.UpdateLaunchConfigurationTemplate(t.Context(), &drs.UpdateLaunchConfigurationTemplateInput{LaunchConfigurationTemplateID: made.LaunchConfigurationTemplateID})
	w.begins("deleted", err, "ResourceNotFoundException: ")
}

// staging lets the service-linked role of an account make and read volumes under a key of
// its own, and nothing else.
func stagingPolicy(account string, more ...string) string {
	role := "arn:aws:iam::" + account + ":role/aws-service-role/drs.amazonaws.com/AWSServiceRoleForElasticDisasterRecovery"
	statements := append([]string{
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"}`,
		`{"Effect":"Allow","Principal":{"AWS":"` + role + `"},"Action":["kms:GenerateDataKeyWithoutPlaintext","kms:CreateGrant"],"Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}}}`,
	}, more...)
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// setPolicy sets a key's policy.
func (w *world) setPolicy(key, policy string) {
	w.Helper()
	need(w.kmsOf(w.root(strings.Split(key, ":")[4])).PutKeyPolicy(w.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: &policy}))(w)
}

func TestAReplicationStallsUntilTheKeyLetsTheServiceLinkedRoleIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.key(owner, "") // admits the account, not the role, whose policy has no rights on keys
	s := w.site(owner, key)
	id := s.add("web")
	w.pass(6 * time.Second)
	info := s.show(id).DataReplicationInfo
	if info.DataReplicationState != "STALLED" || info.DataReplicationError.Error != "FAILED_TO_CREATE_STAGING_DISKS" {
		t.Fatalf("without the role in the key policy: %+v", info)
	}
	failed := false
	for _, step := range info.DataReplicationInitiation.Steps {
		failed = failed || step.Name == "CREATE_STAGING_DISKS" && step.Status == "FAILED"
	}
	if !failed {
		t.Errorf("the steps are %+v", info.DataReplicationInitiation.Steps)
	}
	// The table of key uses has the volume gone; CloudTrail has who was refused what.
	events := need(cloudtrail.NewFromConfig(w.root(owner)).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{
		LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyEventName, AttributeValue: new("GenerateDataKeyWithoutPlaintext")}},
	}))(t).Events
	if len(events) == 0 || !strings.Contains(*events[0].CloudTrailEvent, "AWSServiceRoleForElasticDisasterRecovery") {
		t.Errorf("CloudTrail has %v", events)
	}
	w.setPolicy(key, stagingPolicy(owner))
	//lint:ignore SA1019 AWS advises against it, and still offers it
	need(s.drs.RetryDataReplication(t.Context(), &drs.RetryDataReplicationInput{SourceServerID: &id}))(t)
	s.synced(id)
	// DRS tries again by itself too.
	w.setPolicy(key, stagingPolicy(owner, `{"Effect":"Deny","Principal":"*","Action":"kms:GenerateDataKeyWithoutPlaintext","Resource":"*"}`))
	other := s.add("db")
	w.pass(6 * time.Second)
	if is := s.show(other).DataReplicationInfo.DataReplicationState; is != "STALLED" {
		t.Fatalf("denied, the replication is %s", is)
	}
	w.setPolicy(key, stagingPolicy(owner))
	w.pass(10 * time.Minute)
	if is := s.show(other).DataReplicationInfo.DataReplicationState; is != "CONTINUOUS" {
		t.Errorf("after a while, the replication is %s", is)
	}
}

func TestAKeyThatIsNotThereStallsTheReplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "arn:aws:kms:us-east-1:111122223333:key/00000000-1111-2222-3333-444444444444")
	id := s.add("web")
	w.pass(6 * time.Second)
	if info := s.show(id).DataReplicationInfo; info.DataReplicationState != "STALLED" || info.DataReplicationError.Error != "FAILED_TO_CREATE_STAGING_DISKS" {
		t.Errorf("the replication is %+v", info)
	}
}

func TestAnotherKeyHasTheServerReplicateAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	id := s.add("web")
	s.synced(id)
	volumes := func() []ec2types.Volume {
		return need(ec2.NewFromConfig(w.root(owner)).DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{}))(t).Volumes
	}
	before := volumes()
	if len(before) != 2 || !*before[0].Encrypted || *before[1].Size+*before[0].Size != 8+21 {
		t.Fatalf("the staging volumes are %+v", before)
	}
	key := w.key(owner, stagingPolicy(owner))
	up := need(s.drs.UpdateReplicationConfiguration(t.Context(), &drs.UpdateReplicationConfigurationInput{SourceServerID: &id, EbsEncryption: drstypes.ReplicationConfigurationEbsEncryptionCustom, EbsEncryptionKeyArn: &key}))(t)
	if *up.EbsEncryptionKeyArn != key || len(up.ReplicatedDisks) != 2 {
		t.Errorf("the settings are %+v", up)
	}
	if is := s.show(id).DataReplicationInfo.DataReplicationState; is != "INITIATING" {
		t.Errorf("at once the replication is %s", is)
	}
	w.pass(10 * time.Second)
	after := volumes()
	if len(after) != 2 || *after[0].KmsKeyId != key || s.show(id).DataReplicationInfo.DataReplicationState != "CONTINUOUS" {
		t.Errorf("later the volumes are %+v", after)
	}
	// The same settings again change nothing.
	need(s.drs.UpdateReplicationConfiguration(t.Context(), &drs.UpdateReplicationConfigurationInput{SourceServerID: &id, EbsEncryption: drstypes.ReplicationConfigurationEbsEncryptionCustom, EbsEncryptionKeyArn: &key}))(t)
	if is := s.show(id).DataReplicationInfo.DataReplicationState; is != "CONTINUOUS" {
		t.Errorf("after the same settings, the replication is %s", is)
	}
}

func TestPointsInTimeComeByThePolicyAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	id := s.add("web")
	s.synced(id)
	w.pass(35 * time.Minute)
	points := func(in *drs.DescribeRecoverySnapshotsInput) []drstypes.RecoverySnapshot {
		in.SourceServerID = &id
		return need(s.drs.DescribeRecoverySnapshots(t.Context(), in))(t).Items
	}
	got := points(&drs.DescribeRecoverySnapshotsInput{})
	if len(got) != 4 || *got[0].ExpectedTimestamp <= *got[3].ExpectedTimestamp || len(got[0].EbsSnapshots) != 2 {
		t.Errorf("after 35 minutes the points are %+v", got)
	}
	if asc := points(&drs.DescribeRecoverySnapshotsInput{Order: drstypes.RecoverySnapshotsOrderAsc}); *asc[0].SnapshotID != *got[3].SnapshotID {
		t.Errorf("in the other order they are %+v", asc)
	}
	from := w.Now().Add(-12 * time.Minute).Format(time.RFC3339)
	if late := points(&drs.DescribeRecoverySnapshotsInput{Filters: &drstypes.DescribeRecoverySnapshotsRequestFilters{FromDateTime: &from}}); len(late) != 1 {
		t.Errorf("of the last 12 minutes they are %+v", late)
	}
	w.pass(365 * day) // of which most is left out
	if got = points(&drs.DescribeRecoverySnapshotsInput{}); len(got) < 5 || len(got) > 8 {
		t.Errorf("after a year there are %d points", len(got))
	}
	snapshots := need(ec2.NewFromConfig(w.root(owner)).DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}}))(t).Snapshots
	if len(snapshots) != 2*len(got) {
		t.Errorf("%d points have %d snapshots", len(got), len(snapshots))
	}
}

func TestReplicationIsStoppedStartedDisconnectedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	id := s.add("web")
	s.synced(id)
	_, err := s.drs.DeleteSourceServer(t.Context(), &drs.DeleteSourceServerInput{SourceServerID: &id})
	w.begins("deleting one that replicates", err, "ConflictException: ")
	if out := need(s.drs.StopReplication(t.Context(), &drs.StopReplicationInput{SourceServerID: &id}))(t); out.SourceServer.DataReplicationInfo.DataReplicationState != "STOPPED" {
		t.Errorf("stopped, it is %+v", out.SourceServer)
	}
	_, err = s.drs.StopReplication(t.Context(), &drs.StopReplicationInput{SourceServerID: &id})
	w.begins("stopping again", err, "ConflictException: ")
	need(s.drs.StartReplication(t.Context(), &drs.StartReplicationInput{SourceServerID: &id}))(t)
	_, err = s.drs.StartReplication(t.Context(), &drs.StartReplicationInput{SourceServerID: &id})
	w.begins("starting again", err, "ConflictException: ")
	w.pass(10 * time.Second)
	if is := s.show(id).DataReplicationInfo.DataReplicationState; is != "CONTINUOUS" {
		t.Errorf("started, it is %s", is)
	}
	out := need(s.drs.DisconnectSourceServer(t.Context(), &drs.DisconnectSourceServerInput{SourceServerID: &id}))(t)
	if out.DataReplicationInfo.DataReplicationState != "DISCONNECTED" || *out.SourceServerID != id || *out.SourceProperties.IdentificationHints.Hostname != "web" {
		t.Errorf("disconnected, it is %+v", out)
	}
	need(s.drs.DeleteSourceServer(t.Context(), &drs.DeleteSourceServerInput{SourceServerID: &id}))(t)
	_, err = s.drs.GetReplicationConfiguration(t.Context(), &drs.GetReplicationConfigurationInput{SourceServerID: &id})
	w.begins("deleted", err, "ResourceNotFoundException: ")
	c := ec2.NewFromConfig(w.root(owner))
	w.pass(time.Minute)
	if n := len(need(c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{}))(t).Volumes); n != 0 {
		t.Errorf("%d volumes are left", n)
	}
	if n := len(need(c.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}}))(t).Snapshots); n != 0 {
		t.Errorf("%d snapshots are left", n)
	}
}

func TestSourceServersArePagedFilteredTaggedAndTheAccountsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	ids := map[string]bool{}
	for _, name := range []string{"a", "b", "c"} {
		ids[s.add(name)] = true
	}
	seen := 0
	pages := drs.NewDescribeSourceServersPaginator(s.drs, &drs.DescribeSourceServersInput{MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, v := range need(pages.NextPage(t.Context()))(t).Items {
			if !ids[*v.SourceServerID] {
				t.Errorf("a stranger: %s", *v.SourceServerID)
			}
			seen++
		}
	}
	if seen != 3 {
		t.Errorf("%d servers", seen)
	}
	_, err := s.drs.DescribeSourceServers(t.Context(), &drs.DescribeSourceServersInput{NextToken: new("x")})
	w.begins("a token of nobody's", err, "ValidationException: ")

	var one drstypes.SourceServer
	for id := range ids {
		one = s.show(id)
	}
	need(s.drs.TagResource(t.Context(), &drs.TagResourceInput{ResourceArn: one.Arn, Tags: map[string]string{"tier": "gold", "x": "y"}}))(t)
	need(s.drs.UntagResource(t.Context(), &drs.UntagResourceInput{ResourceArn: one.Arn, TagKeys: []string{"x"}}))(t)
	if tags := need(s.drs.ListTagsForResource(t.Context(), &drs.ListTagsForResourceInput{ResourceArn: one.Arn}))(t).Tags; len(tags) != 1 || tags["tier"] != "gold" {
		t.Errorf("the tags are %v", tags)
	}
	// Rights can hang on the server and on its tags.
	_, gold := w.user(owner, "gold", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"drs:GetLaunchConfiguration","Resource":"arn:aws:drs:us-east-1:111122223333:source-server/*","Condition":{"StringEquals":{"aws:ResourceTag/tier":"gold"}}}]}`)
	for id := range ids {
		_, err := drs.NewFromConfig(gold).GetLaunchConfiguration(t.Context(), &drs.GetLaunchConfigurationInput{SourceServerID: &id})
		if got := refusal(err); (got == "") != (id == *one.SourceServerID) {
			t.Errorf("%s: %s", id, got)
		}
	}
	// Another account sees none of it.
	other := w.site(consumer, "")
	_, err = other.drs.GetReplicationConfiguration(t.Context(), &drs.GetReplicationConfigurationInput{SourceServerID: one.SourceServerID})
	w.begins("from another account", err, "ResourceNotFoundException: ")
	_, err = other.drs.ListTagsForResource(t.Context(), &drs.ListTagsForResourceInput{ResourceArn: one.Arn})
	if err == nil {
		t.Error("another account reads the tags")
	}
	if n := len(need(other.drs.DescribeSourceServers(t.Context(), &drs.DescribeSourceServersInput{}))(t).Items); n != 0 {
		t.Errorf("another account sees %d servers", n)
	}
}

func TestWhatDRSDoesNotOfferSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.site(owner, "")
	_, err := s.drs.ListLaunchActions(t.Context(), &drs.ListLaunchActionsInput{ResourceId: new("s-0123456789abcdef0")})
	w.begins("launch actions", err, "NotImplemented")
	_, err = s.drs.DescribeSourceNetworks(t.Context(), &drs.DescribeSourceNetworksInput{})
	w.begins("source networks", err, "NotImplemented")
}

func TestPointsThinOutAsThePolicySays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &site{w, owner, drs.NewFromConfig(w.root(owner))}
	need(s.drs.InitializeService(t.Context(), &drs.InitializeServiceInput{}))(t)
	id := s.add("web") // without a template: each ten minutes for an hour, hourly for a day, daily for a week
	s.synced(id)
	for range 60 { // a clock that is moved further at once leaves points out
		w.pass(time.Hour)
	}
	var points []drstypes.RecoverySnapshot
	pages := drs.NewDescribeRecoverySnapshotsPaginator(s.drs, &drs.DescribeRecoverySnapshotsInput{SourceServerID: &id, MaxResults: aws.Int32(7)})
	for pages.HasMorePages() {
		points = append(points, need(pages.NextPage(t.Context()))(t).Items...)
	}
	if n := len(points); n < 6+23+2 || n > 7+24+4 {
		t.Errorf("after 60 hours there are %d points", n)
	}
}
