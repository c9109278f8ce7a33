package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

func key010() Rule {
	return Rule{
		ID: "KEY010", Severity: finding.Critical,
		Title: "A policy for a service-linked role",
		Text:  "A service-linked role belongs to its service. AWS refuses to attach or write a policy to it (UnmodifiableEntity), so what the policy was to allow stays denied.",
		Fix:   "Give the right by the key policy or by a grant, or to a role that you can change.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html",
		Check: linkedRolePolicies,
		Fires: []Example{{"script.sh", `aws iam put-role-policy --role-name AWSServiceRoleForAutoScaling \
  --policy-name keys --policy-document file://keys.json
`}, {"main.tf", `resource "aws_iam_role_policy_attachment" "keys" {
  role       = "AWSServiceRoleForElasticDisasterRecovery"
  policy_arn = "arn:aws:iam::111122223333:policy/keys"
}
`}},
		Silent: []Example{{"script.sh", `aws iam put-role-policy --role-name RecoveryOperator \
  --policy-name keys --policy-document file://keys.json
aws iam get-role --role-name AWSServiceRoleForAutoScaling
`}},
	}
}

func linkedRolePolicies(m *Material, r *Report) {
	var told []string
	const mend = "give the right by the key policy or a grant, or to a role that you can change"
	report := func(at finding.Position, role string) {
		if told = append(told, role); serviceLinkedName(role) {
			r.Add(at, "", role+" is a service-linked role, which takes no policy: AWS refuses this with UnmodifiableEntity", mend)
		}
	}
	for _, c := range m.Commands {
		if w, ok := c.Value("--role-name"); ok && c.Service == "iam" && slices.Contains(roleChanges(), c.Operation) {
			report(c.Pos, w.Text)
		}
	}
	for _, d := range m.Resources {
		if strings.Contains(strings.ToLower(d.Type), "policy") {
			for _, n := range rolesOf(d) {
				name := roleName(n.Text)
				if ref, ok := strings.CutPrefix(n.Text, "${aws_iam_service_linked_role."); ok {
					ref, _, _ = strings.Cut(ref, ".")
					r.Add(m.nodeAt(n.Pos), d.Name, "aws_iam_service_linked_role."+ref+" is a service-linked role, which takes no policy: AWS refuses this with UnmodifiableEntity",
						"give the right by the key policy or a grant, or to a role that you can change")
					continue
				}
				report(m.nodeAt(n.Pos), name)
			}
		}
	}
	for _, p := range m.Policies {
		if p.Kind == IdentityPolicy && p.Role != "" && !slices.Contains(told, p.Role) {
			told = append(told, p.Role)
			if serviceLinkedName(p.Role) {
				r.Add(p.Doc.Position(p.Doc.Pos), p.Owner, notTaken(p), mend)
			}
		}
	}
}

// notTaken says that a policy was meant for a service-linked role.
func notTaken(p *Policy) string {
	text := p.Role + " is a service-linked role, which takes no policy: AWS refuses this with UnmodifiableEntity"
	if p.NotInForce != "" {
		return "the policy " + p.Name + " was meant for " + p.Role + ", a service-linked role, which takes no policy; it is not in force (" + p.NotInForce + ")"
	}
	return text
}

// roleChanges are the operations of IAM that give a role a policy.
func roleChanges() []string {
	return []string{"put-role-policy", "attach-role-policy", "put-role-permissions-boundary"}
}

// rolesOf returns the roles that a declaration gives a policy to.
func rolesOf(d *Resource) []*source.Node {
	var ns []*source.Node
	for _, name := range []string{"role", "roles", "Roles", "RoleName"} {
		n := d.field(name)
		switch {
		case n == nil:
		case n.Kind == source.String:
			ns = append(ns, n)
		case n.Kind == source.List:
			for i := range n.Items {
				ns = append(ns, &n.Items[i])
			}
		}
	}
	return ns
}

// roleName returns the name of a role from its ARN, or the name itself.
func roleName(text string) string { return text[strings.LastIndexByte(text, '/')+1:] }

// serviceLinkedName reports whether the name is one that AWS gives to
// service-linked roles alone.
func serviceLinkedName(name string) bool {
	return strings.HasPrefix(name, "AWSServiceRoleFor")
}
