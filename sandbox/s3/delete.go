package s3

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func (s *Service) askDeleteObject(c *gate.Call, in *s3.DeleteObjectInput) ([]gate.Ask, error) {
	b, err := s.bucketOf(c, in)
	if err != nil {
		return nil, err
	}
	return s.askDelete(c, b, *in.Key, in.VersionId, yes(in.BypassGovernanceRetention)), nil
}

func (s *Service) askDelete(c *gate.Call, b *Bucket, key string, version *string, bypass bool) []gate.Ask {
	var g given
	action := "DeleteObject"
	if value(version) != "" {
		action = "DeleteObjectVersion"
		g.text("s3:versionid", *version)
	}
	c.Resources = append(c.Resources, gate.Resource{ARN: b.objectARN(key), Account: b.Account, Type: "AWS::S3::Object"})
	asks := []gate.Ask{s.ask(c, b, action, key, g.list)}
	if bypass {
		asks = append(asks, s.ask(c, b, "BypassGovernanceRetention", key, g.list))
	}
	return asks
}

// DeleteObject deletes a version for good, or puts a delete marker where versions are
// kept.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html.
func (s *Service) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	c := gate.From(ctx)
	b := s.buckets.Get(*in.Bucket)
	if in.MFA != nil {
		return nil, notImplemented("deleting with MFA")
	}
	if in.IfMatch != nil || in.IfMatchSize != nil || in.IfMatchLastModifiedTime != nil {
		o := s.object(b, *in.Key, in.VersionId)
		if o == nil || in.IfMatch != nil && *in.IfMatch != "*" && !sameTag(*in.IfMatch, o.ETag) || in.IfMatchSize != nil && *in.IfMatchSize != o.Size ||
			in.IfMatchLastModifiedTime != nil && !in.IfMatchLastModifiedTime.Equal(o.Modified) {
			return nil, precondition("If-Match")
		}
	}
	return s.delete(c, b, *in.Key, in.VersionId, yes(in.BypassGovernanceRetention))
}

func (s *Service) delete(c *gate.Call, b *Bucket, key string, version *string, bypass bool) (*s3.DeleteObjectOutput, error) {
	if value(version) != "" {
		return s.deleteVersion(c, b, key, *version, bypass)
	}
	if b.Versioning == "" {
		for _, o := range s.versions(b.Name, key) {
			s.erase(o)
			s.removed(c, b, o)
		}
		return &s3.DeleteObjectOutput{}, nil
	}
	if b.Versioning == types.BucketVersioningStatusSuspended {
		if o := s.object(b, key, new(null)); o != nil {
			if err := o.locked(c, bypass); err != nil {
				return nil, err
			}
		}
	}
	m := &Object{Bucket: b.Name, Key: key, Account: b.Account, Marker: true, Modified: c.At.UTC().Truncate(time.Second)}
	s.place(c, b, m)
	return &s3.DeleteObjectOutput{DeleteMarker: new(true), VersionId: &m.Version}, nil
}

func (s *Service) deleteVersion(c *gate.Call, b *Bucket, key, version string, bypass bool) (*s3.DeleteObjectOutput, error) {
	if !isVersion(version) {
		return nil, noVersion(key, version)
	}
	out := &s3.DeleteObjectOutput{VersionId: &version}
	list := s.versions(b.Name, key)
	for i, o := range list {
		if o.Version != version {
			continue
		}
		if err := o.locked(c, bypass); err != nil {
			return nil, err
		}
		s.erase(o)
		s.removed(c, b, o)
		if i == 0 && len(list) > 1 { // the version before it is the latest again
			next := *list[1]
			next.Superseded = nil
			s.objects.Put(next.row(), &next)
		}
		if o.Marker {
			out.DeleteMarker = new(true)
		}
		s.watch(b, key)
	}
	return out, nil
}

// askDeleteObjects asks nothing but whether there is the bucket: every object is asked
// about by itself, and a refusal stands in the answer.
func (s *Service) askDeleteObjects(c *gate.Call, in *s3.DeleteObjectsInput) ([]gate.Ask, error) {
	_, err := s.bucketOf(c, in)
	if err == nil && (in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > maxList) {
		err = bad("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	return nil, err
}

// DeleteObjects deletes up to a thousand objects.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html.
func (s *Service) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (*s3.DeleteObjectsOutput, error) {
	c := gate.From(ctx)
	b := s.buckets.Get(*in.Bucket)
	out := &s3.DeleteObjectsOutput{}
	bypass := yes(in.BypassGovernanceRetention)
	for i := range in.Delete.Objects {
		k := &in.Delete.Objects[i]
		var gone *s3.DeleteObjectOutput
		asked, about := len(c.Asked), len(c.Resources)
		err := s.Gate.Authorize(c, s.askDelete(c, b, *k.Key, k.VersionId, bypass))
		if err == nil {
			gone, err = s.DeleteObject(ctx, &s3.DeleteObjectInput{
				Bucket: in.Bucket, Key: k.Key, VersionId: k.VersionId, BypassGovernanceRetention: &bypass, IfMatch: k.ETag, IfMatchSize: k.Size, IfMatchLastModifiedTime: k.LastModifiedTime,
			})
		}
		if err == nil && i > 0 {
			// Of a thousand questions those that were answered with no are remembered, and the
			// first.
			c.Asked, c.Resources = c.Asked[:asked], c.Resources[:about]
		}
		if err != nil {
			code, text := told(err)
			out.Errors = append(out.Errors, types.Error{Key: k.Key, VersionId: k.VersionId, Code: &code, Message: &text})
			continue
		}
		if yes(in.Delete.Quiet) {
			continue
		}
		d := types.DeletedObject{Key: k.Key, VersionId: k.VersionId, DeleteMarker: gone.DeleteMarker}
		if yes(gone.DeleteMarker) {
			d.DeleteMarkerVersionId = gone.VersionId
		}
		out.Deleted = append(out.Deleted, d)
	}
	return out, nil
}

// told are code and text of a refusal.
func told(err error) (code, text string) {
	var no *gate.Denied
	var e *wire.Error
	switch {
	case errors.As(err, &no):
		return "AccessDenied", no.Text
	case errors.As(err, &e) && e.Fields["ArgumentName"] == "versionId": // as users report it of deletes of several objects
		return "NoSuchVersion", "The specified version does not exist."
	case errors.As(err, &e):
		return e.Code, e.Message
	}
	return "InternalError", "We encountered an internal error. Please try again."
}
