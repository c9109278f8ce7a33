package rules

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

func key015() Rule {
	return Rule{
		ID: "KEY015", Severity: finding.Warning,
		Title: "A kms:ViaService value that no service sends",
		Text: "kms:ViaService is SERVICE.REGION.amazonaws.com, in every partition, with the name by which the service calls KMS. EBS calls as ec2, and so do " +
			"the services that work on volumes, DRS and Auto Scaling among them. Another form, or another name, matches no call.",
		Fix:     "Use the name that the KMS guide lists, such as ec2.REGION.amazonaws.com for everything on EBS volumes.",
		Page:    "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service",
		Assumed: "The list of names is of " + awsfacts.ViaServicesDate() + "; a service that AWS has and the list has not may send its name since, and nothing is said of it.",
		Check:   viaNames,
		Fires: []Example{
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"StringEquals": {"kms:ViaService": ["drs.us-east-1.amazonaws.com", "ec2.us-east-1.amazonaws.com"]}}
}]}`},
			{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"StringEquals": {"kms:ViaService": "s3.amazonaws.com"}}
}]}`},
		},
		Silent: []Example{{"policy.json", `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
  "Condition": {"StringLike": {"kms:ViaService": ["ec2.*.amazonaws.com", "*.us-east-1.amazonaws.com", "sso.*.amazonaws.com"]}}
}]}`}},
	}
}

// viaNames reports values of kms:ViaService that do not name a service as KMS
// knows it.
func viaNames(m *Material, r *Report) {
	for _, p := range m.statements() {
		for _, c := range p.conditions("kms:ViaService") {
			if strings.EqualFold(c.op.Name, "Null") {
				continue
			}
			like := !exactOperator(c.op.Name)
			for i := range c.key.Values.Values {
				p.viaName(&c.key.Values.Values[i], like, r)
			}
		}
	}
}

func (p *place) viaName(v *policy.Value, like bool, r *Report) {
	if v.Kind != policy.StringValue {
		return
	}
	if service, rest, _ := strings.Cut(v.Text, "."); callsThrough(service) != "" && strings.HasSuffix(rest, "amazonaws.com") {
		r.add(p, v.Pos, v.Text+" is not among the names that AWS documents for kms:ViaService: "+service+" calls KMS through "+callsThrough(service),
			"write "+callsThrough(service)+"."+rest)
		return
	}
	if v.Unknown || !like && strings.ContainsAny(v.Text, "*?") {
		return // KEY112 tells of the latter
	}
	service, _, documented := awsfacts.ViaServiceName(v.Text)
	switch {
	case documented, service == "" && like && viaPattern(v.Text), strings.ContainsAny(service, "*?"), awsfacts.KnownService(service):
	case service == "":
		r.add(p, v.Pos, v.Text+" is not of the form that kms:ViaService has, SERVICE.REGION.amazonaws.com, so it matches no call", "write such a name")
	default:
		r.add(p, v.Pos, v.Text+" names no service that AWS documents for kms:ViaService", "see the list in the KMS guide")
	}
}

// callsThrough returns by which service one calls KMS whose own name never stands
// in kms:ViaService: recorded of the EBS direct APIs, and what the pages of DRS
// and Auto Scaling say.
func callsThrough(service string) string {
	switch service {
	case "drs", "ebs", "autoscaling", "ec2fleet", "spot", "spotfleet":
		return "ec2"
	}
	return ""
}

// viaPattern reports whether a pattern of another form can cover a documented
// name.
func viaPattern(pattern string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return false
	}
	for _, service := range [...]string{"ec2", "s3", "rds", "secretsmanager", "lambda", "sqs", "sns", "dynamodb", "ssm", "backup"} {
		for _, region := range [...]string{"us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"} {
			if arn.Glob(pattern, service+"."+region+".amazonaws.com") {
				return true
			}
		}
	}
	return false
}
