package diagnose

import "strings"

// maxGap is how far apart the pieces of a phrase may stand, in bytes.
const maxGap = 400

// phrase is words with gaps: "the pieces * in this order". Lower case; spaces
// of any length have become one.
type phrase string

// find gives where in a lower-case text the phrase is.
func (p phrase) find(lower string) (from, to int, ok bool) {
	pieces := strings.Split(string(p), "*")
	first := pieces[0]
	for at := 0; at < len(lower); {
		i := strings.Index(lower[at:], first)
		if i < 0 {
			return 0, 0, false
		}
		from = at + i
		to, ok = follow(lower, from+len(first), pieces[1:])
		if ok {
			return from, to, true
		}
		at = from + max(len(first), 1)
	}
	return 0, 0, false
}

func follow(lower string, to int, pieces []string) (int, bool) {
	for _, piece := range pieces {
		window := lower[to:min(to+maxGap, len(lower))]
		i := strings.Index(window, piece)
		if i < 0 {
			return 0, false
		}
		to += i + len(piece)
	}
	return to, true
}

// anyOf gives the words of a text that the first fitting phrase covers.
func anyOf(text, lower string, phrases []phrase) (string, bool) {
	for _, p := range phrases {
		if from, to, ok := p.find(lower); ok {
			return quote(text, from, to), true
		}
	}
	return "", false
}

// quote cuts words out of a text, at most as many as a person reads.
func quote(text string, from, to int) string {
	if to > len(text) || from > to {
		return ""
	}
	s := text[from:to]
	if len(s) > 160 {
		s = strings.ToValidUTF8(s[:100], "") + " … " + strings.ToValidUTF8(s[len(s)-50:], "")
	}
	return s
}

// lowerASCII is the text with its ASCII letters in lower case: every byte
// stays where it is, which strings.ToLower does not promise.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// unwrap joins lines into one, with single spaces.
func unwrap(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		for w := range strings.FieldsSeq(l) {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(w)
		}
	}
	return b.String()
}
