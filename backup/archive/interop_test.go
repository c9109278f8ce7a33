package archive_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A reader of archives that is not ours: zstd and a tar.
var readers = []struct {
	name string
	argv []string
}{
	{"GNU tar", []string{"tar", "-x"}},
	{"GNU tar with owners and modes", []string{"tar", "-x", "-p"}},
	{"busybox tar", []string{"busybox", "tar", "-x", "-f", "-"}},
}

func installed(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
}

// unpackBy unpacks an archive by other programs, which have to print nothing.
func unpackBy(t testing.TB, text []byte, argv []string) string {
	t.Helper()
	installed(t, "zstd", argv[0])
	run := func(dir string, in []byte, argv ...string) []byte {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(in)
		var out, printed bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &printed
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", argv[0], err, printed.String())
		}
		if printed.Len() > 0 {
			t.Errorf("%s warns: %s", argv[0], printed.String())
		}
		return out.Bytes()
	}
	to := t.TempDir()
	if out := run(to, run(to, text, "zstd", "-d", "-c"), argv...); len(out) > 0 {
		t.Errorf("%s prints %q", argv[0], out)
	}
	return to
}

func TestOtherProgramsUnpackTheSameFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"ca.json": "{}", "certs/root.crt": "PEM", "secrets/key": "secret", "empty/": "", "link": "->certs/root.crt",
		"deep/" + strings.Repeat("name/", 40) + "file": "far", "ünï/" + strings.Repeat("n", 200): "long",
	}
	for i := range 1500 { // the manifest has several pieces
		files[fmt.Sprintf("many/%0240d", i)] = ""
	}
	dir := tree(t, files)
	must(t, os.Chmod(filepath.Join(dir, "secrets/key"), 0o400))
	must(t, os.Chmod(filepath.Join(dir, "secrets"), 0o700))
	text, m := pack(t, dir)
	ours := t.TempDir()
	_, _, err := extract(text, ours)
	must(t, err)
	want := look(t, ours)
	if n := strings.Count(want, "\n"); n != m.Count {
		t.Fatalf("%d members were unpacked of %d", n, m.Count)
	}
	for _, r := range readers {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if got := look(t, unpackBy(t, text, r.argv)); got != want {
				t.Errorf("it unpacks\n%.2000s\nand we\n%.2000s", got, want)
			}
		})
	}
}
