package rules

import (
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

func key004() Rule {
	return Rule{
		ID: "KEY004", Severity: finding.Critical,
		Title: "Nobody may change the key policy",
		Text: "A key policy replaces the one before. When no statement of it allows kms:PutKeyPolicy to somebody of the key's own account, AWS refuses it, unless " +
			"told to bypass the check; then only AWS Support can help.",
		Fix:     "Allow kms:* to the key's account, or kms:PutKeyPolicy to two roles that will still be there. Do not bypass the check.",
		Page:    "https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html",
		Assumed: "whether a document by itself is a whole policy cannot be seen; it is a warning then",
		Check:   lockedOut,
		Fires: []Example{{"template.yaml", `Resources:
  Key:
    Type: AWS::KMS::Key
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      KeyPolicy:
        Version: "2012-10-17"
        Statement:
          - Sid: Partner
            Effect: Allow
            Principal: {AWS: "arn:aws:iam::111122223333:root"}
            Action: [kms:Decrypt, kms:DescribeKey]
            Resource: "*"
`}, {"key-policy.json", `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
  {"Sid": "Frozen", "Effect": "Deny", "Principal": "*", "Action": "kms:PutKeyPolicy", "Resource": "*"}
]}`}},
		Silent: []Example{{"template.yaml", `Resources:
  Key:
    Type: AWS::KMS::Key
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      KeyPolicy:
        Version: "2012-10-17"
        Statement:
          - Sid: Own
            Effect: Allow
            Principal: {AWS: !Sub "arn:aws:iam::${AWS::AccountId}:root"}
            Action: kms:*
            Resource: "*"
`}, {"fragment-key-policy.json", `{
  "Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
  "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": "*"
}`}, {"key-policy.json", `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "kms:*", "Resource": "*"},
  {"Sid": "Frozen", "Effect": "Deny", "Principal": "*", "Action": "kms:PutKeyPolicy", "Resource": "*",
   "Condition": {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::444455556666:role/keys"}}}
]}`}},
	}
}

func lockedOut(m *Material, r *Report) {
	for _, p := range m.Policies {
		sure := m.completeness(p)
		if sure == part || p.administered() {
			continue
		}
		text := "nobody may change this key policy: no statement allows kms:PutKeyPolicy to the key's own account; AWS refuses to take such a policy unless told to bypass the check"
		severity := finding.Critical
		if sure != whole {
			severity, text = finding.Warning, "if this is the whole key policy, "+text
		}
		r.AddAs(severity, p.Doc.Position(p.Doc.Pos), p.Owner, text, "allow it to the key's account, or to two roles that will still be there")
	}
	for _, p := range m.statements(KeyPolicy) {
		if p.deniesChange() {
			r.add(&p, p.s.Pos, "denies kms:PutKeyPolicy to everybody, with no exception: nobody may change this key policy again, not the account's administrators either",
				"except the administrators by a condition on aws:PrincipalArn, or leave kms:PutKeyPolicy out of the Deny")
		}
	}
	bypasses(m, r)
	replacements(m, r)
}

// deniesChange reports whether the statement keeps everybody from changing the
// policy, whatever else the policy says.
func (p *place) deniesChange() bool {
	return p.denies() && !p.s.HasCondition && len(p.s.Conditions) == 0 && p.s.NotPrincipal == nil && p.everyone() && p.everywhere() &&
		p.includes("kms:PutKeyPolicy") == policy.True
}

// administered reports whether somebody of the key's account may, or may perhaps,
// change the policy. Other accounts never can.
func (p *Policy) administered() bool {
	for _, at := range p.allows() {
		if at.includes("kms:PutKeyPolicy") == policy.False {
			continue
		}
		if at.s.Principal == nil {
			return true
		}
		for _, n := range at.principalNames() {
			foreign := p.Key.Account != "" && arn.IsAccount(n.account) && n.account != p.Key.Account
			if n.kind != arn.Service && !foreign {
				return true
			}
		}
	}
	return false
}

// bypasses reports where AWS is told not to check that somebody may change the
// policy later.
func bypasses(m *Material, r *Report) {
	const text = "AWS is told not to check that whoever writes the policy may change it again"
	for _, c := range m.Commands {
		if o := c.Option("--bypass-policy-lockout-safety-check"); o != nil && c.Service == "kms" {
			r.AddAs(finding.Warning, o.Pos, "", text, "leave it out")
		}
	}
	for _, d := range m.Resources {
		for _, name := range []string{"bypass_policy_lockout_safety_check", "BypassPolicyLockoutSafetyCheck", "bypassPolicyLockoutSafetyCheck"} {
			if v := d.field(name); v != nil && v.Text == "true" {
				r.AddAs(finding.Warning, m.nodeAt(v.Pos), d.Name, text, "leave it out")
			}
		}
	}
}

// replacements reports commands that write a key policy that the text does not
// show, where the text shows single statements: whoever writes those alone into
// the file takes every other right away.
func replacements(m *Material, r *Report) {
	shown := false
	for _, p := range m.Policies {
		shown = shown || p.Kind == KeyPolicy && !p.Whole
	}
	for _, c := range m.Commands {
		if w, ok := c.Value("--policy"); ok && shown && c.Is("kms", "put-key-policy") && w.JSON == nil && !w.Unknown {
			r.AddAs(finding.Info, c.Pos, "", "put-key-policy replaces the whole key policy by "+w.Text+", which this text does not show; nothing looks whether the administrators are still in it",
				"keep a copy of the policy, compare the two before writing, and see that kms:PutKeyPolicy is still allowed")
		}
	}
}

// field returns a property of a resource.
func (d *Resource) field(name string) *source.Node {
	if d.Body == nil {
		return nil
	}
	if v := d.Body.Field(name); v != nil {
		return v
	}
	for _, under := range []string{"spec", "forProvider"} {
		if in := d.Body.Field(under); in != nil {
			inner := Resource{Body: in}
			if v := inner.field(name); v != nil {
				return v
			}
		}
	}
	return nil
}
