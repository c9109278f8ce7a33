package rules

import (
	"maps"
	"slices"

	"github.com/keyreach/keyreach/finding"
)

func key117() Rule {
	return Rule{
		ID: "KEY117", Severity: finding.Error,
		Title: "A key policy is written for a role that was made anew",
		Text: "A key policy holds the unique id of the role it was written for. A role that is deleted and made again has another id: the ARN in the policy looks " +
			"right, and the new role gets nothing.",
		Fix:   "Write the key policy again, so that AWS takes the id of the role that lives.",
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
	for i := range m.Estate.Keys {
		k := &m.Estate.Keys[i]
		at := m.keyPlace(k.ARN)
		for _, name := range slices.Sorted(maps.Keys(k.PrincipalIDs)) {
			if id, stored := live[name], k.PrincipalIDs[name]; id != "" && stored != "" && id != stored {
				r.Add(at, k.ARN, "the key policy holds "+stored+" for "+name+", which is "+id+" now: it was deleted and made again, and the policy does not name it", "write the key policy again")
			}
		}
	}
}

// keyPlace is where a key is written.
func (m *Material) keyPlace(name string) finding.Position {
	for _, k := range m.Keys {
		if k.ARN.String() == name {
			return k.Pos
		}
	}
	return m.placeOf(name)
}
