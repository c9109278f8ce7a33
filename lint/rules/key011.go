package rules

import (
	"slices"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/usage"
)

func key011() Rule {
	return Rule{
		ID: "KEY011", Severity: finding.Critical,
		Title: "Volumes and databases need kms:CreateGrant",
		Text: "Who makes an encrypted volume, starts an instance or restores a database has the service make a grant on the key, by which the volume is read later. " +
			"Without kms:CreateGrant the instance ends as soon as it starts, and the volume disappears.",
		Fix:     "Add kms:CreateGrant with Bool kms:GrantIsForAWSResource true.",
		Page:    "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html",
		Assumed: "another policy may give it; where nothing in the text tells what the policy is for, it is a warning",
		Proven:  true,
		Check:   grantless,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Volumes", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}}
  }]
}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Volumes", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}}
  }, {
    "Sid": "Grants", "Effect": "Allow", "Action": "kms:CreateGrant",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}
  }]
}`}, {"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Blocks", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey"],
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}}
  }]
}`}},
	}
}

const (
	createGrant = "kms:CreateGrant"
	// volumeKey is the use that tells the making of volumes from all other uses
	// through EC2.
	volumeKey = "kms:GenerateDataKeyWithoutPlaintext"
)

func grantless(m *Material, r *Report) {
	for _, g := range m.Grants {
		role, ok := awsfacts.ServiceLinkedRoleFor(g.Grantee)
		if ok && role.UsesEBS && !role.KMSUse && !g.UnknownOperations && slices.Contains(g.Operations, "GenerateDataKeyWithoutPlaintext") && !slices.Contains(g.Operations, "CreateGrant") {
			r.Add(g.Pos, g.Key, "the grant for "+role.Name+" lacks CreateGrant, by which the role lets the volumes of its instances be read", "make it with CreateGrant among its operations")
		}
	}
	made := given(m.allowing(IdentityPolicy), createGrant)
	for _, p := range m.Policies {
		switch p.Kind {
		case IdentityPolicy:
			if !made {
				grantlessIdentity(m, p, r)
			}
		case KeyPolicy:
			grantlessKey(m, p, r)
		}
	}
}

// makesVolumes reports whether a statement is for a service, such as EC2, that makes a grant
// in every operation in which it makes a data key.
func makesVolumes(p *place) bool {
	return p.includes(volumeKey) == policy.True && slices.ContainsFunc(p.viaServices(), grantsAlways)
}

// grantsAlways reports whether every operation that makes a data key without
// plaintext through the service needs a grant too.
func grantsAlways(service string) bool {
	makes := false
	for _, u := range usage.All() {
		if u.Via != service || u.Action != volumeKey || u.Need != usage.Required {
			continue
		}
		makes = true
		if !slices.ContainsFunc(required(u.Operation, u.Scenario), func(o usage.Use) bool { return o.Action == createGrant && o.Key == u.Key }) {
			return false
		}
	}
	return makes
}

func grantlessIdentity(m *Material, p *Policy, r *Report) {
	if !p.settled() {
		return
	}
	for _, at := range p.allows() {
		if !makesVolumes(&at) {
			continue
		}
		severity := finding.Warning
		if m.about("karpenter", "launch", "start up an instance", "start instances", "volume", "autoscaling", "auto scaling") {
			severity = finding.Critical
		}
		r.addAs(severity, &at, at.s.Action.Pos, "has the rights to make volumes through EC2, and no statement allows kms:CreateGrant: instances end as soon as they start",
			"add kms:CreateGrant with Bool kms:GrantIsForAWSResource true")
	}
}

// grantlessKey looks at what a key policy gives to roles that no other policy
// can help: service-linked roles, and everybody through EC2.
func grantlessKey(m *Material, p *Policy, r *Report) {
	if !p.settled() {
		return
	}
	severity := finding.Warning
	if p.Whole {
		severity = finding.Critical
	}
	for _, at := range p.allows() {
		if at.s.Action == nil || at.includes(volumeKey) != policy.True {
			continue
		}
		for _, n := range at.principalNames() {
			role, linked := n.serviceLinked()
			linked = linked && role.UsesEBS && !role.KMSUse
			if !linked && !(n.kind == arn.Everyone && makesVolumes(&at)) || grantsTo(p, &n) || grantMade(m, &n) {
				continue
			}
			r.addAs(severity, &at, n.value.Pos, "gives "+n.value.Text+" the rights to make volumes, and no statement gives it kms:CreateGrant: instances end as soon as they start",
				"add a statement with kms:CreateGrant and Bool kms:GrantIsForAWSResource true")
		}
	}
}

// grantsTo reports whether the policy lets somebody make grants, by name or as
// everybody.
func grantsTo(p *Policy, who *principalName) bool {
	return slices.ContainsFunc(p.allows(), func(at place) bool {
		return at.includes(createGrant) != policy.False && slices.ContainsFunc(at.principalNames(), func(n principalName) bool {
			return n.kind == arn.Everyone || n.value.Text == who.value.Text || n.kind == arn.Invalid
		})
	})
}

// grantMade reports whether the text makes a grant for somebody.
func grantMade(m *Material, who *principalName) bool {
	return slices.ContainsFunc(m.Grants, func(g *Grant) bool { return g.UnknownGrantee || g.Grantee == who.value.Text })
}
