package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

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

func TestOnlyItsOwnerReadsTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	open(t, path).put(t, "a")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
}

func TestASecondDBOnAFileIsTurnedAway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	open(t, path)
	if _, err := state.Open(path); err == nil || !strings.Contains(err.Error(), "another sandbox has it open") {
		t.Errorf("got %v", err)
	}
}

// damaged are files that are no state, made from one that is.
var damaged = []struct {
	name, want string
	make       func(whole []byte) []byte
}{
	{"text", "no state of a sandbox, or it is damaged", func([]byte) []byte { return []byte("hello\n") }},
	{"a megabyte of noise", "no state of a sandbox, or it is damaged", func([]byte) []byte { return noise(1 << 20) }},
	{"the first page alone", "damaged", func(w []byte) []byte { return w[:4096] }},
	{"half a page", "damaged", func(w []byte) []byte { return w[:2048] }},
	{"the first half", "damaged: it has", func(w []byte) []byte { return w[:len(w)/2/4096*4096] }},
	{"all but the last page", "damaged: it has", func(w []byte) []byte { return w[:len(w)-4096] }},
	{"noise after the heads", "damaged", func(w []byte) []byte { return append(w[:2*4096:2*4096], noise(len(w)-2*4096)...) }},
	{"zeros after the heads", "damaged", func(w []byte) []byte { return append(w[:2*4096:2*4096], make([]byte, len(w)-2*4096)...) }},
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(7, 7))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestAFileThatIsNoStateIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "state")
	o := open(t, source)
	keys := []string{}
	for i := range 400 {
		keys = append(keys, fmt.Sprintf("%04d%s", i, strings.Repeat("x", 100)))
	}
	o.put(t, keys...)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	whole = whole[:used(t, source)]
	for _, c := range damaged {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path, text := filepath.Join(t.TempDir(), "state"), c.make(slices.Clone(whole))
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := state.Open(path)
			if err == nil {
				state.NewTable(db, "rows", (*row).ready)
				err = db.Load()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v\nwant …%s…", err, c.want)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, text) {
				t.Errorf("the file was %d bytes and is %d, or others: %v", len(text), len(after), err)
			}
		})
	}
}

// used is how much of a file its pages take: the rest is room to grow.
func used(t *testing.T, path string) int64 {
	t.Helper()
	f, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var size int64
	if err := f.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		t.Fatal(err)
	}
	return size
}

func TestAStateOfAnotherProgramIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ bucket, value, want string }{
		{"settings", "1", "no state of a sandbox"},
		{"keyreach", "2", `its format is "2", and this program reads format "1"`},
	} {
		path := filepath.Join(t.TempDir(), "state")
		f, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = f.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte(c.bucket))
			if err != nil {
				return err
			}
			return b.Put([]byte("format"), []byte(c.value))
		})
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := state.Open(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want …%s…", err, c.want)
		}
	}
}

func TestARowThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	o := open(t, path)
	o.put(t, "a")
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("rows")).Put([]byte("a"), []byte(`{"Count":"x"}`)) })
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	state.NewTable(db, "rows", (*row).ready)
	if err := db.Load(); err == nil || !strings.Contains(err.Error(), `rows "a"`) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "it is no file", filepath.Join(dir, "none", "state"): "no such file"} {
		if _, err := state.Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAnEmptyFileIsANewState(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path).put(t, "a")
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
