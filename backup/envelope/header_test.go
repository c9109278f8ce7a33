package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/cloud"
)

// endless gives one byte for ever.
type endless byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e)
	}
	return len(b), nil
}

func TestHeadersThatAreNone(t *testing.T) {
	t.Parallel()
	const intro = "age-encryption.org/v1\n"
	for _, c := range []struct {
		name string
		file io.Reader
		want envelope.Class
		text string
	}{
		{"an empty file", strings.NewReader(""), envelope.Truncated, "empty"},
		{"half of the first line", strings.NewReader("age-encr"), envelope.Truncated, "after 8 bytes"},
		{"a tar without a line", strings.NewReader("hello"), envelope.Corrupt, "does not begin as an age file"},
		{"a file without any line", endless('x'), envelope.Corrupt, "does not begin as an age file"},
		{"another version", strings.NewReader("age-encryption.org/v2\n"), envelope.Corrupt, "does not begin as an age file"},
		{"a header without end", io.MultiReader(strings.NewReader(intro+"-> X "), endless('x')), envelope.Corrupt, "longer than 1048576 bytes"},
		{"a header of empty lines without end", io.MultiReader(strings.NewReader(intro), endless('\n')), envelope.Corrupt, "longer than"},
		{"no stanza", strings.NewReader(intro + "--- " + strings.Repeat("A", 43) + "\n"), envelope.Corrupt, "no recipient"},
	} {
		_, err := envelope.ReadHeader(c.file)
		t.Log(c.name)
		wantClass(t, err, c.want)
		if err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %q is not in: %v", c.name, c.text, err)
		}
	}
}

func TestAgeItselfGoesOnAfterAKMSKeyThatIsOfNoUse(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	local := x25519(t)
	all, err := envelope.Recipients([]age.Recipient{local.Recipient()}, kmsRecipient(k, keyOne))
	if err != nil {
		t.Fatal(err)
	}
	h := apart(t, encrypt(t, nil, all...))
	// By the file key of an identity of our own, since age tries its native ones first.
	if _, err := age.DecryptHeader(h.header, kmsIdentity(k, allowed(keyTwo)), named{local}); err != nil {
		t.Error(err)
	}
	fails(keyOne, cloud.Denied, "AccessDeniedException")(k)
	_, err = age.DecryptHeader(h.header, kmsIdentity(k, allowed(keyOne)), named{local})
	wantClass(t, err, envelope.Denied)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		t.Error("a denied key is passed over")
	}
}

type named struct{ age.Identity }

func TestAStanzaThatIsNotOfItsFormIsReported(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	local := x25519(t)
	header := apart(t, encrypt(t, nil, local.Recipient())).header
	for name, s := range map[string]*age.Stanza{
		"another version":          {Args: []string{"v2", keyOne, encode(`{}`)}, Body: []byte("x")},
		"no arguments":             {Body: []byte("x")},
		"an alias":                 {Args: []string{"v1", keyAlias, encode(`{}`)}, Body: []byte("x")},
		"no body":                  {Args: []string{"v1", keyOne, encode(`{}`)}},
		"a body beyond KMS":        {Args: []string{"v1", keyOne, encode(`{}`)}, Body: bytes.Repeat([]byte("x"), 6145)},
		"a context with a space":   {Args: []string{"v1", keyOne, encode(`{"app": "keyreach"}`)}, Body: []byte("x")},
		"a context with two of a":  {Args: []string{"v1", keyOne, encode(`{"a":"1","a":"2"}`)}, Body: []byte("x")},
		"a context that is a list": {Args: []string{"v1", keyOne, encode(`[]`)}, Body: []byte("x")},
		"a context of null":        {Args: []string{"v1", keyOne, encode(`null`)}, Body: []byte("x")},
	} {
		s.Type = envelope.StanzaType
		made, err := envelope.Rewrap(header, []age.Identity{local}, []age.Recipient{stanzaRecipient{s}})
		if err != nil {
			t.Fatal(name, err)
		}
		_, err = decrypt(append(made, make([]byte, 32)...), archived, kmsIdentity(k, allowed(keyOne)))
		t.Log(name)
		wantClass(t, err, envelope.Corrupt)
		if h, err := envelope.ReadHeader(bytes.NewReader(made)); err != nil || h.Stanzas[0].KMS != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if calls := k.called("Decrypt"); len(calls) != 0 {
		t.Errorf("KMS was called: %q", calls)
	}
}

type stanzaRecipient struct{ stanza *age.Stanza }

func (r stanzaRecipient) Wrap([]byte) ([]*age.Stanza, error) { return []*age.Stanza{r.stanza}, nil }
