package run

import (
	"context"
	"fmt"
	"time"

	"github.com/keyreach/keyreach/cloud"
)

const (
	// busyCalls is how often a call is made while AWS is busy or does not answer. The
	// waits between them come to about a minute and a half.
	busyCalls = 10
	firstWait = 500 * time.Millisecond
	longWait  = 15 * time.Second
)

// patience is how often one thing was tried in vain.
type patience struct {
	e     *engine
	n     int       // waits so far
	busy  int       // of them because AWS was busy
	since time.Time // the first failure that time may cure
}

// again waits before the next try, or returns the error to end with: err itself when
// waiting does not help or has been long enough.
func (p *patience) again(ctx context.Context, s *step, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var until time.Time
	kind := cloud.KindOf(err)
	now := p.e.now()
	if p.since.IsZero() {
		p.since = now
	}
	switch kind {
	case cloud.Throttled, cloud.Unavailable, cloud.Lost:
		if p.busy++; p.busy >= busyCalls {
			return err
		}
		return p.pause(ctx, s, fmt.Sprintf("AWS: %s; trying again", kind))
	case cloud.UnknownPrincipal, cloud.Exists:
		until = p.since.Add(p.e.o.Settle)
	case cloud.Denied, cloud.NotFound, cloud.State:
		if p.e.wrote.IsZero() {
			return err
		}
		until = p.e.wrote.Add(p.e.o.Settle) // what was written just now may not be seen yet
	}
	if !now.Before(until) {
		return err
	}
	return p.pause(ctx, s, fmt.Sprintf("settling: %s; trying again", kind))
}

// pause waits, longer each time. The error is that of ctx.
func (p *patience) pause(ctx context.Context, s *step, why string) error {
	d := min(firstWait<<min(p.n, 10), longWait)
	p.n++
	p.e.tell(s.index, s.op.Slot(), PhaseWait, why)
	return p.e.o.Clock.Sleep(ctx, d)
}

// patient calls f, which reads, until it succeeds or waiting does not help.
func (e *engine) patient(ctx context.Context, s *step, f func() error) error {
	p := patience{e: e}
	for {
		err := f()
		if err == nil {
			return nil
		}
		if err := p.again(ctx, s, err); err != nil {
			return err
		}
	}
}
