package rules

import (
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
)

func key052() Rule {
	return Rule{
		ID: "KEY052", Severity: finding.Critical,
		Title: "A copy failed: its key is not accessible",
		Text: "A copy of an encrypted snapshot goes on after the call was answered, and when a key cannot be used the copy ends in the state error, " +
			"with the message \"Given key ID is not accessible\". The call itself reported nothing.",
		Fix:   "Check the rights on both keys for whoever copies (DescribeKey on the key of the copy too), delete the failed copy and make it again; wait until a copy is completed before relying on it.",
		Page:  "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html",
		Check: failedCopies,
		Fires: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [],
  "keys": [],
  "resources": [{"type": "ec2:Snapshot", "id": "snap-0123456789abcdef0", "account": "111122223333", "region": "eu-west-1",
    "attributes": {"state": "error", "stateMessage": "Given key ID is not accessible"}}]
}`}},
		Silent: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [],
  "keys": [],
  "resources": [{"type": "ec2:Snapshot", "id": "snap-0123456789abcdef0", "account": "111122223333", "region": "eu-west-1",
    "attributes": {"state": "completed"}}]
}`}},
	}
}

// failedCopies reports resources of an estate that AWS says failed for their key.
func failedCopies(m *Material, r *Report) {
	if m.Estate == nil {
		return
	}
	for i := range m.Estate.Resources {
		s := &m.Estate.Resources[i]
		for _, name := range slices.Sorted(maps.Keys(s.Attributes)) {
			if !strings.Contains(strings.ToLower(s.Attributes[name]), "given key id is not accessible") {
				continue
			}
			subject := s.ARN
			if subject == "" {
				subject = s.ID
			}
			r.Add(m.placeOf(subject), subject, "the copy failed: AWS says \"Given key ID is not accessible\"",
				"check the rights on the keys of the source and of the copy, and copy again")
			break
		}
	}
}
