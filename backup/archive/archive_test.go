package archive_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup/archive"
)

// epoch is when everything in these tests was written.
func epoch() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC) }

func header() archive.Header {
	return archive.Header{Tool: "keyreach test", ID: "b1", Kind: "files", Name: "x", Created: epoch()}
}

// tree makes a directory of the files that are given by path: a path that ends in a
// slash is a directory, a content that begins with -> a symlink.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for p, text := range files {
		full := filepath.Join(dir, p)
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		switch target, link := strings.CutPrefix(text, "->"); {
		case strings.HasSuffix(p, "/"):
			must(t, os.MkdirAll(full, 0o755))
		case link:
			must(t, os.Symlink(target, full))
		default:
			must(t, os.WriteFile(full, []byte(text), 0o640))
			must(t, os.Chtimes(full, epoch(), epoch()))
		}
	}
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pack makes an archive of a directory.
func pack(t testing.TB, dir string, exclude ...string) ([]byte, archive.Manifest) {
	t.Helper()
	var b bytes.Buffer
	w, err := archive.NewWriter(&b, header())
	must(t, err)
	must(t, archive.AddTree(context.Background(), w, dir, exclude))
	w.Note("revision", "7")
	m, err := w.Close()
	must(t, err)
	return b.Bytes(), m
}

func extract(src []byte, dir string) (archive.Header, archive.Manifest, error) {
	return archive.Extract(context.Background(), bytes.NewReader(src), dir, archive.Limits{})
}

// look describes everything in a directory, one line for each.
func look(t testing.TB, dir string, with ...string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		line := rel + " " + info.Mode().String()
		switch {
		case info.Mode().Type() == fs.ModeSymlink:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			line += " -> " + target
		case info.Mode().IsRegular():
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += " " + string(text)
			fallthrough
		default:
			if len(with) > 0 {
				line += " " + info.ModTime().UTC().Format(time.RFC3339Nano)
			}
		}
		b.WriteString(line + "\n")
		return nil
	}))
	return b.String()
}

func TestWhatWasPackedIsUnpacked(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"a": "one", "b/c": "two", "b/empty": "", "d/": "", "b/up": "->../a", "loose": "->nowhere",
		"ünï/" + strings.Repeat("long", 60): strings.Repeat("x", 1<<20),
	})
	must(t, os.Chmod(filepath.Join(dir, "b/c"), 0o400))
	must(t, os.Chmod(filepath.Join(dir, "d"), 0o500))
	must(t, os.Chtimes(filepath.Join(dir, "d"), epoch(), epoch()))
	text, written := pack(t, dir)
	to := t.TempDir()
	h, m, err := extract(text, to)
	must(t, err)
	if got, want := look(t, to, "times"), look(t, dir, "times"); got != want {
		t.Errorf("unpacked:\n%s\npacked:\n%s", got, want)
	}
	if h.ID != "b1" || h.FormatVersion != archive.FormatVersion || !h.Created.Equal(epoch()) {
		t.Errorf("the header came back as %+v", h)
	}
	if m.Notes["revision"] != "7" || m.Count != len(written.Entries) || m.Total != written.Total || m.Total != 6+1<<20 {
		t.Errorf("the manifest came back as %+v", m)
	}
	h2, m2, err := archive.Verify(context.Background(), bytes.NewReader(text), archive.Limits{})
	must(t, err)
	if h2.ID != h.ID || len(m2.Entries) != len(m.Entries) {
		t.Errorf("Verify: %+v %+v", h2, m2)
	}
}

func TestAStreamIsAFile(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := archive.NewWriter(&b, header())
	must(t, err)
	must(t, w.Stream("snapshot.db", 0o600, epoch(), 5, strings.NewReader("bytes")))
	_, err = w.Close()
	must(t, err)
	to := t.TempDir()
	_, _, err = extract(b.Bytes(), to)
	must(t, err)
	got, err := os.ReadFile(filepath.Join(to, "snapshot.db"))
	must(t, err)
	if string(got) != "bytes" {
		t.Errorf("it came back as %q", got)
	}
}
