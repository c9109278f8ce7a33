package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
)

// sample is a small archive whose content does not compress.
func sample(t testing.TB) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 600)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	text, _ := pack(t, tree(t, map[string]string{"a": string(noise), "d/b": "two", "l": "->d/b"}))
	return text
}

func verify(src io.Reader) error {
	_, _, err := archive.Verify(context.Background(), src, archive.Limits{})
	return err
}

func TestAnArchiveThatIsCutAnywhereIsTruncated(t *testing.T) {
	t.Parallel()
	text := sample(t)
	for n := range len(text) {
		if err := verify(bytes.NewReader(text[:n])); envelope.ClassOf(err) != envelope.Truncated {
			t.Errorf("of %d bytes the first %d: %v, of the class %q", len(text), n, err, envelope.ClassOf(err))
		}
	}
}

// Compression has more than one way to say the same thing, and some bits lead from one
// to the other: then what comes out has to be the same.
func TestAnArchiveWithOneOtherBitAnywhereIsRefusedOrTheSame(t *testing.T) {
	t.Parallel()
	text := sample(t)
	to := t.TempDir()
	_, _, err := extract(text, to)
	must(t, err)
	want := look(t, to, "times")
	accepted := 0
	for i := range len(text) * 8 {
		if testing.Short() && i%5 != 0 {
			continue
		}
		bad := bytes.Clone(text)
		bad[i/8] ^= 1 << (i % 8)
		err := verify(bytes.NewReader(bad))
		if err == nil {
			accepted++
			to := t.TempDir()
			if _, _, err := extract(bad, to); err != nil || look(t, to, "times") != want {
				t.Errorf("bit %d of byte %d makes something else of it: %v", i%8, i/8, err)
			}
			continue
		}
		if c := envelope.ClassOf(err); c != envelope.Corrupt && c != envelope.Truncated {
			t.Errorf("bit %d of byte %d: %v, of the class %q", i%8, i/8, err, c)
		}
	}
	if accepted > len(text)*8/100 {
		t.Errorf("%d of %d bits do not count", accepted, len(text)*8)
	}
}

func TestAnErrorOfTheSourceIsPassedOnWithItsClass(t *testing.T) {
	t.Parallel()
	text := sample(t)
	for _, n := range []int{0, 3, 100, len(text) / 2, len(text) - 20, len(text) - 5, len(text)} {
		for _, class := range []envelope.Class{envelope.Corrupt, envelope.Truncated, envelope.Denied, ""} {
			t.Run(fmt.Sprintf("%s after %d bytes", class, n), func(t *testing.T) {
				t.Parallel()
				cause := errors.New("the source breaks")
				broken := cause
				if class != "" {
					broken = envelope.Fail(class, fmt.Errorf("%w: %w", cause, io.EOF))
				}
				src := func() io.Reader { return io.MultiReader(bytes.NewReader(text[:n]), iotest.ErrReader(broken)) }
				err := verify(src())
				if !errors.Is(err, cause) || envelope.ClassOf(err) != class {
					t.Errorf("Verify: %v, of the class %q", err, envelope.ClassOf(err))
				}
				_, _, err = archive.Extract(context.Background(), src(), t.TempDir(), archive.Limits{})
				if !errors.Is(err, cause) || envelope.ClassOf(err) != class {
					t.Errorf("Extract: %v, of the class %q", err, envelope.ClassOf(err))
				}
			})
		}
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := archive.Verify(ctx, bytes.NewReader(sample(t)), archive.Limits{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// onRead calls a function before the first read.
type onRead struct {
	r  io.Reader
	do func()
}

func (o *onRead) Read(p []byte) (int, error) {
	if o.do != nil {
		o.do()
		o.do = nil
	}
	return o.r.Read(p)
}

// Where letter case does not count, a file "README" is found when "readme" is to be
// made. Here it is there because somebody made it, which looks the same.
func TestANameThatTheFileSystemTakesForAnotherIsRefused(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"a file":      {"readme": "x"},
		"a directory": {"readme/": ""},
		"a symlink":   {"readme": "->other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, _ := pack(t, tree(t, files))
			to := t.TempDir()
			src := &onRead{bytes.NewReader(text), func() { must(t, os.WriteFile(filepath.Join(to, "readme"), []byte("README"), 0o600)) }}
			_, _, err := archive.Extract(context.Background(), src, to, archive.Limits{})
			refused(t, "Extract", err, envelope.Corrupt, "the same name")
			if got, err := os.ReadFile(filepath.Join(to, "readme")); err != nil || string(got) != "README" {
				t.Errorf("the first one is now %q, %v", got, err)
			}
		})
	}
}

func TestOnlyAnEmptyDirectoryIsUnpackedInto(t *testing.T) {
	t.Parallel()
	to := tree(t, map[string]string{"old": "x"})
	before := look(t, to)
	if _, _, err := extract(sample(t), to); err == nil {
		t.Error("it was unpacked into a directory that has a file")
	}
	if after := look(t, to); after != before {
		t.Errorf("now there is\n%s", after)
	}
	_, _, err := extract(sample(t), filepath.Join(to, "none"))
	refused(t, "Extract into nothing", err, envelope.NotFound, "none")
}
