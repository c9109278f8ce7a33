package rules

import "github.com/keyreach/keyreach/finding"

func key042() Rule {
	return Rule{
		ID: "KEY042", Severity: finding.Error,
		Title: "A statement without Action or Resource",
		Text:  "KMS takes a key policy whose statement lacks Action or Resource, and the statement applies to nothing. Only the console complains.",
		Fix:   "Add the element; in a key policy \"*\" is the key itself.",
		Page:  "https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html",
		Check: relay,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Restore", "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::444455556666:role/Restore"},
    "Action": "kms:Decrypt"
  }]
}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"
  }]
}`}},
	}
}
