package sandbox_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"hash"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	kwp "github.com/tink-crypto/tink-go/v2/kwp/subtle"
	"pgregory.net/rapid"
)

// keyOf makes a key of a spec and usage and returns its ARN.
func (w *world) keyOf(spec types.KeySpec, usage types.KeyUsageType, origin types.OriginType) string {
	w.Helper()
	return *need(w.kmsOf(w.root(owner)).CreateKey(w.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage, Origin: origin}))(w).KeyMetadata.Arn
}

// A signature holds outside KMS, by the public key that KMS gives out.
func TestSignaturesHoldOutside(t *testing.T) {
	t.Parallel()
	message := []byte("signed")
	for spec, algorithms := range map[types.KeySpec][]types.SigningAlgorithmSpec{
		types.KeySpecRsa2048: {
			types.SigningAlgorithmSpecRsassaPssSha256, types.SigningAlgorithmSpecRsassaPssSha384, types.SigningAlgorithmSpecRsassaPssSha512,
			types.SigningAlgorithmSpecRsassaPkcs1V15Sha256, types.SigningAlgorithmSpecRsassaPkcs1V15Sha384, types.SigningAlgorithmSpecRsassaPkcs1V15Sha512,
		},
		types.KeySpecEccNistP256:         {types.SigningAlgorithmSpecEcdsaSha256},
		types.KeySpecEccNistP384:         {types.SigningAlgorithmSpecEcdsaSha384},
		types.KeySpecEccNistP521:         {types.SigningAlgorithmSpecEcdsaSha512},
		types.KeySpecEccNistEdwards25519: {types.SigningAlgorithmSpecEd25519Sha512, types.SigningAlgorithmSpecEd25519PhSha512},
	} {
		t.Run(string(spec), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k := w.kmsOf(w.root(owner))
			key := w.keyOf(spec, types.KeyUsageTypeSignVerify, "")
			der := need(k.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key}))(t)
			public, err := x509.ParsePKIXPublicKey(der.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range algorithms {
				in := &kms.SignInput{KeyId: &key, Message: message, SigningAlgorithm: a}
				if a == types.SigningAlgorithmSpecEd25519PhSha512 {
					sum := sha512.Sum512(message)
					in.Message, in.MessageType = sum[:], types.MessageTypeDigest
				}
				signature := need(k.Sign(t.Context(), in))(t).Signature
				if !holds(public, a, message, signature) {
					t.Errorf("%s does not hold", a)
				}
				verify := &kms.VerifyInput{KeyId: &key, Message: in.Message, MessageType: in.MessageType, SigningAlgorithm: a, Signature: signature}
				if out := need(k.Verify(t.Context(), verify))(t); !out.SignatureValid {
					t.Errorf("%s: KMS does not know its own signature", a)
				}
				verify.Message = append([]byte{}, in.Message...)
				verify.Message[0] ^= 1
				w.ends("another message with "+string(a), just(k.Verify(t.Context(), verify)), "KMSInvalidSignatureException: ")
			}
		})
	}
}

// hashNamed is the hash that an algorithm's name ends in.
func hashNamed(name string) crypto.Hash {
	switch {
	case strings.HasSuffix(name, "384"):
		return crypto.SHA384
	case strings.HasSuffix(name, "512"):
		return crypto.SHA512
	}
	return crypto.SHA256
}

func holds(public any, a types.SigningAlgorithmSpec, message, signature []byte) bool {
	h := hashNamed(string(a))
	d := h.New()
	d.Write(message)
	digest := d.Sum(nil)
	switch k := public.(type) {
	case *rsa.PublicKey:
		if strings.Contains(string(a), "PSS") {
			return rsa.VerifyPSS(k, h, digest, signature, &rsa.PSSOptions{SaltLength: h.Size()}) == nil
		}
		return rsa.VerifyPKCS1v15(k, h, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, signature)
	case ed25519.PublicKey:
		if a == types.SigningAlgorithmSpecEd25519PhSha512 {
			return ed25519.VerifyWithOptions(k, digest, signature, &ed25519.Options{Hash: crypto.SHA512}) == nil
		}
		return ed25519.Verify(k, message, signature)
	}
	return false
}

func TestRSACiphertextsOfOthersAreDecrypted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.kmsOf(w.root(owner))
	key := w.keyOf(types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt, "")
	public, err := x509.ParsePKIXPublicKey(need(k.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key}))(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for a, h := range map[types.EncryptionAlgorithmSpec]hash.Hash{types.EncryptionAlgorithmSpecRsaesOaepSha1: sha1.New(), types.EncryptionAlgorithmSpecRsaesOaepSha256: sha256.New()} {
		blob, err := rsa.EncryptOAEP(h, rand.Reader, public.(*rsa.PublicKey), []byte("from outside"), nil)
		if err != nil {
			t.Fatal(err)
		}
		out := need(k.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob, EncryptionAlgorithm: a}))(t)
		if string(out.Plaintext) != "from outside" {
			t.Errorf("%s: %q", a, out.Plaintext)
		}
	}
}

func TestMACsAreHMACs(t *testing.T) {
	t.Parallel()
	for spec, a := range map[types.KeySpec]types.MacAlgorithmSpec{
		types.KeySpecHmac224: types.MacAlgorithmSpecHmacSha224, types.KeySpecHmac256: types.MacAlgorithmSpecHmacSha256,
		types.KeySpecHmac384: types.MacAlgorithmSpecHmacSha384, types.KeySpecHmac512: types.MacAlgorithmSpecHmacSha512,
	} {
		t.Run(string(spec), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k := w.kmsOf(w.root(owner))
			secret := make([]byte, map[types.KeySpec]int{types.KeySpecHmac224: 28, types.KeySpecHmac256: 32, types.KeySpecHmac384: 48, types.KeySpecHmac512: 64}[spec])
			_, _ = rand.Read(secret)
			key := w.keyOf(spec, types.KeyUsageTypeGenerateVerifyMac, types.OriginTypeExternal)
			w.ends("the import", w.bring(key, types.AlgorithmSpecRsaesOaepSha256, secret), "")
			got := need(k.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &key, Message: []byte("m"), MacAlgorithm: a}))(t).Mac
			h := hashNamed(string(a))
			if spec == types.KeySpecHmac224 {
				h = crypto.SHA224
			}
			want := hmac.New(h.New, secret)
			want.Write([]byte("m"))
			if !bytes.Equal(got, want.Sum(nil)) {
				t.Error("the MAC is not the HMAC of the imported secret")
			}
			need(k.VerifyMac(t.Context(), &kms.VerifyMacInput{KeyId: &key, Message: []byte("m"), MacAlgorithm: a, Mac: got}))(t)
			got[0] ^= 1
			w.ends("another MAC", just(k.VerifyMac(t.Context(), &kms.VerifyMacInput{KeyId: &key, Message: []byte("m"), MacAlgorithm: a, Mac: got})), "KMSInvalidMacException: ")
		})
	}
}

// bring imports key material with a wrapping algorithm.
func (w *world) bring(key string, a types.AlgorithmSpec, material []byte) error {
	w.Helper()
	return w.bringAs("", key, a, material)
}

// bringAs imports key material as new or as what a key had.
func (w *world) bringAs(how types.ImportType, key string, a types.AlgorithmSpec, material []byte) error {
	w.Helper()
	k := w.kmsOf(w.Root(owner, strings.Split(key, ":")[3]))
	p := need(k.GetParametersForImport(w.Context(), &kms.GetParametersForImportInput{KeyId: &key, WrappingAlgorithm: a, WrappingKeySpec: types.WrappingKeySpecRsa2048}))(w)
	parsed, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		w.Fatal(err)
	}
	public := parsed.(*rsa.PublicKey)
	oaep := func(data []byte) []byte {
		var h hash.Hash = sha256.New()
		if strings.HasSuffix(string(a), "SHA_1") {
			h = sha1.New()
		}
		return need(rsa.EncryptOAEP(h, rand.Reader, public, data, nil))(w)
	}
	var wrapped []byte
	if strings.HasPrefix(string(a), "RSA_AES") {
		aesKey := make([]byte, 32)
		_, _ = rand.Read(aesKey)
		wrapped = append(oaep(aesKey), need(need(kwp.NewKWP(aesKey))(w).Wrap(material))(w)...)
	} else {
		wrapped = oaep(material)
	}
	return just(k.ImportKeyMaterial(w.Context(), &kms.ImportKeyMaterialInput{
		KeyId: &key, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrapped, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire, ImportType: how,
	}))
}

func TestImportsWithEveryWrapping(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(k any) []byte { return need(x509.MarshalPKCS8PrivateKey(k))(t) }
	p256 := need(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	for _, c := range []struct {
		name     string
		spec     types.KeySpec
		usage    types.KeyUsageType
		wrapping types.AlgorithmSpec
		material []byte
		want     string
	}{
		{"a symmetric key under OAEP with SHA-1", "", "", types.AlgorithmSpecRsaesOaepSha1, make([]byte, 32), ""},
		{"a symmetric key under OAEP with SHA-256", "", "", types.AlgorithmSpecRsaesOaepSha256, make([]byte, 32), ""},
		{"a symmetric key under an AES key", "", "", types.AlgorithmSpecRsaAesKeyWrapSha256, make([]byte, 32), ""},
		{"a curve's key", types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, types.AlgorithmSpecRsaesOaepSha256, pkcs8(p256), ""},
		{"an RSA key under an AES key", types.KeySpecRsa2048, types.KeyUsageTypeSignVerify, types.AlgorithmSpecRsaAesKeyWrapSha1, pkcs8(private), ""},
		{"a symmetric key that is too short", "", "", types.AlgorithmSpecRsaesOaepSha256, make([]byte, 31), "InvalidCiphertextException: "},
		{"a key of another curve", types.KeySpecEccNistP384, types.KeyUsageTypeSignVerify, types.AlgorithmSpecRsaesOaepSha256, pkcs8(p256), "InvalidCiphertextException: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.ends("the import", w.bring(w.keyOf(c.spec, c.usage, types.OriginTypeExternal), c.wrapping, c.material), c.want)
		})
	}
}

// What is under imported material opens again when the same material comes back,
// and never with another.
func TestImportedMaterialEndsAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.kmsOf(w.root(owner))
	key := w.keyOf("", "", types.OriginTypeExternal)
	material := make([]byte, 32)
	_, _ = rand.Read(material)
	w.ends("the first import", w.bring(key, types.AlgorithmSpecRsaesOaepSha256, material), "")
	blob := need(k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")}))(t).CiphertextBlob
	need(k.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &key}))(t)
	decrypt := func() error { return just(k.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob})) }
	w.ends("without material", decrypt(), "KMSInvalidStateException: "+key+" is pending import.")
	w.ends("another material", w.bring(key, types.AlgorithmSpecRsaesOaepSha256, make([]byte, 32)), "IncorrectKeyMaterialException: ")
	w.ends("the same material", w.bring(key, types.AlgorithmSpecRsaesOaepSha256, material), "")
	w.ends("after it", decrypt(), "")
}

func TestImportedMaterialExpires(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	w := b.world
	b.rule(w.root(owner), "default", "keys", `{"source":["aws.kms"]}`, ebtypes.Target{})
	k := w.kmsOf(w.root(owner))
	key := w.keyOf("", "", types.OriginTypeExternal)
	p := need(k.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: &key, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048}))(t)
	public := need(x509.ParsePKIXPublicKey(p.PublicKey))(t).(*rsa.PublicKey)
	in := &kms.ImportKeyMaterialInput{
		KeyId: &key, ImportToken: p.ImportToken, EncryptedKeyMaterial: need(rsa.EncryptOAEP(sha256.New(), rand.Reader, public, make([]byte, 32), nil))(t),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialExpires,
	}
	w.ends("without a day", just(k.ImportKeyMaterial(t.Context(), in)), "ValidationException: A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
	in.ValidTo = aws.Time(w.Now().Add(2 * day))
	need(k.ImportKeyMaterial(t.Context(), in))(t)
	encrypt := func() error {
		return just(k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")}))
	}
	w.ends("the day before", encrypt(), "")
	if err := w.Advance(2 * day); err != nil {
		t.Fatal(err)
	}
	w.ends("the day after", encrypt(), "KMSInvalidStateException: "+key+" is pending import.")
	if d := b.next(); d.Event.DetailType != "KMS Imported Key Material Expiration" || d.Event.Resources[0] != key {
		t.Errorf("told %+v", d.Event)
	}
}

func TestSharedSecretsAreECDH(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.kmsOf(w.root(owner))
	key := w.keyOf(types.KeySpecEccNistP384, types.KeyUsageTypeKeyAgreement, "")
	mine := need(ecdh.P384().GenerateKey(rand.Reader))(t)
	theirs := need(x509.ParsePKIXPublicKey(need(k.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key}))(t).PublicKey))(t).(*ecdsa.PublicKey)
	want := need(mine.ECDH(need(theirs.ECDH())(t)))(t)
	got := need(k.DeriveSharedSecret(t.Context(), &kms.DeriveSharedSecretInput{
		KeyId: &key, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: need(x509.MarshalPKIXPublicKey(mine.PublicKey()))(t),
	}))(t).SharedSecret
	if !bytes.Equal(got, want) {
		t.Error("the secret is another than that of crypto/ecdh")
	}
}

// No ciphertext opens when any of its bits, its key or its context is another.
func TestCiphertextsAreBoundToKeyAndContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.kmsOf(w.root(owner))
	key, other := w.key(owner, ""), w.key(owner, "")
	context := map[string]string{"a": "1", "b": "2"}
	blob := need(k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("secret"), EncryptionContext: context}))(t).CiphertextBlob
	decrypt := func(blob []byte, context map[string]string, key *string) string {
		return refusal(just(k.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: context, KeyId: key})))
	}
	if got := decrypt(blob, map[string]string{"b": "2", "a": "1"}, nil); got != "" {
		t.Fatalf("unchanged: %s", got)
	}
	if got := decrypt(blob, context, &other); !strings.HasPrefix(got, "IncorrectKeyException") {
		t.Errorf("another key: %q", got)
	}
	for name, c := range map[string]map[string]string{"none": nil, "less": {"a": "1"}, "more": {"a": "1", "b": "2", "c": "3"}, "moved": {"a": "1b", "": "2"}, "other case": {"A": "1", "b": "2"}} {
		if got := decrypt(blob, c, nil); !strings.HasPrefix(got, "InvalidCiphertextException") {
			t.Errorf("context with %s: %q", name, got)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		changed := bytes.Clone(blob)
		switch rapid.IntRange(0, 2).Draw(r, "how") {
		case 0:
			changed[rapid.IntRange(0, len(blob)-1).Draw(r, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(r, "bit")
		case 1:
			changed = changed[:rapid.IntRange(1, len(blob)-1).Draw(r, "length")]
		default:
			changed = append(changed, rapid.Byte().Draw(r, "more"))
		}
		got := decrypt(changed, context, nil)
		if !strings.HasPrefix(got, "InvalidCiphertextException") && !strings.HasPrefix(got, "AccessDeniedException") {
			r.Fatalf("%x: %q", changed, got)
		}
	})
}

func TestRotationKeepsWhatWasEncryptedBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.kmsOf(w.root(owner))
	key := w.key(owner, "")
	encrypt := func() []byte {
		return need(k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")}))(t).CiphertextBlob
	}
	blobs := [][]byte{encrypt()}
	need(k.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &key}))(t)
	blobs = append(blobs, encrypt())
	need(k.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: &key, RotationPeriodInDays: aws.Int32(90)}))(t)
	if err := w.Advance(181 * day); err != nil {
		t.Fatal(err)
	}
	blobs = append(blobs, encrypt())
	materials := map[string]bool{}
	for i, b := range blobs {
		out := need(k.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: b}))(t)
		if string(out.Plaintext) != "x" {
			t.Errorf("ciphertext %d: %q", i, out.Plaintext)
		}
		materials[*out.KeyMaterialId] = true
	}
	if len(materials) != 3 {
		t.Errorf("three ciphertexts are under %d materials", len(materials))
	}
	list := need(k.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &key}))(t).Rotations
	how := []types.RotationType{}
	for _, r := range list {
		how = append(how, r.RotationType)
	}
	if len(how) != 3 || how[0] != types.RotationTypeOnDemand || how[1] != types.RotationTypeAutomatic || how[2] != types.RotationTypeAutomatic {
		t.Errorf("the rotations are %v", how)
	}
}

// A dry run asks everything and does nothing.
func TestDryRuns(t *testing.T) {
	t.Parallel()
	const would = "DryRunOperationException: The request would have succeeded, but the DryRun option is set."
	w := newWorld(t)
	k := w.kmsOf(w.root(owner))
	key := w.key(owner, "")
	blob := need(k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")}))(t).CiphertextBlob
	root, dry := aws.String("arn:aws:iam::"+owner+":root"), aws.Bool(true)
	without := []types.DryRunModifierType{types.DryRunModifierTypeIgnoreCiphertext}
	w.ends("CreateGrant", just(k.CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: root, Operations: decryptOnly, DryRun: dry})), would)
	if n := len(need(k.ListGrants(t.Context(), &kms.ListGrantsInput{KeyId: &key}))(t).Grants); n != 0 {
		t.Errorf("the dry run made %d grants", n)
	}
	w.ends("Encrypt", just(k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), DryRun: dry})), would)
	w.ends("Decrypt", just(k.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob, DryRun: dry})), would)
	w.ends("Decrypt without a ciphertext", just(k.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &key, DryRun: dry, DryRunModifiers: without})), would)
	w.ends("ReEncrypt without a ciphertext", just(k.ReEncrypt(t.Context(), &kms.ReEncryptInput{SourceKeyId: &key, DestinationKeyId: &key, DryRun: dry, DryRunModifiers: without})), would)
	if got := refusal(just(k.Decrypt(t.Context(), &kms.DecryptInput{DryRun: dry, DryRunModifiers: without}))); !strings.HasPrefix(got, "ValidationException") {
		t.Errorf("neither key nor ciphertext: %q", got)
	}
	r := w.role(owner, "r", "", "")
	session := w.kmsOf(w.session(owner, r.arn, "mine", ""))
	w.ends("one that is not allowed", just(session.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &key, DryRun: dry, DryRunModifiers: without})), noIdentity)
}
