package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key059() Rule {
	return Rule{
		ID: "KEY059", Severity: finding.Error,
		Title: "Many may take the grants of others",
		Text: "Whoever has kms:RevokeGrant may take every grant on the key, also those that volumes and databases live by. kms:RetireGrant in a key policy " +
			"gives nothing: who may retire a grant stands in the grant.",
		Fix:   "Remove it, or ask for kms:GrantIsForAWSResource.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/grant-manage.html",
		Check: broadRevoking,
		Fires: []Example{{"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"
  }, {
    "Sid": "Members", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["kms:Decrypt", "kms:RevokeGrant"], "Resource": "*",
    "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
  }]
}`}},
		Silent: []Example{{"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"
  }, {
    "Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
    "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"], "Resource": "*",
    "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}
  }]
}`}},
	}
}

func broadRevoking(m *Material, r *Report) {
	m.inKeyPolicies(func(p *place, own owners) { broadRevoke(p, own, r) })
}

func broadRevoke(p *place, own owners, r *Report) {
	who := p.broad(own)
	if who == "" || p.s.Action == nil || p.openCondition() || p.asksFor("kms:GrantIsForAWSResource", "kms:ViaService") {
		return
	}
	for _, v := range p.s.Action.Values {
		switch {
		case namesRevoking(&v):
			r.add(p, v.Pos, v.Text+" lets "+who+" take the grants of all others", "remove it, or add Bool kms:GrantIsForAWSResource true")
		case strings.EqualFold(v.Text, "kms:RetireGrant"):
			r.add(p, v.Pos, v.Text+" for "+who+" in a key policy gives nothing: who may retire a grant stands in the grant. What was to be possible is not", "remove it; name the retiring principal when the grant is made")
		}
	}
}

// namesRevoking reports whether an action is kms:RevokeGrant, or a pattern about
// few more. A right to everything, kms:*, is an administrator's.
func namesRevoking(v *policy.Value) bool {
	return slices.Contains(kmsActions(v), "kms:RevokeGrant") && len(v.Text) > len("kms:r") && strings.EqualFold(v.Text[:len("kms:r")], "kms:r")
}
