package kms

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// The standard library does not know the curve secp256k1: signing is a library's,
// and the few lines of DER around the keys are here.
// See https://www.rfc-editor.org/rfc/rfc5480 and https://www.rfc-editor.org/rfc/rfc5915.

var (
	oidPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSecp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

type subjectPublicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

type privateKeyInfo struct {
	Version   int
	Algorithm pkix.AlgorithmIdentifier
	Key       []byte
}

type ecPrivateKey struct {
	Version int
	Key     []byte
	Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

type secpKey struct{ *secp256k1.PrivateKey }

func secpAlgorithm() pkix.AlgorithmIdentifier {
	curve, err := asn1.Marshal(oidSecp256k1)
	if err != nil {
		panic("kms: writing a constant: " + err.Error())
	}
	return pkix.AlgorithmIdentifier{Algorithm: oidPublicKey, Parameters: asn1.RawValue{FullBytes: curve}}
}

func newSecp256k1() ([]byte, error) {
	k, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		return nil, fmt.Errorf("making a key pair: %w", err)
	}
	public := k.PubKey().SerializeUncompressed()
	inner, err := asn1.Marshal(ecPrivateKey{Version: 1, Key: k.Serialize(), Public: asn1.BitString{Bytes: public, BitLength: 8 * len(public)}})
	if err != nil {
		return nil, fmt.Errorf("writing a private key: %w", err)
	}
	return asn1.Marshal(privateKeyInfo{Algorithm: secpAlgorithm(), Key: inner})
}

func parseSecp256k1(der []byte) (secpKey, error) {
	var info privateKeyInfo
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return secpKey{}, fmt.Errorf("reading a private key: %w", err)
	}
	var curve asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &curve); err != nil || !curve.Equal(oidSecp256k1) {
		return secpKey{}, errors.New("reading a private key: it is not on the curve secp256k1")
	}
	var inner ecPrivateKey
	if _, err := asn1.Unmarshal(info.Key, &inner); err != nil {
		return secpKey{}, fmt.Errorf("reading a private key: %w", err)
	}
	return secpKey{secp256k1.PrivKeyFromBytes(inner.Key)}, nil
}

// spki writes the public key.
func (k secpKey) spki() []byte {
	public := k.PubKey().SerializeUncompressed()
	der, err := asn1.Marshal(subjectPublicKeyInfo{Algorithm: secpAlgorithm(), Key: asn1.BitString{Bytes: public, BitLength: 8 * len(public)}})
	if err != nil {
		panic("kms: writing a public key: " + err.Error())
	}
	return der
}

// Public returns the public key.
func (k secpKey) Public() crypto.PublicKey { return k.PubKey() }

// Sign signs a digest, in DER.
func (k secpKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return ecdsa.Sign(k.PrivateKey, digest).Serialize(), nil
}

// verify reports whether a signature in DER is this key's.
func (k secpKey) verify(digest, signature []byte) bool {
	s, err := ecdsa.ParseDERSignature(signature)
	return err == nil && s.Verify(digest, k.PubKey())
}
