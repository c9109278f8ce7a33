package access_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/estate"
)

// What AWS was recorded to answer comes out the same. The recordings are not
// part of this repository; KEYREACH_CORPUS names the folder that has them.
func TestRecordedDecisions(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("KEYREACH_CORPUS")
	if folder == "" {
		t.Skip("KEYREACH_CORPUS is not set: the recorded decisions are not compared")
	}
	files, err := filepath.Glob(filepath.Join(folder, "recorded", "cases*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Skipf("no recorded/cases*.jsonl under %s: the recorded decisions are not compared", folder)
	}
	cases := 0
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		for l := range estate.ReadCases(file, f) {
			if l.Err != nil {
				t.Errorf("%s:%d: %v", file, l.Line, l.Err)
				continue
			}
			cases++
			recordedCase(t, l.Case)
		}
		f.Close()
	}
	t.Logf("%d recorded decisions compared", cases)
}

func recordedCase(t *testing.T, c *estate.Case) {
	t.Helper()
	d := access.Authorize(c)
	got := d.Effect.String()
	if quick := access.Decide(c).String(); quick != got {
		t.Errorf("%s: Decide says %s and Authorize %s", c.ID, quick, got)
	}
	denied := d.Effect == access.ImplicitDeny || d.Effect == access.ExplicitDeny
	if got != c.Expect && (c.Expect != "Deny" || !denied) {
		t.Errorf("%s: %s, and AWS was recorded to answer %s: blocked by %v", c.ID, got, c.Expect, d.BlockedBy())
	}
}
