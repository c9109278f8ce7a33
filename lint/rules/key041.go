package rules

import (
	"slices"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
)

func key041() Rule {
	return Rule{
		ID: "KEY041", Severity: finding.Critical,
		Title: "The target account cannot read the staging snapshots of DRS",
		Text: "Recovery into another account reads the shared snapshots under the staging account's key, as a principal of the target account through EC2. " +
			"It takes kms:ReEncrypt* for that account in the key policy, and an IAM policy there that gives it to whoever acts.",
		Fix: "Allow kms:ReEncrypt* in the key policy to the target account, with kms:CallerAccount TARGET and kms:ViaService ec2.REGION.amazonaws.com, " +
			"and the same in the IAM policy of whoever launches the recovery.",
		Page:    "https://docs.aws.amazon.com/drs/latest/userguide/multi-account.html",
		Assumed: "which principal of the target account KMS sees is not documented: the one who launches, or the role of DRS",
		Proven:  true,
		Check:   targetLeftOut,
		Fires: []Example{{"guide.md", "# DRS across accounts\n\nAdd this to the policy of the key in the staging account, so that the target account can recover:\n\n" +
			"```json\n{\n  \"Sid\": \"Target\", \"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"arn:aws:iam::111122223333:root\"},\n" +
			"  \"Action\": [\"kms:Decrypt\", \"kms:DescribeKey\"], \"Resource\": \"*\"\n}\n```\n"}},
		Silent: []Example{{"guide.md", "# DRS across accounts\n\nAdd this to the policy of the key in the staging account, so that the target account can recover:\n\n" +
			"```json\n{\n  \"Sid\": \"Target\", \"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"arn:aws:iam::111122223333:root\"},\n" +
			"  \"Action\": \"kms:ReEncrypt*\", \"Resource\": \"*\"\n}\n```\n"}},
	}
}

func targetLeftOut(m *Material, r *Report) {
	listedRights(m, r)
	v, ok := recoveryOf(m)
	if !ok || m.Estate != nil {
		return
	}
	uses := recovering()
	target := false
	m.inKeyPolicies(func(p *place, own owners) {
		target = target || !neverVia(p) && coversUses(p, uses) &&
			slices.ContainsFunc(p.principalNames(), func(n principalName) bool { return mayBeTarget(own, &n) })
	})
	if !target {
		r.AddAs(v.severity(), v.at.Doc.Position(v.at.Doc.Pos), v.at.Owner, "no statement allows kms:ReEncrypt* to the target account, which reads the shared snapshots of the staging account by it",
			"allow kms:ReEncrypt* to arn:aws:iam::TARGET:root, with kms:CallerAccount TARGET and kms:ViaService ec2.REGION.amazonaws.com")
		return
	}
	targetIdentity(m, &v, r)
}

// mayBeTarget reports whether a name is an account, user or role that can be of
// the target account: not the key's own, and no service.
func mayBeTarget(own owners, n *principalName) bool {
	if n.kind == arn.Service || slices.Contains(own, n.account) {
		return false
	}
	_, linked := n.serviceLinked()
	return !linked
}

// targetIdentity looks at the half of the target account, where the text shows
// it: IAM policies that give kms:ReEncrypt* to roles that take no policy, or
// under conditions that never hold, give nothing.
func targetIdentity(m *Material, v *recovery, r *Report) {
	var last *place
	rights := m.allowing(IdentityPolicy)
	for i := range rights {
		if p := &rights[i]; coversUses(p, recovering()) {
			if last = p; !neverVia(p) && !serviceLinkedName(p.policy.Role) {
				return
			}
		}
	}
	if last == nil {
		return
	}
	why := "its kms:ViaService names a Region in which the key is not"
	if serviceLinkedName(last.policy.Role) {
		why = "it is meant for " + last.policy.Role + ", which takes no policy"
	}
	r.addAs(v.severity(), last, last.s.Pos, "the one IAM policy that gives the target account kms:ReEncrypt* has no effect: "+why,
		"allow kms:ReEncrypt* on the key to the role that launches the recovery, through ec2 in the key's Region")
}
