package rules

import "github.com/keyreach/keyreach/finding"

func pol001() Rule {
	return Rule{
		ID: "POL001", Severity: finding.Error,
		Title: "The policy is no JSON",
		Text:  "A comma before a closing bracket and a comment are no JSON. AWS refuses the policy, so the one that was there before stays in force.",
		Fix:   "Remove what JSON does not have.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
		Check: relay,
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
