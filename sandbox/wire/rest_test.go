package wire_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html and
// docs.aws.amazon.com/ebs/latest/APIReference/API_Operations.html
func TestARequestNamesItsOperationByMethodPathQueryAndHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct{ service, method, target, header, want string }{
		{"ebs", "POST", "/snapshots", "", "StartSnapshot"},
		{"ebs", "POST", "/snapshots/completion/snap-1", "", "CompleteSnapshot"},
		{"ebs", "GET", "/snapshots/snap-1/blocks", "", "ListSnapshotBlocks"},
		{"ebs", "GET", "/snapshots/snap-1/changedblocks", "", "ListChangedBlocks"},
		{"ebs", "GET", "/snapshots/snap-1/blocks/7?blockToken=t", "", "GetSnapshotBlock"},
		{"ebs", "PUT", "/snapshots/snap-1/blocks/7", "", "PutSnapshotBlock"},
		{"ebs", "GET", "/snapshots//blocks/7", "", ""},
		{"ebs", "DELETE", "/snapshots", "", ""},
		{"ebs", "GET", "/snapshots/snap-1/blocks/7/8", "", ""},
		{"s3", "GET", "/", "", "ListBuckets"},
		{"s3", "GET", "/?x-id=ListDirectoryBuckets", "", "ListDirectoryBuckets"},
		{"s3", "GET", "/b", "", "ListObjects"},
		{"s3", "GET", "/b/", "", "ListObjects"},
		{"s3", "GET", "/b?list-type=2&prefix=p", "", "ListObjectsV2"},
		{"s3", "GET", "/b?list-type=3", "", "ListObjects"},
		{"s3", "GET", "/b?acl", "", "GetBucketAcl"},
		{"s3", "GET", "/b/?acl", "", "GetBucketAcl"},
		{"s3", "GET", "/b/k?acl", "", "GetObjectAcl"},
		{"s3", "GET", "/b?lifecycle", "", "GetBucketLifecycleConfiguration"},
		{"s3", "GET", "/b?analytics", "", "ListBucketAnalyticsConfigurations"},
		{"s3", "GET", "/b?analytics&id=i", "", "GetBucketAnalyticsConfiguration"},
		{"s3", "DELETE", "/b?analytics", "", "DeleteBucketAnalyticsConfiguration"},
		{"s3", "GET", "/b?uploads", "", "ListMultipartUploads"},
		{"s3", "POST", "/b/k?uploads", "", "CreateMultipartUpload"},
		{"s3", "POST", "/b/k?uploadId=u", "", "CompleteMultipartUpload"},
		{"s3", "POST", "/b?delete", "", "DeleteObjects"},
		{"s3", "GET", "/b/k", "", "GetObject"},
		{"s3", "GET", "/b//k/", "", "GetObject"},
		{"s3", "GET", "/b/k?uploadId=u", "", "ListParts"},
		{"s3", "HEAD", "/b", "", "HeadBucket"},
		{"s3", "HEAD", "/b/k", "", "HeadObject"},
		{"s3", "PUT", "/b", "", "CreateBucket"},
		{"s3", "PUT", "/b/k", "", "PutObject"},
		{"s3", "PUT", "/b/k", "X-Amz-Copy-Source", "CopyObject"},
		{"s3", "PUT", "/b/k?partNumber=1&uploadId=u", "", "UploadPart"},
		{"s3", "PUT", "/b/k?partNumber=1&uploadId=u", "X-Amz-Copy-Source", "UploadPartCopy"},
		{"s3", "PUT", "/b/k?encryption", "", "UpdateObjectEncryption"},
		{"s3", "PUT", "/b?encryption", "", "PutBucketEncryption"},
		{"s3", "DELETE", "/b/k", "", "DeleteObject"},
		{"s3", "DELETE", "/b/k?uploadId=u", "", "AbortMultipartUpload"},
		{"s3", "POST", "/WriteGetObjectResponse", "", "WriteGetObjectResponse"},
		{"s3", "PATCH", "/b/k", "", ""},
		{"s3", "GET", "/b/%FF", "", ""},
	}
	codecs := map[string]*wire.Codec{"ebs": codecOf(t, "ebs"), "s3": codecOf(t, "s3")}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, tt.target, nil)
		if tt.header != "" {
			r.Header.Set(tt.header, "/other/key")
		}
		got := ""
		if op := codecs[tt.service].Match(r); op != nil {
			got = op.Name
		}
		if got != tt.want {
			t.Errorf("%s %s %s is %q, want %q", tt.method, tt.target, tt.header, got, tt.want)
		}
	}
	if op := codecOf(t, "kms").Match(httptest.NewRequest("POST", "/", nil)); op != nil {
		t.Errorf("a protocol without paths has found %s", op.Name)
	}
}

// docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
func TestABucketInTheHostIsABucketInThePath(t *testing.T) {
	t.Parallel()
	tests := []struct{ host, target, base, want string }{
		{"b.s3.amazonaws.com", "/k", "s3.amazonaws.com", "/b/k"},
		{"b.s3.amazonaws.com", "/", "s3.amazonaws.com", "/b/"},
		{"my.dotted.bucket.localhost:4566", "/a%2Fb//c", "localhost:1", "/my.dotted.bucket/a%2Fb//c"},
		{"B.S3.AmazonAWS.com", "/k?acl", "s3.amazonaws.com", "/B/k?acl"},
		{"s3.amazonaws.com", "/b/k", "s3.amazonaws.com", "/b/k"},
		{"xs3.amazonaws.com", "/b/k", "s3.amazonaws.com", "/b/k"},
		{".s3.amazonaws.com", "/b/k", "s3.amazonaws.com", "/b/k"},
		{"127.0.0.1:4566", "/b/k", "127.0.0.1:4566", "/b/k"},
		{"[::1]:4566", "/b/k", "[::1]:4566", "/b/k"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", tt.target, nil)
		r.Host = tt.host
		before := r.URL.String()
		if got := wire.PathStyle(r, tt.base).URL.RequestURI(); got != tt.want {
			t.Errorf("%s %s is %s, want %s", tt.host, tt.target, got, tt.want)
		}
		if r.URL.String() != before {
			t.Errorf("the request itself changed to %s", r.URL)
		}
	}
}

func decodeREST(t *testing.T, c *wire.Codec, r *http.Request, body string, into any) error {
	t.Helper()
	op := c.Match(r)
	if op == nil {
		t.Fatalf("%s %s is no operation", r.Method, r.URL)
	}
	return c.Decode(op, r, []byte(body), into)
}

func TestAKeyIsWhatStandsInThePathWhateverItsCharacters(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"/b/k": "k", "/b/a/b": "a/b", "/b/a%2Fb": "a/b", "/b/a%20b": "a b", "/b/a+b": "a+b", "/b//": "/", "/b/%C3%BC": "ü", "/b/..%2F..": "../..", "/b/a/": "a/",
	}
	for target, want := range tests {
		in := &s3.GetObjectInput{}
		if err := decodeREST(t, codecOf(t, "s3"), httptest.NewRequest("GET", target, nil), "", in); err != nil || aws.ToString(in.Key) != want {
			t.Errorf("%s: %q, %v, want %q", target, aws.ToString(in.Key), err, want)
		}
	}
}

func TestAnUploadIsAStreamThatCanGoBack(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("PUT", "/b/k", nil)
	r.Header.Set("X-Amz-Meta-Owner", "me")
	r.Header.Set("X-Amz-Meta-Café", "x")
	r.Header.Set("X-Amz-Meta-", "no name")
	r.Header.Set("Expires", "Tue, 24 Nov 2026 09:30:15 GMT")
	r.Header.Set("X-Amz-Object-Lock-Retain-Until-Date", "2026-11-24T09:30:15.250Z")
	r.Header.Set("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", "true")
	in := &s3.PutObjectInput{}
	if err := decodeREST(t, codecOf(t, "s3"), r, "content", in); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		text, err := io.ReadAll(in.Body)
		if err != nil || string(text) != "content" {
			t.Errorf("%q, %v", text, err)
		}
		if _, err := in.Body.(io.Seeker).Seek(0, io.SeekStart); err != nil {
			t.Error(err)
		}
	}
	at := time.Date(2026, 11, 24, 9, 30, 15, 0, time.UTC)
	if *in.ContentLength != 7 || !in.Expires.Equal(at) || !in.ObjectLockRetainUntilDate.Equal(at.Add(250*time.Millisecond)) || !*in.BucketKeyEnabled {
		t.Errorf("%+v", in)
	}
	if diff := cmp.Diff(map[string]string{"owner": "me", "café": "x"}, in.Metadata); diff != "" {
		t.Error(diff)
	}
	empty := &s3.PutObjectInput{}
	if err := decodeREST(t, codecOf(t, "s3"), httptest.NewRequest("PUT", "/b/k", nil), "", empty); err != nil || empty.Body == nil || empty.ContentLength != nil {
		t.Errorf("an upload without content: %+v, %v", empty, err)
	}
}

func TestWhatCannotBeReadIsRefusedWithTheServicesWord(t *testing.T) {
	t.Parallel()
	const tagging = "/b/k?tagging"
	tests := []struct{ name, service, method, target, body, code string }{
		{"a number in the query", "s3", "GET", "/b?max-keys=many", "", "InvalidArgument"},
		{"a number that is none", "s3", "GET", "/b?max-keys=NaN", "", "InvalidArgument"},
		{"a number of another base", "s3", "GET", "/b?max-keys=0x10", "", "InvalidArgument"},
		{"a number too large for the client", "ebs", "GET", "/snapshots/s/blocks/99999999999?blockToken=t", "", "ValidationException"},
		{"a value that is not in the set", "s3", "GET", "/b?encoding-type=rot13", "", "InvalidArgument"},
		{"a query that is none", "s3", "GET", "/b?prefix=%zz", "", "InvalidArgument"},
		{"an element that is not closed", "s3", "PUT", tagging, "<Tagging><TagSet>", "MalformedXML"},
		{"another document", "s3", "PUT", tagging, "<Delete/>", "MalformedXML"},
		{"two documents", "s3", "PUT", tagging, "<Tagging/><Tagging/>", "MalformedXML"},
		{"text before the document", "s3", "PUT", tagging, "x<Tagging/>", "MalformedXML"},
		{"a document type", "s3", "PUT", tagging, `<!DOCTYPE a [<!ENTITY e "x">]><Tagging/>`, "MalformedXML"},
		{"an entity that is not there", "s3", "PUT", tagging, "<Tagging><TagSet><Tag><Key>&e;</Key></Tag></TagSet></Tagging>", "MalformedXML"},
		{"another encoding", "s3", "PUT", tagging, `<?xml version="1.0" encoding="latin1"?><Tagging/>`, "MalformedXML"},
		{"bytes that are no text", "s3", "PUT", tagging, "<Tagging><TagSet><Tag><Key>\xff</Key></Tag></TagSet></Tagging>", "MalformedXML"},
		{"a number in a document", "s3", "POST", "/b/k?uploadId=u", "<CompleteMultipartUpload><Part><PartNumber>one</PartNumber></Part></CompleteMultipartUpload>", "MalformedXML"},
		{"elements without end", "s3", "PUT", tagging, strings.Repeat("<Tagging>", 100000), "MalformedXML"},
		{"JSON that is none", "ebs", "POST", "/snapshots", "{", "SerializationException"},
		{"a list for an object", "ebs", "POST", "/snapshots", "[]", "SerializationException"},
		{"a list of lists without end", "ebs", "POST", "/snapshots", `{"Tags":` + strings.Repeat("[", 1<<20), "SerializationException"},
		{"a text for a number", "ebs", "POST", "/snapshots", `{"VolumeSize":"1"}`, "SerializationException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := codecOf(t, tt.service)
			r := httptest.NewRequest(tt.method, "/", nil)
			var err error
			if r.URL, err = r.URL.Parse(tt.target); err != nil {
				t.Fatal(err)
			}
			op := c.Match(r)
			err = c.Decode(op, r, []byte(tt.body), inputFor(op.Name))
			var e *wire.Error
			if !errors.As(err, &e) {
				t.Fatalf("%v", err)
			}
			if got := c.AsError(err); got.Code != tt.code || got.Status != http.StatusBadRequest {
				t.Errorf("%+v, want %s", got, tt.code)
			}
		})
	}
}

func inputFor(operation string) any {
	return map[string]any{
		"ListObjects": &s3.ListObjectsInput{}, "PutObjectTagging": &s3.PutObjectTaggingInput{},
		"CompleteMultipartUpload": &s3.CompleteMultipartUploadInput{}, "StartSnapshot": &ebs.StartSnapshotInput{}, "GetSnapshotBlock": &ebs.GetSnapshotBlockInput{},
	}[operation]
}

func TestADocumentOfS3HasItsNameItsNamespaceAndItsAttributes(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 11, 24, 9, 30, 15, 0, time.UTC)
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	const space = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
	tests := []struct {
		operation string
		out       any
		want      string
	}{
		{"ListBuckets", &s3.ListBucketsOutput{Buckets: []types.Bucket{{Name: aws.String("a&b"), CreationDate: &when}}},
			head + "<ListAllMyBucketsResult" + space + "><Buckets><Bucket><Name>a&amp;b</Name><CreationDate>2026-11-24T09:30:15.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>"},
		{"ListObjectsV2", &s3.ListObjectsV2Output{Contents: []types.Object{{Key: aws.String("k")}, {Key: aws.String("l")}}},
			head + "<ListBucketResult" + space + "><Contents><Key>k</Key></Contents><Contents><Key>l</Key></Contents></ListBucketResult>"},
		{"GetBucketLocation", &s3.GetBucketLocationOutput{LocationConstraint: types.BucketLocationConstraintEuWest1},
			head + "<LocationConstraint" + space + ">eu-west-1</LocationConstraint>"},
		{"GetBucketLocation", &s3.GetBucketLocationOutput{}, head + "<LocationConstraint" + space + "></LocationConstraint>"},
		{"GetBucketAcl", &s3.GetBucketAclOutput{Grants: []types.Grant{{Grantee: &types.Grantee{Type: types.TypeCanonicalUser, ID: aws.String("i")}}}},
			head + "<AccessControlPolicy" + space + `><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>i</ID></Grantee></Grant></AccessControlList></AccessControlPolicy>`},
		{"GetBucketPolicy", &s3.GetBucketPolicyOutput{Policy: aws.String(`{"Version":"2012-10-17"}`)}, `{"Version":"2012-10-17"}`},
		{"DeleteObject", &s3.DeleteObjectOutput{}, ""},
	}
	codec := codecOf(t, "s3")
	for _, tt := range tests {
		res, err := codec.Encode(codec.API().Operation(tt.operation), tt.out, requestID)
		if err != nil {
			t.Fatal(err)
		}
		if string(res.Body) != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.operation, res.Body, tt.want)
		}
		if tt.want == "" && (res.Status != http.StatusNoContent || res.Header.Get("Content-Type") != "") {
			t.Errorf("%s: %d %v", tt.operation, res.Status, res.Header)
		}
		if res.Header.Get("X-Amz-Request-Id") != requestID {
			t.Errorf("%s: %v", tt.operation, res.Header)
		}
	}
}

// probe has what no operation of EBS or S3 has.
type probe struct {
	Params map[string]string
	Tags   []string
	When   *time.Time
	Names  []string
	Code   *int32
	Note   *string
}

func probeAPI() *awsfacts.API {
	text, number, at := &awsfacts.Shape{Name: "Text", Type: "string"}, &awsfacts.Shape{Name: "Number", Type: "integer"}, &awsfacts.Shape{Name: "Time", Type: "timestamp"}
	list := &awsfacts.Shape{Name: "Texts", Type: "list", Elem: &awsfacts.Member{Shape: text}}
	params := &awsfacts.Shape{Name: "Params", Type: "map", Key: &awsfacts.Member{Shape: text}, Value: &awsfacts.Member{Shape: text}}
	s := &awsfacts.Shape{Name: "Probe", Type: "structure", Members: []*awsfacts.Member{
		{Name: "Params", Shape: params, Location: "querystring"},
		{Name: "Tags", Shape: list, Location: "querystring", LocationName: "tag"},
		{Name: "When", Shape: at, Location: "querystring", LocationName: "when"},
		{Name: "Names", Shape: list, Location: "header", LocationName: "X-Names"},
		{Name: "Code", Shape: number, Location: "statusCode"},
		{Name: "Note", Shape: text, LocationName: "theNote"},
	}}
	op := &awsfacts.APIOperation{Name: "Probe", Method: "POST", URI: "/probe", Status: 200, Input: s, Output: s}
	return &awsfacts.API{Service: "probe", Protocol: "rest-json", Operations: map[string]*awsfacts.APIOperation{"Probe": op}}
}

// smithy.io/2.0/spec/http-bindings.html
func TestMapsListsAndTimesStandInQueriesAndHeaders(t *testing.T) {
	t.Parallel()
	c := wire.New(probeAPI())
	r := httptest.NewRequest("POST", "/probe?tag=a&tag=b&when=2026-11-24T09:30:15Z&other=c", nil)
	r.Header.Add("X-Names", `plain, "with, comma"`)
	r.Header.Add("X-Names", `"with \"quotes\""`)
	got := &probe{}
	if err := decodeREST(t, c, r, `{"theNote":"n","Note":"not this","Code":9,"When":1}`, got); err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 11, 24, 9, 30, 15, 0, time.UTC)
	want := &probe{
		Params: map[string]string{"tag": "a", "when": "2026-11-24T09:30:15Z", "other": "c"}, Tags: []string{"a", "b"}, When: &when,
		Names: []string{"plain", "with, comma", `with "quotes"`}, Note: aws.String("n"),
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	res, err := c.Encode(c.API().Operation("Probe"), &probe{Names: want.Names, Code: aws.Int32(202), Note: aws.String("n")}, requestID)
	if err != nil {
		t.Fatal(err)
	}
	if res.Status != 202 || res.Header.Get("X-Names") != `plain,"with, comma","with \"quotes\""` || string(res.Body) != `{"theNote":"n"}` {
		t.Errorf("%d %v %s", res.Status, res.Header, res.Body)
	}
}
