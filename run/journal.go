package run

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// journalVersion is the version of the tables that this package reads and writes.
const journalVersion = 1

// schema makes the tables. Times are RFC 3339 in UTC; ops are those of
// estate.MarshalOp.
const schema = `
CREATE TABLE runs (
	id TEXT PRIMARY KEY, kind TEXT NOT NULL, of TEXT REFERENCES runs(id), change TEXT NOT NULL,
	digest TEXT NOT NULL, plan TEXT NOT NULL, routes TEXT NOT NULL, accounts TEXT NOT NULL,
	started TEXT NOT NULL, ended TEXT NOT NULL DEFAULT '', status TEXT NOT NULL, until TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX runs_digest ON runs (digest);
CREATE TABLE records (
	run TEXT NOT NULL REFERENCES runs(id), seq INTEGER NOT NULL, step INTEGER NOT NULL, phase TEXT NOT NULL, at TEXT NOT NULL,
	slot TEXT NOT NULL, before TEXT NOT NULL DEFAULT '', after TEXT NOT NULL DEFAULT '', made TEXT NOT NULL DEFAULT '',
	text TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (run, seq)
) STRICT;`

// Journal is what was done and what was about to be: every run with its records, in
// one SQLite file. What stands in it survives a crash of the machine. It holds no
// credentials and no grant tokens.
type Journal struct {
	dir string
	db  *sql.DB
}

// DefaultState is the directory of the journal when none is named:
// $XDG_STATE_HOME/keyreach, or .local/state/keyreach in the home directory.
func DefaultState() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "keyreach"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the state directory: %w", err)
	}
	return filepath.Join(home, ".local", "state", "keyreach"), nil
}

// Open opens the journal in a directory, and makes both when they are not there: the
// directory with mode 0700, the file journal.db with 0600. It fails with *VersionError
// for a journal that a newer version wrote. Several processes may have a journal open;
// only one of them performs.
func Open(dir string) (*Journal, error) { return open(dir, "FULL") }

// open is Open with the care that is taken for a crash of the machine.
func open(dir, synchronous string) (*Journal, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	file := filepath.Join(dir, "journal.db")
	if err := private(file); err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	source := url.URL{Scheme: "file", Path: filepath.ToSlash(file), RawQuery: url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(" + synchronous + ")", "foreign_keys(1)"}, "_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, fmt.Errorf("opening the journal %s: %w", file, err)
	}
	db.SetMaxOpenConns(1) // what one goroutine wrote the other reads
	j := &Journal{dir: dir, db: db}
	if err := j.migrate(file); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the journal %s: %w", file, err), db.Close())
	}
	return j, nil
}

// private makes the file, or takes from others the right to read it. SQLite gives the
// files beside it the same mode.
func private(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = f.Chmod(info.Mode().Perm() & fs.FileMode(0o700))
	}
	return errors.Join(err, f.Close())
}

// migrate brings the tables to the version that this package knows.
func (j *Journal) migrate(file string) error {
	return j.change(context.Background(), func(tx *sql.Tx) error {
		var have int
		if err := tx.QueryRow("PRAGMA user_version").Scan(&have); err != nil {
			return fmt.Errorf("reading its version: %w", err)
		}
		switch {
		case have > journalVersion:
			return &VersionError{Path: file, Have: have, Know: journalVersion}
		case have == journalVersion:
			return nil
		}
		if _, err := tx.Exec(schema + fmt.Sprintf("PRAGMA user_version = %d", journalVersion)); err != nil {
			return fmt.Errorf("making its tables: %w", err)
		}
		return nil
	})
}

// change does something as a whole or not at all.
func (j *Journal) change(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// Close closes the journal.
func (j *Journal) Close() error { return j.db.Close() }

// Dir is the directory of the journal.
func (j *Journal) Dir() string { return j.dir }
