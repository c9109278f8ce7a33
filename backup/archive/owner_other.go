//go:build !unix

package archive

import "io/fs"

func owner(fs.FileInfo) (uid, gid int) { return 0, 0 }

const nofollow = 0

func inodeOf(fs.FileInfo) (uint64, bool) { return 0, false }

func deviceOf(fs.FileInfo) uint64 { return 0 }
