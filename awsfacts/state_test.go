package awsfacts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/awsfacts"
)

// Cells of the key state table, as the exceptions they stand for.
const (
	ok          = ""
	disabled    = "DisabledException"
	invalid     = "KMSInvalidStateException"
	unsupported = "UnsupportedOperationException"
	either      = invalid + " " + disabled
)

// docs.aws.amazon.com/kms/latest/developerguide/key-state.html, with what has been
// recorded of AWS in its place where the two differ.
func TestKeyStateTable(t *testing.T) {
	t.Parallel()
	rows := []struct {
		operations                                                               string
		enabled, disabled, deletion, pendingImport, unavailable, created, update string
	}{
		{"Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext",
			ok, disabled, either, invalid, invalid, invalid, ok},
		{"Sign Verify GenerateMac VerifyMac GetPublicKey DeriveSharedSecret", ok, disabled, either, invalid, invalid, invalid, ok},
		{"CreateGrant", ok, disabled, either, invalid, ok, invalid, ok},
		{"EnableKey DisableKey", ok, ok, invalid, invalid, ok, invalid, invalid},
		{"EnableKeyRotation DisableKeyRotation", ok, disabled, invalid, unsupported, unsupported, invalid, ok},
		{"ReplicateKey", ok, disabled, either, invalid, unsupported, invalid, invalid},
		{"UpdatePrimaryRegion", ok, disabled, either, invalid, unsupported, invalid, ok},
		{"ScheduleKeyDeletion", ok, ok, invalid, ok, ok, ok, invalid},
		{"CancelKeyDeletion", invalid, invalid, ok, invalid, invalid, invalid, invalid},
		{"CreateAlias TagResource UntagResource UpdateKeyDescription UpdateAlias", ok, ok, invalid, ok, ok, ok, ok},
		{"GetParametersForImport", ok, ok, invalid, ok, unsupported, invalid, invalid},
		{"ImportKeyMaterial", ok, ok, invalid, ok, unsupported, invalid, ok},
		{"DeleteImportedKeyMaterial", ok, ok, ok, ok, unsupported, invalid, ok},
		{"RotateKeyOnDemand", ok, disabled, invalid, invalid, unsupported, invalid, ok},
		{"GetKeyRotationStatus ListKeyRotations", ok, ok, ok, unsupported, unsupported, ok, ok},
		{"DescribeKey GetKeyPolicy PutKeyPolicy ListGrants RetireGrant RevokeGrant ListAliases DeleteAlias ListKeyPolicies ListResourceTags GetKeyLastUsage",
			ok, ok, ok, ok, ok, ok, ok},
	}
	tested := 0
	for _, row := range rows {
		want := map[awsfacts.KeyState]string{
			awsfacts.Enabled: row.enabled, awsfacts.Disabled: row.disabled, awsfacts.PendingDeletion: row.deletion,
			awsfacts.PendingReplicaDeletion: row.deletion, awsfacts.PendingImport: row.pendingImport,
			awsfacts.Unavailable: row.unavailable, awsfacts.Creating: row.created, awsfacts.Updating: row.update,
		}
		for _, name := range strings.Fields(row.operations) {
			tested++
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for state, exceptions := range want {
					rule := awsfacts.InState("kms:"+name, state)
					if got := strings.Join(rule.Exceptions, " "); got != exceptions || rule.OK != (exceptions == "") {
						t.Errorf("%s: OK %t, exceptions %q, want %q", state, rule.OK, got, exceptions)
					}
				}
			})
		}
	}
	if tested != 44 { // 54 less the 10 of TestOperationsOnNoKeyAreNotHindered
		t.Errorf("%d operations tested, want 44", tested)
	}
}

func TestOperationsOnNoKeyAreNotHindered(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"GenerateRandom", "ListRetirableGrants", "CreateKey", "ListKeys", "CreateCustomKeyStore", "ConnectCustomKeyStore",
		"DescribeCustomKeyStores", "DisconnectCustomKeyStore", "UpdateCustomKeyStore", "DeleteCustomKeyStore",
	} {
		for _, state := range awsfacts.KeyStates() {
			if rule := awsfacts.InState(name, state); !rule.OK {
				t.Errorf("%s in %s: %+v", name, state, rule)
			}
		}
	}
}

func TestWhatIsKnownBeyondTheTable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, action string
		state        awsfacts.KeyState
		ok           bool
		confidence   string
		note         string
	}{
		{"a policy can be repaired while the key is pending deletion", "kms:PutKeyPolicy", awsfacts.PendingDeletion, true, awsfacts.Recorded, ""},
		{"and while its replicas are", "kms:GetKeyPolicy", awsfacts.PendingReplicaDeletion, true, awsfacts.Recorded, ""},
		{"tagging is refused then", "kms:TagResource", awsfacts.PendingReplicaDeletion, false, awsfacts.Recorded, ""},
		{"a cancelled deletion leaves the key disabled", "kms:CancelKeyDeletion", awsfacts.PendingDeletion, true, awsfacts.Documented, "Disabled"},
		{"also that of a primary key", "kms:CancelKeyDeletion", awsfacts.PendingReplicaDeletion, true, awsfacts.Recorded, "Disabled"},
		{"a key in use has no deletion to cancel", "kms:CancelKeyDeletion", awsfacts.Enabled, false, awsfacts.Documented, "not pending deletion"},
		{"a disabled replica cannot become primary", "kms:UpdatePrimaryRegion", awsfacts.Disabled, false, awsfacts.Recorded, "names the disabled one"},
		{"imported material must come before enabling", "kms:EnableKey", awsfacts.PendingImport, false, awsfacts.Recorded, ""},
		{"before rotation on demand too", "kms:RotateKeyOnDemand", awsfacts.PendingImport, false, awsfacts.Recorded, ""},
		{"automatic rotation refuses the origin", "kms:EnableKeyRotation", awsfacts.PendingImport, false, awsfacts.Recorded, "origin is EXTERNAL"},
		{"an unavailable key can be enabled for later", "kms:EnableKey", awsfacts.Unavailable, true, awsfacts.Documented, "available again"},
		{"the new target of an alias must not be pending deletion", "kms:UpdateAlias", awsfacts.PendingDeletion, false, awsfacts.Documented, "points to now"},
		{"deleting material that never came has no effect", "kms:DeleteImportedKeyMaterial", awsfacts.PendingImport, true, awsfacts.Documented, "no effect"},
		{"half a ReEncrypt is a ReEncrypt", "kms:ReEncryptTo", awsfacts.Disabled, false, awsfacts.Documented, ""},
		{"what nothing says is assumed", "kms:RotateKeyOnDemand", awsfacts.Updating, true, awsfacts.Assumed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule := awsfacts.InState(tt.action, tt.state)
			if rule.OK != tt.ok || rule.Confidence != tt.confidence || !strings.Contains(rule.Note, tt.note) {
				t.Errorf("InState(%q, %q) = %+v", tt.action, tt.state, rule)
			}
		})
	}
}

func TestEveryRuleIsEitherOKOrHasAnException(t *testing.T) {
	t.Parallel()
	confidences := []string{awsfacts.Recorded, awsfacts.Documented, awsfacts.Inferred, awsfacts.Assumed}
	for _, op := range awsfacts.KMSOperations() {
		for _, state := range awsfacts.KeyStates() {
			rule := awsfacts.InState(op.Name, state)
			if rule.OK == (len(rule.Exceptions) > 0) || !slices.Contains(confidences, rule.Confidence) {
				t.Errorf("%s in %s: %+v", op.Name, state, rule)
			}
		}
	}
}

func TestTheUnknownIsNotCalledOK(t *testing.T) {
	t.Parallel()
	for _, rule := range []awsfacts.StateRule{
		awsfacts.InState("kms:Decrypt", "Hibernating"),
		awsfacts.InState("kms:Decrypt", ""),
		awsfacts.InState("kms:NoSuchAction", awsfacts.Disabled),
	} {
		if rule.OK || rule.Note == "" || rule.Confidence != awsfacts.Assumed {
			t.Errorf("%+v", rule)
		}
	}
	if rule := awsfacts.InState("kms:SynchronizeMultiRegionKey", awsfacts.Enabled); !rule.OK || rule.Confidence != awsfacts.Assumed {
		t.Errorf("an unknown operation on an enabled key: %+v", rule)
	}
}

func TestStateMessages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		state awsfacts.KeyState
		want  string
	}{
		{awsfacts.Disabled, "K is disabled."},
		{awsfacts.PendingDeletion, "K is pending deletion."},
		{awsfacts.PendingReplicaDeletion, "K is pending replica deletion."},
		{awsfacts.PendingImport, "K is pending import."},
		{awsfacts.Unavailable, "K is unavailable."},
		{awsfacts.Creating, "K is creating."},
		{awsfacts.Updating, "K is updating."},
		{awsfacts.Enabled, ""},
	}
	for _, tt := range tests {
		if got := tt.state.Message("K"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.state, got, tt.want)
		}
	}
	if len(tests) != len(awsfacts.KeyStates()) {
		t.Errorf("%d states have a test, %d exist", len(tests), len(awsfacts.KeyStates()))
	}
}
