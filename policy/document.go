package policy

import (
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
)

// Pos is a line and column in the document's file.
type Pos = source.Pos

// Document is one policy as somebody wrote it. It keeps what was written, in
// the order and the form written, so that printing gives the same policy back;
// what it means is worked out by Compile.
//
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
type Document struct {
	File       string
	Pos        Pos
	Form       Form
	Version    *Value // nil when missing, which means 2008-10-17
	ID         *Value
	Statements []Statement
	// Extra holds members that the policy language does not know, such as a
	// misspelt element. They have no effect, and are kept for the printer.
	Extra []Element

	order order
}

// Form is how the statements were written.
type Form uint8

// The forms people use.
const (
	StatementList   Form = iota // "Statement": [ … ]
	SingleStatement             // "Statement": { … }
	BareStatements              // [ … ] without an object around it
	NoStatement                 // a document without the element
)

// Statement is one statement of a policy.
type Statement struct {
	Pos          Pos
	Sid          *Value
	Effect       *Value
	Principal    *PrincipalElement
	NotPrincipal *PrincipalElement
	Action       *List
	NotAction    *List
	Resource     *List
	NotResource  *List
	Conditions   []Operator
	// HasCondition tells "Condition": {} from no Condition at all.
	HasCondition bool
	Extra        []Element
	// Opaque is set when the whole statement is a template expression (a bare
	// Fn::If, say): what it will say is not known. Its source is in Extra.
	Opaque bool

	order order
}

// PrincipalElement is a Principal or NotPrincipal: either one text ("*") or a
// map from type to names.
type PrincipalElement struct {
	Pos    Pos
	Text   *Value // the string form
	Groups []PrincipalGroup
}

// PrincipalGroup is the names of one type: AWS, Service, Federated or
// CanonicalUser.
type PrincipalGroup struct {
	Type  string
	Pos   Pos
	Names List
}

// Operator is one member of a Condition: an operator and its keys.
type Operator struct {
	Name string // as written: "ForAnyValue:StringLike"
	Pos  Pos
	Keys []Key
}

// Key is one condition key under an operator, with the values it is compared
// with.
type Key struct {
	Name   string // as written
	Pos    Pos
	Values List
}

// List is one or more values; Single tells "x" from ["x"].
type List struct {
	Pos    Pos
	Single bool
	Values []Value
}

// Value is one scalar of a policy.
type Value struct {
	Pos  Pos
	Kind ValueKind
	// Text is what AWS compares: the string itself, "true" for the JSON boolean,
	// the digits of a number. Of an Opaque value it is the source text.
	Text string
	// Unknown is set when the text holds a placeholder that somebody still has to
	// fill in (${account}, <region>, {{ x }}, $VAR, ACCOUNT_ID): it may become
	// anything there, and what depends on it is not known.
	Unknown bool
}

// ValueKind is how a value was written.
type ValueKind uint8

// The kinds of values.
const (
	StringValue ValueKind = iota
	BoolValue
	NumberValue
	NullValue
	OpaqueValue // a template expression such as {"Fn::Sub": …} or !Ref x
)

// Element is a member that is kept but not understood.
type Element struct {
	Name string
	Pos  Pos
	Node source.Node
}

// Position returns where p is, with the file's name.
func (d *Document) Position(p Pos) finding.Position {
	if p.Line == 0 {
		return finding.Position{File: d.File}
	}
	return finding.Position{File: d.File, Line: int(p.Line), Column: int(p.Column)}
}

// Whole returns a policy document of one statement list, ready to be printed:
// the form that code, rather than a person, writes.
func Whole(statements ...Statement) *Document {
	return &Document{Version: &Value{Text: Version2012}, Statements: statements}
}

// The two versions of the policy language. A document without a version is
// read as the older one, in which policy variables are plain text.
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)
