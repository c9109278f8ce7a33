// Package sigv4 checks Signature Version 4 on requests, as a server does: in the
// Authorization header and in presigned queries.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeLayout = "20060102T150405Z"
	// Unsigned stands in place of the body's hash when the body is not signed.
	Unsigned = "UNSIGNED-PAYLOAD"
	// skew is how far the clocks of client and server may be apart, s3Skew how far
	// S3 lets them.
	skew   = 5 * time.Minute
	s3Skew = 15 * time.Minute
	// maxPresigned is the longest that a presigned request may be valid.
	maxPresigned = 7 * 24 * time.Hour
)

// The ways in which a request fails. The texts are for the server to word.
var (
	ErrMissing    = errors.New("the request is not signed")
	ErrIncomplete = errors.New("the signature is incomplete")
	ErrMismatch   = errors.New("the signature does not match")
)

// TimeError is a signature that is too old or from the future.
type TimeError struct {
	Signed, Now time.Time
	Limit       time.Duration
	Expired     bool
}

// Error says which, in AWS's words.
func (e *TimeError) Error() string {
	signed, now, by := e.Signed.Format(timeLayout), e.Now.Format(timeLayout), int(e.Limit.Minutes())
	if e.Expired {
		return fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %d min.)", signed, e.Now.Add(-e.Limit).Format(timeLayout), now, by)
	}
	return fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %d min.)", signed, e.Now.Add(e.Limit).Format(timeLayout), now, by)
}

// Signature is what a request says about how it was signed.
type Signature struct {
	AccessKeyID           string
	Date, Region, Service string // the scope
	Token                 string // of a session; empty for none
	Presigned             bool
	// PayloadHash is the body's hash as the request states it; empty when it does
	// not.
	PayloadHash string

	signed  []string // header names
	mac     string
	at      time.Time
	expires time.Duration
}

// Parse reads the signature of a request.
func Parse(r *http.Request) (*Signature, error) {
	if head := r.Header.Get("Authorization"); head != "" {
		return parseHeader(r, head)
	}
	if !strings.Contains(r.URL.RawQuery, "X-Amz-") {
		return nil, ErrMissing
	}
	q := r.URL.Query()
	if q.Get("X-Amz-Algorithm") == "" {
		return nil, ErrMissing
	}
	return parseQuery(q)
}

func parseHeader(r *http.Request, head string) (*Signature, error) {
	rest, ok := strings.CutPrefix(head, algorithm)
	if !ok {
		return nil, fmt.Errorf("%w: the algorithm is not %s", ErrIncomplete, algorithm)
	}
	s := &Signature{Token: r.Header.Get("X-Amz-Security-Token"), PayloadHash: r.Header.Get("X-Amz-Content-Sha256")}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			if err := s.credential(value); err != nil {
				return nil, err
			}
		case "SignedHeaders":
			s.signed = strings.Split(value, ";")
		case "Signature":
			s.mac = value
		}
	}
	at := r.Header.Get("X-Amz-Date")
	if at == "" {
		return nil, fmt.Errorf("%w: there is no X-Amz-Date", ErrIncomplete)
	}
	return s, s.finish(at)
}

func parseQuery(q url.Values) (*Signature, error) {
	if q.Get("X-Amz-Algorithm") != algorithm {
		return nil, fmt.Errorf("%w: the algorithm is not %s", ErrIncomplete, algorithm)
	}
	s := &Signature{
		Presigned: true, Token: q.Get("X-Amz-Security-Token"), PayloadHash: q.Get("X-Amz-Content-Sha256"),
		signed: strings.Split(q.Get("X-Amz-SignedHeaders"), ";"), mac: q.Get("X-Amz-Signature"),
	}
	if err := s.credential(q.Get("X-Amz-Credential")); err != nil {
		return nil, err
	}
	expires, err := time.ParseDuration(q.Get("X-Amz-Expires") + "s")
	if err != nil || expires <= 0 || expires > maxPresigned {
		return nil, fmt.Errorf("%w: X-Amz-Expires is not between 1 and 604800 seconds", ErrIncomplete)
	}
	s.expires = expires
	return s, s.finish(q.Get("X-Amz-Date"))
}

func (s *Signature) credential(value string) error {
	parts := strings.Split(value, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" || slices.Contains(parts, "") {
		return fmt.Errorf("%w: the credential is not KEY/DATE/REGION/SERVICE/aws4_request", ErrIncomplete)
	}
	s.AccessKeyID, s.Date, s.Region, s.Service = parts[0], parts[1], parts[2], parts[3]
	return nil
}

func (s *Signature) finish(at string) error {
	var err error
	if s.at, err = time.Parse(timeLayout, at); err != nil {
		return fmt.Errorf("%w: the date %q is not of the form YYYYMMDDTHHMMSSZ", ErrIncomplete, at)
	}
	if s.AccessKeyID == "" || s.mac == "" || len(s.signed) == 0 || s.signed[0] == "" {
		return fmt.Errorf("%w: Credential, SignedHeaders and Signature are needed", ErrIncomplete)
	}
	if !strings.HasPrefix(at, s.Date) {
		return fmt.Errorf("%w: the date of the credential is not that of the request", ErrIncomplete)
	}
	if !slices.Contains(s.signed, "host") {
		return fmt.Errorf("%w: the host is not signed", ErrIncomplete)
	}
	return nil
}

// Keys makes signing keys and remembers the latest.
type Keys struct {
	mu    sync.RWMutex
	known map[scope][]byte
}

type scope struct{ secret, date, region, service string }

// maxKeys is how many signing keys are remembered.
const maxKeys = 4096

func (k *Keys) get(s scope) []byte {
	k.mu.RLock()
	key := k.known[s]
	k.mu.RUnlock()
	if key != nil {
		return key
	}
	key = mac([]byte("AWS4"+s.secret), s.date)
	for _, part := range []string{s.region, s.service, "aws4_request"} {
		key = mac(key, part)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxKeys {
		k.known = map[scope][]byte{}
	}
	k.known[s] = key
	return key
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Verify checks the signature with the secret, for a body that was read.
func (s *Signature) Verify(keys *Keys, r *http.Request, body []byte, secret string, now time.Time) error {
	if err := s.current(now); err != nil {
		return err
	}
	hash, err := s.payload(body)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(s.canonical(r, hash))
	at := s.at.Format(timeLayout)
	text := make([]byte, 0, 192)
	text = append(text, algorithm+"\n"...)
	text = append(text, at...)
	text = append(text, '\n')
	text = append(text, s.Date+"/"+s.Region+"/"+s.Service+"/aws4_request\n"...)
	text = hex.AppendEncode(text, sum[:])
	h := hmac.New(sha256.New, keys.get(scope{secret, s.Date, s.Region, s.Service}))
	h.Write(text)
	want := hex.AppendEncode(nil, h.Sum(nil))
	if !hmac.Equal(want, []byte(s.mac)) {
		return ErrMismatch
	}
	return nil
}

func (s *Signature) current(now time.Time) error {
	now = now.UTC()
	limit := skew
	if s.Service == "s3" {
		limit = s3Skew
	}
	if s.at.After(now.Add(limit)) {
		return &TimeError{Signed: s.at, Now: now, Limit: limit}
	}
	if s.Presigned {
		limit = s.expires
	}
	if s.at.Add(limit).Before(now) {
		return &TimeError{Signed: s.at, Now: now, Limit: limit, Expired: true}
	}
	return nil
}

// payload returns the hash that the signature covers, and checks that it is the
// body's.
func (s *Signature) payload(body []byte) (string, error) {
	if s.Presigned && s.Service == "s3" || s.PayloadHash == Unsigned || strings.HasPrefix(s.PayloadHash, "STREAMING-") {
		if s.PayloadHash == "" {
			return Unsigned, nil
		}
		return s.PayloadHash, nil
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if s.PayloadHash != "" && s.PayloadHash != hash {
		return "", fmt.Errorf("%w: the body's hash is not X-Amz-Content-Sha256", ErrMismatch)
	}
	return hash, nil
}

// canonical is the request in the form that is signed.
func (s *Signature) canonical(r *http.Request, hash string) []byte {
	b := make([]byte, 0, 512)
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = append(b, s.path(r)...)
	b = append(b, '\n')
	b = appendQuery(b, r.URL.RawQuery, s.Presigned)
	b = append(b, '\n')
	for _, name := range s.signed {
		b = append(b, name...)
		b = append(b, ':')
		b = appendValue(b, r, name)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(b, strings.Join(s.signed, ";")...)
	b = append(b, '\n')
	return append(b, hash...)
}

func (s *Signature) path(r *http.Request) string {
	path := r.URL.EscapedPath()
	switch {
	case path == "":
		return "/"
	case path == "/" || s.Service == "s3":
		return path
	}
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = escape(parts[i])
	}
	return strings.Join(parts, "/")
}

func appendQuery(b []byte, raw string, presigned bool) []byte {
	if raw == "" {
		return b
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return append(b, raw...)
	}
	pairs := make([]string, 0, len(values))
	for name, vs := range values {
		if presigned && name == "X-Amz-Signature" {
			continue
		}
		for _, v := range vs {
			pairs = append(pairs, escape(name)+"="+escape(v))
		}
	}
	slices.Sort(pairs)
	return append(b, strings.Join(pairs, "&")...)
}

func appendValue(b []byte, r *http.Request, name string) []byte {
	switch name {
	case "host":
		return append(b, r.Host...)
	case "content-length":
		if r.Header.Get("Content-Length") == "" && r.ContentLength >= 0 {
			return fmt.Appendf(b, "%d", r.ContentLength)
		}
	}
	for i, v := range r.Header.Values(name) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, squeeze(v)...)
	}
	return b
}

// squeeze trims a header value and makes runs of spaces one.
func squeeze(v string) string {
	v = strings.TrimSpace(v)
	if !strings.Contains(v, "  ") {
		return v
	}
	return strings.Join(strings.Fields(v), " ")
}

const upperHex = "0123456789ABCDEF"

// escape is the percent encoding that AWS asks for.
func escape(s string) string {
	plain := func(c byte) bool {
		return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
	}
	b := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}
