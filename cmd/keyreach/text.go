package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-isatty"
)

// width is how wide lines of prose become.
const width = 100

// isTerminal reports whether somebody sits at the other end of a stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// printer prints text for people, wrapped and indented.
type printer struct {
	w   io.Writer
	err error
}

// line prints one line, wrapped, with its later lines indented as deep as the
// text after the first lead characters.
func (p *printer) line(indent, lead int, format string, args ...any) {
	p.put(indent, lead, fmt.Sprintf(format, args...))
}

func (p *printer) put(indent, lead int, s string) {
	if p.err != nil {
		return
	}
	s = visible(s)
	rest := strings.TrimLeft(s[min(lead, len(s)):], " ")
	head := strings.TrimSuffix(s, rest) // with the spaces, which wrapping drops
	lines := wrap(rest, max(width-indent-lead, 40))
	_, p.err = fmt.Fprintln(p.w, strings.TrimRight(strings.Repeat(" ", indent)+head+lines[0], " "))
	for _, l := range lines[1:] {
		if p.err == nil {
			_, p.err = fmt.Fprintln(p.w, strings.Repeat(" ", indent+lead)+strings.TrimSpace(l))
		}
	}
}

func (p *printer) blank() {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w)
	}
}

// wrap cuts a text into lines of at most room letters. A word that is longer,
// which an ARN may be, stays whole on a line of its own.
func wrap(s string, room int) []string {
	var lines, short []string
	flush := func() {
		if len(short) > 0 {
			lines = append(lines, strings.Split(text.WrapSoft(strings.Join(short, " "), room), "\n")...)
			short = nil
		}
	}
	for word := range strings.FieldsSeq(s) {
		if utf8.RuneCountInString(word) > room {
			flush()
			lines = append(lines, word)
		} else {
			short = append(short, word)
		}
	}
	flush()
	return append(lines, "")[:max(len(lines), 1)]
}

// visible replaces what a terminal would obey rather than show. Policies of
// other accounts are not ours, and must not be able to write the verdict.
func visible(s string) string { return legible(strings.NewReplacer("\n", "?", "\t", "?").Replace(s)) }

// legible is visible for a text of several lines.
func legible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			return r
		}
		return '?'
	}, s)
}
