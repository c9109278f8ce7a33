package diagnose

import (
	"bytes"
	"strings"
)

// valueEnd is where the object or list ends that begins a text, without a copy
// of it: decoders hold a value several times over. False when what begins there
// is none, and where that showed. The value may still not be valid JSON.
func valueEnd(b []byte) (end int, ok bool) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			n, ok := stringEnd(b[i:])
			if !ok {
				return i + n, false
			}
			i += n - 1
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1, true
			}
		case c > 0x7f || strings.IndexByte(" \t\r\n:,0123456789+-.Eaeflnrstu", c) < 0:
			return i, false // no letter of JSON outside its strings
		}
	}
	return len(b), false
}

// stringEnd is where the string ends that begins a text.
func stringEnd(b []byte) (end int, ok bool) {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1, true
		case '\n':
			return i, false
		}
	}
	return len(b), false
}

// members calls do with each member of an object that is valid JSON.
func members(object []byte, do func(name string, value []byte)) {
	rest := bytes.TrimLeft(object[1:], " \t\r\n,")
	for len(rest) > 0 && rest[0] == '"' {
		end, _ := stringEnd(rest)
		name := string(rest[1 : end-1])
		rest = bytes.TrimLeft(rest[end:], " \t\r\n:")
		switch {
		case len(rest) == 0:
			return
		case rest[0] == '{' || rest[0] == '[':
			end, _ = valueEnd(rest)
		case rest[0] == '"':
			end, _ = stringEnd(rest)
		default:
			if end = bytes.IndexAny(rest, ",}"); end < 0 {
				end = len(rest)
			}
		}
		do(name, rest[:end])
		rest = bytes.TrimLeft(rest[end:], " \t\r\n,")
	}
}
