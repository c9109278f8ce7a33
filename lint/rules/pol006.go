package rules

import "github.com/keyreach/keyreach/finding"

func pol006() Rule {
	return Rule{
		ID: "POL006", Severity: finding.Error,
		Title: "A policy without statements",
		Text:  "A document without Statement, or with an empty list, says nothing, and AWS refuses it.",
		Fix:   "Write the statements, or remove the policy.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
		Check: relay,
		Fires: []Example{{"policy.json", `{"Version": "2012-10-17", "Statement": []}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow", "Action": "kms:Decrypt",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }]
}`}},
	}
}
