package wire

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keyreach/keyreach/awsfacts"
)

// fromNumber reads a number as the shape asks; false when it does not fit.
func fromNumber(s *awsfacts.Shape, text string) (any, bool) {
	switch s.Type {
	case "integer", "long":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, true
		}
		if f, ok := decimal(text); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), true
		}
	case "float", "double":
		if f, ok := notANumber(text); ok {
			return f, true
		}
		if f, ok := decimal(text); ok {
			return f, true
		}
	case "timestamp":
		if t, ok := epoch(text); ok {
			return t, true
		}
	}
	return nil, false
}

// decimal reads a number as people and protocols write it: ParseFloat also takes
// hexadecimal ones and words.
func decimal(text string) (float64, bool) {
	for i := range len(text) {
		if ch := text[i]; (ch < '0' || ch > '9') && ch != '+' && ch != '-' && ch != '.' && ch != 'e' && ch != 'E' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// notANumber reads the names of floating-point values that are no numbers.
func notANumber(text string) (float64, bool) {
	switch text {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	return 0, false
}

// fromText reads what stands as text: in JSON strings, blobs and now and then
// times; in forms, headers and XML everything. It is false for what does not fit.
func fromText(s *awsfacts.Shape, text string) (any, bool) {
	switch s.Type {
	case "string":
		if utf8.ValidString(text) {
			return text, true
		}
	case "blob":
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, false
		}
		return b, true
	case "timestamp":
		if t, ok := timeFromText(text); ok {
			return t, true
		}
	case "float", "double":
		if f, ok := notANumber(text); ok {
			return f, true
		}
	}
	return nil, false
}

// The first and the last second that have a date of four digits.
const firstSecond, lastSecond = -62135596800, 253402300799

// epoch reads seconds since 1970, with a fraction.
func epoch(text string) (time.Time, bool) {
	f, ok := decimal(text)
	if !ok || f < firstSecond || f > lastSecond {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(math.Round(fraction*1e3))*1e6).UTC(), true
}

func timeFromText(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02", time.RFC1123} {
		if t, err := time.Parse(layout, text); err == nil {
			t = t.UTC()
			return t, t.Unix() >= firstSecond && t.Unix() <= lastSecond
		}
	}
	return epoch(text)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// appendJSON writes a value in the form of its shape.
func (c *Codec) appendJSON(b []byte, s *awsfacts.Shape, v reflect.Value) []byte {
	v = reflect.Indirect(v)
	if !v.IsValid() {
		return append(b, "null"...)
	}
	switch s.Type {
	case "structure":
		return c.appendObject(b, s, v)
	case "list":
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = c.appendJSON(b, s.Elem.Shape, v.Index(i))
		}
		return append(b, ']')
	case "map":
		return c.appendMap(b, s, v)
	case "blob":
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	case "boolean":
		return strconv.AppendBool(b, v.Bool())
	case "integer", "long":
		return strconv.AppendInt(b, v.Int(), 10)
	case "float", "double":
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return appendQuoted(b, floatText(f)) // JSON has no such numbers
		}
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
	case "timestamp":
		t := v.Interface().(time.Time)
		return strconv.AppendFloat(b, float64(t.UnixMilli())/1e3, 'f', -1, 64)
	}
	return appendQuoted(b, v.String())
}

func (c *Codec) appendObject(b []byte, s *awsfacts.Shape, v reflect.Value) []byte {
	if v.Kind() == reflect.Interface {
		return c.appendUnion(b, s, v)
	}
	b = append(b, '{')
	first := true
	for _, f := range c.planOf(s, v.Type()).fields {
		field := v.Field(f.index)
		if absent(field) || f.member.Location != "" {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '"')
		b = append(b, f.member.Wire()...)
		b = append(b, '"', ':')
		b = c.appendJSON(b, f.member.Shape, field)
	}
	return append(b, '}')
}

func (c *Codec) appendUnion(b []byte, s *awsfacts.Shape, v reflect.Value) []byte {
	m, held := union(s, v)
	if m == nil {
		return append(b, "{}"...)
	}
	b = append(b, '{')
	b = appendQuoted(b, m.Wire())
	b = append(b, ':')
	b = c.appendJSON(b, m.Shape, held)
	return append(b, '}')
}

func (c *Codec) appendMap(b []byte, s *awsfacts.Shape, v reflect.Value) []byte {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	b = append(b, '{')
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, key.String())
		b = append(b, ':')
		b = c.appendJSON(b, s.Value.Shape, v.MapIndex(key))
	}
	return append(b, '}')
}

// appendQuoted writes a JSON string. Text without anything to escape, which is
// nearly all of it, is copied.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
