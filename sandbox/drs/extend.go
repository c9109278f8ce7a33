package drs

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// defaultKeyText is EC2's refusal to share a snapshot under the default key: recorded.
const defaultKeyText = "Encrypted snapshots with EBS default key cannot be shared"

// ListStagingAccounts lists the accounts from which servers are extended into the
// caller's.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_ListStagingAccounts.html.
func (s *Service) ListStagingAccounts(ctx context.Context, in *drs.ListStagingAccountsInput) (*drs.ListStagingAccountsOutput, error) {
	c := gate.From(ctx)
	list, seen := []types.Account{}, map[string]bool{}
	for _, v := range rows(c, s.servers) {
		if v.Staging != nil && !seen[v.Staging.Account] {
			seen[v.Staging.Account] = true
			list = append(list, types.Account{AccountID: &v.Staging.Account})
		}
	}
	out := &drs.ListStagingAccountsOutput{}
	var err error
	out.Accounts, out.NextToken, err = page(list, in.NextToken, in.MaxResults)
	return out, err
}

// ListExtensibleSourceServers lists the servers of a staging account that can be extended
// into the caller's account, which takes the role of the staging account.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_ListExtensibleSourceServers.html.
func (s *Service) ListExtensibleSourceServers(ctx context.Context, in *drs.ListExtensibleSourceServersInput) (*drs.ListExtensibleSourceServersOutput, error) {
	c := gate.From(ctx)
	if _, err := s.staging(ctx, *in.StagingAccountID); err != nil {
		return nil, untrusted(*in.StagingAccountID, c.Caller.Account, err)
	}
	list := []types.StagingSourceServer{}
	for _, v := range s.servers.All(state.Key(*in.StagingAccountID, c.Region, "")) {
		if v.Staging == nil && s.extended(c, v) == nil {
			list = append(list, types.StagingSourceServer{Arn: new(v.arn()), Hostname: &v.Hostname, Tags: shownTags(v.Tags)})
		}
	}
	out := &drs.ListExtensibleSourceServersOutput{}
	var err error
	out.Items, out.NextToken, err = page(list, in.NextToken, in.MaxResults)
	return out, err
}

// untrusted is the refusal to reach a staging account. Its text is assumed.
func untrusted(staging, target string, err error) error {
	return &wire.Error{Code: "AccessDeniedException", Message: "The staging account " + staging + " does not trust the account " + target + ".", Why: err.Error()}
}

// extended finds the server that is extended into the caller's account from another.
func (s *Service) extended(c *gate.Call, source *Server) *Server {
	for _, v := range rows(c, s.servers) {
		if v.Staging != nil && v.Staging.Account == source.Account && v.Staging.Server == source.ID {
			return v
		}
	}
	return nil
}

// extending is what CreateExtendedSourceServer needs: the right on the server of the
// staging account, in the caller's account.
func extending(c *gate.Call, in *drs.CreateExtendedSourceServerInput) ([]gate.Ask, error) {
	a, err := arn.Parse(*in.SourceServerArn)
	if err != nil || a.Service != "drs" || !strings.HasPrefix(a.Resource, serverKind+"/") {
		return nil, invalid("The ARN " + *in.SourceServerArn + " is not that of a source server.")
	}
	// Asked as of the caller's own: DRS has no resource policies, and the staging account
	// says yes by its role.
	list := []gate.Ask{{Action: "drs:CreateExtendedSourceServer", Resource: *in.SourceServerArn, Target: a, Context: gate.RequestTags(in.Tags)}}
	return append(list, askTags("CreateExtendedSourceServer", resourceARN(c, serverKind, "*"), in.Tags)...), nil
}

// CreateExtendedSourceServer extends a server of a staging account into the caller's. It
// stays in its Region. One whose disks are under the default key of EBS cannot be shared,
// which shows in the state of the extension.
// See https://docs.aws.amazon.com/drs/latest/userguide/multi-account.html.
func (s *Service) CreateExtendedSourceServer(ctx context.Context, in *drs.CreateExtendedSourceServerInput) (*drs.CreateExtendedSourceServerOutput, error) {
	c := gate.From(ctx)
	a, err := arn.Parse(*in.SourceServerArn)
	if err != nil {
		return nil, err
	}
	id := strings.TrimPrefix(a.Resource, serverKind+"/")
	switch {
	case a.Region != c.Region:
		return nil, invalid("The source server " + *in.SourceServerArn + " is in another Region than " + c.Region + ".")
	case a.Account == c.Caller.Account:
		return nil, invalid("The source server " + *in.SourceServerArn + " is in this account.")
	}
	if _, err := s.staging(ctx, a.Account); err != nil {
		return nil, untrusted(a.Account, c.Caller.Account, err)
	}
	source := s.servers.Get(state.Key(a.Account, a.Region, id))
	if source == nil || source.Staging != nil {
		return nil, notFound("SourceServer", *in.SourceServerArn)
	}
	if there := s.extended(c, source); there != nil {
		return nil, invalid("The source server " + *in.SourceServerArn + " is extended already, as " + there.ID + ".")
	}
	agent := Agent{
		Account: c.Caller.Account, Region: c.Region, Hostname: source.Hostname, OriginAccount: source.OriginAccount, OriginRegion: source.OriginRegion,
		InstanceID: source.AWSInstance, Tags: in.Tags,
	}
	for _, d := range source.Disks {
		agent.Disks = append(agent.Disks, AgentDisk{Device: d.Device, Bytes: d.Bytes})
	}
	v, err := s.newServer(c, &agent)
	if err != nil {
		return nil, err
	}
	v.Staging = &Extension{Account: a.Account, Server: id}
	v.State = types.DataReplicationStateContinuous
	s.putServer(v)
	return &drs.CreateExtendedSourceServerOutput{SourceServer: s.look(ctx, v).shown()}, nil
}

// stagedServer is the server that an extended one stands for, nil when it is gone.
func (s *Service) stagedServer(v *Server) *Server {
	return s.servers.Get(state.Key(v.Staging.Account, v.Region, v.Staging.Server))
}

// managed reports whether a disk's key is AWS's own.
func (s *Service) managed(c *gate.Call, keyARN string) bool {
	k, ok, err := s.Keys.Find(c, c.Region, keyARN)
	return err == nil && ok && k.Managed
}

// look looks whether an extended server can be reached, and keeps what came out.
func (s *Service) look(ctx context.Context, old *Server) *Server {
	if old.Staging.Server == "" {
		return old // an estate does not say where it is staged
	}
	v, x := *old, *old.Staging
	x.Status, x.Message = types.ExtensionStatusExtended, ""
	fail := func(text string) { x.Status, x.Message = types.ExtensionStatusExtensionError, text }
	source := s.stagedServer(old)
	_, err := s.staging(ctx, x.Account)
	switch {
	case err != nil:
		fail(refusal(err))
	case source == nil:
		fail("The source server " + behalf.ARN("drs", v.Region, x.Account, serverKind, "/", x.Server) + " does not exist.") // assumed text
	default:
		if v.replicates() {
			v.State, v.Synced = source.State, source.Synced
		}
		for _, d := range source.Disks {
			if s.managed(gate.From(ctx), d.Key) {
				fail(defaultKeyText)
			}
		}
	}
	v.Staging = &x
	if x != *old.Staging || v.State != old.State || !v.Synced.Equal(old.Synced) {
		s.putServer(&v)
	}
	return &v
}

// refusal is the text of a refusal.
func refusal(err error) string {
	var denied *gate.Denied
	var own *wire.Error
	switch {
	case errors.As(err, &denied):
		return denied.Text
	case errors.As(err, &own):
		return own.Message
	}
	return err.Error()
}
