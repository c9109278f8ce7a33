package cloudtrail

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// everyManagementEvent is what a trail logs until it is told otherwise.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutEventSelectors.html.
func everyManagementEvent() []types.EventSelector {
	return []types.EventSelector{complete(types.EventSelector{})}
}

// complete gives an event selector what was left out.
func complete(v types.EventSelector) types.EventSelector {
	if v.ReadWriteType == "" {
		v.ReadWriteType = types.ReadWriteTypeAll
	}
	if v.IncludeManagementEvents == nil {
		v.IncludeManagementEvents = new(true)
	}
	if v.DataResources == nil {
		v.DataResources = []types.DataResource{}
	}
	if v.ExcludeManagementEventSources == nil {
		v.ExcludeManagementEventSources = []string{}
	}
	return v
}

// GetEventSelectors tells what a trail logs.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html.
func (s *Service) GetEventSelectors(ctx context.Context, in *cloudtrail.GetEventSelectorsInput) (*cloudtrail.GetEventSelectorsOutput, error) {
	t, err := s.trail(ctx, *in.TrailName)
	if err != nil {
		return nil, err
	}
	out := &cloudtrail.GetEventSelectorsOutput{TrailARN: new(t.arn()), EventSelectors: t.Selectors, AdvancedEventSelectors: t.Advanced}
	if t.Selectors == nil && t.Advanced == nil {
		out.EventSelectors = everyManagementEvent()
	}
	return out, nil
}

// maxSelectors is how many event selectors a trail has at most.
const maxSelectors = 5

// PutEventSelectors says what a trail logs: by selectors of one of two kinds. The
// sandbox keeps them and logs every call as before.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutEventSelectors.html.
func (s *Service) PutEventSelectors(ctx context.Context, in *cloudtrail.PutEventSelectorsInput) (*cloudtrail.PutEventSelectorsOutput, error) {
	old, err := s.trail(ctx, *in.TrailName)
	switch {
	case err != nil:
		return nil, err
	case old.Region != gate.From(ctx).Region:
		return nil, refuse("InvalidHomeRegionException", "The trail "+old.Name+" is to be changed in its home Region, "+old.Region+".") // assumed text
	case (len(in.EventSelectors) > 0) == (len(in.AdvancedEventSelectors) > 0):
		return nil, badSelectors("exactly one of EventSelectors and AdvancedEventSelectors is to be given")
	case len(in.EventSelectors) > maxSelectors:
		return nil, badSelectors("a trail has at most 5 event selectors")
	}
	if i := slices.IndexFunc(in.EventSelectors, unfit); i >= 0 {
		return nil, badSelectors("ReadWriteType is one of All, ReadOnly and WriteOnly")
	}
	t := *old
	t.Selectors, t.Advanced = nil, in.AdvancedEventSelectors
	for _, v := range in.EventSelectors {
		t.Selectors = append(t.Selectors, complete(v))
	}
	s.put(&t)
	return &cloudtrail.PutEventSelectorsOutput{TrailARN: new(t.arn()), EventSelectors: t.Selectors, AdvancedEventSelectors: t.Advanced}, nil
}

func unfit(v types.EventSelector) bool {
	return v.ReadWriteType != "" && !slices.Contains(v.ReadWriteType.Values(), v.ReadWriteType)
}

func badSelectors(why string) error {
	return refuse("InvalidEventSelectorsException", "Invalid event selectors: "+why+".") // assumed text
}

// GetInsightSelectors says that a trail has none.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetInsightSelectors.html.
func (s *Service) GetInsightSelectors(ctx context.Context, in *cloudtrail.GetInsightSelectorsInput) (*cloudtrail.GetInsightSelectorsOutput, error) {
	if in.TrailName == nil {
		return nil, refuse("InvalidParameterException", "The sandbox has trails and no event data stores.") // our own text
	}
	t, err := s.trail(ctx, *in.TrailName)
	if err != nil {
		return nil, err
	}
	return nil, refuse("InsightNotEnabledException", "Trail "+t.arn()+" does not have Insights enabled.") // assumed text
}

// maxTags is how many tags a trail may have.
const maxTags = 50

// Tag is a tag of a trail.
type Tag struct{ Key, Value string }

// addTags adds tags to those there are. The values may be left out.
func addTags(old []Tag, added []types.Tag) ([]Tag, error) {
	tags := slices.Clone(old)
	seen := map[string]bool{}
	for _, t := range added {
		key := *t.Key
		if seen[key] || strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, refuse("InvalidTagParameterException", "A tag key stands once, and does not begin with aws:.") // assumed text
		}
		seen[key] = true
		tag := Tag{Key: key}
		set(&tag.Value, t.Value)
		if i := slices.IndexFunc(tags, func(o Tag) bool { return o.Key == key }); i >= 0 {
			tags[i] = tag
		} else {
			tags = append(tags, tag)
		}
	}
	if len(tags) > maxTags {
		return nil, refuse("TagsLimitExceededException", "The number of tags per trail, event data store, dashboard, or channel has exceeded the permitted amount. Currently, the limit is 50.") // assumed text
	}
	return tags, nil
}

// tagged finds the trail of an ARN whose tags are asked for.
func (s *Service) tagged(ctx context.Context, id string) (*Trail, error) {
	t, err := s.trail(ctx, id)
	if err != nil || t.Account != gate.From(ctx).Caller.Account {
		return nil, refuse("ResourceNotFoundException", "The trail "+id+" cannot be found.") // assumed text
	}
	return t, nil
}

// AddTags puts tags on a trail.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AddTags.html.
func (s *Service) AddTags(ctx context.Context, in *cloudtrail.AddTagsInput) (*cloudtrail.AddTagsOutput, error) {
	old, err := s.tagged(ctx, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	t := *old
	if t.Tags, err = addTags(old.Tags, in.TagsList); err != nil {
		return nil, err
	}
	s.put(&t)
	return &cloudtrail.AddTagsOutput{}, nil
}

// RemoveTags takes tags away; a value that is given has to be that of the tag.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_RemoveTags.html.
func (s *Service) RemoveTags(ctx context.Context, in *cloudtrail.RemoveTagsInput) (*cloudtrail.RemoveTagsOutput, error) {
	old, err := s.tagged(ctx, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	t := *old
	t.Tags = slices.DeleteFunc(slices.Clone(old.Tags), func(tag Tag) bool {
		return slices.ContainsFunc(in.TagsList, func(x types.Tag) bool { return *x.Key == tag.Key && (x.Value == nil || *x.Value == tag.Value) })
	})
	s.put(&t)
	return &cloudtrail.RemoveTagsOutput{}, nil
}

// ListTags lists the tags of trails.
// See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListTags.html.
func (s *Service) ListTags(ctx context.Context, in *cloudtrail.ListTagsInput) (*cloudtrail.ListTagsOutput, error) {
	out := &cloudtrail.ListTagsOutput{ResourceTagList: []types.ResourceTag{}}
	for _, id := range in.ResourceIdList {
		t, err := s.tagged(ctx, id)
		if err != nil {
			return nil, err
		}
		list := make([]types.Tag, len(t.Tags))
		for i := range t.Tags {
			list[i] = types.Tag{Key: &t.Tags[i].Key, Value: &t.Tags[i].Value}
		}
		out.ResourceTagList = append(out.ResourceTagList, types.ResourceTag{ResourceId: new(t.arn()), TagsList: list})
	}
	return out, nil
}
