package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key066() Rule {
	return Rule{
		ID: "KEY066", Severity: finding.Critical,
		Title: "A key for everybody",
		Text: `A Principal of "*" names every identity of every account. Unless a condition says whose, anybody whose own account lets him may use the key. ` +
			"A condition that anybody can satisfy, such as kms:ViaService by itself, leaves the key open by that way.",
		Fix:   "Add kms:CallerAccount or aws:PrincipalOrgID, or name the principals.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html",
		Check: openKeys,
		Fires: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Use", "Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"
}]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Use", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*",
  "Condition": {"Bool": {"aws:SecureTransport": "true"}}
}]}`},
		},
		Silent: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Use", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["kms:Decrypt", "kms:CreateGrant"], "Resource": "*",
  "Condition": {"StringEquals": {"kms:CallerAccount": "111122223333", "kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}
}, {
  "Sid": "Apps", "Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"StringEquals": {"aws:SourceOrgID": "o-a1b2c3d4e5"}, "Bool": {"aws:PrincipalIsAWSService": "true"}}
}]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Use", "Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"},
  {"Sid": "Ours", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
   "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}}
]}`},
			{"rcp.json", `{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}]}`},
		},
	}
}

// openKeys reports statements of key policies that let strangers in.
func openKeys(m *Material, r *Report) {
	shut := m.somePolicies((*place).deniesStrangers)
	for _, p := range m.statements(KeyPolicy) {
		if !p.allows() || !p.everyone() || !p.acrossAccounts() || shut[p.policy] {
			continue
		}
		switch conditions := p.asks(); {
		case len(conditions) == 0 || best(conditions, stranger(directCall)) == policy.True:
			r.add(&p, p.s.Pos, "lets everybody of every account use the key, as far as their own account lets them", "add kms:CallerAccount or aws:PrincipalOrgID, or name the principals")
		case anybodyForwards(conditions):
			r.addAs(finding.Warning, &p, p.s.Pos, "lets everybody of every account use the key by way of the service: nothing says whose calls it may pass on", "add kms:CallerAccount or aws:PrincipalOrgID")
		}
	}
}

// everyone reports whether the statement names everybody, or everybody but some.
func (p *place) everyone() bool {
	if p.s.NotPrincipal != nil {
		return true
	}
	return slices.ContainsFunc(p.principals(), func(n named) bool { return n.group == "AWS" && n.value.Text == "*" })
}

// acrossAccounts reports whether the statement covers anything that somebody of
// another account could do.
func (p *place) acrossAccounts() bool {
	for _, k := range p.kmsPatterns() {
		for _, action := range k.covered {
			if op, ok := awsfacts.KMSOperation(action); ok && op.KeyBound && op.CrossAccount {
				return true
			}
		}
	}
	return p.s.NotAction != nil
}

// deniesStrangers reports whether the statement keeps strangers out of the key.
func (p *place) deniesStrangers() bool {
	return p.policy.Kind == KeyPolicy && p.denies() && p.everyone() && best(p.asks(), stranger(directCall)) == policy.True
}

// anybodyForwards reports whether a stranger satisfies all conditions by having a
// service pass on his call.
func anybodyForwards(conditions []asked) bool {
	sc := stranger(forwardedCall)
	for i := range conditions {
		a := &conditions[i]
		if atWill(a.name) && a.best(sc) != policy.False {
			continue
		}
		if a.best(sc) != policy.True {
			return false
		}
	}
	return true
}

// atWill reports whether whoever calls can have what he likes in the key.
func atWill(key string) bool {
	return key == "kms:viaservice" || key == "kms:grantisforawsresource" || strings.HasPrefix(key, "aws:calledvia")
}
