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

// stagingRole is how DRS calls the role by which a staging account shares its
// snapshots with one target account, whose number follows.
// See https://docs.aws.amazon.com/drs/latest/userguide/multi-account.html.
const stagingRole = "DRSStagingAccountRole_"

// recovery is what a text shows of a DRS recovery from one account into another.
type recovery struct {
	// told is set when the text says that it is one; else its policies look so.
	told bool
	// at is the key policy, or the part of one, that is to let DRS in.
	at *Policy
}

// recoveryOf looks for such a recovery in the material: a key policy that lets
// DRS in, in a text or a policy that speaks of two accounts.
func recoveryOf(m *Material) (recovery, bool) {
	r := recovery{told: m.about("drs", "disaster recovery") && m.about("cross-account", "multi-account", "staging account", "target account", "modifysnapshotattribute")}
	commands := slices.ContainsFunc(m.Commands, func(c *Command) bool { return c.Service == "drs" })
	for _, p := range m.Policies {
		if p.Kind != KeyPolicy {
			continue
		}
		if speaksOfDRS(p) || (r.told || commands) && letsOthersIn(p) {
			r.at = p
			break
		}
	}
	if r.at == nil {
		return r, false
	}
	return r, r.told || letsOthersIn(r.at) || namesStagingRole(r.at) || commands && slices.ContainsFunc(m.Commands, func(c *Command) bool {
		return c.Is("drs", "create-extended-source-server") || c.Is("drs", "list-extensible-source-servers")
	})
}

// namesStagingRole reports whether a key policy names the role by which DRS shares
// with another account: it is made for nothing else.
func namesStagingRole(p *Policy) bool {
	return slices.ContainsFunc(p.allows(), func(at place) bool {
		return slices.ContainsFunc(at.principalNames(), func(n principalName) bool { return strings.Contains(n.value.Text, ":role/service-role/"+stagingRole) })
	})
}

// speaksOfDRS reports whether a key policy names DRS: its principal, one of its
// roles, or its name in kms:ViaService.
func speaksOfDRS(p *Policy) bool {
	for _, at := range p.allows() {
		if slices.Contains(at.viaServices(), "drs") {
			return true
		}
		for _, n := range at.principalNames() {
			if n.value.Text == "drs.amazonaws.com" || strings.HasPrefix(n.name, "DRS") || n.name == "AWSServiceRoleForElasticDisasterRecovery" {
				return true
			}
		}
	}
	return false
}

// letsOthersIn reports whether a key policy names a second account.
func letsOthersIn(p *Policy) bool {
	own := p.owners()
	for _, at := range p.allows() {
		if at.broad(own) != "" && len(at.viaServices()) == 0 {
			return true
		}
		for _, n := range at.principalNames() {
			if own.others(&n) {
				return true
			}
		}
	}
	return false
}

// severity is the rule's own where the text tells what the policies are for or
// the key policy is whole; else somebody else may give the right.
func (v *recovery) severity() finding.Severity {
	if v.told || v.at.Whole {
		return finding.Critical
	}
	return finding.Warning
}

// sharing returns the actions that DRS needs to share a staging snapshot, and
// recovering those that the target account needs to read it.
func sharing() []usage.Use { return required("ec2:ModifySnapshotAttribute", "drs") }

func recovering() []usage.Use { return required("drs:StartRecovery", "extended") }

// required returns the uses without which an operation fails.
func required(operation, scenario string) []usage.Use {
	return slices.DeleteFunc(usage.Of(operation, scenario), func(u usage.Use) bool { return u.Need != usage.Required })
}

// coversUses reports whether a statement covers every one of the uses, or may.
func coversUses(p *place, uses []usage.Use) bool {
	return !slices.ContainsFunc(uses, func(u usage.Use) bool { return p.includes(u.Action) == policy.False })
}

// neverVia reports whether a statement asks for services of another Region than
// that of every key that it names.
func neverVia(p *place) bool {
	regions := p.keyRegions()
	if len(regions) == 0 {
		return false
	}
	asked := false
	for _, c := range p.conditions("kms:ViaService") {
		if negated(c.op.Name) {
			continue
		}
		for _, v := range c.key.Values.Values {
			_, region, _ := awsfacts.ViaServiceName(v.Text)
			if unfilled(&v) || region == "" || strings.ContainsAny(region, "*?") || slices.Contains(regions, region) {
				return false
			}
			asked = true
		}
	}
	return asked
}

// isStagingRole reports whether a name is DRS's staging role, or may be: a
// placeholder may stand for its number or for all of it.
func isStagingRole(n *principalName) bool {
	return strings.Contains(n.value.Text, stagingRole) || n.kind == arn.Everyone ||
		n.value.Kind == policy.OpaqueValue || n.kind == arn.Role && n.name == "" || n.kind == arn.Invalid && n.value.Unknown
}
