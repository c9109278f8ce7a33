// Package source reads JSON and YAML as people write them into one tree in
// which every element knows its line and column. It is what lets a message
// about a policy, an estate or keyreach.yaml name the place. YAML is lexed and
// parsed by goccy/go-yaml; JSON has a scanner of its own here (json.go says
// why). What was tolerated on the way is told as Problems.
package source

import "strconv"

// Kind is the kind of a node.
type Kind uint8

// Kinds of nodes.
const (
	Null Kind = iota
	Bool
	Number
	String
	List
	Map
	// Intrinsic is a YAML value under a tag of a template language, such as !Sub:
	// what it will be is not known here.
	Intrinsic
)

var kindNames = [...]string{"null", "a boolean", "a number", "a string", "a list", "a map", "a template expression"}

// String returns the kind as messages name it: "a list".
func (k Kind) String() string { return kindNames[k] }

// Pos is a line and column, both counted from 1; columns count bytes. Zero is
// "not known".
type Pos struct{ Line, Column int32 }

// Node is one value of a document.
type Node struct {
	Kind Kind
	Pos  Pos
	// Text is the value of a String; for Bool and Number the literal as JSON
	// writes it; for an Intrinsic its tag ("!Sub"), or "*name" for an alias of an
	// anchor that the text does not have.
	Text string
	// Items are the members of a List; of an Intrinsic the one value under the
	// tag.
	Items  []Node
	Fields []Field // of a Map, in the order written, duplicates included
}

// Field is one member of a Map.
type Field struct {
	Name  string
	Pos   Pos // of the name
	Value Node
}

// Problem is something the reader tolerated: a trailing comma, a duplicate
// key, a comment in JSON.
type Problem struct {
	Pos  Pos
	Kind ProblemKind
	Text string // the key that stands twice; otherwise empty
}

// ProblemKind says what was tolerated.
type ProblemKind uint8

// What the reader tolerates.
const (
	TrailingComma ProblemKind = iota
	DuplicateKey
	Comment
)

// Field returns the last member of a Map with exactly this name, or nil. The
// last one counts where a name stands twice, as in every JSON parser AWS uses.
func (n *Node) Field(name string) *Node {
	for i := len(n.Fields) - 1; i >= 0; i-- {
		if n.Fields[i].Name == name {
			return &n.Fields[i].Value
		}
	}
	return nil
}

// At returns the node at a path of member names and list indexes, or nil where
// there is none. The empty path is n itself.
func (n *Node) At(pointer []string) *Node {
	for _, step := range pointer {
		switch n.Kind {
		case Map:
			if n = n.Field(step); n == nil {
				return nil
			}
		case List:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(n.Items) {
				return nil
			}
			n = &n.Items[i]
		default:
			return nil
		}
	}
	return n
}

// Relocate gives every place of the tree another: for a text that is part of a
// larger one.
func (n *Node) Relocate(to func(Pos) Pos) {
	n.Pos = to(n.Pos)
	for i := range n.Items {
		n.Items[i].Relocate(to)
	}
	for i := range n.Fields {
		n.Fields[i].Pos = to(n.Fields[i].Pos)
		n.Fields[i].Value.Relocate(to)
	}
}

// Distinct returns the members that count: of those with the same name only
// the last. It is n.Fields itself when no name stands twice.
func (n *Node) Distinct() []Field {
	if firstRepeat(n.Fields) < 0 {
		return n.Fields
	}
	last := make(map[string]int, len(n.Fields))
	for i := range n.Fields {
		last[n.Fields[i].Name] = i
	}
	kept := make([]Field, 0, len(last))
	for i := range n.Fields {
		if last[n.Fields[i].Name] == i {
			kept = append(kept, n.Fields[i])
		}
	}
	return kept
}

// fewFields is how many members are still compared each with each, which for
// a handful is quicker than a hash table.
const fewFields = 16

// firstRepeat returns the index of the first member whose name stood before,
// or -1.
func firstRepeat(fields []Field) int {
	if len(fields) > fewFields {
		seen := make(map[string]struct{}, len(fields))
		for i := range fields {
			if _, ok := seen[fields[i].Name]; ok {
				return i
			}
			seen[fields[i].Name] = struct{}{}
		}
		return -1
	}
	for i := 1; i < len(fields); i++ {
		for j := range i {
			if fields[i].Name == fields[j].Name {
				return i
			}
		}
	}
	return -1
}

// repeats returns a Problem for every member whose name stood before.
func repeats(problems []Problem, fields []Field) []Problem {
	first := firstRepeat(fields)
	if first < 0 {
		return problems
	}
	seen := make(map[string]struct{}, len(fields))
	for i := range fields {
		f := &fields[i]
		if _, ok := seen[f.Name]; ok && len(problems) < maxProblems {
			problems = append(problems, Problem{Pos: f.Pos, Kind: DuplicateKey, Text: f.Name})
		}
		seen[f.Name] = struct{}{}
	}
	return problems
}
