package run

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

// Kind is what a run does.
type Kind string

// The kinds of runs.
const (
	KindApply  Kind = "apply"
	KindUndo   Kind = "undo"
	KindRevoke Kind = "revoke"
	KindRoute  Kind = "route"
)

// Status is how a run stands.
type Status string

// The statuses of runs. Running is also a run whose process was killed. Stopped can be
// resumed as it is; Failed ended with something that waiting does not cure, and can be
// resumed when somebody cured it. Undone: what it did was taken back.
const (
	Running Status = "running"
	Done    Status = "done"
	Failed  Status = "failed"
	Stopped Status = "stopped"
	Undone  Status = "undone"
)

// Phase is what a record says about its step.
type Phase string

// The phases. Every call that writes has an intent before it, and after it a result,
// or a note that says how it failed. An intent followed by neither may have been
// performed.
const (
	PhaseIntent   Phase = "intent"
	PhaseResult   Phase = "result"
	PhaseReadBack Phase = "read-back"
	PhaseSkip     Phase = "skip" // it is as wanted already
	PhaseLeft     Phase = "left" // an undo could not take it back
	PhaseNote     Phase = "note"

	// PhaseCheck and PhaseWait are in events only.
	PhaseCheck Phase = "check"
	PhaseWait  Phase = "wait"
)

// Run is one performance of a plan, or of a part of it.
type Run struct {
	ID   string
	Kind Kind
	// Of is the run that an undo or revoke takes back.
	Of     string
	Change string
	Digest string // of the plan
	Plan   *plan.Plan
	// Moves are the work of a route run, which has no plan.
	Moves  []Move
	Routes []string
	// Accounts are those whose part of the plan the run performs; none means all.
	Accounts       []string
	Started, Ended time.Time // in UTC; Ended is zero while it has not
	Status         Status
	// Until is when what the run opened should be closed again; zero for never.
	Until time.Time
	Error string
	// Records are in order; Journal.Runs leaves them out.
	Records []Record
	// Left is what AWS does not take back at once, or at all.
	Left []Left
}

// Left is something that an undo left behind.
type Left struct {
	Slot estate.Slot
	Why  string
	// Until is when AWS deletes it by itself; zero when AWS does not say.
	Until time.Time
}

// Record is one entry of a run.
type Record struct {
	Run string
	Seq int // counts from 1
	// Step is the position of the step in the plan, from 0; -1 for none.
	Step  int
	Phase Phase
	At    time.Time
	Slot  estate.Slot
	// Before is what AWS held, After what the run writes or has found.
	Before, After estate.Op
	// Made are the names that AWS gave, by the provisional ones.
	Made map[string]string
	Text string
	// Error and Kind tell how a call failed.
	Error string
	Kind  cloud.Kind
}

func (r *Run) String() string { return fmt.Sprintf("%s %s, %s", r.Kind, r.ID, r.Status) }

// takesBack reports whether the run undoes another.
func (r *Run) takesBack() bool { return r.Kind == KindUndo }

// has reports whether an account's part belongs to the run.
func (r *Run) has(account string) bool {
	return len(r.Accounts) == 0 || slices.Contains(r.Accounts, account)
}

// settle fills Left from the records.
func (r *Run) settle() {
	r.Left = nil
	if r.Kind == KindRoute {
		r.settleMoves()
		return
	}
	for i := range r.Records {
		rec := &r.Records[i]
		if r.takesBack() && (rec.Phase == PhaseReadBack || rec.Phase == PhaseSkip) && rec.Step >= 0 && rec.Step < len(r.Plan.Steps) {
			if gone := r.Plan.Steps[rec.Step].Gone; len(gone) > 0 {
				r.Left = append(r.Left, Left{Slot: rec.Slot, Why: "the policy is back without " + strings.Join(gone, ", ") + ": gone, and AWS takes no policy that names who is gone"})
			}
		}
		switch key, made := rec.After.(*estate.NewKey); {
		case rec.Phase == PhaseLeft:
			r.Left = append(r.Left, Left{Slot: rec.Slot, Why: rec.Text})
		case rec.Phase == PhaseResult && made && key.Absent:
			until, _ := time.Parse(time.RFC3339, rec.Made[cloud.MadeDeletion]) // zero when AWS does not say
			r.Left = append(r.Left, Left{Slot: rec.Slot, Why: "the key is pending deletion: AWS keeps it until then", Until: until})
		}
	}
}

// opText is an op as the journal has it; nothing for none.
func opText(op estate.Op) (string, error) {
	if op == nil {
		return "", nil
	}
	text, err := estate.MarshalOp(op)
	return string(text), err
}

func opOf(text string) (estate.Op, error) {
	if text == "" {
		return nil, nil
	}
	return estate.UnmarshalOp([]byte(text))
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func timeOf(text string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, text) // the zero time is written as no text
	return t
}

// jsonText is a list or map as the journal has it.
func jsonText(v any) string {
	text, _ := json.Marshal(v) // lists and maps of texts
	return string(text)
}
