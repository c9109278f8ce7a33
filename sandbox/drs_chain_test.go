package sandbox_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/keyreach/keyreach/route"
)

// drsChains are the routes of Elastic Disaster Recovery: in one account, from a staging
// to a target account, and home again.
func drsChains() []chain {
	linked := map[string][]string{owner: {"drs.amazonaws.com"}, consumer: {"drs.amazonaws.com"}}
	return []chain{
		{
			name: "drs in one account", linked: linked,
			file: accountsOfChains + `    kind: drs
    staging: {account: owner, key: "OWNER_KEY"}
`,
			prepare: func(j *journey) { j.stage() },
			steps:   steps{"replicate": drsReplicate, "snapshot": drsSnapshot, "recover": drsRecoverAlone},
		},
		{
			name: "drs", linked: linked,
			file: accountsOfChains + `    kind: drs
    staging: {account: owner, key: "OWNER_KEY"}
    target: {account: consumer, key: "CONSUMER_KEY"}
`,
			prepare: func(j *journey) {
				j.stage()
				j.site(consumer, j.keys[1])
				j.trustTarget("DRSStagingAccountRole_")
			},
			steps: steps{
				"replicate": drsReplicate, "snapshot": drsSnapshot, "share": drsShare, "extend": drsExtend, "recover": drsRecover, "volumes": drsVolumes,
			},
		},
		{
			name: "drs-failback", linked: linked,
			file: accountsOfChains + `    kind: drs-failback
    original: {account: owner, key: "OWNER_KEY"}
    recovery: {account: consumer}
`,
			prepare: func(j *journey) {
				j.stage()
				j.trustTarget("DRSCrossAccountReplicationRole_")
				j.made["recovered"] = j.recovered()
			},
			steps: steps{"reverse": drsReverse, "snapshot": drsSnapshot, "fail-back": drsRecoverAlone},
		},
	}
}

// stage initializes the owner's account, with the key of the chain.
func (j *journey) stage() { j.site(owner, j.keys[0]) }

// trustTarget makes the role that the owner's account has for the consumer's.
func (j *journey) trustTarget(prefix string) {
	j.Helper()
	name := prefix + consumer
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"drs.amazonaws.com"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"],
		"Condition":{"StringLike":{"sts:SourceIdentity":%q,"aws:SourceAccount":%q}}}]}`, consumer, owner)
	c := iam.NewFromConfig(j.root(owner))
	need(c.CreateRole(j.Context(), &iam.CreateRoleInput{RoleName: &name, Path: new("/service-role/"), AssumeRolePolicyDocument: &trust}))(j)
	need(c.AttachRolePolicy(j.Context(), &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: new("arn:aws:iam::aws:policy/service-role/AWSElasticDisasterRecoveryStagingAccountPolicy_v2")}))(j)
}

// at returns the site of an account that is initialized.
func (j *journey) siteOf(account string) *site {
	return &site{j.world, account, drs.NewFromConfig(j.root(account))}
}

// recovered recovers, in the consumer's account under its default key, a server that ran
// in the owner's, and returns the recovery instance.
func (j *journey) recovered() string {
	j.Helper()
	s := j.site(consumer, "")
	m := machine(consumer, "home")
	m.OriginAccount, m.OriginRegion, m.InstanceID = owner, home, "i-0123456789abcdef0"
	id := *need(j.AddSourceServer(m))(j).SourceServerID
	s.synced(id)
	job := s.recover(s.drs, id, false)
	s.ended(job)
	return *s.show(id).RecoveryInstanceId
}

// drsReplicate installs an agent, and waits for the first sync or for what stalls it.
func drsReplicate(j *journey, _ *route.StepProof) error {
	s := j.siteOf(owner)
	j.made["server"] = s.add("web")
	return j.replicated(s)
}

func (j *journey) replicated(s *site) error {
	return j.settled("the first sync", func() (bool, error) {
		info := s.show(j.made["server"]).DataReplicationInfo
		if info.DataReplicationState == types.DataReplicationStateStalled {
			return false, &failure{string(info.DataReplicationError.Error), *info.DataReplicationError.RawError}
		}
		return info.DataReplicationState == types.DataReplicationStateContinuous, nil
	})
}

func drsSnapshot(j *journey, _ *route.StepProof) error {
	return j.settled("the point in time", func() (bool, error) {
		out, err := j.siteOf(owner).drs.DescribeRecoverySnapshots(j.Context(), &drs.DescribeRecoverySnapshotsInput{SourceServerID: new(j.made["server"])})
		return err == nil && len(out.Items) > 0 && out.Items[0].Timestamp != nil, err
	})
}

// drsRecoverAlone recovers in the account that replicated.
func drsRecoverAlone(j *journey, _ *route.StepProof) error {
	s := j.siteOf(owner)
	return failed(s.ended(s.recover(s.drs, j.made["server"], true)))
}

// drsShare extends the server and starts its recovery, whose first part is the sharing.
func drsShare(j *journey, s *route.StepProof) error {
	target := j.siteOf(consumer)
	source := j.siteOf(owner).show(j.made["server"])
	actor := drs.NewFromConfig(j.as(j.route.Parties["target"][0].Actor.Principal))
	out, err := actor.CreateExtendedSourceServer(j.Context(), &drs.CreateExtendedSourceServerInput{SourceServerArn: source.Arn})
	if err != nil {
		return err
	}
	j.made["extended"] = *out.SourceServer.SourceServerID
	j.made["job"] = target.recover(actor, j.made["extended"], true)
	target.ended(j.made["job"])
	for _, e := range target.log(j.made["job"]) {
		if e.Event == types.JobLogEventSnapshotFail {
			return quoted(*e.EventData.RawError)
		}
	}
	return nil
}

// quoted is the refusal that a raw error tells of.
func quoted(raw string) error {
	_, rest, _ := strings.Cut(raw, "(")
	code, _, _ := strings.Cut(rest, ")")
	return &smithy.GenericAPIError{Code: code, Message: raw}
}

func drsExtend(j *journey, _ *route.StepProof) error {
	if x := j.siteOf(consumer).show(j.made["extended"]).StagingArea; x.Status != types.ExtensionStatusExtended {
		return errors.New(*x.ErrorMessage)
	}
	return nil
}

// drsRecover is the launch as far as the staging account's key goes, drsVolumes as far as
// the target's does. The job tells only that a key could not be used; CloudTrail tells
// which.
func drsRecover(j *journey, _ *route.StepProof) error {
	if j.denied("ReEncryptFrom") {
		return failed(j.siteOf(consumer).log(j.made["job"]))
	}
	return nil
}

func drsVolumes(j *journey, _ *route.StepProof) error {
	return failed(j.siteOf(consumer).log(j.made["job"]))
}

// denied reports whether CloudTrail has that an action was refused in the target account.
func (j *journey) denied(action string) bool {
	j.Helper()
	out := need(cloudtrail.NewFromConfig(j.root(consumer)).LookupEvents(j.Context(), &cloudtrail.LookupEventsInput{
		LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: cttypes.LookupAttributeKeyEventName, AttributeValue: new("ReEncrypt")}},
	}))(j)
	for _, e := range out.Events {
		if strings.Contains(*e.CloudTrailEvent, "kms:"+action) {
			return true
		}
	}
	return false
}

// failed is the error that a job's log has, nil for none.
func failed(log []types.JobLog) error {
	for _, e := range log {
		if e.EventData.RawError != nil {
			return &failure{string(e.Event), *e.EventData.RawError}
		}
	}
	return nil
}

func drsReverse(j *journey, _ *route.StepProof) error {
	out, err := j.siteOf(consumer).drs.ReverseReplication(j.Context(), &drs.ReverseReplicationInput{RecoveryInstanceID: new(j.made["recovered"])})
	if err != nil {
		return err
	}
	j.made["server"] = shortName(*out.ReversedDirectionSourceServerArn)
	return j.replicated(j.siteOf(owner))
}

// recover starts a recovery as somebody and returns the job.
func (s *site) recover(as *drs.Client, id string, drill bool, point ...string) string {
	s.Helper()
	server := types.StartRecoveryRequestSourceServer{SourceServerID: &id}
	if len(point) > 0 {
		server.RecoverySnapshotID = &point[0]
	}
	out := need(as.StartRecovery(s.Context(), &drs.StartRecoveryInput{SourceServers: []types.StartRecoveryRequestSourceServer{server}, IsDrill: &drill}))(s)
	return *out.Job.JobID
}

// ended waits, on the sandbox's clock, for the end of a job, and returns its log.
func (s *site) ended(job string) []types.JobLog {
	s.Helper()
	for range 60 {
		out := need(s.drs.DescribeJobs(s.Context(), &drs.DescribeJobsInput{Filters: &types.DescribeJobsRequestFilters{JobIDs: []string{job}}}))(s)
		if len(out.Items) == 1 && out.Items[0].Status == types.JobStatusCompleted {
			return s.log(job)
		}
		s.pass(time.Second)
	}
	s.Fatalf("the job does not end: %v", jobEvents(s.log(job)))
	return nil
}

func (s *site) log(job string) []types.JobLog {
	s.Helper()
	return need(s.drs.DescribeJobLogItems(s.Context(), &drs.DescribeJobLogItemsInput{JobID: &job}))(s).Items
}

// jobEvents are the names of the events of a log, with their errors.
func jobEvents(log []types.JobLog) (list []string) {
	for _, e := range log {
		text := string(e.Event)
		if e.EventData.RawError != nil {
			text += ": " + *e.EventData.RawError
		}
		list = append(list, text)
	}
	return list
}
