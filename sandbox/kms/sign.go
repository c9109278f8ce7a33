package kms

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// Sign signs a message or a digest.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html.
func (s *Service) Sign(ctx context.Context, in *kms.SignInput) (*kms.SignOutput, error) {
	k, err := s.readyKey(ctx, *in.KeyId, "Sign", types.KeyUsageTypeSignVerify)
	if err != nil {
		return nil, err
	}
	p, digest, err := s.toSign(k, in.SigningAlgorithm, in.MessageType, in.Message)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	signature, err := p.private.Sign(rand.Reader, digest, signerOpts(p, in.SigningAlgorithm))
	if err != nil {
		return nil, err
	}
	s.note(gate.From(ctx), k)
	return &kms.SignOutput{KeyId: &k.arn, Signature: signature, SigningAlgorithm: in.SigningAlgorithm}, nil
}

// Verify checks a signature.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_Verify.html.
func (s *Service) Verify(ctx context.Context, in *kms.VerifyInput) (*kms.VerifyOutput, error) {
	k, err := s.readyKey(ctx, *in.KeyId, "Verify", types.KeyUsageTypeSignVerify)
	if err != nil {
		return nil, err
	}
	p, digest, err := s.toSign(k, in.SigningAlgorithm, in.MessageType, in.Message)
	if err != nil {
		return nil, err
	}
	if !verifies(p, in.SigningAlgorithm, digest, in.Signature) {
		return nil, refuse("KMSInvalidSignatureException", "")
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.note(gate.From(ctx), k)
	return &kms.VerifyOutput{KeyId: &k.arn, SignatureValid: true, SigningAlgorithm: in.SigningAlgorithm}, nil
}

// toSign returns the key pair and the bytes that are signed: the digest, or for
// plain Ed25519 the message.
func (s *Service) toSign(k *Key, a types.SigningAlgorithmSpec, form types.MessageType, message []byte) (*pair, []byte, error) {
	if !slices.Contains(specs[k.Spec].sign, a) {
		return nil, nil, incompatible(string(a), k)
	}
	p, err := s.pair(k)
	if err != nil {
		return nil, nil, err
	}
	how := signings[a]
	switch {
	case form == types.MessageTypeExternalMu, a == types.SigningAlgorithmSpecEd25519Sha512 && form == types.MessageTypeDigest,
		a == types.SigningAlgorithmSpecEd25519PhSha512 && form != types.MessageTypeDigest:
		return nil, nil, validation("Message type " + string(form) + " is not compatible with algorithm " + string(a) + ".") // assumed: our own text
	case how.hash == 0:
		return p, message, nil
	case form != types.MessageTypeDigest:
		h := how.hash.New()
		h.Write(message)
		return p, h.Sum(nil), nil
	case len(message) != how.hash.Size():
		return nil, nil, validation("Digest is invalid length for algorithm " + string(a) + ".")
	}
	return p, message, nil
}

func signerOpts(p *pair, a types.SigningAlgorithmSpec) crypto.SignerOpts {
	how := signings[a]
	switch p.private.(type) {
	case ed25519.PrivateKey:
		return &ed25519.Options{Hash: how.hash}
	case *rsa.PrivateKey:
		if how.pss {
			return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: how.hash}
		}
	}
	return how.hash
}

func verifies(p *pair, a types.SigningAlgorithmSpec, digest, signature []byte) bool {
	how := signings[a]
	switch k := p.private.(type) {
	case *rsa.PrivateKey:
		if how.pss {
			return rsa.VerifyPSS(&k.PublicKey, how.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(&k.PublicKey, how.hash, digest, signature) == nil
	case *ecdsa.PrivateKey:
		return ecdsa.VerifyASN1(&k.PublicKey, digest, signature)
	case ed25519.PrivateKey:
		public, ok := k.Public().(ed25519.PublicKey)
		return ok && ed25519.VerifyWithOptions(public, digest, signature, &ed25519.Options{Hash: how.hash}) == nil
	case secpKey:
		return k.verify(digest, signature)
	}
	return false
}

// GetPublicKey returns the public half of a pair.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GetPublicKey.html.
func (s *Service) GetPublicKey(ctx context.Context, in *kms.GetPublicKeyInput) (*kms.GetPublicKeyOutput, error) {
	k, err := s.found(ctx, *in.KeyId, "GetPublicKey")
	if err != nil {
		return nil, err
	}
	if len(specs[k.Spec].mac) > 0 || k.Spec == types.KeySpecSymmetricDefault {
		return nil, unsupported(k.arn + " key spec is " + string(k.Spec) + " which is not valid for GetPublicKey.") // assumed: our own text
	}
	p, err := s.pair(k)
	if err != nil {
		return nil, err
	}
	m := k.metadata()
	out := &kms.GetPublicKeyOutput{
		KeyId: &k.arn, PublicKey: p.public, KeySpec: k.Spec, KeyUsage: k.Usage,
		EncryptionAlgorithms: m.EncryptionAlgorithms, SigningAlgorithms: m.SigningAlgorithms, KeyAgreementAlgorithms: m.KeyAgreementAlgorithms,
	}
	//lint:ignore SA1019 KMS still answers the old name of KeySpec
	out.CustomerMasterKeySpec = types.CustomerMasterKeySpec(k.Spec)
	return out, nil
}

// DeriveSharedSecret derives a secret with somebody's public key.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_DeriveSharedSecret.html.
func (s *Service) DeriveSharedSecret(ctx context.Context, in *kms.DeriveSharedSecretInput) (*kms.DeriveSharedSecretOutput, error) {
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	k, err := s.readyKey(ctx, *in.KeyId, "DeriveSharedSecret", types.KeyUsageTypeKeyAgreement)
	if err != nil {
		return nil, err
	}
	p, err := s.pair(k)
	if err != nil {
		return nil, err
	}
	secret, err := p.agree(in.PublicKey)
	if err != nil {
		return nil, validation("") // recorded without a text
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.note(gate.From(ctx), k)
	return &kms.DeriveSharedSecretOutput{KeyAgreementAlgorithm: in.KeyAgreementAlgorithm, KeyId: &k.arn, KeyOrigin: k.Origin, SharedSecret: secret}, nil
}

// GenerateMac computes an HMAC.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateMac.html.
func (s *Service) GenerateMac(ctx context.Context, in *kms.GenerateMacInput) (*kms.GenerateMacOutput, error) {
	k, sum, err := s.mac(ctx, *in.KeyId, "GenerateMac", in.MacAlgorithm, in.Message)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.note(gate.From(ctx), k)
	return &kms.GenerateMacOutput{KeyId: &k.arn, Mac: sum, MacAlgorithm: in.MacAlgorithm}, nil
}

// VerifyMac checks an HMAC.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_VerifyMac.html.
func (s *Service) VerifyMac(ctx context.Context, in *kms.VerifyMacInput) (*kms.VerifyMacOutput, error) {
	k, sum, err := s.mac(ctx, *in.KeyId, "VerifyMac", in.MacAlgorithm, in.Message)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(sum, in.Mac) {
		return nil, refuse("KMSInvalidMacException", "")
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.note(gate.From(ctx), k)
	return &kms.VerifyMacOutput{KeyId: &k.arn, MacAlgorithm: in.MacAlgorithm, MacValid: true}, nil
}

func (s *Service) mac(ctx context.Context, id, operation string, a types.MacAlgorithmSpec, message []byte) (*Key, []byte, error) {
	k, err := s.readyKey(ctx, id, operation, types.KeyUsageTypeGenerateVerifyMac)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(specs[k.Spec].mac, a) {
		return nil, nil, incompatible(string(a), k)
	}
	h := hmac.New(macHashes[a].New, k.current().Secret)
	h.Write(message)
	return k, h.Sum(nil), nil
}
