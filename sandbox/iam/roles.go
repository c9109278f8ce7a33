package iam

import (
	"context"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) getRole(ctx context.Context, name *string) (*Role, error) {
	if r := s.role(account(ctx), *name); r != nil {
		return r, nil
	}
	return nil, noSuch("role", *name)
}

// encoded is a document as IAM answers it.
func encoded(document string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

func (r *Role) shown() *types.Role {
	out := &types.Role{
		Arn: new(r.arn()), AssumeRolePolicyDocument: r.shownTrust(), CreateDate: &r.Created, MaxSessionDuration: &r.MaxSession,
		Path: &r.Path, RoleId: &r.ID, RoleName: &r.Name, PermissionsBoundary: shownBoundary(r.Boundary), Tags: shownTags(r.Tags),
	}
	if r.Description != "" {
		out.Description = &r.Description
	}
	return out
}

const (
	plainSession = 3600
	servicePath  = "/aws-service-role/"
)

// CreateRole makes a role.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html.
func (s *Service) CreateRole(ctx context.Context, in *iam.CreateRoleInput) (*iam.CreateRoleOutput, error) {
	c := gate.From(ctx)
	if s.role(c.Caller.Account, *in.RoleName) != nil {
		return nil, exists("Role", *in.RoleName)
	}
	if strings.HasPrefix(pathOf(in.Path), servicePath) {
		return nil, refuse("InvalidInput", "The path of a service-linked role cannot be used.") // assumed text
	}
	if err := s.checkTrust(*in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	b, err := s.boundary(c.Caller.Account, in.PermissionsBoundary)
	if err != nil {
		return nil, err
	}
	r := &Role{
		Entity: Entity{Account: c.Caller.Account, Name: *in.RoleName, Path: pathOf(in.Path), ID: s.IDs.Unique("AROA"), Created: second(c.At), Boundary: b, Tags: tags},
		Trust:  *in.AssumeRolePolicyDocument, Description: aws.ToString(in.Description), MaxSession: plainSession,
	}
	if in.MaxSessionDuration != nil {
		r.MaxSession = *in.MaxSessionDuration
	}
	s.putRole(r)
	shown := r.shown()
	return &iam.CreateRoleOutput{Role: shown}, nil
}

func (s *Service) putRole(r *Role) {
	s.roles.Put(row(r.Account, r.Name), r)
	s.ids.Put(r.ID, new(r.arn()))
}

// GetRole tells about a role.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html.
func (s *Service) GetRole(ctx context.Context, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	r, err := s.getRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	shown := r.shown()
	shown.RoleLastUsed = &types.RoleLastUsed{}
	return &iam.GetRoleOutput{Role: shown}, nil
}

// ListRoles lists the roles of the account.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html.
func (s *Service) ListRoles(ctx context.Context, in *iam.ListRolesInput) (*iam.ListRolesOutput, error) {
	var list []types.Role
	for _, r := range s.roles.All(state.Key(account(ctx), "")) {
		if under(r.Path, in.PathPrefix) {
			shown := r.shown()
			shown.Tags, shown.PermissionsBoundary = nil, nil // the list leaves them out
			list = append(list, *shown)
		}
	}
	page, next, err := paged(list, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iam.ListRolesOutput{Roles: page, IsTruncated: next != nil, Marker: next}, nil
}

// changeRole finds a role that may be changed and returns a copy.
func (s *Service) changeRole(ctx context.Context, name *string) (*Role, error) {
	r, err := s.getRole(ctx, name)
	if err != nil {
		return nil, err
	}
	return r.clone(), r.protected()
}

// UpdateRole changes the description and the longest session.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html.
func (s *Service) UpdateRole(ctx context.Context, in *iam.UpdateRoleInput) (*iam.UpdateRoleOutput, error) {
	r, err := s.changeRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	if in.Description != nil {
		r.Description = *in.Description
	}
	if in.MaxSessionDuration != nil {
		r.MaxSession = *in.MaxSessionDuration
	}
	s.putRole(r)
	return &iam.UpdateRoleOutput{}, nil
}

// UpdateRoleDescription changes the description, of service-linked roles too.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRoleDescription.html.
func (s *Service) UpdateRoleDescription(ctx context.Context, in *iam.UpdateRoleDescriptionInput) (*iam.UpdateRoleDescriptionOutput, error) {
	r, err := s.getRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	r = r.clone()
	r.Description = *in.Description
	s.putRole(r)
	return &iam.UpdateRoleDescriptionOutput{Role: r.shown()}, nil
}

// UpdateAssumeRolePolicy replaces the trust policy.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAssumeRolePolicy.html.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput) (*iam.UpdateAssumeRolePolicyOutput, error) {
	r, err := s.changeRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	if err := s.checkTrust(*in.PolicyDocument); err != nil {
		return nil, err
	}
	r.Trust = *in.PolicyDocument
	s.putRole(r)
	return &iam.UpdateAssumeRolePolicyOutput{}, nil
}

// DeleteRole ends a role that has nothing left.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html.
func (s *Service) DeleteRole(ctx context.Context, in *iam.DeleteRoleInput) (*iam.DeleteRoleOutput, error) {
	r, err := s.changeRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(r.Inline) > 0:
		return nil, conflict("Cannot delete entity, must delete policies first.")
	case len(r.Attached) > 0:
		return nil, conflict("Cannot delete entity, must detach all policies first.")
	case len(s.profilesOf(r)) > 0:
		return nil, conflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	s.endRole(r)
	return &iam.DeleteRoleOutput{}, nil
}

func (s *Service) endRole(r *Role) {
	s.roles.Delete(row(r.Account, r.Name))
	s.ids.Delete(r.ID)
}

// TagRole puts tags on a role.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagRole.html.
func (s *Service) TagRole(ctx context.Context, in *iam.TagRoleInput) (*iam.TagRoleOutput, error) {
	r, err := s.changeRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	if r.Tags, err = addTags(r.Tags, in.Tags); err != nil {
		return nil, err
	}
	s.putRole(r)
	return &iam.TagRoleOutput{}, nil
}

// UntagRole takes tags away.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UntagRole.html.
func (s *Service) UntagRole(ctx context.Context, in *iam.UntagRoleInput) (*iam.UntagRoleOutput, error) {
	r, err := s.changeRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	r.Tags = removeTags(r.Tags, in.TagKeys)
	s.putRole(r)
	return &iam.UntagRoleOutput{}, nil
}

// ListRoleTags lists a role's tags.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoleTags.html.
func (s *Service) ListRoleTags(ctx context.Context, in *iam.ListRoleTagsInput) (*iam.ListRoleTagsOutput, error) {
	r, err := s.getRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(shownTags(r.Tags), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iam.ListRoleTagsOutput{Tags: page, IsTruncated: next != nil, Marker: next}, nil
}
