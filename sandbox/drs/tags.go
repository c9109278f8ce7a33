package drs

import (
	"context"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/drs"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

func (s *Service) tagOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Reads, onARN(s, "ListTagsForResource", func(in *drs.ListTagsForResourceInput) (*string, estate.Given) { return in.ResourceArn, nil }), s.ListTagsForResource),
		gate.Op(gate.Writes, onARN(s, "TagResource", func(in *drs.TagResourceInput) (*string, estate.Given) {
			return in.ResourceArn, gate.RequestTags(in.Tags)
		}), s.TagResource),
		gate.Op(gate.Writes, onARN(s, "UntagResource", func(in *drs.UntagResourceInput) (*string, estate.Given) {
			return in.ResourceArn, estate.Given{estate.NewEntry("aws:tagkeys", policy.Many(in.TagKeys...))}
		}), s.UntagResource),
	}
}

// onARN is what an operation needs that is about the resource of an ARN.
func onARN[I any](s *Service, operation string, about func(*I) (*string, estate.Given)) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		text, given := about(in)
		a, err := arn.Parse(*text)
		if err != nil || a.Service != "drs" {
			return nil, invalid("The ARN " + *text + " is not that of a resource of DRS.")
		}
		ask := gate.Ask{Action: "drs:" + operation, Resource: *text, Target: a, Owner: a.Account, Context: given}
		if kind, id, ok := strings.Cut(a.Resource, "/"); ok && a.Account == c.Caller.Account && a.Region == c.Region {
			ask.Context = append(ask.Context, gate.ResourceTags(s.tagsOf(c, kind, id))...)
		}
		return []gate.Ask{ask}, nil
	}
}

// tagsOf are the tags of a resource, nil when there is none.
func (s *Service) tagsOf(c *gate.Call, kind, id string) map[string]string {
	tags, _ := s.tagged(c, kind, id)
	return tags
}

// tagged finds the tags of a resource, and how to change them; nil when there is no such
// resource.
func (s *Service) tagged(c *gate.Call, kind, id string) (map[string]string, func(map[string]string)) {
	key := state.Key(c.Caller.Account, c.Region, id)
	switch kind {
	case serverKind:
		return tagsIn(s.servers, key, func(v *Server) *map[string]string { return &v.Tags })
	case instanceKind:
		return tagsIn(s.instances, key, func(v *Instance) *map[string]string { return &v.Tags })
	case jobKind:
		return tagsIn(s.jobs, key, func(v *Job) *map[string]string { return &v.Tags })
	case templateKind:
		return tagsIn(s.templates, key, func(v *replicationTemplate) *map[string]string { return &v.Tags })
	case launchKind:
		return tagsIn(s.launches, key, func(v *launchTemplate) *map[string]string { return &v.Tags })
	}
	return nil, nil
}

func tagsIn[T any](t *state.Table[T], key string, tags func(*T) *map[string]string) (map[string]string, func(map[string]string)) {
	row := t.Get(key)
	if row == nil {
		return nil, nil
	}
	return *tags(row), func(to map[string]string) {
		v := *row
		*tags(&v) = to
		t.Put(key, &v)
	}
}

// changeTags changes the tags of the resource of an ARN; without a change it reads them.
func (s *Service) changeTags(ctx context.Context, text string, change func(map[string]string)) (map[string]string, error) {
	c := gate.From(ctx)
	a, err := arn.Parse(text)
	if err != nil {
		return nil, err
	}
	kind, id, _ := strings.Cut(a.Resource, "/")
	if a.Account != c.Caller.Account || a.Region != c.Region {
		return nil, notFound("resource", text)
	}
	tags, put := s.tagged(c, kind, id)
	if put == nil {
		return nil, notFound("resource", text)
	}
	if change == nil {
		return tags, nil
	}
	if tags = maps.Clone(tags); tags == nil {
		tags = map[string]string{}
	}
	change(tags)
	put(tags)
	return tags, nil
}

// ListTagsForResource lists the tags of a resource.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_ListTagsForResource.html.
func (s *Service) ListTagsForResource(ctx context.Context, in *drs.ListTagsForResourceInput) (*drs.ListTagsForResourceOutput, error) {
	tags, err := s.changeTags(ctx, *in.ResourceArn, nil)
	if err != nil {
		return nil, err
	}
	return &drs.ListTagsForResourceOutput{Tags: shownTags(tags)}, nil
}

// TagResource sets tags.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_TagResource.html.
func (s *Service) TagResource(ctx context.Context, in *drs.TagResourceInput) (*drs.TagResourceOutput, error) {
	_, err := s.changeTags(ctx, *in.ResourceArn, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
	return &drs.TagResourceOutput{}, err
}

// UntagResource takes tags away.
// See https://docs.aws.amazon.com/drs/latest/APIReference/API_UntagResource.html.
func (s *Service) UntagResource(ctx context.Context, in *drs.UntagResourceInput) (*drs.UntagResourceOutput, error) {
	_, err := s.changeTags(ctx, *in.ResourceArn, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
	return &drs.UntagResourceOutput{}, err
}

// shownTags are tags as they are answered: an empty object rather than nothing.
func shownTags(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}
