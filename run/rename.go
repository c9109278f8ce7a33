package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
)

// names are the ARNs that AWS gave, by the provisional ones of the plan.
type names map[string]string

// words are the texts that are replaced, the longest first: the ARNs, and the ids of
// keys, which stand alone in policies and in the ARNs of replicas.
func (n names) words() [][2]string {
	var words [][2]string
	for provisional, real := range n {
		words = append(words, [2]string{provisional, real})
		if from, to := keyID(provisional), keyID(real); from != "" && to != "" {
			words = append(words, [2]string{from, to})
		}
	}
	slices.SortFunc(words, func(a, b [2]string) int {
		if d := len(b[0]) - len(a[0]); d != 0 {
			return d
		}
		return strings.Compare(a[0], b[0])
	})
	return words
}

// keyID is the id in the ARN of a key.
func keyID(key string) string {
	_, id, _ := strings.Cut(key, ":key/")
	return id
}

// rename is the op with the names that AWS gave.
func (n names) rename(op estate.Op) (estate.Op, error) {
	words := n.words()
	if len(words) == 0 {
		return op, nil
	}
	text, err := estate.MarshalOp(op)
	if err != nil {
		return nil, err
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("putting the names that AWS gave into an op: %w", err)
	}
	out, err := json.Marshal(renamed(tree, words))
	if err != nil {
		return nil, fmt.Errorf("putting the names that AWS gave into an op: %w", err)
	}
	return estate.UnmarshalOp(out)
}

// renamed replaces in every text of a tree. The tree is decoded so that what JSON
// writes around a text (the n of \n) is not taken for a part of it.
func renamed(tree any, words [][2]string) any {
	switch v := tree.(type) {
	case string:
		for _, w := range words {
			v = replaceWord(v, w[0], w[1])
		}
		return v
	case []any:
		for i := range v {
			v[i] = renamed(v[i], words)
		}
	case map[string]any:
		for _, name := range slices.Collect(maps.Keys(v)) {
			value := renamed(v[name], words)
			delete(v, name)
			v[renamed(name, words).(string)] = value
		}
	}
	return tree
}

// replaceWord replaces a name where it is not a part of a longer one: planned-1 is not
// in planned-12.
func replaceWord(text, from, to string) string {
	var out strings.Builder
	rest, before := text, byte(0)
	for {
		i := strings.Index(rest, from)
		if i < 0 {
			break
		}
		end := i + len(from)
		if i > 0 {
			before = rest[i-1]
		}
		whole := !ofName(before) && (end == len(rest) || !ofName(rest[end]))
		out.WriteString(rest[:i])
		if whole {
			out.WriteString(to)
		} else {
			out.WriteString(from)
		}
		before, rest = from[len(from)-1], rest[end:]
	}
	out.WriteString(rest)
	return out.String()
}

// ofName reports whether a byte may be a part of the id of a key.
func ofName(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '-' || b == '_'
}

// mentions reports whether an op names the key.
func mentions(op estate.Op, key string) bool {
	n := names{key: "arn:aws:kms:::key/nobodys"}
	renamed, err := n.rename(op)
	if err != nil {
		return false
	}
	a, _ := json.Marshal(op) // ops are marshalled before and after every call
	b, _ := json.Marshal(renamed)
	return !bytes.Equal(a, b)
}

// add takes over the names that a write returned.
func (n names) add(made map[string]string) {
	for provisional, real := range made {
		if provisional != cloud.MadeDeletion && provisional != real {
			n[provisional] = real
		}
	}
}
