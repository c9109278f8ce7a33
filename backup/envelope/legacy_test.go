package envelope_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/cloud"
)

// legacyKMS is a file as the old scripts wrote it.
func legacyKMS(t testing.TB, k *fakeKMS, key string, plain []byte) []byte {
	t.Helper()
	dataKey := make([]byte, 32)
	_, _ = rand.Read(dataKey)
	wrapped, _, err := k.Encrypt(context.Background(), key, dataKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce)
	head := binary.BigEndian.AppendUint32(nil, uint32(len(wrapped)))
	return slices.Concat(head, wrapped, nonce, gcm.Seal(nil, nonce, plain, nil))
}

func openLegacy(k *fakeKMS, name string, file []byte, allow envelope.AllowList, word string) (*envelope.Legacy, []byte, error) {
	l, err := envelope.OpenLegacy(context.Background(), name, bytes.NewReader(file), k, allow, word)
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(l)
	return l, b, err
}

func TestOldKMSFilesAreRead(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	plain := content(100_000)
	file := legacyKMS(t, k, keyTwo, plain)
	l, got, err := openLegacy(k, "a.tar.gz.kms", file, allowed(keyTwo), "")
	if err != nil || !bytes.Equal(got, plain) || !l.Verified || l.Form != "kms-envelope" {
		t.Errorf("the envelope: %+v, %v", l, err)
	}
	bare, _, err := k.Encrypt(context.Background(), keyTwo, plain[:4000], nil)
	if err != nil {
		t.Fatal(err)
	}
	l, got, err = openLegacy(k, "a.tar.gz.kms", bare, allowed(keyTwo), "")
	if err != nil || !bytes.Equal(got, plain[:4000]) || !l.Verified || l.Form != "kms" {
		t.Errorf("what KMS made of the whole: %+v, %v", l, err)
	}
}

func TestOldKMSFilesThatDoNotOpen(t *testing.T) {
	t.Parallel()
	plain := content(1000)
	for _, c := range []struct {
		name  string
		allow envelope.AllowList
		fail  error
		cut   func([]byte) []byte
		want  envelope.Class
	}{
		{"no key is named", envelope.AllowList{Accounts: []string{account}}, nil, nil, envelope.NoKey},
		{"the key is denied", allowed(keyTwo), failure(cloud.Denied, "AccessDeniedException", ""), nil, envelope.Denied},
		{"the key is another", allowed(keyTwo), failure(cloud.Invalid, "IncorrectKeyException", ""), nil, envelope.NoKey},
		{"it is empty", allowed(keyTwo), nil, func(b []byte) []byte { return nil }, envelope.Truncated},
		{"it ends in its head", allowed(keyTwo), nil, func(b []byte) []byte { return b[:50] }, envelope.Truncated},
		{"its last byte is missing", allowed(keyTwo), nil, func(b []byte) []byte { return b[:len(b)-1] }, envelope.Corrupt},
		{"a bit of its data is flipped", allowed(keyTwo), nil, func(b []byte) []byte { flip(b, 8*len(b)-200); return b }, envelope.Corrupt},
		{"a bit of its key is flipped", allowed(keyTwo), nil, func(b []byte) []byte { flip(b, 8*30); return b }, envelope.Corrupt},
		{"it is something else", allowed(keyTwo), nil, func(b []byte) []byte { return bytes.Repeat([]byte("x"), 10_000) }, envelope.Corrupt},
	} {
		k := newFakeKMS()
		file := legacyKMS(t, k, keyTwo, plain)
		if c.cut != nil {
			file = c.cut(file)
		}
		k.fail["Decrypt "+keyTwo] = c.fail
		_, got, err := openLegacy(k, "x.kms", file, c.allow, "")
		t.Log(c.name)
		wantClass(t, err, c.want)
		if len(got) > 0 {
			t.Error("something was given before it was verified")
		}
	}
}

func TestOldPassphraseFilesAreRead(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	word := filepath.Join(t.TempDir(), "word")
	if err := os.WriteFile(word, []byte("word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gz := append([]byte{0x1f, 0x8b}, content(100_000)...)
	db := slices.Concat(make([]byte, 16), []byte{0xED, 0xDA, 0x0C, 0xED}, content(70_000))
	for _, c := range []struct {
		name  string
		plain []byte
	}{{"a.tar.gz.enc", gz}, {"a.tar.gz.enc", gz[:32]}, {"a.tar.gz.enc", gz[:2]}, {"b.db.enc", db}, {"c.enc", content(32 << 10)}, {"d.enc", content(64<<10 - 1)}, {"e.enc", content(0)}} {
		cmd := exec.Command(openssl, "enc", "-aes-256-cbc", "-salt", "-pbkdf2", "-iter", "100000", "-pass", "file:"+word)
		cmd.Stdin = bytes.NewReader(c.plain)
		file, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		l, got, err := openLegacy(nil, c.name, file, envelope.AllowList{}, "word")
		if err != nil || !bytes.Equal(got, c.plain) {
			t.Errorf("%s of %d bytes: %d bytes, %v", c.name, len(c.plain), len(got), err)
			continue
		}
		if l.Verified || l.Note == "" {
			t.Error("it is called verified")
		}
		slow, err := envelope.OpenLegacy(context.Background(), c.name, iotest.HalfReader(bytes.NewReader(file)), nil, envelope.AllowList{}, "word")
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(slow, c.plain); err != nil {
			t.Error(err)
		}
		if len(c.plain) == 32 { // its only piece has a wrong end as well
			_, _, err = openLegacy(nil, c.name, file, envelope.AllowList{}, "another")
			wantClass(t, err, envelope.NoKey)
		}
		if len(c.plain) > 1000 && !strings.HasPrefix(c.name, "c") && !strings.HasPrefix(c.name, "d") {
			_, _, err = openLegacy(nil, c.name, file, envelope.AllowList{}, "another")
			wantClass(t, err, envelope.NoKey)
			_, _, err = openLegacy(nil, c.name, file[:len(file)-1], envelope.AllowList{}, "word")
			wantClass(t, err, envelope.Truncated)
			_, _, err = openLegacy(nil, c.name, file[:len(file)-16], envelope.AllowList{}, "word")
			wantClass(t, err, envelope.Corrupt)
			// A cut at the end of a piece that is read at once leaves one block.
			_, _, err = openLegacy(nil, c.name, file[:16+32<<10], envelope.AllowList{}, "word")
			wantClass(t, err, envelope.Corrupt)
		}
	}
}

func TestOldFilesThatAreNone(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]envelope.Class{
		"": envelope.Truncated, "Salt": envelope.Truncated, "Salted__1234": envelope.Truncated,
		"Salted__12345678": envelope.Truncated, "Salted__12345678x": envelope.Truncated, "something else": envelope.Corrupt,
		"Salted__12345678" + strings.Repeat("x", 16): envelope.NoKey,
	} {
		_, _, err := openLegacy(nil, "a.tar.gz.enc", []byte(file), envelope.AllowList{}, "word")
		t.Logf("%q", file)
		wantClass(t, err, want)
	}
	_, _, err := openLegacy(nil, "a.enc", nil, envelope.AllowList{}, "")
	wantClass(t, err, envelope.NoKey)
	if _, _, err := openLegacy(nil, "a.zip", nil, envelope.AllowList{}, ""); err == nil {
		t.Error("any name is taken")
	}
	broken := errors.New("reset")
	_, err = envelope.OpenLegacy(context.Background(), "a.enc", iotest.ErrReader(broken), nil, envelope.AllowList{}, "word")
	if !errors.Is(err, broken) || envelope.ClassOf(err) != "" {
		t.Error(err)
	}
}
