package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
)

func key110() Rule {
	return Rule{
		ID: "KEY110", Severity: finding.Error,
		Title: "The right to hand out every key",
		Text: "kms:PutKeyPolicy on * makes an administrator of every key of the account, and kms:CreateGrant on * without a condition " +
			"lets its holder give the use of any key to anybody.",
		Fix:   "Name the keys by ARN, or pick them by a tag; limit grants by kms:GrantIsForAWSResource.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/iam-policies-best-practices.html",
		Check: handsOutKeys,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Sid": "Pipeline", "Effect": "Allow", "Action": ["kms:CreateKey", "kms:PutKeyPolicy"], "Resource": "*"}]
}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Pipeline", "Effect": "Allow", "Action": "kms:PutKeyPolicy", "Resource": "*",
    "Condition": {"StringEquals": {"aws:ResourceTag/owner": "pipeline"}}
  }, {
    "Sid": "Volumes", "Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*",
    "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}
  }]
}`}},
	}
}

func handsOutKeys(m *Material, r *Report) {
	for _, p := range m.allowing(IdentityPolicy) {
		at := p.manyKeys()
		if at == nil || p.s.Action == nil || p.picksKeys() || p.openCondition() {
			continue
		}
		var control []string
		byName := false
		for i := range p.s.Action.Values {
			v := &p.s.Action.Values[i]
			for _, a := range kmsActions(v) {
				if a == "kms:PutKeyPolicy" || a == "kms:CreateGrant" && !p.limitsGrants() {
					control = append(control, a)
					// Only a right that somebody wrote down was given to a machine by
					// mistake; kms:* is an administrator's.
					byName = byName || strings.EqualFold(v.Text, a)
				}
			}
		}
		if slices.Sort(control); len(control) == 0 {
			continue
		}
		severity := finding.Warning
		if byName && len(p.s.Conditions) == 0 {
			severity = finding.Error
		}
		r.addAs(severity, &p, at.Pos, list(slices.Compact(control))+" on "+at.Text+": whoever has this hands out any key it reaches", "name the keys by ARN")
	}
}
