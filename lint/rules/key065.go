package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key065() Rule {
	return Rule{
		ID: "KEY065", Severity: finding.Error,
		Title: "Making keys with tags, without the right to tag",
		Text:  "kms:CreateKey with tags needs kms:TagResource besides. Without it the whole call is refused, and no key is made.",
		Fix:   "Add kms:TagResource.",
		Page:  "https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html",
		Check: tagless,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Sid": "Make", "Effect": "Allow", "Action": ["kms:CreateKey", "kms:CreateAlias"], "Resource": "*"}]
}`}, {"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Make", "Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*",
  "Condition": {"StringEquals": {"aws:RequestTag/team": "backup"}}
}]}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Sid": "Make", "Effect": "Allow", "Action": ["kms:CreateKey", "kms:TagResource"], "Resource": "*"}]
}`}},
	}
}

// tagless reports a right to make keys without the one to tag them: an error
// where the text makes keys with tags. Else nobody knows whether they get tags.
func tagless(m *Material, r *Report) {
	tagging := taggedKeys(m)
	told := false
	for _, p := range m.allowing(IdentityPolicy) {
		told = true
		if p.s.Action == nil || p.includes("kms:CreateKey") != policy.True || p.policy.gives("kms:TagResource") {
			continue
		}
		severity := finding.Info
		others := given(m.allowing(IdentityPolicy), "kms:TagResource")
		if (len(tagging) > 0 || p.asksForTags()) && !others {
			severity = finding.Error
		}
		r.addAs(severity, &p, p.s.Action.Pos, "kms:CreateKey without kms:TagResource: a key that is made with tags is refused", "add kms:TagResource, unless another policy gives it")
	}
	if told && given(m.allowing(IdentityPolicy), "kms:CreateKey") || m.tells("kms:TagResource") {
		return
	}
	for _, c := range tagging {
		r.AddAs(finding.Info, c.Pos, "", "create-key with --tags needs kms:TagResource beside kms:CreateKey, and is refused as a whole without it", "see that whoever runs this has both")
	}
}

// taggedKeys returns the commands that make keys with tags.
func taggedKeys(m *Material) []*Command {
	var cs []*Command
	for _, c := range m.Commands {
		if c.Is("kms", "create-key") && c.Option("--tags") != nil {
			cs = append(cs, c)
		}
	}
	return cs
}

// asksForTags reports whether the statement applies only to requests that bring
// tags.
func (p *place) asksForTags() bool {
	return slices.ContainsFunc(p.asks(), func(a asked) bool {
		return (strings.HasPrefix(a.name, "aws:requesttag/") || a.name == "aws:tagkeys") && a.byAbsence() == policy.False
	})
}
