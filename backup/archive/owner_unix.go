//go:build unix

package archive

import (
	"io/fs"
	"syscall"
)

// owner returns the user and the group of a file.
func owner(info fs.FileInfo) (uid, gid int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return 0, 0
}

// nofollow is for opening files that have to be ones, and are not to be waited for.
const nofollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// inodeOf returns the number that a file has in its file system.
func inodeOf(info fs.FileInfo) (uint64, bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(s.Ino), true
}

// deviceOf returns the number of the file system that a file is in.
func deviceOf(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev)
	}
	return 0
}
