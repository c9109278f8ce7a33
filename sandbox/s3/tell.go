package s3

import (
	"context"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func (s *Service) askAttributes(c *gate.Call, in *s3.GetObjectAttributesInput) ([]gate.Ask, error) {
	asks, err := s.onObject(c, in, *in.Key, in.VersionId, "GetObject", "GetObjectVersion")
	if err != nil {
		return nil, err
	}
	also := asks[0]
	also.Action = "s3:GetObjectAttributes"
	if value(in.VersionId) != "" {
		also.Action = "s3:GetObjectVersionAttributes"
	}
	return append(asks, also), nil
}

// GetObjectAttributes tells of an object what is asked for.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html.
func (s *Service) GetObjectAttributes(_ context.Context, in *s3.GetObjectAttributesInput) (*s3.GetObjectAttributesOutput, error) {
	b := s.buckets.Get(*in.Bucket)
	o, err := s.found(b, *in.Key, in.VersionId)
	if err != nil {
		return nil, err
	}
	asked := func(a types.ObjectAttributes) bool { return slices.Contains(in.ObjectAttributes, a) }
	out := &s3.GetObjectAttributesOutput{LastModified: &o.Modified, VersionId: b.shownVersion(o)}
	if asked(types.ObjectAttributesEtag) {
		tag := o.ETag[1 : len(o.ETag)-1]
		out.ETag = &tag
	}
	if asked(types.ObjectAttributesChecksum) && len(o.Sums) > 0 {
		out.Checksum = &types.Checksum{ChecksumType: o.SumType}
		show(out.Checksum, o.Sums)
	}
	if asked(types.ObjectAttributesObjectSize) {
		out.ObjectSize = &o.Size
	}
	if asked(types.ObjectAttributesStorageClass) {
		out.StorageClass = types.StorageClass(classOf(o))
	}
	if asked(types.ObjectAttributesObjectParts) && len(o.Parts) > 0 {
		out.ObjectParts, err = partsPage(o, in)
	}
	return out, err
}

func partsPage(o *Object, in *s3.GetObjectAttributesInput) (*types.GetObjectAttributesParts, error) {
	limit, err := limitOf(in.MaxParts)
	if err != nil {
		return nil, err
	}
	after := 0
	if in.PartNumberMarker != nil {
		if after, err = strconv.Atoi(*in.PartNumberMarker); err != nil {
			return nil, bad("InvalidArgument", "Provided part-number-marker not an integer or within integer range")
		}
	}
	out := &types.GetObjectAttributesParts{TotalPartsCount: new(int32(len(o.Parts))), MaxParts: new(int32(limit)), IsTruncated: new(false), PartNumberMarker: new(strconv.Itoa(after))}
	for i := range o.Parts {
		p := &o.Parts[i]
		if int(p.Number) <= after || o.SumType != types.ChecksumTypeComposite {
			continue // parts are told where each has a checksum that counts
		}
		if len(out.Parts) == limit {
			out.IsTruncated = new(true)
			break
		}
		v := types.ObjectPart{PartNumber: &p.Number, Size: &p.Size}
		show(&v, p.Sums)
		out.Parts = append(out.Parts, v)
		out.NextPartNumberMarker = new(strconv.Itoa(int(p.Number)))
	}
	return out, nil
}

// created and removed tell EventBridge, when the bucket is set to.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html.
func (s *Service) created(c *gate.Call, b *Bucket, o *Object) {
	if o.Marker {
		s.emit(c, b, o, "Object Deleted", map[string]any{"deletion-type": "Delete Marker Created"})
		return
	}
	reason := c.Operation
	if reason == "UploadPart" {
		reason = "CompleteMultipartUpload"
	}
	s.emit(c, b, o, "Object Created", map[string]any{"reason": reason})
}

func (s *Service) removed(c *gate.Call, b *Bucket, o *Object) {
	s.emit(c, b, o, "Object Deleted", map[string]any{"deletion-type": "Permanently Deleted"})
}

func (s *Service) emit(c *gate.Call, b *Bucket, o *Object, what string, more map[string]any) {
	if s.Events == nil || b.Notifies == nil || b.Notifies.EventBridgeConfiguration == nil {
		return
	}
	object := map[string]any{"key": o.Key, "sequencer": o.Order}
	if !o.Marker {
		object["size"], object["etag"] = o.Size, o.ETag[1:len(o.ETag)-1]
	}
	if b.Versioning != "" {
		object["version-id"] = o.Version
	}
	detail := map[string]any{
		"version": "0", "bucket": map[string]string{"name": b.Name}, "object": object, "request-id": c.ID, "requester": c.Caller.Account, "source-ip-address": c.SourceIP,
	}
	for k, v := range more {
		detail[k] = v
	}
	s.Events.Emit(gate.Event{At: c.At, Account: b.Account, Region: b.Region, Source: "aws.s3", DetailType: what, Resources: []string{b.arn()}, Detail: detail})
}
