package rules

import "github.com/keyreach/keyreach/finding"

func key002() Rule {
	return Rule{
		ID: "KEY002", Severity: finding.Error,
		Title: "The service principal drs.amazonaws.com in a key policy",
		Text: "Elastic Disaster Recovery does not call KMS as drs.amazonaws.com. It acts as its roles and passes on the calls of the person who recovers, " +
			"so a statement for the service lets nobody recover anything.",
		Fix:   "Allow kms:ReEncrypt* through EC2 to the role DRSStagingAccountRole_TARGET and to the target account, then remove the statement.",
		Page:  "https://docs.aws.amazon.com/drs/latest/userguide/multi-account.html",
		Check: recoveryService,
		Fires: []Example{{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Recovery", "Effect": "Allow", "Principal": {"Service": "drs.amazonaws.com"},
  "Action": ["kms:Decrypt", "kms:CreateGrant"], "Resource": "*",
  "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}
}]}`}},
		Silent: []Example{{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Recovery", "Effect": "Allow",
  "Principal": {"AWS": "arn:aws:iam::444455556666:role/service-role/DRSStagingAccountRole_111122223333"},
  "Action": "kms:ReEncrypt*", "Resource": "*",
  "Condition": {"StringEquals": {"kms:CallerAccount": "444455556666", "kms:ViaService": "ec2.us-east-1.amazonaws.com"}}
}]}`}},
	}
}

func recoveryService(m *Material, r *Report) {
	for _, p := range m.statements(KeyPolicy) {
		if !p.allows() {
			continue
		}
		for _, n := range p.principals() {
			if n.value.Text == "drs.amazonaws.com" {
				r.add(&p, n.value.Pos, "admits nobody: DRS does not call KMS as drs.amazonaws.com, it acts as its roles and for the user",
					"name DRSStagingAccountRole_TARGET and the target account, then remove the statement")
			}
		}
	}
}
