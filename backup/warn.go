package backup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/backup/envelope"
)

// Warnings are what may keep a backup from opening another day, as far as its header
// tells. Nobody is called for it but the store.
func (o *Opener) Warnings(ctx context.Context, b *Backup) ([]string, error) {
	h, err := o.head(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("reading the header of %s: %w", b.Object.ID, err)
	}
	return waysInto(h), nil
}

// waysInto warns of a backup that has too few ways in.
func waysInto(h *envelope.Header) []string {
	var keys, accounts []string
	for i := range h.Stanzas {
		s := &h.Stanzas[i]
		switch {
		case s.Type != envelope.StanzaType:
			return nil // another way in, which no account can close
		case s.KMS == nil:
			continue // none
		case !slices.Contains(keys, s.KMS.ARN):
			keys, accounts = append(keys, s.KMS.ARN), append(accounts, accountOf(s.KMS.ARN))
		}
	}
	slices.Sort(accounts)
	switch accounts = slices.Compact(accounts); {
	case len(keys) == 1:
		return []string{oneKey(keys[0])}
	case len(accounts) == 1:
		return []string{fmt.Sprintf("all its keys are of account %s: when that is gone, nothing opens it", accounts[0])}
	}
	return nil
}

// oneKey warns of what only the key of an ARN opens.
func oneKey(key string) string {
	return fmt.Sprintf("ONLY ONE KEY IN ONE ACCOUNT OPENS IT: %s. When the key is deleted, disabled or refused, or account %s is gone, it is lost. Put it under a second key, of another account, or an age recipient whose identity is kept offline", key, accountOf(key))
}

// statesOf warns of keys that open nothing, or will not.
func statesOf(keys []envelope.Opening) []string {
	var list []string
	for i := range keys {
		k := &keys[i]
		key := cmp.Or(k.Called, k.ARN) // a replica has a state of its own
		switch {
		case !k.Key.Deletion.IsZero():
			list = append(list, fmt.Sprintf("key %s will be deleted on %s: cancel that, or rewrap the backup under another key", key, k.Key.Deletion.Format(time.DateOnly)))
		case k.Key.State != "" && k.Key.State != "Enabled":
			list = append(list, fmt.Sprintf("key %s is %s", key, k.Key.State))
		}
	}
	return list
}

// accountOf is the account in an ARN.
func accountOf(text string) string {
	if a, err := arn.Parse(text); err == nil {
		return a.Account
	}
	return ""
}
