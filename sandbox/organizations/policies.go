package organizations

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/sandbox/state"
)

func (o *Organization) summary(p *Policy) *types.PolicySummary {
	return &types.PolicySummary{Id: &p.ID, Arn: new(o.policyARN(p)), Name: &p.Name, Description: &p.Description, Type: p.Type, AwsManaged: p.Organization == ""}
}

func (o *Organization) shownPolicy(p *Policy) *types.Policy {
	return &types.Policy{Content: &p.Content, PolicySummary: o.summary(p)}
}

// byType are the policies of a type, AWS's first.
func (s *Service) byType(o *Organization, t types.PolicyType) []*Policy {
	var list []*Policy
	if full := kindOf(t).full; full != nil {
		list = append(list, full)
	}
	for _, p := range s.policies.All(state.Key(o.ID, "")) {
		if p.Type == t {
			list = append(list, p)
		}
	}
	return list
}

// named reports whether another policy of a type has a name.
func (s *Service) named(o *Organization, t types.PolicyType, name, but string) bool {
	for _, p := range s.byType(o, t) {
		if p.Name == name && p.ID != but {
			return true
		}
	}
	return false
}

func duplicatePolicy() error {
	return refuse("DuplicatePolicyException", "A policy with the same name already exists.")
}

// CreatePolicy makes a control policy.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreatePolicy.html.
func (s *Service) CreatePolicy(ctx context.Context, in *organizations.CreatePolicyInput) (*organizations.CreatePolicyOutput, error) {
	o, err := s.managed(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.typed(ctx, o.Root, in.Type); err != nil {
		return nil, err
	}
	if s.named(o, in.Type, *in.Name, "") {
		return nil, duplicatePolicy()
	}
	if len(s.byType(o, in.Type)) > maxPoliciesByType {
		return nil, constraint("POLICY_NUMBER_LIMIT_EXCEEDED", "You have exceeded the number of policies that you can have in an organization.")
	}
	content, err := checkContent(in.Type, *in.Content)
	if err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	p := &Policy{Organization: o.ID, ID: "p-" + s.IDs.Hex(8), Name: *in.Name, Description: *in.Description, Type: in.Type, Content: content, Tags: tags}
	s.policies.Put(state.Key(o.ID, p.ID), p)
	return &organizations.CreatePolicyOutput{Policy: o.shownPolicy(p)}, nil
}

// foundPolicy is a policy of the organization on which the caller may act, or AWS's.
func (s *Service) foundPolicy(ctx context.Context, id string, may mayAct) (*Organization, *Policy, error) {
	o, err := may(ctx)
	if err != nil {
		return nil, nil, err
	}
	p := s.policy(o, id)
	if p == nil {
		return nil, nil, noPolicy()
	}
	return o, p, nil
}

// ownPolicy is a policy that may be changed: not one of AWS's.
func (s *Service) ownPolicy(ctx context.Context, id string) (*Organization, *Policy, error) {
	o, p, err := s.foundPolicy(ctx, id, s.managed)
	if err == nil && p.Organization == "" {
		return nil, nil, invalid("IMMUTABLE_POLICY", "You specified a policy that is managed by AWS and can't be modified.")
	}
	return o, p, err
}

// DescribePolicy returns a policy with its content.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribePolicy.html.
func (s *Service) DescribePolicy(ctx context.Context, in *organizations.DescribePolicyInput) (*organizations.DescribePolicyOutput, error) {
	o, p, err := s.foundPolicy(ctx, *in.PolicyId, s.viewed)
	if err != nil {
		return nil, err
	}
	return &organizations.DescribePolicyOutput{Policy: o.shownPolicy(p)}, nil
}

// UpdatePolicy changes a policy's name, description or content.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_UpdatePolicy.html.
func (s *Service) UpdatePolicy(ctx context.Context, in *organizations.UpdatePolicyInput) (*organizations.UpdatePolicyOutput, error) {
	o, p, err := s.ownPolicy(ctx, *in.PolicyId)
	if err != nil {
		return nil, err
	}
	changed := *p
	if in.Name != nil {
		if s.named(o, p.Type, *in.Name, p.ID) {
			return nil, duplicatePolicy()
		}
		changed.Name = *in.Name
	}
	if in.Description != nil {
		changed.Description = *in.Description
	}
	if in.Content != nil {
		if changed.Content, err = checkContent(p.Type, *in.Content); err != nil {
			return nil, err
		}
	}
	s.policies.Put(state.Key(o.ID, p.ID), &changed)
	return &organizations.UpdatePolicyOutput{Policy: o.shownPolicy(&changed)}, nil
}

// DeletePolicy ends a policy that is attached nowhere.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DeletePolicy.html.
func (s *Service) DeletePolicy(ctx context.Context, in *organizations.DeletePolicyInput) (*organizations.DeletePolicyOutput, error) {
	o, p, err := s.ownPolicy(ctx, *in.PolicyId)
	if err != nil {
		return nil, err
	}
	for _, target := range s.targets(o) {
		if s.attachments.Get(state.Key(o.ID, target, p.ID)) != nil {
			return nil, refuse("PolicyInUseException", "The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts before performing this operation.")
		}
	}
	s.policies.Delete(state.Key(o.ID, p.ID))
	return &organizations.DeletePolicyOutput{}, nil
}

// summaries are the list form of policies.
func (o *Organization) summaries(list []*Policy) []types.PolicySummary {
	var out []types.PolicySummary
	for _, p := range list {
		out = append(out, *o.summary(p))
	}
	return out
}

// ListPolicies lists the policies of a type.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListPolicies.html.
func (s *Service) ListPolicies(ctx context.Context, in *organizations.ListPoliciesInput) (*organizations.ListPoliciesOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(o.summaries(s.byType(o, in.Filter)), in.NextToken, in.MaxResults)
	return &organizations.ListPoliciesOutput{Policies: page, NextToken: next}, err
}

// ListPoliciesForTarget lists the policies of a type that are attached directly to
// a root, unit or account.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListPoliciesForTarget.html.
func (s *Service) ListPoliciesForTarget(ctx context.Context, in *organizations.ListPoliciesForTargetInput) (*organizations.ListPoliciesForTargetOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	if s.target(o, *in.TargetId) == nil {
		return nil, noTarget()
	}
	page, next, err := paged(o.summaries(s.attached(o, *in.TargetId, in.Filter)), in.NextToken, in.MaxResults)
	return &organizations.ListPoliciesForTargetOutput{Policies: page, NextToken: next}, err
}

// target is a root, unit or account as lists show it, or nil.
func (s *Service) target(o *Organization, id string) *types.PolicyTargetSummary {
	if id == o.Root {
		return &types.PolicyTargetSummary{TargetId: &id, Arn: new(o.rootARN()), Name: new("Root"), Type: types.TargetTypeRoot}
	}
	if u := s.unit(o, id); u != nil {
		return &types.PolicyTargetSummary{TargetId: &id, Arn: new(o.unitARN(id)), Name: &u.Name, Type: types.TargetTypeOrganizationalUnit}
	}
	if m := s.member(o, id); m != nil {
		return &types.PolicyTargetSummary{TargetId: &id, Arn: new(o.accountARN(id)), Name: &m.Name, Type: types.TargetTypeAccount}
	}
	return nil
}

// ListTargetsForPolicy lists what a policy is attached to.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListTargetsForPolicy.html.
func (s *Service) ListTargetsForPolicy(ctx context.Context, in *organizations.ListTargetsForPolicyInput) (*organizations.ListTargetsForPolicyOutput, error) {
	o, p, err := s.foundPolicy(ctx, *in.PolicyId, s.viewed)
	if err != nil {
		return nil, err
	}
	var list []types.PolicyTargetSummary
	for _, id := range s.targets(o) {
		if s.attachments.Get(state.Key(o.ID, id, p.ID)) != nil {
			list = append(list, *s.target(o, id))
		}
	}
	page, next, err := paged(list, in.NextToken, in.MaxResults)
	return &organizations.ListTargetsForPolicyOutput{Targets: page, NextToken: next}, err
}

// AttachPolicy attaches a policy to a root, unit or account.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_AttachPolicy.html.
func (s *Service) AttachPolicy(ctx context.Context, in *organizations.AttachPolicyInput) (*organizations.AttachPolicyOutput, error) {
	o, p, err := s.foundPolicy(ctx, *in.PolicyId, s.managed)
	switch {
	case err != nil:
		return nil, err
	case s.target(o, *in.TargetId) == nil:
		return nil, noTarget()
	case !o.on(p.Type):
		return nil, notEnabled()
	case s.attachments.Get(state.Key(o.ID, *in.TargetId, p.ID)) != nil:
		return nil, refuse("DuplicatePolicyAttachmentException", "The selected policy is already attached to the specified target.")
	case len(s.attached(o, *in.TargetId, p.Type)) >= kindOf(p.Type).perTarget:
		return nil, constraint("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You have exceeded the number of policies of a certain type that can be attached to an entity at one time.")
	}
	s.attach(o, *in.TargetId, p.ID)
	return &organizations.AttachPolicyOutput{}, nil
}

// DetachPolicy takes a policy off a root, unit or account. The last service
// control policy stays, and so does RCPFullAWSAccess.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_DetachPolicy.html.
func (s *Service) DetachPolicy(ctx context.Context, in *organizations.DetachPolicyInput) (*organizations.DetachPolicyOutput, error) {
	o, p, err := s.foundPolicy(ctx, *in.PolicyId, s.managed)
	switch {
	case err != nil:
		return nil, err
	case s.target(o, *in.TargetId) == nil:
		return nil, noTarget()
	case !o.on(p.Type):
		return nil, notEnabled()
	case s.attachments.Get(state.Key(o.ID, *in.TargetId, p.ID)) == nil:
		return nil, refuse("PolicyNotAttachedException", "The policy isn't attached to the specified target in the specified root.")
	case p == kindOf(p.Type).full && !kindOf(p.Type).detachable:
		return nil, invalid("IMMUTABLE_POLICY", "You specified a policy that is managed by AWS and can't be detached.")
	case len(s.attached(o, *in.TargetId, p.Type)) == 1:
		return nil, constraint("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.")
	}
	s.attachments.Delete(state.Key(o.ID, *in.TargetId, p.ID))
	return &organizations.DetachPolicyOutput{}, nil
}
