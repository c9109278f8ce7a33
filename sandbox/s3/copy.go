package s3

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// source is what is copied.
type source struct {
	bucket, key string
	version     *string
}

// sourceOf reads where an object is copied from.
func sourceOf(text *string) (source, error) {
	wrong := bad("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	path, query, _ := strings.Cut(value(text), "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return source{}, wrong
	}
	path = strings.TrimPrefix(path, "/")
	if strings.HasPrefix(path, "arn:") {
		return source{}, notImplemented("access points")
	}
	bucket, key, ok := strings.Cut(path, "/")
	if !ok || bucket == "" || key == "" || hasNUL(key) {
		return source{}, wrong
	}
	v := source{bucket: bucket, key: key}
	if id, ok := strings.CutPrefix(query, "versionId="); ok {
		v.version = &id
	}
	return v, nil
}

// askSource is what reading the source of a copy needs.
func (s *Service) askSource(c *gate.Call, text, expected *string) (source, []gate.Ask, error) {
	from, err := sourceOf(text)
	if err != nil {
		return from, nil, err
	}
	b := s.buckets.Get(from.bucket)
	switch {
	case b == nil:
		return from, nil, s.noBucket(from.bucket)
	case expected != nil && *expected != b.Account:
		return from, nil, denied()
	}
	return from, s.askObject(c, b, from.key, from.version, "GetObject", "GetObjectVersion"), nil
}

func (s *Service) askCopyObject(c *gate.Call, in *s3.CopyObjectInput) ([]gate.Ask, error) {
	b, err := s.bucketOf(c, in)
	if err != nil {
		return nil, err
	}
	put := asPut(in)
	if err := s.putable(c, b, put); err != nil {
		return nil, err
	}
	from, asks, err := s.askSource(c, in.CopySource, in.ExpectedSourceBucketOwner)
	if err != nil {
		return nil, err
	}
	directive := string(in.MetadataDirective)
	if directive == "" {
		directive = string(types.MetadataDirectiveCopy)
	}
	more := estate.Given{entry("s3:x-amz-copy-source", from.bucket+"/"+from.key), entry("s3:x-amz-metadata-directive", directive)}
	puts, err := s.onPut(c, b, put, more...)
	if err != nil {
		return nil, err
	}
	return append(append(asks, puts...), s.askTagsToo(c, b, from, in)...), nil
}

// askTagsToo is what a copy needs that takes the tags along.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html.
func (s *Service) askTagsToo(c *gate.Call, b *Bucket, from source, in *s3.CopyObjectInput) []gate.Ask {
	at := s.buckets.Get(from.bucket)
	o := s.object(at, from.key, from.version)
	if in.TaggingDirective == types.TaggingDirectiveReplace || o == nil || len(o.Tags) == 0 {
		return nil
	}
	read := s.askObject(c, at, from.key, from.version, "GetObjectTagging", "GetObjectVersionTagging")
	return append(read, s.ask(c, b, "PutObjectTagging", *in.Key, tagKeys(o.Tags)))
}

// copying is what is read for a copy.
type copying struct {
	from *Object
	body *content
	b    *Bucket // where it goes
}

// openSource finds the source of a copy and opens it for the caller. It locks the state.
func (s *Service) openSource(c *gate.Call, to string, text *string, check func(*Object) (span, error)) (*copying, error) {
	from, err := sourceOf(text)
	if err != nil {
		return nil, err
	}
	out := &copying{}
	err = s.DB.Update(func() error {
		b := s.buckets.Get(from.bucket)
		if out.b = s.buckets.Get(to); out.b == nil || b == nil {
			return s.noBucket(to)
		}
		o, err := s.found(b, from.key, from.version)
		if err == nil {
			err = o.archived()
		}
		if err != nil {
			return err
		}
		at, err := check(o)
		if err != nil {
			return err
		}
		key, err := s.opened(own(c), b, "s3:GetObject", &o.Sealing)
		if err != nil {
			return err
		}
		out.from, out.body = o, s.files.read(o.Segments, key, at.from, at.length)
		return nil
	})
	return out, err
}

// sourceMeets checks the conditions on the source of a copy, for which there is no
// answer that says "not modified".
func sourceMeets(o *Object, match, none *string, modified, unmodified *time.Time) error {
	err := o.meets(match, none, modified, unmodified)
	e, ok := err.(*wire.Error)
	switch {
	case !ok:
		return err
	case e.Code != "NotModified":
		return precondition("x-amz-copy-source-" + e.Fields["Condition"])
	case none != nil:
		return precondition("x-amz-copy-source-If-None-Match")
	}
	return precondition("x-amz-copy-source-If-Modified-Since")
}

// prepareCopy copies the bytes.
func (s *Service) prepareCopy(c *gate.Call, in *s3.CopyObjectInput) (*written, error) {
	from, err := s.openSource(c, *in.Bucket, in.CopySource, func(o *Object) (span, error) {
		return span{length: o.Size}, s.copyable(o, in)
	})
	if err != nil {
		return nil, err
	}
	defer from.body.Close()
	put := asPut(in)
	v, err := sealing(c, from.b, *in.Key, put)
	if err != nil {
		return nil, err
	}
	key, err := s.seal(c, from.b, "s3:PutObject", &v)
	if err != nil {
		return nil, err
	}
	name := string(in.ChecksumAlgorithm)
	if name == "" { // the source's own, as AWS has it
		name = crc64NVME
		for _, known := range sumsOf(from.from) {
			name = string(known)
		}
	}
	if newSum(name) == nil {
		return nil, notImplemented("checksums of the algorithm " + name)
	}
	w, err := s.files.write(from.body, key, &wish{also: []string{name}})
	if err != nil {
		return nil, err
	}
	w.sealing, w.from = v, from.from
	return w, nil
}

// copyable refuses copies that AWS does not make.
func (s *Service) copyable(o *Object, in *s3.CopyObjectInput) error {
	if o.Size > maxPut {
		return bad("InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	from, _ := sourceOf(in.CopySource) // read before
	same := from.bucket == *in.Bucket && from.key == *in.Key && from.version == nil
	changes := in.MetadataDirective == types.MetadataDirectiveReplace || in.StorageClass != "" || in.ServerSideEncryption != "" || in.WebsiteRedirectLocation != nil ||
		in.ChecksumAlgorithm != "" || in.TaggingDirective == types.TaggingDirectiveReplace || in.BucketKeyEnabled != nil
	if same && !changes {
		return bad("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	return sourceMeets(o, in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince)
}

// CopyObject copies an object.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html.
func (s *Service) CopyObject(ctx context.Context, in *s3.CopyObjectInput) (*s3.CopyObjectOutput, error) {
	c := gate.From(ctx)
	w, ok := c.Prepared.(*written)
	if !ok {
		return nil, notImplemented("copies that services make")
	}
	b, put := s.buckets.Get(*in.Bucket), asPut(in)
	if err := s.conditions(b, *in.Key, in.IfMatch, in.IfNoneMatch); err != nil {
		return nil, err
	}
	o, err := s.newObject(c, b, put)
	if err != nil {
		return nil, err
	}
	if in.MetadataDirective != types.MetadataDirectiveReplace {
		class, redirect := o.Meta.Class, o.Meta.Redirect
		o.Meta = w.from.Meta
		o.Meta.Class, o.Meta.Redirect = class, redirect
	}
	if in.TaggingDirective != types.TaggingDirectiveReplace {
		o.Tags = w.from.Tags
	}
	o.Size, o.ETag, o.Segments, o.Sealing, o.Sums = w.Size, w.etag, []Segment{w.Segment}, w.sealing, w.sums
	o.SumType = types.ChecksumTypeFullObject
	s.adopt(w)
	s.place(c, b, o)
	res := &types.CopyObjectResult{ETag: &o.ETag, LastModified: &o.Modified, ChecksumType: o.SumType}
	show(res, o.Sums)
	out := &s3.CopyObjectOutput{CopyObjectResult: res, VersionId: b.shownVersion(o), Expiration: s.expiration(b, o)}
	if w.from.Version != null {
		out.CopySourceVersionId = &w.from.Version
	}
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = o.Sealing.shown()
	return out, nil
}

func (s *Service) askUploadPartCopy(c *gate.Call, in *s3.UploadPartCopyInput) ([]gate.Ask, error) {
	b, err := s.bucketOf(c, in)
	if err != nil {
		return nil, err
	}
	_, asks, err := s.askSource(c, in.CopySource, in.ExpectedSourceBucketOwner)
	if err != nil {
		return nil, err
	}
	return append(asks, s.ask(c, b, "PutObject", *in.Key, nil)), nil
}

// prepareUploadPartCopy copies the bytes of a part.
func (s *Service) prepareUploadPartCopy(c *gate.Call, in *s3.UploadPartCopyInput) (*written, error) {
	if err := partNumber(in.PartNumber); err != nil {
		return nil, err
	}
	u, key, err := s.openUpload(c, in.Bucket, in.Key, in.UploadId, "s3:UploadPart")
	if err != nil {
		return nil, err
	}
	from, err := s.openSource(c, *in.Bucket, in.CopySource, func(o *Object) (span, error) {
		if err := sourceMeets(o, in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince); err != nil {
			return span{}, err
		}
		return copyRange(o, in.CopySourceRange)
	})
	if err != nil {
		return nil, err
	}
	defer from.body.Close()
	name, _ := u.sumOf()
	w, err := s.files.write(from.body, key, &wish{also: []string{name}})
	if err != nil {
		return nil, err
	}
	w.from = from.from
	return w, nil
}

// copyRange reads the range of a source, which has to be within it.
func copyRange(o *Object, text *string) (span, error) {
	if text == nil {
		return span{length: o.Size}, nil
	}
	at, err := spanOf(*text, o.Size)
	if err != nil || !at.partial {
		return at, bad("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	_, last, _ := strings.Cut(strings.TrimPrefix(*text, "bytes="), "-")
	if last != itoa(at.from+at.length-1) {
		return at, bad("InvalidArgument", "Range specified is not valid for source object of size: "+itoa(o.Size))
	}
	return at, nil
}

// UploadPartCopy makes a part of an object that is there.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html.
func (s *Service) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (*s3.UploadPartCopyOutput, error) {
	u, p, err := s.putPart(ctx, in.Bucket, in.Key, in.UploadId, *in.PartNumber)
	if err != nil {
		return nil, err
	}
	res := &types.CopyPartResult{ETag: &p.ETag, LastModified: &p.Modified}
	if u.Algorithm != "" {
		show(res, p.Sums)
	}
	out := &s3.UploadPartCopyOutput{CopyPartResult: res}
	if from := gate.From(ctx).Prepared.(*written).from; from.Version != null {
		out.CopySourceVersionId = &from.Version
	}
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = u.Sealing.shown()
	return out, nil
}
