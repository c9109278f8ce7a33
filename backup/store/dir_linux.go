package store

import (
	"errors"

	"golang.org/x/sys/unix"
)

// publish gives a part its name in one step, unless there is something of the name. File
// systems that cannot do that take a link. See
// https://man7.org/linux/man-pages/man2/rename.2.html.
func (d *dir) publish(from, to string) error {
	at, err := d.root.Open(".")
	if err != nil {
		return err
	}
	fd := int(at.Fd())
	err = unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		err = d.linked(from, to)
	}
	return errors.Join(err, at.Close())
}
