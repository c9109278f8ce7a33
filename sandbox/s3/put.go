package s3

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// The limits of objects.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
const (
	maxKey      = 1024
	maxPut      = 5 << 30
	maxUserMeta = 2 << 10
	maxTags     = 10
)

func (s *Service) askPutObject(c *gate.Call, in *s3.PutObjectInput) ([]gate.Ask, error) {
	b, err := s.bucketOf(c, in)
	if err != nil {
		return nil, err
	}
	if err := s.putable(c, b, in); err != nil {
		return nil, err
	}
	return s.onPut(c, b, in)
}

// putable refuses what no object can be put with.
func (s *Service) putable(c *gate.Call, b *Bucket, in *s3.PutObjectInput) error {
	switch key := *in.Key; {
	case len(key) > maxKey:
		return bad("KeyTooLongError", "Your key is too long")
	case hasNUL(key):
		return bad("InvalidArgument", "A key cannot hold the character NUL here.") // assumed: the sandbox's own limit
	case in.ContentLength != nil && *in.ContentLength > maxPut:
		return bad("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	case in.WriteOffsetBytes != nil:
		return notImplemented("appending to objects")
	case in.IfNoneMatch != nil && *in.IfNoneMatch != "*":
		return notImplemented("If-None-Match with another value than *")
	}
	n := 0
	for k, v := range in.Metadata {
		n += len(k) + len(v)
	}
	if n > maxUserMeta {
		return bad("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
	}
	if err := b.takesACL(string(in.ACL), in.GrantFullControl, in.GrantRead, in.GrantReadACP, in.GrantWriteACP); err != nil {
		return err
	}
	return lockable(c, b, in)
}

// preparePut takes the body.
func (s *Service) preparePut(c *gate.Call, in *s3.PutObjectInput) (*written, error) {
	var b *Bucket
	_ = s.DB.View(func() error { b = s.buckets.Get(*in.Bucket); return nil }) // it cannot fail
	if b == nil {
		return nil, s.noBucket(*in.Bucket)
	}
	return s.take(c, b, in, func(v *Sealing) ([]byte, error) { return s.seal(c, b, "s3:PutObject", v) })
}

// take takes the body of an object; seal makes its key.
func (s *Service) take(c *gate.Call, b *Bucket, in *s3.PutObjectInput, seal func(*Sealing) ([]byte, error)) (*written, error) {
	body := in.Body
	in.Body = nil // so that nothing holds on to it
	want, err := wishOf(in, in.ContentMD5, string(in.ChecksumAlgorithm), body)
	if err != nil {
		return nil, err
	}
	if len(want.algorithms()) == 0 {
		// What S3 works out by itself.
		// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html.
		want.also = []string{crc64NVME}
	}
	v, err := sealing(c, b, *in.Key, in)
	if err != nil {
		return nil, err
	}
	key, err := seal(&v)
	if err != nil {
		return nil, err
	}
	w, err := s.files.write(body, key, want)
	if err != nil {
		return nil, err
	}
	w.sealing = v
	return w, nil
}

// taken is the body that was taken before the state was locked, or, for a service that
// puts an object, is taken now.
func (s *Service) taken(ctx context.Context, b *Bucket, in *s3.PutObjectInput) (*written, error) {
	c := gate.From(ctx)
	if w, ok := c.Prepared.(*written); ok {
		return w, nil
	}
	w, err := s.take(c, b, in, func(v *Sealing) ([]byte, error) {
		if !v.kms() {
			return nil, nil
		}
		return s.sealed(ctx, b, "s3:PutObject", v)
	})
	if err == nil {
		s.DB.OnUndo(func() { _ = w.Close() }) // what stays is swept when the sandbox starts
	}
	return w, err
}

// PutObject stores an object.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html.
func (s *Service) PutObject(ctx context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
	c := gate.From(ctx)
	b := s.buckets.Get(*in.Bucket)
	if err := s.conditions(b, *in.Key, in.IfMatch, in.IfNoneMatch); err != nil {
		return nil, err
	}
	w, err := s.taken(ctx, b, in)
	if err != nil {
		return nil, err
	}
	o, err := s.newObject(c, b, in)
	if err != nil {
		return nil, err
	}
	o.Size, o.ETag, o.Segments, o.Sealing, o.Sums = w.Size, w.etag, []Segment{w.Segment}, w.sealing, w.sums
	o.SumType = types.ChecksumTypeFullObject
	s.adopt(w)
	s.place(c, b, o)
	out := &s3.PutObjectOutput{ETag: &o.ETag, Expiration: s.expiration(b, o), ChecksumType: o.SumType, VersionId: b.shownVersion(o)}
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = o.Sealing.shown()
	show(out, o.Sums)
	return out, nil
}

// conditions checks what a write is conditional on.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html.
func (s *Service) conditions(b *Bucket, key string, ifMatch, ifNone *string) error {
	o := s.object(b, key, nil)
	there := o != nil && !o.Marker
	switch {
	case ifNone != nil && there:
		return precondition("If-None-Match")
	case ifMatch == nil:
		return nil
	case !there:
		return noKey(key)
	case *ifMatch != "*" && !sameTag(*ifMatch, o.ETag):
		return precondition("If-Match")
	}
	return nil
}

func sameTag(a, b string) bool { return strings.Trim(a, `"`) == strings.Trim(b, `"`) }

// newObject is an object without its bytes.
func (s *Service) newObject(c *gate.Call, b *Bucket, in *s3.PutObjectInput) (*Object, error) {
	tags, err := parseTags(in.Tagging)
	if err != nil {
		return nil, err
	}
	o := &Object{
		Bucket: b.Name, Key: *in.Key, Account: b.Account, Modified: c.At.UTC().Truncate(time.Second), Tags: tags, Meta: metaOf(in),
		Mode: in.ObjectLockMode, Until: in.ObjectLockRetainUntilDate, Hold: in.ObjectLockLegalHoldStatus,
	}
	b.lockByDefault(c, o)
	return o, nil
}

func metaOf(in *s3.PutObjectInput) Meta {
	m := Meta{
		ContentType: in.ContentType, CacheControl: in.CacheControl, ContentDisposition: in.ContentDisposition, ContentEncoding: withoutChunked(in.ContentEncoding),
		ContentLanguage: in.ContentLanguage, Redirect: in.WebsiteRedirectLocation, Expires: in.Expires, User: in.Metadata, Class: in.StorageClass,
	}
	if m.Class == types.StorageClassStandard {
		m.Class = ""
	}
	if m.ContentType == nil {
		m.ContentType = new("binary/octet-stream")
	}
	return m
}

// withoutChunked takes aws-chunked away, which is about the request only.
func withoutChunked(encoding *string) *string {
	if encoding == nil {
		return nil
	}
	var rest []string
	for part := range strings.SplitSeq(*encoding, ",") {
		if part = strings.TrimSpace(part); part != "aws-chunked" && part != "" {
			rest = append(rest, part)
		}
	}
	if rest == nil {
		return nil
	}
	return new(strings.Join(rest, ","))
}

// place puts an object, or a delete marker, before the other versions of its key. It
// takes the place of the null version when the bucket is not versioned.
func (s *Service) place(c *gate.Call, b *Bucket, o *Object) {
	old := s.versions(b.Name, o.Key)
	switch {
	case o.Replica == types.ReplicationStatusReplica: // which has the version of what it was copied from
	case b.Versioning == types.BucketVersioningStatusEnabled:
		o.Version = s.newVersion()
	default:
		o.Version = null
	}
	order := uint64(math.MaxInt64 - c.At.UnixNano())
	if len(old) > 0 {
		if first, err := strconv.ParseUint(old[0].Order, 16, 64); err == nil && first <= order {
			order = first - 1
		}
	}
	o.Order = fmt.Sprintf("%016x", order)
	for i, v := range old {
		if o.Version == null && v.Version == null {
			s.erase(v)
			continue
		}
		if i == 0 {
			was := *v
			was.Superseded = new(c.At.UTC())
			s.objects.Put(was.row(), &was)
		}
	}
	if o.Replica != types.ReplicationStatusReplica {
		s.replicate(c, b, o)
	}
	s.objects.Put(o.row(), o)
	s.watch(b, o.Key)
	s.created(c, b, o)
}

const versionLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"

// newVersion makes the id of a version.
func (s *Service) newVersion() string {
	id := s.IDs.Bytes(32)
	for i := range id {
		id[i] = versionLetters[id[i]%64]
	}
	return string(id)
}

// erase takes a version away for good, with its bytes.
func (s *Service) erase(o *Object) {
	s.objects.Delete(o.row())
	s.drop(o.Segments...)
}

// shownVersion is the version as answers tell it: not at all as long as the bucket never
// was versioned.
func (b *Bucket) shownVersion(o *Object) *string {
	if b.Versioning == "" {
		return nil
	}
	return &o.Version
}
