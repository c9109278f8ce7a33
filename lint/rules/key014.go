package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
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
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Recovery", "Effect": "Allow", "Action": "kms:Decrypt",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"StringEquals": {"kms:ViaService": ["ec2.us-east-1.amazonaws.com", "rds.us-east-1.amazonaws.com"]}}
  }]
}`}},
	}
}

// viaOtherRegion reports kms:ViaService values that no call to the statement's
// keys can have.
func viaOtherRegion(m *Material, r *Report) {
	for _, p := range m.statements() {
		if p.allows() {
			viaRegions(&p, r)
		}
	}
}

func viaRegions(p *place, r *Report) {
	regions := p.keyRegions()
	if len(regions) == 0 {
		return
	}
	for _, c := range p.conditions("kms:ViaService") {
		if negated(c.op.Name) {
			continue
		}
		var foreign []string
		for _, v := range c.key.Values.Values {
			_, region, _ := awsfacts.ViaServiceName(v.Text)
			if !v.Unknown && region != "" && !strings.ContainsAny(region, "*?") && !slices.Contains(regions, region) {
				foreign = append(foreign, v.Text)
			}
		}
		if len(foreign) == 0 {
			continue
		}
		text := "kms:ViaService " + list(foreign) + " never matches a call to the key: services call KMS in the key's own Region, " + list(regions)
		if len(foreign) == len(c.key.Values.Values) {
			text += "; the whole statement is dead"
		}
		r.add(p, c.key.Pos, text, "use the key's Region, "+list(regions))
	}
}

// keyRegions returns the Regions in which the keys of the statement are, or
// nothing when a key may be anywhere.
func (p *place) keyRegions() []string {
	if p.policy.Kind == KeyPolicy {
		if p.policy.Key.Region == "" {
			return nil
		}
		return []string{p.policy.Key.Region}
	}
	if p.s.Resource == nil {
		return nil
	}
	var regions []string
	for _, v := range p.s.Resource.Values {
		a, err := arn.Parse(v.Text)
		switch {
		case err != nil || v.Unknown && strings.ContainsAny(a.Region, "${<"):
			return nil
		case a.Service != "kms":
			continue
		case a.Region == "" || strings.ContainsAny(a.Region, "*?"):
			return nil
		case !slices.Contains(regions, a.Region):
			regions = append(regions, a.Region)
		}
	}
	return regions
}
