package plan_test

import (
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
