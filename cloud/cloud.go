// Package cloud is what the verbs need of AWS, in words that name no SDK: how calls
// fail, the pieces of work on data that routes are made of, and how far such a piece
// is. Package live speaks to AWS; packages run and plan say what they want of it in
// interfaces of their own, made of these words.
package cloud

import "errors"

// Kind is a way in which a call fails that somebody can do something about.
type Kind string

// The kinds of failure.
const (
	// Denied: AWS refused the caller.
	Denied Kind = "denied"
	// NotFound: what the call is about is not there, or is not seen yet.
	NotFound Kind = "not found"
	// Throttled and Unavailable pass: nothing was done.
	Throttled   Kind = "throttled"
	Unavailable Kind = "unavailable"
	// Lost: no answer came; the call may have been performed.
	Lost Kind = "no answer"
	// Expired: the credentials are no longer valid.
	Expired Kind = "credentials expired"
	// Credentials: there are none, or they are of another account than is meant.
	Credentials Kind = "credentials"
	// UnknownPrincipal: a policy or grant names somebody whom AWS does not see, perhaps
	// not yet.
	UnknownPrincipal Kind = "unknown principal"
	// Exists: what was to be made is there already.
	Exists Kind = "exists"
	// State: the thing is in a state that does not allow the call, perhaps not yet.
	State Kind = "state"
	// Invalid: AWS does not take the call as it is; it will not take it later either.
	Invalid Kind = "invalid"
	// Other is none of these.
	Other Kind = "other"
)

// Error is a call that failed.
type Error struct {
	Kind Kind
	// Operation is the AWS operation, "kms:PutKeyPolicy".
	Operation       string
	Code            string // AWS's code
	Account, Region string
	// RequestID is AWS's id of the call, when an answer came.
	RequestID string
	Err       error
}

func (e *Error) Error() string {
	text := e.Operation
	if e.Account != "" {
		text += " in account " + e.Account
	}
	if e.Region != "" {
		text += " in " + e.Region
	}
	return text + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns how a call failed, Other when err is no *Error, and nothing for nil.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Kind
	}
	return Other
}

// Passes reports whether the same call may go through a little later although nobody
// changes anything: what was written has not spread yet, or AWS is busy.
func Passes(err error) bool {
	switch KindOf(err) {
	case Throttled, Unavailable, UnknownPrincipal, State, NotFound:
		return true
	}
	return false
}

// MadeDeletion is the name under which whoever schedules the deletion of a key is told
// when AWS deletes it, as RFC 3339.
const MadeDeletion = "deletion_date"
