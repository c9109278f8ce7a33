package backup

import (
	"context"
	"fmt"

	"filippo.io/age"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
)

// Rewrap puts a backup's file key under other keys. Its payload is not read: the header
// alone is another afterwards.
func (o *Opener) Rewrap(ctx context.Context, b *Backup, recipients []age.Recipient) (store.Object, error) {
	h, err := o.head(ctx, b)
	if err != nil {
		return store.Object{}, fmt.Errorf("reading the header of %s: %w", b.Object.ID, err)
	}
	identities, err := o.identities(ctx, b)
	if err != nil {
		return store.Object{}, err
	}
	head, err := envelope.Rewrap(h.Raw, identities, recipients)
	if err != nil {
		return store.Object{}, fmt.Errorf("putting %s under other keys: %w", b.Object.ID, err)
	}
	at, err := o.Store.Replace(ctx, b.Object, head, h.Len)
	if err != nil {
		return store.Object{}, fmt.Errorf("writing the header of %s: %w", b.Object.ID, err)
	}
	// The header that is stored is read back, and its end opened with it.
	again := Verified{Backup: Backup{Object: at, ID: b.ID}}
	if err := o.readEnd(ctx, &again); err != nil && envelope.ClassOf(err) != envelope.NoKey && envelope.ClassOf(err) != envelope.Denied {
		return at, fmt.Errorf("reading back %s: %w", b.Object.ID, err)
	}
	return at, nil
}

// accountOf is the account in an ARN.
func accountOf(text string) string {
	if a, err := arn.Parse(text); err == nil {
		return a.Account
	}
	return ""
}
