//go:build !linux

package archive

import (
	"errors"
	"os"
)

func freeSpace(*os.File) (int64, bool) { return 0, false }

func exchange(_, _ string) error { return errors.ErrUnsupported }

func renameNew(from, to string) error { return renameUnlessThere(from, to) }
