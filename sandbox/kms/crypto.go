package kms

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// ready finds a key and checks that its state and usage let the operation
// through.
func (s *Service) readyKey(ctx context.Context, id, operation string, usage types.KeyUsageType) (*Key, error) {
	f, err := s.find(gate.From(ctx), id, operation)
	if err != nil {
		return nil, err
	}
	return f.Key, f.check(operation, usage)
}

func (k *Key) check(operation string, usage types.KeyUsageType) error {
	if err := k.inState(operation); err != nil {
		return err
	}
	return k.usableFor(usage, operation)
}

// algorithmFor completes and checks an encryption algorithm.
func (k *Key) algorithmFor(a types.EncryptionAlgorithmSpec) (types.EncryptionAlgorithmSpec, error) {
	if a == "" {
		a = types.EncryptionAlgorithmSpecSymmetricDefault
	}
	if !slices.Contains(specs[k.Spec].encrypt, a) {
		return a, incompatible(string(a), k)
	}
	return a, nil
}

func incompatible(algorithm string, k *Key) error {
	return refuse("InvalidKeyUsageException", fmt.Sprintf("Algorithm %s is incompatible with key spec %s.", algorithm, k.Spec))
}

// Encrypt encrypts up to 4,096 bytes.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html.
func (s *Service) Encrypt(ctx context.Context, in *kms.EncryptInput) (*kms.EncryptOutput, error) {
	k, err := s.readyKey(ctx, *in.KeyId, "Encrypt", types.KeyUsageTypeEncryptDecrypt)
	if err != nil {
		return nil, err
	}
	a, err := k.algorithmFor(in.EncryptionAlgorithm)
	if err != nil {
		return nil, err
	}
	if err := s.fitsPlaintext(k, a, len(in.Plaintext)); err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	blob, err := s.encrypt(k, a, in.Plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	s.note(gate.From(ctx), k)
	out := &kms.EncryptOutput{CiphertextBlob: blob, EncryptionAlgorithm: a, KeyId: &k.arn}
	if k.Spec == types.KeySpecSymmetricDefault {
		out.ResultMetadata.Set(materialUsed, k.current().ID)
	}
	return out, nil
}

func (s *Service) fitsPlaintext(k *Key, a types.EncryptionAlgorithmSpec, n int) error {
	if k.Spec == types.KeySpecSymmetricDefault {
		return nil
	}
	limit := specs[k.Spec].bits/8 - 2*oaepHash(a).Size() - 2
	if n > limit {
		return validation(fmt.Sprintf("Algorithm %s and key spec %s cannot encrypt data larger than %d bytes.", a, k.Spec, limit))
	}
	return nil
}

func (s *Service) encrypt(k *Key, a types.EncryptionAlgorithmSpec, plaintext []byte, context map[string]string) ([]byte, error) {
	if k.Spec == types.KeySpecSymmetricDefault {
		return s.seal(k, plaintext, context)
	}
	if len(context) > 0 {
		return nil, noContext(a)
	}
	private, err := s.rsa(k)
	if err != nil {
		return nil, err
	}
	return rsa.EncryptOAEP(oaepHash(a).New(), rand.Reader, &private.PublicKey, plaintext, nil)
}

// noContext refuses an encryption context with an asymmetric key: the text is
// assumed.
func noContext(a types.EncryptionAlgorithmSpec) error {
	return validation("Encryption context is not supported with the " + string(a) + " algorithm.")
}

// Decrypt decrypts what Encrypt or GenerateDataKey made, or a holder of the
// public key.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html.
func (s *Service) Decrypt(ctx context.Context, in *kms.DecryptInput) (*kms.DecryptOutput, error) {
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	without := dryWithout(in.DryRunModifiers)
	f, _, err := s.behind(gate.From(ctx), in.KeyId, in.CiphertextBlob, "Decrypt", without)
	if err != nil {
		return nil, err
	}
	k := f.Key
	if err := k.check("Decrypt", types.KeyUsageTypeEncryptDecrypt); err != nil {
		return nil, err
	}
	a, err := k.algorithmFor(in.EncryptionAlgorithm)
	if err != nil {
		return nil, err
	}
	if without {
		return nil, modifierAlone(in.DryRun)
	}
	plaintext, material, err := s.decrypt(k, a, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	s.note(gate.From(ctx), k)
	return &kms.DecryptOutput{EncryptionAlgorithm: a, KeyId: &k.arn, KeyMaterialId: materialID(material), Plaintext: plaintext}, nil
}

// modifierAlone ends a dry run without a ciphertext; without DryRun the modifier
// makes no sense.
func modifierAlone(flag *bool) error {
	if err := dry(flag); err != nil {
		return err
	}
	return validation("DryRunModifiers is only valid together with DryRun") // assumed: our own text
}

func materialID(m *Material) *string {
	if m == nil {
		return nil
	}
	return &m.ID
}

func (s *Service) decrypt(k *Key, a types.EncryptionAlgorithmSpec, blob []byte, context map[string]string) ([]byte, *Material, error) {
	if k.Spec == types.KeySpecSymmetricDefault {
		return s.open(k, blob, context)
	}
	if len(context) > 0 {
		return nil, nil, noContext(a)
	}
	private, err := s.rsa(k)
	if err != nil {
		return nil, nil, err
	}
	plaintext, err := rsa.DecryptOAEP(oaepHash(a).New(), nil, private, blob, nil)
	if err != nil {
		return nil, nil, invalidCiphertext()
	}
	return plaintext, nil, nil
}

// noRecipient refuses Nitro enclaves, which the sandbox does not have.
func noRecipient(r *types.RecipientInfo) error {
	if r == nil {
		return nil
	}
	return unsupported("the sandbox has no attestation of Nitro enclaves; leave Recipient out")
}

// ReEncrypt decrypts under one key and encrypts under another.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html.
func (s *Service) ReEncrypt(ctx context.Context, in *kms.ReEncryptInput) (*kms.ReEncryptOutput, error) {
	c := gate.From(ctx)
	without := dryWithout(in.DryRunModifiers)
	f, _, err := s.behind(c, in.SourceKeyId, in.CiphertextBlob, "ReEncrypt", without)
	if err != nil {
		return nil, err
	}
	from := f.Key
	if err := from.check("ReEncrypt", types.KeyUsageTypeEncryptDecrypt); err != nil {
		return nil, err
	}
	to, err := s.readyKey(ctx, *in.DestinationKeyId, "ReEncrypt", types.KeyUsageTypeEncryptDecrypt)
	if err != nil {
		return nil, err
	}
	a, err := from.algorithmFor(in.SourceEncryptionAlgorithm)
	if err != nil {
		return nil, err
	}
	b, err := to.algorithmFor(in.DestinationEncryptionAlgorithm)
	if err != nil {
		return nil, err
	}
	if without {
		return nil, modifierAlone(in.DryRun)
	}
	plaintext, source, err := s.decrypt(from, a, in.CiphertextBlob, in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	if err := s.fitsPlaintext(to, b, len(plaintext)); err != nil {
		return nil, err
	}
	if err := dry(in.DryRun); err != nil {
		return nil, err
	}
	blob, err := s.encrypt(to, b, plaintext, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	s.note(c, from)
	s.note(c, to)
	out := &kms.ReEncryptOutput{
		CiphertextBlob: blob, KeyId: &to.arn, SourceKeyId: &from.arn, SourceEncryptionAlgorithm: a, DestinationEncryptionAlgorithm: b,
		SourceKeyMaterialId: materialID(source),
	}
	if to.Spec == types.KeySpecSymmetricDefault {
		out.DestinationKeyMaterialId = &to.current().ID
	}
	return out, nil
}

// GenerateRandom returns random bytes.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateRandom.html.
func (s *Service) GenerateRandom(_ context.Context, in *kms.GenerateRandomInput) (*kms.GenerateRandomOutput, error) {
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	if in.CustomKeyStoreId != nil {
		return nil, noKeyStores()
	}
	if in.NumberOfBytes == nil {
		return nil, validation("NumberOfBytes is required.")
	}
	return &kms.GenerateRandomOutput{Plaintext: random(int(*in.NumberOfBytes))}, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}

func noKeyStores() error { return unsupported("the sandbox has no custom key stores") }
