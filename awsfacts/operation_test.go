package awsfacts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/awsfacts"
)

const (
	anyIdentifier = awsfacts.KeyID | awsfacts.KeyARN | awsfacts.AliasName | awsfacts.AliasARN
	idOrARN       = awsfacts.KeyID | awsfacts.KeyARN
)

// The groups restate the "Cross-account use" and KeyId texts of
// docs.aws.amazon.com/kms/latest/APIReference/ and the table of
// docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html.
func TestOperationsAcrossAccountsAndTheirIdentifiers(t *testing.T) {
	t.Parallel()
	groups := []struct {
		name         string
		operations   string
		crossAccount bool
		keyBound     bool
		identifiers  awsfacts.Identifier
	}{
		{"usable across accounts, with any identifier",
			`Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair
			 GenerateDataKeyPairWithoutPlaintext GenerateMac VerifyMac Sign Verify DeriveSharedSecret GetPublicKey DescribeKey`,
			true, true, anyIdentifier},
		{"usable across accounts, without aliases", "CreateGrant ListGrants RevokeGrant GetKeyRotationStatus", true, true, idOrARN},
		{"usable across accounts, by token or key ARN", "RetireGrant", true, true, awsfacts.KeyARN | awsfacts.GrantToken},
		{"not bound to a key", "GenerateRandom ListRetirableGrants", false, false, 0},
		{"never across accounts, without aliases",
			`CancelKeyDeletion DeleteImportedKeyMaterial DisableKey DisableKeyRotation EnableKey EnableKeyRotation GetKeyLastUsage
			 GetKeyPolicy GetParametersForImport ImportKeyMaterial ListKeyPolicies ListKeyRotations ListResourceTags PutKeyPolicy
			 ReplicateKey RotateKeyOnDemand ScheduleKeyDeletion TagResource UntagResource UpdateKeyDescription UpdatePrimaryRegion
			 CreateAlias UpdateAlias`,
			false, true, idOrARN},
		{"never across accounts, a key as filter only", "ListAliases", false, false, idOrARN},
		{"never across accounts, by alias name", "DeleteAlias", false, true, awsfacts.AliasName},
		{"never across accounts, naming no key",
			`CreateKey ListKeys CreateCustomKeyStore ConnectCustomKeyStore DescribeCustomKeyStores DisconnectCustomKeyStore
			 UpdateCustomKeyStore DeleteCustomKeyStore`,
			false, false, 0},
	}
	seen := map[string]bool{}
	for _, group := range groups {
		for _, name := range strings.Fields(group.operations) {
			seen[name] = true
			t.Run(name+" is "+group.name, func(t *testing.T) {
				t.Parallel()
				op := operation(t, name)
				if op.CrossAccount != group.crossAccount || op.KeyBound != group.keyBound || op.Identifiers != group.identifiers {
					t.Errorf("cross-account %t, key-bound %t, identifiers %q", op.CrossAccount, op.KeyBound, op.Identifiers)
				}
			})
		}
	}
	if len(seen) != 54 || len(awsfacts.KMSOperations()) != 54 {
		t.Errorf("%d operations tested, %d known, want 54", len(seen), len(awsfacts.KMSOperations()))
	}
}

func TestSetsOfOperations(t *testing.T) {
	t.Parallel()
	const dataKeys = "GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext "
	tests := []struct {
		name   string
		has    func(*awsfacts.Operation) bool
		want   string
		source string
	}{
		{"have a dry run", func(op *awsfacts.Operation) bool { return op.DryRun },
			dataKeys + "CreateGrant Decrypt DeriveSharedSecret Encrypt GenerateMac ReEncrypt RetireGrant RevokeGrant Sign Verify VerifyMac",
			"docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html"},
		{"can be dry-run without a ciphertext", func(op *awsfacts.Operation) bool { return op.DryRunModifiers },
			"Decrypt ReEncrypt", "docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html"},
		{"accept grant tokens", func(op *awsfacts.Operation) bool { return op.GrantTokens },
			dataKeys + "CreateGrant Decrypt DeriveSharedSecret DescribeKey Encrypt GenerateMac GetPublicKey ReEncrypt Sign Verify VerifyMac",
			"docs.aws.amazon.com/kms/latest/developerguide/grants.html"},
		{"carry an encryption context", func(op *awsfacts.Operation) bool { return op.EncryptionContext },
			dataKeys + "CreateGrant Decrypt Encrypt ReEncrypt",
			"docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html"},
		{"need an action of another name", func(op *awsfacts.Operation) bool { return !slices.Equal(op.Actions, []string{"kms:" + op.Name}) },
			"ReEncrypt", "docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html"},
	}
	for _, tt := range tests {
		t.Run("operations that "+tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, op := range awsfacts.KMSOperations() {
				if tt.has(op) {
					got = append(got, op.Name)
				}
			}
			if want := slices.Sorted(slices.Values(strings.Fields(tt.want))); !slices.Equal(got, want) {
				t.Errorf("got %v\nwant %v\nsource %s", got, want, tt.source)
			}
		})
	}
}

// docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html
func TestGrantOperations(t *testing.T) {
	t.Parallel()
	want := []string{
		"CreateGrant", "Decrypt", "DeriveSharedSecret", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair",
		"GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GetPublicKey",
		"ReEncryptFrom", "ReEncryptTo", "RetireGrant", "Sign", "Verify", "VerifyMac",
	}
	got := awsfacts.GrantOperations()
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	got[0] = "changed"
	if slices.Contains(awsfacts.GrantOperations(), "changed") {
		t.Error("a change of the copy reached the table")
	}
}

func TestKMSOperationIsFoundByActionOrOperation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
	}{
		{"Decrypt", "Decrypt"},
		{"kms:Decrypt", "Decrypt"},
		{"KMS:DECRYPT", "Decrypt"},
		{"kms:ReEncryptFrom", "ReEncrypt"},
		{"kms:reencryptto", "ReEncrypt"},
		{"ReEncryptTo", "ReEncrypt"},
		{"ReEncrypt", "ReEncrypt"},
		{"kms:ReEncrypt", "ReEncrypt"},
	}
	for _, tt := range tests {
		if op, ok := awsfacts.KMSOperation(tt.name); !ok || op.Name != tt.want {
			t.Errorf("KMSOperation(%q) = %+v, %t", tt.name, op, ok)
		}
	}
	for _, name := range []string{"kms:SynchronizeMultiRegionKey", "s3:GetObject", "kms:*", ""} {
		if op, ok := awsfacts.KMSOperation(name); ok {
			t.Errorf("KMSOperation(%q) = %s, want none", name, op.Name)
		}
	}
}

func TestReEncryptIsAuthorizedTwice(t *testing.T) {
	t.Parallel()
	if got, want := operation(t, "ReEncrypt").Actions, []string{"kms:ReEncryptFrom", "kms:ReEncryptTo"}; !slices.Equal(got, want) {
		t.Errorf("actions = %v, want %v", got, want)
	}
}

// The generated action table and the hand-kept operations must tell one story.
func TestOperationsAgreeWithTheActionTable(t *testing.T) {
	t.Parallel()
	left := map[string]bool{}
	for _, a := range awsfacts.KMSActions() {
		left[a.Name] = true
	}
	for _, op := range awsfacts.KMSOperations() {
		if !strings.HasPrefix(op.Source, "docs.aws.amazon.com/kms/latest/") {
			t.Errorf("%s: source %q", op.Name, op.Source)
		}
		for _, name := range op.Actions {
			delete(left, name)
			a, ok := awsfacts.KMSAction(name)
			if onKey := slices.Contains(a.ResourceTypes, "key"); !ok || onKey != op.KeyBound {
				t.Errorf("%s: action known %t and on a key %t, operation key-bound %t", name, ok, onKey, op.KeyBound)
			}
		}
	}
	if len(left) != 1 || !left["kms:SynchronizeMultiRegionKey"] {
		t.Errorf("actions without an operation: %v", left)
	}
}

func TestIdentifierIsASet(t *testing.T) {
	t.Parallel()
	if !anyIdentifier.Has(awsfacts.AliasARN) || idOrARN.Has(awsfacts.AliasName) || !idOrARN.Has(idOrARN) || idOrARN.Has(anyIdentifier) {
		t.Error("Has is wrong about membership")
	}
	if got := (awsfacts.KeyARN | awsfacts.GrantToken).String(); got != "key-arn grant-token" {
		t.Errorf("String() = %q", got)
	}
}

func operation(t *testing.T, name string) *awsfacts.Operation {
	t.Helper()
	op, ok := awsfacts.KMSOperation(name)
	if !ok || op.Name != name {
		t.Fatalf("KMSOperation(%q) = %+v, %t", name, op, ok)
	}
	return op
}
