package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"filippo.io/age"

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
	if err := o.rewrapped(ctx, b, at, head); err != nil {
		return at, fmt.Errorf("reading back %s: %w", b.Object.ID, err)
	}
	return at, nil
}

// rewrapped reads back what was written: the header, and, where the keys at hand still open
// it, the end.
func (o *Opener) rewrapped(ctx context.Context, b *Backup, at store.Object, head []byte) error {
	again := Verified{Backup: Backup{Object: at, ID: b.ID}}
	h, err := o.head(ctx, &again.Backup)
	if err != nil {
		return err
	}
	if !bytes.Equal(h.Raw, head) {
		return envelope.Fail(envelope.Corrupt, errors.New("another header is stored than was written"))
	}
	identities, err := o.identities(ctx, &again.Backup)
	if err != nil {
		return err
	}
	err = o.readEnd(ctx, &again, identities)
	if c := envelope.ClassOf(err); c == envelope.NoKey || c == envelope.Denied {
		return nil // it is under keys of others now
	}
	return err
}
