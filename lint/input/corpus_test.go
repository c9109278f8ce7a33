package input_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/keyreach/keyreach/lint/input"
	"github.com/keyreach/keyreach/lint/rules"
)

// sample is one file that somebody wrote, and what it is known to be.
type sample struct{ File, Format, Kind string }

func samples(t *testing.T) (folder string, all []sample) {
	t.Helper()
	folder = os.Getenv("KEYREACH_CORPUS")
	if folder == "" {
		t.Skip("KEYREACH_CORPUS is not set: the policies in the wild are not read")
	}
	folder = filepath.Join(folder, "policies")
	f, err := os.Open(filepath.Join(folder, "index.jsonl"))
	if err != nil {
		t.Skipf("there are no policies: %v", err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var one sample
		if err := json.Unmarshal(s.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return folder, all
}

// Everything that people wrote is read, or refused with a reason and a place,
// and nearly always it is taken for what it is.
func TestFilesInTheWildAreReadAsWhatTheyAre(t *testing.T) {
	t.Parallel()
	folder, all := samples(t)
	read, refused, other := map[string]int{}, map[string]int{}, map[string]int{}
	for _, s := range all {
		data, err := os.ReadFile(filepath.Join(folder, s.File))
		if err != nil {
			t.Fatal(err)
		}
		m, err := input.Read(s.File, data)
		for _, p := range input.Problems(err) {
			if p.Position.Line == 0 || p.Text == "" {
				t.Errorf("%s is refused without a place: %v", s.File, p)
			}
			t.Logf("%s: %v", s.File, p)
		}
		switch {
		case is(m, s.Kind):
			read[s.Format]++
		case err != nil:
			refused[s.Format]++
		default:
			other[s.Format]++
			t.Logf("%s is a %s, and was read as a %s with %d policies", s.File, s.Kind, m.Format, len(m.Policies))
		}
	}
	wrong := 0
	t.Logf("%-14s %5s %8s %6s", "format", "read", "refused", "other")
	for _, f := range []string{"json", "json-template", "json-invalid", "excerpt", "yaml", "cfn-json", "cfn-yaml", "cdk-json", "k8s-yaml", "ansible", "grant-json", "cli-grant", "hcl"} {
		t.Logf("%-14s %5d %8d %6d", f, read[f], refused[f], other[f])
		wrong += other[f]
	}
	if wrong*10 > len(all) {
		t.Errorf("%d of %d files are taken for something else", wrong, len(all))
	}
}

// is reports whether material holds what a file is known to hold.
func is(m *rules.Material, kind string) bool {
	kinds := map[string]rules.Kind{"key-policy": rules.KeyPolicy, "identity": rules.IdentityPolicy, "scp": rules.ControlPolicy, "rcp": rules.ResourceControlPolicy}
	if kind == "grant" {
		return len(m.Grants) > 0
	}
	return slices.ContainsFunc(m.Policies, func(p *rules.Policy) bool { return p.Kind == kinds[kind] })
}

// reasons joins what an error says, for messages.
func reasons(err error) []string {
	var all []string
	for _, p := range input.Problems(err) {
		all = append(all, p.Error())
	}
	if err != nil && !errors.As(err, new(*input.Error)) {
		all = append(all, err.Error())
	}
	return all
}

// readsAs reads a text and compares the format and what is in it.
func readsAs(t *testing.T, name, text, format, want string) *rules.Material {
	t.Helper()
	m, err := input.Read(name, []byte(text))
	if err != nil {
		t.Fatal(reasons(err))
	}
	if got := said(m); got != want || m.Format != format {
		t.Errorf("read as %s: %s\nwant %s: %s", m.Format, got, format, want)
	}
	return m
}
