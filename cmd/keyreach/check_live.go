package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/route"
)

// liveCheck are the flags with which check calls AWS.
type liveCheck struct {
	liveFlags
	live  bool
	probe string
}

func (l *liveCheck) addLive(f *pflag.FlagSet) {
	l.add(f)
	f.BoolVar(&l.live, "live", false, "collect the estate from AWS now, in memory, instead of reading a file")
	f.StringVar(&l.probe, "probe", "", "ask KMS itself about the requests that can be made from here; `HOW` is dryrun")
}

func (l *liveCheck) validate(o *checkOptions) error {
	switch {
	case l.live && o.estate != "":
		return misuse(errors.New("--live and --estate exclude each other"))
	case l.probe != "" && l.probe != "dryrun":
		return misuse(fmt.Errorf("--probe %q: it is dryrun", l.probe))
	}
	return nil
}

// collectLive reads the estate of the accounts of the file, in the Regions that its
// routes have to do with.
func (o *checkOptions) collectLive(ctx context.Context, s *streams, path string) error {
	file, _, err := routesBeside(path)
	if err != nil {
		return err
	}
	if file == nil {
		return nil // which prove says
	}
	c := o.open(file, nil)
	accounts, err := scopeOf(ctx, c, file, nil)
	if err != nil {
		return err
	}
	for i := range accounts {
		accounts[i].Regions = regionsNamed(file, accounts[i].ID)
	}
	show := newProgress(s)
	e, stats, err := c.Collect(ctx, live.Scope{Accounts: accounts}, show.collected)
	show.end()
	var partial *live.Incomplete
	switch {
	case errors.As(err, &partial):
		return (&exitError{code: exitPartial, err: err}).hinting("what lacks would be taken for not there: try again, or collect into a file with keyreach collect, and go on with --resume")
	case err != nil:
		return cloudFailure(err)
	}
	tellCollected(s, &stats)
	o.collected = e
	return nil
}

// regionsNamed are the Regions that the routes of a file name for an account, and its own;
// none when there is none.
func regionsNamed(file *route.File, account string) []string {
	var list []string
	note := func(region string) {
		if region != "" && !slices.Contains(list, region) {
			list = append(list, region)
		}
	}
	for _, a := range file.Accounts {
		if a.ID == account {
			note(a.Region)
		}
	}
	for i := range file.Routes {
		for _, parties := range file.Routes[i].Parties {
			for j := range parties {
				p := &parties[j]
				if p.Account == account {
					note(p.Region)
				}
				if k, err := arn.Parse(p.Key); err == nil && k.Account == account {
					note(k.Region)
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// place is a request of a report: its proof, step and number.
type place struct{ proof, step, request int }

// answers are what KMS said of the requests of a report.
type answers map[place]live.Answer

// probes asks KMS about every request of the report that can be asked about.
func (o *checkOptions) probes(ctx context.Context, r *report) error {
	c := o.open(r.file, nil)
	r.answers = answers{}
	for i := range r.proofs {
		for j := range r.proofs[i].Steps {
			step := &r.proofs[i].Steps[j]
			for n := range step.Requests {
				q := &step.Requests[n]
				account := step.Account
				if p, err := arn.ParsePrincipal(q.Caller); err == nil && p.Account != "" {
					account = p.Account
				}
				a, err := c.Probe(ctx, live.Probe{Account: account, Caller: q.Caller, Action: q.Use.Action, Key: q.Key, Via: q.Use.Via, Context: q.Use.Context, Grants: q.Use.Grants})
				if err != nil {
					return err
				}
				r.answers[place{i, j, n}] = a
			}
		}
	}
	return nil
}

// contradicts reports whether KMS said otherwise than the policies.
func contradicts(a live.Answer, q *route.RequestProof) bool {
	return a.Proved == live.ProvedLive && a.Allowed != q.Decision.Open()
}

// contradicted reports whether KMS did so anywhere.
func (r *report) contradicted() bool {
	for at, a := range r.answers {
		if contradicts(a, &r.proofs[at.proof].Steps[at.step].Requests[at.request]) {
			return true
		}
	}
	return false
}

// probed is what KMS said of some requests of a step, which is the same of all.
type probed struct {
	step, proved, text string
	against            bool
	actions            []string
}

// probedOf gathers the answers on a proof.
func (r *report) probedOf(proof int) []probed {
	var list []probed
	for j := range r.proofs[proof].Steps {
		s := &r.proofs[proof].Steps[j]
		for n := range s.Requests {
			a, ok := r.answers[place{proof, j, n}]
			if !ok {
				continue
			}
			p := probed{step: stepName(s), proved: string(a.Proved), text: a.Text, against: contradicts(a, &s.Requests[n])}
			i := slices.IndexFunc(list, func(o probed) bool {
				return o.step == p.step && o.proved == p.proved && o.text == p.text && o.against == p.against
			})
			if i < 0 {
				i, list = len(list), append(list, p)
			}
			if action := s.Requests[n].Use.Action; !slices.Contains(list[i].actions, action) {
				list[i].actions = append(list[i].actions, action)
			}
		}
	}
	return list
}

func (p *probed) line() string {
	said := "proved: " + p.proved
	if p.proved == string(live.NotProvable) {
		said = "are " + p.proved
		if len(p.actions) == 1 {
			said = "is " + p.proved
		}
	}
	line := fmt.Sprintf("%s: %s %s (%s)", p.step, strings.Join(p.actions, ", "), said, p.text)
	if p.against {
		line += "; KMS answers otherwise than the policies say"
	}
	return line
}

// probes prints what KMS said of a proof.
func (p *checkPrinter) probes(proof int) {
	list := p.report.probedOf(proof)
	if len(list) == 0 {
		return
	}
	p.blank()
	p.line(0, 0, "Asked of KMS itself, with dry runs:")
	for i := range list {
		p.line(2, 2, "- %s", list[i].line())
	}
}

func (r *report) markdownProbes(w io.Writer, proof int) {
	list := r.probedOf(proof)
	if len(list) == 0 {
		return
	}
	fmt.Fprint(w, "### Asked of KMS itself\n\n")
	for i := range list {
		fmt.Fprintf(w, "- %s\n", cell(list[i].line()))
	}
	fmt.Fprintln(w)
}

// probeView is the JSON form of an answer.
type probeView struct {
	Allowed *bool  `json:"allowed,omitempty"`
	Text    string `json:"text"`
	Against bool   `json:"contradicts_policies,omitempty"`
}

// viewProbes puts the answers into the views of a route's requests.
func (r *report) viewProbes(v *routeView, proof int) {
	for j := range v.Steps {
		for n := range v.Steps[j].Requests {
			a, ok := r.answers[place{proof, j, n}]
			if !ok {
				continue
			}
			q := &v.Steps[j].Requests[n]
			q.Proved = string(a.Proved)
			q.Probe = &probeView{Text: a.Text, Against: contradicts(a, &r.proofs[proof].Steps[j].Requests[n])}
			if a.Proved == live.ProvedLive {
				q.Probe.Allowed = &a.Allowed
			}
		}
	}
}
