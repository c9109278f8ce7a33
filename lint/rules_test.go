package lint_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/lint/rules"
)

var update = flag.Bool("update", false, "write docs/rules anew")

// found returns what lint finds in a text.
func found(t *testing.T, name, text string) []rules.Found {
	t.Helper()
	results, err := lint.Run(t.Context(), []lint.File{{Name: name, Data: []byte(text)}}, lint.Options{Rules: lint.Known()})
	if err != nil {
		t.Fatal(err)
	}
	return results[0].Found
}

// Every rule fires where its page says so, at a line of the text, and is silent
// in the look-alike.
func TestTheExamplesOfTheRules(t *testing.T) {
	t.Parallel()
	for _, r := range lint.Known() {
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			if (len(r.Fires) == 0) == (r.NoText == "") || len(r.Silent) == 0 {
				t.Error("the rule needs a text in which it fires and one in which it is silent")
			}
			for _, e := range r.Fires {
				fs := of(r.ID, found(t, e.Name, e.Text))
				if len(fs) == 0 {
					t.Errorf("it does not fire in %s:\n%s", e.Name, e.Text)
				}
				lines := strings.Count(e.Text, "\n") + 1
				for _, f := range fs {
					if f.Position.File != e.Name || f.Position.Line < 1 || f.Position.Line > lines {
						t.Errorf("%s is at %q, which is no line of %s", r.ID, f.Position, e.Name)
					}
					if f.Severity > r.Severity {
						t.Errorf("%s fires as %s, worse than the rule, which is %s", r.ID, f.Severity, r.Severity)
					}
				}
			}
			for _, e := range r.Silent {
				all := found(t, e.Name, e.Text)
				if fs := of(r.ID, all); len(fs) > 0 {
					t.Errorf("it fires in %s: %v", e.Name, fs)
				}
				if fs := of(lint.Unreadable, all); len(fs) > 0 && r.ID != lint.Unreadable {
					t.Errorf("%s cannot be read: %v", e.Name, fs)
				}
			}
		})
	}
}

func of(id string, all []rules.Found) []rules.Found {
	return slices.DeleteFunc(slices.Clone(all), func(f rules.Found) bool { return f.Rule != id })
}

// What a rule mends is mended: after its edits it is silent.
func TestFixesMend(t *testing.T) {
	t.Parallel()
	for _, r := range lint.Known() {
		for _, e := range r.Fires {
			f := lint.File{Name: e.Name, Data: []byte(e.Text)}
			results, err := lint.Run(t.Context(), []lint.File{f}, lint.Options{Rules: []rules.Rule{r}})
			if err != nil {
				t.Fatal(err)
			}
			x := lint.Fix(&results[0])
			if x == nil {
				continue
			}
			if x.Left > 0 {
				t.Errorf("%s: %s", r.ID, x.Problem())
			}
			for _, left := range of(r.ID, found(t, e.Name, string(x.After))) {
				if len(left.Edits) > 0 {
					t.Errorf("%s: still there after the fix: %v\n%s", r.ID, left, x.Diff())
				}
			}
		}
	}
}

func TestRulesAreComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range lint.Known() {
		if seen[r.ID] {
			t.Errorf("%s stands twice", r.ID)
		}
		seen[r.ID] = true
		if r.Title == "" || r.Text == "" || r.Fix == "" || r.Check == nil && !strings.HasPrefix(r.ID, "LINT") {
			t.Errorf("%s lacks a title, a text, a fix or a check", r.ID)
		}
		if r.Page != "" && !strings.HasPrefix(r.Page, "https://") {
			t.Errorf("%s: %q is no page", r.ID, r.Page)
		}
	}
}

// docs/rules is written from the rules: go test ./lint -run Pages -update.
func TestThePagesOfTheRules(t *testing.T) {
	t.Parallel()
	const dir = "../docs/rules"
	want := map[string]string{"README.md": rules.Index(lint.Known())}
	for _, r := range lint.Known() {
		want[r.ID+".md"] = r.Markdown()
	}
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range want {
		path := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s is not what the rule says: go test ./lint -run Pages -update", path)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := want[e.Name()]; !ok {
			t.Errorf("%s is the page of no rule", e.Name())
		}
	}
}
