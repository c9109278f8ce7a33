package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/cloud"
)

var sizes = []int{0, 1, 15, 16, 17, 4096, 65535, 65536, 65537, 65552, 131071, 131072, 131073, 200_000}

func TestItReadsWhatAgeReads(t *testing.T) {
	t.Parallel()
	id := x25519(t)
	for _, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			file := encrypt(t, content(size), id.Recipient())
			theirs, err := age.Decrypt(bytes.NewReader(file), id)
			if err != nil {
				t.Fatal(err)
			}
			want, err := io.ReadAll(theirs)
			if err != nil {
				t.Fatal(err)
			}
			for name, src := range map[string]io.Reader{
				"whole": bytes.NewReader(file), "byte by byte": iotest.OneByteReader(bytes.NewReader(file)),
				"halves": iotest.HalfReader(bytes.NewReader(file)), "the end with the data": iotest.DataErrReader(bytes.NewReader(file)),
			} {
				r, err := envelope.Decrypt(src, envelope.Options{}, id)
				if err != nil {
					t.Fatal(name, err)
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes, %v", name, len(got), err)
				}
			}
		})
	}
}

func TestAllWaysOfReadingGiveTheSame(t *testing.T) {
	t.Parallel()
	id := x25519(t)
	want := content(200_000)
	file := encrypt(t, want, id.Recipient())
	open := func() io.Reader {
		r, err := envelope.Decrypt(bytes.NewReader(file), envelope.Options{}, id)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if err := iotest.TestReader(open(), want); err != nil {
		t.Error(err)
	}
	for _, size := range []int{1000, 65535, 65536, 70_000, 1 << 20} {
		var got bytes.Buffer
		b := make([]byte, size)
		r := open()
		for {
			n, err := r.Read(b)
			got.Write(b[:n])
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("reads of %d give something else", size)
		}
	}
	var got bytes.Buffer
	r := open()
	_, _ = io.ReadFull(r, make([]byte, 10))
	if n, err := r.(io.WriterTo).WriteTo(&got); err != nil || n != 199_990 || !bytes.Equal(got.Bytes(), want[10:]) {
		t.Errorf("written: %d bytes, %v", n, err)
	}
}

func TestKMSKeysStandBesideNativeRecipients(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	classic := x25519(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	plain := content(100)
	for name, c := range map[string]struct {
		native age.Recipient
		id     age.Identity
	}{"age1": {classic.Recipient(), classic}, "age1pq": {hybrid.Recipient(), hybrid}} {
		all, err := envelope.Recipients([]age.Recipient{c.native}, kmsRecipient(k, keyAlias, keyTwo))
		if err != nil {
			t.Fatal(name, err)
		}
		file := encrypt(t, plain, all...)
		for _, id := range []age.Identity{c.id, kmsIdentity(k, allowed(keyOne)), kmsIdentity(k, allowed(keyTwo))} {
			if got, err := decrypt(file, envelope.Options{}, id); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s by %T: %v", name, id, err)
			}
		}
	}
	if _, err := envelope.Recipients([]age.Recipient{classic.Recipient(), hybrid.Recipient()}); err == nil || !strings.Contains(err.Error(), "cannot be mixed") {
		t.Errorf("age1 beside age1pq: %v", err)
	}
}

func TestAPassphraseStandsAlone(t *testing.T) {
	t.Parallel()
	word, err := envelope.NewPassphraseRecipient("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]age.Recipient{
		"KMS": kmsRecipient(newFakeKMS(), keyOne), "age1": x25519(t).Recipient(), "another passphrase": word,
	} {
		if _, err := envelope.Encrypt(io.Discard, word, other); !errors.Is(err, envelope.ErrPassphraseAlone) {
			t.Errorf("beside %s: %v", name, err)
		}
	}
	if _, err := envelope.Encrypt(io.Discard); err == nil {
		t.Error("a file for nobody was begun")
	}
}

func TestTheStanzaNamesTheKeyAndTheContext(t *testing.T) {
	t.Parallel()
	file := encrypt(t, nil, kmsRecipient(newFakeKMS(), keyAlias))
	h, err := envelope.ReadHeader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Stanzas) != 1 || h.Stanzas[0].KMS == nil {
		t.Fatalf("stanzas: %+v", h.Stanzas)
	}
	w := h.Stanzas[0].KMS
	if w.ARN != keyOne || w.Context[envelope.ContextID] != backupContext[envelope.ContextID] || len(w.Context) != 5 {
		t.Errorf("stanza: %+v", w)
	}
	if !bytes.Equal(h.Raw, file[:h.Len]) || h.Len == int64(len(file)) {
		t.Errorf("the header has %d bytes of %d", h.Len, len(file))
	}
	const canonical = `{"app":"keyreach","backup-id":"20261125-1","format":"1","kind":"files","name":"etc"}`
	if got := h.Stanzas[0].Args[2]; got != encode(canonical) {
		t.Errorf("the context is not in its canonical form: %s", got)
	}
}

func TestAnEmergencyNeedsKMSAndAgeOnly(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	plain := content(70_000)
	file := encrypt(t, plain, kmsRecipient(k, keyOne))
	h, err := envelope.ReadHeader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	// aws kms decrypt, on the body of the stanza and the context in it.
	w := h.Stanzas[0].KMS
	fileKey, err := k.Decrypt(context.Background(), w.ARN, w.Blob, w.Context)
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(file), age.NewInjectedFileKeyIdentity(fileKey))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestABrokenSourceIsNoDamagedFile(t *testing.T) {
	t.Parallel()
	id := x25519(t)
	file := encrypt(t, content(200_000), id.Recipient())
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("connection reset")} {
		for _, at := range []int{10, 150, 300, 70_000, len(file) - 1} {
			src := io.MultiReader(bytes.NewReader(file[:at]), iotest.ErrReader(broken))
			r, err := envelope.Decrypt(src, envelope.Options{}, id)
			if err == nil {
				_, err = io.ReadAll(r)
			}
			if !errors.Is(err, broken) || envelope.ClassOf(err) != "" {
				t.Errorf("%v at %d: class %q, %v", broken, at, envelope.ClassOf(err), err)
			}
		}
	}
}

func TestReadingAllocatesNothingForEachChunk(t *testing.T) {
	// Not parallel: it counts allocations.
	id := x25519(t)
	file := encrypt(t, make([]byte, 4<<20), id.Recipient())
	small := encrypt(t, make([]byte, 64<<10), id.Recipient())
	count := func(file []byte) float64 {
		return testing.AllocsPerRun(3, func() {
			r, err := envelope.Decrypt(bytes.NewReader(file), envelope.Options{}, id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				t.Fatal(err)
			}
		})
	}
	if more := count(file) - count(small); more > 8 {
		t.Errorf("%v allocations more for 63 chunks more", more)
	}
}

// KMS is called once for each key, with the file key and no other, also when what is
// encrypted is read back.
func TestAMirroredKeyIsCalledOnce(t *testing.T) {
	t.Parallel()
	native, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	k := newFakeKMS()
	all, err := envelope.Recipients([]age.Recipient{native.Recipient()}, envelope.NewKMSRecipient(t.Context(), k, []string{keyOne}, backupContext, 0, nil))
	if err != nil {
		t.Fatal(err)
	}
	mirror := envelope.NewMirror(all[0])
	all[0] = mirror
	var b bytes.Buffer
	w, err := envelope.Encrypt(&b, all...)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(k.called("Encrypt")); n != 1 {
		t.Errorf("kms:Encrypt was called %d times", n)
	}
	if _, err := envelope.Decrypt(&b, envelope.Options{}, mirror); err != nil {
		t.Error(err)
	}
}

// What a recipient fails with is told without age's numbers.
func TestARecipientThatFailsIsNamed(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	k.fail["Encrypt "+keyOne] = failure(cloud.Denied, "AccessDeniedException", "")
	_, err := envelope.Encrypt(io.Discard, envelope.NewKMSRecipient(t.Context(), k, []string{keyOne}, backupContext, 0, nil))
	if err == nil || strings.Contains(err.Error(), "recipient #") || !strings.Contains(err.Error(), keyOne) {
		t.Error(err)
	}
}
