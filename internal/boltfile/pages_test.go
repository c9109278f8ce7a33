package boltfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/keyreach/keyreach/internal/boltfile"
)

// lay writes a database with a tree of two levels, a bucket in a bucket, a value of
// several pages, and free pages.
func lay(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	fill := func(n int) error {
		return db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("many"))
			if err != nil {
				return err
			}
			for i := range n {
				err = errors.Join(err, b.Put(fmt.Appendf(nil, "key%05d", i), make([]byte, 100)))
			}
			inner, err2 := b.CreateBucketIfNotExists([]byte("small"))
			if err2 != nil {
				return err2
			}
			return errors.Join(err, inner.Put([]byte("a"), []byte("b")), b.Put([]byte("zz"), make([]byte, 9000)))
		})
	}
	drop := func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("gone")) }
	extra := func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("gone"))
		if err != nil {
			return err
		}
		return b.Put([]byte("x"), make([]byte, 20000))
	}
	if err := errors.Join(fill(300), db.Update(extra), db.Update(drop), db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAWholeDatabaseOpens(t *testing.T) {
	t.Parallel()
	db, err := boltfile.Open(lay(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket([]byte("many")).Get([]byte("key00299")); len(v) != 100 {
			return fmt.Errorf("a value has %d bytes", len(v))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNoFlippedBitOfADatabaseEndsTheProgram(t *testing.T) {
	t.Parallel()
	path := lay(t)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused, tried := 0, 0
	try := func(at int, bit uint) {
		tried++
		if _, err := f.WriteAt([]byte{whole[at] ^ 1<<bit}, int64(at)); err != nil {
			t.Fatal(err)
		}
		db, err := boltfile.Open(path)
		var damage *boltfile.Damage
		switch {
		case err == nil:
			db.Close()
		case !errors.As(err, &damage):
			t.Fatalf("bit %d of byte %d: %v", bit, at, err)
		default:
			refused++
		}
		if _, err := f.WriteAt(whole[at:at+1], int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	const page = 4096
	for at := range whole {
		// Heads of pages and the first elements whole, the rest thinly.
		if at%page < 16+32 || at%61 == 0 {
			for bit := uint(at % 2); bit < 8; bit += 2 {
				try(at, bit)
			}
		}
	}
	if refused < tried/10 {
		t.Errorf("of %d flipped bits %d were noticed", tried, refused)
	}
}

func TestEveryLengthThatCutsAPageIsTooShort(t *testing.T) {
	t.Parallel()
	path := lay(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := len(whole) - 4096; size > 3*4096; size -= 1013 {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := boltfile.Open(path)
		var damage *boltfile.Damage
		if err != nil && !errors.As(err, &damage) {
			t.Fatalf("cut to %d: %v", size, err)
		}
		if err == nil && size < len(whole)/2 {
			t.Errorf("half of it opens (%d of %d bytes)", size, len(whole))
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *boltfile.Damage
	if _, err := boltfile.Open(path); !errors.As(err, &damage) {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := boltfile.Open(path + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

func TestADatabaseThatIsOpenElsewhereIsLocked(t *testing.T) {
	t.Parallel()
	path := lay(t)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := boltfile.Open(path); !errors.Is(err, boltfile.ErrLocked) {
		t.Errorf("%v", err)
	}
}
