package main

import (
	"time"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

// The views are the JSON forms of the answers. They are apart from the types
// of the packages, so that those can change without breaking what other
// programs read.

type checkView struct {
	FormatVersion int               `json:"format_version"`
	Verdict       route.Verdict     `json:"verdict"`
	Routes        []routeView       `json:"routes"`
	Findings      []finding.Finding `json:"findings"`
}

type routeView struct {
	Name       string            `json:"name"`
	Kind       string            `json:"kind"`
	Verdict    route.Verdict     `json:"verdict"`
	Position   finding.Position  `json:"position,omitzero"`
	ValidUntil *time.Time        `json:"valid_until,omitempty"`
	ValidWhy   string            `json:"valid_why,omitempty"`
	Steps      []stepView        `json:"steps"`
	Findings   []finding.Finding `json:"findings"`
}

type stepView struct {
	Name          string             `json:"name"`
	For           string             `json:"for,omitempty"`
	About         string             `json:"about"`
	Verdict       route.Verdict      `json:"verdict"`
	Account       string             `json:"account"`
	Region        string             `json:"region"`
	Actor         string             `json:"actor"`
	Operation     string             `json:"operation"`
	Scenario      string             `json:"scenario,omitempty"`
	Preconditions []preconditionView `json:"preconditions,omitempty"`
	Requests      []requestView      `json:"requests,omitempty"`
}

type preconditionView struct {
	Text       string           `json:"text"`
	Verdict    route.Verdict    `json:"verdict"`
	Found      string           `json:"found"`
	Rule       string           `json:"rule,omitempty"`
	Settle     string           `json:"settle,omitempty"`
	Confidence usage.Confidence `json:"confidence"`
	Source     string           `json:"source,omitempty"`
}

type requestView struct {
	Principal string        `json:"principal"`
	Action    string        `json:"action"`
	Asks      string        `json:"asks"`
	Key       string        `json:"key"`
	Via       string        `json:"via,omitempty"`
	About     string        `json:"about"`
	Verdict   route.Verdict `json:"verdict"`
	Use       useView       `json:"use"`
	// Proved and Probe are there when KMS was asked.
	Proved string     `json:"proved,omitempty"`
	Probe  *probeView `json:"probe,omitempty"`
	decisionView
}

type useView struct {
	Need       usage.Need       `json:"need"`
	Confidence usage.Confidence `json:"confidence"`
	From       string           `json:"from,omitempty"`
	Source     string           `json:"source"`
	Failure    usage.Failure    `json:"failure"`
}

type decisionView struct {
	Decision   access.Effect     `json:"decision"`
	Usable     bool              `json:"usable"`
	BlockedBy  []access.Layer    `json:"blocked_by"`
	Blockers   []access.Blocker  `json:"blockers"`
	Evidence   []access.Evidence `json:"evidence"`
	NearMisses []access.Evidence `json:"near_misses,omitempty"`
	Unknown    []access.Doubt    `json:"unknown,omitempty"`
	ValidUntil *time.Time        `json:"valid_until,omitempty"`
	ValidWhy   string            `json:"valid_why,omitempty"`
	Notes      []string          `json:"notes,omitempty"`
}

func viewOf(d *access.Decision) decisionView {
	return decisionView{
		Decision: d.Effect, Usable: d.Usable, BlockedBy: d.BlockedBy(), Blockers: orEmpty(d.Blockers), Evidence: orEmpty(d.Evidence),
		NearMisses: d.NearMisses, Unknown: d.Unknown, ValidUntil: orNil(d.ValidUntil), ValidWhy: d.ValidWhy, Notes: d.Notes,
	}
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (r *report) view() checkView {
	v := checkView{FormatVersion: estate.FormatVersion, Verdict: r.verdict(), Routes: []routeView{}, Findings: orEmpty(r.findings)}
	for i := range r.proofs {
		v.Routes = append(v.Routes, viewOfRoute(&r.file.Routes[r.chosen[i]], &r.proofs[i]))
		r.viewProbes(&v.Routes[i], i)
	}
	return v
}

func viewOfRoute(r *route.Route, p *route.Proof) routeView {
	v := routeView{
		Name: p.Route, Kind: p.Kind, Verdict: p.Verdict, Position: r.Position,
		ValidUntil: orNil(p.ValidUntil), ValidWhy: p.ValidWhy, Steps: []stepView{}, Findings: orEmpty(p.Findings),
	}
	for i := range p.Steps {
		v.Steps = append(v.Steps, viewOfStep(&p.Steps[i]))
	}
	return v
}

func viewOfStep(s *route.StepProof) stepView {
	v := stepView{
		Name: s.Name, For: s.For, About: s.About, Verdict: s.Verdict, Account: s.Account, Region: s.Region,
		Actor: s.Actor, Operation: s.Operation, Scenario: s.Scenario,
	}
	for _, c := range s.Preconditions {
		v.Preconditions = append(v.Preconditions, preconditionView{
			Text: c.Text, Verdict: c.Verdict, Found: c.Found, Rule: c.Rule, Settle: c.Settle, Confidence: c.Sure(), Source: c.Source,
		})
	}
	for i := range s.Requests {
		v.Requests = append(v.Requests, viewOfRequest(&s.Requests[i]))
	}
	return v
}
