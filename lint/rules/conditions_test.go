package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

// readExample makes material of an example that is a plain policy.
func readExample(t *testing.T, name, text string) *Material {
	t.Helper()
	d, findings, err := policy.Read(name, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	p := &Policy{Doc: d, Kind: IdentityPolicy, Standalone: !strings.HasPrefix(name, "fragment"), Read: findings}
	for i := range d.Statements {
		if s := &d.Statements[i]; s.Principal != nil || s.NotPrincipal != nil {
			p.Kind = KeyPolicy
		}
	}
	switch {
	case strings.HasPrefix(name, "scp"):
		p.Kind = ControlPolicy
	case strings.HasPrefix(name, "rcp"):
		p.Kind = ResourceControlPolicy
	}
	return &Material{File: name, Policies: []*Policy{p}}
}

func policyExample(name string) bool {
	for _, kind := range [...]string{"policy.", "key-policy.", "scp.", "rcp.", "fragment"} {
		if strings.HasPrefix(name, kind) {
			return true
		}
	}
	return false
}

func TestConditionRulesDoAsTheirExamplesSay(t *testing.T) {
	t.Parallel()
	for _, rule := range conditionRules() {
		t.Run(rule.ID, func(t *testing.T) {
			t.Parallel()
			if len(rule.Fires) == 0 || len(rule.Silent) == 0 {
				t.Fatal("a rule has at least one example that fires and one that stays silent")
			}
			for i, e := range rule.Fires {
				if policyExample(e.Name) && len(Check(readExample(t, e.Name, e.Text), []Rule{rule})) == 0 {
					t.Errorf("example %d (%s) does not fire", i+1, e.Name)
				}
			}
			for i, e := range rule.Silent {
				if !policyExample(e.Name) {
					continue
				}
				if found := Check(readExample(t, e.Name, e.Text), []Rule{rule}); len(found) > 0 {
					t.Errorf("example %d (%s) is not silent: %v", i+1, e.Name, found)
				}
			}
		})
	}
}

// TestConditionRulesOnRealPolicies lists what the rules say of a directory of
// policies, for a person to look at.
func TestConditionRulesOnRealPolicies(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("KEYREACH_CORPUS")
	if dir == "" {
		t.Skip("KEYREACH_CORPUS names no directory of policies")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no policies in %s: %v", dir, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := policy.Read(file, data); err != nil {
			continue
		}
		for _, f := range Check(readExample(t, filepath.Base(file), string(data)), conditionRules()) {
			if f.Severity >= finding.Warning {
				t.Logf("%s: %s", filepath.Base(filepath.Dir(file)), f.Finding)
			}
		}
	}
}
