package rules

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
)

func key035() Rule {
	return Rule{
		ID: "KEY035", Severity: finding.Error,
		Title: "An encryption context asked of actions that have none",
		Text: "Only cryptographic operations with a symmetric key, and kms:CreateGrant, carry an encryption context. In a statement that asks for one, " +
			"kms:DescribeKey, kms:Sign and the like are allowed to nobody, and a service that looks at the key before it uses it fails.",
		Fix:   "Split the statement: the actions that carry a context stay, the others go into a statement without the condition.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-encryption-context",
		Check: contextConditions,
		Fires: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Use", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/app"},
  "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": "*",
  "Condition": {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::reports"}}
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Sign", "Resource": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  "Condition": {"StringLike": {"kms:EncryptionContext:tenant": "*"}}
}]}`},
		},
		Silent: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Use", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/app"},
  "Action": ["kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:CreateGrant"], "Resource": "*",
  "Condition": {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::reports"}}
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey"], "Resource": "*",
  "Condition": {"StringEqualsIfExists": {"kms:EncryptionContext:tenant": "a"}}
}]}`},
		},
	}
}

// contextConditions reports conditions on the encryption context that some
// actions of the statement cannot satisfy, and keys that a service's context
// does not have.
func contextConditions(m *Material, r *Report) {
	for _, p := range m.statements() {
		if !p.allows() {
			continue
		}
		var asking []asked
		for _, a := range p.asks() {
			if strings.HasPrefix(a.name, "kms:encryptioncontext") {
				asking = append(asking, a)
				p.unknownContext(&a, r)
			}
		}
		dead := p.dead(asking)
		if len(dead) == 0 {
			continue
		}
		names := make([]string, len(dead))
		for i := range dead {
			names[i] = dead[i].pattern.value.Text
		}
		text := "requests for " + list(names) + " have no encryption context, so this condition keeps everybody from them"
		if len(dead) == len(p.s.Action.Values) {
			text += "; the whole statement is dead"
		}
		r.addAs(p.uncarriedSeverity(&dead[0]), &p, dead[0].by.key.Pos, text, "split the statement")
	}
}

// unknownContext reports a key that the context of a service never has. S3 gives
// aws:s3:arn and nothing else of its own, EBS aws:ebs:id.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context
// and https://docs.aws.amazon.com/kms/latest/developerguide/services-ebs.html#ebs-encryption-context.
func (p *place) unknownContext(a *asked, r *Report) {
	for _, own := range [...]string{"aws:s3:arn", "aws:ebs:id"} {
		service := own[:strings.LastIndexByte(own, ':')+1]
		name, ok := strings.CutPrefix(a.name, "kms:encryptioncontext:")
		if ok && strings.HasPrefix(name, service) && name != own && !strings.ContainsAny(name, "${<") {
			r.addAs(finding.Warning, p, a.key.Pos, "no service writes "+name+" into an encryption context; what stands there is "+own, "write kms:EncryptionContext:"+own)
		}
	}
}
