package stepca

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"os"
	"strings"
	"unicode"

	"github.com/keyreach/keyreach/backup/envelope"
)

// ErrPassword is that the password does not open a key.
var ErrPassword = errors.New("the password does not open it")

// readPassword takes the end of the line off, as step-ca does.
func readPassword(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, envelope.OnDisk("reading "+"the password file", err)
	}
	return bytes.TrimRightFunc(text, unicode.IsSpace), nil
}

// locked tells whether a key needs a password.
func locked(b *pem.Block) bool {
	return b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED")
}

// openKey reads a private key in the forms that step writes: PKCS #1 and SEC 1 with the
// encryption of PEM itself (RFC 1421), and PKCS #8, plain or encrypted by PBES2.
func openKey(path string, password []byte) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, envelope.OnDisk("reading "+"the key", err)
	}
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the key %s: it is not PEM", path))
	}
	der := b.Bytes
	if locked(b) {
		if len(password) == 0 {
			return nil, envelope.Fail(envelope.NoKey, fmt.Errorf("opening the key %s: it needs a password, and there is none", path))
		}
		if der, err = unlock(b, password); err != nil {
			return nil, fmt.Errorf("opening the key %s: %w", path, err)
		}
	}
	key, err := parseKey(der)
	if err != nil && locked(b) {
		// Encryption in CBC shows a wrong password by its padding, but not always.
		return nil, envelope.Fail(envelope.NoKey, fmt.Errorf("opening the key %s: %w", path, ErrPassword))
	}
	if err != nil {
		return nil, envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the key %s: it is no private key", path))
	}
	return key, nil
}

func parseKey(der []byte) (crypto.Signer, error) {
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	s, ok := k.(crypto.Signer)
	if !ok {
		return nil, errors.New("it cannot sign")
	}
	return s, nil
}

func unlock(b *pem.Block, password []byte) ([]byte, error) {
	if b.Type == "ENCRYPTED PRIVATE KEY" {
		return unlockPKCS8(b.Bytes, password)
	}
	//lint:ignore SA1019 it is deprecated for what it is worth, and is what step writes
	der, err := x509.DecryptPEMBlock(b, password)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, envelope.Fail(envelope.NoKey, ErrPassword)
	}
	if err != nil {
		return nil, envelope.Fail(envelope.Corrupt, err)
	}
	return der, nil
}

// The forms of RFC 5958 and RFC 8018 (PKCS #5), appendix A.
type (
	encrypted struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2 struct {
		Derivation, Encryption pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// mostIterations bounds the time that a file can ask for; step writes 600000.
const mostIterations = 50_000_000

func unlockPKCS8(der, password []byte) ([]byte, error) {
	var e encrypted
	if _, err := asn1.Unmarshal(der, &e); err != nil {
		return nil, envelope.Fail(envelope.Corrupt, err)
	}
	var p pbes2
	if e.Algorithm.Algorithm.String() != "1.2.840.113549.1.5.13" {
		return nil, fmt.Errorf("it is encrypted by %s, and only PBES2 is read here", e.Algorithm.Algorithm)
	}
	if _, err := asn1.Unmarshal(e.Algorithm.Parameters.FullBytes, &p); err != nil {
		return nil, envelope.Fail(envelope.Corrupt, err)
	}
	if p.Derivation.Algorithm.String() != "1.2.840.113549.1.5.12" {
		return nil, fmt.Errorf("its key is derived by %s, and only PBKDF2 is read here", p.Derivation.Algorithm)
	}
	var d pbkdf2Params
	if _, err := asn1.Unmarshal(p.Derivation.Parameters.FullBytes, &d); err != nil {
		return nil, envelope.Fail(envelope.Corrupt, err)
	}
	key, err := derive(password, d, p.Encryption.Algorithm)
	if err != nil {
		return nil, err
	}
	var iv []byte
	if _, err := asn1.Unmarshal(p.Encryption.Parameters.FullBytes, &iv); err != nil {
		return nil, envelope.Fail(envelope.Corrupt, err)
	}
	return decryptCBC(key, iv, e.Data)
}

func derive(password []byte, d pbkdf2Params, scheme asn1.ObjectIdentifier) ([]byte, error) {
	size, ok := map[string]int{
		"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, "2.16.840.1.101.3.4.1.42": 32,
	}[scheme.String()]
	if !ok {
		return nil, fmt.Errorf("it is encrypted by %s, and only AES in CBC is read here", scheme)
	}
	var h func() hash.Hash
	switch oid := d.PRF.Algorithm.String(); oid {
	case "", "1.2.840.113549.2.7":
		h = sha1.New
	case "1.2.840.113549.2.9":
		h = sha256.New
	default:
		return nil, fmt.Errorf("its key is derived with %s, and only SHA-1 and SHA-256 are read here", oid)
	}
	if d.Iterations < 1 || d.Iterations > mostIterations {
		return nil, envelope.Fail(envelope.Corrupt, fmt.Errorf("its key is derived in %d rounds", d.Iterations))
	}
	return pbkdf2.Key(h, string(password), d.Salt, d.Iterations, size)
}

func decryptCBC(key, iv, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != aes.BlockSize || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, envelope.Fail(envelope.Corrupt, errors.New("its encrypted part is not whole"))
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.Equal(out[len(out)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, envelope.Fail(envelope.NoKey, ErrPassword)
	}
	return out[:len(out)-pad], nil
}
