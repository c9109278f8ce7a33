package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// The file says in a bucket of its own that it is the state of a sandbox, and in
// which format.
const (
	aboutBucket = "keyreach"
	formatKey   = "format"
	format      = "1"
)

// Open returns a DB that is kept in a file, or in memory only when path is empty.
// The tables are added with NewTable and then read with Load. A file that is no
// state is left as it is, and of one that is, only its owner keeps access.
func Open(path string) (*DB, error) {
	db := &DB{dirty: map[change]struct{}{}}
	if path == "" {
		return db, nil
	}
	err := guarded(func() error { return db.open(path) })
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, fmt.Errorf("opening the state %s: another sandbox has it open", path)
	case err != nil:
		return nil, fmt.Errorf("opening the state %s: %w", path, err)
	}
	return db, nil
}

// patience is how long to wait for another sandbox that is about to end.
const patience = time.Second

func (db *DB) open(path string) error {
	if err := check(path); err != nil {
		return err
	}
	file, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: patience, OpenFile: private})
	if err != nil {
		return err
	}
	if err := begin(file); err != nil {
		return errors.Join(err, file.Close())
	}
	db.file = file
	return nil
}

// private opens a file that nobody but its owner may read: key material goes into it,
// and whoever made it may have left it open to all.
func private(path string, flag int, mode fs.FileMode) (*os.File, error) {
	file, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		if err = file.Chmod(0o600); err != nil {
			err = fmt.Errorf("others than its owner may use it (%v), and this program cannot change that: %w; as its owner, chmod 600 it", info.Mode(), err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// begin marks a new file as a state. It writes nothing to one that is: whether its
// rows can be read is not known yet.
func begin(file *bbolt.DB) error {
	begun := false
	err := file.View(func(tx *bbolt.Tx) error {
		begun = tx.Bucket([]byte(aboutBucket)) != nil
		return nil
	})
	if begun || err != nil {
		return err
	}
	return file.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(aboutBucket))
		if err != nil {
			return err
		}
		return b.Put([]byte(formatKey), []byte(format))
	})
}

// check looks at a file without writing to it. No file, and an empty one, will do.
func check(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Mode().IsRegular() && info.Size() == 0 {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no file")
	}
	file, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: patience})
	if err != nil {
		if errors.Is(err, bbolterrors.ErrTimeout) || errors.Is(err, fs.ErrPermission) {
			return err
		}
		return fmt.Errorf("it is no state of a sandbox, or it is damaged: %w", err)
	}
	defer file.Close()
	return file.View(func(tx *bbolt.Tx) error {
		if whole := tx.Size(); info.Size() < whole {
			return fmt.Errorf("it is damaged: it has %d bytes of %d", info.Size(), whole)
		}
		if first, _ := tx.Cursor().First(); first == nil {
			return nil // a sandbox that was ended before it began
		}
		about := tx.Bucket([]byte(aboutBucket))
		if about == nil {
			return errors.New("it is no state of a sandbox")
		}
		if f := string(about.Get([]byte(formatKey))); f != format {
			return fmt.Errorf("its format is %q, and this program reads format %q", f, format)
		}
		return nil
	})
}

// guarded turns what bbolt does with a damaged file, which is to panic or to read
// beyond its end, into an error.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if what := recover(); what != nil {
			err = fmt.Errorf("it is damaged: %v", what)
		}
	}()
	return f()
}

// Load reads every table from the file.
func (db *DB) Load() error {
	if db.file == nil {
		return nil
	}
	if err := guarded(func() error { return db.file.View(db.load) }); err != nil {
		return fmt.Errorf("reading the state %s: %w", db.file.Path(), err)
	}
	return nil
}

func (db *DB) load(tx *bbolt.Tx) error {
	for _, t := range db.tables {
		b := tx.Bucket([]byte(t.tableName()))
		if b == nil {
			continue
		}
		err := b.ForEach(func(k, v []byte) error {
			if err := t.load(string(k), v); err != nil {
				return fmt.Errorf("%s %q: %w", t.tableName(), k, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
