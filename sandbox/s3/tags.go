package s3

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// Tags of objects: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html.

// parseTags reads the tags in a header.
func parseTags(text *string) (map[string]string, error) {
	if value(text) == "" {
		return nil, nil
	}
	q, err := url.ParseQuery(*text)
	if err != nil {
		return nil, bad("InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	tags := map[string]string{}
	for k, v := range q {
		if len(v) > 1 {
			return nil, bad("InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
		}
		tags[k] = v[0]
	}
	return tags, checkTags(tags)
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return bad("BadRequest", "Object tags cannot be greater than 10")
	}
	for k, v := range tags {
		if err := checkTag(k, v); err != nil {
			return err
		}
	}
	return nil
}

// checkTag refuses a tag that neither objects nor buckets have. The texts are as users
// report them.
func checkTag(k, v string) error {
	switch {
	case strings.HasPrefix(k, "aws:"):
		return bad("InvalidTag", "System tags cannot be added/updated by requester") // assumed text
	case k == "" || len([]rune(k)) > 128:
		return bad("InvalidTag", "The TagKey you have provided is invalid")
	case len([]rune(v)) > 256:
		return bad("InvalidTag", "The TagValue you have provided is invalid")
	}
	return nil
}

// tagsOf reads the tags in a document.
func tagsOf(t *types.Tagging) (map[string]string, error) {
	tags := map[string]string{}
	if t == nil {
		return tags, nil
	}
	for i := range t.TagSet {
		k := value(t.TagSet[i].Key)
		if _, twice := tags[k]; twice {
			return nil, bad("InvalidTag", "Cannot provide multiple Tags with the same key")
		}
		tags[k] = value(t.TagSet[i].Value)
	}
	return tags, checkTags(tags)
}

func tagSet(tags map[string]string) []types.Tag {
	list := []types.Tag{}
	for k, v := range tags {
		list = append(list, types.Tag{Key: &k, Value: &v})
	}
	slices.SortFunc(list, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return list
}

func (s *Service) askPutTagging(c *gate.Call, in *s3.PutObjectTaggingInput) ([]gate.Ask, error) {
	asks, err := s.onObject(c, in, *in.Key, in.VersionId, "PutObjectTagging", "PutObjectVersionTagging")
	if err != nil {
		return nil, err
	}
	tags, err := tagsOf(in.Tagging)
	if err != nil {
		return nil, err
	}
	asks[0].Context = append(asks[0].Context, tagKeys(tags)...)
	return asks, nil
}

// PutObjectTagging sets the tags of an object.
func (s *Service) PutObjectTagging(_ context.Context, in *s3.PutObjectTaggingInput) (*s3.PutObjectTaggingOutput, error) {
	b := s.buckets.Get(*in.Bucket)
	tags, err := tagsOf(in.Tagging)
	if err != nil {
		return nil, err
	}
	o, err := s.retag(b, *in.Key, in.VersionId, tags)
	if err != nil {
		return nil, err
	}
	return &s3.PutObjectTaggingOutput{VersionId: b.shownVersion(o)}, nil
}

// retag gives an object other tags.
func (s *Service) retag(b *Bucket, key string, version *string, tags map[string]string) (*Object, error) {
	old, err := s.found(b, key, version)
	if err != nil {
		return nil, err
	}
	o := *old
	o.Tags = tags
	s.objects.Put(o.row(), &o)
	s.watch(b, key)
	return &o, nil
}

// GetObjectTagging tells the tags.
func (s *Service) GetObjectTagging(_ context.Context, in *s3.GetObjectTaggingInput) (*s3.GetObjectTaggingOutput, error) {
	b := s.buckets.Get(*in.Bucket)
	o, err := s.found(b, *in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	return &s3.GetObjectTaggingOutput{TagSet: tagSet(o.Tags), VersionId: b.shownVersion(o)}, nil
}

// DeleteObjectTagging takes all tags away.
func (s *Service) DeleteObjectTagging(_ context.Context, in *s3.DeleteObjectTaggingInput) (*s3.DeleteObjectTaggingOutput, error) {
	b := s.buckets.Get(*in.Bucket)
	o, err := s.retag(b, *in.Key, in.VersionId, nil)
	if err != nil {
		return nil, err
	}
	return &s3.DeleteObjectTaggingOutput{VersionId: b.shownVersion(o)}, nil
}
