package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key115() Rule {
	return Rule{
		ID: "KEY115", Severity: finding.Error,
		Title: "A condition key that the action never carries",
		Text: "Each KMS action has its own condition keys. kms:GrantIsForAWSResource stands in requests about grants only, an encryption context in " +
			"requests that encrypt or decrypt, the attestation of an enclave in the few operations that answer to one. Under a condition on a key that the " +
			"request lacks, an Allow lets nobody do that action, and a Deny does not stop it.",
		Fix:   "Put the actions that lack the key into a statement of their own, without that condition.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html",
		Check: uncarriedKeys,
		Fires: []Example{
			{"key-policy.yaml", `Version: "2012-10-17"
Statement:
  - Sid: Grants
    Effect: Allow
    Principal: {AWS: arn:aws:iam::111122223333:role/nodes}
    Action: kms:CreateGrant
    Resource: "*"
    Condition:
      StringEquals:
        kms:GrantIsForAWSResource: "true"
`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Nodes", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/nodes"},
  "Action": ["kms:CreateGrant", "kms:Decrypt"], "Resource": "*",
  "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": ["kms:Decrypt", "kms:Encrypt"],
  "Resource": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  "Condition": {"StringEquals": {"kms:RecipientAttestation:PCR0": "0a1b"}}
}]}`},
			{"fragment.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/app"},
  "Action": ["kms:GenerateDataKey", "kms:DescribeKey"], "Resource": "*",
  "Condition": {"StringEquals": {"kms:EncryptionContext:team": "payments"}}
}]}`},
		},
		Silent: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Grants", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/nodes"},
  "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"], "Resource": "*",
  "Condition": {"Bool": {"kms:GrantIsForAWSResource": true}}
}]}`},
			{"rcp.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Deny", "Principal": "*", "Action": ["kms:CreateGrant", "kms:Decrypt"], "Resource": "*",
  "Condition": {"BoolIfExists": {"kms:GrantIsForAWSResource": "false", "aws:PrincipalIsAWSService": "false"}}
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:*", "Resource": "*",
  "Condition": {"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}
}]}`},
		},
	}
}

// uncarriedKeys reports actions that are dead under a condition because their
// requests never have its key.
func uncarriedKeys(m *Material, r *Report) {
	for _, p := range m.statements() {
		conditions := p.asks()
		for i := range conditions {
			p.typeMismatch(&conditions[i], r)
		}
		for _, d := range p.dead(conditions) {
			what := " is dead in this statement: its requests never carry "
			if p.denies() {
				what = " is not denied by this statement: its requests never carry "
			}
			k := d.pattern
			r.addAs(p.uncarriedSeverity(&d), &p, k.value.Pos, k.value.Text+what+d.by.key.Name, "move "+k.value.Text+" into a statement without that condition")
		}
	}
}

// deadAction is a value of Action none of whose actions ever carry the key of a
// condition that only requests with the key satisfy.
type deadAction struct {
	pattern kmsPattern
	by      *asked
}

// dead returns the values of Action that are dead by one of the conditions, each
// with the first one that it is dead by.
func (p *place) dead(conditions []asked) []deadAction {
	if !p.allows() && !p.denies() {
		return nil
	}
	firsts := map[string]*asked{} // by AWS's name of the key
	var order []*asked
	for i := range conditions {
		a := &conditions[i]
		k, ok := awsfacts.LookupConditionKey(a.key.Name)
		if ok && firsts[k.Name] == nil && a.byAbsence() == policy.False {
			firsts[k.Name] = a
			order = append(order, a)
		}
	}
	var dead []deadAction
	for _, k := range p.kmsPatterns() {
		if !k.onlyKMS() || strings.EqualFold(k.value.Text, "kms:*") {
			continue
		}
		if i := slices.IndexFunc(order, func(a *asked) bool { return k.lacks(a.key.Name) }); i >= 0 {
			dead = append(dead, deadAction{k, order[i]})
		}
	}
	return dead
}

// lacks reports whether no action that the pattern covers carries the key.
func (k kmsPattern) lacks(key string) bool {
	for _, action := range k.covered {
		if carries, known := awsfacts.Carries(action, key); carries || !known {
			return false
		}
	}
	return true
}

// uncarriedSeverity is milder where little is lost: for lists that show no key,
// for a Deny, and where AWS's own sample for CloudWatch Logs is the source.
func (p *place) uncarriedSeverity(d *deadAction) finding.Severity {
	switch {
	case p.logsSample(d.by):
		return finding.Info
	case p.denies() || !d.pattern.onKeys():
		return finding.Warning
	}
	return finding.Error
}

// onKeys reports whether an action of the pattern is authorized on a key.
func (k kmsPattern) onKeys() bool {
	for _, action := range k.covered {
		if a, ok := awsfacts.KMSAction(action); ok && len(a.ResourceTypes) > 0 {
			return true
		}
	}
	return false
}

// logsSample reports whether the statement is the one that AWS gives for
// CloudWatch Logs, which has kms:Describe* under a condition on the context.
// See https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html.
func (p *place) logsSample(a *asked) bool {
	if a.name != "kms:encryptioncontext:aws:logs:arn" {
		return false
	}
	for _, n := range p.principals() {
		if n.group == "Service" && strings.Contains(n.value.Text, "logs.") {
			return true
		}
	}
	return false
}

// typeMismatch reports a key that holds true or false under an operator for
// text. AWS's own check of policies calls it an error.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-error-type-mismatch.
func (p *place) typeMismatch(a *asked, r *Report) {
	k, ok := awsfacts.LookupConditionKey(a.key.Name)
	if !ok || k.Type != "Bool" || !strings.HasPrefix(a.name, "kms:") || !strings.Contains(strings.ToLower(a.op.Name), "string") {
		return
	}
	r.addAs(finding.Warning, p, a.key.Pos, a.key.Name+" is a Bool, and "+a.op.Name+" compares text: IAM Access Analyzer calls it a type mismatch", "write Bool", p.asBool(a)...)
}

// asBool is the edit that writes Bool, where the values are those that a Bool
// has: then both operators mean the same.
func (p *place) asBool(a *asked) []Edit {
	plainly := a.op.Name == "StringEquals" && !slices.ContainsFunc(a.key.Values.Values, func(v policy.Value) bool { return v.Text != "true" && v.Text != "false" })
	if !plainly {
		return nil
	}
	return p.otherOperator(a, "Bool")
}
