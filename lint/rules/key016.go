package rules

import (
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key016() Rule {
	return Rule{
		ID: "KEY016", Severity: finding.Warning,
		Title: "A service principal under kms:ViaService of the same service",
		Text: "kms:ViaService stands in a request when a service passes on somebody's call. A service that calls for itself is not passed on by itself, so a " +
			"statement that names the service and asks for the service's own kms:ViaService matches nothing.",
		Fix:     "Name the role or account on whose behalf the service calls, or ask for aws:SourceAccount in place of kms:ViaService.",
		Page:    "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service",
		Assumed: "No page says that a service never sends its own name; a service that comes by way of another one does send that one's.",
		Check:   viaItself,
		Fires: []Example{{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Topics", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
  "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*",
  "Condition": {"StringEquals": {"kms:ViaService": "sns.eu-west-1.amazonaws.com", "aws:SourceAccount": "111122223333"}}
}]}`}},
		Silent: []Example{
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Events", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
  "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*",
  "Condition": {"StringEquals": {"kms:ViaService": "sns.eu-west-1.amazonaws.com", "aws:SourceAccount": "111122223333"}}
}]}`},
			{"key-policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Sid": "Topics", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/publisher"},
  "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*",
  "Condition": {"StringEquals": {"kms:ViaService": "sns.eu-west-1.amazonaws.com"}}
}]}`},
		},
	}
}

func viaItself(m *Material, r *Report) {
	for _, p := range m.statements(KeyPolicy) {
		if !p.allows() {
			continue
		}
		asked := p.viaPrefixes()
		for _, n := range p.principals() {
			service := servicePrefix(n)
			if other := callsThrough(service); other != "" && asked[other] && !asked[service] {
				r.add(&p, n.value.Pos, n.value.Text+" does not call KMS for itself: it acts as its roles and for the user, through "+other+", so nobody satisfies the statement",
					"name the role or account on whose behalf the service calls")
			}
			if service != "" && asked[service] {
				r.add(&p, n.value.Pos, "a service that calls for itself carries no kms:ViaService of its own, so "+n.value.Text+" never matches",
					"name the role or account on whose behalf the service calls")
			}
		}
	}
}

// viaPrefixes returns the services one of which the statement asks for by
// kms:ViaService.
func (p *place) viaPrefixes() map[string]bool {
	services := map[string]bool{}
	for _, a := range p.asks() {
		if a.name != "kms:viaservice" || a.byAbsence() != policy.False {
			continue
		}
		for i := range a.key.Values.Values {
			service, _, _ := strings.Cut(a.key.Values.Values[i].Text, ".")
			services[service] = true
		}
	}
	return services
}

// servicePrefix returns the name of a service principal up to its first dot, or
// nothing for another principal.
func servicePrefix(n named) string {
	if n.group != "Service" || !strings.Contains(n.value.Text, ".amazonaws.com") {
		return ""
	}
	prefix, _, _ := strings.Cut(n.value.Text, ".")
	if strings.ContainsAny(prefix, "${}<>*?") {
		return ""
	}
	return prefix
}
