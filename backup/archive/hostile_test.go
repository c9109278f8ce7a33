package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
)

// hostile are archives that a holder of the key might make. The text is of the error.
func hostile() []struct {
	name  string
	text  string
	make  func(f *forger)
	class envelope.Class // Corrupt if empty
} {
	type row = struct {
		name  string
		text  string
		make  func(f *forger)
		class envelope.Class
	}
	member := func(h tar.Header) func(f *forger) {
		return func(f *forger) { f.member(h, "") }
	}
	listed := func(change func(e *archive.Entry)) func(f *forger) {
		return func(f *forger) {
			f.file("a", "one")
			f.link("l", "a")
			change(&f.manifest.Entries[0])
		}
	}
	plainTail := func(text string) func(f *forger) {
		return func(f *forger) {
			f.file("a", "one")
			f.squeeze = func(plain []byte) []byte { return squeeze(f.t, append(plain, text...)) }
		}
	}
	return []row{
		{"an absolute path", "absolute", func(f *forger) { f.file("/x", "x") }, ""},
		{"a path that goes up", "..", func(f *forger) { f.file("../x", "x") }, ""},
		{"a path that goes up in its middle", "..", func(f *forger) { f.dir("d"); f.file("d/../../x", "x") }, ""},
		{"a path with a dot in it", "shortest", func(f *forger) { f.dir("d"); f.file("d/./x", "x") }, ""},
		{"a path with an empty name in it", "shortest", func(f *forger) { f.dir("d"); f.file("d//x", "x") }, ""},
		{"an empty path", "empty", func(f *forger) { f.raw(func(b []byte) { clear(b[:100]) }) }, ""},
		{"a name that is too long", "256 bytes", func(f *forger) { f.file(strings.Repeat("n", 256), "x") }, ""},
		{"a path that is too long", "more than 4095", func(f *forger) { f.file(strings.Repeat("n/", 2048)+"n", "x") }, ""},
		{"a path that is not UTF-8", "not in the form of PAX", func(f *forger) { f.raw(func(b []byte) { b[0] = 0xff }) }, ""},
		{"a symlink to an absolute path", "leaves", func(f *forger) { f.link("l", "/etc/passwd") }, ""},
		{"a symlink that goes up", "leaves", func(f *forger) { f.dir("d"); f.link("d/l", "../../x") }, ""},
		{"a symlink that goes up through another symlink", "leaves", func(f *forger) {
			f.dir("d")
			f.dir("d/e")
			f.link("d/e/up", "../..")
			f.link("out", "d/e/up/../x")
		}, ""},
		{"symlinks in a circle", "circle", func(f *forger) { f.link("a", "b"); f.link("b", "a") }, ""},
		{"a symlink that leads nowhere", "nowhere", func(f *forger) {
			f.raw(func(b []byte) { b[156] = tar.TypeSymlink })
		}, ""},
		{"a file through a symlink", "is a symlink", func(f *forger) {
			f.dir("d")
			f.link("l", "d")
			f.file("l/x", "x")
		}, ""},
		{"a file in a file", "is a file", func(f *forger) { f.file("a", "x"); f.file("a/x", "x") }, ""},
		{"a file before its directory", "before its directory", func(f *forger) { f.file("d/x", "x") }, ""},
		{"a symlink where a file is", "twice", func(f *forger) { f.file("a", "x"); f.link("a", "b") }, ""},
		{"a file twice", "twice", func(f *forger) { f.file("a", "x"); f.file("a", "y") }, ""},
		{"a directory twice", "twice", func(f *forger) { f.dir("a"); f.dir("a") }, ""},
		{"the directory itself as a symlink", "first directory", func(f *forger) { f.link(".", "..") }, ""},
		{"a hard link", "hard link", func(f *forger) {
			f.file("a", "x")
			f.member(tar.Header{Typeflag: tar.TypeLink, Name: "b", Linkname: "a", Mode: 0o644}, "")
		}, ""},
		{"a character device", "device", member(tar.Header{Typeflag: tar.TypeChar, Name: "c", Devmajor: 1, Devminor: 3}), ""},
		{"a block device", "device", member(tar.Header{Typeflag: tar.TypeBlock, Name: "c", Devmajor: 8}), ""},
		{"a named pipe", "named pipe", member(tar.Header{Typeflag: tar.TypeFifo, Name: "p"}), ""},
		{"a contiguous file", "unknown type", func(f *forger) { f.raw(func(b []byte) { b[156] = tar.TypeCont }) }, ""},
		{"an old sparse file", "unknown type", func(f *forger) {
			f.raw(func(b []byte) {
				copy(b[257:265], "ustar  \x00")
				b[156] = tar.TypeGNUSparse
				copy(b[483:], "00000000000\x00")
			})
		}, ""},
		{"a setuid file", "mode", member(tar.Header{Typeflag: tar.TypeReg, Name: "s", Mode: 0o4755}), ""},
		{"a setgid directory", "mode", member(tar.Header{Typeflag: tar.TypeDir, Name: "s/", Mode: 0o2755}), ""},
		{"a sticky directory", "mode", member(tar.Header{Typeflag: tar.TypeDir, Name: "s/", Mode: 0o1777}), ""},
		{"an owner that means no change", "owner", member(tar.Header{Typeflag: tar.TypeReg, Name: "o", Uid: 1<<32 - 1}), ""},
		{"an extended attribute", "record", member(tar.Header{
			Typeflag: tar.TypeReg, Name: "x", PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "x"},
		}), ""},
		{"a global path for everything after it", "global header", func(f *forger) { f.records(map[string]string{"path": "../x"}) }, ""},
		{"another comment", "global header", func(f *forger) { f.global("hello") }, ""},
		{"a second header", "second header", func(f *forger) { f.global("keyreach header {}") }, ""},
		{"no header", "does not begin with a header", func(f *forger) { f.noHeader = true; f.file("a", "x") }, ""},
		{"nothing but a manifest", "does not begin with a header", func(f *forger) { f.noHeader = true }, ""},
		{"a header of a later version", "format version 2", func(f *forger) { f.version = 2 }, ""},
		{"a manifest of a later version", "format version 2", func(f *forger) {
			f.change = func(m *archive.Manifest) { m.FormatVersion = 2 }
		}, ""},
		{"no manifest", "no manifest", func(f *forger) { f.file("a", "x"); f.noManifest = true }, ""},
		{"a manifest of which a piece is missing", "1 of its 2 pieces", func(f *forger) {
			f.noManifest = true
			f.after = func(f *forger) { f.global(`keyreach manifest 1/2 {"format_version":1`) }
		}, ""},
		{"a manifest in the wrong order", "order", func(f *forger) {
			f.noManifest = true
			f.after = func(f *forger) { f.global(`keyreach manifest 2/2 {`) }
		}, ""},
		{"a second manifest", "order", func(f *forger) {
			f.after = func(f *forger) { f.global(`keyreach manifest 1/1 {}`) }
		}, ""},
		{"a manifest that is larger than it can be", "longer", func(f *forger) {
			f.noManifest = true
			f.after = func(f *forger) {
				f.global("keyreach manifest 1/3 " + strings.Repeat(" ", 400<<10))
				f.global("keyreach manifest 2/3 " + strings.Repeat(" ", 400<<10))
			}
		}, ""},
		{"a manifest that is no JSON", "cannot be read", func(f *forger) {
			f.noManifest = true
			f.after = func(f *forger) { f.global(`keyreach manifest 1/1 {]`) }
		}, ""},
		{"a manifest with a wrong count", "counts 2", func(f *forger) {
			f.file("a", "x")
			f.change = func(m *archive.Manifest) { m.Count = 2 }
		}, ""},
		{"a manifest with a wrong total", "have 9 bytes", func(f *forger) {
			f.file("a", "x")
			f.change = func(m *archive.Manifest) { m.Total = 9 }
		}, ""},
		{"a manifest that lists less", "lists 0", func(f *forger) {
			f.file("a", "x")
			f.change = func(m *archive.Manifest) { m.Entries, m.Count, m.Total = nil, 0, 0 }
		}, ""},
		{"a manifest with another path", "path listed", listed(func(e *archive.Entry) { e.Path = "b" }), ""},
		{"a manifest with another type", "dir is listed", listed(func(e *archive.Entry) { e.Type = "dir" }), ""},
		{"a manifest with another size", "4 bytes are listed", listed(func(e *archive.Entry) { e.Size = 4 }), ""},
		{"a manifest with another mode", "mode 0600 is listed", listed(func(e *archive.Entry) { e.Mode = 0o600 }), ""},
		{"a manifest with another content", "SHA-256", listed(func(e *archive.Entry) { e.SHA256 = strings.Repeat("0", 64) }), ""},
		{"a member after the manifest", "after the manifest", func(f *forger) {
			f.after = func(f *forger) { f.file("late", "x") }
		}, ""},
		{"bytes after the tar", "after the end of the tar", plainTail("x"), ""},
		{"a second tar after the first", "after the end of the tar", plainTail(strings.Repeat("\x00", 512)), ""},
		{"a tar without its end", "end of the tar is missing", func(f *forger) { f.noTarEnd = true }, ""},
		{"bytes after the end", "after the end of the archive", func(f *forger) { f.tail = append(f.tail, 'x') }, ""},
		{"another frame instead of the end", "does not end", func(f *forger) { f.tail = squeeze(f.t, []byte("more")) }, ""},
		{"another skippable frame instead of the end", "does not end", func(f *forger) { f.tail[0] = 0x5f }, ""},
		{"an end that is cut", "ends in the middle", func(f *forger) { f.tail = f.tail[:5] }, envelope.Truncated},
		{"no end", "ends in the middle", func(f *forger) { f.tail = nil }, envelope.Truncated},
		{"no checksum", "no checksum", func(f *forger) { f.zip = []zstd.EOption{zstd.WithEncoderCRC(false)} }, ""},
		{"a huge window", "window", func(f *forger) {
			f.squeeze = func([]byte) []byte { return []byte("\x28\xb5\x2f\xfd\x04\x90\x01\x00\x00") }
		}, ""},
		{"a huge window of a single segment", "window", func(f *forger) {
			f.squeeze = func([]byte) []byte { return []byte("\x28\xb5\x2f\xfd\xa4\x00\x00\x00\x10\x01\x00\x00") }
		}, ""},
		{"a dictionary", "dictionary", func(f *forger) {
			f.squeeze = func([]byte) []byte { return []byte("\x28\xb5\x2f\xfd\x05\x00\x01") }
		}, ""},
		{"a block that is too large", "block", func(f *forger) {
			f.squeeze = func([]byte) []byte { return []byte("\x28\xb5\x2f\xfd\x04\x00\xfc\xff\xff") }
		}, ""},
		{"something else", "no archive", func(f *forger) {
			f.squeeze = func([]byte) []byte { return []byte("#!/bin/sh\necho\n") }
		}, ""},
		{"a bomb", "more than", func(f *forger) { f.file("bomb", strings.Repeat("\x00", 2<<20)) }, ""},
		{"too many members", "more than 50 members", func(f *forger) {
			for i := range 51 {
				f.file(string(rune('A'+i)), "")
			}
		}, ""},
		{"names that fill the memory", "names in the archive have more than 5000 bytes", func(f *forger) {
			for i := range 5 {
				f.link(string(rune('A'+i)), strings.Repeat("x/", 500)+"x")
			}
		}, ""},
	}
}

func TestHostileArchivesAreRefusedAndNothingOutsideChanges(t *testing.T) {
	t.Parallel()
	// Not to be among them: that it is one of those that are refused would prove nothing.
	good := forge(t, func(f *forger) { f.dir("d"); f.file("d/a", "x"); f.link("l", "d/a") })
	if _, _, err := extract(good, t.TempDir()); err != nil {
		t.Fatalf("an archive that is right is refused: %v", err)
	}
	for _, c := range hostile() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := forge(t, c.make)
			class := c.class
			if class == "" {
				class = envelope.Corrupt
			}
			limits := archive.Limits{Bytes: 1 << 20, Members: 50, Names: 5000}
			around := tree(t, map[string]string{"target/keep": "old", "x": "outside"})
			must(t, os.Chtimes(around, epoch(), epoch()))
			before := look(t, around, "times")
			s, err := archive.Stage(filepath.Join(around, "target"))
			must(t, err)
			_, _, err = archive.Extract(context.Background(), bytes.NewReader(text), s.Dir, limits)
			refused(t, "Extract", err, class, c.text)
			must(t, s.Discard())
			must(t, os.Chtimes(around, epoch(), epoch())) // the staging came and went
			if after := look(t, around, "times"); after != before {
				t.Errorf("what was around it:\n%s\nis now:\n%s", before, after)
			}
			_, _, err = archive.Verify(context.Background(), bytes.NewReader(text), limits)
			refused(t, "Verify", err, class, c.text)
		})
	}
}

func refused(t *testing.T, who string, err error, class envelope.Class, text string) {
	t.Helper()
	if envelope.ClassOf(err) != class || err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%s says %v, of the class %q; want %q and a text with %q", who, err, envelope.ClassOf(err), class, text)
	}
}
