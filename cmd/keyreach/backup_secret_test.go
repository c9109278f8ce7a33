package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// keeper is a host that knows what is secret on it.
type keeper struct {
	*cloudHost
	content, passphrase, identity, awsSecret, etcdPassword string

	mu sync.Mutex
	// sent is all that went to AWS: URLs, headers, bodies.
	sent bytes.Buffer
	hold map[string]chan struct{} // closed when a call of the operation has come
	held chan struct{}            // closed when it may go on
}

func newKeeper(t testing.TB) *keeper {
	t.Helper()
	k := &keeper{cloudHost: newCloudHost(t), hold: map[string]chan struct{}{}}
	k.content, k.passphrase, k.awsSecret, k.etcdPassword = "CONTENT"+rand.Text(), "PASSPHRASE"+rand.Text(), "AWSSECRET"+rand.Text(), "ETCDPASSWORD"+rand.Text()
	id, err := os.ReadFile(k.at("id.txt"))
	k.must(err)
	k.identity = strings.TrimSpace(string(id))
	k.write("pass", []byte(k.passphrase+"\n"))
	k.write("etcd-pass", []byte(k.etcdPassword+"\n"))
	k.write("src/secret", []byte(strings.Repeat(k.content, 100)))
	front := httptest.NewServer(http.HandlerFunc(k.serve))
	t.Cleanup(front.Close)
	k.calls(front.URL)
	for i, e := range k.env {
		if strings.HasPrefix(e, "AWS_SECRET_ACCESS_KEY=") {
			k.env[i] = "AWS_SECRET_ACCESS_KEY=" + k.awsSecret // the sandbox takes any of an account's root user
		}
	}
	return k
}

// serve notes what is sent, and holds a call.
func (k *keeper) serve(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := k.server.Operation(r)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the program is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	k.mu.Lock()
	fmt.Fprintf(&k.sent, "%s %s\n", r.Method, r.URL)
	_ = r.Header.Write(&k.sent) // to memory
	k.sent.Write(body)
	came := k.hold[operation]
	delete(k.hold, operation)
	k.mu.Unlock()
	if came != nil {
		close(came)
		<-k.held
	}
	k.server.ServeHTTP(w, r)
}

// holding has the next call of an operation wait. It is released at the latest when the
// test ends.
func (k *keeper) holding(operation string) (came chan struct{}, release func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	came, k.held = make(chan struct{}), make(chan struct{})
	k.hold[operation] = came
	release = sync.OnceFunc(func() { close(k.held) })
	k.Cleanup(release)
	return came, release
}

// tight fails when a text has one of the secrets.
func (k *keeper) tight(where, text string) {
	k.Helper()
	for name, secret := range map[string]string{
		"the content": k.content, "the passphrase": k.passphrase, "the identity": k.identity, "the secret key of AWS": k.awsSecret, "the password of etcd": k.etcdPassword,
	} {
		if strings.Contains(text, secret) {
			k.Errorf("%s has %s", where, name)
		}
	}
}

// tightFiles looks at all files below the host's directory except those that are to have
// secrets.
func (k *keeper) tightFiles(but ...string) {
	k.Helper()
	err := filepath.WalkDir(k.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(p, k.dir+"/")
		switch {
		case slices.Contains(append(but, "src", "id.txt", "pass", "etcd-pass"), name):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(p)
		k.tight("the file "+name, string(text))
		return err
	})
	k.must(err)
	left, err := os.ReadDir(k.at("tmp"))
	if err != nil || len(left) > 0 {
		k.Errorf("of temporary files there are %v, %v", left, err)
	}
}

// tightSent looks at what went to AWS.
func (k *keeper) tightSent() {
	k.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sent.Len() == 0 {
		k.Error("nothing went to AWS")
	}
	k.tight("what went to AWS", k.sent.String())
	k.sent.Reset()
}

// tightProcess looks at a process while it works: what it was called with, which files it
// has open, how large a core it may leave.
func (k *keeper) tightProcess(pid int) {
	k.Helper()
	proc := fmt.Sprintf("/proc/%d/", pid)
	args, err := os.ReadFile(proc + "cmdline")
	k.must(err)
	k.tight("the command line", string(args))
	open, err := os.ReadDir(proc + "fd")
	k.must(err)
	for _, fd := range open {
		at, err := os.Readlink(proc + "fd/" + fd.Name())
		system := slices.ContainsFunc([]string{"/dev/", "/proc/", "/sys/"}, func(dir string) bool { return strings.HasPrefix(at, dir) })
		if err == nil && strings.HasPrefix(at, "/") && !system && !strings.HasPrefix(at, k.at("src")) {
			k.Errorf("it has the file %s open", at)
		}
	}
	limits, err := os.ReadFile(proc + "limits")
	k.must(err)
	for line := range strings.SplitSeq(string(limits), "\n") {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok && strings.Fields(rest)[0] != "0" {
			k.Errorf("it may leave a core: %s", line)
		}
	}
}

// What the commands around a backup see of the process that runs them, and of their own
// environment.
const spying = `env > %[1]s.env; tr '\0' '\n' < /proc/$PPID/cmdline > %[1]s.args; ls -A tmp > %[1]s.tmp`

func TestNoSecretLeavesACreateThatIsUnderWay(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("it looks at /proc")
	}
	for name, opens := range map[string][]string{"KMS": nil, "passphrase": {"--passphrase-file", "pass"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeeper(t)
			k.noise(k.at("src/large"), 17<<20)
			at := "s3://" + hostBucket + "/app"
			args := []string{"backup", "create", "files", "src", "--store", at, "--before", fmt.Sprintf(spying, "before"), "--after", fmt.Sprintf(spying, "after")}
			if opens == nil {
				args = append(args, "--kms-key", k.key, "--recipient", k.recipient)
			}
			c := k.program(t.Context(), append(args, opens...)...)
			var out bytes.Buffer
			c.Stdout, c.Stderr = &out, &out
			came, release := k.holding("UploadPart")
			k.must(c.Start())
			<-came
			k.tightProcess(c.Process.Pid)
			k.tightFiles()
			release()
			if err := c.Wait(); err != nil {
				t.Fatalf("%v: %s", err, out.String())
			}
			k.tight("what it prints", out.String())
			for _, spy := range []string{"before", "after"} {
				for _, what := range []string{".env", ".args", ".tmp"} {
					text, err := os.ReadFile(k.at(spy + what))
					k.must(err)
					if len(text) == 0 != (what == ".tmp") {
						t.Errorf("%s%s has %q", spy, what, text)
					}
				}
			}
			k.tightFiles()
			k.tightSent()
			if opens == nil || thorough { // a passphrase takes its time
				k.well(slices.Concat([]string{"backup", "restore", "--store", at, "--to", "out"}, opens)...)
				k.tightFiles("out")
				k.tightSent()
			}
		})
	}
}

// No command on backups has temporary files: where it cannot make one, it does its work.
func TestBackupsNeedNoTemporaryFiles(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	k.env = append(k.env, "TMPDIR="+k.at("none"))
	commands := [][]string{
		{"create", "files", "src", "--store", "store", "--recipient", k.recipient},
		{"create", "files", "src", "--store", "store", "--kms-key", k.key, "--name", "kms"},
		{"list", "--store", "store"},
		{"verify", "--store", "store", "--name", "src", "--identity", "id.txt"},
		{"restore", "--store", "store", "--name", "src", "--identity", "id.txt", "--to", "out"},
		{"restore", "--store", "store", "--name", "kms", "--to", "out"},
		{"rewrap", "--store", "store", "--name", "kms", "--kms-key", k.key, "--recipient", k.recipient},
		{"prune", "--store", "store", "--keep-last", "1", "--auto-approve"},
	}
	if thorough { // a passphrase takes its time
		commands = append(commands, []string{"create", "files", "src", "--store", "store", "--passphrase-file", "pass", "--name", "pass"},
			[]string{"restore", "--store", "store", "--name", "pass", "--passphrase-file", "pass", "--to", "out"})
	}
	for _, args := range commands {
		e := k.well(append([]string{"backup"}, args...)...)
		k.tight(fmt.Sprintf("what %q prints", args), e.String())
	}
	k.tightFiles("out", "out.previous", "out.previous.1")
	k.tightSent()
}

// etcdOf is an etcd that lets nobody in, and tells which password it was given.
type etcdOf struct {
	etcdserverpb.UnimplementedAuthServer
	given chan string
}

func (e *etcdOf) Authenticate(_ context.Context, r *etcdserverpb.AuthenticateRequest) (*etcdserverpb.AuthenticateResponse, error) {
	select {
	case e.given <- r.Password:
	default:
	}
	return nil, status.Error(codes.InvalidArgument, "etcdserver: authentication failed, invalid user ID or password")
}

func TestNoSecretIsInWhatFailuresTell(t *testing.T) {
	t.Parallel()
	k := newKeeper(t)
	e := &etcdOf{given: make(chan string, 1)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	k.must(err)
	server := grpc.NewServer()
	etcdserverpb.RegisterAuthServer(server, e)
	go server.Serve(l) // until Stop
	t.Cleanup(server.Stop)

	spoilt := k.identity[:len(k.identity)-1] + "Q"
	if strings.HasSuffix(k.identity, "Q") {
		spoilt = k.identity[:len(k.identity)-1] + "P"
	}
	k.identity = k.identity[:len(k.identity)-1] // what both have in common is secret
	k.write("spoilt", []byte(spoilt+"\n"))
	k.write("two", []byte("# mine\n"+spoilt+" and more\n"))
	k.write("other", []byte("another passphrase\n"))
	id := k.create("files", "src", "--store", "store", "--passphrase-file", "pass")
	damaged := k.sealed("store/" + id + ".age")
	k.store("damaged", id, damaged.flipped(damaged.size/2))
	for _, args := range [][]string{
		{"restore", "--store", "store", "--passphrase-file", "other", "--to", "out"},
		{"restore", "--store", "damaged", "--passphrase-file", "pass", "--to", "out"},
		{"verify", "--store", "damaged", "-o", "json"},
		{"restore", "--store", "store", "--identity", "spoilt", "--to", "out"},
		{"restore", "--store", "store", "--identity", "two", "--to", "out"},
		{"restore", "--store", "store", "--identity", "pass", "--to", "out"},
		{"restore", "--store", "store", "--identity", "src/secret", "--to", "out"},
		{"create", "files", "src", "--store", "no", "--recipient", spoilt},
		{"create", "files", "src", "--store", "no", "--recipient", k.passphrase},
		{"create", "files", "src", "--store", "no", "--passphrase-file", "pass", "--recipient", k.recipient},
		{"create", "files", "src", "--store", "no", "--recipient", k.recipient, "--after", "exit 3"},
		{"create", "files", "src", "--store", "no", "--recipient", k.recipient, "--ping", "http://127.0.0.1:1/" + k.passphrase},
		{"create", "etcd", "src/secret", "--store", "no", "--recipient", k.recipient},
		{"create", "step-ca", "src", "--store", "no", "--recipient", k.recipient},
		{"create", "files", "src", "--store", "s3://" + hostBucket + "/app", "--kms-key", strings.Replace(k.key, hostAccount, "444455556666", 1)},
		{"create", "etcd", "--endpoints", "http://" + l.Addr().String(), "--etcd-user", "root", "--etcd-password-file", "etcd-pass", "--store", "no", "--recipient", k.recipient},
	} {
		e := k.run(append([]string{"backup"}, args...)...)
		if e.code == 0 {
			t.Errorf("%q succeeds", args)
		}
		k.tight(fmt.Sprintf("what %q tells", args), e.String())
	}
	select {
	case given := <-e.given:
		if given != k.etcdPassword {
			t.Errorf("etcd was given %d bytes of another password", len(given))
		}
	default:
		t.Error("etcd was not asked")
	}
	k.tightFiles("spoilt", "two")
}

// A process that crashes tells where, but not with what, and leaves no core.
func TestNoSecretIsInACrash(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("it makes cores as Linux does")
	}
	k := newKeeper(t)
	k.noise(k.at("src/large"), 17<<20)
	c := exec.CommandContext(t.Context(), "/bin/sh", "-c", `ulimit -c unlimited; exec keyreach "$@"`, "sh",
		"backup", "create", "files", "src", "--store", "s3://"+hostBucket+"/app", "--passphrase-file", "pass")
	c.Dir, c.Env = k.dir, append(k.env, "GOTRACEBACK=crash")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	came, _ := k.holding("UploadPart")
	k.must(c.Start())
	<-came
	k.must(c.Process.Signal(syscall.SIGQUIT))
	if err := c.Wait(); err == nil || !strings.Contains(out.String(), "goroutine ") {
		t.Errorf("it does not crash: %v, %s", err, out.String())
	}
	k.tight("what it tells", out.String())
	if cores, err := filepath.Glob(k.at("core*")); err != nil || len(cores) > 0 {
		t.Errorf("it left %q, %v", cores, err)
	}
	k.tightFiles()
}

// An interrupted create has its --after, and leaves nothing where it was to be stored.
func TestAnInterruptedCreateLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, with := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(with.String(), func(t *testing.T) {
			t.Parallel()
			interruptACreate(t, with)
		})
	}
}

func interruptACreate(t *testing.T, with syscall.Signal) {
	t.Helper()
	k := newKeeper(t)
	k.noise(k.at("src/large"), 17<<20)
	at := "s3://" + hostBucket + "/app"
	c := k.program(t.Context(), "backup", "create", "files", "src", "--store", at, "--kms-key", k.key, "--after", "echo after > after")
	came, release := k.holding("UploadPart")
	k.must(c.Start())
	<-came
	k.must(c.Process.Signal(with))
	err := c.Wait()
	release()
	if code := c.ProcessState.ExitCode(); code != exitStopped {
		t.Errorf("it ends with %d, %v", code, err)
	}
	if _, err := os.Stat(k.at("after")); err != nil {
		t.Error("--after did not have its turn")
	}
	if ids, n := k.list(at), k.uploads(); len(ids) > 0 || n > 0 {
		t.Errorf("there are %q and %d uploads", ids, n)
	}
}
