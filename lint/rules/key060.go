package rules

import (
	"bytes"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key060() Rule {
	return Rule{
		ID: "KEY060", Severity: finding.Warning,
		Title: "No Version, or the old one",
		Text:  "A policy without Version is read as 2008-10-17, in which a policy variable such as ${aws:username} is plain text.",
		Fix:   "Write 2012-10-17.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html",
		Check: oldVersion,
		Fires: []Example{{"policy.json", `{
  "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"}]
}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow", "Action": "kms:Decrypt",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }]
}`}},
	}
}

// oldVersion relays what the reader found, and mends a Version that is written.
func oldVersion(m *Material, r *Report) {
	relay(m, r)
	r.found = slices.DeleteFunc(r.found, func(f Found) bool { return ofStatements(m, f.Position) })
	for i := range r.found {
		f := &r.found[i]
		for _, p := range m.Policies {
			v := p.Doc.Version
			if start := (policy.Pos{Line: 1, Column: 1}); v == nil && p.Doc.Pos == start && p.Doc.Position(start) == f.Position && strings.HasSuffix(p.Doc.File, ".json") && !usesVariables(p.Doc) {
				f.Edits = []Edit{{At: f.Position, Old: "{", New: "{\n  \"Version\": \"" + policy.Version2012 + "\","}}
			}
			if v != nil && v.Text == policy.Version2008 && p.Doc.Position(v.Pos) == f.Position && !usesVariables(p.Doc) {
				f.Edits = []Edit{{At: f.Position, Old: policy.Version2008, New: policy.Version2012}}
			}
		}
	}
}

// ofStatements reports whether a finding is about statements that stand by
// themselves: the document that they are put into has the Version.
func ofStatements(m *Material, at finding.Position) bool {
	return slices.ContainsFunc(m.Policies, func(p *Policy) bool {
		return p.Doc.Form == policy.BareStatements && p.Doc.Position(p.Doc.Pos) == at
	})
}

// usesVariables reports whether a text of the policy would be read as a policy
// variable under the new Version: then the policy would mean something else.
func usesVariables(d *policy.Document) bool {
	return bytes.Contains(d.AppendJSON(nil), []byte("${"))
}
