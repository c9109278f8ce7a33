package kms

import (
	"crypto"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// spec is what a key of one KeySpec can do.
// See https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html.
type spec struct {
	encrypt []types.EncryptionAlgorithmSpec
	sign    []types.SigningAlgorithmSpec
	mac     []types.MacAlgorithmSpec
	agree   []types.KeyAgreementAlgorithmSpec
	// bits is the size of a symmetric, HMAC or RSA key.
	bits int
}

var rsaSigning = []types.SigningAlgorithmSpec{
	types.SigningAlgorithmSpecRsassaPkcs1V15Sha256, types.SigningAlgorithmSpecRsassaPkcs1V15Sha384, types.SigningAlgorithmSpecRsassaPkcs1V15Sha512,
	types.SigningAlgorithmSpecRsassaPssSha256, types.SigningAlgorithmSpecRsassaPssSha384, types.SigningAlgorithmSpecRsassaPssSha512,
}

var rsaEncryption = []types.EncryptionAlgorithmSpec{types.EncryptionAlgorithmSpecRsaesOaepSha1, types.EncryptionAlgorithmSpecRsaesOaepSha256}

var ecdh = []types.KeyAgreementAlgorithmSpec{types.KeyAgreementAlgorithmSpecEcdh}

func rsaSpec(bits int) spec { return spec{encrypt: rsaEncryption, sign: rsaSigning, bits: bits} }

func eccSpec(algorithm types.SigningAlgorithmSpec) spec {
	return spec{sign: []types.SigningAlgorithmSpec{algorithm}, agree: ecdh}
}

func hmacSpec(algorithm types.MacAlgorithmSpec, bits int) spec {
	return spec{mac: []types.MacAlgorithmSpec{algorithm}, bits: bits}
}

// specs are the key specs that the sandbox has.
var specs = map[types.KeySpec]spec{
	types.KeySpecSymmetricDefault: {encrypt: []types.EncryptionAlgorithmSpec{types.EncryptionAlgorithmSpecSymmetricDefault}, bits: 256},
	types.KeySpecRsa2048:          rsaSpec(2048),
	types.KeySpecRsa3072:          rsaSpec(3072),
	types.KeySpecRsa4096:          rsaSpec(4096),
	types.KeySpecEccNistP256:      eccSpec(types.SigningAlgorithmSpecEcdsaSha256),
	types.KeySpecEccNistP384:      eccSpec(types.SigningAlgorithmSpecEcdsaSha384),
	types.KeySpecEccNistP521:      eccSpec(types.SigningAlgorithmSpecEcdsaSha512),
	types.KeySpecEccSecgP256k1:    {sign: []types.SigningAlgorithmSpec{types.SigningAlgorithmSpecEcdsaSha256}},
	types.KeySpecEccNistEdwards25519: {sign: []types.SigningAlgorithmSpec{
		types.SigningAlgorithmSpecEd25519Sha512, types.SigningAlgorithmSpecEd25519PhSha512,
	}},
	types.KeySpecHmac224: hmacSpec(types.MacAlgorithmSpecHmacSha224, 224),
	types.KeySpecHmac256: hmacSpec(types.MacAlgorithmSpecHmacSha256, 256),
	types.KeySpecHmac384: hmacSpec(types.MacAlgorithmSpecHmacSha384, 384),
	types.KeySpecHmac512: hmacSpec(types.MacAlgorithmSpecHmacSha512, 512),
}

// fits reports whether a key of this spec can have the usage.
func (s spec) fits(u types.KeyUsageType) bool {
	switch u {
	case types.KeyUsageTypeEncryptDecrypt:
		return len(s.encrypt) > 0
	case types.KeyUsageTypeSignVerify:
		return len(s.sign) > 0
	case types.KeyUsageTypeGenerateVerifyMac:
		return len(s.mac) > 0
	case types.KeyUsageTypeKeyAgreement:
		return len(s.agree) > 0
	}
	return false
}

// signing is how a signing algorithm hashes and pads.
type signing struct {
	hash crypto.Hash
	pss  bool
}

var signings = map[types.SigningAlgorithmSpec]signing{
	types.SigningAlgorithmSpecRsassaPkcs1V15Sha256: {hash: crypto.SHA256},
	types.SigningAlgorithmSpecRsassaPkcs1V15Sha384: {hash: crypto.SHA384},
	types.SigningAlgorithmSpecRsassaPkcs1V15Sha512: {hash: crypto.SHA512},
	types.SigningAlgorithmSpecRsassaPssSha256:      {hash: crypto.SHA256, pss: true},
	types.SigningAlgorithmSpecRsassaPssSha384:      {hash: crypto.SHA384, pss: true},
	types.SigningAlgorithmSpecRsassaPssSha512:      {hash: crypto.SHA512, pss: true},
	types.SigningAlgorithmSpecEcdsaSha256:          {hash: crypto.SHA256},
	types.SigningAlgorithmSpecEcdsaSha384:          {hash: crypto.SHA384},
	types.SigningAlgorithmSpecEcdsaSha512:          {hash: crypto.SHA512},
	types.SigningAlgorithmSpecEd25519Sha512:        {},
	types.SigningAlgorithmSpecEd25519PhSha512:      {hash: crypto.SHA512},
}

// macHashes are the hashes of the MAC algorithms.
var macHashes = map[types.MacAlgorithmSpec]crypto.Hash{
	types.MacAlgorithmSpecHmacSha224: crypto.SHA224, types.MacAlgorithmSpecHmacSha256: crypto.SHA256,
	types.MacAlgorithmSpecHmacSha384: crypto.SHA384, types.MacAlgorithmSpecHmacSha512: crypto.SHA512,
}

// rotatable reports whether KMS rotates keys like this one: symmetric encryption
// keys with material that KMS made or that was imported.
func (k *Key) rotatable() bool {
	return k.Spec == types.KeySpecSymmetricDefault && slices.Contains([]types.OriginType{types.OriginTypeAwsKms, types.OriginTypeExternal}, k.Origin)
}
