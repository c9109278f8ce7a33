package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// tagsOperations are the operations on the tags of policies and instance profiles.
func (s *Service) tagsOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, on("TagPolicy", func(c *gate.Call, in *iam.TagPolicyInput) about {
			return s.policyAt(c, in.PolicyArn).tagged(in.Tags)
		}), s.TagPolicy),
		gate.Op(writes, on("UntagPolicy", func(c *gate.Call, in *iam.UntagPolicyInput) about {
			return s.policyAt(c, in.PolicyArn).keys(in.TagKeys)
		}), s.UntagPolicy),
		gate.Op(reads, on("ListPolicyTags", func(c *gate.Call, in *iam.ListPolicyTagsInput) about { return s.policyAt(c, in.PolicyArn) }), s.ListPolicyTags),
		gate.Op(writes, on("TagInstanceProfile", func(c *gate.Call, in *iam.TagInstanceProfileInput) about {
			return s.profileAt(c, in.InstanceProfileName).tagged(in.Tags)
		}), s.TagInstanceProfile),
		gate.Op(writes, on("UntagInstanceProfile", func(c *gate.Call, in *iam.UntagInstanceProfileInput) about {
			return s.profileAt(c, in.InstanceProfileName).keys(in.TagKeys)
		}), s.UntagInstanceProfile),
		gate.Op(reads, on("ListInstanceProfileTags", func(c *gate.Call, in *iam.ListInstanceProfileTagsInput) about {
			return s.profileAt(c, in.InstanceProfileName)
		}), s.ListInstanceProfileTags),
	}
}

// retag changes the tags of a policy of the account.
func (s *Service) retag(ctx context.Context, policyARN string, change func([]Tag) ([]Tag, error)) error {
	p, err := s.changePolicy(ctx, policyARN)
	if err != nil {
		return err
	}
	if p.Tags, err = change(p.Tags); err != nil {
		return err
	}
	s.policies.Put(p.arn(), p)
	return nil
}

// adding and removing are the two changes of tags.
func adding(tags []types.Tag) func([]Tag) ([]Tag, error) {
	return func(old []Tag) ([]Tag, error) { return addTags(old, tags) }
}

func removing(keys []string) func([]Tag) ([]Tag, error) {
	return func(old []Tag) ([]Tag, error) { return removeTags(old, keys), nil }
}

// TagPolicy puts tags on a managed policy.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagPolicy.html.
func (s *Service) TagPolicy(ctx context.Context, in *iam.TagPolicyInput) (*iam.TagPolicyOutput, error) {
	return &iam.TagPolicyOutput{}, s.retag(ctx, *in.PolicyArn, adding(in.Tags))
}

// UntagPolicy takes tags away.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UntagPolicy.html.
func (s *Service) UntagPolicy(ctx context.Context, in *iam.UntagPolicyInput) (*iam.UntagPolicyOutput, error) {
	return &iam.UntagPolicyOutput{}, s.retag(ctx, *in.PolicyArn, removing(in.TagKeys))
}

// ListPolicyTags lists a managed policy's tags.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicyTags.html.
func (s *Service) ListPolicyTags(ctx context.Context, in *iam.ListPolicyTagsInput) (*iam.ListPolicyTagsOutput, error) {
	p, err := s.getPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(shownTags(p.Tags), in.Marker, in.MaxItems)
	return &iam.ListPolicyTagsOutput{Tags: page, Marker: next, IsTruncated: next != nil}, err
}

func (s *Service) retagProfile(ctx context.Context, name *string, change func([]Tag) ([]Tag, error)) error {
	p, err := s.getProfile(ctx, name)
	if err != nil {
		return err
	}
	p = p.clone()
	if p.Tags, err = change(p.Tags); err != nil {
		return err
	}
	s.profiles.Put(row(p.Account, p.Name), p)
	return nil
}

// TagInstanceProfile puts tags on an instance profile.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagInstanceProfile.html.
func (s *Service) TagInstanceProfile(ctx context.Context, in *iam.TagInstanceProfileInput) (*iam.TagInstanceProfileOutput, error) {
	return &iam.TagInstanceProfileOutput{}, s.retagProfile(ctx, in.InstanceProfileName, adding(in.Tags))
}

// UntagInstanceProfile takes tags away.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_UntagInstanceProfile.html.
func (s *Service) UntagInstanceProfile(ctx context.Context, in *iam.UntagInstanceProfileInput) (*iam.UntagInstanceProfileOutput, error) {
	return &iam.UntagInstanceProfileOutput{}, s.retagProfile(ctx, in.InstanceProfileName, removing(in.TagKeys))
}

// ListInstanceProfileTags lists an instance profile's tags.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfileTags.html.
func (s *Service) ListInstanceProfileTags(ctx context.Context, in *iam.ListInstanceProfileTagsInput) (*iam.ListInstanceProfileTagsOutput, error) {
	p, err := s.getProfile(ctx, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(shownTags(p.Tags), in.Marker, in.MaxItems)
	return &iam.ListInstanceProfileTagsOutput{Tags: page, Marker: next, IsTruncated: next != nil}, err
}
