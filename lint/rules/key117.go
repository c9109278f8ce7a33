package rules

import (
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
)

func key117() Rule {
	return Rule{
		ID: "KEY117", Severity: finding.Error,
		Title: "A policy or grant of a role that was made anew",
		Text: "A policy or grant holds the unique id of the role it was written for. A role that is deleted and made again has another id: the ARN in the policy or grant looks " +
			"right, and the new role gets nothing.",
		Fix:   "Write the key policy again, or make the grant again, so that AWS takes the id of the role that lives.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html",
		Check: otherIDs,
		Fires: []Example{{"estate.json", `{"format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [{"arn": "arn:aws:iam::111122223333:role/app", "id": "AROAJQABLZS4A3QDU576Q"}],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "principal_ids": {"arn:aws:iam::111122223333:role/app": "AROAIIAV2LTBGDXZ4OXYZ"},
    "policy": {"Version": "2012-10-17", "Statement": [
      {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"},
      {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/app"}, "Action": "kms:Decrypt", "Resource": "*"}]}}]
}`}},
		Silent: []Example{{"estate.json", `{"format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [{"arn": "arn:aws:iam::111122223333:role/app", "id": "AROAJQABLZS4A3QDU576Q"}],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "principal_ids": {"arn:aws:iam::111122223333:role/app": "AROAJQABLZS4A3QDU576Q"},
    "policy": {"Version": "2012-10-17", "Statement": [
      {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"},
      {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/app"}, "Action": "kms:Decrypt", "Resource": "*"}]}}]
}`}},
	}
}

// otherIDs compares the ids that AWS stored with those of the roles and users
// that live.
func otherIDs(m *Material, r *Report) {
	if m.Estate == nil {
		return
	}
	live := map[string]string{}
	for i := range m.Estate.Principals {
		if p := &m.Estate.Principals[i]; p.ID != "" {
			live[p.ARN] = p.ID
		}
	}
	keys, grants := m.keyPositions(), m.grantPositions()
	for i := range m.Estate.Keys {
		k := &m.Estate.Keys[i]
		at, ok := keys[k.ARN]
		if !ok {
			at = finding.Position{File: m.File}
		}
		for _, name := range slices.Sorted(maps.Keys(k.PrincipalIDs)) {
			if id, stored := live[name], k.PrincipalIDs[name]; id != "" && stored != "" && id != stored {
				r.Add(at, k.ARN, "the key policy holds "+stored+" for "+name+", which is "+id+" now: it was deleted and made again, and the policy does not name it", "write the key policy again")
			}
		}
		for j := range k.Grants {
			if text := deadGrant(&k.Grants[j], live); text != "" {
				where, ok := grants[k.Grants[j].GrantID]
				if !ok {
					where = at
				}
				r.Add(where, k.ARN, text, "make the grant again, and revoke this one")
			}
		}
	}
}

// deadGrant says that a grant is for somebody who is gone; "" when it is not known
// to be.
func deadGrant(g *estate.Grant, live map[string]string) string {
	id, _, _ := strings.Cut(g.GranteePrincipalID, ":")
	q, err := arn.ParsePrincipal(g.GranteePrincipal)
	if err != nil {
		return ""
	}
	name := q.Text
	if q.RoleARN != "" {
		name = q.RoleARN
	}
	if now := live[name]; id != "" && now != "" && now != id {
		return "grant " + g.GrantID + " is for " + id + ", and " + name + " is " + now + " now: it was deleted and made again, and the grant gives it nothing"
	}
	return ""
}

// keyPositions returns where the keys are written, by ARN.
func (m *Material) keyPositions() map[string]finding.Position {
	at := map[string]finding.Position{}
	for _, k := range m.Keys {
		at[k.ARN.String()] = k.Pos
	}
	return at
}

// grantPositions returns where the grants are written, by id.
func (m *Material) grantPositions() map[string]finding.Position {
	at := map[string]finding.Position{}
	for _, g := range m.Grants {
		if g.ID != "" {
			at[g.ID] = g.Pos
		}
	}
	return at
}
