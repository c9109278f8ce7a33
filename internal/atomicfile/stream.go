package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Copy puts what a reader gives into a new file at path, with the given mode: all of it, or
// there is no file. It returns the number of bytes, and fails with fs.ErrExist when
// something is at the path. An error of the reader is given as it is.
func Copy(path string, from io.Reader, mode fs.FileMode) (n int64, err error) {
	if _, err := os.Lstat(path); err == nil {
		return 0, fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // 0600
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(f, from)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = place(f.Name(), path)
	}
	if e := os.Remove(f.Name()); !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return n, err
}

// place gives a file a second name, unless something has that; where the file system knows
// no links, another one.
func place(from, to string) error {
	err := os.Link(from, to)
	if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if _, e := os.Lstat(to); e == nil {
		return fmt.Errorf("%s: %w", to, fs.ErrExist)
	}
	return os.Rename(from, to)
}
