package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
)

func key007() Rule {
	return Rule{
		ID: "KEY007", Severity: finding.Critical,
		Title: "Half of what another account needs is missing",
		Text: "A key of another account opens only when both sides say so: the key policy lets the account in, and an IAM policy of that account " +
			"allows the principal the action on the key's ARN. One alone opens nothing.",
		Fix:     "Write the other half: kms actions on the key's ARN in the IAM policy of whoever uses it, or the account in the key policy.",
		Page:    "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html",
		Assumed: "a text that shows one half may leave the other to somebody else; that is a warning or, of a template, information",
		Proven:  true,
		Check:   halves,
		Fires: []Example{{"guide.md", "# A key for the backup account\n\nAdd this statement to the key policy to give the backup account cross-account access:\n\n" +
			"```json\n{\n  \"Sid\": \"Backup\", \"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"arn:aws:iam::111122223333:root\"},\n" +
			"  \"Action\": [\"kms:Decrypt\", \"kms:DescribeKey\"], \"Resource\": \"*\"\n}\n```\n"}},
		Silent: []Example{{"guide.md", "# A key for the backup account\n\nAdd this statement to the key policy to give the backup account cross-account access; " +
			"the role in the backup account needs an IAM policy with the same actions.\n\n" +
			"```json\n{\n  \"Sid\": \"Backup\", \"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"arn:aws:iam::111122223333:root\"},\n" +
			"  \"Action\": [\"kms:Decrypt\", \"kms:DescribeKey\"], \"Resource\": \"*\"\n}\n```\n"}, {"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"}]
}`}},
	}
}

func halves(m *Material, r *Report) {
	unadmitted(m, r)
	identity := slices.ContainsFunc(m.allowing(IdentityPolicy), func(p place) bool { return len(p.patterns(anyAction)) > 0 })
	if m.Estate != nil || identity {
		return
	}
	for _, p := range m.Policies {
		if p.Kind == KeyPolicy {
			identityHalf(m, p, r)
		}
	}
}

func anyAction(string) bool { return true }

// identityHalf reports, once for a key policy, another account that it lets in
// where no IAM policy of that account is shown.
func identityHalf(m *Material, p *Policy, r *Report) {
	own := p.owners()
	for _, at := range p.allows() {
		if len(at.patterns(opens)) == 0 {
			continue
		}
		broad := at.broad(own) != ""
		for _, n := range at.principalNames() {
			if !own.others(&n) && (n.kind != arn.AccountRoot || !broad) {
				continue
			}
			text := "lets in " + n.value.Text + "; that opens nothing until an IAM policy of that account allows the same on the key's ARN, and none is shown here"
			const fix = "give whoever uses the key there an IAM policy with these actions on the key's ARN"
			switch {
			case len(m.Prose) > 0 && m.about("cross-account", "multi-account", "another account", "other account") && !m.about("iam polic", "identity polic", "identity-based", "inline polic", "iam role"):
				r.addAs(finding.Warning, &at, n.value.Pos, text, fix)
			case len(m.Prose) == 0 && p.Whole:
				r.addAs(finding.Info, &at, n.value.Pos, text, fix)
			default:
				continue
			}
			return
		}
	}
}

// unadmitted reports IAM policies for a key of another account whose whole
// policy is at hand and does not let the account in.
func unadmitted(m *Material, r *Report) {
	for _, p := range m.allowing(IdentityPolicy) {
		owner, err := arn.ParsePrincipal(p.policy.Owner)
		if err != nil || owner.IsServiceLinked() || p.s.Resource == nil || len(p.patterns(opens)) == 0 {
			continue
		}
		for i := range p.s.Resource.Values {
			v := &p.s.Resource.Values[i]
			key, err := arn.Parse(v.Text)
			if err != nil || unfilled(v) || !key.IsKMSKey() || strings.ContainsAny(v.Text, "*?") || key.Account == owner.Account {
				continue
			}
			if k := m.keyPolicy(key); k != nil && k.settled() && !admits(k, owner) && !granted(m, v.Text, owner) {
				r.add(&p, v.Pos, "the key policy of "+v.Text+" does not let in "+owner.Text+" or its account, so this allows nothing",
					"let account "+owner.Account+" in by the key policy")
			}
		}
	}
}

// keyPolicy returns the whole policy of a key.
func (m *Material) keyPolicy(key arn.ARN) *Policy {
	for _, p := range m.Policies {
		if p.Kind == KeyPolicy && p.Whole && p.Key == key {
			return p
		}
	}
	return nil
}

// admits reports whether a key policy names somebody, or may.
func admits(k *Policy, who arn.Principal) bool {
	for _, at := range k.allows() {
		if at.s.NotPrincipal != nil || at.s.NotAction != nil {
			return true
		}
		for _, n := range at.principalNames() {
			if unfilled(n.value) || n.kind == arn.Everyone || n.account == who.Account && (n.kind == arn.AccountRoot || n.name == who.Name) {
				return true
			}
		}
	}
	return false
}

// granted reports whether a grant on the key is for somebody of the account.
func granted(m *Material, key string, who arn.Principal) bool {
	return slices.ContainsFunc(m.Grants, func(g *Grant) bool {
		return (g.Key == key || g.Key == "" || strings.HasSuffix(key, "/"+g.Key)) && (g.UnknownGrantee || strings.Contains(g.Grantee, who.Account))
	})
}
