package wire

import (
	"bytes"
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

// readJSON reads the body of a json request. An empty body is an empty object.
func readJSON(s *awsfacts.Shape, body []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return map[string]any{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		return nil, malformed("the body is not a JSON object")
	}
	if d.More() {
		return nil, malformed("there is more after the JSON object")
	}
	if s == nil {
		return nil, nil
	}
	return structureFromJSON(s, tree, "")
}

// structureFromJSON looks for the members that the shape has: AWS passes over
// others.
func structureFromJSON(s *awsfacts.Shape, tree map[string]any, path string) (map[string]any, error) {
	out := make(map[string]any, len(tree))
	for _, m := range s.Members {
		raw := tree[m.Wire()]
		if raw == nil || m.Location != "" {
			continue
		}
		v, err := fromJSON(m.Shape, raw, join(path, m.Name))
		if err != nil {
			return nil, err
		}
		out[m.Name] = v
	}
	return out, nil
}

// fromJSON turns what encoding/json read into the value that the shape asks for.
func fromJSON(s *awsfacts.Shape, raw any, path string) (any, error) {
	switch raw := raw.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		switch s.Type {
		case "structure":
			return structureFromJSON(s, raw, path)
		case "map":
			out := make(map[string]any, len(raw))
			for key, item := range raw {
				v, err := fromJSON(s.Value.Shape, item, join(path, key))
				if err != nil {
					return nil, err
				}
				out[key] = v
			}
			return out, nil
		}
	case []any:
		if s.Type != "list" {
			break
		}
		out := make([]any, len(raw))
		for i, item := range raw {
			v, err := fromJSON(s.Elem.Shape, item, join(path, strconv.Itoa(i+1)))
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	case bool:
		if s.Type == "boolean" {
			return raw, nil
		}
	case json.Number:
		return fromNumber(s, string(raw), path)
	case string:
		return fromText(s, raw, path)
	}
	return nil, unfit(path, s)
}

func fromNumber(s *awsfacts.Shape, text, path string) (any, error) {
	switch s.Type {
	case "integer", "long":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		if f, ok := decimal(text); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), nil
		}
	case "float", "double":
		if f, ok := notANumber(text); ok {
			return f, nil
		}
		if f, ok := decimal(text); ok {
			return f, nil
		}
	case "timestamp":
		if t, ok := epoch(text); ok {
			return t, nil
		}
	}
	return nil, unfit(path, s)
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
// times; in forms, headers and XML everything.
func fromText(s *awsfacts.Shape, text, path string) (any, error) {
	switch s.Type {
	case "string":
		if utf8.ValidString(text) {
			return text, nil
		}
	case "blob":
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, unfit(path, s)
		}
		return b, nil
	case "timestamp":
		if t, ok := timeFromText(text); ok {
			return t, nil
		}
	case "float", "double":
		if f, ok := notANumber(text); ok {
			return f, nil
		}
	}
	return nil, unfit(path, s)
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
