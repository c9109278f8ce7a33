package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptIdentity writes a new age identity to a file, and its recipient to $RECIPIENT.
func scriptIdentity(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: identity FILE")
	}
	id, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(id.String()+"\n"), 0o600))
	ts.Setenv("RECIPIENT", id.Recipient().String())
}

// scriptBackups puts the ids of the backups in a directory into $B1, $B2…, the oldest
// first, and fails unless there are as many as told.
func scriptBackups(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: backups DIR COUNT")
	}
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*.age"))
	ts.Check(err)
	if strconv.Itoa(len(found)) != args[1] {
		ts.Fatalf("%s has %d backups: %v", args[0], len(found), found)
	}
	for i, path := range found {
		ts.Setenv("B"+strconv.Itoa(i+1), strings.TrimSuffix(filepath.Base(path), ".age"))
	}
}

// scriptSpoil changes a file as damage does: cuts it to a part of its size in percent, or
// turns the bit of a byte there.
func scriptSpoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: spoil FILE cut|bit PERCENT")
	}
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	percent, err := strconv.Atoi(args[2])
	ts.Check(err)
	at := len(b) * percent / 100
	switch b = bytes.Clone(b); args[1] {
	case "cut":
		b = b[:at]
	case "bit":
		b[at] ^= 1
	}
	ts.Check(os.WriteFile(path, b, 0o600))
}

// scriptTarGz makes a tar.gz with one member of this name: the file there, or any text.
func scriptTarGz(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "targz NAME OUT")
	text, err := os.ReadFile(ts.MkAbs(args[0]))
	if err != nil {
		text = []byte("any")
	}
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	ts.Check(w.WriteHeader(&tar.Header{Name: args[0], Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(text))}))
	_, err = w.Write(text)
	ts.Check(err)
	ts.Check(w.Close())
	ts.Check(zip.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o600))
}

// scriptOldKMS encrypts a file as the scripts of etcd-ansible do under a KMS key: a wrapped
// data key with its length before it, a nonce, and AES-256-GCM.
func scriptOldKMS(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "oldkms FILE OUT KEY-ARN")
	plain, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	place := strings.Split(args[2], ":")
	key, nonce := make([]byte, 32), make([]byte, 12)
	rand.Read(key)
	rand.Read(nonce)
	c := kms.NewFromConfig(worldOf(ts).server.Root(place[4], place[3]))
	wrapped, err := c.Encrypt(context.Background(), &kms.EncryptInput{KeyId: &args[2], Plaintext: key})
	ts.Check(err)
	block, err := aes.NewCipher(key)
	ts.Check(err)
	gcm, err := cipher.NewGCM(block)
	ts.Check(err)
	out := binary.BigEndian.AppendUint32(nil, uint32(len(wrapped.CiphertextBlob)))
	out = append(append(out, wrapped.CiphertextBlob...), nonce...)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), gcm.Seal(out, nonce, plain, nil), 0o600))
}

// scriptOldEnc encrypts a file as openssl enc -aes-256-cbc -pbkdf2 -iter 100000 does.
func scriptOldEnc(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "oldenc FILE OUT PASSPHRASE")
	plain, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	salt := make([]byte, 8)
	rand.Read(salt)
	key, err := pbkdf2.Key(sha256.New, args[2], salt, 100000, 48)
	ts.Check(err)
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher(key[:32])
	ts.Check(err)
	cipher.NewCBCEncrypter(block, key[32:]).CryptBlocks(plain, plain)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), append(append([]byte("Salted__"), salt...), plain...), 0o600))
}
