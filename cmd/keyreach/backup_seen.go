package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/internal/atomicfile"
	"github.com/keyreach/keyreach/run"
)

// lastSeen remembers the last backup of a series, on this machine.
type lastSeen struct {
	path string
	seen backup.Seen
}

// openSeen reads what is remembered. A file that cannot be read remembers nothing: then a
// backup is made.
func openSeen(state, store, series string) (*lastSeen, error) {
	if state == "" {
		var err error
		if state, err = run.DefaultState(); err != nil {
			return nil, failure(err).hinting("name a directory for what is remembered with --state")
		}
	}
	of := sha256.Sum256([]byte(store))
	l := &lastSeen{path: filepath.Join(state, "backups", hex.EncodeToString(of[:8]), series+".json")}
	b, err := os.ReadFile(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return l, nil
	case err != nil:
		return nil, failure(fmt.Errorf("reading what is remembered of the last backup: %w", err)).hinting("name another directory with --state")
	}
	if json.Unmarshal(b, &l.seen) != nil {
		l.seen = backup.Seen{}
	}
	return l, nil
}

func (l *lastSeen) remember(seen backup.Seen) error {
	b, err := json.Marshal(seen)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(l.path), 0o700)
	}
	if err == nil {
		err = atomicfile.Write(l.path, b, 0o600)
	}
	if err != nil {
		return failure(fmt.Errorf("the backup is made; remembering it: %w", err)).hinting("name another directory with --state")
	}
	return nil
}
