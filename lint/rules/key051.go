package rules

import (
	"cmp"
	"slices"

	"github.com/keyreach/keyreach/finding"
)

func key051() Rule {
	return Rule{
		ID: "KEY051", Severity: finding.Critical,
		Title: "A boundary or session policy leaves out what the role needs",
		Text: "A principal with a permissions boundary, and a session with a session policy, has only what both allow. A use of keys that the boundary leaves out stays denied, " +
			"whatever the IAM policy says. Only a key policy that names the user or the session itself goes past it.",
		Fix:     "Add the actions to the boundary or the session policy.",
		Page:    "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html",
		Assumed: "where a text shows one boundary and does not say whose it is, it is taken for that of the policies beside it, as a warning",
		Proven:  true,
		Check:   bounded,
		Fires: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "444455556666"}],
  "principals": [{
    "arn": "arn:aws:iam::444455556666:role/Restore",
    "policies": [{"name": "keys", "document": {
      "Version": "2012-10-17",
      "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"}]
    }}],
    "boundary": {
      "Version": "2012-10-17",
      "Statement": [{"Effect": "Allow", "Action": ["s3:*", "kms:DescribeKey"], "Resource": "*"}]
    }
  }]
}`}},
		Silent: []Example{{"estate.json", `{
  "format_version": 1,
  "accounts": [{"id": "444455556666"}],
  "principals": [{
    "arn": "arn:aws:iam::444455556666:role/Restore",
    "policies": [{"name": "keys", "document": {
      "Version": "2012-10-17",
      "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"}]
    }}],
    "boundary": {
      "Version": "2012-10-17",
      "Statement": [{"Effect": "Allow", "Action": ["s3:*", "kms:De*"], "Resource": "*"}]
    }
  }]
}`}},
	}
}

func bounded(m *Material, r *Report) {
	var bounds []*Policy
	for _, p := range m.Policies {
		if (p.Kind == BoundaryPolicy || p.Kind == SessionPolicy) && p.settled() {
			bounds = append(bounds, p)
		}
	}
	if len(bounds) == 0 {
		return
	}
	of := map[string][]place{}
	for _, p := range m.allowing(IdentityPolicy) {
		of[belongs(p.policy)] = append(of[belongs(p.policy)], p)
	}
	for _, b := range bounds {
		severity := finding.Critical
		rights := of[belongs(b)]
		if belongs(b) == "" {
			rights = nil
		}
		if len(rights) == 0 && len(bounds) == 1 && m.Estate == nil {
			rights, severity = m.allowing(IdentityPolicy), finding.Warning
		}
		var lacking []string
		for i := range rights {
			lacking = append(lacking, leftOut(&rights[i], b)...)
		}
		if slices.Sort(lacking); len(lacking) > 0 {
			r.AddAs(severity, b.Doc.Position(b.Doc.Pos), b.Owner, boundName(b)+" leaves out "+list(slices.Compact(lacking))+", which the IAM policy gives: it stays denied", "add what is missing")
		}
	}
}

func boundName(b *Policy) string {
	if b.Kind == SessionPolicy {
		return "the session policy"
	}
	return "the permissions boundary"
}

// belongs names whom a policy is for: by its owner, or the role it is attached
// to; "" when that is not known.
func belongs(p *Policy) string { return cmp.Or(p.Owner, p.Role) }

// leftOut returns the uses of keys that a statement gives by name and the
// boundary does not allow at all. An administrator's kms:* is bounded on purpose.
func leftOut(p *place, b *Policy) []string {
	if p.s.Action == nil {
		return nil
	}
	var lacking []string
	for i := range p.s.Action.Values {
		covered := kmsActions(&p.s.Action.Values[i])
		if slices.Contains(covered, "kms:PutKeyPolicy") {
			continue
		}
		for _, a := range covered {
			if !b.gives(a) {
				lacking = append(lacking, a)
			}
		}
	}
	return lacking
}
