package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup"
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
		{"another series has a young one", []backup.Verified{of(hour, nil), named("b", 90*hour, nil)}, "of files b is 3 days old"},
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
