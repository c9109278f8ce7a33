package backup

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/keyreach/keyreach/backup/etcd"
	"github.com/keyreach/keyreach/backup/stepca"
)

// Proof is what a drill has shown.
type Proof struct {
	// Proven are sentences on what works; Open are those on what was not tried.
	Proven, Open []string
	Warnings     []string
}

// Drill restores a backup into a directory and proves that what is restored works.
// caPassword is the file with the password of a CA's keys, when the backup has none.
func (o *Opener) Drill(ctx context.Context, b *Backup, scratch, caPassword string) (Proof, error) {
	target := filepath.Join(scratch, "restored")
	r, err := o.Restore(ctx, b, target)
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{Proven: []string{fmt.Sprintf("all of it was restored (entries: %d, bytes: %d), each file compared with its hash", r.Count, r.Total)}}
	switch b.ID.Kind {
	case kindEtcd:
		err = proof.etcd(ctx, target, filepath.Join(scratch, "etcd"))
	case kindStepCA:
		place := stepca.Restored(target, r.Notes)
		if caPassword != "" {
			place.PasswordFile = caPassword
		}
		err = proof.stepCA(ctx, place)
	default:
		proof.Open = append(proof.Open, "what uses these files was not started: keyreach does not know it")
	}
	if err != nil {
		return proof, fmt.Errorf("proving what was restored of %s: %w", b.Object.ID, err)
	}
	return proof, nil
}

func (p *Proof) etcd(ctx context.Context, dir, scratch string) error {
	report, err := etcd.Prove(ctx, filepath.Join(dir, etcd.Member), scratch)
	if err != nil {
		return err
	}
	p.Proven = append(p.Proven, fmt.Sprintf("etcd %s was started on it, and gave all %d keys as they are in the snapshot of revision %d", report.ServerVersion, report.Compared, report.Info.Revision))
	p.Open = append(p.Open, "older revisions of keys, and that the members of a cluster find each other")
	if report.AuthOff {
		p.Open = append(p.Open, "users and passwords: they were turned off in the copy, to read every key")
	}
	return nil
}

func (p *Proof) stepCA(ctx context.Context, place stepca.Place) error {
	report, err := stepca.Prove(ctx, place, time.Now())
	p.Proven = append(p.Proven, report.Proven...)
	p.Open = append(p.Open, report.NotProven...)
	p.Warnings = append(p.Warnings, report.Warnings...)
	return err
}
