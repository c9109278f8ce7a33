package rules

import (
	"maps"
	"slices"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key013() Rule {
	return Rule{
		ID: "KEY013", Severity: finding.Error,
		Title: "kms:GrantIsForAWSResource stops a grant that a person has to make",
		Text: "The service-linked roles of Auto Scaling, Spot and EC2 Fleet open a key of another account by a grant only, which somebody of their account makes with " +
			"CreateGrant. kms:GrantIsForAWSResource is true only when a service makes the grant, so under it this call is denied.",
		Fix:   "Allow kms:CreateGrant without kms:GrantIsForAWSResource, and limit it by kms:GranteePrincipal and kms:GrantOperations.",
		Page:  "https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html",
		Check: directGrants,
		Fires: []Example{{"guide.md", "# Scaling with a key of another account\n\nThe key's policy:\n\n```json\n" + `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Owner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
  {"Sid": "Grants", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:CreateGrant", "Resource": "*",
   "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}}
]}` + "\n```\n\nThen, in the other account:\n\n```sh\n" + scalingGrant + "\n```\n"}},
		Silent: []Example{{"guide.md", "# Scaling with a key of another account\n\nThe key's policy:\n\n```json\n" + `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Owner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
  {"Sid": "Grants", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:CreateGrant", "Resource": "*",
   "Condition": {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt", "CreateGrant"]}}}
]}` + "\n```\n\nThen, in the other account:\n\n```sh\n" + scalingGrant + "\n```\n"}},
	}
}

const scalingGrant = `aws kms create-grant --name scaling --region us-east-1 \
  --key-id arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab \
  --grantee-principal arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling \
  --operations Decrypt CreateGrant`

// directGrants reports the statements that should let somebody make a grant that
// the text makes, and let services only.
func directGrants(m *Material, r *Report) {
	for _, account := range m.grantingAccounts() {
		m.blockedGrants(r, account, m.statements(KeyPolicy))
		m.blockedGrants(r, account, m.statements(IdentityPolicy))
	}
}

// blockedGrants reports those statements about grants for an account of which none
// lets a person make one.
func (m *Material) blockedGrants(r *Report, account string, ps []place) {
	var blocked []place
	for _, p := range ps {
		if !p.allows() || !p.covers("kms:CreateGrant") || p.policy.Kind == KeyPolicy && !p.admits(account) {
			continue
		}
		if best(p.asks(), &scene{world: directCall, action: "kms:CreateGrant"}) != policy.False {
			return
		}
		blocked = append(blocked, p)
	}
	for _, p := range blocked {
		for _, c := range p.conditions("kms:GrantIsForAWSResource") {
			r.add(&p, c.key.Pos, "lets services make grants only; the grant to a service-linked role of account "+account+" is made by a person or a script, and is denied",
				"drop it for kms:CreateGrant, and add kms:GranteePrincipal and kms:GrantOperations")
		}
	}
}

// grantingAccounts returns the accounts for whose service-linked roles the text
// makes grants; of more than a few nobody writes in one text.
func (m *Material) grantingAccounts() []string {
	const few = 20
	given := map[string]bool{} // by AWS: nobody has to make those
	for _, g := range m.Grants {
		if g.FromAWS || g.UnknownGrantee {
			given[g.Grantee] = true
		}
	}
	var accounts []string
	for _, text := range slices.Sorted(maps.Keys(m.grantees())) {
		q, err := arn.ParsePrincipal(text)
		if err != nil || !q.IsServiceLinked() || given[text] || len(accounts) == few {
			continue
		}
		if role, ok := awsfacts.ServiceLinkedRoleFor(text); ok && role.UsesEBS && !role.KMSUse && !slices.Contains(accounts, q.Account) {
			accounts = append(accounts, q.Account)
		}
	}
	return accounts
}

// admits reports whether the statement names everybody, or somebody of an account.
func (p *place) admits(account string) bool {
	return p.everyone() || slices.ContainsFunc(p.principals(), func(n named) bool {
		q, err := arn.ParsePrincipal(n.value.Text)
		return n.group == "AWS" && err == nil && q.Account == account
	})
}
