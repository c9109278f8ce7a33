//go:build unix

package envelope_test

import (
	"bytes"
	"io"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/keyreach/keyreach/backup/envelope"
)

// The rate of interest is bytes for a second of the processor, since machines are shared:
// MB/cpu-s in the output.

func BenchmarkDecrypt(b *testing.B) {
	id := x25519(b)
	file := encrypt(b, make([]byte, 64<<20), id.Recipient())
	for name, open := range map[string]func() (io.Reader, error){
		"age":      func() (io.Reader, error) { return age.Decrypt(bytes.NewReader(file), id) },
		"keyreach": func() (io.Reader, error) { return envelope.Decrypt(bytes.NewReader(file), archived, id) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(64 << 20)
			b.ReportAllocs()
			start := processor(b)
			for b.Loop() {
				r, err := open()
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(sink{}, r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*64*1.048576/(processor(b)-start).Seconds(), "MB/cpu-s")
		})
	}
}

// sink is not io.Discard, which would have a memory of its own for those without WriteTo.
type sink struct{}

func (sink) Write(b []byte) (int, error) { return len(b), nil }

func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
