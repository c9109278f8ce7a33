package sigv4

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The forms in which S3 takes bodies that are framed in chunks, in place of the
// body's hash.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html.
const (
	StreamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// The ways in which the body of a request fails.
var (
	// ErrContent is a body whose hash is another than the request states.
	ErrContent = errors.New("the body is not the one that was signed")
	// ErrFraming is a body whose chunks cannot be read.
	ErrFraming = errors.New("the body is not framed in chunks")
	// ErrPayload is a request that does not state its body's hash as S3 wants it.
	ErrPayload = errors.New("the body's hash is not stated")
)

// ContentError is a body with another hash than the request states.
type ContentError struct{ Stated, Computed string }

// Error tells that they differ, in AWS's words.
func (e *ContentError) Error() string {
	return "The provided 'x-amz-content-sha256' header does not match what was computed."
}

// Unwrap returns the kind.
func (e *ContentError) Unwrap() error { return ErrContent }

// VerifyHead is Verify for a body that is still to be read: it takes the hash that
// the request states. Body then checks the body itself.
func (s *Signature) VerifyHead(keys *Keys, r *http.Request, secret string, now time.Time) error {
	if err := s.covers(r.Header); err != nil {
		return err
	}
	if err := s.current(now); err != nil {
		return err
	}
	hash := s.PayloadHash
	if hash == "" && s.Presigned {
		hash = Unsigned
	}
	if !s.verifyHash(keys, r, hash, secret) {
		return mismatch()
	}
	return nil
}

// Payload checks what the request states of its body's hash.
func (s *Signature) Payload() error {
	switch s.PayloadHash {
	case Unsigned, StreamingSigned, StreamingSignedTrailer, StreamingUnsignedTrailer:
		return nil
	case "":
		if s.Presigned {
			return nil
		}
		return &Error{ErrPayload, "Missing required header for this request: x-amz-content-sha256"}
	}
	if sum, err := hex.DecodeString(s.PayloadHash); err != nil || len(sum) != sha256.Size {
		return &Error{ErrPayload, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."}
	}
	return nil
}

// Chunked reports whether the body is framed in chunks.
func (s *Signature) Chunked() bool { return strings.HasPrefix(s.PayloadHash, "STREAMING-") }

// Body returns what a body holds, without the framing. Reading fails, at its end at
// the latest, when it is not what was signed. Without a secret the signatures of the
// chunks are not checked.
func (s *Signature) Body(keys *Keys, secret string, body io.Reader) io.Reader {
	switch {
	case s.Chunked():
		c := &Chunks{r: bufio.NewReaderSize(body, 4096), trailing: strings.HasSuffix(s.PayloadHash, "-TRAILER")}
		if secret != "" && s.PayloadHash != StreamingUnsignedTrailer {
			c.check = &chain{sig: s, key: keys.get(scope{secret, s.Date, s.Region, s.Service}), last: s.mac}
		}
		return c
	case s.PayloadHash == "" || s.PayloadHash == Unsigned:
		return body
	}
	return &hashed{Reader: body, sum: sha256.New(), want: s.PayloadHash}
}

// hashed is a body with a hash.
type hashed struct {
	io.Reader
	sum  hash.Hash
	want string
}

// Read reads, and compares the hashes at the end.
func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.sum.Write(p[:n])
	if err == io.EOF {
		if got := hex.EncodeToString(h.sum.Sum(nil)); got != h.want {
			return n, &ContentError{Stated: h.want, Computed: got}
		}
	}
	return n, err
}

// chain is the signatures of chunks, each of which covers the one before.
type chain struct {
	sig  *Signature
	key  *signer
	last string
}

// next checks the signature of a chunk, or of the trailer.
func (c *chain) next(kind string, covered []byte, given string) error {
	text := append([]byte(algorithm+"-"+kind+"\n"), c.sig.at.Format(timeLayout)...)
	for _, part := range [...]string{"\n", c.sig.Date, "/", c.sig.Region, "/", c.sig.Service, "/" + terminator + "\n", c.last, "\n"} {
		text = append(text, part...)
	}
	if kind == "PAYLOAD" {
		empty := sha256.Sum256(nil)
		text = append(hex.AppendEncode(text, empty[:]), '\n')
	}
	text = hex.AppendEncode(text, covered)
	want := string(c.key.appendSign(nil, text))
	if want != given {
		return mismatch()
	}
	c.last = want
	return nil
}

// Chunks reads a body that is framed in chunks.
type Chunks struct {
	r        *bufio.Reader
	check    *chain // nil when signatures are not checked
	trailing bool
	left     int64 // of the chunk
	begun    bool
	given    string // the chunk's signature
	sum      hash.Hash
	trailer  http.Header
	err      error
}

// maxLine is the length of the longest line of the framing, and maxTrailers how many
// lines may follow the chunks.
const (
	maxLine     = 4096
	maxTrailers = 16
	// MaxChunk is the size of the largest chunk.
	MaxChunk = 5 << 30
)

func framing(text string) error { return &Error{ErrFraming, text} }

// Trailer is what followed the last chunk, once everything was read.
func (c *Chunks) Trailer() http.Header { return c.trailer }

// Read reads the content of the chunks.
func (c *Chunks) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if c.left == 0 {
		if c.err = c.advance(); c.err != nil {
			return 0, c.err
		}
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	if err == io.EOF && c.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err == io.EOF {
		err = nil // the framing says where the end is
	}
	c.err = err
	return n, err
}

// advance ends a chunk and reads the head of the next. It is io.EOF after the last.
func (c *Chunks) advance() error {
	if c.begun {
		if err := c.endChunk(); err != nil {
			return err
		}
	}
	c.begun = true
	line, err := c.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 63)
	if err != nil || n > MaxChunk {
		return framing("The size of a chunk cannot be read.")
	}
	c.given = ""
	if value, ok := strings.CutPrefix(strings.TrimSpace(extension), "chunk-signature="); ok {
		c.given = value
	}
	c.left = int64(n)
	if c.check != nil {
		c.sum = sha256.New()
	}
	if n > 0 {
		return nil
	}
	if c.check != nil {
		if err := c.check.next("PAYLOAD", c.sum.Sum(nil), c.given); err != nil {
			return err
		}
	}
	return c.end()
}

// endChunk reads the line end after a chunk and checks its signature.
func (c *Chunks) endChunk() error {
	rest, err := c.line()
	switch {
	case err != nil:
		return err
	case rest != "":
		return framing("A chunk is longer than it says.")
	case c.check != nil:
		return c.check.next("PAYLOAD", c.sum.Sum(nil), c.given)
	}
	return nil
}

// end reads what follows the last chunk, to the end of the body.
func (c *Chunks) end() error {
	c.trailer = http.Header{}
	var signed []byte
	given := ""
	for range maxTrailers {
		line, err := c.line()
		if err == io.ErrUnexpectedEOF && line == "" {
			break // of a body that ends without an empty line, as some clients write it
		}
		if err != nil {
			return err
		}
		if line == "" {
			continue // some write one before the trailer, all one after it
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !c.trailing {
			return framing("What follows the last chunk cannot be read.")
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if name == "x-amz-trailer-signature" {
			given = value
			continue
		}
		c.trailer.Add(name, value)
		signed = append(signed, name+":"+value+"\n"...)
	}
	if _, err := c.r.ReadByte(); err != io.EOF {
		return framing("Something follows the end of the chunks.")
	}
	if c.check != nil && c.trailing {
		sum := sha256.Sum256(signed)
		if err := c.check.next("TRAILER", sum[:], given); err != nil {
			return err
		}
	}
	return io.EOF
}

// line reads a line of the framing, without its end.
func (c *Chunks) line() (string, error) {
	text, err := c.r.ReadSlice('\n')
	switch {
	case err == io.EOF:
		return string(text), io.ErrUnexpectedEOF
	case errors.Is(err, bufio.ErrBufferFull) || len(text) > maxLine:
		return "", framing("A line between chunks is too long.")
	case err != nil:
		return "", err
	}
	return strings.TrimSuffix(string(text[:len(text)-1]), "\r"), nil
}
