package iam

import (
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
)

const reads, writes = gate.Reads, gate.Writes

// Operations are those of users, groups, roles, policies, access keys, instance
// profiles and the simulator. Each stands with what it is about, which is the
// resource that has to be allowed.
// See https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html.
func (s *Service) Operations() []gate.Operation {
	ops := append(s.usersOperations(), s.rolesOperations()...)
	ops = append(ops, s.groupsOperations()...)
	ops = append(ops, s.tagsOperations()...)
	ops = append(ops, s.credentialsOperations()...)
	return append(ops, s.policiesOperations()...)
}

// usersOperations are the operations on users and their keys.
func (s *Service) usersOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on("CreateUser", func(c *gate.Call, in *iam.CreateUserInput) about {
			return about{arn: arnOf(c.Caller.Account, "user", pathOf(in.Path), *in.UserName), kind: "AWS::IAM::User"}.tagged(in.Tags).with("iam:permissionsboundary", in.PermissionsBoundary)
		}), s.CreateUser),
		gate.Op(reads, on("GetUser", func(c *gate.Call, in *iam.GetUserInput) about { return s.userAt(c, in.UserName) }), s.GetUser),
		gate.Op(reads, onPath("ListUsers", "user", func(in *iam.ListUsersInput) *string { return in.PathPrefix }), s.ListUsers),
		gate.Op(writes, on("UpdateUser", func(c *gate.Call, in *iam.UpdateUserInput) about { return s.userAt(c, in.UserName) }), s.UpdateUser),
		gate.Op(writes, on("DeleteUser", func(c *gate.Call, in *iam.DeleteUserInput) about { return s.userAt(c, in.UserName) }), s.DeleteUser),
		gate.Op(writes, on("CreateAccessKey", func(c *gate.Call, in *iam.CreateAccessKeyInput) about { return s.userAt(c, in.UserName) }), s.CreateAccessKey),
		gate.Op(reads, on("ListAccessKeys", func(c *gate.Call, in *iam.ListAccessKeysInput) about { return s.userAt(c, in.UserName) }), s.ListAccessKeys),
		gate.Op(writes, on("UpdateAccessKey", func(c *gate.Call, in *iam.UpdateAccessKeyInput) about { return s.userAt(c, in.UserName) }), s.UpdateAccessKey),
		gate.Op(writes, on("DeleteAccessKey", func(c *gate.Call, in *iam.DeleteAccessKeyInput) about { return s.userAt(c, in.UserName) }), s.DeleteAccessKey),
		gate.Op(writes, on("TagUser", func(c *gate.Call, in *iam.TagUserInput) about { return s.userAt(c, in.UserName).tagged(in.Tags) }), s.TagUser),
		gate.Op(writes, on("UntagUser", func(c *gate.Call, in *iam.UntagUserInput) about { return s.userAt(c, in.UserName).keys(in.TagKeys) }), s.UntagUser),
		gate.Op(reads, on("ListUserTags", func(c *gate.Call, in *iam.ListUserTagsInput) about { return s.userAt(c, in.UserName) }), s.ListUserTags),
		gate.Op(writes, on("CreateLoginProfile", func(c *gate.Call, in *iam.CreateLoginProfileInput) about { return s.userAt(c, in.UserName) }), s.CreateLoginProfile),
		gate.Op(reads, on("GetLoginProfile", func(c *gate.Call, in *iam.GetLoginProfileInput) about { return s.userAt(c, in.UserName) }), s.GetLoginProfile),
		gate.Op(writes, on("DeleteLoginProfile", func(c *gate.Call, in *iam.DeleteLoginProfileInput) about { return s.userAt(c, in.UserName) }), s.DeleteLoginProfile),
		gate.Op(writes, on("PutUserPolicy", func(c *gate.Call, in *iam.PutUserPolicyInput) about { return s.userAt(c, in.UserName) }), s.PutUserPolicy),
		gate.Op(reads, on("GetUserPolicy", func(c *gate.Call, in *iam.GetUserPolicyInput) about { return s.userAt(c, in.UserName) }), s.GetUserPolicy),
		gate.Op(writes, on("DeleteUserPolicy", func(c *gate.Call, in *iam.DeleteUserPolicyInput) about { return s.userAt(c, in.UserName) }), s.DeleteUserPolicy),
		gate.Op(reads, on("ListUserPolicies", func(c *gate.Call, in *iam.ListUserPoliciesInput) about { return s.userAt(c, in.UserName) }), s.ListUserPolicies),
		gate.Op(writes, on("AttachUserPolicy", func(c *gate.Call, in *iam.AttachUserPolicyInput) about {
			return s.userAt(c, in.UserName).with("iam:policyarn", in.PolicyArn)
		}), s.AttachUserPolicy),
		gate.Op(writes, on("DetachUserPolicy", func(c *gate.Call, in *iam.DetachUserPolicyInput) about {
			return s.userAt(c, in.UserName).with("iam:policyarn", in.PolicyArn)
		}), s.DetachUserPolicy),
		gate.Op(reads, on("ListAttachedUserPolicies", func(c *gate.Call, in *iam.ListAttachedUserPoliciesInput) about { return s.userAt(c, in.UserName) }), s.ListAttachedUserPolicies),
		gate.Op(writes, on("PutUserPermissionsBoundary", func(c *gate.Call, in *iam.PutUserPermissionsBoundaryInput) about {
			return s.userAt(c, in.UserName).with("iam:permissionsboundary", in.PermissionsBoundary)
		}), s.PutUserPermissionsBoundary),
		gate.Op(writes, on("DeleteUserPermissionsBoundary", func(c *gate.Call, in *iam.DeleteUserPermissionsBoundaryInput) about { return s.userAt(c, in.UserName) }), s.DeleteUserPermissionsBoundary),
	}
}

// rolesOperations are the operations on roles.
func (s *Service) rolesOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on("CreateRole", func(c *gate.Call, in *iam.CreateRoleInput) about {
			return about{arn: arnOf(c.Caller.Account, "role", pathOf(in.Path), *in.RoleName), kind: "AWS::IAM::Role"}.tagged(in.Tags).with("iam:permissionsboundary", in.PermissionsBoundary)
		}), s.CreateRole),
		gate.Op(reads, on("GetRole", func(c *gate.Call, in *iam.GetRoleInput) about { return s.roleAt(c, in.RoleName) }), s.GetRole),
		gate.Op(reads, onPath("ListRoles", "role", func(in *iam.ListRolesInput) *string { return in.PathPrefix }), s.ListRoles),
		gate.Op(writes, on("UpdateRole", func(c *gate.Call, in *iam.UpdateRoleInput) about { return s.roleAt(c, in.RoleName) }), s.UpdateRole),
		gate.Op(writes, on("UpdateRoleDescription", func(c *gate.Call, in *iam.UpdateRoleDescriptionInput) about { return s.roleAt(c, in.RoleName) }), s.UpdateRoleDescription),
		gate.Op(writes, on("UpdateAssumeRolePolicy", func(c *gate.Call, in *iam.UpdateAssumeRolePolicyInput) about { return s.roleAt(c, in.RoleName) }), s.UpdateAssumeRolePolicy),
		gate.Op(writes, on("DeleteRole", func(c *gate.Call, in *iam.DeleteRoleInput) about { return s.roleAt(c, in.RoleName) }), s.DeleteRole),
		gate.Op(writes, on("TagRole", func(c *gate.Call, in *iam.TagRoleInput) about { return s.roleAt(c, in.RoleName).tagged(in.Tags) }), s.TagRole),
		gate.Op(writes, on("UntagRole", func(c *gate.Call, in *iam.UntagRoleInput) about { return s.roleAt(c, in.RoleName).keys(in.TagKeys) }), s.UntagRole),
		gate.Op(reads, on("ListRoleTags", func(c *gate.Call, in *iam.ListRoleTagsInput) about { return s.roleAt(c, in.RoleName) }), s.ListRoleTags),
		gate.Op(writes, on("PutRolePolicy", func(c *gate.Call, in *iam.PutRolePolicyInput) about { return s.roleAt(c, in.RoleName) }), s.PutRolePolicy),
		gate.Op(reads, on("GetRolePolicy", func(c *gate.Call, in *iam.GetRolePolicyInput) about { return s.roleAt(c, in.RoleName) }), s.GetRolePolicy),
		gate.Op(writes, on("DeleteRolePolicy", func(c *gate.Call, in *iam.DeleteRolePolicyInput) about { return s.roleAt(c, in.RoleName) }), s.DeleteRolePolicy),
		gate.Op(reads, on("ListRolePolicies", func(c *gate.Call, in *iam.ListRolePoliciesInput) about { return s.roleAt(c, in.RoleName) }), s.ListRolePolicies),
		gate.Op(writes, on("AttachRolePolicy", func(c *gate.Call, in *iam.AttachRolePolicyInput) about {
			return s.roleAt(c, in.RoleName).with("iam:policyarn", in.PolicyArn)
		}), s.AttachRolePolicy),
		gate.Op(writes, on("DetachRolePolicy", func(c *gate.Call, in *iam.DetachRolePolicyInput) about {
			return s.roleAt(c, in.RoleName).with("iam:policyarn", in.PolicyArn)
		}), s.DetachRolePolicy),
		gate.Op(reads, on("ListAttachedRolePolicies", func(c *gate.Call, in *iam.ListAttachedRolePoliciesInput) about { return s.roleAt(c, in.RoleName) }), s.ListAttachedRolePolicies),
		gate.Op(writes, on("PutRolePermissionsBoundary", func(c *gate.Call, in *iam.PutRolePermissionsBoundaryInput) about {
			return s.roleAt(c, in.RoleName).with("iam:permissionsboundary", in.PermissionsBoundary)
		}), s.PutRolePermissionsBoundary),
		gate.Op(writes, on("DeleteRolePermissionsBoundary", func(c *gate.Call, in *iam.DeleteRolePermissionsBoundaryInput) about { return s.roleAt(c, in.RoleName) }), s.DeleteRolePermissionsBoundary),
		gate.Op(writes, on("CreateServiceLinkedRole", func(c *gate.Call, in *iam.CreateServiceLinkedRoleInput) about {
			return about{arn: arnOf(c.Caller.Account, "role", servicePath+*in.AWSServiceName+"/", linkedName(in)), kind: "AWS::IAM::Role"}.with("iam:awsservicename", in.AWSServiceName)
		}), s.CreateServiceLinkedRole),
		gate.Op(writes, on("DeleteServiceLinkedRole", func(c *gate.Call, in *iam.DeleteServiceLinkedRoleInput) about { return s.roleAt(c, in.RoleName) }), s.DeleteServiceLinkedRole),
		gate.Op(reads, onAny[iam.GetServiceLinkedRoleDeletionStatusInput]("GetServiceLinkedRoleDeletionStatus"), s.GetServiceLinkedRoleDeletionStatus),
	}
}

// groupsOperations are the operations on groups, instance profiles and the account.
func (s *Service) groupsOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on("CreateGroup", func(c *gate.Call, in *iam.CreateGroupInput) about {
			return about{arn: arnOf(c.Caller.Account, "group", pathOf(in.Path), *in.GroupName), kind: "AWS::IAM::Group"}
		}), s.CreateGroup),
		gate.Op(reads, on("GetGroup", func(c *gate.Call, in *iam.GetGroupInput) about { return s.groupAt(c, in.GroupName) }), s.GetGroup),
		gate.Op(reads, onPath("ListGroups", "group", func(in *iam.ListGroupsInput) *string { return in.PathPrefix }), s.ListGroups),
		gate.Op(writes, on("UpdateGroup", func(c *gate.Call, in *iam.UpdateGroupInput) about { return s.groupAt(c, in.GroupName) }), s.UpdateGroup),
		gate.Op(writes, on("DeleteGroup", func(c *gate.Call, in *iam.DeleteGroupInput) about { return s.groupAt(c, in.GroupName) }), s.DeleteGroup),
		gate.Op(writes, on("AddUserToGroup", func(c *gate.Call, in *iam.AddUserToGroupInput) about { return s.groupAt(c, in.GroupName) }), s.AddUserToGroup),
		gate.Op(writes, on("RemoveUserFromGroup", func(c *gate.Call, in *iam.RemoveUserFromGroupInput) about { return s.groupAt(c, in.GroupName) }), s.RemoveUserFromGroup),
		gate.Op(reads, on("ListGroupsForUser", func(c *gate.Call, in *iam.ListGroupsForUserInput) about { return s.userAt(c, in.UserName) }), s.ListGroupsForUser),
		gate.Op(writes, on("PutGroupPolicy", func(c *gate.Call, in *iam.PutGroupPolicyInput) about { return s.groupAt(c, in.GroupName) }), s.PutGroupPolicy),
		gate.Op(reads, on("GetGroupPolicy", func(c *gate.Call, in *iam.GetGroupPolicyInput) about { return s.groupAt(c, in.GroupName) }), s.GetGroupPolicy),
		gate.Op(writes, on("DeleteGroupPolicy", func(c *gate.Call, in *iam.DeleteGroupPolicyInput) about { return s.groupAt(c, in.GroupName) }), s.DeleteGroupPolicy),
		gate.Op(reads, on("ListGroupPolicies", func(c *gate.Call, in *iam.ListGroupPoliciesInput) about { return s.groupAt(c, in.GroupName) }), s.ListGroupPolicies),
		gate.Op(writes, on("AttachGroupPolicy", func(c *gate.Call, in *iam.AttachGroupPolicyInput) about {
			return s.groupAt(c, in.GroupName).with("iam:policyarn", in.PolicyArn)
		}), s.AttachGroupPolicy),
		gate.Op(writes, on("DetachGroupPolicy", func(c *gate.Call, in *iam.DetachGroupPolicyInput) about {
			return s.groupAt(c, in.GroupName).with("iam:policyarn", in.PolicyArn)
		}), s.DetachGroupPolicy),
		gate.Op(reads, on("ListAttachedGroupPolicies", func(c *gate.Call, in *iam.ListAttachedGroupPoliciesInput) about { return s.groupAt(c, in.GroupName) }), s.ListAttachedGroupPolicies),
		gate.Op(writes, on("CreateInstanceProfile", func(c *gate.Call, in *iam.CreateInstanceProfileInput) about {
			return about{arn: arnOf(c.Caller.Account, "instance-profile", pathOf(in.Path), *in.InstanceProfileName), kind: "AWS::IAM::InstanceProfile"}.tagged(in.Tags)
		}), s.CreateInstanceProfile),
		gate.Op(reads, on("GetInstanceProfile", func(c *gate.Call, in *iam.GetInstanceProfileInput) about {
			return s.profileAt(c, in.InstanceProfileName)
		}), s.GetInstanceProfile),
		gate.Op(reads, onPath("ListInstanceProfiles", "instance-profile", func(in *iam.ListInstanceProfilesInput) *string { return in.PathPrefix }), s.ListInstanceProfiles),
		gate.Op(reads, on("ListInstanceProfilesForRole", func(c *gate.Call, in *iam.ListInstanceProfilesForRoleInput) about { return s.roleAt(c, in.RoleName) }), s.ListInstanceProfilesForRole),
		gate.Op(writes, on("RemoveRoleFromInstanceProfile", func(c *gate.Call, in *iam.RemoveRoleFromInstanceProfileInput) about {
			return s.profileAt(c, in.InstanceProfileName)
		}), s.RemoveRoleFromInstanceProfile),
		gate.Op(writes, on("DeleteInstanceProfile", func(c *gate.Call, in *iam.DeleteInstanceProfileInput) about {
			return s.profileAt(c, in.InstanceProfileName)
		}), s.DeleteInstanceProfile),
		gate.Op(writes, onAny[iam.CreateAccountAliasInput]("CreateAccountAlias"), s.CreateAccountAlias),
		gate.Op(writes, onAny[iam.DeleteAccountAliasInput]("DeleteAccountAlias"), s.DeleteAccountAlias),
		gate.Op(reads, onAny[iam.ListAccountAliasesInput]("ListAccountAliases"), s.ListAccountAliases),
		gate.Op(writes, s.asksAddRole, s.AddRoleToInstanceProfile),
	}
}

// policiesOperations are the operations on managed policies and the account as a whole.
func (s *Service) policiesOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on("CreatePolicy", func(c *gate.Call, in *iam.CreatePolicyInput) about {
			return about{arn: arnOf(c.Caller.Account, "policy", pathOf(in.Path), *in.PolicyName), kind: "AWS::IAM::Policy"}.tagged(in.Tags)
		}), s.CreatePolicy),
		gate.Op(reads, on("GetPolicy", func(c *gate.Call, in *iam.GetPolicyInput) about { return s.policyAt(c, in.PolicyArn) }), s.GetPolicy),
		gate.Op(reads, onAny[iam.ListPoliciesInput]("ListPolicies"), s.ListPolicies),
		gate.Op(writes, on("DeletePolicy", func(c *gate.Call, in *iam.DeletePolicyInput) about { return s.policyAt(c, in.PolicyArn) }), s.DeletePolicy),
		gate.Op(writes, on("CreatePolicyVersion", func(c *gate.Call, in *iam.CreatePolicyVersionInput) about { return s.policyAt(c, in.PolicyArn) }), s.CreatePolicyVersion),
		gate.Op(reads, on("GetPolicyVersion", func(c *gate.Call, in *iam.GetPolicyVersionInput) about { return s.policyAt(c, in.PolicyArn) }), s.GetPolicyVersion),
		gate.Op(reads, on("ListPolicyVersions", func(c *gate.Call, in *iam.ListPolicyVersionsInput) about { return s.policyAt(c, in.PolicyArn) }), s.ListPolicyVersions),
		gate.Op(writes, on("SetDefaultPolicyVersion", func(c *gate.Call, in *iam.SetDefaultPolicyVersionInput) about { return s.policyAt(c, in.PolicyArn) }), s.SetDefaultPolicyVersion),
		gate.Op(writes, on("DeletePolicyVersion", func(c *gate.Call, in *iam.DeletePolicyVersionInput) about { return s.policyAt(c, in.PolicyArn) }), s.DeletePolicyVersion),
		gate.Op(reads, on("ListEntitiesForPolicy", func(c *gate.Call, in *iam.ListEntitiesForPolicyInput) about { return s.policyAt(c, in.PolicyArn) }), s.ListEntitiesForPolicy),
		gate.Op(reads, onAny[iam.GetAccountAuthorizationDetailsInput]("GetAccountAuthorizationDetails"), s.GetAccountAuthorizationDetails),
		gate.Op(reads, onAny[iam.GetAccountSummaryInput]("GetAccountSummary"), s.GetAccountSummary),
		gate.Op(reads, onAny[iam.SimulateCustomPolicyInput]("SimulateCustomPolicy"), s.SimulateCustomPolicy),
		gate.Op(reads, s.asksSimulate, s.SimulatePrincipalPolicy),
		gate.Op(reads, onAny[iam.GetContextKeysForCustomPolicyInput]("GetContextKeysForCustomPolicy"), s.GetContextKeysForCustomPolicy),
		gate.Op(reads, s.asksContextKeys, s.GetContextKeysForPrincipalPolicy),
	}
}

// asksAddRole asks about the profile, and whether the caller may pass the role.
func (s *Service) asksAddRole(c *gate.Call, in *iam.AddRoleToInstanceProfileInput) ([]gate.Ask, error) {
	profile, role := s.profileAt(c, in.InstanceProfileName), s.roleAt(c, in.RoleName)
	return []gate.Ask{profile.ask(c, "iam:AddRoleToInstanceProfile"), role.ask(c, "iam:PassRole")}, nil
}

func (s *Service) asksSimulate(c *gate.Call, in *iam.SimulatePrincipalPolicyInput) ([]gate.Ask, error) {
	return asksSource(c, *in.PolicySourceArn, "iam:SimulatePrincipalPolicy")
}

// asksSource asks about the principal whose policies are to be looked at.
func asksSource(c *gate.Call, source, action string) ([]gate.Ask, error) {
	a := about{arn: source}
	if _, err := arn.Parse(a.arn); err != nil {
		return nil, refuse("InvalidInput", "Invalid Entity Arn: "+a.arn)
	}
	return []gate.Ask{a.ask(c, action)}, nil
}
