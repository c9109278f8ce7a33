package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/keyreach/keyreach/sandbox/state"
)

func TestOnlyItsOwnerReadsTheFile(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]fs.FileMode{"a new file": 0, "an empty one that all may read": 0o644, "one that all may write": 0o666, "one of a group": 0o660, "one of its owner": 0o600} {
		path := filepath.Join(t.TempDir(), "state")
		if mode != 0 {
			if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode)); err != nil {
				t.Fatal(err)
			}
		}
		open(t, path).put(t, "a")
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
}

func TestAStateThatOthersMayReadIsClosedToThem(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	o := open(t, path)
	o.put(t, "a")
	if err := errors.Join(o.Close(), os.Chmod(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it has mode %v, %v", info.Mode(), err)
	}
}

func TestASecondDBOnAFileIsTurnedAway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	open(t, path)
	if _, err := state.Open(path); err == nil || !strings.Contains(err.Error(), "another sandbox has it open") {
		t.Errorf("got %v", err)
	}
}

// damaged are files that are no state, made from one that is.
var damaged = []struct {
	name, want string
	make       func(whole []byte) []byte
}{
	{"text", "no state of a sandbox, or it is damaged", func([]byte) []byte { return []byte("hello\n") }},
	{"a megabyte of noise", "no state of a sandbox, or it is damaged", func([]byte) []byte { return noise(1 << 20) }},
	{"the first page alone", "damaged", func(w []byte) []byte { return w[:4096] }},
	{"half a page", "damaged", func(w []byte) []byte { return w[:2048] }},
	{"the first half", "damaged: it has", func(w []byte) []byte { return w[:len(w)/2/4096*4096] }},
	{"all but the last page", "damaged: it has", func(w []byte) []byte { return w[:len(w)-4096] }},
	{"noise after the heads", "damaged", func(w []byte) []byte { return append(w[:2*4096:2*4096], noise(len(w)-2*4096)...) }},
	{"zeros after the heads", "damaged", func(w []byte) []byte { return append(w[:2*4096:2*4096], make([]byte, len(w)-2*4096)...) }},
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(7, 7))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestAFileThatIsNoStateIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "state")
	o := open(t, source)
	keys := []string{}
	for i := range 400 {
		keys = append(keys, fmt.Sprintf("%04d%s", i, strings.Repeat("x", 100)))
	}
	o.put(t, keys...)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	whole = whole[:used(t, source)]
	for _, c := range damaged {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path, text := filepath.Join(t.TempDir(), "state"), c.make(slices.Clone(whole))
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := state.Open(path)
			if err == nil {
				state.NewTable(db, "rows", (*row).ready)
				err = db.Load()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v\nwant …%s…", err, c.want)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, text) {
				t.Errorf("the file was %d bytes and is %d, or others: %v", len(text), len(after), err)
			}
		})
	}
}

// used is how much of a file its pages take: the rest is room to grow.
func used(t *testing.T, path string) int64 {
	t.Helper()
	f, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var size int64
	if err := f.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		t.Fatal(err)
	}
	return size
}

func TestAStateOfAnotherProgramIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ bucket, value, want string }{
		{"settings", "1", "no state of a sandbox"},
		{"keyreach", "2", `its format is "2", and this program reads format "1"`},
	} {
		path := filepath.Join(t.TempDir(), "state")
		f, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = f.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte(c.bucket))
			if err != nil {
				return err
			}
			return b.Put([]byte("format"), []byte(c.value))
		})
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := state.Open(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want …%s…", err, c.want)
		}
	}
}

func TestARowThatCannotBeReadIsNamedAndLeft(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	o := open(t, path)
	o.put(t, "a")
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("rows")).Put([]byte("a"), []byte(`{"Count":"x"}`)) })
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	state.NewTable(db, "rows", (*row).ready)
	if err := db.Load(); err == nil || !strings.Contains(err.Error(), `rows "a"`) {
		t.Errorf("got %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file was written to: %v", err)
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "it is no file", filepath.Join(dir, "none", "state"): "no such file"} {
		if _, err := state.Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAnEmptyFileIsANewState(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path).put(t, "a")
}
