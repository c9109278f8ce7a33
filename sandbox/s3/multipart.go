package s3

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// Uploads in parts: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html.

const (
	minPart  = 5 << 20
	maxParts = 10000
)

func asPut(in any) *s3.PutObjectInput {
	put := &s3.PutObjectInput{}
	copyFields(put, in)
	return put
}

func (s *Service) askCreateUpload(c *gate.Call, in *s3.CreateMultipartUploadInput) ([]gate.Ask, error) {
	b, err := s.bucketOf(c, in)
	if err != nil {
		return nil, err
	}
	put := asPut(in)
	if err := s.putable(c, b, put); err != nil {
		return nil, err
	}
	return s.onPut(c, b, put)
}

// CreateMultipartUpload begins an upload in parts.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html.
func (s *Service) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput) (*s3.CreateMultipartUploadOutput, error) {
	c := gate.From(ctx)
	b := s.buckets.Get(*in.Bucket)
	put := asPut(in)
	o, err := s.newObject(c, b, put)
	if err != nil {
		return nil, err
	}
	u := &Upload{
		ID: s.newVersion() + s.newVersion(), Bucket: b.Name, Key: o.Key, Account: b.Account, Starter: c.Caller.Text, StarterName: c.Caller.Name, Begun: o.Modified,
		Algorithm: string(in.ChecksumAlgorithm), SumType: in.ChecksumType, Meta: o.Meta, Tags: o.Tags, Mode: o.Mode, Until: o.Until, Hold: o.Hold,
	}
	if err := u.checkSums(); err != nil {
		return nil, err
	}
	if u.Sealing, err = sealing(c, b, u.Key, put); err != nil {
		return nil, err
	}
	if u.Sealing.kms() {
		if _, err := s.sealed(ctx, b, "s3:CreateMultipartUpload", &u.Sealing); err != nil {
			return nil, err
		}
	}
	s.uploads.Put(u.row(), u)
	s.watchUpload(b, u)
	out := &s3.CreateMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, UploadId: &u.ID, ChecksumAlgorithm: in.ChecksumAlgorithm, ChecksumType: u.SumType}
	out.AbortDate, out.AbortRuleId = b.abortOf(u)
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = u.Sealing.shown()
	return out, nil
}

// checkSums refuses kinds of checksums that an algorithm does not have.
func (u *Upload) checkSums() error {
	switch {
	case u.Algorithm == "" && u.SumType != "":
		return bad("InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case u.Algorithm == "":
		return nil
	case newSum(u.Algorithm) == nil:
		return notImplemented("checksums of the algorithm " + u.Algorithm)
	case u.SumType == "":
		u.SumType = typeOf(u.Algorithm)
	}
	full := u.SumType == types.ChecksumTypeFullObject
	if full && !isCRC(u.Algorithm) || !full && u.Algorithm == crc64NVME {
		return bad("InvalidRequest", fmt.Sprintf("The %s checksum type cannot be used with the %s checksum algorithm.", u.SumType, strings.ToLower(u.Algorithm)))
	}
	return nil
}

// sumOf is the algorithm of the upload's checksum, which S3 chooses when nobody did.
func (u *Upload) sumOf() (string, types.ChecksumType) {
	if u.Algorithm == "" {
		return crc64NVME, types.ChecksumTypeFullObject
	}
	return u.Algorithm, u.SumType
}

// upload finds an upload.
func (s *Service) upload(bucket, key, id *string) (*Upload, error) {
	u := s.uploads.Get(state.Key(value(bucket), value(key), value(id)))
	if u == nil || hasNUL(value(key)) || hasNUL(value(id)) {
		return nil, noUpload(value(id))
	}
	return u, nil
}

// onUpload is what an operation on an upload needs.
func onUpload[I any](s *Service, action string, key func(*I) *string) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		b, err := s.bucketOf(c, in)
		if err != nil {
			return nil, err
		}
		k := *key(in)
		c.Resources = append(c.Resources, gate.Resource{ARN: b.objectARN(k), Account: b.Account, Type: "AWS::S3::Object"})
		return []gate.Ask{s.ask(c, b, action, k, nil)}, nil
	}
}

// prepareUploadPart takes the body of a part.
func (s *Service) prepareUploadPart(c *gate.Call, in *s3.UploadPartInput) (*written, error) {
	body := in.Body
	in.Body = nil
	if in.SSECustomerAlgorithm != nil {
		return nil, notImplemented("server-side encryption with customer keys (SSE-C)")
	}
	if err := partNumber(in.PartNumber); err != nil {
		return nil, err
	}
	if in.ContentLength != nil && *in.ContentLength > maxPut {
		return nil, bad("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	u, key, err := s.openUpload(c, in.Bucket, in.Key, in.UploadId, "s3:UploadPart")
	if err != nil {
		return nil, err
	}
	want, err := wishOf(in, in.ContentMD5, string(in.ChecksumAlgorithm), body)
	if err != nil {
		return nil, err
	}
	name, _ := u.sumOf()
	for other := range want.algorithms() {
		if u.Algorithm != "" && other != u.Algorithm {
			return nil, bad("InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: "+strings.ToLower(u.Algorithm)+", actual checksum Type: "+strings.ToLower(other))
		}
	}
	if _, ok := want.algorithms()[name]; !ok {
		want.also = append(want.also, name)
	}
	return s.files.write(body, key, want)
}

func partNumber(n *int32) error {
	if n == nil || *n < 1 || *n > maxParts {
		return argument("partNumber", strconv.Itoa(int(value32(n))), "Part number must be an integer between 1 and 10000, inclusive")
	}
	return nil
}

// openUpload finds an upload and the key of its bytes. It locks the state.
func (s *Service) openUpload(c *gate.Call, bucket, key, id *string, operation string) (u *Upload, secret []byte, err error) {
	find := func() error { u, err = s.upload(bucket, key, id); return err }
	if err := s.DB.View(find); err != nil {
		return nil, nil, err
	}
	if !u.Sealing.kms() {
		return u, nil, nil
	}
	err = s.DB.Update(func() error {
		b := s.buckets.Get(*bucket)
		if b == nil {
			return s.noBucket(*bucket)
		}
		secret, err = s.opened(own(c), b, operation, &u.Sealing)
		return err
	})
	return u, secret, err
}

// UploadPart stores a part.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html.
func (s *Service) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	u, p, err := s.putPart(ctx, in.Bucket, in.Key, in.UploadId, *in.PartNumber)
	if err != nil {
		return nil, err
	}
	out := &s3.UploadPartOutput{ETag: &p.ETag}
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = u.Sealing.shown()
	shown := p.Sums
	if sums, err := stated(in); err == nil && len(sums) > 0 {
		shown = sums
	}
	show(out, shown)
	return out, nil
}

// putPart makes what was written a part, in the place of an earlier one.
func (s *Service) putPart(ctx context.Context, bucket, key, id *string, number int32) (*Upload, *Part, error) {
	c := gate.From(ctx)
	u, err := s.upload(bucket, key, id)
	if err != nil {
		return nil, nil, err
	}
	w, ok := c.Prepared.(*written)
	if !ok {
		return nil, nil, notImplemented("uploads in parts that services make")
	}
	p := &Part{Number: number, Size: w.Size, ETag: w.etag, Modified: c.At.UTC().Truncate(time.Second), Sums: w.sums, Segment: w.Segment}
	s.adopt(w)
	if old := s.parts.Get(u.partRow(number)); old != nil {
		s.drop(old.Segment)
	}
	s.parts.Put(u.partRow(number), p)
	return u, p, nil
}

// partsOf are the parts of an upload in the order of their numbers.
func (s *Service) partsOf(u *Upload) (list []*Part) {
	for _, p := range s.parts.All(state.Key(u.Bucket, u.Key, u.ID, "")) {
		list = append(list, p)
	}
	return list
}

// release takes an upload away with its parts, but not with their bytes.
func (s *Service) release(u *Upload) {
	for _, p := range s.partsOf(u) {
		s.parts.Delete(u.partRow(p.Number))
	}
	s.uploads.Delete(u.row())
}

// forget takes an upload away with all its parts.
func (s *Service) forget(u *Upload) {
	for _, p := range s.partsOf(u) {
		s.drop(p.Segment)
	}
	s.release(u)
}

// AbortMultipartUpload ends an upload without an object.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html.
func (s *Service) AbortMultipartUpload(_ context.Context, in *s3.AbortMultipartUploadInput) (*s3.AbortMultipartUploadOutput, error) {
	u, err := s.upload(in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	s.forget(u)
	return &s3.AbortMultipartUploadOutput{}, nil
}

// CompleteMultipartUpload makes an object of the parts.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html.
func (s *Service) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (*s3.CompleteMultipartUploadOutput, error) {
	c := gate.From(ctx)
	b := s.buckets.Get(*in.Bucket)
	u, err := s.upload(in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
	if err := s.conditions(b, u.Key, in.IfMatch, in.IfNoneMatch); err != nil {
		return nil, err
	}
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, bad("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	o := &Object{
		Bucket: b.Name, Key: u.Key, Account: b.Account, Modified: c.At.UTC().Truncate(time.Second), Meta: u.Meta, Sealing: u.Sealing, Tags: u.Tags,
		Mode: u.Mode, Until: u.Until, Hold: u.Hold,
	}
	used, err := s.assemble(u, o, in.MultipartUpload.Parts)
	if err != nil {
		return nil, err
	}
	if err := o.sum(u, in); err != nil {
		return nil, err
	}
	if _, err := s.opened(ctx, b, "s3:CompleteMultipartUpload", &u.Sealing); err != nil {
		return nil, err
	}
	for _, p := range s.partsOf(u) {
		if !used[p.Number] {
			s.drop(p.Segment)
		}
	}
	s.release(u)
	s.place(c, b, o)
	out := &s3.CompleteMultipartUploadOutput{
		Bucket: in.Bucket, Key: in.Key, ETag: &o.ETag, Location: new("https://" + b.Name + ".s3." + b.Region + ".amazonaws.com/" + u.Key), Expiration: s.expiration(b, o),
		VersionId: b.shownVersion(o), ChecksumType: o.SumType,
	}
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = o.Sealing.shown()
	show(out, o.Sums)
	return out, nil
}

// assemble gives an object the parts that a request lists, in their order.
func (s *Service) assemble(u *Upload, o *Object, list []types.CompletedPart) (map[int32]bool, error) {
	used := map[int32]bool{}
	var tags []byte
	for i := range list {
		if n := value32(list[i].PartNumber); n < 1 || i > 0 && n <= value32(list[i-1].PartNumber) {
			return nil, bad("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
		}
	}
	for i := range list {
		n := value32(list[i].PartNumber)
		p := s.parts.Get(u.partRow(n))
		if p == nil || n > maxParts || !sameTag(value(list[i].ETag), p.ETag) {
			e := bad("InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
			e.Fields = map[string]string{"UploadId": u.ID, "PartNumber": strconv.Itoa(int(n)), "ETag": value(list[i].ETag)}
			return nil, e
		}
		sums, err := stated(&list[i])
		if err != nil {
			return nil, err
		}
		for name, text := range sums {
			if have, ok := p.Sums[name]; ok && have != text || !ok && u.Algorithm != "" {
				return nil, bad("InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
			}
		}
		if u.Algorithm != "" && u.SumType == types.ChecksumTypeComposite && sums[u.Algorithm] == "" { // as users report it
			return nil, bad("InvalidRequest", fmt.Sprintf("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.", strings.ToLower(u.Algorithm), n))
		}
		if i < len(list)-1 && p.Size < minPart {
			e := bad("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
			e.Fields = map[string]string{"ProposedSize": strconv.FormatInt(p.Size, 10), "MinSizeAllowed": strconv.Itoa(minPart), "PartNumber": strconv.Itoa(int(n)), "ETag": strings.Trim(p.ETag, `"`)}
			return nil, e
		}
		sum, _ := hex.DecodeString(strings.Trim(p.ETag, `"`)) // our own
		tags = append(tags, sum...)
		used[n] = true
		o.Segments = append(o.Segments, p.Segment)
		o.Parts = append(o.Parts, Piece{Number: n, Size: p.Size, Sums: p.Sums})
		o.Size += p.Size
	}
	o.ETag = fmt.Sprintf(`"%s-%d"`, etagOf(tags), len(list))
	return used, nil
}

func value32(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}

// sum works out the checksum of the whole and holds it against the one that is stated.
func (o *Object) sum(u *Upload, in *s3.CompleteMultipartUploadInput) error {
	name, kind := u.sumOf()
	if in.ChecksumType != "" && u.Algorithm != "" && in.ChecksumType != kind {
		return bad("InvalidRequest", "The upload was created using the "+string(kind)+" checksum mode. The complete request must use the same checksum mode.")
	}
	if in.MpuObjectSize != nil && *in.MpuObjectSize != o.Size {
		return bad("InvalidRequest", fmt.Sprintf("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *in.MpuObjectSize, o.Size))
	}
	text := ""
	if kind == types.ChecksumTypeFullObject {
		text = whole(name, o.Parts)
	} else {
		text = composite(name, o.Parts) + "-" + strconv.Itoa(len(o.Parts))
	}
	o.SumType, o.Sums = kind, map[string]string{name: text}
	sums, err := stated(in)
	if err != nil {
		return err
	}
	for other, want := range sums {
		if other == name && strings.SplitN(want, "-", 2)[0] != strings.SplitN(text, "-", 2)[0] || other != name && u.Algorithm != "" {
			return badSum(strings.ToLower(other))
		}
	}
	return nil
}

// ListParts lists the parts of an upload.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html.
func (s *Service) ListParts(_ context.Context, in *s3.ListPartsInput) (*s3.ListPartsOutput, error) {
	u, err := s.upload(in.Bucket, in.Key, in.UploadId)
	if err != nil {
		return nil, err
	}
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
	out := &s3.ListPartsOutput{
		Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, MaxParts: new(int32(limit)), IsTruncated: new(false), PartNumberMarker: new(strconv.Itoa(after)),
		Owner: owner(u.Account), Initiator: u.initiator(), StorageClass: types.StorageClass(classOf(&Object{Meta: u.Meta})),
		ChecksumAlgorithm: types.ChecksumAlgorithm(u.Algorithm), ChecksumType: u.SumType,
	}
	for _, p := range s.partsOf(u) {
		if int(p.Number) <= after {
			continue
		}
		if len(out.Parts) == limit {
			out.IsTruncated = new(true)
			break
		}
		v := types.Part{ETag: &p.ETag, LastModified: &p.Modified, PartNumber: &p.Number, Size: &p.Size}
		if u.Algorithm != "" {
			show(&v, p.Sums)
		}
		out.Parts = append(out.Parts, v)
		out.NextPartNumberMarker = new(strconv.Itoa(int(p.Number)))
	}
	return out, nil
}

func (u *Upload) initiator() *types.Initiator {
	return &types.Initiator{ID: &u.Starter, DisplayName: &u.StarterName}
}

// ListMultipartUploads lists the uploads that are under way.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html.
func (s *Service) ListMultipartUploads(_ context.Context, in *s3.ListMultipartUploadsInput) (*s3.ListMultipartUploadsOutput, error) {
	b := s.buckets.Get(*in.Bucket)
	limit, err := limitOf(in.MaxUploads)
	if err != nil {
		return nil, err
	}
	q := query{prefix: value(in.Prefix), delimiter: value(in.Delimiter), after: value(in.KeyMarker), afterVersion: value(in.UploadIdMarker), max: limit, encoded: in.EncodingType == types.EncodingTypeUrl}
	p := &page{query: q}
	out := &s3.ListMultipartUploadsOutput{
		Bucket: in.Bucket, KeyMarker: q.text(q.after), UploadIdMarker: &q.afterVersion, Prefix: q.text(q.prefix), MaxUploads: new(int32(limit)), EncodingType: in.EncodingType,
		Delimiter: in.Delimiter,
	}
	for _, u := range s.inOrder(b, q.prefix) {
		if u.Key < q.after || u.Key == q.after && q.after != "" && (q.afterVersion == "" || u.ID <= q.afterVersion) {
			continue
		}
		show, more := p.take(u.Key)
		if show {
			out.Uploads = append(out.Uploads, types.MultipartUpload{
				Key: p.text(u.Key), UploadId: &u.ID, Initiated: &u.Begun, Owner: owner(u.Account), Initiator: u.initiator(), StorageClass: types.StorageClass(classOf(&Object{Meta: u.Meta})),
				ChecksumAlgorithm: types.ChecksumAlgorithm(u.Algorithm), ChecksumType: u.SumType,
			})
			out.NextUploadIdMarker = &u.ID
		}
		if !more {
			break
		}
	}
	out.CommonPrefixes, out.IsTruncated = p.prefixes, &p.truncated
	if p.truncated {
		out.NextKeyMarker = p.text(p.last)
	} else {
		out.NextUploadIdMarker = nil
	}
	return out, nil
}

func (s *Service) inOrder(b *Bucket, prefix string) (list []*Upload) {
	for _, u := range s.uploads.All(state.Key(b.Name, prefix)) {
		list = append(list, u)
	}
	slices.SortFunc(list, func(x, y *Upload) int {
		return slices.Compare([]string{x.Key, x.ID}, []string{y.Key, y.ID})
	})
	return list
}
