package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
)

// tarGz is a tar in gzip with these members; files hold the word "content".
func tarGz(t testing.TB, members ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for i := range members {
		h := &members[i]
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len("content"))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, "content"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpackTarGz(src io.Reader, dir string, l archive.Limits) (archive.Foreign, error) {
	return archive.ExtractTarGz(context.Background(), src, dir, l)
}

func TestArchivesOfTarAreUnpacked(t *testing.T) {
	t.Parallel()
	b := tarGz(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./secrets/", Typeflag: tar.TypeDir, Mode: 0o2750},
		tar.Header{Name: "./secrets/key", Mode: 0o4600, Uid: 4711},
		tar.Header{Name: "config/deep/ca.json"},
		tar.Header{Name: "config/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "config/key", Typeflag: tar.TypeSymlink, Linkname: "../secrets/key"},
	)
	dir := t.TempDir()
	seen, err := unpackTarGz(iotest.OneByteReader(bytes.NewReader(b)), dir, archive.Limits{})
	if err != nil || seen.Count != 6 || seen.Total != 14 {
		t.Fatalf("%+v, %v", seen, err)
	}
	for name, mode := range map[string]os.FileMode{
		"secrets": os.ModeDir | 0o750, "secrets/key": 0o600, "config": os.ModeDir | 0o700, "config/deep": os.ModeDir | 0o700, "config/deep/ca.json": 0o644, "config/key": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, want %v", name, info.Mode(), mode)
			continue
		}
		if text, err := os.ReadFile(filepath.Join(dir, name)); !info.IsDir() && (err != nil || string(text) != "content") {
			t.Errorf("%s holds %q: %v", name, text, err)
		}
	}
}

func TestWhatTarMadeIsUnpacked(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("tar"); err != nil {
		t.Skip("tar is not installed")
	}
	from, dir := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(from, "secrets", strings.Repeat("long", 40)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "secrets", strings.Repeat("long", 40), "key"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := exec.Command("tar", "-czf", "-", "-C", from, "secrets").Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unpackTarGz(bytes.NewReader(b), dir, archive.Limits{}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "secrets", strings.Repeat("long", 40), "key")); string(text) != "content" {
		t.Errorf("%q, %v", text, err)
	}
}

// A file with holes may be of any size, whatever the archive has.
func TestFilesWithHolesAreRefused(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("tar", "--version").Output(); err != nil || !bytes.Contains(out, []byte("GNU tar")) {
		t.Skip("GNU tar is not installed")
	}
	from := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(from, "x"), nil, 0o600), os.Truncate(filepath.Join(from, "x"), 1<<40)); err != nil {
		t.Skip("this file system has no holes of a terabyte")
	}
	for _, form := range []string{"gnu", "posix"} {
		b, err := exec.Command("tar", "--sparse", "--format="+form, "-czf", "-", "-C", from, "x").Output()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unpackTarGz(bytes.NewReader(b), t.TempDir(), archive.Limits{}); envelope.ClassOf(err) != envelope.Corrupt {
			t.Errorf("%s: %v", form, err)
		}
	}
}

func TestHostileArchivesOfTarChangeNothingOutside(t *testing.T) {
	t.Parallel()
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
	}
	dir := tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}
	for name, c := range map[string]struct {
		text    string
		members []tar.Header
	}{
		"an absolute path":                {"absolute", []tar.Header{{Name: "/x"}}},
		"the root":                        {"empty", []tar.Header{{Name: "/", Typeflag: tar.TypeDir}}},
		"a path that goes up":             {"..", []tar.Header{{Name: "../x"}}},
		"a path that goes up in the end":  {"..", []tar.Header{{Name: "d/../../x"}}},
		"a path with a dot in it":         {"shortest", []tar.Header{{Name: "d/./x"}}},
		"a path with an empty name in it": {"shortest", []tar.Header{{Name: "d//x"}}},
		"a symlink to an absolute path":   {"leaves", []tar.Header{link("l", "/etc/passwd")}},
		"a symlink that goes up":          {"leaves", []tar.Header{dir, link("d/l", "../../x")}},
		"a file through a symlink":        {"symlink", []tar.Header{dir, link("l", "d"), {Name: "l/x"}}},
		"a file in the place of a symlink": {
			"twice", []tar.Header{link("l", "d"), {Name: "l"}}},
		"a file twice":                       {"twice", []tar.Header{{Name: "x"}, {Name: "./x"}}},
		"a file in the place of a directory": {"twice", []tar.Header{dir, {Name: "d"}}},
		"a file in a file":                   {`lies in "x"`, []tar.Header{{Name: "x"}, {Name: "x/y"}}},
		"the directory itself as a file":     {"not the first directory", []tar.Header{{Name: "."}}},
		"a hard link":                        {"no file, directory or symlink", []tar.Header{{Name: "x"}, {Name: "y", Typeflag: tar.TypeLink, Linkname: "x"}}},
		"a device":                           {"no file, directory or symlink", []tar.Header{{Name: "x", Typeflag: tar.TypeChar}}},
		"a pipe":                             {"no file, directory or symlink", []tar.Header{{Name: "x", Typeflag: tar.TypeFifo}}},
		"more members than allowed":          {"more than 4 members", []tar.Header{{Name: "1"}, {Name: "2"}, {Name: "3/4/5"}}},
		"one directory again and again":      {"more than 4 members", []tar.Header{dir, dir, dir, dir, dir}},
		"more names than allowed":            {"the names in the archive have more than 3000 bytes", []tar.Header{{Name: strings.Repeat("d/", 50) + "x"}, link("l", strings.Repeat("x", 500))}},
		"more bytes than allowed":            {"more than 9000 bytes", []tar.Header{{Name: "1"}, {Name: "2"}, {Name: "3"}, {Name: "4", Linkname: strings.Repeat("x", 90)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			around := t.TempDir()
			into := filepath.Join(around, "into")
			if err := os.Mkdir(into, 0o700); err != nil {
				t.Fatal(err)
			}
			limits := archive.Limits{Members: 4}
			if strings.Contains(c.text, "names") {
				limits = archive.Limits{Names: 3000}
			} else if strings.Contains(c.text, "bytes") {
				limits = archive.Limits{Bytes: 9000}
				c.members = append(c.members, tar.Header{Name: strings.Repeat("long/", 1000) + "x", Format: tar.FormatPAX})
			}
			_, err := unpackTarGz(bytes.NewReader(tarGz(t, c.members...)), into, limits)
			if envelope.ClassOf(err) != envelope.Corrupt || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v", err)
			}
			if left, err := os.ReadDir(around); err != nil || len(left) != 1 {
				t.Errorf("outside is %v: %v", left, err)
			}
		})
	}
}

func TestDamagedArchivesOfTarAreRefused(t *testing.T) {
	t.Parallel()
	whole := tarGz(t, tar.Header{Name: "a"}, tar.Header{Name: "b"})
	broken := errors.New("reset")
	for n := range len(whole) {
		_, err := unpackTarGz(bytes.NewReader(whole[:n]), t.TempDir(), archive.Limits{})
		if envelope.ClassOf(err) != envelope.Truncated {
			t.Errorf("cut at %d of %d: %v", n, len(whole), err)
		}
		_, err = unpackTarGz(io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(broken)), t.TempDir(), archive.Limits{})
		if !errors.Is(err, broken) || envelope.ClassOf(err) != "" {
			t.Errorf("broken off at %d: %v", n, err)
		}
	}
	late := envelope.Fail(envelope.Corrupt, errors.New("the padding"))
	_, err := unpackTarGz(io.MultiReader(bytes.NewReader(whole), iotest.ErrReader(late)), t.TempDir(), archive.Limits{})
	if !errors.Is(err, late) {
		t.Errorf("a source that fails at its end: %v", err)
	}
	for text, b := range map[string][]byte{
		"checksum": append(bytes.Clone(whole[:len(whole)-8]), 1, 2, 3, 4, 5, 6, 7, 8),
		"header":   append(bytes.Clone(whole), "more"+strings.Repeat("x", 10)...),
	} {
		if _, err := unpackTarGz(bytes.NewReader(b), t.TempDir(), archive.Limits{}); envelope.ClassOf(err) != envelope.Corrupt || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := unpackTarGz(bytes.NewReader(whole), full, archive.Limits{}); err == nil {
		t.Error("a directory that is not empty is unpacked into")
	}
}

// Whatever it is made of, an archive of tar changes nothing outside, and fails with a class.
func FuzzExtractTarGz(f *testing.F) {
	f.Add([]byte{}, "a", "b", byte(tar.TypeReg))
	f.Add([]byte("x"), "../a", "../../b", byte(tar.TypeSymlink))
	f.Add([]byte("x"), "d/", "d/e", byte(tar.TypeDir))
	f.Fuzz(func(t *testing.T, tail []byte, name, to string, kind byte) {
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		w := tar.NewWriter(zip)
		_ = w.WriteHeader(&tar.Header{Name: name, Linkname: to, Typeflag: kind, Mode: 0o700})
		_ = w.WriteHeader(&tar.Header{Name: to, Linkname: name, Typeflag: kind, Mode: 0o700})
		_ = w.Flush()
		_, _ = zip.Write(tail)
		_ = zip.Close()
		around := t.TempDir()
		into := filepath.Join(around, "into")
		if err := os.Mkdir(into, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := unpackTarGz(bytes.NewReader(b.Bytes()), into, archive.Limits{Bytes: 1 << 20}); err != nil && envelope.ClassOf(err) == "" {
			t.Errorf("%v has no class", err)
		}
		if left, err := os.ReadDir(around); err != nil || len(left) != 1 {
			t.Errorf("outside is %v: %v", left, err)
		}
	})
}
