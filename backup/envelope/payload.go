package envelope

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

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
	// nearby is how many chunks around its place a chunk that does not open is looked for.
	nearby = 64
	// noProgress is how often a source may give nothing before it is given up.
	noProgress = 100
)

// payload opens chunk by chunk, into the reader's own memory where that has room. It
// allocates nothing after it is made: the decryption of the library does, and reaches
// about half the rate.
type payload struct {
	src  io.Reader
	aead cipher.AEAD
	key  []byte
	end  []byte

	// sealed holds the chunk at hand and the byte after it, which tells whether the chunk
	// is the last; have is how much of it is filled.
	sealed [sealedSize + 1]byte
	have   int
	ended  bool // src is at its end

	opened [chunkSize]byte
	unread []byte // of opened

	counter uint64
	number  [chacha20poly1305.NonceSize]byte
	err     error
}

func newPayload(src io.Reader, fileKey, end []byte) (*payload, error) {
	p := &payload{src: src, end: end}
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

// fill reads until b is full or the source ends, whose own io.ErrUnexpectedEOF is a
// failure as any other: a connection that broke is no file that is short.
func (p *payload) fill(b []byte) (int, error) {
	n, idle := 0, 0
	for n < len(b) && !p.ended {
		m, err := p.src.Read(b[n:])
		n += m
		if m > 0 {
			idle = 0
		} else if idle++; idle == noProgress && err == nil {
			err = io.ErrNoProgress
		}
		switch {
		case err == io.EOF:
			p.ended = true
		case err != nil:
			return n, ioFailure("reading the payload", err)
		}
	}
	return n, nil
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
	if len(chunk) < chacha20poly1305.Overhead {
		return p.truncated()
	}
	if p.displaced(chunk) {
		return p.corrupt("stands elsewhere in the file")
	}
	if len(p.end) == 0 {
		return p.corrupt("was changed or cut")
	}
	c, err := chacha20.NewUnauthenticatedCipher(p.key, p.nonce(p.counter, lastFlag))
	if err != nil {
		return p.corrupt("was changed or cut")
	}
	// Block 0 of the key stream makes the key of Poly1305, see
	// https://www.rfc-editor.org/rfc/rfc8439#section-2.8.
	c.SetCounter(1)
	plain := p.opened[:len(chunk)-chacha20poly1305.Overhead]
	c.XORKeyStream(plain, chunk[:len(plain)])
	found := holds(plain, p.end)
	clear(plain)
	if found {
		return p.corrupt("was changed")
	}
	return p.truncated()
}

// displaced reports whether the chunk is one from near its place: then others are missing
// before it, or stand there twice.
func (p *payload) displaced(chunk []byte) bool {
	for i := p.counter - min(p.counter, nearby); i <= p.counter+nearby; i++ {
		for _, flag := range []byte{0, lastFlag} {
			if i == p.counter || flag == 0 && len(chunk) < sealedSize {
				continue
			}
			if out, err := p.aead.Open(p.opened[:0], p.nonce(i, flag), chunk, nil); err == nil {
				clear(out)
				return true
			}
		}
	}
	return false
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
	return Fail(Truncated, fmt.Errorf("reading the payload: the file ends after %d whole chunks of 64 KiB, before its end", p.counter))
}

// holds reports whether end is somewhere in plain, up to as many bits as a damaged byte has.
func holds(plain, end []byte) bool {
	const flipped = 8
	for i := len(plain) - len(end); i >= 0; i-- {
		if distance(plain[i:i+len(end)], end, flipped) <= flipped {
			return true
		}
	}
	return false
}
