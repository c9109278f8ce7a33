package rules

import (
	"cmp"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

func key006() Rule {
	return Rule{
		ID: "KEY006", Severity: finding.Critical,
		Title: "KMS has no such action",
		Text: "AWS takes a policy with an action that does not exist, and the action allows or denies nothing. There is no kms:ReEncrypt: its two " +
			"halves are kms:ReEncryptFrom and kms:ReEncryptTo, and a copy or a launch fails without them.",
		Fix:     "Write the action that is meant, such as kms:ReEncrypt* for both halves.",
		Page:    "https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html",
		Assumed: "an action that resembles none of the known ones may be newer than the table of actions; it is a warning, which tells the table's date",
		Check:   unknownActions,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "CopySnapshots", "Effect": "Allow", "Action": ["kms:DescribeKey", "kms:ReEncrypt"],
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }]
}`}, {"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Open", "Effect": "Allow", "Action": "kms:Decypt",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }]
}`}, {"key-policy.yaml", `Version: 2012-10-17
Statement:
  - Sid: Copies
    Effect: Allow
    Principal: {AWS: arn:aws:iam::444455556666:role/copier}
    Action:
      - kms:DescribeKey
      - kms:ReEncrypt
    Resource: "*"
`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "CopySnapshots", "Effect": "Allow",
    "Action": ["kms:ReEncrypt*", "kms:generatedatakeywithoutplaintext", "kms:Describe*", "kms:ReEncryptTo*"],
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }]
}`}},
	}
}

func unknownActions(m *Material, r *Report) {
	for _, p := range m.statements() {
		for _, l := range []*policy.List{p.s.Action, p.s.NotAction} {
			if l == nil {
				continue
			}
			for i := range l.Values {
				unknownAction(&p, &l.Values[i], r)
			}
		}
	}
}

func unknownAction(p *place, v *policy.Value, r *Report) {
	if unfilled(v) || v.Kind != policy.StringValue || !isKMSAction(v.Text) || len(awsfacts.ActionsMatching(v.Text)) > 0 {
		return
	}
	does := "allows"
	switch {
	case p.s.Action == nil:
		does = "excepts"
	case p.denies():
		does = "denies"
	}
	text := "KMS has no action " + v.Text + ", so it " + does + " nothing"
	if halves := awsfacts.ActionsMatching(v.Text + "*"); len(halves) > 0 {
		completeAction(p, v, halves, text, r)
		return
	}
	if near := nearAction(v.Text); near != "" {
		if p.s.Action == nil {
			r.addAs(finding.Warning, p, v.Pos, text, "did you mean "+near+"?")
			return
		}
		r.add(p, v.Pos, text, "did you mean "+near+"?")
		return
	}
	_, _, date := awsfacts.DataVersion()
	r.addAs(finding.Warning, p, v.Pos, "KMS had no action "+v.Text+" on "+date+"; unless it is newer, it "+does+" nothing", "remove it, or write the action that was meant")
}

// completeAction reports a name that is the beginning of others.
func completeAction(p *place, v *policy.Value, halves []string, text string, r *Report) {
	fix := "write " + v.Text + "*, which is " + list(halves)
	if p.s.Action != nil && !slices.ContainsFunc(halves, func(a string) bool { return p.includes(a) == policy.False }) {
		r.addAs(finding.Warning, p, v.Pos, text+"; the statement has "+list(halves)+" besides", "remove it")
		return
	}
	if !strings.EqualFold(v.Text, "kms:ReEncrypt") || p.s.Action == nil {
		r.add(p, v.Pos, text, fix)
		return
	}
	r.add(p, v.Pos, text, fix, Edit{At: p.at(v.Pos), Old: v.Text, New: v.Text + "*"})
}

// nearAction returns the action that a name was most likely meant to be: one
// that it is a slip of the pen from, with the same first letter if there is such,
// or one that it begins with.
func nearAction(name string) string {
	var known, alike []string
	longest := ""
	for _, a := range awsfacts.KMSActions() {
		known = append(known, a.Name)
		if strings.EqualFold(a.Name[:len("kms:E")], name[:len("kms:E")]) {
			alike = append(alike, a.Name)
		}
		if len(a.Name) > len(longest) && len(name) > len(a.Name) && strings.EqualFold(name[:len(a.Name)], a.Name) {
			longest = a.Name
		}
	}
	bare := strings.TrimRight(strings.TrimSpace(name), "*?")
	return cmp.Or(source.Suggest(bare, alike), source.Suggest(bare, known), longest)
}
