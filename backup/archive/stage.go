package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/keyreach/keyreach/backup/envelope"
)

// Staging is a directory beside the target of a restore, on the same file system. It
// takes the target's place at once, or is discarded.
type Staging struct {
	// Dir is where to unpack.
	Dir    string
	target string
	lock   *flock.Flock
}

// BusyError is a target into which another process restores.
type BusyError struct{ Target string }

func (e *BusyError) Error() string {
	return fmt.Sprintf("another restore into %s is under way", e.Target)
}

// Stage makes a staging for a target: a directory that is there, or a name in a directory
// that is there. A symlink to a directory stays, and the directory is exchanged. Stage
// fails with *BusyError while another staging for the target is in use, in whichever
// process; what a killed one left is removed.
//
// The staging's own mode is 0700 until an archive that holds "." gives it another. It
// must end with Swap or Discard.
func Stage(target string) (*Staging, error) {
	target, err := resolve(target)
	if err != nil {
		return nil, err
	}
	lock, err := takeLock(target)
	if err != nil {
		return nil, err
	}
	if _, err := sweep(target); err != nil {
		return nil, errors.Join(err, dropLock(lock))
	}
	dir, err := os.MkdirTemp(filepath.Dir(target), prefix(target)+"*")
	if err != nil {
		return nil, errors.Join(envelope.OnDisk("making a directory beside the target", err), dropLock(lock))
	}
	return &Staging{Dir: dir, target: target, lock: lock}, nil
}

// resolve finds the directory that a target is, or will be.
func resolve(target string) (string, error) {
	full, err := filepath.Abs(target)
	if err != nil {
		return "", fmt.Errorf("finding the target: %w", err)
	}
	if _, err := os.Lstat(full); errors.Is(err, fs.ErrNotExist) {
		parent, err := filepath.EvalSymlinks(filepath.Dir(full))
		if err != nil {
			return "", envelope.OnDisk("finding the directory that the target is to be in", err)
		}
		return filepath.Join(parent, filepath.Base(full)), nil
	}
	if full, err = filepath.EvalSymlinks(full); err != nil {
		return "", envelope.OnDisk("finding the target", err)
	}
	info, err := os.Lstat(full)
	if err != nil {
		return "", envelope.OnDisk("finding the target", err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("restoring into %s: it is not a directory", target)
	}
	if filepath.Dir(full) == full {
		return "", fmt.Errorf("restoring into %s: the root directory cannot be exchanged", target)
	}
	around, err := os.Lstat(filepath.Dir(full))
	if err != nil {
		return "", envelope.OnDisk("finding the directory that the target is in", err)
	}
	if deviceOf(info) != deviceOf(around) {
		return "", fmt.Errorf("restoring into %s: a file system is mounted there, which cannot be exchanged; name a directory in it", target)
	}
	return full, nil
}

// prefix begins the names of a target's stagings. Those that are about to take the
// target's place have their inode number in the name: when the target was exchanged and
// the process killed, the directory of that name is another one, the old target.
func prefix(target string) string { return "." + filepath.Base(target) + ".keyreach-" }

const (
	swapMark  = "swap-"
	asideMark = "-old"
)

// takeLock locks a target. The system gives the lock back when the process ends.
func takeLock(target string) (*flock.Flock, error) {
	file := filepath.Join(filepath.Dir(target), prefix(target)+"lock")
	for {
		lock := flock.New(file, flock.SetFlag(os.O_CREATE|os.O_RDWR|nofollow), flock.SetPermissions(0o600))
		got, err := lock.TryLock()
		if err != nil {
			return nil, envelope.OnDisk("locking the target", err)
		}
		if !got {
			return nil, &BusyError{target}
		}
		// The file may have been removed, by dropLock, after it was opened here.
		mine, err1 := lock.Stat()
		there, err2 := os.Lstat(file)
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return lock, nil
		}
		if err := lock.Unlock(); err != nil {
			return nil, fmt.Errorf("locking the target: %w", err)
		}
		if err2 != nil && !errors.Is(err2, fs.ErrNotExist) {
			return nil, envelope.OnDisk("locking the target", err2)
		}
	}
}

// dropLock removes the lock's file while it is locked, then gives the lock back.
func dropLock(lock *flock.Flock) error {
	if err := errors.Join(os.Remove(lock.Path()), lock.Unlock()); err != nil {
		return fmt.Errorf("unlocking the target: %w", err)
	}
	return nil
}

// Discard removes the staging. After Swap it does nothing.
func (s *Staging) Discard() error {
	if s.lock == nil {
		return nil
	}
	err := removeAll(s.Dir)
	err = errors.Join(err, dropLock(s.lock))
	s.lock = nil
	return err
}

// removeAll removes a directory, in which some may have modes that hinder that.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	walked := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			return os.Chmod(p, 0o700)
		}
		return err
	})
	if err = errors.Join(walked, os.RemoveAll(dir)); err != nil {
		return envelope.OnDisk("removing "+dir, err)
	}
	return nil
}

// Swap makes everything durable and puts the staging in the target's place. At every
// moment, also after a crash, the target is the old one or the new one: on Linux the two
// are exchanged in one step, see https://man7.org/linux/man-pages/man2/rename.2.html.
// Where the system or file system has no such step, the old one is renamed first, and
// there is a moment in which there is none; SweepStagings mends a crash in it.
//
// Swap returns where the old target is now: NAME.previous, or if that is taken
// NAME.previous.1 and so on. Nothing that was there before is deleted, except that an
// empty old target is removed; then, and when there was none, previous is "".
//
// When Swap fails, the target is the old one and the staging still to be discarded, unless
// the error is an *AfterSwapError.
func (s *Staging) Swap() (previous string, err error) {
	if s.lock == nil {
		return "", errors.New("putting the staging in the target's place: it is gone already")
	}
	if err := syncTree(s.Dir); err != nil {
		return "", err
	}
	info, err := os.Lstat(s.Dir)
	if err != nil {
		return "", envelope.OnDisk("looking at the staging", err)
	}
	inode, ok := inodeOf(info)
	if !ok {
		inode = 0
	}
	ready := filepath.Join(filepath.Dir(s.target), prefix(s.target)+swapMark+strconv.FormatUint(inode, 10))
	if err := os.Rename(s.Dir, ready); err != nil {
		return "", envelope.OnDisk("naming the staging", err)
	}
	s.Dir = ready
	old, err := place(ready, s.target)
	if err != nil {
		return "", envelope.OnDisk("putting the staging in the place of "+s.target, err)
	}
	if old != "" {
		previous, err = keep(old, s.target)
	}
	if err2 := syncOne(filepath.Dir(s.target)); err == nil {
		err = err2
	}
	err = errors.Join(err, dropLock(s.lock))
	s.lock = nil
	if err != nil {
		return previous, &AfterSwapError{Target: s.target, Err: err}
	}
	return previous, nil
}

// AfterSwapError is what failed after the target was exchanged already.
type AfterSwapError struct {
	Target string
	Err    error
}

func (e *AfterSwapError) Error() string {
	return fmt.Sprintf("%s is the restored one; after that: %v", e.Target, e.Err)
}

func (e *AfterSwapError) Unwrap() error { return e.Err }

// place exchanges the two, and returns where the old one is, if there was one.
func place(ready, target string) (old string, err error) {
	for range 8 { // in case somebody makes or removes the target meanwhile
		err = exchange(ready, target)
		if err == nil {
			return ready, nil
		}
		if noExchange(err) {
			return placeInTwo(ready, target)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if err = renameNew(ready, target); err == nil || !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	return "", err
}

// noExchange tells that the system or file system cannot exchange.
func noExchange(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL)
}

// placeInTwo is place where there is no exchange. The window without a target is between
// two renames that follow each other at once.
func placeInTwo(ready, target string) (old string, err error) {
	if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
		return "", os.Rename(ready, target)
	}
	aside := ready + asideMark
	if err := os.Rename(target, aside); err != nil {
		return "", err
	}
	if err := os.Rename(ready, target); err != nil {
		return "", errors.Join(err, os.Rename(aside, target))
	}
	return aside, nil
}

// keep gives the old target its name, the first that is free.
func keep(old, target string) (string, error) {
	if os.Remove(old) == nil { // succeeds only when it is empty
		return "", nil
	}
	name := target + ".previous"
	for i := 1; ; i++ {
		err := renameNew(old, name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return old, envelope.OnDisk("naming the old target", err)
		}
		name = target + ".previous." + strconv.Itoa(i)
	}
}

// SweepStagings removes what killed restores into a target have left beside it, and
// returns how many stagings there were. It touches only directories of the names that
// Stage and Swap give. An old target that was exchanged and not yet renamed is kept as
// Swap would have kept it. While a restore is under way it does nothing.
func SweepStagings(target string) (int, error) {
	target, err := resolve(target)
	if err != nil {
		return 0, err
	}
	lock, err := takeLock(target)
	var busy *BusyError
	if errors.As(err, &busy) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := sweep(target)
	return n, errors.Join(err, dropLock(lock))
}

// sweep is called with the lock.
func sweep(target string) (int, error) {
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		return 0, envelope.OnDisk("looking for what killed restores left", err)
	}
	form, err := regexp.Compile("^" + regexp.QuoteMeta(prefix(target)) + "(" + swapMark + ")?([0-9]+)(" + asideMark + ")?$")
	if err != nil {
		return 0, fmt.Errorf("looking for what killed restores left: %w", err)
	}
	n := 0
	for _, e := range entries {
		m := form.FindStringSubmatch(e.Name())
		if m == nil || !e.IsDir() {
			continue
		}
		if err := mend(filepath.Join(filepath.Dir(target), e.Name()), target, m); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// mend does with a directory what the killed restore would have done: m are the parts of
// its name: the mark, the number, whether it is put aside.
func mend(dir, target string, m []string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return envelope.OnDisk("looking at "+dir, err)
	}
	inode, ok := inodeOf(info)
	ours := m[1] == "" || m[3] == "" && ok && strconv.FormatUint(inode, 10) == m[2]
	if ours {
		return removeAll(dir)
	}
	if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) && m[3] != "" {
		// Killed between the two renames: the old target goes back.
		return renameNew(dir, target)
	}
	_, err = keep(dir, target)
	return err
}

// syncTree makes a directory durable with everything in it. What may not be opened was
// synced when it was written.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil {
			return envelope.OnDisk("writing the staging to the disk", err)
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			return nil
		}
		if err := syncOne(p); err != nil && envelope.ClassOf(err) != envelope.Denied {
			return err
		}
		return nil
	})
}

func syncOne(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return envelope.OnDisk("writing to the disk", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return envelope.OnDisk("writing "+p+" to the disk", err)
	}
	return nil
}

// renameUnlessThere is renameNew where the system has no such step: os.Rename would
// take the place of an empty directory.
func renameUnlessThere(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}
