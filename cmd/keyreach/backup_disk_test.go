//go:build linux

package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// diskFaults are ways in which a disk refuses, as strace has the system call answer. From
// which call on it does is counted for each thread: where there are few, it is a file that
// refuses, one of the patterns at.
var diskFaults = []struct {
	what, inject, says string
	at                 []string
}{
	{"is full", "write:error=ENOSPC:when=2+", "no space left on device", nil},
	{"has a quota", "write:error=EDQUOT:when=2+", "disk quota exceeded", nil},
	{"fails to write", "write:error=EIO:when=2+", "input/output error", nil},
	{"fails to read", "read,pread64:error=EIO", "input/output error", []string{"src/d3/f7", "store/*.age"}},
	{"cannot make what is written durable", "fsync:error=EIO", "input/output error", nil},
	{"is read-only", "mkdirat,renameat2,renameat,linkat:error=EROFS", "read-only file system", nil},
	{"takes no name from elsewhere", "renameat2,renameat,linkat:error=EXDEV", "cross-device link", nil},
	{"lets nobody rename", "renameat2,renameat,linkat:error=EACCES", "permission denied", nil},
}

// Whatever a disk refuses: a backup that was not made is not listed, the target of a
// restore is as it was, and the next try succeeds.
func TestADiskThatRefuses(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it runs the program some forty times")
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not here: it makes the disk refuse")
	}
	if out, err := exec.Command(strace, "-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %s", out)
	}
	for _, fault := range diskFaults {
		t.Run(fault.what, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.tree("src", "new", 8, 4_000_000)
			h.tree("target", "old", 3, 3_000)
			id := h.create("files", "src", "--store", "store", "--recipient", h.recipient)
			refused := func(args ...string) {
				t.Helper()
				e := h.traced(strace, fault.inject, fault.at, args...)
				if e.code == 0 || e.code > exitNotFound {
					t.Errorf("%q with a disk that %s: %v", args, fault.what, e)
				}
				if e.errs != "" && !strings.Contains(e.errs, fault.says) {
					t.Errorf("%q does not say %q: %v", args, fault.says, e)
				}
			}
			old := h.look("target")
			refused("backup", "restore", "--store", "store", "--identity", "id.txt", "--to", "target")
			if got := h.look("target"); got != old {
				t.Errorf("the target was\n%s, and is\n%s", old, got)
			}
			refused("backup", "create", "files", "src", "--store", "store", "--recipient", h.recipient)
			if got := h.list("store"); len(got) != 1 || got[0] != id {
				t.Errorf("listed are %q, want %s alone", got, id)
			}
			h.well("backup", "create", "files", "src", "--store", "store", "--recipient", h.recipient)
			h.well("backup", "restore", id, "--store", "store", "--identity", "id.txt", "--to", "target")
			if h.look("target") != h.look("src") {
				t.Error("what was restored afterwards is not what was backed up")
			}
		})
	}
}

// traced runs the program with system calls that answer otherwise, all or those on files.
func (h *host) traced(strace, inject string, files []string, args ...string) ended {
	h.Helper()
	program, err := exec.LookPath("keyreach")
	h.must(err)
	ctx, stop := context.WithTimeout(h.Context(), killTimeout)
	defer stop()
	with := []string{"-f", "-o", "/dev/null", "-e", "inject=" + inject}
	for _, pattern := range files {
		found, err := filepath.Glob(h.at(pattern))
		h.must(err)
		if len(found) == 0 {
			h.Fatalf("%s is nowhere", pattern)
		}
		for _, path := range found {
			with = append(with, "-P", path)
		}
	}
	c := exec.CommandContext(ctx, strace, slices.Concat(with, []string{program}, args)...)
	c.Dir, c.Env = h.dir, h.env
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); c.ProcessState == nil {
		h.Fatalf("running %q: %v", args, err)
	}
	return ended{c.ProcessState.ExitCode(), out.String(), errs.String()}
}
