package etcd

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/internal/boltfile"
)

// Info is what a snapshot holds.
type Info struct {
	// Size counts the hash in.
	Size int64
	// Hash is sha256, or none for a copied database. SHA256 is that of the database, in
	// hexadecimal, with and without one.
	Hash, SHA256 string
	// Revision is the newest one.
	Revision int64
	// Keys are those that are not deleted; Records counts their older values and
	// deletions too, as far as they were not compacted.
	Keys, Records int
	// ClusterVersion is that of the cluster when the snapshot was taken; empty when the
	// database has none.
	ClusterVersion string
	// Auth: users have to say who they are.
	Auth bool
}

// Check reads a snapshot whole: its hash, its pages, the checks of bbolt, every key. It
// fails with the class Truncated or Corrupt.
func Check(path string) (Info, error) {
	info, _, err := check(path, false)
	return info, err
}

// sum is the digest of a key as it is at the newest revision.
type sum [sha256.Size]byte

func check(path string, keep bool) (Info, map[string]sum, error) {
	f, err := os.Open(path)
	if err != nil {
		return Info{}, nil, envelope.OnDisk("reading "+"the snapshot", err)
	}
	defer f.Close()
	info, err := whole(f)
	if err != nil {
		return info, nil, err
	}
	db, err := openBolt(path)
	if err != nil {
		return info, nil, err
	}
	defer db.Close()
	keys, err := contents(db, &info, keep)
	return info, keys, err
}

// whole checks what can be checked without bbolt.
func whole(f *os.File) (Info, error) {
	stat, err := f.Stat()
	if err != nil {
		return Info{}, fmt.Errorf("reading the snapshot: %w", err)
	}
	if !stat.Mode().IsRegular() {
		return Info{}, envelope.Fail(envelope.NotFound, fmt.Errorf("reading the snapshot: %s is no file", f.Name()))
	}
	info := Info{Size: stat.Size(), Hash: "none"}
	database := info.Size
	switch info.Size % page {
	case 0:
	case sha256.Size:
		info.Hash = "sha256"
		database -= sha256.Size
	default:
		return info, envelope.Fail(envelope.Truncated, fmt.Errorf("reading the snapshot: %d bytes are no whole pages, with a hash or without", info.Size))
	}
	if database == 0 {
		return info, envelope.Fail(envelope.Truncated, errors.New("reading the snapshot: it is empty"))
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, database)); err != nil {
		return info, fmt.Errorf("reading the snapshot: %w", err)
	}
	info.SHA256 = hex.EncodeToString(sum.Sum(nil))
	// What is missing is told first: of a cut file the hash is wrong as well.
	failed := damage(boltfile.Walk(f, database))
	if envelope.ClassOf(failed) == envelope.Truncated || info.Hash == "none" {
		return info, failed
	}
	tail := make([]byte, sha256.Size)
	if _, err := f.ReadAt(tail, database); err != nil {
		return info, fmt.Errorf("reading the snapshot: %w", err)
	}
	if hex.EncodeToString(tail) != info.SHA256 {
		return info, envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the snapshot: its SHA-256 is %s, and it ends in %x", info.SHA256, tail))
	}
	return info, failed
}

// damage gives what is wrong with a database its class.
func damage(err error) error {
	var d *boltfile.Damage
	if !errors.As(err, &d) {
		return err
	}
	if d.Short {
		return envelope.Fail(envelope.Truncated, err)
	}
	return envelope.Fail(envelope.Corrupt, err)
}

func openBolt(path string) (*bbolt.DB, error) {
	db, err := boltfile.Open(path)
	if errors.Is(err, boltfile.ErrLocked) {
		return nil, fmt.Errorf("opening the database %s: %w; of a member that is running, take the snapshot by its endpoint", path, err)
	}
	return db, damage(err)
}

func contents(db *bbolt.DB, info *Info, keep bool) (keys map[string]sum, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte("cluster")); b != nil {
			info.ClusterVersion = string(b.Get([]byte("clusterVersion")))
		}
		if b := tx.Bucket([]byte("auth")); b != nil {
			info.Auth = bytes.Equal(b.Get([]byte("authEnabled")), []byte{1})
		}
		b := tx.Bucket([]byte("key"))
		if b == nil {
			return errors.New("it has no keys of etcd: it is a database of something else")
		}
		keys, err = readKeys(b, info, keep)
		return err
	})
	if err != nil {
		return nil, envelope.Fail(envelope.Corrupt, fmt.Errorf("checking the database: %w", err))
	}
	return keys, nil
}

// readKeys goes over the records by revision. The name of one is the revision, an
// underscore and the place in its transaction, of 8 bytes each, and a t when the record is
// a deletion.
func readKeys(b *bbolt.Bucket, info *Info, keep bool) (map[string]sum, error) {
	keys := map[string]sum{}
	info.Revision = 1 // of a store to which nothing was written
	err := b.ForEach(func(name, value []byte) error {
		deleted := len(name) == 18 && name[17] == 't'
		if (len(name) != 17 && !deleted) || name[8] != '_' {
			return fmt.Errorf("a record has the name %x, which is no revision", name)
		}
		var kv mvccpb.KeyValue
		if err := proto.Unmarshal(value, &kv); err != nil || len(kv.Key) == 0 {
			return fmt.Errorf("the record of revision %d is not readable", binary.BigEndian.Uint64(name))
		}
		info.Records++
		info.Revision = max(info.Revision, int64(binary.BigEndian.Uint64(name)))
		switch {
		case deleted:
			delete(keys, string(kv.Key))
		case keep:
			keys[string(kv.Key)] = digest(&kv)
		default:
			keys[string(kv.Key)] = sum{}
		}
		return nil
	})
	info.Keys = len(keys)
	return keys, err
}

// digest is of everything that etcd tells of a key.
func digest(kv *mvccpb.KeyValue) sum {
	h := sha256.New()
	for _, n := range []int64{int64(len(kv.Key)), kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	h.Write(kv.Key)
	h.Write(kv.Value)
	return [sha256.Size]byte(h.Sum(nil))
}
