package access

import (
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

// Inert looks at the Allow statements of a policy about a key and reports
// those that can never do what they look like: a kms:ViaService of another
// Region or of a service that sends none, a service principal together with
// kms:ViaService, a service principal that does not call KMS. subject names
// the policy's owner.
func Inert(d *policy.Document, key arn.ARN, subject string) []finding.Finding {
	var fs []finding.Finding
	for i := range d.Statements {
		s := &d.Statements[i]
		if s.Effect == nil || s.Effect.Text != "Allow" {
			continue
		}
		in := inert{doc: d, s: s, name: StatementName(s, i), key: key, subject: subject}
		in.viaService()
		in.servicePrincipals()
		in.noActions()
		in.resourceAliases()
		in.grantRights()
		in.wholeAccount()
		in.foreignServiceLinked()
		fs = append(fs, in.found...)
	}
	return fs
}

// inert examines one statement.
type inert struct {
	doc     *policy.Document
	s       *policy.Statement
	name    string
	key     arn.ARN
	subject string
	found   []finding.Finding
}

func (in *inert) add(rule string, sev finding.Severity, pos policy.Pos, text, fix string) {
	in.found = append(in.found, finding.Finding{
		Rule: rule, Severity: sev, Subject: in.subject, Position: in.doc.Position(pos),
		Text: in.name + ": " + text, Fix: fix,
	})
}

// viaService reports kms:ViaService values that no call to this key can have.
// See https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service.
func (in *inert) viaService() {
	var regions, names []string
	var pos policy.Pos
	total := 0
	for _, v := range in.viaValues() {
		pos, total = v.Pos, total+1
		service, region, documented := awsfacts.ViaServiceName(v.Text)
		if v.Unknown || strings.ContainsAny(v.Text, "*?") || service == "" {
			continue
		}
		if region != "" && region != in.key.Region {
			regions = append(regions, v.Text)
		}
		if !documented {
			names = append(names, v.Text)
		}
	}
	if len(regions) > 0 {
		text := fmt.Sprintf("kms:ViaService %s never matches a call to %s: services call KMS in the key's own Region, %s", list(regions), in.key, in.key.Region)
		if len(regions) == total {
			text += "; the whole statement is dead"
		}
		in.add("KEY014", finding.Critical, pos, text, "use the key's Region, "+in.key.Region)
	}
	if len(names) > 0 {
		in.add("KEY015", finding.Warning, pos, list(names)+" is not among the names that AWS documents for kms:ViaService", "use the service that calls KMS, such as ec2."+in.key.Region+".amazonaws.com for EBS")
	}
}

// viaValues returns the values that kms:ViaService has to equal.
func (in *inert) viaValues() []policy.Value {
	var vs []policy.Value
	for _, op := range in.s.Conditions {
		if strings.Contains(strings.ToLower(op.Name), "not") || strings.EqualFold(op.Name, "Null") {
			continue
		}
		for _, k := range op.Keys {
			if strings.EqualFold(k.Name, "kms:ViaService") {
				vs = append(vs, k.Values.Values...)
			}
		}
	}
	return vs
}

// servicePrincipals reports service principals that the statement admits in
// name only, or too widely.
func (in *inert) servicePrincipals() {
	if in.s.Principal == nil {
		return
	}
	for _, g := range in.s.Principal.Groups {
		if g.Type != "Service" {
			continue
		}
		for _, v := range g.Names.Values {
			in.servicePrincipal(v)
		}
	}
}

func (in *inert) servicePrincipal(v policy.Value) {
	if v.Text == "drs.amazonaws.com" {
		in.add("KEY002", finding.Error, v.Pos, "admits nobody: DRS does not call KMS as drs.amazonaws.com, it acts as its roles and for the user",
			"name DRSStagingAccountRole_TARGET and the target account, then remove the statement")
	}
	if len(in.viaValues()) > 0 {
		in.add("KEY016", finding.Warning, v.Pos, "a service principal that calls for itself carries no kms:ViaService, so "+v.Text+" never matches",
			"name the role or account on whose behalf the service calls")
	}
	if !in.hasSourceCondition() {
		in.add("KEY017", finding.Warning, v.Pos, v.Text+" is admitted without aws:SourceArn, aws:SourceAccount or aws:SourceOrgID: whoever makes the service call may use the key",
			"add aws:SourceAccount or aws:SourceArn")
	}
}

func (in *inert) hasSourceCondition() bool {
	for _, op := range in.s.Conditions {
		for _, k := range op.Keys {
			name := strings.ToLower(k.Name)
			if strings.HasPrefix(name, "aws:source") || strings.HasPrefix(name, "kms:encryptioncontext:") {
				return true
			}
		}
	}
	return false
}
