package archive_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/keyreach/keyreach/backup/archive"
)

// forger makes archives that no Writer makes. What is not said otherwise is right.
type forger struct {
	t        testing.TB
	plain    bytes.Buffer
	body     bytes.Buffer // between header and manifest
	tar      *tar.Writer
	manifest archive.Manifest
	// change is done to the manifest before it is written.
	change func(*archive.Manifest)
	// Left out:
	noHeader, noManifest, noTarEnd bool
	version                        int
	// after comes behind the manifest.
	after func(*forger)
	// zip are the options of the compression, squeeze replaces it, tail the end.
	zip     []zstd.EOption
	squeeze func(plain []byte) []byte
	tail    []byte
}

func forge(t testing.TB, make func(*forger)) []byte {
	t.Helper()
	f := &forger{t: t, version: archive.FormatVersion, tail: archive.End()}
	f.manifest = archive.Manifest{FormatVersion: archive.FormatVersion, Entries: []archive.Entry{}}
	f.tar = tar.NewWriter(&f.plain)
	h := header()
	whole := f.tar
	f.tar = tar.NewWriter(&f.body)
	make(f)
	must(t, f.tar.Flush())
	f.tar = whole
	if !f.noHeader {
		h.FormatVersion = f.version
		text, err := json.Marshal(h)
		must(t, err)
		f.global("keyreach header " + string(text))
	}
	f.plain.Write(f.body.Bytes())
	f.end()
	if f.squeeze != nil {
		return append(f.squeeze(f.plain.Bytes()), f.tail...)
	}
	return append(squeeze(t, f.plain.Bytes(), f.zip...), f.tail...)
}

func squeeze(t testing.TB, plain []byte, options ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, options...)
	must(t, err)
	_, err = z.Write(plain)
	must(t, err)
	must(t, z.Close())
	return b.Bytes()
}

func (f *forger) end() {
	f.t.Helper()
	f.manifest.Count = len(f.manifest.Entries)
	if f.change != nil {
		f.change(&f.manifest)
	}
	if !f.noManifest {
		text, err := json.Marshal(f.manifest)
		must(f.t, err)
		f.global("keyreach manifest 1/1 " + string(text))
	}
	if f.after != nil {
		f.after(f)
	}
	if f.noTarEnd {
		must(f.t, f.tar.Flush())
	} else {
		must(f.t, f.tar.Close())
	}
}

func (f *forger) global(text string) {
	f.t.Helper()
	f.records(map[string]string{"comment": text})
}

func (f *forger) records(r map[string]string) {
	f.t.Helper()
	must(f.t, f.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Format: tar.FormatPAX, PAXRecords: r}))
	must(f.t, f.tar.Flush())
}

// member adds one, and lists it.
func (f *forger) member(h tar.Header, text string) {
	f.t.Helper()
	h.ModTime = epoch()
	if h.Format == 0 {
		h.Format = tar.FormatPAX
	}
	if h.Typeflag == tar.TypeReg {
		h.Size = int64(len(text))
	}
	e := archive.Entry{Path: strings.TrimSuffix(h.Name, "/"), Type: "file", Size: h.Size, Mode: uint32(h.Mode), Target: h.Linkname}
	switch h.Typeflag {
	case tar.TypeDir:
		e.Type = "dir"
	case tar.TypeSymlink:
		e.Type = "symlink"
	default:
		sum := sha256.Sum256([]byte(text))
		e.SHA256 = hex.EncodeToString(sum[:])
	}
	f.manifest.Entries = append(f.manifest.Entries, e)
	f.manifest.Total += e.Size
	must(f.t, f.tar.WriteHeader(&h))
	if h.Size > 0 {
		_, err := fmt.Fprint(f.tar, text)
		must(f.t, err)
	}
}

func (f *forger) file(path, text string) {
	f.t.Helper()
	f.member(tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o644}, text)
}

func (f *forger) dir(path string) {
	f.t.Helper()
	f.member(tar.Header{Typeflag: tar.TypeDir, Name: path + "/", Mode: 0o755}, "")
}

func (f *forger) link(path, target string) {
	f.t.Helper()
	f.member(tar.Header{Typeflag: tar.TypeSymlink, Name: path, Linkname: target, Mode: 0o777}, "")
}

// raw puts a block of the tar as it is, with its checksum made right.
func (f *forger) raw(change func(block []byte)) {
	f.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	must(f.t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "raw", Mode: 0o644, ModTime: epoch().Truncate(1e9), Format: tar.FormatUSTAR}))
	block := b.Bytes()[:512]
	change(block)
	copy(block[148:156], "        ")
	sum := 0
	for _, c := range block {
		sum += int(c)
	}
	copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
	// The writer of the tar is between members here, so its output is at a block's edge.
	must(f.t, f.tar.Flush())
	f.body.Write(block)
}
