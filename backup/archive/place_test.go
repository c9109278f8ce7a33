package archive

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// What is done where the system cannot exchange.
func TestWithoutAnExchangeTheOldIsRenamedFirst(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{true, false} {
		dir := t.TempDir()
		ready, target := filepath.Join(dir, "ready"), filepath.Join(dir, "target")
		dirs := map[string]string{ready: "new"}
		if there {
			dirs[target] = "old"
		}
		for d, f := range dirs {
			if err := errors.Join(os.Mkdir(d, 0o700), os.WriteFile(filepath.Join(d, f), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		old, err := placeInTwo(ready, target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(target, "new")); err != nil {
			t.Error(err)
		}
		if (old != "") != there {
			t.Errorf("the old one is said to be %q", old)
		}
		if _, err := os.Stat(filepath.Join(old, "old")); there && err != nil {
			t.Error(err)
		}
	}
}

func TestWhenTheNewCannotBeRenamedTheOldGoesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := placeInTwo(filepath.Join(dir, "none"), target); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := os.Stat(target); err != nil {
		t.Error(err)
	}
}

func TestRenamingToANameThatIsTakenFails(t *testing.T) {
	t.Parallel()
	for name, rename := range map[string]func(from, to string) error{"the system's": renameNew, "our own": renameUnlessThere} {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		if err := errors.Join(os.Mkdir(a, 0o700), os.Mkdir(b, 0o700)); err != nil {
			t.Fatal(err)
		}
		if err := rename(a, b); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(os.Remove(b), rename(a, b)); err != nil {
			t.Errorf("%s, to a name that is free: %v", name, err)
		}
	}
}
