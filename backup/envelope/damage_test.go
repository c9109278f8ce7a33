package envelope_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/envelope"
)

const sealedChunk = 64<<10 + 16

// parts are a file taken apart: header, nonce and chunks.
type parts struct {
	header, nonce []byte
	chunks        [][]byte
}

func apart(t testing.TB, file []byte) parts {
	t.Helper()
	h, err := envelope.ReadHeader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	rest := file[h.Len:]
	p := parts{header: slices.Clone(h.Raw), nonce: slices.Clone(rest[:16])}
	for c := range slices.Chunk(rest[16:], sealedChunk) {
		p.chunks = append(p.chunks, slices.Clone(c))
	}
	return p
}

func (p parts) join() []byte {
	return slices.Concat(p.header, p.nonce, slices.Concat(p.chunks...))
}

func flip(b []byte, bit int) { b[bit/8] ^= 1 << (bit % 8) }

// fault is one way in which a stored file is damaged.
type fault struct {
	name   string
	damage func(p parts, other parts) []byte
	want   envelope.Class
	// single is the class where the file has one chunk only, if that is another.
	single envelope.Class
}

var faults = []fault{
	{"a bit of the header's closing line is flipped", func(p, _ parts) []byte { flip(p.header, 8*(len(p.header)-10)); return p.join() }, envelope.Corrupt, ""},
	{"a bit of the first chunk is flipped", func(p, _ parts) []byte { flip(p.chunks[0], 3); return p.join() }, envelope.Corrupt, ""},
	{"a bit of the last byte is flipped", func(p, _ parts) []byte {
		f := p.join()
		flip(f, 8*len(f)-1)
		return f
	}, envelope.Corrupt, ""},
	{"the last byte is missing", func(p, _ parts) []byte { f := p.join(); return f[:len(f)-1] }, envelope.Truncated, ""},
	{"the last chunk is missing", func(p, _ parts) []byte { p.chunks = p.chunks[:len(p.chunks)-1]; return p.join() }, envelope.Truncated, ""},
	{"the second half is missing", func(p, _ parts) []byte { f := p.join(); return f[:len(f)/2] }, envelope.Truncated, ""},
	{"two chunks are swapped", func(p, _ parts) []byte {
		if len(p.chunks) == 1 {
			c := p.chunks[0]
			p.chunks = [][]byte{c[len(c)/2:], c[:len(c)/2]}
		} else {
			p.chunks[0], p.chunks[1] = p.chunks[1], p.chunks[0]
		}
		return p.join()
	}, envelope.Corrupt, ""},
	{"the first chunk stands twice", func(p, _ parts) []byte { p.chunks = slices.Insert(p.chunks, 0, p.chunks[0]); return p.join() }, envelope.Corrupt, ""},
	{"the first chunk is missing", func(p, _ parts) []byte { p.chunks = p.chunks[1:]; return p.join() }, envelope.Corrupt, envelope.Truncated},
	{"16 bytes are appended", func(p, _ parts) []byte { return append(p.join(), make([]byte, 16)...) }, envelope.Corrupt, ""},
	{"the file is appended to itself", func(p, _ parts) []byte { f := p.join(); return append(f, f...) }, envelope.Corrupt, ""},
	{"the payload is of another file", func(p, other parts) []byte { p.nonce, p.chunks = other.nonce, other.chunks; return p.join() }, envelope.Corrupt, ""},
	{"it is empty", func(parts, parts) []byte { return nil }, envelope.Truncated, ""},
}

func TestEveryDamageIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	id := x25519(t)
	if len(faults) != 13 {
		t.Errorf("%d faults, want 13", len(faults))
	}
	for _, size := range []int{0, 1, 21, 65535, 65536, 65537, 131072, 200_000} {
		whole := encrypt(t, content(size), id.Recipient())
		other := encrypt(t, content(size), id.Recipient())
		for _, f := range faults {
			t.Run(fmt.Sprintf("%d bytes and %s", size, f.name), func(t *testing.T) {
				t.Parallel()
				p := apart(t, whole)
				want := []envelope.Class{f.want}
				if len(p.chunks) == 1 && f.single != "" {
					want[0] = f.single
				}
				o := archived
				if size < len(ending) {
					// Without a known end a short rest may be either.
					o, want = envelope.Options{}, append(want, envelope.Corrupt)
				}
				out, err := decrypt(f.damage(p, apart(t, other)), o, id)
				wantClass(t, err, want...)
				if !bytes.HasPrefix(content(size), out) {
					t.Error("bytes were given that never were in the file")
				}
			})
		}
	}
}

func TestEveryBitOfTheHeaderCounts(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	local := x25519(t)
	all, err := envelope.Recipients([]age.Recipient{local.Recipient()}, kmsRecipient(k, keyOne))
	if err != nil {
		t.Fatal(err)
	}
	file := encrypt(t, content(1000), all...)
	h := apart(t, file).header
	for name, id := range map[string]age.Identity{"KMS": kmsIdentity(k, allowed(keyOne)), "X25519": local} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for bit := range 8 * len(h) {
				damaged := slices.Clone(file)
				flip(damaged, bit)
				_, err := decrypt(damaged, archived, id)
				if c := envelope.ClassOf(err); c != envelope.Corrupt && c != envelope.NoKey {
					t.Errorf("bit %d of byte %d (%q): class %q, %v", bit%8, bit/8, h[bit/8], c, err)
				}
			}
		})
	}
	if n := 8 * len(h); n < 2000 {
		t.Errorf("only %d bits were flipped", n)
	}
}

func TestADamagedClosingLineIsNoCutHoweverThePayloadEnds(t *testing.T) {
	t.Parallel()
	p := apart(t, encrypt(t, content(1000), x25519(t).Recipient()))
	p.header[bytes.LastIndex(p.header, []byte("---"))] ^= 1
	for _, end := range []string{"\n", "\n-", "\n---", "\n-> X", "\nAbc", "A"} {
		_, err := envelope.ReadHeader(strings.NewReader(string(p.join()) + end))
		if c := envelope.ClassOf(err); c != envelope.Corrupt {
			t.Errorf("a payload that ends in %q: class %q, %v", end, c, err)
		}
	}
}

// cuts opens a file that is cut at each of the lengths.
func cuts(t *testing.T, lengths func(size int) []int) {
	t.Helper()
	id := x25519(t)
	file := encrypt(t, content(200_000), id.Recipient())
	for _, n := range lengths(len(file)) {
		if _, err := decrypt(file[:n], archived, id); envelope.ClassOf(err) != envelope.Truncated {
			t.Errorf("cut at %d of %d: class %q, %v", n, len(file), envelope.ClassOf(err), err)
		}
	}
}

func TestACutIsCalledACut(t *testing.T) {
	t.Parallel()
	cuts(t, func(size int) []int {
		var all []int
		for n := range 400 {
			all = append(all, n)
		}
		for n := 400; n < size; n += 1009 {
			all = append(all, n)
		}
		head := size - 200_000 - 4*16
		for chunk := range 4 {
			for d := -40; d <= 40; d++ {
				if n := head + chunk*sealedChunk + d; n < size {
					all = append(all, n)
				}
			}
		}
		for d := 1; d < 100; d++ {
			all = append(all, size-d)
		}
		return all
	})
}

func TestWhatStandsInOneFileOpensNoOther(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	file := func() parts { return apart(t, encrypt(t, content(200_000), kmsRecipient(k, keyOne, keyTwo))) }
	stanza := func(p parts, n int) []byte { return bytes.SplitAfter(p.header, []byte("-> "))[n] }
	a, b := file(), file()
	opens := kmsIdentity(k, allowed(keyOne, keyTwo))
	replace := func(old, with []byte) []byte {
		c := a
		c.header = bytes.Replace(a.header, old, with, 1)
		return c.join()
	}
	one, two := stanza(a, 1), bytes.Split(stanza(a, 2), []byte("---"))[0]
	otherOne := stanza(b, 1)
	arrow := []byte("-> ")
	cases := map[string][]byte{
		"the header of A and the payload of B":       parts{a.header, b.nonce, b.chunks}.join(),
		"the header of B and the payload of A":       parts{b.header, a.nonce, a.chunks}.join(),
		"the nonce of B":                             parts{a.header, b.nonce, a.chunks}.join(),
		"the first chunk of B":                       parts{a.header, a.nonce, append([][]byte{b.chunks[0]}, a.chunks[1:]...)}.join(),
		"the last chunk of B":                        parts{a.header, a.nonce, append(slices.Clone(a.chunks[:3]), b.chunks[3])}.join(),
		"a stanza of B in place of its own":          replace(one, otherOne),
		"a stanza of B before its own":               replace(one, slices.Concat(otherOne, one)),
		"its first stanza removed":                   replace(slices.Concat(one, two), two),
		"its second stanza removed":                  replace(two, []byte("")),
		"its stanzas in the other order":             replace(slices.Concat(one, two), slices.Concat(bytes.TrimSuffix(two, arrow), arrow, bytes.TrimSuffix(one, arrow))),
		"its first stanza twice":                     replace(one, slices.Concat(one, one)),
		"the closing line of B":                      parts{append(a.header[:len(a.header)-48:len(a.header)-48], b.header[len(b.header)-48:]...), a.nonce, a.chunks}.join(),
		"the payload of B and both headers together": slices.Concat(a.header, b.join()),
	}
	if len(cases) < 12 {
		t.Errorf("%d cases, want 12", len(cases))
	}
	for name, damaged := range cases {
		if bytes.Equal(damaged, a.join()) {
			t.Errorf("%s: nothing was changed", name)
		}
		want := []envelope.Class{envelope.Corrupt}
		if name == "the last chunk of B" {
			// Nothing tells it from the beginning of a chunk of its own.
			want = append(want, envelope.Truncated)
		}
		_, err := decrypt(damaged, archived, opens)
		t.Log(name)
		wantClass(t, err, want...)
	}
	if _, err := decrypt(a.join(), archived, opens); err != nil {
		t.Error(err)
	}
}
