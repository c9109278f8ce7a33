package events

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/state"
)

// maxTags is how many tags a bus or rule may have.
const maxTags = 50

// addTags adds tags to those there are.
func addTags(old []Tag, added []types.Tag) ([]Tag, error) {
	tags := slices.Clone(old)
	for _, t := range added {
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return nil, invalid("Tag keys must not begin with aws:.") // assumed text
		}
		tag := Tag{*t.Key, aws.ToString(t.Value)}
		if i := slices.IndexFunc(tags, func(o Tag) bool { return o.Key == tag.Key }); i >= 0 {
			tags[i] = tag
		} else {
			tags = append(tags, tag)
		}
	}
	if len(tags) > maxTags {
		return nil, refuse("LimitExceededException", "A resource has at most 50 tags.") // assumed text
	}
	return tags, nil
}

func tagContext(tags []Tag) estate.Given {
	var g estate.Given
	for _, t := range tags {
		g = append(g, estate.NewEntry("aws:ResourceTag/"+t.Key, policy.One(t.Value)))
	}
	return g
}

// requestTags are the condition keys of tags that a request sets or takes away.
func requestTags(tags []types.Tag, taken []string) estate.Given {
	var g estate.Given
	keys := map[string]bool{}
	for _, t := range tags {
		g = append(g, estate.NewEntry("aws:RequestTag/"+*t.Key, policy.One(aws.ToString(t.Value))))
		keys[*t.Key] = true
	}
	for _, key := range taken {
		keys[key] = true
	}
	if len(keys) > 0 {
		g = append(g, estate.NewEntry("aws:TagKeys", policy.Many(slices.Sorted(maps.Keys(keys))...)))
	}
	return g
}

// tagged has the tags of a bus or rule looked at, and changed when change is not nil.
func (s *Service) tagged(name string, change func([]Tag) ([]Tag, error)) ([]Tag, error) {
	a, err := arn.Parse(name)
	if err != nil {
		return nil, invalid("Provided Arn is not in correct format.") // assumed text
	}
	if bus, rule, ok := ruleOf(a.Resource); ok {
		old := s.rules.Get(state.Key(a.Account, a.Region, bus, rule))
		if old == nil {
			return nil, refuse("ResourceNotFoundException", "Rule "+rule+" does not exist on EventBus "+bus+".")
		}
		if change == nil {
			return old.Tags, nil
		}
		r := *old
		if r.Tags, err = change(old.Tags); err == nil {
			s.rules.Put(r.row(), &r)
		}
		return r.Tags, err
	}
	bus := strings.TrimPrefix(a.Resource, "event-bus/")
	old := s.bus(a.Account, a.Region, bus)
	if old == nil {
		return nil, noBus(bus)
	}
	if change == nil {
		return old.Tags, nil
	}
	b := *old
	if b.Tags, err = change(old.Tags); err == nil {
		s.buses.Put(b.row(), &b)
	}
	return b.Tags, err
}

// TagResource puts tags on a bus or rule.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TagResource.html.
func (s *Service) TagResource(_ context.Context, in *eventbridge.TagResourceInput) (*eventbridge.TagResourceOutput, error) {
	_, err := s.tagged(*in.ResourceARN, func(old []Tag) ([]Tag, error) { return addTags(old, in.Tags) })
	return &eventbridge.TagResourceOutput{}, err
}

// UntagResource takes tags away.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UntagResource.html.
func (s *Service) UntagResource(_ context.Context, in *eventbridge.UntagResourceInput) (*eventbridge.UntagResourceOutput, error) {
	_, err := s.tagged(*in.ResourceARN, func(old []Tag) ([]Tag, error) {
		return slices.DeleteFunc(slices.Clone(old), func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
	})
	return &eventbridge.UntagResourceOutput{}, err
}

// ListTagsForResource lists tags.
// See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTagsForResource.html.
func (s *Service) ListTagsForResource(_ context.Context, in *eventbridge.ListTagsForResourceInput) (*eventbridge.ListTagsForResourceOutput, error) {
	tags, err := s.tagged(*in.ResourceARN, nil)
	list := []types.Tag{}
	for i := range tags {
		list = append(list, types.Tag{Key: &tags[i].Key, Value: &tags[i].Value})
	}
	return &eventbridge.ListTagsForResourceOutput{Tags: list}, err
}
