package rules

import (
	"fmt"
	"time"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
)

func key063() Rule {
	return Rule{
		ID: "KEY063", Severity: finding.Info,
		Title: "A grant is too young to be relied on",
		Text: "A grant takes up to some five minutes until every part of KMS knows it. Until then a call may be refused, or pass, " +
			"unless it passes the token that CreateGrant returned.",
		Fix:   "Pass the grant token, or try again before taking a refusal for an answer.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/grants.html#terms-eventual-consistency",
		Check: youngGrants,
		Fires: []Example{{"estate.json", `{
  "format_version": 1,
  "collected_at": "2026-03-01T12:00:00Z",
  "accounts": [{"id": "111122223333"}],
  "principals": [],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "grants": [
    {"grant_id": "0c237476b39f8bc44e45212e08498fbe3151305030726c0590dd8d3e9f3d6a60", "operations": ["Decrypt"],
     "grantee_principal": "arn:aws:iam::111122223333:role/copier", "created_at": "2026-03-01T11:58:00Z"}]}]
}`}},
		Silent: []Example{{"estate.json", `{
  "format_version": 1,
  "collected_at": "2026-03-01T12:00:00Z",
  "accounts": [{"id": "111122223333"}],
  "principals": [],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "grants": [
    {"grant_id": "0c237476b39f8bc44e45212e08498fbe3151305030726c0590dd8d3e9f3d6a60", "operations": ["Decrypt"],
     "grantee_principal": "arn:aws:iam::111122223333:role/copier", "created_at": "2026-03-01T11:50:00Z"}]}]
}`}},
	}
}

// youngGrants compares when grants were made with when the estate was read.
func youngGrants(m *Material, r *Report) {
	if m.Estate == nil || m.Estate.CollectedAt == nil {
		return
	}
	usual := time.Duration(awsfacts.Limits().PropagationMinutes) * time.Minute
	for _, g := range m.Grants {
		made, err := time.Parse(time.RFC3339, g.Created)
		if err != nil {
			continue
		}
		if age := m.Estate.CollectedAt.Sub(made); age >= 0 && age < usual {
			r.Add(g.Pos, g.Key, fmt.Sprintf("grant %s was made %s before the estate was read: not all of KMS may know it yet", g.ID, age.Round(time.Second)),
				"pass the grant token, or try again")
		}
	}
}
