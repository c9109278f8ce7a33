package ec2

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// taggable is a kind of resource that has tags.
type taggable struct {
	prefix string // of its ids, as "vol-"
	kind   types.ResourceType
	// find returns a resource that the caller sees.
	find func(c *gate.Call, id string) (tagged, bool)
	// put stores its tags.
	put func(c *gate.Call, id string, tags map[string]string)
	// all are the ids of those that the caller may have tagged.
	all func(c *gate.Call) []string
	// missing is the error for one that there is not.
	missing func(id string) error
}

// tagged is a resource with tags: those that the caller sees.
type tagged struct {
	ARN, Owner string
	Tags       map[string]string
}

// taggables are all kinds of resources that have tags.
func (s *Service) taggables() []taggable {
	return slices.Concat(s.ebsTaggables(), s.computeTaggables(), s.fleetTaggables())
}

func (s *Service) ebsTaggables() []taggable {
	return []taggable{
		{
			prefix: "vol-", kind: types.ResourceTypeVolume, missing: noVolume,
			find: func(c *gate.Call, id string) (tagged, bool) {
				v := s.volume(c.Caller.Account, c.Region, id)
				if v == nil {
					return tagged{}, false
				}
				return tagged{v.ARN(), v.Account, v.Tags}, true
			},
			put: func(c *gate.Call, id string, tags map[string]string) {
				v := s.volume(c.Caller.Account, c.Region, id).clone()
				v.Tags = tags
				s.putVolume(v)
			},
			all: func(c *gate.Call) (ids []string) {
				for _, v := range s.volumes.All(state.Key(c.Caller.Account, c.Region, "")) {
					ids = append(ids, v.ID)
				}
				return ids
			},
		},
		{
			prefix: "snap-", kind: types.ResourceTypeSnapshot, missing: noSnapshot,
			find: func(c *gate.Call, id string) (tagged, bool) {
				n := s.Snapshots.Get(c.Region, id)
				if n == nil || !n.Seen(c.Caller.Account) {
					return tagged{}, false
				}
				return tagged{n.ARN(), n.Account, n.TagsOf(c.Caller.Account)}, true
			},
			put: func(c *gate.Call, id string, tags map[string]string) {
				n := s.Snapshots.Get(c.Region, id).Clone()
				if n.Tags == nil {
					n.Tags = map[string]map[string]string{}
				}
				if n.Tags[c.Caller.Account] = tags; len(tags) == 0 {
					delete(n.Tags, c.Caller.Account)
				}
				s.Snapshots.Put(n)
			},
			all: func(c *gate.Call) (ids []string) {
				for n := range s.Snapshots.All(c.Region) {
					if n.Seen(c.Caller.Account) {
						ids = append(ids, n.ID)
					}
				}
				return ids
			},
		},
	}
}

func (s *Service) tagOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Writes, s.asksCreateTags, s.CreateTags),
		gate.Op(gate.Writes, s.asksDeleteTags, s.DeleteTags),
		gate.Op(gate.Reads, onAll[ec2.DescribeTagsInput]("DescribeTags"), s.DescribeTags),
	}
}

// taggableOf is the kind of a resource by its id.
func (s *Service) taggableOf(id string) (taggable, bool) {
	for _, t := range s.taggables() {
		if strings.HasPrefix(id, t.prefix) {
			return t, true
		}
	}
	return taggable{}, false
}

// asksTags asks about each resource that is tagged. One that is not there is asked about
// as one of the caller's.
func (s *Service) asksTags(c *gate.Call, operation string, ids []string, tags map[string]string) ([]gate.Ask, error) {
	var asks []gate.Ask
	for _, id := range ids {
		t, ok := s.taggableOf(id)
		if !ok {
			return nil, refuse("InvalidID", "The ID '"+id+"' is not valid")
		}
		r, found := t.find(c, id)
		if !found {
			r.ARN = behalf.ARN("ec2", c.Region, c.Caller.Account, string(t.kind), "/", id)
		}
		asks = append(asks, askOn(c, operation, r.ARN, r.Owner, "", append(gate.RequestTags(tags), gate.ResourceTags(r.Tags, "ec2:resourcetag")...)))
	}
	return asks, nil
}

func (s *Service) asksCreateTags(c *gate.Call, in *ec2.CreateTagsInput) ([]gate.Ask, error) {
	return s.asksTags(c, "CreateTags", in.Resources, tagMap(in.Tags))
}

func (s *Service) asksDeleteTags(c *gate.Call, in *ec2.DeleteTagsInput) ([]gate.Ask, error) {
	return s.asksTags(c, "DeleteTags", in.Resources, tagMap(in.Tags))
}

func tagMap(tags []types.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range tags {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

// CreateTags adds tags to resources, or gives others values.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html.
func (s *Service) CreateTags(ctx context.Context, in *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	if len(in.Tags) == 0 {
		return nil, refuse("MissingParameter", "The request must contain the parameter Tag")
	}
	added := tagMap(in.Tags)
	if err := checkTags(added); err != nil {
		return nil, err
	}
	err := s.retag(ctx, in.Resources, in.DryRun, func(tags map[string]string) error {
		maps.Copy(tags, added)
		if len(tags) > maxTags {
			return tooManyTags()
		}
		return nil
	})
	return &ec2.CreateTagsOutput{}, err
}

// retag changes the tags of resources: of all of them or of none.
func (s *Service) retag(ctx context.Context, ids []string, dryRun *bool, change func(map[string]string) error) error {
	c := gate.From(ctx)
	if len(ids) == 0 {
		return refuse("MissingParameter", "The request must contain the parameter resourceIdSet")
	}
	changed := make([]map[string]string, len(ids))
	for i, id := range ids {
		t, _ := s.taggableOf(id) // known: it was asked about
		r, ok := t.find(c, id)
		if !ok {
			return t.missing(id)
		}
		changed[i] = map[string]string{}
		maps.Copy(changed[i], r.Tags)
		if err := change(changed[i]); err != nil {
			return err
		}
	}
	if err := dry(dryRun); err != nil {
		return err
	}
	for i, id := range ids {
		t, _ := s.taggableOf(id)
		t.put(c, id, changed[i])
	}
	return nil
}

// DeleteTags takes tags from resources: with a value only where it is the tag's, without
// any tag all of them.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteTags.html.
func (s *Service) DeleteTags(ctx context.Context, in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	err := s.retag(ctx, in.Resources, in.DryRun, func(tags map[string]string) error {
		if len(in.Tags) == 0 {
			maps.DeleteFunc(tags, func(key, _ string) bool { return !strings.HasPrefix(key, "aws:") })
		}
		for _, t := range in.Tags {
			if value, ok := tags[aws.ToString(t.Key)]; ok && (t.Value == nil || *t.Value == value) {
				delete(tags, *t.Key)
			}
		}
		return nil
	})
	return &ec2.DeleteTagsOutput{}, err
}

// DescribeTags lists tags.
// See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTags.html.
func (s *Service) DescribeTags(ctx context.Context, in *ec2.DescribeTagsInput) (*ec2.DescribeTagsOutput, error) {
	c := gate.From(ctx)
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	var list []types.TagDescription
	for _, t := range s.taggables() {
		for _, id := range t.all(c) {
			r, _ := t.find(c, id)
			for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
				value := r.Tags[key]
				f := fields{"key": {key}, "value": {value}, "resource-id": {id}, "resource-type": {string(t.kind)}, "tag:" + key: {value}}
				ok, err := match(in.Filters, f)
				if err != nil {
					return nil, err
				}
				if ok {
					list = append(list, types.TagDescription{Key: &key, ResourceId: &id, ResourceType: t.kind, Value: &value})
				}
			}
		}
	}
	slices.SortStableFunc(list, func(a, b types.TagDescription) int { return cmp.Compare(*a.ResourceId, *b.ResourceId) })
	page, next, err := pageOf(list, in.NextToken, in.MaxResults, 5)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeTagsOutput{Tags: page, NextToken: next}, nil
}

// maxTags is how many tags a resource has at most.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html.
const maxTags = 50

func tooManyTags() error {
	return refuse("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
}

// newTags are the tags that a request gives to what it makes of a type.
func newTags(specs []types.TagSpecification, kind types.ResourceType) (map[string]string, error) {
	tags := tagsFor(specs, kind)
	if len(tags) > maxTags {
		return nil, tooManyTags()
	}
	return tags, checkTags(tags)
}

// serviceTags are newTags for a call that may be a service's own, which alone sets tags
// whose keys begin with aws:.
// See https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions.
func serviceTags(c *gate.Call, specs []types.TagSpecification, kind types.ResourceType) (map[string]string, error) {
	if c.Forward == nil {
		return newTags(specs, kind)
	}
	tags := tagsFor(specs, kind)
	own := maps.Clone(tags)
	maps.DeleteFunc(own, func(key, _ string) bool { return strings.HasPrefix(key, "aws:") })
	if len(own) > maxTags {
		return nil, tooManyTags()
	}
	return tags, checkTags(own)
}

// checkTags refuses tags that nobody may set.
func checkTags(tags map[string]string) error {
	for key, value := range tags {
		switch {
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalidValue("Tag keys starting with 'aws:' are reserved for internal use")
		case key == "" || len([]rune(key)) > 128:
			return invalidValue("Tag key exceeds the maximum length of 128 characters or is empty") // assumed text
		case len([]rune(value)) > 256:
			return invalidValue("Tag value exceeds the maximum length of 256 characters") // assumed text
		}
	}
	return nil
}
