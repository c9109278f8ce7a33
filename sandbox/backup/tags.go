package backup

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/backup"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// tagged is something of the caller's that has tags, and how to give it others.
type tagged struct {
	arn   string
	vault *Vault // whose access policy has a say, nil for none
	tags  map[string]string
	set   func(map[string]string)
}

// tagged finds what an ARN names in the caller's account and Region.
func (s *Service) tagged(c *gate.Call, resource *string) (*tagged, error) {
	name := text(resource)
	mine := vaultARN(c.Region, c.Caller.Account, "")
	if id, ok := strings.CutPrefix(name, mine); ok {
		v, err := s.vaultOf(c, c.Caller.Account, c.Region, &id)
		if err != nil {
			return nil, err
		}
		return &tagged{name, v, v.Tags, func(tags map[string]string) { n := *v; n.Tags = tags; s.vaults.Put(n.key(), &n) }}, nil
	}
	if id, ok := strings.CutPrefix(name, planARN(c.Region, c.Caller.Account, "")); ok {
		if p := s.plans.Get(row(c, id)); p != nil {
			return &tagged{name, nil, p.Tags, func(tags map[string]string) { n := *p; n.Tags = tags; s.plans.Put(n.key(), &n) }}, nil
		}
	}
	if p := s.points.Get(row(c, name)); p != nil {
		return &tagged{name, s.vaults.Get(row(c, p.Vault)), p.Tags, func(tags map[string]string) { n := *p; n.Tags = tags; s.points.Put(n.key(), &n) }}, nil
	}
	return nil, notFound("Resource " + name + " does not exist.") // assumed text
}

func onTagged[I any](s *Service, action string, arn func(*I) *string, tags func(*I) map[string]string) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		t, err := s.tagged(c, arn(in))
		if err != nil {
			return nil, err
		}
		var a gate.Ask
		if t.vault != nil {
			a = askVault(c, "backup:"+action, t.arn, t.vault, t.tags)
		} else {
			a = asking(c, "backup:"+action, t.arn, t.tags)
		}
		if tags != nil {
			a.Context = append(a.Context, gate.RequestTags(tags(in))...)
		}
		return []gate.Ask{a}, nil
	}
}

func (s *Service) tagOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(gate.Reads, onTagged(s, "ListTags", func(in *backup.ListTagsInput) *string { return in.ResourceArn }, nil), s.ListTags),
		gate.Op(gate.Writes, onTagged(s, "TagResource", func(in *backup.TagResourceInput) *string { return in.ResourceArn }, func(in *backup.TagResourceInput) map[string]string { return in.Tags }), s.TagResource),
		gate.Op(gate.Writes, onTagged(s, "UntagResource", func(in *backup.UntagResourceInput) *string { return in.ResourceArn }, nil), s.UntagResource),
	}
}

// checkTags refuses tags that AWS does not take.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_TagResource.html.
func checkTags(tags map[string]string) error {
	for key, value := range tags {
		switch {
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalidValue("Tag keys must not begin with aws:.") // assumed text
		case key == "" || len(key) > 128 || len(value) > 256:
			return invalidValue("Tag keys have 1 to 128 characters, values up to 256.") // assumed text
		}
	}
	if len(tags) > 50 {
		return refuse("LimitExceededException", "A resource has at most 50 tags.") // assumed text
	}
	return nil
}

// ListTags lists the tags of a vault, a plan or a recovery point.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListTags.html.
func (s *Service) ListTags(ctx context.Context, in *backup.ListTagsInput) (*backup.ListTagsOutput, error) {
	t, err := s.tagged(gate.From(ctx), in.ResourceArn)
	if err != nil {
		return nil, err
	}
	keys, next, err := paged(slices.Sorted(maps.Keys(t.tags)), in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, key := range keys {
		tags[key] = t.tags[key]
	}
	return &backup.ListTagsOutput{Tags: tags, NextToken: next}, nil
}

// TagResource sets tags.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_TagResource.html.
func (s *Service) TagResource(ctx context.Context, in *backup.TagResourceInput) (*backup.TagResourceOutput, error) {
	t, err := s.tagged(gate.From(ctx), in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	maps.Copy(tags, t.tags)
	maps.Copy(tags, in.Tags)
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	t.set(tags)
	return &backup.TagResourceOutput{}, nil
}

// UntagResource takes tags away.
// See https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UntagResource.html.
func (s *Service) UntagResource(ctx context.Context, in *backup.UntagResourceInput) (*backup.UntagResourceOutput, error) {
	t, err := s.tagged(gate.From(ctx), in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags := maps.Clone(t.tags)
	for _, key := range in.TagKeyList {
		delete(tags, key)
	}
	t.set(tags)
	return &backup.UntagResourceOutput{}, nil
}
