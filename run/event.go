package run

import (
	"time"

	"github.com/keyreach/keyreach/estate"
)

// Event is something that a run reports while it goes on.
type Event struct {
	Run string // empty while the run has not begun
	// Step counts from 1, of all the steps of the run; 0 is for what belongs to none.
	Step, Of int
	Slot     estate.Slot
	// Phase is that of the record just written, or PhaseCheck or PhaseWait, of which
	// the journal keeps nothing.
	Phase Phase
	Text  string
	// Elapsed is the time since the run was begun or resumed.
	Elapsed time.Duration
}
