package sandboxtest_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

const account, region = "111122223333", "us-east-1"

// oneOfEach is a call that writes of each protocol.
func oneOfEach(ctx context.Context, c aws.Config) map[string]struct {
	call sandboxtest.Call
	do   func() error
} {
	type one = struct {
		call sandboxtest.Call
		do   func() error
	}
	return map[string]one{
		"json": {sandboxtest.Call{Service: "kms", Operation: "CreateKey"}, func() error { return second(kms.NewFromConfig(c).CreateKey(ctx, &kms.CreateKeyInput{})) }},
		"query": {sandboxtest.Call{Service: "iam", Operation: "CreateUser"}, func() error {
			return second(iam.NewFromConfig(c).CreateUser(ctx, &iam.CreateUserInput{UserName: new("u")}))
		}},
		"ec2": {sandboxtest.Call{Service: "ec2", Operation: "CreateVolume"}, func() error {
			return second(ec2.NewFromConfig(c).CreateVolume(ctx, &ec2.CreateVolumeInput{AvailabilityZone: new(region + "a"), Size: new(int32(1))}))
		}},
		"rest-json": {sandboxtest.Call{Service: "drs", Operation: "InitializeService"}, func() error {
			return second(drs.NewFromConfig(c).InitializeService(ctx, &drs.InitializeServiceInput{}))
		}},
		"rest-xml": {sandboxtest.Call{Service: "s3", Operation: "CreateBucket"}, func() error {
			return second(s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: new("a-bucket")}))
		}},
	}
}

func second[T any](_ T, err error) error { return err }

// made reports whether a call of oneOfEach was performed.
func made(ctx context.Context, c aws.Config, protocol string) (bool, error) {
	switch protocol {
	case "json":
		out, err := kms.NewFromConfig(c).ListKeys(ctx, &kms.ListKeysInput{})
		return err == nil && len(out.Keys) > 0, err
	case "query":
		out, err := iam.NewFromConfig(c).ListUsers(ctx, &iam.ListUsersInput{})
		return err == nil && len(out.Users) > 0, err
	case "ec2":
		out, err := ec2.NewFromConfig(c).DescribeVolumes(ctx, &ec2.DescribeVolumesInput{})
		return err == nil && len(out.Volumes) > 0, err
	case "rest-json":
		_, err := drs.NewFromConfig(c).DescribeSourceServers(ctx, &drs.DescribeSourceServersInput{})
		if err != nil && strings.Contains(err.Error(), "UninitializedAccountException") {
			return false, nil
		}
		return err == nil, err
	}
	out, err := s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }).ListBuckets(ctx, &s3.ListBucketsInput{})
	return err == nil && len(out.Buckets) > 0, err
}

// The codes and statuses that clients of each protocol see.
func TestACallFailsInTheFormOfItsProtocol(t *testing.T) {
	t.Parallel()
	type seen struct {
		code   string
		status int
	}
	for protocol, wants := range map[string]map[sandboxtest.Fault]seen{
		"json": {
			sandboxtest.Throttled: {"ThrottlingException", 400}, sandboxtest.InternalError: {"InternalFailure", 500},
			sandboxtest.ExpiredToken: {"ExpiredTokenException", 400}, sandboxtest.AccessDenied: {"AccessDeniedException", 400},
		},
		"query": {
			sandboxtest.Throttled: {"Throttling", 400}, sandboxtest.InternalError: {"InternalFailure", 500},
			sandboxtest.ExpiredToken: {"ExpiredToken", 403}, sandboxtest.AccessDenied: {"AccessDenied", 403},
		},
		"ec2": {
			sandboxtest.Throttled: {"RequestLimitExceeded", 503}, sandboxtest.InternalError: {"InternalError", 500},
			sandboxtest.ExpiredToken: {"ExpiredToken", 403}, sandboxtest.AccessDenied: {"UnauthorizedOperation", 403},
		},
		"rest-json": {
			sandboxtest.Throttled: {"ThrottlingException", 429}, sandboxtest.InternalError: {"InternalFailure", 500},
			sandboxtest.ExpiredToken: {"ExpiredTokenException", 400}, sandboxtest.AccessDenied: {"AccessDeniedException", 403},
		},
		"rest-xml": {
			sandboxtest.Throttled: {"SlowDown", 503}, sandboxtest.InternalError: {"InternalError", 500},
			sandboxtest.ExpiredToken: {"ExpiredToken", 400}, sandboxtest.AccessDenied: {"AccessDenied", 403},
		},
	} {
		for fault, want := range wants {
			t.Run(protocol+" "+want.code, func(t *testing.T) {
				t.Parallel()
				s, f := sandboxtest.StartFaulty(t, sandbox.Options{})
				c := s.Root(account, region)
				one := oneOfEach(t.Context(), c)[protocol]
				f.At(1, fault)
				err := one.do()
				var e smithy.APIError
				var res *awshttp.ResponseError
				if !errors.As(err, &e) || !errors.As(err, &res) || e.ErrorCode() != want.code || res.HTTPStatusCode() != want.status {
					t.Fatalf("got %v, want %s with %d", err, want.code, want.status)
				}
				if is, err := made(t.Context(), c, protocol); is || err != nil {
					t.Errorf("it was performed: %v, %v", is, err)
				}
				if err := one.do(); err != nil {
					t.Errorf("the next: %v", err)
				}
				if calls := f.Calls(); f.Count() != 3 || calls[0] != one.call || calls[2] != one.call {
					t.Errorf("the calls are %v", calls)
				}
			})
		}
	}
}

func TestACallWhoseResponseIsLostWasPerformed(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"json", "query", "ec2", "rest-json", "rest-xml"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s, f := sandboxtest.StartFaulty(t, sandbox.Options{})
			c := s.Root(account, region)
			one := oneOfEach(t.Context(), c)[protocol]
			f.On(sandboxtest.Is(one.call.Service, one.call.Operation), 1, sandboxtest.LostResponse)
			err := one.do()
			var e smithy.APIError
			if err == nil || errors.As(err, &e) && e.ErrorCode() != "" && !strings.Contains(err.Error(), "EOF") {
				t.Fatalf("got %v, want an answer that never came", err)
			}
			if is, err := made(t.Context(), c, protocol); !is || err != nil {
				t.Errorf("it was not performed: %v", err)
			}
		})
	}
}

// An SDK that may try again does, and sees the answer of the time after.
func TestASDKTriesAgainWhatWasThrottled(t *testing.T) {
	t.Parallel()
	s, f := sandboxtest.StartFaulty(t, sandbox.Options{})
	c := s.Root(account, region)
	c.RetryMaxAttempts = 3
	f.On(sandboxtest.Is("kms", "ListKeys"), 1, sandboxtest.Throttled)
	if _, err := kms.NewFromConfig(c).ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil {
		t.Fatal(err)
	}
	if n := f.Count(); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

func TestAnotherWriterComesBetweenTwoCalls(t *testing.T) {
	t.Parallel()
	s, f := sandboxtest.StartFaulty(t, sandbox.Options{})
	i := iam.NewFromConfig(s.Root(account, region))
	other := s.Client()
	var order []string
	say := func(what string) func() {
		return func() { order = append(order, what) } // the client waits meanwhile
	}
	f.Before(1, say("before the first"))
	f.After(1, say("after the first"))
	f.AfterNext(sandboxtest.Is("iam", "CreateUser"), func() {
		res, err := other.Post(s.URL+"/_keyreach/clock", "application/json", strings.NewReader(`{"advance":"1h"}`))
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("moving the clock: %v", err)
			return
		}
		_ = res.Body.Close()
	})
	f.BeforeNext(sandboxtest.Is("iam", "ListUsers"), say("before the list"))
	before := s.Now()
	for range 2 {
		if _, err := i.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := i.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new("u")})
	if err != nil || *out.User.UserName != "u" {
		t.Fatalf("%+v, %v", out, err)
	}
	if moved := s.Now().Sub(before); moved < time.Hour {
		t.Errorf("the clock moved by %s", moved)
	}
	if _, err := i.ListUsers(t.Context(), &iam.ListUsersInput{}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"before the first", "after the first", "before the list"}; !slices.Equal(order, want) {
		t.Errorf("the order is %q", order)
	}
	if n := f.Count(); n != 4 { // the clock is no call of AWS's
		t.Errorf("%d calls: %v", n, f.Calls())
	}
	f.Clear()
	f.On(func(sandboxtest.Call) bool { return true }, -1, sandboxtest.InternalError)
	for range 3 {
		if _, err := i.ListUsers(t.Context(), &iam.ListUsersInput{}); err == nil {
			t.Error("a fault for ever came to an end")
		}
	}
	if n := f.Count(); n != 3 {
		t.Errorf("after Clear %d calls", n)
	}
}

// Bodies get to the service as they were sent, streams too.
func TestAServerWithoutFaultsIsAsAnyOther(t *testing.T) {
	t.Parallel()
	s, f := sandboxtest.StartFaulty(t, sandbox.Options{})
	c := s3.NewFromConfig(s.Root(account, region), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("a-bucket")}); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 3<<20)
	f.AfterNext(sandboxtest.Is("s3", "PutObject"), func() {})
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new("a-bucket"), Key: new("k"), Body: strings.NewReader(text)}); err != nil {
		t.Fatal(err)
	}
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: new("a-bucket"), Key: new("k")})
	if err != nil || *head.ContentLength != int64(len(text)) {
		t.Errorf("the object is %+v, %v", head, err)
	}
	if _, _, ok := s.Operation(newRequest(t, s.URL+"/_keyreach/health")); ok {
		t.Error("one of the sandbox's own endpoints is taken for an operation of AWS's")
	}
}

func newRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
