package live

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// iamPlace is an account whose IAM is called, about one user or role.
type iamPlace struct {
	*opPlace
	api  *iam.Client
	who  arn.Principal
	name *string
}

// atIAM reaches the IAM of a user's or role's account.
func (c *Cloud) atIAM(ctx context.Context, principal string) (*iamPlace, error) {
	who, err := arn.ParsePrincipal(principal)
	if err == nil && who.Kind != arn.Role && who.Kind != arn.User {
		err = errors.New(principal + " is neither a user nor a role")
	}
	if err != nil {
		return nil, &cloud.Error{Kind: cloud.Invalid, Operation: "finding the principal", Err: err}
	}
	p, err := c.atARN(ctx, principal)
	if err != nil {
		return nil, err
	}
	return &iamPlace{p, iam.NewFromConfig(p.cfg), who, &who.Name}, nil
}

// document reads a policy as IAM returns it: percent-encoded. See
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html.
func opDocument(text *string) (string, error) {
	plain, err := url.PathUnescape(aws.ToString(text))
	if err != nil {
		return "", &cloud.Error{Kind: cloud.Other, Operation: "reading a policy of IAM", Err: err}
	}
	return plain, nil
}

func (c *Cloud) currentInline(ctx context.Context, o *estate.InlinePolicy) (*estate.InlinePolicy, error) {
	p, err := c.atIAM(ctx, o.Principal)
	if err != nil {
		return nil, err
	}
	was := &estate.InlinePolicy{Principal: o.Principal, Name: o.Name}
	var text *string
	if p.who.Kind == arn.User {
		out, err2 := opAsk(ctx, p.opPlace, "iam:GetUserPolicy", p.api.GetUserPolicy, &iam.GetUserPolicyInput{UserName: p.name, PolicyName: &o.Name})
		if err = err2; err == nil {
			text = out.PolicyDocument
		}
	} else {
		out, err2 := opAsk(ctx, p.opPlace, "iam:GetRolePolicy", p.api.GetRolePolicy, &iam.GetRolePolicyInput{RoleName: p.name, PolicyName: &o.Name})
		if err = err2; err == nil {
			text = out.PolicyDocument
		}
	}
	if opGone(err) {
		return was, p.there(ctx) // IAM says the same of a policy and of a principal that is not there
	}
	if err != nil {
		return nil, err
	}
	was.Document, err = opDocument(text)
	return was, err
}

// there fails when the user or role is not there.
func (p *iamPlace) there(ctx context.Context) error {
	if p.who.Kind == arn.User {
		return opTell(ctx, p.opPlace, "iam:GetUser", p.api.GetUser, &iam.GetUserInput{UserName: p.name})
	}
	return opTell(ctx, p.opPlace, "iam:GetRole", p.api.GetRole, &iam.GetRoleInput{RoleName: p.name})
}

func (c *Cloud) putInline(ctx context.Context, o *estate.InlinePolicy) error {
	p, err := c.atIAM(ctx, o.Principal)
	if err != nil {
		return err
	}
	user := p.who.Kind == arn.User
	switch {
	case o.Document == "" && user:
		err = opTell(ctx, p.opPlace, "iam:DeleteUserPolicy", p.api.DeleteUserPolicy, &iam.DeleteUserPolicyInput{UserName: p.name, PolicyName: &o.Name})
		return opDone(err, cloud.NotFound)
	case o.Document == "":
		err = opTell(ctx, p.opPlace, "iam:DeleteRolePolicy", p.api.DeleteRolePolicy, &iam.DeleteRolePolicyInput{RoleName: p.name, PolicyName: &o.Name})
		return opDone(err, cloud.NotFound)
	case user:
		return opTell(ctx, p.opPlace, "iam:PutUserPolicy", p.api.PutUserPolicy, &iam.PutUserPolicyInput{UserName: p.name, PolicyName: &o.Name, PolicyDocument: &o.Document})
	}
	return opTell(ctx, p.opPlace, "iam:PutRolePolicy", p.api.PutRolePolicy, &iam.PutRolePolicyInput{RoleName: p.name, PolicyName: &o.Name, PolicyDocument: &o.Document})
}

func (c *Cloud) currentRole(ctx context.Context, o *estate.NewRole) (*estate.NewRole, error) {
	p, err := c.atIAM(ctx, o.ARN)
	if err != nil {
		return nil, err
	}
	out, err := opAsk(ctx, p.opPlace, "iam:GetRole", p.api.GetRole, &iam.GetRoleInput{RoleName: p.name})
	switch {
	case opGone(err):
		return &estate.NewRole{ARN: o.ARN, Absent: true}, nil
	case err != nil:
		return nil, err
	}
	was := &estate.NewRole{ARN: o.ARN}
	if aws.ToString(out.Role.Arn) != o.ARN { // a role of that name under another path, which is none of this op's
		was.Absent = true
		return was, nil
	}
	if was.Trust, err = opDocument(out.Role.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	in := &iam.ListAttachedRolePoliciesInput{RoleName: p.name}
	for {
		page, err := opAsk(ctx, p.opPlace, "iam:ListAttachedRolePolicies", p.api.ListAttachedRolePolicies, in)
		if err != nil {
			return nil, err
		}
		for _, a := range page.AttachedPolicies {
			was.Managed = append(was.Managed, aws.ToString(a.PolicyArn))
		}
		if !page.IsTruncated {
			return was, nil
		}
		in.Marker = page.Marker
	}
}

// putRole brings a role to its trust policy and managed policies, or deletes it. Inline
// policies have slots of their own: a role that still has some is not deleted.
func (c *Cloud) putRole(ctx context.Context, o *estate.NewRole) error {
	was, err := c.currentRole(ctx, o)
	if err != nil {
		return err
	}
	p, err := c.atIAM(ctx, o.ARN)
	if err != nil {
		return err
	}
	for _, policy := range was.Managed {
		if slices.Contains(o.Managed, policy) && !o.Absent {
			continue
		}
		err := opTell(ctx, p.opPlace, "iam:DetachRolePolicy", p.api.DetachRolePolicy, &iam.DetachRolePolicyInput{RoleName: p.name, PolicyArn: &policy})
		if opDone(err, cloud.NotFound) != nil {
			return err
		}
	}
	if o.Absent {
		if was.Absent {
			return nil
		}
		return opDone(opTell(ctx, p.opPlace, "iam:DeleteRole", p.api.DeleteRole, &iam.DeleteRoleInput{RoleName: p.name}), cloud.NotFound)
	}
	if err := p.trusting(ctx, o, was); err != nil {
		return err
	}
	for _, policy := range o.Managed {
		if slices.Contains(was.Managed, policy) {
			continue
		}
		if err := opTell(ctx, p.opPlace, "iam:AttachRolePolicy", p.api.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: p.name, PolicyArn: &policy}); err != nil {
			return err
		}
	}
	return nil
}

// trusting makes the role, or gives the one that is there its trust policy.
func (p *iamPlace) trusting(ctx context.Context, o, was *estate.NewRole) error {
	switch {
	case was.Absent:
		path := p.who.Path
		if path == "" {
			path = "/"
		}
		return opTell(ctx, p.opPlace, "iam:CreateRole", p.api.CreateRole, &iam.CreateRoleInput{RoleName: p.name, Path: &path, AssumeRolePolicyDocument: &o.Trust})
	case estate.CanonicalPolicy(was.Trust) != estate.CanonicalPolicy(o.Trust):
		return opTell(ctx, p.opPlace, "iam:UpdateAssumeRolePolicy", p.api.UpdateAssumeRolePolicy, &iam.UpdateAssumeRolePolicyInput{RoleName: p.name, PolicyDocument: &o.Trust})
	}
	return nil
}

func (c *Cloud) currentLinked(ctx context.Context, o *estate.LinkedRole) (*estate.LinkedRole, error) {
	p, err := c.atIAM(ctx, o.ARN)
	if err != nil {
		return nil, err
	}
	err = p.there(ctx)
	if opDone(err, cloud.NotFound) != nil {
		return nil, err
	}
	return &estate.LinkedRole{ARN: o.ARN, Service: o.Service, Absent: opGone(err)}, nil
}

func (c *Cloud) putLinked(ctx context.Context, o *estate.LinkedRole) error {
	p, err := c.atIAM(ctx, o.ARN)
	if err != nil {
		return err
	}
	if o.Absent {
		return p.endLinked(ctx)
	}
	in := &iam.CreateServiceLinkedRoleInput{AWSServiceName: &o.Service}
	if known, ok := awsfacts.ServiceLinkedRoleFor(o.ARN); ok {
		if suffix, ok := strings.CutPrefix(p.who.Name, known.Name+"_"); ok {
			in.CustomSuffix = &suffix
		}
	}
	err = opTell(ctx, p.opPlace, "iam:CreateServiceLinkedRole", p.api.CreateServiceLinkedRole, in)
	// IAM has no code of its own for a role that is there.
	if err != nil && opCode(err) == "InvalidInput" && strings.Contains(err.Error(), "has been taken") {
		return nil
	}
	return err
}

// How often, and how far apart, a deletion is asked after that the service has to
// agree to. Where that is not enough the failure passes: cloud.State.
const (
	linkedPolls = 15
	linkedPause = 2 * time.Second
)

// endLinked deletes a service-linked role, which its service may refuse while it needs
// it. See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteServiceLinkedRole.html.
func (p *iamPlace) endLinked(ctx context.Context) error {
	out, err := opAsk(ctx, p.opPlace, "iam:DeleteServiceLinkedRole", p.api.DeleteServiceLinkedRole, &iam.DeleteServiceLinkedRoleInput{RoleName: p.name})
	if err != nil {
		return opDone(err, cloud.NotFound)
	}
	const operation = "iam:GetServiceLinkedRoleDeletionStatus"
	for range linkedPolls {
		status, err := opAsk(ctx, p.opPlace, operation, p.api.GetServiceLinkedRoleDeletionStatus, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: out.DeletionTaskId})
		switch {
		case err != nil:
			return err
		case status.Status == types.DeletionTaskStatusTypeSucceeded:
			return nil
		case status.Status == types.DeletionTaskStatusTypeFailed:
			return p.stays(operation, "the service keeps the role "+*p.name+": "+opReason(status.Reason))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(linkedPause):
		}
	}
	return p.stays(operation, "the service has not yet agreed that the role "+*p.name+" goes")
}

func (p *opPlace) stays(operation, text string) error {
	return &cloud.Error{Kind: cloud.State, Operation: operation, Account: p.account, Region: p.region, Err: errors.New(text)}
}

func opReason(r *types.DeletionTaskFailureReasonType) string {
	if r == nil {
		return "it does not say why"
	}
	return aws.ToString(r.Reason)
}
