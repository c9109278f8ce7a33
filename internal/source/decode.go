package source

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// NodeUnmarshaler is a type that reads itself from a node.
type NodeUnmarshaler interface{ UnmarshalNode(n *Node) error }

// DecodeError is one thing that does not fit the type it is read into.
type DecodeError struct {
	Pos  Pos
	Path string // accounts[0].id
	Text string // what is wrong
	Hint string // what to do; may be empty
}

func (e *DecodeError) Error() string {
	text := e.Text
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	if e.Pos.Line > 0 {
		text = fmt.Sprintf("line %d, column %d: %s", e.Pos.Line, e.Pos.Column, text)
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// DecodeErrors is everything that does not fit, in the order of the text.
type DecodeErrors struct{ Problems []DecodeError }

func (e *DecodeErrors) Error() string {
	texts := make([]string, len(e.Problems))
	for i := range e.Problems {
		texts[i] = e.Problems[i].Error()
	}
	return strings.Join(texts, "\n")
}

// Decode reads a node into the value that into points to, by the json tags of
// its fields. It is strict: an unknown or repeated member and a value of
// another kind are errors. It goes on after an error, and returns all of them
// as *DecodeErrors.
func Decode(n *Node, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("decoding: %T is no pointer to a value", into)
	}
	d := decoder{}
	d.value(n, v.Elem(), "")
	if len(d.problems) == 0 {
		return nil
	}
	return &DecodeErrors{Problems: d.problems}
}

type decoder struct{ problems []DecodeError }

func (d *decoder) add(at Pos, path, hint, format string, args ...any) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, DecodeError{Pos: at, Path: path, Text: fmt.Sprintf(format, args...), Hint: hint})
	}
}

// nested takes over what a type that reads itself found wrong.
func (d *decoder) nested(n *Node, path string, err error) {
	var many *DecodeErrors
	var syntax *SyntaxError
	switch {
	case err == nil:
	case errors.As(err, &many):
		for _, p := range many.Problems {
			if p.Path = join(path, p.Path); p.Pos.Line == 0 {
				p.Pos = n.Pos
			}
			d.problems = append(d.problems, p)
		}
	case errors.As(err, &syntax) && syntax.Pos.Line > 0:
		d.add(syntax.Pos, path, "", "%s", syntax.Text)
	default:
		d.add(n.Pos, path, "", "%s", err)
	}
}

func join(path, rest string) string {
	if path == "" || rest == "" || rest[0] == '[' {
		return path + rest
	}
	return path + "." + rest
}

var timeType = reflect.TypeFor[time.Time]()

func (d *decoder) value(n *Node, v reflect.Value, path string) {
	if v.Kind() == reflect.Pointer {
		if n.Kind == Null {
			return
		}
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), path)
		return
	}
	if v.CanAddr() {
		if u, ok := v.Addr().Interface().(NodeUnmarshaler); ok {
			d.nested(n, path, u.UnmarshalNode(n))
			return
		}
	}
	if n.Kind == Null {
		return
	}
	if v.Type() == timeType {
		d.time(n, v, path)
		return
	}
	if v.CanAddr() {
		if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
			if d.kind(n, path, "a text", String) {
				d.nested(n, path, u.UnmarshalText([]byte(n.Text)))
			}
			return
		}
	}
	d.plain(n, v, path)
}

// kind reports whether the node is of a kind, and says so when it is not.
func (d *decoder) kind(n *Node, path, want string, kinds ...Kind) bool {
	if slices.Contains(kinds, n.Kind) {
		return true
	}
	hint := ""
	switch {
	case want == "a text" && (n.Kind == Number || n.Kind == Bool):
		hint = fmt.Sprintf("put it in quotes: %q", n.Text)
	case want == "a list" && n.Kind == String:
		hint = fmt.Sprintf("put it in a list: [%q]", n.Text)
	}
	d.add(n.Pos, path, hint, "this is %s; it should be %s", n.Kind, want)
	return false
}

func (d *decoder) plain(n *Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		if d.kind(n, path, "a text", String) {
			v.SetString(n.Text)
		}
	case reflect.Bool:
		if d.kind(n, path, "true or false", Bool) {
			v.SetBool(n.Text == "true")
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		d.number(n, v, path)
	case reflect.Slice:
		if d.kind(n, path, "a list", List) {
			d.list(n, v, path)
		}
	case reflect.Map:
		if d.kind(n, path, "a map", Map) {
			d.mapping(n, v, path)
		}
	case reflect.Struct:
		if d.kind(n, path, "a map", Map) {
			d.structure(n, v, path)
		}
	case reflect.Interface:
		if a := n.Any(); a != nil && v.NumMethod() == 0 {
			v.Set(reflect.ValueOf(a))
		}
	default:
		d.add(n.Pos, path, "", "no value can be read into %s", v.Type())
	}
}

func (d *decoder) time(n *Node, v reflect.Value, path string) {
	t, err := time.Parse(time.RFC3339, n.Text)
	if n.Kind != String || err != nil {
		d.add(n.Pos, path, "it looks like 2026-01-31T08:00:00Z", "this is not a date and time (RFC 3339)")
		return
	}
	v.Set(reflect.ValueOf(t))
}

func (d *decoder) number(n *Node, v reflect.Value, path string) {
	if !d.kind(n, path, "a number", Number) {
		return
	}
	bits := v.Type().Bits()
	var err error
	switch {
	case v.CanInt():
		var i int64
		if i, err = strconv.ParseInt(n.Text, 10, bits); err == nil {
			v.SetInt(i)
		}
	case v.CanUint():
		var u uint64
		if u, err = strconv.ParseUint(n.Text, 10, bits); err == nil {
			v.SetUint(u)
		}
	default:
		var f float64
		if f, err = strconv.ParseFloat(n.Text, bits); err == nil {
			v.SetFloat(f)
		}
	}
	if err != nil {
		d.add(n.Pos, path, "", "%s is no number that fits here", n.Text)
	}
}

func (d *decoder) list(n *Node, v reflect.Value, path string) {
	out := reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items))
	for i := range n.Items {
		d.value(&n.Items[i], out.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(out)
}

func (d *decoder) mapping(n *Node, v reflect.Value, path string) {
	t := v.Type()
	if t.Key().Kind() != reflect.String {
		d.add(n.Pos, path, "", "no map can be read into %s", t)
		return
	}
	out := reflect.MakeMapWithSize(t, len(n.Fields))
	d.repeated(n, path)
	for _, f := range n.Distinct() {
		item := reflect.New(t.Elem()).Elem()
		d.value(&f.Value, item, join(path, f.Name))
		out.SetMapIndex(reflect.ValueOf(f.Name).Convert(t.Key()), item)
	}
	v.Set(out)
}

func (d *decoder) repeated(n *Node, path string) {
	for _, p := range repeats(nil, n.Fields) {
		d.add(p.Pos, path, "keep one of the two", "%q stands twice in this map", p.Text)
	}
}

func (d *decoder) structure(n *Node, v reflect.Value, path string) {
	d.repeated(n, path)
	fields := map[string]reflect.Value{}
	names := gather(v, fields, nil)
	for _, f := range n.Distinct() {
		field, ok := fields[f.Name]
		if !ok {
			d.unknown(&f, path, names)
			continue
		}
		d.value(&f.Value, field, join(path, f.Name))
	}
}

// manyNames is how many members a hint still lists.
const manyNames = 12

func (d *decoder) unknown(f *Field, path string, names []string) {
	hint := ""
	if near := Suggest(f.Name, names); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(names) <= manyNames {
		hint = "there are " + strings.Join(names, ", ")
	}
	d.add(f.Pos, path, hint, "%q is no member here", f.Name)
}

// gather finds the fields of a struct by the names of their json tags.
func gather(v reflect.Value, into map[string]reflect.Value, names []string) []string {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			names = gather(v.Field(i), into, names)
		case !f.IsExported() || name == "-":
		default:
			if name == "" {
				name = f.Name
			}
			into[name] = v.Field(i)
			names = append(names, name)
		}
	}
	return names
}

// Any returns the node as the values that encoding/json makes: maps, slices,
// texts, float64 and booleans. A template expression is its JSON form.
func (n *Node) Any() any {
	switch n.Kind {
	case Bool:
		return n.Text == "true"
	case Number:
		f, err := strconv.ParseFloat(n.Text, 64)
		if err != nil {
			return n.Text
		}
		return f
	case String:
		return n.Text
	case List:
		items := make([]any, len(n.Items))
		for i := range n.Items {
			items[i] = n.Items[i].Any()
		}
		return items
	case Map:
		m := make(map[string]any, len(n.Fields))
		for i := range n.Fields {
			m[n.Fields[i].Name] = n.Fields[i].Value.Any()
		}
		return m
	case Intrinsic:
		if inner, _, err := Parse(AppendJSON(nil, n)); err == nil {
			return inner.Any()
		}
	}
	return nil
}
