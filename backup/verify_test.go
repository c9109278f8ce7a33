package backup_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
)

// stored makes the backup, and finds it.
func stored(t *testing.T, c *backup.Creation) backup.Backup {
	t.Helper()
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := backup.Find(t.Context(), c.Store, backup.Select{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// counted is a KMS that counts what it is asked to decrypt, by key.
type counted struct {
	aliases
	decrypted map[string]int
}

func (c counted) Decrypt(ctx context.Context, key string, blob []byte, expect envelope.Context) ([]byte, error) {
	c.decrypted[key]++
	return c.aliases.Decrypt(ctx, key, blob, expect)
}

// countedIdentity counts how often it opens, since a passphrase takes a second each time.
type countedIdentity struct {
	age.Identity
	opened *int
}

func (c countedIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	*c.opened++
	return c.Identity.Unwrap(stanzas)
}

func TestEachWayInIsOpenedOnceByAVerification(t *testing.T) {
	t.Parallel()
	native := identity(t)
	for name, full := range map[string]bool{"quick": false, "full": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := creation(t, []age.Recipient{native.Recipient()}, "alias/one", "alias/two")
			b := stored(t, c)
			kms, opened := counted{decrypted: map[string]int{}}, 0
			o := backup.Opener{Store: c.Store, Native: []age.Identity{countedIdentity{native, &opened}}, KMS: kms,
				Allow: func(context.Context) (envelope.AllowList, error) {
					return envelope.AllowList{Keys: []string{oneKey, twoKey}}, nil
				}}
			v := o.Verify(t.Context(), &b, full)
			if v.Err != nil || len(v.Others) != 1 || !v.Others[0].Opens || len(v.Keys) != 2 {
				t.Fatalf("%+v", v)
			}
			if opened != 1 || kms.decrypted[oneKey] != 1 || kms.decrypted[twoKey] != 1 || len(kms.decrypted) != 2 {
				t.Errorf("the identity opened %d times, KMS %v", opened, kms.decrypted)
			}
		})
	}
}

func TestAVerificationTellsOfEachIdentityWhetherItOpens(t *testing.T) {
	t.Parallel()
	mine := identity(t)
	theirs := identity(t)
	c := creation(t, []age.Recipient{theirs.Recipient(), mine.Recipient()})
	b := stored(t, c)
	o := backup.Opener{Store: c.Store, Native: []age.Identity{mine}}
	v := o.Verify(t.Context(), &b, true)
	if want := []backup.Other{{Type: "X25519"}, {Type: "X25519", Opens: true}}; v.Err != nil || !slices.Equal(v.Others, want) {
		t.Errorf("%+v, %v", v.Others, v.Err)
	}
}

// Whoever has the identity that was kept offline may have nothing to call AWS with.
func TestAVerificationByAnIdentityNeedsNoAWS(t *testing.T) {
	t.Parallel()
	native := identity(t)
	c := creation(t, []age.Recipient{native.Recipient()}, "alias/one", "alias/two")
	b := stored(t, c)
	none := errors.New("no credentials")
	o := backup.Opener{Store: c.Store, Allow: func(context.Context) (envelope.AllowList, error) { return envelope.AllowList{}, none }}
	if v := o.Verify(t.Context(), &b, true); !errors.Is(v.Err, none) {
		t.Errorf("without the identity: %v", v.Err)
	}
	o.Native = []age.Identity{native}
	v := o.Verify(t.Context(), &b, true)
	if !v.Good() || len(v.Keys) != 2 || !errors.Is(v.Keys[0].Err, none) || v.Keys[1].ARN != twoKey || !v.Others[0].Opens {
		t.Errorf("%+v", v)
	}
}

// rewrapping is a store in which a backup is rewrapped once its header was read.
type rewrapping struct {
	store.Store
	opened int
	rewrap func()
}

func (r *rewrapping) Open(ctx context.Context, id, version string, from int64) (io.ReadCloser, store.Object, error) {
	if r.opened++; r.opened == 2 {
		r.rewrap()
	}
	return r.Store.Open(ctx, id, version, from)
}

func TestABackupThatIsRewrappedWhileItIsVerifiedIsWhole(t *testing.T) {
	t.Parallel()
	native := identity(t)
	c := creation(t, []age.Recipient{native.Recipient()})
	b := stored(t, c)
	o := backup.Opener{Store: c.Store, Native: []age.Identity{native}}
	during := o
	during.Store = &rewrapping{Store: c.Store, rewrap: func() {
		if _, err := o.Rewrap(t.Context(), &b, []age.Recipient{native.Recipient(), native.Recipient()}); err != nil {
			t.Error(err)
		}
	}}
	if v := during.Verify(t.Context(), &b, false); v.Err != nil {
		t.Error(v.Err)
	}
}

func TestABackupThatIsRewrappedAfterTheListingIsWhole(t *testing.T) {
	t.Parallel()
	one := identity(t)
	two := identity(t)
	c := creation(t, []age.Recipient{one.Recipient()})
	b := stored(t, c)
	o := backup.Opener{Store: c.Store, Native: []age.Identity{one}}
	at, err := o.Rewrap(t.Context(), &b, []age.Recipient{one.Recipient(), two.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	for _, full := range []bool{false, true} {
		if v := o.Verify(t.Context(), &b, full); v.Err != nil || v.Size != at.Size {
			t.Errorf("full %v: it has %d bytes, and %d when it was rewrapped: %v", full, v.Size, at.Size, v.Err)
		}
	}
}
