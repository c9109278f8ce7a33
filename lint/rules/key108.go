package rules

import (
	"slices"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key108() Rule {
	return Rule{
		ID: "KEY108", Severity: finding.Warning,
		Title: "The same right in the key policy and in an IAM policy",
		Text: "Inside the key's account one of the two is enough: the key policy that names the principal, or the account's statement with an IAM policy. " +
			"Where both stand they drift apart, and taking the right away in one place does not take it away.",
		Fix:   "Keep one of the two.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html",
		Check: twoSources,
		Fires: []Example{{"main.tf", `resource "aws_kms_key" "backup" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Own", Effect = "Allow", Principal = { AWS = "arn:aws:iam::444455556666:root" }, Action = "kms:*", Resource = "*" },
      { Sid = "Use", Effect = "Allow", Principal = { AWS = "arn:aws:iam::444455556666:role/Restore" }, Action = "kms:Decrypt", Resource = "*" },
    ]
  })
}

resource "aws_iam_role_policy" "restore" {
  role = "Restore"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "kms:Decrypt", Resource = "*" }]
  })
}
`}},
		Silent: []Example{{"main.tf", `resource "aws_kms_key" "backup" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Own", Effect = "Allow", Principal = { AWS = "arn:aws:iam::444455556666:root" }, Action = "kms:*", Resource = "*" },
    ]
  })
}

resource "aws_iam_role_policy" "restore" {
  role = "Restore"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "kms:Decrypt", Resource = "*" }]
  })
}
`}},
	}
}

func twoSources(m *Material, r *Report) {
	rights := m.allowing(IdentityPolicy)
	rights = slices.DeleteFunc(rights, func(p place) bool { return len(p.patterns(anyAction)) == 0 })
	if len(rights) == 0 {
		return
	}
	for _, k := range m.Policies {
		if k.Kind != KeyPolicy {
			continue
		}
		own := slices.DeleteFunc(k.owners(), func(account string) bool { return !k.delegates(account) })
		for _, p := range k.allows() {
			sameNames(&p, own, rights, r)
		}
	}
}

func sameNames(p *place, own owners, rights []place, r *Report) {
	for _, n := range p.principalNames() {
		if n.name == "" || n.kind != arn.Role && n.kind != arn.User || !slices.Contains(own, n.account) {
			continue
		}
		if both := sameRights(rights, p, n.name); len(both) > 0 {
			r.add(p, n.value.Pos, n.name+" has "+list(both)+" here and by an IAM policy in this text; the account is let in, so either is enough, and the two will drift apart",
				"keep one of the two")
		}
	}
}

// delegates reports whether the policy lets the account's IAM policies count.
func (p *Policy) delegates(account string) bool {
	return slices.ContainsFunc(p.allows(), func(at place) bool {
		return at.includes("kms:Decrypt") == policy.True && slices.ContainsFunc(at.principalNames(), func(n principalName) bool {
			return n.kind == arn.AccountRoot && n.account == account
		})
	})
}

// sameRights returns the actions of the statement that an IAM policy of the
// principal allows too.
func sameRights(rights []place, p *place, name string) []string {
	var both []string
	for _, q := range rights {
		if !owned(q.policy, name) || q.s.Action == nil {
			continue
		}
		for i := range q.s.Action.Values {
			for _, a := range kmsActions(&q.s.Action.Values[i]) {
				if p.includes(a) == policy.True {
					both = append(both, a)
				}
			}
		}
	}
	slices.Sort(both)
	return slices.Compact(both)
}

// owned reports whether an identity policy is attached to a user or role of the
// name.
func owned(p *Policy, name string) bool {
	if p.Role != "" {
		return p.Role == name
	}
	owner, err := arn.ParsePrincipal(p.Owner)
	return err == nil && owner.Name == name
}
