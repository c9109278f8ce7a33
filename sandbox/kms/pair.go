package kms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// oaepHash is the hash of an RSA encryption algorithm, for the label and for
// MGF1.
func oaepHash(a types.EncryptionAlgorithmSpec) crypto.Hash {
	if a == types.EncryptionAlgorithmSpecRsaesOaepSha1 {
		return crypto.SHA1
	}
	return crypto.SHA256
}

// newPair makes a key pair and returns it as PKCS #8. RSA takes its time.
func newPair(s types.KeySpec) ([]byte, error) {
	var private any
	var err error
	switch s {
	case types.KeySpecRsa2048, types.KeySpecRsa3072, types.KeySpecRsa4096:
		private, err = rsa.GenerateKey(rand.Reader, specs[s].bits)
	case types.KeySpecEccNistP256, types.KeySpecEccNistP384, types.KeySpecEccNistP521:
		private, err = ecdsa.GenerateKey(curves[s], rand.Reader)
	case types.KeySpecEccNistEdwards25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case types.KeySpecEccSecgP256k1:
		return newSecp256k1()
	default:
		return nil, fmt.Errorf("making a key pair: no spec %s", s)
	}
	if err != nil {
		return nil, fmt.Errorf("making a key pair: %w", err)
	}
	return x509.MarshalPKCS8PrivateKey(private)
}

var curves = map[types.KeySpec]elliptic.Curve{
	types.KeySpecEccNistP256: elliptic.P256(), types.KeySpecEccNistP384: elliptic.P384(), types.KeySpecEccNistP521: elliptic.P521(),
}

// pair is a private key ready for use, with its public half.
type pair struct {
	private crypto.Signer
	public  []byte // SubjectPublicKeyInfo
}

// parsePair reads PKCS #8 and checks that the key is of the spec.
func parsePair(s types.KeySpec, der []byte) (*pair, error) {
	if s == types.KeySpecEccSecgP256k1 {
		private, err := parseSecp256k1(der)
		if err != nil {
			return nil, err
		}
		return &pair{private: private, public: private.spki()}, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading a private key: %w", err)
	}
	if !isSpec(parsed, s) {
		return nil, fmt.Errorf("reading a private key: it is not of the spec %s", s)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("reading a private key: it does not sign")
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return nil, fmt.Errorf("writing a public key: %w", err)
	}
	return &pair{private: private, public: public}, nil
}

func isSpec(private any, s types.KeySpec) bool {
	switch k := private.(type) {
	case *rsa.PrivateKey:
		return k.N.BitLen() == specs[s].bits
	case *ecdsa.PrivateKey:
		return k.Curve == curves[s]
	case ed25519.PrivateKey:
		return s == types.KeySpecEccNistEdwards25519
	}
	return false
}

// pairs are the key pairs of materials, read once.
type pairs struct{ known sync.Map } // material id → *pair

func (p *pairs) of(s types.KeySpec, m *Material) (*pair, error) {
	if known, ok := p.known.Load(m.ID); ok {
		return known.(*pair), nil
	}
	read, err := parsePair(s, m.Secret)
	if err != nil {
		return nil, err
	}
	p.known.Store(m.ID, read)
	return read, nil
}

// pair returns the key's pair.
func (s *Service) pair(k *Key) (*pair, error) {
	m := k.current()
	if m == nil {
		return nil, errors.New("the key has no material")
	}
	return s.pairs.of(k.Spec, m)
}

// rsa returns the key's RSA key.
func (s *Service) rsa(k *Key) (*rsa.PrivateKey, error) {
	p, err := s.pair(k)
	if err != nil {
		return nil, err
	}
	private, ok := p.private.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key %s is no RSA key", k.arn)
	}
	return private, nil
}

// agree derives the shared secret of a pair and somebody's public key. It fails
// when that is not a key on the same curve.
func (p *pair) agree(public []byte) ([]byte, error) {
	private, ok := p.private.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not on a NIST curve")
	}
	mine, err := private.ECDH()
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	other, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("the public key is not on a NIST curve")
	}
	theirs, err := other.ECDH()
	if err != nil {
		return nil, err
	}
	return mine.ECDH(theirs)
}
