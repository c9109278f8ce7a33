package iam

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// linkedName is the name that a service-linked role will have. Users report that
// refusals name the role.
func linkedName(in *iam.CreateServiceLinkedRoleInput) string {
	known, ok := awsfacts.ServiceLinkedRoleOf(*in.AWSServiceName)
	switch {
	case !ok:
		return "*"
	case in.CustomSuffix != nil:
		return known.Name + "_" + *in.CustomSuffix
	}
	return known.Name
}

// CreateServiceLinkedRole makes the role of a service.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html.
func (s *Service) CreateServiceLinkedRole(ctx context.Context, in *iam.CreateServiceLinkedRoleInput) (*iam.CreateServiceLinkedRoleOutput, error) {
	c := gate.From(ctx)
	known, ok := awsfacts.ServiceLinkedRoleOf(*in.AWSServiceName)
	if !ok {
		return nil, refuse("InvalidInput", "The sandbox knows no service-linked role of "+*in.AWSServiceName) // our own text
	}
	if in.CustomSuffix != nil && !known.TakesSuffix() {
		return nil, refuse("InvalidInput", "Custom suffix is not allowed for "+*in.AWSServiceName)
	}
	name := linkedName(in)
	if s.role(c.Caller.Account, name) != nil {
		return nil, refuse("InvalidInput", "Service role name "+name+" has been taken in this account, please try a different suffix.")
	}
	r := &Role{
		Entity: Entity{
			Account: c.Caller.Account, Name: name, Path: known.Path, ID: s.IDs.Unique("AROA"), Created: second(c.At),
			Attached: []string{"arn:aws:iam::aws:policy/aws-service-role/" + known.ManagedPolicy},
		},
		Trust:       fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":%q},"Action":"sts:AssumeRole"}]}`, known.Service),
		Description: aws.ToString(in.Description), MaxSession: plainSession, Service: known.Service,
	}
	s.putRole(r)
	return &iam.CreateServiceLinkedRoleOutput{Role: r.shown()}, nil
}

// DeleteServiceLinkedRole starts a task that ends the role of a service.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteServiceLinkedRole.html.
func (s *Service) DeleteServiceLinkedRole(ctx context.Context, in *iam.DeleteServiceLinkedRoleInput) (*iam.DeleteServiceLinkedRoleOutput, error) {
	r, err := s.getRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	if r.Service == "" {
		return nil, refuse("InvalidInput", "The role "+r.Name+" is no service-linked role.") // assumed text
	}
	d := &Deletion{Account: r.Account, Role: r.Name}
	if r.Service == "mrk.kms.amazonaws.com" && s.MultiRegionKeys(r.Account) {
		d.Failed = "Account owns one or more multi-Region keys"
	} else {
		s.endRole(r)
	}
	task := "task" + strings.TrimSuffix(r.Path, "/") + "/" + r.Name + "/" + s.IDs.UUID()
	s.deletions.Put(task, d)
	return &iam.DeleteServiceLinkedRoleOutput{DeletionTaskId: &task}, nil
}

// GetServiceLinkedRoleDeletionStatus tells how the task ended.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLinkedRoleDeletionStatus.html.
func (s *Service) GetServiceLinkedRoleDeletionStatus(ctx context.Context, in *iam.GetServiceLinkedRoleDeletionStatusInput) (*iam.GetServiceLinkedRoleDeletionStatusOutput, error) {
	d := s.deletions.Get(*in.DeletionTaskId)
	if d == nil || d.Account != account(ctx) {
		return nil, refuse("NoSuchEntity", "The deletion task "+*in.DeletionTaskId+" cannot be found.") // assumed text
	}
	out := &iam.GetServiceLinkedRoleDeletionStatusOutput{Status: types.DeletionTaskStatusTypeSucceeded}
	if d.Failed != "" {
		out.Status, out.Reason = types.DeletionTaskStatusTypeFailed, &types.DeletionTaskFailureReasonType{Reason: &d.Failed}
	}
	return out, nil
}
