package sandbox

import (
	"log"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/keyreach/keyreach/sandbox/cloudtrail"
	"github.com/keyreach/keyreach/sandbox/events"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// Delivery is an event on its way to one target of one rule of EventBridge.
type Delivery = events.Delivery

// Subscribe has f called with everything that a rule of EventBridge delivers, to any
// target, from now on: f stands in for queues, topics and functions, which the sandbox
// does not have. One goroutine calls it, in the order of the events, after the call that
// caused them is done; it may call the sandbox, and holds up later deliveries while it
// runs. Rules without targets deliver nothing, as on AWS.
func (s *Sandbox) Subscribe(f func(Delivery)) (cancel func()) { return s.events.Subscribe(f) }

// recent is the calls of which EventBridge is to be told when the state is free: a call
// that is made within another is remembered while the state is locked.
type recent struct {
	some atomic.Bool // there are some, so that calls that nobody waits for take no lock
	mu   sync.Mutex
	list []cloudtrail.Entry
}

// record remembers a call. Whether some rule may wait for its record is asked first,
// without a lock: mostly none does. That events are put is no event: assumed, and else
// who answers one by another would never end.
func (s *Sandbox) record(e cloudtrail.Entry) {
	s.log.Add(e)
	if e.Call.Service == "events" && e.Call.Operation == "PutEvents" {
		return
	}
	region := cloudtrail.RegionOf(e.Call)
	waited := s.events.Listens(e.Call.Caller.Account, region)
	for i := range e.Call.Resources {
		waited = waited || s.events.Listens(e.Call.Resources[i].Account, region)
	}
	if waited {
		s.recent.mu.Lock()
		s.recent.list = append(s.recent.list, e)
		s.recent.some.Store(true)
		s.recent.mu.Unlock()
	}
}

// tellEvents puts the records of recent calls on the default buses of the accounts that
// have a trail.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html.
func (s *Sandbox) tellEvents() {
	if !s.recent.some.Load() {
		return
	}
	s.recent.mu.Lock()
	list := s.recent.list
	s.recent.list = nil
	s.recent.some.Store(false)
	s.recent.mu.Unlock()
	err := s.db.Update(func() error {
		for i := range list {
			s.tellOne(&list[i])
		}
		return nil
	})
	if err != nil {
		log.Printf("sandbox: telling EventBridge of calls: %v", err)
	}
}

func (s *Sandbox) tellOne(e *cloudtrail.Entry) {
	d := s.describe(e)
	for _, r := range e.Records(&d) {
		if !s.events.Listens(r.RecipientAccountID, r.AWSRegion) || !s.trail.Logs(&r) {
			continue
		}
		event := gate.Event{
			At: e.Call.At, Account: r.RecipientAccountID, Region: r.AWSRegion, Source: "aws." + e.Call.Service,
			DetailType: "AWS API Call via CloudTrail", Detail: r,
		}
		if onlyReads(&r) {
			s.events.EmitRead(event)
		} else {
			s.events.Emit(event)
		}
	}
}

// onlyReads reports whether rules get the record only when they ask for all management
// events: those that begin with Describe, Get and List, but for STS.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail-management.html.
func onlyReads(r *cloudtrail.Record) bool {
	return r.ReadOnly && r.EventSource != "sts.amazonaws.com" && slices.ContainsFunc([]string{"Describe", "Get", "List"}, func(verb string) bool {
		return strings.HasPrefix(r.EventName, verb)
	})
}
