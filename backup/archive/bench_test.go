package archive_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/keyreach/keyreach/backup/archive"
)

// compressible is text that looks like the keys and values of a cluster.
func compressible(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "/registry/pods/namespace-%d/pod-%08x {\"image\":\"registry.example/app:%d\",\"node\":\"node-%d\",\"phase\":\"Running\"}\n", i%97, i*2654435761, i%13, i%51)
	}
	return b.Bytes()[:size]
}

func BenchmarkWriter(b *testing.B) {
	text := compressible(256 << 20)
	b.Run("archive", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			w, err := archive.NewWriter(io.Discard, header())
			must(b, err)
			must(b, w.Stream("snapshot.db", 0o600, epoch(), int64(len(text)), bytes.NewReader(text)))
			_, err = w.Close()
			must(b, err)
		}
	})
	b.Run("zstd alone", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			z, err := zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
			must(b, err)
			_, err = io.Copy(z, struct{ io.Reader }{bytes.NewReader(text)})
			must(b, err)
			must(b, z.Close())
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	text := compressible(256 << 20)
	var packed bytes.Buffer
	w, err := archive.NewWriter(&packed, header())
	must(b, err)
	must(b, w.Stream("snapshot.db", 0o600, epoch(), int64(len(text)), bytes.NewReader(text)))
	_, err = w.Close()
	must(b, err)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		must(b, verify(bytes.NewReader(packed.Bytes())))
	}
}
