//go:build unix

package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup/archive"
)

// A test binary that finds these in its environment is a restore to be killed.
const (
	killArchive = "KEYREACH_TEST_ARCHIVE"
	killTarget  = "KEYREACH_TEST_TARGET"
)

func TestMain(m *testing.M) {
	file := os.Getenv(killArchive)
	if file == "" {
		os.Exit(m.Run())
	}
	if err := tellingRestore(file, os.Getenv(killTarget)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// tellingRestore is restore with a byte on standard output at the beginning, and one
// before the swap.
func tellingRestore(file, target string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	fmt.Print("1")
	s, err := archive.Stage(target)
	if err != nil {
		return err
	}
	if _, _, err := archive.Extract(context.Background(), bytes.NewReader(text), s.Dir, archive.Limits{}); err != nil {
		return errors.Join(err, s.Discard())
	}
	fmt.Print("2")
	_, err = s.Swap()
	return err
}

// version is a tree whose every file tells the version.
func version(v string) map[string]string {
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("d%d/e/f%d", i%4, i)] = strings.Repeat(v, 5000)
	}
	return files
}

// killed runs a restore and kills it a time after its first or second byte, and tells
// whether that came too late.
func killed(t *testing.T, file, target string, byteNumber int, after time.Duration) (whole bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), killArchive+"="+file, killTarget+"="+target)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, byteNumber))
	must(t, err)
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.Wait() == nil
}

// It takes as many kills as the build says, at random points of unpacking and swapping.
func TestAfterAKilledRestoreTheTargetIsTheOldOrTheNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "t")
	file := filepath.Join(t.TempDir(), "archive")
	text := map[string][]byte{"1": packed(t, version("1")), "2": packed(t, version("2"))}
	want := map[string]string{}
	for v := range text {
		to := t.TempDir()
		_, _, err := extract(text[v], to)
		must(t, err)
		want[v] = look(t, to)
	}
	_, err := restore(text["1"], target)
	must(t, err)
	is, other := "1", "2"
	must(t, os.WriteFile(file, text["2"], 0o600))
	begun := time.Now()
	if !killed(t, file, target, 1, time.Hour) {
		t.Fatal("a restore that is not killed fails")
	}
	took := time.Since(begun)
	is, other = other, is
	outcome := map[string]int{}
	r := rand.New(rand.NewPCG(uint64(kills), 1))
	for n := range kills {
		must(t, os.WriteFile(file, text[other], 0o600))
		at, within := 1, took
		if n%2 == 1 {
			at, within = 2, took/12 // the swap is short
		}
		if killed(t, file, target, at, time.Duration(r.Int64N(int64(within)))) {
			outcome["was whole"]++
		}
		switch got := look(t, target); got {
		case want[is]:
			outcome["left the old"]++
		case want[other]:
			outcome["left the new"]++
			is, other = other, is
		default:
			t.Fatalf("after kill %d the target is neither:\n%.500s", n, got)
		}
		checkPrevious(t, dir, want)
	}
	t.Logf("of %d restores of about %v: %v", kills, took, outcome)
	if _, err := restore(text[other], target); err != nil || look(t, target) != want[other] {
		t.Errorf("a restore after all of them: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("there is left: %q", left)
	}
}

// checkPrevious looks whether everything that was kept is whole, and makes room.
func checkPrevious(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	kept, err := filepath.Glob(filepath.Join(dir, "t.previous*"))
	must(t, err)
	for _, k := range kept {
		if got := look(t, k); got != want["1"] && got != want["2"] {
			t.Fatalf("%s is neither:\n%.500s", k, got)
		}
		must(t, os.RemoveAll(k))
	}
}
