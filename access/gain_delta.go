package access

import (
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// reading is what is worked out once for each document.
type reading struct {
	// statements are the canonical forms of the statements, with the version that
	// says whether variables count.
	statements []string
	uses       map[string][]use // by condition key in lower case
	variables  []string
}

// read returns what is known of a document, which may be nil or unreadable.
func (s *survey) read(d *estate.Document) *reading {
	if r := s.readings[d]; r != nil {
		return r
	}
	r := &reading{uses: map[string][]use{}}
	s.readings[d] = r
	if d == nil || d.Source == nil {
		return r
	}
	for i := range d.Source.Statements {
		st := &d.Source.Statements[i]
		one := policy.Document{Version: d.Source.Version, Statements: []policy.Statement{*st}}
		r.statements = append(r.statements, string(one.Canonical()))
		for j := range st.Conditions {
			op := &st.Conditions[j]
			for k := range op.Keys {
				u := use{operator: op.Name, values: textsOf(&op.Keys[k].Values)}
				fold := strings.ToLower(op.Keys[k].Name)
				r.uses[fold] = append(r.uses[fold], u)
				for _, text := range u.values {
					r.variables = append(r.variables, variablesOf(text)...)
				}
			}
		}
		for _, l := range []*policy.List{st.Resource, st.NotResource} {
			for _, text := range textsOf(l) {
				r.variables = append(r.variables, variablesOf(text)...)
			}
		}
	}
	return r
}

func textsOf(l *policy.List) []string {
	if l == nil {
		return nil
	}
	out := make([]string, len(l.Values))
	for i := range l.Values {
		out[i] = l.Values[i].Text
	}
	return out
}

// delta is what differs between a request's two cases and might open it: Allow
// statements that came and Deny statements that went.
type delta struct {
	// always is set when something else differs: facts of the caller or the key,
	// a policy that came or went as a whole.
	always bool
	items  []deltaItem
	grants []*estate.Grant // new ones
}

// deltaItem is the statements of one layer that might open something.
type deltaItem struct {
	layer Layer
	doc   *policy.Policy
	// old is set for Deny statements of the earlier case.
	old bool
}

func (d *delta) empty() bool { return !d.always && len(d.items) == 0 && len(d.grants) == 0 }

// deltaOf compares two cases of one request.
func (s *survey) deltaOf(b, a *estate.Case) *delta {
	d := &delta{}
	d.always = b.IdentityUnread != a.IdentityUnread || b.BoundaryUnread != a.BoundaryUnread ||
		b.ResourceUnread != a.ResourceUnread || b.SCPUnread != a.SCPUnread || b.RCPUnread != a.RCPUnread ||
		b.GrantsUnread != a.GrantsUnread || b.RegionOff != a.RegionOff ||
		b.Request.Caller != a.Request.Caller || !sameKey(b.Key, a.Key) ||
		len(b.SCP) != len(a.SCP) || len(b.RCP) != len(a.RCP)
	s.union(d, Identity, b.Identity, a.Identity)
	s.union(d, Session, b.Session, a.Session)
	s.one(d, Boundary, b.Boundary, a.Boundary)
	s.one(d, resourceLayer(a), b.Resource, a.Resource)
	s.one(d, EndpointPolicy, b.Endpoint, a.Endpoint)
	for i := range min(len(b.SCP), len(a.SCP)) {
		s.union(d, SCP, b.SCP[i], a.SCP[i])
	}
	for i := range min(len(b.RCP), len(a.RCP)) {
		s.union(d, RCP, b.RCP[i], a.RCP[i])
	}
	for i := range a.Grants {
		g := &a.Grants[i]
		if !slices.ContainsFunc(b.Grants, func(o estate.Grant) bool { return sameGrant(&o, g) }) {
			d.grants = append(d.grants, g)
		}
	}
	d.always = d.always || s.factsDiffer(b, a)
	return d
}

// factsDiffer reports whether a context key that any policy of the cases asks
// for has another value by the facts of the estates.
func (s *survey) factsDiffer(b, a *estate.Case) bool {
	for _, name := range s.keysOf(b, a) {
		x, y := b.Lookup(name), a.Lookup(name)
		if x.Presence != y.Presence || x.Multi != y.Multi || x.One != y.One || !slices.Equal(x.Many, y.Many) {
			return true
		}
	}
	return false
}

// keysOf returns every context key that the policies of two cases ask for, in
// lower case.
func (s *survey) keysOf(cases ...*estate.Case) []string {
	keys := map[string]bool{}
	for _, c := range cases {
		s.eachDocument(c, func(d *estate.Document) {
			r := s.read(d)
			for k := range r.uses {
				keys[k] = true
			}
			for _, v := range r.variables {
				keys[strings.ToLower(v)] = true
			}
		})
	}
	return sortedKeys(keys)
}

func (s *survey) eachDocument(c *estate.Case, do func(*estate.Document)) {
	each := func(ns []estate.Named) {
		for i := range ns {
			do(ns[i].Document)
		}
	}
	each(c.Identity)
	each(c.Session)
	for _, n := range [...]*estate.Named{c.Boundary, c.Resource, c.Endpoint} {
		if n != nil {
			do(n.Document)
		}
	}
	for _, levels := range [...][][]estate.Named{c.SCP, c.RCP} {
		for _, l := range levels {
			each(l)
		}
	}
}

// union compares documents of which any may allow, statement by statement: it
// does not count in which of them a statement stands.
func (s *survey) union(d *delta, layer Layer, b, a []estate.Named) {
	if slices.EqualFunc(b, a, func(x, y estate.Named) bool { return x.Document == y.Document }) {
		return
	}
	for i := range a {
		s.changed(d, layer, &a[i], b, false)
	}
	for i := range b {
		s.changed(d, layer, &b[i], a, true)
	}
}

// changed notes the statements of n that none of the others has.
func (s *survey) changed(d *delta, layer Layer, n *estate.Named, others []estate.Named, old bool) {
	if n.Document == nil || n.Source == nil {
		if !slices.ContainsFunc(others, func(o estate.Named) bool {
			return o.Document != nil && n.Document != nil && o.Unreadable == n.Unreadable
		}) {
			d.always = true
		}
		return
	}
	r := s.read(n.Document)
	var kept []policy.Statement
	for i, text := range r.statements {
		has := func(o estate.Named) bool { return slices.Contains(s.read(o.Document).statements, text) }
		if st := &n.Source.Statements[i]; !slices.ContainsFunc(others, has) && mayOpen(st, old) {
			kept = append(kept, *st)
		}
	}
	if len(kept) == 0 {
		return
	}
	doc := &policy.Document{File: n.Source.File, Version: n.Source.Version, Statements: kept}
	d.items = append(d.items, deltaItem{layer: layer, doc: policy.Compile(doc), old: old})
}

// mayOpen reports whether a statement that came, or went, can open anything: an
// Allow that came or a Deny that went. A statement whose effect is still to be
// filled in can do either.
func mayOpen(st *policy.Statement, old bool) bool {
	if st.Opaque || st.Effect == nil || st.Effect.Unknown || st.Effect.Kind == policy.OpaqueValue {
		return true
	}
	return (st.Effect.Text == "Deny") == old
}

// one compares a policy of which there is one at most.
func (s *survey) one(d *delta, layer Layer, b, a *estate.Named) {
	switch {
	case b == nil && a == nil:
	case b == nil || a == nil:
		d.always = true
	default:
		s.union(d, layer, []estate.Named{*b}, []estate.Named{*a})
	}
}

func sameKey(b, a *estate.Key) bool {
	if b == nil || a == nil {
		return b == a
	}
	aliases := func(k *estate.Key) []string { return slices.Sorted(slices.Values(k.Aliases)) }
	return b.State == a.State && b.Manager == a.Manager && b.Spec == a.Spec && b.Usage == a.Usage && b.Origin == a.Origin &&
		b.MultiRegion == a.MultiRegion && b.PrimaryKey == a.PrimaryKey && maps.Equal(b.Tags, a.Tags) &&
		maps.Equal(b.PrincipalIDs, a.PrincipalIDs) && slices.Equal(aliases(b), aliases(a))
}

// sameGrant reports whether two grants open the same: ids, names and times do
// not count.
func sameGrant(b, a *estate.Grant) bool {
	sorted := func(g *estate.Grant) []string { return slices.Sorted(slices.Values(g.Operations)) }
	return b.GranteePrincipal == a.GranteePrincipal && b.GranteePrincipalID == a.GranteePrincipalID &&
		b.GranteeServicePrincipal == a.GranteeServicePrincipal && b.RetiringPrincipal == a.RetiringPrincipal &&
		b.Issuer() == a.Issuer() && slices.Equal(sorted(b), sorted(a)) && sameConstraints(b.Constraints, a.Constraints)
}

func sameConstraints(b, a *estate.GrantConstraints) bool {
	if b == nil {
		b = &estate.GrantConstraints{}
	}
	if a == nil {
		a = &estate.GrantConstraints{}
	}
	return b.SourceARN == a.SourceARN && maps.Equal(b.EncryptionContextSubset, a.EncryptionContextSubset) &&
		maps.Equal(b.EncryptionContextEquals, a.EncryptionContextEquals)
}

// mayApply reports whether anything that differs has to do with the request.
func (d *delta) mayApply(b, a *estate.Case) bool {
	if d.always {
		return true
	}
	for i := range d.items {
		if d.items[i].applies(b, a) {
			return true
		}
	}
	return slices.ContainsFunc(d.grants, func(g *estate.Grant) bool { return namesCaller(g, a) })
}

func (it *deltaItem) applies(b, a *estate.Case) bool {
	c := a
	if it.old {
		c = b
	}
	q := policy.Query{Caller: &c.Request.Caller, Action: c.Request.Action, Resource: c.Request.Resource, Context: c}
	switch it.layer {
	case RCP, EndpointPolicy:
		q.Names = true
	case KeyPolicy, ResourcePolicy:
		q.Names, q.NoResource = true, isRole(c)
		q.Context = (*resourceView)(c)
		if c.Key != nil {
			q.StoredIDs = c.Key.PrincipalIDs
		}
	}
	o := it.doc.Eval(&q)
	return o.Allowed|o.MaybeAllowed != 0 || o.Denied != policy.False
}

// namesCaller reports whether a grant names the caller itself. That the account
// which issued a grant may retire it comes with every grant and opens nothing.
func namesCaller(g *estate.Grant, c *estate.Case) bool {
	for _, p := range [...]party{grantee, retiringPrincipal} {
		if _, ok := p.names(g, c); ok {
			return true
		}
	}
	return false
}

// widens says whether a request that is not known in both estates may have been
// opened all the same: a layer says more than it did, or a layer that changed
// says what is not known.
func (d *delta) widens(b, a *estate.Case) bool {
	lb, la := look(b, nil), look(a, nil)
	if more(lb.identity, la.identity) || more(lb.boundary, la.boundary) || more(lb.session, la.session) ||
		more(lb.scp, la.scp) || more(lb.endpoint, la.endpoint) || la.rcp < lb.rcp || la.grants.allow > lb.grants.allow ||
		la.resource.Allowed&^lb.resource.Allowed != 0 || la.resource.Denied < lb.resource.Denied ||
		la.resource.MaybeAllowed&^(lb.resource.Allowed|lb.resource.MaybeAllowed) != 0 {
		return true
	}
	if len(d.grants) > 0 && la.grants.allow == policy.Unknown {
		return true
	}
	return slices.ContainsFunc(d.items, func(it deltaItem) bool { return it.applies(b, a) && it.open(&la) })
}

func more(b, a says) bool { return a.allow > b.allow || a.deny < b.deny }

// open reports whether the item's layer says what is not known.
func (it *deltaItem) open(l *layers) bool {
	vague := func(s says) bool { return s.allow == policy.Unknown || s.deny == policy.Unknown }
	switch it.layer {
	case Identity:
		return vague(l.identity)
	case Boundary:
		return vague(l.boundary)
	case Session:
		return vague(l.session)
	case SCP:
		return vague(l.scp)
	case RCP:
		return l.rcp == policy.Unknown
	case EndpointPolicy:
		return vague(l.endpoint)
	}
	return l.resource.MaybeAllowed&^l.resource.Allowed != 0 || l.resource.Denied == policy.Unknown
}
