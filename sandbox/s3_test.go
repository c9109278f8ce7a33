package sandbox_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox"
)

func s3Of(c aws.Config) *s3.Client {
	return s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })
}

// bucket makes a bucket of an account.
func (w *world) bucket(account, name string) *s3.Client {
	w.Helper()
	c := s3Of(w.root(account))
	need(c.CreateBucket(w.Context(), &s3.CreateBucketInput{Bucket: &name}))(w)
	return c
}

func (w *world) versioned(account, name string) *s3.Client {
	w.Helper()
	c := w.bucket(account, name)
	need(c.PutBucketVersioning(w.Context(), &s3.PutBucketVersioningInput{Bucket: &name, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}))(w)
	return c
}

// put stores an object and returns its version.
func (w *world) put(c *s3.Client, bucket, key, text string) string {
	w.Helper()
	out := need(c.PutObject(w.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(text)}))(w)
	return aws.ToString(out.VersionId)
}

// get reads an object, or says why not.
func (w *world) get(c *s3.Client, bucket, key string) string {
	w.Helper()
	out, err := c.GetObject(w.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return refusal(err)
	}
	defer out.Body.Close()
	return string(need(io.ReadAll(out.Body))(w))
}

func (w *world) keys(c *s3.Client, in *s3.ListObjectsV2Input) (keys, prefixes []string) {
	w.Helper()
	for p := s3.NewListObjectsV2Paginator(c, in); p.HasMorePages(); {
		out := need(p.NextPage(w.Context()))(w)
		for _, o := range out.Contents {
			keys = append(keys, *o.Key)
		}
		for _, x := range out.CommonPrefixes {
			prefixes = append(prefixes, *x.Prefix)
		}
	}
	return keys, prefixes
}

func TestAnObjectComesBackAsItWasPut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "first")
	key := "a folder/ü+&?#%/é"
	put := need(c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: new("first"), Key: &key, Body: strings.NewReader("hello world"), ContentType: new("text/plain"), Metadata: map[string]string{"colour": "blue"},
		CacheControl: new("no-cache"), Tagging: new("a=b"), ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256,
	}))(t)
	out := need(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new("first"), Key: &key, ChecksumMode: s3types.ChecksumModeEnabled}))(t)
	defer out.Body.Close()
	got := map[string]string{
		"body": string(need(io.ReadAll(out.Body))(t)), "type": *out.ContentType, "colour": out.Metadata["colour"], "cache": *out.CacheControl, "tags": fmt.Sprint(*out.TagCount),
		"etag": *out.ETag, "sum": *out.ChecksumSHA256, "encryption": string(out.ServerSideEncryption), "put": *put.ETag, "length": fmt.Sprint(*out.ContentLength),
	}
	want := map[string]string{
		"body": "hello world", "type": "text/plain", "colour": "blue", "cache": "no-cache", "tags": "1", "etag": `"5eb63bbbe01eeed093cb22bb8f5acdc3"`, "put": `"5eb63bbbe01eeed093cb22bb8f5acdc3"`,
		"sum": "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=", "encryption": "AES256", "length": "11",
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s is %q, want %q", name, got[name], want[name])
		}
	}
}

func TestWhatIsNotThereIsRefusedInS3sWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "there")
	w.put(c, "there", "object", "0123456789")
	get := func(in s3.GetObjectInput) error {
		in.Bucket = new("there")
		if in.Key == nil {
			in.Key = new("object")
		}
		return just(c.GetObject(t.Context(), &in))
	}
	for what, x := range map[string]struct {
		err  error
		want string
	}{
		"a bucket":          {just(c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: new("nowhere")})), "NoSuchBucket: The specified bucket does not exist"},
		"a key":             {get(s3.GetObjectInput{Key: new("other")}), "NoSuchKey: The specified key does not exist."},
		"a version":         {get(s3.GetObjectInput{VersionId: new(strings.Repeat("a", 32))}), "NoSuchVersion: The specified version does not exist."},
		"a range":           {get(s3.GetObjectInput{Range: new("bytes=10-")}), "InvalidRange: The requested range is not satisfiable"},
		"a range far away":  {get(s3.GetObjectInput{Range: new("bytes=99999999999999999999-")}), "InvalidRange: The requested range is not satisfiable"},
		"a condition":       {get(s3.GetObjectInput{IfMatch: new(`"x"`)}), "PreconditionFailed: At least one of the pre-conditions you specified did not hold"},
		"an upload":         {just(c.ListParts(t.Context(), &s3.ListPartsInput{Bucket: new("there"), Key: new("k"), UploadId: new("u")})), "NoSuchUpload: The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
		"a lifecycle":       {just(c.GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: new("there")})), "NoSuchLifecycleConfiguration: The lifecycle configuration does not exist"},
		"a policy":          {just(c.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: new("there")})), "NoSuchBucketPolicy: The bucket policy does not exist"},
		"tags":              {just(c.GetBucketTagging(t.Context(), &s3.GetBucketTaggingInput{Bucket: new("there")})), "NoSuchTagSet: The TagSet does not exist"},
		"CORS":              {just(c.GetBucketCors(t.Context(), &s3.GetBucketCorsInput{Bucket: new("there")})), "NoSuchCORSConfiguration: The CORS configuration does not exist"},
		"a website":         {just(c.GetBucketWebsite(t.Context(), &s3.GetBucketWebsiteInput{Bucket: new("there")})), "NoSuchWebsiteConfiguration: The specified bucket does not have a website configuration"},
		"replication":       {just(c.GetBucketReplication(t.Context(), &s3.GetBucketReplicationInput{Bucket: new("there")})), "ReplicationConfigurationNotFoundError: The replication configuration was not found"},
		"locks":             {just(c.GetObjectLockConfiguration(t.Context(), &s3.GetObjectLockConfigurationInput{Bucket: new("there")})), "ObjectLockConfigurationNotFoundError: Object Lock configuration does not exist for this bucket"},
		"an empty bucket":   {just(c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: new("there")})), "BucketNotEmpty: The bucket you tried to delete is not empty"},
		"customers' keys":   {just(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("there"), Key: new("object"), SSECustomerAlgorithm: new("AES256")})), "NotImplemented: Not Implemented"},
		"an ACL":            {just(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("there"), Key: new("k"), ACL: s3types.ObjectCannedACLPublicRead})), "AccessControlListNotSupported: The bucket does not allow ACLs"},
		"a name":            {just(c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("Not_A_Name")})), "InvalidBucketName: The specified bucket is not valid."},
		"the Region":        {just(s3Of(w.Root(owner, "eu-west-1")).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: new("there")})), "AuthorizationHeaderMalformed: The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'"},
		"the bucket's name": {just(s3Of(w.root(consumer)).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("there")})), "BucketAlreadyExists: The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."},
	} {
		if got := refusal(x.err); got != x.want {
			t.Errorf("%s: %q\nwant %q", what, got, x.want)
		}
	}
	need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("there"), Key: new("k"), ACL: s3types.ObjectCannedACLBucketOwnerFullControl}))(t)
}

func TestARangeIsReadOfAnyKindOfObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "ranges")
	text := strings.Repeat("0123456789abcdefghijklmnopqrstuv", 400_000) // three parts
	for _, encryption := range []s3types.ServerSideEncryption{s3types.ServerSideEncryptionAes256, s3types.ServerSideEncryptionAwsKms} {
		w.upload(c, "ranges", "parts", text, encryption)
		need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("ranges"), Key: new("whole"), Body: strings.NewReader(text), ServerSideEncryption: encryption}))(t)
		for _, key := range []string{"parts", "whole"} {
			for _, at := range [][2]int{{0, 1}, {1, 17}, {5<<20 - 3, 5<<20 + 3}, {5 << 20, 10<<20 + 1}, {3, len(text)}, {len(text) - 1, len(text)}} {
				out := need(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new("ranges"), Key: &key, Range: new(fmt.Sprintf("bytes=%d-%d", at[0], at[1]-1))}))(t)
				got := string(need(io.ReadAll(out.Body))(t))
				out.Body.Close()
				if got != text[at[0]:at[1]] {
					t.Errorf("%s %s %v: %d bytes that differ", encryption, key, at, len(got))
				}
			}
			out := need(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new("ranges"), Key: &key, Range: new("bytes=-5")}))(t)
			if got := string(need(io.ReadAll(out.Body))(t)); got != text[len(text)-5:] {
				t.Errorf("the last five are %q", got)
			}
			out.Body.Close()
		}
	}
}

// upload puts an object in parts of 5 MiB.
func (w *world) upload(c *s3.Client, bucket, key, text string, encryption s3types.ServerSideEncryption) *s3.CompleteMultipartUploadOutput {
	w.Helper()
	u := need(c.CreateMultipartUpload(w.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key, ServerSideEncryption: encryption, ChecksumAlgorithm: s3types.ChecksumAlgorithmCrc32}))(w).UploadId
	var parts []s3types.CompletedPart
	for n := int32(1); len(text) > 0; n++ {
		piece := text[:min(5<<20, len(text))]
		text = text[len(piece):]
		out := need(c.UploadPart(w.Context(), &s3.UploadPartInput{Bucket: &bucket, Key: &key, UploadId: u, PartNumber: &n, Body: strings.NewReader(piece)}))(w)
		parts = append(parts, s3types.CompletedPart{PartNumber: &n, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
	}
	return need(c.CompleteMultipartUpload(w.Context(), &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: u, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts}}))(w)
}

func TestTheChecksumOfAnUploadIsThatOfItsParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "sums")
	text := strings.Repeat("keyreach", 1_400_000)
	whole := map[s3types.ChecksumAlgorithm]string{}
	for _, a := range []s3types.ChecksumAlgorithm{s3types.ChecksumAlgorithmCrc32, s3types.ChecksumAlgorithmCrc32c, s3types.ChecksumAlgorithmCrc64nvme} {
		need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("sums"), Key: new("whole"), Body: strings.NewReader(text), ChecksumAlgorithm: a}))(t)
		out := need(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("sums"), Key: new("whole"), ChecksumMode: s3types.ChecksumModeEnabled}))(t)
		whole[a] = aws.ToString(out.ChecksumCRC32) + aws.ToString(out.ChecksumCRC32C) + aws.ToString(out.ChecksumCRC64NVME)
		u := need(c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: new("sums"), Key: new("parts"), ChecksumAlgorithm: a, ChecksumType: s3types.ChecksumTypeFullObject}))(t).UploadId
		var parts []s3types.CompletedPart
		for i, piece := range []string{text[:6<<20], text[6<<20:]} {
			p := need(c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: new("sums"), Key: new("parts"), UploadId: u, PartNumber: new(int32(i + 1)), Body: strings.NewReader(piece), ChecksumAlgorithm: a}))(t)
			parts = append(parts, s3types.CompletedPart{PartNumber: new(int32(i + 1)), ETag: p.ETag, ChecksumCRC32: p.ChecksumCRC32, ChecksumCRC32C: p.ChecksumCRC32C, ChecksumCRC64NVME: p.ChecksumCRC64NVME})
		}
		done := need(c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: new("sums"), Key: new("parts"), UploadId: u, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts}}))(t)
		got := aws.ToString(done.ChecksumCRC32) + aws.ToString(done.ChecksumCRC32C) + aws.ToString(done.ChecksumCRC64NVME)
		if got != whole[a] || got == "" || done.ChecksumType != s3types.ChecksumTypeFullObject {
			t.Errorf("%s of the parts is %s %q, of the whole %q", a, done.ChecksumType, got, whole[a])
		}
	}
	if done := w.upload(c, "sums", "composite", text, ""); !strings.HasSuffix(aws.ToString(done.ChecksumCRC32), "-3") || done.ChecksumType != s3types.ChecksumTypeComposite {
		t.Errorf("the SDK's own choice is %s %q", done.ChecksumType, aws.ToString(done.ChecksumCRC32))
	}
	wrong := just(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("sums"), Key: new("wrong"), Body: strings.NewReader("a"), ChecksumCRC32: new("AAAAAA==")}))
	w.ends("a wrong checksum", wrong, "BadDigest: The CRC32 you specified did not match the calculated checksum.")
	w.ends("what it left", just(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("sums"), Key: new("wrong")})), "NotFound: ")
}

func TestUploadsInPartsAreCheckedWhenTheyEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "parts")
	begin := func() *string {
		return need(c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: new("parts"), Key: new("k")}))(t).UploadId
	}
	part := func(u *string, n int32, text string) s3types.CompletedPart {
		p := need(c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: new("parts"), Key: new("k"), UploadId: u, PartNumber: &n, Body: strings.NewReader(text)}))(t)
		return s3types.CompletedPart{PartNumber: &n, ETag: p.ETag}
	}
	complete := func(u *string, parts ...s3types.CompletedPart) error {
		return just(c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: new("parts"), Key: new("k"), UploadId: u, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts}}))
	}
	u := begin()
	one, two := part(u, 1, "a"), part(u, 2, "b")
	w.ends("parts out of order", complete(u, two, one), "InvalidPartOrder: The list of parts was not in ascending order. Parts must be ordered by part number.")
	w.ends("a part that is too small", complete(u, one, two), "EntityTooSmall: Your proposed upload is smaller than the minimum allowed size")
	w.ends("a part with another tag", complete(u, s3types.CompletedPart{PartNumber: new(int32(1)), ETag: new("x")}), "may not match the part's entity tag.")
	if list := need(c.ListParts(t.Context(), &s3.ListPartsInput{Bucket: new("parts"), Key: new("k"), UploadId: u, MaxParts: new(int32(1))}))(t); len(list.Parts) != 1 || !*list.IsTruncated || *list.NextPartNumberMarker != "1" {
		t.Errorf("the first page of parts is %+v", list)
	}
	w.ends("one part of two", complete(u, two), "")
	if got := w.get(c, "parts", "k"); got != "b" {
		t.Errorf("the object is %q", got)
	}
	w.ends("an upload that is over", complete(u, two), "may have been aborted or completed.")
	gone := begin()
	part(gone, 1, "x")
	need(c.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: new("parts"), Key: new("k"), UploadId: gone}))(t)
	if list := need(c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: new("parts")}))(t); len(list.Uploads) != 0 {
		t.Errorf("uploads are left: %+v", list.Uploads)
	}
	copied := begin()
	w.put(c, "parts", "source", strings.Repeat("s", 6<<20))
	p := need(c.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{Bucket: new("parts"), Key: new("k"), UploadId: copied, PartNumber: new(int32(1)), CopySource: new("parts/source"), CopySourceRange: new("bytes=0-5242879")}))(t)
	last := part(copied, 2, "end")
	w.ends("a part that was copied", complete(copied, s3types.CompletedPart{PartNumber: new(int32(1)), ETag: p.CopyPartResult.ETag}, last), "")
	if got := w.get(c, "parts", "k"); got != strings.Repeat("s", 5<<20)+"end" {
		t.Errorf("it has %d bytes", len(got))
	}
}

func TestWritesCanBeConditional(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "once")
	put := func(match, none *string) error {
		return just(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("once"), Key: new("k"), Body: strings.NewReader("x"), IfMatch: match, IfNoneMatch: none}))
	}
	const failed = "PreconditionFailed: At least one of the pre-conditions you specified did not hold"
	w.ends("nothing to match", put(new(`"x"`), nil), "NoSuchKey: The specified key does not exist.")
	w.ends("the first", put(nil, new("*")), "")
	w.ends("the second", put(nil, new("*")), failed)
	w.ends("another tag", put(new(`"x"`), nil), failed)
	w.ends("its tag", put(new(`"9dd4e461268c8034f5c8564e155c67a6"`), nil), "")
}

func TestListsHaveEveryKeyOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.versioned(owner, "lists")
	for _, key := range []string{"a/1", "a/2", "a/b/3", "b", "c/4", "d é+", "a"} {
		w.put(c, "lists", key, key)
		w.put(c, "lists", key, key+"again")
	}
	need(c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: new("lists"), Key: new("b")}))(t)
	for _, size := range []int32{1, 2, 3, 1000} {
		keys, _ := w.keys(c, &s3.ListObjectsV2Input{Bucket: new("lists"), MaxKeys: &size})
		if want := []string{"a", "a/1", "a/2", "a/b/3", "c/4", "d é+"}; !slices.Equal(keys, want) {
			t.Errorf("pages of %d: %q", size, keys)
		}
		keys, prefixes := w.keys(c, &s3.ListObjectsV2Input{Bucket: new("lists"), MaxKeys: &size, Delimiter: new("/")})
		if !slices.Equal(keys, []string{"a", "d é+"}) || !slices.Equal(prefixes, []string{"a/", "c/"}) {
			t.Errorf("pages of %d with a delimiter: %q, %q", size, keys, prefixes)
		}
		if keys, prefixes = w.keys(c, &s3.ListObjectsV2Input{Bucket: new("lists"), MaxKeys: &size, Prefix: new("a/"), Delimiter: new("/")}); !slices.Equal(keys, []string{"a/1", "a/2"}) || !slices.Equal(prefixes, []string{"a/b/"}) {
			t.Errorf("pages of %d with a prefix: %q, %q", size, keys, prefixes)
		}
		var seen []string
		for p := s3.NewListObjectVersionsPaginator(c, &s3.ListObjectVersionsInput{Bucket: new("lists"), MaxKeys: &size}); p.HasMorePages(); {
			out := need(p.NextPage(t.Context()))(t)
			for _, v := range out.Versions {
				seen = append(seen, *v.Key+" "+*v.VersionId)
			}
			for _, v := range out.DeleteMarkers {
				seen = append(seen, *v.Key+" "+*v.VersionId)
			}
		}
		slices.Sort(seen)
		if len(seen) != 15 || len(slices.Compact(seen)) != 15 {
			t.Errorf("pages of %d: %d versions, %d different", size, len(seen), len(slices.Compact(seen)))
		}
	}
	if keys, _ := w.keys(c, &s3.ListObjectsV2Input{Bucket: new("lists"), StartAfter: new("a/2")}); !slices.Equal(keys, []string{"a/b/3", "c/4", "d é+"}) {
		t.Errorf("after a/2: %q", keys)
	}
}

func TestVersionsStayUntilTheyAreDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "versions")
	w.put(c, "versions", "k", "null")
	need(c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: new("versions"), VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}))(t)
	first := w.put(c, "versions", "k", "first")
	marker := need(c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: new("versions"), Key: new("k")}))(t)
	if got := w.get(c, "versions", "k"); got != "NoSuchKey: The specified key does not exist." {
		t.Errorf("after the delete marker: %q", got)
	}
	w.ends("the marker itself", just(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new("versions"), Key: new("k"), VersionId: marker.VersionId})), "MethodNotAllowed: The specified method is not allowed against this resource.")
	for version, want := range map[string]string{"null": "null", first: "first"} {
		out := need(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new("versions"), Key: new("k"), VersionId: &version}))(t)
		if got := string(need(io.ReadAll(out.Body))(t)); got != want {
			t.Errorf("version %s is %q", version, got)
		}
		out.Body.Close()
	}
	need(c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: new("versions"), Key: new("k"), VersionId: marker.VersionId}))(t)
	if got := w.get(c, "versions", "k"); got != "first" {
		t.Errorf("without the marker: %q", got)
	}
	need(c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: new("versions"), VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusSuspended}}))(t)
	w.put(c, "versions", "k", "other null")
	out := need(c.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: new("versions")}))(t)
	if len(out.Versions) != 2 || *out.Versions[0].VersionId != "null" || !*out.Versions[0].IsLatest {
		t.Errorf("after another null version: %+v", out.Versions)
	}
}

func TestSeveralObjectsAreDeletedAtOnceAndEachIsAskedAbout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "many")
	w.put(c, "many", "mine/1", "x")
	w.put(c, "many", "theirs/1", "x")
	_, config := w.user(owner, "half", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::many/mine/*"}]}`)
	out := need(s3Of(config).DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: new("many"), Delete: &s3types.Delete{Objects: []s3types.ObjectIdentifier{{Key: new("mine/1")}, {Key: new("theirs/1")}, {Key: new("mine/none")}}}}))(t)
	if len(out.Deleted) != 2 || len(out.Errors) != 1 || *out.Errors[0].Key != "theirs/1" || *out.Errors[0].Code != "AccessDenied" {
		t.Errorf("deleted %d, %+v", len(out.Deleted), out.Errors)
	}
	if keys, _ := w.keys(c, &s3.ListObjectsV2Input{Bucket: new("many")}); !slices.Equal(keys, []string{"theirs/1"}) {
		t.Errorf("left are %q", keys)
	}
}

func TestObjectsSurviveARestartAndFilesOfNobodyDoNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/state.db"
	content := bytes.Repeat([]byte("survives"), 1000)
	first := newWorldWith(t, sandbox.Options{State: dir})
	c := first.bucket(owner, "lasting")
	need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("lasting"), Key: new("k"), Body: bytes.NewReader(content), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms}))(t)
	first.put(c, "lasting", "gone", "x")
	need(c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: new("lasting"), Key: new("gone")}))(t)
	if n := filesIn(t, dir+".objects"); n != 1 {
		t.Errorf("there are %d files for one object", n)
	}
	if err := first.Sandbox.Close(); err != nil {
		t.Fatal(err)
	}
	orphan(t, dir+".objects")
	second := newWorldWith(t, sandbox.Options{State: dir})
	if got := second.get(s3Of(second.root(owner)), "lasting", "k"); got != string(content) {
		t.Errorf("after a restart: %.100q", got)
	}
	if n := filesIn(t, dir+".objects"); n != 1 {
		t.Errorf("there are %d files after a restart", n)
	}
	if err := second.Reset(); err != nil {
		t.Fatal(err)
	}
	if n := filesIn(t, dir+".objects"); n != 0 {
		t.Errorf("there are %d files after a reset", n)
	}
}

func TestACopyKeepsWhatItIsNotToldToChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "copies")
	need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("copies"), Key: new("from"), Body: strings.NewReader("text"), Metadata: map[string]string{"a": "b"}, Tagging: new("t=1"), ContentType: new("text/x")}))(t)
	need(c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: new("copies"), Key: new("kept"), CopySource: new("copies/from")}))(t)
	need(c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: new("copies"), Key: new("changed"), CopySource: new("copies/from"), MetadataDirective: s3types.MetadataDirectiveReplace, Metadata: map[string]string{"c": "d"}, TaggingDirective: s3types.TaggingDirectiveReplace}))(t)
	kept := need(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("copies"), Key: new("kept")}))(t)
	if kept.Metadata["a"] != "b" || *kept.ContentType != "text/x" || aws.ToInt32(kept.TagCount) != 1 {
		t.Errorf("kept: %+v", kept)
	}
	changed := need(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("copies"), Key: new("changed")}))(t)
	if changed.Metadata["c"] != "d" || changed.Metadata["a"] != "" || changed.TagCount != nil {
		t.Errorf("changed: %+v", changed)
	}
	w.ends("a copy to itself", just(c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: new("copies"), Key: new("from"), CopySource: new("copies/from")})), "storage class, website redirect location or encryption attributes.")
	later := time.Now().Add(time.Hour)
	w.ends("a copy of what was not changed", just(c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: new("copies"), Key: new("x"), CopySource: new("copies/from"), CopySourceIfModifiedSince: &later})), "PreconditionFailed: At least one of the pre-conditions you specified did not hold")
}
