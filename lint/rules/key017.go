package rules

import (
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key017() Rule {
	return Rule{
		ID: "KEY017", Severity: finding.Warning,
		Title: "A service principal for whoever makes the service call",
		Text: "A service calls KMS for the resources of every account. When a key policy admits it without saying for whose, somebody else can have the service " +
			"use the key for a resource of his own (the confused deputy).",
		Fix:   "Add aws:SourceAccount, aws:SourceArn or aws:SourceOrgID, or the encryption context that the service sends for your resource.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-services.html",
		Check: openService,
		Fires: []Example{{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Alarms", "Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"},
  "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*"
}]}`}},
		Silent: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Look", "Effect": "Allow", "Principal": {"Service": "elasticfilesystem.amazonaws.com"},
  "Action": ["kms:Describe*", "kms:Get*", "kms:List*"], "Resource": "*"
}]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Alarms", "Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"},
  "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*",
  "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}
}]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Logs", "Effect": "Allow", "Principal": {"Service": "logs.eu-west-1.amazonaws.com"},
  "Action": ["kms:Decrypt", "kms:Encrypt"], "Resource": "*",
  "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-west-1:111122223333:*"}}
}]}`},
		},
	}
}

func openService(m *Material, r *Report) {
	for _, p := range m.statements(KeyPolicy) {
		if !p.allows() || !p.letsUse() || p.saysForWhom() {
			continue
		}
		for _, n := range p.principals() {
			if n.group == "Service" && n.value.Kind == policy.StringValue && n.value.Text != "" {
				r.add(&p, n.value.Pos, n.value.Text+" is admitted without aws:SourceArn, aws:SourceAccount or aws:SourceOrgID: whoever makes the service call may use the key",
					"add aws:SourceAccount or aws:SourceArn")
			}
		}
	}
}

// letsUse reports whether the statement lets anything be done with the key that
// is more than looking at it.
func (p *place) letsUse() bool {
	for _, k := range p.kmsPatterns() {
		for _, name := range k.covered {
			if a, ok := awsfacts.KMSAction(name); ok && strings.Contains(a.AccessLevel, "Write") {
				return true
			}
		}
	}
	return false
}

// saysForWhom reports whether a condition limits for whose resources a service
// calls: one that a call for a stranger, of whose account nothing fits, may fail.
func (p *place) saysForWhom() bool {
	for _, a := range p.asks() {
		if a.name == "" {
			return true // nobody knows what is asked
		}
		var stranger policy.ContextValue
		switch a.name {
		case "aws:sourceaccount", "aws:sourceowner", "kms:calleraccount":
			stranger = policy.One("000000000000")
		case "aws:sourcearn":
			stranger = policy.One("arn:aws:none:us-east-1:000000000000:none")
		case "aws:sourceorgid":
			stranger = policy.One("o-0000000000")
		case "aws:sourceorgpaths":
			stranger = policy.Many("o-0000000000/r-0000/")
		default:
			if strings.HasPrefix(a.name, "kms:encryptioncontext:") {
				stranger = policy.One("000000000000")
			} else {
				continue
			}
		}
		if a.with(stranger) != policy.True {
			return true
		}
	}
	return false
}
