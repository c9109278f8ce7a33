package sandbox_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	drstypes "github.com/aws/aws-sdk-go-v2/service/drs/types"

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
