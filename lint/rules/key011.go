package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/usage"
)

func key011() Rule {
	return Rule{
		ID: "KEY011", Severity: finding.Critical,
		Title: "Volumes and databases need kms:CreateGrant",
		Text: "Who makes an encrypted volume, starts an instance or restores a database has the service make a grant on the key, by which the volume is read later. " +
			"Without kms:CreateGrant the instance ends as soon as it starts, and the volume disappears.",
		Fix:     "Add kms:CreateGrant with Bool kms:GrantIsForAWSResource true.",
		Page:    "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html",
		Assumed: "another policy may give it; for what does not name EC2 alone, and for a part of a policy, it is a warning",
		Proven:  true,
		Check:   grantless,
		Fires: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Volumes", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}}
  }]
}`}},
		Silent: []Example{{"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Volumes", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}}
  }, {
    "Sid": "Grants", "Effect": "Allow", "Action": "kms:CreateGrant",
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}
  }]
}`}, {"policy.json", `{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "Blocks", "Effect": "Allow", "Action": ["kms:Decrypt", "kms:DescribeKey"],
    "Resource": "arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "Condition": {"StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}}
  }]
}`}},
	}
}

const (
	createGrant = "kms:CreateGrant"
	// volumeKey is the use that tells the making of volumes from all other uses
	// through EC2.
	volumeKey = "kms:GenerateDataKeyWithoutPlaintext"
)

func grantless(m *Material, r *Report) {
	for _, g := range m.Grants {
		role, ok := awsfacts.ServiceLinkedRoleFor(g.Grantee)
		if ok && role.UsesEBS && !role.KMSUse && !g.UnknownOperations && slices.Contains(g.Operations, "GenerateDataKeyWithoutPlaintext") && !slices.Contains(g.Operations, "CreateGrant") {
			r.Add(g.Pos, g.Key, "the grant for "+role.Name+" lacks CreateGrant, by which the role lets the volumes of its instances be read", "make it with CreateGrant among its operations")
		}
	}
	made := given(m.allowing(IdentityPolicy), createGrant)
	for _, p := range m.Policies {
		switch p.Kind {
		case IdentityPolicy:
			if !made {
				grantlessIdentity(m, p, r)
			}
		case KeyPolicy:
			grantlessKey(m, p, r)
		}
	}
}

// makesVolumes reports whether a statement is for a service, such as EC2, that makes a grant
// in every operation in which it makes a data key.
func makesVolumes(p *place) bool {
	return p.includes(volumeKey) == policy.True && slices.ContainsFunc(p.viaServices(), grantsAlways) &&
		!p.asksFor("kms:EncryptionContext:", "kms:EncryptionContextKeys")
}

// grantsAlways reports whether every operation through the service that makes a
// data key without plaintext needs a grant too; of a service of which no such
// operation is known, whether every operation does.
func grantsAlways(service string) bool {
	var making, all []usage.Use
	for _, u := range usage.All() {
		if u.Via != service || u.Need != usage.Required {
			continue
		}
		if all = append(all, u); u.Action == volumeKey {
			making = append(making, u)
		}
	}
	if len(making) == 0 {
		making = all
	}
	return len(making) > 0 && !slices.ContainsFunc(making, func(u usage.Use) bool {
		return !slices.ContainsFunc(required(u.Operation, u.Scenario), func(o usage.Use) bool { return o.Action == createGrant && o.Key == u.Key })
	})
}

func grantlessIdentity(m *Material, p *Policy, r *Report) {
	if !p.settled() {
		return
	}
	allows := p.allows()
	operation := granting(allows)
	for _, at := range allows {
		if operation != "" && encryptsAll(&at) {
			r.addAs(finding.Warning, &at, at.s.Action.Pos, "has the rights to encrypt, the policy allows "+operation+", which makes a grant, and no statement allows kms:CreateGrant: "+grantlessEnd(&at),
				"add kms:CreateGrant with Bool kms:GrantIsForAWSResource true")
			continue
		}
		if !makesVolumes(&at) {
			continue
		}
		severity := finding.Warning
		if p.Whole || p.Standalone || m.about("karpenter", "launch", "start up an instance", "start instances", "volume", "autoscaling", "auto scaling") {
			severity = finding.Critical
		}
		if services := at.viaServices(); !slices.Contains(services, "ec2") || !alwaysGrants(services) {
			severity = finding.Warning // the rights may be for what needs no grant
		}
		r.addAs(severity, &at, at.s.Action.Pos, "has the rights to encrypt through "+list(at.viaServices())+", and no statement allows kms:CreateGrant: "+grantlessEnd(&at),
			"add kms:CreateGrant with Bool kms:GrantIsForAWSResource true")
	}
}

// granting returns an operation that makes a grant on a key and that one of the
// statements allows by name.
func granting(allows []place) string {
	for _, u := range usage.All() {
		if u.Action != createGrant || u.Need != usage.Required || u.Via != "ec2" && u.Via != "rds" {
			continue
		}
		if slices.ContainsFunc(allows, func(at place) bool {
			return at.s.Action != nil && slices.ContainsFunc(at.s.Action.Values, func(v policy.Value) bool { return strings.EqualFold(v.Text, u.Operation) })
		}) {
			return u.Operation
		}
	}
	return ""
}

// encryptsAll reports whether a statement gives, through whatever service, all
// that volumes take of a key but the grant.
func encryptsAll(p *place) bool {
	return len(p.s.Conditions) == 0 && p.includes(volumeKey) == policy.True && p.includes("kms:ReEncryptTo") == policy.True && p.includes("kms:Decrypt") == policy.True
}

// alwaysGrants reports whether each of the services makes a grant whenever it
// makes a data key.
func alwaysGrants(services []string) bool {
	return !slices.ContainsFunc(services, func(service string) bool { return !grantsAlways(service) })
}

// grantlessEnd says what happens without the right to make grants.
func grantlessEnd(at *place) string {
	if services := at.viaServices(); len(services) > 0 && !slices.Contains(services, "ec2") {
		return "making or restoring something under the key is refused"
	}
	return "instances end as soon as they start, and new volumes disappear"
}

// grantlessKey looks at what a key policy gives to those whom no other policy
// can help: service-linked roles, everybody through EC2, and other accounts
// through EC2.
func grantlessKey(m *Material, p *Policy, r *Report) {
	if !p.settled() {
		return
	}
	own, let, left := p.owners(), p.granters(), ownerOf(p) != ""
	for _, at := range p.allows() {
		if at.s.Action == nil || at.includes(volumeKey) != policy.True {
			continue
		}
		for _, n := range at.principalNames() {
			role, linked := n.serviceLinked()
			linked = linked && role.UsesEBS && !role.KMSUse
			through := (n.kind == arn.Everyone || own.others(&n)) && makesVolumes(&at)
			if !linked && !through || let.have(&n) || grantMade(m, &n) {
				continue
			}
			severity := finding.Warning
			if p.Whole && (linked || alwaysGrants(at.viaServices())) || linked && p.Standalone && left {
				severity = finding.Critical
			}
			r.addAs(severity, &at, n.value.Pos, "gives "+n.value.Text+" the rights to make volumes, and no statement gives it kms:CreateGrant: "+grantlessEnd(&at),
				"add a statement with kms:CreateGrant and Bool kms:GrantIsForAWSResource true")
		}
	}
}

// granters are those whom a key policy lets make grants: by name, as everybody, or as
// one of an account. Whoever is still to be filled in may be anybody.
type granters struct {
	anybody         bool
	names, accounts map[string]bool
}

// granters returns those whom the policy lets make grants.
func (p *Policy) granters() granters {
	g := granters{names: map[string]bool{}, accounts: map[string]bool{}}
	for _, at := range p.allows() {
		if at.includes(createGrant) == policy.False {
			continue
		}
		for _, n := range at.principalNames() {
			g.anybody = g.anybody || n.kind == arn.Everyone || n.kind == arn.Invalid
			g.names[n.value.Text] = true
			g.accounts[n.account] = true
		}
	}
	return g
}

// have reports whether somebody is one of them. A service-linked role has no policy of
// its own that could use what its account is given.
func (g *granters) have(who *principalName) bool {
	_, linked := who.serviceLinked()
	return g.anybody || g.names[who.value.Text] || !linked && who.account != "" && g.accounts[who.account]
}

// grantMade reports whether the text makes a grant for somebody.
func grantMade(m *Material, who *principalName) bool {
	return slices.ContainsFunc(m.Grants, func(g *Grant) bool { return g.UnknownGrantee || g.Grantee == who.value.Text })
}
