package rules

import (
	"fmt"
	"maps"
	"slices"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
)

// nearlyAll is how many in a hundred of the grants that a key may have are
// worth a warning.
const nearlyAll = 80

func key038() Rule {
	return Rule{
		ID: "KEY038", Severity: finding.Warning,
		Title: "A key has nearly all the grants that it may have",
		Text: "A customer managed key may have 50,000 grants. EBS makes one for each volume that is attached, other services in a like way; " +
			"at the quota CreateGrant fails with LimitExceededException, and instances no longer start.",
		Fix:    "Revoke grants that nobody uses, or spread what is encrypted over several keys.",
		Page:   "https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html",
		Check:  manyGrants,
		NoText: "it takes forty thousand grants",
		Silent: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "grants": [
    {"grant_id": "0c237476b39f8bc44e45212e08498fbe3151305030726c0590dd8d3e9f3d6a60", "operations": ["Decrypt"],
     "grantee_principal": "arn:aws:iam::111122223333:role/copier"}]}]
}`}},
	}
}

// manyGrants counts the grants that AWS showed of each key.
func manyGrants(m *Material, r *Report) {
	first, count := map[string]*Grant{}, map[string]int{}
	for _, g := range m.Grants {
		if !g.FromAWS || g.Key == "" {
			continue
		}
		if count[g.Key]++; count[g.Key] == 1 {
			first[g.Key] = g
		}
	}
	most := awsfacts.Limits().GrantsPerKey
	for _, key := range slices.Sorted(maps.Keys(count)) {
		if n := count[key]; n*100 >= most*nearlyAll {
			r.Add(first[key].Pos, key, fmt.Sprintf("the key has %d of the %d grants that it may have", n, most), "revoke grants that nobody uses, or use further keys")
		}
	}
}
