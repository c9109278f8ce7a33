package sandbox_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// Each operation is refused to who is allowed nothing, with the IAM action that AWS
// documents for it and the resource in quotes.
func TestEveryOperationOfS3AsksForItsAction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.versioned(owner, "asked")
	version := w.put(c, "asked", "o", "x")
	who, config := w.user(owner, "nobody", "")
	n := s3Of(config)
	ctx, b, o := t.Context(), new("asked"), new("o")
	const onBucket, onObject = `"arn:aws:s3:::asked"`, `"arn:aws:s3:::asked/o"`
	for _, x := range []struct {
		err      error
		action   string
		resource string
	}{
		{just(n.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b})), "ListBucket", onBucket},
		{just(n.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: b})), "ListBucketVersions", onBucket},
		{just(n.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: b})), "ListBucketMultipartUploads", onBucket},
		{just(n.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: o})), "GetObject", onObject},
		{just(n.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: o, VersionId: &version})), "GetObjectVersion", onObject},
		{just(n.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: b, Key: o})), "GetObjectTagging", onObject},
		{just(n.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: b, Key: o})), "GetObjectAcl", onObject},
		{just(n.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: o})), "PutObject", onObject},
		{just(n.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: o})), "PutObject", onObject},
		{just(n.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: b, Key: o, UploadId: new("u")})), "AbortMultipartUpload", onObject},
		{just(n.ListParts(ctx, &s3.ListPartsInput{Bucket: b, Key: o, UploadId: new("u")})), "ListMultipartUploadParts", onObject},
		{just(n.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: o, CopySource: new("asked/o")})), "GetObject", onObject},
		{just(n.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: o})), "DeleteObject", onObject},
		{just(n.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: o, VersionId: &version})), "DeleteObjectVersion", onObject},
		{just(n.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: b, Key: o, Tagging: &s3types.Tagging{TagSet: []s3types.Tag{}}})), "PutObjectTagging", onObject},
		{just(n.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{Bucket: b, Key: o, LegalHold: &s3types.ObjectLockLegalHold{Status: "ON"}})), "PutObjectLegalHold", onObject},
		{just(n.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b})), "GetEncryptionConfiguration", onBucket},
		{just(n.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: b})), "PutEncryptionConfiguration", onBucket},
		{just(n.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: b})), "GetLifecycleConfiguration", onBucket},
		{just(n.DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: b})), "PutLifecycleConfiguration", onBucket},
		{just(n.GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: b})), "GetReplicationConfiguration", onBucket},
		{just(n.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b})), "GetBucketPolicy", onBucket},
		{just(n.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: b})), "GetBucketPublicAccessBlock", onBucket},
		{just(n.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: b})), "GetBucketVersioning", onBucket},
		{just(n.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: b})), "GetBucketLocation", onBucket},
		{just(n.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: b})), "GetBucketObjectLockConfiguration", onBucket},
		{just(n.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b})), "DeleteBucket", onBucket},
		{just(n.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: new("other-one")})), "CreateBucket", `"arn:aws:s3:::other-one"`},
	} {
		want := fmt.Sprintf("AccessDenied: User: %s is not authorized to perform: s3:%s on resource: %s because no identity-based policy allows the s3:%s action", who.arn, x.action, x.resource, x.action)
		if got := refusal(x.err); got != want {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
	want := "AccessDenied: User: " + who.arn + " is not authorized to perform: s3:ListAllMyBuckets because no identity-based policy allows the s3:ListAllMyBuckets action"
	if got := refusal(just(n.ListBuckets(ctx, &s3.ListBucketsInput{}))); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// Only who may list a bucket learns that an object is not there.
func TestWhoMayNotListIsNotToldWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket(owner, "dark")
	_, reader := w.user(owner, "reader", allow("s3:GetObject"))
	if got := w.get(s3Of(reader), "dark", "none"); !strings.HasSuffix(got, `is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::dark" because no identity-based policy allows the s3:ListBucket action`) {
		t.Errorf("who may read only: %q", got)
	}
	_, lister := w.user(owner, "lister", allow("s3:GetObject", "s3:ListBucket"))
	if got := w.get(s3Of(lister), "dark", "none"); got != "NoSuchKey: The specified key does not exist." {
		t.Errorf("who may list: %q", got)
	}
}

func TestConditionsSeeWhatARequestSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "conditions")
	need(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("conditions"), Key: new("tagged"), Body: strings.NewReader("x"), Tagging: new("team=a")}))(t)
	w.put(c, "conditions", "untagged", "x")
	key := w.key(owner, "")
	put := func(change func(*s3.PutObjectInput)) func(*s3.Client) error {
		return func(c *s3.Client) error {
			in := &s3.PutObjectInput{Bucket: new("conditions"), Key: new("k"), Body: strings.NewReader("x")}
			change(in)
			return just(c.PutObject(t.Context(), in))
		}
	}
	list := func(prefix string) func(*s3.Client) error {
		return func(c *s3.Client) error {
			return just(c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: new("conditions"), Prefix: &prefix}))
		}
	}
	read := func(key string) func(*s3.Client) error {
		return func(c *s3.Client) error {
			return just(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new("conditions"), Key: &key}))
		}
	}
	for i, x := range []struct {
		condition string
		yes, no   func(*s3.Client) error
	}{
		{`"StringEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}`, put(func(in *s3.PutObjectInput) { in.ServerSideEncryption = "aws:kms" }), put(func(*s3.PutObjectInput) {})},
		{`"StringEquals":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"` + key + `"}`, put(func(in *s3.PutObjectInput) { in.ServerSideEncryption, in.SSEKMSKeyId = "aws:kms", &key }), put(func(in *s3.PutObjectInput) { in.ServerSideEncryption = "aws:kms" })},
		{`"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}`, put(func(in *s3.PutObjectInput) { in.ACL = "bucket-owner-full-control" }), put(func(*s3.PutObjectInput) {})},
		{`"StringEquals":{"s3:RequestObjectTag/team":"a"}`, put(func(in *s3.PutObjectInput) { in.Tagging = new("team=a") }), put(func(in *s3.PutObjectInput) { in.Tagging = new("team=b") })},
		{`"Null":{"s3:if-none-match":"false"}`, put(func(in *s3.PutObjectInput) { in.Key, in.IfNoneMatch = new("new"), new("*") }), put(func(*s3.PutObjectInput) {})},
		{`"StringLike":{"s3:prefix":"home/me/*"}`, list("home/me/x"), list("home/you/x")},
		{`"StringEquals":{"s3:ExistingObjectTag/team":"a"}`, read("tagged"), read("untagged")},
		{`"StringEquals":{"s3:ResourceAccount":"` + owner + `"}`, read("tagged"), nil},
		{`"Bool":{"aws:SecureTransport":"true"}`, read("tagged"), nil},
		{`"StringEquals":{"s3:ResourceAccount":"` + consumer + `"}`, nil, read("tagged")},
	} {
		_, config := w.user(owner, fmt.Sprint("u", i), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","kms:*"],"Resource":"*","Condition":{`+x.condition+`}},{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`)
		if x.yes != nil {
			w.ends(x.condition, x.yes(s3Of(config)), "")
		}
		if x.no != nil {
			if err := x.no(s3Of(config)); !strings.HasPrefix(refusal(err), "AccessDenied") {
				t.Errorf("%s: %v", x.condition, err)
			}
		}
	}
}

// plainly makes a request that nobody signed.
func (w *world) plainly(method, url, host, body string) (int, string) {
	w.Helper()
	r := need(http.NewRequestWithContext(w.Context(), method, url, strings.NewReader(body)))(w)
	r.Host = host
	res := need(w.Client().Do(r))(w)
	defer res.Body.Close()
	return res.StatusCode, string(need(io.ReadAll(res.Body))(w))
}

func TestOnlyAPublicBucketIsReadWithoutCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "public")
	w.put(c, "public", "k", "for all")
	const text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::public/*"}]}`
	read := func() (int, string) { return w.plainly(http.MethodGet, w.URL+"/public/k", "", "") }
	if status, body := read(); status != http.StatusForbidden || !strings.Contains(body, "<Code>AccessDenied</Code><Message>Access Denied</Message>") {
		t.Errorf("without a policy: %d %s", status, body)
	}
	w.ends("a public policy where they are blocked", just(c.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: new("public"), Policy: new(text)})), "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.")
	block := func(policies, restrict bool) {
		t.Helper()
		need(c.PutPublicAccessBlock(t.Context(), &s3.PutPublicAccessBlockInput{Bucket: new("public"), PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{BlockPublicPolicy: &policies, RestrictPublicBuckets: &restrict}}))(t)
	}
	block(false, false)
	w.policy(c, "public", text)
	if status, body := read(); status != http.StatusOK || body != "for all" {
		t.Errorf("with a public policy: %d %s", status, body)
	}
	if status, body := w.plainly(http.MethodPut, w.URL+"/public/k", "", "x"); status != http.StatusForbidden {
		t.Errorf("writing: %d %s", status, body)
	}
	if got := w.get(s3Of(w.root(consumer)), "public", "k"); got != "for all" {
		t.Errorf("another account: %q", got)
	}
	if !*need(c.GetBucketPolicyStatus(t.Context(), &s3.GetBucketPolicyStatusInput{Bucket: new("public")}))(t).PolicyStatus.IsPublic {
		t.Error("it is not called public")
	}
	block(false, true)
	if status, _ := read(); status != http.StatusForbidden {
		t.Errorf("where public access is restricted: %d", status)
	}
	if got := w.get(s3Of(w.root(consumer)), "public", "k"); got != "AccessDenied: Access Denied" {
		t.Errorf("another account, where it is restricted: %q", got)
	}
	if got := w.get(c, "public", "k"); got != "for all" {
		t.Errorf("the owner: %q", got)
	}
	// One that holds everybody to an organization is not public.
	block(true, true)
	w.policy(c, "public", strings.Replace(text, `"Resource"`, `"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-abcdefghij"}},"Resource"`, 1))
}

// Outside the owner's organization S3 gives no reasons, within it it does.
func TestReasonsAreGivenWithinAnOrganizationOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "reasons")
	w.put(c, "reasons", "k", "x")
	o := organizations.NewFromConfig(w.root(owner))
	need(o.CreateOrganization(t.Context(), &organizations.CreateOrganizationInput{}))(t)
	made := need(o.CreateAccount(t.Context(), &organizations.CreateAccountInput{AccountName: new("m"), Email: new("m@example.com")}))(t).CreateAccountStatus
	account := *need(o.DescribeCreateAccountStatus(t.Context(), &organizations.DescribeCreateAccountStatusInput{CreateAccountRequestId: made.Id}))(t).CreateAccountStatus.AccountId
	if got := w.get(s3Of(w.root(consumer)), "reasons", "k"); got != "AccessDenied: Access Denied" {
		t.Errorf("from outside: %q", got)
	}
	want := "AccessDenied: User: arn:aws:iam::" + account + `:root is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::reasons/k" because no resource-based policy allows the s3:GetObject action`
	if got := w.get(s3Of(w.root(account)), "reasons", "k"); got != want {
		t.Errorf("from within: %q\nwant %q", got, want)
	}
}

func TestBucketsOfOtherAccountsStayApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.versioned(owner, "mine")
	version := w.put(mine, "mine", "k", "secret")
	upload := need(mine.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: new("mine"), Key: new("up")}))(t).UploadId
	theirs := w.bucket(consumer, "theirs")
	w.put(theirs, "theirs", "k", "x")
	ctx, b, k := t.Context(), new("mine"), new("k")
	for what, err := range map[string]error{
		"reading":             just(theirs.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: k})),
		"reading a version":   just(theirs.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: k, VersionId: &version})),
		"listing":             just(theirs.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b})),
		"writing":             just(theirs.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: k})),
		"copying from it":     just(theirs.CopyObject(ctx, &s3.CopyObjectInput{Bucket: new("theirs"), Key: k, CopySource: new("mine/k")})),
		"copying to it":       just(theirs.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: k, CopySource: new("theirs/k")})),
		"a part of an upload": just(theirs.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: new("up"), UploadId: upload, PartNumber: new(int32(1)), Body: strings.NewReader("x")})),
		"another's upload":    just(theirs.UploadPart(ctx, &s3.UploadPartInput{Bucket: new("theirs"), Key: new("up"), UploadId: upload, PartNumber: new(int32(1)), Body: strings.NewReader("x")})),
		"deleting":            just(theirs.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: k})),
		"the policy":          just(theirs.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: b, Policy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::mine/*"}]}`)})),
		"deleting the bucket": just(theirs.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b})),
		"the wrong owner":     just(mine.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: k, ExpectedBucketOwner: new(consumer)})),
	} {
		want := "AccessDenied: Access Denied"
		if what == "another's upload" {
			want = "NoSuchUpload: The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
		}
		if got := refusal(err); got != want {
			t.Errorf("%s: %q", what, got)
		}
	}
	for c, want := range map[*s3.Client]string{mine: "mine", theirs: "theirs"} {
		list := need(c.ListBuckets(ctx, &s3.ListBucketsInput{}))(t).Buckets
		if len(list) != 1 || *list[0].Name != want {
			t.Errorf("the buckets of %s are %+v", want, list)
		}
	}
}

func TestABucketPolicyCanLockOutEverybodyButTheRootUserFromItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "locked")
	w.policy(c, "locked", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::locked","arn:aws:s3:::locked/*"]}]}`)
	w.ends("listing", just(c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: new("locked")})), `s3:ListBucket on resource: "arn:aws:s3:::locked" with an explicit deny in a resource-based policy`)
	w.ends("an administrator", just(s3Of(w.admin(owner)).DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: new("locked")})), "with an explicit deny in a resource-based policy")
	need(c.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: new("locked")}))(t)
	for what, text := range map[string]string{
		"no JSON":            `{`,
		"no principal":       `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::locked"}]}`,
		"another's resource": `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::other"}]}`,
	} {
		if got := refusal(just(c.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: new("locked"), Policy: &text}))); !strings.HasPrefix(got, "MalformedPolicy") {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// anywhere resolves every name to the sandbox.
func (w *world) anywhere() aws.HTTPClient {
	dialer := &net.Dialer{}
	at := strings.TrimPrefix(w.URL, "http://")
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, at)
	}}
	w.Cleanup(transport.CloseIdleConnections)
	return sandboxtest.Steady(&http.Client{Transport: transport})
}

func TestABucketMayStandInTheHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket(owner, "hosted")
	_, config := w.user(owner, "hosting", allow("s3:*"))
	for _, host := range []string{"localhost", "s3.localhost", "s3.us-east-1.localhost", "s3.us-east-1.amazonaws.com", "s3.amazonaws.com", "s3.dualstack.us-east-1.amazonaws.com"} {
		c := s3.NewFromConfig(config, func(o *s3.Options) { o.BaseEndpoint, o.HTTPClient = new("http://"+host+":4599"), w.anywhere() })
		w.put(c, "hosted", "a b/"+host, host)
		if got := w.get(c, "hosted", "a b/"+host); got != host {
			t.Errorf("%s: %q", host, got)
		}
		if keys, _ := w.keys(c, &s3.ListObjectsV2Input{Bucket: new("hosted"), Prefix: new("a b/" + host)}); !slices.Contains(keys, "a b/"+host) {
			t.Errorf("%s lists %q", host, keys)
		}
	}
}

func TestAPresignedURLIsEnoughUntilItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "presigned")
	_, config := w.user(owner, "signer", allow("s3:GetObject", "s3:PutObject"))
	p := s3.NewPresignClient(s3Of(config))
	put := need(p.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: new("presigned"), Key: new("k")}))(t)
	if status, body := w.plainly(http.MethodPut, put.URL, "", "by url"); status != http.StatusOK {
		t.Fatalf("putting: %d %s", status, body)
	}
	get := need(p.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: new("presigned"), Key: new("k")}))(t)
	if status, body := w.plainly(http.MethodGet, get.URL, "", ""); status != http.StatusOK || body != "by url" {
		t.Errorf("reading: %d %s", status, body)
	}
	if status, body := w.plainly(http.MethodGet, strings.Replace(get.URL, "/k?", "/other?", 1), "", ""); status != http.StatusForbidden || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("another key: %d %s", status, body)
	}
	short := need(p.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: new("presigned"), Key: new("k")}, func(o *s3.PresignOptions) { o.Expires = time.Second }))(t)
	time.Sleep(1500 * time.Millisecond)
	if status, body := w.plainly(http.MethodGet, short.URL, "", ""); status != http.StatusForbidden || !strings.Contains(body, "Request has expired") {
		t.Errorf("after its end: %d %s", status, body)
	}
	if got := w.get(c, "presigned", "k"); got != "by url" {
		t.Errorf("it is %q", got)
	}
	if status, body := w.plainly(http.MethodGet, w.URL+"/presigned/k?AWSAccessKeyId=a&Expires=1&Signature=x", "", ""); status != http.StatusBadRequest || !strings.Contains(body, "Please use AWS4-HMAC-SHA256.") {
		t.Errorf("signature version 2: %d %s", status, body)
	}
}

// raw puts a body with headers, signed with a hash.
func (w *world) raw(config aws.Config, path, hash, body string, header map[string]string) (int, string) {
	w.Helper()
	r := need(http.NewRequestWithContext(w.Context(), http.MethodPut, w.URL+path, strings.NewReader(body)))(w)
	for name, v := range header {
		r.Header.Set(name, v)
	}
	r.Header.Set("X-Amz-Content-Sha256", hash)
	creds := need(config.Credentials.Retrieve(w.Context()))(w)
	if err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(w.Context(), creds, r, hash, "s3", home, time.Now()); err != nil {
		w.Fatal(err)
	}
	res := need(w.Client().Do(r))(w)
	defer res.Body.Close()
	return res.StatusCode, string(need(io.ReadAll(res.Body))(w))
}

func TestABodyIsHeldAgainstWhatWasSignedAndStated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.bucket(owner, "bodies")
	_, config := w.user(owner, "writer", allow("s3:*"))
	sum := sha256.Sum256([]byte("content"))
	hash := hex.EncodeToString(sum[:])
	const chunked = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	trailer := map[string]string{"X-Amz-Decoded-Content-Length": "7", "X-Amz-Trailer": "x-amz-checksum-crc32", "Content-Encoding": "aws-chunked"}
	for _, x := range []struct{ name, hash, body, length, want string }{
		{"its hash", hash, "content", "", ""},
		{"another hash", hash, "contenT", "", "XAmzContentSHA256Mismatch"},
		{"no hash", "UNSIGNED-PAYLOAD", "content", "", ""},
		{"chunks", chunked, "3\r\ncon\r\n4\r\ntent\r\n0\r\nx-amz-checksum-crc32:B3cD0g==\r\n\r\n", "7", "BadDigest"},
		{"chunks with their checksum", chunked, "3\r\ncon\r\n4\r\ntent\r\n0\r\nx-amz-checksum-crc32:" + crcOf("content") + "\r\n\r\n", "7", ""},
		{"chunks without one", chunked, "3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n", "7", "BadDigest"},
		{"too few bytes", chunked, "3\r\ncon\r\n0\r\nx-amz-checksum-crc32:" + crcOf("con") + "\r\n\r\n", "7", "IncompleteBody"},
		{"too many bytes", chunked, "8\r\ncontentX\r\n0\r\nx-amz-checksum-crc32:" + crcOf("contentX") + "\r\n\r\n", "7", "IncompleteBody"},
		{"no chunks", chunked, "content", "7", "IncompleteBody"},
		{"a chunk of no size", chunked, "x\r\ncontent\r\n", "7", "InvalidRequest"},
		{"a kind that there is not", "STREAMING-NOTHING", "content", "", "InvalidRequest"},
	} {
		header := map[string]string{"Content-Type": "text/plain"}
		if x.length != "" {
			header = trailer
		}
		status, body := w.raw(config, "/bodies/"+strings.ReplaceAll(x.name, " ", "-"), x.hash, x.body, header)
		switch {
		case x.want != "" && (status < 400 || !strings.Contains(body, "<Code>"+x.want+"</Code>")):
			t.Errorf("%s: %d %s", x.name, status, body)
		case x.want == "" && (status != 200 || w.get(c, "bodies", strings.ReplaceAll(x.name, " ", "-")) != "content"):
			t.Errorf("%s: %d %s", x.name, status, body)
		}
	}
	if keys, _ := w.keys(c, &s3.ListObjectsV2Input{Bucket: new("bodies")}); len(keys) != 3 {
		t.Errorf("what was refused left %q", keys)
	}
	large := bytes.Repeat([]byte("x"), 3<<20)
	need(s3Of(config).PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("bodies"), Key: new("large"), Body: bytes.NewReader(large)}))(t) // with Expect: 100-continue
}
