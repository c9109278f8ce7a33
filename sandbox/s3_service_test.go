package sandbox

import (
	"errors"
	"io"
	"strings"
	"testing"

	sdks3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/keyreach/keyreach/sandbox/behalf"
	"github.com/keyreach/keyreach/sandbox/gate"
)

// A service that puts objects into somebody's bucket, as CloudTrail does, needs a bucket
// policy that lets it in, and its object is as any other. What fails leaves no file.
func TestAServicePutsObjectsWhereABucketPolicyLetsIt(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const account = "111122223333"
	do := func(caller gate.Caller, operation string, in any) (any, error) {
		var out any
		err := s.db.Update(func() (err error) {
			c := &gate.Call{ID: "1", Service: "s3", Operation: operation, Region: "us-east-1", At: s.clock.Now(), Caller: caller, Writing: true}
			out, err = client{s}.Do(gate.With(t.Context(), c), "s3", operation, in, gate.Forward{Service: "cloudtrail", SourceAccount: account})
			return err
		})
		return out, err
	}
	root, service := rootOf(account, account), behalf.Caller("cloudtrail.amazonaws.com")
	put := func() error {
		_, err := do(service, "PutObject", &sdks3.PutObjectInput{Bucket: new("trail"), Key: new("log"), Body: strings.NewReader("records")})
		return err
	}
	if _, err := do(root, "CreateBucket", &sdks3.CreateBucketInput{Bucket: new("trail")}); err != nil {
		t.Fatal(err)
	}
	if denied := (*gate.Denied)(nil); !errors.As(put(), &denied) {
		t.Error("it puts without a bucket policy")
	}
	const text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::trail/*","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}]}`
	if _, err := do(root, "PutBucketPolicy", &sdks3.PutBucketPolicyInput{Bucket: new("trail"), Policy: new(text)}); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	out, err := do(root, "GetObject", &sdks3.GetObjectInput{Bucket: new("trail"), Key: new("log")})
	if err != nil {
		t.Fatal(err)
	}
	body := out.(*sdks3.GetObjectOutput).Body
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || string(got) != "records" {
		t.Errorf("the object is %q, %v", got, err)
	}
}
