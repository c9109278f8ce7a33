package stepca_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/backup/stepca"
)

func TestARestoredCASignsCertificatesThatChainToTheOldRoot(t *testing.T) {
	t.Parallel()
	c := lay(t)
	place, notes, saved := restore(t, stepca.Place{Dir: c.dir}, "")
	// What is proven is the copy: the old one is gone.
	if err := os.RemoveAll(c.dir); err != nil {
		t.Fatal(err)
	}
	report, err := stepca.Prove(t.Context(), place, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if report.Root != "CN=Test Root CA" || len(report.Warnings) > 0 {
		t.Errorf("root %s, warnings %q", report.Root, report.Warnings)
	}
	text := strings.Join(report.Proven, "\n")
	for _, part := range []string{
		"every file", "intermediate's key opens", "chains to the root CN=Test Root CA", "root's key opens",
		"ssh.hostKey opens and signs", "ssh.userKey opens and signs", "bbolt database opens",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("not proven: %s, only\n%s", part, text)
		}
	}
	if saved.Quiesced != stepca.Yes || notes[stepca.NoteQuiesced] != "yes" || notes[stepca.NoteChanged] != "no" || notes[stepca.NoteHome] != c.dir || notes[stepca.NotePassword] != "secrets/password" {
		t.Errorf("saved %+v, notes %v", saved, notes)
	}
}

func TestEveryFileThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		gone []string
		want []string // roles
	}{
		"the root":                   {[]string{"certs/root_ca.crt"}, []string{"root"}},
		"the intermediate":           {[]string{"certs/intermediate_ca.crt"}, []string{"crt"}},
		"the key":                    {[]string{"secrets/intermediate_ca_key"}, []string{"key"}},
		"the database":               {[]string{"db/step.db"}, []string{"db.dataSource"}},
		"the password":               {[]string{"secrets/password"}, []string{"the password of the keys"}},
		"a key of SSH":               {[]string{"secrets/ssh_host_ca_key"}, []string{"ssh.hostKey"}},
		"a template":                 {[]string{"templates/leaf.tpl"}, []string{"provisioner acme, options.x509.templateFile"}},
		"a template of SSH":          {[]string{"templates/ssh/config.tpl"}, []string{"templates.ssh config.tpl"}},
		"all that was left out once": {[]string{"certs", "db"}, []string{"root", "crt", "db.dataSource"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := lay(t)
			for _, f := range test.gone {
				if err := os.RemoveAll(c.at(f)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := stepca.Read(stepca.Place{Dir: c.dir})
			var missing *stepca.MissingError
			if !errors.As(err, &missing) || envelope.ClassOf(err) != envelope.NotFound {
				t.Fatalf("%v", err)
			}
			var roles []string
			for _, f := range missing.Files {
				roles = append(roles, f.Role)
			}
			if !slices.Equal(roles, test.want) {
				t.Errorf("missing are %q, want %q", roles, test.want)
			}
		})
	}
}

func TestAConfigurationThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	c := lay(t)
	c.write(t, "config/ca.json", []byte(`{"password": "hidden", "root": `), 0o600)
	if _, err := stepca.Read(stepca.Place{Dir: c.dir}); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("half of it: %v", err)
	}
	c.write(t, "config/ca.json", []byte(`{"root": 7}`), 0o600)
	if _, err := stepca.Read(stepca.Place{Dir: c.dir}); err == nil {
		t.Error("a root that is a number is taken")
	}
	c.write(t, "config/ca.json", []byte(`{}`), 0o600)
	if _, err := stepca.Read(stepca.Place{Dir: c.dir}); envelope.ClassOf(err) != envelope.NotFound || !strings.Contains(err.Error(), "(crt)") {
		t.Errorf("an empty one: %v", err)
	}
	if _, err := stepca.Read(stepca.Place{Dir: t.TempDir()}); envelope.ClassOf(err) != envelope.NotFound {
		t.Errorf("none: %v", err)
	}
}

func TestWhatLiesOutsideIsSavedAndFoundAgain(t *testing.T) {
	t.Parallel()
	c := lay(t)
	away := t.TempDir()
	for _, d := range []string{"values", "db2"} {
		if err := os.MkdirAll(filepath.Join(away, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{"values/000001.vlog": "values", "db2/MANIFEST": "manifest", "db2/000001.sst": "table", "password.txt": password, "other_root.crt": string(pemOf("CERTIFICATE", c.root.Raw))}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(away, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(c.at("secrets/password")); err != nil {
		t.Fatal(err)
	}
	c.conf["db"] = map[string]any{"type": "badgerv2", "dataSource": filepath.Join(away, "db2"), "valueDir": filepath.Join(away, "values")}
	c.conf["root"] = []string{c.at("certs/root_ca.crt"), filepath.Join(away, "other_root.crt")}
	c.write(t, "../federated.crt", []byte("federated"), 0o600)
	c.conf["federatedRoots"] = []string{"../federated.crt", "../../federated.crt"} // of STEPPATH, and of ca.json
	c.save(t)
	place, notes, _ := restore(t, stepca.Place{Dir: c.dir, PasswordFile: filepath.Join(away, "password.txt")}, stepca.Yes)
	for _, dir := range []string{c.dir, away, c.at("../federated.crt")} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	report, err := stepca.Prove(t.Context(), place, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range report.CA.Files {
		text, err := os.ReadFile(f.Path)
		if rel, cut := strings.CutPrefix(f.Named, away+"/"); cut && err == nil {
			found[rel] = string(text) == files[rel]
		}
		if strings.HasPrefix(f.Role, "federatedRoots") {
			found[f.Named] = string(text) == "federated" && strings.HasPrefix(f.Path, place.Dir)
		}
	}
	for i := range 5 {
		if origin := notes[fmt.Sprintf("%s-%d", stepca.NoteOutside, i)]; !strings.HasPrefix(origin, away) && origin != filepath.Join(c.dir, "..", "federated.crt") {
			t.Errorf("notes %v", notes)
		}
	}
	if !found["other_root.crt"] || !found["../federated.crt"] || !found["../../federated.crt"] || !strings.HasPrefix(notes[stepca.NotePassword], stepca.OutsideDir) {
		t.Errorf("found %v, notes %v", found, notes)
	}
	if values, err := os.ReadFile(filepath.Join(report.CA.Database.Paths[1], "000001.vlog")); err != nil || string(values) != "values" {
		t.Errorf("the values are %q, %v", values, err)
	}
}

func TestARestoredCAIsNotProvenByTheFilesOfTheOldOne(t *testing.T) {
	t.Parallel()
	c := lay(t)
	place, notes, _ := restore(t, stepca.Place{Dir: c.dir}, "")
	if err := os.Remove(filepath.Join(place.Dir, "certs", "intermediate_ca.crt")); err != nil {
		t.Fatal(err)
	}
	if _, err := stepca.Prove(t.Context(), place, time.Now()); envelope.ClassOf(err) != envelope.NotFound {
		t.Errorf("while the old one is there: %v", err)
	}
	// A note that leads out of the directory leads nowhere.
	notes[stepca.NotePassword] = "../../step/secrets/password"
	if p := stepca.Restored(place.Dir, notes); p.PasswordFile != "" {
		t.Errorf("the password is read from %s", p.PasswordFile)
	}
}

func TestKeysThatDoNotOpenOrBelongToOthersAreToldApart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(t *testing.T, c *ca)
		want   envelope.Class
		part   string
	}{
		"a wrong password":        {func(t *testing.T, c *ca) { c.write(t, "secrets/password", []byte("wrong"), 0o600) }, envelope.NoKey, "password"},
		"an empty password":       {func(t *testing.T, c *ca) { c.write(t, "secrets/password", nil, 0o600) }, envelope.NoKey, "password"},
		"the key of another CA":   {func(t *testing.T, c *ca) { c.write(t, "secrets/intermediate_ca_key", sealPEM(t, newKey(t)), 0o600) }, envelope.Corrupt, "is not that of the certificate"},
		"the root key of another": {func(t *testing.T, c *ca) { c.write(t, "secrets/root_ca_key", sealPEM(t, newKey(t)), 0o600) }, envelope.Corrupt, "no root certificate"},
		"the SSH key of another":  {func(t *testing.T, c *ca) { c.write(t, "secrets/ssh_host_ca_key", sealPEM(t, newKey(t)), 0o600) }, envelope.Corrupt, "ssh_host_ca_key.pub"},
		"the root of another CA": {func(t *testing.T, c *ca) {
			c.write(t, "certs/root_ca.crt", pemOf("CERTIFICATE", lay(t).root.Raw), 0o600)
		}, envelope.Corrupt, "unknown authority"},
		"a key that is no PEM":       {func(t *testing.T, c *ca) { c.write(t, "secrets/intermediate_ca_key", []byte("x"), 0o600) }, envelope.Corrupt, "not PEM"},
		"an empty certificate":       {func(t *testing.T, c *ca) { c.write(t, "certs/intermediate_ca.crt", nil, 0o600) }, envelope.Corrupt, "none in PEM"},
		"an intermediate that ended": {func(t *testing.T, c *ca) { c.issue(t, time.Hour*48, time.Minute) }, envelope.Corrupt, "ended on"},
		"a database cut in half": {func(t *testing.T, c *ca) {
			if err := os.Truncate(c.at("db/step.db"), 8192); err != nil {
				t.Fatal(err)
			}
		}, envelope.Truncated, "step.db"},
		"a database of zeros": {func(t *testing.T, c *ca) { c.write(t, "db/step.db", make([]byte, 65536), 0o600) }, envelope.Corrupt, "step.db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := lay(t)
			test.change(t, c)
			_, err := stepca.Prove(t.Context(), stepca.Place{Dir: c.dir}, time.Now())
			if got := envelope.ClassOf(err); got != test.want || err == nil || !strings.Contains(err.Error(), test.part) {
				t.Errorf("class %q of %v, want %q", got, err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

func TestKeysOpenInEveryFormThatStepWrites(t *testing.T) {
	t.Parallel()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]func(t *testing.T, c *ca) []byte{
		"PEM's own encryption": func(t *testing.T, c *ca) []byte { return sealPEM(t, c.keys[1]) },
		"PKCS #8 by PBES2":     func(t *testing.T, c *ca) []byte { return sealPKCS8(t, c.keys[1]) },
	} {
		c := lay(t)
		c.write(t, "secrets/intermediate_ca_key", key(t, c), 0o600)
		// A key of SSH that is Ed25519 is always PKCS #8.
		c.write(t, "secrets/ssh_user_ca_key", sealPKCS8(t, ed), 0o600)
		if err := os.Remove(c.at("certs/ssh_user_ca_key.pub")); err != nil {
			t.Fatal(err)
		}
		if _, err := stepca.Prove(t.Context(), stepca.Place{Dir: c.dir}, time.Now()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c.write(t, "secrets/password", []byte("wrong"), 0o600)
		if _, err := stepca.Prove(t.Context(), stepca.Place{Dir: c.dir}, time.Now()); envelope.ClassOf(err) != envelope.NoKey {
			t.Errorf("%s, by a wrong password: %v", name, err)
		}
	}
}

func TestModesAndOwnersOfARestoredCAAreThoseOfTheOldOne(t *testing.T) {
	t.Parallel()
	c := lay(t)
	if err := os.Chmod(c.at("secrets/root_ca_key"), 0o400); err != nil {
		t.Fatal(err)
	}
	root := os.Geteuid() == 0
	if root {
		if err := os.Chown(c.at("secrets/intermediate_ca_key"), 4242, 4243); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Log("owners are not tried: only root can set them")
	}
	place, _, _ := restore(t, stepca.Place{Dir: c.dir}, "")
	err := filepath.WalkDir(c.dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(c.dir, p)
		old, err1 := os.Lstat(p)
		now, err2 := os.Lstat(filepath.Join(place.Dir, rel))
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if old.Mode() != now.Mode() || !old.IsDir() && !old.ModTime().Equal(now.ModTime()) {
			t.Errorf("%s: %v %v, was %v %v", rel, now.Mode(), now.ModTime(), old.Mode(), old.ModTime())
		}
		a, b := old.Sys().(*syscall.Stat_t), now.Sys().(*syscall.Stat_t)
		if root && (a.Uid != b.Uid || a.Gid != b.Gid) {
			t.Errorf("%s: owner %d:%d, was %d:%d", rel, b.Uid, b.Gid, a.Uid, a.Gid)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// touched is a Writer that does something when it has taken a file.
type touched struct {
	after string
	do    func()
}

func (w *touched) Dir(string, fs.FileInfo) error             { return nil }
func (w *touched) Symlink(string, string, fs.FileInfo) error { return nil }
func (w *touched) Note(string, string)                       {}
func (w *touched) File(path string, _ fs.FileInfo, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	if path == w.after {
		w.do()
	}
	return err
}

func TestADatabaseThatIsInUseIsCopiedWithAWarningOrNotAtAll(t *testing.T) {
	t.Parallel()
	c := lay(t)
	db, err := bbolt.Open(c.at("db/step.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, saved, err := keep(t, stepca.Place{Dir: c.dir}, "")
	if err != nil || saved.Quiesced != stepca.No || len(saved.Warnings) != 1 || !strings.Contains(saved.Warnings[0], "may be torn") {
		t.Errorf("%+v, %v", saved, err)
	}
	if _, _, err := keep(t, stepca.Place{Dir: c.dir}, stepca.Yes); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("said to stand still: %v", err)
	}
	ca, err := stepca.Read(stepca.Place{Dir: c.dir})
	if err != nil {
		t.Fatal(err)
	}
	write := func() {
		err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("x509_certs")).Put([]byte("2"), []byte("another")) })
		if err != nil {
			t.Error(err)
		}
	}
	saved, err = ca.Save(t.Context(), &touched{"certs/root_ca.crt", write}, "")
	if err != nil || !slices.Equal(saved.Changed, []string{"step.db"}) || !strings.Contains(strings.Join(saved.Warnings, " "), "CHANGED") {
		t.Errorf("written to meanwhile: %+v, %v", saved, err)
	}
}

func TestADatabaseThatStandsStillIsKeptFromStarting(t *testing.T) {
	t.Parallel()
	c := lay(t)
	ca, err := stepca.Read(stepca.Place{Dir: c.dir})
	if err != nil {
		t.Fatal(err)
	}
	tried := false
	open := func() {
		tried = true
		if db, err := bbolt.Open(c.at("db/step.db"), 0o600, &bbolt.Options{Timeout: 10 * time.Millisecond}); err == nil {
			db.Close()
			t.Error("the database could be opened for writing while it was copied")
		}
	}
	saved, err := ca.Save(t.Context(), &touched{"certs/root_ca.crt", open}, "")
	if err != nil || saved.Quiesced != stepca.Yes || !tried || len(saved.Warnings) > 0 {
		t.Errorf("%+v, %v, tried %v", saved, err, tried)
	}
	// A lock does not stop who does not ask for it.
	grow := func() { c.write(t, "db/step.db", []byte("other"), 0o600) }
	if _, err := ca.Save(t.Context(), &touched{"certs/root_ca.crt", grow}, stepca.Yes); envelope.ClassOf(err) != envelope.Corrupt {
		t.Errorf("written to all the same: %v", err)
	}
}

func TestAFileThatChangesWhileItIsReadIsNotSaved(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(c *ca) error{
		"was written to": func(c *ca) error { return os.WriteFile(c.at("config/ca.json"), []byte("{}"), 0o600) },
		"was replaced":   func(c *ca) error { return os.Rename(c.at("config/defaults.json"), c.at("config/ca.json")) },
		"vanished":       func(c *ca) error { return os.Remove(c.at("config/ca.json")) },
	} {
		c := lay(t)
		ca, err := stepca.Read(stepca.Place{Dir: c.dir})
		if err != nil {
			t.Fatal(err)
		}
		_, err = ca.Save(t.Context(), &touched{"config/ca.json", func() {
			if err := change(c); err != nil {
				t.Error(err)
			}
		}}, "")
		var changed *archive.ChangedError
		if !errors.As(err, &changed) || changed.What != what {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestWhatIsInNoFileIsNotedAndWarnedOf(t *testing.T) {
	t.Parallel()
	c := lay(t)
	for _, f := range []string{"secrets/intermediate_ca_key", "db/step.db", "secrets/ssh_host_ca_key", "secrets/ssh_user_ca_key"} {
		if err := os.Remove(c.at(f)); err != nil {
			t.Fatal(err)
		}
	}
	c.conf["kms"] = map[string]any{"type": "awskms", "region": "eu-central-1"}
	c.conf["key"] = "awskms:key-id=f879f239-feb6-4596-9ed2-b1606277c7fe"
	c.conf["ssh"] = map[string]any{"hostKey": "pkcs11:id=1;object=host", "userKey": "f879f239-feb6-4596-9ed2-b1606277c7fe"}
	c.conf["db"] = map[string]any{"type": "postgresql", "dataSource": "postgresql://user:hidden@host:5432/", "database": "step"}
	c.save(t)
	place, notes, saved := restore(t, stepca.Place{Dir: c.dir}, "")
	want := "key in awskms; ssh.hostKey in pkcs11; ssh.userKey in awskms; database in postgresql"
	if notes[stepca.NoteExternal] != want || notes[stepca.NoteDatabase] != "postgresql" {
		t.Errorf("notes %v", notes)
	}
	text := strings.Join(saved.Warnings, "\n")
	if !strings.Contains(text, "THE DATABASE IS NOT IN THIS BACKUP") || !strings.Contains(text, "awskms") || strings.Contains(text, "hidden") {
		t.Errorf("warnings %s", text)
	}
	report, err := stepca.Prove(t.Context(), place, time.Now())
	if err != nil || !strings.Contains(strings.Join(report.NotProven, "\n"), "that the CA signs") || report.Root != "" {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestTheVolumeOfAContainerIsReadByItsOwnPaths(t *testing.T) {
	t.Parallel()
	c := lay(t)
	volume := filepath.Join(t.TempDir(), "volume")
	if err := os.Rename(c.dir, volume); err != nil {
		t.Fatal(err)
	}
	place, notes, _ := restore(t, stepca.Place{Dir: volume}, "")
	if notes[stepca.NoteHome] != c.dir {
		t.Errorf("home is %s", notes[stepca.NoteHome])
	}
	if _, err := stepca.Prove(t.Context(), place, time.Now()); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(volume, "config", "defaults.json")); err != nil {
		t.Fatal(err)
	}
	_, err := stepca.Read(stepca.Place{Dir: volume})
	var missing *stepca.MissingError
	if !errors.As(err, &missing) || !strings.Contains(missing.Hint(), "home") {
		t.Errorf("without knowing the home: %v", err)
	}
	if _, err := stepca.Read(stepca.Place{Dir: volume, Home: c.dir}); err != nil {
		t.Errorf("with the home given: %v", err)
	}
}

func TestASymlinkThatLeadsOutIsSavedAsWhatItLeadsTo(t *testing.T) {
	t.Parallel()
	c := lay(t)
	outside := filepath.Join(t.TempDir(), "real_password")
	if err := os.Rename(c.at("secrets/password"), outside); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(os.Symlink(outside, c.at("secrets/password")), os.Symlink("root_ca.crt", c.at("certs/ca.crt")))
	if err != nil {
		t.Fatal(err)
	}
	place, _, saved := restore(t, stepca.Place{Dir: c.dir}, "")
	if text, err := os.ReadFile(filepath.Join(place.Dir, "secrets", "password")); err != nil || string(text) != password+"\n" {
		t.Errorf("the password is %d bytes, %v", len(text), err)
	}
	if to, err := os.Readlink(filepath.Join(place.Dir, "certs", "ca.crt")); err != nil || to != "root_ca.crt" {
		t.Errorf("the symlink within leads to %s, %v", to, err)
	}
	if len(saved.Warnings) != 1 || !strings.Contains(saved.Warnings[0], "symlink") {
		t.Errorf("warnings %q", saved.Warnings)
	}
}

func TestADatabaseBehindASymlinkIsSavedInItsPlace(t *testing.T) {
	t.Parallel()
	c := lay(t)
	away := filepath.Join(t.TempDir(), "away")
	if err := errors.Join(os.Rename(c.at("db"), away), os.Symlink(away, c.at("db"))); err != nil {
		t.Fatal(err)
	}
	place, _, _ := restore(t, stepca.Place{Dir: c.dir}, "")
	if err := os.RemoveAll(away); err != nil {
		t.Fatal(err)
	}
	report, err := stepca.Prove(t.Context(), place, time.Now())
	if err != nil || !strings.Contains(strings.Join(report.Proven, "\n"), "bbolt database opens") {
		t.Errorf("%q, %v", report.Proven, err)
	}
	around := lay(t)
	if err := os.Symlink(filepath.Dir(around.dir), around.at("db/up")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := keep(t, stepca.Place{Dir: around.dir}, ""); err == nil || !strings.Contains(err.Error(), "lies itself") {
		t.Errorf("a symlink to what it lies in: %v", err)
	}
}

func TestAFingerprintIsTheSameUntilSomethingOfTheCAChanges(t *testing.T) {
	t.Parallel()
	c := lay(t)
	get := func() string {
		ca, err := stepca.Read(stepca.Place{Dir: c.dir})
		if err != nil {
			t.Fatal(err)
		}
		f, err := ca.Fingerprint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	last := get()
	if get() != last {
		t.Fatal("it differs without a change")
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"a template", func() error { return os.WriteFile(c.at("templates/leaf.tpl"), []byte("other"), 0o644) }},
		{"a mode", func() error { return os.Chmod(c.at("secrets/root_ca_key"), 0o400) }},
		{"a new file", func() error { return os.WriteFile(c.at("certs/new"), nil, 0o600) }},
		{"the time of the database", func() error { return os.Chtimes(c.at("db/step.db"), time.Now(), time.Now().Add(time.Second)) }},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		now := get()
		if now == last {
			t.Errorf("it is the same after a change of %s", step.name)
		}
		last = now
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ca, err := stepca.Read(stepca.Place{Dir: c.dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Fingerprint(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestACertificateThatEndsSoonIsWarnedOf(t *testing.T) {
	t.Parallel()
	c := lay(t)
	c.issue(t, 365*24*time.Hour, 20*24*time.Hour)
	report, err := stepca.Prove(t.Context(), stepca.Place{Dir: c.dir}, time.Now())
	if err != nil || len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "Test Intermediate CA ends in 19 days") {
		t.Errorf("%q, %v", report.Warnings, err)
	}
}

func TestAPasswordThatIsKeptElsewhereIsNotAskedFor(t *testing.T) {
	t.Parallel()
	c := lay(t)
	elsewhere := filepath.Join(t.TempDir(), "password")
	if err := os.Rename(c.at("secrets/password"), elsewhere); err != nil {
		t.Fatal(err)
	}
	place, notes, _ := restore(t, stepca.Place{Dir: c.dir, PasswordElsewhere: true}, "")
	if notes[stepca.NotePassword] != "" {
		t.Errorf("notes %v", notes)
	}
	if _, err := stepca.Read(place); err != nil {
		t.Errorf("what was restored is refused: %v", err)
	}
	if _, err := stepca.Prove(t.Context(), place, time.Now()); envelope.ClassOf(err) != envelope.NoKey {
		t.Errorf("without it: %v", err)
	}
	place.PasswordFile = elsewhere
	if _, err := stepca.Prove(t.Context(), place, time.Now()); err != nil {
		t.Errorf("with it: %v", err)
	}
}
