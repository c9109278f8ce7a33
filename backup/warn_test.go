package backup_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
)

// aliases is a KMS whose keys go by an alias each.
type aliases map[string]string

func (a aliases) Encrypt(_ context.Context, key string, plaintext []byte, _ envelope.Context) ([]byte, string, error) {
	return bytes.Clone(plaintext), a[key], nil
}

func (a aliases) Decrypt(_ context.Context, _ string, blob []byte, _ envelope.Context) ([]byte, error) {
	return bytes.Clone(blob), nil
}

func (a aliases) DescribeKey(_ context.Context, key string) (envelope.Key, error) {
	return envelope.Key{ARN: key, State: "Enabled"}, nil
}

const (
	oneKey   = "arn:aws:kms:us-east-1:111122223333:key/11111111-1111-1111-1111-111111111111"
	twoKey   = "arn:aws:kms:us-east-1:111122223333:key/22222222-2222-2222-2222-222222222222"
	otherKey = "arn:aws:kms:us-east-1:444455556666:key/44444444-4444-4444-4444-444444444444"
)

func creation(t *testing.T, native []age.Recipient, keys ...string) *backup.Creation {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a"), []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	at, err := store.OpenDir(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	kms := aliases{"alias/one": oneKey, "alias/again": oneKey, "alias/two": twoKey, "alias/other": otherKey}
	return &backup.Creation{Source: &backup.Files{Root: root}, Store: at, Name: "a", Tool: "test", Under: keys, Now: func() time.Time { return now },
		Recipients: func(id backup.ID) ([]age.Recipient, error) {
			if len(keys) == 0 {
				return native, nil
			}
			return envelope.Recipients(native, envelope.NewKMSRecipient(t.Context(), kms, keys, id.Context(), 0, nil))
		}}
}

func TestWhoeverMakesABackupIsWarnedOfWhatIsInIt(t *testing.T) {
	t.Parallel()
	id := identity(t)
	for _, c := range []struct {
		what   string
		native []age.Recipient
		keys   []string
		want   string
	}{
		{"one key by its alias", nil, []string{"alias/one"}, oneKey + ". When the key is deleted, disabled or refused, or account 111122223333 is gone"},
		{"two aliases of one key", nil, []string{"alias/one", "alias/again"}, "ONLY ONE KEY IN ONE ACCOUNT OPENS IT: " + oneKey},
		{"two keys of one account", nil, []string{"alias/one", "alias/two"}, "all its keys are of account 111122223333"},
		{"keys of two accounts", nil, []string{"alias/one", "alias/other", "alias/two"}, ""},
		{"a key and a recipient", []age.Recipient{id.Recipient()}, []string{"alias/one"}, ""},
		{"a recipient", []age.Recipient{id.Recipient()}, nil, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			creation := creation(t, c.native, c.keys...)
			made, err := creation.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(made.Warnings, "\n"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("warned of %q, want %q", got, c.want)
			}
			o := backup.Opener{Store: creation.Store}
			b, err := backup.Find(t.Context(), creation.Store, backup.Select{})
			if err != nil {
				t.Fatal(err)
			}
			if again, err := o.Warnings(t.Context(), &b); err != nil || strings.Join(again, "\n") != strings.Join(made.Warnings, "\n") {
				t.Errorf("looked at later, it warns of %q: %v", again, err)
			}
		})
	}
}

func TestWhenAnUnchangedSourceIsPassedOver(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, c := range []struct {
		what   string
		later  time.Duration
		under  []string
		passed bool
	}{
		{"a day later", day, []string{"alias/one"}, true},
		{"when half of the retention is over", 45 * day, []string{"alias/one"}, false},
		{"when the last one was made by a clock that was ahead", -day, []string{"alias/one"}, false},
		{"under other keys", day, []string{"alias/one", "alias/other"}, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			creation := creation(t, nil, "alias/one")
			creation.Retention = 90 * day
			made, err := creation.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			creation.Seen, creation.Under = made.Seen, c.under
			creation.Now = func() time.Time { return now.Add(c.later) }
			again, err := creation.Run(t.Context())
			if err != nil || again.Unchanged != c.passed {
				t.Errorf("passed over: %t: %v", again.Unchanged, err)
			}
		})
	}
}

func TestWhatAKilledBackupLeftIsSweptByTheNext(t *testing.T) {
	t.Parallel()
	c := creation(t, nil, "alias/one")
	left := filepath.Join(c.Store.String(), "."+backup.NewID("files", "a", now).String()+".ABCDEFGH.part")
	young := strings.Replace(left, "ABCDEFGH", "HGFEDCBA", 1)
	for _, path := range []string{left, young} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-backup.LeftAfter - time.Hour)
	if err := os.Chtimes(left, long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("it is there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("what may be under way is gone: %v", err)
	}
}
