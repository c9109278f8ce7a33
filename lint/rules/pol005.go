package rules

import "github.com/keyreach/keyreach/finding"

func pol005() Rule {
	return Rule{
		ID: "POL005", Severity: finding.Error,
		Title: "A value of a kind that cannot stand there",
		Text:  "A map where a text belongs, null, or an element together with its opposite: AWS refuses the policy.",
		Fix:   "Write what the grammar of policies has there.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
		Check: relay,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow", "Action": "kms:Decrypt",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": null
  }]
}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow", "Action": "kms:CreateGrant",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"Bool": {"kms:GrantIsForAWSResource": true}}
  }]
}`}},
	}
}
