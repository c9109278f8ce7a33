package live_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/live"
	"github.com/keyreach/keyreach/route"
)

// fakeSTS answers as STS does, and keeps the policies of the sessions by the role.
type fakeSTS struct {
	mu       sync.Mutex
	policies map[string][]string
}

func (f *fakeSTS) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	var text string
	switch form.Get("Action") {
	case "AssumeRole":
		role := form.Get("RoleArn")
		f.mu.Lock()
		f.policies[role] = append(f.policies[role], form.Get("Policy"))
		f.mu.Unlock()
		account := strings.Split(role, ":")[4]
		text = fmt.Sprintf(`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, account)
	case "GetCallerIdentity":
		_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		account, _, _ := strings.Cut(credential, "/")
		text = fmt.Sprintf(`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:sts::%s:assumed-role/R/s</Arn><Account>%s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, account, account)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// TestASessionOnTheWayIsNotNarrowed: whoever goes through one account into another has to
// assume the role there, though the account on the way has ops of its own.
func TestASessionOnTheWayIsNotNarrowed(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere, "AWS_PROFILE": "", "AWS_CA_BUNDLE": ""} {
		t.Setenv(name, value)
	}
	const hub, behind = "arn:aws:iam::" + opOwner + ":role/Hub", "arn:aws:iam::" + opConsumer + ":role/Behind"
	f := &fakeSTS{policies: map[string][]string{}}
	c := live.Open(live.Options{
		Region: opHome, HTTP: f, MaxAttempts: 1, SessionPolicies: map[string]string{opOwner: `{"of":"hub"}`, opConsumer: `{"of":"behind"}`},
		Accounts: map[string]route.Account{
			"hub":    {ID: opOwner, Access: route.Access{RoleARN: hub}},
			"behind": {ID: opConsumer, Access: route.Access{RoleARN: behind, Via: "hub"}},
		},
	})
	for _, account := range []string{opConsumer, opOwner} {
		if _, err := c.Caller(t.Context(), account); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.policies[behind]; len(got) != 1 || got[0] != `{"of":"behind"}` {
		t.Errorf("the session in the account behind has %q", got)
	}
	if got := f.policies[hub]; len(got) != 2 || got[0] != "" || got[1] != `{"of":"hub"}` {
		t.Errorf("the sessions in the account on the way have %q: the first goes on, the second is for its own ops", got)
	}
}

// refusing answers every call with an error of AWS.
type refusing struct{ code, text string }

func (f refusing) Do(r *http.Request) (*http.Response, error) {
	text := fmt.Sprintf(`<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`, f.code, f.text)
	return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(bytes.NewBufferString(text)), Request: r}, nil
}

// TestAWrongSignatureTellsNoToken: AWS repeats the request, with the token of the session.
func TestAWrongSignatureTellsNoToken(t *testing.T) {
	t.Parallel()
	const first = "The request signature we calculated does not match the signature you provided."
	f := refusing{"SignatureDoesNotMatch", first + "\n\nThe Canonical String for this request should have been\n'POST\n/\n\nhost:iam.amazonaws.com\nx-amz-security-token:FwoGZXIvYXdzEXAMPLE\n'\n"}
	c := live.Open(live.Options{Region: opHome, HTTP: f, MaxAttempts: 1, SignIn: func(context.Context, string) (live.Keys, error) {
		return live.Keys{AccessKeyID: "any", SecretAccessKey: "any", SessionToken: "FwoGZXIvYXdzEXAMPLE"}, nil
	}})
	_, err := c.Current(t.Context(), &estate.InlinePolicy{Principal: "arn:aws:iam::" + opOwner + ":role/R", Name: "own"})
	var failed *cloud.Error
	if !errors.As(err, &failed) || failed.Kind != cloud.Credentials || !strings.Contains(err.Error(), first) || strings.Contains(err.Error(), "EXAMPLE") {
		t.Errorf("it is told so: %v", err)
	}
}

// TestS3PassesTheErrorsOfKMSOn: they are of the kind that they are of from KMS.
func TestS3PassesTheErrorsOfKMSOn(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]cloud.Kind{"KMS.DisabledException": cloud.State, "KMS.KMSInvalidStateException": cloud.State, "KMS.NotFoundException": cloud.NotFound} {
		c := live.Open(live.Options{Region: opHome, HTTP: refusing{code, "the key cannot be used"}, MaxAttempts: 1, SignIn: func(context.Context, string) (live.Keys, error) {
			return live.Keys{AccessKeyID: "any", SecretAccessKey: "any"}, nil
		}})
		_, err := c.Perform(t.Context(), &estate.InlinePolicy{Principal: "arn:aws:iam::" + opOwner + ":role/R", Name: "own"})
		var failed *cloud.Error
		if !errors.As(err, &failed) || failed.Kind != want {
			t.Errorf("%s is %v", code, err)
		}
	}
}

// takenBucket is S3 where a bucket is another account's that nobody may see.
type takenBucket struct{ fakeSTS }

func (f *takenBucket) Do(r *http.Request) (*http.Response, error) {
	status, text := 0, ""
	switch r.Method {
	case http.MethodHead:
		status = http.StatusNotFound
	case http.MethodPut:
		status, text = http.StatusConflict, `<Error><Code>BucketAlreadyExists</Code><Message>The requested bucket name is not available.</Message></Error>`
	default:
		return f.fakeSTS.Do(r)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func TestABucketOfAnotherAccountIsNotTakenForMade(t *testing.T) {
	t.Parallel()
	c := live.Open(live.Options{Region: opHome, HTTP: &takenBucket{}, MaxAttempts: 1, SignIn: func(_ context.Context, principal string) (live.Keys, error) {
		return live.Keys{AccessKeyID: principal, SecretAccessKey: "any"}, nil
	}})
	_, err := c.Perform(t.Context(), &estate.NewBucket{Bucket: "taken", Account: opOwner, Region: opHome})
	if cloud.KindOf(err) != cloud.Exists {
		t.Errorf("it is taken for made: %v", err)
	}
}
