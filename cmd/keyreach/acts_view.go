package main

import (
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/run"
)

// runView is the JSON form of a run.
type runView struct {
	FormatVersion int          `json:"format_version,omitempty"` // not within other documents
	ID            string       `json:"id"`
	Kind          run.Kind     `json:"kind"`
	Of            string       `json:"of,omitempty"`
	Status        run.Status   `json:"status"`
	Change        string       `json:"change,omitempty"`
	Digest        string       `json:"digest,omitempty"`
	Routes        []string     `json:"routes"`
	Accounts      []string     `json:"accounts,omitempty"`
	Started       time.Time    `json:"started"`
	Ended         *time.Time   `json:"ended,omitempty"`
	Until         *time.Time   `json:"until,omitempty"`
	Error         string       `json:"error,omitempty"`
	Left          []leftView   `json:"left"`
	Records       []recordView `json:"records,omitempty"`
}

type leftView struct {
	Slot  estate.Slot `json:"slot"`
	Why   string      `json:"why"`
	Until *time.Time  `json:"until,omitempty"`
}

type recordView struct {
	Step  int               `json:"step"` // from 1; 0 for none
	Phase run.Phase         `json:"phase"`
	At    time.Time         `json:"at"`
	Slot  *estate.Slot      `json:"slot,omitempty"`
	Made  map[string]string `json:"made,omitempty"`
	Text  string            `json:"text,omitempty"`
	Error string            `json:"error,omitempty"`
	Kind  cloud.Kind        `json:"kind,omitempty"`
}

func viewOfRun(r *run.Run, withRecords bool) *runView {
	v := &runView{
		ID: r.ID, Kind: r.Kind, Of: r.Of, Status: r.Status, Change: r.Change, Digest: r.Digest, Routes: orEmpty(r.Routes), Accounts: r.Accounts,
		Started: r.Started, Ended: orNil(r.Ended), Until: orNil(r.Until), Error: r.Error, Left: []leftView{},
	}
	for i := range r.Left {
		v.Left = append(v.Left, leftView{Slot: r.Left[i].Slot, Why: r.Left[i].Why, Until: orNil(r.Left[i].Until)})
	}
	for i := range r.Records {
		if !withRecords {
			break
		}
		rec := &r.Records[i]
		one := recordView{Step: rec.Step + 1, Phase: rec.Phase, At: rec.At, Made: rec.Made, Text: rec.Text, Error: rec.Error, Kind: rec.Kind}
		if rec.Step >= 0 {
			one.Slot = &rec.Slot
		}
		v.Records = append(v.Records, one)
	}
	return v
}

// actView is the JSON form of what a command did.
type actView struct {
	FormatVersion int         `json:"format_version"`
	Runs          []*runView  `json:"runs"`
	Written       int         `json:"written"`
	Routes        []afterView `json:"routes,omitempty"`
	Unproven      string      `json:"unproven,omitempty"`
}

// afterView is how a route came out afterwards.
type afterView struct {
	Name     string        `json:"name"`
	Verdict  route.Verdict `json:"verdict"`
	Settling bool          `json:"settling"`
	// Untried are the principals as which nobody here can try.
	Untried []string `json:"untried,omitempty"`
}

// printRuns prints the document of a command that performed runs.
func (a *actFlags) printRuns(s *streams, v *actView, runs ...*run.Run) error {
	v.FormatVersion = estate.FormatVersion
	v.Runs = []*runView{}
	for _, r := range runs {
		v.Runs = append(v.Runs, viewOfRun(r, false))
		v.Written += outcomeOf(r).written
	}
	if err := a.format.writeData(s.out, v); err != nil {
		return failure(err)
	}
	return nil
}
