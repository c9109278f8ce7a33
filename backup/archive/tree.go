package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/internal/shell"
)

// AddTree adds the directory root, as ".", and what lies in it, in the order of the
// paths. Symlinks are not followed. A file with several names becomes several files, the
// holes of sparse ones are filled, extended attributes and ACLs are not kept.
//
// What exclude matches is left out, with everything below it: a pattern of path.Match
// for paths relative to the root, or, without a slash, for the last name of them. Before a
// path may stand "./", which makes that of a name at the top.
//
// A symlink that leaves the root, a socket, a pipe and a device are errors. Every file
// is looked at again after it was read, every directory at the end: one that is not what
// it was is a *ChangedError. What may not be read is Denied, a root that is not there
// NotFound.
func AddTree(ctx context.Context, w *Writer, root string, exclude []string) error {
	return walk(ctx, root, exclude, w)
}

// Fingerprint returns the SHA-256, in hexadecimal, over the paths, types, modes and
// contents of what AddTree adds, and the targets of symlinks. It fails as AddTree does.
func Fingerprint(ctx context.Context, root string, exclude []string) (string, error) {
	p := fingerprint{sha256.New()}
	if err := walk(ctx, root, exclude, p); err != nil {
		return "", err
	}
	return hex.EncodeToString(p.h.Sum(nil)), nil
}

// visitor takes what a walk finds.
type visitor interface {
	Dir(path string, info fs.FileInfo) error
	Symlink(path, target string, info fs.FileInfo) error
	File(path string, info fs.FileInfo, r io.Reader) error
}

type fingerprint struct{ h hash.Hash }

func (p fingerprint) line(kind, path string, mode fs.FileMode, what string) error {
	_, err := fmt.Fprintf(p.h, "%s %q %o %q\n", kind, path, mode.Perm(), what)
	return err
}

func (p fingerprint) Dir(path string, info fs.FileInfo) error {
	return p.line(typeDir, path, info.Mode(), "")
}

func (p fingerprint) Symlink(path, target string, _ fs.FileInfo) error {
	return p.line(typeLink, path, 0, target)
}

func (p fingerprint) File(path string, info fs.FileInfo, r io.Reader) error {
	h := sha256.New()
	switch n, err := io.Copy(h, r); {
	case err != nil:
		return fmt.Errorf("reading %s: %w", path, err)
	case n < info.Size():
		return &ChangedError{path, "shrank"}
	case n > info.Size():
		return &ChangedError{path, "grew"}
	}
	return p.line(typeFile, path, info.Mode(), hex.EncodeToString(h.Sum(nil)))
}

// walker is one walk.
type walker struct {
	ctx     context.Context
	root    *os.Root
	exclude []string
	visitor visitor
	dirs    []visited
}

// visited is a directory as it was when it was listed.
type visited struct {
	path  string
	info  fs.FileInfo
	names []string
}

func walk(ctx context.Context, dir string, exclude []string, v visitor) error {
	for _, pattern := range exclude {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("reading the pattern %q of what to leave out: %w", pattern, err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return envelope.OnDisk("opening the directory", err)
	}
	defer root.Close()
	w := &walker{ctx: ctx, root: root, exclude: exclude, visitor: v}
	if err := w.dir(top); err != nil {
		return err
	}
	for _, d := range w.dirs {
		if err := w.again(d); err != nil {
			return err
		}
	}
	return nil
}

// LeavesOut reports whether what AddTree is told to exclude leaves out the path, by itself
// or with a directory that it lies in.
func LeavesOut(exclude []string, p string) bool {
	for p = path.Clean(p); p != top && p != "/"; p = path.Dir(p) {
		if excluded(exclude, p) {
			return true
		}
	}
	return false
}

func excluded(exclude []string, p string) bool {
	return slices.ContainsFunc(exclude, func(pattern string) bool {
		name := p
		if !strings.Contains(pattern, "/") {
			name = path.Base(p)
		}
		ok, _ := path.Match(strings.TrimPrefix(pattern, "./"), name) // the patterns were tried before
		return ok
	})
}

// list returns what is in a directory and not left out, in order.
func (w *walker) list(p string) (visited, error) {
	f, err := w.root.OpenFile(p, os.O_RDONLY|nofollow, 0)
	if err != nil {
		return visited{}, w.failed(p, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return visited{}, w.failed(p, err)
	}
	if !info.IsDir() {
		return visited{}, &ChangedError{p, "was replaced"}
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return visited{}, w.failed(p, err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return excluded(w.exclude, path.Join(p, name)) })
	slices.Sort(names)
	return visited{p, info, names}, nil
}

// failed gives a failure its meaning: what was listed a moment ago was there.
func (w *walker) failed(p string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &ChangedError{p, "vanished"}
	}
	return envelope.OnDisk("reading "+p, err)
}

func (w *walker) dir(p string) error {
	d, err := w.list(p)
	if err != nil {
		return err
	}
	if err := w.visitor.Dir(p, d.info); err != nil {
		return err
	}
	w.dirs = append(w.dirs, d)
	for _, name := range d.names {
		if err := w.ctx.Err(); err != nil {
			return fmt.Errorf("reading the directory: %w", err)
		}
		if err := w.any(path.Join(p, name)); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) any(p string) error {
	if err := checkPath(p); err != nil {
		return fmt.Errorf("reading the directory: %w: leave it out with --exclude", err)
	}
	info, err := w.root.Lstat(p)
	if err != nil {
		return w.failed(p, err)
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		return w.dir(p)
	case fs.ModeSymlink:
		return w.link(p, info)
	case 0:
		return w.file(p, info)
	}
	return fmt.Errorf("%s is %s, which cannot be in a backup: leave it out with --exclude %s", p, kind(info.Mode()), only(p))
}

// only is the pattern of one path, and of nothing of the same name elsewhere, as a shell
// takes it.
func only(p string) string {
	p = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(p)
	if !strings.Contains(p, "/") {
		p = "./" + p
	}
	return shell.Quote(p)
}

func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "of an unknown kind"
}

func (w *walker) link(p string, info fs.FileInfo) error {
	target, err := w.root.Readlink(p)
	if err != nil {
		return w.failed(p, err)
	}
	if err := checkTarget(p, target); err != nil {
		return fmt.Errorf("%w: leave it out with --exclude %s", err, only(p))
	}
	err = checkLink(p, func(p string) (string, bool) {
		t, err := w.root.Readlink(p)
		return t, err == nil
	})
	if err != nil {
		return fmt.Errorf("%w: leave it out with --exclude %s", err, only(p))
	}
	return w.visitor.Symlink(p, target, info)
}

func (w *walker) file(p string, info fs.FileInfo) error {
	f, err := w.root.OpenFile(p, os.O_RDONLY|nofollow, 0)
	if err != nil {
		return w.failed(p, err)
	}
	defer f.Close()
	begun, err := f.Stat()
	if err != nil {
		return w.failed(p, err)
	}
	if !os.SameFile(info, begun) {
		return &ChangedError{p, "was replaced"}
	}
	if err := w.visitor.File(p, begun, &input{ctx: w.ctx, r: f}); err != nil {
		return err
	}
	now, err := w.root.Lstat(p)
	if err != nil {
		return w.failed(p, err)
	}
	return same(p, begun, now)
}

// same compares a file before and after it was read.
func same(p string, before, after fs.FileInfo) error {
	switch {
	case !os.SameFile(before, after):
		return &ChangedError{p, "was replaced"}
	case after.Size() > before.Size():
		return &ChangedError{p, "grew"}
	case after.Size() < before.Size():
		return &ChangedError{p, "shrank"}
	case !after.ModTime().Equal(before.ModTime()):
		return &ChangedError{p, "was written"}
	case after.Mode() != before.Mode():
		return &ChangedError{p, "got another mode"}
	}
	return nil
}

// again compares a directory with what it was when it was listed. Its time changes too
// when something was made that is left out: that does not count.
func (w *walker) again(d visited) error {
	now, err := w.list(d.path)
	if err != nil {
		return err
	}
	switch {
	case !os.SameFile(d.info, now.info):
		return &ChangedError{d.path, "was replaced"}
	case !slices.Equal(d.names, now.names):
		return &ChangedError{d.path, "got or lost entries"}
	}
	return nil
}
