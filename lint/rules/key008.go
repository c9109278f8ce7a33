package rules

import "github.com/keyreach/keyreach/finding"

func key008() Rule {
	return Rule{
		ID: "KEY008", Severity: finding.Critical,
		Title: "An element that the policy language does not have",
		Text:  "AWS refuses a policy with an unknown element. Whoever reads it here and lets the element pass believes in a limit or a right that is not there:\nResources limits nothing, Principals names nobody.",
		Fix:   "Write the element as AWS calls it.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
		Check: relay,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resources": ["arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"]}]
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
