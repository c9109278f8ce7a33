package main

import (
	"errors"
	"io/fs"

	"github.com/keyreach/keyreach/estate"
)

// The exit codes, which other programs rely on.
const (
	exitDone        = 0
	exitFailed      = 1
	exitChanges     = 2 // there are changes, when that was asked
	exitBlocked     = 3
	exitUsage       = 4
	exitCredentials = 5 // no way in, or into another account than meant
	exitPartial     = 6 // part is done; it can be resumed
	exitGuarded     = 7 // refused by a guard
	exitStale       = 8 // something changed since the plan was made
	// Of backups.
	exitNoKey     = 10 // no key at hand opens it
	exitCorrupt   = 11
	exitTruncated = 12
	exitDenied    = 13
	exitNotFound  = 14

	exitStopped = 130
)

// exitError ends the program with a code. Without err nothing is printed: the
// command has said it all.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "exit"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func (e *exitError) hinting(hint string) *exitError {
	e.hint = hint
	return e
}

// blocked ends a command whose answer is no.
func blocked() error { return &exitError{code: exitBlocked} }

func misuse(err error) *exitError { return &exitError{code: exitUsage, err: err} }

func failure(err error) *exitError { return &exitError{code: exitFailed, err: err} }

// unreadable says why a file could not be read. What a person wrote wrong, or
// a file that is not there, is a matter of configuration.
func unreadable(err error) *exitError {
	var file *estate.FileError
	if errors.As(err, &file) || errors.Is(err, fs.ErrNotExist) {
		return misuse(err)
	}
	return failure(err)
}
