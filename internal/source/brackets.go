package source

import "strings"

// ClosingBracket returns where the bracket stands that closes the one before a
// part of a program's text, or -1. Brackets in quotes do not count. With comma the
// part also ends at a comma that stands in no bracket.
func ClosingBracket(text string, comma bool) int {
	depth := 0
	var quote byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			if depth == 0 {
				return i
			}
			depth--
		case comma && c == ',' && depth == 0:
			return i
		}
	}
	return -1
}
