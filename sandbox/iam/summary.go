package iam

import (
	"context"
	"maps"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/sandbox/state"
)

// quotas are what an account may have. They are those that AWS gives until it is
// asked for more; what the sandbox has not got counts 0.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
var quotas = map[string]int32{
	"UsersQuota": 5000, "GroupsQuota": 300, "RolesQuota": 1000, "InstanceProfilesQuota": 1000, "PoliciesQuota": 1500, "ServerCertificatesQuota": 20,
	"GroupsPerUserQuota": maxGroups, "AccessKeysPerUserQuota": maxAccessKeys, "SigningCertificatesPerUserQuota": 2,
	"AttachedPoliciesPerUserQuota": maxAttached, "AttachedPoliciesPerGroupQuota": maxAttached, "AttachedPoliciesPerRoleQuota": maxAttached,
	"VersionsPerPolicyQuota": maxVersions, "PolicyVersionsInUseQuota": 10000,
	"UserPolicySizeQuota": maxUser, "GroupPolicySizeQuota": maxGroup, "RolePolicySizeQuota": maxRole, "PolicySizeQuota": maxManaged, "AssumeRolePolicySizeQuota": maxTrust,
	"GlobalEndpointTokenVersion": 1,
	"ServerCertificates":         0, "Providers": 0, "MFADevices": 0, "MFADevicesInUse": 0,
	"AccountMFAEnabled": 0, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0,
}

// GetAccountSummary counts what the account has.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html.
func (s *Service) GetAccountSummary(ctx context.Context, _ *iam.GetAccountSummaryInput) (*iam.GetAccountSummaryOutput, error) {
	mine := state.Key(account(ctx), "")
	m := maps.Clone(quotas)
	m["Users"], m["Groups"], m["Roles"], m["InstanceProfiles"] = count(s.users, mine), count(s.groups, mine), count(s.roles, mine), count(s.profiles, mine)
	m["Policies"], m["PolicyVersionsInUse"] = 0, 0
	for _, p := range s.policies.All("arn:aws:iam::" + account(ctx) + ":") {
		m["Policies"]++
		m["PolicyVersionsInUse"] += int32(len(p.Versions))
	}
	return &iam.GetAccountSummaryOutput{SummaryMap: m}, nil
}

func count[T any](t *state.Table[T], prefix string) int32 {
	n := int32(0)
	for range t.All(prefix) {
		n++
	}
	return n
}
