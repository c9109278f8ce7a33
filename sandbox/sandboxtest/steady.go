package sandboxtest

import (
	"io"
	"net/http"
)

// Steady is an HTTP client for the SDK whose connections stay until an answer was read.
//
// net/http writes a body of known length and then reads on to see that nothing follows.
// The server may have answered by then. The SDK closes the body as soon as there is an
// answer, and its body (safeWriteToReadCloser of smithy-go 1.28) then ends every WriteTo
// with io.EOF, which io.Copy reports as a failure where it would take it for the end if
// Read returned it. To net/http the request could not be written, so it closes the
// connection, and who reads the answer gets "use of closed network connection". With its
// WriteTo hidden, the body is read.
func Steady(c *http.Client) *http.Client {
	next := c.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	own := *c
	own.Transport = steady{next}
	return &own
}

type steady struct{ next http.RoundTripper }

// RoundTrip hands a request on whose body can only be read.
func (s steady) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		own := *r
		own.Body = struct{ io.ReadCloser }{r.Body}
		r = &own
	}
	return s.next.RoundTrip(r)
}

// CloseIdleConnections makes http.Client's reach the transport.
func (s steady) CloseIdleConnections() {
	if c, ok := s.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
