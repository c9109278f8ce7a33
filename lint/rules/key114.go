package rules

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key114() Rule {
	return Rule{
		ID: "KEY114", Severity: finding.Error,
		Title: "An ARN that cannot be one",
		Text: "An ARN has six parts. One that has fewer, or an account of other than twelve digits, is mostly what a template leaves when a variable was " +
			"empty. AWS refuses it as a principal; as a resource or in a condition it matches nothing.",
		Fix:   "Mend what fills the ARN in: arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE.",
		Page:  "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html",
		Check: malformedARNs,
		Fires: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:-alarms"}}
}]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::role/app"}, "Action": "kms:Decrypt", "Resource": "*"
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:eu-west-1::key/1234abcd-12ab-34cd-56ef-1234567890ab"
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:eu-west-1:444455556666:key/arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}]}`},
		},
		Silent: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Principal": {"AWS": ["111122223333", "arn:aws:iam::${account}:root"]}, "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"ArnLike": {"aws:SourceArn": ["arn:aws:s3:::reports", "arn:aws:sns:*"]}}
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "*", "Resource": ["arn:aws:kms:*:*:key/*", "arn:aws:ec2:eu-west-1::snapshot/*", "arn:*", "arn:aws:cloudfront::111122223333:distribution/E2"]
}]}`},
		},
	}
}

// malformedARNs reports texts that begin as ARNs and are none.
func malformedARNs(m *Material, r *Report) {
	for _, p := range m.statements() {
		for _, n := range p.principals() {
			if n.group == "AWS" {
				p.malformedARN(n.value, "as a principal AWS refuses it", r)
			}
		}
		for _, l := range []*policy.List{p.s.Resource, p.s.NotResource} {
			if l == nil {
				continue
			}
			for i := range l.Values {
				p.malformedARN(&l.Values[i], "it matches no resource", r)
			}
		}
		for _, a := range p.asks() {
			for i := range a.key.Values.Values {
				p.malformedARN(&a.key.Values.Values[i], a.key.Name+" never matches it", r)
			}
		}
	}
}

func (p *place) malformedARN(v *policy.Value, so string, r *Report) {
	if v.Kind != policy.StringValue || !strings.HasPrefix(v.Text, "arn:") {
		return
	}
	// A Region where the account belongs looks like a word to be filled in.
	if a, err := arn.Parse(v.Text); v.Unknown && (err != nil || !arn.IsAccount(a.Region) || !awsfacts.KnownRegion(a.Account)) {
		return
	}
	if reason := malformed(v.Text); reason != "" {
		r.add(p, v.Pos, v.Text+" is no ARN: "+reason+"; "+so, "mend what fills it in")
	}
}

// malformed says why a text is no ARN and no pattern of ARNs; "" when it may be
// one.
func malformed(text string) string {
	if strings.Contains(text, "${") {
		return "" // a policy variable may bring colons
	}
	a, err := arn.Parse(text)
	if err != nil {
		if strings.HasSuffix(text, "*") {
			return "" // a star stands for the rest
		}
		_, reason, _ := strings.Cut(err.Error(), "\": ")
		return reason
	}
	wild := strings.ContainsAny(a.Account, "*?")
	switch {
	case arn.IsAccount(a.Region) || awsfacts.KnownRegion(a.Account):
		return "its Region and its account stand in each other's place"
	case a.Service == "kms" && strings.Contains(a.Resource, ":"):
		return "the id of a key is no ARN: another ARN was put in its place"
	case a.Account != "" && !wild && strings.Trim(a.Account, "0123456789") == "" && !arn.IsAccount(a.Account):
		return "its account, " + a.Account + ", is not of twelve digits"
	case a.Account == "" && ownedByAccounts(a.Service):
		return "it has no account"
	case a.Service == "kms" && a.Region == "" && (a.IsKMSKey() || a.IsKMSAlias()):
		return "a key has a Region"
	}
	return ""
}

// ownedByAccounts reports whether every ARN of a service has an account: it is
// not so of S3, of public images and parameters, and of AWS's own examples.
func ownedByAccounts(service string) bool {
	switch service {
	case "iam", "sts", "kms", "sns", "sqs", "logs", "lambda", "cloudtrail", "secretsmanager", "dynamodb":
		return true
	}
	return false
}
