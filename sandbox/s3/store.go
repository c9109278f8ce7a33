package s3

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/keyreach/keyreach/sandbox/state"
)

// store keeps the bytes of objects in files. A file is written once and never changed.
type store struct {
	mu   sync.Mutex
	dir  string // empty until something is written, when there is none to keep
	kept bool
	ids  *state.IDs
	// held counts who reads a file, doomed are those that go when nobody does any more.
	held   map[string]int
	doomed map[string]bool
	// fresh are files that belong to nothing yet.
	fresh map[string]bool
}

func newStore(dir string, ids *state.IDs) *store {
	return &store{dir: dir, kept: dir != "", ids: ids, held: map[string]int{}, doomed: map[string]bool{}, fresh: map[string]bool{}}
}

// create makes a file. It belongs to nothing until keep is called.
func (t *store) create() (*os.File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.open(); err != nil {
		return nil, fmt.Errorf("making a file for an object: %w", err)
	}
	f, err := os.CreateTemp(t.dir, "o-")
	if err != nil {
		return nil, fmt.Errorf("making a file for an object: %w", err)
	}
	t.fresh[filepath.Base(f.Name())] = true
	return f, nil
}

// link makes a second name for a file, which then belongs to nothing yet.
func (t *store) link(file string) (string, error) {
	f, err := t.create()
	if err != nil {
		return "", err
	}
	name := filepath.Base(f.Name())
	err = errors.Join(f.Close(), os.Remove(f.Name()), os.Link(t.path(file), f.Name()))
	if err != nil {
		t.remove(name)
		return "", fmt.Errorf("copying a file of an object: %w", err)
	}
	return name, nil
}

// open makes the directory. It is called with the lock held.
func (t *store) open() (err error) {
	if t.kept {
		return os.MkdirAll(t.dir, 0o700)
	}
	if t.dir == "" {
		t.dir, err = os.MkdirTemp("", "keyreach-s3-")
	}
	return err
}

func (t *store) path(file string) string {
	return filepath.Join(t.dir, filepath.Base(file))
}

// keep says that a file belongs to an object now.
func (t *store) keep(file string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.fresh, file)
}

// hold keeps files readable until release.
func (t *store) hold(list []Segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range list {
		t.held[list[i].File]++
	}
}

func (t *store) release(list []Segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range list {
		file := list[i].File
		if t.held[file]--; t.held[file] > 0 {
			continue
		}
		delete(t.held, file)
		if t.doomed[file] {
			delete(t.doomed, file)
			_ = os.Remove(t.path(file)) // what stays is swept when the sandbox starts
		}
	}
}

// remove deletes a file, when nobody reads it any more.
func (t *store) remove(file string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.fresh, file)
	if t.held[file] > 0 {
		t.doomed[file] = true
		return
	}
	_ = os.Remove(t.path(file)) // what stays is swept when the sandbox starts
}

// sweep deletes all files but those that are in use.
func (t *store) sweep(used map[string]bool) {
	t.mu.Lock()
	dir := t.dir
	t.mu.Unlock()
	if dir == "" {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there is none yet
	}
	for _, e := range entries {
		t.mu.Lock()
		spare := used[e.Name()] || t.fresh[e.Name()]
		t.mu.Unlock()
		if !spare && e.Type().IsRegular() {
			t.remove(e.Name())
		}
	}
}

// close deletes everything that is not to be kept.
func (t *store) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept || t.dir == "" {
		return nil
	}
	return os.RemoveAll(t.dir)
}
