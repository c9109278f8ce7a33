package diagnose_test

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/keyreach/keyreach/diagnose"
)

// reported is a failure as somebody reported it, with what it turned out to be.
type reported struct {
	ID             string   `json:"id"`
	ErrorText      string   `json:"error_text"`
	RootCause      string   `json:"root_cause"`
	AlsoAcceptable []string `json:"also_acceptable"`
	MissingAction  string   `json:"missing_action"`
	Confidence     string   `json:"confidence"`
	Fidelity       string   `json:"text_fidelity"`
}

func readReported(t *testing.T) []reported {
	t.Helper()
	folder := os.Getenv("KEYREACH_CORPUS")
	if folder == "" {
		t.Skip("KEYREACH_CORPUS is not set: reported failures are not diagnosed")
	}
	f, err := os.Open(filepath.Join(folder, "errors.jsonl"))
	if err != nil {
		t.Skipf("no errors.jsonl under %s: reported failures are not diagnosed", folder)
	}
	defer f.Close()
	var all []reported
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r reported
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// tally counts how often the first cause was right.
type tally struct{ cases, strict, lenient int }

func (c *tally) add(strict, lenient bool) {
	c.cases++
	if strict {
		c.strict++
	}
	if lenient {
		c.lenient++
	}
}

func (c *tally) shares() (strict, lenient float64) {
	return float64(c.strict) / float64(max(c.cases, 1)), float64(c.lenient) / float64(max(c.cases, 1))
}

// developedOn tells the cases that were looked at when forms and rules were
// made (two thirds of them) from those that only score.
func developedOn(id string) bool {
	h := sha256.Sum256([]byte(id))
	return (h[0]>>4)%2 == 0 || h[1]%2 == 0
}

// Failures that people reported come out as what they turned out to be.
func TestReportedFailures(t *testing.T) {
	t.Parallel()
	var all, seen, unseen tally
	majority := map[string]int{}
	var bins [10]tally
	for _, r := range readReported(t) {
		in, ok := diagnose.One(r.ErrorText)
		if r.Fidelity != "verbatim" || r.Confidence == "low" {
			continue // no crash is all that can be asked
		}
		majority[r.RootCause]++
		first := diagnose.BaseRates()[0] // as the batch answers
		if ok {
			first = in.Causes[0]
		}
		strict := first.Code == r.RootCause
		lenient := strict || slices.Contains(r.AlsoAcceptable, first.Code)
		all.add(strict, lenient)
		bins[min(int(first.Confidence*10), 9)].add(strict, lenient)
		if developedOn(r.ID) {
			seen.add(strict, lenient)
			if !strict {
				t.Logf("%s: %s (%.2f, form %s), and it was %s", r.ID, first.Code, first.Confidence, in.Form, r.RootCause)
			}
		} else {
			unseen.add(strict, lenient)
		}
	}
	most := 0
	for _, n := range majority {
		most = max(most, n)
	}
	for _, c := range []struct {
		name string
		*tally
	}{{"all", &all}, {"developed on", &seen}, {"held out", &unseen}} {
		strict, lenient := c.shares()
		t.Logf("%s: %d cases, strict %.3f, lenient %.3f", c.name, c.cases, strict, lenient)
	}
	t.Logf("the most frequent cause alone: %.3f", float64(most)/float64(max(all.cases, 1)))
	for i, b := range bins {
		if b.cases > 0 {
			strict, lenient := b.shares()
			t.Logf("confidence %.1f to %.1f: %d cases, strict %.2f, lenient %.2f", float64(i)/10, float64(i+1)/10, b.cases, strict, lenient)
		}
	}
	if strict, lenient := all.shares(); strict < 0.75 || lenient < 0.90 {
		t.Errorf("strict %.3f, lenient %.3f: at least 0.75 and 0.90 are wanted", strict, lenient)
	}
}

// Where a text names the action that was refused, it is told.
func TestReportedActions(t *testing.T) {
	t.Parallel()
	named := 0
	for _, r := range readReported(t) {
		action := diagnose.RefusedAction(r.ErrorText)
		if action == "" || r.Fidelity != "verbatim" {
			continue
		}
		named++
		in, ok := diagnose.One(r.ErrorText)
		if got := in.Action; !ok || got != action || got != cmp.Or(r.MissingAction, action) || in.Causes[0].MissingAction != action {
			t.Errorf("%s: action %q, cause's %q; the text names %q, it was %q", r.ID, got, in.Causes[0].MissingAction, action, r.MissingAction)
		}
	}
	t.Logf("%d texts name their action", named)
}
