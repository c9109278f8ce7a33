package script

import (
	"strings"

	"github.com/keyreach/keyreach/internal/lazy"
)

// inline takes the marks out of a paragraph. The library's own reader of marks
// takes a time that grows with the square of what a hostile text opens and does
// not close, so this is a simpler one in a single pass: what it takes for text
// is kept, and nothing that a rule asks for hangs on the rest.
type inline struct {
	text    string
	out     []byte // 0 is what was a mark
	codes   []span // the code within the text
	opened  map[string]int
	links   []int // where in out brackets were opened
	unended [9]bool
}

var tag = lazy.Regexp(`\A(?:<!--[^>]*-->|</?(?:br|p|a|b|i|em|strong|code|kbd|sub|sup|details|summary|img|span|div|table|t[dhr]|[uo]l|li|h[1-6]|pre|center)\b[^>\n]*>)`)

// strip returns a paragraph on one line without its marks, and where code
// stands in it.
func strip(text string) (plain string, codes []span) {
	s := inline{text: text, opened: map[string]int{}}
	for at := 0; at < len(text); {
		at = s.step(at)
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(string(s.out), "\x00", "")), " "), s.codes
}

func (s *inline) step(at int) int {
	rest := s.text[at:]
	switch c := rest[0]; c {
	case '`':
		return s.code(at)
	case '\\':
		if len(rest) > 1 && strings.IndexByte("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", rest[1]) >= 0 {
			s.out = append(s.out, rest[1])
			return at + 2
		}
	case '*', '_':
		return s.emphasis(at, c)
	case '[':
		if n := len(s.out); n > 0 && s.out[n-1] == '!' {
			s.out[n-1] = 0
		}
		s.links = append(s.links, len(s.out))
	case ']':
		if next := s.link(at); next > 0 {
			return next
		}
	case '<':
		window := rest[:min(len(rest), 300)]
		window = window[:strings.IndexByte(window, '>')+1]
		if len(window) < 3 || window[1] == '<' {
			break
		}
		if m := tag.FindString(window); m != "" {
			s.out = append(s.out, ' ')
			return at + len(m)
		}
		if end := strings.IndexAny(window, "> \n"); end > 0 && window[end] == '>' && strings.Contains(window[:end], "://") {
			s.out = append(s.out, window[1:end]...)
			return at + end + 1
		}
	}
	s.out = append(s.out, rest[0])
	return at + 1
}

// code passes over a span of code, which keeps one mark on either side.
func (s *inline) code(at int) int {
	n := len(s.text[at:]) - len(strings.TrimLeft(s.text[at:], "`"))
	from := at + n
	if n < len(s.unended) && !s.unended[n] {
		for i := from; i < len(s.text); {
			j := strings.IndexByte(s.text[i:], '`')
			if j < 0 {
				break
			}
			j += i
			end := j
			for end < len(s.text) && s.text[end] == '`' {
				end++
			}
			if i = end; end-j != n {
				continue
			}
			s.codes = append(s.codes, span{from: from, to: j})
			s.out = append(append(append(s.out, '`'), strings.TrimSpace(s.text[from:j])...), '`')
			return end
		}
		s.unended[n] = true
	}
	s.out = append(s.out, s.text[at:from]...)
	return from
}

// emphasis takes out a run of stars or lines that has its like on the other
// side of some words.
func (s *inline) emphasis(at int, c byte) int {
	end := at
	for end < len(s.text) && s.text[end] == c {
		end++
	}
	mark := s.text[at:end]
	before := at > 0 && strings.IndexByte(" \t\n", s.text[at-1]) < 0
	after := end < len(s.text) && strings.IndexByte(" \t\n", s.text[end]) < 0
	word := before && after && isWordByte(s.text[at-1]) && isWordByte(s.text[end])
	open, known := s.opened[mark]
	from := len(s.out)
	s.out = append(s.out, mark...)
	switch {
	case len(mark) > 3 || word && c == '_':
	case before && known:
		clear(s.out[open : open+len(mark)])
		clear(s.out[from:])
		delete(s.opened, mark)
	case after && !(before && isWordByte(s.text[at-1])) && !strings.HasSuffix(s.text[:at], ":"):
		s.opened[mark] = from
	}
	return end
}

// link ends the text of a link and passes over where it leads.
func (s *inline) link(at int) int {
	n := len(s.links)
	if n == 0 {
		return 0
	}
	open := s.links[n-1]
	s.links = s.links[:n-1]
	rest := s.text[at+1 : min(at+1000, len(s.text))]
	if rest == "" || rest[0] != '(' && rest[0] != '[' {
		return 0
	}
	closing := map[byte]byte{'(': ')', '[': ']'}[rest[0]]
	end := strings.IndexByte(rest, closing)
	if end < 0 || strings.ContainsAny(rest[1:end], "[\n") {
		return 0
	}
	s.out[open] = 0
	return at + 1 + end + 1
}
