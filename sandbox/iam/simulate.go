package iam

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// Names of the policies that a simulation brings along.
const (
	inputPolicy    = "PolicyInputList."
	resourcePolicy = "resource policy"
)

// simulation is what the simulator is asked, whichever of its operations asks.
type simulation struct {
	account    string
	principal  string
	entity     *Entity  // whose policies are asked; nil for none
	inputs     []string // policies of the request
	identity   gate.Identity
	actions    []string
	resources  []string
	owner      *string
	resource   *string
	boundaries []string
	context    []types.ContextEntry
	// bare leaves out what only a real principal has: its organization.
	bare bool
	// scp are the levels that stand for an organization, without those that the
	// real principal has.
	scp     [][]estate.Named
	without excluded
}

// SimulatePrincipalPolicy says what a user, group or role may do. Like AWS's, it
// asks no key policy or trust policy that is not passed.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html.
func (s *Service) SimulatePrincipalPolicy(ctx context.Context, in *iam.SimulatePrincipalPolicyInput) (*iam.SimulatePrincipalPolicyOutput, error) {
	without := excluded(in.PolicyExclusionList)
	if err := without.check(); err != nil {
		return nil, err
	}
	c := gate.From(ctx)
	id, entity, err := s.sourceOf(c.Caller.Account, *in.PolicySourceArn, without)
	if err != nil {
		return nil, err
	}
	if id.Policies, err = extra(id.Policies, in.PolicyInputList); err != nil {
		return nil, err
	}
	caller := *in.PolicySourceArn
	switch {
	case in.CallerArn != nil:
		caller = *in.CallerArn
	case strings.Contains(caller, ":group/"): // a group calls nothing
		caller = arnOf(c.Caller.Account, "user", "/", "simulated")
	}
	results, err := s.simulate(c, simulation{
		account: c.Caller.Account, entity: entity, inputs: in.PolicyInputList, principal: caller, identity: id, actions: in.ActionNames, resources: in.ResourceArns, owner: in.ResourceOwner, resource: in.ResourcePolicy,
		boundaries: in.PermissionsBoundaryPolicyInputList, context: in.ContextEntries, without: without,
	})
	if err != nil {
		return nil, err
	}
	page, next, err := paged(results, in.Marker, in.MaxItems)
	return &iam.SimulatePrincipalPolicyOutput{EvaluationResults: page, Marker: next, IsTruncated: next != nil}, err
}

// sourceOf gathers the policies of the user, group or role of an account that a
// simulation is about.
func (s *Service) sourceOf(account, sourceARN string, without excluded) (gate.Identity, *Entity, error) {
	missing := refuse("NoSuchEntity", "The entity "+sourceARN+" cannot be found.") // assumed text
	a, err := arn.Parse(sourceARN)
	if err != nil || a.Service != "iam" {
		return gate.Identity{}, nil, refuse("InvalidInput", "Invalid Entity Arn: "+sourceARN)
	}
	if _, name, ok := strings.Cut(a.Resource, "group/"); ok {
		g := s.groups.Get(row(account, name[strings.LastIndexByte(name, '/')+1:]))
		if g == nil || g.arn() != sourceARN {
			return gate.Identity{}, nil, missing
		}
		return gate.Identity{Policies: s.held(nil, &g.Entity, types.AttachmentTypeGroup, without)}, &g.Entity, nil
	}
	p, err := arn.ParsePrincipal(sourceARN)
	if err != nil || p.Kind != arn.User && p.Kind != arn.Role {
		return gate.Identity{}, nil, refuse("InvalidInput", "Invalid Entity Arn: "+sourceARN)
	}
	if _, ok := s.UniqueID(p); !ok || p.Account != account {
		return gate.Identity{}, nil, missing
	}
	id := s.bind(sourceARN, without)
	if p.Kind == arn.User {
		return id, &s.user(account, p.Name).Entity, nil
	}
	return id, &s.role(account, p.Name).Entity, nil
}

// SimulateCustomPolicy says what policies would allow that nobody has yet.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html.
func (s *Service) SimulateCustomPolicy(ctx context.Context, in *iam.SimulateCustomPolicyInput) (*iam.SimulateCustomPolicyOutput, error) {
	c := gate.From(ctx)
	policies, err := extra(nil, in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	var scp [][]estate.Named
	for _, level := range in.OrderedOrganizationPolicyInputList {
		named, err := extra(nil, level.ServiceControlPolicyInputList)
		if err != nil {
			return nil, err
		}
		scp = append(scp, named)
	}
	caller := arnOf(c.Caller.Account, "user", "/", "simulated")
	if in.CallerArn != nil {
		caller = *in.CallerArn
	}
	results, err := s.simulate(c, simulation{
		account: c.Caller.Account, inputs: in.PolicyInputList, principal: caller, identity: gate.Identity{Policies: policies}, actions: in.ActionNames, resources: in.ResourceArns, owner: in.ResourceOwner,
		resource: in.ResourcePolicy, boundaries: in.PermissionsBoundaryPolicyInputList, context: in.ContextEntries, bare: true, scp: scp,
	})
	if err != nil {
		return nil, err
	}
	page, next, err := paged(results, in.Marker, in.MaxItems)
	return &iam.SimulateCustomPolicyOutput{EvaluationResults: page, Marker: next, IsTruncated: next != nil}, err
}

// extra reads policies that a request brings along.
func extra(list []estate.Named, documents []string) ([]estate.Named, error) {
	list = slices.Clone(list)
	for i, text := range documents {
		d, err := gate.ReadPolicy("policy of the request", text, false)
		if err != nil {
			return nil, refuse("InvalidInput", "Invalid policy: "+err.Error()) // assumed text
		}
		list = append(list, estate.Named{Name: inputPolicy + strconv.Itoa(i+1), Document: estate.NewDocument(d)})
	}
	return list, nil
}

func (s *Service) simulate(c *gate.Call, q simulation) ([]types.EvaluationResult, error) {
	if len(q.resources) == 0 {
		q.resources = []string{"*"}
	}
	boundary, err := extra(nil, q.boundaries)
	if err != nil {
		return nil, err
	}
	named := !slices.Equal(q.resources, []string{"*"})
	var results []types.EvaluationResult
	for _, action := range q.actions {
		var parts []types.EvaluationResult
		for _, resource := range q.resources {
			r, err := estate.NewRequest(q.principal, action, resource)
			if err != nil {
				return nil, refuse("InvalidInput", err.Error()) // our own text
			}
			r.At = c.At
			r.Context = contextEntries(q.context)
			if q.owner != nil {
				if p, perr := arn.ParsePrincipal(*q.owner); perr == nil {
					r.ResourceAccount = p.Account
				}
			}
			k, err := s.question(&q, r, boundary)
			if err != nil {
				return nil, err
			}
			parts = append(parts, s.evaluate(&q, k, action, resource))
		}
		if named {
			parts = []types.EvaluationResult{together(parts)}
		}
		results = append(results, parts...)
	}
	return results, nil
}

// question makes the case of one simulated request.
func (s *Service) question(q *simulation, r estate.Request, boundary []estate.Named) (*estate.Case, error) {
	k := &estate.Case{Request: r, Identity: q.identity.Policies, Boundary: q.identity.Boundary}
	if len(boundary) > 0 {
		k.Boundary = &boundary[0]
	}
	k.Request.Caller.Bounded = k.Boundary != nil
	facts := estate.Facts{CallerTags: q.identity.Tags}
	k.SCP = q.scp
	if !q.bare {
		standing := s.Gate.Organizations.Standing(r.Caller.Account)
		k.SCP, facts.CallerPlace, facts.ResourcePlace = q.without.levels(standing.SCP), standing.Place, standing.Place
	}
	k.Know(facts)
	if q.resource != nil {
		d, err := gate.ReadPolicy(resourcePolicy, *q.resource, true)
		if err != nil {
			return nil, refuse("InvalidInput", "Invalid policy: "+err.Error()) // assumed text
		}
		k.Resource = &estate.Named{Name: resourcePolicy, Document: estate.NewDocument(d)}
	} else if k.OnKMSKey() {
		// The simulator knows no key policy: one that leaves it to the account is
		// assumed, so that the identity policies decide.
		k.Resource = &estate.Named{Name: assumedKeyPolicy, Document: gate.Document(assumedKeyPolicy, `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"`+r.ResourceAccount+`"},"Action":"*","Resource":"*"}]}`)}
	}
	return k, nil
}

func contextEntries(entries []types.ContextEntry) estate.Given {
	var g estate.Given
	for _, e := range entries {
		if e.ContextKeyName == nil || len(e.ContextKeyValues) == 0 {
			continue
		}
		v := policy.One(e.ContextKeyValues[0])
		if strings.HasSuffix(string(e.ContextKeyType), "List") {
			v = policy.Many(e.ContextKeyValues...)
		}
		g.Set(*e.ContextKeyName, v)
	}
	return g
}

// assumedKeyPolicy is the name of the key policy that the simulator makes up.
const assumedKeyPolicy = "key policy"

// evaluate simulates one request.
func (s *Service) evaluate(q *simulation, k *estate.Case, action, resource string) types.EvaluationResult {
	d := access.Authorize(k)
	r := types.EvaluationResult{
		EvalActionName: &action, EvalResourceName: &resource, EvalDecision: types.PolicyEvaluationDecisionTypeImplicitDeny,
		MatchedStatements: s.matched(q, &d), MissingContextValues: []string{},
	}
	switch d.Effect {
	case access.Allow:
		r.EvalDecision = types.PolicyEvaluationDecisionTypeAllowed
	case access.ExplicitDeny:
		r.EvalDecision = types.PolicyEvaluationDecisionTypeExplicitDeny
	}
	if k.SCP != nil {
		r.OrganizationsDecisionDetail = &types.OrganizationsDecisionDetail{AllowedByOrganizations: !slices.Contains(d.BlockedBy(), access.SCP)}
	}
	if k.Boundary != nil {
		r.PermissionsBoundaryDecisionDetail = &types.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: !slices.Contains(d.BlockedBy(), access.Boundary)}
	}
	for _, u := range d.Unknown {
		if u.Key != "" {
			r.MissingContextValues = append(r.MissingContextValues, u.Key)
		}
	}
	return r
}

// strictness orders decisions.
var strictness = map[types.PolicyEvaluationDecisionType]int{
	types.PolicyEvaluationDecisionTypeAllowed: 0, types.PolicyEvaluationDecisionTypeImplicitDeny: 1, types.PolicyEvaluationDecisionTypeExplicitDeny: 2,
}

// together makes one result of those of an action on each resource of a request:
// the strictest decision, with what led to it. Of several resources none is named:
// AWS names a template of the action's ARNs, or "*" where it has none, which the
// sandbox takes for all.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html.
func together(parts []types.EvaluationResult) types.EvaluationResult {
	all := parts[0]
	for _, r := range parts[1:] {
		if strictness[r.EvalDecision] > strictness[all.EvalDecision] {
			all.EvalDecision = r.EvalDecision
		}
		all.EvalResourceName = new("*")
	}
	all.MatchedStatements, all.MissingContextValues, all.ResourceSpecificResults = []types.Statement{}, []string{}, nil
	for _, r := range parts {
		if r.EvalDecision == all.EvalDecision {
			all.MatchedStatements = append(all.MatchedStatements, newStatements(all.MatchedStatements, r.MatchedStatements)...)
		}
		for _, key := range r.MissingContextValues {
			if !slices.Contains(all.MissingContextValues, key) {
				all.MissingContextValues = append(all.MissingContextValues, key)
			}
		}
		if o := r.OrganizationsDecisionDetail; o != nil && !o.AllowedByOrganizations {
			all.OrganizationsDecisionDetail = o
		}
		if b := r.PermissionsBoundaryDecisionDetail; b != nil && !b.AllowedByPermissionsBoundary {
			all.PermissionsBoundaryDecisionDetail = b
		}
		all.ResourceSpecificResults = append(all.ResourceSpecificResults, types.ResourceSpecificResult{
			EvalResourceName: r.EvalResourceName, EvalResourceDecision: r.EvalDecision, MatchedStatements: r.MatchedStatements,
			MissingContextValues: r.MissingContextValues, PermissionsBoundaryDecisionDetail: r.PermissionsBoundaryDecisionDetail,
		})
	}
	return all
}

// newStatements are those that are not among old.
func newStatements(old, more []types.Statement) []types.Statement {
	var list []types.Statement
	for _, m := range more {
		known := slices.ContainsFunc(old, func(o types.Statement) bool { return reflect.DeepEqual(o, m) })
		if !known {
			list = append(list, m)
		}
	}
	return list
}
