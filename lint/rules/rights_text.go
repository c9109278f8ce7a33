package rules

import "strings"

// tells reports whether the running text has these words, in any case.
func (m *Material) tells(words string) bool {
	words = strings.ToLower(words)
	for _, p := range m.Prose {
		if strings.Contains(strings.ToLower(p.Text), words) {
			return true
		}
	}
	return false
}

// about reports whether one of the words stands in the running text or its
// headings, or begins one there.
func (m *Material) about(words ...string) bool {
	for _, p := range m.Prose {
		text := strings.ToLower(strings.Join(p.Headings, "\n") + "\n" + p.Text)
		for _, w := range words {
			if beginsWord(text, w) {
				return true
			}
		}
	}
	return false
}

// beginsWord reports whether w stands in the text with no letter before it.
func beginsWord(text, w string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], w)
		if i < 0 {
			return false
		}
		if i += from; i == 0 || text[i-1] < 'a' || text[i-1] > 'z' {
			return true
		}
		from = i + 1
	}
}
