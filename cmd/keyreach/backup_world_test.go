package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// host is a machine on which the program runs: a directory with all it writes, and an
// age identity.
type host struct {
	testing.TB
	dir       string
	recipient string
	env       []string
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{TB: t, dir: t.TempDir()}
	id, err := age.GenerateX25519Identity()
	h.must(err)
	h.recipient = id.Recipient().String()
	h.write("id.txt", []byte(id.String()+"\n"))
	h.must(os.Mkdir(h.at("tmp"), 0o700))
	h.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "XDG_STATE_HOME=" + h.at("state"), "TMPDIR=" + h.at("tmp"), "AWS_EC2_METADATA_DISABLED=true"}
	setRace(func(name, value string) { h.env = append(h.env, name+"="+value) })
	return h
}

func (h *host) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *host) at(name string) string { return filepath.Join(h.dir, name) }

func (h *host) write(name string, text []byte) {
	h.Helper()
	h.must(os.MkdirAll(filepath.Dir(h.at(name)), 0o700))
	h.must(os.WriteFile(h.at(name), text, 0o600))
}

// tree writes files of noise, each a part of the size, and one that says what it is.
func (h *host) tree(name, says string, files, size int) {
	h.Helper()
	for i := range files {
		h.write(fmt.Sprintf("%s/d%d/f%d", name, i%4, i), noiseOf(size/files))
	}
	h.write(name+"/says", []byte(says))
}

// noiseOf is what does not compress.
func noiseOf(n int) []byte {
	var seed [32]byte
	for i := range 4 {
		u := rand.Uint64()
		for j := range 8 {
			seed[8*i+j] = byte(u >> (8 * j))
		}
	}
	b := make([]byte, n)
	rand.NewChaCha8(seed).Read(b)
	return b
}

// look is what is in a tree: names, modes, contents. A tree that is not there is empty.
func (h *host) look(name string) string {
	h.Helper()
	var all strings.Builder
	err := filepath.WalkDir(h.at(name), func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "%s %v", strings.TrimPrefix(p, h.at(name)), info.Mode())
		if info.Mode().IsRegular() {
			f, err := os.Open(p)
			if err != nil {
				return err
			}
			defer f.Close()
			sum := sha256.New()
			n, err := io.Copy(sum, f)
			if err != nil {
				return err
			}
			fmt.Fprintf(&all, " %d %x", n, sum.Sum(nil))
		}
		all.WriteByte('\n')
		return nil
	})
	if !errors.Is(err, fs.ErrNotExist) {
		h.must(err)
	}
	return all.String()
}

// ended is how a run of the program ended.
type ended struct {
	code      int
	out, errs string
}

func (e ended) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", e.code, e.out, e.errs)
}

// program is the program as a process of its own, in the host's directory: TestMain has
// this test binary be it.
func (h *host) program(ctx context.Context, args ...string) *exec.Cmd {
	h.Helper()
	self, err := os.Executable()
	h.must(err)
	c := exec.CommandContext(ctx, self)
	c.Args = append([]string{"keyreach"}, args...)
	c.Dir, c.Env = h.dir, h.env
	return c
}

// run runs the program to its end.
func (h *host) run(args ...string) ended {
	h.Helper()
	ctx, stop := context.WithTimeout(h.Context(), killTimeout)
	defer stop()
	c := h.program(ctx, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); c.ProcessState == nil {
		h.Fatalf("running %q: %v", args, err)
	}
	return ended{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

// well runs the program, which has to succeed.
func (h *host) well(args ...string) ended {
	h.Helper()
	e := h.run(args...)
	if e.code != 0 {
		h.Fatalf("%q: %v", args, e)
	}
	return e
}

// create makes a backup and returns its id.
func (h *host) create(args ...string) string {
	h.Helper()
	var made struct{ ID string }
	e := h.well(append([]string{"backup", "create", "-o", "json"}, args...)...)
	h.must(json.Unmarshal([]byte(e.out), &made))
	if made.ID == "" {
		h.Fatalf("%q tells no id: %v", args, e)
	}
	return made.ID
}

// list returns the ids in a store, the newest first.
func (h *host) list(at string) []string {
	h.Helper()
	var found struct{ Backups []struct{ ID string } }
	e := h.run("backup", "list", "--store", at, "-o", "json")
	if e.code == exitNotFound {
		return nil // killed before the directory was there
	}
	if e.code != 0 {
		h.Fatalf("listing %s: %v", at, e)
	}
	h.must(json.Unmarshal([]byte(e.out), &found))
	var ids []string
	for _, b := range found.Backups {
		ids = append(ids, b.ID)
	}
	return ids
}

// beside are the names of what is hidden in a directory.
func (h *host) beside(dir string) []string {
	h.Helper()
	found, err := filepath.Glob(filepath.Join(h.at(dir), ".*"))
	h.must(err)
	return found
}

// killedAfter runs the program and kills it after a time, and tells whether that came
// too late.
func (h *host) killedAfter(after time.Duration, args ...string) (whole bool) {
	h.Helper()
	c := h.program(context.Background(), args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	h.must(c.Start())
	timer := time.AfterFunc(after, func() { _ = c.Process.Kill() }) // it may have ended
	defer timer.Stop()
	var exit *exec.ExitError
	err := c.Wait()
	if errors.As(err, &exit) && exit.Exited() {
		h.Fatalf("%q ended by itself with %v: %s", args, err, out.String())
	}
	return err == nil
}

// timed is how long the program takes to do something, and to do nothing.
func (h *host) timed(args ...string) (nothing, all time.Duration) {
	h.Helper()
	begun := time.Now()
	h.well("version")
	nothing = time.Since(begun)
	begun = time.Now()
	h.well(args...)
	return nothing, max(time.Since(begun), nothing+time.Millisecond)
}

// moment is a random one of those in which the program works.
func moment(nothing, all time.Duration) time.Duration {
	from := nothing / 2
	return from + rand.N(all-from+all/10)
}

// cloudHost is a host with a sandbox, where it is the root user of an account.
type cloudHost struct {
	*host
	server *sandboxtest.Server
	key    string
}

const hostAccount, hostBucket = "111122223333", "host-backups"

// newCloudHost has the host call what front makes of the sandbox.
func newCloudHost(t testing.TB) *cloudHost {
	t.Helper()
	h := &cloudHost{host: newHost(t), server: sandboxtest.Start(t, sandbox.Options{})}
	k, err := kms.NewFromConfig(h.server.Root(hostAccount, "us-east-1")).CreateKey(t.Context(), &kms.CreateKeyInput{})
	h.must(err)
	h.key = *k.KeyMetadata.Arn
	_, err = h.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new(hostBucket)})
	h.must(err)
	h.calls(h.server.URL)
	return h
}

// calls has the host call AWS at a URL.
func (h *cloudHost) calls(url string) {
	h.env = slices.DeleteFunc(h.env, func(e string) bool { return strings.HasPrefix(e, "AWS_ENDPOINT_URL=") })
	h.env = append(h.env, "AWS_ENDPOINT_URL="+url, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID="+hostAccount, "AWS_SECRET_ACCESS_KEY=any")
}

func (h *cloudHost) s3() *s3.Client {
	return s3.NewFromConfig(h.server.Root(hostAccount, "us-east-1"), func(o *s3.Options) { o.UsePathStyle = true })
}

// aged is an answer of S3 in which uploads were begun long ago.
func aged(answer []byte) []byte {
	return regexp.MustCompile(`<Initiated>\d{4}`).ReplaceAll(answer, []byte("<Initiated>2001"))
}
