package etcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/keyreach/keyreach/backup/envelope"
)

// Report is what a restored snapshot showed.
type Report struct {
	Info Info
	// Restorer and Server are the programs that were run, with their paths.
	Restorer, Server string
	// ServerVersion is that of etcd, which may be another than the cluster's.
	ServerVersion string
	// Compared is the number of keys that etcd gave, each as it is in the snapshot.
	Compared int
	// AuthOff: users and passwords were turned off in the copy, to read every key.
	AuthOff bool
	// Took is from the restoring to the last key.
	Took time.Duration
}

// Missing is that a program which proving needs is not on PATH.
type Missing struct {
	Programs []string
}

func (m *Missing) Error() string {
	if len(m.Programs) == 1 {
		return "proving the snapshot: " + m.Programs[0] + " is not on PATH"
	}
	return fmt.Sprintf("proving the snapshot: none of %v is on PATH", m.Programs)
}

// Prove restores a snapshot within the directory scratch, which it makes and which has to
// be empty, starts etcd on it, and compares every key, with its revisions, version, value
// and lease, with what lies in the snapshot. etcd listens on sockets in the directory,
// which only this user can open. The directory is left as it is, for the caller to remove.
//
// It does not compare older revisions of keys, which etcd keeps for watchers, and does not
// show that the members of a cluster find each other. When etcd, or etcdutl and etcdctl,
// are not on PATH it fails with *Missing; what Check finds has its class.
func Prove(ctx context.Context, snapshot, scratch string) (Report, error) {
	info, keys, err := check(snapshot, true)
	if err != nil {
		return Report{Info: info}, err
	}
	d := &drill{snapshot: snapshot, scratch: scratch, keys: keys, report: Report{Info: info}}
	if err := d.programs(); err != nil {
		return d.report, err
	}
	if err := d.prepare(); err != nil {
		return d.report, err
	}
	begin := time.Now()
	if err := d.restore(ctx); err != nil {
		return d.report, err
	}
	if err := d.open(); err != nil {
		return d.report, err
	}
	if err := d.serve(ctx); err != nil {
		return d.report, err
	}
	d.report.Took = time.Since(begin)
	return d.report, nil
}

type drill struct {
	snapshot, scratch string
	keys              map[string]sum
	report            Report
}

// etcd wants something like a port behind the name of a socket. It runs in the scratch
// directory, and the names are relative to that.
const (
	// longest name of a socket that Linux takes, in bytes; others take a few less. See
	// https://man7.org/linux/man-pages/man7/unix.7.html.
	longest      = 107
	clientSocket = "unix://client.sock:0"
	peerSocket   = "unix://peer.sock:0"
)

func (d *drill) programs() error {
	server, err := exec.LookPath("etcd")
	if err != nil {
		return &Missing{[]string{"etcd"}}
	}
	d.report.Server = server
	for _, name := range []string{"etcdutl", "etcdctl"} {
		if path, err := exec.LookPath(name); err == nil {
			d.report.Restorer = path
			return nil
		}
	}
	return &Missing{[]string{"etcdutl", "etcdctl"}}
}

// prepare makes paths absolute, since the programs run in the scratch directory.
func (d *drill) prepare() error {
	for _, p := range []*string{&d.snapshot, &d.scratch, &d.report.Server, &d.report.Restorer} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("preparing %s: %w", *p, err)
		}
		*p = abs
	}
	if n := len(d.socket()); n > longest {
		return fmt.Errorf("preparing the scratch directory: its path is %d bytes too long for a socket in it", n-longest)
	}
	if err := os.MkdirAll(d.scratch, 0o700); err != nil {
		return fmt.Errorf("preparing the scratch directory: %w", err)
	}
	there, err := os.ReadDir(d.scratch)
	if err != nil {
		return fmt.Errorf("preparing the scratch directory: %w", err)
	}
	if len(there) > 0 {
		return fmt.Errorf("preparing the scratch directory: %s is not empty", d.scratch)
	}
	// The sockets have the permissions that the process gives them; the directory guards.
	if err := os.Chmod(d.scratch, 0o700); err != nil {
		return fmt.Errorf("preparing the scratch directory: %w", err)
	}
	return nil
}

// command runs a program with no more of the environment than it needs: etcd takes every
// ETCD_… variable for a flag.
func (d *drill) command(ctx context.Context, log *os.File, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = d.scratch
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "ETCDCTL_API=3"}
	// Without it etcd before 3.6 does not start on some machines.
	if arch := os.Getenv("ETCD_UNSUPPORTED_ARCH"); arch != "" {
		cmd.Env = append(cmd.Env, "ETCD_UNSUPPORTED_ARCH="+arch)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func (d *drill) log(name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(d.scratch, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("preparing the log: %w", err)
	}
	return f, nil
}

// restore makes a data directory of the snapshot, for a cluster of one member.
func (d *drill) restore(ctx context.Context) error {
	log, err := d.log("restore.log")
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{
		"snapshot", "restore", d.snapshot, "--data-dir", "data", "--name", "drill",
		"--initial-cluster", "drill=" + peerSocket, "--initial-advertise-peer-urls", peerSocket,
	}
	if d.report.Info.Hash == "none" {
		args = append(args, "--skip-hash-check")
	}
	if err := d.command(ctx, log, d.report.Restorer, args...).Run(); err != nil {
		return fmt.Errorf("restoring the snapshot with %s: %w: %s", d.report.Restorer, err, end(log.Name()))
	}
	return nil
}

// open turns authentication off in the copy: the root password of the cluster is not at
// hand, and nobody else can reach the sockets.
func (d *drill) open() error {
	if !d.report.Info.Auth {
		return nil
	}
	db, err := bbolt.Open(filepath.Join(d.scratch, "data", "member", "snap", "db"), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("opening the restored database: %w", err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("auth"))
		if b == nil {
			return errors.New("it has no users")
		}
		return b.Put([]byte("authEnabled"), []byte{0})
	})
	if err != nil {
		return fmt.Errorf("turning authentication off in the restored database: %w", err)
	}
	d.report.AuthOff = true
	return nil
}

// serve starts etcd, compares, and stops it.
func (d *drill) serve(ctx context.Context) error {
	log, err := d.log("etcd.log")
	if err != nil {
		return err
	}
	defer log.Close()
	running, stop := context.WithCancel(ctx)
	defer stop()
	cmd := d.command(running, log, d.report.Server, "--name", "drill", "--data-dir", "data",
		"--listen-client-urls", clientSocket, "--advertise-client-urls", clientSocket,
		"--listen-peer-urls", peerSocket, "--initial-advertise-peer-urls", peerSocket,
		"--initial-cluster", "drill="+peerSocket)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", d.report.Server, err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		stop() // when it ended by itself, nobody shall wait for its answer
	}()
	failed := d.compare(running)
	early := running.Err() != nil && ctx.Err() == nil
	stop()
	exit := <-ended
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("proving the snapshot: %w", context.Cause(ctx))
	case early:
		return fmt.Errorf("starting %s on the restored snapshot: it ended (%v): %s", d.report.Server, exit, end(log.Name()))
	}
	return failed
}

// compare reads every key at the snapshot's revision, so that what leases end meanwhile
// does not matter.
func (d *drill) compare(ctx context.Context) error {
	c, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"unix://" + d.socket()}, Context: ctx, Logger: zap.NewNop(),
	})
	if err != nil {
		return fmt.Errorf("connecting to the restored etcd: %w", err)
	}
	defer c.Close()
	if err := d.await(ctx, c); err != nil {
		return err
	}
	from, at := "\x00", d.report.Info.Revision
	for {
		got, err := c.Get(ctx, from, clientv3.WithFromKey(), clientv3.WithRev(at), clientv3.WithLimit(500))
		if err != nil {
			return fmt.Errorf("reading the keys of the restored etcd: %w", err)
		}
		for _, kv := range got.Kvs {
			if err := d.key(kv); err != nil {
				return envelope.Fail(envelope.Corrupt, err)
			}
		}
		if !got.More || len(got.Kvs) == 0 {
			break
		}
		from = string(got.Kvs[len(got.Kvs)-1].Key) + "\x00"
	}
	if d.report.Compared != len(d.keys) {
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("comparing the keys: the snapshot has %d, the restored etcd gave %d", len(d.keys), d.report.Compared))
	}
	return nil
}

// key compares one. It names no key: keys can be secret as well.
func (d *drill) key(kv *mvccpb.KeyValue) error {
	want, ok := d.keys[string(kv.Key)]
	if !ok {
		return fmt.Errorf("comparing the keys: the restored etcd has one of revision %d that the snapshot lacks", kv.ModRevision)
	}
	if want != digest(kv) {
		return fmt.Errorf("comparing the keys: the one of revision %d is not as it is in the snapshot", kv.ModRevision)
	}
	d.report.Compared++
	return nil
}

// socket is the path of the client's socket.
func (d *drill) socket() string {
	return filepath.Join(d.scratch, "client.sock:0")
}

// await asks until etcd answers. It has a minute: it reads the whole database first.
func (d *drill) await(ctx context.Context, c *clientv3.Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		try, done := context.WithTimeout(ctx, 5*time.Second)
		status, err := c.Status(try, c.Endpoints()[0])
		done()
		if err == nil && status.Leader != 0 {
			d.report.ServerVersion = status.Version
			return nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = errLeaderless
			}
			return fmt.Errorf("waiting for the restored etcd: %w", err)
		case <-ticker.C:
		}
	}
}

// end is the last of a log.
func end(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	const most = 600
	if len(text) > most {
		text = append([]byte("…"), text[len(text)-most:]...)
	}
	return string(text)
}
