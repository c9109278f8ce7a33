package sandbox

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/internal/sigv4"
	"github.com/keyreach/keyreach/policy"
	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// S3 differs from the other services in how its requests come: a bucket may stand in
// the host, nobody need have signed them, and their bodies are of any size. They are
// authenticated before the body is read, and the bodies of uploads go to the service as
// streams.

// maxDocument is the size of the largest document of S3's, the list of ten thousand
// parts with their checksums.
const maxDocument = 4 << 20

// isS3 reports whether a request is for S3: by the scope of its signature, or, when it
// has none, because no other service takes such a request.
func (s *Sandbox) isS3(r *http.Request) bool {
	form := r.Method == http.MethodPost && mediaType(r) == formType
	action, _ := formAction(r.URL.RawQuery)
	if r.Header.Get("X-Amz-Target") != "" || action != "" || form && r.URL.Path == "/" {
		return false
	}
	sig, err := sigv4.Parse(r)
	hosted := bucketHost.MatchString(hostOf(r))
	switch {
	case err == nil:
		return sig.Service == "s3"
	case !errors.Is(err, sigv4.ErrMissing):
		return hosted || strings.Contains(r.URL.RawQuery, "%2Fs3%2F") || strings.HasPrefix(r.Header.Get("Authorization"), "AWS ")
	}
	return !form && (hosted || bucketPath.MatchString(r.URL.Path))
}

// bucketPath are the paths that name a bucket.
var bucketPath = regexp.MustCompile(`^/[a-z0-9][a-z0-9.-]{2,62}(?:/|$)`)

// bucketHost are the hosts that name a bucket.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html.
var bucketHost = regexp.MustCompile(`^(.+?)\.(s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?|s3(?:\.[a-z0-9-]+)?\.localhost|localhost)$`)

func hostOf(r *http.Request) string {
	host := r.Host
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:at]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// byPath returns a request to a bucket's own host as that to the path that means the
// same.
func byPath(r *http.Request) *http.Request {
	m := bucketHost.FindStringSubmatch(hostOf(r))
	if m == nil || m[1] == "s3" || strings.HasPrefix(m[1], "s3.") {
		return r
	}
	return wire.PathStyle(r, m[2])
}

// serveS3 answers one request to S3.
func (s *Sandbox) serveS3(w http.ResponseWriter, r *http.Request, id string, q *routed) {
	q.served = s.services["s3"]
	c := &gate.Call{ID: id, Service: "s3", At: s.clock.Now(), UserAgent: r.UserAgent(), SourceIP: sourceIP(r)}
	out, err := s.answerS3(w, r, q, c)
	var res *wire.Response
	if err == nil {
		res, err = q.codec().EncodeFor(r, w.Header(), q.op, out, id)
	}
	if err == nil {
		send(w, res)
		return
	}
	err = s.wireError(q.served, err)
	if q.codec().AsError(err).Code == "InternalFailure" {
		tell(r, "sandbox: request %s: %v", id, err)
		err = &wire.Error{Code: "InternalError", Message: "We encountered an internal error. Please try again.", Status: http.StatusInternalServerError}
	}
	drain(r)
	refuse(w, r, q.served, err, id)
}

// maxDrained is how much of a body is read that is not wanted, so that a client which
// sends before it listens comes to hear the refusal.
const maxDrained = 8 << 20

func drain(r *http.Request) {
	if r.Body != nil && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrained) // what cannot be read need not be
	}
}

func (s *Sandbox) answerS3(w http.ResponseWriter, r *http.Request, q *routed, c *gate.Call) (any, error) {
	if strings.HasPrefix(r.URL.Path, "/v20180820/") && r.Header.Get("X-Amz-Account-Id") != "" {
		return nil, notImplemented("s3control")
	}
	path := byPath(r)
	if !utf8.ValidString(path.URL.Path) {
		return nil, &wire.Error{Code: "InvalidURI", Message: "Couldn't parse the specified URI.", Status: http.StatusBadRequest}
	}
	op := q.codec().Match(path)
	if op == nil {
		return nil, &wire.Error{Code: "MethodNotAllowed", Message: "The specified method is not allowed against this resource.", Status: http.StatusMethodNotAllowed}
	}
	var err error
	if q.op, err = q.operation(op.Name); err != nil {
		return nil, err
	}
	c.Operation = op.Name
	body, err := s.authenticateS3(r, c)
	if err != nil {
		return nil, err
	}
	c.At = s.settle()
	o := q.ops()[op.Name]
	in := o.New()
	if err := shortened(s.decodeS3(w, path, q, body, in)); err != nil {
		s.remember(c, o, nil, nil, err, 0)
		return nil, err
	}
	return s.performAndRemember(r, c, o, in, int(body.got))
}

// decodeS3 reads a request, all of it unless its body is a stream.
func (s *Sandbox) decodeS3(w http.ResponseWriter, r *http.Request, q *routed, body *upload, in any) error {
	if wire.Streams(q.op) {
		if body.size < 0 {
			return &wire.Error{Code: "MissingContentLength", Message: "You must provide the Content-Length HTTP header.", Status: http.StatusLengthRequired}
		}
		// An upload may take as long as it takes.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // of a server that has none
		return q.codec().DecodeStream(q.op, r, body, body.size, in)
	}
	text, err := io.ReadAll(io.LimitReader(body, maxDocument+1))
	switch {
	case err != nil:
		return err
	case len(text) > maxDocument:
		return &wire.Error{Code: "MaxMessageLengthExceeded", Message: "Your request was too large.", Status: http.StatusBadRequest}
	}
	if err := contentMD5(r, text); err != nil {
		return err
	}
	return q.codec().Decode(q.op, r, text, in)
}

// contentMD5 checks the digest that a request states of a document.
func contentMD5(r *http.Request, text []byte) error {
	stated := r.Header.Get("Content-Md5")
	if stated == "" {
		return nil
	}
	sum, err := base64.StdEncoding.DecodeString(stated)
	if err != nil || len(sum) != md5.Size {
		return &wire.Error{Code: "InvalidDigest", Message: "The Content-MD5 you specified was invalid.", Status: http.StatusBadRequest}
	}
	if md5.Sum(text) != [md5.Size]byte(sum) {
		return &wire.Error{Code: "BadDigest", Message: "The Content-MD5 you specified did not match what we received.", Status: http.StatusBadRequest}
	}
	return nil
}

// upload is a body as S3 takes it: without its framing, of a length that is known, and
// checked. What is wrong with it is said in S3's words.
type upload struct {
	io.Reader
	size, got int64 // size is -1 when it is not known
	chunks    *sigv4.Chunks
	names     []string // of the trailer
}

// Announced are the headers that are to follow the body.
func (u *upload) Announced() []string { return u.names }

// Trailer is what followed the body, once it was read.
func (u *upload) Trailer() http.Header {
	if u.chunks == nil {
		return nil
	}
	return u.chunks.Trailer()
}

// Read reads, and counts.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	u.got += int64(n)
	switch {
	case u.size >= 0 && u.got > u.size, u.size >= 0 && err == io.EOF && u.got < u.size, errors.Is(err, io.ErrUnexpectedEOF):
		return n, &wire.Error{Code: "IncompleteBody", Message: "You did not provide the number of bytes specified by the Content-Length HTTP header.", Status: http.StatusBadRequest}
	case err == nil || err == io.EOF:
		return n, err
	}
	return n, bodyError(err)
}

// bodyError words what is wrong with a body.
func bodyError(err error) error {
	var content *sigv4.ContentError
	switch {
	case errors.As(err, &content):
		return &wire.Error{
			Code: "XAmzContentSHA256Mismatch", Message: content.Error(), Status: http.StatusBadRequest,
			Fields: map[string]string{"ClientComputedContentSHA256": content.Stated, "S3ComputedContentSHA256": content.Computed},
		}
	case errors.Is(err, sigv4.ErrMismatch):
		return &wire.Error{Code: "SignatureDoesNotMatch", Message: err.Error(), Status: http.StatusForbidden}
	case errors.Is(err, sigv4.ErrFraming):
		return &wire.Error{Code: "InvalidRequest", Message: err.Error(), Status: http.StatusBadRequest} // assumed text
	}
	return &wire.Error{Code: "RequestTimeout", Message: "Your socket connection to the server was not read from or written to within the timeout period.", Status: http.StatusBadRequest}
}

// newUpload is the body of a request that is signed with a secret; sig is nil when it is
// not signed, and the secret empty when it is not checked.
func (s *Sandbox) newUpload(r *http.Request, sig *sigv4.Signature, secret string) (*upload, error) {
	u := &upload{Reader: bytes.NewReader(nil), size: r.ContentLength}
	if r.Body != nil {
		u.Reader = r.Body
	}
	if sig == nil {
		sig = &sigv4.Signature{PayloadHash: r.Header.Get("X-Amz-Content-Sha256"), Presigned: true}
		secret = ""
	}
	if err := sig.Payload(); err != nil {
		return nil, &wire.Error{Code: "InvalidRequest", Message: err.Error(), Status: http.StatusBadRequest}
	}
	if sig.Chunked() {
		n, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil || n < 0 {
			return nil, &wire.Error{Code: "MissingContentLength", Message: "You must provide the Content-Length HTTP header.", Status: http.StatusLengthRequired}
		}
		u.size = n
	}
	u.Reader = sig.Body(&s.keys, secret, u.Reader)
	u.chunks, _ = u.Reader.(*sigv4.Chunks)
	for name := range strings.SplitSeq(r.Header.Get("X-Amz-Trailer"), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			u.names = append(u.names, name)
		}
	}
	return u, nil
}

// authenticateS3 finds out who calls, and returns the body that the caller signed.
func (s *Sandbox) authenticateS3(r *http.Request, c *gate.Call) (*upload, error) {
	if strings.HasPrefix(r.Header.Get("Authorization"), "AWS ") || r.URL.Query().Has("AWSAccessKeyId") {
		// Signature Version 2, which AWS takes for no bucket made since 2020.
		return nil, &wire.Error{Code: "InvalidRequest", Message: "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.", Status: http.StatusBadRequest}
	}
	sig, err := sigv4.Parse(r)
	switch {
	case errors.Is(err, sigv4.ErrMissing):
		c.Caller = anybody
		return s.newUpload(r, nil, "")
	case err != nil:
		return nil, s3Malformed(r, err.Error())
	}
	c.Region, c.Presigned, c.Payload = sig.Region, sig.Presigned, sig.PayloadHash
	if !awsfacts.KnownRegion(sig.Region) {
		return nil, s3Malformed(r, "The authorization header is malformed; the region '"+sig.Region+"' is wrong.")
	}
	if s.isRoot(sig.AccessKeyID) {
		c.Caller = rootOf(sig.AccessKeyID, sig.AccessKeyID)
		if err := s.see(sig.AccessKeyID); err != nil {
			return nil, err
		}
		return s.newUpload(r, sig, "")
	}
	var secret string
	err = s.db.View(func() error {
		c.Caller, secret, err = s.credentials(sig, c.Service, c.At, s3Words)
		return err
	})
	if err != nil || secret == "" {
		if err := s.unknown(sig, c, s3Words, err); err != nil {
			return nil, err
		}
		return s.newUpload(r, sig, "")
	}
	if err := s3Checked(r, sig.VerifyHead(&s.keys, r, secret, time.Now())); err != nil {
		return nil, err
	}
	return s.newUpload(r, sig, secret)
}

// anybody is a caller without credentials.
var anybody = gate.Caller{Caller: policy.Caller{Principal: arn.Principal{Kind: arn.Everyone, Text: "*"}, ID: "anonymous"}}

// s3Words are S3's codes for credentials.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
var s3Words = words{
	missingCode: "AccessDenied", unknownCode: "InvalidAccessKeyId", mismatchCode: "SignatureDoesNotMatch", expiredCode: "ExpiredToken",
	incompleteCode: "AuthorizationHeaderMalformed", status: http.StatusForbidden, unknownText: "The AWS Access Key Id you provided does not exist in our records.",
	expiredText: "The provided token has expired.", expiredStatus: http.StatusBadRequest,
}

func s3Malformed(r *http.Request, text string) error {
	code := "AuthorizationHeaderMalformed"
	if r.Header.Get("Authorization") == "" {
		code = "AuthorizationQueryParametersError"
	}
	return &wire.Error{Code: code, Message: text, Status: http.StatusBadRequest}
}

// s3Checked words the outcome of a signature check.
func s3Checked(r *http.Request, err error) error {
	var at *sigv4.TimeError
	switch {
	case errors.As(err, &at) && at.Expired && r.Header.Get("Authorization") == "":
		return &wire.Error{Code: "AccessDenied", Message: "Request has expired", Status: http.StatusForbidden}
	case errors.As(err, &at):
		return &wire.Error{Code: "RequestTimeTooSkewed", Message: "The difference between the request time and the current time is too large.", Status: http.StatusForbidden}
	}
	return checked(err, s3Words)
}

// copyBuffers is space for sending streams.
var copyBuffers = sync.Pool{New: func() any { return new([128 << 10]byte) }}

// sendStream sends a body that is a stream.
func sendStream(w io.Writer, stream io.ReadCloser) error {
	defer stream.Close()
	if whole, ok := stream.(io.WriterTo); ok {
		_, err := whole.WriteTo(w)
		return err
	}
	b := copyBuffers.Get().(*[128 << 10]byte)
	defer copyBuffers.Put(b)
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, stream, b[:])
	return err
}
