package source

import (
	"strings"
	"unicode/utf8"
)

// AppendJSON appends the node as compact JSON: members in the order written,
// numbers with the digits written. A template expression is written in its
// JSON form: !Sub x as {"Fn::Sub":"x"}.
func AppendJSON(dst []byte, n *Node) []byte {
	switch n.Kind {
	case Bool, Number:
		return append(dst, n.Text...)
	case String:
		return appendString(dst, n.Text)
	case List:
		dst = append(dst, '[')
		for i := range n.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendJSON(dst, &n.Items[i])
		}
		return append(dst, ']')
	case Map:
		dst = append(dst, '{')
		for i := range n.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, n.Fields[i].Name), ':')
			dst = AppendJSON(dst, &n.Fields[i].Value)
		}
		return append(dst, '}')
	case Intrinsic:
		return appendIntrinsic(dst, n)
	}
	return append(dst, "null"...)
}

func appendIntrinsic(dst []byte, n *Node) []byte {
	name, tag := strings.CutPrefix(n.Text, "!")
	if !tag || len(n.Items) == 0 {
		return appendString(dst, n.Text) // an alias of nothing
	}
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	value := &n.Items[0]
	dst = append(appendString(append(dst, '{'), name), ':')
	if resource, attribute, ok := strings.Cut(value.Text, "."); ok && name == "Fn::GetAtt" && value.Kind == String {
		dst = append(appendString(append(dst, '['), resource), ',')
		return append(appendString(dst, attribute), ']', '}')
	}
	return append(AppendJSON(dst, value), '}')
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. Only what JSON makes one escape is
// escaped; bytes that are no UTF-8 become the replacement character.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if plain[c] {
				i++
				continue
			}
			dst = append(append(dst, s[from:i]...), '\\')
			switch c {
			case '"', '\\':
				dst = append(dst, c)
			case '\n':
				dst = append(dst, 'n')
			case '\r':
				dst = append(dst, 'r')
			case '\t':
				dst = append(dst, 't')
			default:
				dst = append(dst, 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(append(dst, s[from:i]...), "\uFFFD"...)
			from = i + 1
		}
		i += n
	}
	return append(append(dst, s[from:]...), '"')
}
