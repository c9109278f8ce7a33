package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptIdentity writes a new age identity to a file, and its recipient to $RECIPIENT.
func scriptIdentity(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: identity FILE")
	}
	id, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(id.String()+"\n"), 0o600))
	ts.Setenv("RECIPIENT", id.Recipient().String())
}

// scriptBackups puts the ids of the backups in a directory into $B1, $B2…, the oldest
// first, and fails unless there are as many as told.
func scriptBackups(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: backups DIR COUNT")
	}
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*.age"))
	ts.Check(err)
	if strconv.Itoa(len(found)) != args[1] {
		ts.Fatalf("%s has %d backups: %v", args[0], len(found), found)
	}
	for i, path := range found {
		ts.Setenv("B"+strconv.Itoa(i+1), strings.TrimSuffix(filepath.Base(path), ".age"))
	}
}

// scriptSpoil changes a file as damage does: cuts it to a part of its size in percent, or
// turns the bit of a byte there.
func scriptSpoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: spoil FILE cut|bit PERCENT")
	}
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	percent, err := strconv.Atoi(args[2])
	ts.Check(err)
	at := len(b) * percent / 100
	switch b = bytes.Clone(b); args[1] {
	case "cut":
		b = b[:at]
	case "bit":
		b[at] ^= 1
	}
	ts.Check(os.WriteFile(path, b, 0o600))
}
