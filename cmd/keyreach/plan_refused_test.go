package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A plan that a guard refuses ends with 7, the guard's reason and what to do; nothing is
// saved.
func TestPlanThatAGuardRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := readExample(t, "drs-cross-account", "estate.json")
	long := fmt.Sprintf(`"Statement": [{"Sid": "Long", "Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:TagResource", "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/a": %q}}},`, strings.Repeat("x", 33<<10))
	at := strings.Index(data, `"Statement": [`)
	if at < 0 {
		t.Fatal("the example has no statements in this form")
	}
	key := strings.Index(data, `"keys"`)
	at = key + strings.Index(data[key:], `"Statement": [`)
	estateAt, out := filepath.Join(dir, "estate.json"), filepath.Join(dir, "plan.json")
	writeText(t, estateAt, data[:at]+long+data[at+len(`"Statement": [`):])
	code, said := ran(t, "plan", "--estate", estateAt, "--out", out, "../../examples/drs-cross-account")
	if code != exitGuarded || !strings.Contains(said, "refused by the length guard") || !strings.Contains(said, "nothing was written") {
		t.Errorf("exit code %d:\n%.2000s", code, said)
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a plan was saved: %v", err)
	}
}

func readExample(t *testing.T, example, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../examples", example, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ran runs the program and returns its exit code and what it said on standard error.
func ran(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, errs.String()
}

// change is one thing put wrong in a file that is right.
type change struct{ about, old, new string }

// A file of routes or a plan with one thing wrong is refused with the place, and nothing is
// saved.
func TestMalformedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "plan.json")
	if code, said := ran(t, "plan", "--out", good, "../../examples/drs-cross-account"); code != exitDone {
		t.Fatalf("exit code %d: %s", code, said)
	}
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	inRoutes := []change{
		{"an unclosed bracket", "profile: dr-staging}", "profile: dr-staging"},
		{"a version of the future", "format_version: 1", "format_version: 9"},
		{"a misspelled member", "accounts:", "acounts:"},
		{"an account number too short", `id: "444455556666"`, `id: "4444"`},
		{"an account number that is a list", `id: "444455556666"`, `id: []`},
		{"no Region", "region: us-east-1", "region: mars-1"},
		{"an unknown way in", "profile: dr-staging", "profil: dr-staging"},
		{"an actor of no kind", "role: RecoveryOperator", "rol: RecoveryOperator"},
		{"a kind that there is not", "kind: drs", "kind: dsr"},
		{"a route without a name", "name: recover-servers", `name: ""`},
		{"a party that there is not", "target: target", "targte: target"},
		{"an account that there is not", "target: target", "target: targte"},
		{"a key that is an alias's ARN", ":key/1234abcd-12ab-34cd-56ef-1234567890ab", ":alias/replication"},
		{"a key that is no ARN", "key: arn:aws:kms", "key: kms"},
		{"routes that are a map", "  - name: recover-servers", "    name: recover-servers"},
		{"a tab", "  staging:\n    id", "\tstaging:\n    id"},
	}
	inPlan := []change{
		{"an end too soon", `"digest"`, ""},
		{"a version of the future", `"format_version": 1`, `"format_version": 2`},
		{"no version", `"format_version": 1,`, ""},
		{"another kind", `"kind": "open"`, `"kind": "shut"`},
		{"a misspelled member", `"steps": [`, `"stepps": [`},
		{"steps that are a map", `"steps": [`, `"steps": {}, "x": [`},
		{"an op that there is not", `"op": "key-policy"`, `"op": "key-polcy"`},
		{"an op without its word", `"op": "key-policy",`, ""},
		{"a member that the op has not", `"key": "arn`, `"kee": "arn`},
		{"no policy", `"document": "{`, `"document": "`},
		{"another key in was", `"key": "arn:aws:kms:us-east-1:444455556666:key/1`, `"key": "arn:aws:kms:us-east-1:444455556666:key/2`},
		{"another statement", `kms:ReEncryptFrom`, `kms:*`},
		{"another digest", `"digest": "sha256:`, `"digest": "sha256:0`},
		{"no digest", `"digest"`, `"note"`},
		{"routes that are numbers", `"recover-servers"`, `7`},
		{"no routes", "[\n    \"recover-servers\"\n  ]", "[]"},
	}
	for i, c := range slices.Concat(inRoutes, inPlan) {
		file, text, args := "keyreach.yaml", readExample(t, "drs-cross-account", "keyreach.yaml"), []string{"plan", "--estate", "../../examples/drs-cross-account/estate.json", "--out"}
		if i >= len(inRoutes) {
			file, text, args = "plan.json", string(data), []string{"plan", "show"}
		}
		t.Run(file+" with "+c.about, func(t *testing.T) {
			t.Parallel()
			wrong := strings.Replace(text, c.old, c.new, 1)
			if wrong == text {
				t.Fatalf("the file has no %q", c.old)
			}
			at, out := filepath.Join(t.TempDir(), file), filepath.Join(t.TempDir(), "out.json")
			writeText(t, at, wrong)
			if file == "keyreach.yaml" {
				args = append(args, out)
			}
			code, said := ran(t, append(args, at)...)
			if place := regexp.MustCompile(regexp.QuoteMeta(at) + `:\d+:\d+: `); code != exitUsage || !place.MatchString(said) {
				t.Errorf("exit code %d, without a place:\n%.1000s", code, said)
			}
			if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was saved: %v", err)
			}
		})
	}
}
