package etcd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/keyreach/keyreach/backup/envelope"
)

// File is a snapshot that lies in a file.
type File struct {
	Path string
	// NoHash takes a database without a hash, copied from member/snap/db of a member that
	// stood still, which only the checks of bbolt vouch for. etcd restores it with
	// --skip-hash-check.
	NoHash bool
}

// Fingerprint is the same as long as the file's database is. It reads the file.
func (s File) Fingerprint() (string, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return "", envelope.OnDisk("reading "+"the snapshot", err)
	}
	defer f.Close()
	info, err := whole(f)
	if err != nil {
		return "", err
	}
	return "etcd-file/" + info.SHA256, nil
}

// Save checks the file as Check does and writes it as Member. A hash is compared again
// while it is written.
func (s File) Save(w Writer) (Taken, error) {
	info, err := Check(s.Path)
	if err != nil {
		return Taken{}, err
	}
	if info.Hash == "none" && !s.NoHash {
		return Taken{}, envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the snapshot: %s has no hash, as a database copied from a member has none: --no-hash takes that", s.Path))
	}
	f, err := os.Open(s.Path)
	if err != nil {
		return Taken{}, envelope.OnDisk("reading "+"the snapshot", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return Taken{}, fmt.Errorf("reading the snapshot: %w", err)
	}
	if stat.Size() != info.Size {
		return Taken{}, envelope.Fail(envelope.Corrupt, errors.New("reading the snapshot: it changed while it was read"))
	}
	r, t := s.reader(f, info), Taken{
		Version: info.ClusterVersion, Revision: info.Revision, Exact: true, Size: info.Size, Hash: info.Hash,
		Fingerprint: "etcd-file/" + info.SHA256,
	}
	if err := w.Stream(Member, mode, stat.ModTime(), info.Size, r); err != nil {
		return Taken{}, fmt.Errorf("reading the snapshot %s: %w", s.Path, err)
	}
	t.notes(w)
	w.Note(NoteKeys, strconv.Itoa(info.Keys))
	return t, nil
}

func (s File) reader(f *os.File, info Info) io.Reader {
	if info.Hash == "sha256" {
		return newHeld(f, info.Size)
	}
	return newSame(f, info)
}
