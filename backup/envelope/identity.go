package envelope

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/keyreach/keyreach/cloud"
)

// KMSIdentity opens files by the KMS keys under which their file keys are. It implements
// age.Identity.
type KMSIdentity struct {
	ctx    context.Context
	kms    KMS
	allow  AllowList
	expect Context
}

// NewKMSIdentity returns an identity that calls the keys that are allowed. The encryption
// context of a stanza has to be one of Keyreach's, and to have every name and value that
// is expected; what is expected is what KMS is told, so that a file passes for no other
// backup than the one that is meant.
func NewKMSIdentity(ctx context.Context, kms KMS, allow AllowList, expect Context) *KMSIdentity {
	return &KMSIdentity{ctx: ctx, kms: kms, allow: allow, expect: expect}
}

// Attempt is what came of one stanza, or of one key that was called for it.
type Attempt struct {
	// Key is the ARN in the stanza, and Called that of the key that was called: the same,
	// a replica, or empty when none was.
	Key, Called string
	// State is AWS's word for the state of the key, where it was asked for because of
	// the failure.
	State string
	// Err is nil when it opened.
	Err error
}

func (a Attempt) String() string {
	text := a.Key
	if a.Called != "" && a.Called != a.Key {
		text += " (by its replica " + a.Called + ")"
	}
	if a.Err == nil {
		return text + ": opened"
	}
	text += ": " + a.Err.Error()
	if a.State != "" {
		text += " (" + a.State + ")"
	}
	return text
}

// errNotAllowed is of a key that is not called.
var errNotAllowed = errors.New("not called, since it is not among the keys and accounts that are allowed")

// AttemptsError tells of each key why it did not open the file.
type AttemptsError struct{ Attempts []Attempt }

func (e *AttemptsError) Error() string {
	lines := []string{"no KMS key opened it:"}
	for _, a := range e.Attempts {
		lines = append(lines, "  "+a.String())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the failures that decide what has to be done: only their class and kind
// are found in it, not those of the others.
func (e *AttemptsError) Unwrap() []error {
	decides := e.class()
	var errs []error
	for _, a := range e.Attempts {
		if outcome(a.Err) == decides {
			errs = append(errs, a.Err)
		}
	}
	return errs
}

// class is that of the attempts together: access that was denied and a stanza that was
// changed ask for the most, and what may go through later leaves all open.
func (e *AttemptsError) class() Class {
	for _, c := range []Class{Denied, Corrupt, ""} {
		if slices.ContainsFunc(e.Attempts, func(a Attempt) bool { return outcome(a.Err) == c }) {
			return c
		}
	}
	return NoKey
}

// Is makes it match age.ErrIncorrectIdentity where no key was of use, so that age itself
// goes on to other identities.
func (e *AttemptsError) Is(target error) bool {
	return target == age.ErrIncorrectIdentity && e.class() == NoKey
}

// Unwrap implements age.Identity. Without a stanza of StanzaType the error is
// age.ErrIncorrectIdentity. Otherwise its class is Denied when an allowed key was denied,
// Corrupt when KMS does not know what it was given, and NoKey when no key was to be
// called or none is of use; when a call failed that may go through later there is none,
// and the *cloud.Error is kept. Every key is in the text, an *AttemptsError.
func (i *KMSIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	var attempts []Attempt
	for _, s := range stanzas {
		if s.Type != StanzaType {
			continue
		}
		key, tried := i.try(s)
		if key != nil {
			return key, nil
		}
		attempts = append(attempts, tried...)
	}
	if len(attempts) == 0 {
		return nil, fmt.Errorf("%w: no stanza is of a KMS key", age.ErrIncorrectIdentity)
	}
	return nil, classify(&AttemptsError{attempts})
}

func classify(e *AttemptsError) error {
	if c := e.class(); c != "" {
		return Fail(c, e)
	}
	return e
}

// outcome is the class of one attempt; empty for what may go through later.
func outcome(err error) Class {
	var own *Error
	if errors.As(err, &own) {
		return own.Class
	}
	var call *cloud.Error
	if !errors.As(err, &call) {
		return ""
	}
	switch call.Kind {
	case cloud.Denied:
		return Denied
	case cloud.NotFound, cloud.State:
		return NoKey
	case cloud.Invalid:
		// A key of another usage opens nothing, but nothing is wrong with the file. All
		// else that KMS does not take is the blob: InvalidCiphertextException, also for a
		// context other than the one it was made in, and IncorrectKeyException. See
		// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors.
		if call.Code == "InvalidKeyUsageException" {
			return NoKey
		}
		return Corrupt
	}
	return ""
}

// try opens one stanza, by its own key or by a replica of it. The attempts are those that
// failed.
func (i *KMSIdentity) try(s *age.Stanza) ([]byte, []Attempt) {
	w, err := readStanza(s)
	if err != nil {
		return nil, []Attempt{{Key: name(w), Err: Fail(Corrupt, err)}}
	}
	c, err := i.context(w.Context)
	if err != nil {
		return nil, []Attempt{{Key: w.ARN, Err: Fail(NoKey, err)}}
	}
	calls := i.allow.Calls(w.ARN)
	if len(calls) == 0 {
		return nil, []Attempt{{Key: w.ARN, Err: Fail(NoKey, errNotAllowed)}}
	}
	var attempts []Attempt
	for _, key := range calls {
		fileKey, err := i.kms.Decrypt(i.ctx, key, w.Blob, c)
		if err == nil && len(fileKey) == fileKeySize {
			return fileKey, attempts
		}
		if err == nil {
			err = Fail(Corrupt, fmt.Errorf("it holds %d bytes, a file key has %d", len(fileKey), fileKeySize))
			clear(fileKey)
		}
		attempts = append(attempts, Attempt{Key: w.ARN, Called: key, State: i.state(key, err), Err: err})
	}
	return nil, attempts
}

func name(w Wrapped) string {
	if w.ARN == "" {
		return "a stanza without a key"
	}
	return w.ARN
}

// state asks what state a key is in that says it is in the wrong one. That it cannot be
// asked is no reason of its own.
func (i *KMSIdentity) state(key string, err error) string {
	if cloud.KindOf(err) != cloud.State {
		return ""
	}
	k, err := i.kms.DescribeKey(i.ctx, key)
	if err != nil {
		return ""
	}
	if !k.Deletion.IsZero() {
		return k.State + ", deleted on " + k.Deletion.UTC().Format("2006-01-02 15:04 MST") + " unless that is cancelled"
	}
	return k.State
}

// context returns what KMS is told for a stanza of that context, or why that is not the
// context of what is to be opened.
func (i *KMSIdentity) context(c Context) (Context, error) {
	if err := ours(c); err != nil {
		return nil, fmt.Errorf("not called, since %w", err)
	}
	for _, n := range slices.Sorted(maps.Keys(i.expect)) {
		if have, ok := c[n]; !ok || have != i.expect[n] {
			return nil, fmt.Errorf("not called, since its context is of another backup: %s is %q, expected %q", n, have, i.expect[n])
		}
	}
	told := maps.Clone(c)
	maps.Copy(told, i.expect)
	return told, nil
}

// ours reports a context that no backup of Keyreach has.
func ours(c Context) error {
	for _, n := range []string{ContextApp, ContextFormat} {
		if want := NewContext("", "", "")[n]; c[n] != want {
			return fmt.Errorf("its context is not one of Keyreach: %s is %q, not %q", n, c[n], want)
		}
	}
	return nil
}
