package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup/archive"
)

// mixed gives half zeros and half noise, a MiB at a time.
type mixed struct {
	zeros, noise []byte
	at           int
}

func newMixed() *mixed {
	return &mixed{zeros: make([]byte, 1<<20), noise: []byte(noise(1 << 20))}
}

func (m *mixed) Read(p []byte) (int, error) {
	from := m.zeros
	if m.at>>20&1 == 1 {
		from = m.noise
	}
	n := copy(p, from[m.at&(1<<20-1):])
	m.at += n
	return n, nil
}

// highWater calls f and returns how large the heap was at most while it ran.
func highWater(f func()) uint64 {
	var most atomic.Uint64
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most.Store(max(most.Load(), m.HeapInuse+m.StackInuse))
		select {
		case <-done:
			return most.Load()
		case <-tick.C:
		}
	}
}

// It does not run beside others: it measures the memory of the whole process. What
// large says depends on the build.
func TestMemoryDoesNotGrowWithTheArchive(t *testing.T) {
	const limit = 64 << 20
	for _, size := range large {
		dir := t.TempDir()
		runtime.GC()
		var err error
		got := highWater(func() {
			r, w := io.Pipe()
			go func() { w.CloseWithError(writeLarge(w, size)) }()
			_, _, err = archive.Extract(context.Background(), r, dir, archive.Limits{})
		})
		must(t, err)
		info, err := os.Stat(dir + "/large")
		must(t, err)
		t.Logf("%d MiB: %d MiB of heap", size>>20, got>>20)
		if info.Size() != size || got > limit {
			t.Errorf("of %d bytes %d were unpacked, with %d bytes of heap, more than %d", size, info.Size(), got, limit)
		}
	}
}

func writeLarge(dst io.Writer, size int64) error {
	w, err := archive.NewWriter(dst, header())
	if err != nil {
		return err
	}
	err = w.Stream("large", 0o600, epoch(), size, io.LimitReader(newMixed(), size))
	_, err2 := w.Close()
	return errors.Join(err, err2)
}

// Whoever made an archive may give each member a MiB of records, which compress to nothing.
func TestRecordsOfMembersAreNotKept(t *testing.T) {
	const members, limit = 120, 100 << 20
	defer debug.SetGCPercent(debug.SetGCPercent(5)) // what is kept counts, and not what garbage there is
	var b bytes.Buffer
	zip, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	must(t, err)
	w := tar.NewWriter(zip)
	for i := range members {
		must(t, w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeDir, Name: fmt.Sprintf("%0150d/", i), Mode: 0o700, Format: tar.FormatPAX,
			PAXRecords: map[string]string{"comment": strings.Repeat("x", 1_000_000)},
		}))
	}
	must(t, errors.Join(w.Close(), zip.Close()))
	got := highWater(func() { _, err = unpackTarGz(bytes.NewReader(b.Bytes()), t.TempDir(), archive.Limits{}) })
	must(t, err)
	if t.Logf("%d MiB", got>>20); got > limit {
		t.Errorf("%d members took %d MiB", members, got>>20)
	}
}
