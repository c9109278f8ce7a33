package wire_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/wire"
)

const (
	bucketHost = "s3.us-east-1.amazonaws.com"
	// goldenBucket is the one of the golden requests. They were kept before the SDK
	// puts the bucket into host or path, so here it is part of the host.
	goldenBucket = "__Bucket__"
)

// newer are the operations that the SDK has and the table of S3 does not.
var newer = []string{
	"DeleteObjectAnnotation", "GetObjectAnnotation", "ListObjectAnnotations", "PutObjectAnnotation",
	"UpdateBucketMetadataAnnotationTableConfiguration",
}

// bucketless operations go to a host without a bucket.
var bucketless = []string{"ListBuckets", "ListDirectoryBuckets", "WriteGetObjectResponse"}

func codecOf(t testing.TB, service string, unions ...any) *wire.Codec {
	t.Helper()
	api, ok := awsfacts.LookupAPI(service)
	if !ok {
		t.Fatalf("there is no table of %s", service)
	}
	return wire.New(api, unions...)
}

func s3Codec(t testing.TB) *wire.Codec {
	return codecOf(t, "s3", &types.ObjectEncryptionMemberSSEKMS{},
		&types.AnalyticsFilterMemberAnd{}, &types.AnalyticsFilterMemberPrefix{}, &types.AnalyticsFilterMemberTag{},
		&types.MetricsFilterMemberAccessPointArn{}, &types.MetricsFilterMemberAnd{}, &types.MetricsFilterMemberPrefix{}, &types.MetricsFilterMemberTag{})
}

// golden is a request as the SDK's own tests keep it.
type golden struct {
	method, target, host string
	header               http.Header
	body                 string
}

func readGolden(t *testing.T, path string) golden {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(text), "\n\n", 3)
	g := golden{header: http.Header{}}
	g.method, g.target, _ = strings.Cut(parts[0], " ")
	if len(parts) == 3 {
		g.body = parts[2]
	} else {
		parts[1] = strings.TrimSuffix(parts[1], "\n")
	}
	for line := range strings.SplitSeq(parts[1], "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			g.header.Add(name, value)
		}
	}
	return g
}

func (g golden) request() *http.Request {
	r := httptest.NewRequest(g.method, g.target, strings.NewReader(g.body))
	r.Header, r.Host = g.header, g.host
	return r
}

// captured sends nothing: it keeps what would have been sent.
type captured struct{ last golden }

func (c *captured) Do(q *http.Request) (*http.Response, error) {
	c.last = golden{method: q.Method, target: q.URL.RequestURI(), host: q.URL.Host, header: q.Header}
	if q.Body != nil {
		text, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		c.last.body = string(text)
	}
	return nil, errors.New("kept")
}

func quietConfig(client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region: "us-east-1", HTTPClient: client, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			_, _ = stack.Initialize.Remove("OperationInputValidation") // some operations have none
			return nil
		}},
	}
}

// signed are headers that come with sending, and that the golden requests, which
// were kept before that, do not have.
var signed = []string{
	"Accept-Encoding", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "Authorization", "Content-Length", "Expect", "User-Agent",
	"X-Amz-Content-Sha256", "X-Amz-Date",
}

// comparable is a request in a form that depends neither on the order of the query
// nor on that of JSON members.
func (g golden) comparable(t *testing.T) map[string]any {
	t.Helper()
	u, err := url.Parse(g.target)
	if err != nil {
		t.Fatal(err)
	}
	header := g.header.Clone()
	for _, name := range signed {
		header.Del(name)
	}
	// Where an operation needs a checksum and the input gives none, the client adds
	// one of its own after the place where the golden request was kept.
	if algorithm := header.Get("X-Amz-Sdk-Checksum-Algorithm"); algorithm != "" {
		header.Del("X-Amz-Checksum-" + algorithm)
	}
	var body any = g.body
	if strings.Contains(g.header.Get("Content-Type"), "json") {
		_ = json.Unmarshal([]byte(g.body), &body) // what is no JSON stays text
	}
	return map[string]any{"method": g.method, "path": "/" + strings.TrimPrefix(u.EscapedPath(), "/"), "query": u.Query(), "header": header, "body": body}
}

// The SDK's modules hold one request for every operation, with every member set.
// Each has to be recognised, to go into the Input struct without loss, and to come
// out of the SDK's client as it was.
func TestTheGoldenRequestsOfTheSDKDecodeAndEncodeBackToTheSame(t *testing.T) {
	t.Parallel()
	kept := &captured{}
	services := []struct {
		name   string
		codec  *wire.Codec
		client any
		want   int
	}{
		{"ebs", codecOf(t, "ebs"), ebs.NewFromConfig(quietConfig(kept)), 6},
		{"s3", s3Codec(t), s3.NewFromConfig(quietConfig(kept)), 106},
	}
	for _, service := range services {
		paths, err := filepath.Glob(filepath.Join(moduleDir(t, service.name), "request_snapshot", "*.request.snap"))
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, path := range paths {
			operation, _, _ := strings.Cut(filepath.Base(path), ".")
			known := service.codec.API().Operation(operation) != nil
			if known == slices.Contains(newer, operation) {
				t.Errorf("%s:%s in the table: %t", service.name, operation, known)
			}
			if !known {
				continue
			}
			seen++
			t.Run(service.name+":"+operation, func(t *testing.T) {
				want := readGolden(t, path)
				in := decodeGolden(t, service.codec, service.client, operation, want)
				got := again(t, service.client, kept, operation, in)
				if service.name == "s3" && !slices.Contains(bucketless, operation) && !strings.HasPrefix(got.host, goldenBucket+".") {
					got.target = strings.TrimPrefix(got.target, "/"+goldenBucket) // no name for a host
				}
				if diff := cmp.Diff(want.comparable(t), got.comparable(t)); diff != "" {
					t.Errorf("-golden +decoded and encoded again\n%s", diff)
				}
			})
		}
		if seen != service.want {
			t.Errorf("%d golden requests of %s, want %d", seen, service.name, service.want)
		}
	}
}

func decodeGolden(t *testing.T, c *wire.Codec, client any, operation string, g golden) any {
	t.Helper()
	g.host = "ebs.us-east-1.amazonaws.com"
	if c.API().Service == "s3" {
		g.host = bucketHost
		if !slices.Contains(bucketless, operation) {
			g.host = goldenBucket + "." + bucketHost
		}
	}
	r := wire.PathStyle(g.request(), bucketHost)
	op := c.Match(r)
	if op == nil || op.Name != operation {
		t.Fatalf("%s %s is taken for %+v", g.method, g.target, op)
	}
	in := reflect.New(inputOf(client, operation)).Interface()
	if err := c.Fill(op, r, []byte(g.body), in); err != nil {
		t.Fatal(err)
	}
	return in
}

// inputOf is the Input struct of an operation, from the method of the client.
func inputOf(client any, operation string) reflect.Type {
	return reflect.ValueOf(client).MethodByName(operation).Type().In(1).Elem()
}

// again has the SDK write a request for an input.
func again(t *testing.T, client any, kept *captured, operation string, in any) golden {
	t.Helper()
	kept.last = golden{}
	out := reflect.ValueOf(client).MethodByName(operation).Call([]reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(in)})
	if kept.last.method == "" {
		t.Fatalf("the SDK sends nothing: %v", out[1])
	}
	return kept.last
}

func moduleDir(t *testing.T, service string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+service).Output()
	if err != nil {
		t.Fatalf("finding the SDK's module for %s: %v", service, err)
	}
	return strings.TrimSpace(string(out))
}
