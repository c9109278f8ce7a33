package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox"
)

// scriptSandbox has the script's calls to AWS go to a sandbox of an estate. Profiles whose
// access key id is the number of an account are its root user. A sandbox that throttles
// refuses every call of the KMS operation named.
func scriptSandbox(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: sandbox ESTATE [THROTTLED-OPERATION]")
	}
	e, err := estate.LoadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	box, err := sandbox.New(sandbox.Options{Estate: e})
	ts.Check(err)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(args) == 2 && strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+args[1]) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"ThrottlingException","message":"Rate exceeded"}`)
			return
		}
		box.ServeHTTP(w, r)
	}))
	ts.Defer(func() { web.Close(); _ = box.Close() })
	ts.Setenv("AWS_ENDPOINT_URL", web.URL)
	ts.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	ts.Setenv("AWS_REGION", "us-east-1")
	ts.Setenv("AWS_CONFIG_FILE", ts.MkAbs("none"))
	ts.Setenv("AWS_SHARED_CREDENTIALS_FILE", ts.MkAbs("credentials"))
}

// accessKey puts a new access key of a user into the script's credentials, as a profile.
func accessKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: accesskey ACCOUNT USER PROFILE")
	}
	url := ts.Getenv("AWS_ENDPOINT_URL")
	c := iam.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider(args[0], "any", "")})
	out, err := c.CreateAccessKey(context.Background(), &iam.CreateAccessKeyInput{UserName: &args[1]})
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs("credentials"), os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = fmt.Fprintf(f, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", args[2], *out.AccessKey.AccessKeyId, *out.AccessKey.SecretAccessKey)
	ts.Check(err)
	ts.Check(f.Close())
}
