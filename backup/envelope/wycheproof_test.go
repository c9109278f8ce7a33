package envelope_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
	"golang.org/x/crypto/chacha20poly1305"
)

// The chunks are opened here and not by age, so what they are opened with is held to the
// vectors of https://github.com/C2SP/wycheproof.

type bytesHex []byte

func (b *bytesHex) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	var err error
	*b, err = hex.DecodeString(s)
	return err
}

type wycheproofCase struct {
	ID     int    `json:"tcId"`
	Result string `json:"result"`
	// Of an AEAD.
	Key, IV, AAD, Msg, Ct, Tag bytesHex
	// Of HKDF.
	IKM, Salt, Info, OKM bytesHex
	Size                 int
}

func wycheproofCases(t *testing.T, name string, want int) []wycheproofCase {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TestGroups []struct{ Tests []wycheproofCase }
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	var all []wycheproofCase
	for _, g := range file.TestGroups {
		all = append(all, g.Tests...)
	}
	if len(all) < want {
		t.Errorf("%d vectors, want %d", len(all), want)
	}
	return all
}

func TestChaCha20Poly1305OpensWhatItShould(t *testing.T) {
	t.Parallel()
	for _, c := range wycheproofCases(t, "chacha20_poly1305_test.json", 325) {
		aead, err := chacha20poly1305.New(c.Key)
		if err != nil || len(c.IV) != aead.NonceSize() {
			if c.Result == "valid" {
				t.Errorf("%d: %v", c.ID, err)
			}
			continue
		}
		got, err := aead.Open(nil, c.IV, append(append([]byte{}, c.Ct...), c.Tag...), c.AAD)
		if (err == nil) != (c.Result == "valid") || err == nil && !bytes.Equal(got, c.Msg) {
			t.Errorf("%d is %s: %v", c.ID, c.Result, err)
		}
	}
}

func TestHKDFDerivesWhatItShould(t *testing.T) {
	t.Parallel()
	for _, c := range wycheproofCases(t, "hkdf_sha256_test.json", 86) {
		got, err := hkdf.Key(sha256.New, c.IKM, c.Salt, string(c.Info), c.Size)
		if (err == nil) != (c.Result == "valid") || err == nil && !bytes.Equal(got, c.OKM) {
			t.Errorf("%d is %s: %v", c.ID, c.Result, err)
		}
	}
}
