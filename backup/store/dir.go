package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/cloud"
)

// partSuffix ends the names of files that are not whole yet.
const partSuffix = ".part"

// dir is a directory of backups.
type dir struct {
	path string
	root *os.Root // whatever path names later, and whatever links lie in it
}

// OpenDir returns the store in a directory, which create makes, for nobody but its owner,
// when it is not there. A backup is the file ID.age; while it is written, a hidden file
// beside it. Links are never followed. Failures are of class envelope.NotFound when the
// directory is not there, and envelope.Denied.
func OpenDir(path string, create bool) (Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding the directory of backups: %w", err)
	}
	if create {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, envelope.OnDisk("making the directory of backups", err)
		}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, envelope.OnDisk("opening the directory of backups", err)
	}
	return &dir{path, root}, nil
}

// String is the path of the directory.
func (d *dir) String() string { return d.path }

func (d *dir) location(id string) string { return filepath.Join(d.path, id+Suffix) }

func (d *dir) object(id string, info fs.FileInfo) Object {
	return Object{ID: id, Location: d.location(id), Size: info.Size(), Modified: info.ModTime()}
}

// entries are the names in the directory.
func (d *dir) entries() ([]fs.DirEntry, error) {
	at, err := d.root.Open(".")
	if err != nil {
		return nil, envelope.OnDisk("listing backups", err)
	}
	list, err := at.ReadDir(-1)
	if err := errors.Join(err, at.Close()); err != nil {
		return nil, envelope.OnDisk("listing backups", err)
	}
	return list, nil
}

// List passes over everything that is no file of its own, links among them.
func (d *dir) List(ctx context.Context) ([]Object, error) {
	entries, err := d.entries()
	if err != nil {
		return nil, err
	}
	var list []Object
	for _, e := range entries {
		id, ok := IDOf(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
			continue
		case err != nil:
			return nil, envelope.OnDisk("listing backups", err)
		}
		list = append(list, d.object(id, info))
	}
	slices.SortFunc(list, func(a, b Object) int { return cmp.Compare(a.ID, b.ID) })
	return list, ctx.Err()
}

// file opens a backup, and nothing but a regular file: no link, no pipe that would keep
// the reader waiting.
func (d *dir) file(id string) (*os.File, fs.FileInfo, error) {
	if err := CheckID(id); err != nil {
		return nil, nil, err
	}
	before, err := d.root.Lstat(id + Suffix)
	if err != nil {
		return nil, nil, envelope.OnDisk("opening a backup", err)
	}
	if !before.Mode().IsRegular() {
		return nil, nil, envelope.Fail(envelope.NotFound, fmt.Errorf("opening a backup: %s is no file but %s", d.location(id), before.Mode().Type()))
	}
	f, err := d.root.OpenFile(id+Suffix, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, envelope.OnDisk("opening a backup", err)
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || !os.SameFile(before, info)) {
		err = Changed(d.location(id)) // another file, perhaps by a link, since it was looked at
	}
	if err != nil {
		return nil, nil, errors.Join(envelope.OnDisk("opening a backup", err), f.Close())
	}
	return f, info, nil
}

// Open reads a backup. A directory has no versions.
func (d *dir) Open(ctx context.Context, id, version string, from int64) (io.ReadCloser, Object, error) {
	if version != "" {
		return nil, Object{}, envelope.Fail(envelope.NotFound, fmt.Errorf("opening a backup: %s has no versions, and not %q", d.path, version))
	}
	f, info, err := d.file(id)
	if err != nil {
		return nil, Object{}, err
	}
	o := d.object(id, info)
	if from > o.Size {
		err = envelope.Fail(envelope.Truncated, fmt.Errorf("opening a backup: %s has %d bytes, fewer than %d", o.Location, o.Size, from))
	} else if _, err = f.Seek(from, io.SeekStart); err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, Object{}, errors.Join(err, f.Close())
	}
	return f, o, nil
}

// Remove deletes a backup for good.
func (d *dir) Remove(_ context.Context, o Object) error {
	if err := CheckID(o.ID); err != nil {
		return err
	}
	if err := d.root.Remove(o.ID + Suffix); err != nil {
		return envelope.OnDisk("removing a backup", err)
	}
	return d.sync()
}

// sync makes the names in the directory durable.
func (d *dir) sync() error {
	at, err := d.root.Open(".")
	if err != nil {
		return envelope.OnDisk("making the directory of backups durable", err)
	}
	err = at.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // a file system that does not know it for directories
	}
	if err := errors.Join(err, at.Close()); err != nil {
		return envelope.OnDisk("making the directory of backups durable", err)
	}
	return nil
}

// Sweep removes the parts that were written to last longer ago than the age, and that no
// process holds any more.
func (d *dir) Sweep(ctx context.Context, age time.Duration) (int, error) {
	entries, err := d.entries()
	if err != nil {
		return 0, err
	}
	swept, before := 0, time.Now().Add(-age)
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return swept, err
		}
		if !isPart(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.ModTime().After(before) {
			continue
		}
		if err == nil {
			var gone bool
			if gone, err = d.sweep(e.Name()); gone {
				swept++
			}
		}
		if err != nil {
			return swept, envelope.OnDisk("sweeping parts of backups", err)
		}
	}
	return swept, nil
}

// isPart reports whether a name is one that Create or Replace makes: .ID.XXXXXXXX.part.
func isPart(name string) bool {
	rest, ok := strings.CutSuffix(name, partSuffix)
	at := strings.LastIndexByte(rest, '.')
	return ok && at > 1 && rest[0] == '.' && CheckID(rest[1:at]) == nil
}

// sweep removes a part unless a living process holds it.
func (d *dir) sweep(name string) (bool, error) {
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	held, err := hold(f)
	if err == nil && held {
		err = d.root.Remove(name)
	}
	return held && err == nil, errors.Join(err, f.Close())
}

// Replace writes the whole anew beside the old file, which the system does without the
// bytes passing through here where it can, and puts it in its place. The time of the
// file, which is that of the backup, and its mode stay.
func (d *dir) Replace(ctx context.Context, o Object, head []byte, from int64) (Object, error) {
	old, info, err := d.file(o.ID)
	if err != nil {
		return Object{}, err
	}
	defer old.Close() // it was only read
	switch {
	case info.Size() != o.Size || !info.ModTime().Equal(o.Modified):
		return Object{}, Changed(d.location(o.ID))
	case from < 0 || from > o.Size:
		return Object{}, &cloud.Error{Kind: cloud.Invalid, Operation: "replacing the beginning of a backup", Err: fmt.Errorf("%s has %d bytes, not %d", o.Location, o.Size, from)}
	}
	p, err := d.part(o.ID, info.Mode().Perm())
	if err != nil {
		return Object{}, err
	}
	if err := p.replace(ctx, old, info, head, from); err != nil {
		return Object{}, errors.Join(err, p.Abort(ctx))
	}
	o.Size = p.size
	return o, d.sync()
}
