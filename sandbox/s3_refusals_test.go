package sandbox_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// asRoot sends a request of the root user of owner and returns status and body.
func (w *world) asRoot(method, path, body string, header map[string]string) (int, string) {
	w.Helper()
	r := rawCall(w.URL, method, path, "s3", "", "", body)
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	for k, v := range header {
		r.Header.Set(k, v)
	}
	res := need(w.Client().Do(r))(w)
	defer res.Body.Close()
	return res.StatusCode, string(need(io.ReadAll(res.Body))(w))
}

func TestARefusalOfS3NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "refusals")
	w.put(c, "refusals", "k", "x")
	bucket := "<BucketName>refusals</BucketName>"
	for _, x := range []struct {
		name, method, path, body string
		header                   map[string]string
		status                   int
		want                     []string
	}{
		{"no policy", "GET", "refusals?policy", "", nil, 404, []string{"<Code>NoSuchBucketPolicy</Code>", bucket}},
		{"no tags", "GET", "refusals?tagging", "", nil, 404, []string{"<Code>NoSuchTagSet</Code>", bucket}},
		{"no lifecycle", "GET", "refusals?lifecycle", "", nil, 404, []string{"<Code>NoSuchLifecycleConfiguration</Code>", bucket}},
		{"no id of a version", "GET", "refusals/k?versionId=abc", "", nil, 400, []string{"<Code>InvalidArgument</Code>", "Invalid version id specified", "<ArgumentName>versionId</ArgumentName>", "<ArgumentValue>abc</ArgumentValue>"}},
		{"deleting no id of a version", "DELETE", "refusals/k?versionId=abc", "", nil, 400, []string{"Invalid version id specified"}},
		{"a version that there is not", "GET", "refusals/k?versionId=3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH", "", nil, 404, []string{"<Code>NoSuchVersion</Code>"}},
		{"an encoding", "GET", "refusals?encoding-type=foo", "", nil, 400, []string{"<Message>Invalid Encoding Method specified in Request</Message><ArgumentName>encoding-type</ArgumentName><ArgumentValue>foo</ArgumentValue>"}},
		{"an encryption", "PUT", "refusals/e", "", map[string]string{"X-Amz-Server-Side-Encryption": "foo"}, 400, []string{"The encryption method specified is not supported", "<ArgumentValue>foo</ArgumentValue>"}},
		{"a storage class", "PUT", "refusals/e", "", map[string]string{"X-Amz-Storage-Class": "foo"}, 400, []string{"<Code>InvalidStorageClass</Code>"}},
		{"a source", "PUT", "refusals/e", "", map[string]string{"X-Amz-Copy-Source": "foo"}, 400, []string{"Copy Source must mention the source bucket and key: sourcebucket/sourcekey"}},
		{"a condition on the source", "PUT", "refusals/e", "", map[string]string{"X-Amz-Copy-Source": "refusals/k", "X-Amz-Copy-Source-If-Match": "y"}, 412, []string{"<Condition>x-amz-copy-source-If-Match</Condition>"}},
		{"an algorithm in a document", "PUT", "refusals?encryption", "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>foo</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>", nil, 400, []string{"<Code>MalformedXML</Code>"}},
		{"a status in a document", "PUT", "refusals?versioning", "<VersioningConfiguration><Status>Foo</Status></VersioningConfiguration>", nil, 400, []string{"<Code>MalformedXML</Code>"}},
		{"nothing to delete", "POST", "refusals?delete", "<Delete></Delete>", nil, 400, []string{"<Code>MalformedXML</Code>"}},
		{"a Region that there is not", "PUT", "refusals-2", "<CreateBucketConfiguration><LocationConstraint>mars-1</LocationConstraint></CreateBucketConfiguration>", nil, 400, []string{"<Code>InvalidLocationConstraint</Code>"}},
		{"a method of CORS", "PUT", "refusals?cors", "<CORSConfiguration><CORSRule><AllowedMethod>FOO</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>", nil, 400, []string{"<Code>InvalidRequest</Code>", "Unsupported method is FOO"}},
		{"a target of logs", "PUT", "refusals?logging", "<BucketLoggingStatus><LoggingEnabled><TargetBucket>refusals-none</TargetBucket><TargetPrefix></TargetPrefix></LoggingEnabled></BucketLoggingStatus>", nil, 400, []string{"<Code>InvalidTargetBucketForLogging</Code>"}},
		{"a reserved prefix", "PUT", "sthree-refusals", "", nil, 400, []string{"<Code>InvalidBucketName</Code>"}},
		{"a reserved suffix", "PUT", "refusals--ol-s3", "", nil, 400, []string{"<Code>InvalidBucketName</Code>"}},
		{"bytes that are no text", "PUT", "refusals/%ff", "", nil, 400, []string{"<Code>InvalidURI</Code>"}},
		{"a token that is none", "GET", "refusals?list-type=2&continuation-token=bad", "", nil, 400, []string{"The continuation token provided is incorrect", "<ArgumentName>continuation-token</ArgumentName>"}},
	} {
		status, body := w.asRoot(x.method, x.path, x.body, x.header)
		if status != x.status {
			t.Errorf("%s: %d %s", x.name, status, body)
		}
		for _, want := range x.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %s, want %s", x.name, body, want)
			}
		}
	}
}

func TestAnAccessKeyThatThereIsNotIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := rawCall(w.URL, http.MethodGet, "", "s3", "", "", "")
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Credential="+owner, "Credential=AKIAIOSFODNN7EXAMPLE", 1))
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	res := need(w.Client().Do(r))(t)
	defer res.Body.Close()
	text := string(need(io.ReadAll(res.Body))(t))
	if res.StatusCode != http.StatusForbidden || !strings.Contains(text, "<Code>InvalidAccessKeyId</Code>") || !strings.Contains(text, "<AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId>") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

func TestTheETagOfAnObjectUnderAKeyIsNoDigestOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "tags-of-keys")
	const digest = `"5d41402abc4b2a76b9719d911017c592"` // of hello
	put := func(encryption s3types.ServerSideEncryption, text string) string {
		return *need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("tags-of-keys"), Key: new("k"), Body: strings.NewReader(text), ServerSideEncryption: encryption}))(t).ETag
	}
	if got := put(s3types.ServerSideEncryptionAes256, "hello"); got != digest {
		t.Errorf("under SSE-S3: %s", got)
	}
	one, two := put(s3types.ServerSideEncryptionAwsKms, "hello"), put(s3types.ServerSideEncryptionAwsKms, "hello")
	if one == digest || one == two || len(one) != len(digest) {
		t.Errorf("under SSE-KMS: %s and %s", one, two)
	}
	if got := *need(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("tags-of-keys"), Key: new("k"), IfMatch: &two}))(t).ETag; got != two {
		t.Errorf("head tells %s of %s", got, two)
	}
	if got := put(s3types.ServerSideEncryptionAwsKms, ""); got == `"d41d8cd98f00b204e9800998ecf8427e"` {
		t.Errorf("of nothing: %s", got)
	}
	copied := *need(c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: new("tags-of-keys"), Key: new("c"), CopySource: new("tags-of-keys/k"), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms}))(t).CopyObjectResult.ETag
	if copied == one || copied == two || copied == digest {
		t.Errorf("of a copy: %s", copied)
	}
}

func TestAnObjectThatWasNeverHeldHasNoLegalHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := s3Of(w.root(owner))
	need(c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("holds"), ObjectLockEnabledForBucket: new(true)}))(t)
	w.put(c, "holds", "k", "x")
	hold := func() (string, error) {
		out, err := c.GetObjectLegalHold(t.Context(), &s3.GetObjectLegalHoldInput{Bucket: new("holds"), Key: new("k")})
		if err != nil {
			return "", err
		}
		return string(out.LegalHold.Status), nil
	}
	_, err := hold()
	w.ends("before", err, "NoSuchObjectLockConfiguration: The specified object does not have a ObjectLock configuration")
	for _, status := range []s3types.ObjectLockLegalHoldStatus{s3types.ObjectLockLegalHoldStatusOn, s3types.ObjectLockLegalHoldStatusOff} {
		need(c.PutObjectLegalHold(t.Context(), &s3.PutObjectLegalHoldInput{Bucket: new("holds"), Key: new("k"), LegalHold: &s3types.ObjectLockLegalHold{Status: status}}))(t)
		if got := need(hold())(t); got != string(status) {
			t.Errorf("%s, want %s", got, status)
		}
	}
}

func TestABucketPolicyOfNoEffectIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "idle")
	const at = "arn:aws:s3:::idle"
	for _, x := range []struct{ actions, resources, want string }{
		{`"s3:GetObject"`, `"` + at + `"`, "MalformedPolicy: Action does not apply to any resource(s) in statement"},
		{`["s3:GetObject","s3:ListBucket"]`, `"` + at + `/*"`, "MalformedPolicy: Action does not apply to any resource(s) in statement"},
		{`["s3:GetObject","s3:ListBucket"]`, `["` + at + `/*","` + at + `"]`, ""},
		{`["s3:GetObject","s3:ListBucket"]`, `"` + at + `*"`, ""},
		{`"s3:*"`, `"` + at + `"`, ""},
		{`"s3:Get*"`, `"` + at + `/a"`, ""},
	} {
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":` + x.actions + `,"Resource":` + x.resources + `,"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
		_, err := c.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: new("idle"), Policy: &policy})
		w.ends(x.actions+" on "+x.resources, err, x.want)
	}
	_, err := c.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: new("idle"), Policy: new("<policy/>")})
	w.ends("no JSON", err, "MalformedPolicy: Policies must be valid JSON and the first byte must be '{'")
}

func TestAnArchivedObjectIsNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "archive")
	need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("archive"), Key: new("k"), Body: strings.NewReader("x"), StorageClass: s3types.StorageClassDeepArchive}))(t)
	const want = "InvalidObjectState: The operation is not valid for the object's storage class"
	if got := w.get(c, "archive", "k"); got != want {
		t.Errorf("reading: %s", got)
	}
	_, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: new("archive"), Key: new("c"), CopySource: new("archive/k")})
	w.ends("copying", err, want)
	if got := need(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("archive"), Key: new("k")}))(t).StorageClass; got != s3types.StorageClassDeepArchive {
		t.Errorf("head tells %q", got)
	}
}

func TestTagsOfAWSAreNotPut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "tagged")
	w.put(c, "tagged", "k", "x")
	tags := &s3types.Tagging{TagSet: []s3types.Tag{{Key: new("aws:x"), Value: new("y")}}}
	_, err := c.PutBucketTagging(t.Context(), &s3.PutBucketTaggingInput{Bucket: new("tagged"), Tagging: tags})
	w.ends("on a bucket", err, "InvalidTag: System tags cannot be added/updated by requester")
	_, err = c.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: new("tagged"), Key: new("k"), Tagging: tags})
	w.ends("on an object", err, "InvalidTag: System tags cannot be added/updated by requester")
}

func TestAnUploadWithChecksumsEndsWithThemAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "composite")
	bucket, key := new("composite"), new("k")
	u := need(c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256}))(t).UploadId
	p := need(c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: u, PartNumber: new(int32(1)), Body: strings.NewReader("x"), ChecksumAlgorithm: s3types.ChecksumAlgorithmSha256}))(t)
	part := s3types.CompletedPart{PartNumber: new(int32(1)), ETag: p.ETag}
	end := func() error {
		_, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: u, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: []s3types.CompletedPart{part}}})
		return err
	}
	w.ends("without", end(), "InvalidRequest: The upload was created using a sha256 checksum. The complete request must include the checksum for each part. It was missing for part 1 in the request.")
	part.ChecksumSHA256 = p.ChecksumSHA256
	w.ends("with", end(), "")
}
