package shell_test

import (
	"testing"

	"github.com/keyreach/keyreach/internal/shell"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"":            "''",
		"./a,b":       "./a,b",
		"--x=1":       "--x=1",
		"a b":         "'a b'",
		"a b c":       "'a b c'",
		"it's":        `'it'\''s'`,
		"$(rm -r x)":  "'$(rm -r x)'",
		`./a\[1]\*\?`: `'./a\[1]\*\?'`,
		"~/x":         "'~/x'",
		"größe":       "'größe'",
		"new\nline":   "'new\nline'",
	} {
		if got := shell.Quote(arg); got != want {
			t.Errorf("%q: %s, want %s", arg, got, want)
		}
	}
}
