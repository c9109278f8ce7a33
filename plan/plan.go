package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/route"
)

// FormatVersion is the version of the plan file that this package reads and writes.
const FormatVersion = 1

// Plan is ops in the order in which they have to be made, with what they were computed
// from.
type Plan struct {
	FormatVersion int `json:"format_version"`
	// Kind is open, or revoke for a plan that closes.
	Kind string `json:"kind"`
	// Change is the number of the change, a ticket, that the plan carries out; it goes
	// into grant names, tags and the journal.
	Change string    `json:"change,omitempty"`
	MadeAt time.Time `json:"made_at"`
	// Routes are the names of the routes that the plan is for.
	Routes []string `json:"routes"`
	// Requests are the uses of keys that the plan is for when no route declares them: its
	// one route is that of these. They bound what it may open, as routes do.
	Requests []route.Asked `json:"requests,omitempty"`
	Steps    []Step        `json:"steps"`
	// Stuck is what no op of the plan can open.
	Stuck []Stuck `json:"stuck,omitempty"`
	// Opens is the difference in access that the plan makes.
	Opens []Opening `json:"opens,omitempty"`
	// Asked are the actions that AWS's documentation asks for and that AWS was recorded
	// to work without: a plan has them unless it is tight.
	Asked []string `json:"asked,omitempty"`
	// Chosen is what was chosen beyond the routes.
	Chosen Chosen `json:"chosen,omitzero"`
	// Notes are what the reader should know beside.
	Notes []string `json:"notes,omitempty"`
}

// Chosen is what somebody chose for a plan beyond the routes. It is part of the plan, so
// that it is checked by the same.
type Chosen struct {
	Tight      bool     `json:"tight,omitempty"`
	Org        string   `json:"org,omitempty"`
	EnableKeys bool     `json:"enable_keys,omitempty"`
	EBSDefault bool     `json:"ebs_default,omitempty"`
	Owned      bool     `json:"owned,omitempty"`
	Buckets    []string `json:"buckets,omitempty"`
	Share      []string `json:"share,omitempty"`
}

// Step is one op of a plan.
type Step struct {
	Op estate.Op
	// Was is the op that leaves things as they were when the plan was made. A run that
	// finds something else stops; undoing writes it again.
	Was estate.Op
	// Why says what the op is for, in words.
	Why    string
	Routes []string // that need it
	// Gone are the principals that the op takes out of a policy because they are gone:
	// AWS would not take them back, so undoing leaves them out.
	Gone []string
}

// Opening is one difference in access that a plan makes.
type Opening struct {
	Principal string   `json:"principal"`
	Actions   []string `json:"actions"`
	Resource  string   `json:"resource"`
	// Under is the conditions, as people read them.
	Under []string `json:"under,omitempty"`
	// By is the statement or grant.
	By string `json:"by,omitempty"`
}

// Stuck is a blocked request or unmet precondition that no op opens, with who has to
// do what.
type Stuck struct {
	Route string `json:"route"`
	Step  string `json:"step"`
	// What is missing, Why no op can open it.
	What string `json:"what"`
	Why  string `json:"why"`
	// Owner is the account or person who can, Do what they have to do, Proof the command
	// that shows it done.
	Owner string `json:"owner"`
	Do    string `json:"do"`
	Proof string `json:"proof"`
	// Message is all this as a letter that can be sent.
	Message string `json:"message"`
}

// stepFile is a step in a plan file.
type stepFile struct {
	Op     json.RawMessage `json:"op"`
	Was    json.RawMessage `json:"was"`
	Why    string          `json:"why"`
	Routes []string        `json:"routes,omitempty"`
	Gone   []string        `json:"gone,omitempty"`
}

// MarshalJSON writes the step with its ops.
func (s Step) MarshalJSON() ([]byte, error) {
	op, err := estate.MarshalOp(s.Op)
	if err != nil {
		return nil, err
	}
	was, err := estate.MarshalOp(s.Was)
	if err != nil {
		return nil, err
	}
	return json.Marshal(stepFile{Op: op, Was: was, Why: s.Why, Routes: s.Routes, Gone: s.Gone})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Step) UnmarshalJSON(data []byte) error {
	n, _, err := source.Parse(data)
	if err != nil {
		return err
	}
	return source.Decode(n, s)
}

// Digest names the plan by what it does: the ops and how things were before. Plans
// made at different times that do the same have the same. It begins with sha256:.
func (p *Plan) Digest() string {
	h := sha256.New()
	for i := range p.Steps {
		s := &p.Steps[i]
		for _, op := range []estate.Op{s.Op, s.Was} {
			slot, _ := json.Marshal(op.Slot()) // texts only
			h.Write(append(append(slot, op.Value()...), '\n'))
			switch op.(type) {
			case *estate.NewKey, *estate.LinkedRole: // whose value says only that it is there
				whole, _ := estate.MarshalOp(op) // texts only
				h.Write(whole)
			}
		}
	}
	h.Write([]byte(p.Kind + "\n" + p.Change + "\n" + canonical(p.Routes) + canonical(p.Chosen)))
	if len(p.Requests) > 0 {
		h.Write([]byte(canonical(p.Requests)))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// ShortDigest is the part of the digest that names sessions and files.
func (p *Plan) ShortDigest() string { return strings.TrimPrefix(p.Digest(), "sha256:")[:12] }

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// Accounts are the accounts in which the plan writes, sorted.
func (p *Plan) Accounts() []string {
	var ids []string
	for i := range p.Steps {
		ids = append(ids, p.Steps[i].Op.Slot().Account)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// For returns the part of the plan that is written in one account.
func (p *Plan) For(account string) *Plan {
	part := *p
	part.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(s Step) bool { return s.Op.Slot().Account != account })
	return &part
}
