package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

// ReadEstate makes material of the text of an estate file. It is OfEstate, and
// knows the places of keys, grants and resources too. An error about what the
// text says is an *estate.FileError.
func ReadEstate(file string, data []byte) (*Material, error) {
	e, err := estate.Load(file, data)
	if err != nil {
		return nil, err
	}
	m := OfEstate(e)
	m.File = file
	root, _, err := source.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s again: %w", file, err)
	}
	m.Places = map[string]finding.Position{}
	for _, list := range []string{"keys", "resources"} {
		for i := range items(root, list) {
			n := &root.Field(list).Items[i]
			m.place(n, "id", "arn")
			for j := range items(n, "grants") {
				m.place(&n.Field("grants").Items[j], "grant_id")
			}
		}
	}
	for _, k := range m.Keys {
		k.Pos = m.placeOf(k.Name)
	}
	for _, g := range m.Grants {
		g.Pos = m.placeOf(g.ID)
	}
	return m, nil
}

// items are the members of a list that is a member of a map.
func items(n *source.Node, name string) []source.Node {
	if list := n.Field(name); list != nil {
		return list.Items
	}
	return nil
}

// place notes where a member of the estate is, by the members that name it.
func (m *Material) place(n *source.Node, names ...string) {
	for _, name := range names {
		if id := n.Field(name); id != nil && id.Text != "" {
			m.Places[id.Text] = finding.Position{File: m.File, Line: int(id.Pos.Line), Column: int(id.Pos.Column)}
		}
	}
}

// placeOf returns where something of the estate is, by its ARN or id.
func (m *Material) placeOf(name string) finding.Position {
	if at, ok := m.Places[name]; ok {
		return at
	}
	return finding.Position{File: m.File}
}

// OfEstate makes material of an estate: its keys with policies, grants and
// states, and the policies of principals, organization, endpoints, buckets and
// vaults. All of them are whole. What AWS wrote itself is left out: the policies
// of its managed keys, its managed policies, those of service-linked roles.
func OfEstate(e *estate.Estate) *Material {
	m := &Material{Estate: e, Format: "estate"}
	o := ofEstate{Material: m}
	for i := range e.Keys {
		o.key(&e.Keys[i])
	}
	for i := range e.Principals {
		o.principal(&e.Principals[i])
	}
	if org := e.Organization; org != nil {
		o.organization(org)
	}
	for i := range e.Endpoints {
		o.policy(e.Endpoints[i].Policy, EndpointPolicy, e.Endpoints[i].ID)
	}
	for i := range e.Resources {
		o.resource(&e.Resources[i])
	}
	for _, k := range m.Keys {
		k.Pos.File = m.File
	}
	for _, g := range m.Grants {
		g.Pos.File = m.File
	}
	return m
}

// ofEstate gathers the material of an estate.
type ofEstate struct{ *Material }

// policy takes over a document that could be read.
func (o *ofEstate) policy(d *estate.Document, kind Kind, owner string) *Policy {
	if d == nil || d.Source == nil {
		return nil
	}
	p := &Policy{Doc: d.Source, Kind: kind, Whole: true, Owner: owner, Read: d.Findings}
	if o.File == "" {
		o.File = d.Source.File
	}
	o.Policies = append(o.Policies, p)
	return p
}

func (o *ofEstate) key(k *estate.Key) {
	a, err := arn.Parse(k.ARN)
	if err != nil {
		return
	}
	key := &Key{
		Name: k.ARN, ARN: a, State: k.State, Spec: k.Spec, Usage: k.Usage, Origin: k.Origin, Manager: k.Manager,
		MultiRegion: k.MultiRegion, Aliases: k.Aliases,
	}
	if k.Manager != "AWS" {
		key.Policy = o.policy(k.Policy, KeyPolicy, k.ARN)
	}
	if p := key.Policy; p != nil {
		p.Key = a
		key.Pos = p.Doc.Position(p.Doc.Pos)
	}
	o.Keys = append(o.Keys, key)
	for i := range k.Grants {
		o.Grants = append(o.Grants, grantOf(k, &k.Grants[i]))
	}
}

func grantOf(k *estate.Key, g *estate.Grant) *Grant {
	out := &Grant{
		ID: g.GrantID, Name: g.Name, Key: k.ARN, Grantee: g.GranteePrincipal, Retiring: g.RetiringPrincipal,
		Operations: g.Operations, Issuer: g.IssuingAccount, FromAWS: true,
	}
	if g.GranteeServicePrincipal != "" && out.Grantee == "" {
		out.Grantee = g.GranteeServicePrincipal
	}
	if g.CreatedAt != nil {
		out.Created = g.CreatedAt.Format(time.RFC3339)
	}
	if c := g.Constraints; c != nil {
		n := &source.Node{Kind: source.Map}
		addPairs(n, "EncryptionContextSubset", c.EncryptionContextSubset)
		addPairs(n, "EncryptionContextEquals", c.EncryptionContextEquals)
		if c.SourceARN != "" {
			n.Fields = append(n.Fields, source.Field{Name: "SourceArn", Value: source.Node{Kind: source.String, Text: c.SourceARN}})
		}
		out.Constraints = n
	}
	return out
}

// addPairs adds a map of texts to a node.
func addPairs(n *source.Node, name string, pairs map[string]string) {
	if len(pairs) == 0 {
		return
	}
	inner := source.Node{Kind: source.Map}
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		inner.Fields = append(inner.Fields, source.Field{Name: key, Value: source.Node{Kind: source.String, Text: pairs[key]}})
	}
	n.Fields = append(n.Fields, source.Field{Name: name, Value: inner})
}

func (o *ofEstate) principal(p *estate.Principal) {
	who, err := arn.ParsePrincipal(p.ARN)
	if err != nil {
		return
	}
	identity := func(name string, d *estate.Document, reason string) {
		if q := o.policy(d, IdentityPolicy, p.ARN); q != nil {
			q.Name, q.Role, q.NotInForce = name, who.Name, reason
		}
	}
	for i := range p.NotAttached {
		identity(p.NotAttached[i].Name, p.NotAttached[i].Document, p.NotAttached[i].Reason)
	}
	if who.IsServiceLinked() {
		return
	}
	for i := range p.Policies {
		if a, err := arn.Parse(p.Policies[i].ARN); err != nil || a.Account != "aws" {
			identity(p.Policies[i].Name, p.Policies[i].Document, "")
		}
	}
	o.policy(p.Boundary, BoundaryPolicy, p.ARN)
	o.policy(p.Trust, TrustPolicy, p.ARN)
}

// organization takes over the control policies; where one is attached tells
// which kind it is.
func (o *ofEstate) organization(org *estate.Organization) {
	kinds := map[string]Kind{}
	note := func(scps, rcps []string) {
		for _, name := range scps {
			kinds[name] = ControlPolicy
		}
		for _, name := range rcps {
			kinds[name] = ResourceControlPolicy
		}
	}
	units := []*estate.Unit{&org.Root}
	for len(units) > 0 {
		u := units[len(units)-1]
		units = units[:len(units)-1]
		note(u.SCPs, u.RCPs)
		for i := range u.Accounts {
			note(u.Accounts[i].SCPs, u.Accounts[i].RCPs)
		}
		for i := range u.Units {
			units = append(units, &u.Units[i])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(org.Policies)) {
		o.policy(org.Policies[name], kinds[name], org.ID+"/"+name)
	}
}

// resource takes over the policy of a bucket or a vault, which an estate holds
// as text.
func (o *ofEstate) resource(r *estate.Resource) {
	var text string
	kind := ResourcePolicy
	switch r.Type {
	case "s3:Bucket":
		text, kind = r.Attributes[estate.BucketPolicy], BucketPolicy
	case "backup:BackupVault":
		text = r.Attributes[estate.VaultAccessPolicy]
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	owner := r.ARN
	if owner == "" {
		owner = r.ID
	}
	d, found, err := policy.FromNode(o.File, &source.Node{Kind: source.String, Text: text})
	if err != nil {
		return
	}
	o.Policies = append(o.Policies, &Policy{Doc: d, Kind: kind, Whole: true, Owner: owner, Read: found})
}
