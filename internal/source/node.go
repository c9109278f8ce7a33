// Package source reads JSON and YAML as people write them into one tree in
// which every element knows its line and column. It is what lets a message
// about a policy, an estate or keyreach.yaml name the place. The lexing is
// done by tailscale/hujson (JSON) and goccy/go-yaml (YAML); this package only
// gives the two one shape and says what was tolerated.
package source

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

// Pos is a line and column, both counted from 1; columns count bytes. Zero is
// "not known".
type Pos struct{ Line, Column int32 }

// Node is one value of a document.
type Node struct {
	Kind Kind
	Pos  Pos
	// Text is the value of a String; for Bool and Number the literal as written;
	// for an Intrinsic its source text.
	Text   string
	Items  []Node  // of a List
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
	Text string
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
