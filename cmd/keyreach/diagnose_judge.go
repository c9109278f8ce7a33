package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// judged is a failure of a text with what an estate says of it.
type judged struct {
	alike
	decoded   *cloud.Decoded
	judgement *diagnose.Judgement
	estate    *estate.Estate
	unasked   string // why no estate was asked
}

// judge holds the failures of a text against the estate, and plans what opens them.
func (o *diagnoseOptions) judge(ctx context.Context, s *streams, found []diagnose.Incident, cut error) error {
	if err := o.prepare(); err != nil {
		return err
	}
	var all []judged
	for _, in := range together(found) {
		j, err := o.judgeOne(ctx, s, in)
		if err != nil {
			return err
		}
		all = append(all, j)
	}
	mended, unmended := o.mend(all)
	if unmended != nil {
		mended = &mending{} // that there is no plan takes nothing from the diagnosis
	}
	if err := o.printJudged(s.out, all, mended); err != nil {
		return failure(err)
	}
	if unmended != nil {
		return unmended
	}
	if cut != nil {
		return failure(cut)
	}
	for i := range all {
		if all[i].judgement == nil || !all[i].judgement.Settled(all[i].Incident) {
			return blocked()
		}
	}
	return nil
}

func (o *diagnoseOptions) judgeOne(ctx context.Context, s *streams, in alike) (judged, error) {
	j := judged{alike: in}
	if in.Principal == "" {
		in.Principal = o.principal
	}
	if in.Key == "" {
		in.Key = o.key
	}
	if in.Via == "" {
		in.Via = o.via
	}
	var err error
	if j.decoded, err = o.decode(ctx, s, in.Incident); err != nil {
		return j, err
	}
	j.estate, err = o.of(ctx, s, in.Incident)
	var exit *exitError
	switch {
	case errors.Is(err, context.Canceled):
		return j, err
	case cloud.KindOf(err) == cloud.Credentials, cloud.KindOf(err) == cloud.Expired:
		return j, cloudFailure(err)
	case errors.As(err, &exit):
		return j, err
	case err != nil:
		j.unasked = err.Error()
		return j, nil
	}
	note, err := o.declared(in.Incident, j.estate)
	if err != nil {
		return j, err
	}
	var told diagnose.Judgement
	if j.decoded != nil {
		told = diagnose.JudgeDecoded(in.Incident, j.decoded, j.estate, time.Now().UTC())
	} else {
		told = diagnose.Judge(in.Incident, j.estate, time.Now().UTC())
	}
	if note != "" {
		told.Notes = append([]string{note}, told.Notes...)
	}
	j.judgement = &told
	return j, nil
}

// declared takes from the routes of keyreach.yaml what the text does not tell. What it
// took is for the reader to know.
func (o *diagnoseOptions) declared(in *diagnose.Incident, e *estate.Estate) (string, error) {
	if o.file == nil || in.Principal != "" && in.Key != "" {
		return "", nil
	}
	var proofs []route.Proof
	for i := range o.file.Routes {
		p, err := route.Prove(&o.file.Routes[i], e, time.Now().UTC())
		if err != nil {
			return "", misuse(err)
		}
		proofs = append(proofs, p)
	}
	return diagnose.Declared(in, proofs), nil
}

func (o *diagnoseOptions) printJudged(w io.Writer, all []judged, mended *mending) error {
	switch o.format {
	case textFormat:
		return judgedText(w, all, mended)
	case markdownFormat:
		return judgedMarkdown(w, all, mended)
	}
	v := judgedView{FormatVersion: estate.FormatVersion, Incidents: []judgedIncidentView{}, Plan: mended.view()}
	for i := range all {
		j := &all[i]
		v.Incidents = append(v.Incidents, judgedIncidentView{viewOfIncident(j.Incident), j.decoded, viewOfJudgement(j.judgement), j.unasked})
	}
	return o.format.writeData(w, v)
}

// judgedView is the JSON form of an answer for which an estate was asked.
type judgedView struct {
	FormatVersion int                  `json:"format_version"`
	Incidents     []judgedIncidentView `json:"incidents"`
	Plan          *mendingView         `json:"plan,omitempty"`
}

type judgedIncidentView struct {
	incidentView
	Decoded   *cloud.Decoded `json:"decoded,omitempty"`
	Judgement *judgementView `json:"judgement,omitempty"`
	Unasked   string         `json:"unasked,omitempty"`
}

func judgedText(w io.Writer, all []judged, mended *mending) error {
	p := &printer{w: w}
	for i := range all {
		if i > 0 {
			p.blank()
		}
		j := &all[i]
		p.incident(&j.alike, len(all) > 1, i+1)
		p.blank()
		if j.decoded != nil {
			p.decoded(j.decoded)
		}
		if j.judgement == nil {
			p.line(2, 2, "No estate was asked: %s", j.unasked)
			continue
		}
		p.judgement(j.Incident, j.judgement)
		if len(j.judgement.Asked) == 0 && !j.judgement.Settled(j.Incident) {
			p.line(4, 6, "say what the text does not: diagnose --principal ARN --key KEY")
		}
	}
	for _, line := range mended.lines() {
		p.blank()
		p.line(0, 0, "%s", line)
	}
	if commands := mended.commands(); len(commands) > 0 {
		p.blank()
		p.line(0, 0, "To write it:")
		for _, c := range commands {
			p.command(2, c)
		}
	}
	return p.err
}

func judgedMarkdown(w io.Writer, all []judged, mended *mending) error {
	var b strings.Builder
	for i := range all {
		j := &all[i]
		if err := diagnoseMarkdown(&b, []diagnose.Incident{*j.Incident}); err != nil {
			return err
		}
		b.WriteString("\n### On the estate\n\n")
		if j.judgement == nil {
			fmt.Fprintf(&b, "No estate was asked: %s\n\n", cell(j.unasked))
			continue
		}
		fmt.Fprintf(&b, "%s\n\n| verdict | cause | why |\n|---|---|---|\n", cell(j.judgement.Says))
		for k := range j.Causes {
			c := &j.Causes[k]
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", c.Verdict, c.Code, cell(strings.Join(c.Why, "; ")))
		}
		b.WriteString("\n")
	}
	for _, line := range mended.lines() {
		fmt.Fprintf(&b, "%s\n\n", cell(line))
	}
	for _, c := range mended.commands() {
		fmt.Fprintf(&b, "- to write it: `%s`\n", cell(c))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
