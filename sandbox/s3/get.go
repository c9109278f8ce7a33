package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

func (s *Service) askGetObject(c *gate.Call, in *s3.GetObjectInput) ([]gate.Ask, error) {
	return s.onObject(c, in, *in.Key, in.VersionId, "GetObject", "GetObjectVersion")
}

func (s *Service) askHeadObject(c *gate.Call, in *s3.HeadObjectInput) ([]gate.Ask, error) {
	return s.onObject(c, in, *in.Key, in.VersionId, "GetObject", "GetObjectVersion")
}

// found is the version of an object that a request is about.
func (s *Service) found(b *Bucket, key string, version *string) (*Object, error) {
	o := s.object(b, key, version)
	named := value(version) != ""
	switch {
	case o == nil && named:
		return nil, noVersion(key, *version)
	case o == nil:
		return nil, noKey(key)
	case !o.Marker:
		return o, nil
	}
	e := noKey(key)
	if named {
		e = refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	}
	e.Header = map[string]string{"X-Amz-Delete-Marker": "true", "X-Amz-Version-Id": o.Version}
	return nil, e
}

// GetObject reads an object, or a range of it.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html.
func (s *Service) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	out, b, o, at, err := s.look(in)
	if err != nil {
		return nil, err
	}
	if err := o.archived(); err != nil {
		return nil, err
	}
	if o.Sealing.kms() && !gate.From(ctx).Writing {
		return nil, gate.ErrUpdate // the key of the object is to be opened
	}
	key, err := s.opened(ctx, b, "s3:GetObject", &o.Sealing)
	if err != nil {
		return nil, err
	}
	out.Body = s.files.read(o.Segments, key, at.from, at.length)
	return out, nil
}

// archived refuses what is put into an archive, since nothing can be restored here.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html.
func (o *Object) archived() error {
	if o.Meta.Class != types.StorageClassGlacier && o.Meta.Class != types.StorageClassDeepArchive {
		return nil
	}
	e := refuse(http.StatusForbidden, "InvalidObjectState", "The operation is not valid for the object's storage class")
	e.Fields = map[string]string{"StorageClass": string(o.Meta.Class)}
	return e
}

// HeadObject tells of an object what GetObject does, without the bytes. Its key is opened
// only for who asks for the checksum.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html.
func (s *Service) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	get := &s3.GetObjectInput{}
	copyFields(get, in)
	from, b, o, _, err := s.look(get)
	if err != nil {
		return nil, err
	}
	if o.Sealing.kms() && in.ChecksumMode == types.ChecksumModeEnabled {
		if !gate.From(ctx).Writing {
			return nil, gate.ErrUpdate
		}
		if _, err := s.opened(ctx, b, "s3:HeadObject", &o.Sealing); err != nil {
			return nil, err
		}
	}
	out := &s3.HeadObjectOutput{}
	copyFields(out, from)
	return out, nil
}

// look finds an object, checks the conditions and works out the range.
func (s *Service) look(in *s3.GetObjectInput) (*s3.GetObjectOutput, *Bucket, *Object, span, error) {
	b := s.buckets.Get(*in.Bucket)
	fail := func(err error) (*s3.GetObjectOutput, *Bucket, *Object, span, error) {
		return nil, nil, nil, span{}, err
	}
	if in.SSECustomerAlgorithm != nil {
		return fail(notImplemented("server-side encryption with customer keys (SSE-C)"))
	}
	o, err := s.found(b, *in.Key, in.VersionId)
	if err != nil {
		return fail(err)
	}
	if err := o.meets(in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince); err != nil {
		return fail(err)
	}
	out := s.describe(b, o)
	at := span{length: o.Size}
	switch {
	case in.PartNumber != nil && in.Range != nil:
		return fail(bad("InvalidRequest", "Cannot specify both Range header and partNumber query parameter"))
	case in.PartNumber != nil:
		if at, err = o.part(*in.PartNumber); err != nil {
			return fail(err)
		}
		at.partial = len(o.Parts) > 0 || o.Size > 0
		if len(o.Parts) > 0 {
			out.PartsCount = new(int32(len(o.Parts)))
		}
	case in.Range != nil:
		if at, err = spanOf(*in.Range, o.Size); err != nil {
			return fail(err)
		}
	}
	out.ContentLength = &at.length
	if at.partial {
		out.ContentRange = new(fmt.Sprintf("bytes %d-%d/%d", at.from, at.from+at.length-1, o.Size))
	} else if in.ChecksumMode == types.ChecksumModeEnabled {
		show(out, o.Sums)
		out.ChecksumType = o.SumType
	}
	instead(&out.ContentType, in.ResponseContentType)
	instead(&out.CacheControl, in.ResponseCacheControl)
	instead(&out.ContentDisposition, in.ResponseContentDisposition)
	instead(&out.ContentEncoding, in.ResponseContentEncoding)
	instead(&out.ContentLanguage, in.ResponseContentLanguage)
	if in.ResponseExpires != nil {
		out.ExpiresString = new(in.ResponseExpires.UTC().Format(http.TimeFormat))
	}
	return out, b, o, at, nil
}

func instead(to **string, v *string) {
	if v != nil {
		*to = v
	}
}

// describe is all that an object's headers tell.
func (s *Service) describe(b *Bucket, o *Object) *s3.GetObjectOutput {
	out := &s3.GetObjectOutput{
		AcceptRanges: new("bytes"), ETag: &o.ETag, LastModified: &o.Modified, Metadata: o.Meta.User, VersionId: b.shownVersion(o), Expiration: s.expiration(b, o),
		ContentType: o.Meta.ContentType, CacheControl: o.Meta.CacheControl, ContentDisposition: o.Meta.ContentDisposition, ContentEncoding: o.Meta.ContentEncoding,
		ContentLanguage: o.Meta.ContentLanguage, WebsiteRedirectLocation: o.Meta.Redirect, StorageClass: o.Meta.Class,
		ObjectLockMode: o.Mode, ObjectLockRetainUntilDate: o.Until, ReplicationStatus: o.Replica,
		ObjectLockLegalHoldStatus: o.Hold,
	}
	if o.Meta.Expires != nil {
		out.ExpiresString = new(o.Meta.Expires.UTC().Format(http.TimeFormat))
	}
	if len(o.Tags) > 0 {
		out.TagCount = new(int32(len(o.Tags)))
	}
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = o.Sealing.shown()
	return out
}

// meets checks the conditions of a read, in the order of RFC 7232.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html.
func (o *Object) meets(match, none *string, modified, unmodified *time.Time) error {
	if match != nil {
		if !anyTag(*match, o.ETag) {
			return precondition("If-Match")
		}
	} else if unmodified != nil && o.Modified.After(*unmodified) {
		return precondition("If-Unmodified-Since")
	}
	fresh := false
	if none != nil {
		fresh = anyTag(*none, o.ETag)
	} else if modified != nil {
		fresh = !o.Modified.After(*modified)
	}
	if fresh {
		e := refuse(http.StatusNotModified, "NotModified", "Not Modified")
		e.Header = map[string]string{"Etag": o.ETag, "Last-Modified": o.Modified.Format(http.TimeFormat)}
		return e
	}
	return nil
}

func anyTag(list, tag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one == "*" || sameTag(one, tag) {
			return true
		}
	}
	return false
}

// span is a range of an object.
type span struct {
	from, length int64
	partial      bool
}

// spanOf reads a range. One that is no range of bytes, or several, is the whole object.
func spanOf(text string, size int64) (span, error) {
	all := span{length: size}
	spec, ok := strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return all, nil
	}
	none := refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
	none.Fields = map[string]string{"RangeRequested": text, "ActualObjectSize": strconv.FormatInt(size, 10)}
	if first == "" {
		n, ok := byteNumber(last)
		switch {
		case !ok:
			return all, nil
		case n == 0 || size == 0:
			return all, none
		}
		n = min(n, size)
		return span{size - n, n, true}, nil
	}
	from, ok := byteNumber(first)
	if !ok {
		return all, nil
	}
	to := size - 1
	if last != "" {
		if to, ok = byteNumber(last); !ok || to < from {
			return all, nil
		}
	}
	if from >= size {
		return all, none
	}
	return span{from, min(to, size-1) - from + 1, true}, nil
}

// byteNumber reads a number of a range. One that is too large for any object is one
// that is beyond the end.
func byteNumber(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, (err == nil || errors.Is(err, strconv.ErrRange)) && n >= 0
}

// part is the range of a part of an object.
func (o *Object) part(number int32) (span, error) {
	if len(o.Parts) == 0 && number == 1 {
		return span{length: o.Size}, nil
	}
	var from int64
	for i := range o.Parts {
		if i+1 == int(number) {
			return span{from: from, length: o.Parts[i].Size}, nil
		}
		from += o.Parts[i].Size
	}
	e := refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable")
	e.Fields = map[string]string{"PartNumberRequested": strconv.Itoa(int(number)), "ActualPartCount": strconv.Itoa(max(1, len(o.Parts)))}
	return span{}, e
}
