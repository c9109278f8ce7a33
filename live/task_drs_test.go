package live_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	drstypes "github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyreach/keyreach/cloud"
	sandboxdrs "github.com/keyreach/keyreach/sandbox/drs"
)

func tasksOfDRS() (list []cloud.Task) {
	for _, operation := range []string{"drs:replicate", "drs:DescribeRecoverySnapshots", "drs:CreateExtendedSourceServer", "drs:StartRecovery", "drs:ReverseReplication"} {
		list = append(list, cloud.Task{Operation: operation})
	}
	return list
}

// site initializes an account for DRS, with the key of its disks.
func (w *taskWorld) site(account, key string) {
	w.Helper()
	c := drs.NewFromConfig(w.root(account))
	_, err := c.InitializeService(w.Context(), &drs.InitializeServiceInput{})
	w.well(err)
	_, err = c.CreateReplicationConfigurationTemplate(w.Context(), &drs.CreateReplicationConfigurationTemplateInput{
		EbsEncryption: drstypes.ReplicationConfigurationEbsEncryptionCustom, EbsEncryptionKeyArn: &key, AssociateDefaultSecurityGroup: new(true), CreatePublicIP: new(false),
		DataPlaneRouting: drstypes.ReplicationConfigurationDataPlaneRoutingPrivateIp, DefaultLargeStagingDiskType: drstypes.ReplicationConfigurationDefaultLargeStagingDiskTypeGp3,
		PitPolicy:                     []drstypes.PITPolicyRule{{Interval: aws.Int32(10), RetentionDuration: aws.Int32(60), Units: drstypes.PITPolicyRuleUnitsMinute, Enabled: new(true)}},
		ReplicationServerInstanceType: new("t3.small"), ReplicationServersSecurityGroupsIDs: []string{}, StagingAreaSubnetId: new("subnet-0123456789abcdef0"),
		StagingAreaTags: map[string]string{}, UseDedicatedReplicationServer: new(false),
	})
	w.well(err)
}

// agent installs an agent on a machine; one that ran in the owner's account when home is
// set.
func (w *taskWorld) agent(account string, home bool) *drstypes.SourceServer {
	w.Helper()
	a := sandboxdrs.Agent{Account: account, Region: taskHome, Hostname: "web", Disks: []sandboxdrs.AgentDisk{{Device: "/dev/nvme0n1", Bytes: 8 << 30}}}
	if home {
		a.OriginAccount, a.OriginRegion, a.InstanceID = taskOwner, taskHome, "i-0123456789abcdef0"
	}
	s, err := w.AddSourceServer(a)
	w.well(err)
	return s
}

// trusts makes the role by which the owner's account trusts the consumer's.
func (w *taskWorld) trusts(prefix string) {
	w.Helper()
	name := prefix + taskConsumer
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"drs.amazonaws.com"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"],
		"Condition":{"StringLike":{"sts:SourceIdentity":%q,"aws:SourceAccount":%q}}}]}`, taskConsumer, taskOwner)
	c := iam.NewFromConfig(w.root(taskOwner))
	_, err := c.CreateRole(w.Context(), &iam.CreateRoleInput{RoleName: &name, Path: new("/service-role/"), AssumeRolePolicyDocument: &trust})
	w.well(err)
	_, err = c.AttachRolePolicy(w.Context(), &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: new("arn:aws:iam::aws:policy/service-role/AWSElasticDisasterRecoveryStagingAccountPolicy_v2")})
	w.well(err)
	_, err = c.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: new("keys"), PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`)})
	w.well(err)
}

// is waits for what only AWS does.
func (w *taskWorld) is(t cloud.Task) cloud.Progress {
	w.Helper()
	for range 90 {
		p, found, err := w.mover.Look(w.Context(), t)
		w.well(err)
		if found && (p.Done || p.Failed != "") {
			return p
		}
		w.pass(time.Second)
	}
	w.Fatalf("%s does not come about", t.Operation)
	return cloud.Progress{}
}

func TestAServerIsRecoveredInAnotherAccountByTasks(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, tasksOfDRS()...)
	key, own := w.key(taskOwner, taskHome), w.key(taskConsumer, taskHome)
	w.site(taskOwner, key)
	w.site(taskConsumer, own)
	w.trusts("DRSStagingAccountRole_")
	server := w.agent(taskOwner, false)
	replicate := taskIn(taskOwner, "drs:replicate", "kr-replicate", cloud.Task{Source: *server.SourceServerID})
	if p := w.is(replicate); !p.Done || p.Percent != 100 {
		t.Fatalf("the replication is %+v", p)
	}
	if p := w.is(taskIn(taskOwner, "drs:DescribeRecoverySnapshots", "kr-point", cloud.Task{Source: *server.SourceServerID})); !p.Done || p.ID == "" {
		t.Fatalf("the point in time is %+v", p)
	}
	extend := taskIn(taskConsumer, "drs:CreateExtendedSourceServer", "kr-extend", cloud.Task{Source: *server.Arn, SourceAccount: taskOwner})
	there := w.works(extend)
	w.pass(10 * time.Minute) // points come and go
	recovery := taskIn(taskConsumer, "drs:StartRecovery", "kr-recover", cloud.Task{Source: there.ID, Scenario: "extended", Args: map[string]string{"drill": "true"}})
	for range 2 {
		if p := w.works(recovery); !strings.HasPrefix(p.Made["recovery instance"], "i-") || p.State != "JOB_END" {
			t.Errorf("the recovery is %+v", p)
		}
		w.removed(recovery)
		if got := w.instancesOf(taskConsumer); got != 0 {
			t.Errorf("%d instances are left", got)
		}
	}

	// Without the right on the staging key, the job tells why in its log.
	_, err := kms.NewFromConfig(w.root(taskOwner)).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + taskOwner + `:root"},"Action":"kms:*","Resource":"*"}]}`)})
	w.well(err)
	closed := recovery
	closed.Name = "kr-closed"
	w.fails(closed, "LAUNCH_FAILED: ")
	w.removed(closed)
	w.removed(extend)
}

// removed removes a task of DRS, whose jobs leave recovered instances behind otherwise.
func (w *taskWorld) removed(t cloud.Task) {
	w.Helper()
	for range 60 {
		err := w.mover.Remove(w.Context(), t)
		if err == nil {
			break
		}
		if !cloud.Passes(err) {
			w.Fatalf("removing %s: %v", t.Operation, err)
		}
		w.pass(time.Second)
	}
	w.pass(time.Minute)
	if p, found, err := w.mover.Look(w.Context(), t); err != nil || found {
		w.Errorf("%s is still found: %+v, %v", t.Operation, p, err)
	}
}

// instancesOf counts the instances that live.
func (w *taskWorld) instancesOf(account string) (n int) {
	w.Helper()
	for _, id := range w.thingsOfEC2(w.root(account)) {
		if strings.HasPrefix(id, "i-") {
			n++
		}
	}
	return n
}

func TestAStalledReplicationFailsWithItsError(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, tasksOfDRS()...)
	key := w.key(taskOwner, taskHome)
	w.site(taskOwner, key)
	w.disable(key)
	server := w.agent(taskOwner, false)
	p := w.is(taskIn(taskOwner, "drs:replicate", "kr-replicate", cloud.Task{Source: *server.SourceServerID}))
	if p.State != "STALLED" || !strings.HasPrefix(p.Failed, "FAILED_TO_CREATE_STAGING_DISKS: ") {
		t.Errorf("the replication is %+v", p)
	}
	if _, err := w.mover.Start(t.Context(), taskIn(taskOwner, "drs:replicate", "kr-replicate", cloud.Task{Source: "s-00000000000000000"})); cloud.KindOf(err) != cloud.State {
		t.Errorf("starting what only DRS does fails with %v", err)
	}
}

func TestAServerComesHomeByTasks(t *testing.T) {
	t.Parallel()
	w := newTaskWorld(t, tasksOfDRS()...)
	key, own := w.key(taskOwner, taskHome), w.key(taskConsumer, taskHome)
	w.site(taskOwner, key)
	w.site(taskConsumer, own)
	w.trusts("DRSCrossAccountReplicationRole_")
	server := w.agent(taskConsumer, true)
	w.is(taskIn(taskConsumer, "drs:DescribeRecoverySnapshots", "kr-point", cloud.Task{Source: *server.SourceServerID}))
	p := w.works(taskIn(taskConsumer, "drs:StartRecovery", "kr-out", cloud.Task{Source: *server.SourceServerID}))

	before := w.things()
	reverse := taskIn(taskConsumer, "drs:ReverseReplication", "kr-reverse", cloud.Task{Source: p.Made["recovery instance"]})
	home := w.works(reverse)
	if !strings.Contains(home.ID, ":"+taskOwner+":source-server/s-") {
		t.Fatalf("the replication goes to %s", home.ID)
	}
	back := taskIn(taskOwner, "drs:StartRecovery", "kr-back", cloud.Task{Source: home.ID, Scenario: "own-key"})
	back.Actor = taskRole(taskOwner, "aws-service-role/drs.amazonaws.com/AWSServiceRoleForElasticDisasterRecovery")
	w.is(taskIn(taskOwner, "drs:DescribeRecoverySnapshots", "kr-home", cloud.Task{Source: home.ID}))
	w.works(back)
	w.removed(back)
	w.removed(reverse)
	if after := w.things(); len(after) != len(before) {
		t.Errorf("coming home leaves %v where there was %v", after, before)
	}
}
