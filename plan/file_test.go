package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/plan"
)

func TestAPlanIsReadBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			routes, e := example(t, name)
			p := planned(t, routes, e, plan.Options{Change: "CHG-7"})
			text, err := p.AppendJSON(nil)
			if err != nil {
				t.Fatal(err)
			}
			back, err := plan.Load("plan.json", text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if d := cmp.Diff(p, back); d != "" {
				t.Error(d)
			}
			if back.Digest() != p.Digest() {
				t.Error("the digests differ")
			}
		})
	}
}

// Files that were written before lists were never null.
const oldFile = `{
  "format_version": 1,
  "kind": "open",
  "made_at": "2026-11-25T12:00:00Z",
  "routes": ["recover-servers"],
  "steps": null,
  "digest": "sha256:5a46cfa271e5f01aac67a91e577959f11f4c1a021b8524e0a6e1913b04e100bd",
  "seal": "sha256:b1029a7da72a83a02abd7c0e530ddcd48649177110fcf9703c629adecc3cf820"
}`

func TestAPlanOfNothingHasAnEmptyListOfSteps(t *testing.T) {
	t.Parallel()
	old, err := plan.Load("plan.json", []byte(oldFile))
	if err != nil {
		t.Fatalf("a file of an earlier program is not read: %v", err)
	}
	text, err := old.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"steps": []`) || strings.Contains(string(text), "null") {
		t.Errorf("it is written as\n%s", text)
	}
	back, err := plan.Load("plan.json", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if back.Digest() != old.Digest() {
		t.Error("the digests differ")
	}
}
