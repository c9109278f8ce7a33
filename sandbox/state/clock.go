package state

import (
	"sync/atomic"
	"time"
)

// Clock is the time of a sandbox: the machine's, moved ahead as far as somebody
// asked. It never goes back.
type Clock struct{ ahead atomic.Int64 }

// Now returns the sandbox's time, in UTC.
func (c *Clock) Now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load())).UTC()
}

// Advance moves the clock ahead. A negative step is not taken.
func (c *Clock) Advance(by time.Duration) {
	if by > 0 {
		c.ahead.Add(int64(by))
	}
}

// Ahead returns how far the clock is ahead of the machine's.
func (c *Clock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }
