package rules

import (
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key005() Rule {
	return Rule{
		ID: "KEY005", Severity: finding.Warning,
		Title: "The key policy leaves the key's account out",
		Text: "Without a statement for the account itself no IAM policy of the account counts on the key, and when the users and roles that the policy names " +
			"are deleted nobody administers the key any more.",
		Fix:   "Allow kms:* to the account, or name two durable administrators.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html",
		Check: accountLeftOut,
		Fires: []Example{{"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Admin", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:user/admin"}, "Action": "kms:*", "Resource": "*"
  }]
}`}},
		Silent: []Example{{"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Admin", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:user/admin"}, "Action": "kms:*", "Resource": "*"
  }, {
    "Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "kms:*", "Resource": "*"
  }]
}`}, {"fragment-key-policy.json", `{
  "Sid": "Use", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:role/Restore"}, "Action": "kms:Decrypt", "Resource": "*"
}`}},
	}
}

// accountLeftOut looks at policies that are whole, or that name administrators,
// which a part that is put to others does not.
func accountLeftOut(m *Material, r *Report) {
	for _, p := range m.Policies {
		if p.Kind != KeyPolicy || !p.settled() {
			continue
		}
		switch sure := m.completeness(p); {
		case sure == whole || sure == presented:
		case p.Doc.Version != nil && administrators(p) > 0 && len(m.Prose) == 0:
		default:
			continue
		}
		if p.admitsItself() || administrators(p) >= 2 {
			continue
		}
		account := p.Key.Account
		if account == "" {
			account = "that the key is in"
		}
		r.Add(p.Doc.Position(p.Doc.Pos), p.Owner, "the key policy has no statement for the account "+account+" itself, so no IAM policy of that account counts on this key",
			"allow kms:* to arn:aws:iam::ACCOUNT:root, or name two durable administrators")
	}
}

// administrators counts the users and roles that a policy lets change it.
func administrators(p *Policy) int {
	count := 0
	for _, at := range p.allows() {
		if at.includes("kms:PutKeyPolicy") == policy.False {
			continue
		}
		for _, n := range at.principalNames() {
			if n.kind == arn.User || n.kind == arn.Role {
				count++
			}
		}
	}
	return count
}

// admitsItself reports whether the policy names the account that the key is in,
// or may: where the account is not known, any account, and whatever is still to
// be filled in.
func (p *Policy) admitsItself() bool {
	for _, at := range p.allows() {
		for _, n := range at.principalNames() {
			switch {
			case n.value.Kind == policy.OpaqueValue, n.kind == arn.Invalid && n.value.Unknown:
				return true
			case n.kind == arn.Everyone && len(at.s.Conditions) == 0:
				return true
			case n.kind == arn.AccountRoot && (p.Key.Account == "" || !arn.IsAccount(n.account) || n.account == p.Key.Account):
				return true
			}
		}
	}
	return false
}
