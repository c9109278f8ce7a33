package sandbox_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestAReplicaTakesTheMaterialOfItsPrimaryOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	m := &multi{world: w, home: w.kmsOf(w.Root(owner, home)), west: w.kmsOf(w.Root(owner, west))}
	m.key = *need(m.home.CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: new(true), Origin: types.OriginTypeExternal}))(t).KeyMetadata.Arn
	replica := m.replica()
	first, second, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)
	bring := func(how types.ImportType, key string, material []byte) error {
		return w.bringAs(how, key, types.AlgorithmSpecRsaesOaepSha256, material)
	}
	const asNew, again = types.ImportTypeNewKeyMaterial, types.ImportTypeExistingKeyMaterial
	crosses := func(what string) {
		t.Helper()
		blob := need(m.home.Encrypt(ctx, &kms.EncryptInput{KeyId: &m.key, Plaintext: []byte("x")}))(t).CiphertextBlob
		_, err := m.west.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
		w.ends(what, err, "")
	}
	newest := func() types.KeyMaterialState {
		t.Helper()
		list := need(m.home.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &m.key, IncludeKeyMaterial: types.IncludeKeyMaterialAllKeyMaterial}))(t).Rotations
		return list[len(list)-1].KeyMaterialState
	}
	rotate := func() error { return just(m.home.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &m.key})) }

	w.ends("the primary's first material", bring("", m.key, first), "")
	w.ends("a replica of it", m.replicate(west), "")
	if s := m.describe(m.west, replica).KeyState; s != types.KeyStatePendingImport {
		t.Errorf("a replica without material is %s", s)
	}
	w.ends("material that the primary has not", bring("", replica, other), "IncorrectKeyMaterialException: ")
	w.ends("new material", bring(asNew, replica, other), "UnsupportedOperationException: "+replica+" is not a multi-region primary key.")
	w.ends("the primary's material", bring("", replica, first), "")
	crosses("after the import")

	w.ends("the primary's second material", bring(asNew, m.key, second), "")
	if s := newest(); s != types.KeyMaterialStatePendingMultiRegionImportAndRotation {
		t.Errorf("material that a replica lacks is %s", s)
	}
	w.ends("a rotation that a replica cannot follow", rotate(), "KMSInvalidStateException: The key material pending rotation has to be imported into "+replica+" first.")
	w.ends("the second material in the replica", bring(again, replica, second), "")
	if s := newest(); s != types.KeyMaterialStatePendingRotation {
		t.Errorf("material that all have is %s", s)
	}
	crosses("before the rotation")
	w.ends("the rotation", rotate(), "")
	if s := newest(); s != types.KeyMaterialStateCurrent {
		t.Errorf("material after the rotation is %s", s)
	}
	crosses("after the rotation")
	if a, b := m.describe(m.home, m.key).CurrentKeyMaterialId, m.describe(m.west, replica).CurrentKeyMaterialId; *a != *b {
		t.Errorf("the primary uses %s, the replica %s", *a, *b)
	}
}
