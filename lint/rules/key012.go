package rules

import (
	"cmp"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key012() Rule {
	return Rule{
		ID: "KEY012", Severity: finding.Warning,
		Title: "Many may make grants for anybody",
		Text: "A grant gives rights on the key without a change of its policy. Whoever has kms:CreateGrant by a policy may hand out every right on the key, " +
			"to anybody, also to other accounts.",
		Fix:     "Ask for kms:GrantIsForAWSResource, or name the grantees by kms:GranteePrincipal and the rights by kms:GrantOperations.",
		Page:    "https://docs.aws.amazon.com/kms/latest/developerguide/create-grant-overview.html",
		Assumed: "in a part of a policy, an account that is given single rights is another than the key's own",
		Check:   freeGrants,
		Fires: []Example{{"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"
  }, {
    "Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
    "Action": ["kms:Decrypt", "kms:CreateGrant"], "Resource": "*"
  }]
}`}},
		Silent: []Example{{"key-policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"
  }, {
    "Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
    "Action": "kms:CreateGrant", "Resource": "*",
    "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}, "StringEquals": {"kms:ViaService": "rds.us-east-1.amazonaws.com"}}
  }]
}`}},
	}
}

func freeGrants(m *Material, r *Report) {
	left := map[*Policy]string{} // whom each leaves the key to
	for _, k := range m.Policies {
		if k.Kind == KeyPolicy {
			left[k] = ownerOf(k)
		}
	}
	m.inKeyPolicies(func(p *place, own owners) {
		if left[p.policy] != "" {
			freeGrant(p, own, nil, r)
		} else {
			freeGrant(p, own, own, r)
		}
	})
}

// freeGrant looks at one statement of a key that is of one of the accounts own. Those
// of undelegated are given nothing but single rights.
func freeGrant(p *place, own, undelegated owners, r *Report) {
	if p.s.Action == nil {
		return
	}
	service := p.callingService()
	if p.limitsGrants() && (service == "" || p.limitsGrantees()) {
		return
	}
	who := cmp.Or(p.broad(own), service, p.ownAccount(undelegated))
	for i := range p.s.Action.Values {
		v := &p.s.Action.Values[i]
		if !slices.Contains(kmsActions(v), createGrant) {
			continue
		}
		switch {
		case who != "" && (p.broad(own) != "" || service != "" || strings.EqualFold(v.Text, createGrant)):
			r.add(p, v.Pos, v.Text+" lets "+who+" make grants for anybody, as strong as the right to change the policy",
				"add Bool kms:GrantIsForAWSResource true, or kms:GranteePrincipal with kms:GrantOperations")
		case p.s.Principal != nil && len(v.Text) > len("kms:*") && strings.HasSuffix(v.Text, "*"):
			r.addAs(finding.Info, p, v.Pos, v.Text+" includes kms:CreateGrant: whoever this names can hand out the right to decrypt",
				"name the actions that are meant, such as kms:CreateAlias")
		}
	}
}

// ownAccount returns the account of the key where the statement gives it single
// rights, and it is one of those that no other statement gives all: then it is not
// the one by which the account's IAM policies count.
func (p *place) ownAccount(undelegated owners) string {
	for _, n := range p.principalNames() {
		if n.kind == arn.AccountRoot && slices.Contains(undelegated, n.account) && p.includes("kms:PutKeyPolicy") == policy.False {
			return "everybody of account " + n.account + " whose IAM policy allows it"
		}
	}
	return ""
}

// callingService returns a service that the statement names and that nothing
// ties to a resource or an account.
func (p *place) callingService() string {
	if p.asksFor("aws:SourceArn", "aws:SourceAccount", "aws:SourceOrgID", "aws:SourceOrgPaths") {
		return ""
	}
	for _, n := range p.principalNames() {
		if n.kind == arn.Service && p.includes("kms:PutKeyPolicy") == policy.False {
			return n.value.Text
		}
	}
	return ""
}
