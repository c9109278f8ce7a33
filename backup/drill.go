package backup

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/keyreach/keyreach/backup/etcd"
	"github.com/keyreach/keyreach/backup/stepca"
)

// Proof is what a drill has shown.
type Proof struct {
	// Proven are sentences on what works; Open are those on what was not tried.
	Proven, Open []string
}

// Drill restores a backup into a directory and proves that what is restored works.
func (o *Opener) Drill(ctx context.Context, b *Backup, scratch, caPassword string) (Proof, error) {
	target := filepath.Join(scratch, "restored")
	r, err := o.Restore(ctx, b, target)
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{Proven: []string{fmt.Sprintf("%d entries with %d bytes were restored, each compared with its hash", r.Count, r.Total)}}
	switch b.ID.Kind {
	case kindEtcd:
		err = proof.etcd(ctx, target, filepath.Join(scratch, "etcd"))
	case kindStepCA:
		err = proof.stepCA(ctx, target, caPassword)
	default:
		proof.Open = append(proof.Open, "what uses these files was not started: keyreach does not know it")
	}
	if err != nil {
		return proof, fmt.Errorf("proving what was restored of %s: %w", b.Object.ID, err)
	}
	return proof, nil
}
