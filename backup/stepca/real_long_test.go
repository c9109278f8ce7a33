//go:build long

package stepca_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyreach/keyreach/backup/stepca"
)

const version = "v0.30.2"

// program builds step-ca, once for a machine.
func program(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("there is no directory to build step-ca into: %v", err)
	}
	dir := filepath.Join(cache, "keyreach-test", "step-ca-"+version)
	path := filepath.Join(dir, "step-ca")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.Command("go", "install", "github.com/smallstep/certificates/cmd/step-ca@"+version)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("step-ca does not build here: %v: %s", err, out[max(0, len(out)-300):])
	}
	return path
}

// running is a step-ca.
type running struct {
	url    string
	cmd    *exec.Cmd
	log    bytes.Buffer
	client *http.Client
}

func run(t *testing.T, c *ca, program string) *running {
	t.Helper()
	r := &running{url: "https://" + c.conf["address"].(string), cmd: exec.Command(program, c.at("config/ca.json"), "--password-file", c.at("secrets/password"))}
	r.cmd.Env = []string{"STEPPATH=" + c.dir, "HOME=" + t.TempDir()}
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	roots := x509.NewCertPool()
	roots.AddCert(c.root)
	r.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for range 300 {
		<-ticker.C
		answer, err := r.client.Get(r.url + "/health")
		if err == nil {
			answer.Body.Close()
			return r
		}
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	t.Fatalf("step-ca does not answer: %s", r.log.String())
	return nil
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	r.client.CloseIdleConnections()
	_ = r.cmd.Process.Signal(os.Interrupt)
	if err := r.cmd.Wait(); err != nil {
		t.Logf("step-ca ended: %v", err)
	}
}

// sign asks for a certificate with a token, and follows it to the root.
func (r *running) sign(t *testing.T, c *ca, token string) error {
	t.Helper()
	key := newKey(t)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "drill.test"}, DNSNames: []string{"drill.test"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"csr": string(pemOf("CERTIFICATE REQUEST", der)), "ott": token})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.client.Post(r.url+"/1.0/sign", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	var signed struct{ Crt, CA string }
	if err := json.Unmarshal(text, &signed); err != nil {
		return err
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(c.root)
	between.AppendCertsFromPEM([]byte(signed.CA))
	b, _ := pem.Decode([]byte(signed.Crt))
	leaf, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: "drill.test"})
	return err
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// token is what step ca token makes: good for one certificate.
func token(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	now := time.Now()
	head, err1 := json.Marshal(map[string]string{"alg": "ES256", "kid": "drill", "typ": "JWT"})
	claims, err2 := json.Marshal(map[string]any{
		"iss": "drill", "aud": "https://localhost/1.0/sign", "sub": "drill.test", "sans": []string{"drill.test"},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": rand.Text(),
	})
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	text := encode(head) + "." + encode(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(append(pad(r), pad(s)...))
}

func pad(n *big.Int) []byte { return n.FillBytes(make([]byte, 32)) }

func TestARealStepCARestoredFromABackupSignsAndKnowsWhatItSignedBefore(t *testing.T) {
	t.Parallel()
	path := program(t)
	c := lay(t)
	key := newKey(t)
	public, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := os.RemoveAll(c.at("db")); err != nil {
		t.Fatal(err)
	}
	c.conf["address"] = l.Addr().String()
	c.conf["db"] = map[string]any{"type": "badgerv2", "dataSource": c.at("db")}
	c.conf["authority"] = map[string]any{"provisioners": []any{map[string]any{"type": "JWK", "name": "drill", "key": map[string]string{
		"use": "sig", "kty": "EC", "kid": "drill", "crv": "P-256", "alg": "ES256", "x": encode(public[1:33]), "y": encode(public[33:]),
	}}}}
	c.conf["templates"] = nil
	c.save(t)

	old := run(t, c, path)
	used := token(t, key)
	if err := old.sign(t, c, used); err != nil {
		t.Fatal(err)
	}
	if _, saved, err := keep(t, stepca.Place{Dir: c.dir}, ""); err != nil || saved.Quiesced != stepca.No || len(saved.Warnings) == 0 {
		t.Errorf("while step-ca runs: %+v, %v", saved, err)
	}
	old.stop(t)
	place, _, saved := restore(t, stepca.Place{Dir: c.dir}, "")
	if saved.Quiesced != stepca.Yes {
		t.Errorf("after it stopped: %+v", saved)
	}
	report, err := stepca.Prove(t.Context(), place, time.Now())
	if err != nil || !strings.Contains(strings.Join(report.Proven, "\n"), "badgerv2 database has its files") {
		t.Fatalf("%q, %v", report.Proven, err)
	}
	// The host is lost, and the copy takes its place.
	if err := os.RemoveAll(c.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(place.Dir, c.dir); err != nil {
		t.Fatal(err)
	}
	again := run(t, c, path)
	defer again.stop(t)
	if err := again.sign(t, c, token(t, key)); err != nil {
		t.Errorf("the restored CA does not sign: %v", err)
	}
	if err := again.sign(t, c, used); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a token that was used before the backup: %v", err)
	}
}
