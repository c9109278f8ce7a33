// Package store is where backups lie: a directory, or a prefix of an S3 bucket. A backup
// is there whole or not at all.
package store

import (
	"context"
	"io"
	"time"
)

// Suffix ends the name of everything that is stored.
const Suffix = ".age"

// Object is a stored backup.
type Object struct {
	// ID is its name without the suffix.
	ID string `json:"id"`
	// Location is where it lies: a path, or s3://BUCKET/KEY.
	Location string    `json:"location"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	// VersionID is that of S3, where the bucket has versions.
	VersionID string `json:"version_id,omitempty"`
	// Checksum is what S3 keeps of the whole object: CRC64NVME:base64.
	Checksum string `json:"checksum,omitempty"`
	// LockedUntil is how long S3 lets nobody delete the version; zero when it is not locked.
	LockedUntil time.Time `json:"locked_until,omitzero"`
}

// Store keeps backups by their ids. Failures have a class of package envelope, or are of
// type *cloud.Error.
type Store interface {
	// String is how it was named: a path, or s3://BUCKET/PREFIX.
	String() string
	// List returns what is there whole, by id. Files of other names are passed over.
	List(ctx context.Context) ([]Object, error)
	// Create begins a backup. It fails when there is one of the id.
	Create(ctx context.Context, id string) (Writer, error)
	// Open reads a backup from a byte on, the newest version unless one is named.
	Open(ctx context.Context, id, version string, from int64) (io.ReadCloser, Object, error)
	// Remove takes a backup away: in a bucket with versions, the newest version is hidden.
	Remove(ctx context.Context, o Object) error
	// Replace puts another beginning before the rest of a backup from the byte on, without
	// reading the rest where the store can do that itself. Until it returns, and when it
	// fails, the backup is as it was.
	Replace(ctx context.Context, o Object, head []byte, from int64) (Object, error)
	// Sweep takes away what interrupted backups of longer ago than the age have left, and
	// returns how many.
	Sweep(ctx context.Context, age time.Duration) (int, error)
}

// Writer takes a backup. Nothing of it is there before Commit has returned.
type Writer interface {
	io.Writer
	// Commit makes it whole and durable, and compares what the store has with what was
	// written.
	Commit(ctx context.Context) (Object, error)
	// Abort gives it up, and leaves nothing behind. After Commit it does nothing.
	Abort(ctx context.Context) error
}
