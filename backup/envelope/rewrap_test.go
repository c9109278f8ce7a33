package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/envelope"
)

func TestRewrapChangesWhoOpensAndNothingElse(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	plain := content(200_000)
	file := encrypt(t, plain, kmsRecipient(k, keyOne))
	p := apart(t, file)
	local := x25519(t)
	all := []age.Recipient{kmsRecipient(k, keyTwo), local.Recipient()}
	made, err := envelope.Rewrap(p.header, []age.Identity{kmsIdentity(k, allowed(keyOne))}, all)
	if err != nil {
		t.Fatal(err)
	}
	again := slices.Concat(made, file[len(p.header):])
	for name, id := range map[string]age.Identity{"the new key": kmsIdentity(k, allowed(keyTwo)), "the local identity": local} {
		if got, err := decrypt(again, archived, id); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = decrypt(again, archived, kmsIdentity(k, allowed(keyOne)))
	wantClass(t, err, envelope.NoKey)
	r, err := age.Decrypt(bytes.NewReader(again), local)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("by age: %v", err)
	}
}

func TestRewrapRefuses(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	p := apart(t, encrypt(t, nil, kmsRecipient(k, keyOne)))
	opens := []age.Identity{kmsIdentity(k, allowed(keyOne))}
	to := []age.Recipient{kmsRecipient(k, keyTwo)}
	damaged := slices.Clone(p.header)
	flip(damaged, 8*(len(damaged)-10))
	_, err := envelope.Rewrap(damaged, opens, to)
	wantClass(t, err, envelope.Corrupt)
	_, err = envelope.Rewrap(p.header, []age.Identity{x25519(t)}, to)
	wantClass(t, err, envelope.NoKey)
	word, err := envelope.NewPassphraseRecipient("a word")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := envelope.Rewrap(p.header, opens, append(to, word)); !errors.Is(err, envelope.ErrPassphraseAlone) {
		t.Error(err)
	}
	if _, err := envelope.Rewrap(p.header, opens, nil); err == nil {
		t.Error("a file for nobody was made")
	}
	_, err = envelope.Rewrap(append(slices.Clone(p.header), 'x'), opens, to)
	if err == nil {
		t.Error("a header with bytes after it was taken")
	}
}

func TestBodiesOfEveryLengthAreWrittenAsAgeReadsThem(t *testing.T) {
	t.Parallel()
	local := x25519(t)
	p := apart(t, encrypt(t, nil, local.Recipient()))
	for n := range 200 {
		r := bodyRecipient(n)
		made, err := envelope.Rewrap(p.header, []age.Identity{local}, []age.Recipient{local.Recipient(), r})
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		h, err := envelope.ReadHeader(bytes.NewReader(made))
		if err != nil || len(h.Stanzas[1].Body) != n {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// bodyRecipient writes a stanza with so many bytes.
type bodyRecipient int

func (r bodyRecipient) Wrap([]byte) ([]*age.Stanza, error) {
	return []*age.Stanza{{Type: "test", Args: []string{"a", "b"}, Body: make([]byte, r)}}, nil
}
