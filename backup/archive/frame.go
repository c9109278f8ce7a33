package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/keyreach/keyreach/backup/envelope"
)

// maxWindow is how much memory an archive may ask for, in bytes: what zstd takes
// without being told to take more.
const maxWindow = 128 << 20

// maxBlock is the largest block of a zstd frame, in bytes.
const maxBlock = 128 << 10

// input reads what holds the archive. It remembers how that failed: what stands above it
// may give the failure another form.
type input struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (i *input) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		i.err = err
		return 0, err
	}
	n, err := i.r.Read(p)
	if err != nil && err != io.EOF { // one that wraps io.EOF is a failure
		i.err = err
	}
	return n, err
}

// frame gives out one zstd frame and ends behind it, so that what comes after the
// frame is read from r and not by the decoder, which would pass it over. See
// https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.
type frame struct {
	r       *bufio.Reader
	pending []byte // is given out first
	left    int    // of the block, in r
	begun   bool
	last    bool // the block is the last one
	err     error
}

func (f *frame) Read(p []byte) (int, error) {
	for f.err == nil && len(p) > 0 {
		switch {
		case len(f.pending) > 0:
			n := copy(p, f.pending)
			f.pending = f.pending[n:]
			return n, nil
		case f.left > 0:
			n, err := f.r.Read(p[:min(len(p), f.left)])
			f.left -= n
			f.err = cut(err)
			return n, f.err
		case !f.begun:
			f.begun = true
			f.pending, f.err = f.head()
		case !f.last:
			f.pending, f.err = f.block()
		default:
			f.err = io.EOF
		}
	}
	return 0, f.err
}

// cut makes of an end that comes too early what it is.
func cut(err error) error {
	if envelope.ClassOf(err) == "" && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return envelope.Fail(envelope.Truncated, errors.New("the archive ends in the middle"))
	}
	return err
}

func corrupt(format string, args ...any) error {
	return envelope.Fail(envelope.Corrupt, fmt.Errorf(format, args...))
}

// take reads n bytes more behind those of b.
func (f *frame) take(b []byte, n int) ([]byte, error) {
	at := len(b)
	b = append(b, make([]byte, n)...)
	_, err := io.ReadFull(f.r, b[at:])
	return b, cut(err)
}

// head reads the frame's header.
func (f *frame) head() ([]byte, error) {
	b, err := f.take(nil, 5)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(b) != 0xFD2FB528 {
		return nil, corrupt("it is no archive: it does not begin as zstd does")
	}
	d := b[4]
	single := d&0x20 != 0
	switch {
	case d&0x18 != 0:
		return nil, corrupt("the zstd frame has a header of an unknown form")
	case d&0x04 == 0:
		return nil, corrupt("the zstd frame has no checksum")
	case d&0x03 != 0:
		return nil, corrupt("the zstd frame needs a dictionary")
	}
	if !single {
		if b, err = f.take(b, 1); err != nil {
			return nil, err
		}
		base := uint64(1) << (10 + b[5]>>3)
		if err := checkWindow(base + base/8*uint64(b[5]&7)); err != nil {
			return nil, err
		}
	}
	at := len(b)
	size := []int{0, 2, 4, 8}[d>>6]
	if single && size == 0 {
		size = 1
	}
	if b, err = f.take(b, size); err != nil || !single {
		return b, err
	}
	// A single segment's window is its content.
	var content [8]byte
	copy(content[:], b[at:])
	n := binary.LittleEndian.Uint64(content[:])
	if size == 2 {
		n += 256
	}
	return b, checkWindow(n)
}

func checkWindow(n uint64) error {
	if n > maxWindow {
		return corrupt("the zstd frame asks for a window of %d bytes, more than %d", n, maxWindow)
	}
	return nil
}

// block reads a block's header. Behind the last block lies the checksum, of four bytes.
func (f *frame) block() ([]byte, error) {
	b, err := f.take(nil, 3)
	if err != nil {
		return nil, err
	}
	h := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	size := int(h >> 3)
	switch {
	case h>>1&3 == 3:
		return nil, corrupt("the zstd frame has a block of an unknown type")
	case size > maxBlock:
		return nil, corrupt("the zstd frame has a block of %d bytes, more than %d", size, maxBlock)
	case h>>1&3 == 1:
		size = 1 // one byte, size times
	}
	f.left = size
	if f.last = h&1 != 0; f.last {
		f.left += 4
	}
	return b, nil
}

// end checks that after the frame comes the archive's end, and nothing else.
func (f *frame) end() error {
	want := End()
	got := make([]byte, len(want))
	n, err := io.ReadFull(f.r, got)
	if !bytes.Equal(got[:n], want[:n]) {
		return corrupt("the archive does not end as it was written")
	}
	if err != nil {
		return cut(err)
	}
	switch _, err := f.r.ReadByte(); {
	case err == nil:
		return corrupt("there are bytes after the end of the archive")
	case err != io.EOF:
		return err
	}
	return nil
}
