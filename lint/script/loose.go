package script

import (
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
)

// within is what stands before the first line of a block in a quote or a list.
var within = lazy.Regexp(`^[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]+)*`)

// maxLoose is how long JSON between paragraphs may be, and maxLooked how much
// text is looked through for its end altogether.
const (
	maxLoose  = 256 << 10
	maxLooked = 32 << 20
)

// looseJSON finds JSON that stands between paragraphs without a fence. To
// Markdown it is prose, and its brackets are links.
func (r *reader) looseJSON(data []byte) []span {
	var found []span
	var fence string
	var before string // the last line that was not blank
	looked := 0
	text := string(data)
	for at := 0; at < len(text); {
		end := lineEnd(text, at)
		line := text[at:end]
		trimmed := strings.TrimLeft(line, " \t")
		next := end + 1
		fenced := line[len(within.FindString(line)):]
		switch mark := fenceMark(fenced); {
		case fence != "":
			if mark != "" && strings.HasPrefix(mark, fence) && strings.TrimSpace(fenced[len(mark):]) == "" {
				fence = ""
			}
		case mark != "" && !strings.ContainsRune(fenced[len(mark):], '`'):
			fence = mark
		case (strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")) && looked < maxLooked && looksJSON(text[at:min(at+4096, len(text))]):
			from := at + len(line) - len(trimmed)
			n, steps := balanced(text[from:min(from+maxLoose, len(text))])
			if looked += steps; n > 0 && strings.Contains(text[from:from+n], `"`) {
				found = append(found, span{from: from, to: from + n, name: fileNamed(before)})
				next = from + n
			}
		}
		if strings.TrimSpace(line) != "" {
			before = line
		}
		at = next
	}
	return found
}

// fenceMark returns the marks that begin or end a fence on a line.
func fenceMark(line string) string {
	for _, c := range []string{"`", "~"} {
		if n := len(line) - len(strings.TrimLeft(line, c)); n >= 3 {
			return line[:n]
		}
	}
	return ""
}

// balanced returns how long the JSON is that a text begins with: up to the
// bracket that closes the first one, when nothing follows on that line. It is 0
// when there is no such bracket; steps is how far was looked.
func balanced(text string) (n, steps int) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted && c == '\n':
			return 0, i // no text of JSON goes over a line
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth > 0 {
				continue
			}
			rest, _, _ := strings.Cut(text[i+1:], "\n")
			if strings.Trim(rest, " \t\r,;") != "" {
				return 0, i
			}
			return i + 1, i
		}
	}
	return 0, len(text)
}

// hide makes a text blank to Markdown.
func hide(b []byte) {
	for i, c := range b {
		if c != '\n' {
			b[i] = ' '
		}
	}
}
