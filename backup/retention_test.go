package backup_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func made(series string, ages ...time.Duration) []backup.Backup {
	var list []backup.Backup
	for _, age := range ages {
		kind, name, _ := strings.Cut(series, ".")
		id := backup.NewID(kind, name, now.Add(-age))
		list = append(list, backup.Backup{Object: store.Object{ID: id.String()}, ID: id})
	}
	return list
}

// kept are the ages in hours of what stays.
func kept(plan []backup.Pruned) string {
	var hours []int
	for _, p := range plan {
		if p.Keep {
			hours = append(hours, int(now.Sub(p.ID.Created).Hours()))
		}
	}
	slices.Sort(hours)
	return strings.Trim(fmt.Sprint(hours), "[]")
}

func TestWhatARetentionKeeps(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	six := make([]time.Duration, 0, 60)
	for i := range 60 {
		six = append(six, time.Duration(i)*12*hour)
	}
	for _, c := range []struct {
		what string
		keep backup.Retention
		want string
	}{
		{"the last three", backup.Retention{Last: 3}, "0 12 24"},
		{"the newest of three days, the first of which has begun", backup.Retention{Daily: 3}, "0 24 48"},
		{"younger than two days", backup.Retention{Within: 48 * hour}, "0 12 24 36"},
		{"the newest of two weeks", backup.Retention{Weekly: 2}, "0 72"},
		{"days and months", backup.Retention{Daily: 2, Monthly: 2}, "0 24 600"},
		{"a year has one", backup.Retention{Yearly: 5}, "0"},
	} {
		if got := kept(c.keep.Plan(made("etcd.prod", six...), now)); got != c.want {
			t.Errorf("%s: kept the backups of %s hours ago, want %s", c.what, got, c.want)
		}
	}
}

func TestWhatNoRetentionTakesAway(t *testing.T) {
	t.Parallel()
	old := made("step-ca.ca", 900*24*time.Hour)
	if got := kept(backup.Retention{Within: time.Hour}.Plan(old, now)); got != "21600" {
		t.Error("the only backup of a series goes although nothing replaces it")
	}
	if got := kept(backup.Retention{}.Plan(made("files.a", 0, time.Hour, 2*time.Hour), now)); got != "0 1 2" {
		t.Errorf("without a rule only those of %s hours ago stay", got)
	}
	locked := made("files.a", 0, 50*time.Hour)
	locked[1].LockedUntil = now.Add(time.Hour)
	if got := kept(backup.Retention{Last: 1}.Plan(locked, now)); got != "0 50" {
		t.Errorf("what is locked goes: %s", got)
	}
	ahead := made("files.a", -9000*time.Hour, 0, 50*time.Hour, 60*time.Hour)
	if got := kept(backup.Retention{Last: 2, Yearly: 1}.Plan(ahead, now)); got != "-9000 0 50" {
		t.Errorf("beside one that a wrong clock made, %s stay", got)
	}
	foreign := append(made("files.a", 0), backup.Backup{Object: store.Object{ID: "holiday"}})
	for _, p := range (backup.Retention{Last: 1}).Plan(foreign, now) {
		if !p.Keep {
			t.Errorf("%s goes", p.Object.ID)
		}
	}
	two := append(made("files.a", 0, time.Hour), made("etcd.b", 5*time.Hour, 6*time.Hour)...)
	if got := kept(backup.Retention{Last: 1}.Plan(two, now)); got != "0 5" {
		t.Errorf("two series: %s stay", got)
	}
}

// Pruning is the same when it is done twice, and never takes the newest.
func TestPruningTwiceIsPruningOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 5)
		keep := backup.Retention{Last: n.Draw(t, "last"), Daily: n.Draw(t, "daily"), Weekly: n.Draw(t, "weekly"), Monthly: n.Draw(t, "monthly"), Yearly: n.Draw(t, "yearly"),
			Within: time.Duration(rapid.IntRange(0, 1000).Draw(t, "within")) * time.Hour}
		var ages []time.Duration
		for _, h := range rapid.SliceOfN(rapid.IntRange(0, 20000), 1, 60).Draw(t, "hours") {
			ages = append(ages, time.Duration(h)*time.Hour)
		}
		list := made("etcd.prod", ages...)
		var left []backup.Backup
		for _, p := range keep.Plan(list, now) {
			if p.Keep {
				left = append(left, p.Backup)
			}
		}
		if !slices.ContainsFunc(left, func(b backup.Backup) bool { return now.Sub(b.ID.Created) == slices.Min(ages) }) {
			t.Fatal("the newest is gone")
		}
		for _, p := range keep.Plan(left, now) {
			if !p.Keep {
				t.Fatalf("the second pruning takes %s", p.Object.ID)
			}
		}
	})
}

func TestAnIDIsWhatItSays(t *testing.T) {
	t.Parallel()
	id := backup.NewID("step-ca", "prod ca/1", now)
	again, err := backup.ParseID(id.String())
	if err != nil || again != id || id.Series() != "step-ca.prod-ca-1" {
		t.Errorf("%s is read as %s: %v", id, again, err)
	}
	for _, wrong := range []string{"", "etcd", "etcd.a.20261399T000000.000Z.00000000", "etcd.a.20261125T120000.000Z.xyz", "../etcd.a.20261125T120000.000Z.00000000", "etcd.a b.20261125T120000.000Z.00000000"} {
		if _, err := backup.ParseID(wrong); err == nil {
			t.Errorf("%q is taken for an id", wrong)
		}
	}
}

func TestANameInAnIDIsToldFromOthers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"prod", "example.com", "a b", "-x-", "_1"} {
		if err := backup.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "..", "/", "日本", "ünïcode", "a\xff", strings.Repeat("a", 81)} {
		if backup.CheckName(name) == nil {
			t.Errorf("%q is taken, and its backups would be of the series %s", name, backup.CleanName(name))
		}
	}
}

// racing is a store from which somebody else takes backups away at the same time, or that
// lets nobody take any away after some.
type racing struct {
	store.Store
	lets int
}

func (r *racing) Remove(ctx context.Context, o store.Object) error {
	if r.lets--; r.lets < 0 {
		return envelope.Fail(envelope.Denied, errors.New("it is refused"))
	}
	if err := r.Store.Remove(ctx, o); err != nil {
		return err
	}
	return r.Store.Remove(ctx, o) // the second finds nothing
}

func TestPruningGoesOnWhereAnotherWasFaster(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ lets, removed int }{{9, 3}, {2, 2}} {
		at, err := store.OpenDir(t.TempDir(), true)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range made("etcd.prod", 0, time.Hour, 2*time.Hour, 3*time.Hour) {
			w, err := at.Create(t.Context(), b.Object.ID)
			if err == nil {
				_, err = w.Commit(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		list, err := backup.List(t.Context(), at, backup.Select{})
		if err != nil {
			t.Fatal(err)
		}
		removed, err := (&backup.Opener{Store: &racing{at, c.lets}}).Prune(t.Context(), backup.Retention{Last: 1}.Plan(list, now))
		if len(removed) != c.removed || (err == nil) != (c.removed == 3) {
			t.Errorf("let to remove %d, it removed %d: %v", c.lets, len(removed), err)
		}
		left, err := at.List(t.Context())
		if err != nil || len(left) != 4-c.removed {
			t.Errorf("let to remove %d, %d are left: %v", c.lets, len(left), err)
		}
	}
}
