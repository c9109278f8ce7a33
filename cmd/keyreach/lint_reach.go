package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/lint/input"
	"github.com/keyreach/keyreach/plan"
)

// reach prints who outside of the keys' accounts may do what.
func (o *lintOptions) reach(ctx context.Context, s *streams, files []lint.File, known *estate.Estate) error {
	if o.format != "text" && o.format != "json" {
		return misuse(fmt.Errorf("--access prints text or json, not %s", o.format))
	}
	var all []lint.Reach
	unread := 0
	for i := range files {
		rs, err := o.reachOf(ctx, &files[i], known)
		var exit *exitError
		switch {
		case errors.As(err, &exit) && len(files) > 1 && ctx.Err() == nil:
			fmt.Fprintln(s.err, "keyreach: "+err.Error())
			unread++
		case err != nil:
			return err
		}
		all = append(all, rs...)
	}
	if len(all) == 0 && unread == 0 {
		return misuse(errors.New("no key policy and no grant is in what was given")).hinting("--access takes key policies, grants, templates with keys, and estates")
	}
	write := func(w io.Writer) error {
		if o.format == "json" {
			return jsonFormat.writeData(w, reachViewOf(all))
		}
		return reachText(w, all)
	}
	if err := s.output(o.out, write); err != nil {
		return failure(err)
	}
	if unread > 0 {
		return failure(fmt.Errorf("%s could not be read, and what stands there is not in the answer", count(unread, "file")))
	}
	return nil
}

// reachOf works out who reaches the keys of one file.
func (o *lintOptions) reachOf(ctx context.Context, f *lint.File, known *estate.Estate) ([]lint.Reach, error) {
	data, err := f.Data, f.Err
	if f.Read != nil {
		data, err = f.Read(ctx)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	} else if err != nil {
		return nil, failure(fmt.Errorf("reading %s: %w", f.Name, err))
	}
	// The account of a stack is that of its keys.
	data = bytes.ReplaceAll(data, []byte("${AWS::AccountId}"), []byte(cmp.Or(o.account, lint.Nobody)))
	m, err := input.Read(f.Name, data)
	if err != nil && m.Empty() {
		return nil, misuse(err)
	}
	rs, err := lint.Outside(m, o.account, known)
	if err != nil {
		return nil, failure(err)
	}
	return rs, nil
}

// reachView is the JSON form.
type reachView struct {
	FormatVersion int            `json:"format_version"`
	Keys          []keyReachView `json:"keys"`
}

type keyReachView struct {
	File    string         `json:"file"`
	Key     string         `json:"key"`
	Owner   string         `json:"owner,omitempty"`
	Account string         `json:"account"`
	Assumed string         `json:"assumed,omitempty"`
	Notes   []string       `json:"notes,omitempty"`
	Outside []plan.Opening `json:"outside"`
	// Incomplete says why the answer may lack something.
	Incomplete string `json:"incomplete,omitempty"`
}

func reachViewOf(all []lint.Reach) reachView {
	v := reachView{FormatVersion: estate.FormatVersion, Keys: []keyReachView{}}
	for i := range all {
		r := &all[i]
		k := keyReachView{File: r.File, Key: r.Key, Owner: r.Owner, Account: r.Account, Assumed: r.Assumed, Notes: r.Notes, Outside: []plan.Opening{}}
		for j := range r.Gains {
			if r.Gains[j].Incomplete {
				k.Incomplete = r.Gains[j].Why
			} else {
				k.Outside = append(k.Outside, openingOf(&r.Gains[j]))
			}
		}
		v.Keys = append(v.Keys, k)
	}
	return v
}

// openingOf names what of the key lets somebody in, and not the policy of the
// invented administrator who comes.
func openingOf(g *access.Gain) plan.Opening {
	o := plan.OpeningOf(g)
	i := slices.IndexFunc(g.By, func(e access.Evidence) bool { return e.Layer == access.KeyPolicy || e.Layer == access.GrantLayer })
	if i >= 0 {
		o.By = strings.TrimSpace(g.By[i].Document + " " + g.By[i].Statement)
	}
	return o
}

func reachText(w io.Writer, all []lint.Reach) error {
	p := printer{w: w}
	for i := range all {
		if i > 0 {
			p.blank()
		}
		p.reach(&all[i])
	}
	return p.err
}

func (p *printer) reach(r *lint.Reach) {
	if r.Account == lint.Nobody {
		p.line(0, 2, "%s: key of an account that is not known", r.File)
	} else {
		p.line(0, 2, "%s: key of account %s", r.File, r.Account)
	}
	if r.Owner != "" && r.Owner != r.Key {
		p.line(2, 2, "%s", r.Owner)
	}
	if r.Assumed != "" {
		p.line(2, 2, "assumed: %s", r.Assumed)
	}
	for _, note := range r.Notes {
		p.line(2, 2, "not known: %s", note)
	}
	var sure, unsure []plan.Opening
	for j := range r.Gains {
		g := &r.Gains[j]
		switch {
		case g.Incomplete:
			p.line(2, 2, "this may not be all: %s", g.Why)
		case g.Uncertain:
			unsure = append(unsure, openingOf(g))
		default:
			sure = append(sure, openingOf(g))
		}
	}
	if len(sure)+len(unsure) == 0 {
		p.line(2, 2, "nobody outside may do anything with it")
	}
	p.openings("may do this; principals of other accounts where those allow it too:", sure)
	p.openings("may do this if what is not known here holds:", unsure)
}

func (p *printer) openings(title string, opens []plan.Opening) {
	if len(opens) == 0 {
		return
	}
	p.line(2, 2, "%s", title)
	list := sortedAccess(opens)
	who := ""
	for i := range list {
		if next := anyName(strings.Join(list[i].principals, "; ")); next != who {
			who = next
			p.line(4, 2, "%s", who)
		}
		p.line(6, 2, "%s", list[i].text())
	}
}
