package envelope

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
)

// The payload of age v1 is a STREAM: a nonce, and chunks of 64 KiB that are sealed with
// ChaCha20-Poly1305, numbered and the last of them marked. See
// https://age-encryption.org/v1, "Payload".
const (
	streamNonce = 16
	chunkSize   = 64 << 10
	sealedSize  = chunkSize + chacha20poly1305.Overhead
	lastFlag    = 1
	flagByte    = chacha20poly1305.NonceSize - 1
	// nearby is how many numbers around its own are tried for a chunk that does not open.
	nearby = 256
	// noProgress is how often a source may give nothing before it is given up.
	noProgress = 100
)

// payload opens chunk by chunk, into the reader's own memory where that has room. It
// allocates nothing after it is made: the decryption of the library does, and reaches
// about half the rate.
type payload struct {
	src   io.Reader
	aead  cipher.AEAD
	key   []byte
	known Options

	// sealed holds the chunk at hand and the byte after it, which tells whether the chunk
	// is the last; have is how much of it is filled.
	sealed [sealedSize + 1]byte
	have   int
	ended  bool // src is at its end

	opened [chunkSize]byte
	unread []byte // of opened

	// tail are the last bytes of what was opened, as many as may belong to an end that
	// reaches into the next chunk.
	tail []byte

	counter uint64
	number  [chacha20poly1305.NonceSize]byte
	err     error
}

func newPayload(src io.Reader, fileKey []byte, known Options) (*payload, error) {
	p := &payload{src: src, known: known}
	var nonce [streamNonce]byte
	n, err := p.fill(nonce[:])
	if err != nil {
		return nil, err
	}
	if n < len(nonce) {
		return nil, Fail(Truncated, errors.New("reading the payload: the file ends before it"))
	}
	if p.key, err = streamKey(fileKey, nonce[:]); err != nil {
		return nil, fmt.Errorf("deriving the key of the payload: %w", err)
	}
	p.aead, err = chacha20poly1305.New(p.key)
	if err != nil {
		return nil, fmt.Errorf("opening the payload: %w", err)
	}
	return p, nil
}

// fill reads into b from the source.
func (p *payload) fill(b []byte) (int, error) {
	if p.ended {
		return 0, nil
	}
	n, ended, err := fill(p.src, b)
	p.ended = ended
	if err != nil {
		err = ioFailure("reading the payload", err)
	}
	return n, err
}

// fill reads until b is full or the source has ended. An io.ErrUnexpectedEOF of the source
// itself is a failure as any other: a connection that broke is no file that is short.
func fill(r io.Reader, b []byte) (n int, ended bool, err error) {
	for idle := 0; n < len(b); {
		m, err := r.Read(b[n:])
		n += m
		if m > 0 {
			idle = 0
		} else if idle++; idle == noProgress && err == nil {
			err = io.ErrNoProgress
		}
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

// Read implements io.Reader.
func (p *payload) Read(b []byte) (int, error) {
	for {
		switch {
		case len(p.unread) > 0:
			n := copy(b, p.unread)
			p.unread = p.unread[n:]
			return n, nil
		case p.err != nil:
			return 0, p.err
		case len(b) == 0:
			return 0, nil
		case len(b) >= chunkSize:
			if n := len(p.next(b[:0:chunkSize])); n > 0 {
				return n, nil
			}
		default:
			p.unread = p.next(p.opened[:0])
		}
	}
}

// WriteTo implements io.WriterTo.
func (p *payload) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if len(p.unread) > 0 {
			n, err := w.Write(p.unread)
			total += int64(n)
			p.unread = p.unread[n:]
			if err == nil && len(p.unread) > 0 {
				err = io.ErrShortWrite
			}
			if err != nil {
				return total, err
			}
		}
		if p.err == io.EOF {
			return total, nil
		}
		if p.err != nil {
			return total, p.err
		}
		p.unread = p.next(p.opened[:0])
	}
}

// next opens the next chunk into dst, which has no length and room for a chunk. What comes
// after that chunk is in p.err as soon as it is known: the end, or what is wrong.
func (p *payload) next(dst []byte) []byte {
	n, err := p.fill(p.sealed[p.have:])
	p.have += n
	if err != nil {
		p.err = err
		return nil
	}
	if p.have > sealedSize {
		return p.between(dst)
	}
	return p.last(dst)
}

// between opens a chunk after which there is more.
func (p *payload) between(dst []byte) []byte {
	chunk := p.sealed[:sealedSize]
	out, err := p.aead.Open(dst, p.nonce(p.counter, 0), chunk, nil)
	if err != nil {
		// Opening has overwritten dst, never the chunk.
		out, err = p.aead.Open(dst, p.nonce(p.counter, lastFlag), chunk, nil)
		if err != nil {
			p.err = p.corrupt("was changed")
			return nil
		}
		p.err = Fail(Corrupt, errors.New("reading the payload: there is more after its end"))
		return out
	}
	p.counter++
	if n := len(p.known.End) - 1; n > 0 && n <= len(out) {
		p.tail = append(p.tail[:0], out[len(out)-n:]...)
	}
	p.sealed[0] = p.sealed[sealedSize]
	p.have = 1
	return out
}

// last opens what is there when the source has ended.
func (p *payload) last(dst []byte) []byte {
	chunk := p.sealed[:p.have]
	if len(chunk) == 0 {
		p.err = p.truncated()
		return nil
	}
	if out, err := p.aead.Open(dst, p.nonce(p.counter, lastFlag), chunk, nil); err == nil {
		if len(out) == 0 && p.counter > 0 {
			p.err = p.corrupt("is the last and empty, which age never writes")
			return nil
		}
		p.err = io.EOF
		return out
	}
	if len(chunk) == sealedSize {
		if out, err := p.aead.Open(dst, p.nonce(p.counter, 0), chunk, nil); err == nil {
			p.counter++
			p.err = p.truncated()
			return out
		}
	}
	p.err = p.diagnose(chunk)
	return nil
}

// diagnose tells why the last chunk does not open. It was cut, or it was changed: the end
// of the plaintext tells, if it is known. For that the chunk is decrypted without being
// authenticated; nothing of it leaves this function.
func (p *payload) diagnose(chunk []byte) error {
	size := len(chunk) - chacha20poly1305.Overhead
	switch {
	case size < 0:
		return p.truncated()
	case len(p.known.End) == 0:
		return p.corrupt("was changed or cut")
	case p.holds(chunk[:size]):
		return p.corrupt("was changed")
	case p.displaced(chunk[:size]):
		return p.corrupt("stands elsewhere in the file")
	case p.counter == 0 && !p.begins(chunk[:size]):
		return p.corrupt("is of another file, or was changed")
	}
	return p.truncated()
}

// holds reports whether the end of the plaintext ends anywhere in the chunk, up to as many
// bits as a damaged byte has.
func (p *payload) holds(sealed []byte) bool {
	const flipped = 8
	plain := slices.Concat(p.tail, p.reveal(sealed, 0, p.counter, lastFlag))
	defer clear(plain)
	for i := len(plain) - len(p.known.End); i >= 0; i-- {
		if distance(plain[i:i+len(p.known.End)], p.known.End, flipped) <= flipped {
			return true
		}
	}
	return false
}

// displaced reports whether the chunk is the last of the file with a number near the one
// of its place: then others are missing before it, or stand there twice.
func (p *payload) displaced(sealed []byte) bool {
	from := len(sealed) - len(p.known.End)
	if from < 0 {
		return false
	}
	for i := p.counter - min(p.counter, nearby); i <= p.counter+nearby; i++ {
		if bytes.Equal(p.reveal(sealed, from, i, lastFlag), p.known.End) {
			return true
		}
	}
	return false
}

// begins reports whether the first chunk of the file begins as its plaintext does, as far
// as it is there. Only the key of this file makes that of it.
func (p *payload) begins(sealed []byte) bool {
	n := min(len(sealed), len(p.known.Begin))
	for _, flag := range []byte{0, lastFlag} {
		if bytes.Equal(p.reveal(sealed[:n], 0, 0, flag), p.known.Begin[:n]) {
			return true
		}
	}
	return false
}

// reveal decrypts a chunk from a byte on, unauthenticated, into memory that the next call
// uses again.
func (p *payload) reveal(sealed []byte, from int, counter uint64, flag byte) []byte {
	const block = 64
	c, err := chacha20.NewUnauthenticatedCipher(p.key, p.nonce(counter, flag))
	if err != nil {
		return nil
	}
	// Block 0 of the key stream makes the key of Poly1305, see
	// https://www.rfc-editor.org/rfc/rfc8439#section-2.8.
	c.SetCounter(uint32(1 + from/block))
	start := from - from%block
	plain := p.opened[:len(sealed)-start]
	c.XORKeyStream(plain, sealed[start:])
	return plain[from-start:]
}

// nonce is the chunk's: its number and whether it is the last. The next call overwrites it.
func (p *payload) nonce(counter uint64, flag byte) []byte {
	binary.BigEndian.PutUint64(p.number[flagByte-8:], counter)
	p.number[flagByte] = flag
	return p.number[:]
}

func (p *payload) corrupt(what string) error {
	return Fail(Corrupt, fmt.Errorf("reading the payload: chunk %d, at byte %d of the plaintext, %s", p.counter, p.counter*chunkSize, what))
}

func (p *payload) truncated() error {
	return Fail(Truncated, fmt.Errorf("reading the payload: the file is cut off: of its plaintext, the first %d bytes are whole", p.counter*chunkSize))
}
