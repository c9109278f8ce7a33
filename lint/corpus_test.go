package lint_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/lint/rules"
)

// gathered reads a file of JSON lines beside the gathered policies.
func gathered[T any](t *testing.T, name string) []T {
	t.Helper()
	dir := os.Getenv("KEYREACH_CORPUS")
	if dir == "" {
		t.Skip("KEYREACH_CORPUS is not set: the gathered policies are not looked at")
	}
	data, err := os.ReadFile(filepath.Join(dir, "policies", name))
	if err != nil {
		t.Skipf("no gathered policies: %v", err)
	}
	var all []T
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		var x T
		if err := json.Unmarshal(s.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	return all
}

func policyFile(t *testing.T, name string) lint.File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(os.Getenv("KEYREACH_CORPUS"), "policies", name))
	if err != nil {
		t.Fatal(err)
	}
	return lint.File{Name: name, Data: data}
}

type indexed struct {
	File   string `json:"file"`
	Format string `json:"format"`
	Kind   string `json:"kind"`
	Origin string `json:"origin"`
}

// Every gathered file is read, or it is said where and why it is not; all of
// them within two seconds.
func TestTheGatheredPoliciesAreRead(t *testing.T) {
	t.Parallel()
	var files []lint.File
	index := gathered[indexed](t, "index.jsonl")
	for _, x := range index {
		files = append(files, policyFile(t, x.File))
	}
	start := time.Now()
	results, err := lint.Run(t.Context(), files, lint.Options{Rules: rules.All()})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	if took > 2*time.Second && !raceDetector {
		t.Errorf("%d files took %v", len(files), took)
	}
	by := map[string]int{}
	for i, r := range results {
		if r.Format != "" {
			by[index[i].Format+" as "+r.Format]++
			continue
		}
		f := r.Found[0]
		by[index[i].Format+" unread"]++
		if f.Rule != lint.Unreadable || f.Position.Line == 0 {
			t.Errorf("%s is not read, and it is not said where: %v", r.File, f)
		}
		if index[i].Format != "json-invalid" {
			t.Logf("%s: %s", r.File, f)
		}
	}
	t.Logf("%d files in %v: %v", len(files), took, by)
	for i, r := range results {
		for _, f := range r.Found {
			if f.Severity >= finding.Error && f.Rule != lint.Unreadable {
				t.Logf("%s (%s, %s): %s", r.File, index[i].Kind, index[i].Origin, f)
			}
		}
	}
}

type labelled struct {
	File       string `json:"file"`
	Exhaustive *bool  `json:"exhaustive"`
	Defects    []struct {
		Rule     string `json:"rule"`
		Severity string `json:"severity"`
		Why      string `json:"why"`
	} `json:"defects"`
}

// labels are the words in which a person labelled defects, with the rules that
// tell them.
func labels() map[string][]string {
	return map[string][]string{
		"lockout-no-key-admin":                  {"KEY004"},
		"lockout-no-account-root":               {"KEY005"},
		"create-grant-unrestricted":             {"KEY012"},
		"service-principal-no-source-condition": {"KEY017"},
		"condition-key-not-applicable":          {"KEY115", "KEY035", "KEY013"},
		"invalid-action":                        {"KEY006"},
		"reencrypt-without-star":                {"KEY006"},
		"wildcard-in-exact-operator":            {"KEY112"},
		"empty-principal":                       {"KEY113"},
		"empty-resource":                        {"KEY113"},
		"malformed-arn-in-condition":            {"KEY114"},
		"public-principal":                      {"KEY066"},
		"deny-hits-non-service-principals":      {"KEY116"},
		"via-service-same-service-principal":    {"KEY016"},
	}
}

// What a person found wrong is told, and next to nothing beside it.
func TestTheLabelledPolicies(t *testing.T) {
	t.Parallel()
	whole, extra := 0, 0
	for _, l := range gathered[labelled](t, "labels.jsonl") {
		f := policyFile(t, l.File)
		all := found(t, f.Name, string(f.Data))
		var expected []string
		for _, d := range l.Defects {
			known := labels()[d.Rule]
			expected = append(expected, known...)
			hit := slices.ContainsFunc(all, func(x rules.Found) bool { return slices.Contains(known, x.Rule) })
			if !hit && d.Severity != "info" {
				t.Errorf("%s: %s (%s: %s) is not told", l.File, d.Rule, d.Severity, d.Why)
			}
		}
		if l.Exhaustive != nil && !*l.Exhaustive {
			continue
		}
		whole++
		for _, x := range all {
			if x.Severity >= finding.Error && !slices.Contains(expected, x.Rule) {
				extra++
				t.Logf("%s: beside the labels: %s", l.File, x)
			}
		}
	}
	t.Logf("%d files are labelled as a whole, with %d errors beside the labels", whole, extra)
	if float64(extra) > 0.1*float64(whole) {
		t.Errorf("%d errors in %d files that nobody labelled", extra, whole)
	}
}
