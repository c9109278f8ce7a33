package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key058() Rule {
	return Rule{
		ID: "KEY058", Severity: finding.Warning,
		Title: "Rights on the contents of every key",
		Text: "A right to decrypt on * or key/* reaches every key whose policy lets the account in, those of other accounts and those made tomorrow. In a key policy " +
			"the same is another account as a whole that may use the key directly, with no service between.",
		Fix:   "Name the keys by ARN; in a key policy add kms:ViaService and kms:CallerAccount.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/iam-policies-best-practices.html",
		Check: wideContents,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Sid": "Open", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": "arn:aws:kms:us-east-1:444455556666:key/*"}]
}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Open", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:444455556666:key/*",
    "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/backup"}}
  }]
}`}, {"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Sid": "Look", "Effect": "Allow", "Action": ["kms:ListKeys", "kms:DescribeKey"], "Resource": "*"}]
}`}},
	}
}

func wideContents(m *Material, r *Report) {
	for _, p := range m.allowing(IdentityPolicy) {
		contents := p.patterns(opens)
		v := p.manyKeys()
		switch {
		case v == nil || len(contents) == 0:
		case !p.picksKeys():
			severity := finding.Warning
			if len(p.viaServices()) > 0 {
				severity = finding.Info // nobody opens anything directly
			}
			r.addAs(severity, &p, v.Pos, list(contents)+" on "+v.Text+": every key that lets this account in, not the one that was meant", "name the keys by ARN")
		case everyRegion(v) && !p.asksFor("aws:RequestedRegion"):
			r.addAs(finding.Info, &p, v.Pos, list(contents)+" on "+v.Text+": what the condition picks it picks in every Region", "name the Region")
		}
	}
	m.inKeyPolicies(func(p *place, own owners) { wholeAccount(p, own, r) })
}

// manyKeys returns the resource that names more than one key.
func (p *place) manyKeys() *policy.Value {
	if p.s.Resource == nil {
		return nil
	}
	for i := range p.s.Resource.Values {
		v := &p.s.Resource.Values[i]
		if v.Kind == policy.OpaqueValue {
			continue
		}
		parts := cutARN(v.Text)
		if v.Text == "*" || len(parts) == 6 && parts[2] == "kms" && (parts[5] == "key/*" || parts[5] == "*") {
			return v
		}
	}
	return nil
}

// picksKeys reports whether a condition tells the keys apart that a wildcard
// names.
func (p *place) picksKeys() bool {
	return p.openCondition() || p.asksFor("kms:ResourceAliases", "kms:RequestAlias", "kms:EncryptionContext:", "kms:EncryptionContextKeys") || p.asksForTag()
}

// asksForTag reports whether a condition asks for a tag of the key.
func (p *place) asksForTag() bool {
	return slices.ContainsFunc(p.s.Conditions, func(op policy.Operator) bool {
		return !negated(op.Name) && slices.ContainsFunc(op.Keys, func(k policy.Key) bool {
			return strings.HasPrefix(strings.ToLower(k.Name), "aws:resourcetag/")
		})
	})
}

// everyRegion reports whether an ARN has a wildcard for its Region.
func everyRegion(v *policy.Value) bool {
	parts := cutARN(v.Text)
	return len(parts) == 6 && parts[3] == "*"
}

// wholeAccount reports another account that may open contents of the key with
// no service between: whoever it lets may decrypt directly.
func wholeAccount(p *place, own owners, r *Report) {
	if p.openCondition() || p.asksFor("kms:ViaService", "aws:PrincipalArn", "kms:EncryptionContext:", "kms:RecipientAttestation:") {
		return
	}
	contents := p.patterns(func(action string) bool { return opens(action) && !strings.HasPrefix(action, "kms:ReEncrypt") })
	if len(contents) == 0 {
		return
	}
	broad := p.broad(own) != ""
	for _, n := range p.principalNames() {
		if n.kind == arn.AccountRoot && (broad || own.others(&n)) {
			r.add(p, n.value.Pos, list(contents)+" for another account as a whole, without kms:ViaService: whoever that account lets may use the key directly",
				"add kms:ViaService with the service that is meant to call, and kms:CallerAccount")
			return
		}
	}
}
