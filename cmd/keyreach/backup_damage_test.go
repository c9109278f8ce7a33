package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/backup/envelope"
)

// sealedChunk is how long a chunk of the payload is in the file.
const sealedChunk = 64<<10 + 16

// sealed is the file of a backup, of which parts are read.
type sealed struct {
	*os.File
	size   int64
	header []byte
	body   int64 // where its chunks begin, behind the nonce
}

func (h *host) sealed(name string) *sealed {
	h.Helper()
	f, err := os.Open(h.at(name))
	h.must(err)
	h.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	h.must(err)
	head, err := envelope.ReadHeader(f)
	h.must(err)
	return &sealed{f, info.Size(), head.Raw, head.Len + 16}
}

func (s *sealed) part(from, to int64) io.Reader { return io.NewSectionReader(s, from, to-from) }

func (s *sealed) all() io.Reader { return s.part(0, s.size) }

// chunks is how many there are.
func (s *sealed) chunks() int64 { return (s.size - s.body + sealedChunk - 1) / sealedChunk }

// chunk is one of them, from 0 on.
func (s *sealed) chunk(n int64) io.Reader {
	return s.part(s.body+n*sealedChunk, min(s.body+(n+1)*sealedChunk, s.size))
}

// after are the chunks from one on.
func (s *sealed) after(n int64) io.Reader { return s.part(min(s.body+n*sealedChunk, s.size), s.size) }

// flipped is the file with another bit at a place.
func (s *sealed) flipped(at int64) io.Reader {
	var b [1]byte
	if _, err := s.ReadAt(b[:], at); err != nil {
		panic(err) // a place that is not in the file is a mistake of the test
	}
	b[0] ^= 4
	return io.MultiReader(s.part(0, at), bytes.NewReader(b[:]), s.part(at+1, s.size))
}

func (s *sealed) swapped() io.Reader {
	if s.chunks() == 1 {
		middle := (s.body + s.size) / 2
		return io.MultiReader(s.part(0, s.body), s.part(middle, s.size), s.part(s.body, middle))
	}
	return io.MultiReader(s.part(0, s.body), s.chunk(1), s.chunk(0), s.after(2))
}

// storedFaults are the ways in which what is stored is damaged, with the exit code that
// tells of it, and the one where the file has a single chunk if that is another.
var storedFaults = []struct {
	name       string
	damage     func(s, other *sealed) io.Reader
	code, lone int
}{
	{"a bit of the header is another", func(s, _ *sealed) io.Reader { return s.flipped(int64(len(s.header)) - 10) }, exitCorrupt, 0},
	{"a bit of the first chunk is another", func(s, _ *sealed) io.Reader { return s.flipped(s.body + 3) }, exitCorrupt, 0},
	{"a bit of the last byte is another", func(s, _ *sealed) io.Reader { return s.flipped(s.size - 1) }, exitCorrupt, 0},
	{"the last byte is missing", func(s, _ *sealed) io.Reader { return s.part(0, s.size-1) }, exitTruncated, 0},
	{"the last chunk is missing", func(s, _ *sealed) io.Reader { return s.part(0, s.body+(s.chunks()-1)*sealedChunk) }, exitTruncated, 0},
	{"the second half is missing", func(s, _ *sealed) io.Reader { return s.part(0, s.size/2) }, exitTruncated, 0},
	{"two chunks are swapped", func(s, _ *sealed) io.Reader { return s.swapped() }, exitCorrupt, 0},
	{"the first chunk is there twice", func(s, _ *sealed) io.Reader {
		return io.MultiReader(s.part(0, s.body), s.chunk(0), s.after(0))
	}, exitCorrupt, 0},
	{"the first chunk is missing", func(s, _ *sealed) io.Reader { return io.MultiReader(s.part(0, s.body), s.after(1)) }, exitCorrupt, exitTruncated},
	{"16 bytes are appended", func(s, _ *sealed) io.Reader { return io.MultiReader(s.all(), bytes.NewReader(make([]byte, 16))) }, exitCorrupt, 0},
	{"the file is appended to itself", func(s, _ *sealed) io.Reader { return io.MultiReader(s.all(), s.all()) }, exitCorrupt, 0},
	{"the payload is another backup's", func(s, other *sealed) io.Reader {
		return io.MultiReader(bytes.NewReader(s.header), other.part(other.body-16, other.size))
	}, exitCorrupt, 0},
	{"it is empty", func(*sealed, *sealed) io.Reader { return strings.NewReader("") }, exitTruncated, 0},
}

// store puts what is read into the place of a backup, in a store of its own.
func (h *host) store(dir, id string, text io.Reader) {
	h.Helper()
	h.must(os.RemoveAll(h.at(dir)))
	h.must(os.MkdirAll(h.at(dir), 0o700))
	f, err := os.Create(h.at(dir + "/" + id + ".age"))
	h.must(err)
	_, err = io.Copy(f, text)
	h.must(err)
	h.must(f.Close())
}

// refused has a restore refused with one of the codes: nothing of the target, or beside
// it, is another than before.
func (h *host) refused(id string, codes []int, args ...string) {
	h.Helper()
	h.tree("in/target", "what was there", 3, 1000)
	before := h.look("in")
	e := h.run(append([]string{"backup", "restore", id, "--store", "damaged", "--to", "in/target"}, args...)...)
	if !slices.Contains(codes, e.code) {
		h.Errorf("%v, and not one of %v", e, codes)
	}
	if h.look("in") != before {
		h.Errorf("what was there is another: %v", e)
	}
}

// restored has a restore of what is not damaged succeed, without which refusals show
// nothing.
func (h *host) restored(id string, args ...string) {
	h.Helper()
	h.well(append([]string{"backup", "restore", id, "--store", "damaged", "--to", "whole"}, args...)...)
	if h.look("whole") != h.look("src") {
		h.Errorf("%s does not restore as it was", id)
	}
	h.must(os.RemoveAll(h.at("whole")))
}

func TestRestoreRefusesEveryDamageAndChangesNothing(t *testing.T) {
	t.Parallel()
	if len(storedFaults) != 13 {
		t.Errorf("%d faults, want 13", len(storedFaults))
	}
	for _, size := range damagedSizes() {
		t.Run(fmt.Sprintf("%d bytes", size), func(t *testing.T) {
			if size < 100<<20 {
				t.Parallel() // larger ones need the disk
			}
			h := newHost(t)
			h.must(os.Mkdir(h.at("src"), 0o700))
			h.noise(h.at("src/f"), size)
			var of [2]*sealed
			var ids [2]string
			for i := range of {
				ids[i] = h.create("files", "src", "--store", "store", "--recipient", h.recipient)
				of[i] = h.sealed("store/" + ids[i] + ".age")
			}
			for _, f := range storedFaults {
				h.store("damaged", ids[0], f.damage(of[0], of[1]))
				code := f.code
				if of[0].chunks() == 1 && f.lone != 0 {
					code = f.lone
				}
				t.Log(f.name)
				h.refused(ids[0], []int{code}, "--identity", "id.txt")
			}
			h.store("damaged", ids[0], of[0].all())
			h.restored(ids[0], "--identity", "id.txt")
		})
	}
}

// noise writes noise into a new file, little by little.
func (h *host) noise(path string, size int64) {
	h.Helper()
	f, err := os.Create(path)
	h.must(err)
	for left := size; left > 0; left -= 1 << 20 {
		_, err := f.Write(noiseOf(int(min(left, 1<<20))))
		h.must(err)
	}
	h.must(f.Close())
}

// stanzas are the lines of a header up to its end, by stanza, and the end.
func stanzas(header []byte) (list [][]byte, end []byte) {
	at := bytes.LastIndex(header, []byte("\n---")) + 1
	for s := range bytes.SplitSeq(header[:at], []byte("-> ")) {
		list = append(list, s)
	}
	for i := range list[1:] {
		list[i+1] = append([]byte("-> "), list[i+1]...)
	}
	return list, header[at:]
}

// Whoever can write into a store, and make backups under the same keys, cannot have a
// restore take one for another.
func TestRestoreRefusesWhatIsPutTogetherFromTwoBackups(t *testing.T) {
	t.Parallel()
	h := newCloudHost(t)
	h.tree("src", "it", 3, 200_000)
	create := func(more ...string) (string, *sealed) {
		id := h.create(append([]string{"files", "src", "--store", "store", "--kms-key", h.key}, more...)...)
		return id, h.sealed("store/" + id + ".age")
	}
	id, a := create("--recipient", h.recipient)
	idB, b := create("--recipient", h.recipient)
	idC, _ := create("--name", "other")
	of, end := stanzas(a.header)
	ofB, endB := stanzas(b.header)
	if len(of) != 3 || len(ofB) != 3 {
		t.Fatalf("the headers have %d and %d parts", len(of), len(ofB))
	}
	intro, kmsOf, native := of[0], of[1], of[2]
	header := func(parts ...[]byte) func() io.Reader {
		return func() io.Reader {
			return io.MultiReader(bytes.NewReader(slices.Concat(parts...)), a.part(a.body-16, a.size))
		}
	}
	cases := []struct {
		name string
		as   string
		text func() io.Reader
	}{
		{"the header of A and the payload of B", id, func() io.Reader {
			return io.MultiReader(bytes.NewReader(a.header), b.part(b.body-16, b.size))
		}},
		{"the header of B and the payload of A, as A", id, header(b.header)},
		{"the header of B and the payload of A, as B", idB, header(b.header)},
		{"A in the place of B", idB, a.all},
		{"A in the place of another series", idC, a.all},
		{"A under a name of another kind", "etcd" + strings.TrimPrefix(id, "files"), a.all},
		{"A as if made at another time", strings.Replace(id, ".20", ".19", 1), a.all},
		{"a stanza of B in the place of its own", id, header(intro, ofB[1], native, end)},
		{"a stanza of B beside its own", id, header(intro, ofB[1], kmsOf, native, end)},
		{"all stanzas of B and the closing line of A", id, header(intro, ofB[1], ofB[2], end)},
		{"the closing line of B", id, header(intro, kmsOf, native, endB)},
		{"its first stanza twice", id, header(intro, kmsOf, kmsOf, native, end)},
		{"its stanzas in the other order", id, header(intro, native, kmsOf, end)},
		{"its last stanza removed", id, header(intro, kmsOf, end)},
		{"the nonce of B", id, func() io.Reader {
			return io.MultiReader(bytes.NewReader(a.header), b.part(b.body-16, b.body), a.after(0))
		}},
		{"the first chunk of B", id, func() io.Reader {
			return io.MultiReader(a.part(0, a.body), b.chunk(0), a.after(1))
		}},
		{"the last chunk of B", id, func() io.Reader {
			return io.MultiReader(a.part(0, a.body+(a.chunks()-1)*sealedChunk), b.chunk(b.chunks()-1))
		}},
	}
	// The identity opens whatever has a stanza for it: there the name alone is what differs.
	for with, args := range map[string][]string{"KMS": nil, "an identity": {"--identity", "id.txt"}} {
		h.store("damaged", id, a.all())
		h.restored(id, args...)
		for _, c := range cases {
			if args != nil && c.as == id && !thorough {
				continue
			}
			t.Logf("%s, opened with %s", c.name, with)
			h.store("damaged", c.as, c.text())
			h.refused(c.as, []int{exitNoKey, exitCorrupt, exitTruncated}, args...)
		}
	}
}
