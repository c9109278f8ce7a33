package rules

import (
	"github.com/keyreach/keyreach/internal/lazy"
	"github.com/keyreach/keyreach/internal/source"
)

// codeCall is one call in the code of a program: where the match of its name
// begins, what the match had in its first group, and the text of its arguments.
type codeCall struct {
	at         int
	name, args string
}

// maxArguments is how much of a call's arguments is looked at.
const maxArguments = 8 << 10

// calls returns the calls that a pattern finds; it ends with the opening bracket.
func (c *Code) calls(pattern *lazy.Pattern) []codeCall {
	var found []codeCall
	for _, m := range pattern.FindAllStringSubmatchIndex(c.Text, -1) {
		one := codeCall{at: m[0], args: arguments(c.Text[m[1]:min(len(c.Text), m[1]+maxArguments)])}
		if len(m) > 3 && m[2] >= 0 {
			one.at, one.name = m[2], c.Text[m[2]:m[3]]
		}
		found = append(found, one)
	}
	return found
}

// arguments returns the text up to the bracket that closes the one before it.
func arguments(text string) string {
	if end := source.ClosingBracket(text, false); end >= 0 {
		return text[:end]
	}
	return text
}
