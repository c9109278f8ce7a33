package rules

import "github.com/keyreach/keyreach/finding"

func pol003() Rule {
	return Rule{
		ID: "POL003", Severity: finding.Error,
		Title: "A condition operator that AWS does not have",
		Text:  "AWS refuses a policy with an operator that it does not know. Whether the statement was to apply cannot be told.",
		Fix:   "Write one of AWS's operators.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html",
		Check: relay,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow", "Action": "kms:Decrypt",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"StringEqual": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
  }]
}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow", "Action": "kms:Decrypt",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"ForAnyValue:StringEqualsIfExists": {"kms:EncryptionContextKeys": "aws:s3:arn"}}
  }]
}`}},
	}
}
