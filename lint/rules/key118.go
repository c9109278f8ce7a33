package rules

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key118() Rule {
	return Rule{
		ID: "KEY118", Severity: finding.Warning,
		Title: "Nobody who stays administers the key",
		Text: "A session ends, and a role of IAM Identity Center is made anew when its permission set changes. A key whose policy only such may change, and that does not leave it " +
			"to the account, is one that AWS Support has to open.",
		Fix:   "Add the account principal with kms:*, or two roles that stay.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html",
		Check: passingAdministrators,
		Fires: []Example{{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Admin", "Effect": "Allow",
  "Principal": {"AWS": "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef"},
  "Action": "kms:*", "Resource": "*"
}]}`}},
		Silent: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Admin", "Effect": "Allow",
  "Principal": {"AWS": ["arn:aws:iam::111122223333:root", "arn:aws:sts::111122223333:assumed-role/admin/carol"]},
  "Action": "kms:*", "Resource": "*"
}]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Admin", "Effect": "Allow",
  "Principal": {"AWS": ["arn:aws:iam::111122223333:role/admin", "arn:aws:sts::111122223333:assumed-role/admin/carol"]},
  "Action": "kms:*", "Resource": "*"
}]}`},
		},
	}
}

// passingAdministrators reports key policies, whole as far as can be told, that only sessions and roles
// which are about to go may change.
func passingAdministrators(m *Material, r *Report) {
	deleted := m.deletedRoles()
	for _, p := range m.Policies {
		if p.Kind != KeyPolicy || !p.Whole && !p.Standalone {
			continue
		}
		if at := onlyPassing(p, deleted); at != nil {
			r.add(at, at.s.Pos, "nobody but sessions and roles that do not stay may change this policy", "add the account principal with kms:*, or two roles that stay")
		}
	}
}

// onlyPassing returns the statement that gives the right to change the policy,
// when all who have it are about to go.
func onlyPassing(whole *Policy, deleted map[string]bool) *place {
	var at *place
	for i := range whole.Doc.Statements {
		p := place{policy: whole, s: &whole.Doc.Statements[i], index: i}
		if p.s.Opaque || p.s.NotAction != nil || p.s.NotPrincipal != nil {
			return nil
		}
		if !p.allows() || !p.mayCover("kms:PutKeyPolicy") {
			continue
		}
		for _, n := range p.principals() {
			if !passing(n, deleted) {
				return nil
			}
		}
		if at == nil {
			at = &p
		}
	}
	return at
}

// mayCover reports whether the statement covers the action, or something that is
// still filled in might.
func (p *place) mayCover(action string) bool {
	if p.covers(action) {
		return true
	}
	if p.s.Action != nil {
		for i := range p.s.Action.Values {
			if !plain(&p.s.Action.Values[i]) {
				return true
			}
		}
	}
	return false
}

// passing reports whether a principal is known not to stay.
func passing(n named, deleted map[string]bool) bool {
	q, err := arn.ParsePrincipal(n.value.Text)
	if n.group != "AWS" || err != nil || n.value.Kind != policy.StringValue {
		return false
	}
	switch q.Kind {
	case arn.AssumedRole, arn.FederatedUser, arn.UniqueID:
		return true
	case arn.Role:
		return strings.HasPrefix(q.Path, "/aws-reserved/sso.amazonaws.com/") || deleted[q.Name]
	}
	return false
}

// deletedRoles returns the roles that commands of the text delete.
func (m *Material) deletedRoles() map[string]bool {
	roles := map[string]bool{}
	for _, c := range m.Commands {
		if w, ok := c.Value("--role-name"); ok && c.Is("iam", "delete-role") {
			roles[w.Text] = true
		}
	}
	return roles
}
