package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// Limits of the sizes of policies, in characters. White space counts. See
// https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html; that
// the policies of vaults have the limit of those of buckets is assumed.
const (
	MaxKeyPolicy    = 32 * 1024
	MaxVaultPolicy  = 20 * 1024
	MaxBucketPolicy = 20 * 1024
)

// Limits of the sizes of identity policies, in characters without white space. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const (
	maxRoleInline = 10240 // all inline policies of a role
	maxUserInline = 2048  // all inline policies of a user
)

// textOf is the text of a policy of the estate; none for none.
func textOf(d *estate.Document) string {
	if d == nil || d.Source == nil {
		return ""
	}
	return d.Source.String()
}

// keyPolicies are the writes of key policies: one for each key.
func (m *maker) keyPolicies() ([]wanted, error) {
	rules := maps.Clone(m.keys)
	for i := range m.grants {
		g := m.whole(&m.grants[i])
		if root := rootOf(parsed(g.grantee)); !m.mayIssue(root, g) {
			rules[g.key] = merge(slices.Clone(rules[g.key]), rule{
				part: issuePart, principal: root, resource: "*", grantee: g.grantee, grantOps: g.operations,
				actions: []string{"kms:CreateGrant"}, routes: g.routes,
			})
		}
	}
	var ws []wanted
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		k := m.now.Key(key)
		if k == nil || k.Policy != nil && k.Policy.Unreadable != "" || !writable(m.now, key) {
			continue // stuck says who can open it
		}
		if keeperOf(k) != "" && !m.o.Owned {
			m.patches[key] = rules[key]
			continue
		}
		out, err := edit(textOf(k.Policy), rules[key], isGone(m.now))
		if err != nil {
			return nil, fmt.Errorf("planning the policy of %s: %w", key, err)
		}
		if len(out.text) > MaxKeyPolicy {
			return nil, &RefusedError{Guard: LengthGuard, Text: fmt.Sprintf("the policy of %s would have %d characters, and KMS takes %d", key, len(out.text), MaxKeyPolicy)}
		}
		why := "let in " + whom(rules[key])
		if len(out.orphans) > 0 {
			why += "; take out " + strings.Join(out.orphans, ", ") + ": gone, and AWS takes no policy back that names who is gone"
		}
		ws = append(ws, wanted{op: &estate.KeyPolicy{Key: key, Document: out.text}, why: why, routes: routesOf(rules[key]), gone: out.orphans})
	}
	return ws, nil
}

// writable reports whether anybody may change the policy of a key, or it is not known
// that nobody may.
func writable(e *estate.Estate, key string) bool { return anybodyMay(e, "kms:PutKeyPolicy", key) }

// anybodyMay reports whether anybody of a key's account may do something to it, or it is
// not known that nobody may.
func anybodyMay(e *estate.Estate, action, key string) bool {
	for principal := range membersOf(e, parsedARN(key)) {
		r, err := estate.NewRequest(principal, action, key)
		if err != nil {
			continue
		}
		c := e.Bind(r)
		if effect := access.Decide(&c); effect == access.Allow || effect == access.Unknown {
			return true
		}
	}
	return false
}

// whom names those whom rules let in.
func whom(rules []rule) string {
	var names []string
	for i := range rules {
		r := &rules[i]
		name := shortName(r.principal)
		switch {
		case r.part == issuePart:
			name = "account " + parsed(r.grantee).Account + " to make the grant for " + shortName(r.grantee)
		case r.org != "":
			name = "the members of " + r.org
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// shortName is a principal as people call it, with its account.
func shortName(principal string) string {
	p := parsed(principal)
	switch {
	case p.Account == "":
		return principal
	case p.Kind == arn.AccountRoot:
		return "account " + p.Account
	}
	return principal[strings.LastIndexByte(principal, '/')+1:] + " of " + p.Account
}

func routesOf(rules []rule) []string {
	var names []string
	for i := range rules {
		names = union(names, rules[i].routes)
	}
	return names
}

// inlinePolicies are the writes of identity policies: one for each principal and route.
func (m *maker) inlinePolicies() ([]wanted, error) {
	all := map[string]map[string][]rule{}
	for holder, byRoute := range m.inline {
		all[holder] = maps.Clone(byRoute)
	}
	for i := range m.grants {
		m.letIssue(all, m.whole(&m.grants[i]))
	}
	var ws []wanted
	for _, holder := range slices.Sorted(maps.Keys(all)) {
		for _, name := range slices.Sorted(maps.Keys(all[holder])) {
			op := &estate.InlinePolicy{Principal: holder, Name: inlineName(name)}
			was, err := m.now.Current(op)
			if err != nil {
				return nil, fmt.Errorf("planning: %w", err)
			}
			out, err := edit(was.(*estate.InlinePolicy).Document, all[holder][name], isGone(m.now))
			if err != nil {
				return nil, fmt.Errorf("planning the policy of %s: %w", holder, err)
			}
			op.Document = out.text
			if err := m.inlineFits(op); err != nil {
				return nil, err
			}
			ws = append(ws, wanted{op: op, why: "let " + shortName(holder) + " use " + keysOf(all[holder][name]), routes: routesOf(all[holder][name])})
		}
	}
	return ws, nil
}

// inlineName is the name of the inline policy of a route, in the letters and the length
// that IAM takes. See
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html.
func inlineName(name string) string {
	const longest = 128 - len(sidPrefix) - 1
	fit := strings.Map(func(r rune) rune {
		if r <= unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("+=,.@-_", r)) {
			return r
		}
		return '-'
	}, name)
	if fit != name || len(fit) > longest { // so that no two routes have one name
		h := sha256.Sum256([]byte(name))
		fit = fit[:min(len(fit), longest-9)] + "-" + hex.EncodeToString(h[:4])
	}
	return sidPrefix + "-" + fit
}

// keysOf names the keys of rules.
func keysOf(rules []rule) string {
	var keys []string
	for i := range rules {
		if !slices.Contains(keys, rules[i].resource) {
			keys = append(keys, rules[i].resource)
		}
	}
	return strings.Join(keys, ", ")
}

// inlineFits refuses what IAM would find too long.
func (m *maker) inlineFits(op *estate.InlinePolicy) error {
	limit := maxRoleInline
	if parsed(op.Principal).Kind == arn.User {
		limit = maxUserInline
	}
	size := len(op.Document)
	if p := m.now.Principal(op.Principal); p != nil {
		for i := range p.Policies {
			if a := &p.Policies[i]; a.Kind == "inline" && a.Name != op.Name {
				size += len(textOf(a.Document))
			}
		}
	}
	if size > limit {
		return &RefusedError{Guard: LengthGuard, Text: fmt.Sprintf("the inline policies of %s would have %d characters, and IAM takes %d", op.Principal, size, limit)}
	}
	return nil
}

// letIssue has the identity policies of the one who writes in an account let it make the
// grant, when it is known and they do not yet.
func (m *maker) letIssue(all map[string]map[string][]rule, g *grant) {
	writer := m.holderOf(parsed(m.o.Writers[g.issuer]))
	if writer == "" || m.mayIssue(writer, g) {
		return
	}
	if all[writer] == nil {
		all[writer] = map[string][]rule{}
	}
	name := g.routes[0]
	all[writer][name] = merge(slices.Clone(all[writer][name]), rule{
		part: issuePart, resource: g.key, grantee: g.grantee, grantOps: g.operations, actions: []string{"kms:CreateGrant"}, routes: g.routes,
	})
}

// mayIssue reports whether a principal may make the grant itself.
func (m *maker) mayIssue(principal string, g *grant) bool {
	c, err := m.issuing(principal, g)
	return err == nil && access.Decide(&c) == access.Allow
}

// barred is what keeps the account of a grantee from making the grant, whatever the key's
// and its own policies say: a control policy; nil for nothing.
func (m *maker) barred(g *grant) *access.Blocker {
	principal := m.o.Writers[g.issuer]
	if principal == "" {
		principal = rootOf(parsed(g.grantee))
	}
	c, err := m.issuing(principal, g)
	if err != nil {
		return nil
	}
	d := access.Authorize(&c)
	for i := range d.Blockers {
		if b := &d.Blockers[i]; b.Layer == access.SCP || b.Layer == access.RCP {
			return b
		}
	}
	return nil
}

// issuing is the case of a principal that makes a grant.
func (m *maker) issuing(principal string, g *grant) (estate.Case, error) {
	r, err := estate.NewRequest(principal, "kms:CreateGrant", g.key)
	if err != nil {
		return estate.Case{}, err
	}
	r.At = m.o.At
	r.Context.Set("kms:GranteePrincipal", policy.One(g.grantee))
	r.Context.Set("kms:GrantOperations", policy.Many(g.operations...))
	r.Context.Set("kms:GrantIsForAWSResource", policy.One("false"))
	return m.now.Bind(r), nil
}

// whole is a grant with the operations of the one that it takes the place of: an earlier
// plan's, for fewer. It has to be issued for all of them.
func (m *maker) whole(g *grant) *grant {
	out := *g
	if old := m.earlier(g); old != nil {
		out.operations = union(out.operations, old.Operations)
	}
	return &out
}

// earlier is the grant that an earlier plan made for the same, or nil.
func (m *maker) earlier(g *grant) *estate.Grant {
	k := m.now.Key(g.key)
	if k == nil {
		return nil
	}
	for i := range k.Grants {
		if old := &k.Grants[i]; strings.HasPrefix(old.Name, grantName(g, "")) && old.GranteePrincipal == g.grantee {
			return old
		}
	}
	return nil
}

// grantOps are the grants, each from the account of its grantee.
func (m *maker) grantOps() ([]wanted, error) {
	var ws []wanted
	for i := range m.grants {
		g := m.whole(&m.grants[i])
		if m.patches[g.key] != nil && !m.mayIssue(rootOf(parsed(g.grantee)), g) {
			continue // until the statement is there that lets it be made
		}
		op := &estate.GrantTo{Key: g.key, Issuer: g.issuer, Grantee: g.grantee, Operations: g.operations, Name: grantName(g, m.o.Change)}
		if old := m.earlier(g); old != nil {
			op.Name = old.Name
		}
		ws = append(ws, wanted{op: op, why: "let " + shortName(g.grantee) + " use the key, which takes no policy of yours", routes: g.routes})
	}
	return ws, nil
}

// grantName is a name that is the same for every plan that makes the grant, with the
// number of the change behind it. It is one for each account, Region and key, since the
// grants of a key are its own. See
// https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html.
func grantName(g *grant, change string) string {
	p, key := parsed(g.grantee), parsedARN(g.key)
	role := strings.Map(func(r rune) rune { // KMS takes fewer letters in the names of grants than IAM in those of roles
		if strings.ContainsRune("+=,.@", r) {
			return '-'
		}
		return r
	}, p.Name)
	name := sidPrefix + "-" + p.Account + "-" + key.Region + "-" + role
	if change != "" {
		name += "/" + camel(change)
	}
	return name
}

func parsedARN(text string) arn.ARN {
	a, err := arn.Parse(text)
	if err != nil {
		return arn.ARN{}
	}
	return a
}
