package events

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Emit takes what happened to the default bus of an account and Region. It is called in
// Update; what it queues leaves when the update is done, and not at all when the update
// is taken back.
func (s *Service) Emit(e gate.Event) { s.emit(e, false) }

// EmitRead is Emit for the record of a call that only read. Rules get it when their
// state asks for all management events.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail-management.html.
func (s *Service) EmitRead(e gate.Event) { s.emit(e, true) }

func (s *Service) emit(e gate.Event, reads bool) {
	if !s.Listens(e.Account, e.Region) {
		return
	}
	detail, err := plainJSON(e.Detail)
	if err != nil {
		log.Printf("sandbox: an event of %s cannot be JSON: %v", e.Source, err)
		return
	}
	s.publish(e.Account, e.Region, defaultBus, e.At, reads, Event{
		DetailType: e.DetailType, Source: e.Source, Account: e.Account, Time: stamp(e.At), Region: e.Region, Resources: e.Resources, Detail: detail,
	})
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// Listens reports whether an account has a rule on its default bus in a Region that is
// on and waits for events. It needs no lock, so that calls that nobody waits for pay
// nothing.
func (s *Service) Listens(account, region string) bool {
	if s.listeners.Load() == 0 {
		return false
	}
	_, ok := s.listening.Load(state.Key(account, region))
	return ok
}

// listen notes whether rules wait on the bus of a rule that changed.
func (s *Service) listen(row string) {
	parts := strings.SplitN(row, "\x00", 4)
	if parts[2] != defaultBus {
		return
	}
	place := state.Key(parts[0], parts[1])
	for _, r := range s.rules.All(state.Key(parts[0], parts[1], defaultBus, "")) {
		if r.on() && r.pattern != nil && len(r.Targets) > 0 {
			if _, there := s.listening.LoadOrStore(place, true); !there {
				s.listeners.Add(1)
			}
			return
		}
	}
	if _, there := s.listening.LoadAndDelete(place); there {
		s.listeners.Add(-1)
	}
}

// publish gives an event a new id and has the rules of a bus look at it.
func (s *Service) publish(account, region, bus string, now time.Time, reads bool, e Event) string {
	e.Version, e.ID = "0", s.IDs.UUID()
	h, err := took(e, now)
	if err != nil {
		log.Printf("sandbox: an event of %s cannot be JSON: %v", e.Source, err)
		return e.ID
	}
	h.reads = reads
	s.match(account, region, bus, h, 0)
	return e.ID
}

// match queues an event for the targets of every rule that it matches.
func (s *Service) match(account, region, bus string, h *happened, hops int) {
	for _, r := range s.rules.All(state.Key(account, region, bus, "")) {
		all := r.State == types.RuleStateEnabledWithAllCloudtrailManagementEvents
		if !r.on() || h.reads && !all || r.pattern == nil || !r.pattern.matches(h.tree) {
			continue
		}
		for i := range r.Targets {
			s.toTarget(r, &r.Targets[i], h, hops)
		}
	}
}

// maxHops is how often an event goes from one bus to another. That AWS ends it here is
// assumed; it keeps rules that send to each other from going on for ever.
const maxHops = 3

// toTarget sends an event to one target: to another bus at once, to all others when the
// update is done.
func (s *Service) toTarget(r *Rule, t *types.Target, h *happened, hops int) {
	d := Delivery{
		At: h.at, RuleARN: r.arn(), TargetID: *t.Id, TargetARN: *t.Arn, Event: h.Event, EventJSON: h.text,
	}
	var err error
	if d.Input, err = h.input(r, t); err != nil {
		s.outbox.failed(&d, 0, 0, err)
		return
	}
	target, err := arn.Parse(*t.Arn)
	if name, ok := strings.CutPrefix(target.Resource, "event-bus/"); err == nil && target.Service == "events" && ok {
		if err = s.mayForward(r, t, target, name, h); err == nil && hops == maxHops {
			err = fmt.Errorf("the event has been on %d buses", hops+1)
		}
		if err != nil {
			s.outbox.failed(&d, 0, 0, err)
			return
		}
		s.match(target.Account, target.Region, name, h, hops+1)
		return
	}
	p := parcel{Delivery: d}
	if row, ok := named("api-destination", *t.Arn); ok {
		if p.post, err = s.post(row, t, h); err != nil {
			s.outbox.failed(&d, 0, 0, err)
			return
		}
	}
	s.queue(p)
}

// mayForward asks whether a rule may send to a bus: as the target's role, or without one
// as the account.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html.
func (s *Service) mayForward(r *Rule, t *types.Target, target arn.ARN, name string, h *happened) error {
	to := s.bus(target.Account, target.Region, name)
	if to == nil {
		return fmt.Errorf("event bus %s does not exist", *t.Arn)
	}
	root, err := arn.ParsePrincipal("arn:" + awsfacts.PartitionName(r.Region) + ":iam::" + r.Account + ":root")
	if err != nil {
		return err
	}
	c := &gate.Call{
		ID: s.IDs.UUID(), Service: "events", Operation: "PutEvents", Region: target.Region, At: h.at, Writing: true,
		Caller: gate.Caller{Caller: policy.Caller{Principal: root, ID: r.Account}},
	}
	if t.RoleArn != nil {
		ctx, err := s.Agent.Trusted(gate.With(context.Background(), c), *t.RoleArn, "events", "")
		if err != nil {
			return err
		}
		c = gate.From(ctx)
	}
	return s.Gate.Authorize(c, []gate.Ask{{
		Action: "events:PutEvents", Resource: *t.Arn, Target: target, Owner: target.Account, Policy: to.policy, Context: putContext(h.Source, h.DetailType),
	}})
}

// fire sends the event of a schedule to the targets of its rule.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html.
func (s *Service) fire(r *Rule, at time.Time) {
	h, err := took(Event{
		Version: "0", ID: s.IDs.UUID(), DetailType: "Scheduled Event", Source: "aws.events", Account: r.Account, Time: stamp(at), Region: r.Region,
		Resources: []string{r.arn()}, Detail: json.RawMessage("{}"),
	}, at)
	if err != nil {
		return // it is JSON
	}
	for i := range r.Targets {
		s.toTarget(r, &r.Targets[i], h, 0)
	}
}
