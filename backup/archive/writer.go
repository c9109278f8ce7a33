package archive

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
)

// The types of entries.
const (
	typeFile = "file"
	typeDir  = "dir"
	typeLink = "symlink"
)

const (
	// comment is the PAX record for text that nobody reads as anything else.
	comment        = "comment"
	headerPrefix   = "keyreach header "
	manifestPrefix = "keyreach manifest "
	// pieceSize is less than the MiB that Go's reader of tars takes of one PAX header.
	pieceSize = 512 << 10
	// window bounds the memory at both ends: the encoder keeps two, the decoder one.
	window = 2 << 20
	// mostBytes is of all files, in bytes: what a reader's default leaves when the rest
	// of the tar, at most 64 KiB for a member, is taken off.
	mostBytes = defaultBytes - defaultMembers<<16
)

// ChangedError is a source that was not the same before and after it was read.
type ChangedError struct {
	Path string
	// What happened: it grew, shrank, vanished, was replaced.
	What string
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s %s while it was read", e.Path, e.What)
}

// Writer makes an archive. After a method failed, all others fail: what was written is
// no archive.
type Writer struct {
	dst      io.Writer
	zip      *zstd.Encoder
	tar      *tar.Writer
	manifest Manifest
	members  members
	names    int // bytes of all paths and targets
	hasher   *hasher
	err      error
}

// NewWriter begins an archive with its header, whose format version it sets. The
// archive is done when Close has returned; dst stays open.
func NewWriter(dst io.Writer, h Header) (*Writer, error) {
	zip, err := zstd.NewWriter(dst,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(true),
		zstd.WithEncoderConcurrency(2),
		zstd.WithWindowSize(window))
	if err != nil {
		return nil, fmt.Errorf("setting the compression up: %w", err)
	}
	w := &Writer{
		dst: dst, zip: zip, tar: tar.NewWriter(zip),
		manifest: Manifest{FormatVersion: FormatVersion, Entries: []Entry{}},
		members:  members{}, hasher: newHasher(),
	}
	h.FormatVersion = FormatVersion
	text, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("writing the header of the archive: %w", err)
	}
	if len(text) > pieceSize {
		return nil, fmt.Errorf("writing the header of the archive: it has %d bytes, more than %d", len(text), pieceSize)
	}
	return w, w.global(headerPrefix + string(text))
}

// global writes a member that tars pass over.
func (w *Writer) global(text string) error {
	return w.keep(w.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeXGlobalHeader, Format: tar.FormatPAX, PAXRecords: map[string]string{comment: text},
	}))
}

// keep remembers that the archive cannot be finished any more.
func (w *Writer) keep(err error) error {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("writing the archive: %w", err)
	}
	return w.err
}

// Files is how many files were written so far.
func (w *Writer) Files() int { return w.manifest.Files() }

// Note adds to the manifest's notes.
func (w *Writer) Note(k, v string) {
	if w.manifest.Notes == nil {
		w.manifest.Notes = map[string]string{}
	}
	w.manifest.Notes[k] = v
}

// Dir adds a directory with its permission bits, owner and time. The directory that
// everything lies in is ".", and comes first if at all; every other member's directory
// comes before it.
func (w *Writer) Dir(path string, info fs.FileInfo) error {
	h := memberHeader(tar.TypeDir, path+"/", info)
	return w.begin(Entry{Path: path, Type: typeDir, Mode: uint32(h.Mode)}, h)
}

// Symlink adds a symlink, which has to stay within the archive; Close checks it.
func (w *Writer) Symlink(path, target string, info fs.FileInfo) error {
	h := memberHeader(tar.TypeSymlink, path, info)
	h.Mode, h.Linkname = 0o777, target
	return w.begin(Entry{Path: path, Type: typeLink, Mode: 0o777, Target: target}, h)
}

// File adds a file of the size that info has. When r has less or more, the error is a
// *ChangedError.
func (w *Writer) File(path string, info fs.FileInfo, r io.Reader) error {
	h := memberHeader(tar.TypeReg, path, info)
	h.Size = info.Size()
	return w.content(path, h, r)
}

// Stream adds a file that is not one on disk. When r has less or more than the size in
// bytes, the error is a *ChangedError. The owner is who runs the program.
func (w *Writer) Stream(path string, mode fs.FileMode, mtime time.Time, size int64, r io.Reader) error {
	return w.content(path, &tar.Header{
		Typeflag: tar.TypeReg, Name: path, Mode: int64(mode.Perm()), ModTime: mtime, Size: size,
		Uid: max(os.Getuid(), 0), Gid: max(os.Getgid(), 0),
	}, r)
}

func memberHeader(kind byte, name string, info fs.FileInfo) *tar.Header {
	h := &tar.Header{Typeflag: kind, Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}
	h.Uid, h.Gid = owner(info)
	return h
}

// begin writes the head of a member.
func (w *Writer) begin(e Entry, h *tar.Header) error {
	if w.err != nil {
		return w.err
	}
	if err := w.members.add(e); err != nil {
		return w.keep(err)
	}
	if w.names += len(e.Path) + len(e.Target); w.names > defaultNames {
		return w.keep(fmt.Errorf("the names have more than %d bytes", defaultNames))
	}
	if len(w.members) > defaultMembers {
		return w.keep(fmt.Errorf("there are more than %d members", defaultMembers))
	}
	if e.Size > mostBytes-w.manifest.Total {
		return w.keep(fmt.Errorf("with %s there are more than %d bytes", e.Path, int64(mostBytes)))
	}
	w.manifest.Entries = append(w.manifest.Entries, e)
	h.Format = tar.FormatPAX
	return w.keep(w.tar.WriteHeader(h))
}

// content writes a file.
func (w *Writer) content(path string, h *tar.Header, r io.Reader) error {
	if h.Size < 0 {
		return w.keep(fmt.Errorf("%s has a size of %d", path, h.Size))
	}
	if err := w.begin(Entry{Path: path, Type: typeFile, Size: h.Size, Mode: uint32(h.Mode)}, h); err != nil {
		return err
	}
	n, sum, err := w.hasher.copy(w.tar, r, h.Size)
	switch {
	case err != nil:
		return w.keep(fmt.Errorf("copying %s: %w", path, err))
	case n < h.Size:
		return w.keep(&ChangedError{path, "shrank"})
	}
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		return w.keep(&ChangedError{path, "grew"})
	case !errors.Is(err, io.EOF):
		return w.keep(fmt.Errorf("reading %s to its end: %w", path, err))
	}
	w.manifest.Entries[len(w.manifest.Entries)-1].SHA256 = sum
	w.manifest.Total += h.Size
	return nil
}

// Close writes the manifest and the end, and returns the manifest. Symlinks that lead
// out of the archive are an error. It can be called once.
func (w *Writer) Close() (Manifest, error) {
	if w.err != nil {
		return Manifest{}, w.err
	}
	if err := w.finish(); err != nil {
		return Manifest{}, err
	}
	w.err = errors.New("writing the archive: it is closed")
	m := w.manifest
	m.Notes = maps.Clone(m.Notes)
	return m, nil
}

// Abandon gives up an archive that is not to be finished, and waits for what is still on its
// way: compressing goes on beside the calls, and dst may be written to until Abandon has
// returned. After Close it does nothing.
func (w *Writer) Abandon() {
	w.zip.Reset(nil)
	_ = w.keep(errors.New("it was abandoned"))
}

func (w *Writer) finish() error {
	if err := w.members.links(); err != nil {
		return w.keep(err)
	}
	w.manifest.Count = len(w.manifest.Entries)
	notes, err := json.Marshal(w.manifest.Notes)
	if err != nil {
		return w.keep(err)
	}
	if len(notes) > pieceSize-1024 { // a reader leaves a piece for what is no entry
		return w.keep(fmt.Errorf("the notes have %d bytes, too many", len(notes)))
	}
	text, err := json.Marshal(w.manifest)
	if err != nil {
		return w.keep(err)
	}
	n := (len(text) + pieceSize - 1) / pieceSize
	for i := range n {
		piece := text[i*pieceSize : min((i+1)*pieceSize, len(text))]
		if err := w.global(manifestPrefix + strconv.Itoa(i+1) + "/" + strconv.Itoa(n) + " " + string(piece)); err != nil {
			return err
		}
	}
	if err := w.keep(w.tar.Close()); err != nil {
		return err
	}
	if err := w.keep(w.zip.Close()); err != nil {
		return err
	}
	_, err = w.dst.Write(End())
	return w.keep(err)
}
