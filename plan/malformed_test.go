package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

// fileOf is the plan file of an example.
func fileOf(t testing.TB, name string) string {
	t.Helper()
	routes, e := exampleFor(t, name)
	p, err := plan.Make(routes, e, plan.Options{At: noon})
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// refusesFile holds Load to an error that says where.
func refusesFile(t *testing.T, what, text string) {
	t.Helper()
	p, err := plan.Load("plan.json", []byte(text))
	var wrong *estate.FileError
	if !errors.As(err, &wrong) {
		t.Errorf("%s: %v is read from it, and the error is %v", what, p != nil, err)
		return
	}
	for _, problem := range wrong.Problems {
		if problem.Position.Line < 1 || problem.Position.File != "plan.json" || problem.Text == "" {
			t.Errorf("%s: a problem without a place: %+v", what, problem)
		}
	}
	if len(wrong.Problems) == 0 {
		t.Errorf("%s: no problem", what)
	}
}

func TestAPlanFileThatIsCutOffIsRefused(t *testing.T) {
	t.Parallel()
	text := strings.TrimSpace(fileOf(t, "drs-authfailure"))
	for at := 0; at < len(text); at += 10 {
		refusesFile(t, fmt.Sprintf("cut off after %d bytes", at), text[:at])
	}
}

func TestAMalformedPlanFileIsRefusedWithAPlace(t *testing.T) {
	t.Parallel()
	text := fileOf(t, "drs-authfailure")
	type change struct{ what, old, new string }
	changes := []change{
		{"the version of tomorrow", `"format_version": 1`, `"format_version": 2`},
		{"no version", `"format_version": 1,`, ``},
		{"a version in words", `"format_version": 1`, `"format_version": "one"`},
		{"a version with a fraction", `"format_version": 1`, `"format_version": 1.5`},
		{"a huge version", `"format_version": 1`, `"format_version": 1e999`},
		{"a version of many digits", `"format_version": 1`, `"format_version": ` + strings.Repeat("9", 400)},
		{"another kind", `"kind": "open"`, `"kind": "close"`},
		{"a kind that is a number", `"kind": "open"`, `"kind": 7`},
		{"a kind that is nothing", `"kind": "open"`, `"kind": null`},
		{"no kind", `"kind": "open",`, ``},
		{"the kind twice", `"kind": "open",`, `"kind": "open", "kind": "revoke",`},
		{"the digest twice", `"digest":`, `"digest": "sha256:00", "digest":`},
		{"another digest", `"digest": "sha256:`, `"digest": "sha256:0`},
		{"a digest that is a list", `"digest": "`, `"digest": [], "x": "`},
		{"no digest", `"digest"`, `"digestive"`},
		{"no time", `"made_at": "2026-11-25T12:00:00Z"`, `"made_at": "yesterday"`},
		{"a time that is a map", `"made_at": "2026-11-25T12:00:00Z"`, `"made_at": {}`},
		{"no steps", `"steps": [`, `"stairs": [`},
		{"steps that are a map", `"steps": [`, `"steps": {}, "others": [`},
		{"steps that are a number", `"steps": [`, `"steps": 1, "others": [`},
		{"a step that is a text", `"steps": [`, `"steps": ["all",`},
		{"a step that is nothing", `"steps": [`, `"steps": [null,`},
		{"an empty step", `"steps": [`, `"steps": [{},`},
		{"a step in a step", `"steps": [`, `"steps": [[],`},
		{"an unknown op", `"op": "inline-policy"`, `"op": "inline-polish"`},
		{"an op of another kind", `"op": "inline-policy"`, `"op": "grant"`},
		{"an op that is a number", `"op": "inline-policy"`, `"op": 3`},
		{"an op without a word", `"op": "inline-policy",`, ``},
		{"an op that is a text", `"op": {`, `"op": "key-policy", "was": {`},
		{"an op that is a list", `"op": {`, `"op": [], "was": {`},
		{"an op that is nothing", `"op": {`, `"op": null, "x": {`},
		{"was missing", `"was": {`, `"is": {`},
		{"was another thing", `"was": {`, `"was": {"op": "rotation", "key": "arn:aws:kms:us-east-1:111122223333:key/x", "on": true}, "x": {`},
		{"a principal that is a number", `"principal": "arn`, `"principal": 5, "x": "arn`},
		{"a principal that is no ARN", `"principal": "arn:`, `"principal": "nra:`},
		{"no principal", `"principal": "arn`, `"principle": "arn`},
		{"another member", `"why": `, `"because": `},
		{"why is a map", `"why": "`, `"why": {}, "x": "`},
		{"routes that are a text", `"routes": [`, `"routes": "all", "x": [`},
		{"a route that is a number", `"routes": [`, `"routes": [4, `},
		{"no routes", `"recover-servers"`, ``},
		{"a document that is no policy", `"document": "{`, `"document": "[{`},
		{"a document that is a map", `"document": "`, `"document": {}, "x": "`},
		{"opens that is a text", `"opens": [`, `"opens": "much", "x": [`},
		{"an opening that is a number", `"opens": [`, `"opens": [1, `},
		{"a member of no plan", `"kind": "open"`, `"kind": "open", "colour": "red"`},
		{"chosen that is a list", `"kind": "open"`, `"kind": "open", "chosen": []`},
		{"something chosen that nobody can choose", `"kind": "open"`, `"kind": "open", "chosen": {"everything": true}`},
		{"a choice that is a text", `"kind": "open"`, `"kind": "open", "chosen": {"tight": "yes"}`},
		{"something chosen afterwards", `"kind": "open"`, `"kind": "open", "chosen": {"enable_keys": true}`},
		{"a comma too many", `"kind": "open",`, `"kind": "open",,`},
		{"a comma too few", `"kind": "open",`, `"kind": "open"`},
		{"an open text", `"kind": "open"`, `"kind": "open`},
		{"a control character", `"kind": "open"`, "\"kind\": \"op\x01en\""},
	}
	for _, c := range changes {
		changed := strings.Replace(text, c.old, c.new, 1)
		if changed == text {
			t.Errorf("%s: the plan has no %s", c.what, c.old)
			continue
		}
		refusesFile(t, c.what, changed)
	}
	whole := []change{
		{"nothing", "", ""}, {"a space", "", " "}, {"null", "", "null"}, {"a number", "", "12"}, {"a text", "", `"plan"`}, {"a list", "", "[]"}, {"an empty map", "", "{}"},
		{"words", "", "this is no plan"}, {"YAML with a tab", "", "a:\n\tb: 1"}, {"bytes", "", "\x00\xff\xfe"}, {"two plans", "", text + text},
		{"deep lists", "", strings.Repeat("[", 5000)}, {"deep maps", "", strings.Repeat(`{"a":`, 5000)}, {"an estate", "", `{"format_version": 1, "accounts": [], "principals": [], "keys": []}`},
		{"a huge number in a step", "", strings.Replace(text, `"steps": [`, `"steps": [1e99999,`, 1)},
		{"a plan of nothing", "", `{"format_version": 1, "kind": "open", "routes": [], "steps": [], "digest": ""}`},
	}
	for _, c := range whole {
		refusesFile(t, c.what, c.new)
	}
	if n := len(changes) + len(whole); n < 60 {
		t.Errorf("only %d malformed files", n)
	}
}

// FuzzLoad reads anything: it is a plan, or refused with a place.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"drs-authfailure", "auto-scaling", "vault"} {
		text := fileOf(f, name)
		f.Add([]byte(text))
		f.Add([]byte(text[:len(text)/2]))
		f.Add([]byte(strings.Replace(text, `"op"`, `"was"`, 1)))
	}
	f.Add([]byte(`{"format_version":1,"steps":[{"op":{"op":"grant"},"was":{"op":"grant"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := plan.Load("plan.json", data)
		var wrong *estate.FileError
		switch {
		case err == nil:
			if _, err := p.AppendJSON(nil); err != nil {
				t.Errorf("what was read cannot be written: %v", err)
			}
		case !errors.As(err, &wrong):
			t.Errorf("an error without a place: %v", err)
		case slices.ContainsFunc(wrong.Problems, func(p estate.Problem) bool { return p.Position.Line < 1 }):
			t.Errorf("a problem without a place: %v", err)
		}
	})
}
