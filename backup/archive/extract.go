package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/keyreach/keyreach/backup/envelope"
)

// Extract unpacks an archive into a directory that is there and empty, best one of
// Stage. Whatever the archive holds, nothing outside the directory changes. When
// Extract fails, the directory holds a part that is of no use.
//
// The failures are Corrupt when the archive is not one that a Writer made, Truncated
// when it ends early, Denied when the file system refuses; errors of src, and of the
// disk with their errno (ENOSPC, EIO, EROFS, EDQUOT), are passed on.
//
// Owners are set when the program runs as root. Times of symlinks, and extended
// attributes, are not kept.
func Extract(ctx context.Context, src io.Reader, dir string, l Limits) (Header, Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Header{}, Manifest{}, envelope.OnDisk("opening the directory to unpack into", err)
	}
	defer root.Close()
	if err := empty(root); err != nil {
		return Header{}, Manifest{}, err
	}
	d := &disk{root: root, buf: make([]byte, copySize), owners: os.Geteuid() == 0}
	return read(ctx, src, l, d)
}

func empty(root *os.Root) error {
	f, err := root.Open(top)
	if err != nil {
		return envelope.OnDisk("opening the directory to unpack into", err)
	}
	defer f.Close()
	switch _, err := f.Readdirnames(1); {
	case err == nil:
		return fmt.Errorf("unpacking into %s: it is not empty", root.Name())
	case !errors.Is(err, io.EOF):
		return envelope.OnDisk("listing the directory to unpack into", err)
	}
	return nil
}

// disk is the sink that writes.
type disk struct {
	root   *os.Root
	buf    []byte
	owners bool
	// What is done at the end: directories would refuse their files, or get other times,
	// and symlinks would be there before it is known where they lead.
	dirs, links []pending
}

type pending struct {
	entry    Entry
	uid, gid int
	modified time.Time
}

// later is what is kept of a head for the end.
func later(e Entry, h *tar.Header) pending { return pending{e, h.Uid, h.Gid, h.ModTime} }

// made gives the failure to make something its meaning: the path was not there before,
// so the file system takes it for that of another member.
func made(path string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return corrupt("unpacking %q: to this file system it is the same name as another member's", path)
	}
	return envelope.OnDisk("unpacking "+path, err)
}

func (d *disk) dir(e Entry, h *tar.Header) error {
	d.dirs = append(d.dirs, later(e, h))
	if e.Path == top {
		return nil
	}
	if err := d.root.Mkdir(e.Path, 0o700); err != nil {
		return made(e.Path, err)
	}
	return nil
}

func (d *disk) link(e Entry, h *tar.Header) error {
	d.links = append(d.links, later(e, h))
	return nil
}

func (d *disk) file(e Entry, h *tar.Header, r io.Reader) error {
	f, err := d.root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return made(e.Path, err)
	}
	defer f.Close() // what matters is the error of Sync
	if free, ok := freeSpace(f); ok && e.Size > free {
		return fmt.Errorf("unpacking %s: it has %d bytes, of which %d are free: %w", e.Path, e.Size, free, syscall.ENOSPC)
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, d.buf); err != nil {
		return envelope.OnDisk("unpacking "+e.Path, err)
	}
	if d.owners {
		if err := f.Chown(h.Uid, h.Gid); err != nil {
			return envelope.OnDisk("giving "+e.Path+" its owner", err)
		}
	}
	if err := f.Chmod(fs.FileMode(e.Mode)); err != nil {
		return envelope.OnDisk("giving "+e.Path+" its mode", err)
	}
	if err := d.root.Chtimes(e.Path, time.Time{}, h.ModTime); err != nil {
		return envelope.OnDisk("giving "+e.Path+" its time", err)
	}
	if err := f.Sync(); err != nil {
		return envelope.OnDisk("writing "+e.Path+" to the disk", err)
	}
	return nil
}

func (d *disk) finish() error {
	for _, l := range d.links {
		if err := d.root.Symlink(l.entry.Target, l.entry.Path); err != nil {
			return made(l.entry.Path, err)
		}
		if !d.owners {
			continue
		}
		if err := d.root.Lchown(l.entry.Path, l.uid, l.gid); err != nil {
			return envelope.OnDisk("giving "+l.entry.Path+" its owner", err)
		}
	}
	for i := len(d.dirs) - 1; i >= 0; i-- {
		if err := d.finishDir(&d.dirs[i]); err != nil {
			return err
		}
	}
	return nil
}

// finishDir is called for the inner directories first.
func (d *disk) finishDir(p *pending) error {
	e := p.entry
	f, err := d.root.Open(e.Path)
	if err != nil {
		return envelope.OnDisk("opening "+e.Path, err)
	}
	defer f.Close()
	if d.owners {
		if err := f.Chown(p.uid, p.gid); err != nil {
			return envelope.OnDisk("giving "+e.Path+" its owner", err)
		}
	}
	if err := d.root.Chtimes(e.Path, time.Time{}, p.modified); err != nil {
		return envelope.OnDisk("giving "+e.Path+" its time", err)
	}
	if err := f.Chmod(fs.FileMode(e.Mode)); err != nil {
		return envelope.OnDisk("giving "+e.Path+" its mode", err)
	}
	if err := f.Sync(); err != nil {
		return envelope.OnDisk("writing "+e.Path+" to the disk", err)
	}
	return nil
}
