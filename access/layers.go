package access

import (
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// Layer is one place where access can be given or refused.
type Layer string

// The layers, in the words of the case file.
const (
	Identity       Layer = "identity"
	KeyPolicy      Layer = "key-policy"
	ResourcePolicy Layer = "resource-policy"
	GrantLayer     Layer = "grant"
	Boundary       Layer = "boundary"
	Session        Layer = "session"
	SCP            Layer = "scp"
	RCP            Layer = "rcp"
	EndpointPolicy Layer = "endpoint"
	Operation      Layer = "operation"
	KeyStateLayer  Layer = "key-state"
	Region         Layer = "region"
)

// says is what a layer says: whether it allows and whether it denies.
type says struct{ allow, deny policy.Truth }

// silent is a layer that does not apply: it neither limits nor denies.
var silent = says{allow: policy.True}

// layers are the answers of all layers to one request.
type layers struct {
	identity says
	boundary says
	session  says
	resource policy.Outcome
	scp      says
	rcp      policy.Truth // denied
	endpoint says
	grants   grantAnswer
	misuse   misuse
}

// recorder collects the reasons while the layers are asked. A nil recorder is
// the quick way: the same questions, without keeping the answers.
type recorder struct {
	reports []layerReport
	grants  []GrantReport
}

type layerReport struct {
	layer Layer
	name  string
	policy.Report
}

// ask puts the query to one document and records what its statements say.
func (r *recorder) ask(layer Layer, n *estate.Named, q *policy.Query) policy.Outcome {
	p := n.Policy()
	if p == nil {
		return policy.Outcome{MaybeAllowed: policy.Any, Denied: policy.Unknown}
	}
	if r == nil {
		return p.Eval(q)
	}
	o, reports := p.Explain(q)
	for i := range reports {
		r.reports = append(r.reports, layerReport{layer: layer, name: n.Name, Report: reports[i]})
	}
	return o
}

// union asks several documents of which any may allow.
func (r *recorder) union(layer Layer, ns []estate.Named, q *policy.Query) says {
	var s says
	for i := range ns {
		o := r.ask(layer, &ns[i], q)
		s.allow = s.allow.Or(o.Allow(policy.Any))
		s.deny = s.deny.Or(o.Denied)
	}
	return s
}

// levels asks the levels of an organization, each of which has to allow.
func (r *recorder) levels(layer Layer, levels [][]estate.Named, q *policy.Query) says {
	s := silent
	for _, level := range levels {
		one := r.union(layer, level, q)
		s.allow = s.allow.And(one.allow)
		s.deny = s.deny.Or(one.deny)
	}
	return s
}

// resourceView is a case as its resource's policy sees it: a key policy cannot
// use kms:ResourceAliases, which only IAM policies have.
// See https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-resource-aliases.
type resourceView estate.Case

func (v *resourceView) Lookup(name string) policy.ContextValue {
	if name == "kms:resourcealiases" {
		return policy.ContextValue{}
	}
	return (*estate.Case)(v).Lookup(name)
}

// look asks every layer.
func look(c *estate.Case, r *recorder) layers {
	q := policy.Query{
		Caller: &c.Request.Caller, Action: c.Request.Action, Resource: c.Request.Resource, Context: c,
	}
	l := layers{misuse: misuseOf(c)}
	l.identity = askIdentity(c, r, &q)
	l.boundary, l.session = silent, silent
	if c.Boundary != nil {
		l.boundary = askOne(r, Boundary, c.Boundary, &q)
	}
	if len(c.Session) > 0 {
		l.session = r.union(Session, c.Session, &q)
	}
	l.scp = askSCP(c, r, &q)
	q.Names = true
	l.rcp = askRCP(c, r, &q)
	l.endpoint = askEndpoint(c, r, &q)
	l.resource = askResource(c, r, &q)
	l.grants.need = noPath
	if isKMSKey(c) {
		l.grants = askGrants(c, r, &l)
	}
	return l
}

func askOne(r *recorder, layer Layer, n *estate.Named, q *policy.Query) says {
	o := r.ask(layer, n, q)
	return says{allow: o.Allow(policy.Any), deny: o.Denied}
}

func askIdentity(c *estate.Case, r *recorder, q *policy.Query) says {
	s := r.union(Identity, c.Identity, q)
	if c.IdentityUnread != "" {
		s.allow, s.deny = s.allow.Or(policy.Unknown), s.deny.Or(policy.Unknown)
	}
	if c.Request.Caller.Kind == arn.AccountRoot {
		s.allow = policy.True // the root user needs no identity policy
	}
	return s
}

// askSCP asks the caller's organization. Service control policies bind neither
// services nor service-linked roles; the management account has none bound.
// See https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html#scp-effects-on-permissions.
func askSCP(c *estate.Case, r *recorder, q *policy.Query) says {
	caller := &c.Request.Caller
	if caller.Kind == arn.Service || caller.IsServiceLinked() {
		return silent
	}
	s := r.levels(SCP, c.SCP, q)
	if c.SCPUnread != "" {
		s.allow, s.deny = s.allow.And(policy.Unknown), s.deny.Or(policy.Unknown)
	}
	return s
}

// askRCP asks the resource owner's organization whether it denies; its allow
// is always there, because RCPFullAWSAccess cannot be detached.
// See https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html#actions-not-restricted-by-rcps.
func askRCP(c *estate.Case, r *recorder, q *policy.Query) policy.Truth {
	if c.AWSManaged() || c.Request.Caller.IsServiceLinked() || !awsfacts.RCPCovers(c.Request.Action) {
		return policy.False
	}
	deny := r.levels(RCP, c.RCP, q).deny
	if c.RCPUnread != "" {
		deny = deny.Or(policy.Unknown)
	}
	return deny
}

// askEndpoint asks the policy of the endpoint that the call came through. A
// service that forwards the call does not come through the caller's endpoint.
func askEndpoint(c *estate.Case, r *recorder, q *policy.Query) says {
	if c.Endpoint == nil {
		return silent
	}
	switch c.Forwarded() {
	case policy.True:
		return silent
	case policy.Unknown:
		s := askOne(r, EndpointPolicy, c.Endpoint, q)
		return says{allow: s.allow.Or(policy.Unknown), deny: s.deny.And(policy.Unknown)}
	}
	return askOne(r, EndpointPolicy, c.Endpoint, q)
}

func askResource(c *estate.Case, r *recorder, q *policy.Query) policy.Outcome {
	if c.Resource == nil {
		if c.ResourceUnread != "" {
			return policy.Outcome{MaybeAllowed: policy.Any, Denied: policy.Unknown}
		}
		return policy.Outcome{}
	}
	q.Context = (*resourceView)(c)
	q.NoResource = isRole(c)
	if c.Key != nil {
		q.StoredIDs = c.Key.PrincipalIDs
	}
	o := r.ask(resourceLayer(c), c.Resource, q)
	if isRetire(c) {
		o.Allowed, o.MaybeAllowed = 0, 0
	}
	return o
}

func resourceLayer(c *estate.Case) Layer {
	if isKMSKey(c) {
		return KeyPolicy
	}
	return ResourcePolicy
}

func isKMSKey(c *estate.Case) bool { return c.OnKMSKey() }

// isRole reports whether the request is to assume a role, where the trust
// policy has to agree whatever the account.
func isRole(c *estate.Case) bool {
	return c.Request.Target.Service == "iam" && c.Request.Target.Type() == "role" &&
		len(c.Request.Action) > 4 && equalFold(c.Request.Action[:4], "sts:")
}

// isRetire reports whether the request is kms:RetireGrant, which the grant
// itself decides: a key policy cannot give it.
// See https://docs.aws.amazon.com/kms/latest/developerguide/grant-delete.html.
func isRetire(c *estate.Case) bool { return equalFold(c.Request.Action, "kms:RetireGrant") }
