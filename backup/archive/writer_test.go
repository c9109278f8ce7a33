package archive_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/keyreach/keyreach/backup/archive"
)

func TestAWriterRefusesWhatAReaderWould(t *testing.T) {
	t.Parallel()
	dir, err := os.Lstat(t.TempDir())
	must(t, err)
	empty := func(w *archive.Writer, p string) error {
		return w.Stream(p, 0o600, epoch(), 0, strings.NewReader(""))
	}
	for _, c := range []struct {
		name, text string
		do         func(w *archive.Writer) error
	}{
		{"a path that goes up", "..", func(w *archive.Writer) error { return empty(w, "../x") }},
		{"an absolute path", "absolute", func(w *archive.Writer) error { return empty(w, "/x") }},
		{"a path with a NUL", "NUL", func(w *archive.Writer) error { return empty(w, "a\x00b") }},
		{"a path twice", "twice", func(w *archive.Writer) error {
			if err := empty(w, "x"); err != nil {
				return err
			}
			return empty(w, "x")
		}},
		{"a file before its directory", "before its directory", func(w *archive.Writer) error { return empty(w, "d/x") }},
		{"the directory itself, late", "first directory", func(w *archive.Writer) error {
			if err := w.Dir("d", dir); err != nil {
				return err
			}
			return w.Dir(".", dir)
		}},
		{"a symlink that leaves", "leaves", func(w *archive.Writer) error {
			if err := w.Symlink("l", "../x", dir); err != nil {
				return err
			}
			_, err := w.Close()
			return err
		}},
		{"a size below zero", "size of -1", func(w *archive.Writer) error {
			return w.Stream("x", 0o600, epoch(), -1, strings.NewReader(""))
		}},
		{"more bytes than a reader takes", "more than", func(w *archive.Writer) error {
			return w.Stream("x", 0o600, epoch(), 4<<40, strings.NewReader(""))
		}},
		{"notes that are too long", "notes", func(w *archive.Writer) error {
			w.Note("n", strings.Repeat("n", 1<<20))
			_, err := w.Close()
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, err := archive.NewWriter(io.Discard, header())
			must(t, err)
			if err := c.do(w); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, without %q", err, c.text)
			}
			if _, err := w.Close(); err == nil {
				t.Error("the archive was finished all the same")
			}
		})
	}
	h := header()
	h.Notes = map[string]string{"n": strings.Repeat("n", 1<<20)}
	if _, err := archive.NewWriter(io.Discard, h); err == nil {
		t.Error("a header that is too long is taken")
	}
}

func TestOnlyPermissionsOfAModeAreKept(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"s": "x", "d/": ""})
	must(t, os.Chmod(filepath.Join(dir, "s"), 0o755|fs.ModeSetuid|fs.ModeSetgid))
	must(t, os.Chmod(filepath.Join(dir, "d"), 0o777|fs.ModeSticky))
	text, _ := pack(t, dir)
	to := t.TempDir()
	_, _, err := extract(text, to)
	must(t, err)
	if got := look(t, to); !strings.Contains(got, "s -rwxr-xr-x x\n") || !strings.Contains(got, "d drwxrwxrwx\n") {
		t.Errorf("unpacked:\n%s", got)
	}
}

func TestOwnersAreKept(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to others")
	}
	dir := tree(t, map[string]string{"a": "x", "d/b": "y", "d/l": "->b"})
	for i, p := range []string{"a", "d", "d/b", "d/l", "."} {
		must(t, os.Lchown(filepath.Join(dir, p), 70000+i, 80000+i))
	}
	text, _ := pack(t, dir)
	to := t.TempDir()
	_, _, err := extract(text, to)
	must(t, err)
	for i, p := range []string{"a", "d", "d/b", "d/l", "."} {
		info, err := os.Lstat(filepath.Join(to, p))
		must(t, err)
		if uid, gid := ownerOf(info); uid != uint32(70000+i) || gid != uint32(80000+i) {
			t.Errorf("%s belongs to %d:%d", p, uid, gid)
		}
	}
}

func TestAnArchiveOfNothingIsOne(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := archive.NewWriter(&b, header())
	must(t, err)
	_, err = w.Close()
	must(t, err)
	to := t.TempDir()
	_, m, err := extract(b.Bytes(), to)
	must(t, err)
	if m.Count != 0 || names(t, to) != "" {
		t.Errorf("it has %+v", m)
	}
}

// stalled takes the head of a frame, which is written at once, and holds everything else
// back until it is released.
type stalled struct {
	begun    bool
	released chan struct{}
}

func (s *stalled) Write(b []byte) (int, error) {
	if s.begun {
		<-s.released
	}
	s.begun = true
	return len(b), nil
}

func TestAWriterThatIsAbandonedWaitsForWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dst := &stalled{released: make(chan struct{})}
		var abandoned bool
		go func() {
			w, err := archive.NewWriter(dst, header())
			if err == nil {
				// A block and a half, of which the first is written while this goes on.
				err = w.Stream("noise", 0o600, epoch(), 1<<20, strings.NewReader(noise(96<<10)))
			}
			if err == nil {
				t.Error("a stream that is too short was taken")
			}
			w.Abandon()
			abandoned = true
		}()
		synctest.Wait()
		if abandoned {
			t.Error("it did not wait, and what it is written to may be written to afterwards")
		}
		close(dst.released)
		synctest.Wait()
		if !abandoned {
			t.Error("it waits for more than what is on its way")
		}
	})
}
