package iam

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) getPolicy(ctx context.Context, policyARN string) (*Policy, error) {
	if p := s.visible(account(ctx), policyARN); p != nil {
		return p, nil
	}
	return nil, refuse("NoSuchEntity", "Policy "+policyARN+" was not found.")
}

// changePolicy finds a policy of the account and returns a copy.
func (s *Service) changePolicy(ctx context.Context, policyARN string) (*Policy, error) {
	p, err := s.getPolicy(ctx, policyARN)
	if err != nil {
		return nil, err
	}
	if p.Account != account(ctx) {
		return nil, refuse("AccessDenied", "Cannot change "+policyARN+": it is not of this account.") // assumed text
	}
	return p.clone(), nil
}

// attachments counts who in an account has a policy.
func (s *Service) attachments(account string, p *Policy) (n, boundaries int32) {
	a, mine := p.arn(), state.Key(account, "")
	count := func(e *Entity) {
		if slices.Contains(e.Attached, a) {
			n++
		}
		if e.Boundary == a {
			boundaries++
		}
	}
	for _, u := range s.users.All(mine) {
		count(&u.Entity)
	}
	for _, g := range s.groups.All(mine) {
		count(&g.Entity)
	}
	for _, r := range s.roles.All(mine) {
		count(&r.Entity)
	}
	return n, boundaries
}

func (s *Service) shownPolicy(account string, p *Policy) *types.Policy {
	n, boundaries := s.attachments(account, p)
	out := &types.Policy{
		Arn: new(p.arn()), AttachmentCount: &n, CreateDate: &p.Created, DefaultVersionId: &p.Default, IsAttachable: true, Path: &p.Path,
		PermissionsBoundaryUsageCount: &boundaries, PolicyId: &p.ID, PolicyName: &p.Name, UpdateDate: &p.Updated, Tags: shownTags(p.Tags),
	}
	if p.Description != "" {
		out.Description = &p.Description
	}
	return out
}

// CreatePolicy makes a managed policy.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html.
func (s *Service) CreatePolicy(ctx context.Context, in *iam.CreatePolicyInput) (*iam.CreatePolicyOutput, error) {
	c := gate.From(ctx)
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	p := &Policy{
		Account: c.Caller.Account, Name: *in.PolicyName, Path: pathOf(in.Path), ID: s.IDs.Unique("ANPA"), Description: aws.ToString(in.Description),
		Created: second(c.At), Updated: second(c.At), Default: "v1", Next: 2, Tags: tags, Versions: []Version{{ID: "v1", Document: *in.PolicyDocument, Created: second(c.At)}},
	}
	for _, other := range s.policies.All("arn:aws:iam::" + p.Account + ":") {
		if strings.EqualFold(other.Name, p.Name) {
			return nil, refuse("EntityAlreadyExists", "A policy called "+p.Name+" already exists. Duplicate names are not allowed.")
		}
	}
	s.policies.Put(p.arn(), p)
	return &iam.CreatePolicyOutput{Policy: s.shownPolicy(p.Account, p)}, nil
}

// GetPolicy tells about a managed policy.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicy.html.
func (s *Service) GetPolicy(ctx context.Context, in *iam.GetPolicyInput) (*iam.GetPolicyOutput, error) {
	p, err := s.getPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &iam.GetPolicyOutput{Policy: s.shownPolicy(account(ctx), p)}, nil
}

// ListPolicies lists the account's policies and AWS's.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html.
func (s *Service) ListPolicies(ctx context.Context, in *iam.ListPoliciesInput) (*iam.ListPoliciesOutput, error) {
	var found []*Policy
	if in.Scope != types.PolicyScopeTypeAws {
		for _, p := range s.policies.All("arn:aws:iam::" + account(ctx) + ":") {
			found = append(found, p)
		}
	}
	if in.Scope != types.PolicyScopeTypeLocal {
		found = append(found, s.ofAWS()...)
	}
	slices.SortFunc(found, func(a, b *Policy) int { return strings.Compare(a.arn(), b.arn()) })
	var list []types.Policy
	for _, p := range found {
		shown := s.shownPolicy(account(ctx), p)
		if under(p.Path, in.PathPrefix) && (!in.OnlyAttached || *shown.AttachmentCount > 0) && usedAs(in.PolicyUsageFilter, shown) {
			shown.Tags, shown.Description = nil, nil // the list leaves them out
			list = append(list, *shown)
		}
	}
	page, next, err := paged(list, in.Marker, in.MaxItems)
	return &iam.ListPoliciesOutput{Policies: page, Marker: next, IsTruncated: next != nil}, err
}

// ofAWS are AWS's managed policies: those of the table, and in their place or beside
// them those that an estate brought.
func (s *Service) ofAWS() []*Policy {
	var list []*Policy
	for a, p := range s.aws {
		if s.policies.Get(a) == nil {
			list = append(list, p)
		}
	}
	for _, p := range s.policies.All("arn:aws:iam::aws:") {
		list = append(list, p)
	}
	return list
}

// usedAs reports whether a policy is used as a filter wants it. That a policy which
// nobody has is used as neither is assumed.
func usedAs(f types.PolicyUsageType, p *types.Policy) bool {
	switch f {
	case types.PolicyUsageTypePermissionsPolicy:
		return *p.AttachmentCount > 0
	case types.PolicyUsageTypePermissionsBoundary:
		return *p.PermissionsBoundaryUsageCount > 0
	}
	return true
}

// DeletePolicy ends a managed policy that nobody has.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html.
func (s *Service) DeletePolicy(ctx context.Context, in *iam.DeletePolicyInput) (*iam.DeletePolicyOutput, error) {
	p, err := s.changePolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if n, boundaries := s.attachments(p.Account, p); n+boundaries > 0 {
		return nil, conflict("Cannot delete a policy attached to entities.")
	}
	if len(p.Versions) > 1 {
		return nil, conflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	s.policies.Delete(p.arn())
	return &iam.DeletePolicyOutput{}, nil
}

// maxVersions is how many versions a managed policy may have.
const maxVersions = 5

// CreatePolicyVersion adds a version.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicyVersion.html.
func (s *Service) CreatePolicyVersion(ctx context.Context, in *iam.CreatePolicyVersionInput) (*iam.CreatePolicyVersionOutput, error) {
	p, err := s.changePolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if err := checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	if len(p.Versions) >= maxVersions {
		return nil, refuse("LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	}
	at := second(gate.From(ctx).At)
	v := Version{ID: "v" + strconv.Itoa(p.Next), Document: *in.PolicyDocument, Created: at}
	p.Versions, p.Next = append(p.Versions, v), p.Next+1
	if in.SetAsDefault {
		p.Default, p.Updated = v.ID, at
	}
	s.policies.Put(p.arn(), p)
	return &iam.CreatePolicyVersionOutput{PolicyVersion: &types.PolicyVersion{CreateDate: &v.Created, IsDefaultVersion: in.SetAsDefault, VersionId: &v.ID}}, nil
}

func (p *Policy) version(id string) (*Version, error) {
	for i := range p.Versions {
		if p.Versions[i].ID == id {
			return &p.Versions[i], nil
		}
	}
	return nil, refuse("NoSuchEntity", "Policy "+p.arn()+" version "+id+" does not exist or is not attachable.")
}

// GetPolicyVersion returns a version with its document.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicyVersion.html.
func (s *Service) GetPolicyVersion(ctx context.Context, in *iam.GetPolicyVersionInput) (*iam.GetPolicyVersionOutput, error) {
	p, err := s.getPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	v, err := p.version(*in.VersionId)
	if err != nil {
		return nil, err
	}
	return &iam.GetPolicyVersionOutput{PolicyVersion: &types.PolicyVersion{
		CreateDate: &v.Created, Document: encoded(v.Document), IsDefaultVersion: v.ID == p.Default, VersionId: &v.ID,
	}}, nil
}

// ListPolicyVersions lists the versions, the newest first.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicyVersions.html.
func (s *Service) ListPolicyVersions(ctx context.Context, in *iam.ListPolicyVersionsInput) (*iam.ListPolicyVersionsOutput, error) {
	p, err := s.getPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	var list []types.PolicyVersion
	for i := len(p.Versions) - 1; i >= 0; i-- {
		v := &p.Versions[i]
		list = append(list, types.PolicyVersion{CreateDate: &v.Created, IsDefaultVersion: v.ID == p.Default, VersionId: &v.ID})
	}
	page, next, err := paged(list, in.Marker, in.MaxItems)
	return &iam.ListPolicyVersionsOutput{Versions: page, Marker: next, IsTruncated: next != nil}, err
}

// SetDefaultPolicyVersion puts a version in force.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_SetDefaultPolicyVersion.html.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, in *iam.SetDefaultPolicyVersionInput) (*iam.SetDefaultPolicyVersionOutput, error) {
	p, err := s.changePolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if _, err := p.version(*in.VersionId); err != nil {
		return nil, err
	}
	p.Default, p.Updated = *in.VersionId, second(gate.From(ctx).At)
	s.policies.Put(p.arn(), p)
	return &iam.SetDefaultPolicyVersionOutput{}, nil
}

// DeletePolicyVersion takes a version away that is not in force.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicyVersion.html.
func (s *Service) DeletePolicyVersion(ctx context.Context, in *iam.DeletePolicyVersionInput) (*iam.DeletePolicyVersionOutput, error) {
	p, err := s.changePolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if _, err := p.version(*in.VersionId); err != nil {
		return nil, err
	}
	if p.Default == *in.VersionId {
		return nil, conflict("Cannot delete the default version of a policy.")
	}
	p.Versions = slices.DeleteFunc(p.Versions, func(v Version) bool { return v.ID == *in.VersionId })
	s.policies.Put(p.arn(), p)
	return &iam.DeletePolicyVersionOutput{}, nil
}
