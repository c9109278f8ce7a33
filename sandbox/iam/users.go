package iam

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func account(ctx context.Context) string { return gate.From(ctx).Caller.Account }

// self is the user whom an operation means that leaves the name out.
func self(c *gate.Call, name *string) string {
	if name != nil {
		return *name
	}
	if c.Caller.Kind == arn.User {
		return c.Caller.Name
	}
	return ""
}

func (s *Service) getUser(c *gate.Call, name *string) (*User, error) {
	n := self(c, name)
	if n == "" {
		return nil, refuse("ValidationError", "Must specify userName when calling with non-User credentials")
	}
	if u := s.user(c.Caller.Account, n); u != nil {
		return u, nil
	}
	return nil, noSuch("user", n)
}

// boundary checks a permissions boundary.
func (s *Service) boundary(account string, policyARN *string) (string, error) {
	if policyARN == nil {
		return "", nil
	}
	if s.visible(account, *policyARN) == nil {
		return "", refuse("NoSuchEntity", "Scope ARN: "+*policyARN+" does not exist or is not attachable.") // assumed text
	}
	return *policyARN, nil
}

func shownBoundary(b string) *types.AttachedPermissionsBoundary {
	if b == "" {
		return nil
	}
	return &types.AttachedPermissionsBoundary{PermissionsBoundaryArn: &b, PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy}
}

func (u *User) shown() *types.User {
	return &types.User{
		Arn: new(u.arn()), CreateDate: &u.Created, Path: &u.Path, UserId: &u.ID, UserName: &u.Name,
		PermissionsBoundary: shownBoundary(u.Boundary), Tags: shownTags(u.Tags),
	}
}

// listed is a user as lists have it, which leave tags and boundary out.
func (u *User) listed() *types.User {
	shown := u.shown()
	shown.Tags, shown.PermissionsBoundary = nil, nil
	return shown
}

// CreateUser makes a user.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html.
func (s *Service) CreateUser(ctx context.Context, in *iam.CreateUserInput) (*iam.CreateUserOutput, error) {
	c := gate.From(ctx)
	if s.user(c.Caller.Account, *in.UserName) != nil {
		return nil, exists("User", *in.UserName)
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	b, err := s.boundary(c.Caller.Account, in.PermissionsBoundary)
	if err != nil {
		return nil, err
	}
	u := &User{Entity: Entity{
		Account: c.Caller.Account, Name: *in.UserName, Path: pathOf(in.Path), ID: s.IDs.Unique("AIDA"), Created: second(c.At), Boundary: b, Tags: tags,
	}}
	s.putUser(u)
	return &iam.CreateUserOutput{User: u.shown()}, nil
}

func (s *Service) putUser(u *User) {
	s.users.Put(row(u.Account, u.Name), u)
	s.ids.Put(u.ID, new(u.arn()))
}

// GetUser tells about a user; without a name about the caller.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetUser.html.
func (s *Service) GetUser(ctx context.Context, in *iam.GetUserInput) (*iam.GetUserOutput, error) {
	c := gate.From(ctx)
	if in.UserName == nil && c.Caller.Kind == arn.AccountRoot {
		made := second(s.AccountCreated(c.Caller.Account))
		return &iam.GetUserOutput{User: &types.User{Arn: &c.Caller.Text, UserId: &c.Caller.Account, CreateDate: &made, Path: new("/"), UserName: new("root")}}, nil
	}
	u, err := s.getUser(c, in.UserName)
	if err != nil {
		return nil, err
	}
	return &iam.GetUserOutput{User: u.shown()}, nil
}

// ListUsers lists the users of the account.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html.
func (s *Service) ListUsers(ctx context.Context, in *iam.ListUsersInput) (*iam.ListUsersOutput, error) {
	var list []types.User
	for _, u := range s.users.All(state.Key(account(ctx), "")) {
		if under(u.Path, in.PathPrefix) {
			list = append(list, *u.listed())
		}
	}
	page, next, err := paged(list, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iam.ListUsersOutput{Users: page, IsTruncated: next != nil, Marker: next}, nil
}

// UpdateUser changes a user's name or path.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html.
func (s *Service) UpdateUser(ctx context.Context, in *iam.UpdateUserInput) (*iam.UpdateUserOutput, error) {
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	c := u.clone()
	if in.NewPath != nil {
		c.Path = *in.NewPath
	}
	if in.NewUserName != nil && *in.NewUserName != u.Name {
		if s.user(u.Account, *in.NewUserName) != nil && !strings.EqualFold(*in.NewUserName, u.Name) {
			return nil, exists("User", *in.NewUserName)
		}
		c.Name = *in.NewUserName
		s.users.Delete(row(u.Account, u.Name))
		for id, k := range s.keys.All("") {
			if k.Account == u.Account && k.User == u.Name {
				moved := *k
				moved.User = c.Name
				s.keys.Put(id, &moved)
			}
		}
	}
	s.putUser(c)
	return &iam.UpdateUserOutput{}, nil
}

// DeleteUser ends a user who has nothing left.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html.
func (s *Service) DeleteUser(ctx context.Context, in *iam.DeleteUserInput) (*iam.DeleteUserOutput, error) {
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(u.Inline) > 0:
		return nil, conflict("Cannot delete entity, must delete policies first.")
	case len(u.Attached) > 0:
		return nil, conflict("Cannot delete entity, must detach all policies first.")
	case len(u.Groups) > 0:
		return nil, conflict("Cannot delete entity, must remove users from group first.")
	case u.Login != nil:
		return nil, conflict("Cannot delete entity, must delete login profile first.")
	case len(s.keysOf(u)) > 0:
		return nil, conflict("Cannot delete entity, must delete access keys first.")
	}
	s.users.Delete(row(u.Account, u.Name))
	s.ids.Delete(u.ID)
	return &iam.DeleteUserOutput{}, nil
}

func (s *Service) keysOf(u *User) []*AccessKey {
	var list []*AccessKey
	for _, k := range s.keys.All("") {
		if k.Account == u.Account && k.User == u.Name {
			list = append(list, k)
		}
	}
	return list
}

// maxAccessKeys is how many access keys a user may have.
const maxAccessKeys = 2

// CreateAccessKey makes a long-term credential.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html.
func (s *Service) CreateAccessKey(ctx context.Context, in *iam.CreateAccessKeyInput) (*iam.CreateAccessKeyOutput, error) {
	c := gate.From(ctx)
	u, err := s.getUser(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if len(s.keysOf(u)) >= maxAccessKeys {
		return nil, refuse("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	}
	k := &AccessKey{ID: s.IDs.Unique("AKIA")[:20], Secret: state.Secret(30), Account: u.Account, User: u.Name, Created: second(c.At)}
	s.keys.Put(k.ID, k)
	return &iam.CreateAccessKeyOutput{AccessKey: &types.AccessKey{
		AccessKeyId: &k.ID, SecretAccessKey: &k.Secret, Status: k.status(), UserName: &k.User, CreateDate: &k.Created,
	}}, nil
}

func (k *AccessKey) status() types.StatusType {
	if k.Inactive {
		return types.StatusTypeInactive
	}
	return types.StatusTypeActive
}

// ListAccessKeys lists a user's access keys, without the secrets.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccessKeys.html.
func (s *Service) ListAccessKeys(ctx context.Context, in *iam.ListAccessKeysInput) (*iam.ListAccessKeysOutput, error) {
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	list := []types.AccessKeyMetadata{}
	for _, k := range s.keysOf(u) {
		list = append(list, types.AccessKeyMetadata{AccessKeyId: &k.ID, CreateDate: &k.Created, Status: k.status(), UserName: &k.User})
	}
	page, next, err := paged(list, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iam.ListAccessKeysOutput{AccessKeyMetadata: page, IsTruncated: next != nil, Marker: next}, nil
}

func (s *Service) accessKey(c *gate.Call, user *string, id string) (*AccessKey, error) {
	u, err := s.getUser(c, user)
	if err != nil {
		return nil, err
	}
	if k := s.keys.Get(id); k != nil && k.Account == u.Account && k.User == u.Name {
		return k, nil
	}
	return nil, refuse("NoSuchEntity", "The Access Key with id "+id+" cannot be found.")
}

// UpdateAccessKey makes an access key active or inactive.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccessKey.html.
func (s *Service) UpdateAccessKey(ctx context.Context, in *iam.UpdateAccessKeyInput) (*iam.UpdateAccessKeyOutput, error) {
	k, err := s.accessKey(gate.From(ctx), in.UserName, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	c := *k
	c.Inactive = in.Status == types.StatusTypeInactive
	s.keys.Put(c.ID, &c)
	return &iam.UpdateAccessKeyOutput{}, nil
}

// DeleteAccessKey ends an access key.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccessKey.html.
func (s *Service) DeleteAccessKey(ctx context.Context, in *iam.DeleteAccessKeyInput) (*iam.DeleteAccessKeyOutput, error) {
	k, err := s.accessKey(gate.From(ctx), in.UserName, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	s.keys.Delete(k.ID)
	return &iam.DeleteAccessKeyOutput{}, nil
}

// TagUser puts tags on a user.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagUser.html.
func (s *Service) TagUser(ctx context.Context, in *iam.TagUserInput) (*iam.TagUserOutput, error) {
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	c := u.clone()
	if c.Tags, err = addTags(u.Tags, in.Tags); err != nil {
		return nil, err
	}
	s.putUser(c)
	return &iam.TagUserOutput{}, nil
}

// UntagUser takes tags away.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UntagUser.html.
func (s *Service) UntagUser(ctx context.Context, in *iam.UntagUserInput) (*iam.UntagUserOutput, error) {
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	c := u.clone()
	c.Tags = removeTags(u.Tags, in.TagKeys)
	s.putUser(c)
	return &iam.UntagUserOutput{}, nil
}

// ListUserTags lists a user's tags.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUserTags.html.
func (s *Service) ListUserTags(ctx context.Context, in *iam.ListUserTagsInput) (*iam.ListUserTagsOutput, error) {
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(shownTags(u.Tags), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &iam.ListUserTagsOutput{Tags: page, IsTruncated: next != nil, Marker: next}, nil
}

// CreateLoginProfile notes that a user may sign in; the password is not kept.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateLoginProfile.html.
func (s *Service) CreateLoginProfile(ctx context.Context, in *iam.CreateLoginProfileInput) (*iam.CreateLoginProfileOutput, error) {
	c := gate.From(ctx)
	u, err := s.getUser(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if u.Login != nil {
		return nil, exists("Login Profile for user", u.Name)
	}
	u = u.clone()
	u.Login = &LoginProfile{Created: second(c.At), Reset: in.PasswordResetRequired}
	s.putUser(u)
	return &iam.CreateLoginProfileOutput{LoginProfile: u.login()}, nil
}

func (u *User) login() *types.LoginProfile {
	return &types.LoginProfile{UserName: &u.Name, CreateDate: &u.Login.Created, PasswordResetRequired: u.Login.Reset}
}

// GetLoginProfile tells whether a user may sign in.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetLoginProfile.html.
func (s *Service) GetLoginProfile(ctx context.Context, in *iam.GetLoginProfileInput) (*iam.GetLoginProfileOutput, error) {
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	if u.Login == nil {
		return nil, noLogin(u)
	}
	return &iam.GetLoginProfileOutput{LoginProfile: u.login()}, nil
}

func noLogin(u *User) error {
	return refuse("NoSuchEntity", "Login Profile for User "+u.Name+" cannot be found.")
}

// DeleteLoginProfile takes it back.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteLoginProfile.html.
func (s *Service) DeleteLoginProfile(ctx context.Context, in *iam.DeleteLoginProfileInput) (*iam.DeleteLoginProfileOutput, error) {
	u, err := s.getUser(gate.From(ctx), in.UserName)
	if err != nil {
		return nil, err
	}
	if u.Login == nil {
		return nil, noLogin(u)
	}
	u = u.clone()
	u.Login = nil
	s.putUser(u)
	return &iam.DeleteLoginProfileOutput{}, nil
}
