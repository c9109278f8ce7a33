package envelope_test

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/keyreach/keyreach/backup/envelope"
)

// fast makes a passphrase recipient that takes no second.
func fast(t testing.TB, word string) *envelope.PassphraseRecipient {
	t.Helper()
	r, err := envelope.NewPassphraseRecipient(word)
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(8)
	return r
}

func passphrase(t testing.TB, word string) *envelope.PassphraseIdentity {
	t.Helper()
	id, err := envelope.NewPassphraseIdentity(word)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestPassphrases(t *testing.T) {
	t.Parallel()
	const composed, decomposed = "caf\u00e9", "cafe\u0301"
	for _, c := range []struct {
		name, made, opened string
		want               envelope.Class
	}{
		{"the passphrase opens", "correct horse", "correct horse", ""},
		{"a wrong one does not", "correct horse", "wrong horse", envelope.NoKey},
		{"a space at the end counts", "correct horse", "correct horse ", envelope.NoKey},
		{"composed letters open what decomposed ones made", decomposed, composed, ""},
		{"decomposed letters open what composed ones made", composed, decomposed, ""},
		{"letters that only look alike do not", "t\u0430ble", "table", envelope.NoKey},
		{"bytes that are no text are taken as they are", "\xff\xfe", "\xff\xfe", ""},
	} {
		file := encrypt(t, content(100), fast(t, c.made))
		got, err := decrypt(file, archived, passphrase(t, c.opened))
		if c.want != "" {
			wantClass(t, err, c.want)
			if strings.Contains(err.Error(), c.opened) {
				t.Errorf("%s: the error shows the passphrase", c.name)
			}
		} else if err != nil || !bytes.Equal(got, content(100)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestStockAgeTakesThePassphraseAsItIs(t *testing.T) {
	t.Parallel()
	const word = "cafe\u0301"
	id, err := age.NewScryptIdentity(word)
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(encrypt(t, content(100), fast(t, word))), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err != nil {
		t.Error(err)
	}
}

func TestPassphrasesAreReadFromFiles(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"word\n": "word", "word\r\n": "word", "word": "word", " word \n": " word ", "word\n\n": "word\n",
		"": "", "\n": "", "\r\n": "", strings.Repeat("x", 1<<17): "",
	} {
		got, err := envelope.ReadPassphrase(strings.NewReader(file))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.10q: %q, %v", file, got, err)
		}
	}
	if _, err := envelope.NewPassphraseRecipient(""); err == nil {
		t.Error("an empty passphrase encrypts")
	}
	if _, err := envelope.NewPassphraseIdentity(""); err == nil {
		t.Error("an empty passphrase opens")
	}
}

func TestAWorkFactorOutOfBoundsTakesNoMemory(t *testing.T) {
	// Not parallel: it measures what is allocated.
	file := encrypt(t, nil, fast(t, "word"))
	for _, factor := range []string{"23", "30", "63", "99999"} {
		greedy := bytes.Replace(file, []byte(" 8\n"), []byte(" "+factor+"\n"), 1)
		for _, id := range []age.Identity{passphrase(t, "word"), x25519(t)} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := decrypt(greedy, archived, id)
			runtime.ReadMemStats(&after)
			wantClass(t, err, envelope.NoKey)
			if !strings.Contains(err.Error(), "work factor of 2^"+factor) {
				t.Error(err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
				t.Errorf("work factor %s: %d bytes were allocated", factor, used)
			}
		}
	}
}

func TestIdentityFiles(t *testing.T) {
	t.Parallel()
	local := x25519(t)
	file := "# a comment\n\n" + local.String() + "\n"
	sealed := encrypt(t, []byte(file), fast(t, "word"))
	var armored bytes.Buffer
	w := armor.NewWriter(&armored)
	_, _ = w.Write(sealed)
	_ = w.Close()
	word := func() (string, error) { return "word", nil }
	for name, text := range map[string]string{"plain": file, "encrypted": string(sealed), "in armor": armored.String()} {
		ids, err := envelope.ReadIdentities(strings.NewReader(text), word)
		if err != nil || len(ids) != 1 {
			t.Fatalf("%s: %d identities, %v", name, len(ids), err)
		}
		if _, err := decrypt(encrypt(t, nil, local.Recipient()), envelope.Options{}, ids...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := envelope.ReadIdentities(bytes.NewReader(sealed), nil); err == nil {
		t.Error("an encrypted file was read without a passphrase")
	}
	_, err := envelope.ReadIdentities(bytes.NewReader(sealed), func() (string, error) { return "another", nil })
	wantClass(t, err, envelope.NoKey)
	broken := strings.Replace(file, "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1Q", 1)
	if _, err := envelope.ReadIdentities(strings.NewReader(broken), nil); err == nil || strings.Contains(err.Error(), local.String()[20:40]) {
		t.Errorf("a broken file: %v", err)
	}
}

func TestRecipientsAreRead(t *testing.T) {
	t.Parallel()
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if r, err := envelope.ParseRecipients(x25519(t).Recipient().String(), " "+hybrid.Recipient().String()); err != nil || len(r) != 2 {
		t.Error(err)
	}
	for _, text := range []string{"", "#age1", "age1", "age1xyz", "ssh-ed25519 AAAA", x25519(t).String(), "age1\nage1"} {
		if _, err := envelope.ParseRecipient(text); err == nil {
			t.Errorf("%.20q was read", text)
		} else if strings.Contains(err.Error(), "SECRET") {
			t.Error("the error shows an identity")
		}
	}
}
