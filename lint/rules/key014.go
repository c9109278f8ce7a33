package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key014() Rule {
	return Rule{
		ID: "KEY014", Severity: finding.Critical,
		Title: "kms:ViaService names another Region than the key's",
		Text: "A service calls KMS in the Region of the key. A condition that names the service in another Region never holds, " +
			"and where it names only such, the statement lets nobody do anything.",
		Fix:   "Name the service in the key's own Region.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service",
		Check: viaOtherRegion,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Recovery", "Effect": "Allow", "Action": "kms:Decrypt",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"StringEquals": {"kms:ViaService": "ec2.us-west-2.amazonaws.com"}}
  }]
}`}},
		Silent: []Example{{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:444455556666:key/*",
  "Condition": {"StringLike": {"kms:ViaService": "ec2.us-*.amazonaws.com"}}
}, {
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:*:444455556666:key/*",
  "Condition": {"StringEquals": {"kms:ViaService": "ec2.us-west-2.amazonaws.com"}}
}]}`}, {"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Recovery", "Effect": "Allow", "Action": "kms:Decrypt",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"StringEquals": {"kms:ViaService": ["ec2.us-east-1.amazonaws.com", "rds.us-east-1.amazonaws.com"]}}
  }]
}`}, {"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  "Condition": {"StringEquals": {"kms:ViaService": ["s3.eu-west-1.amazonaws.com", "s3.us-east-1.amazonaws.com"]}}
}]}`}},
	}
}

// viaOtherRegion reports kms:ViaService values that no call to the statement's
// keys can have.
func viaOtherRegion(m *Material, r *Report) {
	here := m.keyPolicyRegion()
	for _, p := range m.statements() {
		if !p.allows() {
			continue
		}
		regions := p.keyRegions()
		if len(regions) == 0 && p.policy.Kind == KeyPolicy && here != "" {
			regions = []string{here}
		}
		if len(regions) > 0 {
			p.viaRegions(regions, r)
		}
	}
}

func (p *place) viaRegions(regions []string, r *Report) {
	for _, c := range p.conditions("kms:ViaService") {
		if negated(c.op.Name) {
			continue
		}
		var foreign []string
		at, here := c.key.Pos, viaHere(&c, regions)
		for i := range c.key.Values.Values {
			v := &c.key.Values.Values[i]
			if service, _, _ := strings.Cut(v.Text, "."); here[service] || !viaElsewhere(v, !exactOperator(c.op.Name), regions) {
				continue
			}
			if len(foreign) == 0 {
				at = v.Pos
			}
			foreign = append(foreign, v.Text)
		}
		if len(foreign) == 0 {
			continue
		}
		text := "kms:ViaService " + list(foreign) + " never matches a call to the key: services call KMS in the key's own Region, " + list(regions)
		if len(foreign) == len(c.key.Values.Values) && !strings.HasSuffix(strings.ToLower(c.op.Name), "ifexists") {
			text += "; the whole statement is dead"
		}
		severity := r.rule.Severity
		if len(here) > 0 {
			severity = finding.Warning // the statement works through another service
		}
		r.addAs(severity, p, at, text, "use the key's Region, "+list(regions))
	}
}

// viaHere returns the services that a condition on kms:ViaService names in one of
// the Regions, or may name there. A list of several Regions serves keys of each.
func viaHere(c *condition, regions []string) map[string]bool {
	services := map[string]bool{}
	for i := range c.key.Values.Values {
		v := &c.key.Values.Values[i]
		if service, _, ok := strings.Cut(v.Text, "."); (ok || v.Kind == policy.OpaqueValue) && !viaElsewhere(v, !exactOperator(c.op.Name), regions) {
			services[service] = true
		}
	}
	return services
}

// viaElsewhere reports whether a value names a service in none of the Regions. A
// wildcard under an operator that compares exactly is another rule's.
func viaElsewhere(v *policy.Value, like bool, regions []string) bool {
	_, region, _ := awsfacts.ViaServiceName(v.Text)
	wild := strings.ContainsAny(region, "*?")
	if v.Kind != policy.StringValue || region == "" || wild && !like || strings.ContainsAny(region, "${}<>#") {
		return false
	}
	if v.Unknown && !awsfacts.KnownRegion(region) {
		return false
	}
	return !slices.ContainsFunc(regions, func(r string) bool { return r == region || wild && arn.Glob(region, r) })
}

// keyRegions returns the Regions in which the keys of the statement are, or
// nothing when a key may be anywhere.
func (p *place) keyRegions() []string {
	if p.policy.Kind == KeyPolicy {
		if r := p.policy.Key.Region; awsfacts.KnownRegion(r) {
			return []string{r}
		}
	}
	if p.s.Resource == nil {
		return nil
	}
	var regions []string
	for i := range p.s.Resource.Values {
		v := &p.s.Resource.Values[i]
		a, err := arn.Parse(v.Text)
		switch {
		case err != nil || v.Kind != policy.StringValue:
			return nil
		case a.Service != "kms" && !strings.ContainsAny(a.Service, "*?${<"):
			continue
		case !awsfacts.KnownRegion(a.Region):
			return nil // a wildcard, something to be filled in, or nowhere
		case !slices.Contains(regions, a.Region):
			regions = append(regions, a.Region)
		}
	}
	return regions
}

// keyPolicyRegion returns the Region in which the commands of the text make keys
// and set their policies, when it is one and the same for all of them.
func (m *Material) keyPolicyRegion() string {
	var one string
	for _, c := range m.Commands {
		if !c.Is("kms", "put-key-policy") && !c.Is("kms", "create-key") {
			continue
		}
		region := ""
		if key, ok := c.Value("--key-id"); ok {
			if a, err := arn.Parse(key.Text); err == nil {
				region = a.Region
			}
		}
		if w, ok := c.Value("--region"); ok {
			region = w.Text
		}
		if !awsfacts.KnownRegion(region) || one != "" && one != region {
			return ""
		}
		one = region
	}
	return one
}
