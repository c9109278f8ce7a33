package wire_test

import (
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/internal/golden"
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

// signed are headers that come with sending, and that the golden requests, which
// were kept before that, do not have.
var signed = []string{
	"Accept-Encoding", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "Authorization", "Content-Length", "Expect", "User-Agent",
	"X-Amz-Content-Sha256", "X-Amz-Date",
}

// comparable is a request in a form that depends neither on the order of the query
// nor on that of JSON members.
func comparable(t *testing.T, g golden.Message) map[string]any {
	t.Helper()
	u, err := url.Parse(g.Target)
	if err != nil {
		t.Fatal(err)
	}
	header := g.Header.Clone()
	for _, name := range signed {
		header.Del(name)
	}
	// Where an operation needs a checksum and the input gives none, the client adds
	// one of its own after the place where the golden request was kept.
	if algorithm := header.Get("X-Amz-Sdk-Checksum-Algorithm"); algorithm != "" {
		header.Del("X-Amz-Checksum-" + algorithm)
	}
	return map[string]any{"method": g.Method, "path": "/" + strings.TrimPrefix(u.EscapedPath(), "/"), "query": u.Query(), "header": header, "body": g.Content()}
}

// The SDK's modules hold one request for every operation, with every member set.
// Each has to be recognised, to go into the Input struct without loss, and to come
// out of the SDK's client as it was.
func TestTheGoldenRequestsOfTheSDKDecodeAndEncodeBackToTheSame(t *testing.T) {
	t.Parallel()
	kept := &golden.Kept{}
	services := []struct {
		name   string
		codec  *wire.Codec
		client any
		want   int
	}{
		{"ebs", codecOf(t, "ebs"), ebs.NewFromConfig(golden.Config(kept)), 6},
		{"s3", s3Codec(t), s3.NewFromConfig(golden.Config(kept)), 106},
	}
	for _, service := range services {
		paths, err := filepath.Glob(filepath.Join(golden.ModuleDir(t, service.name), "request_snapshot", "*.request.snap"))
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
				want := golden.ReadRequest(t, path)
				in := decodeGolden(t, service.codec, service.client, operation, want)
				got := kept.Again(t, service.client, operation, in)
				if service.name == "s3" && !slices.Contains(bucketless, operation) && !strings.HasPrefix(got.Host, goldenBucket+".") {
					got.Target = strings.TrimPrefix(got.Target, "/"+goldenBucket) // no name for a host
				}
				if diff := cmp.Diff(comparable(t, want), comparable(t, got)); diff != "" {
					t.Errorf("-golden +decoded and encoded again\n%s", diff)
				}
			})
		}
		if seen != service.want {
			t.Errorf("%d golden requests of %s, want %d", seen, service.name, service.want)
		}
	}
}

func decodeGolden(t *testing.T, c *wire.Codec, client any, operation string, g golden.Message) any {
	t.Helper()
	g.Host = "ebs.us-east-1.amazonaws.com"
	if c.API().Service == "s3" {
		g.Host = bucketHost
		if !slices.Contains(bucketless, operation) {
			g.Host = goldenBucket + "." + bucketHost
		}
	}
	r := wire.PathStyle(g.HTTP(), bucketHost)
	op := c.Match(r)
	if op == nil || op.Name != operation {
		t.Fatalf("%s %s is taken for %+v", g.Method, g.Target, op)
	}
	in := reflect.New(inputOf(client, operation)).Interface()
	if err := c.Fill(op, r, []byte(g.Body), in); err != nil {
		t.Fatal(err)
	}
	return in
}

// inputOf is the Input struct of an operation, from the method of the client.
func inputOf(client any, operation string) reflect.Type {
	return reflect.ValueOf(client).MethodByName(operation).Type().In(1).Elem()
}
