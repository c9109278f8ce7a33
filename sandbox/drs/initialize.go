package drs

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// ownRoles are the roles that DRS works with beside its service-linked one: who takes
// them, and the managed policy. None has a right on keys.
// See https://docs.aws.amazon.com/drs/latest/userguide/security-iam-awsmanpol.html.
func ownRoles() [][3]string {
	const prefix = "AWSElasticDisasterRecovery"
	return [][3]string{
		{prefix + "AgentRole", principal, prefix + "AgentPolicy"},
		{prefix + "FailbackRole", principal, prefix + "FailbackPolicy"},
		{prefix + "ConversionServerRole", "ec2.amazonaws.com", prefix + "ConversionServerPolicy"},
		{prefix + "RecoveryInstanceRole", "ec2.amazonaws.com", prefix + "RecoveryInstancePolicy"},
		{prefix + "ReplicationServerRole", "ec2.amazonaws.com", prefix + "ReplicationServerPolicy"},
	}
}

// InitializeService makes an account ready in a Region: its service-linked role and the
// roles of the service, where they are not there yet. The caller needs the rights to make
// what is missing. AWS's page asks for iam:CreateServiceLinkedRole, iam:GetInstanceProfile,
// iam:CreateInstanceProfile and iam:AddRoleToInstanceProfile, and has the console make the
// roles; that the operation makes those that are missing, and that it changes nothing in an
// account that has them, is assumed.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_InitializeService.html.
func (s *Service) InitializeService(ctx context.Context, _ *drs.InitializeServiceInput) (*drs.InitializeServiceOutput, error) {
	c := gate.From(ctx)
	if _, err := s.Agent.EnsureLinkedRole(ctx, principal); err != nil {
		return nil, err
	}
	for _, r := range ownRoles() {
		if err := s.ensureRole(ctx, r[0], r[1], r[2]); err != nil {
			return nil, err
		}
	}
	if !s.initialized(c.Caller.Account, c.Region) {
		s.accounts.Put(state.Key(c.Caller.Account, c.Region), &Account{Since: c.At})
	}
	return &drs.InitializeServiceOutput{}, nil
}

func (s *Service) ensureRole(ctx context.Context, name, who, policy string) error {
	c := gate.From(ctx)
	const path = "/service-role/"
	partition := awsfacts.PartitionName(c.Region)
	p, err := arn.ParsePrincipal("arn:" + partition + ":iam::" + c.Caller.Account + ":role" + path + name)
	if err != nil {
		return err
	}
	if _, there := s.Agent.Principals.UniqueID(p); there {
		return nil
	}
	actions := `"sts:AssumeRole"`
	if who == principal {
		actions = `["sts:AssumeRole","sts:SetSourceIdentity"]`
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + who + `"},"Action":` + actions + `}]}`
	if _, err := s.Agent.Client.Do(ctx, "iam", "CreateRole", &iam.CreateRoleInput{RoleName: &name, Path: new(path), AssumeRolePolicyDocument: &trust}, s.forward()); err != nil {
		return err
	}
	policyARN := "arn:" + partition + ":iam::aws:policy" + path + policy
	_, err = s.Agent.Client.Do(ctx, "iam", "AttachRolePolicy", &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &policyARN}, s.forward())
	return err
}

// forward is how DRS makes a call for its caller.
func (s *Service) forward() gate.Forward { return gate.Forward{Service: s.Agent.Service} }
