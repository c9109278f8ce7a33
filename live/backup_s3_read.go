package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/cloud"
)

// List returns the backups directly below the prefix. It needs s3:ListBucket. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html.
func (s *s3Store) List(ctx context.Context) (list []store.Object, err error) {
	if s.o.Versions {
		list, err = s.versions(ctx)
	} else {
		list, err = s.current(ctx)
	}
	if err != nil || !s.o.Details {
		return list, err
	}
	return s.detailed(ctx, list)
}

func (s *s3Store) current(ctx context.Context) ([]store.Object, error) {
	var list []store.Object
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &s.prefix, Delimiter: new("/")}
	for {
		out, err := opAsk(ctx, s.opPlace, "s3:ListObjectsV2", s.api.ListObjectsV2, in)
		if err != nil {
			return nil, err
		}
		for i := range out.Contents {
			o := &out.Contents[i]
			if id, ok := s.idOf(aws.ToString(o.Key)); ok {
				list = append(list, store.Object{ID: id, Location: s.location(id), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)})
			}
		}
		if !aws.ToBool(out.IsTruncated) {
			return sorted(list), nil
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

// sorted puts backups in the order of their ids; S3 has that of their keys. Of one id,
// the newest version stays the first.
func sorted(list []store.Object) []store.Object {
	slices.SortStableFunc(list, func(a, b store.Object) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// versions are all versions, which S3 tells the newest of a key first.
func (s *s3Store) versions(ctx context.Context) ([]store.Object, error) {
	var list []store.Object
	in := &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: &s.prefix, Delimiter: new("/")}
	for {
		out, err := opAsk(ctx, s.opPlace, "s3:ListObjectVersions", s.api.ListObjectVersions, in)
		if err != nil {
			return nil, err
		}
		for i := range out.Versions {
			o := &out.Versions[i]
			if id, ok := s.idOf(aws.ToString(o.Key)); ok {
				list = append(list, store.Object{
					ID: id, Location: s.location(id), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified), VersionID: realVersion(o.VersionId),
				})
			}
		}
		if !aws.ToBool(out.IsTruncated) {
			return sorted(list), nil
		}
		in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
	}
}

// realVersion is a version's id, empty in a bucket that never had versions.
func realVersion(id *string) string {
	if v := aws.ToString(id); v != "null" {
		return v
	}
	return ""
}

// s3Looks is how many backups are looked at at once.
const s3Looks = 8

// detailed looks at each backup of a list. One that is gone meanwhile is left out.
func (s *s3Store) detailed(ctx context.Context, list []store.Object) ([]store.Object, error) {
	gone := make([]bool, len(list))
	err := collectEach(ctx, s3Looks, indexes(len(list)), func(ctx context.Context, i int) error {
		out, err := s.headVersion(ctx, s.key(list[i].ID), list[i].VersionID)
		if err == nil {
			list[i] = s.seen(list[i].ID, out)
		}
		gone[i] = opGone(err)
		return opDone(err, cloud.NotFound)
	})
	kept := list[:0]
	for i := range list {
		if !gone[i] {
			kept = append(kept, list[i])
		}
	}
	return kept, err
}

// head looks at the newest version.
func (s *s3Store) head(ctx context.Context, key string) (*s3.HeadObjectOutput, error) {
	return s.headVersion(ctx, key, "")
}

// headVersion looks at an object. For the checksum of what is under a key of KMS,
// kms:Decrypt is needed; whoever lacks that gets the rest. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html.
func (s *s3Store) headVersion(ctx context.Context, key, version string) (*s3.HeadObjectOutput, error) {
	in := &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled}
	if version != "" {
		in.VersionId = &version
	}
	out, err := opAsk(ctx, s.opPlace, "s3:HeadObject", s.api.HeadObject, in)
	if err == nil || opGone(err) || ctx.Err() != nil {
		return out, err
	}
	in.ChecksumMode = "" // a refusal of the key has no text in the answer to HEAD
	if plain, again := s.api.HeadObject(ctx, in); again == nil {
		return plain, nil
	}
	return nil, err
}

// seen is a backup as looking at its object tells it.
func (s *s3Store) seen(id string, out *s3.HeadObjectOutput) store.Object {
	o := store.Object{
		ID: id, Location: s.location(id), Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified), VersionID: realVersion(out.VersionId),
		LockedUntil: lockedUntil(out.ObjectLockLegalHoldStatus, out.ObjectLockRetainUntilDate),
	}
	if begun, err := time.Parse(time.RFC3339, out.Metadata[s3Begun]); err == nil {
		o.Modified = begun
	}
	if sum, kind := out.ChecksumCRC64NVME, out.ChecksumType; sum != nil && kind != types.ChecksumTypeComposite {
		o.Checksum = crcName + ":" + *sum
	}
	return o
}

// lockedUntil is how long a version cannot be deleted. A legal hold has no end: that is
// told as the end of the year 9999.
func lockedUntil(hold types.ObjectLockLegalHoldStatus, until *time.Time) time.Time {
	if hold == types.ObjectLockLegalHoldStatusOn {
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return aws.ToTime(until)
}

// s3Reader reads an object, and goes on where it was when a connection ends: of the same
// version, by the same ETag. What was read as a whole is compared with the checksum that
// S3 keeps.
type s3Reader struct {
	s       *s3Store
	ctx     context.Context
	o       store.Object
	in      *s3.GetObjectInput
	body    io.ReadCloser
	from    int64
	at      int64 // of the next byte
	crc     uint64
	tries   int // since the last byte that came
	failure error
	backoff *retry.ExponentialJitterBackoff
}

// Open reads a backup. It needs s3:GetObject, for a version that is named
// s3:GetObjectVersion, and kms:Decrypt where S3 encrypted under a key of KMS. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html.
func (s *s3Store) Open(ctx context.Context, id, version string, from int64) (io.ReadCloser, store.Object, error) {
	if err := store.CheckID(id); err != nil {
		return nil, store.Object{}, err
	}
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: new(s.key(id)), ChecksumMode: types.ChecksumModeEnabled}
	if version != "" {
		in.VersionId = &version
	}
	r := &s3Reader{s: s, ctx: ctx, in: in, from: from, at: from, backoff: retry.NewExponentialJitterBackoff(cmp.Or(s.c.options.MaxBackoff, retry.DefaultMaxBackoff))}
	out, err := r.get()
	if opCode(err) == "InvalidRange" {
		return s.behind(ctx, id, version, from)
	}
	if err != nil {
		return nil, store.Object{}, err
	}
	r.body = out.Body
	var head s3.HeadObjectOutput
	head.ContentLength, head.LastModified, head.VersionId, head.Metadata = new(sizeOf(out)), out.LastModified, out.VersionId, out.Metadata
	head.ObjectLockLegalHoldStatus, head.ObjectLockRetainUntilDate = out.ObjectLockLegalHoldStatus, out.ObjectLockRetainUntilDate
	head.ChecksumCRC64NVME, head.ChecksumType = out.ChecksumCRC64NVME, out.ChecksumType
	r.o = s.seen(id, &head)
	in.IfMatch, in.ChecksumMode = out.ETag, ""
	return r, r.o, nil
}

// sizeOf is the size of the whole object, which a range tells too.
func sizeOf(out *s3.GetObjectOutput) int64 {
	if _, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
		if n, err := strconv.ParseInt(total, 10, 64); err == nil {
			return n
		}
	}
	return aws.ToInt64(out.ContentLength)
}

// behind is the answer to reading from the end of a backup on, or from beyond it.
func (s *s3Store) behind(ctx context.Context, id, version string, from int64) (io.ReadCloser, store.Object, error) {
	out, err := s.headVersion(ctx, s.key(id), version)
	if err != nil {
		return nil, store.Object{}, err
	}
	o := s.seen(id, out)
	if o.Size < from {
		return nil, o, envelope.Fail(envelope.Truncated, fmt.Errorf("reading %s: it has %d bytes, fewer than %d", o.Location, o.Size, from))
	}
	return io.NopCloser(strings.NewReader("")), o, nil
}

// get asks for the rest.
func (r *s3Reader) get() (*s3.GetObjectOutput, error) {
	r.in.Range = nil
	if r.at > 0 {
		r.in.Range = new("bytes=" + strconv.FormatInt(r.at, 10) + "-")
	}
	return opAsk(r.ctx, r.s.opPlace, "s3:GetObject", r.s.api.GetObject, r.in)
}

// Read reads on.
func (r *s3Reader) Read(b []byte) (int, error) {
	for r.failure == nil {
		if r.at == r.o.Size {
			r.failure = r.end()
			break
		}
		if r.body == nil {
			if r.failure = r.resume(); r.failure != nil {
				break
			}
		}
		n, err := r.body.Read(b[:min(int64(len(b)), r.o.Size-r.at)])
		r.at += int64(n)
		r.crc = crcOf(r.crc, b[:n])
		if n > 0 {
			r.tries = 0
		}
		if err != nil && r.at < r.o.Size {
			_ = r.body.Close() // the failure of reading tells
			r.body = nil
			r.failure = r.again(err)
		}
		if n > 0 || len(b) == 0 {
			return n, nil
		}
	}
	return 0, r.failure
}

// again decides whether reading is tried once more after a failure, and waits for it.
func (r *s3Reader) again(err error) error {
	r.tries++
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if r.tries >= r.s.c.options.MaxAttempts {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return r.short()
		}
		return r.s.failed(fmt.Errorf("reading %s: %w", r.o.Location, err), "s3:GetObject")
	}
	delay, _ := r.backoff.BackoffDelay(r.tries, err) // it does not fail
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

func (r *s3Reader) short() error {
	return envelope.Fail(envelope.Truncated, fmt.Errorf("reading %s: it ends after %d of %d bytes", r.o.Location, r.at, r.o.Size))
}

// resume asks for what is missing. An object that is another by now has the rest of this
// one only in a version, which takes the right to read versions.
func (r *s3Reader) resume() error {
	out, err := r.get()
	if (opCode(err) == "PreconditionFailed" || opGone(err)) && r.in.VersionId == nil && r.o.VersionID != "" {
		r.in.VersionId = &r.o.VersionID
		out, err = r.get()
	}
	switch code := opCode(err); {
	case code == "PreconditionFailed":
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("reading %s: it was overwritten meanwhile: %w", r.o.Location, err))
	case code == "InvalidRange":
		return r.short()
	case err != nil:
		return err
	}
	if at := aws.ToString(out.ContentRange); r.at > 0 && !strings.HasPrefix(at, "bytes "+strconv.FormatInt(r.at, 10)+"-") {
		return errors.Join(r.s.failed(fmt.Errorf("reading %s from byte %d on: S3 answered with %q", r.o.Location, r.at, at), "s3:GetObject"), out.Body.Close())
	}
	r.body = out.Body
	return nil
}

// end is how a backup ends that was read to its last byte. The SDK compares checksums of
// other kinds, at the end of the body.
func (r *s3Reader) end() error {
	if r.body != nil {
		if n, err := io.ReadFull(r.body, make([]byte, 1)); n > 0 {
			return envelope.Fail(envelope.Corrupt, fmt.Errorf("reading %s: more came than its %d bytes", r.o.Location, r.o.Size))
		} else if err != io.EOF {
			return envelope.Fail(envelope.Corrupt, fmt.Errorf("reading %s: its end is not as it should be: %w", r.o.Location, err))
		}
	}
	want, ok := crcTold(r.o.Checksum)
	if ok && r.from == 0 && want != r.crc {
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("reading %s: what came has the checksum %s, and what S3 keeps %s", r.o.Location, crcText(r.crc), crcText(want)))
	}
	return io.EOF
}

// Close ends reading.
func (r *s3Reader) Close() error {
	if r.failure == nil {
		r.failure = errors.New("reading a backup that was closed")
	}
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}
