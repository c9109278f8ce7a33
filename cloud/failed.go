package cloud

import "time"

// Subject names something that failed: by an ARN, an id or a name, in an account and
// Region that an ARN without them does not tell.
type Subject struct{ ID, Account, Region string }

// Failed is something that failed, as its own service tells it.
type Failed struct {
	ID string `json:"id"`
	// What it is, in AWS's words: snapshot, copy job, scaling activity.
	What    string `json:"what"`
	ARN     string `json:"arn,omitempty"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// State is AWS's word, and Text what AWS tells beside; both may be empty.
	State string `json:"state,omitempty"`
	Text  string `json:"text,omitempty"`
	// Fine is set when it did not fail, or has not yet.
	Fine bool `json:"fine,omitempty"`
	// At is when it began, and Until when it ended; zero when AWS does not tell.
	At    time.Time `json:"at,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Operation is the AWS operation that makes such a thing: ec2:CopySnapshot.
	Operation string `json:"operation,omitempty"`
	// Principal is the role as which the service works, where the service tells.
	Principal string `json:"principal,omitempty"`
	// Keys are the ids or ARNs of the keys that it is or was to be under.
	Keys []string `json:"keys,omitempty"`
	// Related are ids that the calls to KMS for it may name in their encryption context:
	// its own, and those of its volumes and snapshots.
	Related []string `json:"related,omitempty"`
	// Log are other lines that the service keeps of it, the earliest first.
	Log []string `json:"log,omitempty"`
}

// Trail is a question to CloudTrail: the calls of an account in a Region in a time.
type Trail struct {
	Account, Region string
	From, To        time.Time // a zero To is now
	// Sources are event sources, as kms.amazonaws.com; Names are event names. Exactly one
	// of the two is given, and each is looked up by itself.
	Sources, Names []string
	// Refused leaves out what succeeded, Made what was refused.
	Refused, Made bool
}

// Event is one call in CloudTrail's history.
type Event struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Source  string    `json:"source"` // kms.amazonaws.com
	Name    string    `json:"name"`   // Decrypt
	Account string    `json:"account"`
	Region  string    `json:"region"`
	// Who is the ARN of the caller, or the name of the service.
	Who string `json:"who"`
	// InvokedBy is the service that made the call for the caller.
	InvokedBy string `json:"invoked_by,omitempty"`
	Code      string `json:"code,omitempty"`
	Message   string `json:"message,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// Resources are the ARNs that the event names.
	Resources []string `json:"resources,omitempty"`
	// Context is the encryption context, of a call to KMS.
	Context map[string]string `json:"context,omitempty"`
	// Parameters are the request's parameters that are texts, by their names.
	Parameters map[string]string `json:"parameters,omitempty"`
	// Record is the event as CloudTrail wrote it.
	Record string `json:"-"`
}

// Decoded is what an encoded authorization message says.
type Decoded struct {
	ExplicitDeny bool   `json:"explicit_deny"`
	Principal    string `json:"principal,omitempty"`
	Action       string `json:"action,omitempty"`
	Resource     string `json:"resource,omitempty"`
	// Statements are those that matched, where AWS tells: Sid and effect, or their place.
	Statements []string            `json:"statements,omitempty"`
	Conditions map[string][]string `json:"conditions,omitempty"`
}
