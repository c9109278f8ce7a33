package envelope_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"strings"
	"testing"

	agetest "c2sp.org/CCTV/age"
	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/envelope"
)

// vector is a file of the Community Cryptography Test Vectors, see
// https://c2sp.org/CCTV/age.
type vector struct {
	expect, payload string
	identities      []age.Identity
	file            []byte
}

func readVector(t *testing.T, b []byte) vector {
	t.Helper()
	head, file, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		t.Fatal("the vector has no file")
	}
	v := vector{file: file}
	for line := range strings.SplitSeq(string(head), "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "expect":
			v.expect = value
		case "payload":
			v.payload = value
		case "identity":
			ids, err := age.ParseIdentities(strings.NewReader(value))
			if err != nil {
				t.Fatal(err)
			}
			v.identities = append(v.identities, ids...)
		case "passphrase":
			id, err := envelope.NewPassphraseIdentity(value)
			if err != nil {
				t.Fatal(err)
			}
			v.identities = append(v.identities, id)
		case "compressed":
			z, err := zlib.NewReader(bytes.NewReader(v.file))
			if err != nil {
				t.Fatal(err)
			}
			if v.file, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
	}
	return v
}

func TestEveryVectorOfAgeIsReadAsItDemands(t *testing.T) {
	t.Parallel()
	entries, err := fs.ReadDir(agetest.Vectors, ".")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 147 {
		t.Errorf("%d vectors, want 147", len(entries))
	}
	for _, e := range entries {
		b, err := fs.ReadFile(agetest.Vectors, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			readVector(t, b).check(t, e.Name())
		})
	}
}

func (v vector) check(t *testing.T, name string) {
	plain, err := envelope.Decrypt(bytes.NewReader(v.file), envelope.Options{}, v.identities...)
	headed := err == nil
	var out []byte
	if headed {
		out, err = io.ReadAll(plain)
	}
	if sum := sha256.Sum256(out); headed && v.payload != "" && hex.EncodeToString(sum[:]) != v.payload {
		t.Errorf("%d other bytes were given than it demands", len(out))
	}
	switch v.expect {
	case "success":
		if err != nil {
			t.Error(err)
		}
	case "no match":
		wantClass(t, err, envelope.NoKey)
	case "payload failure":
		// A missing nonce is told before the first byte is read.
		wantClass(t, err, envelope.Corrupt, envelope.Truncated)
	case "HMAC failure":
		wantClass(t, err, envelope.Corrupt)
	case "header failure":
		if headed {
			t.Error("its header was taken")
		}
		if strings.HasPrefix(name, "scrypt_work_factor_23") {
			wantClass(t, err, envelope.NoKey)
			return
		}
		wantClass(t, err, envelope.Corrupt, envelope.Truncated)
	case "armor failure":
		wantClass(t, err, envelope.Corrupt, envelope.Truncated)
	default:
		t.Errorf("it demands %q, which is not known here", v.expect)
	}
}
