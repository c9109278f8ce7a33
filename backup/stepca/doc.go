// Package stepca knows the directory of a step-ca: which files belong to it, how it is
// saved whole, and how a restored one shows that it still signs.
//
// See https://smallstep.com/docs/step-ca/configuration/ and
// https://smallstep.com/docs/step-ca/certificate-authority-server-production/.
package stepca

import (
	"io"
	"io/fs"
)

// OutsideDir is where in an archive the files lie that ca.json names and that are not in
// the directory: each under a number of its own.
const OutsideDir = ".keyreach-outside"

// The names of the notes in an archive.
const (
	// NoteHome is the directory that the paths of ca.json are of.
	NoteHome = "step-ca-home"
	// NoteOutside with a dash and the number is where what lies there belongs.
	NoteOutside = "step-ca-outside"
	// NotePassword is the path of the password file within the archive.
	NotePassword = "step-ca-password"
	// NoteDatabase is the type of the database, none when there is none.
	NoteDatabase = "step-ca-database"
	// NoteExternal is what belongs to the CA and is in no file: keys in a KMS, a database
	// server. Separated by semicolons.
	NoteExternal = "step-ca-external"
	// NoteQuiesced is whether the database stood still: yes, no, unknown.
	NoteQuiesced = "step-ca-quiesced"
	// NoteChanged is yes when files of the database changed while they were read.
	NoteChanged = "step-ca-database-changed"
)

// Writer is what a CA is saved into.
type Writer interface {
	Dir(path string, info fs.FileInfo) error
	Symlink(path, target string, info fs.FileInfo) error
	// File writes a file of the size that info has.
	File(path string, info fs.FileInfo, r io.Reader) error
	Note(key, value string)
}
