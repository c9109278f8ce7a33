package stepca

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/backup/envelope"
)

// Place is where a CA lies.
type Place struct {
	// Dir is its directory, what step calls STEPPATH.
	Dir string
	// Home is the directory that the paths in ca.json are of, when it is another, as for a
	// container's volume. When empty, it is what config/defaults.json says, or Dir.
	Home string
	// PasswordFile holds the password of the keys. When empty, it is the password in
	// ca.json, secrets/password or password.txt, or what else begins so.
	PasswordFile string
	// PasswordElsewhere takes it that the password is kept in another place on purpose.
	PasswordElsewhere bool
	// Restored: nothing that lies outside of Dir is looked at, lest the CA that is running
	// be taken for the one restored.
	Restored bool
	// Outside is, of a restored CA, where in Dir lies what was outside, by its old place.
	Outside map[string]string
}

// Restored is the place of a CA that was restored into a directory, with the notes of its
// archive.
func Restored(dir string, notes map[string]string) Place {
	p := Place{Dir: dir, Home: notes[NoteHome], Restored: true, Outside: map[string]string{}}
	if f := notes[NotePassword]; f != "" && filepath.IsLocal(filepath.FromSlash(f)) {
		p.PasswordFile = filepath.Join(dir, filepath.FromSlash(f))
	}
	// A CA whose password is not in the archive was saved so on purpose.
	p.PasswordElsewhere = notes[NotePassword] == ""
	for k, origin := range notes {
		if n, ok := strings.CutPrefix(k, NoteOutside+"-"); ok {
			if _, err := strconv.Atoi(n); err == nil {
				p.Outside[origin] = filepath.Join(dir, OutsideDir, n, filepath.Base(origin))
			}
		}
	}
	return p
}

// File is a file, or a directory, that belongs to a CA.
type File struct {
	// Role is what it is to the CA: root, crt, key, db.dataSource…, as in ca.json.
	Role string
	// Named is the path as the configuration has it, Path where it lies.
	Named, Path string
	// Member is where it lies in an archive.
	Member string
}

// Database is that of a CA.
type Database struct {
	// Type is as in ca.json, in small letters; none when there is none.
	Type string
	// Paths are its files and directories. A server's has none.
	Paths []string
}

// CA is what belongs to a CA.
type CA struct {
	Place Place
	// Config is the path of ca.json.
	Config string
	// Files are all that the configuration names, and the password file.
	Files    []File
	Database Database
	// External is what is in no file, and so not in a backup.
	External []string
	// Warnings are for whoever relies on the backup.
	Warnings []string

	config  *config
	outside []string // the old places of what lies outside, by number
}

// MissingError is that files which ca.json names are not there.
type MissingError struct {
	Config string
	Files  []File
}

func (m *MissingError) Error() string {
	lines := make([]string, len(m.Files))
	for i, f := range m.Files {
		lines[i] = fmt.Sprintf("%s (%s)", f.Named, f.Role)
	}
	return fmt.Sprintf("reading the CA of %s: these of its files are not there: %s", m.Config, strings.Join(lines, ", "))
}

// Hint is what may help; empty when nothing is known.
func (m *MissingError) Hint() string {
	dir := filepath.Dir(m.Config)
	if filepath.Base(dir) == "config" {
		dir = filepath.Dir(dir)
	}
	for _, f := range m.Files {
		if _, ok := below(dir, f.Named); ok || !filepath.IsAbs(f.Named) {
			return ""
		}
	}
	return "its paths are of another directory than " + dir + ", as in a container: give that as the CA's home"
}

// Read reads ca.json and finds every file that it names. When some are not there, it
// fails with a *MissingError that names them all, of the class NotFound.
func Read(p Place) (*CA, error) {
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return nil, fmt.Errorf("reading the CA of %s: %w", p.Dir, err)
	}
	p.Dir = dir
	path, err := find(p.Dir)
	if err != nil {
		return nil, err
	}
	c, err := load(path)
	if err != nil {
		return nil, err
	}
	if p.Home == "" {
		p.Home = home(p.Dir)
	}
	if p.Home == "" {
		p.Home = p.Dir
	}
	p.Home = filepath.Clean(p.Home)
	r := &reading{ca: &CA{Place: p, Config: path, config: c, Database: Database{Type: "none"}}}
	if real, err := filepath.EvalSymlinks(p.Dir); err == nil {
		r.real = real
	}
	r.all()
	if r.failed != nil {
		return nil, r.failed
	}
	if len(r.missing) > 0 {
		return nil, envelope.Fail(envelope.NotFound, &MissingError{path, r.missing})
	}
	return r.ca, nil
}

// reading goes over a configuration.
type reading struct {
	ca      *CA
	real    string // Dir without symlinks
	missing []File
	failed  error
}

func (r *reading) all() {
	c := r.ca.config
	for i, f := range c.Root {
		r.certificate("root", i, len(c.Root), f)
	}
	for i, f := range c.FederatedRoots {
		r.certificate("federatedRoots", i, len(c.FederatedRoots)+1, f)
	}
	if c.softCA() {
		r.need("root", c.Root)
		r.need("crt", []string{c.Certificate})
		r.need("key", []string{c.Key})
	}
	r.file("crt", c.Certificate)
	r.key("key", c.Key)
	if c.SSH != nil {
		r.key("ssh.hostKey", c.SSH.HostKey)
		r.key("ssh.userKey", c.SSH.UserKey)
	}
	r.kms()
	r.authority()
	r.templates()
	r.database()
	r.password()
}

func (r *reading) certificate(role string, i, n int, path string) {
	if n > 1 {
		role += "[" + strconv.Itoa(i) + "]"
	}
	r.file(role, path)
}

// need is that a setting is there at all.
func (r *reading) need(role string, values []string) {
	if len(values) == 0 || slices.Contains(values, "") {
		r.missing = append(r.missing, File{Role: role, Named: "no path given"})
	}
}

// key is a file, or the URI of a key in a KMS. See
// https://smallstep.com/docs/step-ca/cryptographic-protection/.
func (r *reading) key(role, name string) {
	scheme, rest, ok := strings.Cut(name, ":")
	if !ok || strings.ContainsAny(scheme, `/\.`) || len(scheme) < 2 {
		// An Amazon key may be named by its id alone when kms.type says so.
		if k := r.ca.config.KMS; k != nil && !softKMS(k.Type) && !filepath.IsAbs(name) && name != "" && r.at(name) == "" {
			r.external(role, k.Type)
			return
		}
		r.file(role, name)
		return
	}
	switch strings.ToLower(scheme) {
	case "softkms":
		r.file(role, strings.TrimPrefix(rest, "path="))
	case "file":
		r.file(role, strings.TrimPrefix(rest, "//"))
	default:
		r.external(role, scheme)
	}
}

func softKMS(kind string) bool { return kind == "" || strings.EqualFold(kind, "softkms") }

func (r *reading) external(role, kind string) {
	r.ca.External = append(r.ca.External, role+" in "+kind)
	r.warn("the key of %s lies in %s and in no file: this backup restores the CA only together with that", role, kind)
}

func (r *reading) warn(format string, args ...any) {
	r.ca.Warnings = append(r.ca.Warnings, fmt.Sprintf(format, args...))
}

func (r *reading) kms() {
	if k := r.ca.config.KMS; k != nil {
		r.file("kms.credentialsFile", k.Credentials)
		r.file("kms.storageDirectory", k.Storage)
	}
}

func (r *reading) authority() {
	a := r.ca.config.Authority
	if a == nil {
		return
	}
	r.file("authority.credentialsFile", a.Credentials)
	if a.Issuer != nil {
		r.file("authority.certificateIssuer.crt", a.Issuer.Certificate)
		r.key("authority.certificateIssuer.key", a.Issuer.Key)
	}
	if !r.ca.config.softCA() {
		r.ca.External = append(r.ca.External, "signing by "+a.Type)
		r.warn("certificates are signed by %s, whose key is in no file here", a.Type)
	}
	for _, p := range a.Provisioners {
		if p.Options == nil {
			continue
		}
		if t := p.Options.X509; t != nil {
			r.file("provisioner "+p.Name+", options.x509.templateFile", t.File)
		}
		if t := p.Options.SSH; t != nil {
			r.file("provisioner "+p.Name+", options.ssh.templateFile", t.File)
		}
	}
}

func (r *reading) templates() {
	t := r.ca.config.Templates
	if t == nil || t.SSH == nil {
		return
	}
	for _, t := range append(slices.Clone(t.SSH.User), t.SSH.Host...) {
		r.file("templates.ssh "+t.Name, t.Path)
	}
}

// database is a directory for Badger, a file for bbolt, and none for servers.
func (r *reading) database() {
	d := r.ca.config.DB
	if d == nil || d.Type == "" {
		r.warn("the CA has no database: what it issued and revoked is recorded nowhere")
		return
	}
	r.ca.Database.Type = strings.ToLower(d.Type)
	switch r.ca.Database.Type {
	case "badger", "badgerv1", "badgerv2", "bbolt":
		r.need("db.dataSource", []string{d.Source})
		for _, f := range []File{{Role: "db.dataSource", Named: d.Source}, {Role: "db.valueDir", Named: d.ValueDir}} {
			if path := r.file(f.Role, f.Named); path != "" && !slices.Contains(r.ca.Database.Paths, path) {
				r.ca.Database.Paths = append(r.ca.Database.Paths, path)
			}
		}
	default:
		r.ca.External = append(r.ca.External, "database in "+r.ca.Database.Type)
		r.warn("THE DATABASE IS NOT IN THIS BACKUP: it is in a %s server. Without it, revoked certificates come back as valid; back it up at the same time", r.ca.Database.Type)
	}
}

// password looks for the password of encrypted keys.
func (r *reading) password() {
	p := &r.ca.Place
	if p.PasswordFile != "" {
		r.given()
		return
	}
	if r.ca.config.Password != "" {
		return
	}
	// secrets/password is where the container has it, password.txt where the unit of
	// systemd in step-ca's documentation has it.
	for _, pattern := range []string{filepath.Join("secrets", "password*"), "password*"} {
		found, err := filepath.Glob(filepath.Join(escape(p.Dir), pattern))
		if err != nil || len(found) == 0 {
			continue
		}
		slices.Sort(found)
		p.PasswordFile = found[0]
		r.given()
		return
	}
	if !p.PasswordElsewhere && r.encrypted() {
		r.missing = append(r.missing, File{Role: "the password of the keys", Named: "secrets/password"})
	}
}

func (r *reading) given() {
	p := &r.ca.Place
	abs, err := filepath.Abs(p.PasswordFile)
	if err != nil {
		r.failed = fmt.Errorf("reading the password file: %w", err)
		return
	}
	p.PasswordFile = abs
	if p.PasswordElsewhere {
		return
	}
	if rel, ok := below(p.Dir, abs); ok {
		r.add(File{"password", p.PasswordFile, abs, filepath.ToSlash(rel)})
		return
	}
	if p.Restored {
		// It was given by hand and belongs to nothing.
		return
	}
	r.file("password", abs)
}

// encrypted tells whether some key needs a password.
func (r *reading) encrypted() bool {
	for _, f := range r.ca.Files {
		if f.Role != "key" && !strings.HasPrefix(f.Role, "ssh.") {
			continue
		}
		text, err := os.ReadFile(f.Path)
		if err != nil {
			continue
		}
		if b, _ := pem.Decode(text); b != nil && locked(b) {
			return true
		}
	}
	return false
}

// file notes a file and returns where it lies; empty when it is not there.
func (r *reading) file(role, name string) string {
	if name == "" {
		return ""
	}
	path := r.at(name)
	if path == "" {
		r.missing = append(r.missing, File{Role: role, Named: name})
		return ""
	}
	f := File{Role: role, Named: name, Path: path}
	if rel, ok := below(r.ca.Place.Dir, path); ok {
		f.Member = filepath.ToSlash(rel)
	} else {
		f.Member = r.away(path)
	}
	r.add(f)
	return path
}

func (r *reading) add(f File) { r.ca.Files = append(r.ca.Files, f) }

// away gives what lies outside its place in the archive. One below another that has a
// place lies there.
func (r *reading) away(path string) string {
	for i, o := range r.ca.outside {
		if rel, ok := below(o, path); ok {
			return strings.TrimSuffix(member(i, o)+"/"+filepath.ToSlash(rel), "/.")
		}
	}
	r.ca.outside = append(r.ca.outside, path)
	return member(len(r.ca.outside)-1, path)
}

func member(i int, path string) string {
	return OutsideDir + "/" + strconv.Itoa(i) + "/" + filepath.Base(path)
}

// at is where a path of the configuration lies now; empty when nothing is there. A
// relative one is of STEPPATH, or of the directory in which step-ca is started, of which
// nothing is known: assumed to be STEPPATH, or that of ca.json.
func (r *reading) at(name string) string {
	p := r.ca.Place
	name = filepath.FromSlash(name)
	if filepath.IsAbs(name) {
		return r.where(filepath.Clean(name))
	}
	if path := r.where(filepath.Join(p.Home, name)); path != "" {
		return path
	}
	beside, err := filepath.Rel(p.Dir, filepath.Dir(r.ca.Config))
	if err != nil {
		return ""
	}
	return r.where(filepath.Join(p.Home, beside, name))
}

// where maps a path that the CA sees to where it lies now. Of a restored CA, that is
// always below its directory.
func (r *reading) where(name string) string {
	p := r.ca.Place
	if rel, ok := below(p.Home, name); ok {
		return r.there(filepath.Join(p.Dir, rel))
	}
	if p.Restored {
		for origin, now := range p.Outside {
			if rel, ok := below(origin, name); ok {
				return r.there(filepath.Join(now, rel))
			}
		}
		return ""
	}
	for _, base := range []string{p.Dir, r.real} {
		if rel, ok := below(base, name); ok {
			return r.there(filepath.Join(p.Dir, rel))
		}
	}
	return r.there(name)
}

// there is the path when something is there.
func (r *reading) there(path string) string {
	_, err := os.Stat(path)
	if err == nil {
		return path
	}
	if !errors.Is(err, fs.ErrNotExist) && r.failed == nil {
		r.failed = envelope.OnDisk("reading "+path, err)
	}
	return ""
}

// below returns the path from a directory to what is in it, or is it.
func below(dir, path string) (string, bool) {
	if dir == "" {
		return "", false
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return rel, true
}

// escape keeps characters of a path from being a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}
