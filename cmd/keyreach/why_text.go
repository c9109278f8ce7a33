package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
)

// whyView is the JSON form of an explanation.
type whyView struct {
	FormatVersion int            `json:"format_version"`
	Says          string         `json:"says"`
	Explained     bool           `json:"explained"`
	Failed        cloud.Failed   `json:"failed"`
	Denial        *cloud.Event   `json:"denial,omitempty"`
	Near          []cloud.Event  `json:"near,omitempty"`
	Incident      *incidentView  `json:"incident,omitempty"`
	Judgement     *judgementView `json:"judgement,omitempty"`
	Since         *sinceView     `json:"since,omitempty"`
	Notes         []string       `json:"notes,omitempty"`
}

// sinceView is what was changed since the last proof.
type sinceView struct {
	At      time.Time     `json:"at"`
	By      string        `json:"by"`
	Changes []cloud.Event `json:"changes"`
}

func (o *whyOptions) print(s *streams, x *diagnose.Explanation) error {
	if o.format.format != textFormat {
		v := whyView{FormatVersion: estate.FormatVersion, Says: x.Says, Explained: x.Found(), Failed: x.Failed, Denial: x.Denial, Near: x.Near, Judgement: viewOfJudgement(x.Judgement), Notes: x.Notes}
		if x.Incident != nil {
			v.Incident = new(viewOfIncident(x.Incident))
		}
		if !x.Since.At.IsZero() {
			v.Since = &sinceView{At: x.Since.At, By: x.Since.By, Changes: orEmpty(x.Changes)}
		}
		return o.format.writeData(s.out, v)
	}
	p := &printer{w: s.out}
	p.why(x)
	return p.err
}

// why prints an explanation: the sentence first, then what it rests on.
func (p *printer) why(x *diagnose.Explanation) {
	p.line(0, 0, "%s", x.Says)
	p.failed(&x.Failed)
	if x.Denial != nil {
		p.blank()
		p.line(0, 0, "The refused call behind it:")
		p.event(x.Denial)
	}
	if len(x.Near) > 0 {
		p.blank()
		p.line(0, 0, "Refused at that time too, and perhaps for the same reason:")
		for i := range x.Near {
			p.event(&x.Near[i])
		}
	}
	p.causes(x)
	p.changes(x)
	if len(x.Notes) > 0 {
		p.blank()
		p.line(0, 0, "To be known:")
		for _, n := range x.Notes {
			p.line(2, 2, "- %s", n)
		}
	}
}

func (p *printer) failed(f *cloud.Failed) {
	p.blank()
	p.line(0, 0, "What AWS tells of it:")
	state := f.What + " " + f.ID + " in account " + f.Account + ", " + f.Region + ": " + f.State
	if f.Text != "" {
		state += ": " + f.Text
	}
	p.line(2, 2, "%s", state)
	if !f.At.IsZero() {
		at := "began " + clockText(f.At)
		if !f.Until.IsZero() {
			at += ", ended " + clockText(f.Until)
		}
		p.line(2, 2, "%s", at)
	}
	if f.Principal != "" {
		p.line(2, 2, "done as %s", f.Principal)
	}
	for _, key := range f.Keys {
		p.line(2, 2, "under the key %s", key)
	}
	for _, l := range f.Log {
		p.line(2, 4, "%s", l)
	}
}

// event prints a call as CloudTrail has it.
func (p *printer) event(v *cloud.Event) {
	by := v.Who
	if v.InvokedBy != "" && v.InvokedBy != v.Who {
		by += " through " + v.InvokedBy
	}
	service, _, _ := strings.Cut(v.Source, ".")
	p.line(2, 4, "%s %s:%s in account %s, %s, by %s", clockText(v.At), service, v.Name, v.Account, v.Region, by)
	if v.Code != "" {
		p.line(4, 4, "%s: %s", v.Code, v.Message)
	}
	if about := aboutEvent(v); about != "" {
		p.line(4, 4, "%s", about)
	}
	p.line(4, 4, "CloudTrail event %s", v.ID)
}

// aboutEvent is what a change was about, as far as its parameters name it.
func aboutEvent(v *cloud.Event) string {
	var parts []string
	for _, name := range []string{"roleName", "userName", "policyName", "policyArn", "permissionsBoundary", "granteePrincipal", "grantId", "aliasName"} {
		if value := v.Parameters[name]; value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	return strings.Join(parts, ", ")
}

// causes prints why, from the estate or as the text is read.
func (p *printer) causes(x *diagnose.Explanation) {
	in := x.Incident
	if in == nil {
		return
	}
	p.blank()
	if x.Judgement != nil {
		p.line(0, 0, "On the estate:")
		p.judgement(in, x.Judgement)
		return
	}
	p.line(0, 0, "Why that may be (--live or --estate FILE tells which is true):")
	said := map[string]bool{}
	for i := range in.Causes {
		c := &in.Causes[i]
		if c.Confidence < likely && i > 0 {
			continue
		}
		text, _ := diagnose.CodeText(c.Code)
		p.line(2, 5, "%3s  %s: %s", percent(c.Confidence), c.Code, text)
		p.because(in, c, said)
	}
}

// changes prints what was changed since the last proof, and by whom.
func (p *printer) changes(x *diagnose.Explanation) {
	if x.Since.At.IsZero() {
		return
	}
	p.blank()
	head := fmt.Sprintf("since %s (%s)", clockText(x.Since.At), x.Since.By)
	if len(x.Changes) == 0 {
		p.line(0, 0, "Nothing was changed %s: not the key, nor the rights of who was refused.", head)
		return
	}
	p.line(0, 0, "What was changed %s, the latest first:", head)
	for i := range x.Changes {
		p.event(&x.Changes[i])
	}
}
