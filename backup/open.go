package backup

import (
	"context"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
)

// Opener opens the backups of a store.
type Opener struct {
	Store store.Store
	// Native are identities of age and passphrases; they are tried first.
	Native []age.Identity
	// KMS opens what lies under keys that Allow admits. Allow is asked when a backup lies
	// under a KMS key.
	KMS   envelope.KMS
	Allow func(ctx context.Context) (envelope.AllowList, error)
	// Progress, when set, is told how many bytes of how many were read.
	Progress func(read, size int64)
	Limits   archive.Limits
}

// Opens reports whether the identities of age and passphrases at hand open a backup. No key
// is called, and no more than the header read; one that cannot be read does not open.
func (o *Opener) Opens(ctx context.Context, b *Backup) bool {
	h, err := o.head(ctx, b)
	if err != nil {
		return false
	}
	fileKey, err := age.DecryptHeader(h.Raw, o.Native...)
	clear(fileKey)
	return err == nil
}

// open returns the plaintext of a backup: what archive reads.
func (o *Opener) open(ctx context.Context, b *Backup) (io.Reader, io.Closer, error) {
	identities, err := o.identities(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	return o.openBy(ctx, b, identities)
}

func (o *Opener) openBy(ctx context.Context, b *Backup, identities []age.Identity) (io.Reader, io.Closer, error) {
	r, at, err := o.Store.Open(ctx, b.Object.ID, b.VersionID, 0)
	if err != nil {
		return nil, nil, err
	}
	plain, err := envelope.Decrypt(&readCounter{from: r, size: at.Size, told: o.Progress}, envelope.Options{Begin: archive.Begin(), End: archive.End()}, identities...)
	if err != nil {
		r.Close()
		return nil, nil, err
	}
	return plain, r, nil
}

func (o *Opener) identities(ctx context.Context, b *Backup) ([]age.Identity, error) {
	if b.ID == (ID{}) {
		return nil, envelope.Fail(envelope.NoKey, errForeign)
	}
	return append(slices.Clone(o.Native), &underKMS{ctx, o, b.ID.Context()}), nil
}

// underKMS is the identity of whoever may call KMS.
type underKMS struct {
	ctx    context.Context
	o      *Opener
	expect envelope.Context
}

// Unwrap asks which keys may be called only when it sees one.
func (u *underKMS) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if !slices.ContainsFunc(stanzas, func(s *age.Stanza) bool { return s.Type == envelope.StanzaType }) {
		return nil, age.ErrIncorrectIdentity
	}
	allow, err := u.o.Allow(u.ctx)
	if err != nil {
		return nil, err
	}
	return envelope.NewKMSIdentity(u.ctx, u.o.KMS, allow, u.expect).Unwrap(stanzas)
}

// sameBackup compares what the archive says it is with what it was taken for.
func sameBackup(h *archive.Header, b *Backup) error {
	if h.ID != b.Object.ID || h.Kind != b.ID.Kind || h.Name != b.ID.Name {
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("it is named %s, and inside it says that it is %s", b.Object.ID, h.ID))
	}
	return nil
}

type readCounter struct {
	from    io.Reader
	n, size int64
	told    func(int64, int64)
}

func (r *readCounter) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	if r.n += int64(n); r.told != nil {
		r.told(r.n, r.size)
	}
	return n, err
}
