package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyreach/keyreach/backup/envelope"
)

// Attempt is an endpoint from which no snapshot came.
type Attempt struct {
	Endpoint string
	Err      error
	// Hint is what may help; empty when nothing is known.
	Hint string
}

// Unreachable is that no endpoint gave a snapshot.
type Unreachable struct {
	Attempts []Attempt
}

func (u *Unreachable) Error() string {
	if len(u.Attempts) == 0 {
		return "taking a snapshot: no endpoints are given"
	}
	lines := make([]string, len(u.Attempts))
	for i, a := range u.Attempts {
		lines[i] = fmt.Sprintf("%s: %s", a.Endpoint, a.Err)
	}
	return "taking a snapshot: no endpoint gave one: " + strings.Join(lines, "; ")
}

// Unwrap gives the reasons.
func (u *Unreachable) Unwrap() []error {
	var errs []error
	for _, a := range u.Attempts {
		errs = append(errs, a.Err)
	}
	return errs
}

// Hints are those of the attempts, each once.
func (u *Unreachable) Hints() []string {
	var hints []string
	seen := map[string]bool{"": true}
	for _, a := range u.Attempts {
		if !seen[a.Hint] {
			seen[a.Hint] = true
			hints = append(hints, a.Hint)
		}
	}
	return hints
}

func (s Source) unreachable(ctx context.Context, passed []Attempt) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("taking a snapshot: %w", err)
	}
	return &Unreachable{passed}
}

// refusal is a failure of which is known what helps.
type refusal struct {
	err  error
	hint string
}

func (r *refusal) Error() string { return r.err.Error() }

func (r *refusal) Unwrap() error { return r.err }

// note adds an endpoint to those passed over. Its second reason takes the place of the
// first, as when a member without a leader was put off and is then asked.
func note(passed []Attempt, endpoint string, err error) []Attempt {
	a := Attempt{Endpoint: endpoint}
	a.Hint, a.Err = plain(err)
	for i := range passed {
		if passed[i].Endpoint == endpoint {
			passed[i] = a
			return passed
		}
	}
	return append(passed, a)
}

// broken is what ended a stream before its end.
func broken(err error) error {
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated:
		return envelope.Fail(envelope.Denied, errors.New(message(err)))
	case codes.Canceled:
		return fmt.Errorf("the snapshot broke off: %w", context.Canceled)
	case codes.DeadlineExceeded:
		return fmt.Errorf("the snapshot broke off: %w", context.DeadlineExceeded)
	}
	return envelope.Fail(envelope.Truncated, fmt.Errorf("the snapshot broke off: %s", message(err)))
}

// message is what gRPC was told, without the words that it wraps around it.
func message(err error) string {
	text := err.Error()
	if s, ok := status.FromError(err); ok {
		text = s.Message()
	}
	text = strings.TrimPrefix(text, "connection error: ")
	if inner, ok := strings.CutPrefix(text, `desc = "`); ok {
		text = strings.TrimSuffix(inner, `"`)
	}
	return strings.ReplaceAll(strings.TrimPrefix(text, "transport: "), `\"`, `"`)
}

// word is a part of a message of gRPC, of Go's TLS or of etcd, and what helps. Denied: the
// member knows the caller and refuses. etcd before 3.5 says so without a code of gRPC.
type word struct {
	part, hint string
	denied     bool
}

func words() []word {
	const closed = "the member closed the connection: it may want a client certificate, signed by its trusted-ca-file"
	return []word{
		{"unknown authority", "the member's certificate is signed by another CA than that of the file: etcd names it trusted-ca-file", false},
		{"certificate is valid for", "the member's certificate is for other names: use one of them in the endpoint", false},
		{"certificate has expired", "the member's certificate, or the clock of this machine, is out of its time", false},
		{"first record does not look like a TLS handshake", "the member speaks plain HTTP: write http:// before the endpoint", false},
		{"certificate required", "the member asks for a client certificate: give cert and key", false},
		{"bad certificate", "the member does not take the client certificate: it wants one signed by its trusted-ca-file", false},
		{"error reading server preface", "the member may speak TLS: write https:// before the endpoint and give the CA's certificate", false},
		// With TLS 1.3 a client is done before the member has looked at its certificate, and
		// may learn of the refusal only by a closed connection (RFC 8446, section 4.4.2.4).
		{"broken pipe", closed, false},
		{"connection reset by peer", closed, false},
		{"connection refused", "nothing listens there: etcd may be stopped, or the port another", false},
		{"no such host", "the name is not known here", false},
		{"authentication failed", "user or password are not right", true},
		{"user name is empty", "authentication is on: give a user with the role root", true},
		{"permission denied", "snapshots are for users with the role root", true},
	}
}

// plain says a failure in a sentence and gives what may help. A refusal has its class.
func plain(err error) (hint string, said error) {
	var r *refusal
	if errors.As(err, &r) {
		return r.hint, err
	}
	if envelope.ClassOf(err) != "" {
		return "", err
	}
	text := message(err)
	for _, w := range words() {
		if !strings.Contains(text, w.part) {
			continue
		}
		if hint = w.hint; w.denied {
			return hint, envelope.Fail(envelope.Denied, errors.New(text))
		}
		break
	}
	s, ok := status.FromError(err)
	if !ok {
		if errors.Is(err, context.DeadlineExceeded) {
			return hint, fmt.Errorf("no answer in time: %w", err)
		}
		return hint, err
	}
	switch s.Code() {
	case codes.PermissionDenied, codes.Unauthenticated:
		return hint, envelope.Fail(envelope.Denied, errors.New(text))
	case codes.DeadlineExceeded:
		return hint, errors.New("no answer in time")
	}
	return hint, errors.New(text)
}

// tls reads the files; nil when there are none and the endpoints decide.
func (s Source) tls() (*tls.Config, error) {
	if s.Cert == "" && s.Key == "" && s.CACert == "" {
		return nil, nil
	}
	if (s.Cert == "") != (s.Key == "") {
		return nil, &refusal{errors.New("a client certificate needs its key, and a key its certificate"), "give both"}
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CACert != "" {
		text, err := os.ReadFile(s.CACert)
		if err != nil {
			return nil, envelope.OnDisk("reading "+"the CA's certificate", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the CA's certificate: %s has none in PEM", s.CACert))
		}
	}
	if s.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, envelope.OnDisk("reading "+"the client certificate", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
