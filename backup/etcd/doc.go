// Package etcd takes snapshots of etcd, whole or not at all, and proves restored ones.
//
// A snapshot is the member's database, followed by 32 bytes that are the SHA-256 of the
// rest. etcd compares the two only when the snapshot is restored, so here they are
// compared while it is read. See
// https://etcd.io/docs/v3.6/op-guide/recovery/ and
// https://pkg.go.dev/go.etcd.io/etcd/api/v3/etcdserverpb#SnapshotResponse.
package etcd

import (
	"io"
	"io/fs"
	"time"
)

// Member is the name of a snapshot in an archive.
const Member = "snapshot.db"

// The names of the notes that a source leaves in an archive.
const (
	NoteCluster  = "etcd-cluster"  // cluster id, in hexadecimal
	NoteMember   = "etcd-member"   // id of the member that was read, in hexadecimal
	NoteEndpoint = "etcd-endpoint" // by which it was reached
	NoteVersion  = "etcd-version"  // of the member
	// NoteRevision is the revision of the store just before the snapshot was taken, or of
	// the snapshot where NoteExact is yes.
	NoteRevision = "etcd-revision"
	NoteExact    = "etcd-revision-exact" // yes or no
	NoteHash     = "etcd-hash"           // sha256, or none for a copied database
	NoteSize     = "etcd-size"           // bytes of snapshot.db
	NoteLeader   = "etcd-leader"         // none when the member saw no leader
	NoteKeys     = "etcd-keys"           // of a file: keys that are not deleted
)

// Writer is what a source writes into.
type Writer interface {
	// Stream writes a file of exactly the size. A failure of r is a failure of Stream.
	Stream(path string, mode fs.FileMode, modified time.Time, size int64, r io.Reader) error
	// Note adds to what the archive tells of itself.
	Note(key, value string)
}
