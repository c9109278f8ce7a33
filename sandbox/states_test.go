package sandbox_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// onKey is an operation on a key, called with its ARN.
type onKey struct {
	name string
	call func(context.Context, *kms.Client, *string) error
}

func just[T any](_ T, err error) error { return err }

var keyUses = []onKey{
	{"Encrypt", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")}))
	}},
	{"GenerateDataKey", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: id, KeySpec: "AES_256"}))
	}},
	{"GenerateDataKeyWithoutPlaintext", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: id, KeySpec: "AES_256"}))
	}},
	{"GenerateDataKeyPair", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: id, KeyPairSpec: "ECC_NIST_P256"}))
	}},
	{"CreateGrant", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: id, GranteePrincipal: new("arn:aws:iam::" + owner + ":root"), Operations: decryptOnly}))
	}},
}

var keyAdministration = []onKey{
	{"EnableKeyRotation", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: id}))
	}},
	{"RotateKeyOnDemand", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: id}))
	}},
	{"CreateAlias", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new("alias/a"), TargetKeyId: id}))
	}},
	{"TagResource", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.TagResource(ctx, &kms.TagResourceInput{KeyId: id, Tags: []types.Tag{{TagKey: new("a"), TagValue: new("b")}}}))
	}},
	{"UpdateKeyDescription", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: id, Description: new("d")}))
	}},
	{"GetParametersForImport", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: id, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048"}))
	}},
	{"DescribeKey", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: id}))
	}},
	{"GetKeyPolicy", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: id}))
	}},
	{"PutKeyPolicy", func(ctx context.Context, k *kms.Client, id *string) error {
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + owner + `:root"},"Action":"kms:*","Resource":"*"}]}`
		return just(k.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: id, Policy: &policy}))
	}},
	{"ListGrants", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.ListGrants(ctx, &kms.ListGrantsInput{KeyId: id}))
	}},
	{"ListAliases", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.ListAliases(ctx, &kms.ListAliasesInput{KeyId: id}))
	}},
	{"ListResourceTags", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: id}))
	}},
	{"GetKeyRotationStatus", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: id}))
	}},
	{"CancelKeyDeletion", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: id}))
	}},
	{"EnableKey", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id}))
	}},
	{"DisableKey", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id}))
	}},
	{"ScheduleKeyDeletion", func(ctx context.Context, k *kms.Client, id *string) error {
		return just(k.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id}))
	}},
}

// keyIn makes a key and brings it into a state.
func (w *world) keyIn(state types.KeyState) string {
	w.Helper()
	k := w.kmsOf(w.root(owner))
	in := &kms.CreateKeyInput{}
	if state == types.KeyStatePendingImport {
		in.Origin = types.OriginTypeExternal
	}
	m := need(k.CreateKey(w.Context(), in))(w).KeyMetadata
	switch state {
	case types.KeyStateDisabled:
		need(k.DisableKey(w.Context(), &kms.DisableKeyInput{KeyId: m.Arn}))(w)
	case types.KeyStatePendingDeletion:
		need(k.ScheduleKeyDeletion(w.Context(), &kms.ScheduleKeyDeletionInput{KeyId: m.Arn}))(w)
	}
	return *m.Arn
}

// What each state of a key lets through. The table is that of
// https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html, with what was
// recorded: a use of a key that waits for its deletion is refused for its state.
func TestWhatAKeyStatePermits(t *testing.T) {
	t.Parallel()
	const (
		ok          = ""
		disabled    = "DisabledException: KEY is disabled."
		deletion    = "KMSInvalidStateException: KEY is pending deletion."
		imports     = "KMSInvalidStateException: KEY is pending import."
		notDeleted  = "KMSInvalidStateException: KEY is not pending deletion."
		external    = "UnsupportedOperationException: KEY origin is EXTERNAL which is not valid for this operation."
		notExternal = "UnsupportedOperationException: KEY origin is AWS_KMS which is not valid for this operation."
	)
	states := []types.KeyState{types.KeyStateEnabled, types.KeyStateDisabled, types.KeyStatePendingDeletion, types.KeyStatePendingImport}
	want := map[string][4]string{
		"Encrypt":                         {ok, disabled, deletion, imports},
		"GenerateDataKey":                 {ok, disabled, deletion, imports},
		"GenerateDataKeyWithoutPlaintext": {ok, disabled, deletion, imports},
		"GenerateDataKeyPair":             {ok, disabled, deletion, imports},
		"CreateGrant":                     {ok, disabled, deletion, imports},
		"EnableKeyRotation":               {ok, disabled, deletion, external},
		"RotateKeyOnDemand":               {ok, disabled, deletion, imports},
		"CreateAlias":                     {ok, ok, deletion, ok},
		"TagResource":                     {ok, ok, deletion, ok},
		"UpdateKeyDescription":            {ok, ok, deletion, ok},
		"GetParametersForImport":          {notExternal, notExternal, notExternal, ok},
		"DescribeKey":                     {ok, ok, ok, ok},
		"GetKeyPolicy":                    {ok, ok, ok, ok},
		"PutKeyPolicy":                    {ok, ok, ok, ok},
		"ListGrants":                      {ok, ok, ok, ok},
		"ListAliases":                     {ok, ok, ok, ok},
		"ListResourceTags":                {ok, ok, ok, ok},
		"GetKeyRotationStatus":            {ok, ok, ok, external},
		"CancelKeyDeletion":               {notDeleted, notDeleted, ok, notDeleted},
		"EnableKey":                       {ok, ok, deletion, imports},
		"DisableKey":                      {ok, ok, deletion, imports},
		"ScheduleKeyDeletion":             {ok, ok, deletion, ok},
	}
	for _, op := range append(append([]onKey{}, keyUses...), keyAdministration...) {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			for i, state := range states {
				w := newWorld(t)
				key := w.keyIn(state)
				err := op.call(t.Context(), w.kmsOf(w.root(owner)), &key)
				if got := strings.ReplaceAll(refusal(err), key, "KEY"); got != want[op.name][i] {
					t.Errorf("%s: %q, want %q", state, got, want[op.name][i])
				}
			}
		})
	}
}

// A key ends when its window has passed, and its aliases and grants with it.
func TestAKeyEndsAfterItsWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.kmsOf(w.root(owner))
	key := w.key(owner, "")
	need(k.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: new("alias/going"), TargetKeyId: &key}))(t)
	blob := need(k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")}))(t).CiphertextBlob
	out := need(k.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)}))(t)
	if out.KeyState != types.KeyStatePendingDeletion || out.DeletionDate.Sub(w.Now()).Hours() < 6*24 {
		t.Errorf("scheduled: %+v", out)
	}
	if err := w.Advance(6 * day); err != nil {
		t.Fatal(err)
	}
	w.ends("the day before", just(k.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})), "")
	if err := w.Advance(day); err != nil {
		t.Fatal(err)
	}
	w.ends("the day after", just(k.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key})), "NotFoundException: Key '"+key+"' does not exist")
	w.ends("its alias", just(k.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/going")})), "is not found.")
	err := just(k.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob}))
	w.ends("its ciphertext", err, "on the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access")
}

func TestACancelledDeletionLeavesTheKeyDisabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.kmsOf(w.root(owner))
	key := w.keyIn(types.KeyStatePendingDeletion)
	need(k.CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &key}))(t)
	m := need(k.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &key}))(t).KeyMetadata
	if m.KeyState != types.KeyStateDisabled || m.DeletionDate != nil || m.Enabled {
		t.Errorf("the key is %+v", m)
	}
	need(k.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &key}))(t)
	w.ends("Encrypt", just(k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})), "")
}
