package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
)

// copySize is how much of a file is in memory at a time, in bytes.
const copySize = 256 << 10

// hasher copies and hashes. The two go on beside each other: a hash takes half as long
// as the compression, which has the larger part of the work.
type hasher struct {
	sum hash.Hash
	buf []byte
}

func newHasher() *hasher { return &hasher{sum: sha256.New(), buf: make([]byte, copySize)} }

// copy copies what r has, at most size bytes, and returns how many there were and their
// SHA-256.
func (h *hasher) copy(w io.Writer, r io.Reader, size int64) (n int64, sum string, err error) {
	h.sum.Reset()
	r = io.LimitReader(r, size)
	for more := true; more; {
		k, err := io.ReadFull(r, h.buf)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return n, "", err
		}
		more = err == nil && n+int64(k) < size
		if err := h.write(w, h.buf[:k]); err != nil {
			return n, "", err
		}
		n += int64(k)
	}
	return n, hex.EncodeToString(h.sum.Sum(nil)), nil
}

func (h *hasher) write(w io.Writer, p []byte) error {
	if len(p) < copySize { // not worth another goroutine
		h.sum.Write(p)
		_, err := w.Write(p)
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.sum.Write(p)
	}()
	_, err := w.Write(p)
	<-done // p is used again
	return err
}
