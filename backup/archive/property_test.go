package archive_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keyreach/keyreach/backup/archive"
)

// randomTree fills a directory and returns its directories, the inner ones last, to get
// their modes and times once everything is in them.
func randomTree(t *rapid.T, dir string) {
	dirs := []string{dir}
	name := rapid.StringMatching(`[a-zA-Zäß€ .\\"'*-]{1,12}[a-z0-9]`)
	modes := rapid.SampledFrom([]fs.FileMode{0o700, 0o755, 0o750, 0o500, 0o777})
	when := rapid.Int64Range(-1e9, 4e9)
	for range rapid.IntRange(0, 25).Draw(t, "members") {
		at := rapid.SampledFrom(dirs).Draw(t, "in")
		p := filepath.Join(at, name.Draw(t, "name"))
		if _, err := os.Lstat(p); err == nil {
			continue
		}
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			noError(t, os.Mkdir(p, 0o700))
			dirs = append(dirs, p)
		case 1:
			noError(t, os.Symlink(name.Draw(t, "target"), p))
		default:
			text := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "text")
			noError(t, os.WriteFile(p, text, 0o600))
			noError(t, os.Chmod(p, modes.Draw(t, "mode")))
			at := time.Unix(when.Draw(t, "time"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
			noError(t, os.Chtimes(p, at, at))
		}
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		noError(t, os.Chmod(dirs[i], modes.Draw(t, "mode")|0o200))
		at := time.Unix(when.Draw(t, "time"), 0)
		noError(t, os.Chtimes(dirs[i], at, at))
	}
}

func noError(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhateverIsPackedIsUnpacked(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "from")
		noError(rt, err)
		to, err := os.MkdirTemp(base, "to")
		noError(rt, err)
		defer os.RemoveAll(dir)
		defer os.RemoveAll(to)
		randomTree(rt, dir)
		var b bytes.Buffer
		w, err := archive.NewWriter(&b, header())
		noError(rt, err)
		if err := archive.AddTree(context.Background(), w, dir, nil); err != nil {
			if symlinkLoop(dir) {
				return
			}
			rt.Fatal(err)
		}
		written, err := w.Close()
		noError(rt, err)
		_, read, err := extract(b.Bytes(), to)
		noError(rt, err)
		if got, want := look(t, to, "times"), look(t, dir, "times"); got != want {
			rt.Fatalf("packed\n%s\nunpacked\n%s", want, got)
		}
		if len(read.Entries) != len(written.Entries) || read.Total != written.Total {
			rt.Fatalf("written %+v, read %+v", written, read)
		}
		one, err := archive.Fingerprint(context.Background(), dir, nil)
		noError(rt, err)
		other, err := archive.Fingerprint(context.Background(), to, nil)
		noError(rt, err)
		if one != other {
			rt.Fatalf("the fingerprints are %s and %s", one, other)
		}
	})
}

// symlinkLoop tells whether a symlink leads to itself, as the system sees it.
func symlinkLoop(dir string) bool {
	found := false
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type() == fs.ModeSymlink {
			_, err := os.Stat(p)
			found = found || err != nil && !os.IsNotExist(err)
		}
		return nil
	})
	return found
}
