package terraform

import (
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// key takes over a declared key, or an alias.
func (g *gatherer) key(b *block, r *rules.Resource) {
	k := &rules.Key{Pos: r.Pos, Name: r.Name, Resource: r, Manager: "CUSTOMER", Origin: "AWS_KMS"}
	switch {
	case b.kind == "data" && b.typ == "aws_kms_alias":
		alias := plain(b.body.Field("name"))
		if alias == "" {
			return
		}
		k.Manager, k.Origin, k.Aliases = "", "", []string{alias}
		if strings.HasPrefix(alias, "alias/aws/") {
			k.Manager = "AWS"
		}
		g.out.Keys = append(g.out.Keys, k)
		return
	case b.kind != "resource":
		return
	case b.typ == "aws_kms_key":
		k.Spec = otherwise(&b.body, "customer_master_key_spec", "SYMMETRIC_DEFAULT")
		k.Usage = otherwise(&b.body, "key_usage", "ENCRYPT_DECRYPT")
		if given(&b.body, "custom_key_store_id") != nil {
			k.Origin = "AWS_CLOUDHSM"
		}
		if given(&b.body, "xks_key_id") != nil {
			k.Origin = "EXTERNAL_KEY_STORE"
		}
	case b.typ == "aws_kms_external_key" || b.typ == "aws_kms_replica_external_key":
		k.Origin, k.Spec, k.Usage = "EXTERNAL", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"
	case b.typ == "aws_kms_replica_key":
		k.Origin = "" // that of its primary key
	default:
		return
	}
	multi := given(&b.body, "multi_region")
	k.MultiRegion = strings.Contains(b.typ, "replica") || multi != nil && multi.Text == "true"
	k.ARN = g.keyARN(b)
	for _, name := range []string{"is_enabled", "enabled"} {
		if v := given(&b.body, name); v != nil && v.Text == "false" {
			k.State = "Disabled"
		}
	}
	g.keys[b.address()] = k
	g.out.Keys = append(g.out.Keys, k)
}

// otherwise is the text of an argument, or what it is without one; nothing when
// it is not known.
func otherwise(body *source.Node, name, without string) string {
	if v := given(body, name); v != nil {
		return plain(v)
	}
	return without
}

// ofKey ties a key policy to its key.
func (g *gatherer) ofKey(b *block, p *rules.Policy) {
	if p.Kind != rules.KeyPolicy {
		return
	}
	k := g.keys[b.address()]
	if b.typ == "aws_kms_key_policy" {
		id := b.body.Field("key_id")
		if k = g.keys[b.path+target(id)]; k == nil {
			if a, err := arn.Parse(plain(id)); err == nil {
				p.Key = a
			}
			return
		}
	}
	if k == nil {
		return
	}
	if g.tied[p] && p.Key != k.ARN {
		p.Key = arn.ARN{} // the policy of several keys
	} else {
		p.Key = k.ARN
	}
	k.Policy, g.tied[p] = p, true
}

// alias notes the names of keys, once all keys are known.
func (g *gatherer) alias(b *block) {
	if b.kind != "resource" || b.typ != "aws_kms_alias" {
		return
	}
	k, name := g.keys[b.path+target(b.body.Field("target_key_id"))], plain(b.body.Field("name"))
	if k != nil && name != "" {
		k.Aliases = append(k.Aliases, name)
	}
}

// grant takes over a declared grant.
// See https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/kms_grant.
func (g *gatherer) grant(b *block) {
	if b.kind != "resource" || b.typ != "aws_kms_grant" {
		return
	}
	body := &b.body
	grant := &rules.Grant{Pos: g.place(b.pos), Key: plain(body.Field("key_id"))}
	if v := given(body, "name"); v != nil {
		grant.Name = asText(v)
	}
	if v := given(body, "grantee_principal"); v != nil {
		grant.Grantee = asText(v)
		grant.UnknownGrantee = plain(v) == ""
	}
	if v := given(body, "retiring_principal"); v != nil {
		grant.Retiring = asText(v)
		grant.RetiringIsUnknown = plain(v) == ""
	}
	if v := given(body, "operations"); v != nil {
		grant.UnknownOperations = !allKnown(v)
		for i := range v.Items {
			if op := plain(&v.Items[i]); op != "" {
				grant.Operations = append(grant.Operations, op)
			} else {
				grant.UnknownOperations = true
			}
		}
	}
	g.constraints(grant, body.Field("constraints"))
	g.out.Grants = append(g.out.Grants, grant)
}

// constraints takes over a grant's constraints under AWS's own names.
func (g *gatherer) constraints(grant *rules.Grant, v *source.Node) {
	if v == nil || v.Kind == source.Null {
		return
	}
	blocks := objects(v)
	if len(blocks) == 0 {
		grant.ConstraintsUnknown = v.Kind == source.Intrinsic
		return
	}
	n := &source.Node{Kind: source.Map, Pos: blocks[0].Pos}
	for _, b := range blocks {
		for _, names := range [...][2]string{
			{"encryption_context_equals", "EncryptionContextEquals"}, {"encryption_context_subset", "EncryptionContextSubset"},
		} {
			if pairs := given(b, names[0]); pairs != nil {
				grant.ConstraintsUnknown = grant.ConstraintsUnknown || pairs.Kind != source.Map
				n.Fields = append(n.Fields, source.Field{Name: names[1], Pos: pairs.Pos, Value: *pairs})
			}
		}
	}
	grant.Constraints = n
}
