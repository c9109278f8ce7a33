package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key026() Rule {
	return Rule{
		ID: "KEY026", Severity: finding.Error,
		Title: "A condition on kms:ResourceAliases that never holds",
		Text: "kms:ResourceAliases holds all aliases of a key: a list, which StringEquals by itself never matches, of names and never of ARNs. " +
			"It works in IAM policies only; a key policy asks for kms:RequestAlias.",
		Fix:   "Write ForAnyValue:StringEquals with alias/NAME, in an IAM policy.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-resource-aliases",
		Check: aliasConditions,
		Fires: []Example{
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:eu-west-1:111122223333:key/*",
  "Condition": {"StringEquals": {"kms:ResourceAliases": "alias/reports"}}
}]}`},
			{"template.yaml", `Resources:
  Reports:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Action: kms:Decrypt
            Resource: "*"
            Condition:
              StringLike:
                kms:ResourceAliases: [alias/reports, alias/archive-*]
`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "arn:aws:kms:eu-west-1:111122223333:alias/reports"}}
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/reports", "archive"]}}
}]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/app"}, "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/reports"}}
}]}`},
		},
		Silent: []Example{
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/reports-*"}, "Null": {"kms:ResourceAliases": "false"}}
}]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/app"}, "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"StringEquals": {"kms:RequestAlias": "alias/reports"}}
}]}`},
		},
	}
}

// aliasConditions reports conditions on kms:ResourceAliases that no key satisfies.
func aliasConditions(m *Material, r *Report) {
	for _, p := range m.statements() {
		for _, a := range p.asks() {
			if a.name != "kms:resourcealiases" || strings.EqualFold(a.op.Name, "Null") {
				continue
			}
			if p.policy.Kind == KeyPolicy {
				r.add(&p, a.key.Pos, "kms:ResourceAliases does nothing in a key policy", "use kms:RequestAlias, or put it into an IAM policy")
				continue
			}
			if a.with(policy.Many("alias/x", "alias/y")) == policy.False && !a.set {
				r.add(&p, a.key.Pos, "kms:ResourceAliases has many values, and "+a.op.Name+" never matches them", "write ForAnyValue:"+a.op.Name, p.forAny(&a)...)
			}
			for i := range a.key.Values.Values {
				switch v := &a.key.Values.Values[i]; {
				case v.Kind != policy.StringValue:
				case strings.HasPrefix(v.Text, "arn:"):
					r.add(&p, v.Pos, "kms:ResourceAliases holds names of aliases, never ARNs: "+v.Text+" matches none", "write alias/NAME")
				case !unfilled(v) && !beginsAlias(v.Text):
					r.add(&p, v.Pos, "the name of an alias begins with alias/, so "+v.Text+" matches none", "write alias/"+v.Text)
				}
			}
		}
	}
}

// beginsAlias reports whether a text, or what a pattern of it stands for, may
// begin as the names of aliases do.
func beginsAlias(text string) bool {
	const prefix = "alias/"
	if i := strings.IndexAny(text, "*?$"); i >= 0 && i < len(prefix) {
		return strings.EqualFold(text[:i], prefix[:i])
	}
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// forAny is the edit that makes the condition an alias of the key's: of an Allow
// that asks for names of aliases it is what was meant. A Deny would begin to deny.
func (p *place) forAny(a *asked) []Edit {
	names := !slices.ContainsFunc(a.key.Values.Values, func(v policy.Value) bool { return !plain(&v) || !beginsAlias(v.Text) })
	if !p.allows() || !names || negated(a.op.Name) {
		return nil
	}
	return p.otherOperator(a, "ForAnyValue:"+a.op.Name)
}
