package archive

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace is how many bytes the file's file system has left for who runs the program.
func freeSpace(f *os.File) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil || s.Bsize <= 0 {
		return 0, false
	}
	if s.Bavail > math.MaxInt64/uint64(s.Bsize) {
		return math.MaxInt64, true
	}
	return int64(s.Bavail) * s.Bsize, true
}

// exchange gives each of two paths what the other is, in one step.
func exchange(a, b string) error {
	return renameFlag(a, b, unix.RENAME_EXCHANGE)
}

// renameNew renames what has to find no other of its new name.
func renameNew(from, to string) error {
	err := renameFlag(from, to, unix.RENAME_NOREPLACE)
	if noExchange(err) {
		return renameUnlessThere(from, to)
	}
	return err
}

func renameFlag(from, to string, flag uint) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flag)
	if err != nil {
		return &os.LinkError{Op: "renameat2", Old: from, New: to, Err: err}
	}
	return nil
}
