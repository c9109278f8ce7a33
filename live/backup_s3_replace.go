package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/cloud"
)

// s3CopyPart is how much one call copies. A part that is copied has at most 5 GiB. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html.
const s3CopyPart = 1 << 30

// s3Change is another beginning put before the rest of an object.
type s3Change struct {
	s    *s3Store
	o    store.Object
	key  string
	was  *s3.HeadObjectOutput
	tags *string
	head []byte
	from int64
	sum  uint64 // of the whole, as it will be
	sums bool   // it is known, since S3 keeps that of the whole as it is
}

// Replace writes a new version whose rest S3 copies within itself; a backup of less than
// a part is read and written. It is there only when the object is still the one that was
// looked at. What is to become of the whole's checksum is worked out from that of the old
// whole and of both beginnings, and S3 compares. It needs s3:GetObject and s3:PutObject,
// and where S3 encrypts under a key of KMS, kms:Decrypt and kms:GenerateDataKey. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html.
func (s *s3Store) Replace(ctx context.Context, o store.Object, head []byte, from int64) (store.Object, error) {
	if err := store.CheckID(o.ID); err != nil {
		return store.Object{}, err
	}
	c := &s3Change{s: s, o: o, key: s.key(o.ID), head: head, from: from}
	if err := c.look(ctx); err != nil {
		return store.Object{}, err
	}
	first, err := c.first(ctx)
	if err != nil {
		return store.Object{}, err
	}
	if c.size() == int64(len(first)) {
		err = c.put(ctx, first)
	} else {
		err = c.join(ctx, first)
	}
	if err != nil {
		return store.Object{}, err
	}
	return c.made(ctx)
}

// size is how large the backup will be.
func (c *s3Change) size() int64 { return int64(len(c.head)) + c.o.Size - c.from }

// look looks at the object as it is, and reads its beginning for the checksum.
func (c *s3Change) look(ctx context.Context) error {
	var err error
	if c.was, err = c.s.head(ctx, c.key); err != nil {
		return err
	}
	now := c.s.seen(c.o.ID, c.was)
	switch {
	case c.o.Size != now.Size || c.o.VersionID != "" && c.o.VersionID != now.VersionID:
		return store.Changed(now.Location)
	case c.from < 0 || c.from > now.Size:
		return &cloud.Error{Kind: cloud.Invalid, Operation: "replacing the beginning of a backup", Err: fmt.Errorf("%s has %d bytes, not %d", now.Location, now.Size, c.from)}
	}
	if err := c.tagged(ctx); err != nil {
		return err
	}
	whole, ok := crcTold(now.Checksum)
	if !ok {
		return nil
	}
	old, err := c.read(ctx, 0, c.from)
	if err != nil {
		return err
	}
	length := now.Size - c.from
	rest := crcJoin(crcOf(0, old), whole, length) // taken away again
	c.sum, c.sums = crcJoin(crcOf(0, c.head), rest, length), true
	return nil
}

// tagged reads the tags, which an object in parts has to be given anew. It needs
// s3:GetObjectTagging and s3:PutObjectTagging where there are any.
func (c *s3Change) tagged(ctx context.Context) error {
	if aws.ToInt32(c.was.TagCount) == 0 {
		return nil
	}
	out, err := opAsk(ctx, c.s.opPlace, "s3:GetObjectTagging", c.s.api.GetObjectTagging, &s3.GetObjectTaggingInput{Bucket: &c.s.bucket, Key: &c.key})
	if err != nil {
		return err
	}
	tags := url.Values{}
	for _, t := range out.TagSet {
		tags.Set(aws.ToString(t.Key), aws.ToString(t.Value))
	}
	c.tags = new(tags.Encode())
	return nil
}

// read reads some of the object as it was.
func (c *s3Change) read(ctx context.Context, from, length int64) ([]byte, error) {
	if length == 0 {
		return nil, nil
	}
	out, err := opAsk(ctx, c.s.opPlace, "s3:GetObject", c.s.api.GetObject, &s3.GetObjectInput{
		Bucket: &c.s.bucket, Key: &c.key, IfMatch: c.was.ETag, Range: new(byteRange(from, length)),
	})
	if err != nil {
		return nil, c.changed(err)
	}
	b := make([]byte, length)
	_, err = io.ReadFull(out.Body, b)
	if err := errors.Join(err, out.Body.Close()); err != nil {
		return nil, c.s.failed(fmt.Errorf("reading %s: %w", c.o.Location, err), "s3:GetObject")
	}
	return b, nil
}

func byteRange(from, length int64) string {
	return "bytes=" + strconv.FormatInt(from, 10) + "-" + strconv.FormatInt(from+length-1, 10)
}

// changed takes a condition that does not hold for what it means.
func (c *s3Change) changed(err error) error {
	if opCode(err) == "PreconditionFailed" {
		return fmt.Errorf("%w: %w", store.Changed(c.s.location(c.o.ID)), err)
	}
	return err
}

// first is the first part: the new beginning, and as much of the rest as makes it large
// enough to be one. It is all of a backup that is smaller than a part.
func (c *s3Change) first(ctx context.Context) ([]byte, error) {
	length := c.o.Size - c.from
	if c.size() > s3Part {
		length = min(length, max(0, s3SmallPart-int64(len(c.head))))
	}
	rest, err := c.read(ctx, c.from, length)
	return append(bytes.Clone(c.head), rest...), err
}

// put writes a small backup anew.
func (c *s3Change) put(ctx context.Context, all []byte) error {
	if c.sums && crcOf(0, all) != c.sum {
		return c.corrupt(crcText(crcOf(0, all)))
	}
	in := &s3.PutObjectInput{
		Bucket: &c.s.bucket, Key: &c.key, Body: bytes.NewReader(all), ContentLength: new(int64(len(all))), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme,
		IfMatch: c.was.ETag, Metadata: c.was.Metadata, ContentType: c.was.ContentType, StorageClass: c.was.StorageClass, Tagging: c.tags,
	}
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = c.sealed()
	in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus = c.locked()
	c.sum, c.sums = crcOf(0, all), true
	return c.landed(ctx, c.changed(opTell(ctx, c.s.opPlace, "s3:PutObject", c.s.api.PutObject, in)))
}

func (c *s3Change) corrupt(got string) error {
	return envelope.Fail(envelope.Corrupt, fmt.Errorf("replacing the beginning of %s: its checksum would be %s, and %s is right", c.o.Location, got, crcText(c.sum)))
}

// sealed is how S3 encrypts the new version: as the options say, or as the old one is.
func (c *s3Change) sealed() (types.ServerSideEncryption, *string, *bool) {
	if how, key := c.s.sealed(); how != "" {
		return how, key, nil
	}
	return c.was.ServerSideEncryption, c.was.SSEKMSKeyId, c.was.BucketKeyEnabled
}

// locked is the lock of the new version: as the options say, or what is left of the old
// one's.
func (c *s3Change) locked() (types.ObjectLockMode, *time.Time, types.ObjectLockLegalHoldStatus) {
	mode, until := c.s.locked()
	if old := c.was.ObjectLockRetainUntilDate; mode == "" && old != nil && old.After(time.Now()) {
		mode, until = c.was.ObjectLockMode, old
	}
	if c.was.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn {
		return mode, until, types.ObjectLockLegalHoldStatusOn
	}
	return mode, until, ""
}

// join makes the new version of the first part and copies of the rest.
func (c *s3Change) join(ctx context.Context, first []byte) error {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &c.s.bucket, Key: &c.key, Metadata: c.was.Metadata, ContentType: c.was.ContentType, StorageClass: c.was.StorageClass, Tagging: c.tags,
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject,
	}
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = c.sealed()
	in.ObjectLockMode, in.ObjectLockRetainUntilDate, in.ObjectLockLegalHoldStatus = c.locked()
	out, err := opAsk(ctx, c.s.opPlace, "s3:CreateMultipartUpload", c.s.api.CreateMultipartUpload, in)
	if err != nil {
		return err
	}
	parts, err := c.parts(ctx, out.UploadId, first)
	if err == nil {
		err = c.landed(ctx, c.complete(ctx, out.UploadId, parts))
	}
	if err != nil {
		return errors.Join(err, c.s.abort(ctx, c.key, out.UploadId))
	}
	return nil
}

func (c *s3Change) parts(ctx context.Context, upload *string, first []byte) ([]types.CompletedPart, error) {
	sent, err := opAsk(ctx, c.s.opPlace, "s3:UploadPart", c.s.api.UploadPart, &s3.UploadPartInput{
		Bucket: &c.s.bucket, Key: &c.key, UploadId: upload, PartNumber: aws.Int32(1), Body: bytes.NewReader(first), ContentLength: new(int64(len(first))),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme,
	})
	if err != nil {
		return nil, err
	}
	parts := []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: sent.ETag, ChecksumCRC64NVME: new(crcText(crcOf(0, first)))}}
	length := max(s3CopyPart, (c.o.Size/(s3Parts-1)+1+s3SmallPart)/s3SmallPart*s3SmallPart)
	for at := c.from + int64(len(first)) - int64(len(c.head)); at < c.o.Size; at += length {
		number := int32(len(parts) + 1)
		out, err := opAsk(ctx, c.s.opPlace, "s3:UploadPartCopy", c.s.api.UploadPartCopy, &s3.UploadPartCopyInput{
			Bucket: &c.s.bucket, Key: &c.key, UploadId: upload, PartNumber: &number, CopySource: new(c.source()), CopySourceIfMatch: c.was.ETag,
			CopySourceRange: new(byteRange(at, min(length, c.o.Size-at))),
		})
		if err != nil {
			return nil, c.changed(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: &number, ETag: out.CopyPartResult.ETag, ChecksumCRC64NVME: out.CopyPartResult.ChecksumCRC64NVME})
	}
	return parts, nil
}

// source is what is copied: of a key, the newest version, which has to be the one that
// was looked at.
func (c *s3Change) source() string {
	segments := strings.Split(c.key, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return c.s.bucket + "/" + strings.Join(segments, "/")
}

func (c *s3Change) complete(ctx context.Context, upload *string, parts []types.CompletedPart) error {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &c.s.bucket, Key: &c.key, UploadId: upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		ChecksumType: types.ChecksumTypeFullObject, MpuObjectSize: new(c.size()), IfMatch: c.was.ETag,
	}
	if c.sums {
		in.ChecksumCRC64NVME = new(crcText(c.sum))
	}
	return c.changed(opTell(ctx, c.s.opPlace, "s3:CompleteMultipartUpload", c.s.api.CompleteMultipartUpload, in))
}

// landed takes a failure of the last call for none when the answer was lost and the new
// version is there all the same: an attempt after it finds the old one gone.
func (c *s3Change) landed(ctx context.Context, failure error) error {
	if failure == nil || !c.sums {
		return failure
	}
	now, err := c.s.head(ctx, c.key)
	if err == nil && aws.ToString(now.ChecksumCRC64NVME) == crcText(c.sum) && aws.ToInt64(now.ContentLength) == c.size() {
		return nil
	}
	return failure
}

// made looks at what was made.
func (c *s3Change) made(ctx context.Context) (store.Object, error) {
	now, err := c.s.head(ctx, c.key)
	if err != nil {
		return store.Object{}, err
	}
	o := c.s.seen(c.o.ID, now)
	if sum, ok := crcTold(o.Checksum); o.Size != c.size() || ok && c.sums && sum != c.sum {
		return store.Object{}, c.corrupt(o.Checksum)
	}
	return o, nil
}
