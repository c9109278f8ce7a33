package sandbox_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// turn is a call of which a test says how it ends.
type turn struct {
	name string
	call func() error
	want string // end of the refusal; empty for none
}

func (w *world) steps(list []turn) {
	w.Helper()
	for _, s := range list {
		w.ends(s.name, s.call(), s.want)
	}
}

// ignore drops what a call answers.
func ignore[T any](_ T, err error) error { return err }

// Names differ in more than letter case, and things end when they are empty.
func TestThingsOfIAMLiveAndEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	trust := document(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`)
	admin := new("arn:aws:iam::aws:policy/AdministratorAccess")
	user, group, role, profile := new("Ada"), new("Team"), new("Worker"), new("Machine")
	conflict := func(what string) string { return "DeleteConflict: Cannot delete entity, must " + what + " first." }
	deleteUser := func() error { return ignore(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: user})) }
	deleteGroup := func() error { return ignore(c.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: group})) }
	deleteRole := func() error { return ignore(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: role})) }
	deleteProfile := func() error {
		return ignore(c.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: profile}))
	}
	var key *types.AccessKey
	w.steps([]turn{
		{"a user", func() error { return ignore(c.CreateUser(ctx, &iam.CreateUserInput{UserName: user})) }, ""},
		{"a user of that name", func() error { return ignore(c.CreateUser(ctx, &iam.CreateUserInput{UserName: new("ADA")})) }, "EntityAlreadyExists: User with name ADA already exists."},
		{"a user in another letter case", func() error { return ignore(c.GetUser(ctx, &iam.GetUserInput{UserName: new("aDA")})) }, ""},
		{"nobody", func() error { return ignore(c.GetUser(ctx, &iam.GetUserInput{UserName: new("none")})) }, "NoSuchEntity: The user with name none cannot be found."},
		{"a group", func() error { return ignore(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: group})) }, ""},
		{"a group of that name", func() error { return ignore(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: new("team")})) }, "EntityAlreadyExists: Group with name team already exists."},
		{"no group", func() error { return ignore(c.GetGroup(ctx, &iam.GetGroupInput{GroupName: new("none")})) }, "NoSuchEntity: The group with name none cannot be found."},
		{"a role", func() error {
			return ignore(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: &trust}))
		}, ""},
		{"a role of that name", func() error {
			return ignore(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: new("WORKER"), AssumeRolePolicyDocument: &trust}))
		}, "EntityAlreadyExists: Role with name WORKER already exists."},
		{"no role", func() error { return ignore(c.GetRole(ctx, &iam.GetRoleInput{RoleName: new("none")})) }, "NoSuchEntity: The role with name none cannot be found."},
		{"an instance profile", func() error {
			return ignore(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: profile}))
		}, ""},
		{"an instance profile of that name", func() error {
			return ignore(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: new("machine")}))
		}, "EntityAlreadyExists: Instance Profile machine already exists."},

		{"the user's policy", func() error {
			return ignore(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: user, PolicyName: new("p"), PolicyDocument: new(allow("kms:*"))}))
		}, ""},
		{"the user's managed policy", func() error {
			return ignore(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: user, PolicyArn: admin}))
		}, ""},
		{"the user's group", func() error {
			return ignore(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: user, GroupName: group}))
		}, ""},
		{"the user's password", func() error {
			return ignore(c.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: user, Password: new("secret")}))
		}, ""},
		{"the user's key", func() error {
			out, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user})
			if err == nil {
				key = out.AccessKey
			}
			return err
		}, ""},
		{"a user with a policy", deleteUser, conflict("delete policies")},
		{"without", func() error {
			return ignore(c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: user, PolicyName: new("p")}))
		}, ""},
		{"a user with a managed policy", deleteUser, conflict("detach all policies")},
		{"without", func() error {
			return ignore(c.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: user, PolicyArn: admin}))
		}, ""},
		{"a user in a group", deleteUser, conflict("remove users from group")},
		{"a group with a user", deleteGroup, conflict("remove users from group")},
		{"without", func() error {
			return ignore(c.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: user, GroupName: group}))
		}, ""},
		{"a user with a password", deleteUser, conflict("delete login profile")},
		{"without", func() error { return ignore(c.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: user})) }, ""},
		{"a user with a key", deleteUser, conflict("delete access keys")},
		{"without", func() error {
			return ignore(c.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: key.AccessKeyId}))
		}, ""},
		{"a user with nothing", deleteUser, ""},
		{"a user that is gone", deleteUser, "NoSuchEntity: The user with name Ada cannot be found."},

		{"the group's policy", func() error {
			return ignore(c.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: group, PolicyName: new("p"), PolicyDocument: new(allow("kms:*"))}))
		}, ""},
		{"a group with a policy", deleteGroup, conflict("delete policies")},
		{"without", func() error {
			return ignore(c.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: group, PolicyName: new("p")}))
		}, ""},
		{"without again", func() error {
			return ignore(c.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: group, PolicyName: new("p")}))
		}, "NoSuchEntity: The group policy with name p cannot be found."},
		{"a group with nothing", deleteGroup, ""},

		{"the profile's role", func() error {
			return ignore(c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: role}))
		}, ""},
		{"a second role in the profile", func() error {
			return ignore(c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: role}))
		}, "LimitExceeded: Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"},
		{"a role in a profile", deleteRole, conflict("remove roles from instance profile")},
		{"a profile with a role", deleteProfile, conflict("remove roles from instance profile")},
		{"without", func() error {
			return ignore(c.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: profile, RoleName: role}))
		}, ""},
		{"a profile with nothing", deleteProfile, ""},
		{"a role with nothing", deleteRole, ""},
	})
}

func TestRenamedUsersAndGroupsKeepWhatTheyHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	key := w.key(owner, "")
	u, creds := w.user(owner, "before", "")
	need(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: new("g")}))(t)
	need(c.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: new("g"), PolicyName: new("p"), PolicyDocument: new(allow("kms:Decrypt"))}))(t)
	need(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: new("before"), GroupName: new("g")}))(t)
	need(c.UpdateGroup(ctx, &iam.UpdateGroupInput{GroupName: new("g"), NewGroupName: new("h"), NewPath: new("/x/")}))(t)
	need(c.UpdateUser(ctx, &iam.UpdateUserInput{UserName: new("before"), NewUserName: new("after"), NewPath: new("/y/")}))(t)
	got := need(c.GetUser(ctx, &iam.GetUserInput{UserName: new("after")}))(t).User
	if *got.UserId != u.id || *got.Arn != "arn:aws:iam::"+owner+":user/y/after" {
		t.Errorf("the user is now %s %s", *got.UserId, *got.Arn)
	}
	groups := need(c.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: new("after")}))(t).Groups
	if len(groups) != 1 || *groups[0].Arn != "arn:aws:iam::"+owner+":group/x/h" {
		t.Errorf("the groups are %+v", groups)
	}
	w.ends("its key, by the group's policy", w.decrypt(creds, key), "")
	who := need(sts.NewFromConfig(creds).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	if *who.Arn != *got.Arn {
		t.Errorf("it is %s", *who.Arn)
	}
}

// A session sees the policies of its role as they are, and ends with the role.
func TestPoliciesCountAtOnceForRunningSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	key := w.key(owner, "")
	r := w.role(owner, "r", "", "")
	s := w.session(owner, r.arn, "mine", "")
	p := need(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("p"), PolicyDocument: new(allow("kms:Decrypt"))}))(t).Policy
	bounds := need(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("bounds"), PolicyDocument: new(allow("s3:*"))}))(t).Policy
	use := func(name, want string) turn { return turn{name, func() error { return w.decrypt(s, key) }, want} }
	version := func(policy string, inForce bool) func() error {
		return func() error {
			return ignore(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: p.Arn, PolicyDocument: &policy, SetAsDefault: inForce}))
		}
	}
	setDefault := func(id string) func() error {
		return func() error {
			return ignore(c.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: p.Arn, VersionId: &id}))
		}
	}
	deleteVersion := func(id string) func() error {
		return func() error {
			return ignore(c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: p.Arn, VersionId: &id}))
		}
	}
	deletePolicy := func() error { return ignore(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Arn})) }
	byPolicy := "with an explicit deny in an identity-based policy: " + *p.Arn
	w.steps([]turn{
		use("without a policy", noIdentity),
		{"attach", func() error {
			return ignore(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &r.name, PolicyArn: p.Arn}))
		}, ""},
		use("with one", ""),
		{"v2, not in force", version(deny("kms:Decrypt"), false), ""},
		use("v1", ""),
		{"v2 in force", setDefault("v2"), ""},
		use("v2", byPolicy),
		{"v3 in force", version(allow("kms:*"), true), ""},
		use("v3", ""),
		{"v4", version(allow("kms:*"), false), ""},
		{"v5", version(allow("kms:*"), false), ""},
		{"v6", version(allow("kms:*"), false), "LimitExceeded: A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."},
		{"the version in force", deleteVersion("v3"), "DeleteConflict: Cannot delete the default version of a policy."},
		{"v2 goes", deleteVersion("v2"), ""},
		{"v2 again", deleteVersion("v2"), "version v2 does not exist or is not attachable."},
		{"v2 in force again", setDefault("v2"), "version v2 does not exist or is not attachable."},
		{"v6", version(allow("kms:*"), false), ""},
		{"the policy, attached", deletePolicy, "DeleteConflict: Cannot delete a policy attached to entities."},
		{"a boundary", func() error {
			return ignore(c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &r.name, PermissionsBoundary: bounds.Arn}))
		}, ""},
		use("under the boundary", noBoundary),
		{"no boundary", func() error {
			return ignore(c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &r.name}))
		}, ""},
		use("without the boundary", ""),
		{"a boundary that is not there", func() error {
			return ignore(c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &r.name, PermissionsBoundary: new("arn:aws:iam::" + owner + ":policy/none")}))
		}, "does not exist or is not attachable."},
		{"detach", func() error {
			return ignore(c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &r.name, PolicyArn: p.Arn}))
		}, ""},
		{"detach again", func() error {
			return ignore(c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &r.name, PolicyArn: p.Arn}))
		}, "NoSuchEntity: Policy " + *p.Arn + " was not found."},
		use("without it", noIdentity),
		{"the policy with its versions", deletePolicy, "you must delete the policy's versions. The default version is deleted with the policy."},
		{"the role", func() error { return ignore(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &r.name})) }, ""},
		use("without its role", "UnrecognizedClientException: The security token included in the request is invalid."),
	})
	w.role(owner, "r", allow("kms:*"), "")
	w.steps([]turn{use("with the next role of the name", "UnrecognizedClientException: The security token included in the request is invalid.")})
}

func TestAUserHasTwoAccessKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	u, first := w.user(owner, "u", allow("iam:*"))
	mine := iam.NewFromConfig(first)
	second := need(mine.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{}))(t).AccessKey
	creds := w.As(home, *second.AccessKeyId, *second.SecretAccessKey, "")
	list := func() error { return ignore(iam.NewFromConfig(creds).ListAccessKeys(ctx, &iam.ListAccessKeysInput{})) }
	set := func(s types.StatusType) func() error {
		return func() error {
			return ignore(c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &u.name, AccessKeyId: second.AccessKeyId, Status: s}))
		}
	}
	w.steps([]turn{
		{"a third", func() error { return ignore(mine.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{})) }, "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2"},
		{"the second", list, ""},
		{"inactive", set(types.StatusTypeInactive), ""},
		{"the second, inactive", list, "InvalidClientTokenId: The security token included in the request is invalid."},
		{"active", set(types.StatusTypeActive), ""},
		{"the second, active again", list, ""},
		{"somebody else's", func() error {
			return ignore(w.iam(consumer).GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: second.AccessKeyId}))
		}, "cannot be found."},
		{"gone", func() error {
			return ignore(mine.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: second.AccessKeyId}))
		}, ""},
		{"the second, gone", list, "InvalidClientTokenId: The security token included in the request is invalid."},
		{"gone twice", func() error {
			return ignore(mine.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: second.AccessKeyId}))
		}, "NoSuchEntity: The Access Key with id " + *second.AccessKeyId + " cannot be found."},
	})
	keys := need(mine.ListAccessKeys(ctx, &iam.ListAccessKeysInput{}))(t).AccessKeyMetadata
	used := need(c.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: keys[0].AccessKeyId}))(t)
	if len(keys) != 1 || *used.UserName != "u" || used.AccessKeyLastUsed.LastUsedDate != nil || *used.AccessKeyLastUsed.Region != "N/A" || *used.AccessKeyLastUsed.ServiceName != "N/A" {
		t.Errorf("%d keys, of which one is %+v", len(keys), used.AccessKeyLastUsed)
	}
}

func TestWhoPutsARoleIntoAProfileMustBeAllowedToPassIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	r := w.role(owner, "r", "", "")
	need(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: new("p")}))(t)
	u, creds := w.user(owner, "u", allow("iam:AddRoleToInstanceProfile"))
	in := &iam.AddRoleToInstanceProfileInput{InstanceProfileName: new("p"), RoleName: &r.name}
	_, err := iam.NewFromConfig(creds).AddRoleToInstanceProfile(ctx, in)
	w.ends("without", err, "AccessDenied: User: "+u.arn+" is not authorized to perform: iam:PassRole on resource: "+r.arn+" because no identity-based policy allows the iam:PassRole action")
	need(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &u.name, PolicyName: new("pass"), PolicyDocument: new(allow("iam:PassRole"))}))(t)
	_, err = iam.NewFromConfig(creds).AddRoleToInstanceProfile(ctx, in)
	w.ends("with", err, "")
	list := need(c.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: &r.name}))(t).InstanceProfiles
	if len(list) != 1 || *list[0].InstanceProfileName != "p" || *list[0].Roles[0].RoleName != "r" {
		t.Errorf("the profiles of the role are %+v", list)
	}
}

func TestServiceLinkedRolesAreChangedByAWSAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	service := new("mrk.kms.amazonaws.com")
	r := need(c.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: service}))(t).Role
	protected := "UnmodifiableEntity: Cannot perform the operation on the protected role '" + *r.RoleName + "' - this role is only modifiable by AWS"
	if want := "arn:aws:iam::" + owner + ":role/aws-service-role/mrk.kms.amazonaws.com/" + *r.RoleName; *r.Arn != want {
		t.Errorf("it is %s", *r.Arn)
	}
	w.steps([]turn{
		{"again", func() error {
			return ignore(c.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: service}))
		}, "has been taken in this account, please try a different suffix."},
		{"with a suffix", func() error {
			return ignore(c.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: service, CustomSuffix: new("x")}))
		}, "InvalidInput: Custom suffix is not allowed for mrk.kms.amazonaws.com"},
		{"DeleteRole", func() error { return ignore(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: r.RoleName})) }, protected},
		{"UpdateRole", func() error { return ignore(c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: r.RoleName})) }, protected},
		{"PutRolePolicy", func() error {
			return ignore(c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: r.RoleName, PolicyName: new("p"), PolicyDocument: new(allow("kms:*"))}))
		}, protected},
		{"AttachRolePolicy", func() error {
			return ignore(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: r.RoleName, PolicyArn: new("arn:aws:iam::aws:policy/AdministratorAccess")}))
		}, protected},
		{"UpdateAssumeRolePolicy", func() error {
			return ignore(c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: r.RoleName, PolicyDocument: new(document(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`))}))
		}, protected},
		{"its description", func() error {
			return ignore(c.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: r.RoleName, Description: new("d")}))
		}, ""},
	})
	end := func() *iam.GetServiceLinkedRoleDeletionStatusOutput {
		task := need(c.DeleteServiceLinkedRole(ctx, &iam.DeleteServiceLinkedRoleInput{RoleName: r.RoleName}))(t).DeletionTaskId
		return need(c.GetServiceLinkedRoleDeletionStatus(ctx, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}))(t)
	}
	key := need(w.kmsOf(w.root(owner)).CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: new(true)}))(t).KeyMetadata.KeyId
	if out := end(); out.Status != types.DeletionTaskStatusTypeFailed || out.Reason == nil {
		t.Errorf("with a multi-Region key: %s", out.Status)
	}
	need(w.kmsOf(w.root(owner)).ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key, PendingWindowInDays: new(int32(7))}))(t)
	if err := w.Advance(8 * day); err != nil {
		t.Fatal(err)
	}
	if out := end(); out.Status != types.DeletionTaskStatusTypeSucceeded {
		t.Errorf("without: %s", out.Status)
	}
	_, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: r.RoleName})
	w.ends("the role", err, "cannot be found.")
}

func TestTagsOfIAMDifferInMoreThanLetterCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	need(c.CreateUser(ctx, &iam.CreateUserInput{UserName: new("u"), Tags: []types.Tag{tag("Team", "a")}}))(t)
	put := func(tags ...types.Tag) error {
		return ignore(c.TagUser(ctx, &iam.TagUserInput{UserName: new("u"), Tags: tags}))
	}
	var many []types.Tag
	for i := range 50 {
		many = append(many, tag(fmt.Sprint("k", i), ""))
	}
	tags := func() (out []string) {
		for _, x := range need(c.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: new("u")}))(t).Tags {
			out = append(out, *x.Key+"="+*x.Value)
		}
		return out
	}
	w.steps([]turn{
		{"the same key in another letter case", func() error { return put(tag("TEAM", "b")) }, ""},
		{"another key", func() error { return put(tag("x", "")) }, ""},
		{"a key twice", func() error { return put(tag("y", ""), tag("Y", "")) }, "InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"a key of AWS", func() error { return put(tag("aws:x", "")) }, "are reserved."},
		{"too many", func() error { return put(many...) }, "50 tags at most."},
	})
	if got := tags(); !slices.Equal(got, []string{"TEAM=b", "x="}) {
		t.Errorf("the tags are %v", got)
	}
	need(c.UntagUser(ctx, &iam.UntagUserInput{UserName: new("u"), TagKeys: []string{"team"}}))(t)
	if got := tags(); !slices.Equal(got, []string{"x="}) {
		t.Errorf("the tags are then %v", got)
	}
	need(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: new("g")}))(t)
	need(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: new("g"), UserName: new("u")}))(t)
	if u := need(c.GetGroup(ctx, &iam.GetGroupInput{GroupName: new("g")}))(t).Users; len(u) != 1 || u[0].Tags != nil {
		t.Errorf("the group shows %+v", u)
	}
}

// The texts of refusals: what they call the resource, the action and the policy.
func TestHowIAMRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	u, creds := w.user(owner, "u", "")
	w.role(owner, "r", "", "")
	p := need(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("denies"), PolicyDocument: new(deny("iam:CreateUser", "iam:GetAccountSummary"))}))(t).Policy
	need(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &u.name, PolicyArn: p.Arn}))(t)
	need(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &u.name, PolicyName: new("own"), PolicyDocument: new(deny("iam:DeleteUser"))}))(t)
	mine := iam.NewFromConfig(creds)
	const account = "arn:aws:iam::" + owner + ":"
	for _, x := range []struct {
		action, resource, why string
		call                  func() error
	}{
		{"ListRoles", account + "role/", "", func() error { return ignore(mine.ListRoles(ctx, &iam.ListRolesInput{})) }},
		{"ListRoles", account + "role/a/", "", func() error { return ignore(mine.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: new("/a/")})) }},
		{"ListUsers", account + "user/", "", func() error { return ignore(mine.ListUsers(ctx, &iam.ListUsersInput{})) }},
		{"GetRole", account + "role/r", "", func() error { return ignore(mine.GetRole(ctx, &iam.GetRoleInput{RoleName: new("r")})) }},
		{"GetRole", account + "role/none", "", func() error { return ignore(mine.GetRole(ctx, &iam.GetRoleInput{RoleName: new("none")})) }},
		{"GetUser", u.arn, "", func() error { return ignore(mine.GetUser(ctx, &iam.GetUserInput{})) }},
		{"CreateUser", account + "user/x/n", "with an explicit deny in an identity-based policy: " + *p.Arn, func() error {
			return ignore(mine.CreateUser(ctx, &iam.CreateUserInput{UserName: new("n"), Path: new("/x/")}))
		}},
		{"DeleteUser", u.arn, "with an explicit deny in an identity-based policy", func() error { return ignore(mine.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &u.name})) }},
		{"GetAccountSummary", "*", "with an explicit deny in an identity-based policy: " + *p.Arn, func() error { return ignore(mine.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})) }},
		{"GetAccountPasswordPolicy", "*", "", func() error { return ignore(mine.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{})) }},
	} {
		why := x.why
		if why == "" {
			why = "because no identity-based policy allows the iam:" + x.action + " action"
		}
		if got, want := refusal(x.call()), "AccessDenied: User: "+u.arn+" is not authorized to perform: iam:"+x.action+" on resource: "+x.resource+" "+why; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestTimesOfIAMAreWholeSecondsAndTheRootUserIsAsOldAsItsAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	root := func() time.Time { return *need(c.GetUser(ctx, &iam.GetUserInput{}))(t).User.CreateDate }
	before := root()
	if err := w.Advance(3 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if after := root(); !after.Equal(before) {
		t.Errorf("the root user was made at %s, then at %s", before, after)
	}
	u := need(c.CreateUser(ctx, &iam.CreateUserInput{UserName: new("u")}))(t).User
	k := need(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: new("u")}))(t).AccessKey
	p := need(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: new("p"), PolicyDocument: new(allow("kms:*"))}))(t).Policy
	v := need(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: p.Arn, PolicyDocument: new(allow("kms:*")), SetAsDefault: true}))(t).PolicyVersion
	for what, at := range map[string]time.Time{"the root user": before, "a user": *u.CreateDate, "a key": *k.CreateDate, "a policy": *p.UpdateDate, "a version": *v.CreateDate} {
		if at.Nanosecond() != 0 {
			t.Errorf("%s was made at %s", what, at)
		}
	}
}

// lister lists names of a page and the marker of the next.
type lister func(marker *string, n *int32) (names []string, next *string)

// whole are all names of a list, by pages of n.
func (w *world) whole(l lister, n int32) (names []string) {
	w.Helper()
	for marker, pages := (*string)(nil), 0; ; pages++ {
		page, next := l(marker, &n)
		if len(page) > int(n) || pages > 100 {
			w.Fatalf("page %d has %d names", pages, len(page))
		}
		names = append(names, page...)
		if marker = next; next == nil {
			return names
		}
	}
}

// names maps a list to what it is called by.
func names[T any](list []T, name func(*T) *string) []string {
	out := []string{}
	for i := range list {
		out = append(out, *name(&list[i]))
	}
	return out
}

func TestEveryListOfIAMComesInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.iam(owner), t.Context()
	five := []string{"a", "b", "c", "d", "e"}
	trust := document(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`)
	silent := allow("s3:ListAllMyBuckets")
	var tags []types.Tag
	for _, n := range five {
		tags = append(tags, types.Tag{Key: new(n), Value: new("")})
	}
	for i, n := range five {
		need(c.CreateUser(ctx, &iam.CreateUserInput{UserName: &n, Tags: tags}))(t)
		need(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &n}))(t)
		need(c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &n, AssumeRolePolicyDocument: &trust, Tags: tags}))(t)
		need(c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &n, Tags: tags}))(t)
		p := need(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &n, PolicyDocument: &silent, Tags: tags}))(t).Policy
		if i > 0 {
			need(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: new("arn:aws:iam::" + owner + ":policy/a"), PolicyDocument: &silent}))(t)
		}
		need(c.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: new("a"), PolicyArn: p.Arn}))(t)
		need(c.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: new("a"), PolicyArn: p.Arn}))(t)
		need(c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: new("a"), PolicyArn: p.Arn}))(t)
		need(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: new("a"), PolicyName: &n, PolicyDocument: &silent}))(t)
		need(c.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: new("a"), PolicyName: &n, PolicyDocument: &silent}))(t)
		need(c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: new("a"), PolicyName: &n, PolicyDocument: &silent}))(t)
		need(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: new("a"), GroupName: &n}))(t)
		if n != "a" {
			need(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: &n, GroupName: new("a")}))(t)
		}
		need(c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &n, RoleName: new("a")}))(t)
	}
	policyA, a := new("arn:aws:iam::"+owner+":policy/a"), new("a")
	attached := func(p *types.AttachedPolicy) *string { return p.PolicyName }
	tag := func(x *types.Tag) *string { return x.Key }
	lists := map[string]lister{
		"ListUsers": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListUsers(ctx, &iam.ListUsersInput{Marker: m, MaxItems: n}))(t)
			return names(o.Users, func(x *types.User) *string { return x.UserName }), o.Marker
		},
		"ListGroups": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListGroups(ctx, &iam.ListGroupsInput{Marker: m, MaxItems: n}))(t)
			return names(o.Groups, func(x *types.Group) *string { return x.GroupName }), o.Marker
		},
		"ListRoles": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListRoles(ctx, &iam.ListRolesInput{Marker: m, MaxItems: n}))(t)
			return names(o.Roles, func(x *types.Role) *string { return x.RoleName }), o.Marker
		},
		"ListInstanceProfiles": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{Marker: m, MaxItems: n}))(t)
			return names(o.InstanceProfiles, func(x *types.InstanceProfile) *string { return x.InstanceProfileName }), o.Marker
		},
		"ListInstanceProfilesForRole": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: a, Marker: m, MaxItems: n}))(t)
			return names(o.InstanceProfiles, func(x *types.InstanceProfile) *string { return x.InstanceProfileName }), o.Marker
		},
		"ListPolicies": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal, Marker: m, MaxItems: n}))(t)
			return names(o.Policies, func(x *types.Policy) *string { return x.PolicyName }), o.Marker
		},
		"ListPolicyVersions": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: policyA, Marker: m, MaxItems: n}))(t)
			return names(o.Versions, func(x *types.PolicyVersion) *string { return x.VersionId }), o.Marker
		},
		"GetGroup": func(m *string, n *int32) ([]string, *string) {
			o := need(c.GetGroup(ctx, &iam.GetGroupInput{GroupName: a, Marker: m, MaxItems: n}))(t)
			return names(o.Users, func(x *types.User) *string { return x.UserName }), o.Marker
		},
		"ListGroupsForUser": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: a, Marker: m, MaxItems: n}))(t)
			return names(o.Groups, func(x *types.Group) *string { return x.GroupName }), o.Marker
		},
		"ListAttachedUserPolicies": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: a, Marker: m, MaxItems: n}))(t)
			return names(o.AttachedPolicies, attached), o.Marker
		},
		"ListAttachedGroupPolicies": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: a, Marker: m, MaxItems: n}))(t)
			return names(o.AttachedPolicies, attached), o.Marker
		},
		"ListAttachedRolePolicies": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: a, Marker: m, MaxItems: n}))(t)
			return names(o.AttachedPolicies, attached), o.Marker
		},
		"ListUserPolicies": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: a, Marker: m, MaxItems: n}))(t)
			return o.PolicyNames, o.Marker
		},
		"ListGroupPolicies": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListGroupPolicies(ctx, &iam.ListGroupPoliciesInput{GroupName: a, Marker: m, MaxItems: n}))(t)
			return o.PolicyNames, o.Marker
		},
		"ListRolePolicies": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: a, Marker: m, MaxItems: n}))(t)
			return o.PolicyNames, o.Marker
		},
		"ListUserTags": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: a, Marker: m, MaxItems: n}))(t)
			return names(o.Tags, tag), o.Marker
		},
		"ListRoleTags": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: a, Marker: m, MaxItems: n}))(t)
			return names(o.Tags, tag), o.Marker
		},
		"ListPolicyTags": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: policyA, Marker: m, MaxItems: n}))(t)
			return names(o.Tags, tag), o.Marker
		},
		"ListInstanceProfileTags": func(m *string, n *int32) ([]string, *string) {
			o := need(c.ListInstanceProfileTags(ctx, &iam.ListInstanceProfileTagsInput{InstanceProfileName: a, Marker: m, MaxItems: n}))(t)
			return names(o.Tags, tag), o.Marker
		},
	}
	for name, l := range lists {
		want := five
		if name == "ListPolicyVersions" {
			want = []string{"v5", "v4", "v3", "v2", "v1"}
		}
		for _, n := range []int32{1, 2, 5, 1000} {
			if got := w.whole(l, n); !slices.Equal(got, want) {
				t.Errorf("%s by %d: %v, want %v", name, n, got, want)
			}
		}
	}
	_, err := c.ListUsers(ctx, &iam.ListUsersInput{Marker: new("nonsense")})
	w.ends("a marker that is none", err, "ValidationError: Invalid Marker.")
}
