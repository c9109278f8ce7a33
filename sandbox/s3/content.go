package s3

import (
	"crypto/cipher"
	"io"
	"os"
	"sync"
)

// content is some bytes of an object, read from its files. The files stay until it is
// closed.
type content struct {
	store    *store
	segments []Segment
	key      []byte // nil when nothing is encrypted
	left     int64
	// at is the segment that is read, offset where in it to begin.
	at     int
	offset int64
	file   *os.File
	stream cipher.Stream
	closed bool
}

// read opens length bytes of an object from an offset on. It is called with the state
// locked, so that the files are there.
func (t *store) read(segments []Segment, key []byte, offset, length int64) *content {
	t.hold(segments)
	c := &content{store: t, segments: segments, key: key, left: length}
	for c.at < len(segments) && offset >= segments[c.at].Size {
		offset -= segments[c.at].Size
		c.at++
	}
	c.offset = offset
	return c
}

// next opens the file that is read next. It is io.EOF when there is none.
func (c *content) next() error {
	for c.file == nil {
		if c.left == 0 {
			return io.EOF
		}
		if c.at >= len(c.segments) {
			return io.ErrUnexpectedEOF
		}
		seg := &c.segments[c.at]
		if c.offset >= seg.Size {
			c.at, c.offset = c.at+1, 0
			continue
		}
		f, err := os.Open(c.store.path(seg.File))
		if err != nil {
			return err
		}
		if _, err := f.Seek(c.offset, io.SeekStart); err != nil {
			_ = f.Close() // the first error tells
			return err
		}
		c.file, c.stream = f, nil
		if seg.IV != nil {
			if c.stream, err = streamAt(c.key, seg.IV, c.offset); err != nil {
				return err
			}
		}
	}
	return nil
}

// passed notes that bytes of the open file were read.
func (c *content) passed(n int64) error {
	c.left -= n
	c.offset += n
	if c.left > 0 && c.offset < c.segments[c.at].Size {
		return nil
	}
	err := c.file.Close()
	c.file, c.at, c.offset = nil, c.at+1, 0
	return err
}

// wanted is how much of the open file is to be read.
func (c *content) wanted() int64 { return min(c.left, c.segments[c.at].Size-c.offset) }

// Read reads, and decrypts.
func (c *content) Read(p []byte) (int, error) {
	if err := c.next(); err != nil {
		return 0, err
	}
	n, err := c.file.Read(p[:min(int64(len(p)), c.wanted())])
	if c.stream != nil {
		c.stream.XORKeyStream(p[:n], p[:n])
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // a file that is shorter than it was written
	}
	if err == nil {
		err = c.passed(int64(n))
	}
	return n, err
}

// WriteTo writes everything. What is not encrypted goes from file to connection without
// a detour.
func (c *content) WriteTo(w io.Writer) (total int64, err error) {
	b := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(b)
	for {
		if err := c.next(); err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, err
		}
		var n int64
		if c.stream == nil {
			n, err = io.Copy(w, io.LimitReader(c.file, c.wanted()))
			if err == nil && n == 0 {
				err = io.ErrUnexpectedEOF
			}
			if err == nil {
				err = c.passed(n)
			}
		} else {
			var m int
			if m, err = c.Read(b[:]); err == nil {
				_, err = w.Write(b[:m])
			}
			n = int64(m)
		}
		total += n
		if err != nil {
			return total, err
		}
	}
}

// Close gives the files back.
func (c *content) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	c.store.release(c.segments)
	if c.file != nil {
		return c.file.Close()
	}
	return nil
}

const bufferSize = 256 << 10

// buffers is space for bytes on their way.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}
