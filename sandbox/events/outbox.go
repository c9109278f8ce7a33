package events

import (
	"encoding/json"
	"log"
	"sync"
	"time"
)

// Delivery is an event on its way to one target of one rule that it matches.
type Delivery struct {
	At                           time.Time // the sandbox's
	RuleARN, TargetID, TargetARN string
	Event                        Event
	// EventJSON is the event as a whole, Input what the target gets of it.
	EventJSON, Input json.RawMessage
}

// parcel is a delivery with the request that it means, nil for none.
type parcel struct {
	Delivery
	post *post
}

// Attempt is what came of a delivery over HTTP, or of one that failed before.
type Attempt struct {
	At         time.Time `json:"at"` // the machine's
	EventID    string    `json:"event_id"`
	DetailType string    `json:"detail_type"`
	Rule       string    `json:"rule"`
	Target     string    `json:"target"`
	Tries      int       `json:"tries"`
	Status     int       `json:"status,omitempty"` // of the last answer
	Error      string    `json:"error,omitempty"`
}

// maxAttempts is how many attempts are remembered.
const maxAttempts = 256

// outbox delivers. What an update queues waits in the service until the update is
// done; here it goes to subscribers in order, and over HTTP by lanes, one for each
// destination, so that a slow one holds up none but itself.
type outbox struct {
	wake chan struct{}
	done chan struct{}
	once sync.Once

	mu       sync.Mutex
	closed   bool
	started  bool
	next     int
	subs     map[int]func(Delivery)
	order    []int
	lanes    map[string]*lane
	attempts []Attempt
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), done: make(chan struct{}), subs: map[int]func(Delivery){}, lanes: map[string]*lane{}}
}

// queue holds a parcel until the update is done. It is called in Update.
func (s *Service) queue(p parcel) {
	before := len(s.waiting)
	s.waiting = append(s.waiting, p)
	s.DB.OnUndo(func() { s.waiting = s.waiting[:before] })
	o := s.outbox
	o.mu.Lock()
	if !o.started && !o.closed {
		o.started = true
		go s.work()
	}
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// work delivers what updates left behind, until the sandbox is closed.
func (s *Service) work() {
	for {
		select {
		case <-s.outbox.done:
			return
		case <-s.outbox.wake:
		}
		var list []parcel
		_ = s.DB.View(func() error { // which waits for the update that queued
			list, s.waiting = s.waiting, nil
			return nil
		})
		for i := range list {
			s.outbox.deliver(&list[i])
		}
	}
}

func (o *outbox) deliver(p *parcel) {
	o.mu.Lock()
	var list []func(Delivery)
	for _, n := range o.order {
		if f := o.subs[n]; f != nil {
			list = append(list, f)
		}
	}
	o.mu.Unlock()
	for _, f := range list {
		f(p.Delivery)
	}
	if p.post != nil {
		o.send(p)
	}
}

// Subscribe has f called with every delivery from now on, whatever the target's ARN: the
// target's queue, topic or function is not there, and f is in its place. It is called by
// one goroutine, in the order of the events, after the call that caused the event is
// done and with no lock held, so that it may call the sandbox. Cancel ends it; f may be
// called once more while cancel runs.
func (s *Service) Subscribe(f func(Delivery)) (cancel func()) {
	o := s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.next
	o.next++
	o.subs[n] = f
	o.order = append(o.order, n)
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.subs, n)
		for i := range o.order {
			if o.order[i] == n {
				o.order = append(append([]int{}, o.order[:i]...), o.order[i+1:]...)
				return
			}
		}
	}
}

// Close ends deliveries; those under way are given up.
func (s *Service) Close() {
	s.outbox.once.Do(func() {
		s.outbox.mu.Lock()
		s.outbox.closed = true
		s.outbox.mu.Unlock()
		close(s.outbox.done)
	})
}

// Attempts are the latest deliveries over HTTP and the latest that failed, the latest
// first.
func (s *Service) Attempts() []Attempt {
	o := s.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]Attempt, 0, len(o.attempts))
	for i := range o.attempts {
		list = append(list, o.attempts[len(o.attempts)-1-i])
	}
	return list
}

// failed remembers a delivery that did not work, and tells the log.
func (o *outbox) failed(d *Delivery, tries, status int, err error) {
	log.Printf("sandbox: delivering event %s to %s: %v", d.Event.ID, d.TargetARN, err)
	o.note(d, tries, status, err.Error())
}

func (o *outbox) note(d *Delivery, tries, status int, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.attempts) == maxAttempts {
		o.attempts = append([]Attempt{}, o.attempts[1:]...)
	}
	o.attempts = append(o.attempts, Attempt{
		At: time.Now().UTC(), EventID: d.Event.ID, DetailType: d.Event.DetailType, Rule: d.RuleARN, Target: d.TargetARN, Tries: tries, Status: status, Error: why,
	})
}
