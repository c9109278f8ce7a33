package envelope

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
)

// Options are what is known beforehand of a file that is opened.
type Options struct {
	// End are the bytes with which the plaintext of an intact file ends. By them a file
	// that lacks its end is told from one whose end was changed. May be empty.
	End []byte
	// Begin are those with which it begins. By them a file of a single chunk that lacks its
	// end is told from one that has another file's payload. May be empty.
	Begin []byte
}

// Decrypt returns a reader of the plaintext of an age file, binary or in armor. Each byte
// that it gives was written by somebody who had the file key; that the file is whole is
// known only when it returns io.EOF, so what is read before belongs into a staging place.
//
// Every identity is tried, and the reasons of all that did not open it are in the error.
// Errors have the class NoKey, Corrupt, Truncated or Denied; a failure to read src, and a
// call to AWS that may go through later, have none and are wrapped as they came.
func Decrypt(src io.Reader, o Options, identities ...age.Identity) (io.Reader, error) {
	in := unarmored(src)
	raw, err := scanHeader(in)
	if err != nil {
		return nil, err
	}
	fileKey, err := openHeader(raw, identities)
	if err != nil {
		return nil, err
	}
	defer clear(fileKey)
	return newPayload(in, fileKey, o)
}

// DecryptReaderAt opens an age file of which parts are read, and returns its plaintext with
// the size of it. The errors are those of Decrypt when no identity opens it, and otherwise
// age's: then a chunk, which age looks at for the size, is not the end of the file.
func DecryptReaderAt(src io.ReaderAt, size int64, identities ...age.Identity) (io.ReaderAt, int64, error) {
	all := &everyIdentity{identities: identities}
	plain, n, err := age.DecryptReaderAt(src, size, all)
	if err != nil && all.failed != nil {
		err = all.failed // without age's words around it
	}
	return plain, n, err
}

// openHeader returns the file key, with which the whole header has been verified.
func openHeader(raw []byte, identities []age.Identity) ([]byte, error) {
	if _, err := parseHeader(raw); err != nil {
		return nil, err
	}
	all := &everyIdentity{identities: identities}
	key, err := age.DecryptHeader(raw, all)
	switch {
	case err == nil && len(key) == fileKeySize:
		return key, nil
	case all.failed != nil:
		return nil, all.failed
	case err == nil:
		return nil, Fail(Corrupt, fmt.Errorf("opening the header: a file key of %d bytes, not %d", len(key), fileKeySize))
	}
	// All that is left is the header's own HMAC.
	return nil, Fail(Corrupt, fmt.Errorf("opening the header: it is not as it was written: %w", err))
}

// everyIdentity tries all identities. age gives up at the first that fails otherwise than
// by not matching, but a key that is denied must not keep another from opening.
type everyIdentity struct {
	identities []age.Identity
	failed     error
}

// Unwrap implements age.Identity.
func (e *everyIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := e.unwrap(stanzas)
	e.failed = err
	return key, err
}

func (e *everyIdentity) unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if err := sound(stanzas); err != nil {
		return nil, err
	}
	if err := workFactor(stanzas); err != nil {
		return nil, err
	}
	var failures []error
	// Those that call nobody come first.
	for _, local := range []bool{true, false} {
		for _, id := range e.identities {
			if isLocal(id) != local {
				continue
			}
			key, err := id.Unwrap(stanzas)
			if err == nil {
				return key, nil
			}
			if isNative(id) {
				err = malformed(err)
			}
			failures = append(failures, err)
		}
	}
	return nil, unopened(stanzas, failures)
}

// sound refuses what no file has that age wrote: a passphrase beside other stanzas, whoever
// opens it.
func sound(stanzas []*age.Stanza) error {
	for _, s := range stanzas {
		if s.Type == scryptType && len(stanzas) > 1 {
			return Fail(Corrupt, errors.New("opening the header: a passphrase stanza stands beside others, which age never writes"))
		}
	}
	return nil
}

func isNative(id age.Identity) bool {
	switch id.(type) {
	case *age.X25519Identity, *age.HybridIdentity, *age.ScryptIdentity:
		return true
	}
	return false
}

func isLocal(id age.Identity) bool {
	_, kms := id.(*KMSIdentity)
	return !kms
}

// unopened joins the reasons of identities that did not open a file, under the class that
// asks for the most: an access that was denied or a stanza that was changed is more than
// a key that does not fit, and a call that may go through later leaves it open.
func unopened(stanzas []*age.Stanza, failures []error) error {
	var passing, rest []error
	found := map[Class]bool{}
	for _, err := range failures {
		switch c := ClassOf(err); {
		case c != "":
			found[c] = true
			rest = append(rest, err)
		case !errors.Is(err, age.ErrIncorrectIdentity):
			passing = append(passing, err)
		}
	}
	open := &UnopenedError{Types: typesOf(stanzas), Failures: slices.Concat(rest, passing)}
	switch {
	case found[Denied]:
		return Fail(Denied, open)
	case found[Corrupt]:
		return Fail(Corrupt, open)
	case len(passing) > 0:
		open.passing = passing
		return open
	}
	return Fail(NoKey, open)
}

func typesOf(stanzas []*age.Stanza) []string {
	var types []string
	for _, s := range stanzas {
		what := s.Type
		if what == StanzaType {
			what = "a KMS key"
		}
		if !slices.Contains(types, what) {
			types = append(types, what)
		}
	}
	return types
}

// UnopenedError is a file that no identity opened.
type UnopenedError struct {
	// Types are the different ones of the file's stanzas, in age's words, and "a KMS key".
	Types []string
	// Failures are what the identities said of it that found a stanza of theirs.
	Failures []error
	passing  []error // of them, those that leave it open whether it can be opened
}

func (e *UnopenedError) Error() string {
	text := "opening the header: nothing at hand opens it; it is encrypted for " + strings.Join(e.Types, ", ")
	for _, f := range e.Failures {
		text += "\n  " + strings.ReplaceAll(f.Error(), "\n", "\n  ")
	}
	return text
}

// Unwrap returns the failures that may not be there the next time, or else all of them:
// what passes must not be taken for what another identity said.
func (e *UnopenedError) Unwrap() []error {
	if len(e.passing) > 0 {
		return e.passing
	}
	return e.Failures
}

// streamKey derives the key of a payload: HKDF-SHA-256 of the file key with the nonce that
// begins the payload.
func streamKey(fileKey, nonce []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, fileKey, nonce, "payload", 32)
}
