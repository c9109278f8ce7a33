package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/keyreach/keyreach/backup/envelope"
)

// Limits bound what an archive may hold, whatever it says of itself.
type Limits struct {
	// Bytes is of the whole tar, in bytes; 4 TiB if zero. What is unpacked is besides
	// refused when the file system has less free.
	Bytes int64
	// Members is the number of files, directories and symlinks; 1,048,576 if zero.
	Members int
	// Names is of all paths and targets of symlinks together, in bytes, since they are kept
	// in memory; 256 MiB if zero.
	Names int
}

// The limits where none are given. A Writer keeps to them.
const (
	defaultBytes   = 4 << 40
	defaultMembers = 1 << 20
	defaultNames   = 256 << 20
)

func (l Limits) orDefault() Limits {
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	if l.Members == 0 {
		l.Members = defaultMembers
	}
	if l.Names == 0 {
		l.Names = defaultNames
	}
	return l
}

// sink takes the members of an archive as they come.
type sink interface {
	dir(e Entry, h *tar.Header) error
	file(e Entry, h *tar.Header, r io.Reader) error
	link(e Entry, h *tar.Header) error
	// finish is called once the whole archive has been found to be as it was written.
	finish() error
}

// Verify reads an archive to its end and checks everything that Extract checks except
// what only a file system can tell. Failures have the classes that Extract's have.
func Verify(ctx context.Context, src io.Reader, l Limits) (Header, Manifest, error) {
	return read(ctx, src, l, discard{})
}

type discard struct{}

func (discard) dir(Entry, *tar.Header) error  { return nil }
func (discard) link(Entry, *tar.Header) error { return nil }
func (discard) finish() error                 { return nil }
func (discard) file(_ Entry, _ *tar.Header, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// reader reads an archive. Each layer reads from the one above it.
type reader struct {
	in       *input
	frame    *frame
	plain    *plain
	tar      *tar.Reader
	sink     sink
	limits   Limits
	header   *Header
	members  members
	names    int // bytes of all paths and targets
	seen     Manifest
	text     []byte // of the manifest
	pieces   int    // how many there were
	of       int    // how many there are to be
	textMost int    // more bytes than this cannot be the manifest
	ends     int64  // where the tar has to end, in bytes
	sum      hash.Hash
}

// plain is the decompressed stream. It counts.
type plain struct {
	r    io.Reader
	n    int64
	most int64
}

func (p *plain) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	if p.n > p.most {
		return n, corrupt("the archive holds more than %d bytes", p.most)
	}
	return n, err
}

func read(ctx context.Context, src io.Reader, l Limits, s sink) (Header, Manifest, error) {
	l = l.orDefault()
	in := &input{ctx: ctx, r: src}
	f := &frame{r: bufio.NewReaderSize(in, 64<<10)}
	// With a concurrency of one, nothing reads ahead of what is asked for. The memory
	// limit is of the window; the stream's length is bounded by plain.
	zip, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return Header{}, Manifest{}, fmt.Errorf("setting the decompression up: %w", err)
	}
	defer zip.Close()
	p := &plain{r: zip, most: l.Bytes}
	r := &reader{
		in: in, frame: f, plain: p, tar: tar.NewReader(p), sink: s, limits: l,
		members: members{}, textMost: pieceSize, sum: sha256.New(),
	}
	m, err := r.all()
	if err != nil {
		return Header{}, Manifest{}, err
	}
	return *r.header, m, nil
}

// fault gives a failure of a layer its cause: the source's own, where that failed.
func (r *reader) fault(err error) error {
	switch {
	case r.frame.err != nil && r.frame.err != io.EOF:
		err = r.frame.err
	case r.in.err != nil:
		err = r.in.err
	case envelope.ClassOf(err) == "":
		err = envelope.Fail(envelope.Corrupt, err)
	}
	return fmt.Errorf("reading the archive: %w", err)
}

func (r *reader) all() (Manifest, error) {
	for {
		h, err := r.tar.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return Manifest{}, r.fault(err)
		}
		if err := r.member(h); err != nil {
			return Manifest{}, err
		}
	}
	m, err := r.end()
	if err != nil {
		return Manifest{}, r.fault(err)
	}
	if err := r.sink.finish(); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// member takes one member in.
func (r *reader) member(h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		if err := r.global(h); err != nil {
			return r.fault(err)
		}
		return nil
	}
	e, err := r.entry(h)
	if err != nil {
		return r.fault(err)
	}
	switch e.Type {
	case typeDir:
		err = r.sink.dir(e, h)
	case typeLink:
		err = r.sink.link(e, h)
	default:
		err = r.file(&e, h)
	}
	r.seen.Entries = append(r.seen.Entries, e)
	r.seen.Total += e.Size
	r.textMost += 256 + 6*(len(e.Path)+len(e.Target)) // JSON writes a byte in six at most
	return err
}

// content is a file's content on its way to the sink. It remembers how reading it failed.
type content struct {
	r   io.Reader
	err error
}

func (c *content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

func (r *reader) file(e *Entry, h *tar.Header) error {
	r.sum.Reset()
	c := &content{r: io.TeeReader(r.tar, r.sum)}
	err := r.sink.file(*e, h, c)
	if c.err != nil {
		return r.fault(c.err)
	}
	e.SHA256 = hex.EncodeToString(r.sum.Sum(nil))
	return err
}

// global reads a header or a piece of the manifest.
func (r *reader) global(h *tar.Header) error {
	text, ok := h.PAXRecords[comment]
	if !ok || len(h.PAXRecords) != 1 {
		return corrupt("there is a global header of a kind that is not Keyreach's")
	}
	if rest, ok := strings.CutPrefix(text, headerPrefix); ok {
		return r.head(rest)
	}
	rest, ok := strings.CutPrefix(text, manifestPrefix)
	if !ok {
		return corrupt("there is a global header of a kind that is not Keyreach's")
	}
	return r.piece(rest)
}

func (r *reader) head(text string) error {
	if r.header != nil {
		return corrupt("there is a second header")
	}
	if len(r.seen.Entries) > 0 || r.pieces > 0 {
		return corrupt("the header is not the first member")
	}
	var head Header
	if err := json.Unmarshal([]byte(text), &head); err != nil {
		return corrupt("the header cannot be read: %w", err)
	}
	r.header = &head
	return checkVersion("header", head.FormatVersion)
}

func checkVersion(what string, v int) error {
	if v != FormatVersion {
		return corrupt("the %s has the format version %d; this keyreach knows version %d", what, v, FormatVersion)
	}
	return nil
}

// piece takes a piece of the manifest in: i/n and the text.
func (r *reader) piece(text string) error {
	if r.header == nil {
		return corrupt("the archive does not begin with a header")
	}
	place, rest, _ := strings.Cut(text, " ")
	first, last, _ := strings.Cut(place, "/")
	i, err1 := strconv.Atoi(first)
	n, err2 := strconv.Atoi(last)
	switch {
	case err1 != nil || err2 != nil || n < 1 || i != r.pieces+1 || i > n || r.pieces > 0 && n != r.of:
		return corrupt("the pieces of the manifest are not in their order: %.40q after %d of %d", place, r.pieces, r.of)
	case len(r.text)+len(rest) > r.textMost:
		return corrupt("the manifest is longer than that of %d members can be", len(r.seen.Entries))
	}
	r.text = append(r.text, rest...)
	r.pieces, r.of = i, n
	// Behind the padding to a block of 512 bytes come two empty blocks.
	r.ends = (r.plain.n+511)/512*512 + 1024
	return nil
}

// entry checks the head of a member.
func (r *reader) entry(h *tar.Header) (Entry, error) {
	switch {
	case r.header == nil:
		return Entry{}, corrupt("the archive does not begin with a header")
	case r.pieces > 0:
		return Entry{}, corrupt("the member %q comes after the manifest", h.Name)
	case len(r.seen.Entries) >= r.limits.Members:
		return Entry{}, corrupt("the archive has more than %d members", r.limits.Members)
	}
	if err := checkForm(h); err != nil {
		return Entry{}, err
	}
	// What is kept of the head is not to keep all records of the member, of which it is a part.
	e := Entry{Path: strings.Clone(h.Name), Mode: uint32(h.Mode)}
	switch h.Typeflag {
	case tar.TypeReg:
		e.Type, e.Size = typeFile, h.Size
	case tar.TypeDir:
		e.Type, e.Path = typeDir, strings.TrimSuffix(e.Path, "/")
	case tar.TypeSymlink:
		e.Type, e.Target = typeLink, strings.Clone(h.Linkname)
	}
	if r.names += len(e.Path) + len(e.Target); r.names > r.limits.Names {
		return Entry{}, corrupt("the names in the archive have more than %d bytes", r.limits.Names)
	}
	if err := r.members.add(e); err != nil {
		return Entry{}, envelope.Fail(envelope.Corrupt, err)
	}
	return e, nil
}

// checkForm refuses what no archive of Keyreach's has.
func checkForm(h *tar.Header) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
	case tar.TypeLink:
		return corrupt("the member %q is a hard link", h.Name)
	case tar.TypeChar, tar.TypeBlock:
		return corrupt("the member %q is a device", h.Name)
	case tar.TypeFifo:
		return corrupt("the member %q is a named pipe", h.Name)
	default:
		return corrupt("the member %q is of the unknown type %q", h.Name, h.Typeflag)
	}
	for k := range h.PAXRecords {
		switch k {
		case "path", "linkpath", "size", "mtime", "uid", "gid":
		default:
			return corrupt("the member %q has the record %q, which is not Keyreach's", h.Name, k)
		}
	}
	switch {
	case h.Format&(tar.FormatUSTAR|tar.FormatPAX) == 0:
		return corrupt("the member %q is not in the form of PAX", h.Name)
	case h.Mode&^0o777 != 0:
		return corrupt("the member %q has the mode %#o: more than permissions", h.Name, h.Mode)
	case h.Typeflag != tar.TypeReg && h.Size != 0:
		return corrupt("the member %q is no file and has content", h.Name)
	case h.Uid < 0 || int64(h.Uid) >= math.MaxUint32 || h.Gid < 0 || int64(h.Gid) >= math.MaxUint32:
		return corrupt("the member %q has an owner that cannot be: %d:%d", h.Name, h.Uid, h.Gid)
	}
	return nil
}

// end checks what the end of the tar tells: that the tar, the frame and the archive
// end here, and that the manifest lists what was there.
func (r *reader) end() (Manifest, error) {
	if n, err := io.Copy(io.Discard, io.LimitReader(r.plain, 1)); err != nil {
		return Manifest{}, err
	} else if n > 0 {
		return Manifest{}, corrupt("there are bytes after the end of the tar")
	}
	if err := r.frame.end(); err != nil {
		return Manifest{}, err
	}
	switch {
	case r.header == nil:
		return Manifest{}, corrupt("the archive does not begin with a header")
	case r.pieces == 0:
		return Manifest{}, corrupt("the archive has no manifest")
	case r.pieces < r.of:
		return Manifest{}, corrupt("the manifest has %d of its %d pieces", r.pieces, r.of)
	case r.plain.n != r.ends:
		return Manifest{}, corrupt("the end of the tar is missing")
	}
	var m Manifest
	if err := json.Unmarshal(r.text, &m); err != nil {
		return Manifest{}, corrupt("the manifest cannot be read: %w", err)
	}
	if err := m.check(r.seen); err != nil {
		return Manifest{}, err
	}
	if err := r.members.links(); err != nil {
		return Manifest{}, envelope.Fail(envelope.Corrupt, err)
	}
	return m, nil
}

// check compares a manifest with what was there.
func (m Manifest) check(seen Manifest) error {
	if err := checkVersion("manifest", m.FormatVersion); err != nil {
		return err
	}
	switch {
	case m.Count != len(m.Entries) || m.Count != len(seen.Entries):
		return corrupt("the manifest counts %d members and lists %d; there are %d", m.Count, len(m.Entries), len(seen.Entries))
	case m.Total != seen.Total:
		return corrupt("the manifest says that the files have %d bytes; they have %d", m.Total, seen.Total)
	}
	for i, e := range m.Entries {
		if e != seen.Entries[i] {
			return corrupt("the member %q is not as the manifest lists it: %s", path.Clean(seen.Entries[i].Path), difference(e, seen.Entries[i]))
		}
	}
	return nil
}

// difference names the first thing in which two entries differ.
func difference(listed, seen Entry) string {
	switch {
	case listed.Path != seen.Path:
		return fmt.Sprintf("the path listed is %q", listed.Path)
	case listed.Type != seen.Type:
		return fmt.Sprintf("a %s is listed, a %s is there", listed.Type, seen.Type)
	case listed.Size != seen.Size:
		return fmt.Sprintf("%d bytes are listed, %d are there", listed.Size, seen.Size)
	case listed.Mode != seen.Mode:
		return fmt.Sprintf("the mode %#o is listed, %#o is there", listed.Mode, seen.Mode)
	case listed.Target != seen.Target:
		return fmt.Sprintf("the target %q is listed, %q is there", listed.Target, seen.Target)
	}
	return "the content has another SHA-256"
}
