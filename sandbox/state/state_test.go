package state_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/sandbox/state"
)

// row is what the tests keep.
type row struct {
	Name  string
	Count int
	Since time.Time
	// twice is worked out when the row comes in.
	twice int
}

func (r *row) ready() { r.twice = 2 * r.Count }

// opened is a DB with two tables.
type opened struct {
	*state.DB
	rows   *state.Table[row]
	others *state.Table[row]
}

func open(t *testing.T, path string) *opened {
	t.Helper()
	db, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	o := &opened{DB: db, rows: state.NewTable(db, "rows", (*row).ready), others: state.NewTable(db, "others", (*row).ready)}
	if err := db.Load(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // a second time for those that closed it
	return o
}

// all is what a table holds, in its order.
func all(table *state.Table[row], prefix string) []string {
	list := []string{}
	for key, r := range table.All(prefix) {
		list = append(list, fmt.Sprintf("%q=%s/%d/%d", key, r.Name, r.Count, r.twice))
	}
	return list
}

func (o *opened) contents() []string { return append(all(o.rows, ""), all(o.others, "")...) }

func (o *opened) put(t *testing.T, keys ...string) {
	t.Helper()
	err := o.Update(func() error {
		for i, key := range keys {
			o.rows.Put(key, &row{Name: key, Count: i})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\ngot  %v\nwant %v", what, got, want)
	}
}

func TestRowsAreVisitedInTheOrderOfTheirKeys(t *testing.T) {
	t.Parallel()
	o := open(t, "")
	o.put(t, state.Key("b", "1"), state.Key("a", "2"), state.Key("ab", "1"), state.Key("a", "1"), state.Key("a"), "")
	keys := func(prefix string) []string {
		list := []string{}
		for key := range o.rows.All(prefix) {
			list = append(list, strings.ReplaceAll(key, "\x00", "|"))
		}
		return list
	}
	same(t, "all", keys(""), []string{"", "a", "a|1", "a|2", "ab|1", "b|1"})
	same(t, "those of a", keys(state.Key("a", "")), []string{"a|1", "a|2"})
	same(t, "those of nobody", keys(state.Key("c", "")), []string{})
	if n := o.rows.Len(); n != 6 {
		t.Errorf("there are %d rows", n)
	}
}

func TestALoopOverRowsMayDeleteThem(t *testing.T) {
	t.Parallel()
	o := open(t, "")
	o.put(t, "a", "b", "c", "d")
	visited := []string{}
	err := o.Update(func() error {
		for key := range o.rows.All("") {
			visited = append(visited, key)
			o.rows.Delete(key)
			o.rows.Delete("c") // is not visited then
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "visited", visited, []string{"a", "b", "d"})
	same(t, "left", all(o.rows, ""), []string{})
}

func TestALoopOverRowsMayEndEarly(t *testing.T) {
	t.Parallel()
	o := open(t, "")
	o.put(t, "a", "b")
	for key := range o.rows.All("") {
		if key != "a" {
			t.Errorf("%s is visited after the end", key)
		}
		break
	}
}

// changes are what may happen in an update that is then taken back.
var changes = []struct {
	name string
	do   func(o *opened)
}{
	{"a new row", func(o *opened) { o.rows.Put("n", &row{Name: "new"}) }},
	{"a row in place of another", func(o *opened) { o.rows.Put("a", &row{Name: "other", Count: 9}) }},
	{"a row replaced twice", func(o *opened) { o.rows.Put("a", &row{Name: "x"}); o.rows.Put("a", &row{Name: "y"}) }},
	{"a row deleted", func(o *opened) { o.rows.Delete("b") }},
	{"a row deleted and put again", func(o *opened) { o.rows.Delete("b"); o.rows.Put("b", &row{Name: "again"}) }},
	{"a new row deleted again", func(o *opened) { o.rows.Put("n", &row{}); o.rows.Delete("n") }},
	{"a row deleted that there is not", func(o *opened) { o.rows.Delete("none") }},
	{"everything cleared", func(o *opened) { o.Clear() }},
	{"everything cleared and filled", func(o *opened) { o.Clear(); o.rows.Put("a", &row{Name: "filled"}) }},
	{"two tables", func(o *opened) { o.rows.Delete("a"); o.others.Put("a", &row{Name: "moved"}) }},
}

func TestAnUpdateThatFailsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	failure := errors.New("no")
	for _, c := range changes {
		for _, how := range []string{"an error", "a panic"} {
			for _, kept := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, kept in a file %v", c.name, how, kept), func(t *testing.T) {
					t.Parallel()
					path := ""
					if kept {
						path = filepath.Join(t.TempDir(), "state")
					}
					o := open(t, path)
					o.put(t, "a", "b", "c")
					before := o.contents()
					undone := 0
					err := o.fail(how, failure, func() {
						o.OnUndo(func() { undone++ })
						c.do(o)
					})
					if !errors.Is(err, failure) {
						t.Fatalf("the update ended with %v", err)
					}
					same(t, "after it", o.contents(), before)
					if undone != 1 {
						t.Errorf("what was to be undone was undone %d times", undone)
					}
					o.put(t) // the lock is free, and nothing of the failed update is written with the next
					if kept {
						if err := o.Close(); err != nil {
							t.Fatal(err)
						}
						same(t, "after a restart", open(t, path).contents(), before)
					}
				})
			}
		}
	}
}

// fail runs an update that ends in an error or in a panic with it.
func (o *opened) fail(how string, failure error, do func()) (err error) {
	defer func() {
		if what := recover(); what != nil {
			err = what.(error)
		}
	}()
	return o.Update(func() error {
		do()
		if how == "a panic" {
			panic(failure)
		}
		return failure
	})
}

func TestAnUpdateThatCannotBeWrittenIsTakenBack(t *testing.T) {
	t.Parallel()
	o := open(t, filepath.Join(t.TempDir(), "state"))
	o.put(t, "a")
	before := o.contents()
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	err := o.Update(func() error { o.rows.Put("b", &row{}); o.rows.Delete("a"); return nil })
	if err == nil || !strings.Contains(err.Error(), "writing the state") {
		t.Errorf("got %v", err)
	}
	same(t, "after it", o.contents(), before)
}

func TestWhoWatchesATableHearsOfChangesAndOfTheirUndoing(t *testing.T) {
	t.Parallel()
	o := open(t, "")
	heard := []string{}
	o.rows.OnChange(func(key string) {
		value := "none"
		if r := o.rows.Get(key); r != nil {
			value = r.Name
		}
		heard = append(heard, key+"="+value)
	})
	o.put(t, "a")
	_ = o.fail("an error", errors.New("no"), func() { o.rows.Put("a", &row{Name: "x"}); o.rows.Put("b", &row{Name: "y"}) })
	same(t, "heard", heard, []string{"a=a", "a=x", "b=y", "b=none", "a=a"})
}

// The file holds what the memory holds, whatever was done.
func TestAStateReadAgainIsTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state")
			o := open(t, path)
			o.mix(t, rand.New(rand.NewPCG(seed, 1)))
			before := o.contents()
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, path)
			same(t, "after the restart", again.contents(), before)
			again.mix(t, rand.New(rand.NewPCG(seed, 2)))
			model := maps.Collect(again.rows.All(""))
			if len(model) != again.rows.Len() {
				t.Errorf("%d rows by key, %d in order", len(model), again.rows.Len())
			}
		})
	}
}

// mix makes many updates, some of which fail.
func (o *opened) mix(t *testing.T, r *rand.Rand) {
	t.Helper()
	for range 30 {
		err := o.Update(func() error {
			for range r.IntN(5) {
				table, key := o.rows, state.Key(fmt.Sprint(r.IntN(3)), fmt.Sprint(r.IntN(8)))
				if r.IntN(3) == 0 {
					table = o.others
				}
				if r.IntN(3) == 0 {
					table.Delete(key)
				} else {
					table.Put(key, &row{Name: key, Count: r.IntN(100)})
				}
			}
			if r.IntN(4) == 0 {
				return errors.ErrUnsupported
			}
			return nil
		})
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Fatal(err)
		}
	}
}

func TestAClockIsAheadAsFarAsItIsSet(t *testing.T) {
	t.Parallel()
	var c state.Clock
	before := time.Now()
	c.Set(time.Hour)
	if ahead := c.Now().Sub(before); ahead < time.Hour || ahead > time.Hour+time.Minute || c.Ahead() != time.Hour {
		t.Errorf("it is %s ahead", ahead)
	}
	if c.Now().Location() != time.UTC {
		t.Error("it is not in UTC")
	}
}

func TestIDsAreTheSameFromTheSameSeedAndElseNot(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) []string {
		g := state.NewIDs(seed)
		return []string{g.UUID(), g.Hex(7), g.Unique("AROA"), g.Token(9)}
	}
	first := draw(1)
	same(t, "the same seed", draw(1), first)
	if slices.Equal(draw(2), first) || slices.Equal(draw(0), draw(0)) {
		t.Error("other seeds give the same ids")
	}
	if len(first[1]) != 7 || len(first[2]) != 21 {
		t.Errorf("the ids are %v", first)
	}
	if one, other := state.Secret(30), state.Secret(30); one == other {
		t.Errorf("two secrets are the same: %s", one)
	}
}

func TestWhatIsToBeDoneWhenAnUpdateIsKeptIsDoneThen(t *testing.T) {
	t.Parallel()
	o := open(t, filepath.Join(t.TempDir(), "state"))
	var done []string
	later := func(what string) { o.OnKept(func() { done = append(done, what) }) }
	failed := errors.New("failed")
	_ = o.Update(func() error { later("of an update that failed"); return failed })
	same(t, "after an update that failed", done, nil)
	err := o.Update(func() error {
		later("first")
		_ = o.Try(func() error { later("of a part that failed"); return failed })
		later("last")
		if len(done) > 0 {
			t.Error("it is done before the update is kept")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "after one that was kept", done, []string{"first", "last"})
	o.put(t, "x")
	same(t, "after the next", done, []string{"first", "last"})
}
