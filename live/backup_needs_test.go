package live_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/live"
)

// backupPolicy is a policy of rights.
func backupPolicy(needs []live.Need) string {
	var b strings.Builder
	b.WriteString(`{"Version":"2012-10-17","Statement":[`)
	for i, n := range needs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"Effect":"Allow","Action":"` + n.Action + `","Resource":"` + n.Resource + `"`)
		if n.If.Key != "" {
			b.WriteString(`,"Condition":{"StringLike":{"` + n.If.Key + `":["` + strings.Join(n.If.Values, `","`) + `"]}}`)
		}
		b.WriteByte('}')
	}
	return b.String() + `]}`
}

// backupWork does with the rights of a role what the role does, and tells what failed.
func backupWork(w *vaultWorld, role store.Role, needs []live.Need, at live.BackupPlace) error {
	w.Helper()
	c := w.as(w.user(opOwner, "u", backupPolicy(needs)))
	ctx, keys := w.Context(), c.BackupKMS("")
	s, err := c.S3Store(ctx, at.URL, live.S3Options{SSEKey: at.SSEKey})
	if err != nil {
		return err
	}
	was, head := opNeed(w.store(live.S3Options{Details: true}).List(ctx))(w)[0], []byte("head")
	bound := envelope.NewContext("etcd", "prod", "x")
	blob, _, err := w.as(live.Keys{}).BackupKMS("").Encrypt(ctx, at.Keys[0], head, bound)
	if err != nil {
		w.Fatal(err)
	}
	var errs []error
	wraps, opens := role == store.WriterRole || role == store.RewrapperRole, role == store.RestorerRole || role == store.RewrapperRole
	if wraps {
		_, _, err := keys.Encrypt(ctx, at.Keys[0], head, bound)
		errs = append(errs, err)
	}
	if opens {
		_, err := keys.Decrypt(ctx, at.Keys[0], blob, bound)
		_, _, read := load(ctx, s, was.ID, was.VersionID, 0)
		errs = append(errs, err, read)
	}
	_, err = s.List(ctx)
	errs = append(errs, err)
	switch role {
	case store.WriterRole:
		_, err = save(ctx, s, "new", bytes.Repeat([]byte("x"), 17<<20))
		_, swept := s.Sweep(ctx, time.Hour)
		errs = append(errs, err, swept)
	case store.PrunerRole:
		_, swept := s.Sweep(ctx, time.Hour)
		errs = append(errs, s.Remove(ctx, was), swept)
	case store.RewrapperRole:
		_, err := s.Replace(ctx, was, head, 4)
		errs = append(errs, err)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func newBackupPlace(w *vaultWorld) live.BackupPlace {
	w.Helper()
	at := live.BackupPlace{URL: backupURL, Region: opHome, Keys: []string{w.kmsKey(opOwner, opHome)}, SSEKey: w.kmsKey(opOwner, opHome)}
	s := w.store(live.S3Options{SSEKey: at.SSEKey})
	opNeed(save(w.Context(), s, "x", backupBytes(17<<20, 1)))(w)
	return at
}

// Each role does its work with its rights, and a right that its work takes is missed when
// it is not there.
func TestEachRoleHasTheRightsThatBackupsTake(t *testing.T) {
	t.Parallel()
	missed := map[store.Role][]string{
		store.WriterRole:    {"kms:Encrypt", "kms:GenerateDataKey", "kms:Decrypt", "s3:PutObject", "s3:ListBucketMultipartUploads", "s3:ListBucket"},
		store.RestorerRole:  {"kms:Decrypt", "s3:GetObjectVersion", "s3:ListBucket"},
		store.PrunerRole:    {"s3:DeleteObject", "s3:ListBucketMultipartUploads", "s3:ListBucket"},
		store.RewrapperRole: {"kms:Encrypt", "kms:GenerateDataKey", "kms:Decrypt", "s3:PutObject", "s3:GetObject", "s3:ListBucket"},
	}
	for _, role := range store.Roles() {
		for _, without := range append([]string{""}, missed[role]...) {
			t.Run(string(role)+" without "+without, func(t *testing.T) {
				t.Parallel()
				w := newVaultWorld(t, true)
				at := newBackupPlace(w)
				needs, err := live.BackupNeeds(role, at)
				if err != nil {
					t.Fatal(err)
				}
				had := len(needs)
				needs = slices.DeleteFunc(needs, func(n live.Need) bool { return n.Action == without })
				if without != "" && len(needs) == had {
					t.Fatalf("the role has no %s", without)
				}
				err = backupWork(w, role, needs, at)
				if without == "" && err != nil {
					t.Error(err)
				}
				if without != "" && envelope.ClassOf(err) != envelope.Denied {
					t.Errorf("it ends with %v", err)
				}
			})
		}
	}
	if _, err := live.BackupNeeds("owner", live.BackupPlace{}); err == nil {
		t.Error("there is no such role")
	}
	if _, err := live.BackupNeeds(store.WriterRole, live.BackupPlace{URL: "x"}); err == nil {
		t.Error("there is no such place")
	}
}

func TestWhoWritesBackupsOpensNone(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t, true)
	at := newBackupPlace(w)
	for _, role := range []store.Role{store.WriterRole, store.PrunerRole} {
		needs, err := live.BackupNeeds(role, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range needs {
			if n.Action == "kms:Decrypt" && slices.Contains(at.Keys, n.Resource) {
				t.Errorf("a %s may open file keys", role)
			}
		}
	}
	needs, err := live.BackupNeeds(store.WriterRole, at)
	if err != nil {
		t.Fatal(err)
	}
	s := opNeed(w.as(w.user(opOwner, "w", backupPolicy(needs))).S3Store(t.Context(), at.URL, live.S3Options{}))(t)
	if _, _, err := s.Open(t.Context(), "x", "", 0); envelope.ClassOf(err) != envelope.Denied {
		t.Errorf("reading: %v", err)
	}
	if err := s.Remove(t.Context(), store.Object{ID: "x"}); envelope.ClassOf(err) != envelope.Denied {
		t.Errorf("removing: %v", err)
	}
}

// One key may wrap file keys and encrypt the bucket, under which a writer has to decrypt.
func TestWhoWritesBackupsOpensNoneUnderTheKeyOfTheBucket(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t, true)
	at := newBackupPlace(w)
	at.Keys = []string{at.SSEKey}
	needs, err := live.BackupNeeds(store.WriterRole, at)
	if err != nil {
		t.Fatal(err)
	}
	bound := envelope.NewContext("etcd", "prod", "x")
	blob, _, err := w.as(live.Keys{}).BackupKMS("").Encrypt(t.Context(), at.SSEKey, []byte("x"), bound)
	if err != nil {
		t.Fatal(err)
	}
	c := w.as(w.user(opOwner, "w", backupPolicy(needs)))
	if _, err := c.BackupKMS("").Decrypt(t.Context(), at.SSEKey, blob, bound); envelope.ClassOf(err) != envelope.Denied {
		t.Errorf("opening a file key: %v", err)
	}
	s := opNeed(c.S3Store(t.Context(), at.URL, live.S3Options{SSEKey: at.SSEKey}))(t)
	if _, err := save(t.Context(), s, "new", bytes.Repeat([]byte("x"), 17<<20)); err != nil {
		t.Errorf("writing in parts: %v", err)
	}
}

func TestTheRightsOnAKeyAreForBackupsOnly(t *testing.T) {
	t.Parallel()
	w := newVaultWorld(t, true)
	at := newBackupPlace(w)
	needs, err := live.BackupNeeds(store.RewrapperRole, at)
	if err != nil {
		t.Fatal(err)
	}
	keys := w.as(w.user(opOwner, "r", backupPolicy(needs))).BackupKMS("")
	for _, context := range []envelope.Context{nil, {"app": "orders"}} {
		if _, _, err := keys.Encrypt(t.Context(), at.Keys[0], []byte("x"), context); envelope.ClassOf(err) != envelope.Denied {
			t.Errorf("encrypting with the context %v: %v", context, err)
		}
		blob, _, err := w.as(live.Keys{}).BackupKMS("").Encrypt(t.Context(), at.Keys[0], []byte("x"), context)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Decrypt(t.Context(), at.Keys[0], blob, context); envelope.ClassOf(err) != envelope.Denied {
			t.Errorf("decrypting with the context %v: %v", context, err)
		}
	}
}
