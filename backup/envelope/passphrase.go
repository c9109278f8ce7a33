package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"filippo.io/age"
	"golang.org/x/text/unicode/norm"
)

const (
	scryptType = "scrypt"
	// maxWorkFactor bounds the memory that a file may ask for: 2^22 takes about 4 GiB.
	maxWorkFactor = 22
	maxPassphrase = 1 << 16
)

// ReadPassphrase reads a passphrase from a file or a descriptor. One newline at its end is
// not part of it. Its errors do not show what was read.
func ReadPassphrase(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPassphrase+1))
	if err != nil {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	if len(b) > maxPassphrase {
		return "", fmt.Errorf("reading the passphrase: it is longer than %d bytes", maxPassphrase)
	}
	if cut, ok := bytes.CutSuffix(b, []byte("\n")); ok {
		b = bytes.TrimSuffix(cut, []byte("\r"))
	}
	if len(b) == 0 {
		return "", errors.New("reading the passphrase: it is empty")
	}
	return string(b), nil
}

// PassphraseRecipient encrypts with a passphrase, by age's scrypt recipient. It takes
// about a second and 280 MB, and has to be the only recipient.
type PassphraseRecipient struct{ *age.ScryptRecipient }

// NewPassphraseRecipient refuses an empty passphrase.
func NewPassphraseRecipient(passphrase string) (*PassphraseRecipient, error) {
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, errors.New("the passphrase is empty")
	}
	return &PassphraseRecipient{r}, nil
}

// PassphraseIdentity opens what was encrypted with a passphrase.
//
// The passphrase is taken byte by byte, as age itself takes it, or stock age would not
// open what Keyreach wrote. But the same letters may be typed as other bytes on another
// system: é is one code point from one keyboard and two (e and an accent) in a file name
// pasted from macOS. So when the bytes do not open it, the composed and the decomposed
// form of Unicode are tried too (NFC, NFD, https://unicode.org/reports/tr15/), each of
// which costs another second.
type PassphraseIdentity struct{ forms []string }

// NewPassphraseIdentity refuses an empty passphrase.
func NewPassphraseIdentity(passphrase string) (*PassphraseIdentity, error) {
	if passphrase == "" {
		return nil, errors.New("the passphrase is empty")
	}
	i := &PassphraseIdentity{forms: []string{passphrase}}
	for _, form := range []string{norm.NFC.String(passphrase), norm.NFD.String(passphrase)} {
		if form != passphrase {
			i.forms = append(i.forms, form)
		}
	}
	return i, nil
}

// wrongPassphrase is to age an identity that is not the file's.
type wrongPassphrase struct{}

func (wrongPassphrase) Error() string { return "the passphrase does not open it" }

func (wrongPassphrase) Is(target error) bool { return target == age.ErrIncorrectIdentity }

// Unwrap implements age.Identity. A wrong passphrase has the class NoKey, as has a file
// that would take too much memory to open; that is refused before any is taken.
func (i *PassphraseIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if err := workFactor(stanzas); err != nil {
		return nil, err
	}
	var last error
	for _, form := range i.forms {
		id, err := age.NewScryptIdentity(form)
		if err != nil {
			return nil, err
		}
		id.SetMaxWorkFactor(maxWorkFactor)
		key, err := id.Unwrap(stanzas)
		if err == nil || !errors.Is(err, age.ErrIncorrectIdentity) {
			return key, malformed(err)
		}
		last = err
	}
	if len(stanzas) == 1 && stanzas[0].Type == scryptType {
		return nil, Fail(NoKey, wrongPassphrase{})
	}
	return nil, last
}

// workFactor refuses stanzas that ask for more memory than is given to any file.
func workFactor(stanzas []*age.Stanza) error {
	for _, s := range stanzas {
		if s.Type != scryptType || len(s.Args) != 2 {
			continue
		}
		if n, err := strconv.Atoi(s.Args[1]); err == nil && n > maxWorkFactor {
			return Fail(NoKey, fmt.Errorf("its passphrase stanza asks for a work factor of 2^%d, which takes more than the %d GiB of memory that a file is given: 2^%d is the most", n, 4, maxWorkFactor))
		}
	}
	return nil
}

// malformed gives the class Corrupt to what a native identity says of a stanza that is of
// its type and not of its form.
func malformed(err error) error {
	if err == nil || errors.Is(err, age.ErrIncorrectIdentity) {
		return err
	}
	return Fail(Corrupt, fmt.Errorf("reading a stanza of the header: %w", err))
}
