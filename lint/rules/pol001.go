package rules

import (
	"slices"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func pol001() Rule {
	return Rule{
		ID: "POL001", Severity: finding.Error,
		Title:   "The policy is no JSON",
		Text:    "A comma before a closing bracket and a comment are no JSON. AWS refuses the policy, so the one that was there before stays in force.",
		Fix:     "Remove what JSON does not have.",
		Assumed: "what renders a template may take a comment or a comma away, so there it is a warning",
		Page:    "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
		Check:   noJSON,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey",],
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }]
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

// noJSON relays what the reader found; in a text that is still to be rendered it
// is a warning.
func noJSON(m *Material, r *Report) {
	relay(m, r)
	for _, p := range m.Policies {
		if !slices.ContainsFunc(p.Read, func(f finding.Finding) bool { return f.Rule == policy.RulePlaceholder }) {
			continue
		}
		for i := range r.found {
			if f := &r.found[i]; slices.ContainsFunc(p.Read, func(read finding.Finding) bool { return read.Rule == f.Rule && read.Position == f.Position }) {
				f.Severity = finding.Warning
			}
		}
	}
}
