package kms

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/awsfacts"
)

func tagError(text string) error { return refuse("TagException", text) }

// newTags adds tags to those there are.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_Tag.html.
func newTags(old []Tag, added []types.Tag) ([]Tag, error) {
	tags := slices.Clone(old)
	seen := map[string]bool{}
	for _, t := range added {
		key := *t.TagKey
		switch {
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, tagError("Tags beginning with aws: are reserved")
		case seen[key]:
			return nil, tagError("Duplicate tag keys")
		}
		seen[key] = true
		i := slices.IndexFunc(tags, func(t Tag) bool { return t.Key == key })
		if i < 0 {
			tags = append(tags, Tag{Key: key, Value: *t.TagValue})
			continue
		}
		tags[i].Value = *t.TagValue
	}
	if len(tags) > awsfacts.Limits().TagsPerKey {
		return nil, tagError("Too many tags")
	}
	return tags, nil
}

// TagResource puts tags on a key.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_TagResource.html.
func (s *Service) TagResource(ctx context.Context, in *kms.TagResourceInput) (*kms.TagResourceOutput, error) {
	k, err := s.change(ctx, *in.KeyId, "TagResource")
	if err != nil {
		return nil, err
	}
	if k.Tags, err = newTags(k.Tags, in.Tags); err != nil {
		return nil, err
	}
	s.put(k)
	return &kms.TagResourceOutput{}, nil
}

// UntagResource takes tags away.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_UntagResource.html.
func (s *Service) UntagResource(ctx context.Context, in *kms.UntagResourceInput) (*kms.UntagResourceOutput, error) {
	k, err := s.change(ctx, *in.KeyId, "UntagResource")
	if err != nil {
		return nil, err
	}
	k.Tags = slices.DeleteFunc(k.Tags, func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) })
	s.put(k)
	return &kms.UntagResourceOutput{}, nil
}

// ListResourceTags lists the tags of a key.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListResourceTags.html.
func (s *Service) ListResourceTags(ctx context.Context, in *kms.ListResourceTagsInput) (*kms.ListResourceTagsOutput, error) {
	k, err := s.found(ctx, *in.KeyId, "ListResourceTags")
	if err != nil {
		return nil, err
	}
	list := make([]types.Tag, len(k.Tags))
	for i := range k.Tags {
		list[i] = types.Tag{TagKey: &k.Tags[i].Key, TagValue: &k.Tags[i].Value}
	}
	page, next, err := paged(list, in.Marker, in.Limit, 50)
	if err != nil {
		return nil, err
	}
	return &kms.ListResourceTagsOutput{Tags: page, NextMarker: next, Truncated: next != nil}, nil
}
