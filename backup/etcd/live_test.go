package etcd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/etcd"
)

func TestAMemberThatIsKilledWhileItSendsLeavesNoSnapshot(t *testing.T) {
	t.Parallel()
	s, other := start(t, "http"), start(t, "http")
	other.client(t)
	c := s.client(t)
	for i := range 60 {
		put(t, c, "/large/"+string(rune('A'+i)), strings.Repeat("x", 512<<10))
	}
	m := &memory{}
	killed := false
	m.each = func(n int) {
		if n > 1<<20 && !killed {
			killed = true
			s.kill()
		}
	}
	_, err := etcd.Source{Endpoints: []string{s.endpoint, other.endpoint}}.Save(t.Context(), m)
	if envelope.ClassOf(err) != envelope.Truncated {
		t.Errorf("class %q of %v", envelope.ClassOf(err), err)
	}
	if len(m.notes) > 0 {
		t.Errorf("notes of a snapshot that is none: %v", m.notes)
	}
}

func TestAFingerprintChangesWithTheStoreAndOnlyWithIt(t *testing.T) {
	t.Parallel()
	s := start(t, "http")
	c := s.client(t)
	put(t, c, "a", "1")
	get := func() string {
		f, err := s.source().Fingerprint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := get()
	_, taken, _ := take(t, s.source())
	if again := get(); again != first || taken.Fingerprint != first {
		t.Errorf("%s, %s, %s without a write", first, again, taken.Fingerprint)
	}
	put(t, c, "a", "1")
	if get() == first {
		t.Error("it is the same after a write")
	}
}

func TestADatabaseOfARunningMemberIsNotRead(t *testing.T) {
	t.Parallel()
	s := start(t, "http")
	s.client(t)
	path := filepath.Join(s.dir, "data", "member", "snap", "db")
	_, err := etcd.File{Path: path, NoHash: true}.Save(&memory{})
	if err == nil || !strings.Contains(err.Error(), "endpoint") {
		t.Errorf("while it runs: %v", err)
	}
}

func TestACopiedDatabaseOfAStoppedMemberIsRestoredWithoutAHash(t *testing.T) {
	t.Parallel()
	s := start(t, "http")
	fill(t, s.client(t), 60)
	_ = s.cmd.Process.Signal(os.Interrupt)
	_ = s.cmd.Wait()
	m := &memory{}
	if _, err := (etcd.File{Path: filepath.Join(s.dir, "data", "member", "snap", "db"), NoHash: true}).Save(m); err != nil {
		t.Fatal(err)
	}
	report, err := etcd.Prove(t.Context(), file(t, m.data), filepath.Join(short(t), "d"))
	if err != nil || report.Info.Hash != "none" || report.Compared != report.Info.Keys || report.Compared < 40 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestKeysWithLeasesThatEndAreComparedAsTheyWere(t *testing.T) {
	t.Parallel()
	s := start(t, "http")
	c := s.client(t)
	lease, err := c.Grant(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(t.Context(), "short", "lived", clientv3.WithLease(lease.ID)); err != nil {
		t.Fatal(err)
	}
	path, _, _ := take(t, s.source())
	report, err := etcd.Prove(t.Context(), path, filepath.Join(short(t), "d"))
	if err != nil || report.Compared != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestUsersOfEtcdAreAskedForAndDoNotHinderTheProof(t *testing.T) {
	t.Parallel()
	s := start(t, "http")
	c := s.client(t)
	put(t, c, "secret", "value")
	ctx := t.Context()
	_, err1 := c.UserAdd(ctx, "root", "right")
	_, err2 := c.UserGrantRole(ctx, "root", "root")
	_, err3 := c.UserAdd(ctx, "guest", "guest")
	_, err4 := c.AuthEnable(ctx)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	as := func(user, password string) etcd.Source {
		source := s.source()
		source.User, source.Password = user, func() (string, error) { return password, nil }
		return source
	}
	for name, source := range map[string]etcd.Source{
		"nobody": s.source(), "a wrong password": as("root", "not-it"), "not root": as("guest", "guest"),
	} {
		_, err := source.Save(ctx, &memory{})
		if envelope.ClassOf(err) != envelope.Denied {
			t.Errorf("%s: class %q of %v", name, envelope.ClassOf(err), err)
		}
		var none *etcd.Unreachable
		if !errors.As(err, &none) || len(none.Hints()) != 1 || strings.Contains(err.Error(), "not-it") {
			t.Errorf("%s: %v", name, err)
		}
	}
	path, _, _ := take(t, as("root", "right"))
	report, err := etcd.Prove(ctx, path, filepath.Join(short(t), "d"))
	if err != nil || !report.Info.Auth || !report.AuthOff || report.Compared != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

// authority signs certificates for a test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	var der []byte
	a.key, der = a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = a.write(t, name+".crt", "CERTIFICATE", der)
	return a
}

func (a *authority) sign(t *testing.T, c *x509.Certificate) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := c, key
	if a.cert != nil {
		parent, by = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pair issues a certificate for a member or a client.
func (a *authority) pair(t *testing.T, name string, addresses ...net.IP) (cert, key string) {
	t.Helper()
	k, der := a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: addresses, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return a.write(t, name+".crt", "CERTIFICATE", der), a.write(t, name+".key", "PRIVATE KEY", pkcs8)
}

func TestCertificatesThatDoNotFitAreToldApart(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	cert, key := ours.pair(t, "member", net.IPv4(127, 0, 0, 1))
	s := start(t, "https", "--cert-file", cert, "--key-file", key, "--trusted-ca-file", ours.file, "--client-cert-auth")
	good, goodKey := ours.pair(t, "client")
	bad, badKey := theirs.pair(t, "client")
	source := func(ca, cert, key string) etcd.Source {
		return etcd.Source{Endpoints: []string{s.endpoint}, CACert: ca, Cert: cert, Key: key, DialTimeout: 20 * time.Second}
	}
	right := source(ours.file, good, goodKey)
	await(t, right)
	plain := etcd.Source{Endpoints: []string{strings.Replace(s.endpoint, "https", "http", 1)}, DialTimeout: 20 * time.Second}
	localhost := right
	localhost.Endpoints = []string{strings.Replace(s.endpoint, "127.0.0.1", "localhost", 1)}
	for name, test := range map[string]struct {
		source etcd.Source
		part   string // of a hint, or of the failure
	}{
		"another CA":                  {source(theirs.file, good, goodKey), "signed by another CA"},
		"no client certificate":       {source(ours.file, "", ""), "client certificate"},
		"another's client":            {source(ours.file, bad, badKey), "client certificate"},
		"a certificate without a key": {source(ours.file, good, ""), "give both"},
		"plain HTTP":                  {plain, "https://"},
		"certificates and http":       {etcd.Source{Endpoints: plain.Endpoints, CACert: ours.file}, "https://"},
		"no such file":                {source(filepath.Join(t.TempDir(), "none"), "", ""), "no such file"},
		"a key for a CA":              {source(goodKey, "", ""), "has none in PEM"},
	} {
		_, err := test.source.Save(t.Context(), &memory{})
		var none *etcd.Unreachable
		if !errors.As(err, &none) || !strings.Contains(err.Error()+strings.Join(none.Hints(), " "), test.part) {
			t.Errorf("%s: %v, hints %v", name, err, none)
		}
	}
	if _, _, m := take(t, right); len(m.data) == 0 {
		t.Error("nothing was taken with the right ones")
	}
	if _, err := localhost.Save(t.Context(), &memory{}); err == nil || !strings.Contains(err.Error(), "localhost") {
		t.Errorf("by another name: %v", err)
	}
}

// await asks until a member with TLS answers.
func await(t *testing.T, s etcd.Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		_, err := s.Fingerprint(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for etcd: %v", err)
		case <-tick.C:
		}
	}
}

func TestAProofOfADamagedSnapshotStartsNothing(t *testing.T) {
	t.Parallel()
	s := start(t, "http")
	fill(t, s.client(t), 60)
	path, _, _ := take(t, s.source())
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	scratch := filepath.Join(short(t), "d")
	if _, err := etcd.Prove(t.Context(), file(t, data), scratch); envelope.ClassOf(err) != envelope.Corrupt {
		t.Errorf("a flipped bit: %v", err)
	}
	if _, err := etcd.Prove(t.Context(), file(t, data[:len(data)/2]), scratch); envelope.ClassOf(err) != envelope.Truncated {
		t.Errorf("half of it: %v", err)
	}
	if _, err := os.Stat(scratch); err == nil {
		t.Error("something was restored")
	}
	// The scratch directory is to be empty: nothing in it is taken for the restored one.
	if _, err := etcd.Prove(t.Context(), path, s.dir); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a directory with something in it: %v", err)
	}
}

func TestAProofSaysWhichProgramIsMissing(t *testing.T) {
	path := file(t, hashed(database(t, 3)))
	t.Setenv("PATH", t.TempDir())
	_, err := etcd.Prove(t.Context(), path, filepath.Join(t.TempDir(), "d"))
	var missing *etcd.Missing
	if !errors.As(err, &missing) || missing.Error() != "proving the snapshot: etcd is not on PATH" {
		t.Errorf("%v", err)
	}
}

func TestARestoreThatGivesOtherKeysIsNoProof(t *testing.T) {
	s, other := start(t, "http"), start(t, "http")
	put(t, s.client(t), "key", "value")
	path, _, _ := take(t, s.source())
	real, err := exec.LookPath("etcdctl")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	// The program that restores takes another snapshot than it is told to.
	restorer := func(snapshot string) {
		script := "#!/bin/sh\nshift 3\nexec " + real + " snapshot restore " + snapshot + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(bin, "etcdutl"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := other.client(t)
	for _, step := range []struct{ key, value, part string }{
		{"key", "other", "is not as it is in the snapshot"},
		{"stranger", "value", "that the snapshot lacks"},
	} {
		put(t, c, step.key, step.value)
		otherPath, _, _ := take(t, other.source())
		restorer(otherPath)
		_, err := etcd.Prove(t.Context(), path, filepath.Join(short(t), "d"))
		if envelope.ClassOf(err) != envelope.Corrupt || !strings.Contains(err.Error(), step.part) {
			t.Errorf("%s=%s: %v", step.key, step.value, err)
		}
		other.kill()
		other = start(t, "http")
		c = other.client(t)
	}
	restorer(path)
	if report, err := etcd.Prove(t.Context(), path, filepath.Join(short(t), "d")); err != nil || !strings.HasPrefix(report.Restorer, bin) {
		t.Errorf("the right snapshot: %+v, %v", report, err)
	}
}
