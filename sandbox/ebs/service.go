// Package ebs is the EBS direct APIs in a sandbox: snapshots that are written and read
// block by block. What they hold is the snapshots of EC2.
package ebs

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/blocks"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Config is what the direct APIs need from the sandbox.
type Config struct {
	DB        *state.DB
	IDs       *state.IDs
	Agenda    *state.Agenda
	Agent     *behalf.Agent
	Account   Account
	Keys      gate.Keys
	Snapshots *blocks.Store
}

// Account tells what an account has set for its snapshots.
type Account interface {
	// Default tells whether new snapshots are encrypted, and the key of those that are.
	Default(c *gate.Call) (encrypt bool, key string)
}

// Service is the EBS direct APIs.
type Service struct {
	Config
	tokens *gate.Tokens
}

// New returns the direct APIs on a sandbox's state.
func New(c Config) *Service { return &Service{Config: c, tokens: gate.NewTokens(c.DB, "ebs")} }

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "ebs" }

// Operations are what the service offers: all that it has on AWS.
func (s *Service) Operations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksStartSnapshot, s.StartSnapshot),
		onData(gate.Preparing(gate.Op(gate.Writes, s.asksPutSnapshotBlock, s.PutSnapshotBlock), prepareBlock)),
		gate.Op(gate.Writes, s.asksCompleteSnapshot, s.CompleteSnapshot),
		onData(gate.Op(gate.Reads, s.asksListSnapshotBlocks, s.ListSnapshotBlocks)),
		onData(gate.Op(gate.Reads, s.asksGetSnapshotBlock, s.GetSnapshotBlock)),
		onData(gate.Op(gate.Reads, s.asksListChangedBlocks, s.ListChangedBlocks)),
	}
}

// onData marks an operation as one whose record is a data event: all but the start and
// the completion of a snapshot.
// See https://docs.aws.amazon.com/ebs/latest/userguide/logging-ebs-apis-using-cloudtrail.html.
func onData(op gate.Operation) gate.Operation {
	op.Data = true
	return op
}

// ask asks for an action on a snapshot. Recorded: its ARN has no account, and its tags
// and its owner count.
func (s *Service) ask(c *gate.Call, operation, id string) gate.Ask {
	a := gate.Ask{Action: "ebs:" + operation, Resource: snapshotARN(c, id), Owner: c.Caller.Account}
	a.Target, _ = arn.Parse(a.Resource) // an id that makes no ARN is found nowhere
	if n := s.Snapshots.Get(c.Region, id); n != nil && n.Seen(c.Caller.Account) {
		a.Owner = n.Account
		a.Context = gate.ResourceTags(n.TagsOf(c.Caller.Account))
	}
	c.Resources = append(c.Resources, gate.Resource{ARN: a.Resource, Account: a.Owner, Type: "AWS::EC2::Snapshot"})
	return a
}

func snapshotARN(c *gate.Call, id string) string {
	return behalf.ARN("ec2", c.Region, "", "snapshot/", id)
}

// asksStartSnapshot: recorded, what is to be made is called snapshot/null, its tags are
// asked about as those of snapshot/* and without ec2:CreateAction, and a parent is asked
// about too.
func (s *Service) asksStartSnapshot(c *gate.Call, in *ebs.StartSnapshotInput) ([]gate.Ask, error) {
	if err := checkStart(in); err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, t := range in.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	g := gate.RequestTags(tags)
	one := func(name, value string) { g = append(g, estate.NewEntry(name, policy.One(value))) }
	tagged := g
	one("ebs:volumesize", strconv.FormatInt(aws.ToInt64(in.VolumeSize), 10))
	if in.Description != nil {
		one("ebs:description", *in.Description)
	}
	if in.ParentSnapshotId != nil {
		one("ebs:parentsnapshot", snapshotARN(c, *in.ParentSnapshotId))
	}
	start := s.ask(c, "StartSnapshot", "null")
	start.Context = g
	asks := []gate.Ask{start}
	if in.ParentSnapshotId != nil {
		parent := s.ask(c, "StartSnapshot", *in.ParentSnapshotId)
		parent.Context = append(parent.Context, g...)
		asks = append(asks, parent)
	}
	if len(tags) > 0 {
		tag := s.ask(c, "", "*")
		tag.Action, tag.Context = "ec2:CreateTags", tagged
		asks = append(asks, tag)
	}
	return asks, nil
}

func (s *Service) asksPutSnapshotBlock(c *gate.Call, in *ebs.PutSnapshotBlockInput) ([]gate.Ask, error) {
	return []gate.Ask{s.ask(c, "PutSnapshotBlock", aws.ToString(in.SnapshotId))}, nil
}

func (s *Service) asksCompleteSnapshot(c *gate.Call, in *ebs.CompleteSnapshotInput) ([]gate.Ask, error) {
	return []gate.Ask{s.ask(c, "CompleteSnapshot", aws.ToString(in.SnapshotId))}, nil
}

func (s *Service) asksListSnapshotBlocks(c *gate.Call, in *ebs.ListSnapshotBlocksInput) ([]gate.Ask, error) {
	return []gate.Ask{s.ask(c, "ListSnapshotBlocks", aws.ToString(in.SnapshotId))}, nil
}

func (s *Service) asksGetSnapshotBlock(c *gate.Call, in *ebs.GetSnapshotBlockInput) ([]gate.Ask, error) {
	return []gate.Ask{s.ask(c, "GetSnapshotBlock", aws.ToString(in.SnapshotId))}, nil
}

// asksListChangedBlocks: recorded, both snapshots are asked about.
func (s *Service) asksListChangedBlocks(c *gate.Call, in *ebs.ListChangedBlocksInput) ([]gate.Ask, error) {
	var asks []gate.Ask
	if in.FirstSnapshotId != nil {
		asks = append(asks, s.ask(c, "ListChangedBlocks", *in.FirstSnapshotId))
	}
	return append(asks, s.ask(c, "ListChangedBlocks", aws.ToString(in.SecondSnapshotId))), nil
}

func invalid(reason types.ValidationExceptionReason, text string) error {
	return &wire.Error{Code: "ValidationException", Message: text, Status: http.StatusBadRequest, Fields: map[string]string{"Reason": string(reason)}}
}

func notFound(reason types.ResourceNotFoundExceptionReason, text string) error {
	return &wire.Error{Code: "ResourceNotFoundException", Message: text, Status: http.StatusNotFound, Fields: map[string]string{"Reason": string(reason)}}
}

func noSnapshot(id string) error {
	return notFound(types.ResourceNotFoundExceptionReasonSnapshotNotFound, "The snapshot '"+id+"' does not exist.")
}

func noKey() error {
	return notFound(types.ResourceNotFoundExceptionReasonDependencyResourceNotFound, "KMS key not found")
}

// use makes the uses of keys of an operation. Recorded: a key that may not be used for
// writing is an invalid dependency and one that may not be used for reading is not
// found; one that cannot be used by anybody is invalid in both.
func (s *Service) use(a use) (*behalf.Made, error) {
	m, err := s.Agent.Use(a.ctx, a.operation, a.scenario, a.keys)
	refused := (*behalf.Refused)(nil)
	if !errors.As(err, &refused) {
		return m, err
	}
	if denied := (*gate.Denied)(nil); errors.As(refused.Err, &denied) && refused.Use.Failure.Code == "ResourceNotFoundException" {
		return nil, noKey()
	}
	var e *wire.Error
	if errors.As(refused.Err, &e) && e.Code == "NotFoundException" {
		return nil, noKey()
	}
	// assumed text: recorded is that it names the action
	return nil, invalid(types.ValidationExceptionReasonInvalidDependencyRequest, refused.Use.Action+" of "+refused.Key+" failed: "+refused.Err.Error())
}

// readable finds a snapshot whose blocks the caller may read. Recorded: one that is not
// ready is as if it were not there, and public ones are not for others.
func (s *Service) readable(c *gate.Call, id *string) (*blocks.Snapshot, error) {
	n := s.Snapshots.Get(c.Region, aws.ToString(id))
	switch {
	case n == nil || !n.Seen(c.Caller.Account):
		return nil, noSnapshot(aws.ToString(id))
	case n.Public && !n.Hidden && n.Account != c.Caller.Account:
		return nil, invalid(types.ValidationExceptionReasonInvalidSnapshotId, "Public snapshots are not supported")
	case n.State(c.At) != blocks.Completed:
		return nil, noSnapshot(n.ID)
	}
	return n, nil
}

// valid is how long the token of a block can be used.
// See https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListSnapshotBlocks.html.
const valid = 7 * 24 * time.Hour
