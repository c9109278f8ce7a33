package etcd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/keyreach/keyreach/backup/etcd"
)

// memory is an archive that keeps what it is given.
type memory struct {
	data  []byte
	notes map[string]string
	name  string
	mode  fs.FileMode
	// each is called after every piece.
	each func(n int)
}

func (m *memory) Note(k, v string) {
	if m.notes == nil {
		m.notes = map[string]string{}
	}
	m.notes[k] = v
}

func (m *memory) Stream(path string, mode fs.FileMode, _ time.Time, size int64, r io.Reader) error {
	m.name, m.mode = path, mode
	buf := make([]byte, 64<<10)
	// Like a tar, it asks for the announced bytes and no more.
	for r := io.LimitReader(r, size); ; {
		n, err := r.Read(buf)
		m.data = append(m.data, buf[:n]...)
		if m.each != nil {
			m.each(len(m.data))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if int64(len(m.data)) != size {
		return fmt.Errorf("%d bytes of %d", len(m.data), size)
	}
	return nil
}

// server is an etcd of the test's own.
type server struct {
	endpoint string
	cmd      *exec.Cmd
	dir      string
}

// need skips a test where Debian's etcd is not installed.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not on PATH", p)
		}
	}
}

// short is a directory with a path that leaves room for sockets.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// port is one that was free a moment ago.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs etcd on loopback; further flags may take the place of the first ones.
func start(t *testing.T, scheme string, flags ...string) *server {
	t.Helper()
	need(t, "etcd", "etcdctl")
	s := &server{dir: short(t)}
	s.endpoint = scheme + "://" + port(t)
	args := append([]string{
		"--name", "one", "--data-dir", filepath.Join(s.dir, "data"),
		"--listen-client-urls", s.endpoint, "--advertise-client-urls", s.endpoint,
		"--listen-peer-urls", "unix://peer.sock:0", "--initial-advertise-peer-urls", "unix://peer.sock:0",
		"--initial-cluster", "one=unix://peer.sock:0",
	}, flags...)
	s.cmd = exec.Command("etcd", args...)
	s.cmd.Dir = s.dir
	var log bytes.Buffer
	s.cmd.Stdout, s.cmd.Stderr = &log, &log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			text := log.String()
			t.Logf("etcd: %s", text[max(0, len(text)-2000):])
		}
	})
	return s
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// client connects, and waits for the server.
func (s *server) client(t *testing.T) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{s.endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := c.Get(ctx, "nothing"); err != nil {
		t.Fatalf("waiting for etcd: %v", err)
	}
	return c
}

func (s *server) source() etcd.Source { return etcd.Source{Endpoints: []string{s.endpoint}} }

// fill writes n keys, of which some are then changed and deleted.
func fill(t *testing.T, c *clientv3.Client, n int) {
	t.Helper()
	for i := range n {
		put(t, c, fmt.Sprintf("/key/%05d", i), strings.Repeat("v", 1+i%700))
	}
	for i := range n / 5 {
		put(t, c, fmt.Sprintf("/key/%05d", i*2), "again")
		if _, err := c.Delete(t.Context(), fmt.Sprintf("/key/%05d", i*5+1)); err != nil {
			t.Fatal(err)
		}
	}
}

func put(t *testing.T, c *clientv3.Client, k, v string) {
	t.Helper()
	if _, err := c.Put(t.Context(), k, v); err != nil {
		t.Fatal(err)
	}
}

// take saves a snapshot of a source into a file.
func take(t *testing.T, s etcd.Source) (string, etcd.Taken, *memory) {
	t.Helper()
	m := &memory{}
	taken, err := s.Save(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, m.data), taken, m
}

func file(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), etcd.Member)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestASnapshotTakenWhileClientsWriteIsWholeAndServesEveryKeyAgain(t *testing.T) {
	t.Parallel()
	s := start(t, "http")
	c := s.client(t)
	fill(t, c, 500)
	ctx, cancel := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	for i := range 4 {
		busy.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, _ = c.Put(ctx, fmt.Sprintf("/busy/%d/%d", i, n%300), fmt.Sprint(n))
			}
		})
	}
	path, taken, m := take(t, s.source())
	cancel()
	busy.Wait()
	if m.name != etcd.Member || m.mode != 0o600 {
		t.Errorf("the member is %s with mode %v", m.name, m.mode)
	}
	if taken.Hash != "sha256" || taken.Size != int64(len(m.data)) || m.notes[etcd.NoteCluster] == "" || m.notes[etcd.NoteHash] != "sha256" {
		t.Errorf("taken: %+v, notes %v", taken, m.notes)
	}
	report, err := etcd.Prove(t.Context(), path, filepath.Join(short(t), "drill"))
	if err != nil {
		t.Fatal(err)
	}
	if report.Compared < 400 || report.Compared != report.Info.Keys || report.Info.Revision < taken.Revision {
		t.Errorf("compared %d of %d keys, revision %d from %d on", report.Compared, report.Info.Keys, report.Info.Revision, taken.Revision)
	}
}
