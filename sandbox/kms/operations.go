package kms

import (
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

const reads, writes = gate.Reads, gate.Writes

// Operations are all of KMS but those of custom key stores and of ML-KEM. Each
// stands with what has to be allowed for it.
func (s *Service) Operations() []gate.Operation {
	ops := append(s.cryptoOperations(), s.dataKeyOperations()...)
	ops = append(ops, s.keyOperations()...)
	ops = append(ops, s.grantOperations()...)
	return append(ops, s.listOperations()...)
}

// cryptoOperations use keys.
func (s *Service) cryptoOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(reads, onKeyWith(s, "Encrypt", func(in *kms.EncryptInput) *string { return in.KeyId }, func(g *given, in *kms.EncryptInput) {
			g.crypto(in.EncryptionAlgorithm, in.EncryptionContext, in.GrantTokens)
		}), s.Encrypt),
		gate.Op(reads, s.asksDecrypt, s.Decrypt),
		gate.Op(reads, s.asksReEncrypt, s.ReEncrypt),
		gate.Op(reads, onKeyWith(s, "Sign", func(in *kms.SignInput) *string { return in.KeyId }, func(g *given, in *kms.SignInput) {
			g.signing(in.SigningAlgorithm, in.MessageType, in.GrantTokens)
		}), s.Sign),
		gate.Op(reads, onKeyWith(s, "Verify", func(in *kms.VerifyInput) *string { return in.KeyId }, func(g *given, in *kms.VerifyInput) {
			g.signing(in.SigningAlgorithm, in.MessageType, in.GrantTokens)
		}), s.Verify),
		gate.Op(reads, onKeyWith(s, "GenerateMac", func(in *kms.GenerateMacInput) *string { return in.KeyId }, func(g *given, in *kms.GenerateMacInput) {
			g.one("kms:macalgorithm", string(in.MacAlgorithm))
			g.tokens = in.GrantTokens
		}), s.GenerateMac),
		gate.Op(reads, onKeyWith(s, "VerifyMac", func(in *kms.VerifyMacInput) *string { return in.KeyId }, func(g *given, in *kms.VerifyMacInput) {
			g.one("kms:macalgorithm", string(in.MacAlgorithm))
			g.tokens = in.GrantTokens
		}), s.VerifyMac),
		gate.Op(reads, onKeyWith(s, "DeriveSharedSecret", func(in *kms.DeriveSharedSecretInput) *string { return in.KeyId }, func(g *given, in *kms.DeriveSharedSecretInput) {
			g.one("kms:keyagreementalgorithm", string(in.KeyAgreementAlgorithm))
			g.tokens = in.GrantTokens
		}), s.DeriveSharedSecret),
		gate.Op(reads, onKeyWith(s, "GetPublicKey", func(in *kms.GetPublicKeyInput) *string { return in.KeyId }, func(g *given, in *kms.GetPublicKeyInput) {
			g.tokens = in.GrantTokens
		}), s.GetPublicKey),
		gate.Op(reads, onNothing[kms.GenerateRandomInput]("GenerateRandom"), s.GenerateRandom),
	}
}

func (g *given) signing(a types.SigningAlgorithmSpec, m types.MessageType, tokens []string) {
	g.one("kms:signingalgorithm", string(a))
	g.one("kms:messagetype", string(m))
	g.tokens = tokens
}

// dataKeyOperations make data keys and pairs.
func (s *Service) dataKeyOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(reads, onKeyWith(s, "GenerateDataKey", func(in *kms.GenerateDataKeyInput) *string { return in.KeyId }, func(g *given, in *kms.GenerateDataKeyInput) {
			g.crypto("", in.EncryptionContext, in.GrantTokens)
		}), s.GenerateDataKey),
		gate.Op(reads, onKeyWith(s, "GenerateDataKeyWithoutPlaintext", func(in *kms.GenerateDataKeyWithoutPlaintextInput) *string { return in.KeyId }, func(g *given, in *kms.GenerateDataKeyWithoutPlaintextInput) {
			g.crypto("", in.EncryptionContext, in.GrantTokens)
		}), s.GenerateDataKeyWithoutPlaintext),
		gate.Preparing(gate.Op(reads, onKeyWith(s, "GenerateDataKeyPair", func(in *kms.GenerateDataKeyPairInput) *string { return in.KeyId }, func(g *given, in *kms.GenerateDataKeyPairInput) {
			g.crypto("", in.EncryptionContext, in.GrantTokens)
			g.one("kms:datakeypairspec", string(in.KeyPairSpec))
		}), s.GenerateDataKeyPair), func(_ *gate.Call, in *kms.GenerateDataKeyPairInput) ([]byte, error) {
			return preparePair(in.KeyPairSpec)
		}),
		gate.Preparing(gate.Op(reads, onKeyWith(s, "GenerateDataKeyPairWithoutPlaintext", func(in *kms.GenerateDataKeyPairWithoutPlaintextInput) *string { return in.KeyId }, func(g *given, in *kms.GenerateDataKeyPairWithoutPlaintextInput) {
			g.crypto("", in.EncryptionContext, in.GrantTokens)
			g.one("kms:datakeypairspec", string(in.KeyPairSpec))
		}), s.GenerateDataKeyPairWithoutPlaintext), func(_ *gate.Call, in *kms.GenerateDataKeyPairWithoutPlaintextInput) ([]byte, error) {
			return preparePair(in.KeyPairSpec)
		}),
	}
}

// keyOperations make, change and end keys.
func (s *Service) keyOperations() []gate.Operation {
	return []gate.Operation{
		gate.Preparing(gate.Op(writes, s.asksCreateKey, s.CreateKey), s.prepareCreateKey),
		gate.Op(writes, s.asksReplicateKey, s.ReplicateKey),
		gate.Op(writes, onKeyWith(s, "UpdatePrimaryRegion", func(in *kms.UpdatePrimaryRegionInput) *string { return in.KeyId }, func(g *given, in *kms.UpdatePrimaryRegionInput) {
			g.one("kms:primaryregion", *in.PrimaryRegion)
		}), s.UpdatePrimaryRegion),
		gate.Op(writes, onKey(s, "UpdateKeyDescription", func(in *kms.UpdateKeyDescriptionInput) *string { return in.KeyId }), s.UpdateKeyDescription),
		gate.Op(writes, onKey(s, "EnableKey", func(in *kms.EnableKeyInput) *string { return in.KeyId }), s.EnableKey),
		gate.Op(writes, onKey(s, "DisableKey", func(in *kms.DisableKeyInput) *string { return in.KeyId }), s.DisableKey),
		gate.Op(writes, onKeyWith(s, "ScheduleKeyDeletion", func(in *kms.ScheduleKeyDeletionInput) *string { return in.KeyId }, func(g *given, in *kms.ScheduleKeyDeletionInput) {
			g.number("kms:schedulekeydeletionpendingwindowindays", in.PendingWindowInDays)
		}), s.ScheduleKeyDeletion),
		gate.Op(writes, onKey(s, "CancelKeyDeletion", func(in *kms.CancelKeyDeletionInput) *string { return in.KeyId }), s.CancelKeyDeletion),
		gate.Op(writes, onKeyWith(s, "EnableKeyRotation", func(in *kms.EnableKeyRotationInput) *string { return in.KeyId }, func(g *given, in *kms.EnableKeyRotationInput) {
			g.number("kms:rotationperiodindays", in.RotationPeriodInDays)
		}), s.EnableKeyRotation),
		gate.Op(writes, onKey(s, "DisableKeyRotation", func(in *kms.DisableKeyRotationInput) *string { return in.KeyId }), s.DisableKeyRotation),
		gate.Op(writes, onKey(s, "RotateKeyOnDemand", func(in *kms.RotateKeyOnDemandInput) *string { return in.KeyId }), s.RotateKeyOnDemand),
		gate.Op(writes, onKeyWith(s, "PutKeyPolicy", func(in *kms.PutKeyPolicyInput) *string { return in.KeyId }, func(g *given, in *kms.PutKeyPolicyInput) {
			g.flag("kms:bypasspolicylockoutsafetycheck", in.BypassPolicyLockoutSafetyCheck)
		}), s.PutKeyPolicy),
		gate.Preparing(gate.Op(writes, onKeyWith(s, "GetParametersForImport", func(in *kms.GetParametersForImportInput) *string { return in.KeyId }, func(g *given, in *kms.GetParametersForImportInput) {
			g.one("kms:wrappingalgorithm", string(in.WrappingAlgorithm))
			g.one("kms:wrappingkeyspec", string(in.WrappingKeySpec))
		}), s.GetParametersForImport), s.prepareImport),
		gate.Op(writes, onKeyWith(s, "ImportKeyMaterial", func(in *kms.ImportKeyMaterialInput) *string { return in.KeyId }, importGiven), s.ImportKeyMaterial),
		gate.Op(writes, onKey(s, "DeleteImportedKeyMaterial", func(in *kms.DeleteImportedKeyMaterialInput) *string { return in.KeyId }), s.DeleteImportedKeyMaterial),
		gate.Op(writes, onKeyWith(s, "TagResource", func(in *kms.TagResourceInput) *string { return in.KeyId }, func(g *given, in *kms.TagResourceInput) {
			g.tags(in.Tags)
		}), s.TagResource),
		gate.Op(writes, onKeyWith(s, "UntagResource", func(in *kms.UntagResourceInput) *string { return in.KeyId }, func(g *given, in *kms.UntagResourceInput) {
			g.many("aws:tagkeys", in.TagKeys)
		}), s.UntagResource),
		gate.Op(writes, s.asksCreateAlias, s.CreateAlias),
		gate.Op(writes, s.asksUpdateAlias, s.UpdateAlias),
		gate.Op(writes, s.asksDeleteAlias, s.DeleteAlias),
	}
}

func importGiven(g *given, in *kms.ImportKeyMaterialInput) {
	g.one("kms:expirationmodel", string(in.ExpirationModel))
	if in.ValidTo != nil {
		g.one("kms:validto", in.ValidTo.UTC().Format("2006-01-02T15:04:05Z"))
	}
}

// grantOperations make and end grants.
func (s *Service) grantOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(writes, s.asksCreateGrant, s.CreateGrant),
		gate.Op(writes, forResource(onKey(s, "RevokeGrant", func(in *kms.RevokeGrantInput) *string { return in.KeyId })), s.RevokeGrant),
		gate.Op(writes, s.asksRetireGrant, s.RetireGrant),
		gate.Op(reads, forResource(onKey(s, "ListGrants", func(in *kms.ListGrantsInput) *string { return in.KeyId })), s.ListGrants),
		gate.Op(reads, asksListRetirableGrants, s.ListRetirableGrants),
	}
}

// forResource adds kms:GrantIsForAWSResource to the questions.
func forResource[I any](ask asks[I]) asks[I] {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		list, err := ask(c, in)
		for i := range list {
			g := given{list: list[i].Context}
			g.flag("kms:grantisforawsresource", c.Forward != nil && c.Forward.ForResource)
			list[i].Context = g.list
		}
		return list, err
	}
}

// listOperations tell about keys.
func (s *Service) listOperations() []gate.Operation {
	return []gate.Operation{
		gate.Op(reads, onKeyWith(s, "DescribeKey", func(in *kms.DescribeKeyInput) *string { return in.KeyId }, func(g *given, in *kms.DescribeKeyInput) {
			g.tokens = in.GrantTokens
		}), s.DescribeKey),
		gate.Op(reads, onNothing[kms.ListKeysInput]("ListKeys"), s.ListKeys),
		gate.Op(reads, s.asksListAliases, s.ListAliases),
		gate.Op(reads, onKey(s, "ListKeyPolicies", func(in *kms.ListKeyPoliciesInput) *string { return in.KeyId }), s.ListKeyPolicies),
		gate.Op(reads, onKey(s, "GetKeyPolicy", func(in *kms.GetKeyPolicyInput) *string { return in.KeyId }), s.GetKeyPolicy),
		gate.Op(reads, onKey(s, "GetKeyRotationStatus", func(in *kms.GetKeyRotationStatusInput) *string { return in.KeyId }), s.GetKeyRotationStatus),
		gate.Op(reads, onKey(s, "ListKeyRotations", func(in *kms.ListKeyRotationsInput) *string { return in.KeyId }), s.ListKeyRotations),
		gate.Op(reads, onKey(s, "ListResourceTags", func(in *kms.ListResourceTagsInput) *string { return in.KeyId }), s.ListResourceTags),
		gate.Op(reads, onKey(s, "GetKeyLastUsage", func(in *kms.GetKeyLastUsageInput) *string { return in.KeyId }), s.GetKeyLastUsage),
	}
}
