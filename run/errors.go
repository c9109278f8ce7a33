package run

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/estate"
)

// LockedError is returned when another process writes with the same journal.
type LockedError struct {
	Dir   string
	PID   int       // 0 when it is not known
	Since time.Time // zero when it is not known
}

func (e *LockedError) Error() string {
	text := "another run goes on with the journal in " + e.Dir
	if e.PID != 0 {
		text += fmt.Sprintf(": process %d, since %s", e.PID, e.Since.UTC().Format(time.RFC3339))
	}
	return text
}

// NoRunError is returned for an id of which the journal has no run, or more than one.
type NoRunError struct {
	ID string
	// Like are the ids that may be meant, the latest first.
	Like []string
	// Many is true when the id is the beginning of all of them.
	Many bool
}

func (e *NoRunError) Error() string {
	if e.Many {
		return fmt.Sprintf("%q is the beginning of more than one run: %s", e.ID, strings.Join(e.Like, ", "))
	}
	return fmt.Sprintf("the journal has no run %q", e.ID)
}

// VersionError is returned for a journal that a newer version wrote.
type VersionError struct {
	Path       string
	Have, Know int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the journal has version %d, and this version knows up to %d", e.Have, e.Know)
}

// StatusError is returned for a run that cannot be resumed or undone as it is.
type StatusError struct {
	ID     string
	Status Status
	Why    string
}

func (e *StatusError) Error() string { return "run " + e.ID + " " + e.Why }

// StaleError is returned when AWS holds something else than the plan was made from.
// Nothing was written over it.
type StaleError struct {
	Step       int // counts from 1
	Slot       estate.Slot
	Want, Have estate.Op
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("the plan is stale: the %s is no longer as it was when the plan was made", e.Slot)
}

// OverwrittenError is returned when what a run wrote is not what AWS holds
// afterwards.
type OverwrittenError struct {
	Step int // counts from 1
	Slot estate.Slot
	// Wrote is what the run wrote, Have what AWS holds.
	Wrote, Have estate.Op
	// Old is true when AWS still shows what was there before, though the time in which
	// writes spread is over.
	Old bool
}

func (e *OverwrittenError) Error() string {
	if e.Old {
		return fmt.Sprintf("the %s was written, and AWS shows what was there before", e.Slot)
	}
	return fmt.Sprintf("somebody else wrote the %s at the same time: it is neither what was there nor what this run wrote", e.Slot)
}

// ChangedSinceError is returned when an undo finds things that were changed after the
// run. Nothing was written.
type ChangedSinceError struct {
	Of      string
	Changes []Change
}

// Change is one thing that is not as a run left it.
type Change struct {
	Slot estate.Slot
	// Left is what the run left, Have what AWS holds; nil when that to which it belonged
	// is gone.
	Left, Have estate.Op
}

func (e *ChangedSinceError) Error() string {
	slots := make([]string, len(e.Changes))
	for i := range e.Changes {
		slots[i] = "the " + e.Changes[i].Slot.String()
	}
	slices.Sort(slots)
	return "changed since run " + e.Of + ": " + strings.Join(slots, ", ")
}

// UnmadeError is returned for a part of a plan that names a key which another
// account's part, or a later step, has yet to make.
type UnmadeError struct {
	Step int // counts from 1
	Slot estate.Slot
	// Key is the provisional ARN, Account whose part of the plan makes the key.
	Key, Account string
}

func (e *UnmadeError) Error() string {
	return fmt.Sprintf("the %s names a key that account %s has yet to make", e.Slot, e.Account)
}
