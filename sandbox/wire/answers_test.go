package wire_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	ebstypes "github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/keyreach/keyreach/internal/golden"
	"github.com/keyreach/keyreach/sandbox/wire"
)

const requestID = "11111111-2222-3333-4444-555555555555"

// answering is a server in the place of the network: it gives one answer.
type answering struct{ res *wire.Response }

func (a *answering) Do(q *http.Request) (*http.Response, error) {
	if q.Body != nil {
		_, _ = io.Copy(io.Discard, q.Body)
	}
	body := io.NopCloser(bytes.NewReader(a.res.Body))
	length := int64(len(a.res.Body))
	if a.res.Stream != nil {
		body, length = a.res.Stream, -1
	}
	return &http.Response{StatusCode: a.res.Status, Header: a.res.Header.Clone(), Body: body, ContentLength: length, Request: q}, nil
}

func clientsOf(server aws.HTTPClient) map[string]any {
	config := golden.Config(server)
	config.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	return map[string]any{
		"cloudtrail": cloudtrail.NewFromConfig(config), "ebs": ebs.NewFromConfig(config), "iam": iam.NewFromConfig(config),
		"kms": kms.NewFromConfig(config), "organizations": organizations.NewFromConfig(config),
		"s3": s3.NewFromConfig(config), "sts": sts.NewFromConfig(config),
	}
}

// filled makes a value with every member set, down to a depth that ends types that
// have themselves as members.
func filled(v reflect.Value, depth int) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 11, 24, 9, 30, 15, 0, time.UTC)))
		return
	case v.Type() == reflect.TypeFor[io.ReadCloser]() || v.Type() == reflect.TypeFor[io.Reader]():
		v.Set(reflect.ValueOf(io.NopCloser(strings.NewReader("content"))))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			filled(v.Elem(), depth)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && f.Name != "ResultMetadata" && f.Name != "ExpiresString" {
				filled(v.Field(i), depth-1)
			}
		}
	case reflect.Slice:
		if depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			filled(v.Index(0), depth)
			filled(v.Index(1), depth)
		}
	case reflect.Map:
		if depth > 0 {
			value := reflect.New(v.Type().Elem()).Elem()
			filled(value, depth)
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), value)
		}
	case reflect.String:
		v.SetString("text")
		if v.Type() == reflect.TypeFor[s3types.ChecksumAlgorithm]() {
			v.SetString("CRC32") // the client has to know how to compute it
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint('b')
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Interface:
		// Unions: nothing leads from the interface to its members.
	}
}

// sameMembers compares structs by the members that AWS's models have.
func sameMembers() cmp.Option {
	return cmp.Options{
		cmp.FilterPath(func(p cmp.Path) bool {
			f, ok := p.Last().(cmp.StructField)
			return ok && (f.Name() == "ResultMetadata" || f.Name() == "ExpiresString" || unicode.IsLower(rune(f.Name()[0])))
		}, cmp.Ignore()),
		cmp.Comparer(func(a, b io.ReadCloser) bool { return readAgain(a) == readAgain(b) }),
	}
}

func readAgain(r io.ReadCloser) string {
	if r == nil {
		return "nothing"
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Every operation's Output struct, with all of its members set, is written and
// read again by the SDK's client.
func TestAnswersReachTheClientWithoutLoss(t *testing.T) {
	t.Parallel()
	server := &answering{}
	// SelectObjectContent answers a stream of events, which the codec does not write.
	left := []string{"SelectObjectContent"}
	want := map[string]int{"cloudtrail": 60, "ebs": 6, "iam": 176, "kms": 56, "organizations": 63, "s3": 106, "sts": 11}
	for service, client := range clientsOf(server) {
		codec := codecOf(t, service)
		if service == "s3" {
			codec = s3Codec(t)
		}
		seen := 0
		for name, op := range codec.API().Operations {
			method := reflect.ValueOf(client).MethodByName(name)
			if !method.IsValid() || slices.Contains(left, name) {
				continue
			}
			seen++
			t.Run(service+":"+name, func(t *testing.T) {
				in := reflect.New(inputOf(client, name))
				filled(in.Elem(), 8)
				sent, expected := reflect.New(method.Type().Out(0).Elem()), reflect.New(method.Type().Out(0).Elem())
				filled(sent.Elem(), 8)
				filled(expected.Elem(), 8)
				res, err := codec.Encode(op, sent.Interface(), requestID)
				if err != nil {
					t.Fatal(err)
				}
				server.res = res
				out := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
				if err, ok := out[1].Interface().(error); ok {
					t.Fatalf("%v\n%d %v\n%s", err, res.Status, res.Header, res.Body)
				}
				if diff := cmp.Diff(expected.Interface(), out[0].Interface(), sameMembers()); diff != "" {
					t.Errorf("-answered +arrived\n%s\n%s", diff, res.Body)
				}
			})
		}
		if seen != want[service] {
			t.Errorf("%d operations of %s, want %d", seen, service, want[service])
		}
	}
}

// Every exception that a model has reaches the client with its code, text and
// status.
func TestErrorsReachTheClientAsTheModelHasThem(t *testing.T) {
	t.Parallel()
	server := &answering{}
	for service, client := range clientsOf(server) {
		codec := codecOf(t, service)
		for name, op := range codec.API().Operations {
			method := reflect.ValueOf(client).MethodByName(name)
			if !method.IsValid() || op.Method == http.MethodHead || len(op.Errors) == 0 {
				continue // to HEAD there is no body that could say more than the status
			}
			for _, e := range op.Errors {
				code := e.Code
				if code == "" {
					code = e.Name
				}
				t.Run(service+":"+name+"/"+code, func(t *testing.T) {
					server.res = codec.EncodeError(wire.Refuse(code, "No & <why>."), requestID)
					if e.Status != 0 && server.res.Status != e.Status {
						t.Errorf("the status is %d, want %d", server.res.Status, e.Status)
					}
					in := reflect.New(inputOf(client, name))
					filled(in.Elem(), 8)
					out := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
					err, _ := out[1].Interface().(error)
					var api smithy.APIError
					if !errors.As(err, &api) || api.ErrorMessage() != "No & <why>." {
						t.Fatalf("%T %v\n%s", api, err, server.res.Body)
					}
					if api.ErrorCode() != code && api.ErrorCode() != e.Name {
						t.Errorf("the code is %s, want %s", api.ErrorCode(), code)
					}
				})
			}
		}
	}
}

func TestAnErrorOfTheEBSAPICarriesItsReason(t *testing.T) {
	t.Parallel()
	server := &answering{res: codecOf(t, "ebs").EncodeError(&wire.Error{
		Code: "ResourceNotFoundException", Message: "gone", Fields: map[string]string{"Reason": "SNAPSHOT_NOT_FOUND"},
	}, requestID)}
	if got := server.res.Header.Get("X-Amzn-Errortype"); got != "ResourceNotFoundException" || server.res.Status != http.StatusNotFound {
		t.Errorf("%d, type %q", server.res.Status, got)
	}
	client := clientsOf(server)["ebs"].(*ebs.Client)
	_, err := client.CompleteSnapshot(t.Context(), &ebs.CompleteSnapshotInput{SnapshotId: aws.String("s"), ChangedBlocksCount: aws.Int32(1)})
	var gone *ebstypes.ResourceNotFoundException
	if !errors.As(err, &gone) || gone.Reason != ebstypes.ResourceNotFoundExceptionReasonSnapshotNotFound || gone.ErrorMessage() != "gone" {
		t.Errorf("%v\n%s", err, server.res.Body)
	}
}

func TestAnErrorOfS3HasNoElementAroundItAndBothNumbers(t *testing.T) {
	t.Parallel()
	server := &answering{res: codecOf(t, "s3").EncodeError(&wire.Error{
		Code: "NoSuchKey", Message: "The specified key does not exist.", Status: http.StatusNotFound, Fields: map[string]string{"Key": "a&b"},
	}, requestID)}
	body := string(server.res.Body)
	if !strings.Contains(body, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&amp;b</Key><RequestId>"+requestID+"</RequestId><HostId>") {
		t.Error(body)
	}
	client := clientsOf(server)["s3"].(*s3.Client)
	_, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key")})
	var missing *s3types.NoSuchKey
	var numbers s3.ResponseError
	if !errors.As(err, &missing) || missing.ErrorMessage() != "The specified key does not exist." {
		t.Errorf("%v", err)
	}
	if !errors.As(err, &numbers) || numbers.ServiceRequestID() != requestID || numbers.ServiceHostID() == "" {
		t.Errorf("%v", err)
	}
}

// The SDK's module for EBS has the answers that its own tests read. Ours are the
// same to the client, whatever the order and the spelling of the error's type.
func TestGoldenAnswersOfTheSDKAreOurs(t *testing.T) {
	t.Parallel()
	codec := codecOf(t, "ebs")
	when := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	outputs := map[string]any{
		"CompleteSnapshot": &ebs.CompleteSnapshotOutput{Status: ebstypes.StatusCompleted},
		"GetSnapshotBlock": &ebs.GetSnapshotBlockOutput{
			BlockData: io.NopCloser(strings.NewReader("__BlockData__")), Checksum: aws.String("__Checksum__"),
			ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256, DataLength: aws.Int32(1),
		},
		"ListSnapshotBlocks": &ebs.ListSnapshotBlocksOutput{
			BlockSize: aws.Int32(1), ExpiryTime: &when, NextToken: aws.String("__NextToken__"), VolumeSize: aws.Int64(1),
			Blocks: []ebstypes.Block{{BlockIndex: aws.Int32(1), BlockToken: aws.String("__BlockToken__")}, {BlockIndex: aws.Int32(1), BlockToken: aws.String("__BlockToken__")}},
		},
		"PutSnapshotBlock": &ebs.PutSnapshotBlockOutput{Checksum: aws.String("__Checksum__"), ChecksumAlgorithm: ebstypes.ChecksumAlgorithmChecksumAlgorithmSha256},
	}
	for name, out := range outputs {
		want := golden.ReadAnswer(t, "ebs", name)
		res, err := codec.Encode(codec.API().Operation(name), out, requestID)
		if err != nil {
			t.Fatal(err)
		}
		res.Header.Del("X-Amzn-Requestid")
		if res.Stream != nil {
			if res.Body, err = io.ReadAll(res.Stream); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want.Header, res.Header); diff != "" {
			t.Errorf("%s: -golden +ours\n%s", name, diff)
		}
		if diff := cmp.Diff(want.Content(), golden.Message{Header: res.Header, Body: string(res.Body)}.Content()); diff != "" {
			t.Errorf("%s: -golden +ours\n%s", name, diff)
		}
	}
}
