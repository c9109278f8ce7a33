package s3

import (
	"bytes"
	"crypto/cipher"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"path/filepath"
	"strings"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func quoted(sum []byte) string { return `"` + hexOf(sum) + `"` }

// written is bytes that were written and belong to nothing yet.
type written struct {
	store *store
	Segment
	md5 []byte
	// etag is the MD5 of the bytes as they were sent; of an object under a key of KMS it is
	// that of the encrypted ones, since AWS's is no digest of the object then.
	// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html.
	etag string
	sums map[string]string
	// sealing is how they were encrypted, for an object of its own.
	sealing Sealing
	kept    bool
	from    *Object // what was copied
}

// Close deletes the file, unless it belongs to something by now.
func (w *written) Close() error {
	if w != nil && !w.kept && w.File != "" {
		w.store.remove(w.File)
	}
	return nil
}

// adopt makes the file one of an object's, as long as the update is not taken back.
func (s *Service) adopt(w *written) {
	w.kept = true
	s.files.keep(w.File)
	s.DB.OnUndo(func() { w.kept = false })
}

// wish is what is to be worked out about bytes and what they have to come to.
type wish struct {
	md5   *string           // base64, as Content-MD5
	sums  map[string]string // stated
	later []string          // algorithms whose checksums follow the body
	also  []string          // algorithms that are worked out in any case
}

// trailing is a body that headers follow.
type trailing interface {
	Announced() []string
	Trailer() http.Header
}

// wishOf reads what a request says of its body's checksums.
func wishOf(in any, contentMD5 *string, algorithm string, body io.Reader) (*wish, error) {
	sums, err := stated(in)
	if err != nil {
		return nil, err
	}
	w := &wish{md5: contentMD5, sums: sums}
	if t, ok := body.(trailing); ok {
		for _, name := range t.Announced() {
			name, ok := strings.CutPrefix(name, "x-amz-checksum-")
			if !ok {
				continue
			}
			name = strings.ToUpper(name)
			if newSum(name) == nil {
				return nil, notImplemented("checksums of the algorithm " + name)
			}
			w.later = append(w.later, name)
		}
	}
	if algorithm != "" && newSum(algorithm) == nil {
		return nil, notImplemented("checksums of the algorithm " + algorithm)
	}
	if len(sums)+len(w.later) == 0 && algorithm != "" {
		w.also = append(w.also, algorithm)
	}
	return w, nil
}

// algorithms are all that are worked out.
func (w *wish) algorithms() map[string]hash.Hash {
	out := map[string]hash.Hash{}
	for name := range w.sums {
		out[name] = newSum(name)
	}
	for _, name := range append(w.later, w.also...) {
		out[name] = newSum(name)
	}
	return out
}

// write takes a body into a file of its own, encrypted under key unless that is nil, and
// holds it against what was stated.
func (t *store) write(body io.Reader, key []byte, want *wish) (_ *written, err error) {
	f, err := t.create()
	if err != nil {
		return nil, err
	}
	w := &written{store: t, Segment: Segment{File: filepath.Base(f.Name())}}
	defer func() {
		if closing := f.Close(); err == nil {
			err = closing
		}
		if err != nil {
			_ = w.Close() // the first error tells
		}
	}()
	var stream cipher.Stream
	if key != nil {
		w.IV = random(16)
		if stream, err = streamAt(key, w.IV, 0); err != nil {
			return nil, err
		}
	}
	sums := want.algorithms()
	digest, sealed := md5.New(), hash.Hash(nil)
	if stream != nil {
		sealed = md5.New()
		sealed.Write(w.IV)
		if want.md5 == nil {
			digest = nil
		}
	}
	if err := w.pass(f, body, stream, digest, sealed, sums); err != nil {
		return nil, err
	}
	w.sums = map[string]string{}
	if digest != nil {
		w.md5 = digest.Sum(nil)
		w.etag = quoted(w.md5)
	}
	if sealed != nil {
		w.etag = quoted(sealed.Sum(nil))
	}
	for name, h := range sums {
		w.sums[name] = encode(h.Sum(nil))
	}
	return w, want.check(w, body)
}

// pieceSize is how much is read at once: as much as is still in the processor's cache
// when the last of the hashes comes to it.
const pieceSize = 64 << 10

// pass reads the body in pieces, hashes and encrypts each and writes it. What is
// encrypted is hashed by sealed; digest may be nil.
func (w *written) pass(f io.Writer, body io.Reader, stream cipher.Stream, digest, sealed hash.Hash, sums map[string]hash.Hash) error {
	if body == nil {
		return nil
	}
	b := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(b)
	for {
		n, err := body.Read(b[:pieceSize])
		piece := b[:n]
		if digest != nil {
			digest.Write(piece)
		}
		for _, h := range sums {
			h.Write(piece)
		}
		if stream != nil {
			stream.XORKeyStream(piece, piece)
			sealed.Write(piece)
		}
		if n > 0 {
			if _, err := f.Write(piece); err != nil {
				return fmt.Errorf("writing an object: %w", err)
			}
			w.Size += int64(n)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// check holds what was written against what was stated.
func (want *wish) check(w *written, body io.Reader) error {
	if want.md5 != nil {
		sum, err := base64.StdEncoding.DecodeString(*want.md5)
		switch {
		case err != nil || len(sum) != md5.Size:
			return bad("InvalidDigest", "The Content-MD5 you specified was invalid.")
		case !bytes.Equal(sum, w.md5):
			return bad("BadDigest", "The Content-MD5 you specified did not match what we received.")
		}
	}
	for name, text := range want.sums {
		if w.sums[name] != text {
			return badSum(name)
		}
	}
	if len(want.later) == 0 {
		return nil
	}
	trailer := body.(trailing).Trailer()
	for _, name := range want.later {
		if got := trailer.Values("x-amz-checksum-" + strings.ToLower(name)); len(got) != 1 || got[0] != w.sums[name] {
			return badSum(name)
		}
	}
	return nil
}

func badSum(algorithm string) error {
	return bad("BadDigest", "The "+algorithm+" you specified did not match the calculated checksum.")
}
