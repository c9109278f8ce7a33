package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

const ageKey = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

const ageEstate = `{"format_version": 1, "accounts": [{"id": "111122223333"}], "keys": [{"arn": "` + ageKey + `", "policy": {
	"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"}}}]}`

// ageWorld is a place in which this program and those of others are run.
type ageWorld struct {
	dir string
	env []string
}

// newAgeWorld has files to back up in src, and an AWS with one key. It skips the test when
// one of the programs is missing.
func newAgeWorld(t *testing.T, programs ...string) *ageWorld {
	t.Helper()
	if testing.Short() {
		t.Skip("it is about other programs")
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	e, err := estate.Load("estate.json", []byte(ageEstate))
	if err != nil {
		t.Fatal(err)
	}
	w := &ageWorld{dir: t.TempDir()}
	box := sandboxtest.Start(t, sandbox.Options{Estate: e})
	w.env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "AGEDEBUG=") })
	w.env = append(w.env, "AWS_ENDPOINT_URL="+box.URL, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=111122223333", "AWS_SECRET_ACCESS_KEY=any",
		"AWS_CONFIG_FILE="+w.at("none"), "AWS_SHARED_CREDENTIALS_FILE="+w.at("none"), "AWS_EC2_METADATA_DISABLED=true", "XDG_STATE_HOME="+w.at("state"))
	for name, text := range map[string]string{"a.txt": "one\n", "empty": "", "d/large": strings.Repeat("0123456789abcdef", 40_000), "d/with a space": "two\n"} {
		if err := os.MkdirAll(filepath.Dir(w.at("src/"+name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(w.at("src/"+name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../a.txt", w.at("src/d/link")); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *ageWorld) at(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

// sh runs lines of a shell, and returns what they print.
func (w *ageWorld) sh(t *testing.T, lines string) string {
	t.Helper()
	var errs strings.Builder
	c := exec.Command("sh", "-euc", lines)
	c.Dir, c.Env, c.Stderr = w.dir, w.env, &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", lines, err, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// script puts the plugin that the document has before this program's.
func (w *ageWorld) script(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../../docs/backups.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, found := strings.Cut(string(text), "```sh\n#!/bin/sh\n")
	script, _, ended := strings.Cut(script, "\n```\n")
	if !found || !ended {
		t.Fatal("the document has no script")
	}
	if err := os.Mkdir(w.at("bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.at("bin/age-plugin-keyreach"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "PATH="+w.at("bin")+":"+os.Getenv("PATH"))
}

// tree tells of everything in a directory what it is.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		what := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += info.ModTime().UTC().Format(time.RFC3339Nano) + string(text)
		case info.Mode().Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			what += to
		}
		found[path[len(dir):]] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// same fails unless what is in got is what keyreach restores, which has all of src.
func (w *ageWorld) same(t *testing.T) {
	t.Helper()
	want, got := tree(t, w.at("want")), tree(t, w.at("got"))
	if len(want) != 6 || !maps.Equal(want, got) || !maps.Equal(want, tree(t, w.at("src"))) {
		t.Errorf("restored are %q, and the others have %q", slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	}
}

const ageUnpack = ` | zstd -d | tar x -C got`

func TestStockAgeOpensABackupUnderAKMSKeyByThisProgram(t *testing.T) {
	t.Parallel()
	w := newAgeWorld(t, "age", "zstd", "tar")
	w.opensUnderAKey(t)
}

// opensUnderAKey has age open a backup by what it finds as age-plugin-keyreach.
func (w *ageWorld) opensUnderAKey(t *testing.T) {
	t.Helper()
	w.sh(t, `keyreach backup create files src --store store --kms-key `+ageKey+`
		keyreach backup restore --store store --to want
		mkdir got; age -d -j keyreach store/*.age`+ageUnpack)
	w.same(t)
}

func TestStockAgeOpensABackupUnderAKMSKeyByTheScriptOfTheDocument(t *testing.T) {
	t.Parallel()
	w := newAgeWorld(t, "age", "zstd", "tar", "aws", "base64")
	w.script(t)
	w.opensUnderAKey(t)
}

// The key that the script calls first is not there: it goes on to the next.
func TestTheScriptOfTheDocumentTriesEveryKey(t *testing.T) {
	t.Parallel()
	w := newAgeWorld(t, "age", "zstd", "tar", "aws", "base64")
	w.script(t)
	gone := w.sh(t, `aws kms create-key --query KeyMetadata.Arn --output text`)
	w.sh(t, `keyreach backup create files src --store store --kms-key `+gone+` --kms-key `+ageKey+`
		aws kms disable-key --key-id `+gone+`
		keyreach backup restore --store store --to want
		mkdir got; age -d -j keyreach store/*.age`+ageUnpack)
	w.same(t)
}

func TestStockAgeOpensABackupUnderARecipient(t *testing.T) {
	t.Parallel()
	w := newAgeWorld(t, "age", "age-keygen", "zstd", "tar")
	w.sh(t, `age-keygen -o identity.txt 2>&1
		keyreach backup create files src --store store --recipient "$(age-keygen -y identity.txt)"
		keyreach backup restore --store store --to want --identity identity.txt
		mkdir got; age -d -i identity.txt store/*.age`+ageUnpack)
	w.same(t)
}

// What stock age encrypts by this program's recipient, keyreach restores.
func TestABackupThatStockAgeEncryptedAgainIsRestored(t *testing.T) {
	t.Parallel()
	w := newAgeWorld(t, "age", "age-keygen", "zstd", "tar")
	name := w.sh(t, `age-keygen -o identity.txt 2>out
		keyreach backup create files src --store store --recipient "$(age-keygen -y identity.txt)" > out
		cd store; echo *.age`)
	id, err := backup.ParseID(strings.TrimSuffix(name, ".age"))
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := envelope.PluginRecipientData{Keys: []string{ageKey}, Context: id.Context()}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.sh(t, fmt.Sprintf(`mkdir theirs got
		age -d -i identity.txt store/%[1]s | age -r %[2]s -o theirs/%[1]s
		keyreach backup verify --store theirs
		keyreach backup restore --store theirs --to want
		age -d -i identity.txt store/%[1]s`, name, recipient)+ageUnpack)
	w.same(t)
}
