package input

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// tree reads one document of JSON or YAML by what it is.
func (r *reader) tree(n *source.Node) {
	for _, is := range []func(*source.Node) bool{r.ours, r.plan, r.configuration, r.cloudFormation, r.kubernetes, r.ansible, r.grants, r.bare} {
		if is(n) {
			return
		}
	}
	r.walk(n, "", "", nil)
}

// bare reads a text that is a policy and nothing else.
func (r *reader) bare(n *source.Node) bool {
	document := n.Kind == source.Map && (isDocument(n) || isVersion(n.Field("Version")))
	if !document && !areStatements(n) && !isStatement(n) && !mayHoldPolicy(n) {
		return false
	}
	tree := r.lower(n)
	of := rules.Policy{Standalone: true}
	if r.given != nil {
		of = *r.given
	}
	of.Standalone = of.Standalone && (n.Kind == source.String || document && n.Field("Version") != nil && n.Field("Statement") != nil)
	p := r.policy(&tree, of)
	if p == nil {
		return mayHoldPolicy(n)
	}
	if r.template {
		r.is(PolicyTemplate)
	}
	r.is(formatOf(p.Kind))
	return true
}

// walk looks for policies anywhere in a tree that is nothing known: in the
// output of AWS's commands, in a request, in a part of a template. above is the
// map in which the member name stands.
func (r *reader) walk(n *source.Node, owner, name string, above *source.Node) {
	switch {
	case isDocument(n), areStatements(n), isStatement(n), mayHoldPolicy(n):
		tree := r.lower(n)
		of := named(name, above)
		if of.Owner == "" {
			of.Owner = owner
		}
		if p := r.policy(&tree, of); p != nil {
			if r.template {
				r.is(PolicyTemplate)
			}
			r.is(formatOf(p.Kind))
			return
		}
	}
	for i := range n.Items {
		r.walk(&n.Items[i], owner, name, above)
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		if strings.EqualFold(f.Name, "fn::toJSON") {
			r.walk(&f.Value, owner, name, above)
			continue
		}
		r.walk(&f.Value, owner, f.Name, n)
	}
}

// named says what the name of a member, and what stands beside it, tell of the
// policy in it.
func named(name string, above *source.Node) rules.Policy {
	var p rules.Policy
	beside := func(names ...string) string {
		for _, name := range names {
			if above == nil {
				break
			}
			if n := above.Field(name); n != nil && n.Kind == source.String {
				return n.Text
			}
		}
		return ""
	}
	switch plain := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name)); plain {
	case "keypolicy":
		p.Kind, p.Whole = rules.KeyPolicy, true
	case "assumerolepolicydocument", "assumerolepolicy", "trustpolicy":
		p.Kind, p.Whole = rules.TrustPolicy, true
		p.Role, p.Owner = beside("RoleName"), beside("Arn", "RoleName")
	case "permissionsboundary":
		p.Kind = rules.BoundaryPolicy
	case "policy":
		ofKey(&p, beside("KeyId"), beside("PolicyName") == "default", above)
	case "policydocument":
		p.Role = beside("RoleName", "UserName", "GroupName")
		p.Owner = beside("PolicyName")
	case "content":
		p.Owner = beside("Name")
	}
	switch beside("Type") {
	case "SERVICE_CONTROL_POLICY":
		p.Kind, p.Whole = rules.ControlPolicy, true
	case "RESOURCE_CONTROL_POLICY":
		p.Kind, p.Whole = rules.ResourceControlPolicy, true
	}
	if above != nil {
		if n := above.At([]string{"PolicySummary", "Type"}); n != nil {
			p.Kind, p.Whole = controlKind(n.Text), true
		}
	}
	return p
}

// ofKey says what it means that the member Policy stands beside a key, in a
// request for kms:PutKeyPolicy, kms:CreateKey or the answer of
// kms:GetKeyPolicy.
func ofKey(p *rules.Policy, key string, named bool, above *source.Node) {
	if above == nil || key == "" && !named && above.Field("KeyUsage") == nil && above.Field("KeySpec") == nil && above.Field("BypassPolicyLockoutSafetyCheck") == nil {
		return
	}
	p.Kind, p.Whole, p.Owner = rules.KeyPolicy, true, key
	if a, err := arn.Parse(key); err == nil {
		p.Key = a
	}
}

func controlKind(kind string) rules.Kind {
	switch kind {
	case "SERVICE_CONTROL_POLICY":
		return rules.ControlPolicy
	case "RESOURCE_CONTROL_POLICY":
		return rules.ResourceControlPolicy
	}
	return rules.OtherPolicy
}
