package state

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"
)

// Table is the rows of one kind by key. It is read in View and changed in
// Update.
type Table[T any] struct {
	db   *DB
	name string
	rows map[string]*T
	keys []string // sorted
	// ready is called with every row that comes in, to work out what is not
	// stored.
	ready func(*T)
	// changed is called when the row of a key is another than before.
	changed func(key string)
}

// NewTable adds a table to a DB. Ready may be nil; it completes each row as it is
// put or loaded.
func NewTable[T any](db *DB, name string, ready func(*T)) *Table[T] {
	t := &Table[T]{db: db, name: name, rows: map[string]*T{}, ready: ready}
	db.tables = append(db.tables, t)
	return t
}

// OnChange has f called whenever the row of a key changes, and when a change is
// taken back.
func (t *Table[T]) OnChange(f func(key string)) { t.changed = f }

// Key joins the parts of a key.
func Key(parts ...string) string { return strings.Join(parts, "\x00") }

// Get returns a row, or nil. It must not be changed.
func (t *Table[T]) Get(key string) *T { return t.rows[key] }

// Put stores a row under a key, in place of the one that is there.
func (t *Table[T]) Put(key string, row *T) {
	if t.ready != nil {
		t.ready(row)
	}
	t.set(key, row)
}

// Delete takes a row away.
func (t *Table[T]) Delete(key string) { t.set(key, nil) }

// set stores or deletes and remembers how to go back.
func (t *Table[T]) set(key string, row *T) {
	old := t.rows[key]
	if old == nil && row == nil {
		return
	}
	t.place(key, row)
	t.db.undo = append(t.db.undo, func() { t.place(key, old) })
	t.db.dirty[change{t, key}] = struct{}{}
}

func (t *Table[T]) place(key string, row *T) {
	if t.changed != nil {
		defer t.changed(key)
	}
	at, found := slices.BinarySearch(t.keys, key)
	switch {
	case row == nil && found:
		t.keys = slices.Delete(t.keys, at, at+1)
	case row != nil && !found:
		t.keys = slices.Insert(t.keys, at, key)
	}
	if row == nil {
		delete(t.rows, key)
		return
	}
	t.rows[key] = row
}

// Len is the number of rows.
func (t *Table[T]) Len() int { return len(t.keys) }

// All runs over the rows whose key starts with prefix, in the order of the keys.
// The rows that were there when it began are visited, so the loop may delete.
func (t *Table[T]) All(prefix string) iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		from, _ := slices.BinarySearch(t.keys, prefix)
		to := from
		for to < len(t.keys) && strings.HasPrefix(t.keys[to], prefix) {
			to++
		}
		for _, key := range slices.Clone(t.keys[from:to]) {
			if row := t.rows[key]; row != nil && !yield(key, row) {
				return
			}
		}
	}
}

func (t *Table[T]) tableName() string { return t.name }

func (t *Table[T]) load(key string, text []byte) error {
	row := new(T)
	if err := json.Unmarshal(text, row); err != nil {
		return err
	}
	if t.ready != nil {
		t.ready(row)
	}
	t.place(key, row)
	return nil
}

func (t *Table[T]) row(key string) (any, bool) {
	row := t.rows[key]
	return row, row != nil
}

func (t *Table[T]) clear() {
	for _, key := range slices.Clone(t.keys) {
		t.set(key, nil)
	}
}
