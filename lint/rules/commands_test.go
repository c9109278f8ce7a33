package rules_test

import (
	"strings"
	"testing"

	"github.com/keyreach/keyreach/lint/input"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/lint/script"
	"github.com/keyreach/keyreach/lint/terraform"
)

// read makes material of an example, by its name.
func read(t *testing.T, name, text string) *rules.Material {
	t.Helper()
	m, err := &rules.Material{File: name}, error(nil)
	var parsed *script.Parsed
	switch {
	case strings.HasSuffix(name, ".sh"):
		parsed, err = script.Shell(name, []byte(text))
	case strings.HasSuffix(name, ".md"), strings.HasSuffix(name, ".txt"):
		parsed, err = script.Markdown(name, []byte(text))
	case strings.HasSuffix(name, ".tf"):
		m, err = terraform.Read(name, []byte(text))
	default:
		m, err = input.Read(name, []byte(text))
	}
	if err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	if parsed != nil {
		m.Commands, m.Prose, m.Code, m.Written = parsed.Commands, parsed.Prose, parsed.Code, parsed.Written
	}
	return m
}

// commandIDs are the rules that this test is about.
const commandIDs = "003 018 019 021 024 025 029 030 031 033 036 039 043 044 045 046 047 053 054 055 056 057 061 101 104 106 109 111"

func TestRulesOfCommandsFireInTheirExamplesOnly(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{}
	for id := range strings.FieldsSeq(commandIDs) {
		wanted["KEY"+id] = true
	}
	for _, rule := range rules.All() {
		if !wanted[rule.ID] {
			continue
		}
		delete(wanted, rule.ID)
		check := func(kind string, e rules.Example, fires bool) {
			found := rules.Check(read(t, e.Name, e.Text), []rules.Rule{rule})
			if (len(found) > 0) != fires {
				t.Errorf("%s: %s example %s: %d findings\n%s\n%v", rule.ID, kind, e.Name, len(found), e.Text, found)
			}
			for _, f := range found {
				if f.Position.Line == 0 {
					t.Errorf("%s: %s has no position", rule.ID, f.Text)
				}
			}
		}
		for _, e := range rule.Fires {
			check("firing", e, true)
		}
		for _, e := range rule.Silent {
			check("silent", e, false)
		}
	}
	for id := range wanted {
		t.Errorf("%s is in no list", id)
	}
}
