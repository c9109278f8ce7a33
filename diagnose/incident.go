package diagnose

import "github.com/keyreach/keyreach/access"

// Kind is what a principal is, as far as its name tells.
type Kind string

// The kinds of principals.
const (
	User        Kind = "user"    // an IAM user, or a federated one
	Role        Kind = "role"    // a role or a session of one
	ServiceRole Kind = "slr"     // a service-linked role
	Service     Kind = "service" // an AWS service itself: logs.amazonaws.com
	Root        Kind = "root"    // the account's root user
	Unknown     Kind = "unknown" // the text does not tell
)

// Incident is one failure found in a text. What the text does not tell is
// empty; masked parts stay as they were written.
type Incident struct {
	Line, Column  int               // where it begins in the text, from 1; the column in bytes
	Text          string            // its words, unwrapped and without colours, secrets masked
	Code          string            // AccessDeniedException, KMS.DisabledException, …
	Service       string            // IAM prefix of the service that answered or was called: kms, s3, ec2, …
	Operation     string            // CreateTrail, GetObject, …
	Principal     string            // who was refused
	PrincipalKind Kind              // what that is; Unknown when the text does not tell
	Action        string            // the action that was refused: kms:Decrypt, or another service's
	Key           string            // ARN, id or alias of the key
	Account       string            // account of the principal
	KeyAccount    string            // account in the key's ARN
	Region        string            // of the key, else of the event
	Layer         access.Layer      // the layer that the text names; access.ResourcePolicy stands for the key policy too
	Explicit      bool              // the text says "explicit deny"
	PolicyARN     string            // the policy that denies, when the text names it
	RequestID     string            // of the failed request
	Via           string            // service that made the call for somebody: config.amazonaws.com
	Context       map[string]string // encryption context, when told
	Encoded       string            // an encoded authorization message
	Form          string            // name of the form that recognised it
	Causes        []Cause           // best first, never empty in what Read returns

	words   string // those by which the form is recognised
	implied Kind   // who calls, where only the words around tell; "" when they do not
}

// Cause is one reason that an incident may have.
type Cause struct {
	Code          string     // one of Codes
	Confidence    float64    // likelihood from 0 to 1; those of an incident sum to at most 1
	MissingAction string     // the KMS action that is missing, "" when none is named or can be told
	PrincipalKind Kind       // who lacks it
	Evidence      []string   // the words it rests on, and why they say so
	Settles       []Question // what would settle it
	Fix           string     // what to do when it is this
	Verdict       Verdict    // what an estate says to it; "" when none was asked
	Why           []string   // with an estate: its reasons, in sentences
}

// Verdict is what an estate says to a cause.
type Verdict string

// The verdicts.
const (
	True     Verdict = "true"      // the estate has this defect
	RuledOut Verdict = "ruled out" // the estate shows that it is not this
	Open     Verdict = "open"      // the estate does not tell
)

// Question is a fact that would settle a cause, and the command that gets it.
// The command is text for a person: nothing of it is run.
type Question struct{ Fact, Command string }
