// Package sandboxtest gives a test a sandbox of its own, on loopback, and clients
// for it.
package sandboxtest

import (
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/keyreach/keyreach/sandbox"
)

// Server is a sandbox that listens on loopback until the test ends.
type Server struct {
	*sandbox.Sandbox
	URL string
}

// Start starts a sandbox for a test. Tests may run in parallel: each has its own.
func Start(t testing.TB, o sandbox.Options) *Server {
	t.Helper()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatalf("starting the sandbox: %v", err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			t.Errorf("closing the sandbox: %v", err)
		}
	})
	return &Server{Sandbox: s, URL: web.URL}
}

// Root is the configuration of an SDK client that calls as the root user of an
// account.
func (s *Server) Root(account, region string) aws.Config {
	return s.As(region, account, "any", "")
}

// As is the configuration of an SDK client with credentials that the sandbox gave
// out.
func (s *Server) As(region, accessKeyID, secret, token string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, secret, token),
		RetryMaxAttempts: 1,
	}
}
