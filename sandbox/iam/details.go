package iam

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/sandbox/state"
)

// GetAccountAuthorizationDetails returns all of IAM that decides access.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html.
func (s *Service) GetAccountAuthorizationDetails(ctx context.Context, in *iam.GetAccountAuthorizationDetailsInput) (*iam.GetAccountAuthorizationDetailsOutput, error) {
	all := s.details(account(ctx), in.Filter)
	page, next, err := paged(all, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &iam.GetAccountAuthorizationDetailsOutput{
		UserDetailList: []types.UserDetail{}, GroupDetailList: []types.GroupDetail{}, RoleDetailList: []types.RoleDetail{}, Policies: []types.ManagedPolicyDetail{},
		Marker: next, IsTruncated: next != nil,
	}
	for _, d := range page {
		switch d := d.(type) {
		case types.UserDetail:
			out.UserDetailList = append(out.UserDetailList, d)
		case types.GroupDetail:
			out.GroupDetailList = append(out.GroupDetailList, d)
		case types.RoleDetail:
			out.RoleDetailList = append(out.RoleDetailList, d)
		case types.ManagedPolicyDetail:
			out.Policies = append(out.Policies, d)
		}
	}
	return out, nil
}

func (s *Service) details(account string, filter []types.EntityType) []any {
	wanted := func(t types.EntityType) bool { return len(filter) == 0 || slices.Contains(filter, t) }
	prefix := state.Key(account, "")
	var all []any
	if wanted(types.EntityTypeUser) {
		for _, u := range s.users.All(prefix) {
			all = append(all, types.UserDetail{
				Arn: new(u.arn()), CreateDate: &u.Created, Path: &u.Path, UserId: &u.ID, UserName: &u.Name, GroupList: u.Groups,
				UserPolicyList: inlineDetails(&u.Entity), AttachedManagedPolicies: holder{Entity: &u.Entity}.attached(s, nil), PermissionsBoundary: shownBoundary(u.Boundary), Tags: shownTags(u.Tags),
			})
		}
	}
	if wanted(types.EntityTypeGroup) {
		for _, g := range s.groups.All(prefix) {
			all = append(all, types.GroupDetail{
				Arn: new(g.arn()), CreateDate: &g.Created, Path: &g.Path, GroupId: &g.ID, GroupName: &g.Name,
				GroupPolicyList: inlineDetails(&g.Entity), AttachedManagedPolicies: holder{Entity: &g.Entity}.attached(s, nil),
			})
		}
	}
	if wanted(types.EntityTypeRole) {
		for _, r := range s.roles.All(prefix) {
			all = append(all, s.roleDetail(r))
		}
	}
	return append(all, s.policyDetails(account, wanted)...)
}

func (s *Service) roleDetail(r *Role) types.RoleDetail {
	d := types.RoleDetail{
		Arn: new(r.arn()), AssumeRolePolicyDocument: r.shownTrust(), CreateDate: &r.Created, Path: &r.Path, RoleId: &r.ID, RoleName: &r.Name,
		RolePolicyList: inlineDetails(&r.Entity), AttachedManagedPolicies: holder{Entity: &r.Entity}.attached(s, nil), PermissionsBoundary: shownBoundary(r.Boundary),
		Tags: shownTags(r.Tags), InstanceProfileList: []types.InstanceProfile{}, RoleLastUsed: &types.RoleLastUsed{},
	}
	for _, p := range s.profilesOf(r) {
		d.InstanceProfileList = append(d.InstanceProfileList, *s.shownProfile(p))
	}
	return d
}

// policyDetails are the account's managed policies, and AWS's that somebody has.
func (s *Service) policyDetails(account string, wanted func(types.EntityType) bool) []any {
	var all []any
	add := func(p *Policy) {
		shown := s.shownPolicy(account, p)
		d := types.ManagedPolicyDetail{
			Arn: shown.Arn, AttachmentCount: shown.AttachmentCount, CreateDate: shown.CreateDate, DefaultVersionId: shown.DefaultVersionId, Description: shown.Description,
			IsAttachable: true, Path: shown.Path, PermissionsBoundaryUsageCount: shown.PermissionsBoundaryUsageCount, PolicyId: shown.PolicyId, PolicyName: shown.PolicyName,
			UpdateDate: shown.UpdateDate,
		}
		for i := range p.Versions {
			v := &p.Versions[i]
			d.PolicyVersionList = append(d.PolicyVersionList, types.PolicyVersion{
				CreateDate: &v.Created, Document: encoded(v.Document), IsDefaultVersion: v.ID == p.Default, VersionId: &v.ID,
			})
		}
		all = append(all, d)
	}
	if wanted(types.EntityTypeLocalManagedPolicy) {
		for _, p := range s.policies.All("arn:aws:iam::" + account + ":") {
			add(p)
		}
	}
	if wanted(types.EntityTypeAWSManagedPolicy) {
		for _, a := range s.attachedOfAWS(account) {
			add(s.policy(a))
		}
	}
	return all
}

// attachedOfAWS are the ARNs of AWS's policies that somebody in the account has.
func (s *Service) attachedOfAWS(account string) []string {
	var list []string
	note := func(e *Entity) {
		for _, a := range append(slices.Clone(e.Attached), e.Boundary) {
			if p := s.policy(a); p != nil && p.Account == "aws" && !slices.Contains(list, a) {
				list = append(list, a)
			}
		}
	}
	prefix := state.Key(account, "")
	for _, u := range s.users.All(prefix) {
		note(&u.Entity)
	}
	for _, g := range s.groups.All(prefix) {
		note(&g.Entity)
	}
	for _, r := range s.roles.All(prefix) {
		note(&r.Entity)
	}
	slices.Sort(list)
	return list
}

func inlineDetails(e *Entity) []types.PolicyDetail {
	list := []types.PolicyDetail{}
	for i := range e.Inline {
		list = append(list, types.PolicyDetail{PolicyName: &e.Inline[i].Name, PolicyDocument: encoded(e.Inline[i].Document)})
	}
	return list
}
