package access

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

// noActions reports actions that KMS does not have: kms:ReEncrypt for
// kms:ReEncrypt*.
func (in *inert) noActions() {
	if in.s.Action == nil {
		return
	}
	for _, v := range in.s.Action.Values {
		if v.Unknown || v.Kind != policy.StringValue || !isKMS(v.Text) || len(awsfacts.ActionsMatching(v.Text)) > 0 {
			continue
		}
		fix := "remove it, or write the action that was meant"
		if near := awsfacts.ActionsMatching(v.Text + "*"); len(near) > 0 {
			fix = "write " + v.Text + "*, which is " + list(near)
		}
		in.add("KEY006", finding.Critical, v.Pos, "KMS has no action "+v.Text+", so it allows nothing", fix)
	}
}

// grantRights reports rights on grants that are given to many: whoever may
// make grants can hand the key on, and whoever may revoke them can take it
// from everybody.
// See https://docs.aws.amazon.com/kms/latest/developerguide/create-grant-overview.html.
func (in *inert) grantRights() {
	if in.s.Action == nil || in.s.Principal == nil || in.limitsGrants() {
		return
	}
	if !in.broad() {
		in.hiddenGrant()
		return
	}
	for _, v := range in.s.Action.Values {
		covered := awsfacts.ActionsMatching(v.Text)
		if slices.Contains(covered, "kms:CreateGrant") {
			in.add("KEY012", finding.Warning, v.Pos, v.Text+" lets everybody it names make grants for anybody, as strong as the right to change the policy",
				"add Bool kms:GrantIsForAWSResource true, or kms:GranteePrincipal with kms:GrantOperations")
		}
		switch {
		case strings.EqualFold(v.Text, "kms:RevokeGrant"):
			in.add("KEY059", finding.Error, v.Pos, v.Text+" lets everybody it names take the grants of all others", "remove it, or add Bool kms:GrantIsForAWSResource true")
		case strings.EqualFold(v.Text, "kms:RetireGrant"):
			in.add("KEY059", finding.Error, v.Pos, v.Text+" in a key policy gives nothing: who may retire a grant stands in the grant", "remove it")
		}
	}
}

// hiddenGrant reports wildcards that take kms:CreateGrant in with the rights
// of an administrator, who can then give the right to decrypt to anybody.
func (in *inert) hiddenGrant() {
	for _, v := range in.s.Action.Values {
		if len(v.Text) > len("kms:*") && strings.HasSuffix(v.Text, "*") && slices.Contains(awsfacts.ActionsMatching(v.Text), "kms:CreateGrant") {
			in.add("KEY012", finding.Info, v.Pos, v.Text+" includes kms:CreateGrant: whoever this names can hand out the right to decrypt",
				"name the actions that are meant, such as kms:CreateAlias")
		}
	}
}

// wholeAccount reports another account that may open contents of the key with
// no service between: whoever it lets may decrypt directly.
func (in *inert) wholeAccount() {
	if in.s.Action == nil || in.s.Principal == nil || len(in.viaValues()) > 0 || !in.broad() {
		return
	}
	var opens []string
	for _, v := range in.s.Action.Values {
		if slices.ContainsFunc(awsfacts.ActionsMatching(v.Text), opensContents) {
			opens = append(opens, v.Text)
		}
	}
	if len(opens) > 0 {
		in.add("KEY058", finding.Warning, in.s.Pos, list(opens)+" for another account as a whole, without kms:ViaService: whoever that account lets may use the key directly",
			"add kms:ViaService with the service that is meant to call, and kms:CallerAccount")
	}
}

// foreignServiceLinked reports service-linked roles of other accounts that the
// statement names and that have no right on keys of their own: their half is
// missing, and nobody can add it.
func (in *inert) foreignServiceLinked() {
	if in.s.Principal == nil {
		return
	}
	for _, g := range in.s.Principal.Groups {
		for _, v := range g.Names.Values {
			p, err := arn.ParsePrincipal(v.Text)
			if err != nil || !p.IsServiceLinked() || p.Account == in.key.Account {
				continue
			}
			if role, ok := awsfacts.ServiceLinkedRoleFor(p.Name); ok && !role.KMSUse {
				in.add("KEY009", finding.Warning, v.Pos, "names "+p.Name+" of account "+p.Account+", whose own policy has no right on keys and cannot be changed, so this lets it do nothing",
					"remove it; where the role needs the key, make a grant to it from account "+p.Account)
			}
		}
	}
}

// broad reports whether the statement names everyone, or another account as a
// whole.
func (in *inert) broad() bool {
	if t := in.s.Principal.Text; t != nil && t.Text == "*" {
		return true
	}
	for _, g := range in.s.Principal.Groups {
		for _, v := range g.Names.Values {
			p, err := arn.ParsePrincipal(v.Text)
			if err == nil && (p.Kind == arn.Everyone || p.Kind == arn.AccountRoot && p.Account != in.key.Account) {
				return true
			}
		}
	}
	return false
}

// limitsGrants reports whether a condition limits for what, or to whom, grants
// are made.
func (in *inert) limitsGrants() bool {
	for _, op := range in.s.Conditions {
		for _, k := range op.Keys {
			switch strings.ToLower(k.Name) {
			case "kms:grantisforawsresource", "kms:granteeprincipal", "kms:granteeserviceprincipal":
				return true
			}
		}
	}
	return false
}

// resourceAliases reports conditions on kms:ResourceAliases that never hold:
// it has many values, which are names and not ARNs, and key policies do not
// have it.
// See https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-resource-aliases.
func (in *inert) resourceAliases() {
	for _, op := range in.s.Conditions {
		for _, k := range op.Keys {
			if !strings.EqualFold(k.Name, "kms:ResourceAliases") || strings.EqualFold(op.Name, "Null") {
				continue
			}
			if in.s.Principal != nil || in.s.NotPrincipal != nil {
				in.add("KEY026", finding.Error, k.Pos, "kms:ResourceAliases does nothing in a key policy", "use kms:RequestAlias, or put it into an IAM policy")
				continue
			}
			if !strings.Contains(op.Name, ":") {
				in.add("KEY026", finding.Error, k.Pos, "kms:ResourceAliases has many values, and "+op.Name+" never matches them", "write ForAnyValue:"+op.Name)
			}
			for _, v := range k.Values.Values {
				if strings.HasPrefix(v.Text, "arn:") {
					in.add("KEY026", finding.Error, v.Pos, "kms:ResourceAliases holds names of aliases, never ARNs", "write alias/NAME")
				}
			}
		}
	}
}
