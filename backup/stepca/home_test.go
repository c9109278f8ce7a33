package stepca_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/crypto/ssh"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/stepca"
)

const password = "correct horse"

// ca is a directory as step ca init lays it out.
type ca struct {
	dir  string
	conf map[string]any
	root *x509.Certificate
	keys [2]*ecdsa.PrivateKey // of root and intermediate
}

// lay makes one with a bbolt database, SSH keys and a template.
func lay(t *testing.T) *ca {
	t.Helper()
	c := &ca{dir: filepath.Join(t.TempDir(), "step")}
	for _, d := range []string{"certs", "config", "secrets", "templates/ssh"} {
		if err := os.MkdirAll(filepath.Join(c.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.issue(t, 10*365*24*time.Hour, 5*365*24*time.Hour)
	c.write(t, "secrets/password", []byte(password+"\n"), 0o600)
	for _, name := range []string{"host", "user"} {
		key := newKey(t)
		c.write(t, "secrets/ssh_"+name+"_ca_key", sealPEM(t, key), 0o600)
		public, err := ssh.NewPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		c.write(t, "certs/ssh_"+name+"_ca_key.pub", ssh.MarshalAuthorizedKey(public), 0o644)
	}
	c.write(t, "templates/ssh/config.tpl", []byte("Match exec {{.User}}"), 0o644)
	c.write(t, "templates/leaf.tpl", []byte(`{"subject": {{ toJson .Subject }}}`), 0o644)
	c.bolt(t, "db/step.db")
	c.conf = map[string]any{
		"root": c.at("certs/root_ca.crt"), "federatedRoots": nil,
		"crt": c.at("certs/intermediate_ca.crt"), "key": c.at("secrets/intermediate_ca_key"),
		"address": "127.0.0.1:0", "dnsNames": []string{"localhost"},
		"ssh": map[string]any{"hostKey": c.at("secrets/ssh_host_ca_key"), "userKey": c.at("secrets/ssh_user_ca_key")},
		"db":  map[string]any{"type": "bbolt", "dataSource": c.at("db/step.db"), "badgerFileLoadingMode": ""},
		"authority": map[string]any{"provisioners": []any{map[string]any{
			"type": "ACME", "name": "acme", "options": map[string]any{"x509": map[string]any{"templateFile": "templates/leaf.tpl"}},
		}}},
		"templates": map[string]any{"ssh": map[string]any{"user": []any{
			map[string]any{"name": "config.tpl", "type": "snippet", "template": "templates/ssh/config.tpl", "path": "~/.ssh/config"},
		}}},
	}
	c.save(t)
	return c
}

func (c *ca) at(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }

func (c *ca) write(t *testing.T, name string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(c.at(name)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.at(name), data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(c.at(name), mode); err != nil {
		t.Fatal(err)
	}
}

// save writes ca.json and defaults.json.
func (c *ca) save(t *testing.T) {
	t.Helper()
	for name, v := range map[string]any{
		"config/ca.json":       c.conf,
		"config/defaults.json": map[string]any{"ca-url": "https://localhost", "ca-config": c.at("config/ca.json"), "root": c.at("certs/root_ca.crt")},
	} {
		text, err := json.MarshalIndent(v, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		c.write(t, name, text, 0o600)
	}
}

// issue makes root and intermediate, which last so long from an hour ago.
func (c *ca) issue(t *testing.T, root, intermediate time.Duration) {
	t.Helper()
	c.keys = [2]*ecdsa.PrivateKey{newKey(t), newKey(t)}
	begin := time.Now().Add(-time.Hour)
	make := func(name string, serial int64, lasts time.Duration, key *ecdsa.PrivateKey, parent *x509.Certificate) *x509.Certificate {
		cert := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: begin, NotAfter: begin.Add(lasts),
			IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1 - int(serial-1), MaxPathLenZero: true,
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
		if parent == nil {
			parent = cert
		}
		der, err := x509.CreateCertificate(rand.Reader, cert, parent, key.Public(), c.keys[0])
		if err != nil {
			t.Fatal(err)
		}
		if cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		return cert
	}
	c.root = make("Test Root CA", 1, root, c.keys[0], nil)
	between := make("Test Intermediate CA", 2, intermediate, c.keys[1], c.root)
	c.write(t, "certs/root_ca.crt", pemOf("CERTIFICATE", c.root.Raw), 0o600)
	c.write(t, "certs/intermediate_ca.crt", pemOf("CERTIFICATE", between.Raw), 0o600)
	c.write(t, "secrets/root_ca_key", sealPEM(t, c.keys[0]), 0o600)
	c.write(t, "secrets/intermediate_ca_key", sealPEM(t, c.keys[1]), 0o600)
}

func (c *ca) bolt(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(c.at(name)), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(c.at(name), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("x509_certs"))
		if err != nil {
			return err
		}
		return b.Put([]byte("1"), []byte("a certificate"))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// sealPEM encrypts a key as step does.
func sealPEM(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 it is what step writes
	b, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", der, []byte(password), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(b)
}

// sealPKCS8 encrypts a key by PBES2, as step does for Ed25519 and with --kms.
func sealPKCS8(t *testing.T, key crypto.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pad := aes.BlockSize - len(der)%aes.BlockSize
	der = append(der, bytes.Repeat([]byte{byte(pad)}, pad)...)
	salt, iv := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	k, err := pbkdf2.Key(sha256.New, password, salt, 1000, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(der, der)
	type algorithm struct {
		ID         asn1.ObjectIdentifier
		Parameters any
	}
	type derivation struct {
		Salt       []byte
		Iterations int
		PRF        pkix.AlgorithmIdentifier
	}
	out, err := asn1.Marshal(struct {
		Algorithm algorithm
		Data      []byte
	}{algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}, struct{ KDF, Cipher algorithm }{
		algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}, derivation{salt, 1000,
			pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}, Parameters: asn1.NullRawValue}}},
		algorithm{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, iv},
	}}, der})
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("ENCRYPTED PRIVATE KEY", out)
}

// keep saves a CA into a real archive.
func keep(t *testing.T, p stepca.Place, said stepca.Quiesced) ([]byte, stepca.Saved, error) {
	t.Helper()
	c, err := stepca.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, archive.Header{ID: "id", Kind: "step-ca", Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	saved, err := c.Save(t.Context(), w, said)
	if err != nil {
		return nil, saved, err
	}
	_, err = w.Close()
	return out.Bytes(), saved, err
}

// restore saves a CA and unpacks it in another place.
func restore(t *testing.T, p stepca.Place, said stepca.Quiesced) (stepca.Place, map[string]string, stepca.Saved) {
	t.Helper()
	data, saved, err := keep(t, p, said)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, manifest, err := archive.Extract(context.WithoutCancel(t.Context()), bytes.NewReader(data), dir, archive.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return stepca.Restored(dir, manifest.Notes), manifest.Notes, saved
}
