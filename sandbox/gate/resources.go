package gate

import (
	"time"

	"github.com/keyreach/keyreach/estate"
)

// Holder is what a service has that holds encrypted resources: an estate of the sandbox
// lists them. It is called in View.
type Holder interface {
	Resources(now time.Time) []estate.Resource
}
