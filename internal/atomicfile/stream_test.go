package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/keyreach/keyreach/internal/atomicfile"
)

func TestCopyWritesANewFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	n, err := atomicfile.Copy(path, strings.NewReader("all"), 0o600)
	got, readErr := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err != nil || readErr != nil || statErr != nil || n != 3 || string(got) != "all" || info.Mode().Perm() != 0o600 {
		t.Errorf("%d bytes, %q: %v %v %v", n, got, err, readErr, statErr)
	}
	alone(t, path)
	if _, err := atomicfile.Copy(path, strings.NewReader("other"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	alone(t, path)
	if got, _ := os.ReadFile(path); string(got) != "all" {
		t.Errorf("the file is %q now", got)
	}
}

func TestCopyLeavesNothingOfWhatBreaksOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken := errors.New("broken")
	_, err := atomicfile.Copy(filepath.Join(dir, "f"), io.MultiReader(strings.NewReader("part"), iotest.ErrReader(broken)), 0o600)
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left: %v", left, err)
	}
}
