package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
)

// FuzzExtract unpacks what follows the compression: the fuzzer changes the tar, and the
// stream around it is right.
func FuzzExtract(f *testing.F) {
	for _, c := range hostile() {
		var plain []byte
		forge(f, func(g *forger) {
			c.make(g)
			g.squeeze = func(p []byte) []byte { plain = bytes.Clone(p); return nil }
		})
		if len(plain) < 64<<10 {
			f.Add(plain, false)
		}
	}
	f.Add(sample(f), true)
	zip := reused(f)
	f.Fuzz(func(t *testing.T, text []byte, raw bool) {
		if !raw {
			text = append(zip(text), archive.End()...)
		}
		around := t.TempDir()
		must(t, os.WriteFile(filepath.Join(around, "x"), []byte("outside"), 0o600))
		to := filepath.Join(around, "to")
		must(t, os.Mkdir(to, 0o700))
		limits := archive.Limits{Bytes: 1 << 20, Members: 100}
		_, m, err := archive.Extract(context.Background(), bytes.NewReader(text), to, limits)
		entries, err2 := os.ReadDir(around)
		must(t, err2)
		outside, err2 := os.ReadFile(filepath.Join(around, "x"))
		must(t, err2)
		if len(entries) != 2 || string(outside) != "outside" {
			t.Fatalf("outside is %q %q", entries, outside)
		}
		_, m2, err2 := archive.Verify(context.Background(), bytes.NewReader(text), limits)
		if err != nil {
			if c := envelope.ClassOf(err); c != envelope.Corrupt && c != envelope.Truncated {
				t.Fatalf("%v, of the class %q", err, c)
			}
			return
		}
		if err2 != nil || len(m2.Entries) != len(m.Entries) {
			t.Fatalf("Extract takes it and Verify does not: %v", err2)
		}
	})
}

// FuzzManifest puts texts in the manifest's place. One that is taken says what is there.
func FuzzManifest(f *testing.F) {
	right := `{"format_version":1,"entries":[{"path":"a","type":"file","size":1,"mode":420,"sha256":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}],"count":1,"total":1}`
	for _, s := range []string{
		right, "{}", "", "null", "[]", `{"format_version":2}`, `{"format_version":1,"entries":null,"count":0,"total":0}`,
		`{"format_version":1,"entries":[{}],"count":1,"total":1}`, `{"format_version":1,"count":-1}`, right + right,
	} {
		f.Add("1/1 ", s)
	}
	f.Add("1/2 ", right)
	f.Add("", right)
	zip := reused(f)
	f.Fuzz(func(t *testing.T, place, text string) {
		if bytes.ContainsRune([]byte(place+text), 0) || len(text) > 900<<10 {
			return
		}
		packed := forge(t, func(g *forger) {
			g.file("a", "x")
			g.noManifest, g.squeeze = true, zip
			g.after = func(g *forger) { g.global("keyreach manifest " + place + text) }
		})
		_, m, err := archive.Verify(context.Background(), bytes.NewReader(packed), archive.Limits{})
		if err != nil {
			if envelope.ClassOf(err) != envelope.Corrupt {
				t.Fatalf("%v, of the class %q", err, envelope.ClassOf(err))
			}
			return
		}
		var want archive.Manifest
		must(t, json.Unmarshal([]byte(right), &want))
		if m.Count != 1 || m.Total != 1 || len(m.Entries) != 1 || m.Entries[0] != want.Entries[0] {
			t.Fatalf("%q is taken for %+v", text, m)
		}
	})
}

// reused compresses with one encoder: a new one for each text takes most of the time.
func reused(f *testing.F) func([]byte) []byte {
	f.Helper()
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(64<<10), zstd.WithEncoderConcurrency(1))
	must(f, err)
	return func(plain []byte) []byte { return zip.EncodeAll(plain, nil) }
}
