package autoscaling

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) tagOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, func(c *gate.Call, in *autoscaling.CreateOrUpdateTagsInput) ([]gate.Ask, error) {
			return s.askTags(c, "CreateOrUpdateTags", in.Tags), nil
		}, s.CreateOrUpdateTags),
		gate.Op(gate.Writes, func(c *gate.Call, in *autoscaling.DeleteTagsInput) ([]gate.Ask, error) {
			return s.askTags(c, "DeleteTags", in.Tags), nil
		}, s.DeleteTags),
		gate.Op(gate.Reads, onAll[autoscaling.DescribeTagsInput]("DescribeTags"), s.DescribeTags),
	}
}

// askTags asks for each group whose tags are meant.
func (s *Service) askTags(c *gate.Call, operation string, tags []types.Tag) []gate.Ask {
	of := map[string][]types.Tag{}
	var names []string
	for _, t := range tags {
		name := aws.ToString(t.ResourceId)
		if of[name] == nil {
			names = append(names, name)
		}
		of[name] = append(of[name], t)
	}
	var list []gate.Ask
	for _, name := range names {
		list = append(list, s.askGroup(c, operation, name, tagContext(of[name])))
	}
	return list
}

// putTag sets a tag among others, which are kept in the order of their keys.
func putTag(tags []types.TagDescription, group string, t types.Tag) []types.TagDescription {
	tags = dropTag(tags, aws.ToString(t.Key))
	v := types.TagDescription{Key: t.Key, Value: or(t.Value, ""), PropagateAtLaunch: or(t.PropagateAtLaunch, false), ResourceId: &group, ResourceType: new("auto-scaling-group")}
	at, _ := slices.BinarySearchFunc(tags, *t.Key, func(d types.TagDescription, key string) int { return strings.Compare(*d.Key, key) })
	return slices.Insert(tags, at, v)
}

func dropTag(tags []types.TagDescription, key string) []types.TagDescription {
	return slices.DeleteFunc(slices.Clone(tags), func(d types.TagDescription) bool { return *d.Key == key })
}

// CreateOrUpdateTags tags groups.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateOrUpdateTags.html.
func (s *Service) CreateOrUpdateTags(ctx context.Context, in *autoscaling.CreateOrUpdateTagsInput) (*autoscaling.CreateOrUpdateTagsOutput, error) {
	for _, t := range in.Tags {
		g, err := s.group(gate.From(ctx), t.ResourceId)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(*t.Key, "aws:") {
			return nil, invalid("Tags may not begin with aws:") // assumed text
		}
		s.change(g, func(g *Group) { g.Shown.Tags = putTag(g.Shown.Tags, g.name(), t) })
	}
	return &autoscaling.CreateOrUpdateTagsOutput{}, nil
}

// DeleteTags takes tags off groups.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteTags.html.
func (s *Service) DeleteTags(ctx context.Context, in *autoscaling.DeleteTagsInput) (*autoscaling.DeleteTagsOutput, error) {
	for _, t := range in.Tags {
		g, err := s.group(gate.From(ctx), t.ResourceId)
		if err != nil {
			return nil, err
		}
		s.change(g, func(g *Group) { g.Shown.Tags = dropTag(g.Shown.Tags, *t.Key) })
	}
	return &autoscaling.DeleteTagsOutput{}, nil
}

// DescribeTags lists the tags of groups.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeTags.html.
func (s *Service) DescribeTags(ctx context.Context, in *autoscaling.DescribeTagsInput) (*autoscaling.DescribeTagsOutput, error) {
	c := gate.From(ctx)
	var list []types.TagDescription
	for _, g := range s.groups.All(state.Key(c.Caller.Account, c.Region, "")) {
		for _, t := range g.Shown.Tags {
			fits, err := tagFits(t, in.Filters)
			if err != nil {
				return nil, err
			}
			if fits {
				list = append(list, t)
			}
		}
	}
	out, next, err := page(list, in.NextToken, in.MaxRecords, 50)
	return &autoscaling.DescribeTagsOutput{Tags: out, NextToken: next}, err
}

func tagFits(t types.TagDescription, filters []types.Filter) (bool, error) {
	values := map[string]string{
		"auto-scaling-group": *t.ResourceId, "key": *t.Key, "value": *t.Value, "propagate-at-launch": strconv.FormatBool(*t.PropagateAtLaunch),
	}
	fits := true
	for _, f := range filters {
		v, known := values[aws.ToString(f.Name)]
		if !known {
			return false, badFilter(f)
		}
		fits = fits && oneOf(f.Values, v)
	}
	return fits, nil
}

// tagged reports whether tags have what filters want.
// See https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Filter.html.
func tagged(tags []types.TagDescription, filters []types.Filter) (bool, error) {
	fits := true
	for _, f := range filters {
		name := aws.ToString(f.Name)
		key, named := strings.CutPrefix(name, "tag:")
		if !named && name != "tag-key" && name != "tag-value" {
			return false, badFilter(f)
		}
		fits = fits && slices.ContainsFunc(tags, func(t types.TagDescription) bool {
			switch {
			case named:
				return *t.Key == key && oneOf(f.Values, *t.Value)
			case name == "tag-key":
				return oneOf(f.Values, *t.Key)
			}
			return oneOf(f.Values, *t.Value)
		})
	}
	return fits, nil
}

func oneOf(patterns []string, v string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return arn.Glob(p, v) })
}

func badFilter(f types.Filter) error {
	return invalid("Filter type " + aws.ToString(f.Name) + " is not correct.") // assumed text
}
