package envelope

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const maxIdentityFile = 1 << 20

// ParseRecipient reads a recipient of age: age1… (X25519) or age1pq… (with ML-KEM-768).
func ParseRecipient(text string) (age.Recipient, error) {
	text = strings.TrimSpace(text)
	// A file of one recipient, so that age knows its forms; a line that began with # would
	// be a comment of it.
	if strings.ContainsAny(text, "\n\r") || !strings.HasPrefix(text, "age1") {
		return nil, errors.New("reading an age recipient: it has to begin with age1 or age1pq1")
	}
	r, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil || len(r) != 1 {
		return nil, fmt.Errorf("reading the age recipient %s: it is neither age1… nor age1pq1…, or was mistyped", text)
	}
	return r[0], nil
}

// ParseRecipients reads several.
func ParseRecipients(texts ...string) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, text := range texts {
		r, err := ParseRecipient(text)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// ReadIdentities reads an identity file of age: lines of AGE-SECRET-KEY-…, and comments. A
// file that is itself encrypted with a passphrase, as age -p makes it, is opened first; the
// passphrase is asked for only then, and may be nil. Errors show nothing of the file.
func ReadIdentities(r io.Reader, passphrase func() (string, error)) ([]age.Identity, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxIdentityFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading age identities: %w", err)
	}
	if len(text) > maxIdentityFile {
		return nil, fmt.Errorf("reading age identities: the file is longer than %d bytes", maxIdentityFile)
	}
	if isEncrypted(text) {
		if text, err = openIdentities(text, passphrase); err != nil {
			return nil, err
		}
	}
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading age identities: %w", err)
	}
	return ids, nil
}

func isEncrypted(text []byte) bool {
	return bytes.HasPrefix(text, []byte(intro)) || bytes.HasPrefix(bytes.TrimSpace(text), []byte(armor.Header))
}

func openIdentities(text []byte, passphrase func() (string, error)) ([]byte, error) {
	if passphrase == nil {
		return nil, errors.New("reading age identities: the file is encrypted, and there is no passphrase for it")
	}
	word, err := passphrase()
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase of age identities: %w", err)
	}
	id, err := NewPassphraseIdentity(word)
	if err != nil {
		return nil, fmt.Errorf("opening age identities: %w", err)
	}
	plain, err := Decrypt(bufio.NewReader(bytes.NewReader(text)), Options{}, id)
	if err != nil {
		return nil, fmt.Errorf("opening age identities: %w", err)
	}
	opened, err := io.ReadAll(io.LimitReader(plain, maxIdentityFile+1))
	if err != nil {
		return nil, fmt.Errorf("opening age identities: %w", err)
	}
	return opened, nil
}
