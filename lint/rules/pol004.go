package rules

import "github.com/keyreach/keyreach/finding"

func pol004() Rule {
	return Rule{
		ID: "POL004", Severity: finding.Error,
		Title: "No Effect, or one that AWS does not have",
		Text:  "A statement allows or denies by its Effect, which is Allow or Deny, with the capital. AWS refuses any other, and one without.",
		Fix:   "Write Allow or Deny.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_effect.html",
		Check: relay,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"}]
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
