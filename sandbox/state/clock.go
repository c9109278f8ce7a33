package state

import (
	"sync/atomic"
	"time"
)

// Clock is the time of a sandbox: the machine's, moved ahead as far as somebody
// asked. It goes back only when the step is taken back that moved it.
type Clock struct{ ahead atomic.Int64 }

// MaxAhead is how far a clock can be ahead. Beyond the year 9999 times cannot be
// written any more, beyond 2262 not counted.
const MaxAhead = 100 * 365 * 24 * time.Hour

// Now returns the sandbox's time, in UTC.
func (c *Clock) Now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load())).UTC()
}

// Set puts the clock ahead of the machine's.
func (c *Clock) Set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }

// Ahead returns how far the clock is ahead of the machine's.
func (c *Clock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }
