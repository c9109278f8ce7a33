package events

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// CreateEventBus makes a bus. A key is kept and shown; events pass a bus at once and
// are nowhere encrypted under it.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateEventBus.html.
func (s *Service) CreateEventBus(ctx context.Context, in *eventbridge.CreateEventBusInput) (*eventbridge.CreateEventBusOutput, error) {
	c := gate.From(ctx)
	switch {
	case in.EventSourceName != nil || strings.HasPrefix(*in.Name, "aws.partner/"):
		return nil, refuse("OperationDisabledException", "The sandbox has no partner event sources.") // our own text
	case strings.Contains(*in.Name, "/"):
		return nil, invalid("Event bus name must not contain '/'.") // assumed text
	case s.bus(c.Caller.Account, c.Region, *in.Name) != nil:
		return nil, refuse("ResourceAlreadyExistsException", "Event bus "+*in.Name+" already exists.")
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	b := &Bus{
		Account: c.Caller.Account, Region: c.Region, Name: *in.Name, Description: in.Description, Key: in.KmsKeyIdentifier,
		DeadLetter: in.DeadLetterConfig, Log: in.LogConfig, Tags: tags, Created: &c.At, Modified: &c.At,
	}
	s.buses.Put(b.row(), b)
	return &eventbridge.CreateEventBusOutput{
		EventBusArn: new(b.arn()), Description: b.Description, KmsKeyIdentifier: b.Key, DeadLetterConfig: b.DeadLetter, LogConfig: b.Log,
	}, nil
}

// DescribeEventBus tells about a bus.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeEventBus.html.
func (s *Service) DescribeEventBus(ctx context.Context, in *eventbridge.DescribeEventBusInput) (*eventbridge.DescribeEventBusOutput, error) {
	b, err := s.found(gate.From(ctx), in.Name)
	if err != nil {
		return nil, err
	}
	return &eventbridge.DescribeEventBusOutput{
		Name: &b.Name, Arn: new(b.arn()), Description: b.Description, KmsKeyIdentifier: b.Key, DeadLetterConfig: b.DeadLetter, LogConfig: b.Log,
		Policy: wire.Optional(b.Policy), CreationTime: b.Created, LastModifiedTime: b.Modified,
	}, nil
}

// change has a bus changed.
func (s *Service) change(ctx context.Context, name *string, change func(*Bus) error) (*Bus, error) {
	c := gate.From(ctx)
	old, err := s.found(c, name)
	if err != nil {
		return nil, err
	}
	b := *old
	if err := change(&b); err != nil {
		return nil, err
	}
	b.Modified = &c.At
	s.buses.Put(b.row(), &b)
	return &b, nil
}

// UpdateEventBus sets what was given; what was left out is taken away, as of the key
// AWS documents it, and of the others is assumed.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateEventBus.html.
func (s *Service) UpdateEventBus(ctx context.Context, in *eventbridge.UpdateEventBusInput) (*eventbridge.UpdateEventBusOutput, error) {
	b, err := s.change(ctx, in.Name, func(b *Bus) error {
		b.Description, b.Key, b.DeadLetter, b.Log = in.Description, in.KmsKeyIdentifier, in.DeadLetterConfig, in.LogConfig
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &eventbridge.UpdateEventBusOutput{
		Name: &b.Name, Arn: new(b.arn()), Description: b.Description, KmsKeyIdentifier: b.Key, DeadLetterConfig: b.DeadLetter, LogConfig: b.Log,
	}, nil
}

// DeleteEventBus ends a bus that has no rules any more. One that is not there is as good
// as gone.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteEventBus.html.
func (s *Service) DeleteEventBus(ctx context.Context, in *eventbridge.DeleteEventBusInput) (*eventbridge.DeleteEventBusOutput, error) {
	p, err := placeOf(gate.From(ctx), in.Name)
	if err != nil {
		return nil, err
	}
	if p.name == defaultBus {
		return nil, invalid("Cannot delete event bus default.") // assumed text
	}
	for range s.rules.All(state.Key(p.account, p.region, p.name, "")) {
		return nil, invalid("Event bus " + p.name + " can't be deleted since it has rules.") // assumed text
	}
	s.buses.Delete(state.Key(p.account, p.region, p.name))
	return &eventbridge.DeleteEventBusOutput{}, nil
}

// ListEventBuses lists the buses of an account in a Region.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListEventBuses.html.
func (s *Service) ListEventBuses(ctx context.Context, in *eventbridge.ListEventBusesInput) (*eventbridge.ListEventBusesOutput, error) {
	c := gate.From(ctx)
	buses := []*Bus{s.bus(c.Caller.Account, c.Region, defaultBus)}
	for _, b := range s.buses.All(state.Key(c.Caller.Account, c.Region, "")) {
		if b.Name != defaultBus {
			buses = append(buses, b)
		}
	}
	list := []types.EventBus{}
	for _, b := range buses {
		if strings.HasPrefix(b.Name, aws.ToString(in.NamePrefix)) {
			list = append(list, types.EventBus{
				Name: &b.Name, Arn: new(b.arn()), Description: b.Description, Policy: wire.Optional(b.Policy), CreationTime: b.Created, LastModifiedTime: b.Modified,
			})
		}
	}
	page, next, err := paged(list, in.NextToken, in.Limit)
	return &eventbridge.ListEventBusesOutput{EventBuses: page, NextToken: next}, err
}

// maxPolicy is the size of the largest policy of a bus.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html.
const maxPolicy = 10240

// PutPermission lets others put events on a bus: by a policy, or by a statement that is
// added to it.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPermission.html.
func (s *Service) PutPermission(ctx context.Context, in *eventbridge.PutPermissionInput) (*eventbridge.PutPermissionOutput, error) {
	_, err := s.change(ctx, in.EventBusName, func(b *Bus) error {
		policy := aws.ToString(in.Policy)
		switch {
		case in.Policy != nil && (in.StatementId != nil || in.Principal != nil || in.Action != nil || in.Condition != nil):
			return invalid("Policy cannot be given together with StatementId, Principal, Action or Condition.") // assumed text
		case in.Policy == nil && (in.StatementId == nil || in.Principal == nil || in.Action == nil):
			return invalid("Parameter StatementId, Principal and Action, or Policy, must be specified.") // assumed text
		case in.Policy == nil:
			d, err := readStatements(b.Policy)
			if err != nil {
				return err
			}
			d.put(*in.StatementId, statementOf(b, in))
			if policy, err = d.String(); err != nil {
				return err
			}
		}
		if len(policy) > maxPolicy {
			return refuse("PolicyLengthExceededException", "The policy has more than 10240 bytes.") // assumed text
		}
		if _, err := gate.ReadPolicy("event bus policy", policy, false); err != nil {
			return invalid("The policy is not valid: " + err.Error()) // assumed text
		}
		b.Policy = policy
		return nil
	})
	return &eventbridge.PutPermissionOutput{}, err
}

func statementOf(b *Bus, in *eventbridge.PutPermissionInput) map[string]any {
	st := map[string]any{"Sid": *in.StatementId, "Effect": "Allow", "Principal": "*", "Action": *in.Action, "Resource": b.arn()}
	if *in.Principal != "*" {
		st["Principal"] = map[string]any{"AWS": "arn:" + awsfacts.PartitionName(b.Region) + ":iam::" + *in.Principal + ":root"}
	}
	if x := in.Condition; x != nil {
		st["Condition"] = map[string]any{*x.Type: map[string]any{*x.Key: *x.Value}}
	}
	return st
}

// RemovePermission takes a statement away, or all.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RemovePermission.html.
func (s *Service) RemovePermission(ctx context.Context, in *eventbridge.RemovePermissionInput) (*eventbridge.RemovePermissionOutput, error) {
	_, err := s.change(ctx, in.EventBusName, func(b *Bus) error {
		if in.RemoveAllPermissions {
			b.Policy = ""
			return nil
		}
		d, err := readStatements(b.Policy)
		if err != nil {
			return err
		}
		if in.StatementId == nil || !d.remove(*in.StatementId) {
			return refuse("ResourceNotFoundException", "Statement with the provided id does not exist.") // assumed text
		}
		if b.Policy, err = d.String(); len(d.Statement) == 0 {
			b.Policy = ""
		}
		return err
	})
	return &eventbridge.RemovePermissionOutput{}, err
}

// statements is a policy as far as single statements of it are changed.
type statements struct {
	Version   string
	Statement []any
}

func readStatements(text string) (*statements, error) {
	d := &statements{Version: "2012-10-17"}
	if text == "" {
		return d, nil
	}
	var raw struct {
		Version   string
		Statement any
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, err
	}
	d.Version = raw.Version
	switch st := raw.Statement.(type) {
	case []any:
		d.Statement = st
	case nil:
	default:
		d.Statement = []any{st}
	}
	return d, nil
}

func (d *statements) index(sid string) int {
	return slices.IndexFunc(d.Statement, func(one any) bool {
		st, ok := one.(map[string]any)
		return ok && st["Sid"] == sid
	})
}

func (d *statements) put(sid string, st map[string]any) {
	if i := d.index(sid); i >= 0 {
		d.Statement[i] = st
		return
	}
	d.Statement = append(d.Statement, st)
}

func (d *statements) remove(sid string) bool {
	i := d.index(sid)
	if i < 0 {
		return false
	}
	d.Statement = slices.Delete(d.Statement, i, i+1)
	return true
}

// String is the policy as text.
func (d *statements) String() (string, error) {
	text, err := plainJSON(d)
	return string(text), err
}
