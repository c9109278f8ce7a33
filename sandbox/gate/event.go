package gate

import (
	"context"
	"time"

	"github.com/keyreach/keyreach/sandbox/state"
)

// Event is something that happened to a resource, as EventBridge tells it.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html.
type Event struct {
	At              time.Time
	Account, Region string
	Source          string // aws.ec2
	DetailType      string // EBS Snapshot Notification
	Resources       []string
	Detail          any // becomes JSON
}

// Events takes what happened. It is called in Update.
type Events interface {
	Emit(Event)
}

// Dues is what a service has that does something later: what it put on the agenda.
// It is called in Update with a call that has the task's time, account and Region, and
// that the service itself makes; see package behalf for acting as somebody.
// When it fails, what it changed is taken back and the task is not tried again.
type Dues interface {
	Due(ctx context.Context, t state.Task) error
}
