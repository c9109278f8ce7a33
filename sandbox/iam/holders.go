package iam

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// holder is a copy of a user, group or role whose policies are changed, and how
// to put it back.
type holder struct {
	*Entity
	kind string
	put  func()
}

func (s *Service) userHolder(ctx context.Context, name *string) (holder, error) {
	u, err := s.getUser(gate.From(ctx), name)
	if err != nil {
		return holder{}, err
	}
	u = u.clone()
	return holder{&u.Entity, "user", func() { s.putUser(u) }}, nil
}

func (s *Service) groupHolder(ctx context.Context, name *string) (holder, error) {
	g := s.groups.Get(row(account(ctx), *name))
	if g == nil {
		return holder{}, noSuch("group", *name)
	}
	g = g.clone()
	return holder{&g.Entity, "group", func() { s.groups.Put(row(g.Account, g.Name), g) }}, nil
}

func (s *Service) roleHolder(ctx context.Context, name *string) (holder, error) {
	r, err := s.changeRole(ctx, name)
	if err != nil {
		return holder{}, err
	}
	return holder{&r.Entity, "role", func() { s.putRole(r) }}, nil
}

// roleReader is roleHolder for who only looks, service-linked roles too.
func (s *Service) roleReader(ctx context.Context, name *string) (holder, error) {
	r, err := s.getRole(ctx, name)
	if err != nil {
		return holder{}, err
	}
	return holder{&r.Entity, "role", func() {}}, nil
}

func (h holder) putInline(name, document string) error {
	if err := checkPolicy(document); err != nil {
		return err
	}
	p := Inline{Name: name, Document: document}
	if i := h.find(name); i >= 0 {
		h.Inline[i] = p
	} else {
		h.Inline = append(h.Inline, p)
	}
	if err := h.tooLarge(); err != nil {
		return err
	}
	h.put()
	return nil
}

func (h holder) find(name string) int {
	return slices.IndexFunc(h.Inline, func(p Inline) bool { return p.Name == name })
}

func (h holder) inline(name string) (*Inline, error) {
	if i := h.find(name); i >= 0 {
		return &h.Inline[i], nil
	}
	return nil, refuse("NoSuchEntity", "The "+h.kind+" policy with name "+name+" cannot be found.")
}

func (h holder) deleteInline(name string) error {
	if _, err := h.inline(name); err != nil {
		return err
	}
	i := h.find(name)
	h.Inline = slices.Delete(h.Inline, i, i+1)
	h.put()
	return nil
}

func (h holder) names() []string {
	list := []string{}
	for _, p := range h.Inline {
		list = append(list, p.Name)
	}
	slices.Sort(list)
	return list
}

// maxAttached is the number of managed policies that an entity may have, until
// AWS raises it.
const maxAttached = 10

func (h holder) attach(s *Service, policyARN string) error {
	if s.visible(h.Account, policyARN) == nil {
		return noPolicy(policyARN)
	}
	if slices.Contains(h.Attached, policyARN) {
		return nil
	}
	if len(h.Attached) >= maxAttached {
		return refuse("LimitExceeded", "Cannot exceed quota for PoliciesPer"+upperKind(h.kind)+": 10")
	}
	h.Attached = append(h.Attached, policyARN)
	h.put()
	return nil
}

func upperKind(kind string) string {
	return map[string]string{"user": "User", "group": "Group", "role": "Role"}[kind]
}

func (h holder) detach(policyARN string) error {
	i := slices.Index(h.Attached, policyARN)
	if i < 0 {
		return refuse("NoSuchEntity", "Policy "+policyARN+" was not found.")
	}
	h.Attached = slices.Delete(h.Attached, i, i+1)
	h.put()
	return nil
}

// attached are the managed policies under a path; nil is any.
func (h holder) attached(s *Service, path *string) []types.AttachedPolicy {
	list := []types.AttachedPolicy{}
	for _, a := range h.Attached {
		if p := s.policy(a); p != nil && under(p.Path, path) {
			list = append(list, types.AttachedPolicy{PolicyArn: new(a), PolicyName: &p.Name})
		}
	}
	return list
}

func (h holder) bound(s *Service, policyARN *string) error {
	b, err := s.boundary(h.Account, policyARN)
	if err != nil {
		return err
	}
	h.Boundary = b
	h.put()
	return nil
}

// PutUserPolicy and the methods below give, show and take away policies of
// users, groups and roles.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html.
func (s *Service) PutUserPolicy(ctx context.Context, in *iam.PutUserPolicyInput) (*iam.PutUserPolicyOutput, error) {
	h, err := s.userHolder(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return &iam.PutUserPolicyOutput{}, h.putInline(*in.PolicyName, *in.PolicyDocument)
}

// PutGroupPolicy puts an inline policy into a group.
func (s *Service) PutGroupPolicy(ctx context.Context, in *iam.PutGroupPolicyInput) (*iam.PutGroupPolicyOutput, error) {
	h, err := s.groupHolder(ctx, in.GroupName)
	if err != nil {
		return nil, err
	}
	return &iam.PutGroupPolicyOutput{}, h.putInline(*in.PolicyName, *in.PolicyDocument)
}

// PutRolePolicy puts an inline policy into a role.
func (s *Service) PutRolePolicy(ctx context.Context, in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
	h, err := s.roleHolder(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	return &iam.PutRolePolicyOutput{}, h.putInline(*in.PolicyName, *in.PolicyDocument)
}

// GetUserPolicy returns an inline policy.
func (s *Service) GetUserPolicy(ctx context.Context, in *iam.GetUserPolicyInput) (*iam.GetUserPolicyOutput, error) {
	h, err := s.userHolder(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	p, err := h.inline(*in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &iam.GetUserPolicyOutput{UserName: &h.Name, PolicyName: &p.Name, PolicyDocument: encoded(p.Document)}, nil
}

// GetGroupPolicy returns an inline policy.
func (s *Service) GetGroupPolicy(ctx context.Context, in *iam.GetGroupPolicyInput) (*iam.GetGroupPolicyOutput, error) {
	h, err := s.groupHolder(ctx, in.GroupName)
	if err != nil {
		return nil, err
	}
	p, err := h.inline(*in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &iam.GetGroupPolicyOutput{GroupName: &h.Name, PolicyName: &p.Name, PolicyDocument: encoded(p.Document)}, nil
}

// GetRolePolicy returns an inline policy.
func (s *Service) GetRolePolicy(ctx context.Context, in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
	h, err := s.roleReader(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	p, err := h.inline(*in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &iam.GetRolePolicyOutput{RoleName: &h.Name, PolicyName: &p.Name, PolicyDocument: encoded(p.Document)}, nil
}

// DeleteUserPolicy takes an inline policy away.
func (s *Service) DeleteUserPolicy(ctx context.Context, in *iam.DeleteUserPolicyInput) (*iam.DeleteUserPolicyOutput, error) {
	h, err := s.userHolder(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return &iam.DeleteUserPolicyOutput{}, h.deleteInline(*in.PolicyName)
}

// DeleteGroupPolicy takes an inline policy away.
func (s *Service) DeleteGroupPolicy(ctx context.Context, in *iam.DeleteGroupPolicyInput) (*iam.DeleteGroupPolicyOutput, error) {
	h, err := s.groupHolder(ctx, in.GroupName)
	if err != nil {
		return nil, err
	}
	return &iam.DeleteGroupPolicyOutput{}, h.deleteInline(*in.PolicyName)
}

// DeleteRolePolicy takes an inline policy away.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
	h, err := s.roleHolder(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	return &iam.DeleteRolePolicyOutput{}, h.deleteInline(*in.PolicyName)
}

// ListUserPolicies lists the names of the inline policies.
func (s *Service) ListUserPolicies(ctx context.Context, in *iam.ListUserPoliciesInput) (*iam.ListUserPoliciesOutput, error) {
	h, err := s.userHolder(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(h.names(), in.Marker, in.MaxItems)
	return &iam.ListUserPoliciesOutput{PolicyNames: page, Marker: next, IsTruncated: next != nil}, err
}

// ListGroupPolicies lists the names of the inline policies.
func (s *Service) ListGroupPolicies(ctx context.Context, in *iam.ListGroupPoliciesInput) (*iam.ListGroupPoliciesOutput, error) {
	h, err := s.groupHolder(ctx, in.GroupName)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(h.names(), in.Marker, in.MaxItems)
	return &iam.ListGroupPoliciesOutput{PolicyNames: page, Marker: next, IsTruncated: next != nil}, err
}

// ListRolePolicies lists the names of the inline policies.
func (s *Service) ListRolePolicies(ctx context.Context, in *iam.ListRolePoliciesInput) (*iam.ListRolePoliciesOutput, error) {
	h, err := s.roleReader(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(h.names(), in.Marker, in.MaxItems)
	return &iam.ListRolePoliciesOutput{PolicyNames: page, Marker: next, IsTruncated: next != nil}, err
}
