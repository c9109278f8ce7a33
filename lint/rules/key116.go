package rules

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
)

func key116() Rule {
	return Rule{
		ID: "KEY116", Severity: finding.Error,
		Title: "A perimeter for services that hits everybody",
		Text: "aws:SourceAccount, aws:SourceArn and aws:SourceOrgID stand in a request only when a service calls for itself. A Deny that asks for another value " +
			"holds for every request without the key too, with IfExists or without: for all calls of users and roles.",
		Fix:   "Add Bool aws:PrincipalIsAWSService true to the Deny, so that it is about calls of services only.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/resource-control-policies.html",
		Check: perimeterHitsAll,
		Fires: []Example{{"rcp.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "ServicesOfOurs", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
  "Condition": {"StringNotEqualsIfExists": {"aws:SourceOrgID": "o-a1b2c3d4e5"}}
}]}`}},
		Silent: []Example{
			{"rcp.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "ServicesOfOurs", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
  "Condition": {
    "StringNotEqualsIfExists": {"aws:SourceOrgID": "o-a1b2c3d4e5", "aws:SourceAccount": "444455556666"},
    "Bool": {"aws:PrincipalIsAWSService": "true"}, "Null": {"aws:SourceAccount": "false"}}
}]}`},
			{"rcp.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Ours", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
  "Condition": {"StringNotEqualsIfExists": {"aws:SourceOrgID": "o-a1b2c3d4e5", "aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
}]}`},
		},
	}
}

// perimeterHitsAll reports Deny statements about the source of calls of services
// that users and roles cannot escape.
func perimeterHitsAll(m *Material, r *Report) {
	for _, p := range m.statements(ResourceControlPolicy, KeyPolicy) {
		if !p.denies() || !p.comes(directCall) || len(p.kmsPatterns()) == 0 && p.s.NotAction == nil {
			continue
		}
		if a := ordinary(directCall).denied(p.asks(), tellsSource); a != nil {
			r.add(&p, a.key.Pos, a.op.Name+" "+a.key.Name+" holds for every call of a user or role, which has no "+a.key.Name+": the statement denies them all",
				"add Bool aws:PrincipalIsAWSService true")
		}
	}
}

// tellsSource reports whether a key tells for what a service calls.
func tellsSource(name string) bool {
	switch name {
	case "aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid":
		return true
	}
	return strings.HasPrefix(name, "aws:sourceorgpaths")
}
