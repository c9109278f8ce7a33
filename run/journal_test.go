package run

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/cloud"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/plan"
)

func TestTheJournalIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes are those of Unix")
	}
	dir := filepath.Join(t.TempDir(), "a", "b#? %c")
	f := newFixture(t, &estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt")})
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.must(Apply(t.Context(), f.cloud, j, f.plan, f.options()))
	modes := func() {
		for name, want := range map[string]os.FileMode{".": 0o700, "journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600, "lock": 0o600} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", name, info, err)
			}
		}
	}
	modes()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		if err := j.db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v", pragma, got, err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "journal.db"), 0o644); err != nil {
		t.Fatal(err)
	}
	if j, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if runs, err := j.Runs(); err != nil || len(runs) != 1 {
		t.Errorf("opened again: %v, %v", runs, err)
	}
	modes()
}

func TestAJournalOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.db.Exec("PRAGMA user_version = 7"); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	var newer *VersionError
	if _, err := Open(dir); !errors.As(err, &newer) || newer.Have != 7 || newer.Know != journalVersion {
		t.Errorf("%v", err)
	}
}

func TestADamagedJournalIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "journal.db"), bytes.Repeat([]byte("my notes\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "journal.db") {
		t.Errorf("%v", err)
	}
}

func TestOnlyOnePerforms(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt")})
	second, err := open(f.j.Dir(), "OFF") // as another process has it
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	o := f.options()
	tried := 0
	o.After = func(Record) {
		tried++
		for _, try := range []func() (*Run, error){
			func() (*Run, error) { return Apply(t.Context(), f.cloud, second, f.plan, f.options()) },
			func() (*Run, error) { return Resume(t.Context(), f.cloud, second, "2026", f.options()) },
			func() (*Run, error) { return Undo(t.Context(), f.cloud, second, "2026", f.options()) },
		} {
			var locked *LockedError
			if _, err := try(); !errors.As(err, &locked) || locked.PID != os.Getpid() || !locked.Since.Equal(f.clock.Now()) || locked.Dir != f.j.Dir() {
				t.Errorf("%v", err)
			}
		}
		if runs, err := second.Runs(); err != nil || len(runs) != 1 {
			t.Errorf("reading meanwhile: %v, %v", runs, err)
		}
	}
	f.must(Apply(t.Context(), f.cloud, f.j, f.plan, o))
	if tried == 0 {
		t.Error("nobody tried")
	}
	f.must(Apply(t.Context(), f.cloud, second, f.plan, f.options()))
}

func TestRunsAreFoundByTheBeginningOfTheirID(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &estate.KeyPolicy{Key: oldKey, Document: keyPolicy("Decrypt")})
	if _, err := f.j.Run("20261125"); !errors.As(err, new(*NoRunError)) {
		t.Errorf("an empty journal: %v", err)
	}
	first := f.must(f.apply())
	f.clock.now = f.clock.now.Add(time.Hour)
	second := f.must(f.apply())
	if first.ID[:16] != "20261125-000305-" || len(first.ID) != 20 || second.ID < first.ID {
		t.Errorf("the ids are %s and %s", first.ID, second.ID)
	}
	for id, want := range map[string]string{first.ID: first.ID, "20261125-00": first.ID, "20261125-01": second.ID} {
		if r, err := f.j.Run(id); err != nil || r.ID != want {
			t.Errorf("%q: %v, %v", id, r, err)
		}
	}
	both := []string{second.ID, first.ID}
	for id, many := range map[string]bool{"20261125": true, "20261125-99": false, "x": false, "": false} {
		var none *NoRunError
		if _, err := f.j.Run(id); !errors.As(err, &none) || none.Many != many || !slices.Equal(none.Like, both) || none.ID != id {
			t.Errorf("%q: %v", id, err)
		}
	}
	runs, err := f.j.Runs()
	if err != nil || len(runs) != 2 || runs[0].ID != second.ID || runs[0].Records != nil {
		t.Errorf("%v, %v", runs, err)
	}
}

// What was written into the journal is what is read from it.
func TestARunIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	o := f.options()
	o.Until, o.Accounts = f.clock.Now().Add(time.Hour), []string{"111122223333", "444455556666"}
	var told []Record
	o.After = func(r Record) { told = append(told, r) }
	r := f.must(Apply(t.Context(), f.cloud, f.j, f.plan, o))
	if !r.Until.Equal(o.Until) || !slices.Equal(r.Accounts, o.Accounts) || !slices.Equal(r.Routes, f.plan.Routes) || r.Plan.Digest() != f.plan.Digest() {
		t.Errorf("%+v", r)
	}
	if len(told) != len(r.Records) {
		t.Fatalf("%d records were told of, %d are there", len(told), len(r.Records))
	}
	for i, got := range r.Records {
		want := told[i]
		if got.Seq != i+1 || got.Seq != want.Seq || got.Step != want.Step || got.Phase != want.Phase || got.Slot != want.Slot || !got.At.Equal(want.At) || got.Text != want.Text || got.Run != r.ID {
			t.Errorf("record %d is %+v, not %+v", i, got, want)
		}
		if (got.After == nil) != (want.After == nil) || got.After != nil && !estate.SameOp(got.After, want.After) {
			t.Errorf("record %d has %v, not %v", i, got.After, want.After)
		}
	}
}

// Nobody who reads the journal's files finds a token in them.
func TestTheJournalHoldsNoTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &estate.GrantTo{Key: oldKey, Name: "there", Issuer: "111122223333", Absent: true})
	const token = "AQpAM2RhZtokentokentoken"
	f.cloud.e.Keys[0].Grants[0].Token = token
	r := f.must(f.apply())
	f.must(f.undo(r.ID))
	files, err := filepath.Glob(filepath.Join(f.j.Dir(), "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	found := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || bytes.Contains(text, []byte(token)) {
			t.Errorf("%s: %v", file, err)
		}
		found = found || bytes.Contains(text, []byte(appRole))
	}
	if !found {
		t.Error("what the journal should hold is not found either")
	}
}

func TestTheStateDirectoryIsTheUsers(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/var/state")
	if dir, err := DefaultState(); err != nil || filepath.ToSlash(dir) != "/var/state/keyreach" {
		t.Errorf("%s, %v", dir, err)
	}
	for _, unset := range []string{"", "relative"} { // XDG: a relative one is to be ignored
		t.Setenv("XDG_STATE_HOME", unset)
		t.Setenv("HOME", "/home/somebody")
		if dir, err := DefaultState(); runtime.GOOS != "windows" && (err != nil || dir != "/home/somebody/.local/state/keyreach") {
			t.Errorf("%s, %v", dir, err)
		}
	}
}

func TestTheClockOfTheMachineEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := System().Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := System().Sleep(t.Context(), time.Nanosecond); err != nil {
		t.Errorf("%v", err)
	}
	if d := time.Since(System().Now()); d < 0 || d > time.Minute {
		t.Errorf("it is %v off", d)
	}
}

func TestNamesAreReplacedAsWholeWords(t *testing.T) {
	t.Parallel()
	n := names{"arn:aws:kms:us-east-1:111122223333:key/planned-1": "arn:aws:kms:us-east-1:111122223333:key/real"}
	for text, want := range map[string]string{
		"arn:aws:kms:us-east-1:111122223333:key/planned-1":                     "arn:aws:kms:us-east-1:111122223333:key/real",
		"arn:aws:kms:us-east-1:111122223333:key/planned-12":                    "arn:aws:kms:us-east-1:111122223333:key/planned-12",
		"arn:aws:kms:eu-west-1:111122223333:key/planned-1":                     "arn:aws:kms:eu-west-1:111122223333:key/real",
		"planned-1, planned-12, unplanned-1 and planned-1":                     "real, planned-12, unplanned-1 and real",
		"{\n\"planned-1\":\"planned-1\"\n}":                                    "{\n\"real\":\"real\"\n}",
		"planned-1planned-1 planned-1":                                         "planned-1planned-1 real",
		"{\"Resource\":[\"arn:aws:kms:us-east-1:111122223333:key/planned-1\"]": "{\"Resource\":[\"arn:aws:kms:us-east-1:111122223333:key/real\"]",
	} {
		op, err := n.rename(&estate.BucketSetting{Bucket: "b", Setting: estate.BucketLifecycle, Text: text})
		if err != nil || op.(*estate.BucketSetting).Text != want {
			t.Errorf("%q became %+v, %v", text, op, err)
		}
	}
	grant, err := n.rename(&estate.GrantTo{Key: "k", Name: "n", Constraints: &estate.GrantConstraints{EncryptionContextEquals: map[string]string{"planned-1": "planned-1"}}})
	if err != nil || grant.(*estate.GrantTo).Constraints.EncryptionContextEquals["real"] != "real" {
		t.Errorf("a map: %+v, %v", grant, err)
	}
}

func TestEveryErrorOfARunSaysHowItStands(t *testing.T) {
	t.Parallel()
	stopped := &cloud.Error{Kind: cloud.Expired, Operation: "x", Err: errors.New("y")}
	for err, want := range map[error]Status{
		nil: Done, context.Canceled: Stopped, context.DeadlineExceeded: Stopped, error(stopped): Stopped,
		error(&StaleError{}): Failed, error(&OverwrittenError{}): Failed, error(&cloud.Error{Kind: cloud.Invalid, Err: errors.New("y")}): Failed,
	} {
		if got := statusAfter(err); got != want {
			t.Errorf("%v: %s", err, got)
		}
	}
}

func TestAPlanWithoutStepsIsDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.plan = &plan.Plan{FormatVersion: plan.FormatVersion, Kind: "open"}
	f.must(f.apply())
	o := f.options()
	o.Accounts = []string{"999999999999"}
	f = newFixture(t)
	if r, err := Apply(t.Context(), f.cloud, f.j, f.plan, o); err == nil || r != nil {
		t.Errorf("an account in which nothing is written: %v, %v", r, err)
	}
}
