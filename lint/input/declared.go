package input

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
	"github.com/keyreach/keyreach/policy"
)

// declared reads one resource that a template declares.
type declared struct {
	r        *reader
	resource *rules.Resource
	body     *source.Node
	role     string // the principal that its policies are attached to
	region   string // of a key; empty when it is not said
	// done are the policies that were read; what is left is looked for.
	done map[*source.Node]bool
	// named is set when policies elsewhere in the body count by their names only.
	named bool
	keyed *rules.Policy // the key policy, when one was read
}

// resource adds a declared resource to the material.
func (r *reader) resource(format, kind, name string, body, whole *source.Node, at source.Pos) *rules.Resource {
	b, w := clone(body, r.at), clone(whole, r.at)
	res := &rules.Resource{Pos: r.position(at), Format: format, Type: kind, Name: name, Body: &b, Whole: &w}
	r.m.Resources = append(r.m.Resources, res)
	return res
}

// slot reads the policies at a place of the body.
func (d *declared) slot(s slot) {
	d.down(d.body, strings.Split(s.path, "."), s.kind)
}

func (d *declared) down(n *source.Node, path []string, kind rules.Kind) {
	if name, arg := expression(n); name == "If" && len(arg.Items) == 3 && len(path) > 0 {
		d.down(&arg.Items[1], path, kind)
		d.down(&arg.Items[2], path, kind)
		return
	}
	if len(path) == 0 {
		d.policy(n, kind)
		return
	}
	name, list := strings.CutSuffix(path[0], "[]")
	next := n.Field(name)
	switch {
	case next == nil:
	case list:
		d.items(next, path[1:], kind)
	default:
		d.down(next, path[1:], kind)
	}
}

// items goes over a list, the branches of a choice, or the one value that
// stands where a list may.
func (d *declared) items(n *source.Node, path []string, kind rules.Kind) {
	name, arg := expression(n)
	switch {
	case name == "If" && len(arg.Items) == 3:
		d.items(&arg.Items[1], path, kind)
		d.items(&arg.Items[2], path, kind)
	case n.Kind == source.List && !areStatements(n):
		for i := range n.Items {
			d.items(&n.Items[i], path, kind)
		}
	default:
		d.down(n, path, kind)
	}
}

func (d *declared) policy(n *source.Node, kind rules.Kind) {
	d.done[n] = true
	p := d.r.policy(n, rules.Policy{Kind: kind, Whole: true, Owner: d.resource.Name, Role: d.role, Key: arn.ARN{Region: d.region}})
	if p != nil && p.Kind == rules.KeyPolicy {
		d.keyed = p
	}
	if p != nil && p.Kind != rules.KeyPolicy {
		p.Key = arn.ARN{}
	}
}

// rest looks for policies in members that no slot names.
func (d *declared) rest(n *source.Node, name string, above *source.Node) {
	if d.done[n] {
		return
	}
	if above != nil && (!d.named || isPolicyName(name)) && (isDocument(n) || mayHoldPolicy(n)) {
		of := named(name, above)
		if of.Owner == "" {
			of.Owner = d.resource.Name
		}
		d.done[n] = true
		if d.r.policy(n, of) != nil {
			return
		}
	}
	for i := range n.Items {
		d.rest(&n.Items[i], name, n)
	}
	for i := range n.Fields {
		d.rest(&n.Fields[i].Value, n.Fields[i].Name, n)
	}
}

// isPolicyName reports whether a member is called as policies are.
func isPolicyName(name string) bool {
	low := strings.ToLower(name)
	return strings.HasSuffix(low, "policy") || strings.HasSuffix(low, "policydocument") || strings.HasSuffix(low, "policytext") || strings.HasSuffix(low, "policies")
}

// key adds the key that a resource declares.
func (d *declared) key() {
	b := d.body
	k := &rules.Key{
		Pos: d.resource.Pos, Name: d.resource.Name, Policy: d.keyed, Resource: d.resource, ARN: arn.ARN{Region: d.region},
		Spec:   known(b, "KeySpec", "keySpec", "customerMasterKeySpec", "key_spec", "customer_master_key_spec"),
		Usage:  known(b, "KeyUsage", "keyUsage", "key_usage"),
		Origin: known(b, "Origin", "origin"),
	}
	for _, name := range []string{"MultiRegion", "multiRegion", "multi_region"} {
		k.MultiRegion = k.MultiRegion || isTrue(b.Field(name))
	}
	for _, name := range []string{"Enabled", "enabled", "isEnabled"} {
		if n := b.Field(name); n != nil && n.Text == "false" {
			k.State = "Disabled"
		}
	}
	if strings.HasSuffix(d.resource.Type, "ReplicaKey") {
		k.MultiRegion = true
	}
	d.r.m.Keys = append(d.r.m.Keys, k)
}

func isTrue(n *source.Node) bool {
	return n != nil && (n.Kind == source.Bool || n.Kind == source.String) && strings.EqualFold(n.Text, "true")
}

// text returns the first of some members that is a text.
func text(n *source.Node, names ...string) string {
	for _, name := range names {
		if v := n.Field(name); v != nil && v.Kind == source.String {
			return v.Text
		}
	}
	return ""
}

// known is text, or nothing when a part of it is still to be filled in.
func known(n *source.Node, names ...string) string {
	found := text(n, names...)
	if policy.HasPlaceholder(found) {
		return ""
	}
	return found
}
