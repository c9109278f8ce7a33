//go:build measure

package backup_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
)

// TestMain is also the child that does one stage, so that each is measured as a process
// of its own.
func TestMain(m *testing.M) {
	if stage := os.Getenv("KEYREACH_STAGE"); stage != "" {
		if err := childStage(stage, os.Getenv("KEYREACH_IN"), os.Getenv("KEYREACH_ID")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func childStage(stage, path, identity string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	id, err := age.ParseX25519Identity(identity)
	if err != nil {
		return err
	}
	switch stage {
	case "encrypt", "zstd+encrypt", "zstd":
		out := io.WriteCloser(nopCloser{io.Discard})
		if stage != "zstd" {
			if out, err = envelope.Encrypt(io.Discard, id.Recipient()); err != nil {
				return err
			}
		}
		to := io.WriteCloser(out)
		if stage != "encrypt" {
			if to, err = zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1)); err != nil {
				return err
			}
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{in}, make([]byte, 1<<20)); err != nil {
			return err
		}
		if stage == "zstd+encrypt" {
			if err := to.Close(); err != nil {
				return err
			}
		}
		return out.Close()
	case "decrypt":
		r, err := envelope.Decrypt(in, envelope.Options{Begin: archive.Begin(), End: archive.End()}, id)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return err
	}
	return fmt.Errorf("no stage %q", stage)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

type figure struct {
	wall, cpu time.Duration
	rss       int64
}

// timed is the best of three runs, by CPU.
func timed(t *testing.T, env []string, stdin string, args ...string) figure {
	t.Helper()
	var best figure
	for range 3 {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), env...)
		if stdin != "" {
			f, err := os.Open(stdin)
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdin = f
			defer f.Close()
		}
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("%v: %v: %.300s", args, err, out)
			return figure{}
		}
		f := figure{time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss}
		if best.cpu == 0 || f.cpu < best.cpu {
			best = f
		}
	}
	return best
}

// TestMeasure prints how backups compare with stock age (KEYREACH_AGE and age-keygen's
// identity), gpg, restic and tar with gzip and openssl. KEYREACH is the built program.
func TestMeasure(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	idFile := write("id.txt", []byte(id.String()+"\n"))
	pass := write("pass", []byte("correct horse battery staple\n"))
	size := int64(1 << 30)
	random := filepath.Join(dir, "random", "data")
	texts := filepath.Join(dir, "texts", "data")
	for _, p := range []string{random, texts} {
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, random, size, false)
	fill(t, texts, 256<<20, true)
	stock, program := os.Getenv("KEYREACH_AGE"), os.Getenv("KEYREACH")
	stage := func(name, in string) figure {
		return timed(t, []string{"KEYREACH_STAGE=" + name, "KEYREACH_IN=" + in, "KEYREACH_ID=" + id.String()}, "", self)
	}
	sh := func(script string) figure { return timed(t, nil, "", "sh", "-c", "cd "+dir+" && "+script) }
	say := func(what string, bytes int64, f figure) {
		if f.cpu == 0 {
			fmt.Printf("%-44s not run\n", what)
			return
		}
		gb := float64(bytes) / 1e9
		fmt.Printf("%-44s %6.2f GB/s  %6.2f GB/cpu-s  %4d MB\n", what, gb/f.wall.Seconds(), gb/f.cpu.Seconds(), f.rss>>10)
	}
	say("encrypt stage, 1 GiB random", size, stage("encrypt", random))
	say("  stock age -e", size, timed(t, nil, random, stock, "-r", id.Recipient().String(), "-o", "/dev/null"))
	sealed := filepath.Join(dir, "sealed.age")
	timed(t, nil, random, stock, "-r", id.Recipient().String(), "-o", sealed)
	say("decrypt stage, 1 GiB random", size, stage("decrypt", sealed))
	say("  stock age -d", size, timed(t, nil, "", stock, "-d", "-i", idFile, "-o", "/dev/null", sealed))
	say("zstd 1 alone, 256 MiB of keys and values", 256<<20, stage("zstd", texts))
	say("zstd 1 and encrypt", 256<<20, stage("zstd+encrypt", texts))
	say("  openssl aes-256-cbc, 1 GiB random", size, sh("openssl enc -aes-256-cbc -pbkdf2 -pass file:"+pass+" -in "+random+" -out /dev/null"))
	say("  gpg -c, 1 GiB random", size, sh("gpg --batch --yes --pinentry-mode loopback --passphrase-file "+pass+" --homedir "+dir+" -c --cipher-algo AES256 -z 0 -o /dev/null "+random))
	create := func(src string) string {
		return "rm -rf st && " + program + " backup create files " + filepath.Dir(src) + " --store st --state state --recipient " + id.Recipient().String()
	}
	say("keyreach backup create, 1 GiB random", size, sh(create(random)))
	say("keyreach backup verify", size, sh(program+" backup verify --store st --identity "+idFile))
	say("keyreach backup restore", size, sh("rm -rf out out.previous && "+program+" backup restore --store st --to out --identity "+idFile))
	say("  restic backup, compression off", size, sh("rm -rf rr && restic -q init -r rr -p "+pass+" --repository-version 2 && restic -q backup --compression off -r rr -p "+pass+" "+filepath.Dir(random)))
	say("keyreach backup create, 256 MiB keys and values", 256<<20, sh(create(texts)))
	say("  tar + gzip + openssl cbc", 256<<20, sh("tar czf - texts | openssl enc -aes-256-cbc -pbkdf2 -pass file:"+pass+" -out sealed.enc"))
}

// fill writes random bytes, or text like the keys and values of a cluster.
func fill(t *testing.T, path string, size int64, text bool) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := int64(0); n < size; {
		b := make([]byte, 1<<20)
		rand.Read(b)
		if text {
			var s strings.Builder
			for i := 0; s.Len() < len(b); i++ {
				fmt.Fprintf(&s, "/registry/pods/ns-%d/pod-%x {\"kind\":\"Pod\",\"metadata\":{\"uid\":\"%x\",\"labels\":{\"app\":\"web\"}},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.%d.%d.%d\"}}\n", b[i%1000]%7, b[i*5:i*5+5], b[i*16:i*16+16], b[i], b[i+1], b[i+2])
			}
			b = []byte(s.String())[:len(b)]
		}
		k, err := f.Write(b)
		if err != nil {
			t.Fatal(err)
		}
		n += int64(k)
	}
}
