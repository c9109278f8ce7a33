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
	"strconv"
	"strings"
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
	given := make(map[string]string, 3)
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
	if strings.HasPrefix(at, s.Date) && len(s.Date) == len(dateLayout) && len(at) == len(timeLayout) {
		return nil
	}
	if day := s.at.Format(dateLayout); day != s.Date {
		return incomplete("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" + s.Date + "' != '" + day + "'.")
	}
	return nil
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
	if !s.verifyHash(keys, r, hash, secret) {
		return mismatch()
	}
	return nil
}

// verifyHash reports whether the signature holds for a request with a body of a hash.
func (s *Signature) verifyHash(keys *Keys, r *http.Request, hash, secret string) bool {
	key := keys.get(scope{secret, s.Date, s.Region, s.Service})
	text, ok := keys.texts.Get().(*[]byte)
	if !ok {
		text = new([]byte)
	}
	defer keys.texts.Put(text)
	for path := range s.paths(r) {
		*text = s.appendCanonical((*text)[:0], r, path, hash)
		if s.matches(key, text) {
			return true
		}
	}
	return false
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
		if strings.HasPrefix(name, "X-Amz-") && !slices.ContainsFunc(s.signed, func(n string) bool { return strings.EqualFold(n, name) }) {
			bare = append(bare, strings.ToLower(name))
		}
	}
	if bare != nil {
		slices.Sort(bare)
		return &Error{ErrMismatch, "There were headers present in the request which were not signed: " + strings.Join(bare, ", ")}
	}
	for _, name := range s.signed {
		if name != "host" && name != "content-length" && len(valuesOf(h, name)) == 0 {
			return mismatch()
		}
	}
	return nil
}

// matches reports whether the signature is that of a canonical request, of which the
// space is used again.
func (s *Signature) matches(key *signer, canonical *[]byte) bool {
	sum := sha256.Sum256(*canonical)
	text := append((*canonical)[:0], algorithm+"\n"...)
	text = s.at.AppendFormat(text, timeLayout)
	for _, part := range [...]string{"\n", s.Date, "/", s.Region, "/", s.Service, "/" + terminator + "\n"} {
		text = append(text, part...)
	}
	text = hex.AppendEncode(text, sum[:])
	end := len(text)
	text = key.appendSign(text, text)
	*canonical = text
	return hmac.Equal(text[end:], []byte(s.mac))
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
