package plan

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/route"
	"github.com/keyreach/keyreach/usage"
)

// want notes what opens the requests that are not open, and reports whether anything
// new was noted.
func (m *maker) want(proofs []route.Proof) bool {
	before := m.size()
	for i := range proofs {
		for j := range proofs[i].Steps {
			s := &proofs[i].Steps[j]
			for k := range s.Preconditions {
				m.wantFact(proofs[i].Route, &s.Preconditions[k])
			}
			for k := range s.Requests {
				if r := &s.Requests[k]; m.toOpen(r) {
					m.wantUse(proofs[i].Route, r)
				}
			}
		}
	}
	return m.size() != before
}

// size grows whenever something is noted.
func (m *maker) size() int {
	n := len(m.first) + len(m.states) + len(m.replicas)
	count := func(rules []rule) {
		for i := range rules {
			n += 1 + len(rules[i].actions) + len(rules[i].grantOps)
		}
	}
	for _, rules := range m.keys {
		count(rules)
	}
	for _, byRoute := range m.inline {
		for _, rules := range byRoute {
			count(rules)
		}
	}
	for _, rules := range m.vaults {
		count(rules)
	}
	for i := range m.grants {
		n += 1 + len(m.grants[i].operations)
	}
	return n
}

// toOpen reports whether the plan is to open the request: a required use that is
// blocked, and unless the plan is tight, one that AWS's documentation asks for.
func (m *maker) toOpen(r *route.RequestProof) bool {
	switch {
	case r.Verdict == route.Blocked:
		return true
	case r.Use.Need == usage.Asked && !m.o.Tight:
		return r.Verdict == route.Fragile && r.Decision.Effect != access.Unknown
	}
	return false
}

// openable reports whether the layers that block are such as ops of a plan change.
func openable(r *route.RequestProof) bool {
	for i := range r.Decision.Blockers {
		b := &r.Decision.Blockers[i]
		switch {
		case b.Explicit:
			return false
		case b.Layer == access.KeyPolicy, b.Layer == access.Identity, b.Layer == access.KeyStateLayer, b.Layer == access.GrantLayer:
		default:
			return false
		}
	}
	return len(r.Decision.Blockers) > 0
}

// wantUse notes what opens one request.
func (m *maker) wantUse(name string, r *route.RequestProof) {
	if !openable(r) {
		return
	}
	caller, err := arn.ParsePrincipal(r.Caller)
	key, err2 := arn.Parse(r.Key)
	if err != nil || err2 != nil {
		return
	}
	if slices.Contains(r.Decision.BlockedBy(), access.KeyStateLayer) && !m.enables(r.Key) {
		return // what a policy opens on such a key shows only when somebody enables it
	}
	switch { // AWS takes no policy or grant that names who is not there
	case caller.IsServiceLinked():
		m.wantRole(name, r.Caller)
	case isGone(m.now)(r.Caller):
		return // stuck says who has to make it
	}
	for _, layer := range r.Decision.BlockedBy() {
		switch layer {
		case access.KeyStateLayer:
			m.wantState(name, r.Key)
		case access.KeyPolicy:
			m.wantStatement(name, r, caller, key)
		case access.Identity:
			m.wantIdentity(name, r, caller, key)
		case access.GrantLayer:
			if caller.IsServiceLinked() && caller.Account != key.Account {
				m.wantGrant(name, r, caller)
			} else {
				m.wantStatement(name, r, caller, key)
			}
		}
	}
}

// ruleFor is the statement that carries the use.
func ruleFor(name string, r *route.RequestProof, caller arn.Principal, key arn.ARN) rule {
	u := rule{part: usePart, actions: []string{r.Use.Action}, routes: []string{name}, resource: "*", principal: caller.Text, account: caller.Account}
	u.app = appOf(r)
	if r.Use.Via != "" {
		u.via = usage.ViaService(r.Use.Via, key.Region)
		if strings.EqualFold(r.Use.Action, "kms:CreateGrant") {
			u.part = grantPart
		}
	}
	return u
}

// appOf is the app of the encryption context that a use carries; nothing for none.
func appOf(r *route.RequestProof) string { return r.Use.Context["app"] }

// wantStatement has the key's policy let the caller in. A role of another account that
// takes no policy of ours gets a grant instead.
func (m *maker) wantStatement(name string, r *route.RequestProof, caller arn.Principal, key arn.ARN) {
	if needsGrant(caller, key) {
		m.wantGrant(name, r, caller)
		return
	}
	u := ruleFor(name, r, caller, key)
	if m.o.Org != "" && caller.Account != key.Account && m.inOrganization(caller.Account) {
		u.principal, u.account, u.org = "", "", m.o.Org
	}
	m.keys[r.Key] = merge(m.keys[r.Key], u)
}

// needsGrant reports whether a policy cannot let the caller use the key: a
// service-linked role of another account whose own policy has no right on keys.
func needsGrant(caller arn.Principal, key arn.ARN) bool {
	if !caller.IsServiceLinked() || caller.Account == key.Account {
		return false
	}
	role, known := awsfacts.ServiceLinkedRoleFor(caller.Text)
	return !known || !role.KMSUse
}

// wantIdentity has the caller's own account let it use the key.
func (m *maker) wantIdentity(name string, r *route.RequestProof, caller arn.Principal, key arn.ARN) {
	switch {
	case caller.Account == key.Account && (caller.IsServiceLinked() || stagingRole.MatchString(caller.Text)):
		// The staging role takes policies, and is AWS's to make and to make again: it is left
		// as it is.
		m.wantStatement(name, r, caller, key)
		return
	case caller.IsServiceLinked():
		m.wantGrant(name, r, caller)
		return
	}
	holder := m.holderOf(caller)
	if holder == "" {
		return
	}
	u := ruleFor(name, r, caller, key)
	u.principal, u.account, u.resource = "", "", r.Key
	if m.inline[holder] == nil {
		m.inline[holder] = map[string][]rule{}
	}
	m.inline[holder][name] = merge(m.inline[holder][name], u)
}

// holderOf is the ARN of the user or role whose identity policies are the caller's, when
// the estate holds it and it takes policies: the roles of IAM Identity Center do not.
func (m *maker) holderOf(caller arn.Principal) string {
	text := caller.Text
	if caller.Kind == arn.AssumedRole {
		text = caller.RoleARN
	}
	if managedByIdentityCenter(text) {
		return ""
	}
	if p := m.now.Principal(text); p != nil {
		return p.ARN
	}
	if caller.Kind != arn.AssumedRole {
		return ""
	}
	for i := range m.now.Principals {
		p, err := arn.ParsePrincipal(m.now.Principals[i].ARN)
		if err == nil && p.Kind == arn.Role && p.Account == caller.Account && p.Name == caller.Name && !managedByIdentityCenter(p.Text) {
			return p.Text
		}
	}
	return ""
}

// managedByIdentityCenter reports whether IAM refuses changes of the role. See
// https://docs.aws.amazon.com/singlesignon/latest/userguide/permissionsetsconcept.html.
func managedByIdentityCenter(role string) bool {
	return strings.Contains(role, ":role/aws-reserved/sso.amazonaws.com/")
}

// wantGrant has the caller's account make a grant to it, when control policies let it.
func (m *maker) wantGrant(name string, r *route.RequestProof, caller arn.Principal) {
	if m.barred(grantOf(r, caller)) != nil {
		return // stuck says who can open it
	}
	g := m.grantFor(r.Key, caller)
	g.operations = union(g.operations, operationsOf(r))
	g.routes = union(g.routes, []string{name})
}

// grantOf is the grant for one use.
func grantOf(r *route.RequestProof, caller arn.Principal) *grant {
	return &grant{key: r.Key, grantee: caller.Text, issuer: caller.Account, operations: operationsOf(r)}
}

// operationsOf are the operations of a grant for one use. Who makes grants by a grant hands
// on no more than that allows. See
// https://docs.aws.amazon.com/kms/latest/developerguide/create-grant-overview.html.
func operationsOf(r *route.RequestProof) []string {
	return union([]string{strings.TrimPrefix(r.Use.Action, "kms:")}, r.Use.Grants)
}

func (m *maker) grantFor(key string, caller arn.Principal) *grant {
	i := slices.IndexFunc(m.grants, func(g grant) bool { return g.key == key && g.grantee == caller.Text })
	if i < 0 {
		m.grants = append(m.grants, grant{key: key, grantee: caller.Text, issuer: caller.Account})
		i = len(m.grants) - 1
	}
	return &m.grants[i]
}

func rootOf(p arn.Principal) string { return "arn:" + p.Partition + ":iam::" + p.Account + ":root" }

func parsed(text string) arn.Principal {
	p, err := arn.ParsePrincipal(text)
	if err != nil {
		return arn.Principal{}
	}
	return p
}

func (m *maker) inOrganization(account string) bool {
	o := m.base.Organization
	if o == nil || o.Unreadable != "" {
		return false
	}
	same, known := m.base.SameOrganization(account, o.ManagementAccount)
	return known && same
}
