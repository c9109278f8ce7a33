//go:build linux || darwin || freebsd || netbsd || openbsd

package stepca

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/keyreach/keyreach/backup/envelope"
)

// hold takes the lock that a database has while step-ca is running: both bbolt, on its
// file, and Badger, on its directory, use flock(2). While it is held, step-ca cannot open
// the database. busy is that another process has it. See
// https://man7.org/linux/man-pages/man2/flock.2.html.
func hold(path string) (release func(), busy bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, envelope.OnDisk("reading "+"the database", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, true, nil
	}
	if err != nil {
		f.Close()
		// Some file systems of networks have no such locks.
		return nil, false, fmt.Errorf("locking the database: %w: %w", errors.ErrUnsupported, err)
	}
	return func() { f.Close() }, false, nil
}
