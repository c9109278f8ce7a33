package iam

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (g *Group) shown() *types.Group {
	return &types.Group{Arn: new(g.arn()), CreateDate: &g.Created, GroupId: &g.ID, GroupName: &g.Name, Path: &g.Path}
}

func (s *Service) getGroup(ctx context.Context, name *string) (*Group, error) {
	if g := s.groups.Get(row(account(ctx), *name)); g != nil {
		return g, nil
	}
	return nil, noSuch("group", *name)
}

// CreateGroup makes a group.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html.
func (s *Service) CreateGroup(ctx context.Context, in *iam.CreateGroupInput) (*iam.CreateGroupOutput, error) {
	c := gate.From(ctx)
	if s.groups.Get(row(c.Caller.Account, *in.GroupName)) != nil {
		return nil, exists("Group", *in.GroupName)
	}
	g := &Group{Entity{Account: c.Caller.Account, Name: *in.GroupName, Path: pathOf(in.Path), ID: s.IDs.Unique("AGPA"), Created: second(c.At)}}
	s.groups.Put(row(g.Account, g.Name), g)
	return &iam.CreateGroupOutput{Group: g.shown()}, nil
}

func (s *Service) members(g *Group) []*User {
	var list []*User
	for _, u := range s.users.All(state.Key(g.Account, "")) {
		if slices.Contains(u.Groups, g.Name) {
			list = append(list, u)
		}
	}
	return list
}

// GetGroup tells about a group and its users.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetGroup.html.
func (s *Service) GetGroup(ctx context.Context, in *iam.GetGroupInput) (*iam.GetGroupOutput, error) {
	g, err := s.getGroup(ctx, in.GroupName)
	if err != nil {
		return nil, err
	}
	list := []types.User{}
	for _, u := range s.members(g) {
		list = append(list, *u.listed())
	}
	page, next, err := paged(list, in.Marker, in.MaxItems)
	return &iam.GetGroupOutput{Group: g.shown(), Users: page, Marker: next, IsTruncated: next != nil}, err
}

// ListGroups lists the groups of the account.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListGroups.html.
func (s *Service) ListGroups(ctx context.Context, in *iam.ListGroupsInput) (*iam.ListGroupsOutput, error) {
	var list []types.Group
	for _, g := range s.groups.All(state.Key(account(ctx), "")) {
		if under(g.Path, in.PathPrefix) {
			list = append(list, *g.shown())
		}
	}
	page, next, err := paged(list, in.Marker, in.MaxItems)
	return &iam.ListGroupsOutput{Groups: page, Marker: next, IsTruncated: next != nil}, err
}

// UpdateGroup changes the name or path of a group.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateGroup.html.
func (s *Service) UpdateGroup(ctx context.Context, in *iam.UpdateGroupInput) (*iam.UpdateGroupOutput, error) {
	g, err := s.getGroup(ctx, in.GroupName)
	if err != nil {
		return nil, err
	}
	c := g.clone()
	if in.NewPath != nil {
		c.Path = *in.NewPath
	}
	if in.NewGroupName != nil && *in.NewGroupName != g.Name {
		if other := s.groups.Get(row(g.Account, *in.NewGroupName)); other != nil && other.ID != g.ID {
			return nil, exists("Group", *in.NewGroupName)
		}
		c.Name = *in.NewGroupName
		for _, u := range s.members(g) {
			u = u.clone()
			u.Groups[slices.Index(u.Groups, g.Name)] = c.Name
			s.putUser(u)
		}
		s.groups.Delete(row(g.Account, g.Name))
	}
	s.groups.Put(row(c.Account, c.Name), c)
	return &iam.UpdateGroupOutput{}, nil
}

// DeleteGroup ends a group that has nothing left.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteGroup.html.
func (s *Service) DeleteGroup(ctx context.Context, in *iam.DeleteGroupInput) (*iam.DeleteGroupOutput, error) {
	g, err := s.getGroup(ctx, in.GroupName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(s.members(g)) > 0:
		return nil, conflict("Cannot delete entity, must remove users from group first.")
	case len(g.Inline) > 0:
		return nil, conflict("Cannot delete entity, must delete policies first.")
	case len(g.Attached) > 0:
		return nil, conflict("Cannot delete entity, must detach all policies first.")
	}
	s.groups.Delete(row(g.Account, g.Name))
	return &iam.DeleteGroupOutput{}, nil
}

// maxGroups is how many groups a user may be in.
const maxGroups = 10

// AddUserToGroup makes a user a member.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddUserToGroup.html.
func (s *Service) AddUserToGroup(ctx context.Context, in *iam.AddUserToGroupInput) (*iam.AddUserToGroupOutput, error) {
	g, err := s.getGroup(ctx, in.GroupName)
	if err != nil {
		return nil, err
	}
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(u.Groups, g.Name) {
		if len(u.Groups) >= maxGroups {
			return nil, refuse("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10") // assumed text
		}
		u = u.clone()
		u.Groups = append(u.Groups, g.Name)
		s.putUser(u)
	}
	return &iam.AddUserToGroupOutput{}, nil
}

// RemoveUserFromGroup ends a membership.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveUserFromGroup.html.
func (s *Service) RemoveUserFromGroup(ctx context.Context, in *iam.RemoveUserFromGroupInput) (*iam.RemoveUserFromGroupOutput, error) {
	g, err := s.getGroup(ctx, in.GroupName)
	if err != nil {
		return nil, err
	}
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	u = u.clone()
	u.Groups = slices.DeleteFunc(u.Groups, func(n string) bool { return n == g.Name })
	s.putUser(u)
	return &iam.RemoveUserFromGroupOutput{}, nil
}

// ListGroupsForUser lists the groups that a user is in.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListGroupsForUser.html.
func (s *Service) ListGroupsForUser(ctx context.Context, in *iam.ListGroupsForUserInput) (*iam.ListGroupsForUserOutput, error) {
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	list := []types.Group{}
	for _, n := range u.Groups {
		if g := s.groups.Get(row(u.Account, n)); g != nil {
			list = append(list, *g.shown())
		}
	}
	page, next, err := paged(list, in.Marker, in.MaxItems)
	return &iam.ListGroupsForUserOutput{Groups: page, Marker: next, IsTruncated: next != nil}, err
}

func (s *Service) profilesOf(r *Role) []*Profile {
	var list []*Profile
	for _, p := range s.profiles.All(state.Key(r.Account, "")) {
		if slices.Contains(p.Roles, r.Name) {
			list = append(list, p)
		}
	}
	return list
}

func (s *Service) shownProfile(p *Profile) *types.InstanceProfile {
	out := &types.InstanceProfile{
		Arn: new(p.arn()), CreateDate: &p.Created, InstanceProfileId: &p.ID, InstanceProfileName: &p.Name, Path: &p.Path, Tags: shownTags(p.Tags), Roles: []types.Role{},
	}
	for _, n := range p.Roles {
		if r := s.role(p.Account, n); r != nil {
			out.Roles = append(out.Roles, *r.shown())
		}
	}
	return out
}

func (s *Service) getProfile(ctx context.Context, name *string) (*Profile, error) {
	if p := s.profiles.Get(row(account(ctx), *name)); p != nil {
		return p, nil
	}
	return nil, refuse("NoSuchEntity", "Instance Profile "+*name+" cannot be found.")
}

// CreateInstanceProfile makes an instance profile.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html.
func (s *Service) CreateInstanceProfile(ctx context.Context, in *iam.CreateInstanceProfileInput) (*iam.CreateInstanceProfileOutput, error) {
	c := gate.From(ctx)
	if s.profiles.Get(row(c.Caller.Account, *in.InstanceProfileName)) != nil {
		return nil, refuse("EntityAlreadyExists", "Instance Profile "+*in.InstanceProfileName+" already exists.")
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	p := &Profile{Account: c.Caller.Account, Name: *in.InstanceProfileName, Path: pathOf(in.Path), ID: s.IDs.Unique("AIPA"), Created: second(c.At), Tags: tags}
	s.profiles.Put(row(p.Account, p.Name), p)
	return &iam.CreateInstanceProfileOutput{InstanceProfile: s.shownProfile(p)}, nil
}

// GetInstanceProfile tells about an instance profile.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetInstanceProfile.html.
func (s *Service) GetInstanceProfile(ctx context.Context, in *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
	p, err := s.getProfile(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return &iam.GetInstanceProfileOutput{InstanceProfile: s.shownProfile(p)}, nil
}

// ListInstanceProfiles lists the instance profiles of the account.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfiles.html.
func (s *Service) ListInstanceProfiles(ctx context.Context, in *iam.ListInstanceProfilesInput) (*iam.ListInstanceProfilesOutput, error) {
	var list []types.InstanceProfile
	for _, p := range s.profiles.All(state.Key(account(ctx), "")) {
		if under(p.Path, in.PathPrefix) {
			list = append(list, *s.shownProfile(p))
		}
	}
	page, next, err := paged(list, in.Marker, in.MaxItems)
	return &iam.ListInstanceProfilesOutput{InstanceProfiles: page, Marker: next, IsTruncated: next != nil}, err
}

// ListInstanceProfilesForRole lists the instance profiles that hold a role.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfilesForRole.html.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *iam.ListInstanceProfilesForRoleInput) (*iam.ListInstanceProfilesForRoleOutput, error) {
	r, err := s.getRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	list := []types.InstanceProfile{}
	for _, p := range s.profilesOf(r) {
		list = append(list, *s.shownProfile(p))
	}
	page, next, err := paged(list, in.Marker, in.MaxItems)
	return &iam.ListInstanceProfilesForRoleOutput{InstanceProfiles: page, Marker: next, IsTruncated: next != nil}, err
}

// AddRoleToInstanceProfile puts the one role into an instance profile.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html.
func (s *Service) AddRoleToInstanceProfile(ctx context.Context, in *iam.AddRoleToInstanceProfileInput) (*iam.AddRoleToInstanceProfileOutput, error) {
	p, err := s.getProfile(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	r, err := s.changeRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	if len(p.Roles) > 0 {
		return nil, refuse("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	}
	p = p.clone()
	p.Roles = append(p.Roles, r.Name)
	s.profiles.Put(row(p.Account, p.Name), p)
	return &iam.AddRoleToInstanceProfileOutput{}, nil
}

// RemoveRoleFromInstanceProfile takes it out.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_RemoveRoleFromInstanceProfile.html.
func (s *Service) RemoveRoleFromInstanceProfile(ctx context.Context, in *iam.RemoveRoleFromInstanceProfileInput) (*iam.RemoveRoleFromInstanceProfileOutput, error) {
	p, err := s.getProfile(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(p.Roles, *in.RoleName) {
		return nil, noSuch("role", *in.RoleName)
	}
	p = p.clone()
	p.Roles = nil
	s.profiles.Put(row(p.Account, p.Name), p)
	return &iam.RemoveRoleFromInstanceProfileOutput{}, nil
}

// DeleteInstanceProfile ends an empty instance profile.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteInstanceProfile.html.
func (s *Service) DeleteInstanceProfile(ctx context.Context, in *iam.DeleteInstanceProfileInput) (*iam.DeleteInstanceProfileOutput, error) {
	p, err := s.getProfile(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if len(p.Roles) > 0 {
		return nil, conflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	s.profiles.Delete(row(p.Account, p.Name))
	return &iam.DeleteInstanceProfileOutput{}, nil
}

// CreateAccountAlias names the account.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccountAlias.html.
func (s *Service) CreateAccountAlias(ctx context.Context, in *iam.CreateAccountAliasInput) (*iam.CreateAccountAliasOutput, error) {
	s.aliases.Put(account(ctx), in.AccountAlias)
	return &iam.CreateAccountAliasOutput{}, nil
}

// DeleteAccountAlias takes the name back.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccountAlias.html.
func (s *Service) DeleteAccountAlias(ctx context.Context, in *iam.DeleteAccountAliasInput) (*iam.DeleteAccountAliasOutput, error) {
	if a := s.aliases.Get(account(ctx)); a == nil || *a != *in.AccountAlias {
		return nil, refuse("NoSuchEntity", "The account alias "+*in.AccountAlias+" cannot be found.") // assumed text
	}
	s.aliases.Delete(account(ctx))
	return &iam.DeleteAccountAliasOutput{}, nil
}

// ListAccountAliases lists the one name.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccountAliases.html.
func (s *Service) ListAccountAliases(ctx context.Context, _ *iam.ListAccountAliasesInput) (*iam.ListAccountAliasesOutput, error) {
	out := &iam.ListAccountAliasesOutput{AccountAliases: []string{}}
	if a := s.aliases.Get(account(ctx)); a != nil {
		out.AccountAliases = append(out.AccountAliases, *a)
	}
	return out, nil
}

// InstanceProfile returns the ARN and id of an instance profile of an account and the
// ARN of its role, empty when it has none.
func (s *Service) InstanceProfile(account, name string) (profileARN, id, role string, ok bool) {
	p := s.profiles.Get(row(account, name))
	if p == nil {
		return "", "", "", false
	}
	for _, n := range p.Roles {
		if r := s.role(account, n); r != nil {
			role = r.arn()
		}
	}
	return p.arn(), p.ID, role, true
}
