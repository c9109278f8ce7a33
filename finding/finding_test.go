package finding_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/keyreach/keyreach/finding"
)

func TestSortPutsTheWorstFirstAndThenGoesByPlace(t *testing.T) {
	t.Parallel()
	at := func(line int, rule string, s finding.Severity) finding.Finding {
		return finding.Finding{Rule: rule, Severity: s, Position: finding.Position{File: "p.json", Line: line, Column: 1}}
	}
	fs := []finding.Finding{at(9, "KEY105", finding.Info), at(7, "KEY002", finding.Error), at(3, "KEY002", finding.Error), at(5, "KEY008", finding.Critical)}
	finding.Sort(fs)
	want := []finding.Finding{at(5, "KEY008", finding.Critical), at(3, "KEY002", finding.Error), at(7, "KEY002", finding.Error), at(9, "KEY105", finding.Info)}
	if d := cmp.Diff(want, fs); d != "" {
		t.Error(d)
	}
	if s, ok := finding.Worst(fs); s != finding.Critical || !ok {
		t.Errorf("Worst = %v, %v", s, ok)
	}
	if _, ok := finding.Worst(nil); ok {
		t.Error("nothing has a worst finding")
	}
}

func TestJSONGoesThereAndBack(t *testing.T) {
	t.Parallel()
	f := finding.Finding{Rule: "KEY014", Severity: finding.Critical, Subject: "k", Position: finding.Position{File: "a", Line: 1, Column: 2}, Text: "t", Fix: "f"}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"rule":"KEY014","severity":"critical","subject":"k","position":{"file":"a","line":1,"column":2},"text":"t","fix":"f"}`
	if string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
	var back finding.Finding
	if err := json.Unmarshal(data, &back); err != nil || back != f {
		t.Errorf("back: %+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"severity":"dreadful"}`), &back); err == nil {
		t.Error("a severity nobody knows was read")
	}
}

func TestPositionLeavesOutWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]finding.Position{
		"":        {},
		"p.json":  {File: "p.json"},
		"3:4":     {Line: 3, Column: 4},
		"p.y:3:4": {File: "p.y", Line: 3, Column: 4},
	} {
		if got := p.String(); got != want {
			t.Errorf("%+v prints as %q, want %q", p, got, want)
		}
	}
}

func ExampleFinding_String() {
	fmt.Println(finding.Finding{
		Rule: "KEY006", Severity: finding.Critical, Position: finding.Position{File: "policy.json", Line: 12, Column: 9},
		Text: "kms:ReEncrypt is no action", Fix: "write kms:ReEncryptFrom and kms:ReEncryptTo",
	})
	// Output: policy.json:12:9: critical KEY006: kms:ReEncrypt is no action; write kms:ReEncryptFrom and kms:ReEncryptTo
}
