package rules

import "github.com/keyreach/keyreach/finding"

func key009() Rule {
	return Rule{
		ID: "KEY009", Severity: finding.Critical,
		Title: "A service-linked role of another account that no policy of its own helps",
		Text: "A key of another account opens to a role only when the role's own policy allows it too. The policies of service-linked roles are AWS's and cannot " +
			"be changed; those of Auto Scaling, Spot, EC2 Fleet, ECS and DRS give no right on keys. Naming such a role in the key policy lets it do nothing.",
		Fix:   "Make a grant to the role, from the role's own account. Where the role never uses keys, remove it from the policy.",
		Page:  "https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html",
		Check: foreignServiceLinked,
		Fires: []Example{{"key-policy.json", `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Owner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
  {"Sid": "Scaling", "Effect": "Allow",
   "Principal": {"AWS": "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"},
   "Action": ["kms:Decrypt", "kms:CreateGrant"], "Resource": "*"}
]}`}},
		Silent: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Owner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
  {"Sid": "Scaling", "Effect": "Allow",
   "Principal": {"AWS": "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"},
   "Action": ["kms:Decrypt", "kms:CreateGrant"], "Resource": "*"}
]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Owner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
  {"Sid": "Copies", "Effect": "Allow",
   "Principal": {"AWS": "arn:aws:iam::111122223333:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"},
   "Action": ["kms:Decrypt", "kms:CreateGrant"], "Resource": "*"}
]}`},
		},
	}
}

func foreignServiceLinked(m *Material, r *Report) {
	keyed, granted := m.keyOwners(), m.grantees()
	m.inKeyPolicies(func(p *place, own owners) {
		if owner := keyed[p.policy]; owner != "" {
			own = owners{owner}
		}
		for _, n := range p.principalNames() {
			role, ok := n.serviceLinked()
			if !ok || role.KMSUse || !own.others(&n) || granted[n.value.Text] {
				continue
			}
			r.add(p, n.value.Pos, "names "+role.Name+" of account "+n.account+", whose own policy has no right on keys and cannot be changed, so this lets it do nothing",
				"remove it; where the role needs the key, make a grant to it from account "+n.account)
		}
	})
}

// grantees returns those to whom the text makes grants or holds them.
func (m *Material) grantees() map[string]bool {
	all := map[string]bool{}
	for _, g := range m.Grants {
		all[g.Grantee] = true
	}
	for _, c := range m.Commands {
		if w, ok := c.Value("--grantee-principal"); ok && c.Is("kms", "create-grant") {
			all[w.Text] = true
		}
	}
	return all
}
