package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// survey is one comparison of two estates.
type survey struct {
	// The estates, with the invented member accounts in their organizations.
	before, after *estate.Estate
	// organizations are the ids of ours.
	organizations []string
	// ours are the accounts that the estates hold.
	ours []string
	// wide is set when something differs that may concern everybody: the
	// organization or the accounts.
	wide     bool
	probes   []probe
	targets  []target
	readings map[*estate.Document]*reading
	// endpoints are those whose policy changed.
	endpoints []string
	left      int
	found     []Gain
}

func newSurvey(before, after *estate.Estate, o Probes) (*survey, error) {
	s := &survey{readings: map[*estate.Document]*reading{}, left: o.Decisions}
	for _, e := range [...]*estate.Estate{before, after} {
		if e.Organization != nil && !slices.Contains(s.organizations, e.Organization.ID) {
			s.organizations = append(s.organizations, e.Organization.ID)
		}
	}
	s.wide = s.organizationText(before) != s.organizationText(after) || accountsText(before) != accountsText(after)
	s.endpoints = s.changedEndpoints(before, after)
	s.wide = s.wide || len(s.endpoints) > 0
	c := s.collect(before, after)
	for _, id := range sortedKeys(c.accounts) {
		if c.accounts[id] {
			s.ours = append(s.ours, id)
		}
	}
	members, err := c.join(before, after)
	if err != nil {
		return nil, err
	}
	if s.before, err = joined(before, members); err != nil {
		return nil, err
	}
	if s.after, err = joined(after, members); err != nil {
		return nil, err
	}
	if s.targets, err = s.targetsOf(c); err != nil {
		return nil, err
	}
	if s.probes, err = s.probesOf(c, members, o); err != nil {
		return nil, err
	}
	return s, nil
}

// ask asks one probe about all actions on one target.
func (s *survey) ask(p *probe, t *target, endpoint string) {
	b, a, err := s.bind(p, t, endpoint)
	if err != nil {
		s.found = append(s.found, Gain{
			Principal: p.label, Kind: p.kind, Resource: t.arn, Incomplete: true, Uncertain: true, Why: err.Error(),
		})
		return
	}
	q := question{s: s, before: b, after: a, never: p.born || t.born, delta: s.deltaOf(&b, &a)}
	if !q.never && q.delta.empty() {
		return
	}
	plain, forced := s.begin(&q, p)
	for _, action := range t.actions {
		q.before.Request.Action, q.after.Request.Action = action, action
		context := slices.Clone(plain)
		q.forced = forced
		if carries(action) {
			q.forced = append(slices.Clone(forced), s.encryption(&q, &context)...)
		}
		q.nodes, q.over = 0, false
		got := q.solve(context, 0)
		if q.over {
			s.found = append(s.found, Gain{
				Principal: p.label, Kind: p.kind, Actions: []string{action}, Resource: t.arn, Incomplete: true, Uncertain: true,
				Why: "the question has too many cases",
			})
			continue
		}
		for i := range got.openings {
			s.found = append(s.found, q.gain(p, t, context, &got.openings[i]))
		}
	}
}

// carries reports whether a request for the action may have an encryption
// context.
func carries(action string) bool {
	if !isKMS(action) {
		return false
	}
	yes, known := awsfacts.Carries(action, "kms:EncryptionContext:any")
	return yes || !known
}

// gain describes an opening, with the statements behind it.
func (q *question) gain(p *probe, t *target, context estate.Given, o *opening) Gain {
	g := Gain{
		Principal: p.label, Kind: p.kind, Actions: []string{q.after.Request.Action}, Resource: t.arn,
		Before: o.before, After: o.after, Uncertain: o.before == Unknown || o.after == Unknown,
	}
	if endpoint := q.after.Request.Endpoint; endpoint != "" {
		g.Context = map[string][]string{"aws:SourceVpce": {endpoint}}
	}
	full := slices.Clone(context)
	for _, f := range o.fixed {
		full.Set(f.name, f.value)
		if g.Context == nil {
			g.Context = map[string][]string{}
		}
		switch {
		case f.value.Presence == policy.Absent:
			g.Context[f.name] = []string{}
		case f.value.Multi:
			g.Context[f.name] = f.value.Many
		default:
			g.Context[f.name] = []string{f.value.One}
		}
	}
	q.set(full)
	now := Authorize(&q.after)
	for _, list := range [][]Evidence{now.Evidence, now.NearMisses} {
		for _, e := range list {
			if e.Effect == "Allow" && e.Applies != policy.False.String() && q.tells(e.Layer) {
				g.By = append(g.By, e)
			}
		}
	}
	if !q.never {
		was := Authorize(&q.before)
		for _, e := range was.Evidence {
			if e.Effect == "Deny" {
				g.Lifted = append(g.Lifted, e)
			}
		}
	}
	return g
}

// tells reports whether an Allow of the layer says why the request is open:
// that of a ceiling does only where the ceiling itself changed.
func (q *question) tells(l Layer) bool {
	switch l {
	case SCP, Boundary, Session, EndpointPolicy:
		return slices.ContainsFunc(q.delta.items, func(it deltaItem) bool { return it.layer == l })
	}
	return true
}

// bind gathers both cases of a probe and a target.
func (s *survey) bind(p *probe, t *target, endpoint string) (before, after estate.Case, err error) {
	r, err := estate.NewRequest(p.caller, t.actions[0], t.arn)
	if err != nil {
		return before, after, fmt.Errorf("asking for %s: %w", p.label, err)
	}
	if p.as != nil {
		r.Caller = *p.as
	}
	r.Endpoint = endpoint
	if t.account != "" {
		r.ResourceAccount = t.account
	} else if r.Target.Account == "" {
		r.ResourceAccount = r.Caller.Account
	}
	if p.limited && r.Caller.Kind != arn.User {
		r.SessionPolicies = []*estate.Document{p.silent}
	}
	for i, e := range [...]*estate.Estate{s.before, s.after} {
		c := e.Bind(r)
		if p.invented {
			c.Identity, c.IdentityUnread = p.identity, ""
			if p.limited && r.Caller.Kind == arn.User {
				c.Boundary, c.Request.Caller.Bounded = &estate.Named{Name: "permissions boundary", Document: p.silent}, true
			}
		}
		if t.own {
			c.Resource = t.policies[i]
			c.ResourceUnread, c.GrantsUnread = "", "" // what is invented has no grants
		}
		if i == 0 {
			before = c
		} else {
			after = c
		}
	}
	return before, after, nil
}

// begin is the context with which every question of a pair begins: what could
// be otherwise than the estates' facts say is not known. It also returns what
// has to be split first: which way the call came decides what other keys are.
func (s *survey) begin(q *question, p *probe) (context estate.Given, forced []string) {
	caller := &q.after.Request.Caller
	onKey := q.after.OnKMSKey()
	forwarded := onKey || q.after.Request.Resource == "*" // which services may call with the caller's rights
	role := caller.Kind == arn.Role || caller.Kind == arn.AssumedRole
	taggable := role && (p.invented || s.taggable(q.after.Request.Caller.RoleARN))
	if endpoint := q.after.Request.Endpoint; endpoint != "" {
		context.Set("aws:SourceVpce", policy.One(endpoint))
		onKey, forwarded = false, false // a service that forwards a call does not come through it
	}
	// An account that left the organization was inside before: its facts differ,
	// and stay as they are.
	outside := len(s.organizations) > 0 && q.after.Lookup("aws:principalorgid").Presence == policy.Absent &&
		q.before.Lookup("aws:principalorgid").Presence != policy.Present
	for _, k := range s.keysOf(&q.before, &q.after) {
		switch {
		case forwarded && caller.Account != "" && saysHow(k):
			forced = []string{"kms:ViaService"}
		case !onKey && (k == "aws:viaawsservice" || strings.HasPrefix(k, "aws:calledvia")):
			context.Set(k, policy.NotGiven())
		case strings.HasPrefix(k, "aws:principaltag/"):
			if caller.Account == "" {
				context.Set(k, policy.ContextValue{})
			} else if taggable {
				context.Set(k, policy.NotGiven())
			}
		case k == "aws:userid" && p.kind == GainAnonymous:
			context.Set(k, policy.ContextValue{})
		case (k == "aws:principalorgid" || k == "aws:principalorgpaths") && outside && caller.Account != "":
			context.Set(k, policy.NotGiven())
		}
	}
	if len(forced) > 0 {
		context.Set("kms:ViaService", policy.NotGiven())
	}
	return context, forced
}

// saysHow reports whether a context key tells how a call came, or depends on
// it.
func saysHow(fold string) bool {
	switch fold {
	case "kms:viaservice", "kms:grantisforawsresource", "aws:viaawsservice", "aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip":
		return true
	}
	return strings.HasPrefix(fold, "aws:calledvia")
}

// taggable reports whether a session of the role may bring tags of its own,
// which go before the role's: its trust policy has to allow sts:TagSession.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html.
func (s *survey) taggable(roleARN string) bool {
	p := s.after.Principal(roleARN)
	if p == nil || p.Trust == nil || p.Trust.Source == nil {
		return true
	}
	for i := range p.Trust.Source.Statements {
		st := &p.Trust.Source.Statements[i]
		if st.Opaque || st.NotAction != nil {
			return true
		}
		for _, text := range textsOf(st.Action) {
			if arn.Glob(strings.ToLower(text), "sts:tagsession") {
				return true
			}
		}
	}
	return false
}

// encryption makes the pairs of the encryption context that policies and grants
// ask for not known. Where a grant asks for exactly its pairs, all of them are
// split first, with one that nobody names.
func (s *survey) encryption(q *question, context *estate.Given) (forced []string) {
	pairs := map[string]string{}
	exact := false
	for _, k := range s.keysOf(&q.before, &q.after) {
		if strings.HasPrefix(k, encryptionContextPrefix) {
			pairs[k] = k
		} else if k == "kms:encryptioncontextkeys" {
			context.Set(k, policy.NotGiven())
			for _, c := range [...]*estate.Case{&q.before, &q.after} {
				for _, u := range s.usesIn(c, k) {
					for _, name := range instances(u.values) {
						pairs[encryptionContextPrefix+strings.ToLower(name)] = "kms:EncryptionContext:" + name
					}
				}
			}
		}
	}
	for _, c := range [...]*estate.Case{&q.before, &q.after} {
		for i := range c.Grants {
			k := c.Grants[i].Constraints
			if k == nil {
				continue
			}
			for _, m := range []map[string]string{k.EncryptionContextEquals, k.EncryptionContextSubset} {
				for name := range m {
					pairs[encryptionContextPrefix+strings.ToLower(name)] = "kms:EncryptionContext:" + name
				}
			}
			exact = exact || len(k.EncryptionContextEquals) > 0
		}
	}
	if exact {
		pairs[encryptionContextPrefix+unnamed] = "kms:EncryptionContext:" + unnamed
	}
	for _, fold := range sortedKeys(pairs) {
		context.Set(pairs[fold], policy.NotGiven())
		if exact {
			forced = append(forced, pairs[fold])
		}
	}
	return forced
}
