package etcd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/keyreach/keyreach/backup/envelope"
)

// page is what the size of a database is a multiple of: bbolt's pages have at least 512
// bytes. With its hash a snapshot is 32 bytes longer, by which etcd knows that it has one.
const page = 512

// held reads a snapshot and gives its last 32 bytes only once they turned out to be the
// SHA-256 of the rest, so that nobody who reads to the end has read a bad one.
type held struct {
	r    io.Reader
	left int64 // bytes before the hash
	sum  hash.Hash
	tail []byte // of the hash, what is still to be given
	done bool
}

func newHeld(r io.Reader, size int64) *held {
	return &held{r: r, left: size - sha256.Size, sum: sha256.New()}
}

func (h *held) Read(p []byte) (int, error) {
	if h.left > 0 {
		n, err := h.r.Read(p[:min(int64(len(p)), h.left)])
		h.sum.Write(p[:n])
		h.left -= int64(n)
		if errors.Is(err, io.EOF) {
			err = nil
			if h.left > 0 {
				err = envelope.Fail(envelope.Truncated, fmt.Errorf("reading the snapshot: it ends %d bytes too soon", h.left+sha256.Size))
			}
		}
		return n, err
	}
	if !h.done {
		if err := h.finish(); err != nil {
			return 0, err
		}
	}
	if len(h.tail) == 0 {
		return 0, io.EOF
	}
	n := copy(p, h.tail)
	h.tail = h.tail[n:]
	return n, nil
}

// finish reads the hash and what may not be behind it, and compares.
func (h *held) finish() error {
	tail := make([]byte, sha256.Size+1)
	n, err := io.ReadFull(h.r, tail)
	switch {
	case err == nil:
		return envelope.Fail(envelope.Corrupt, errors.New("reading the snapshot: there are bytes behind its hash"))
	case n < sha256.Size && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return envelope.Fail(envelope.Truncated, fmt.Errorf("reading the snapshot: its hash has %d of %d bytes", n, sha256.Size))
	case !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	}
	if got := h.sum.Sum(nil); string(got) != string(tail[:n]) {
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the snapshot: its SHA-256 is %s, and it ends in %s",
			hex.EncodeToString(got), hex.EncodeToString(tail[:n])))
	}
	h.tail, h.done = tail[:n], true
	return nil
}

// same reads a database without a hash, and fails at its end when it is another than the
// one that was checked.
type same struct {
	r    io.Reader
	left int64
	sum  hash.Hash
	want string
}

func newSame(r io.Reader, info Info) *same {
	return &same{r: r, left: info.Size, sum: sha256.New(), want: info.SHA256}
}

func (s *same) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
	s.sum.Write(p[:n])
	s.left -= int64(n)
	if errors.Is(err, io.EOF) && s.left > 0 {
		return n, envelope.Fail(envelope.Truncated, fmt.Errorf("reading the database: it ends %d bytes too soon", s.left))
	}
	if s.left == 0 && hex.EncodeToString(s.sum.Sum(nil)) != s.want {
		// The last bytes are kept back, so that a reader of the whole size fails too.
		return 0, envelope.Fail(envelope.Corrupt, errors.New("reading the database: it changed while it was read; a member must stand still"))
	}
	return n, nil
}
