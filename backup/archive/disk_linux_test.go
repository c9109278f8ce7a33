package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
)

// small mounts a file system in memory.
func small(t *testing.T, options string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}

// faulty tries a restore on a file system that does not take it.
func faulty(t *testing.T, dir string, text []byte, class envelope.Class, errno syscall.Errno) {
	t.Helper()
	target := filepath.Join(dir, "t")
	before := look(t, target, "times")
	_, err := restore(text, target)
	if !errors.Is(err, errno) || envelope.ClassOf(err) != class {
		t.Errorf("%v, of the class %q; want %v and %q", err, envelope.ClassOf(err), errno, class)
	}
	if after := look(t, target, "times"); after != before {
		t.Errorf("the target\n%s\nis now\n%s", before, after)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".t*")); err != nil || len(left) > 0 {
		t.Errorf("there is left: %q, %v", left, err)
	}
}

func old(t *testing.T, dir string) {
	t.Helper()
	must(t, os.Mkdir(filepath.Join(dir, "t"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "t/old"), []byte("1"), 0o600))
}

func TestAFullDiskLeavesTheTarget(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"by one file":      {"a": noise(3 << 20)},
		"by many files":    {"a": noise(700 << 10), "b": noise(700 << 10), "c": noise(700 << 10)},
		"before its bytes": {"bomb": string(make([]byte, 50<<20))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := small(t, "size=2m")
			old(t, dir)
			faulty(t, dir, packed(t, files), "", syscall.ENOSPC)
		})
	}
	t.Run("by the number of files", func(t *testing.T) {
		t.Parallel()
		dir := small(t, "size=2m,nr_inodes=20")
		old(t, dir)
		files := map[string]string{}
		for i := range 30 {
			files[fmt.Sprint(i)] = ""
		}
		faulty(t, dir, packed(t, files), "", syscall.ENOSPC)
	})
}

func TestADiskThatMayOnlyBeReadLeavesTheTarget(t *testing.T) {
	t.Parallel()
	dir := small(t, "size=2m")
	old(t, dir)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("it cannot be made read-only: %v", err)
	}
	faulty(t, dir, packed(t, map[string]string{"a": "x"}), "", syscall.EROFS)
}

func TestAFileSystemOfItsOwnCannotBeExchanged(t *testing.T) {
	t.Parallel()
	dir := small(t, "size=2m")
	if _, err := archive.Stage(dir); err == nil || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("%v", err)
	}
	if got := names(t, dir); got != "" {
		t.Errorf("in the target is %q", got)
	}
}

func TestAQuotaAndAFileSizeLimitKeepTheirNames(t *testing.T) {
	t.Parallel()
	to := t.TempDir()
	f, err := os.CreateTemp(t.TempDir(), "")
	must(t, err)
	_, err = f.Write(packed(t, map[string]string{"a": noise(3 << 20)}))
	must(t, errors.Join(err, f.Close()))
	must(t, os.Mkdir(filepath.Join(to, "t"), 0o700))
	// The shell's limit is for what it runs: 512 blocks of 1024 bytes.
	cmd := exec.Command("sh", "-c", `ulimit -f 512; trap "" XFSZ; exec "$0" -test.run='^$'`, os.Args[0])
	cmd.Env = append(os.Environ(), killArchive+"="+f.Name(), killTarget+"="+filepath.Join(to, "t"))
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte(syscall.EFBIG.Error())) {
		t.Errorf("%v: %s", err, out)
	}
	if got := names(t, to); got != "t" {
		t.Errorf("there is %q", got)
	}
}

func TestWhatMayNotBeReadOrWrittenIsDenied(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		runAsNobody(t)
		return
	}
	dir := t.TempDir()
	old(t, dir)
	must(t, os.Chmod(filepath.Join(dir, "t/old"), 0))
	w, err := archive.NewWriter(&bytes.Buffer{}, header())
	must(t, err)
	refused(t, "AddTree", archive.AddTree(context.Background(), w, filepath.Join(dir, "t"), nil), envelope.Denied, "old")
	must(t, os.Chmod(filepath.Join(dir, "t/old"), 0o600))
	text := packed(t, map[string]string{"a": "x"})
	must(t, os.Chmod(dir, 0o500))
	defer os.Chmod(dir, 0o700)
	faulty(t, dir, text, envelope.Denied, syscall.EACCES)
}

// runAsNobody runs a test again as a user who may not do everything.
func runAsNobody(t *testing.T) {
	t.Helper()
	tmp, err := os.MkdirTemp("", "keyreach")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(tmp) })
	must(t, os.Chmod(tmp, 0o777))
	binary := filepath.Join(tmp, "test")
	text, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(binary, text, 0o755))
	cmd := exec.Command(binary, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Dir = tmp
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "HOME="+tmp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("as another user: %v\n%s", err, out)
	}
}
