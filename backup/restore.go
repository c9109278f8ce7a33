package backup

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/etcd"
	"github.com/keyreach/keyreach/backup/stepca"
)

// Restored is what a restore did.
type Restored struct {
	ID       string            `json:"id"`
	Target   string            `json:"target"`
	Previous string            `json:"previous,omitempty"` // what was there before
	Header   archive.Header    `json:"header"`
	Count    int               `json:"count"`
	Total    int64             `json:"total"`
	Notes    map[string]string `json:"notes,omitempty"`
}

// Restore unpacks a backup beside the target, verifies all of it and swaps it in. The
// target is what it was, or the whole backup, at every moment.
func (o *Opener) Restore(ctx context.Context, b *Backup, target string) (Restored, error) {
	staging, err := archive.Stage(target)
	if err != nil {
		return Restored{}, err // it names the target
	}
	defer staging.Discard()
	h, m, err := o.unpack(ctx, b, staging.Dir)
	if err != nil {
		return Restored{}, fmt.Errorf("restoring %s: %w", b.Object.ID, err)
	}
	previous, err := staging.Swap()
	if err != nil {
		return Restored{}, fmt.Errorf("putting %s at %s: %w", b.Object.ID, target, err)
	}
	return Restored{ID: b.Object.ID, Target: target, Previous: previous, Header: h, Count: m.Count, Total: m.Total, Notes: m.Notes}, nil
}

// unpack puts a backup into an empty directory, and looks whether it is of use.
func (o *Opener) unpack(ctx context.Context, b *Backup, dir string) (archive.Header, archive.Manifest, error) {
	plain, r, err := o.open(ctx, b)
	if err != nil {
		return archive.Header{}, archive.Manifest{}, err
	}
	defer r.Close()
	h, m, err := archive.Extract(ctx, plain, dir, o.Limits)
	if err == nil {
		err = sameBackup(&h, b)
	}
	if err == nil {
		err = useful(h.Kind, dir, m.Notes)
	}
	return h, m, err
}

// useful looks at what was unpacked as whoever will use it does.
func useful(kind, dir string, notes map[string]string) error {
	switch kind {
	case kindEtcd:
		if _, err := etcd.Check(filepath.Join(dir, etcd.Member)); err != nil {
			return envelope.Fail(envelope.Corrupt, fmt.Errorf("the snapshot of etcd: %w", err))
		}
	case kindStepCA:
		if _, err := stepca.Read(stepca.Restored(dir, notes)); err != nil {
			return envelope.Fail(envelope.Corrupt, fmt.Errorf("the directory of step-ca: %w", err))
		}
	}
	return nil
}

// The kinds of backups.
const (
	kindEtcd   = "etcd"
	kindStepCA = "step-ca"
	kindFiles  = "files"
)
