package iam

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/sandbox/state"
)

// ListEntitiesForPolicy lists who has a managed policy: roles, then groups, then
// users, as one list.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, in *iam.ListEntitiesForPolicyInput) (*iam.ListEntitiesForPolicyOutput, error) {
	p, err := s.getPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(s.entitiesOf(p.arn(), state.Key(account(ctx), ""), in), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &iam.ListEntitiesForPolicyOutput{
		PolicyRoles: []types.PolicyRole{}, PolicyGroups: []types.PolicyGroup{}, PolicyUsers: []types.PolicyUser{}, Marker: next, IsTruncated: next != nil,
	}
	for _, e := range page {
		switch e := e.(type) {
		case types.PolicyRole:
			out.PolicyRoles = append(out.PolicyRoles, e)
		case types.PolicyGroup:
			out.PolicyGroups = append(out.PolicyGroups, e)
		case types.PolicyUser:
			out.PolicyUsers = append(out.PolicyUsers, e)
		}
	}
	return out, nil
}

// entitiesOf are those of an account who have a policy and pass the filters.
func (s *Service) entitiesOf(policyARN, mine string, in *iam.ListEntitiesForPolicyInput) []any {
	has := func(e *Entity, kind types.EntityType) bool {
		if in.EntityFilter != "" && in.EntityFilter != kind || !under(e.Path, in.PathPrefix) {
			return false
		}
		return in.PolicyUsageFilter != types.PolicyUsageTypePermissionsBoundary && slices.Contains(e.Attached, policyARN) ||
			in.PolicyUsageFilter != types.PolicyUsageTypePermissionsPolicy && e.Boundary == policyARN
	}
	var list []any
	for _, r := range s.roles.All(mine) {
		if has(&r.Entity, types.EntityTypeRole) {
			list = append(list, types.PolicyRole{RoleId: &r.ID, RoleName: &r.Name})
		}
	}
	for _, g := range s.groups.All(mine) {
		if has(&g.Entity, types.EntityTypeGroup) {
			list = append(list, types.PolicyGroup{GroupId: &g.ID, GroupName: &g.Name})
		}
	}
	for _, u := range s.users.All(mine) {
		if has(&u.Entity, types.EntityTypeUser) {
			list = append(list, types.PolicyUser{UserId: &u.ID, UserName: &u.Name})
		}
	}
	return list
}
