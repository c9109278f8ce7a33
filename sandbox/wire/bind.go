package wire

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/keyreach/keyreach/awsfacts"
)

// bind fills a struct from a tree that the shape's reader made.
func (c *Codec) bind(dst reflect.Value, s *awsfacts.Shape, tree map[string]any) error {
	p := c.planOf(s, dst.Type())
	for _, f := range p.fields {
		v, ok := tree[f.member.Name]
		if !ok || v == nil {
			continue
		}
		if err := c.set(dst.Field(f.index), f.member.Shape, v); err != nil {
			return fmt.Errorf("%s: %w", f.member.Name, err)
		}
	}
	return nil
}

// set stores one value of a tree in a field.
func (c *Codec) set(dst reflect.Value, s *awsfacts.Shape, v any) error {
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		if s.Type == "map" {
			return c.setMap(dst, s, v)
		}
		if dst.Kind() == reflect.Interface {
			return c.setUnion(dst, s, v)
		}
		return c.bind(dst, s, v)
	case map[string]string:
		if dst.Type() == reflect.TypeFor[map[string]string]() {
			dst.Set(reflect.ValueOf(v))
			return nil
		}
		return setTexts(dst, s, v)
	case []any:
		return c.setList(dst, s, v)
	case []byte:
		return setBytes(dst, s, v)
	case io.Reader:
		if !reflect.TypeOf(v).AssignableTo(dst.Type()) {
			return misfit(dst, s)
		}
		dst.Set(reflect.ValueOf(v))
		return nil
	}
	return setScalar(dst, s, v)
}

// setScalar stores a text, a number, a flag or a time.
func setScalar(dst reflect.Value, s *awsfacts.Shape, v any) error {
	switch v := v.(type) {
	case string:
		if dst.Kind() != reflect.String {
			break
		}
		dst.SetString(v)
		return nil
	case bool:
		if dst.Kind() != reflect.Bool {
			break
		}
		dst.SetBool(v)
		return nil
	case int64:
		if !dst.CanInt() {
			break
		}
		if dst.OverflowInt(v) {
			return malformed(fmt.Sprintf("the number %d is too large", v))
		}
		dst.SetInt(v)
		return nil
	case float64:
		if !dst.CanFloat() {
			break
		}
		if dst.OverflowFloat(v) {
			return malformed(fmt.Sprintf("the number %g is too large", v))
		}
		dst.SetFloat(v)
		return nil
	case time.Time:
		if dst.Type() != reflect.TypeFor[time.Time]() {
			break
		}
		dst.Set(reflect.ValueOf(v))
		return nil
	}
	return misfit(dst, s)
}

// misfit is a defect of the tables: the SDK has another type for the member.
func misfit(dst reflect.Value, s *awsfacts.Shape) error {
	return fmt.Errorf("a value of shape %s does not fit %s", s.Name, dst.Type())
}

// setBytes stores bytes, or a stream of them where the SDK has one.
func setBytes(dst reflect.Value, s *awsfacts.Shape, v []byte) error {
	if dst.Kind() == reflect.Slice {
		dst.SetBytes(v)
		return nil
	}
	if stream := reflect.ValueOf(newContent(v)); dst.Kind() == reflect.Interface && stream.CanConvert(dst.Type()) {
		dst.Set(stream)
		return nil
	}
	return misfit(dst, s)
}

// setUnion stores the one member that a union has.
func (c *Codec) setUnion(dst reflect.Value, s *awsfacts.Shape, v map[string]any) error {
	for _, m := range s.Members {
		item := v[m.Name]
		if item == nil {
			continue
		}
		if len(v) > 1 {
			return malformed("a " + s.Name + " has one member, and this one has more")
		}
		t, ok := c.unions[dst.Type().Name()+"Member"+upper(m.Name)]
		if !ok {
			return fmt.Errorf("the codec does not know the member %s of %s", m.Name, dst.Type())
		}
		p := reflect.New(t)
		if err := c.set(p.Elem().FieldByName("Value"), m.Shape, item); err != nil {
			return err
		}
		dst.Set(p)
		return nil
	}
	return malformed("a " + s.Name + " has one member, and this one has none")
}

// union returns the member that a union of an Output struct has, and its value; no
// member when v is no union.
func union(s *awsfacts.Shape, v reflect.Value) (*awsfacts.Member, reflect.Value) {
	if v.Kind() != reflect.Interface || v.IsNil() {
		return nil, v
	}
	held := reflect.Indirect(v.Elem())
	for _, m := range s.Members {
		if strings.HasSuffix(held.Type().Name(), "Member"+upper(m.Name)) {
			return m, held.FieldByName("Value")
		}
	}
	return nil, reflect.Value{}
}

func (c *Codec) setList(dst reflect.Value, s *awsfacts.Shape, v []any) error {
	if dst.Kind() != reflect.Slice {
		return fmt.Errorf("a list of shape %s does not fit %s", s.Name, dst.Type())
	}
	list := reflect.MakeSlice(dst.Type(), len(v), len(v))
	for i, item := range v {
		if item == nil {
			continue
		}
		if err := c.set(list.Index(i), s.Elem.Shape, item); err != nil {
			return err
		}
	}
	dst.Set(list)
	return nil
}

// setTexts stores a map of texts whose names the SDK has a type for.
func setTexts(dst reflect.Value, s *awsfacts.Shape, v map[string]string) error {
	if dst.Kind() != reflect.Map || dst.Type().Elem().Kind() != reflect.String {
		return fmt.Errorf("a map of shape %s does not fit %s", s.Name, dst.Type())
	}
	m := reflect.MakeMapWithSize(dst.Type(), len(v))
	for key, text := range v {
		m.SetMapIndex(reflect.ValueOf(key).Convert(dst.Type().Key()), reflect.ValueOf(text).Convert(dst.Type().Elem()))
	}
	dst.Set(m)
	return nil
}

func (c *Codec) setMap(dst reflect.Value, s *awsfacts.Shape, v map[string]any) error {
	if dst.Kind() != reflect.Map {
		return fmt.Errorf("a map of shape %s does not fit %s", s.Name, dst.Type())
	}
	m := reflect.MakeMapWithSize(dst.Type(), len(v))
	for key, item := range v {
		if item == nil {
			continue
		}
		value := reflect.New(dst.Type().Elem()).Elem()
		if err := c.set(value, s.Value.Shape, item); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(dst.Type().Key()), value)
	}
	dst.Set(m)
	return nil
}

// absent reports whether a field of an Output struct is not set: pointers, lists
// and maps that are nil, and enumeration values that are empty. Numbers and
// booleans without a pointer are always there.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	}
	return false
}
