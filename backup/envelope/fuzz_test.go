package envelope_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"testing"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/envelope"
)

// FuzzStanza puts hostile headers to everything that reads them: no crash, no key called
// that is not allowed, and nothing opened that was not made.
func FuzzStanza(f *testing.F) {
	made := newFakeKMS()
	whole := encrypt(f, content(100), kmsRecipient(made, keyOne, keyMulti))
	f.Add(whole)
	f.Add(bytes.Replace(whole, []byte(" v1 "), []byte(" v2 "), 1))
	f.Add(bytes.Replace(whole, []byte("111122223333"), []byte("444455556666"), 1))
	f.Add([]byte("age-encryption.org/v1\n-> scrypt AAAA 30\nAAAA\n--- AAAA\n"))
	f.Add([]byte("-----BEGIN AGE ENCRYPTED FILE-----\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		k := newFakeKMS()
		id := kmsIdentity(k, allowed(keyOne, replica))
		got, err := decrypt(file, archived, id)
		if err == nil && !bytes.Equal(got, content(100)) {
			t.Errorf("opened to %d bytes that nobody encrypted", len(got))
		}
		if err != nil && envelope.ClassOf(err) == "" {
			t.Errorf("no class: %v", err)
		}
		if h, err := envelope.ReadHeader(bytes.NewReader(file)); err == nil {
			envelope.OpenEach(context.Background(), k, allowed(keyOne, replica), backupContext, h)
			if made, err := envelope.Rewrap(h.Raw, []age.Identity{id}, []age.Recipient{kmsRecipient(k, keyOne)}); err == nil && len(made) == 0 {
				t.Error("an empty header was made")
			}
		}
		for _, key := range k.called("Decrypt") {
			if !slices.Contains([]string{keyOne, replica}, key) {
				t.Errorf("%s was called", key)
			}
		}
	})
}

// FuzzLegacy puts hostile files to the readers of the old forms.
func FuzzLegacy(f *testing.F) {
	made := newFakeKMS()
	envelopeFile := legacyKMS(f, made, keyOne, content(100))
	bare, _, err := made.Encrypt(context.Background(), keyOne, content(50), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(envelopeFile, true)
	f.Add(bare, true)
	f.Add(content(64), false)
	f.Fuzz(func(t *testing.T, file []byte, kms bool) {
		var l *envelope.Legacy
		var err error
		if kms {
			l, err = envelope.OpenLegacy(context.Background(), "a.kms", bytes.NewReader(file), newFakeKMS(), allowed(keyOne), "")
		} else {
			l, err = envelope.OpenCBC("a", bytes.NewReader(file), make([]byte, 48))
		}
		if err != nil {
			if envelope.ClassOf(err) == "" {
				t.Errorf("no class: %v", err)
			}
			return
		}
		got, err := io.ReadAll(l)
		if err != nil && envelope.ClassOf(err) == "" {
			t.Errorf("no class: %v", err)
		}
		if len(got) > len(file) {
			t.Errorf("%d bytes of %d", len(got), len(file))
		}
		if l.Verified && !bytes.Equal(got, content(100)) && !bytes.Equal(got, content(50)) {
			t.Error("verified, although nobody wrote it")
		}
	})
}
