package wire

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
)

// names says how a protocol of forms calls the parts of a request.
type names struct {
	member func(m *awsfacts.Member) string
	// flat lists stand under the name of the member itself.
	flat bool
}

var (
	queryNames = names{member: (*awsfacts.Member).Wire}
	ec2Names   = names{member: ec2Name, flat: true}
)

// ec2Name is the name in the ec2 protocol: the one the model gives for queries,
// else the name in XML with a capital letter.
func ec2Name(m *awsfacts.Member) string {
	if m.QueryName != "" {
		return m.QueryName
	}
	return upper(m.Wire())
}

// maxFormDepth is deeper than any request of AWS.
const maxFormDepth = 24

// maxBranches bounds what a form can make of a body that is a megabyte of dots.
const maxBranches = 1 << 16

// branch is a node of the tree that the dotted names of a form make.
type branch struct {
	value    string
	set      bool
	children map[string]*branch
}

func (b *branch) child(name string) *branch {
	if b == nil {
		return nil
	}
	return b.children[name]
}

// readForm reads the body of a query or ec2 request.
func readForm(s *awsfacts.Shape, body []byte, n names) (map[string]any, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, malformed("the body is not a form")
	}
	if s == nil {
		return map[string]any{}, nil
	}
	root := &branch{}
	count := 0
	for key, v := range values {
		if strings.Count(key, ".") >= maxFormDepth {
			return nil, malformed("a parameter is nested too deeply")
		}
		at := root
		for part := range strings.SplitSeq(key, ".") {
			if at.children == nil {
				at.children = map[string]*branch{}
			}
			next := at.children[part]
			if next == nil {
				if count++; count > maxBranches {
					return nil, malformed("the form has too many parameters")
				}
				next = &branch{}
				at.children[part] = next
			}
			at = next
		}
		at.value, at.set = v[0], true
	}
	return n.structure(s, root, "")
}

func (n names) structure(s *awsfacts.Shape, b *branch, path string) (map[string]any, error) {
	out := map[string]any{}
	for _, m := range s.Members {
		child := b.child(n.member(m))
		if child == nil {
			continue
		}
		v, err := n.value(m.Shape, child, m.Flattened, join(path, m.Name))
		if err != nil {
			return nil, err
		}
		if v != nil {
			out[m.Name] = v
		}
	}
	return out, nil
}

func (n names) value(s *awsfacts.Shape, b *branch, flattened bool, path string) (any, error) {
	switch s.Type {
	case "structure":
		return n.structure(s, b, path)
	case "list":
		return n.list(s, b, flattened, path)
	case "map":
		return n.pairs(s, b, flattened, path)
	}
	if !b.set {
		return nil, nil
	}
	return plain(s, b.value, path)
}

// plain reads a value that stands as text: in a form, a query, a header, a label
// or an element.
func plain(s *awsfacts.Shape, text, path string) (any, error) {
	switch s.Type {
	case "boolean":
		switch text {
		case "true", "True":
			return true, nil
		case "false", "False":
			return false, nil
		}
		return nil, unfit(path, s)
	case "integer", "long", "float", "double":
		if v, ok := fromNumber(s, text); ok {
			return v, nil
		}
		return nil, unfit(path, s)
	}
	if v, ok := fromText(s, text); ok {
		return v, nil
	}
	return nil, unfit(path, s)
}

func (n names) list(s *awsfacts.Shape, b *branch, flattened bool, path string) (any, error) {
	if b.set && b.value == "" && len(b.children) == 0 {
		return []any{}, nil // an empty list, as SDKs send it
	}
	if !flattened && !n.flat {
		name := "member"
		if s.Elem.LocationName != "" {
			name = s.Elem.LocationName
		}
		b = b.child(name)
	}
	out := []any{}
	for _, item := range numbered(b) {
		v, err := n.value(s.Elem.Shape, item, false, join(path, strconv.Itoa(len(out)+1)))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (n names) pairs(s *awsfacts.Shape, b *branch, flattened bool, path string) (any, error) {
	if !flattened {
		b = b.child("entry")
	}
	out := map[string]any{}
	key, value := pairNames(s)
	for _, item := range numbered(b) {
		k := item.child(key)
		if k == nil {
			continue
		}
		v, err := n.value(s.Value.Shape, item.child(value), false, join(path, k.value))
		if err != nil {
			return nil, err
		}
		out[k.value] = v
	}
	return out, nil
}

// numbered returns the children that have a number for a name, in its order.
func numbered(b *branch) []*branch {
	if b == nil {
		return nil
	}
	var at []int
	for name := range b.children {
		if i, err := strconv.Atoi(name); err == nil && i > 0 {
			at = append(at, i)
		}
	}
	slices.Sort(at)
	out := make([]*branch, 0, len(at))
	for _, i := range at {
		if child := b.children[strconv.Itoa(i)]; child != nil {
			out = append(out, child)
		}
	}
	return out
}
