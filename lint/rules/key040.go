package rules

import (
	"slices"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
)

func key040() Rule {
	return Rule{
		ID: "KEY040", Severity: finding.Warning,
		Title: "An action that never works across accounts, given to another account",
		Text: "Most operations that manage a key work on keys of the caller's own account only. A key policy that allows one of them to another account is accepted, " +
			"and lets nobody do anything.",
		Fix:   "Remove the actions from the statement; whoever manages the key does so in its own account.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html",
		Check: neverAcross,
		Fires: []Example{{"key-policy.json", `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Owner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
  {"Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/app"},
   "Action": ["kms:Decrypt", "kms:TagResource"], "Resource": "*"}
]}`}},
		Silent: []Example{{"key-policy.json", `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Owner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
  {"Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::111122223333:role/app", "arn:aws:iam::444455556666:role/app"]},
   "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:CreateGrant", "kms:TagResource"], "Resource": "*"},
  {"Sid": "Other", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/app"},
   "Action": ["kms:Get*", "kms:ListGrants"], "Resource": "*"}
]}`}},
	}
}

func neverAcross(m *Material, r *Report) {
	keyed := m.keyOwners()
	m.inKeyPolicies(func(p *place, own owners) {
		if !p.foreignOnly(own.orRather(keyed[p.policy])) {
			return
		}
		for _, k := range p.kmsPatterns() {
			if k.onlyKMS() && !slices.ContainsFunc(k.covered, worksAcross) {
				r.add(p, k.value.Pos, k.value.Text+" never works on a key of another account, so it lets nobody do anything here", "remove it")
			}
		}
	})
}

// worksAcross reports whether an action can be done with a key of another
// account; of one that acts on no key it is not asked here.
func worksAcross(action string) bool {
	op, ok := awsfacts.KMSOperation(action)
	return !ok || op.CrossAccount || !op.KeyBound
}

// orRather returns the owner alone where it is known, and otherwise those that are
// written as a template writes its own account.
func (own owners) orRather(owner string) owners {
	if owner != "" {
		return owners{owner}
	}
	var left owners
	for _, account := range own {
		if ownExpression(account) {
			left = append(left, account)
		}
	}
	return left
}

// foreignOnly reports whether everybody whom the statement names is known to
// belong to another account than those that the key can be of.
func (p *place) foreignOnly(own owners) bool {
	ns := p.principalNames()
	for i := range ns {
		if !arn.IsAccount(ns[i].account) || !own.others(&ns[i]) {
			return false
		}
	}
	return len(ns) > 0
}
