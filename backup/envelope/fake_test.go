package envelope_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/cloud"
)

const (
	account  = "111122223333"
	keyOne   = "arn:aws:kms:eu-central-1:111122223333:key/11111111-1111-1111-1111-111111111111"
	keyTwo   = "arn:aws:kms:eu-west-1:444455556666:key/22222222-2222-2222-2222-222222222222"
	keyAlias = "arn:aws:kms:eu-central-1:111122223333:alias/backup"
	keyMulti = "arn:aws:kms:eu-central-1:111122223333:key/mrk-33333333333333333333333333333333"
	replica  = "arn:aws:kms:us-east-1:111122223333:key/mrk-33333333333333333333333333333333"
)

// fakeKMS is KMS in memory. A blob opens with its key, or a replica of it, and its context.
type fakeKMS struct {
	mu      sync.Mutex
	aliases map[string]string
	fail    map[string]error // by "Operation key" or by key
	states  map[string]envelope.Key
	calls   []string
}

func newFakeKMS() *fakeKMS {
	return &fakeKMS{
		aliases: map[string]string{keyAlias: keyOne},
		fail:    map[string]error{}, states: map[string]envelope.Key{},
	}
}

func (f *fakeKMS) begin(operation, key string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, operation+" "+key)
	if to, ok := f.aliases[key]; ok {
		key = to
	}
	if err := f.fail[operation+" "+key]; err != nil {
		return key, err
	}
	return key, f.fail[key]
}

func (f *fakeKMS) called(operation string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var keys []string
	for _, c := range f.calls {
		if key, ok := strings.CutPrefix(c, operation+" "); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// seal is the AEAD of a key: multi-Region keys have one material in all Regions.
func seal(key string) cipher.AEAD {
	if i := strings.Index(key, "mrk-"); i >= 0 {
		key = key[i:]
	}
	sum := sha256.Sum256([]byte(key))
	b, err := aes.NewCipher(sum[:])
	if err != nil {
		panic(err)
	}
	g, err := cipher.NewGCM(b)
	if err != nil {
		panic(err)
	}
	return g
}

func bind(c envelope.Context) []byte {
	b, err := json.Marshal(map[string]string(c))
	if err != nil {
		panic(err)
	}
	return b
}

func (f *fakeKMS) Encrypt(_ context.Context, key string, plaintext []byte, c envelope.Context) ([]byte, string, error) {
	key, err := f.begin("Encrypt", key)
	if err != nil {
		return nil, "", err
	}
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce)
	// As KMS does, with a head that is no length.
	blob := append([]byte{1, 2, 2, 0}, nonce...)
	return seal(key).Seal(blob, nonce, plaintext, bind(c)), key, nil
}

func (f *fakeKMS) Decrypt(_ context.Context, key string, blob []byte, c envelope.Context) ([]byte, error) {
	key, err := f.begin("Decrypt", key)
	if err != nil {
		return nil, err
	}
	invalid := failure(cloud.Invalid, "InvalidCiphertextException", "")
	if len(blob) < 16 || !bytes.HasPrefix(blob, []byte{1, 2, 2, 0}) {
		return nil, invalid
	}
	plain, err := seal(key).Open(nil, blob[4:16], blob[16:], bind(c))
	if err != nil {
		return nil, invalid
	}
	return plain, nil
}

func (f *fakeKMS) DescribeKey(_ context.Context, key string) (envelope.Key, error) {
	key, _ = f.begin("DescribeKey", key)
	if err := f.fail["DescribeKey "+key]; err != nil {
		return envelope.Key{}, err
	}
	if k, ok := f.states[key]; ok {
		return k, nil
	}
	return envelope.Key{ARN: key, State: "Enabled", Manager: "CUSTOMER", Usage: "ENCRYPT_DECRYPT"}, nil
}

func failure(k cloud.Kind, code, text string) error {
	if text == "" {
		text = code
	}
	return &cloud.Error{Kind: k, Operation: "kms:Decrypt", Code: code, Err: errors.New(text)}
}

func pending(key string) envelope.Key {
	return envelope.Key{ARN: key, State: "PendingDeletion", Deletion: time.Date(2027, 1, 2, 3, 4, 0, 0, time.UTC)}
}

var backupContext = envelope.NewContext("files", "etc", "20261125-1")

func kmsRecipient(k envelope.KMS, keys ...string) *envelope.KMSRecipient {
	return envelope.NewKMSRecipient(context.Background(), k, keys, backupContext, 0, nil)
}

func kmsIdentity(k envelope.KMS, allow envelope.AllowList) *envelope.KMSIdentity {
	return envelope.NewKMSIdentity(context.Background(), k, allow, backupContext)
}

func allowed(keys ...string) envelope.AllowList { return envelope.AllowList{Keys: keys} }

func encrypt(t testing.TB, plain []byte, recipients ...age.Recipient) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := envelope.Encrypt(&b, recipients...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decrypt(file []byte, o envelope.Options, ids ...age.Identity) ([]byte, error) {
	r, err := envelope.Decrypt(bytes.NewReader(file), o, ids...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// content is of the size, and begins and ends as an archive does where it has room for that.
func content(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	if size >= len(ending) {
		copy(b, beginning)
		copy(b[size-len(ending):], ending)
	}
	return b
}

var ending = []byte("\x5e\x2a\x4d\x18\x08\x00\x00\x00KEYREACH")

var beginning = []byte("\x28\xb5\x2f\xfd")

var archived = envelope.Options{End: ending, Begin: beginning}

func wantClass(t testing.TB, err error, want ...envelope.Class) {
	t.Helper()
	got := envelope.ClassOf(err)
	for _, w := range want {
		if got == w && err != nil {
			return
		}
	}
	t.Errorf("class %q, want %q: %v", got, want, err)
}

func x25519(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func encode(text string) string { return base64.RawStdEncoding.EncodeToString([]byte(text)) }
