package lint_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/lint/rules"
)

// sarifOf writes results and reads them, which also holds them against the
// schema of SARIF 2.1.0 that the library carries.
func sarifOf(t *testing.T, results []lint.Result) *sarif.Run {
	t.Helper()
	var b bytes.Buffer
	if err := lint.WriteSARIF(&b, results, "1.0", lint.Known()); err != nil {
		t.Fatal(err)
	}
	var report sarif.Report
	if err := json.Unmarshal(b.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if err := report.Validate(); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return report.Runs[0]
}

// Every result names its rule twice, by id and by index, and a place by a
// relative name; what is ignored is suppressed in its kind.
func TestSARIFIsWhatCodeScanningReads(t *testing.T) {
	t.Parallel()
	text := "\ufeff" + `{"Version": "2012-10-17", "Statement": [{"Sid": "ä𝄞", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": ["kms:Decrypt", "kms:ReEncrypt"], "Resource": "*"}]}`
	results := run(t, lint.Options{Ignore: []lint.Ignore{{Rule: "KEY060", Reason: "it is old"}}},
		lint.File{Name: "a dir/key-policy.json", Data: []byte(text)},
		lint.File{Name: "/etc/marked.yaml", Data: []byte("# keyreach:ignore-file KEY014 the replica is there\n" + strings.TrimPrefix(otherRegion, "Version: \"2012-10-17\"\n"))})
	r := sarifOf(t, results)
	if *r.ColumnKind != "unicodeCodePoints" {
		t.Errorf("columns are %q", *r.ColumnKind)
	}
	kinds := map[string]string{}
	for _, x := range r.Results {
		if d := r.Tool.Driver.Rules[x.RuleIndex]; *d.ID != *x.RuleID {
			t.Errorf("the rule %s has the index of %s", *x.RuleID, *d.ID)
		}
		for _, s := range x.Suppressions {
			kinds[*x.RuleID] = *s.Kind
		}
		file := x.Locations[0].PhysicalLocation.ArtifactLocation
		if *x.RuleID != "KEY006" {
			if *x.RuleID == "KEY014" && (*file.URI != "file:///etc/marked.yaml" || file.URIBaseID != nil) {
				t.Errorf("an absolute name is %q below %v", *file.URI, file.URIBaseID)
			}
			continue
		}
		if *file.URI != "a%20dir/key-policy.json" || *file.URIBaseID != "%SRCROOT%" {
			t.Errorf("a relative name is %q below %v", *file.URI, file.URIBaseID)
		}
		before, _, _ := strings.Cut(strings.TrimPrefix(text, "\ufeff"), `"kms:ReEncrypt"`)
		want := len([]rune(before)) + 1
		region := x.Locations[0].PhysicalLocation.Region
		deleted := x.Fixes[0].ArtifactChanges[0].Replacements[0].DeletedRegion
		if *region.StartColumn != want || *deleted.StartColumn != want+1 || *deleted.EndColumn != want+len(`"kms:ReEncrypt`) {
			t.Errorf("the finding is at %d, its fix from %d to %d; want %d, and the fix inside the quotes", *region.StartColumn, *deleted.StartColumn, *deleted.EndColumn, want)
		}
	}
	if kinds["KEY014"] != "inSource" || kinds["KEY060"] != "external" {
		t.Errorf("suppressed: %v", kinds)
	}
}

// GitHub refuses a run with more than 25,000 results: the worst are written.
func TestSARIFHasNoMoreThanGitHubTakes(t *testing.T) {
	t.Parallel()
	r := lint.Result{File: "many.json"}
	for i := range 25_010 {
		sev := finding.Info
		if i >= 25_000 {
			sev = finding.Error
		}
		r.Found = append(r.Found, rules.Found{Finding: finding.Finding{Rule: "KEY006", Severity: sev, Text: fmt.Sprint(i), Position: finding.Position{File: "many.json", Line: 1, Column: 1}}})
	}
	var b bytes.Buffer
	if err := lint.WriteSARIF(&b, []lint.Result{r}, "1.0", lint.Known()); err != nil {
		t.Fatal(err)
	}
	if n, errs := bytes.Count(b.Bytes(), []byte(`"ruleId"`)), bytes.Count(b.Bytes(), []byte(`"level": "error"`)); n != 25_000 || errs < 10 {
		t.Errorf("%d results, %d errors", n, errs)
	}
}
