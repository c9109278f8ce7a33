package route

import (
	"errors"
	"fmt"
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/usage"
)

// Route is one declared route with everything filled in: its kind and who the
// parties are.
type Route struct {
	Name    string
	Kind    Kind
	Parties map[string]Party
	// Position is where it was declared.
	Position finding.Position
}

// Party is who takes part in a route.
type Party struct {
	Account string // number
	Name    string // what the file calls the account
	Region  string
	Key     string // ARN
	Actor   Actor
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
	Route    string
	Kind     string
	Verdict  Verdict
	Steps    []StepProof
	Findings []finding.Finding
	// ValidUntil is when the proof ends although nobody changes anything; zero
	// when nothing known ends it.
	ValidUntil time.Time
	ValidWhy   string
}

// StepProof is the outcome of one step.
type StepProof struct {
	Name, About         string
	Operation, Scenario string
	// Rule is the id of the finding when a required use is blocked.
	Rule            string
	Actor           string
	Account, Region string
	Verdict         Verdict
	Preconditions   []Precondition
	Requests        []RequestProof
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
	v := r.values()
	steps := r.steps(v)
	for i := range steps {
		k := &steps[i]
		s, err := proveStep(k, r, v, e, at)
		if err != nil {
			return p, fmt.Errorf("proving route %s, step %s: %w", r.Name, k.Name, err)
		}
		p.add(s)
	}
	p.Findings = findings(r, &p, e)
	return p, nil
}

// steps returns the steps of the kind that the route has.
func (r *Route) steps(v values) []StepKind {
	var ks []StepKind
	for _, k := range r.Kind.Steps {
		if (k.When == "" || v.has(k.When)) && (k.Unless == "" || !v.has(k.Unless)) {
			ks = append(ks, k)
		}
	}
	return ks
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

// values spells out what the braces in the kind's texts stand for.
func (r *Route) values() values {
	v := values{"partition": "aws"}
	for name, p := range r.Parties {
		v[name+".account"] = p.Account
		v[name+".region"] = p.Region
		v[name+".key"] = p.Key
		v[name+".actor"] = p.Actor.Principal
		if key, err := arn.Parse(p.Key); err == nil {
			v["partition"] = key.Partition
		}
	}
	return v
}

func proveStep(k *StepKind, r *Route, v values, e *estate.Estate, at time.Time) (StepProof, error) {
	s := StepProof{
		Name: k.Name, About: k.About, Operation: k.Operation, Scenario: k.Scenario, Rule: k.Rule,
		Account: v[k.Party+".account"], Region: v[k.Party+".region"],
	}
	var err error
	if s.Actor, err = v.fill(k.Actor); err != nil {
		return s, err
	}
	for i := range k.Preconditions {
		c, err := checkPrecondition(&k.Preconditions[i], v, e)
		if err != nil {
			return s, err
		}
		s.Preconditions = append(s.Preconditions, c)
		s.Verdict = max(s.Verdict, c.Verdict)
	}
	actor := r.actorOf(s.Actor)
	for _, u := range usage.Of(k.Operation, k.Scenario) {
		q, err := proveUse(u, k, actor, v, e, at)
		if err != nil {
			return s, err
		}
		s.Requests = append(s.Requests, q)
		s.Verdict = max(s.Verdict, q.Verdict)
	}
	return s, nil
}

// actorOf finds the declared actor with this principal, for its session tags
// and source identity; another principal has neither stated.
func (r *Route) actorOf(principal string) Actor {
	for _, p := range r.Parties {
		if p.Actor.Principal == principal {
			return p.Actor
		}
	}
	return Actor{Principal: principal}
}

func proveUse(u usage.Use, k *StepKind, actor Actor, v values, e *estate.Estate, at time.Time) (RequestProof, error) {
	q := RequestProof{Use: u, Caller: actor.Principal}
	text, ok := k.Keys[u.Key]
	if !ok {
		return q, fmt.Errorf("the step does not say which key is the %s key of %s", u.Key, u.Operation)
	}
	var err error
	if q.Key, err = v.fill(text); err != nil {
		return q, err
	}
	req, err := u.Request(q.Caller, q.Key)
	if err != nil {
		return q, err
	}
	req.At, req.SessionTags, req.SourceIdentity = at, actor.SessionTags, actor.SourceIdentity
	c := e.Bind(req)
	q.Decision = access.Authorize(&c)
	q.Verdict = verdictOf(&q.Decision, u.Need)
	return q, nil
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
