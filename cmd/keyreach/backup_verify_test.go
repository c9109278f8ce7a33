package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/etcd"
	"github.com/keyreach/keyreach/backup/store"
)

func TestHowOldTheNewestGoodBackupIs(t *testing.T) {
	t.Parallel()
	named := func(name string, age time.Duration, err error) backup.Verified {
		id := backup.NewID("files", name, time.Now().Add(-age))
		return backup.Verified{Backup: backup.Backup{Object: store.Object{ID: id.String()}, ID: id}, Err: err}
	}
	of := func(age time.Duration, err error) backup.Verified { return named("a", age, err) }
	foreign := backup.Verified{Backup: backup.Backup{Object: store.Object{ID: "README"}}, Err: errors.New("not one")}
	bad := errors.New("damaged")
	const hour = time.Hour
	for _, c := range []struct {
		what string
		done []backup.Verified
		want string // empty: young enough
	}{
		{"a young one is good", []backup.Verified{of(hour, nil)}, ""},
		{"the newest is damaged, and the one before is young enough", []backup.Verified{of(hour, bad), of(20*hour, nil)}, ""},
		{"the newest is damaged, and the one before is old", []backup.Verified{of(hour, bad), of(90*hour, nil)}, "3 days old"},
		{"all are damaged", []backup.Verified{of(hour, bad), of(2*hour, bad)}, "no backup is good"},
		{"one of a clock that was ahead hides no old one", []backup.Verified{of(-9000*hour, nil), of(90*hour, nil)}, "3 days old"},
		{"the only one is of a clock that was ahead", []backup.Verified{of(-9000*hour, nil)}, "yet to come"},
		{"another series has a young one", []backup.Verified{of(hour, nil), named("b", 90*hour, nil)}, "backup, files.b."},
		{"of another series none is good", []backup.Verified{of(hour, nil), named("b", hour, bad)}, "no backup of files b"},
		{"both are young", []backup.Verified{of(hour, nil), named("b", 2*hour, nil)}, ""},
		{"a file of another name is of no series", []backup.Verified{of(hour, nil), foreign}, ""},
		{"there are files of other names only", []backup.Verified{foreign}, "no backup is good"},
	} {
		if got := staleness(c.done, 26*hour).String(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestWhatIsTakenAwayMeanwhileIsNoBadBackup(t *testing.T) {
	t.Parallel()
	at, err := store.OpenDir(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	named := func(age time.Duration) backup.Backup {
		id := backup.NewID("files", "a", time.Now().Add(-age))
		return backup.Backup{Object: store.Object{ID: id.String()}, ID: id}
	}
	there, gone := named(2*time.Hour), named(time.Hour)
	w, err := at.Create(t.Context(), there.Object.ID)
	if err == nil {
		_, err = w.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	o := &backup.Opener{Store: at}
	for _, c := range []struct {
		what string
		all  bool
		list []backup.Backup
		want backup.Backup
		is   envelope.Class
	}{
		{"the newest is gone, and the one before is looked at", false, []backup.Backup{gone, there}, there, envelope.Truncated},
		{"one of all is gone", true, []backup.Backup{there, gone}, there, envelope.Truncated},
		{"the only one is gone", true, []backup.Backup{gone}, gone, envelope.NotFound},
		{"all are gone", true, []backup.Backup{gone, gone}, gone, envelope.NotFound},
	} {
		f := verifyFlags{all: c.all}
		done := f.verify(t.Context(), o, c.list, false)
		if len(done) != 1 || done[0].Object.ID != c.want.Object.ID || envelope.ClassOf(done[0].Err) != c.is {
			t.Errorf("%s: %+v", c.what, done)
		}
	}
}

func TestAReplicaThatIsCalledIsToldFromTheKeyOfTheBackup(t *testing.T) {
	t.Parallel()
	const key, replica = "arn:aws:kms:us-east-1:111122223333:key/mrk-1", "arn:aws:kms:eu-west-1:111122223333:key/mrk-1"
	for called, want := range map[string]string{
		key:     "opens key " + key + " (Enabled)",
		replica: "opens key " + key + ", by its replica " + replica + " (Enabled)",
	} {
		var out strings.Builder
		v := backup.Verified{Keys: []envelope.Opening{{ARN: key, Called: called, Key: envelope.Key{ARN: called, State: "Enabled"}}}}
		if printVerified(&printer{w: &out}, &v, time.Now()); !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("%s was called, and it says %s", called, out.String())
		}
		if told := keysView(&v)[0].Called; (told == "") != (called == key) || told != "" && told != replica {
			t.Errorf("%s was called, and JSON has %q", called, told)
		}
	}
}

func TestAFailureOfABackupHasItsNextStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code int
		hint string
	}{
		{&etcd.Missing{Programs: []string{"etcd"}}, exitFailed, "drill where it is"},
		{envelope.Fail(envelope.Corrupt, errors.New("changed")), exitCorrupt, "keyreach backup verify --all finds"},
		{envelope.Fail(envelope.Truncated, errors.New("cut")), exitTruncated, "keyreach backup verify --all finds"},
		{&archive.BusyError{}, exitFailed, "wait for it"},
		{store.Changed("/backups/x.age"), exitFailed, "run the command again"},
	} {
		var exit *exitError
		if err := backupFailure(c.err); !errors.As(err, &exit) || exit.code != c.code || !strings.Contains(exit.hint, c.hint) {
			t.Errorf("%v: %+v, expected the code %d and %q", c.err, exit, c.code, c.hint)
		}
	}
}

func TestAnErrorInOneLineHasItsLinesApart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"one":                                 "one",
		"it is encrypted for scrypt\n  no":    "it is encrypted for scrypt; no",
		"no KMS key opened it:\n  a: x\n  b:": "no KMS key opened it: a: x; b:",
	} {
		if got := oneLine(errors.New(text)); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
