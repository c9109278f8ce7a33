package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
	"github.com/keyreach/keyreach/run"
)

func ofKind(k cloud.Kind) error {
	return fmt.Errorf("writing: %w", &cloud.Error{Kind: k, Operation: "kms:PutKeyPolicy", Account: "111122223333", Err: errors.New("no")})
}

// The end of a run is told by its exit code, and says how it goes on.
func TestTheEndOfARun(t *testing.T) {
	t.Parallel()
	policy := &estate.KeyPolicy{Key: "arn:aws:kms:us-east-1:111122223333:key/1", Document: `{"Version":"2012-10-17","Statement":[]}`}
	intent := run.Record{Phase: run.PhaseIntent, Slot: policy.Slot(), After: policy}
	result := run.Record{Phase: run.PhaseResult, Slot: policy.Slot(), After: policy}
	refusal := run.Record{Phase: run.PhaseNote, Slot: policy.Slot(), Kind: cloud.Denied, Error: "no"}
	silence := run.Record{Phase: run.PhaseNote, Slot: policy.Slot(), Kind: cloud.Lost, Error: "no"}
	begun := func(records ...run.Record) *run.Run {
		return &run.Run{ID: "20260101-000000-abcd", Kind: run.KindApply, Status: run.Stopped, Records: records}
	}
	const resume, undo = "keyreach runs resume 20260101-000000-abcd --state st", "keyreach undo 20260101-000000-abcd --state st"
	for name, c := range map[string]struct {
		run  *run.Run
		err  error
		code int
		says []string
	}{
		"denied before the run began":                 {nil, ofKind(cloud.Denied), exitFailed, []string{"nothing was written", "access: in keyreach.yaml"}},
		"denied at the first write":                   {begun(intent, refusal), ofKind(cloud.Denied), exitFailed, []string{"nothing was written", resume}},
		"denied after a write":                        {begun(intent, result, intent, refusal), ofKind(cloud.Denied), exitPartial, []string{resume, undo}},
		"no answer to the first write":                {begun(intent, silence), ofKind(cloud.Lost), exitPartial, []string{resume, undo}},
		"invalid after a write":                       {begun(intent, result), ofKind(cloud.Invalid), exitPartial, []string{resume}},
		"another account before the run began":        {nil, ofKind(cloud.Credentials), exitCredentials, []string{"nothing was written"}},
		"credentials that end":                        {begun(intent, result), ofKind(cloud.Expired), exitCredentials, []string{"renew", resume}},
		"something changed before the run began":      {nil, errors.Join(&run.StaleError{Step: 1, Slot: policy.Slot(), Want: policy, Have: policy}), exitStale, []string{"nothing was written", "plan again"}},
		"two things changed before the run began":     {nil, errors.Join(&run.StaleError{Step: 1, Slot: policy.Slot(), Want: policy, Have: policy}, &run.StaleError{Step: 2, Slot: policy.Slot(), Want: policy, Have: policy}), exitStale, []string{"2 things have changed"}},
		"somebody else wrote at the same time":        {begun(intent, result), &run.OverwrittenError{Step: 1, Slot: policy.Slot(), Wrote: policy, Have: policy}, exitStale, []string{undo}},
		"somebody changed what is to be undone":       {nil, &run.ChangedSinceError{Of: "r1", Changes: []run.Change{{Slot: policy.Slot(), Left: policy, Have: policy}}}, exitStale, []string{"one thing has changed since", "keyreach runs show r1"}},
		"another process writes":                      {nil, &run.LockedError{Dir: "d", PID: 7}, exitFailed, []string{"process 7", "wait"}},
		"another account's key is not made yet":       {nil, &run.UnmadeError{Step: 1, Slot: policy.Slot(), Account: "444455556666"}, exitFailed, []string{"--account 444455556666"}},
		"there is no such run, but others":            {nil, &run.NoRunError{ID: "1", Like: []string{"20260101-000000-abcd"}}, exitUsage, []string{"there is 20260101-000000-abcd"}},
		"the beginning of an id that many runs share": {nil, &run.NoRunError{ID: "2", Like: []string{"20", "21"}, Many: true}, exitUsage, []string{"give more of it"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var errs bytes.Buffer
			a := &actFlags{state: "st", dir: "."}
			var exit *exitError
			if err := a.ended(&streams{err: &errs}, c.run, c.err); !errors.As(err, &exit) || exit.code != c.code {
				t.Fatalf("got %v, want exit code %d", err, c.code)
			}
			all := errs.String() + exit.Error() + "\n" + exit.hint
			for _, text := range c.says {
				if !strings.Contains(all, text) {
					t.Errorf("it does not say %q:\n%s", text, all)
				}
			}
		})
	}
}

func TestAnInterruptedRunSaysHowItGoesOn(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	a := &actFlags{dir: "my dir", liveFlags: liveFlags{endpoint: "http://127.0.0.1:1"}}
	err := a.ended(&streams{err: &errs}, &run.Run{ID: "r1"}, fmt.Errorf("waiting: %w", context.Canceled))
	if !errors.Is(err, context.Canceled) || !strings.Contains(errs.String(), "keyreach runs resume r1 --dir 'my dir' --endpoint-url http://127.0.0.1:1\n") {
		t.Errorf("got %v, %s", err, errs.String())
	}
}

func TestUntil(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"": "", "90m": "2026-01-01T13:30:00Z", "2d": "2026-01-03T12:00:00Z", "2026-01-01T14:00:00+01:00": "2026-01-01T13:00:00Z",
		"0s": "over already", "-1h": "over already", "2025-12-31T00:00:00Z": "over already", "tomorrow": "neither a time nor a duration", "xd": "neither a time nor a duration",
	} {
		got, err := untilOf(text, now)
		switch {
		case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %s", text, err, want)
		case err == nil && want == "":
			if !got.IsZero() {
				t.Errorf("%q: %v", text, got)
			}
		case err == nil && got.Format(time.RFC3339) != want:
			t.Errorf("%q: %v, want %s", text, got, want)
		}
	}
}

// What a run wrote is what it was answered, or may have written.
func TestWhatIsTakenBack(t *testing.T) {
	t.Parallel()
	op := func(name string) *estate.Alias {
		return &estate.Alias{Name: "alias/" + name, Account: "111122223333", Region: "us-east-1", Key: name}
	}
	p := &plan.Plan{}
	for _, name := range []string{"written", "skipped", "refused", "unanswered", "never"} {
		p.Steps = append(p.Steps, plan.Step{Op: op(name), Was: op(name), Why: name})
	}
	r := &run.Run{Kind: run.KindApply, Plan: p, Records: []run.Record{
		{Step: 0, Phase: run.PhaseIntent, Before: op("old"), After: op("written")}, {Step: 0, Phase: run.PhaseResult, After: op("written")},
		{Step: 1, Phase: run.PhaseSkip},
		{Step: 2, Phase: run.PhaseIntent, Before: op("old"), After: op("refused")}, {Step: 2, Phase: run.PhaseNote, Kind: cloud.Denied},
		{Step: 3, Phase: run.PhaseIntent, Before: op("old"), After: op("unanswered")}, {Step: 3, Phase: run.PhaseNote, Kind: cloud.Lost},
	}}
	var whys []string
	for _, s := range takenBack(r).Steps {
		whys = append(whys, s.Why)
		if s.Op.Value() != "old" {
			t.Errorf("%s: it goes back to %q", s.Why, s.Op.Value())
		}
	}
	if got := strings.Join(whys, "; "); got != "takes back: unanswered; takes back: written" {
		t.Errorf("got %s", got)
	}
}

// What work on data made is what is there, and what may be.
func TestWhatWorkMade(t *testing.T) {
	t.Parallel()
	move := func(step string, watch bool) run.Move {
		return run.Move{Steps: []string{step}, Watch: watch, Task: cloud.Task{Account: "111122223333", Region: "us-east-1", Name: "keyreach-1-" + step}}
	}
	made := func(id string) map[string]string { return map[string]string{"id": id} }
	r := &run.Run{Kind: run.KindRoute, Moves: []run.Move{move("there", false), move("removed", false), move("unanswered", false), move("refused", false), move("watched", true), move("never", false)}, Records: []run.Record{
		{Step: 0, Phase: run.PhaseIntent, Text: "op"}, {Step: 0, Phase: run.PhaseResult, Text: "creating", Made: made("id-0")}, {Step: 0, Phase: run.PhaseReadBack, Text: "available", Made: made("id-0")},
		{Step: 1, Phase: run.PhaseIntent, Text: "op"}, {Step: 1, Phase: run.PhaseReadBack, Made: made("id-1")}, {Step: 1, Phase: run.PhaseIntent, Text: "removing"}, {Step: 1, Phase: run.PhaseResult, Text: "removed", Made: made("id-1")},
		{Step: 2, Phase: run.PhaseIntent, Text: "op"},
		{Step: 3, Phase: run.PhaseIntent, Text: "op"}, {Step: 3, Phase: run.PhaseNote, Kind: cloud.Denied, Error: "no"},
		{Step: 4, Phase: run.PhaseReadBack, Made: made("id-4")},
	}}
	got := strings.Join(madeBy(r), "\n")
	want := "there, account 111122223333 in us-east-1: id-0\nunanswered, account 111122223333 in us-east-1: keyreach-1-unanswered (it may have been made: no answer came)"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
