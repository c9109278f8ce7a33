package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

// pattern is an event pattern, or the part of one below a field. It matches an event
// whose fields all match, where fields that the pattern does not name do not count.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html.
type pattern struct {
	fields []field
	// either are the alternatives of "$or"; one of each has to match.
	either [][]*pattern
}

// field is what a pattern wants of one field: the pattern of an object, or tests of
// which one has to hold.
type field struct {
	name  string
	below *pattern
	tests []test
	// present and absent are set where the field may be there with any value, and where
	// it may be missing.
	present, absent bool
}

// reason says why a text is no event pattern, in the words that the caller gets.
type reason string

// Error returns the words.
func (r reason) Error() string { return string(r) }

// readPattern reads an event pattern. The reasons of its refusals are those of AWS's
// own matcher, as users report them, without the place in the text
// (https://github.com/cloud-custodian/cloud-custodian/issues/6507,
// https://github.com/buildkite/docs/pull/896, https://github.com/aws/aws-cdk/issues/32492);
// others are assumed.
func readPattern(text string) (*pattern, error) {
	tree, err := readJSON(text)
	if err != nil {
		return nil, err
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return nil, reason("Filter is not an object")
	}
	return newPattern(top)
}

// readJSON reads one JSON value; numbers keep their text.
func readJSON(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("not valid JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, reason("not valid JSON: something follows its end")
	}
	return tree, nil
}

func newPattern(from map[string]any) (*pattern, error) {
	if len(from) == 0 {
		return nil, reason("Empty objects are not allowed")
	}
	p := &pattern{}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if err := p.add(name, from[name]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add takes one member of an object in.
func (p *pattern) add(name string, value any) error {
	switch value := value.(type) {
	case map[string]any:
		below, err := newPattern(value)
		if err != nil {
			return err
		}
		p.fields = append(p.fields, field{name: name, below: below})
		return nil
	case []any:
		if name == "$or" {
			return p.addEither(value)
		}
		f, err := newLeaf(name, value)
		if err != nil {
			return err
		}
		p.fields = append(p.fields, f)
		return nil
	}
	return reason(fmt.Sprintf("%q must be an object or an array", name))
}

func (p *pattern) addEither(list []any) error {
	if len(list) < 2 {
		return reason("There must have at least 2 Objects in $or relationship.")
	}
	var all []*pattern
	for _, one := range list {
		object, ok := one.(map[string]any)
		if !ok {
			return reason("Only objects are allowed in $or relationship.")
		}
		alternative, err := newPattern(object)
		if err != nil {
			return err
		}
		all = append(all, alternative)
	}
	p.either = append(p.either, all)
	return nil
}

func newLeaf(name string, list []any) (field, error) {
	f := field{name: name}
	if len(list) == 0 {
		return f, reason("Empty arrays are not allowed")
	}
	for _, one := range list {
		object, ok := one.(map[string]any)
		if !ok {
			if _, nested := one.([]any); nested {
				return f, reason("Match value must be String, number, true, false, or null")
			}
			f.tests = append(f.tests, same(one))
			continue
		}
		if len(object) != 1 {
			return f, reason("Only one key allowed in match expression")
		}
		for kind, operand := range object {
			if kind == "exists" {
				wanted, ok := operand.(bool)
				if !ok {
					return f, reason("exists match pattern must be either true or false.")
				}
				f.present, f.absent = f.present || wanted, f.absent || !wanted
				continue
			}
			t, err := newTest(kind, operand)
			if err != nil {
				return f, err
			}
			f.tests = append(f.tests, t)
		}
	}
	return f, nil
}

// matches reports whether an object of an event matches; nil is one that is not there.
func (p *pattern) matches(object map[string]any) bool {
	for i := range p.fields {
		f := &p.fields[i]
		value, there := object[f.name]
		if !f.matches(value, there) {
			return false
		}
	}
	for _, all := range p.either {
		if !slices.ContainsFunc(all, func(one *pattern) bool { return one.matches(object) }) {
			return false
		}
	}
	return true
}

// matches reports whether the value of a field matches. Of an array one element has to.
func (f *field) matches(value any, there bool) bool {
	if f.below != nil {
		switch value := value.(type) {
		case map[string]any:
			return f.below.matches(value)
		case []any:
			if len(value) > 0 {
				return slices.ContainsFunc(value, func(one any) bool { return f.matches(one, true) })
			}
		}
		return f.below.matches(nil) // which only the absence of what is below it can match
	}
	// Comparisons are about leaves: an object counts as none.
	leaves := leavesOf(nil, value, there)
	if len(leaves) == 0 {
		return f.absent
	}
	if f.present {
		return true
	}
	return slices.ContainsFunc(leaves, func(leaf any) bool {
		return slices.ContainsFunc(f.tests, func(t test) bool { return t(leaf) })
	})
}

// leavesOf adds the scalars that a value is or holds as an array.
func leavesOf(list []any, value any, there bool) []any {
	switch value := value.(type) {
	case map[string]any:
		return list
	case []any:
		for _, one := range value {
			list = leavesOf(list, one, true)
		}
		return list
	}
	if there {
		list = append(list, value)
	}
	return list
}
