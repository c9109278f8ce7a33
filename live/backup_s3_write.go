package live

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/cloud"
)

// The parts of an upload. There may be 10,000 of them, of 5 MiB to 5 GiB; see
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
const (
	s3Part       = 16 << 20
	s3SmallPart  = 5 << 20
	s3LargePart  = 5 << 30
	s3Parts      = 10000
	s3Buffers    = 4        // of a part each, one of which is being filled
	s3FirstSpace = 64 << 10 // of the buffer of a backup that may be small
)

// The metadata of a backup's object. The mark tells whether an object is the one that
// was sent when the answer was lost; the time is when the backup was begun, which a later
// change of its beginning leaves.
const (
	s3Mark  = "keyreach-upload"
	s3Begun = "keyreach-created"
)

// s3Writer sends a backup: as one object when it is smaller than a part, otherwise in
// parts. The object is there when S3 has joined the parts, and not before. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html.
type s3Writer struct {
	s        *s3Store
	ctx      context.Context // of Create: parts are sent while they are written
	id, key  string
	mark     string
	begun    time.Time
	partSize int

	buf    []byte
	size   int64
	crc    uint64 // of the whole, once it is known: before it is completed
	over   bool
	spare  chan []byte // buffers that nobody uses; nil for one that was not needed yet
	upload *string
	group  sync.WaitGroup

	mu     sync.Mutex // of what the parts on their way write
	parts  []types.CompletedPart
	sums   []uint64 // of the parts
	failed error
}

// Create begins a backup. It needs s3:PutObject, and s3:ListBucket to see at once that
// there is one of the id; whoever may not list learns it from Commit.
func (s *s3Store) Create(ctx context.Context, id string) (store.Writer, error) {
	if err := store.CheckID(id); err != nil {
		return nil, err
	}
	key := s.key(id)
	out, err := opAsk(ctx, s.opPlace, "s3:ListObjectsV2", s.api.ListObjectsV2, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &key, MaxKeys: aws.Int32(1)})
	switch {
	case cloud.KindOf(err) == cloud.Denied:
	case err != nil:
		return nil, err
	case len(out.Contents) > 0 && aws.ToString(out.Contents[0].Key) == key: // the first of those that begin so
		return nil, store.Exists(s.location(id), fs.ErrExist)
	}
	w := &s3Writer{s: s, ctx: ctx, id: id, key: key, mark: rand.Text(), begun: time.Now().UTC().Truncate(time.Second), partSize: s3PartSize(s.o.ExpectedSize)}
	count := max(2, s3Buffers*s3Part/w.partSize)
	w.spare = make(chan []byte, count)
	for range count - 1 {
		w.spare <- nil
	}
	return w, nil
}

// s3PartSize is a size of parts of which a backup needs no more than S3 takes, with some
// to spare.
func s3PartSize(expected int64) int {
	const step, enough = 1 << 20, s3Parts * 9 / 10
	size := (expected/enough + step) / step * step
	return int(min(max(size, s3Part), s3LargePart))
}

// Write takes bytes, and sends a part when more come than fit into it.
func (w *s3Writer) Write(b []byte) (int, error) {
	total := 0
	for len(b) > 0 {
		if err := w.able(); err != nil {
			return total, err
		}
		if len(w.buf) == w.partSize {
			if err := w.send(); err != nil {
				return total, err
			}
		}
		n := min(len(b), w.partSize-len(w.buf))
		w.grow(n)
		w.buf = append(w.buf, b[:n]...)
		w.size += int64(n)
		total += n
		b = b[n:]
	}
	return total, nil
}

// grow makes room for so many bytes more: all that a part has once there is one, little
// by little in the first.
func (w *s3Writer) grow(n int) {
	if need := len(w.buf) + n; need > cap(w.buf) {
		space := w.partSize
		if w.upload == nil {
			space = min(w.partSize, max(need, 2*cap(w.buf), s3FirstSpace))
		}
		w.buf = append(make([]byte, 0, space), w.buf...)
	}
}

func (w *s3Writer) able() error {
	if w.over {
		return fs.ErrClosed
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.ctx.Err(), w.failed)
}

// send sends the buffer as a part and takes another, waiting for one when too many parts
// are on their way.
func (w *s3Writer) send() error {
	if w.upload == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	w.mu.Lock()
	number := int32(len(w.parts) + 1)
	w.parts, w.sums = append(w.parts, types.CompletedPart{PartNumber: &number}), append(w.sums, 0)
	w.mu.Unlock()
	if number > s3Parts {
		return &cloud.Error{Kind: cloud.Invalid, Operation: "s3:UploadPart", Region: w.s.region, Err: fmt.Errorf("the backup is larger than %d parts of %d bytes: tell the store its size before", s3Parts, w.partSize)}
	}
	full := w.buf
	w.group.Go(func() {
		w.part(number, full)
		w.spare <- full
	})
	select {
	case next := <-w.spare:
		w.buf = next[:0]
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}

// begin begins the upload. It needs kms:GenerateDataKey where S3 encrypts under a key of
// KMS, and joining the parts kms:Decrypt. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions.
func (w *s3Writer) begin() error {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &w.s.bucket, Key: &w.key, Metadata: w.metadata(), ContentType: new(s3Type),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject,
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = w.s.sealed()
	in.ObjectLockMode, in.ObjectLockRetainUntilDate = w.s.locked()
	out, err := opAsk(w.ctx, w.s.opPlace, "s3:CreateMultipartUpload", w.s.api.CreateMultipartUpload, in)
	if err != nil {
		return err
	}
	w.upload = out.UploadId
	return nil
}

const s3Type = "application/octet-stream"

func (w *s3Writer) metadata() map[string]string {
	return map[string]string{s3Mark: w.mark, s3Begun: w.begun.Format(time.RFC3339)}
}

// sealed is what the options say of encryption by S3.
func (s *s3Store) sealed() (types.ServerSideEncryption, *string) {
	if s.o.SSEKey == "" {
		return "", nil
	}
	return types.ServerSideEncryptionAwsKms, &s.o.SSEKey
}

// locked is what the options say of a lock.
func (s *s3Store) locked() (types.ObjectLockMode, *time.Time) {
	if s.o.LockMode == "" {
		return "", nil
	}
	return types.ObjectLockMode(s.o.LockMode), &s.o.LockUntil
}

// part sends one part with its checksum and compares the one that S3 answers with.
func (w *s3Writer) part(number int32, b []byte) {
	crc := crcOf(0, b)
	sum := crcText(crc)
	out, err := opAsk(w.ctx, w.s.opPlace, "s3:UploadPart", w.s.api.UploadPart, &s3.UploadPartInput{
		Bucket: &w.s.bucket, Key: &w.key, UploadId: w.upload, PartNumber: &number, Body: bytes.NewReader(b),
		ContentLength: new(int64(len(b))), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumCRC64NVME: &sum,
	})
	if err == nil && aws.ToString(out.ChecksumCRC64NVME) != sum {
		err = envelope.Fail(envelope.Corrupt, fmt.Errorf("sending part %d to %s: S3 got bytes with the checksum %s, and %s was sent", number, w.s.location(w.id), aws.ToString(out.ChecksumCRC64NVME), sum))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if w.failed == nil {
			w.failed = err
		}
		return
	}
	p := &w.parts[number-1]
	p.ETag, p.ChecksumCRC64NVME = out.ETag, &sum
	w.sums[number-1] = crc
}

// joined is the checksum of all parts, of which the last alone may be shorter.
func (w *s3Writer) joined() (whole uint64) {
	for i, sum := range w.sums {
		length := min(int64(w.partSize), w.size-int64(i)*int64(w.partSize))
		whole = crcJoin(whole, sum, length)
	}
	return whole
}

// Commit makes the object, unless there is one under the key. S3 compares the checksum
// and, of parts, the size before it does.
func (w *s3Writer) Commit(ctx context.Context) (store.Object, error) {
	o, err := w.commit(ctx)
	if err != nil {
		return store.Object{}, w.give(err)
	}
	w.end()
	return o, nil
}

func (w *s3Writer) commit(ctx context.Context) (store.Object, error) {
	if err := errors.Join(ctx.Err(), w.able()); err != nil {
		return store.Object{}, err
	}
	if w.upload == nil {
		version, told, err := w.put(ctx)
		return w.confirm(ctx, "s3:PutObject", version, told, err)
	}
	if err := w.send(); err != nil {
		return store.Object{}, err
	}
	w.group.Wait()
	if err := w.able(); err != nil {
		return store.Object{}, err
	}
	w.crc = w.joined()
	version, told, err := w.complete(ctx)
	return w.confirm(ctx, "s3:CompleteMultipartUpload", version, told, err)
}

// put sends a backup that is smaller than a part.
func (w *s3Writer) put(ctx context.Context) (version, told *string, err error) {
	w.crc = crcOf(0, w.buf)
	in := &s3.PutObjectInput{
		Bucket: &w.s.bucket, Key: &w.key, Body: bytes.NewReader(w.buf), ContentLength: &w.size, ContentType: new(s3Type), Metadata: w.metadata(),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumCRC64NVME: new(crcText(w.crc)), IfNoneMatch: new("*"),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = w.s.sealed()
	in.ObjectLockMode, in.ObjectLockRetainUntilDate = w.s.locked()
	out, err := w.s.api.PutObject(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	return out.VersionId, out.ChecksumCRC64NVME, nil
}

// complete joins the parts.
func (w *s3Writer) complete(ctx context.Context) (version, told *string, err error) {
	out, err := w.s.api.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &w.s.bucket, Key: &w.key, UploadId: w.upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: w.parts},
		ChecksumCRC64NVME: new(crcText(w.crc)), ChecksumType: types.ChecksumTypeFullObject, MpuObjectSize: &w.size, IfNoneMatch: new("*"),
	})
	if err != nil {
		return nil, nil, err
	}
	return out.VersionId, out.ChecksumCRC64NVME, nil
}

// confirm looks at the object that was made. Whoever may not look has S3's answer. When
// that was lost, the object may be there all the same, and an attempt after it was told
// that there is one: the mark tells whether it is this one.
func (w *s3Writer) confirm(ctx context.Context, operation string, version, told *string, failure error) (store.Object, error) {
	seen, err := w.s.head(ctx, w.key)
	ours := err == nil && seen.Metadata[s3Mark] == w.mark
	sum := crcText(w.crc)
	if failure != nil && !ours {
		return store.Object{}, w.lost(w.s.failed(failure, operation), err)
	}
	if ours {
		if seen.ChecksumCRC64NVME == nil {
			seen.ChecksumCRC64NVME = told // of whoever may look, but not with the key
		}
		got, length := aws.ToString(seen.ChecksumCRC64NVME), aws.ToInt64(seen.ContentLength)
		if length != w.size || got != "" && got != sum {
			return store.Object{}, w.differs(length, got)
		}
		return w.s.seen(w.id, seen), nil
	}
	if t := aws.ToString(told); t != sum {
		return store.Object{}, w.differs(w.size, t)
	}
	_, until := w.s.locked()
	return store.Object{
		ID: w.id, Location: w.s.location(w.id), Size: w.size, Modified: w.begun, VersionID: aws.ToString(version), Checksum: crcName + ":" + sum,
		LockedUntil: aws.ToTime(until),
	}, nil
}

// lost tells what is known when an attempt failed and the object is not the one that was
// sent.
func (w *s3Writer) lost(failure, looking error) error {
	switch {
	case opCode(failure) == "PreconditionFailed" && looking == nil:
		return store.Exists(w.s.location(w.id), failure)
	case looking != nil && !opGone(looking) && (opGone(failure) || cloud.KindOf(failure) == cloud.Exists || cloud.KindOf(failure) == cloud.Lost):
		return fmt.Errorf("%w; whether %s was written is not known, since it could not be looked at: %w", failure, w.s.location(w.id), looking)
	}
	return failure
}

func (w *s3Writer) differs(size int64, sum string) error {
	return envelope.Fail(envelope.Corrupt, fmt.Errorf("writing %s: %d bytes with the checksum %s were sent, and S3 has %d with %s", w.s.location(w.id), w.size, crcText(w.crc), size, sum))
}

// Abort ends the upload, also when the context of Create has ended. It needs
// s3:AbortMultipartUpload.
func (w *s3Writer) Abort(context.Context) error {
	if w.over {
		return nil
	}
	return w.give(nil)
}

// s3AbortTime is how long an upload that failed may take to be aborted.
const s3AbortTime = time.Minute

// give gives an upload up when no part is on its way any more: one that came later would
// stay. See https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html.
func (w *s3Writer) give(err error) error {
	upload := w.upload
	w.end()
	if upload == nil {
		return err
	}
	return errors.Join(err, w.s.abort(w.ctx, w.key, upload))
}

func (w *s3Writer) end() {
	w.group.Wait()
	w.over, w.buf, w.upload, w.spare = true, nil, nil, nil
}

// abort ends an upload, with a context of its own.
func (s *s3Store) abort(ctx context.Context, key string, upload *string) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), s3AbortTime)
	defer done()
	err := opTell(ctx, s.opPlace, "s3:AbortMultipartUpload", s.api.AbortMultipartUpload, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: upload})
	return opDone(err, cloud.NotFound)
}
