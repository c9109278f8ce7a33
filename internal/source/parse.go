package source

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits that no honest document reaches. They keep a hostile one from
// exhausting the stack or the memory.
const (
	maxSize     = 64 << 20  // bytes of JSON
	maxYAMLSize = 8 << 20   // bytes of YAML, which its parser blows up a hundredfold
	maxDepth    = 200       // lists and maps inside one another
	maxNodes    = 1_000_000 // nodes that aliases may expand to
	maxProblems = 1000      // further problems are not told
)

// SyntaxError says where and why a text cannot be read.
type SyntaxError struct {
	Pos  Pos
	Text string // what is wrong and what to do
}

func (e *SyntaxError) Error() string {
	if e.Pos.Line == 0 {
		return e.Text
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Pos.Line, e.Pos.Column, e.Text)
}

// Parse reads one document of JSON or YAML. A text that begins with a brace, a
// bracket or a JSON comment is JSON, every other text is YAML. The error is a
// *SyntaxError.
//
// Strings of the tree share one copy of data; data itself is not kept.
func Parse(data []byte) (*Node, []Problem, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if err := checkText(data); err != nil {
		return nil, nil, err
	}
	n, problems, err := parse(string(data))
	if err != nil {
		return nil, problems, err // not the typed nil
	}
	return n, problems, nil
}

func parse(text string) (*Node, []Problem, *SyntaxError) {
	rest := strings.TrimLeft(text, " \t\r\n")
	switch {
	case rest == "":
		return nil, nil, &SyntaxError{Pos: Pos{1, 1}, Text: "the text is empty: a JSON or YAML document is expected"}
	case rest[0] == '{', rest[0] == '[', strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "/*"):
		return parseJSON(text)
	case rest[0] == '"':
		// A policy that the AWS CLI printed as one string, or YAML that begins with
		// a quoted name. JSON's escapes are not all YAML's, so JSON comes first.
		if n, problems, err := parseJSON(text); err == nil {
			return n, problems, nil
		}
	}
	return parseYAML(text)
}

// checkText refuses what is too large or no UTF-8.
func checkText(data []byte) error {
	if len(data) > maxSize {
		return &SyntaxError{Text: fmt.Sprintf("the text has %d bytes, more than the %d MiB that are read", len(data), maxSize>>20)}
	}
	return CheckUTF8(data)
}

// CheckUTF8 refuses a text that is no UTF-8, with the place of the first byte that
// is none. The error is a *SyntaxError.
func CheckUTF8(data []byte) error {
	if utf8.Valid(data) {
		return nil
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return &SyntaxError{Pos: Pos{1, 1}, Text: "the text is UTF-16: save it as UTF-8"}
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
	return &SyntaxError{
		Pos:  Pos{int32(line + 1), int32(at - start + 1)},
		Text: fmt.Sprintf("the byte 0x%02x is not UTF-8: save the text as UTF-8", data[at]),
	}
}

// Excerpt returns the line at pos with a caret under the column, for a message
// about it, or nothing when data has no such line.
func Excerpt(data []byte, pos Pos) string {
	line, rest := data, data
	for range pos.Line {
		if rest == nil {
			return ""
		}
		var more bool
		if line, rest, more = bytes.Cut(rest, []byte("\n")); !more {
			rest = nil
		}
	}
	return ExcerptLine(line, pos)
}

// ExcerptLine is Excerpt for whoever has the line already.
func ExcerptLine(line []byte, pos Pos) string {
	if pos.Line <= 0 || pos.Column <= 0 {
		return ""
	}
	text, at := clip(window(bytes.TrimSuffix(line, []byte("\r")), int(pos.Column)-1))
	number := fmt.Sprintf("%5d | ", pos.Line)
	pad := []rune(text[:at])
	for i, r := range pad {
		if r != '\t' { // a tab stays one, so that the caret stands where the column does
			pad[i] = ' '
		}
	}
	return number + text + "\n" + strings.Repeat(" ", len(number)-2) + "| " + string(pad) + "^"
}

// window returns the printable part of a line around the byte at, wider than
// what clip leaves of it, and where at is in it. A line may have megabytes.
func window(line []byte, at int) (string, int) {
	const around = 512
	at = min(at, len(line))
	from, to := max(at-around, 0), min(at+around, len(line))
	for from > 0 && !utf8.RuneStart(line[from]) && from > at-around-utf8.UTFMax {
		from--
	}
	for to < len(line) && !utf8.RuneStart(line[to]) && to < at+around+utf8.UTFMax {
		to++
	}
	return printable(line[from:to]), at - from
}

// printable replaces what a terminal must not be sent, byte by byte, so that
// columns stay.
func printable(line []byte) string {
	b := bytes.Clone(line)
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || r < 0x20 && r != '\t' || 0x7f <= r && r < 0xa0 {
			for j := i; j < i+n; j++ {
				b[j] = '?'
			}
		}
		i += n
	}
	return string(b)
}

// clip shortens a long line around the byte at, at rune boundaries.
func clip(line string, at int) (string, int) {
	const before, after = 60, 40
	at = min(at, len(line))
	for at > 0 && at < len(line) && !utf8.RuneStart(line[at]) {
		at--
	}
	if end := at + after; end < len(line) {
		for !utf8.RuneStart(line[end]) {
			end--
		}
		line = line[:end] + "…"
	}
	if start := at - before; start > 0 {
		for !utf8.RuneStart(line[start]) {
			start++
		}
		line = "…" + line[start:]
		at = at - start + len("…")
	}
	return line, at
}
