package rules

import (
	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

// Material is everything in one text that a rule can look at. What is not
// known is empty, and a rule that needs it stays silent.
type Material struct {
	File string
	// Format is what the text is, as messages name it: key policy, Terraform.
	Format    string
	Policies  []*Policy
	Grants    []*Grant
	Keys      []*Key
	Resources []*Resource
	Commands  []*Command
	Prose     []*Prose
	Code      []*Code
	// Written are the files that other programs of a script write.
	Written []Written
	// Estate is the estate that the text is or that was given with it; nil when
	// there is none.
	Estate *estate.Estate
	// Places says where the estate has its keys, grants and resources, by ARN or
	// id; empty when it was not read from a text.
	Places map[string]finding.Position

	// said keeps the sentences of Prose, which many rules ask for. One goroutine
	// at a time may ask rules about a material.
	said []sentence
}

// Empty reports whether there is nothing to look at.
func (m *Material) Empty() bool {
	return len(m.Policies)+len(m.Grants)+len(m.Keys)+len(m.Resources)+len(m.Commands)+len(m.Prose)+len(m.Code) == 0 && m.Estate == nil
}

// Kind says what a policy is attached to, which decides what it means.
type Kind uint8

// The kinds of policies.
const (
	OtherPolicy Kind = iota // not known, or of no interest here
	KeyPolicy
	IdentityPolicy
	TrustPolicy
	ControlPolicy         // a service control policy
	ResourceControlPolicy // a resource control policy
	EndpointPolicy
	BoundaryPolicy
	SessionPolicy
	BucketPolicy
	ResourcePolicy // of another resource: a topic, a queue, a vault, a secret
)

// Policy is one policy document, or a part of one.
type Policy struct {
	Doc  *policy.Document
	Kind Kind
	// Whole is set when the document is known to be the whole policy: what it does
	// not say nobody says. A statement shown by itself is a fragment.
	Whole bool
	// Standalone is set when the document is a text of its own, with Version and
	// Statement: probably the whole policy, though nothing proves it.
	Standalone bool
	// Key is the key of a key policy as far as it is known: its account, Region or
	// partition may stand there alone.
	Key arn.ARN
	// Owner names what the policy belongs to, for messages: an ARN, the name of a
	// resource of a template, the name of a role.
	Owner string
	// Name is the policy's own name among those of its owner.
	Name string
	// Role is the role, user or group by name that an identity policy is attached
	// to, when the text says so.
	Role string
	// NotInForce says why AWS does not take a policy that somebody meant for its
	// owner; empty for one that is in force.
	NotInForce string
	// Read holds what the reader of the document found wrong.
	Read []finding.Finding
}

// Grant is one grant, declared, asked for or found.
type Grant struct {
	Pos                finding.Position
	ID, Name           string
	Key                string // ARN, id, or alias as written; "" unknown
	Grantee            string // ARN, or a service
	Retiring           string
	Operations         []string
	Issuer             string // account that issued it, or the ARN
	Constraints        *source.Node
	Created            string // RFC 3339, when it is known
	FromAWS            bool   // it was read from AWS, and not written by a person
	UnknownGrantee     bool   // the grantee holds what is still to be filled in
	UnknownOperations  bool
	RetiringIsUnknown  bool
	ConstraintsUnknown bool
}

// Key is one key, declared in a template or found in an estate.
type Key struct {
	Pos  finding.Position
	Name string  // of the resource, or the key's ARN
	ARN  arn.ARN // as far as it is known
	// State, Spec, Usage, Origin and Manager are AWS's words; "" is not known.
	State, Spec, Usage, Origin, Manager string
	MultiRegion                         bool
	Aliases                             []string
	Policy                              *Policy // nil when it is not known
	// Resource is the declaration; nil for a key of an estate.
	Resource *Resource
}

// Resource is one declared thing of a template: of CloudFormation, Terraform,
// Ansible, Crossplane or ACK.
type Resource struct {
	Pos    finding.Position
	Format string // cloudformation, terraform, terraform-plan, ansible, crossplane, ack
	// Type is the format's own name for it: AWS::KMS::Key, aws_kms_key,
	// amazon.aws.kms_key, kms.aws.upbound.io/Key, kms.services.k8s.aws/Key.
	Type, Name string
	// Body holds its properties. What is worked out elsewhere is a node of the kind
	// Intrinsic, and a text with a part of that kind keeps the part as ${…}.
	Body *source.Node
	// Whole is the declaration with what stands beside the properties, such as
	// DeletionPolicy.
	Whole *source.Node
}

// Command is one call of the AWS CLI in a script or a text.
type Command struct {
	Pos       finding.Position
	Service   string // kms
	Operation string // put-key-policy
	Options   []Option
	Args      []Word // what stands after the operation without an option
	// Stdin is the command whose output is piped into this one, and Pipe the words
	// of the command that its own output is piped into.
	Stdin *Pipe
	Pipe  *Pipe
	// Out is the file that its output is written to, and Into the variable that its
	// output, or what a pipe makes of it, is assigned to or is looped over with.
	Out, Into string
	// Script numbers the scripts of the text; commands of one block share it.
	Script int
	// Headings are those above the command, outermost first, and Comment the lines
	// of comment right above it, on one line.
	Headings []string
	Comment  string
	// Guarded is set where the script looks first whether the thing is there, or
	// goes on when the command fails.
	Guarded bool
}

// Written is a file that a program of a script writes.
type Written struct {
	Pos  finding.Position
	File string
	// Variable is the one whose value alone is written; "" for anything else.
	Variable string
	Script   int
}

// Pipe is the other end of a pipe.
type Pipe struct {
	Words   []Word
	Command *Command // when it is an AWS command too
	Next    *Pipe    // what the other end is piped on into, or from
}

// Option is one option with its values.
type Option struct {
	Name   string // --key-id, or -o
	Pos    finding.Position
	Values []Word
}

// Word is one word of a command.
type Word struct {
	Text string
	Pos  finding.Position
	// Unknown is set when the shell or a person still puts something in.
	Unknown bool
	// JSON is the word's value when it is JSON, or the content of the file that it
	// names when the text shows that file.
	JSON *source.Node
}

// Prose is a paragraph or an item of a list.
type Prose struct {
	Pos      finding.Position
	Headings []string // the headings above it, outermost first
	Text     string   // on one line, without marks; code in it stands in ` `
}

// Code is a block of a language that nothing here reads.
type Code struct {
	Pos      finding.Position
	Headings []string
	Language string
	Text     string
}

// Option returns the option of a command with this name, or nil.
func (c *Command) Option(name string) *Option {
	for i := range c.Options {
		if c.Options[i].Name == name {
			return &c.Options[i]
		}
	}
	return nil
}

// Value returns the first value of an option, and whether there is one.
func (c *Command) Value(name string) (Word, bool) {
	if o := c.Option(name); o != nil && len(o.Values) > 0 {
		return o.Values[0], true
	}
	return Word{}, false
}

// Is reports whether the command is an operation of a service.
func (c *Command) Is(service, operation string) bool {
	return c.Service == service && c.Operation == operation
}
