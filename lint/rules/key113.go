package rules

import "github.com/keyreach/keyreach/finding"

func key113() Rule {
	return Rule{
		ID: "KEY113", Severity: finding.Error,
		Title: "An empty Principal, Action or Resource",
		Text: "A statement that names nobody, or nothing, applies to nothing. AWS refuses an empty Principal; elsewhere the text is often what a template " +
			"leaves when a variable is not set.",
		Fix:   "Name the principal, action or resource that is meant, or remove the statement.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
		Check: relay,
		Fires: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Principal": {"AWS": ""}, "Action": "kms:Decrypt", "Resource": "*"
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": []}]}`},
		},
		Silent: []Example{{"policy.json", `{"Version": "2012-10-17", "Statement": [{"Sid": "", "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": ["*"]}]}`}},
	}
}
