package main

import (
	"strings"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/route"
)

// judgementView is the JSON form of what an estate says of a failure.
type judgementView struct {
	Says      string        `json:"says"`
	Principal string        `json:"principal,omitempty"`
	Key       string        `json:"key,omitempty"`
	Allowed   bool          `json:"allowed"`
	Requests  []requestView `json:"requests"`
	Next      []requestView `json:"next,omitempty"`
	Notes     []string      `json:"notes,omitempty"`
}

func viewOfJudgement(j *diagnose.Judgement) *judgementView {
	if j == nil {
		return nil
	}
	v := &judgementView{Says: j.Says, Principal: j.Principal, Key: j.Key, Allowed: j.Allowed, Requests: []requestView{}, Notes: j.Notes}
	for i := range j.Asked {
		q := &j.Asked[i]
		v.Requests = append(v.Requests, viewOfRequest(q))
	}
	for i := range j.Next {
		v.Next = append(v.Next, viewOfRequest(&j.Next[i]))
	}
	return v
}

func viewOfRequest(q *route.RequestProof) requestView {
	return requestView{
		Principal: q.Caller, Action: q.Use.Action, Asks: q.Use.Asks(), Key: q.Key, Via: q.Use.Via, About: q.Use.About, Verdict: q.Verdict,
		Use:          useView{Need: q.Use.Need, Confidence: q.Use.Confidence, From: q.Use.From, Source: q.Use.Source, Failure: q.Use.Failure},
		decisionView: viewOf(&q.Decision),
	}
}

// judgement prints what an estate says of a failure: the outcome, each request that was
// asked with its blockers, and which causes are true, open or ruled out.
func (p *printer) judgement(in *diagnose.Incident, j *diagnose.Judgement) {
	p.line(2, 2, "%s", j.Says)
	for i := range j.Asked {
		q := &j.Asked[i]
		through := ""
		if q.Use.Via != "" {
			through = " through " + q.Use.Via
		}
		p.line(4, 6, "asked: %s%s: %s", q.Use.Action, through, q.Verdict)
		for k := range q.Decision.Blockers {
			b := &q.Decision.Blockers[k]
			p.line(6, 8, "- %s (account %s): %s", b.Layer, b.Owner, b.Text)
		}
	}
	if len(j.Next) > 0 {
		var actions []string
		for i := range j.Next {
			actions = append(actions, j.Next[i].Use.Action)
		}
		p.line(4, 6, "once that is open it fails next of %s, which the estate refuses too", strings.Join(actions, ", "))
	}
	for _, verdict := range []diagnose.Verdict{diagnose.True, diagnose.Open, diagnose.RuledOut} {
		p.verdict(in, verdict)
	}
	for _, n := range j.Notes {
		p.line(4, 6, "note: %s", n)
	}
}

// verdict prints the causes with a verdict. Of what is open only that it is, when the
// estate just does not tell.
func (p *printer) verdict(in *diagnose.Incident, verdict diagnose.Verdict) {
	var bare []string
	for i := range in.Causes {
		c := &in.Causes[i]
		switch {
		case c.Verdict != verdict:
		case verdict == diagnose.Open && strings.Join(c.Why, "") == "an estate does not tell":
			bare = append(bare, c.Code)
		default:
			p.line(4, 6, "%s: %s: %s", verdict, c.Code, strings.Join(c.Why, "; "))
			if verdict == diagnose.True {
				p.fix(6, 8, "fix: ", c.Fix)
			}
		}
	}
	if len(bare) > 0 {
		p.line(4, 6, "%s, since no estate tells: %s", verdict, strings.Join(bare, ", "))
	}
}

// decoded prints what an encoded message said.
func (p *printer) decoded(d *cloud.Decoded) {
	deny := "no Allow applied"
	if d.ExplicitDeny {
		deny = "an explicit Deny applied"
	}
	p.line(2, 2, "the encoded message says: %s was refused %s on %s; %s", d.Principal, d.Action, d.Resource, deny)
	for _, s := range d.Statements {
		p.line(4, 6, "- matched: %s", s)
	}
}
