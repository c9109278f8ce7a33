package envelope

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/keyreach/keyreach/cloud"
)

// Class is a way in which a backup fails to open, of which each asks for something else.
type Class string

// The classes.
const (
	// NoKey: none of the keys, identities or passphrases at hand opens it.
	NoKey Class = "no key opens it"
	// Corrupt: it is not what was written.
	Corrupt Class = "corrupt"
	// Truncated: its end is missing.
	Truncated Class = "truncated"
	// Denied: AWS or the file system refused the caller.
	Denied Class = "access denied"
	// NotFound: it, or the place where it is to be, is not there.
	NotFound Class = "not found"
)

// Error is a failure with its class.
type Error struct {
	Class Class
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Fail gives an error its class.
func Fail(c Class, err error) error { return &Error{c, err} }

// ClassOf returns the class of a failure, empty when it has none. A call to AWS that was
// refused, or found nothing, has one by its kind.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	switch cloud.KindOf(err) {
	case cloud.Denied:
		return Denied
	case cloud.NotFound:
		return NotFound
	}
	return ""
}

// OnDisk gives a failure of the file system its class, if it has one, and says what was
// being done. The errno stays in it.
func OnDisk(doing string, err error) error {
	err = fmt.Errorf("%s: %w", doing, err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail(NotFound, err)
	case errors.Is(err, fs.ErrPermission):
		return Fail(Denied, err)
	}
	return err
}
