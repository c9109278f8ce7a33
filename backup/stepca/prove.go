package stepca

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/crypto/ssh"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/internal/boltfile"
)

// Report is what a restored CA showed.
type Report struct {
	CA *CA
	// Proven and NotProven are sentences: what was shown, and what was not and why.
	Proven, NotProven []string
	Warnings          []string
	// Root is the subject of the root that the issued certificate chains to, Until when
	// the chain ends.
	Root  string
	Until time.Time
}

// soon is how long before its end a certificate is warned of.
const soon = 60 * 24 * time.Hour

// Prove shows that a CA still signs: its keys open with the password, the intermediate's
// key is that of its certificate, and a certificate that it issues, in memory and for an
// hour, chains to the root. step-ca is not run and nothing is written. now is the time at
// which certificates have to be valid.
//
// The database is looked at from outside only: that its files are there. Keys in a KMS
// are not used. NotProven says so. Failures have a class: NoKey for a password that does
// not open, Corrupt for keys and certificates that do not belong together, NotFound for
// what is missing.
func Prove(ctx context.Context, p Place, now time.Time) (Report, error) {
	ca, err := Read(p)
	if err != nil {
		return Report{}, err
	}
	d := &proving{ca: ca, now: now, report: Report{CA: ca, Warnings: ca.Warnings}}
	d.shown("every file that %s names is there (%d)", filepath.Base(ca.Config), len(ca.Files))
	for _, step := range []func() error{d.secret, d.certificates, d.signing, d.rootKey, d.sshKeys, d.database} {
		if err := ctx.Err(); err != nil {
			return d.report, fmt.Errorf("proving the CA: %w", err)
		}
		if err := step(); err != nil {
			return d.report, fmt.Errorf("proving the CA: %w", err)
		}
	}
	return d.report, nil
}

type proving struct {
	ca       *CA
	now      time.Time
	password []byte
	roots    []*x509.Certificate
	chain    []*x509.Certificate // the intermediate first
	report   Report
}

func (d *proving) shown(format string, args ...any) {
	d.report.Proven = append(d.report.Proven, fmt.Sprintf(format, args...))
}

func (d *proving) open(format string, args ...any) {
	d.report.NotProven = append(d.report.NotProven, fmt.Sprintf(format, args...))
}

// path is where the file of a role lies; empty when there is none.
func (d *proving) path(role string) string {
	for _, f := range d.ca.Files {
		if f.Role == role {
			return f.Path
		}
	}
	return ""
}

func (d *proving) secret() (err error) {
	d.password = []byte(d.ca.config.Password)
	if f := d.ca.Place.PasswordFile; f != "" {
		d.password, err = readPassword(f)
	}
	return err
}

func (d *proving) certificates() error {
	for _, f := range d.ca.Files {
		if f.Role != "root" && !strings.HasPrefix(f.Role, "root[") {
			continue
		}
		found, err := bundle(f.Path)
		if err != nil {
			return err
		}
		d.roots = append(d.roots, found...)
	}
	if crt := d.path("crt"); crt != "" {
		found, err := bundle(crt)
		if err != nil {
			return err
		}
		d.chain = found
	}
	return nil
}

func bundle(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, envelope.OnDisk("reading "+"the certificate", err)
	}
	var found []*x509.Certificate
	for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the certificate %s: %w", path, err))
		}
		found = append(found, c)
	}
	if len(found) == 0 {
		return nil, envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the certificate %s: it has none in PEM", path))
	}
	return found, nil
}

// signing issues a certificate by the intermediate and follows it to a root.
func (d *proving) signing() error {
	path := d.path("key")
	if path == "" || len(d.chain) == 0 || len(d.roots) == 0 {
		d.open("that the CA signs: the intermediate's key is in no file (%s)", strings.Join(d.ca.External, "; "))
		return nil
	}
	key, err := openKey(path, d.password)
	if err != nil {
		return err
	}
	if !same(key.Public(), d.chain[0].PublicKey) {
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("the key %s is not that of the certificate %s", path, d.path("crt")))
	}
	d.shown("the intermediate's key opens and is that of its certificate")
	leaf, err := d.issue(key)
	if err != nil {
		return err
	}
	return d.follow(leaf)
}

func same(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// issue signs the intermediate's own public key, so that no other key has to be made. It
// has no names, which constraints of the CA could forbid.
func (d *proving) issue(key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "keyreach drill"},
		NotBefore: d.now.Add(-time.Minute), NotAfter: d.now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, d.chain[0], key.Public(), key)
	if err != nil {
		return nil, envelope.Fail(envelope.Corrupt, fmt.Errorf("issuing a certificate: %w", err))
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("issuing a certificate: %w", err)
	}
	return c, nil
}

func (d *proving) follow(leaf *x509.Certificate) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range d.roots {
		roots.AddCert(c)
	}
	for _, c := range d.chain {
		between.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: d.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("following an issued certificate to the root: %w", d.reason(err)))
	}
	chain := chains[0]
	root := chain[len(chain)-1]
	d.report.Root, d.report.Until = root.Subject.String(), root.NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(d.report.Until) {
			d.report.Until = c.NotAfter
		}
		if left := c.NotAfter.Sub(d.now); left < soon {
			d.report.Warnings = append(d.report.Warnings, fmt.Sprintf("the certificate %s ends in %d days, on %s", c.Subject, int(left.Hours()/24), c.NotAfter.UTC().Format(time.DateOnly)))
		}
	}
	d.shown("a certificate that it issued chains to the root %s", d.report.Root)
	return nil
}

// reason puts the end of a certificate before what follows from it.
func (d *proving) reason(err error) error {
	for _, c := range append(append([]*x509.Certificate{}, d.chain...), d.roots...) {
		if d.now.After(c.NotAfter) {
			return fmt.Errorf("the certificate %s ended on %s: %w", c.Subject, c.NotAfter.UTC().Format(time.DateOnly), err)
		}
	}
	return err
}

// rootKey is proven when it is there; many keep it in another place, as they should.
func (d *proving) rootKey() error {
	path := filepath.Join(d.ca.Place.Dir, "secrets", "root_ca_key")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		d.open("that the root signs: its key is not in secrets/root_ca_key, and may be kept elsewhere")
		return nil
	}
	key, err := openKey(path, d.password)
	if envelope.ClassOf(err) == envelope.NoKey {
		d.open("that the root signs: its key has another password than that of the intermediate")
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range d.roots {
		if same(key.Public(), c.PublicKey) {
			d.shown("the root's key opens and is that of its certificate")
			return nil
		}
	}
	return envelope.Fail(envelope.Corrupt, fmt.Errorf("the key %s is that of no root certificate", path))
}

// sshKeys signs an SSH certificate with each key and checks it. See
// https://smallstep.com/docs/step-ca/basic-certificate-authority-operations/.
func (d *proving) sshKeys() error {
	for i, role := range []string{"ssh.userKey", "ssh.hostKey"} {
		kind, path := []uint32{ssh.UserCert, ssh.HostCert}[i], d.path(role)
		if path == "" {
			continue
		}
		key, err := openKey(path, d.password)
		if errors.Is(err, ErrPassword) {
			d.open("that %s signs: it has another password than the intermediate", role)
			continue
		}
		if err != nil {
			return err
		}
		if err := d.signSSH(key, kind); err != nil {
			return envelope.Fail(envelope.Corrupt, fmt.Errorf("signing by %s: %w", role, err))
		}
		if err := public(role, d.ca.Place.Dir, key); err != nil {
			return err
		}
		d.shown("the key of %s opens and signs", role)
	}
	return nil
}

func (d *proving) signSSH(key crypto.Signer, kind uint32) error {
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return err
	}
	c := &ssh.Certificate{
		Key: signer.PublicKey(), Serial: 1, CertType: kind, KeyId: "keyreach drill", ValidPrincipals: []string{"drill"},
		ValidAfter: uint64(d.now.Add(-time.Minute).Unix()), ValidBefore: uint64(d.now.Add(time.Hour).Unix()),
	}
	if err := c.SignCert(rand.Reader, signer); err != nil {
		return err
	}
	checker := &ssh.CertChecker{Clock: func() time.Time { return d.now }}
	return checker.CheckCert("drill", c)
}

// public compares a key with the public one that step writes for clients, when it is
// there: certs/ssh_host_ca_key.pub.
func public(role, dir string, key crypto.Signer) error {
	name := map[string]string{"ssh.hostKey": "ssh_host_ca_key.pub", "ssh.userKey": "ssh_user_ca_key.pub"}[role]
	path := filepath.Join(dir, "certs", name)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return envelope.OnDisk("reading "+"the public key", err)
	}
	want, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the public key %s: %w", path, err))
	}
	got, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("reading the key of %s: %w", role, err)
	}
	if string(got.Marshal()) != string(want.Marshal()) {
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("the key of %s is not that of %s", role, path))
	}
	return nil
}

// database shows as much as can be seen without the database's own code.
func (d *proving) database() error {
	db := d.ca.Database
	if len(db.Paths) == 0 {
		d.open("the records of issued and revoked certificates: the CA's database is %s", db.Type)
		return nil
	}
	if db.Type != "bbolt" {
		// Badger replays this file to learn which others it has.
		info, err := os.Stat(filepath.Join(db.Paths[0], "MANIFEST"))
		if err != nil {
			return envelope.OnDisk("reading "+"the database", err)
		}
		if info.Size() == 0 {
			return envelope.Fail(envelope.Truncated, fmt.Errorf("reading the database: %s is empty", filepath.Join(db.Paths[0], "MANIFEST")))
		}
		d.shown("the %s database has its files", db.Type)
		d.open("that the %s database opens: only step-ca reads it", db.Type)
		return nil
	}
	return d.bbolt(db.Paths[0])
}

func (d *proving) bbolt(path string) error {
	db, err := boltfile.Open(path)
	var damaged *boltfile.Damage
	switch {
	case errors.As(err, &damaged) && damaged.Short:
		return envelope.Fail(envelope.Truncated, fmt.Errorf("reading the database %s: %w", path, err))
	case errors.As(err, &damaged):
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the database %s: %w", path, err))
	case err != nil:
		return envelope.OnDisk("reading "+"the database", err)
	}
	defer db.Close()
	tables := 0
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func([]byte, *bbolt.Bucket) error {
			tables++
			return nil
		})
	})
	if err != nil {
		return envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the database %s: %w", path, err))
	}
	d.shown("the bbolt database opens and is consistent (%d tables)", tables)
	d.open("that the records of the database are those that it is to have")
	return nil
}
