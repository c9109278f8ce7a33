package rules

import (
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key113() Rule {
	return Rule{
		ID: "KEY113", Severity: finding.Error,
		Title: "An empty Principal, Action or Resource",
		Text: "A statement that names nobody, or nothing, applies to nothing. AWS refuses an empty Principal; elsewhere the text is often what a template " +
			"leaves when a variable is not set.",
		Fix:   "Name the principal, action or resource that is meant, or remove the statement.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html",
		Check: emptyNames,
		Fires: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Principal": {"AWS": ""}, "Action": "kms:Decrypt", "Resource": "*"
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": []}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": ["arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab", ""]}]}`},
		},
		Silent: []Example{{"policy.json", `{"Version": "2012-10-17", "Statement": [{"Sid": "", "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": ["*"]}]}`}},
	}
}

// emptyNames relays what the reader found, and reports empty texts among others.
func emptyNames(m *Material, r *Report) {
	relay(m, r)
	for _, p := range m.statements() {
		for _, l := range []*policy.List{p.s.Action, p.s.NotAction, p.s.Resource, p.s.NotResource} {
			if l == nil || len(l.Values) < 2 {
				continue
			}
			for i := range l.Values {
				if v := &l.Values[i]; plain(v) && v.Text == "" {
					r.add(&p, v.Pos, "one of the names in this list is empty, and AWS refuses the policy", "write the name that is meant, or take it out")
				}
			}
		}
	}
}
