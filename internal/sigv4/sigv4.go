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
	"iter"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeLayout = "20060102T150405Z"
	dateLayout = "20060102"
	// Unsigned stands in place of the body's hash when the body is not signed.
	Unsigned = "UNSIGNED-PAYLOAD"
	// skew is how far the clocks of client and server may be apart, longSkew how far
	// S3 and STS let them: STS's refusals say 15 minutes.
	// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html.
	skew     = 5 * time.Minute
	longSkew = 15 * time.Minute
	// maxPresigned is how many seconds a presigned request to S3 may be valid.
	maxPresigned = 7 * 24 * 60 * 60
)

// The ways in which a request fails. An *Error tells more, in AWS's words.
var (
	ErrMissing    = errors.New("the request is not signed")
	ErrIncomplete = errors.New("the signature is incomplete")
	ErrMismatch   = errors.New("the signature does not match")
)

// Error is a failure with the text that AWS has for it.
type Error struct {
	Kind error // ErrIncomplete or ErrMismatch
	Text string
}

// Error returns AWS's text.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func incomplete(text string) error { return &Error{ErrIncomplete, text} }

func mismatch() error {
	return &Error{ErrMismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
}

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
	rest, ok := strings.CutPrefix(head, algorithm+" ")
	if !ok {
		return nil, incomplete("Unsupported AWS 'algorithm': the Authorization header begins with " + algorithm + ".")
	}
	if len(r.Header.Values("Authorization")) > 1 {
		return nil, incomplete("There is more than one Authorization header.")
	}
	s := &Signature{Token: r.Header.Get("X-Amz-Security-Token"), PayloadHash: r.Header.Get("X-Amz-Content-Sha256")}
	given := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		part = strings.TrimSpace(part)
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, incomplete("'" + part + "' not a valid key=value pair (missing equal-sign) in Authorization header.")
		}
		given[name] = value
	}
	at := r.Header.Get("X-Amz-Date")
	if at == "" {
		at = r.Header.Get("Date")
	}
	if err := complete("Authorization header", given, "Credential", "Signature", "SignedHeaders"); err != nil {
		return nil, err
	}
	if at == "" {
		return nil, incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	s.mac, s.signed = given["Signature"], strings.Split(given["SignedHeaders"], ";")
	return s, s.finish(given["Credential"], at)
}

func parseQuery(q url.Values) (*Signature, error) {
	if q.Get("X-Amz-Algorithm") != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': X-Amz-Algorithm is " + algorithm + ".")
	}
	given := map[string]string{}
	needed := []string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"}
	for _, name := range needed {
		given[name] = q.Get(name)
	}
	if err := complete("AWS query-string parameters", given, needed...); err != nil {
		return nil, err
	}
	s := &Signature{
		Presigned: true, Token: q.Get("X-Amz-Security-Token"), PayloadHash: q.Get("X-Amz-Content-Sha256"),
		signed: strings.Split(given["X-Amz-SignedHeaders"], ";"), mac: given["X-Amz-Signature"],
	}
	if err := s.finish(given["X-Amz-Credential"], given["X-Amz-Date"]); err != nil {
		return nil, err
	}
	// Only S3 heeds how long a presigned request says that it is valid; the SDK for
	// Go leaves it out for STS.
	if s.Service == "s3" {
		seconds, err := strconv.Atoi(q.Get("X-Amz-Expires"))
		if err != nil || seconds < 1 || seconds > maxPresigned {
			return nil, incomplete("X-Amz-Expires must be between 1 and 604800 seconds.")
		}
		s.expires = time.Duration(seconds) * time.Second
	}
	return s, nil
}

// complete names all that a signature lacks.
func complete(where string, given map[string]string, needed ...string) error {
	var lacks []string
	for _, name := range needed {
		if given[name] == "" {
			lacks = append(lacks, where+" requires '"+name+"' parameter.")
		}
	}
	if lacks == nil {
		return nil
	}
	return incomplete(strings.Join(lacks, " "))
}

// finish reads the scope and the time, which have to be of one day.
func (s *Signature) finish(credential, at string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || slices.Contains(parts, "") {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.")
	}
	if parts[4] != terminator {
		return incomplete("Credential should be scoped with a valid terminator: '" + terminator + "'.")
	}
	s.AccessKeyID, s.Date, s.Region, s.Service = parts[0], parts[1], parts[2], parts[3]
	var err error
	if s.at, err = time.Parse(timeLayout, at); err != nil {
		if s.at, err = http.ParseTime(at); err != nil {
			return incomplete("Date must be in ISO-8601 'basic format'. Got '" + at + "'.")
		}
	}
	s.at = s.at.UTC()
	if day := s.at.Format(dateLayout); day != s.Date {
		return incomplete("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" + s.Date + "' != '" + day + "'.")
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
	for _, part := range []string{s.region, s.service, terminator} {
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
	if err := s.covers(r.Header); err != nil {
		return err
	}
	if err := s.current(now); err != nil {
		return err
	}
	hash, err := s.payload(body)
	if err != nil {
		return err
	}
	key := keys.get(scope{secret, s.Date, s.Region, s.Service})
	for path := range s.paths(r) {
		if hmac.Equal(s.sign(key, s.canonical(r, path, hash)), []byte(s.mac)) {
			return nil
		}
	}
	return mismatch()
}

// covers checks that the headers are signed that must be, and are there that are
// signed: without that, whoever passes a request on could change what it says.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
func (s *Signature) covers(h http.Header) error {
	if !slices.Contains(s.signed, "host") {
		return &Error{ErrMismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."}
	}
	var bare []string
	for name := range h {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(s.signed, name) {
			bare = append(bare, name)
		}
	}
	if bare != nil {
		slices.Sort(bare)
		return &Error{ErrMismatch, "There were headers present in the request which were not signed: " + strings.Join(bare, ", ")}
	}
	for _, name := range s.signed {
		if name != "host" && name != "content-length" && len(h.Values(name)) == 0 {
			return mismatch()
		}
	}
	return nil
}

// sign is the signature of a canonical request.
func (s *Signature) sign(key, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	text := make([]byte, 0, 192)
	text = append(text, algorithm+"\n"...)
	text = s.at.AppendFormat(text, timeLayout)
	text = append(text, "\n"+s.Date+"/"+s.Region+"/"+s.Service+"/"+terminator+"\n"...)
	text = hex.AppendEncode(text, sum[:])
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return hex.AppendEncode(nil, h.Sum(nil))
}

func (s *Signature) current(now time.Time) error {
	now = now.UTC()
	limit := skew
	if s.Service == "s3" || s.Service == "sts" {
		limit = longSkew
	}
	if s.at.After(now.Add(limit)) {
		return &TimeError{Signed: s.at, Now: now, Limit: limit}
	}
	if s.expires > 0 {
		limit = s.expires
	}
	if s.at.Add(limit).Before(now) {
		return &TimeError{Signed: s.at, Now: now, Limit: limit, Expired: true}
	}
	return nil
}

// payload returns the hash that the signature covers, and checks that it is the
// body's. Only S3 takes bodies that are signed in parts, which this package does
// not check, and presigned requests for any body.
func (s *Signature) payload(body []byte) (string, error) {
	switch {
	case s.PayloadHash == Unsigned:
		return Unsigned, nil
	case s.Service == "s3" && strings.HasPrefix(s.PayloadHash, "STREAMING-"):
		return s.PayloadHash, nil
	case s.Service == "s3" && s.Presigned && s.PayloadHash == "":
		return Unsigned, nil
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if s.PayloadHash != "" && s.PayloadHash != hash {
		return "", mismatch()
	}
	return hash, nil
}

// canonical is the request in the form that is signed.
func (s *Signature) canonical(r *http.Request, path, hash string) []byte {
	b := make([]byte, 0, 512)
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = append(b, path...)
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

// paths are the forms of the path that a signer may have taken: as it was sent,
// which SDKs do, and without empty and dotted segments, which AWS's rules ask for
// outside S3.
func (s *Signature) paths(r *http.Request) iter.Seq[string] {
	return func(yield func(string) bool) {
		sent := r.URL.EscapedPath()
		if sent == "" {
			sent = "/"
		}
		if s.Service == "s3" {
			yield(sent)
			return
		}
		if !yield(escapeSegments(sent)) {
			return
		}
		short := path.Clean(sent)
		if strings.HasSuffix(sent, "/") && short != "/" {
			short += "/"
		}
		if short != sent {
			yield(escapeSegments(short))
		}
	}
}

func escapeSegments(path string) string {
	if path == "/" {
		return path
	}
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = escape(parts[i])
	}
	return strings.Join(parts, "/")
}

// appendQuery writes the parameters in the order of their escaped names, and those
// of one name in that of their values.
func appendQuery(b []byte, raw string, presigned bool) []byte {
	if raw == "" {
		return b
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return append(b, raw...)
	}
	pairs := make([][2]string, 0, len(values))
	for name, vs := range values {
		if presigned && name == "X-Amz-Signature" {
			continue
		}
		for _, v := range vs {
			pairs = append(pairs, [2]string{escape(name), escape(v)})
		}
	}
	slices.SortFunc(pairs, func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p[0]...)
		b = append(b, '=')
		b = append(b, p[1]...)
	}
	return b
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

// squeeze trims a header value and makes runs of spaces one. Tabs and other white
// space within stay as they are.
func squeeze(v string) string {
	v = strings.TrimSpace(v)
	for strings.Contains(v, "  ") {
		v = strings.ReplaceAll(v, "  ", " ")
	}
	return v
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
