// Package sandboxtest gives a test a sandbox of its own, on loopback, and clients
// for it.
package sandboxtest

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/keyreach/keyreach/sandbox"
)

// Server is a sandbox that listens on loopback until the test ends.
type Server struct {
	*sandbox.Sandbox
	URL    string
	client *http.Client
}

// Start starts a sandbox for a test. Tests may run in parallel: each has its own.
func Start(t testing.TB, o sandbox.Options) *Server {
	t.Helper()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatalf("starting the sandbox: %v", err)
	}
	return serve(t, s, s)
}

// serve has a handler answer for a sandbox until the test ends.
func serve(t testing.TB, s *sandbox.Sandbox, h http.Handler) *Server {
	web := httptest.NewServer(h)
	srv := At(t, s, web.URL) // its connections are closed after the server
	t.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			t.Errorf("closing the sandbox: %v", err)
		}
	})
	return srv
}

// At is a server that somebody else started and ends, for instance in a process of its
// own; then there is no sandbox to give.
func At(t testing.TB, s *sandbox.Sandbox, url string) *Server {
	t.Helper()
	// One transport for all clients of this server and for them alone: SDK clients that
	// are given none have one each, and with it connections that stay open as long as
	// the process; and http.DefaultTransport is emptied whenever any httptest.Server closes.
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	return &Server{Sandbox: s, URL: url, client: Steady(&http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})}
}

// Client is the HTTP client of all calls to this server. It follows no redirects.
func (s *Server) Client() *http.Client { return s.client }

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
		RetryMaxAttempts: 1, HTTPClient: s.client,
	}
}
