// Package events is Amazon EventBridge in a sandbox: event buses, rules, and targets
// that are reached over HTTP or by who subscribes in the same process. What other
// services emit goes through its rules.
package events

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// Config is what EventBridge needs from the sandbox.
type Config struct {
	DB     *state.DB
	Clock  *state.Clock
	IDs    *state.IDs
	Gate   *gate.Gate
	Agent  *behalf.Agent
	Agenda *state.Agenda
}

// Service is EventBridge.
type Service struct {
	Config
	buses        *state.Table[Bus]         // account, Region, name
	rules        *state.Table[Rule]        // account, Region, bus, name
	connections  *state.Table[Connection]  // account, Region, name
	destinations *state.Table[Destination] // account, Region, name

	// listening are the accounts and Regions whose default bus has rules that wait, and
	// how many they are.
	listening sync.Map
	listeners atomic.Int32
	// waiting is what the running update, or one that is just done, has queued.
	waiting []parcel
	outbox  *outbox
}

// New returns EventBridge on a sandbox's state.
func New(c Config) *Service {
	s := &Service{Config: c, outbox: newOutbox()}
	s.buses = state.NewTable(c.DB, "events.buses", (*Bus).ready)
	s.rules = state.NewTable(c.DB, "events.rules", (*Rule).ready)
	s.connections = state.NewTable[Connection](c.DB, "events.connections", nil)
	s.destinations = state.NewTable[Destination](c.DB, "events.destinations", nil)
	s.rules.OnChange(s.listen)
	return s
}

// Name is the service's in awsfacts.
func (s *Service) Name() string { return "events" }

func refuse(code, text string) error { return wire.Refuse(code, text) }

func invalid(text string) error { return refuse("ValidationException", text) }

// Operations are buses, rules, targets, events and HTTP destinations. Each stands with
// what has to be allowed for it.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html.
func (s *Service) Operations() []gate.Operation {
	const reads, writes = gate.Reads, gate.Writes
	return append(s.destinationOperations(),
		gate.Op(writes, onBus(s, "CreateEventBus", func(in *eventbridge.CreateEventBusInput) *string { return in.Name }), s.CreateEventBus),
		gate.Op(reads, onBus(s, "DescribeEventBus", func(in *eventbridge.DescribeEventBusInput) *string { return in.Name }), s.DescribeEventBus),
		gate.Op(writes, onBus(s, "UpdateEventBus", func(in *eventbridge.UpdateEventBusInput) *string { return in.Name }), s.UpdateEventBus),
		gate.Op(writes, onBus(s, "DeleteEventBus", func(in *eventbridge.DeleteEventBusInput) *string { return in.Name }), s.DeleteEventBus),
		gate.Op(reads, onAny[eventbridge.ListEventBusesInput]("ListEventBuses"), s.ListEventBuses),
		gate.Op(writes, onBus(s, "PutPermission", func(in *eventbridge.PutPermissionInput) *string { return in.EventBusName }), s.PutPermission),
		gate.Op(writes, onBus(s, "RemovePermission", func(in *eventbridge.RemovePermissionInput) *string { return in.EventBusName }), s.RemovePermission),
		gate.Op(writes, s.asksPutRule, s.PutRule),
		gate.Op(reads, onRule(s, "DescribeRule", func(in *eventbridge.DescribeRuleInput) (b, r *string) { return in.EventBusName, in.Name }), s.DescribeRule),
		gate.Op(writes, onRule(s, "EnableRule", func(in *eventbridge.EnableRuleInput) (b, r *string) { return in.EventBusName, in.Name }), s.EnableRule),
		gate.Op(writes, onRule(s, "DisableRule", func(in *eventbridge.DisableRuleInput) (b, r *string) { return in.EventBusName, in.Name }), s.DisableRule),
		gate.Op(writes, onRule(s, "DeleteRule", func(in *eventbridge.DeleteRuleInput) (b, r *string) { return in.EventBusName, in.Name }), s.DeleteRule),
		gate.Op(reads, onRule(s, "ListRules", func(in *eventbridge.ListRulesInput) (b, r *string) { return in.EventBusName, new("*") }), s.ListRules),
		gate.Op(reads, onRule(s, "ListRuleNamesByTarget", func(in *eventbridge.ListRuleNamesByTargetInput) (b, r *string) {
			return in.EventBusName, new("*")
		}), s.ListRuleNamesByTarget),
		gate.Op(writes, s.asksPutTargets, s.PutTargets),
		gate.Op(writes, onRule(s, "RemoveTargets", func(in *eventbridge.RemoveTargetsInput) (b, r *string) { return in.EventBusName, in.Rule }), s.RemoveTargets),
		gate.Op(reads, onRule(s, "ListTargetsByRule", func(in *eventbridge.ListTargetsByRuleInput) (b, r *string) { return in.EventBusName, in.Rule }), s.ListTargetsByRule),
		gate.Op(writes, s.asksPutEvents, s.PutEvents),
		gate.Op(reads, onAny[eventbridge.TestEventPatternInput]("TestEventPattern"), s.TestEventPattern),
		gate.Op(writes, onTagged(s, "TagResource", func(in *eventbridge.TagResourceInput) (*string, []types.Tag, []string) {
			return in.ResourceARN, in.Tags, nil
		}), s.TagResource),
		gate.Op(writes, onTagged(s, "UntagResource", func(in *eventbridge.UntagResourceInput) (*string, []types.Tag, []string) {
			return in.ResourceARN, nil, in.TagKeys
		}), s.UntagResource),
		gate.Op(reads, onTagged(s, "ListTagsForResource", func(in *eventbridge.ListTagsForResourceInput) (*string, []types.Tag, []string) {
			return in.ResourceARN, nil, nil
		}), s.ListTagsForResource),
	)
}

type asks[I any] func(*gate.Call, *I) ([]gate.Ask, error)

func onAny[I any](action string) asks[I] {
	return func(*gate.Call, *I) ([]gate.Ask, error) {
		return []gate.Ask{{Action: "events:" + action, Resource: "*"}}, nil
	}
}

// place is where a bus is.
type place struct{ account, region, name string }

// placeOf leads from the name or the ARN of a bus to its place; nil is the default bus.
func placeOf(c *gate.Call, name *string) (place, error) {
	p := place{c.Caller.Account, c.Region, defaultBus}
	if name == nil || *name == "" {
		return p, nil
	}
	if !strings.HasPrefix(*name, "arn:") {
		p.name = *name
		return p, nil
	}
	a, err := arn.Parse(*name)
	bus, ok := strings.CutPrefix(a.Resource, "event-bus/")
	if err != nil || a.Service != "events" || !ok || a.Region != c.Region {
		return p, invalid("Parameter EventBusName is not valid: " + *name + " is not an event bus of this Region.") // assumed text
	}
	p.account, p.name = a.Account, bus
	return p, nil
}

func (p place) arn() string { return busARN(p.region, p.account, p.name) }

// bus finds a bus. The default one is always there.
func (s *Service) bus(account, region, name string) *Bus {
	b := s.buses.Get(state.Key(account, region, name))
	if b == nil && name == defaultBus {
		return &Bus{Account: account, Region: region, Name: name}
	}
	return b
}

// found finds the bus of a request.
func (s *Service) found(c *gate.Call, name *string) (*Bus, error) {
	p, err := placeOf(c, name)
	if err != nil {
		return nil, err
	}
	b := s.bus(p.account, p.region, p.name)
	if b == nil {
		return nil, noBus(p.name)
	}
	return b, nil
}

func noBus(name string) error {
	return refuse("ResourceNotFoundException", "Event bus "+name+" does not exist.")
}

// ask is the question about something of a bus: itself or one of its rules. The bus's
// policy speaks for both.
func (s *Service) ask(c *gate.Call, p place, action, resource, kind string, context estate.Given) gate.Ask {
	target, _ := arn.Parse(resource) // made here
	c.Resources = append(c.Resources, gate.Resource{ARN: resource, Account: p.account, Type: kind})
	a := gate.Ask{Action: "events:" + action, Resource: resource, Target: target, Owner: p.account, Context: context}
	if b := s.bus(p.account, p.region, p.name); b != nil {
		a.Policy = b.policy
		if kind == busType {
			a.Context = append(a.Context, tagContext(b.Tags)...)
		}
	}
	return a
}

const (
	busType  = "AWS::Events::EventBus"
	ruleType = "AWS::Events::Rule"
)

func onBus[I any](s *Service, action string, name func(*I) *string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		p, err := placeOf(c, name(in))
		if err != nil {
			return nil, err
		}
		var context estate.Given
		if made, ok := any(in).(*eventbridge.CreateEventBusInput); ok {
			context = requestTags(made.Tags, nil)
		}
		return []gate.Ask{s.ask(c, p, action, p.arn(), busType, context)}, nil
	}
}

func onRule[I any](s *Service, action string, names func(*I) (bus, rule *string)) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		bus, rule := names(in)
		return s.askRule(c, action, bus, *rule, nil)
	}
}

func (s *Service) askRule(c *gate.Call, action string, bus *string, name string, context estate.Given) ([]gate.Ask, error) {
	p, err := placeOf(c, bus)
	if err != nil {
		return nil, err
	}
	creator := c.Caller.Account
	if r := s.rules.Get(state.Key(p.account, p.region, p.name, name)); r != nil {
		context = append(context, tagContext(r.Tags)...)
		creator = r.Creator
	}
	context = append(context, estate.NewEntry("events:creatoraccount", policy.One(creator)))
	return []gate.Ask{s.ask(c, p, action, ruleARN(p.region, p.account, p.name, name), ruleType, context)}, nil
}

// askPass asks whether the caller may hand a role to EventBridge.
func askPass(c *gate.Call, role *string) []gate.Ask {
	if role == nil {
		return nil
	}
	target, err := arn.Parse(*role)
	if err != nil {
		return nil // refused as no role by who reads it
	}
	return []gate.Ask{{
		Action: "iam:PassRole", Resource: *role, Target: target, Owner: target.Account,
		Context: estate.Given{estate.NewEntry("iam:passedtoservice", policy.One("events.amazonaws.com"))},
	}}
}

// paged cuts a page from a list.
func paged[T any](list []T, token *string, limit *int32) ([]T, *string, error) {
	page, next, ok := gate.Page(list, token, limit, 100)
	if !ok {
		return nil, nil, invalid("The token is not valid.") // assumed text
	}
	return page, next, nil
}
