package run

import (
	"context"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// Cloud is AWS as far as ops go. Errors are *cloud.Error.
type Cloud interface {
	// Caller returns who the calls to an account are made as.
	Caller(ctx context.Context, account string) (string, error)
	// Current returns the op that leaves the slot of op as it is now on AWS. For a new key
	// that AWS named when this op made it, and that is found again by what the op put on
	// it, that is an op with the real ARN.
	Current(ctx context.Context, op estate.Op) (estate.Op, error)
	// Perform writes the op. For a key that AWS names it returns the real ARN in place
	// of the provisional one, for a key that is to be deleted when that will be, under
	// cloud.MadeDeletion.
	Perform(ctx context.Context, op estate.Op) (made map[string]string, err error)
}

// Mover is AWS as far as the work on data goes. Errors are *cloud.Error.
type Mover interface {
	Caller(ctx context.Context, account string) (string, error)
	// Look finds what a task has made, by the task's name, and how far it is; found is
	// false when nothing was made yet.
	Look(ctx context.Context, t cloud.Task) (p cloud.Progress, found bool, err error)
	// Start begins the task. It is called when Look finds nothing, and makes nothing
	// twice when it is called twice where AWS offers a way.
	Start(ctx context.Context, t cloud.Task) (cloud.Progress, error)
	// Remove takes away what the task made.
	Remove(ctx context.Context, t cloud.Task) error
}

// Clock is time as a run sees it: that of the machine, or a sandbox's.
type Clock interface {
	Now() time.Time
	// Sleep waits, or fails when the context ends first.
	Sleep(ctx context.Context, d time.Duration) error
}
