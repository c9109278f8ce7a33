package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/keyreach/keyreach/backup/envelope"
)

// part is a file of a directory that is written and not there yet.
type part struct {
	dir    *dir
	id     string
	name   string
	file   *os.File // nil when it is over
	size   int64
	failed error // of a Write
}

// Create begins a backup in a hidden file.
func (d *dir) Create(ctx context.Context, id string) (Writer, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch _, err := d.root.Lstat(id + Suffix); {
	case err == nil:
		return nil, Exists(d.location(id), fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, envelope.OnDisk("creating a backup", err)
	}
	p, err := d.part(id, 0o600)
	if err != nil {
		return nil, err // not p, which would be a Writer that is not nil
	}
	return p, nil
}

// part makes a hidden file and holds it, so that nobody sweeps it while this process
// lives.
func (d *dir) part(id string, mode fs.FileMode) (*part, error) {
	const doing = "creating a backup"
	name := "." + id + "." + rand.Text()[:8] + partSuffix
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, envelope.OnDisk(doing, err)
	}
	p := &part{dir: d, id: id, name: name, file: f}
	if _, err := hold(f); err != nil { // nobody else knows the name
		return nil, errors.Join(envelope.OnDisk(doing, err), p.drop())
	}
	return p, nil
}

// Write writes on.
func (p *part) Write(b []byte) (int, error) {
	if p.failed != nil {
		return 0, p.failed
	}
	if p.file == nil {
		return 0, fs.ErrClosed
	}
	n, err := p.file.Write(b)
	p.size += int64(n)
	if err != nil {
		p.failed = envelope.OnDisk("writing a backup", err)
		return n, p.failed
	}
	return n, nil
}

// Commit gives the file its name, which it gets only when there is none of it.
func (p *part) Commit(ctx context.Context) (Object, error) {
	if p.file == nil {
		return Object{}, fs.ErrClosed
	}
	info, err := p.finish(ctx)
	if err == nil {
		err = p.dir.publish(p.name, p.id+Suffix)
		if errors.Is(err, fs.ErrExist) {
			err = Exists(p.dir.location(p.id), err)
		} else if err != nil {
			err = envelope.OnDisk("committing a backup", err)
		}
	}
	if err != nil {
		return Object{}, errors.Join(err, p.drop())
	}
	err = errors.Join(p.file.Close(), p.dir.sync())
	p.file = nil
	return p.dir.object(p.id, info), err
}

// finish makes the bytes durable and sees that they are as many as were written.
func (p *part) finish(ctx context.Context) (fs.FileInfo, error) {
	if err := errors.Join(ctx.Err(), p.failed); err != nil {
		return nil, err
	}
	if err := p.file.Sync(); err != nil {
		return nil, envelope.OnDisk("making a backup durable", err)
	}
	info, err := p.file.Stat()
	if err != nil {
		return nil, envelope.OnDisk("committing a backup", err)
	}
	if info.Size() != p.size {
		return nil, envelope.Fail(envelope.Corrupt, fmt.Errorf("committing a backup: %d bytes were written to %s, and it has %d", p.size, p.name, info.Size()))
	}
	return info, nil
}

// Abort removes the file.
func (p *part) Abort(context.Context) error {
	if p.file == nil {
		return nil
	}
	return p.drop()
}

func (p *part) drop() error {
	err := p.dir.root.Remove(p.name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // somebody swept it, or it has the backup's name already
	}
	err = errors.Join(err, p.file.Close())
	p.file = nil
	if err != nil {
		return envelope.OnDisk("removing the part of a backup", err)
	}
	return nil
}

// copied is how much is copied between two looks at the context.
const copied = 64 << 20

// replace writes the other beginning and the rest of the old file, and takes its place.
func (p *part) replace(ctx context.Context, old *os.File, was fs.FileInfo, head []byte, from int64) error {
	const doing = "replacing the beginning of a backup"
	if _, err := p.Write(head); err != nil {
		return err
	}
	if _, err := old.Seek(from, io.SeekStart); err != nil {
		return envelope.OnDisk(doing, err)
	}
	for {
		n, err := io.CopyN(p.file, old, copied) // files are copied by the system
		p.size += n
		if err == io.EOF {
			break
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return envelope.OnDisk(doing, err)
		}
	}
	if want := int64(len(head)) + was.Size() - from; p.size != want {
		return Changed(p.dir.location(p.id))
	}
	if err := errors.Join(p.file.Chmod(was.Mode().Perm()), p.dir.root.Chtimes(p.name, was.ModTime(), was.ModTime())); err != nil {
		return envelope.OnDisk(doing, err)
	}
	if _, err := p.finish(ctx); err != nil {
		return err
	}
	now, err := p.dir.root.Lstat(p.id + Suffix)
	if err == nil && !os.SameFile(now, was) {
		return Changed(p.dir.location(p.id))
	}
	if err == nil {
		err = p.dir.root.Rename(p.name, p.id+Suffix)
	}
	if err != nil {
		return envelope.OnDisk(doing, err)
	}
	err = p.file.Close()
	p.file = nil
	return err
}

// linked gives a file its name by a link, which fails when the name is taken.
func (d *dir) linked(from, to string) error {
	if err := d.root.Link(from, to); err != nil {
		return err
	}
	return d.root.Remove(from)
}
