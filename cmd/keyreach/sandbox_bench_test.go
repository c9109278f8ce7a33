package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// How long the sandbox takes from its start as a process to the line that says it is
// ready, and what memory it then has (where /proc tells).
func BenchmarkSandboxStart(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "keyreach")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("building it: %v\n%s", err, out)
	}
	var times []time.Duration
	var memory []int
	for b.Loop() {
		start := time.Now()
		c := exec.Command(binary, "sandbox", "--listen", "127.0.0.1:0")
		out, err := c.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(start))
		if kb, ok := resident(c.Process.Pid); ok {
			memory = append(memory, kb)
		}
		_ = c.Process.Kill() // it holds nothing
		_ = c.Wait()
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ready-ms")
	b.ReportMetric(float64(times[len(times)-1].Microseconds())/1000, "slowest-ms")
	if len(memory) > 0 {
		b.ReportMetric(float64(slices.Max(memory))/1024, "resident-MB")
	}
	b.ReportMetric(0, "ns/op")
}

// resident is the resident memory of a process, in kB.
func resident(pid int) (kb int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 {
			return kb, true
		}
	}
	return 0, false
}
