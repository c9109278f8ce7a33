package lint_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/lint"
	"github.com/keyreach/keyreach/lint/input"
	"github.com/keyreach/keyreach/lint/rules"
)

// otherRegion is a policy against KEY014, with ten lines.
const otherRegion = `Version: "2012-10-17"
Statement:
  - Sid: Recovery
    Effect: Allow
    Action: kms:Decrypt
    Resource: arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab
    Condition:
      StringEquals:
        kms:ViaService: ec2.us-west-2.amazonaws.com
`

func run(t *testing.T, o lint.Options, files ...lint.File) []lint.Result {
	t.Helper()
	if o.Rules == nil {
		o.Rules = lint.Known()
	}
	results, err := lint.Run(t.Context(), files, o)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func ids(all []rules.Found) []string {
	var ids []string
	for _, f := range all {
		ids = append(ids, f.Rule)
	}
	return ids
}

func TestMarksInAFile(t *testing.T) {
	t.Parallel()
	line := "        kms:ViaService: ec2.us-west-2.amazonaws.com\n"
	for _, c := range []struct {
		name, text string
		want       []string
		muted      int
	}{
		{"without a mark it is told", otherRegion, []string{"KEY014"}, 0},
		{"on its own line", strings.Replace(otherRegion, line, strings.TrimSuffix(line, "\n")+" # keyreach:ignore KEY014 the replica is there\n", 1), nil, 1},
		{"on the line before", strings.Replace(otherRegion, line, "        # keyreach:ignore KEY014 the replica is there\n"+line, 1), nil, 1},
		{"above the block", strings.Replace(otherRegion, "  - Sid", "  # keyreach:ignore KEY014 the replica is there\n  - Sid", 1), nil, 1},
		{"with other rules", strings.Replace(otherRegion, "  - Sid", "  # keyreach:ignore KEY006, KEY014 the replica is there\n  - Sid", 1), nil, 1},
		{"for the file", "# keyreach:ignore-file KEY014 an example\n" + otherRegion, nil, 1},
		{"above another block", "# keyreach:ignore KEY014 the replica is there\n" + otherRegion, []string{"KEY014", "LINT003"}, 0},
		{"of another rule", "# keyreach:ignore-file KEY002 a reason\n" + otherRegion, []string{"KEY014", "LINT003"}, 0},
		{"without a reason", "# keyreach:ignore-file KEY014\n" + otherRegion, []string{"KEY014", "LINT002"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, lint.Options{}, lint.File{Name: "policy.yaml", Data: []byte(c.text)})[0]
			if d := cmp.Diff(c.want, ids(r.Found)); d != "" || len(r.Muted) != c.muted {
				t.Errorf("%d muted, told:\n%s", len(r.Muted), d)
			}
		})
	}
}

func TestTheConfigurationIgnores(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		entry lint.Ignore
		muted bool
	}{
		{"everywhere", lint.Ignore{Rule: "KEY014", Reason: "x"}, true},
		{"by the whole path", lint.Ignore{Rule: "KEY014", Files: []string{"old/*.yaml"}, Reason: "x"}, true},
		{"by the name", lint.Ignore{Rule: "KEY014", Files: []string{"policy.*"}, Reason: "x"}, true},
		{"below a directory", lint.Ignore{Rule: "KEY014", Files: []string{"old/"}, Reason: "x"}, true},
		{"in another file", lint.Ignore{Rule: "KEY014", Files: []string{"new/*.yaml"}, Reason: "x"}, false},
		{"another rule", lint.Ignore{Rule: "KEY015", Reason: "x"}, false},
		{"about something else", lint.Ignore{Rule: "KEY014", Subject: "another", Reason: "x"}, false},
	} {
		r := run(t, lint.Options{Ignore: []lint.Ignore{c.entry}}, lint.File{Name: "old/policy.yaml", Data: []byte(otherRegion)})[0]
		if (len(r.Muted) == 1) != c.muted {
			t.Errorf("%s: told %v, muted %v", c.name, ids(r.Found), r.Muted)
		}
	}
}

func TestReadingTheConfiguration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"format_version: 1\nignore:\n  - {rule: KEY014, reason: why, files: [a/*.json]}\n": "",
		"format_version: 1\nignore:\n  - {rule: KEY014}\n":                                 "c.yaml:3:6: KEY014 is ignored without a reason",
		"format_version: 1\nignore:\n  - {rule: key14, reason: x}\n":                       `c.yaml:3:6: "key14" is no rule`,
		"format_version: 1\nignore:\n  - {rule: KEY014, reason: x, files: ['[']}\n":        `c.yaml:3:6: "[" is no pattern`,
		"format_version: 1\nignored: []\n":                                                 `c.yaml:2:1: "ignored" is no member`,
		"ignore: []\n":                                                                     "c.yaml:1:1: the configuration has no format_version 1",
		"{":                                                                                "c.yaml:1:2:",
	} {
		_, err := lint.ReadConfig("c.yaml", []byte(text))
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
		} else if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// A file that cannot be read is a finding, and the others are looked at.
func TestAFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	results := run(t, lint.Options{},
		lint.File{Name: "a.json", Data: []byte("{\"Version\": \"2012-10-17\",\n \"Statement\": [")},
		lint.File{Name: "b.json", Err: os.ErrPermission},
		lint.File{Name: "c.yaml", Data: []byte(otherRegion)})
	if f := results[0].Found[0]; f.Rule != lint.Unreadable || f.Position.Line != 2 || f.Severity != finding.Error {
		t.Errorf("a.json: %v", results[0].Found)
	}
	if f := results[1].Found[0]; f.Rule != lint.Unreadable || f.Position.File != "b.json" {
		t.Errorf("b.json: %v", results[1].Found)
	}
	if d := cmp.Diff([]string{"KEY014"}, ids(results[2].Found)); d != "" {
		t.Error(d)
	}
}

func TestFixesFitTheText(t *testing.T) {
	t.Parallel()
	f := lint.File{Name: "x.json", Data: []byte("[\"ä\", \"kms:ReEncrypt\",\n 'b']")}
	at := func(line, column int) finding.Position {
		return finding.Position{File: "x.json", Line: line, Column: column}
	}
	fix := func(edits ...rules.Edit) *lint.Fixed {
		r := lint.Result{File: f.Name, Data: f.Data, Found: []rules.Found{{Finding: finding.Finding{Rule: "KEY006"}, Edits: edits}}}
		return lint.Fix(&r)
	}
	right := rules.Edit{At: at(1, 8), Old: "kms:ReEncrypt", New: "kms:ReEncrypt*"}
	if x := fix(right, right, rules.Edit{At: at(2, 2), Old: "b", New: "c"}); x == nil || string(x.After) != "[\"ä\", \"kms:ReEncrypt*\",\n 'c']" || x.Left != 0 {
		t.Errorf("%+v", x)
	}
	for name, e := range map[string]rules.Edit{
		"something else stands there": {At: at(1, 8), Old: "kms:Decrypt", New: "x"},
		"no such line":                {At: at(9, 1), Old: "x", New: "y"},
		"no such column":              {At: at(2, 99), Old: "x", New: "y"},
		"nowhere":                     {Old: "[", New: "y"},
	} {
		if x := fix(e); x != nil {
			t.Errorf("%s: %s", name, x.After)
		}
		if x := fix(e, right); x == nil || x.Left != 1 || x.Problem() == "" {
			t.Errorf("%s, beside one that fits: %+v", name, x)
		}
	}
}

func TestAMendedFileIsWrittenOnlyOverWhatWasRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(path, []byte("new"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := (&lint.Fixed{Name: path, Before: []byte("old"), After: []byte("mended")}).Write(); err == nil {
		t.Error("a changed file was overwritten")
	}
	if err := (&lint.Fixed{Name: path, Before: []byte("new"), After: []byte("mended")}).Write(); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || string(got) != "mended" || info.Mode().Perm() != 0o640 {
		t.Errorf("%s %v %v", got, info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// what is told in every format of machines.
func TestTheFormats(t *testing.T) {
	t.Parallel()
	f := lint.File{Name: "dir/p,1.yaml", Data: []byte(strings.Replace(otherRegion, "        kms:Via", "      # ä\n        kms:Via", 1))}
	ok := lint.File{Name: "ok.yaml", Data: []byte(strings.Replace(otherRegion, "us-west-2", "us-east-1", 1))}
	results := run(t, lint.Options{}, f, ok)
	t.Run("GitHub", func(t *testing.T) {
		t.Parallel()
		var b bytes.Buffer
		if err := lint.WriteGitHub(&b, results); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); !strings.HasPrefix(got, "::error file=dir/p%2C1.yaml,line=10,col=25,title=KEY014::") || strings.Count(got, "\n") != 1 {
			t.Error(got)
		}
	})
	t.Run("JUnit", func(t *testing.T) {
		t.Parallel()
		var b bytes.Buffer
		if err := lint.WriteJUnit(&b, results, finding.Error); err != nil {
			t.Fatal(err)
		}
		var read struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Suites   []struct {
				Name string `xml:"name,attr"`
			} `xml:"testsuite"`
		}
		if err := xml.Unmarshal(b.Bytes(), &read); err != nil || read.Tests != 2 || read.Failures != 1 || len(read.Suites) != 2 {
			t.Errorf("%v %+v\n%s", err, read, b.String())
		}
	})
	t.Run("SARIF", func(t *testing.T) {
		t.Parallel()
		var b bytes.Buffer
		if err := lint.WriteSARIF(&b, results, "1.0", lint.Known()); err != nil {
			t.Fatal(err)
		}
		var read struct {
			Version string
			Runs    []struct {
				Tool struct {
					Driver struct{ Rules []struct{ ID string } }
				}
				Results []struct {
					RuleID, Level string
					Locations     []struct {
						PhysicalLocation struct {
							Region struct{ StartLine, StartColumn int }
						}
					}
				}
			}
		}
		if err := json.Unmarshal(b.Bytes(), &read); err != nil {
			t.Fatal(err)
		}
		r := read.Runs[0]
		if read.Version != "2.1.0" || len(r.Results) != 1 || r.Results[0].RuleID != "KEY014" || r.Results[0].Level != "error" ||
			r.Results[0].Locations[0].PhysicalLocation.Region.StartLine != 10 || len(r.Tool.Driver.Rules) != 1 {
			t.Error(b.String())
		}
	})
}

// Whoever is outside of the account is found by the gate, through the policy
// and the grants.
func TestWhoIsOutside(t *testing.T) {
	t.Parallel()
	policy := `{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "kms:*", "Resource": "*"},
  {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:role/Reader"}, "Action": "kms:Decrypt", "Resource": "*"},
  {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "222222222222"}}},
  {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::333333333333:role/Writer"}, "Action": ["kms:Encrypt", "kms:PutKeyPolicy"], "Resource": "*"}
]}`
	m, err := input.Read("key-policy.json", []byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	all, err := lint.Outside(m, "", nil)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v %v", all, err)
	}
	if all[0].Account != "111111111111" || all[0].Assumed == "" {
		t.Errorf("the owner is %+v", all[0])
	}
	who := map[string]bool{}
	for _, g := range all[0].Gains {
		for _, a := range g.Actions {
			who[g.Principal+" "+a] = true
		}
	}
	if len(who) != 1 || !who["arn:aws:iam::333333333333:role/Writer kms:Encrypt"] {
		t.Errorf("outside may: %v", who)
	}
}
