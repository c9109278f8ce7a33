package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
)

// onWrite calls a function once the size in bytes was written. The noise in the file b,
// which is larger than what the compression holds back, brings that about in its middle.
type onWrite struct {
	bytes.Buffer
	size int
	do   func()
}

func (o *onWrite) Write(p []byte) (int, error) {
	if o.Len()+len(p) > o.size && o.do != nil {
		o.do()
		o.do = nil
	}
	return o.Buffer.Write(p)
}

func noise(size int) string {
	var b strings.Builder
	for x := uint64(1); b.Len() < size; {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b.Write([]byte{byte(x), byte(x >> 8), byte(x >> 16), byte(x >> 24)})
	}
	return b.String()
}

func TestASourceThatChangesWhileItIsReadIsAnError(t *testing.T) {
	t.Parallel()
	add := func(name, text string) error {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close())
	}
	for _, c := range []struct {
		name, path, what string
		do               func(dir string) error
		exclude          []string
	}{
		{"the file grows", "b", "grew", func(dir string) error { return add(filepath.Join(dir, "b"), "more") }, nil},
		{"the file shrinks", "b", "shrank", func(dir string) error { return os.Truncate(filepath.Join(dir, "b"), 9<<20) }, nil},
		{"the file vanishes", "b", "vanished", func(dir string) error { return os.Remove(filepath.Join(dir, "b")) }, nil},
		{"the file is replaced by one with the same size", "b", "was replaced", func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "new"), []byte(noise(10<<20)), 0o640), os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "b")))
		}, nil},
		{"the file is replaced by a symlink", "b", "was replaced", func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "b")), os.Symlink("a", filepath.Join(dir, "b")))
		}, nil},
		{"the file is written in its place", "b", "was written", func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, "b"), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("x"), 0)
			return errors.Join(err, f.Close())
		}, nil},
		{"a file that comes later vanishes", "c", "vanished", func(dir string) error { return os.Remove(filepath.Join(dir, "c")) }, nil},
		{"a directory that comes later vanishes", "d", "vanished", func(dir string) error { return os.RemoveAll(filepath.Join(dir, "d")) }, nil},
		{"a file that was read vanishes", ".", "got or lost entries", func(dir string) error { return os.Remove(filepath.Join(dir, "a")) }, nil},
		{"a file appears", ".", "got or lost entries", func(dir string) error { return os.WriteFile(filepath.Join(dir, "A"), nil, 0o600) }, nil},
		{"a file appears that is left out", "", "", func(dir string) error { return os.WriteFile(filepath.Join(dir, "A.log"), nil, 0o600) }, []string{"*.log"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, map[string]string{"a": "x", "b": noise(10 << 20), "c": "x", "d/e": "x"})
			dst := &onWrite{size: 2 << 20, do: func() { must(t, c.do(dir)) }}
			w, err := archive.NewWriter(dst, header())
			must(t, err)
			err = archive.AddTree(context.Background(), w, dir, c.exclude)
			if dst.do != nil {
				t.Fatal("nothing happened while it was read")
			}
			if c.what == "" {
				must(t, err)
				return
			}
			var changed *archive.ChangedError
			if !errors.As(err, &changed) || changed.Path != c.path || changed.What != c.what {
				t.Fatalf("%v, which is not that %s %s", err, c.path, c.what)
			}
		})
	}
}

func TestWhatCannotBeInABackupIsNamedWithTheWayOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		make       func(dir string) error
	}{
		{"a symlink that goes up", `"d/x" leaves the directory: it leads to "../../y"`, func(dir string) error { return os.Symlink("../../y", filepath.Join(dir, "d/x")) }},
		{"a symlink to an absolute path", `"d/x" leaves the directory: it leads to "/etc"`, func(dir string) error { return os.Symlink("/etc", filepath.Join(dir, "d/x")) }},
		{"symlinks that leave together", "leaves the directory", func(dir string) error {
			return errors.Join(os.Symlink("..", filepath.Join(dir, "d/up")), os.Symlink("up/../y", filepath.Join(dir, "d/x")))
		}},
		{"a symlink to itself", "circle", func(dir string) error { return os.Symlink("x", filepath.Join(dir, "d/x")) }},
		{"a named pipe", "a named pipe", func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "d/x"), 0o600) }},
		{"a socket", "a socket", func(dir string) error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "d/x"), Net: "unix"})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return l.Close()
		}},
		{"a name that is not UTF-8", "not UTF-8", func(dir string) error { return os.WriteFile(filepath.Join(dir, "d/x\xff"), nil, 0o600) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "k") // the path of a socket is short
			must(t, err)
			t.Cleanup(func() { os.RemoveAll(dir) })
			must(t, os.MkdirAll(filepath.Join(dir, "d"), 0o700))
			must(t, c.make(dir))
			w, err := archive.NewWriter(io.Discard, header())
			must(t, err)
			err = archive.AddTree(context.Background(), w, dir, nil)
			if err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), "--exclude") {
				t.Fatalf("%v, without %q or the way out", err, c.text)
			}
			pack(t, dir, "x*", "up")
			pack(t, dir, "d/x*", "d/up")
			if _, m := pack(t, dir, "d"); m.Count != 1 {
				t.Errorf("with its directory left out there are %d members", m.Count)
			}
		})
	}
}

func TestTheWayOutLeavesOutNothingElse(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"data", "a[1]*?", `back\slash`, "a b,c", "it's", "$(id)"} {
		dir := tree(t, map[string]string{"b": "", "d/" + name: "", "d/a1": ""})
		must(t, syscall.Mkfifo(filepath.Join(dir, name), 0o600))
		w, err := archive.NewWriter(io.Discard, header())
		must(t, err)
		_, pattern, ok := strings.Cut(fmt.Sprint(archive.AddTree(context.Background(), w, dir, nil)), "--exclude ")
		if !ok {
			t.Fatalf("%s: no way out is named", name)
		}
		typed, err := exec.Command("sh", "-c", "printf %s "+pattern).Output() // as whoever types it has it
		must(t, err)
		pattern = string(typed)
		if _, m := pack(t, dir, pattern); m.Count != 5 {
			t.Errorf("without %s there are %d members, and not the root, b, d and what is in that", pattern, m.Count)
		}
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.log": "", "b": "", "d/a.log": "", "d/e/f": "", "d/g": ""})
	for pattern, want := range map[string]string{
		"*.log": ". b d d/e d/e/f d/g", "d/*.log": ". a.log b d d/e d/e/f d/g", "e": ". a.log b d d/a.log d/g", "d/*": ". a.log b d", "./a.log": ". b d d/a.log d/e d/e/f d/g", "./d/a.log": ". a.log b d d/e d/e/f d/g", "f/*": ". a.log b d d/a.log d/e d/e/f d/g",
	} {
		_, m := pack(t, dir, pattern)
		var got []string
		for _, e := range m.Entries {
			got = append(got, e.Path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("without %s there are %q, not %q", pattern, got, want)
		}
	}
	w, err := archive.NewWriter(io.Discard, header())
	must(t, err)
	if err := archive.AddTree(context.Background(), w, dir, []string{"["}); err == nil {
		t.Error("a pattern that cannot be read is passed over")
	}
}

func TestADirectoryThatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	_, err := archive.Fingerprint(context.Background(), filepath.Join(t.TempDir(), "none"), nil)
	refused(t, "Fingerprint", err, envelope.NotFound, "none")
}

func TestTheFingerprintTellsEveryChange(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a": "x", "d/b": "y", "l": "->a", "log": "z"})
	print := func() string {
		p, err := archive.Fingerprint(context.Background(), dir, []string{"log"})
		must(t, err)
		return p
	}
	seen := map[string]string{print(): "at first"}
	in := func(p string) string { return filepath.Join(dir, p) }
	must(t, os.Chtimes(in("a"), time.Now(), time.Now()))
	must(t, os.WriteFile(in("log"), []byte("more"), 0o600))
	if seen[print()] == "" {
		t.Error("a time, or a file that is left out, counts")
	}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"a content", func() error { return os.WriteFile(in("a"), []byte("y"), 0o600) }},
		{"a mode", func() error { return os.Chmod(in("a"), 0o600) }},
		{"a directory's mode", func() error { return os.Chmod(in("d"), 0o700) }},
		{"a name", func() error { return os.Rename(in("a"), in("c")) }},
		{"a target", func() error { return errors.Join(os.Remove(in("l")), os.Symlink("c", in("l"))) }},
		{"a new directory", func() error { return os.Mkdir(in("e"), 0o700) }},
		{"a type", func() error { return errors.Join(os.Remove(in("e")), os.WriteFile(in("e"), nil, 0o700)) }},
	} {
		must(t, c.do())
		p := print()
		if seen[p] != "" {
			t.Errorf("after %s changed it is as it was %s", c.name, seen[p])
		}
		seen[p] = "after " + c.name + " changed"
	}
}

func TestAFileOfAnotherSizeThanWasSaidIsAnError(t *testing.T) {
	t.Parallel()
	for text, what := range map[string]string{"four": "shrank", "sixsix": "grew"} {
		w, err := archive.NewWriter(io.Discard, header())
		must(t, err)
		var changed *archive.ChangedError
		if err := w.Stream("f", 0o600, epoch(), 5, strings.NewReader(text)); !errors.As(err, &changed) || changed.What != what {
			t.Errorf("of %q: %v", text, err)
		}
		if err := w.Stream("g", 0o600, epoch(), 0, strings.NewReader("")); err == nil {
			t.Error("the archive goes on")
		}
		if _, err := w.Close(); err == nil {
			t.Error("the archive was finished all the same")
		}
	}
}
