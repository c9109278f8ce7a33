// Package script reads shell scripts and Markdown for keyreach lint: the calls
// of the AWS CLI in them, the texts of other languages that they carry, and the
// prose around both. Nothing is run, and what a text leaves open stays unknown.
//
// A script that is broken in one place is read in all others: a guide mixes
// commands with their output, prompts and ellipses, and its readers know the
// difference.
package script

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/lint/rules"
)

// Parsed is what a script or a text says.
type Parsed struct {
	Commands []*rules.Command // in the order of the text
	Prose    []*rules.Prose
	// Code holds blocks of languages that nothing here reads, and blocks without a
	// language that hold neither commands nor a part: mostly output.
	Code  []*rules.Code
	Parts []Part
	// Written are the files that other programs than the AWS CLI write.
	Written []rules.Written
}

// Part is a text of another language inside this one.
type Part struct {
	// Name is the file name that the text gives it; "" when it gives none.
	Name string
	// Language is json, yaml, hcl or "" when it is not known.
	Language string
	Text     string
	// At turns a position in Text into one in the file.
	At       func(source.Pos) source.Pos
	Headings []string // the headings above it, outermost first
	// Use is the command that the part is given to, and Option the option by which
	// it is; nil and "" when the text shows no such command.
	Use    *rules.Command
	Option string
}

// maxSize is how many bytes are read: no honest script or guide has more.
const maxSize = 8 << 20

// Shell reads a shell script. The error is a *source.SyntaxError.
func Shell(file string, data []byte) (*Parsed, error) {
	if err := check(data); err != nil {
		return nil, err
	}
	r := newReader(file, string(data))
	p := r.whole()
	if at, deep := tooDeep(p.text); deep {
		return nil, &source.SyntaxError{Pos: r.pos(at), Text: "commands stand too deeply inside one another: no such script is read"}
	}
	r.script(p, block{language: file})
	return r.finish(), nil
}

// Within reads a shell script that stands inside another file: as the value of a
// member of YAML, say. The function turns a place in the script into one in the
// file, and headings are the names that the file gives what runs it. The error is
// a *source.SyntaxError.
func Within(file string, data []byte, headings []string, at func(source.Pos) source.Pos) (*Parsed, error) {
	if err := check(data); err != nil {
		return nil, err
	}
	r := newReader(file, string(data))
	r.within = at
	r.script(r.whole(), block{language: "sh", headings: headings})
	return r.finish(), nil
}

// Markdown reads Markdown or plain prose. The error is a *source.SyntaxError.
func Markdown(file string, data []byte) (*Parsed, error) {
	if err := check(data); err != nil {
		return nil, err
	}
	r := newReader(file, string(data))
	if err := r.markdown(); err != nil {
		return nil, err
	}
	return r.finish(), nil
}

// check refuses what is too large or no UTF-8.
func check(data []byte) error {
	if len(data) > maxSize {
		return &source.SyntaxError{Text: fmt.Sprintf("the text has %d bytes, more than the %d MiB that are read", len(data), maxSize>>20)}
	}
	if utf8.Valid(data) {
		return nil
	}
	at := 0
	for at < len(data) {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	line := bytes.Count(data[:at], []byte("\n"))
	start := bytes.LastIndexByte(data[:at], '\n') + 1
	return &source.SyntaxError{
		Pos:  source.Pos{Line: int32(line + 1), Column: int32(at - start + 1)},
		Text: fmt.Sprintf("the byte 0x%02x is not UTF-8: save the text as UTF-8", data[at]),
	}
}
