// Package state holds what a sandbox remembers: tables of rows in memory, kept in
// a file when one is given, and the clock and ids that the services share.
//
// Rows are never changed in place. Whoever changes one puts a copy, so that a row
// read under the lock may be used after it, and so that a change that is taken
// back leaves nothing behind.
package state

import (
	"encoding/json"
	"fmt"
	"sync"

	"go.etcd.io/bbolt"
)

// DB is all tables of a sandbox under one lock.
type DB struct {
	mu     sync.RWMutex
	tables []table
	undo   []func()
	kept   []func()
	dirty  map[change]struct{}
	file   *bbolt.DB
}

// table is a Table[T] whatever T is.
type table interface {
	tableName() string
	load(key string, text []byte) error
	row(key string) (any, bool)
	clear()
}

// change names a row that differs from the file.
type change struct {
	table table
	key   string
}

// Close closes the file. What was acknowledged is in it already.
func (db *DB) Close() error {
	if db.file == nil {
		return nil
	}
	return db.file.Close()
}

// View runs f while nobody changes anything.
func (db *DB) View(f func() error) error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return f()
}

// Update runs f alone and then writes what it changed to the file. When f fails,
// or the file cannot be written, everything is as it was before.
func (db *DB) Update(f func() error) (err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	done := false // still, when f or the commit panics
	defer func() {
		if !done || err != nil {
			db.rollback()
		}
		db.undo = db.undo[:0]
		clear(db.dirty)
		if err == nil && done {
			for _, f := range db.kept {
				f()
			}
		}
		db.kept = db.kept[:0]
	}()
	if err = f(); err == nil {
		err = db.commit()
	}
	done = true
	return err
}

// OnUndo has f called when the update that runs is taken back. It is called in
// Update.
func (db *DB) OnUndo(f func()) { db.undo = append(db.undo, f) }

// OnKept has f called when the update that runs was kept, and in the file. It is called
// in Update.
func (db *DB) OnKept(f func()) {
	n := len(db.kept)
	db.kept = append(db.kept, f)
	db.OnUndo(func() { db.kept = db.kept[:n] })
}

// Try runs a part of an update. When it fails, what it changed is taken back and the
// rest of the update may go on. It is called in Update.
func (db *DB) Try(f func() error) error {
	from := len(db.undo)
	err := f()
	if err != nil {
		db.undoTo(from)
	}
	return err
}

func (db *DB) rollback() { db.undoTo(0) }

func (db *DB) undoTo(from int) {
	for i := len(db.undo) - 1; i >= from; i-- {
		db.undo[i]()
	}
	db.undo = db.undo[:from]
}

func (db *DB) commit() error {
	if db.file == nil || len(db.dirty) == 0 {
		return nil
	}
	err := db.file.Update(func(tx *bbolt.Tx) error {
		for c := range db.dirty {
			if err := store(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return nil
}

func store(tx *bbolt.Tx, c change) error {
	b, err := tx.CreateBucketIfNotExists([]byte(c.table.tableName()))
	if err != nil {
		return err
	}
	row, ok := c.table.row(c.key)
	if !ok {
		return b.Delete([]byte(c.key))
	}
	text, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("%s %q: %w", c.table.tableName(), c.key, err)
	}
	return b.Put([]byte(c.key), text)
}

// Clear empties every table. It is called in Update.
func (db *DB) Clear() {
	for _, t := range db.tables {
		t.clear()
	}
}
