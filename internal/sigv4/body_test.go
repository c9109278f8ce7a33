package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// framed writes a body in chunks as a client does, signed when there is a chain.
func framed(s *Signature, keys *Keys, chunks []string, trailer string) string {
	var c *chain
	if s.PayloadHash != StreamingUnsignedTrailer {
		c = &chain{sig: s, key: keys.get(scope{secret, s.Date, s.Region, s.Service}), last: s.mac}
	}
	sign := func(kind string, covered [sha256.Size]byte) string {
		// The chain refuses a signature that is wrong and tells the right one to nobody, so
		// it is worked out here as it is written at AWS's page.
		text := algorithm + "-" + kind + "\n" + s.at.Format(timeLayout) + "\n" + s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator + "\n" + c.last + "\n"
		if kind == "PAYLOAD" {
			empty := sha256.Sum256(nil)
			text += hex.EncodeToString(empty[:]) + "\n"
		}
		c.last = string(c.key.appendSign(nil, []byte(text+hex.EncodeToString(covered[:]))))
		return c.last
	}
	var b strings.Builder
	for _, chunk := range append(chunks, "") {
		fmt.Fprintf(&b, "%x", len(chunk))
		if c != nil {
			b.WriteString(";chunk-signature=" + sign("PAYLOAD", sha256.Sum256([]byte(chunk))))
		}
		b.WriteString("\r\n" + chunk)
		if chunk != "" {
			b.WriteString("\r\n")
		}
	}
	if trailer != "" {
		b.WriteString(trailer + "\r\n")
		if c != nil {
			b.WriteString("x-amz-trailer-signature:" + sign("TRAILER", sha256.Sum256([]byte(trailer+"\n"))) + "\r\n")
		}
	}
	b.WriteString("\r\n")
	return b.String()
}

func streaming(t testing.TB, kind string) (*Signature, *Keys, *http.Request) {
	t.Helper()
	r := sample{method: http.MethodPut, url: "http://h/b/k", service: "s3", hash: kind, header: http.Header{"X-Amz-Content-Sha256": {kind}}}.request(t)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	return s, &Keys{}, r
}

const sumTrailer = "x-amz-checksum-crc32:AAAAAA=="

func TestABodyInChunksIsWhatWasSigned(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{StreamingSigned, StreamingSignedTrailer, StreamingUnsignedTrailer} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, keys, r := streaming(t, kind)
			if err := s.VerifyHead(keys, r, secret, noon()); err != nil {
				t.Fatal(err)
			}
			trailer := ""
			if strings.HasSuffix(kind, "-TRAILER") {
				trailer = sumTrailer
			}
			text := framed(s, keys, []string{strings.Repeat("a", 70000), "b", strings.Repeat("c", 8192)}, trailer)
			for name, read := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
				body := s.Body(keys, secret, read(strings.NewReader(text)))
				got, err := io.ReadAll(body)
				if err != nil || len(got) != 70000+1+8192 || !bytes.Contains(got, []byte("aabcc")) {
					t.Fatalf("%s: %d bytes, %v", name, len(got), err)
				}
				if trailer != "" && body.(*Chunks).Trailer().Get("x-amz-checksum-crc32") != "AAAAAA==" {
					t.Errorf("%s: the trailer is %v", name, body.(*Chunks).Trailer())
				}
			}
		})
	}
}

func TestABodyInChunksThatWasChangedIsRefused(t *testing.T) {
	t.Parallel()
	s, keys, _ := streaming(t, StreamingSignedTrailer)
	whole := framed(s, keys, []string{strings.Repeat("a", 9000), strings.Repeat("b", 20)}, sumTrailer)
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"a byte of a chunk":              {strings.Replace(whole, "bbb", "bxb", 1), ErrMismatch},
		"the trailer":                    {strings.Replace(whole, "AAAAAA==", "AAAAAQ==", 1), ErrMismatch},
		"a chunk's signature":            {strings.Replace(whole, "chunk-signature=", "chunk-signature=0", 1), ErrMismatch},
		"no signatures":                  {strings.ReplaceAll(whole, "chunk-signature", "other"), ErrMismatch},
		"a chunk more":                   {strings.Replace(whole, "0;chunk", "1;chunk-signature=00\r\nx\r\n0;chunk", 1), ErrMismatch},
		"a chunk that is longer":         {strings.Replace(whole, "14;chunk", "13;chunk", 1), ErrFraming},
		"a chunk that is shorter":        {strings.Replace(whole, "14;chunk", "15;chunk", 1), ErrMismatch},
		"a size that is no number":       {strings.Replace(whole, "14;chunk", "x;chunk", 1), ErrFraming},
		"a size beyond all":              {strings.Replace(whole, "14;chunk", "7fffffffffffffff;chunk", 1), ErrFraming},
		"something after the end":        {whole + "x", io.ErrUnexpectedEOF},
		"cut off within a chunk":         {whole[:500], io.ErrUnexpectedEOF},
		"cut off before the last chunk":  {whole[:strings.Index(whole, "\r\n0;")], io.ErrUnexpectedEOF},
		"cut off before the trailer":     {whole[:strings.Index(whole, "x-amz-checksum")], ErrMismatch},
		"a head that is without its end": {strings.Repeat("1", 10000), ErrFraming},
	} {
		_, err := io.ReadAll(s.Body(keys, secret, strings.NewReader(c.text)))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestABodyHasTheHashThatItsRequestStates(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("content"))
	s := &Signature{PayloadHash: hex.EncodeToString(sum[:])}
	if text, err := io.ReadAll(s.Body(nil, "", strings.NewReader("content"))); err != nil || string(text) != "content" {
		t.Errorf("%q, %v", text, err)
	}
	var content *ContentError
	if _, err := io.ReadAll(s.Body(nil, "", strings.NewReader("contenT"))); !errors.As(err, &content) || content.Stated != s.PayloadHash {
		t.Errorf("another body: %v", err)
	}
	for _, hash := range []string{"", "x", "STREAMING-NOTHING", strings.Repeat("0", 63)} {
		if err := (&Signature{PayloadHash: hash}).Payload(); !errors.Is(err, ErrPayload) {
			t.Errorf("the hash %q: %v", hash, err)
		}
	}
}

// Whatever comes, reading ends, gives no more than came, and never panics.
func FuzzChunks(f *testing.F) {
	s, keys, _ := streaming(f, StreamingUnsignedTrailer)
	signed, _, _ := streaming(f, StreamingSignedTrailer)
	f.Add(framed(s, keys, []string{"hello", "world"}, sumTrailer))
	f.Add(framed(signed, keys, []string{"hello"}, sumTrailer))
	f.Add("0\r\n\r\n")
	f.Add("5\r\nhello\r\n0\r\nx:y\r\n\r\n")
	f.Add("ffffffffffffffff\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, sig := range []*Signature{s, signed} {
			got, err := io.ReadAll(sig.Body(keys, secret, strings.NewReader(text)))
			if len(got) > len(text) {
				t.Fatalf("%d bytes came and %d were read", len(text), len(got))
			}
			// What was read whole and is framed again comes out the same.
			if err == nil && sig == s && len(got) > 0 {
				again, err := io.ReadAll(s.Body(keys, secret, strings.NewReader(framed(s, keys, []string{string(got)}, sumTrailer))))
				if err != nil || string(again) != string(got) {
					t.Fatalf("%q became %q, %v", got, again, err)
				}
			}
		}
	})
}
