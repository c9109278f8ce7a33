//go:build linux && !race

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// measuredTo names, in the environment of a run that measures itself, where to tell.
const measuredTo = "KEYREACH_TEST_MEASURED"

// measured is the program, which tells at its end what memory it had at most. What the
// system tells a parent cannot be used: it begins with the memory of the process that
// the child was forked from, see ru_maxrss in
// https://man7.org/linux/man-pages/man2/getrusage.2.html.
func measured() {
	code := start()
	text, err := os.ReadFile("/proc/self/status")
	if err == nil {
		err = os.WriteFile(os.Getenv(measuredTo), text, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
	os.Exit(code)
}

// memory is what a process has: at most, and of that, at its end, of files, which is
// the program itself.
type memory struct{ most, files int }

func (m memory) String() string {
	return fmt.Sprintf("%d MB (%d of the program)", m.most>>10, m.files>>10)
}

// measure runs the program and returns its memory, also when it fails.
func measure(t testing.TB, c *exec.Cmd) (m memory, err error) {
	t.Helper()
	told := filepath.Join(t.TempDir(), "measured")
	c.Args[0] = "keyreach-measured"
	c.Env = append(c.Environ(), measuredTo+"="+told)
	err = c.Run()
	text, unread := os.ReadFile(told)
	if unread != nil {
		t.Fatalf("%q told nothing of its memory: %v, %v", c.Args, err, unread)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		name, rest, _ := strings.Cut(line, ":")
		kb, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
		switch name {
		case "VmHWM":
			m.most = kb
		case "RssFile":
			m.files = kb
		}
	}
	if m.most == 0 {
		t.Skip("the system does not tell what memory a process had")
	}
	return m, err
}
