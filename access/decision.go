package access

import (
	"slices"
	"time"

	"github.com/keyreach/keyreach/finding"
)

// Decision is the outcome of Authorize with all its evidence.
type Decision struct {
	Effect Effect
	// Usable is false when the key's state forbids the operation. It is apart
	// from Effect, which is about authorization alone.
	Usable bool
	// Blockers are the independent reasons against the request, each of which
	// has to go. Empty when it is allowed and usable.
	Blockers []Blocker
	// Evidence is every statement and grant that applies.
	Evidence []Evidence
	// NearMisses are statements and grants that would apply but for one element.
	NearMisses []Evidence
	// Unknown names what the decision rests on and nobody knows; set when Effect
	// is Unknown.
	Unknown []Doubt
	// ValidUntil is when the decision stops being certain: a deletion date, an
	// expiry, a date condition. Zero means that nothing known ends it.
	ValidUntil time.Time
	ValidWhy   string
	// Notes are what the asker should know beside: an assumption that AWS does
	// not document, a given context key that nobody recognises.
	Notes []string
}

// Blocker is one independent reason why a request is denied.
type Blocker struct {
	Layer Layer `json:"layer"`
	// Explicit is set for a Deny statement, clear for a missing Allow.
	Explicit bool `json:"explicit"`
	// Owner is the account that has to make the change; for the control policies
	// of an organization it is the account they bind.
	Owner     string           `json:"owner,omitempty"`
	Document  string           `json:"document,omitempty"`
	Statement string           `json:"statement,omitempty"`
	Position  finding.Position `json:"position,omitzero"`
	Text      string           `json:"text"`
	// Matched are the conditions that made a Deny apply.
	NearMisses []Evidence `json:"near_misses,omitempty"`
}

// Evidence is what one statement or grant says.
type Evidence struct {
	Layer     Layer            `json:"layer"`
	Document  string           `json:"document"`
	Statement string           `json:"statement"`
	Position  finding.Position `json:"position,omitzero"`
	Effect    string           `json:"effect"`  // Allow or Deny
	Applies   string           `json:"applies"` // true, unknown or false
	By        string           `json:"by,omitempty"`
	Misses    []Miss           `json:"misses,omitempty"`
	Text      string           `json:"text,omitempty"` // of a grant: why not
}

// Miss is one element that did not match.
type Miss struct {
	Element  string           `json:"element"`
	Operator string           `json:"operator,omitempty"`
	Key      string           `json:"key,omitempty"`
	Expected []string         `json:"expected,omitempty"`
	Actual   []string         `json:"actual,omitempty"`
	Origin   string           `json:"origin,omitempty"` // given, derived, not known, absent
	Position finding.Position `json:"position,omitzero"`
}

// Doubt is one thing that is not known and matters.
type Doubt struct {
	Layer Layer  `json:"layer"`
	Key   string `json:"key,omitempty"`
	// If is the assumption under which the request is allowed, where it is one
	// that can be said.
	If   string `json:"if,omitempty"`
	Text string `json:"text"`
	// Settle says how to find out.
	Settle string `json:"settle,omitempty"`
}

// layerOrder is the order in which layers are reported: as AWS names them in
// its error texts, the caller's side after the resource's.
var layerOrder = [...]Layer{
	Operation, Region, KeyPolicy, ResourcePolicy, GrantLayer, Identity, Boundary, Session, SCP, RCP, EndpointPolicy, KeyStateLayer,
}

// BlockedBy returns the layers of the blockers, each once, in a fixed order.
func (d *Decision) BlockedBy() []Layer {
	layers := []Layer{}
	for _, l := range layerOrder {
		if slices.ContainsFunc(d.Blockers, func(b Blocker) bool { return b.Layer == l }) {
			layers = append(layers, l)
		}
	}
	return layers
}

// Open reports whether the request is allowed and the key's state lets it
// through.
func (d *Decision) Open() bool { return d.Effect == Allow && d.Usable }

// until notes an end of validity, keeping the earliest.
func (d *Decision) until(t time.Time, why string) {
	if !t.IsZero() && (d.ValidUntil.IsZero() || t.Before(d.ValidUntil)) {
		d.ValidUntil, d.ValidWhy = t, why
	}
}
