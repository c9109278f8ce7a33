package rules

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
)

func key062() Rule {
	return Rule{
		ID: "KEY062", Severity: finding.Warning,
		Title: "A service-linked role gets a key that it never uses",
		Text: "Some service-linked roles sound as if they started instances and do not: the one by which Application Auto Scaling counts ECS tasks touches " +
			"no volume. A grant or a statement for it opens the key for nothing.",
		Fix:   "Remove it.",
		Page:  "https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-service-linked-roles.html",
		Check: idleLinkedRoles,
		Fires: []Example{{"script.sh", `aws kms create-grant --region us-east-1 --name ecs --operations Decrypt CreateGrant \
  --key-id arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab \
  --grantee-principal arn:aws:iam::444455556666:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService
`}},
		Silent: []Example{{"script.sh", `aws kms create-grant --region us-east-1 --name fleet --operations Decrypt CreateGrant \
  --key-id arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab \
  --grantee-principal arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling
`}},
	}
}

func idleLinkedRoles(m *Material, r *Report) {
	for _, g := range m.Grants {
		if role, ok := awsfacts.ServiceLinkedRoleFor(g.Grantee); ok && idle(role) {
			name := "the grant"
			if g.ID != "" {
				name = "grant " + g.ID
			}
			r.Add(g.Pos, g.Key, name+" is for "+role.Name+", which starts no instance and needs no key of a volume", "revoke the grant")
		}
	}
	for _, p := range m.allowing(KeyPolicy) {
		for _, n := range p.principalNames() {
			if role, ok := n.serviceLinked(); ok && idle(role) {
				r.add(&p, n.value.Pos, "names "+role.Name+", which starts no instance and needs no key of a volume", "remove it")
			}
		}
	}
	if !m.about("grant") || !m.about("kms") {
		return
	}
	for _, c := range m.Code {
		for i, line := range strings.Split(c.Text, "\n") {
			if role, ok := linkedRoleIn(line); ok && idle(role) {
				r.Add(finding.Position{File: c.Pos.File, Line: c.Pos.Line + i, Column: 1}, "", role.Name+" is named for grants on a key; it starts no instance and needs no key of a volume", "leave it out")
			}
		}
	}
}

// idle reports whether a role neither handles volumes nor has rights on keys.
func idle(role awsfacts.ServiceLinkedRole) bool {
	return !role.UsesEBS && !role.KMSUse
}

// linkedRoleIn finds a service-linked role that a line of text names.
func linkedRoleIn(line string) (awsfacts.ServiceLinkedRole, bool) {
	_, rest, ok := strings.Cut(line, ":role/")
	if !ok {
		if _, rest, ok = strings.Cut(line, "role/"); !ok {
			return awsfacts.ServiceLinkedRole{}, false
		}
	}
	word, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	p, err := arn.ParsePrincipal("arn:aws:iam::000000000000:role/" + strings.Trim(word, `"',`+"`"))
	if err != nil || !p.IsServiceLinked() {
		return awsfacts.ServiceLinkedRole{}, false
	}
	return awsfacts.ServiceLinkedRoleFor(p.Name)
}
