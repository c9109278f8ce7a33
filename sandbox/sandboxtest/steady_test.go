package sandboxtest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// late answers a request as a server may: before net/http has looked whether the body
// goes on. What net/http's look came to is kept until the SDK is done with the request.
type late struct {
	next http.RoundTripper
	body io.ReadCloser
}

func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	l.body = r.Body
	own := r.Clone(r.Context())
	own.Body = io.NopCloser(strings.NewReader(string(text)))
	return l.next.RoundTrip(own)
}

// The SDK closes a body when there is an answer; that must not look like a failure to
// who still copies it.
func TestAConnectionOutlivesTheBodyOfItsRequest(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{})
	l := &late{next: s.Client().Transport}
	config := s.Root("111122223333", "us-east-1")
	config.HTTPClient = sandboxtest.Steady(&http.Client{Transport: l})
	if _, err := ec2.NewFromConfig(config).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, l.body); n != 0 || err != nil {
		t.Errorf("copying the rest of the body: %d bytes, %v", n, err)
	}
}
