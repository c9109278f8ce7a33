package envelope

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"
)

// Rewrap returns a header by which the recipients open the same payload. The old one is
// opened with the identities, and has to be intact. The file key stays what it is: whoever
// has opened the old header can open every payload under the new one.
func Rewrap(header []byte, identities []age.Identity, recipients []age.Recipient) ([]byte, error) {
	fileKey, err := openHeader(header, identities)
	if err != nil {
		return nil, err
	}
	defer clear(fileKey)
	if recipients, err = agree(recipients); err != nil {
		return nil, err
	}
	stanzas, err := wrapAll(fileKey, recipients)
	if err != nil {
		return nil, err
	}
	made, err := marshal(fileKey, stanzas)
	if err != nil {
		return nil, fmt.Errorf("writing the header: %w", err)
	}
	// age itself has to read what was made here, before anything depends on it.
	if _, err := age.DecryptHeader(made, age.NewInjectedFileKeyIdentity(fileKey)); err != nil || len(made) > maxHeader {
		return nil, errors.New("writing the header: what was made is no header that age opens")
	}
	return made, nil
}

func wrapAll(fileKey []byte, recipients []age.Recipient) ([]*age.Stanza, error) {
	var all []*age.Stanza
	var labels []string
	for i, r := range recipients {
		var own []*age.Stanza
		var l []string
		var err error
		if lr, ok := r.(age.RecipientWithLabels); ok {
			own, l, err = lr.WrapWithLabels(fileKey)
		} else {
			own, err = r.Wrap(fileKey)
		}
		if err != nil {
			return nil, err
		}
		l = slices.Clone(l)
		slices.Sort(l)
		if i > 0 && !slices.Equal(labels, l) {
			return nil, fmt.Errorf("wrapping the file key: the recipients cannot be mixed: one is labelled %q and another %q", labels, l)
		}
		labels = l
		all = append(all, own...)
	}
	return all, nil
}

// marshal writes a header as age does. See https://age-encryption.org/v1, "Header".
func marshal(fileKey []byte, stanzas []*age.Stanza) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(intro)
	for _, s := range stanzas {
		for _, word := range append([]string{s.Type}, s.Args...) {
			if word == "" || strings.ContainsFunc(word, func(c rune) bool { return c <= ' ' || c > '~' }) {
				return nil, fmt.Errorf("a stanza cannot hold %q", word)
			}
		}
		b.WriteString("-> " + strings.Join(append([]string{s.Type}, s.Args...), " ") + "\n")
		body := base64Strict.EncodeToString(s.Body)
		for len(body) >= bodyLine {
			b.WriteString(body[:bodyLine] + "\n")
			body = body[bodyLine:]
		}
		// The last line is short, so it may be empty.
		b.WriteString(body + "\n")
	}
	b.WriteString(footer)
	key, err := hkdf.Key(sha256.New, fileKey, nil, "header", sha256.Size)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(b.Bytes())
	b.WriteString(" " + base64Strict.EncodeToString(mac.Sum(nil)) + "\n")
	return b.Bytes(), nil
}
