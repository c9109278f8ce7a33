package organizations

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/keyreach/keyreach/sandbox/state"
)

// maxTags is how many tags a thing may have.
// See https://docs.aws.amazon.com/organizations/latest/userguide/orgs_tagging.html.
const maxTags = 50

// addTags adds tags to those there are.
func addTags(old []Tag, added []types.Tag) ([]Tag, error) {
	tags := slices.Clone(old)
	seen := map[string]bool{}
	for _, t := range added {
		switch key := *t.Key; {
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, invalid("INVALID_SYSTEM_TAGS_PARAMETER", "You specified a tag key that is a system tag. You can't add, edit, or delete system tag keys.")
		case seen[key]:
			return nil, invalid("DUPLICATE_TAG_KEY", "Tag keys must be unique among the tags attached to the same entity.")
		}
		seen[*t.Key] = true
		tags = slices.DeleteFunc(tags, func(o Tag) bool { return o.Key == *t.Key })
		tags = append(tags, Tag{*t.Key, *t.Value})
	}
	if len(tags) > maxTags {
		return nil, refuse("ConstraintViolationException", "You have exceeded the number of tags allowed on this resource.")
	}
	return tags, nil
}

func noTagged() error {
	return refuse("TargetNotFoundException", "We can't find a root, OU, account, or policy with the TargetId that you specified.")
}

// tagsOf are the tags of a root, unit, account or policy.
func (s *Service) tagsOf(o *Organization, id string) ([]Tag, bool) {
	if id == o.Root {
		return o.RootTags, true
	}
	if u := s.unit(o, id); u != nil {
		return u.Tags, true
	}
	if m := s.member(o, id); m != nil {
		return m.Tags, true
	}
	if p := s.policy(o, id); p != nil {
		return p.Tags, true
	}
	return nil, false
}

// retag changes the tags of one of them.
func (s *Service) retag(ctx context.Context, id string, change func([]Tag) ([]Tag, error)) error {
	o, err := s.managed(ctx)
	if err != nil {
		return err
	}
	old, ok := s.tagsOf(o, id)
	if !ok {
		return noTagged()
	}
	tags, err := change(old)
	if err != nil {
		return err
	}
	row := state.Key(o.ID, id)
	if id == o.Root {
		changed := *o
		changed.RootTags = tags
		s.organizations.Put(o.ID, &changed)
	} else if u := s.unit(o, id); u != nil {
		changed := *u
		changed.Tags = tags
		s.units.Put(row, &changed)
	} else if m := s.member(o, id); m != nil {
		changed := *m
		changed.Tags = tags
		s.members.Put(id, &changed)
	} else if p := s.policies.Get(row); p != nil {
		changed := *p
		changed.Tags = tags
		s.policies.Put(row, &changed)
	} else {
		return invalid("IMMUTABLE_POLICY", "You specified a policy that is managed by AWS and can't be modified.")
	}
	return nil
}

// TagResource puts tags on a root, unit, account or policy.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_TagResource.html.
func (s *Service) TagResource(ctx context.Context, in *organizations.TagResourceInput) (*organizations.TagResourceOutput, error) {
	err := s.retag(ctx, *in.ResourceId, func(old []Tag) ([]Tag, error) { return addTags(old, in.Tags) })
	return &organizations.TagResourceOutput{}, err
}

// UntagResource takes tags away.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_UntagResource.html.
func (s *Service) UntagResource(ctx context.Context, in *organizations.UntagResourceInput) (*organizations.UntagResourceOutput, error) {
	err := s.retag(ctx, *in.ResourceId, func(old []Tag) ([]Tag, error) {
		return slices.DeleteFunc(slices.Clone(old), func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
	})
	return &organizations.UntagResourceOutput{}, err
}

// ListTagsForResource lists tags.
// See https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListTagsForResource.html.
func (s *Service) ListTagsForResource(ctx context.Context, in *organizations.ListTagsForResourceInput) (*organizations.ListTagsForResourceOutput, error) {
	o, err := s.viewed(ctx)
	if err != nil {
		return nil, err
	}
	tags, ok := s.tagsOf(o, *in.ResourceId)
	if !ok {
		return nil, noTagged()
	}
	list := make([]types.Tag, len(tags))
	for i := range tags {
		list[i] = types.Tag{Key: &tags[i].Key, Value: &tags[i].Value}
	}
	page, next, err := paged(list, in.NextToken, nil)
	return &organizations.ListTagsForResourceOutput{Tags: page, NextToken: next}, err
}
