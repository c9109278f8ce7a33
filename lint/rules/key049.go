package rules

import (
	"slices"

	"github.com/keyreach/keyreach/finding"
)

func key049() Rule {
	return Rule{
		ID: "KEY049", Severity: finding.Critical,
		Title: "A Deny by network or organization that hits calls of services",
		Text: "When a service passes on somebody's call, the request comes from AWS's own addresses and through no endpoint of yours; when a service calls for " +
			"itself, it belongs to no organization. A Deny on everything that does not come from your network or organization stops volumes, buckets and backups from using the key.",
		Fix:   "Except such calls in the Deny: Bool aws:ViaAWSService false, and BoolIfExists aws:PrincipalIsAWSService false.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-aws.html",
		Check: perimeterHitsServices,
		Fires: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "OurNetwork", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
  "Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
}]}`},
			{"rcp.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Ours", "Effect": "Deny", "Principal": "*", "Action": ["kms:Decrypt"], "Resource": "*",
  "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
}]}`},
		},
		Silent: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "OurNetwork", "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
  "Condition": {
    "NotIpAddressIfExists": {"aws:SourceIp": "192.0.2.0/24"},
    "BoolIfExists": {"aws:ViaAWSService": "false", "aws:PrincipalIsAWSService": "false"}}
}]}`},
			{"rcp.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Ours", "Effect": "Deny", "Principal": "*", "Action": ["kms:Decrypt"], "Resource": "*",
  "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}, "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}
}]}`},
			{"scp.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Deny", "Action": ["kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"], "Resource": "*",
  "Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
}]}`},
		},
	}
}

// perimeterHitsServices reports Deny statements that services cannot escape which
// work for somebody, or for themselves.
func perimeterHitsServices(m *Material, r *Report) {
	admitted := m.somePolicies((*place).admitsService)
	for _, p := range m.statements() {
		if !p.denies() || p.policy.Kind == TrustPolicy || p.policy.Kind == EndpointPolicy || !p.stopsUse() {
			continue
		}
		conditions := p.asks()
		if a := ordinary(forwardedCall).denied(conditions, networkKey); a != nil && p.comes(forwardedCall) {
			r.addAs(p.hitSeverity(), &p, a.key.Pos, a.op.Name+" "+a.key.Name+" holds for every call that a service passes on, which does not come from there: the statement denies them",
				"add Bool aws:ViaAWSService false to the Deny")
			continue
		}
		// A resource control policy is about everybody's keys; a key policy lets services
		// in by naming them.
		if !p.comes(serviceCall) || p.policy.Kind != ResourceControlPolicy && !admitted[p.policy] {
			continue
		}
		if a := ordinary(serviceCall).denied(conditions, func(k string) bool { return networkKey(k) || organizationKey(k) }); a != nil {
			r.addAs(p.hitSeverity(), &p, a.key.Pos, a.op.Name+" "+a.key.Name+" holds for every call that a service makes for itself, which has no "+a.key.Name+": the statement denies them",
				"add BoolIfExists aws:PrincipalIsAWSService false to the Deny")
		}
	}
}

// networkKey reports whether a key tells from where on the network a caller came.
func networkKey(name string) bool {
	switch name {
	case "aws:sourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn", "aws:vpcsourceip", "aws:vpceaccount", "aws:vpceorgid", "aws:vpceorgpaths":
		return true
	}
	return false
}

// organizationKey reports whether a key tells to which organization a principal
// belongs.
func organizationKey(name string) bool {
	return name == "aws:principalorgid" || name == "aws:principalorgpaths"
}

// stopsUse reports whether the statement denies what services do with keys.
func (p *place) stopsUse() bool {
	for _, action := range [...]string{"kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:Encrypt", "kms:CreateGrant"} {
		if p.covers(action) {
			return true
		}
	}
	return false
}

// hitSeverity is milder for a statement about more than KMS: what of it is about
// keys may be let alone by it.
func (p *place) hitSeverity() finding.Severity {
	if slices.ContainsFunc(p.kmsPatterns(), kmsPattern.onlyKMS) {
		return finding.Critical
	}
	return finding.Warning
}

// admitsService reports whether the statement of a key policy lets a service in.
func (p *place) admitsService() bool {
	return p.policy.Kind == KeyPolicy && p.allows() && slices.ContainsFunc(p.principals(), func(n named) bool { return n.group == "Service" })
}
