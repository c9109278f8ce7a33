package rules

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
)

func key037() Rule {
	return Rule{
		ID: "KEY037", Severity: finding.Error,
		Title: "The grantee of a grant was deleted, or made anew",
		Text: "A grant is for the principal that was there when it was made. When a role is deleted, the grant stays and lets nobody in; " +
			"a new role of the same name has another unique id, and the grant does not know it. " +
			"Service-linked roles are deleted and made anew more often than people think.",
		Fix:   "Revoke the grant, and make it again for the principal that is there now.",
		Page:  "https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html",
		Check: deadGrantees,
		Fires: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [{"arn": "arn:aws:iam::111122223333:role/copier", "id": "AROANEWNEWNEWNEWNEWNE"}],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "grants": [
    {"grant_id": "0c237476b39f8bc44e45212e08498fbe3151305030726c0590dd8d3e9f3d6a60", "operations": ["Decrypt"],
     "grantee_principal": "arn:aws:iam::111122223333:role/copier", "grantee_principal_id": "AROAOLDOLDOLDOLDOLDOL"}]}]
}`}},
		Silent: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "111122223333"}],
  "principals": [{"arn": "arn:aws:iam::111122223333:role/copier", "id": "AROANEWNEWNEWNEWNEWNE"}],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "grants": [
    {"grant_id": "0c237476b39f8bc44e45212e08498fbe3151305030726c0590dd8d3e9f3d6a60", "operations": ["Decrypt"],
     "grantee_principal": "arn:aws:iam::111122223333:role/copier", "grantee_principal_id": "AROANEWNEWNEWNEWNEWNE"}]}]
}`}},
	}
}

// deadGrantees reports grants that AWS shows for a unique id, which it does when
// the principal is gone, and those whose id is not that of the principal now.
func deadGrantees(m *Material, r *Report) {
	const fix = "revoke it, and make it again for the principal that is there now"
	live := map[string]bool{}
	if m.Estate != nil {
		for i := range m.Estate.Principals {
			live[m.Estate.Principals[i].ID] = true
		}
	}
	for _, g := range m.Grants {
		p, err := arn.ParsePrincipal(g.Grantee)
		if g.FromAWS && !g.UnknownGrantee && err == nil && p.Kind == arn.UniqueID && !live[g.Grantee] {
			r.Add(g.Pos, g.Key, "grant "+g.ID+" is for "+g.Grantee+": AWS shows a unique id when the principal is deleted, and the grant lets nobody in", fix)
		}
	}
	if m.Estate == nil {
		return
	}
	for i := range m.Estate.Keys {
		k := &m.Estate.Keys[i]
		for j := range k.Grants {
			g := &k.Grants[j]
			id, _, _ := strings.Cut(g.GranteePrincipalID, ":") // a session's has its name behind it
			name := g.GranteePrincipal
			if q, err := arn.ParsePrincipal(name); err == nil && q.RoleARN != "" {
				name = q.RoleARN
			}
			p := m.Estate.Principal(name)
			if p == nil || p.ID == "" || id == "" || p.ID == id {
				continue
			}
			r.Add(m.placeOf(g.GrantID), k.ARN, "grant "+g.GrantID+" was made for "+g.GranteePrincipal+" when its id was "+id+
				"; it was made anew since and is "+p.ID+" now, whom the grant does not let in", fix)
		}
	}
}
