package rules

import "github.com/keyreach/keyreach/finding"

func pol002() Rule {
	return Rule{
		ID: "POL002", Severity: finding.Error,
		Title: "A member stands twice",
		Text:  "Of two members of the same name a JSON reader keeps one, and which is not settled. AWS refuses such a policy; what the first one says is lost.",
		Fix:   "Keep one of the two, or put both into one list.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
		Check: relay,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow", "Action": "kms:Decrypt", "Action": "kms:DescribeKey",
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
