package route

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/usage"
)

// Route is one declared route with everything filled in: its kind and who the
// parties are.
type Route struct {
	Name string
	Kind Kind
	// Parties are who takes part, by the kind's names. Of most there is one.
	Parties map[string][]Party
	// Backup is the route's backup part, or nil.
	Backup *Backup
	// Position is where it was declared.
	Position finding.Position
}

// Party is who takes part in a route.
type Party struct {
	Account string // number
	Name    string // what the file calls the account
	Region  string
	Key     string // ARN, or with Alias the one that On looked up
	// Alias is the name by which the file has the key; empty when it has the ARN.
	Alias string // alias/NAME
	Actor Actor
	As    string // the name of the Consumer, of a party that is one
}

// Actor is the principal that acts for a party, as it will act on the day.
type Actor struct {
	Principal      string // ARN of a role, user or session
	SessionTags    map[string]string
	SourceIdentity string
}

// Verdict is how a request, a step or a route comes out, best first.
type Verdict uint8

// The verdicts. Fragile: a use that AWS asks for is missing, although AWS was
// recorded to work without. OpenIf: it holds if something does that is not
// known.
const (
	Proven Verdict = iota
	Fragile
	OpenIf
	Blocked
)

var verdictNames = [...]string{"proven", "fragile", "open-if", "blocked"}

// String returns proven, fragile, open-if or blocked.
func (v Verdict) String() string { return verdictNames[v] }

// MarshalText writes the word of String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(verdictNames[v]), nil }

// Proof is the outcome of a route on an estate.
type Proof struct {
	Route   string
	Kind    string
	Verdict Verdict
	Steps   []StepProof
	// Findings is what Find reports; nil before it is asked.
	Findings []finding.Finding
	// ValidUntil is when the proof ends although nobody changes anything; zero
	// when nothing known ends it.
	ValidUntil time.Time
	ValidWhy   string
}

// StepProof is the outcome of one step.
type StepProof struct {
	Name, About string
	// For is what the file calls the party, of a step that many parties take.
	For                 string
	Operation, Scenario string
	// Rule is the id of the finding when a required use is blocked.
	Rule            string
	Actor           string
	Account, Region string
	Verdict         Verdict
	Preconditions   []Precondition
	Requests        []RequestProof
	// Leaves is the encrypted thing that exists after the step, if any.
	Leaves *Artifact
}

// RequestProof is the outcome of one key use of a step.
type RequestProof struct {
	Use      usage.Use
	Caller   string
	Key      string
	Verdict  Verdict
	Decision access.Decision
}

// Prove asks about every key use and every precondition of the route on the
// estate, as of the given time.
func Prove(r *Route, e *estate.Estate, at time.Time) (Proof, error) {
	p := Proof{Route: r.Name, Kind: r.Kind.Name}
	on := r.On(e)
	r = &on
	for _, k := range r.Kind.Steps {
		for _, b := range r.bind(&k, e) {
			b.at = at
			s, err := b.prove()
			if err != nil {
				return p, fmt.Errorf("proving route %s, step %s: %w", r.Name, k.Name, err)
			}
			p.add(s)
		}
	}
	return p, nil
}

// On returns the route with the keys that its file names by alias, as they are in the
// estate. A key that nobody has yet has the provisional ARN under which a plan makes it.
func (r *Route) On(e *estate.Estate) Route {
	out := *r
	out.Parties = make(map[string][]Party, len(r.Parties))
	for name, parties := range r.Parties {
		parties = slices.Clone(parties)
		for i := range parties {
			p := &parties[i]
			if p.Alias == "" {
				continue
			}
			p.Key = estate.ProvisionalKey(p.Account, p.Region, p.Account+" "+p.Alias)
			if k := e.KeyNamed(p.Alias, p.Account, p.Region); k != nil {
				p.Key = k.ARN
			}
		}
		out.Parties[name] = parties
	}
	return out
}

func (p *Proof) add(s StepProof) {
	p.Steps = append(p.Steps, s)
	p.Verdict = max(p.Verdict, s.Verdict)
	for i := range s.Requests {
		d := &s.Requests[i].Decision
		if !d.ValidUntil.IsZero() && (p.ValidUntil.IsZero() || d.ValidUntil.Before(p.ValidUntil)) {
			p.ValidUntil, p.ValidWhy = d.ValidUntil, d.ValidWhy
		}
	}
}

// verdictOf turns a decision into a verdict. A missing use that AWS only asks
// for does not block.
func verdictOf(d *access.Decision, need usage.Need) Verdict {
	switch {
	case d.Open():
		return Proven
	case need == usage.Asked:
		return Fragile
	case d.Effect == access.Unknown && d.Usable:
		return OpenIf
	}
	return Blocked
}

// ErrNoSuchCheck is returned for a precondition whose check nobody wrote.
var ErrNoSuchCheck = errors.New("no such check")
