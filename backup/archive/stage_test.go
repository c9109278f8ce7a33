package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
)

// restore unpacks an archive in the target's place.
func restore(text []byte, target string) (previous string, err error) {
	s, err := archive.Stage(target)
	if err != nil {
		return "", err
	}
	if _, _, err := archive.Extract(context.Background(), bytes.NewReader(text), s.Dir, archive.Limits{}); err != nil {
		return "", errors.Join(err, s.Discard())
	}
	return s.Swap()
}

func packed(t testing.TB, files map[string]string) []byte {
	t.Helper()
	text, _ := pack(t, tree(t, files))
	return text
}

func TestARestoreTakesThePlaceOfWhatWasThere(t *testing.T) {
	t.Parallel()
	text := packed(t, map[string]string{"new": "2"})
	for _, c := range []struct {
		name   string
		before map[string]string
		after  string // all names, without the symlinks and modes
		prev   string
	}{
		{"nothing", map[string]string{"other": "x"}, "other t t/new", ""},
		{"an empty directory", map[string]string{"t/": ""}, "t t/new", ""},
		{"a directory", map[string]string{"t/old": "1"}, "t t/new t.previous t.previous/old", "t.previous"},
		{"a directory with one before it", map[string]string{"t/old": "1", "t.previous/older": "0"},
			"t t/new t.previous t.previous/older t.previous.1 t.previous.1/old", "t.previous.1"},
		{"a directory with an empty one before it", map[string]string{"t/old": "1", "t.previous/": ""},
			"t t/new t.previous t.previous.1 t.previous.1/old", "t.previous.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, c.before)
			prev, err := restore(text, filepath.Join(dir, "t"))
			must(t, err)
			if got := names(t, dir); got != c.after {
				t.Errorf("there is %q, not %q", got, c.after)
			}
			if want := c.prev; prev != "" && want == "" || want != "" && prev != filepath.Join(dir, want) {
				t.Errorf("the old one is said to be %q, not %q", prev, want)
			}
		})
	}
}

func names(t testing.TB, dir string) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(look(t, dir)) {
		name, _, _ := strings.Cut(line, " ")
		if name != "." {
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

func TestASymlinkToTheTargetStays(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"disk/data/old": "1", "etc/ca": "->../disk/data"})
	prev, err := restore(packed(t, map[string]string{"new": "2"}), filepath.Join(dir, "etc/ca"))
	must(t, err)
	if got, want := names(t, dir), "disk disk/data disk/data/new disk/data.previous disk/data.previous/old etc etc/ca"; got != want {
		t.Errorf("there is %q, not %q", got, want)
	}
	if filepath.Base(prev) != "data.previous" {
		t.Errorf("the old one is said to be %q", prev)
	}
}

func TestATargetThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"file": "x"})
	if _, err := archive.Stage(filepath.Join(dir, "file")); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file: %v", err)
	}
	_, err := archive.Stage(filepath.Join(dir, "none/t"))
	refused(t, "Stage where no directory is", err, envelope.NotFound, "none")
	if _, err := archive.Stage("/"); err == nil {
		t.Error("the root directory is to be exchanged")
	}
	if got := names(t, dir); got != "file" {
		t.Errorf("there is %q", got)
	}
}

func TestOnlyOneRestoreIntoATargetAtATime(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"t/old": "1"})
	target := filepath.Join(dir, "t")
	first, err := archive.Stage(target)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(first.Dir, "mine"), nil, 0o600))
	var busy *archive.BusyError
	if _, err := archive.Stage(target); !errors.As(err, &busy) {
		t.Errorf("a second staging: %v", err)
	}
	if n, err := archive.SweepStagings(target); n != 0 || err != nil {
		t.Errorf("%d live stagings were swept, %v", n, err)
	}
	other, err := archive.Stage(filepath.Join(dir, "u"))
	must(t, err)
	must(t, other.Discard())
	if _, err := os.Stat(filepath.Join(first.Dir, "mine")); err != nil {
		t.Error(err)
	}
	must(t, first.Discard())
	must(t, first.Discard())
	if got := names(t, dir); got != "t t/old" {
		t.Errorf("after it was discarded there is %q", got)
	}
	if _, err := first.Swap(); err == nil {
		t.Error("what was discarded was swapped in")
	}
	_, err = restore(packed(t, nil), target)
	must(t, err)
}

func TestSweepingTouchesOnlyStagings(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"t.keyreach-1", ".t.keyreach-x", ".t.keyreach-1x", ".u.keyreach-1", ".t.keyreach-", ".tXkeyreach-1",
		".t.keyreach-swap-", "t.previous", ".t.keyreach-1-older",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, map[string]string{name + "/f": "x", "t/old": "1"})
			before := names(t, dir)
			if n, err := archive.SweepStagings(filepath.Join(dir, "t")); n != 0 || err != nil {
				t.Errorf("%d were swept, %v", n, err)
			}
			if after := names(t, dir); after != before {
				t.Errorf("%q became %q", before, after)
			}
		})
	}
}

// The states in which a killed restore can leave things.
func TestSweepingMendsWhatAKilledRestoreLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, after string
		make        func(dir string) error
	}{
		{"before it was whole", "t t/old", func(dir string) error {
			return os.MkdirAll(filepath.Join(dir, ".t.keyreach-12345/half"), 0o500)
		}},
		{"whole and not yet exchanged", "t t/old", func(dir string) error {
			return newReady(dir)
		}},
		{"exchanged, and the old one not yet named", "t t/new t.previous t.previous/old", func(dir string) error {
			if err := newReady(dir); err != nil {
				return err
			}
			ready := readyOf(dir)
			return errors.Join(os.Rename(filepath.Join(dir, "t"), filepath.Join(dir, "x")),
				os.Rename(ready, filepath.Join(dir, "t")), os.Rename(filepath.Join(dir, "x"), ready))
		}},
		{"between two renames", "t t/old", func(dir string) error {
			if err := newReady(dir); err != nil {
				return err
			}
			return os.Rename(filepath.Join(dir, "t"), readyOf(dir)+"-old")
		}},
		{"after two renames, and the old one not yet named", "t t/new t.previous t.previous/old", func(dir string) error {
			if err := newReady(dir); err != nil {
				return err
			}
			ready := readyOf(dir)
			return errors.Join(os.Rename(filepath.Join(dir, "t"), ready+"-old"), os.Rename(ready, filepath.Join(dir, "t")))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, map[string]string{"t/old": "1"})
			must(t, c.make(dir))
			if n, err := archive.SweepStagings(filepath.Join(dir, "t")); n == 0 || err != nil {
				t.Errorf("%d were swept, %v", n, err)
			}
			if got := names(t, dir); got != c.after {
				t.Errorf("there is %q, not %q", got, c.after)
			}
		})
	}
}

// newReady makes a whole staging with the name that it has before it is swapped in.
func newReady(dir string) error {
	made := filepath.Join(dir, "made")
	if err := os.MkdirAll(made, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(made, "new"), nil, 0o600); err != nil {
		return err
	}
	info, err := os.Stat(made)
	if err != nil {
		return err
	}
	return os.Rename(made, filepath.Join(dir, fmt.Sprintf(".t.keyreach-swap-%d", inode(info))))
}

func readyOf(dir string) string {
	all, err := filepath.Glob(filepath.Join(dir, ".t.keyreach-swap-*"))
	if err != nil || len(all) != 1 {
		return "none"
	}
	return all[0]
}
