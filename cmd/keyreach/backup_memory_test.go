//go:build linux && !race

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// memoryOf runs the program and returns its memory.
func (h *host) memoryOf(args ...string) memory {
	h.Helper()
	c := h.program(h.Context(), args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	m, err := measure(h, c)
	if err != nil {
		h.Fatalf("%q: %v\n%s", args, err, out.String())
	}
	return m
}

// room makes a directory with so much space: on the host's disk, or in memory where that
// leaves as much again for everybody else.
func (h *host) room(need int64) string {
	h.Helper()
	var disk, ram syscall.Statfs_t
	h.must(syscall.Statfs(h.dir, &disk))
	at := h.dir
	if int64(disk.Bavail)*disk.Bsize < need+need/4 {
		at = "/dev/shm"
		if syscall.Statfs(at, &ram) != nil || min(int64(ram.Bavail)*ram.Bsize, available()) < 2*need {
			h.Skipf("nowhere is room for %d MB", need>>20)
		}
	}
	made, err := os.MkdirTemp(at, "keyreach-memory-")
	h.must(err)
	h.Cleanup(func() { os.RemoveAll(made) })
	return made
}

// available is how much memory the system could give.
func available() (bytes int64) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &bytes); n == 1 {
			return bytes << 10
		}
	}
	return 0
}

// However large a backup is, its commands have 64 MB at most beside the program's own
// pages, and have no more of it for a large one than for a small one.
func TestMemoryOfBackupsIsFlat(t *testing.T) {
	const beside, growth = 64 << 10, 16 << 10 // kB
	first := map[string]memory{}
	for _, size := range measuredSizes() {
		t.Run(fmt.Sprintf("%d MB", size>>20), func(t *testing.T) {
			h := newHost(t)
			base := h.memoryOf("version")
			src := h.room(size)
			h.noise(filepath.Join(src, "f"), size)
			store := h.room(size)
			got := map[string]memory{}
			got["create"] = h.memoryOf("backup", "create", "files", src, "--store", store, "--recipient", h.recipient)
			h.must(os.RemoveAll(src))
			got["verify"] = h.memoryOf("backup", "verify", "--store", store, "--identity", "id.txt")
			got["restore"] = h.memoryOf("backup", "restore", "--store", store, "--identity", "id.txt", "--to", filepath.Join(h.room(size), "out"))
			t.Logf("version: %v", base)
			for name, m := range got {
				t.Logf("%s: %v, %d MB beside the program", name, m, (m.most-m.files)>>10)
				if m.most-m.files > beside {
					t.Errorf("%s has %v", name, m)
				}
				if _, ok := first[name]; !ok {
					first[name] = m
				}
				if more := m.most - first[name].most; more > growth {
					t.Errorf("%s has %v, %d MB more than for the smallest", name, m, more>>10)
				}
			}
		})
	}
}

// To and from S3 the parts come to it that are on their way: four of 16 MiB.
func TestMemoryOfBackupsInS3IsBounded(t *testing.T) {
	const beside = 108 << 10 // kB: 160 MB with the program's own
	for _, size := range measuredSizes() {
		t.Run(fmt.Sprintf("%d MB", size>>20), func(t *testing.T) {
			h := newCloudHost(t)
			src := h.room(2 * size) // the sandbox has it too
			h.noise(filepath.Join(src, "f"), size)
			opened := []string{"--store", "s3://" + hostBucket + "/app", "--kms-key", h.key}
			got := map[string]memory{"create": h.memoryOf(append([]string{"backup", "create", "files", src}, opened...)...)}
			h.must(os.RemoveAll(src))
			got["verify"] = h.memoryOf(append([]string{"backup", "verify"}, opened...)...)
			got["restore"] = h.memoryOf(append([]string{"backup", "restore", "--to", filepath.Join(h.room(size), "out")}, opened...)...)
			for name, m := range got {
				t.Logf("%s: %v, %d MB beside the program", name, m, (m.most-m.files)>>10)
				if m.most-m.files > beside {
					t.Errorf("%s has %v", name, m)
				}
			}
		})
	}
}
