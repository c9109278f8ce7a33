//go:build linux

package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/cloud"
)

func open(t testing.TB, path string) store.Store {
	t.Helper()
	s, err := store.OpenDir(path, true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func save(ctx context.Context, s store.Store, id, text string) (store.Object, error) {
	w, err := s.Create(ctx, id)
	if err != nil {
		return store.Object{}, err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return store.Object{}, errors.Join(err, w.Abort(ctx))
	}
	return w.Commit(ctx)
}

func load(ctx context.Context, s store.Store, id string, from int64) (string, error) {
	r, _, err := s.Open(ctx, id, "", from)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

func ids(t testing.TB, s store.Store) (list []string) {
	t.Helper()
	all, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		list = append(list, o.ID)
	}
	return list
}

// names are all the files there are, the hidden ones too.
func names(t testing.TB, path string) (list []string) {
	t.Helper()
	all, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		list = append(list, e.Name())
	}
	return list
}

func TestABackupIsThereWhenItIsCommitted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "of", "mine")
	s := open(t, path)
	w, err := s.Create(t.Context(), "a.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "hello"); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, s); got != nil {
		t.Errorf("before it is committed there are %q", got)
	}
	o, err := w.Commit(t.Context())
	if err != nil || o.ID != "a.1" || o.Size != 5 || o.Location != filepath.Join(path, "a.1.age") {
		t.Fatalf("%+v, %v", o, err)
	}
	if err := w.Abort(t.Context()); err != nil {
		t.Errorf("aborting what is committed: %v", err)
	}
	info, err := os.Stat(o.Location)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if got := names(t, path); !slices.Equal(got, []string{"a.1.age"}) {
		t.Errorf("there lie %q", got)
	}
	for from, want := range []string{"hello", "ello", "llo", "lo", "o", ""} {
		if got, err := load(t.Context(), s, "a.1", int64(from)); got != want || err != nil {
			t.Errorf("from byte %d on: %q, %v", from, got, err)
		}
	}
	if _, err := load(t.Context(), s, "a.1", 6); envelope.ClassOf(err) != envelope.Truncated {
		t.Errorf("from beyond its end: %v", err)
	}
	if err := s.Remove(t.Context(), o); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), o); envelope.ClassOf(err) != envelope.NotFound {
		t.Errorf("removing it again: %v", err)
	}
}

func TestAnAbortedBackupLeavesNothing(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := open(t, path)
	w, err := s.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Abort(t.Context()), w.Abort(t.Context())); err != nil {
		t.Error(err)
	}
	if _, err := w.Commit(t.Context()); err == nil {
		t.Error("it was committed after all")
	}
	ctx, cancel := context.WithCancel(t.Context())
	if w, err = s.Create(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := w.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("committing what was cancelled: %v", err)
	}
	if got := names(t, path); got != nil {
		t.Errorf("there lie %q", got)
	}
}

func TestIDsThatAreNoNames(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for _, id := range []string{"", ".", "..", ".a", "a/b", "../a", "a b", "a\x00", "ä", strings.Repeat("a", 201)} {
		if _, err := save(t.Context(), s, id, "x"); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("creating %q: %v", id, err)
		}
		if _, err := load(t.Context(), s, id, 0); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("opening %q: %v", id, err)
		}
		if err := s.Remove(t.Context(), store.Object{ID: id}); cloud.KindOf(err) != cloud.Invalid {
			t.Errorf("removing %q: %v", id, err)
		}
	}
	if _, err := save(t.Context(), s, strings.Repeat("a", 200), "x"); err != nil {
		t.Error(err)
	}
}

// Of many creators of one id one has its bytes there, whole, and the others are told.
func TestOneOfManyCreatorsOfAnIDWins(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := open(t, path)
	const many = 16
	var writers [many]store.Writer
	for i := range writers {
		var err error
		if writers[i], err = s.Create(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(writers[i], strings.Repeat(string(rune('a'+i)), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	var group sync.WaitGroup
	var errs [many]error
	for i := range writers {
		group.Go(func() { _, errs[i] = writers[i].Commit(t.Context()) })
	}
	group.Wait()
	winner := slices.Index(errs[:], nil)
	if winner < 0 {
		t.Fatalf("nobody won: %v", errs)
	}
	for i, err := range errs {
		if i != winner && (cloud.KindOf(err) != cloud.Exists || !errors.Is(err, fs.ErrExist)) {
			t.Errorf("creator %d: %v", i, err)
		}
	}
	if got, err := load(t.Context(), s, "one", 0); err != nil || got != strings.Repeat(string(rune('a'+winner)), 1000) {
		t.Errorf("%.20q, %v", got, err)
	}
	if got := names(t, path); len(got) != 1 {
		t.Errorf("there lie %q", got)
	}
	if _, err := s.Create(t.Context(), "one"); cloud.KindOf(err) != cloud.Exists {
		t.Errorf("beginning another: %v", err)
	}
}

func TestOnlyBackupsAreListed(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := open(t, path)
	for _, id := range []string{"b", "a", "c-1"} {
		if _, err := save(t.Context(), s, id, id); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "outside.age")
	for _, err := range []error{
		os.WriteFile(filepath.Join(path, "notes.txt"), nil, 0o600), os.WriteFile(filepath.Join(path, ".a.AAAAAAAA.part"), nil, 0o600),
		os.Mkdir(filepath.Join(path, "d.age"), 0o700), os.WriteFile(outside, []byte("secret"), 0o600), os.Symlink(outside, filepath.Join(path, "link.age")),
		os.Symlink("a.age", filepath.Join(path, "near.age")), syscall.Mkfifo(filepath.Join(path, "pipe.age"), 0o600), os.WriteFile(filepath.Join(path, ".h.age"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(t, s); !slices.Equal(got, []string{"a", "b", "c-1"}) {
		t.Errorf("%q", got)
	}
	for _, id := range []string{"link", "near", "pipe", "d", "none"} {
		if got, err := load(t.Context(), s, id, 0); envelope.ClassOf(err) != envelope.NotFound {
			t.Errorf("%s: %q, %v", id, got, err)
		}
		if _, err := s.Replace(t.Context(), store.Object{ID: id}, nil, 0); envelope.ClassOf(err) != envelope.NotFound {
			t.Errorf("replacing in %s: %v", id, err)
		}
	}
}

func TestAnotherBeginningLeavesTheRest(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	s := open(t, path)
	o, err := save(t.Context(), s, "a", "old|"+strings.Repeat("rest", 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	long := time.Date(2020, 2, 3, 4, 5, 6, 7000, time.UTC)
	if err := errors.Join(os.Chtimes(o.Location, long, long), os.Chmod(o.Location, 0o640)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Replace(t.Context(), o, []byte("x"), 4); cloud.KindOf(err) != cloud.State {
		t.Errorf("replacing in what was changed meanwhile: %v", err)
	}
	o.Modified = long
	reader, _, err := s.Open(t.Context(), "a", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range []string{"longer than before|", "", "s|"} {
		from := int64(strings.IndexByte(readAll(t, o.Location), '|') + 1)
		if o, err = s.Replace(t.Context(), o, []byte(head), from); err != nil {
			t.Fatal(err)
		}
		got := readAll(t, o.Location)
		if got != head+strings.Repeat("rest", 1<<20) || o.Size != int64(len(got)) {
			t.Errorf("it is %.30q of %d bytes, told as %d", got, len(got), o.Size)
		}
	}
	info, err := os.Stat(o.Location)
	if err != nil || info.Mode() != 0o640 || !info.ModTime().Equal(long) {
		t.Errorf("its mode and time are %v %v, %v", info.Mode(), info.ModTime(), err)
	}
	if was, err := io.ReadAll(reader); err != nil || !bytes.HasPrefix(was, []byte("old|")) || len(was) != 4+4<<20 {
		t.Errorf("who read it meanwhile got %d bytes, %v", len(was), err)
	}
	_ = reader.Close()
	if got := names(t, path); !slices.Equal(got, []string{"a.age"}) {
		t.Errorf("there lie %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Replace(ctx, o, []byte("never"), 2); !errors.Is(err, context.Canceled) || len(names(t, path)) != 1 {
		t.Errorf("cancelled: %v, %q", err, names(t, path))
	}
}

func readAll(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestAWriterThatIsKilled runs itself as another process, which holds a part until it is
// killed.
func TestAWriterThatIsKilled(t *testing.T) {
	t.Parallel()
	if path := os.Getenv("STORE_TEST_HOLDS"); path != "" {
		w, err := open(t, path).Create(t.Context(), "dies")
		if err == nil {
			_, err = io.WriteString(w, "half of a ba")
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("held\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		return
	}
	path := t.TempDir()
	s := open(t, path)
	self := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAWriterThatIsKilled$")
	self.Env = append(os.Environ(), "STORE_TEST_HOLDS="+path)
	in, err := self.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := self.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("held\n"))); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context(), -time.Hour); n != 0 || err != nil {
		t.Errorf("the part of a living process was swept: %d, %v", n, err)
	}
	if err := self.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = self.Wait() // it was killed
	if got := ids(t, s); got != nil {
		t.Errorf("half a backup is listed: %q", got)
	}
	if n, err := s.Sweep(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("a part that is young was swept: %d, %v", n, err)
	}
	if n, err := s.Sweep(t.Context(), -time.Hour); n != 1 || err != nil || names(t, path) != nil {
		t.Errorf("swept %d, %v; there lie %q", n, err, names(t, path))
	}
	if _, err := save(t.Context(), s, "dies", "whole"); err != nil {
		t.Errorf("writing it again: %v", err)
	}
}

func TestWhatTheFileSystemRefuses(t *testing.T) {
	t.Parallel()
	if _, err := store.OpenDir(filepath.Join(t.TempDir(), "none"), false); envelope.ClassOf(err) != envelope.NotFound {
		t.Errorf("a directory that is not there: %v", err)
	}
	path := t.TempDir()
	file := filepath.Join(path, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.OpenDir(file, true); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}

// TestWhoMayNot runs itself as nobody when it is run by root, whom modes do not stop.
func TestWhoMayNot(t *testing.T) {
	t.Parallel()
	if path := os.Getenv("STORE_TEST_DENIED"); path != "" {
		s, err := store.OpenDir(path, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := save(t.Context(), s, "b", "x"); envelope.ClassOf(err) != envelope.Denied || !errors.Is(err, syscall.EACCES) {
			t.Errorf("creating: %v", err)
		}
		if _, err := load(t.Context(), s, "a", 0); envelope.ClassOf(err) != envelope.Denied || !errors.Is(err, syscall.EACCES) {
			t.Errorf("opening: %v", err)
		}
		if err := s.Remove(t.Context(), store.Object{ID: "a"}); envelope.ClassOf(err) != envelope.Denied {
			t.Errorf("removing: %v", err)
		}
		return
	}
	path, err := os.MkdirTemp("", "store-denied-") // t.TempDir lies where nobody may look
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(os.Chmod(path, 0o700), os.RemoveAll(path)) })
	self := filepath.Join(path, "test")
	if _, err := save(t.Context(), open(t, path), "a", "secret"); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(self, program, 0o755), os.Chmod(filepath.Join(path, "a.age"), 0), os.Chmod(path, 0o555)); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), self, "-test.run=^TestWhoMayNot$")
	run.Env, run.Dir = append(os.Environ(), "STORE_TEST_DENIED="+path), path
	if os.Geteuid() == 0 {
		run.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if text, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system that is small")
	}
	path := t.TempDir()
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("no file system can be mounted here:", err)
	}
	s := open(t, path)
	t.Cleanup(func() { _ = syscall.Unmount(path, syscall.MNT_DETACH) })
	o, err := save(t.Context(), s, "small", strings.Repeat("x", 600<<10))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := save(t.Context(), s, "large", strings.Repeat("x", 2<<20)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing more than fits: %v", err)
	}
	if _, err := s.Replace(t.Context(), o, []byte("head"), 1); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("replacing where it does not fit twice: %v", err)
	}
	if got := names(t, path); !slices.Equal(got, []string{"small.age"}) {
		t.Errorf("there lie %q", got)
	}
	if got, err := load(t.Context(), s, "small", 0); err != nil || got != strings.Repeat("x", 600<<10) {
		t.Errorf("the backup that was there has %d bytes, %v", len(got), err)
	}
}
