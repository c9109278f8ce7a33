// Package gate stands between every call to the sandbox and its handler: it asks
// package access whether the caller may, and says no in AWS's words. No service
// decides access.
package gate

import (
	"cmp"
	"context"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/policy"
)

// Call is one request to a service, as its handler sees it.
type Call struct {
	ID        string // the request id
	Service   string // kms
	Operation string // Decrypt
	Region    string
	Caller    Caller
	At        time.Time
	SourceIP  string
	UserAgent string
	// MFA is set when the request has the code of a device.
	MFA bool
	// Presigned is set for a request that is signed in its query, and Payload is what it
	// states as its body's hash.
	Presigned bool
	Payload   string

	// Forward is set when a service makes the call: only the sandbox's own client
	// does that.
	Forward *Forward
	// Writing is set when the state is locked for writing.
	Writing bool
	// Prepared is what the operation's Prepare made.
	Prepared any
	// Asked is the questions that were put for this call, for those who want to
	// know why.
	Asked []*estate.Case
	// Resources are the ARNs of what the call was about, with their owners, for the
	// call history.
	Resources []Resource
}

// Resource is something that a call was about.
type Resource struct{ ARN, Account, Type string }

// Forward says how a service makes a call.
type Forward struct {
	// Service is the name of the forwarding service, as "ec2".
	Service string
	// Told is what CloudTrail calls the service where it has another name for it.
	Told string
	// ForResource is set when the service acts for a resource of its own: a grant
	// made then has kms:GrantIsForAWSResource.
	ForResource bool
	// SourceARN and SourceAccount are set when the service calls for itself.
	SourceARN, SourceAccount string
	// Region is where the service calls, when that is not the Region of the call that
	// it was called with.
	Region string
	// Assumed is set when the caller is a role that the service assumed: it then
	// calls as anybody does, and forwards nothing.
	Assumed bool

	// through are the services that forwarded before, the first first.
	through []string
}

// Name is what CloudTrail calls the service.
func (f *Forward) Name() string { return cmp.Or(f.Told, f.Service) + ".amazonaws.com" }

// After returns how a service forwards a call that came to it itself as f says, which
// may be nil.
func (f Forward) After(before *Forward) Forward {
	if before != nil && !before.Assumed {
		f.through = append(append([]string{}, before.through...), before.Service)
	}
	return f
}

// As returns a context whose call is made by somebody else, as of a role that a
// service assumes.
func As(ctx context.Context, caller Caller) context.Context {
	c := *From(ctx)
	c.Caller = caller
	return With(ctx, &c)
}

// Caller is who makes a call.
type Caller struct {
	policy.Caller
	AccessKeyID string
	// Session is set for temporary credentials.
	Session *Session
}

// Session is temporary credentials and what limits them.
type Session struct {
	Token, AccessKeyID, Secret string
	Account                    string
	// ARN is that of the session: sts…:assumed-role, sts…:federated-user, or of the
	// user whom GetSessionToken was called by.
	ARN string
	// ID is AROA…:name, ACCOUNT:name, AIDA… or the account.
	ID string
	// Principal is the ARN of the role, user or root whose policies count;
	// PrincipalID is its unique id when the session was made.
	Principal, PrincipalID string
	// Policies are the session policies as given, PolicyARNs managed ones, which
	// count in their current version.
	Policies   []string          `json:",omitempty"`
	PolicyARNs []string          `json:",omitempty"`
	Tags       map[string]string `json:",omitempty"`
	Transitive []string          `json:",omitempty"`
	// Source is the source identity.
	Source string `json:",omitempty"`
	// MFA is set when GetSessionToken was given the code of a device.
	MFA     bool `json:",omitempty"`
	Issued  time.Time
	Expires time.Time

	// Documents are the session policies ready to be asked, Holder the session itself
	// and Behind the principal that it is of.
	Documents []*estate.Document `json:"-"`
	Holder    arn.Principal      `json:"-"`
	// IssuedText is Issued as conditions see it.
	IssuedText string        `json:"-"`
	Behind     arn.Principal `json:"-"`
}

// Ready works out what is not stored of a session.
func (s *Session) Ready() {
	s.Documents = nil
	for _, text := range s.Policies {
		s.Documents = append(s.Documents, Document("session policy", text))
	}
	s.IssuedText = s.Issued.UTC().Format(time.RFC3339)
	// The ARNs are the sandbox's own: they can be read.
	s.Behind, _ = arn.ParsePrincipal(s.Principal)
	s.Holder, _ = arn.ParsePrincipal(s.ARN)
	if s.Holder.Kind == arn.AssumedRole {
		s.Holder = s.Holder.WithRole(s.Principal)
	}
}

// Federated reports whether the session is GetFederationToken's, which has only
// the rights that its session policy names.
func (s *Session) Federated() bool {
	return s != nil && s.ARN != s.Principal && s.ID != "" && s.ID[0] < 'A'
}

// OfRole reports whether the session is AssumeRole's. Those of GetSessionToken and
// GetFederationToken may ask less of IAM and STS.
func (s *Session) OfRole() bool { return s != nil && s.Holder.Kind == arn.AssumedRole }

type callKey struct{}

// With returns a context that carries the call.
func With(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// From returns the call that the context carries. Handlers are only called with
// one.
func From(ctx context.Context) *Call { return ctx.Value(callKey{}).(*Call) }
