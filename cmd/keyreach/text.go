package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// width is how wide lines of prose become.
const width = 100

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
	room := max(width-indent-lead, 40)
	head, rest := s, ""
	if lead < len(s) {
		head, rest = s[:lead], s[lead:]
	}
	lines := strings.Split(text.WrapSoft(rest, max(room, longestWord(rest))), "\n")
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

// longestWord keeps ARNs whole: a line may be as long as its longest word.
func longestWord(s string) int {
	n := 0
	for _, w := range strings.Fields(s) {
		n = max(n, len(w))
	}
	return n
}
