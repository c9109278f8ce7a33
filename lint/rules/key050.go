package rules

import (
	"slices"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/policy"
)

func key050() Rule {
	return Rule{
		ID: "KEY050", Severity: finding.Critical,
		Title: "A control policy takes away what other policies give",
		Text: "A service control policy, a resource control policy or the policy of an endpoint bounds what every other policy can give. Where it denies a use of keys, or " +
			"does not allow it, the IAM policy and the key policy count for nothing, and nobody in the account can change that.",
		Fix:    "Ask the owner of the control policy for an exception.",
		Page:   "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
		Proven: true,
		Check:  controlled,
		Fires: []Example{{"main.tf", `resource "aws_organizations_policy" "keys" {
  name    = "keys"
  type    = "SERVICE_CONTROL_POLICY"
  content = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "NoOpening", Effect = "Deny", Action = ["kms:Decrypt", "kms:ReEncrypt*"], Resource = "*" }]
  })
}

resource "aws_iam_role_policy" "restore" {
  role = "Restore"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "kms:Decrypt", Resource = "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab" }]
  })
}
`}, {"estate.json", underControl("kms:Decrypt")}},
		Silent: []Example{{"main.tf", `resource "aws_organizations_policy" "keys" {
  name    = "keys"
  type    = "SERVICE_CONTROL_POLICY"
  content = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "NoDeletion", Effect = "Deny", Action = "kms:ScheduleKeyDeletion", Resource = "*" }]
  })
}

resource "aws_iam_role_policy" "restore" {
  role = "Restore"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "kms:Decrypt", Resource = "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab" }]
  })
}
`}, {"scp.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Sid": "NoOpening", "Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}]
}`}, {"estate.json", underControl("kms:ScheduleKeyDeletion")}},
	}
}

// wholeClaim is the claim that an administrator needs nothing more.
var wholeClaim = lazy.Regexp(`(?i)\badmin(istrator)?s?\b[^.]*\b(these permissions by itself|needs? nothing (more|else)|no (further|additional|more) (polic|permission))`)

// underControl is an estate in which a service control policy denies an action
// in the account of a role.
func underControl(denied string) string {
	return `{
  "format_version": 1,
  "accounts": [{"id": "444455556666"}, {"id": "111122223333"}],
  "principals": [{"arn": "arn:aws:iam::111122223333:role/Restore", "policies": [{"name": "keys", "document": {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"}]
  }}]}],
  "keys": [{"arn": "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab", "policy": {"Version": "2012-10-17", "Statement": [
    {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
    {"Sid": "Restore", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/Restore"}, "Action": "kms:Decrypt", "Resource": "*"}
  ]}}],
  "organization": {"id": "o-a1b2c3d4e5", "management_account": "999988887777",
    "policies": {"p-1": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "` + denied + `", "Resource": "*"}]}},
    "root": {"id": "r-ab12", "scps": ["FullAWSAccess", "p-1"], "accounts": [{"id": "444455556666", "scps": ["FullAWSAccess"]}, {"id": "111122223333", "scps": ["FullAWSAccess"]}]}}
}`
}

func controlled(m *Material, r *Report) {
	needed := neededUses(m)
	if m.Estate == nil {
		for _, p := range m.statements(ControlPolicy, ResourceControlPolicy, EndpointPolicy) {
			if !p.denies() || len(p.s.Conditions) > 0 || p.s.HasCondition || !p.everywhere() {
				continue
			}
			if taken := slices.DeleteFunc(slices.Clone(needed), func(a string) bool { return p.includes(a) != policy.True }); len(taken) > 0 {
				r.add(&p, p.s.Pos, "denies "+list(taken)+", which other policies of this text give", "ask the owner of this policy for an exception")
			}
		}
		allowLists(m, needed, r)
	} else {
		controlledUses(m, r)
	}
	for _, p := range m.Prose {
		if wholeClaim.MatchString(p.Text) {
			r.AddAs(finding.Info, p.Pos, "", "an administrator has these rights only as far as control policies, permissions boundaries and session policies let him, and the root user of another account has none of them on this key",
				"look at the control policies of the organization and the boundary of whoever acts")
		}
	}
}

// controlledUses reports, once for each caller and key, rights of an estate that
// a control policy takes away.
func controlledUses(m *Material, r *Report) {
	told := map[string]bool{}
	for _, u := range m.identityUses() {
		for _, b := range u.blockers(m.Estate, access.SCP, access.RCP) {
			id := u.caller.Text + " " + u.key + " " + b.Document + " " + b.Statement
			if told[id] {
				continue
			}
			told[id] = true
			which := "service control policy"
			if b.Layer == access.RCP {
				which = "resource control policy"
			}
			does := "does not allow"
			if b.Explicit {
				does = "denies"
			}
			at := b.Position
			if at.Line == 0 {
				at = u.at.at(u.at.s.Pos)
			}
			r.Add(at, u.caller.Text, "the "+which+" "+b.Document+" "+does+" "+u.action+" on "+u.key+", which an IAM policy and the key policy give: the call is refused, whatever the account does",
				"ask the owner of the organization's policies for an exception")
		}
	}
}

// everywhere reports whether a statement is about every resource.
func (p *place) everywhere() bool {
	return p.s.NotResource == nil && p.s.NotPrincipal == nil && p.s.Resource != nil &&
		slices.ContainsFunc(p.s.Resource.Values, func(v policy.Value) bool { return v.Text == "*" })
}

// neededUses returns the uses of keys that IAM policies and key policies of the
// text give by name.
func neededUses(m *Material) []string {
	var needed []string
	for _, p := range m.allowing(IdentityPolicy, KeyPolicy) {
		if p.s.Action == nil {
			continue
		}
		for i := range p.s.Action.Values {
			covered := kmsActions(&p.s.Action.Values[i])
			if slices.Contains(covered, "kms:PutKeyPolicy") {
				continue // an administrator's, that a control policy is to bound
			}
			for _, a := range covered {
				if (opens(a) || a == createGrant || a == "kms:DescribeKey") && !slices.Contains(needed, a) {
					needed = append(needed, a)
				}
			}
		}
	}
	slices.Sort(needed)
	return needed
}

// allowLists reports endpoint policies that allow some things and not the uses
// of keys that the text needs through them. A service control policy that allows
// little stands beside others, which nobody sees here.
func allowLists(m *Material, needed []string, r *Report) {
	for _, p := range m.Policies {
		if p.Kind != EndpointPolicy || !p.Whole || !p.settled() || !p.gives("kms:ListKeys") && !slices.ContainsFunc(p.allows(), func(at place) bool { return len(at.patterns(anyAction)) > 0 }) {
			continue
		}
		if lacking := slices.DeleteFunc(slices.Clone(needed), p.gives); len(lacking) > 0 {
			r.AddAs(finding.Warning, p.Doc.Position(p.Doc.Pos), p.Owner, "the endpoint policy does not allow "+list(lacking)+", which other policies of this text give: calls through the endpoint are refused",
				"add them, or make those calls another way")
		}
	}
}
