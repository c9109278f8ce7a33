package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/usage"
)

func key032() Rule {
	return Rule{
		ID: "KEY032", Severity: finding.Critical,
		Title: "Rights on objects without those on their key",
		Text: "S3 uses the key of an object as whoever calls it: to put one takes kms:GenerateDataKey, to get one, or to put it in parts, kms:Decrypt. " +
			"kms:Encrypt has no part in it.",
		Fix:     "Add the action to the statement about the key.",
		Page:    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html",
		Assumed: "where nothing shows that the objects are under the key, it is a warning",
		Proven:  true,
		Check:   objectKeys,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Key", "Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
    {"Sid": "Objects", "Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::backup-vault/*"}
  ]
}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Key", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
    {"Sid": "Objects", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::backup-vault/*"}
  ]
}`}, {"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{"Sid": "Objects", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::backup-vault/*"}]
}`}},
	}
}

func objectKeys(m *Material, r *Report) {
	shown := showsSSE(m)
	for _, p := range m.Policies {
		if p.Kind == IdentityPolicy && p.settled() {
			objectKey(m, p, shown, r)
		}
	}
}

// objectKey compares what a policy lets do with objects with what it lets do
// with keys. Only a policy that speaks of keys says how its objects are kept.
func objectKey(m *Material, p *Policy, shown bool, r *Report) {
	var on *place
	allows := p.allows()
	for i := range allows {
		if at := &allows[i]; len(at.patterns(opens)) > 0 {
			if on = at; slices.Contains(at.viaServices(), "s3") || at.asksFor("kms:EncryptionContext:aws:s3:arn") {
				shown = true
				break
			}
		}
	}
	if on == nil {
		return
	}
	for _, operation := range []string{"s3:PutObject", "s3:GetObject"} {
		if !namesAction(allows, operation) {
			continue
		}
		for _, u := range required(operation, "sse-kms") {
			if p.gives(u.Action) || sameOwner(m, p, u.Action) {
				continue
			}
			lacks(on, operation, &u, shown, r)
		}
	}
}

func lacks(on *place, operation string, u *usage.Use, shown bool, r *Report) {
	severity, objects := finding.Critical, "no object under the key"
	if !shown {
		objects = "if the objects are under the key, none"
		// A right to encrypt beside one to put objects was meant for them; other
		// rights may be about other data.
		if severity = finding.Warning; on.includes("kms:Encrypt") == policy.False {
			return
		}
	}
	does := "put"
	if operation == "s3:GetObject" {
		does = "got"
	}
	r.addAs(severity, on, on.s.Pos, "the policy allows "+operation+" and not "+u.Action+": "+objects+" can be "+does, "add "+u.Action)
}

// namesAction reports whether one of the statements allows an action by name,
// or by a wildcard within its service.
func namesAction(ps []place, action string) bool {
	return slices.ContainsFunc(ps, func(p place) bool {
		return p.s.Action != nil && p.includes(action) == policy.True && slices.ContainsFunc(p.s.Action.Values, func(v policy.Value) bool {
			return strings.HasPrefix(strings.ToLower(v.Text), "s3:") && !strings.EqualFold(v.Text, "s3:*")
		})
	})
}

// sameOwner reports whether another policy of the same role gives an action.
func sameOwner(m *Material, p *Policy, action string) bool {
	return slices.ContainsFunc(m.Policies, func(q *Policy) bool {
		same := q.Role != "" && q.Role == p.Role || q.Owner != "" && q.Owner == p.Owner
		return q != p && q.Kind == IdentityPolicy && same && q.gives(action)
	})
}

// showsSSE reports whether the text encrypts objects of S3 under keys of KMS.
func showsSSE(m *Material) bool {
	for _, c := range m.Commands {
		if c.Is("s3api", "put-bucket-encryption") {
			return true
		}
		for _, o := range c.Options {
			for _, w := range o.Values {
				if (c.Service == "s3" || c.Service == "s3api") && w.Text == "aws:kms" {
					return true
				}
			}
		}
	}
	return slices.ContainsFunc(m.Resources, func(d *Resource) bool {
		return d.Type == "aws_s3_bucket_server_side_encryption_configuration"
	})
}
