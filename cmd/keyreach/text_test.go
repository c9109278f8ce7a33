package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Lines are no wider than the page, apart from words that are; every word is
// printed whole; and nothing is printed that a terminal obeys.
func TestLinesFitThePage(t *testing.T) {
	t.Parallel()
	long := "arn:aws:iam::111122223333:role/" + strings.Repeat("x", 2*width)
	for name, s := range map[string]string{
		"prose":                  strings.Repeat("word ", 60),
		"prose around an ARN":    strings.Repeat("word ", 30) + long + " " + strings.Repeat("word ", 30),
		"an ARN alone":           long,
		"letters of many bytes":  strings.Repeat("schl\u00fcssel ", 40),
		"a lead of many bytes":   "\u672c\u672c:x = 1",
		"a lead up to a space":   "an alias never allows it",
		"a lead of spaces":       "ab    " + long + " opens",
		"nothing":                "",
		"what a terminal obeys":  "a\x1b[2Jb\u202ec\u009bd\ne",
		"bytes that are no text": "a\xffb",
	} {
		var b strings.Builder
		p := &printer{w: &b}
		p.put(2, 2, s)
		if !strings.HasSuffix(b.String(), "\n") || !utf8.ValidString(b.String()) {
			t.Errorf("%s: %q", name, b.String())
		}
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > width && !strings.Contains(line, long) {
				t.Errorf("%s: a line of %d letters: %s", name, utf8.RuneCountInString(line), line)
			}
			if strings.ContainsAny(line, "\x1b\u202e\u009b") {
				t.Errorf("%s: a terminal obeys %q", name, line)
			}
		}
		if got, want := strings.Fields(b.String()), strings.Fields(visible(s)); !slices.Equal(got, want) {
			t.Errorf("%s: printed the words %q of %q", name, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n    int
		word string
		want string
	}{{1, "entry", "1 entry"}, {0, "entry", "0 entries"}, {2, "key", "2 keys"}, {2, "backup", "2 backups"}} {
		if got := count(c.n, c.word); got != c.want {
			t.Errorf("%d of %q: %q, want %q", c.n, c.word, got, c.want)
		}
	}
}
