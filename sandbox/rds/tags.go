package rds

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// maxTags is how many tags a resource may have.
// See https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html.
const maxTags = 50

// tagsOf are the tags of a resource, in the order in which they were given.
func (s *Service) tagsOf(full string) []types.Tag {
	if t := s.tags.Get(full); t != nil {
		return *t
	}
	return nil
}

// tag gives a resource tags.
func (s *Service) tag(full string, added []types.Tag) error {
	if len(added) == 0 {
		return nil
	}
	tags := slices.Clone(s.tagsOf(full))
	for _, t := range added {
		if t.Key == nil || *t.Key == "" || len(*t.Key) > 128 || len(aws.ToString(t.Value)) > 256 {
			return invalid("A tag needs a key of 1 to 128 characters and a value of at most 256.") // assumed text
		}
		if strings.HasPrefix(strings.ToLower(*t.Key), "aws:") {
			return invalid("Tag keys that begin with aws: are AWS's own.") // assumed text
		}
		tags = slices.DeleteFunc(tags, func(o types.Tag) bool { return *o.Key == *t.Key })
		tags = append(tags, types.Tag{Key: t.Key, Value: new(aws.ToString(t.Value))})
	}
	if len(tags) > maxTags {
		return invalid("A resource has at most 50 tags.") // assumed text
	}
	s.tags.Put(full, &tags)
	return nil
}

// requested are the tags that a request to make something gives it.
func (o *settings) requested(resourceType string) []types.Tag {
	tags := o.Tags
	for _, t := range o.TagSpecifications {
		if aws.ToString(t.ResourceType) == resourceType {
			tags = append(slices.Clone(tags), t.Tags...)
		}
	}
	return tags
}

// exists reports whether there is a resource of that ARN.
func (s *Service) exists(full string) error {
	a, kind, id, ok := split(full)
	if !ok {
		return invalid("Invalid resource name: " + full) // assumed text
	}
	switch kind {
	case kindInstance:
		if s.instances.Get(key(a.Account, a.Region, id)) == nil {
			return noInstance(id)
		}
	case kindCluster:
		if s.clusters.Get(key(a.Account, a.Region, id)) == nil {
			return noCluster(id)
		}
	case kindSnapshot, kindClusterSnapshot:
		k := kindOf(kind)
		if s.snapshots.Get(key(kind, a.Account, a.Region, id)) == nil {
			return k.missing(id)
		}
	case kindSubnets, kindParameters, kindClusterParams:
		if s.group(kind, a.Account, a.Region, id) == nil {
			return noGroup(kind, id)
		}
	case kindOptions:
		if !strings.HasPrefix(id, "default:") {
			return noGroup(kind, id)
		}
	default:
		return invalid("Invalid resource name: " + full) // assumed text
	}
	return nil
}

// owned refuses ARNs of another account or Region: tags belong to the owner.
func (s *Service) owned(c *gate.Call, full string) error {
	a, _, _, ok := split(full)
	if ok && (a.Account != c.Caller.Account || a.Region != c.Region) {
		return invalid("The resource " + full + " is not one of this account and Region.") // assumed text
	}
	return s.exists(full)
}

// AddTagsToResource gives a resource tags.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_AddTagsToResource.html.
func (s *Service) AddTagsToResource(ctx context.Context, in *rds.AddTagsToResourceInput) (*rds.AddTagsToResourceOutput, error) {
	if err := s.owned(gate.From(ctx), *in.ResourceName); err != nil {
		return nil, err
	}
	return &rds.AddTagsToResourceOutput{}, s.tag(*in.ResourceName, in.Tags)
}

// RemoveTagsFromResource takes tags away.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RemoveTagsFromResource.html.
func (s *Service) RemoveTagsFromResource(ctx context.Context, in *rds.RemoveTagsFromResourceInput) (*rds.RemoveTagsFromResourceOutput, error) {
	if err := s.owned(gate.From(ctx), *in.ResourceName); err != nil {
		return nil, err
	}
	tags := slices.DeleteFunc(slices.Clone(s.tagsOf(*in.ResourceName)), func(t types.Tag) bool { return slices.Contains(in.TagKeys, *t.Key) })
	s.tags.Put(*in.ResourceName, &tags)
	return &rds.RemoveTagsFromResourceOutput{}, nil
}

// ListTagsForResource lists tags.
// See https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ListTagsForResource.html.
func (s *Service) ListTagsForResource(ctx context.Context, in *rds.ListTagsForResourceInput) (*rds.ListTagsForResourceOutput, error) {
	if err := s.owned(gate.From(ctx), *in.ResourceName); err != nil {
		return nil, err
	}
	return &rds.ListTagsForResourceOutput{TagList: append([]types.Tag{}, s.tagsOf(*in.ResourceName)...)}, nil
}
