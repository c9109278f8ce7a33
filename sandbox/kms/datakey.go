package kms

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// dataKeySize is the length of a data key: a spec or a number of bytes, not
// both. The texts are AWS's documented rule in our words.
func dataKeySize(s types.DataKeySpec, n *int32) (int, error) {
	switch {
	case s != "" && n != nil:
		return 0, validation("Please specify either number of bytes or key spec.") // assumed text
	case n != nil:
		return int(*n), nil
	case s == types.DataKeySpecAes256:
		return 32, nil
	case s == types.DataKeySpecAes128:
		return 16, nil
	}
	return 0, validation("Please specify either number of bytes or key spec.") // assumed text
}

// dataKey is a data key in the clear and under its KMS key.
type dataKey struct {
	key       *Key
	material  *Material
	plaintext []byte
	blob      []byte
}

func (s *Service) dataKey(ctx context.Context, id, operation string, pairs map[string]string, size int, dryRun *bool) (*dataKey, error) {
	k, err := s.symmetric(ctx, id, operation)
	if err != nil {
		return nil, err
	}
	if err := dry(dryRun); err != nil {
		return nil, err
	}
	plaintext := random(size)
	blob, err := s.seal(k, plaintext, pairs)
	if err != nil {
		return nil, err
	}
	s.note(gate.From(ctx), k)
	return &dataKey{key: k, material: k.current(), plaintext: plaintext, blob: blob}, nil
}

// symmetric finds a key that can encrypt data keys.
func (s *Service) symmetric(ctx context.Context, id, operation string) (*Key, error) {
	k, err := s.readyKey(ctx, id, operation, types.KeyUsageTypeEncryptDecrypt)
	if err != nil {
		return nil, err
	}
	if k.Spec != types.KeySpecSymmetricDefault {
		return nil, refuse("InvalidKeyUsageException", k.arn+" key spec is "+string(k.Spec)+" which is not valid for "+operation+".") // assumed text
	}
	return k, nil
}

// GenerateDataKey returns a data key in the clear and encrypted.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html.
func (s *Service) GenerateDataKey(ctx context.Context, in *kms.GenerateDataKeyInput) (*kms.GenerateDataKeyOutput, error) {
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	size, err := dataKeySize(in.KeySpec, in.NumberOfBytes)
	if err != nil {
		return nil, err
	}
	d, err := s.dataKey(ctx, *in.KeyId, "GenerateDataKey", in.EncryptionContext, size, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &kms.GenerateDataKeyOutput{CiphertextBlob: d.blob, KeyId: &d.key.arn, KeyMaterialId: &d.material.ID, Plaintext: d.plaintext}, nil
}

// GenerateDataKeyWithoutPlaintext returns a data key encrypted only.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKeyWithoutPlaintext.html.
func (s *Service) GenerateDataKeyWithoutPlaintext(ctx context.Context, in *kms.GenerateDataKeyWithoutPlaintextInput) (*kms.GenerateDataKeyWithoutPlaintextOutput, error) {
	size, err := dataKeySize(in.KeySpec, in.NumberOfBytes)
	if err != nil {
		return nil, err
	}
	d, err := s.dataKey(ctx, *in.KeyId, "GenerateDataKeyWithoutPlaintext", in.EncryptionContext, size, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &kms.GenerateDataKeyWithoutPlaintextOutput{CiphertextBlob: d.blob, KeyId: &d.key.arn, KeyMaterialId: &d.material.ID}, nil
}

// dataPair is a key pair of which the private half is encrypted.
type dataPair struct {
	dataKey
	public []byte
}

// preparePair makes the pair, which for RSA takes long.
func preparePair(spec types.DataKeyPairSpec) ([]byte, error) {
	if _, ok := specs[types.KeySpec(spec)]; !ok {
		return nil, unsupported("the sandbox has no key pairs of the spec " + string(spec))
	}
	return newPair(types.KeySpec(spec))
}

func (s *Service) dataPair(ctx context.Context, id, operation string, spec types.DataKeyPairSpec, pairs map[string]string, dryRun *bool) (*dataPair, error) {
	k, err := s.symmetric(ctx, id, operation)
	if err != nil {
		return nil, err
	}
	if err := dry(dryRun); err != nil {
		return nil, err
	}
	private, _ := gate.From(ctx).Prepared.([]byte)
	p, err := parsePair(types.KeySpec(spec), private)
	if err != nil {
		return nil, err
	}
	blob, err := s.seal(k, private, pairs)
	if err != nil {
		return nil, err
	}
	s.note(gate.From(ctx), k)
	return &dataPair{dataKey{key: k, material: k.current(), plaintext: private, blob: blob}, p.public}, nil
}

// GenerateDataKeyPair returns a key pair, the private half in the clear and
// encrypted.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKeyPair.html.
func (s *Service) GenerateDataKeyPair(ctx context.Context, in *kms.GenerateDataKeyPairInput) (*kms.GenerateDataKeyPairOutput, error) {
	if err := noRecipient(in.Recipient); err != nil {
		return nil, err
	}
	d, err := s.dataPair(ctx, *in.KeyId, "GenerateDataKeyPair", in.KeyPairSpec, in.EncryptionContext, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &kms.GenerateDataKeyPairOutput{
		KeyId: &d.key.arn, KeyMaterialId: &d.material.ID, KeyPairSpec: in.KeyPairSpec,
		PrivateKeyCiphertextBlob: d.blob, PrivateKeyPlaintext: d.plaintext, PublicKey: d.public,
	}, nil
}

// GenerateDataKeyPairWithoutPlaintext returns a key pair, the private half
// encrypted only.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKeyPairWithoutPlaintext.html.
func (s *Service) GenerateDataKeyPairWithoutPlaintext(ctx context.Context, in *kms.GenerateDataKeyPairWithoutPlaintextInput) (*kms.GenerateDataKeyPairWithoutPlaintextOutput, error) {
	d, err := s.dataPair(ctx, *in.KeyId, "GenerateDataKeyPairWithoutPlaintext", in.KeyPairSpec, in.EncryptionContext, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &kms.GenerateDataKeyPairWithoutPlaintextOutput{
		KeyId: &d.key.arn, KeyMaterialId: &d.material.ID, KeyPairSpec: in.KeyPairSpec, PrivateKeyCiphertextBlob: d.blob, PublicKey: d.public,
	}, nil
}
