package rules

import (
	"slices"

	"github.com/keyreach/keyreach/finding"
)

func key001() Rule {
	return Rule{
		ID: "KEY001", Severity: finding.Critical,
		Title: "DRS cannot share the staging snapshots",
		Text: "When servers are recovered into another account, DRS shares the snapshots of the staging account as the role DRSStagingAccountRole_TARGET, whose own policy " +
			"has no right on keys. Without kms:ReEncrypt* for that role the recovery ends in \"AuthFailure … ModifySnapshotAttribute … Not authorized to use key\".",
		Fix: "Allow kms:ReEncrypt* in the key policy to arn:aws:iam::STAGING:role/service-role/DRSStagingAccountRole_TARGET, with kms:CallerAccount STAGING and " +
			"kms:ViaService ec2.REGION.amazonaws.com.",
		Page:    "https://docs.aws.amazon.com/drs/latest/userguide/multi-account.html",
		Assumed: "a policy that names DRS and two accounts, with no text about it, is for such a recovery; it is a warning unless the key policy is known to be whole",
		Proven:  true,
		Check:   stagingRoleLeftOut,
		Fires: []Example{{"guide.md", "# DRS across accounts\n\nAdd this to the policy of the key in the staging account, so that the target account can recover:\n\n" +
			"```json\n{\n  \"Sid\": \"Target\", \"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"arn:aws:iam::111122223333:root\"},\n" +
			"  \"Action\": [\"kms:ReEncrypt*\", \"kms:DescribeKey\"], \"Resource\": \"*\"\n}\n```\n"}},
		Silent: []Example{{"guide.md", "# DRS across accounts\n\nAdd this to the policy of the key in the staging account, so that the target account can recover:\n\n" +
			"```json\n[{\n  \"Sid\": \"Staging\", \"Effect\": \"Allow\",\n" +
			"  \"Principal\": {\"AWS\": \"arn:aws:iam::444455556666:role/service-role/DRSStagingAccountRole_111122223333\"},\n" +
			"  \"Action\": \"kms:ReEncrypt*\", \"Resource\": \"*\"\n}, {\n  \"Sid\": \"Target\", \"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"arn:aws:iam::111122223333:root\"},\n" +
			"  \"Action\": \"kms:ReEncrypt*\", \"Resource\": \"*\"\n}]\n```\n"}},
	}
}

func stagingRoleLeftOut(m *Material, r *Report) {
	v, ok := recoveryOf(m)
	if !ok || m.Estate != nil {
		return
	}
	for _, p := range m.allowing(KeyPolicy, IdentityPolicy) {
		role := p.policy.Kind == KeyPolicy && slices.ContainsFunc(p.principalNames(), func(n principalName) bool { return isStagingRole(&n) })
		attached := p.policy.Kind == IdentityPolicy && len(p.policy.Role) > len(stagingRole) && p.policy.Role[:len(stagingRole)] == stagingRole
		if (role || attached) && coversUses(&p, sharing()) {
			return
		}
	}
	r.AddAs(v.severity(), v.at.Doc.Position(v.at.Doc.Pos), v.at.Owner,
		"no statement allows kms:ReEncrypt* to DRSStagingAccountRole_TARGET, the role by which DRS shares the snapshots of the staging account: recovery fails with AuthFailure in ModifySnapshotAttribute",
		"allow kms:ReEncrypt* to arn:aws:iam::STAGING:role/service-role/DRSStagingAccountRole_TARGET, with kms:CallerAccount STAGING and kms:ViaService ec2.REGION.amazonaws.com")
}
