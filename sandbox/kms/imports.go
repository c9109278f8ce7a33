package kms

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	kwp "github.com/tink-crypto/tink-go/v2/kwp/subtle"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// importWindow is how long the parameters of an import are valid.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GetParametersForImport.html.
const importWindow = 24 * time.Hour

// external refuses keys whose material KMS made.
func (k *Key) external() error {
	if k.Origin != types.OriginTypeExternal {
		return k.wrongOrigin()
	}
	return nil
}

// prepareImport makes the wrapping key pair.
func (s *Service) prepareImport(_ *gate.Call, in *kms.GetParametersForImportInput) ([]byte, error) {
	if in.WrappingKeySpec == types.WrappingKeySpecSm2 || in.WrappingAlgorithm == types.AlgorithmSpecSm2pke {
		return nil, unsupported("the sandbox has no SM2")
	}
	return newPair(types.KeySpec(in.WrappingKeySpec))
}

// GetParametersForImport gives out a public key to wrap key material with.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_GetParametersForImport.html.
func (s *Service) GetParametersForImport(ctx context.Context, in *kms.GetParametersForImportInput) (*kms.GetParametersForImportOutput, error) {
	c := gate.From(ctx)
	f, err := s.find(c, *in.KeyId, "GetParametersForImport")
	if err != nil {
		return nil, err
	}
	if err := f.external(); err != nil {
		return nil, err
	}
	if err := f.inState("GetParametersForImport"); err != nil {
		return nil, err
	}
	if in.WrappingAlgorithm == types.AlgorithmSpecRsaesPkcs1V15 {
		return nil, unsupported("RSAES_PKCS1_V1_5 is not supported any more.") // assumed text
	}
	private, _ := c.Prepared.([]byte)
	p, err := parsePair(types.KeySpec(in.WrappingKeySpec), private)
	if err != nil {
		return nil, err
	}
	k := f.clone()
	token := Import{Token: s.IDs.Token(192), Wrapping: private, Algorithm: in.WrappingAlgorithm, Expires: c.At.Add(importWindow)}
	k.Imports = append(slices.DeleteFunc(k.Imports, func(i Import) bool { return !c.At.Before(i.Expires) }), token)
	s.put(k)
	raw, err := base64.StdEncoding.DecodeString(token.Token)
	if err != nil {
		return nil, err
	}
	return &kms.GetParametersForImportOutput{KeyId: &k.arn, ImportToken: raw, ParametersValidTo: &token.Expires, PublicKey: p.public}, nil
}

// ImportKeyMaterial brings key material along.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_ImportKeyMaterial.html.
func (s *Service) ImportKeyMaterial(ctx context.Context, in *kms.ImportKeyMaterialInput) (*kms.ImportKeyMaterialOutput, error) {
	c := gate.From(ctx)
	f, err := s.find(c, *in.KeyId, "ImportKeyMaterial")
	if err != nil {
		return nil, err
	}
	if err := f.external(); err != nil {
		return nil, err
	}
	if err := f.inState("ImportKeyMaterial"); err != nil {
		return nil, err
	}
	if err := expiration(in, c.At); err != nil {
		return nil, err
	}
	k := f.clone()
	secret, err := k.unwrap(in.ImportToken, in.EncryptedKeyMaterial, c.At)
	if err != nil {
		return nil, err
	}
	m, err := s.place(k, in, secret, c.At)
	if err != nil {
		return nil, err
	}
	s.putEverywhere(k)
	out := &kms.ImportKeyMaterialOutput{KeyId: &k.arn}
	if k.Spec == types.KeySpecSymmetricDefault {
		out.KeyMaterialId = &m
	}
	return out, nil
}

// expiration checks ExpirationModel against ValidTo.
func expiration(in *kms.ImportKeyMaterialInput, now time.Time) error {
	switch {
	case in.ExpirationModel == types.ExpirationModelTypeKeyMaterialDoesNotExpire:
		if in.ValidTo != nil {
			return validation("A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE") // assumed text
		}
	case in.ValidTo == nil:
		return validation("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
	case !in.ValidTo.After(now) || in.ValidTo.After(now.AddDate(1, 0, 0)):
		return validation("The validTo date must lie in the future, within 365 days.") // assumed text
	}
	return nil
}

// unwrap opens wrapped key material with the pair that its import token belongs
// to.
func (k *Key) unwrap(token, wrapped []byte, now time.Time) ([]byte, error) {
	text := base64.StdEncoding.EncodeToString(token)
	i := slices.IndexFunc(k.Imports, func(i Import) bool { return i.Token == text })
	if i < 0 {
		return nil, refuse("InvalidImportTokenException", "")
	}
	imp := k.Imports[i]
	if !now.Before(imp.Expires) {
		return nil, refuse("ExpiredImportTokenException", "")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(imp.Wrapping)
	if err != nil {
		return nil, fmt.Errorf("reading the wrapping key: %w", err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("reading the wrapping key: it is %T", parsed)
	}
	secret, err := unwrapWith(private, imp.Algorithm, wrapped)
	if err != nil || !k.takes(secret) {
		return nil, refuse("InvalidCiphertextException", "")
	}
	return secret, nil
}

func unwrapWith(private *rsa.PrivateKey, a types.AlgorithmSpec, wrapped []byte) ([]byte, error) {
	hash := oaepHash(types.EncryptionAlgorithmSpecRsaesOaepSha256)
	if a == types.AlgorithmSpecRsaesOaepSha1 || a == types.AlgorithmSpecRsaAesKeyWrapSha1 {
		hash = oaepHash(types.EncryptionAlgorithmSpecRsaesOaepSha1)
	}
	if a == types.AlgorithmSpecRsaesOaepSha1 || a == types.AlgorithmSpecRsaesOaepSha256 {
		return rsa.DecryptOAEP(hash.New(), nil, private, wrapped, nil)
	}
	// RSA_AES_KEY_WRAP: an AES key under RSA, and the material under the AES key.
	size := private.Size()
	if len(wrapped) <= size {
		return nil, fmt.Errorf("%d bytes are too few", len(wrapped))
	}
	key, err := rsa.DecryptOAEP(hash.New(), nil, private, wrapped[:size], nil)
	if err != nil {
		return nil, err
	}
	w, err := kwp.NewKWP(key)
	if err != nil {
		return nil, err
	}
	return w.Unwrap(wrapped[size:])
}

// takes reports whether a secret is material for a key of this spec.
func (k *Key) takes(secret []byte) bool {
	s := specs[k.Spec]
	if k.Spec == types.KeySpecSymmetricDefault || len(s.mac) > 0 {
		return len(secret) == s.bits/8
	}
	_, err := parsePair(k.Spec, secret)
	return err == nil
}

// place puts the secret where it belongs: as the first material, in place of the
// same that was lost, or as the one for the next rotation.
func (s *Service) place(k *Key, in *kms.ImportKeyMaterialInput, secret []byte, at time.Time) (string, error) {
	m := Material{ID: s.newMaterialID(), Secret: secret, Since: at, Expiration: in.ExpirationModel, ValidTo: in.ValidTo, Description: aws.ToString(in.KeyMaterialDescription)}
	if m.Expiration == "" {
		m.Expiration = types.ExpirationModelTypeKeyMaterialExpires
	}
	if k.isReplica() {
		return s.placeInReplica(k, in, secret, m)
	}
	same := k.withSecret(secret)
	switch {
	case same >= 0:
		old := &k.Materials[same]
		m.ID, m.Since, m.How, m.Pending = old.ID, old.Since, old.How, old.Pending
		*old = m
	case in.ImportType == types.ImportTypeNewKeyMaterial:
		if k.Spec != types.KeySpecSymmetricDefault {
			return "", unsupported(k.arn + " key spec is " + string(k.Spec) + " which is not valid for this operation.") // assumed text
		}
		m.Pending = len(k.Materials) > 0
		k.Materials = append(slices.DeleteFunc(k.Materials, func(o Material) bool { return o.Pending }), m)
	case len(k.Materials) > 0:
		return "", refuse("IncorrectKeyMaterialException", "")
	default:
		k.Materials = []Material{m}
	}
	if !m.Pending {
		k.LastMaterial, k.Expiration, k.ValidTo = m.ID, m.Expiration, m.ValidTo
	}
	if k.current() != nil && k.State == types.KeyStatePendingImport {
		k.State = types.KeyStateEnabled
	}
	return m.ID, nil
}

// DeleteImportedKeyMaterial takes imported material away.
// See https://docs.aws.amazon.com/kms/latest/APIReference/API_DeleteImportedKeyMaterial.html.
func (s *Service) DeleteImportedKeyMaterial(ctx context.Context, in *kms.DeleteImportedKeyMaterialInput) (*kms.DeleteImportedKeyMaterialOutput, error) {
	f, err := s.find(gate.From(ctx), *in.KeyId, "DeleteImportedKeyMaterial")
	if err != nil {
		return nil, err
	}
	if err := f.external(); err != nil {
		return nil, err
	}
	if err := f.inState("DeleteImportedKeyMaterial"); err != nil {
		return nil, err
	}
	k := f.clone()
	id := k.LastMaterial
	if in.KeyMaterialId != nil {
		id = *in.KeyMaterialId
	}
	i := slices.IndexFunc(k.Materials, func(m Material) bool { return m.ID == id })
	if i < 0 && in.KeyMaterialId != nil {
		return nil, notFound("Key material " + id + " does not exist for key " + k.arn) // assumed text
	}
	out := &kms.DeleteImportedKeyMaterialOutput{KeyId: &k.arn}
	if i >= 0 {
		if k.Materials[i].Pending {
			k.Materials = slices.Delete(k.Materials, i, i+1)
		} else {
			k.Materials[i].Gone = true
			k.Expiration, k.ValidTo = "", nil
			if k.State == types.KeyStateEnabled || k.State == types.KeyStateDisabled {
				k.State = types.KeyStatePendingImport
			}
		}
		if k.Spec == types.KeySpecSymmetricDefault {
			out.KeyMaterialId = &id
		}
	}
	s.put(k)
	return out, nil
}
