package stepca

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/keyreach/keyreach/backup/archive"
	"github.com/keyreach/keyreach/backup/envelope"
)

// Quiesced is whether the database stood still while it was read.
type Quiesced string

// The answers.
const (
	Yes     Quiesced = "yes"
	No      Quiesced = "no"
	Unknown Quiesced = "unknown"
)

// Saved is what became of saving.
type Saved struct {
	// Quiesced is Yes when the caller said so, or when the lock of the database was held.
	Quiesced Quiesced
	// Changed are the files of the database that were not the same before and after.
	Changed  []string
	Warnings []string
}

// Save writes the CA's directory, and the files outside of it, into an archive. said is
// what the caller knows of the database: Yes when step-ca was stopped for it. Where the
// database's own lock is free, it is held meanwhile, and step-ca cannot start. A database
// that changes although it is said to stand still is an error.
func (c *CA) Save(ctx context.Context, w Writer, said Quiesced) (Saved, error) {
	s := &saving{ctx: ctx, w: w, ca: c, out: Saved{Quiesced: said, Warnings: slices.Clone(c.Warnings)}}
	if said == "" {
		s.out.Quiesced = Unknown
	}
	release, err := s.still()
	defer release()
	if err != nil {
		return s.out, err
	}
	before, err := c.databaseState()
	if err != nil {
		return s.out, err
	}
	if err := s.all(); err != nil {
		return s.out, err
	}
	after, err := c.databaseState()
	if err != nil {
		return s.out, err
	}
	s.out.Changed = changed(before, after)
	if len(s.out.Changed) > 0 && s.out.Quiesced == Yes {
		return s.out, envelope.Fail(envelope.Corrupt, fmt.Errorf("reading the database: %s changed while it was read, although it was to stand still", strings.Join(s.out.Changed, ", ")))
	}
	s.judge()
	s.notes()
	return s.out, nil
}

type saving struct {
	ctx context.Context
	w   Writer
	ca  *CA
	out Saved
	// roots are the directories that are being read, each within the one before.
	roots []string
}

// still holds the locks of the database and learns from them whether it is in use.
func (s *saving) still() (release func(), err error) {
	var held []func()
	release = func() {
		for _, r := range held {
			r()
		}
	}
	for _, p := range s.ca.Database.Paths {
		r, busy, err := hold(p)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return release, nil
		case err != nil:
			return release, err
		case busy && s.out.Quiesced == Yes:
			return release, fmt.Errorf("reading the database: it was to stand still, and another process has %s open", p)
		case busy:
			s.out.Quiesced = No
			return release, nil
		}
		held = append(held, r)
	}
	if len(held) > 0 {
		s.out.Quiesced = Yes
	}
	return release, nil
}

// judge says what the copy of a database is worth.
func (s *saving) judge() {
	if len(s.ca.Database.Paths) == 0 {
		return
	}
	switch {
	case len(s.out.Changed) > 0:
		s.out.Warnings = append(s.out.Warnings, fmt.Sprintf("THE DATABASE CHANGED WHILE IT WAS READ (%s): the copy may not open. Stop step-ca for the backup", strings.Join(s.out.Changed, ", ")))
	case s.out.Quiesced != Yes:
		s.out.Warnings = append(s.out.Warnings, fmt.Sprintf("the %s database was copied while step-ca may have been writing to it: the copy may be torn. Stop step-ca for the backup", s.ca.Database.Type))
	}
}

func (s *saving) notes() {
	c := s.ca
	s.w.Note(NoteHome, c.Place.Home)
	s.w.Note(NoteDatabase, c.Database.Type)
	s.w.Note(NoteQuiesced, string(s.out.Quiesced))
	if len(c.Database.Paths) > 0 {
		s.w.Note(NoteChanged, map[bool]string{true: "yes", false: "no"}[len(s.out.Changed) > 0])
	}
	if len(c.External) > 0 {
		s.w.Note(NoteExternal, strings.Join(c.External, "; "))
	}
	for i, origin := range c.outside {
		s.w.Note(NoteOutside+"-"+strconv.Itoa(i), origin)
	}
	for _, f := range c.Files {
		if f.Role == "password" {
			s.w.Note(NotePassword, f.Member)
		}
	}
}

// all writes the directory and then what is outside of it, each directory first.
func (s *saving) all() error {
	if err := s.tree(s.ca.Place.Dir, "."); err != nil {
		return err
	}
	if len(s.ca.outside) == 0 {
		return nil
	}
	info, err := os.Stat(s.ca.Place.Dir)
	if err != nil {
		return envelope.OnDisk("reading "+"the CA", err)
	}
	if err := s.w.Dir(OutsideDir, info); err != nil {
		return err
	}
	for i, origin := range s.ca.outside {
		info, err := os.Stat(filepath.Dir(origin))
		if err != nil {
			return envelope.OnDisk("reading "+origin, err)
		}
		if err := s.w.Dir(OutsideDir+"/"+strconv.Itoa(i), info); err != nil {
			return err
		}
		if err := s.tree(origin, member(i, origin)); err != nil {
			return err
		}
	}
	return nil
}

// tree writes a directory, or a file, as a member. A symlink that is the root of it is
// followed.
func (s *saving) tree(root, name string) error {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return envelope.OnDisk("reading "+root, err)
	}
	s.roots = append(s.roots, real)
	defer func() { s.roots = s.roots[:len(s.roots)-1] }()
	return filepath.WalkDir(real, func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			err = s.ctx.Err()
		}
		if err != nil {
			return envelope.OnDisk("reading "+p, err)
		}
		rel, err := filepath.Rel(real, p)
		if err != nil {
			return fmt.Errorf("reading %s: %w", p, err)
		}
		if rel == OutsideDir && name == "." {
			return fmt.Errorf("reading %s: it is of a CA that was restored and not put in its place", p)
		}
		return s.entry(real, p, path.Join(name, filepath.ToSlash(rel)))
	})
}

func (s *saving) entry(root, p, name string) error {
	info, err := os.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) && s.ca.ofDatabase(name) {
		return nil // Badger deletes files while it runs; the comparison tells
	}
	if err != nil {
		return envelope.OnDisk("reading "+p, err)
	}
	switch {
	case info.IsDir():
		return s.w.Dir(name, info)
	case info.Mode()&fs.ModeSymlink != 0:
		return s.link(root, p, name, info)
	case info.Mode().IsRegular():
		return s.file(p, name)
	}
	s.out.Warnings = append(s.out.Warnings, fmt.Sprintf("%s is no file and is left out (%s)", p, info.Mode().Type()))
	return nil
}

// link writes a symlink that stays within the tree as one, and what another leads to in
// its place: restored elsewhere, it would lead to nothing or to something else.
func (s *saving) link(root, p, name string, info fs.FileInfo) error {
	target, err := os.Readlink(p)
	if err != nil {
		return envelope.OnDisk("reading "+p, err)
	}
	if !filepath.IsAbs(target) {
		if _, ok := below(root, filepath.Join(filepath.Dir(p), target)); ok {
			return s.w.Symlink(name, filepath.ToSlash(target), info)
		}
	}
	to, err := os.Stat(p)
	if err != nil {
		return envelope.OnDisk("reading "+p, err)
	}
	s.out.Warnings = append(s.out.Warnings, fmt.Sprintf("%s is a symlink to %s; what that holds is saved in its place", p, target))
	switch {
	case to.Mode().IsRegular():
		return s.file(p, name)
	case !to.IsDir():
		return fmt.Errorf("reading %s: it is a symlink to %s, which is no file", p, target)
	}
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		return envelope.OnDisk("reading "+p, err)
	}
	for _, r := range s.roots {
		if _, ok := below(real, r); ok {
			return fmt.Errorf("reading %s: it is a symlink to %s, in which it lies itself", p, target)
		}
	}
	return s.tree(p, name)
}

func (s *saving) file(p, name string) error {
	f, err := os.Open(p)
	if err != nil {
		return envelope.OnDisk("reading "+p, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return envelope.OnDisk("reading "+p, err)
	}
	if s.ca.ofDatabase(name) {
		// What grows meanwhile is told by the comparison at the end.
		return s.w.File(name, info, io.LimitReader(f, info.Size()))
	}
	if err := s.w.File(name, info, f); err != nil {
		return err
	}
	after, err := os.Stat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &archive.ChangedError{Path: name, What: "vanished"}
	case err != nil:
		return envelope.OnDisk("reading "+p, err)
	case !os.SameFile(info, after):
		return &archive.ChangedError{Path: name, What: "was replaced"}
	case after.Size() != info.Size() || !after.ModTime().Equal(info.ModTime()):
		return &archive.ChangedError{Path: name, What: "was written to"}
	}
	return nil
}

// ofDatabase tells whether a member is of the database.
func (c *CA) ofDatabase(name string) bool {
	for _, f := range c.Files {
		if !strings.HasPrefix(f.Role, "db.") {
			continue
		}
		if _, ok := below(filepath.FromSlash(f.Member), filepath.FromSlash(name)); ok {
			return true
		}
	}
	return false
}

// state is how a file looks from outside.
type state struct {
	size, modified int64
}

func (c *CA) databaseState() (map[string]state, error) {
	found := map[string]state{}
	for _, root := range c.Database.Paths {
		root, err := filepath.EvalSymlinks(root)
		if err != nil {
			return nil, envelope.OnDisk("reading "+"the database", err)
		}
		err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it went meanwhile, which the comparison tells
			}
			if err != nil {
				return err
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) || d.IsDir() {
				return nil
			}
			if err != nil {
				return err
			}
			found[p] = state{info.Size(), info.ModTime().UnixNano()}
			return nil
		})
		if err != nil {
			return nil, envelope.OnDisk("reading "+"the database", err)
		}
	}
	return found, nil
}

func changed(before, after map[string]state) []string {
	var names []string
	for p, s := range before {
		if now, ok := after[p]; !ok || now != s {
			names = append(names, filepath.Base(p))
		}
	}
	for p := range after {
		if _, ok := before[p]; !ok {
			names = append(names, filepath.Base(p))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Fingerprint is the same as long as the CA's files are: names, modes and contents, and
// of the database's files size and time, which are too large to be read each time.
func (c *CA) Fingerprint(ctx context.Context) (string, error) {
	h := sha256.New()
	f := &fingerprint{sum: h, saving: saving{ctx: ctx, ca: c}}
	f.saving.w = f
	if err := f.all(); err != nil {
		return "", err
	}
	states, err := c.databaseState()
	if err != nil {
		return "", err
	}
	for _, p := range slices.Sorted(maps.Keys(states)) {
		f.add("db", p, states[p].size, states[p].modified)
	}
	return "step-ca/" + hex.EncodeToString(h.Sum(nil)), nil
}

// fingerprint is a Writer that sums up.
type fingerprint struct {
	saving
	sum hash.Hash
}

func (f *fingerprint) add(kind, name string, numbers ...int64) {
	for _, s := range []string{kind, name} {
		f.sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		io.WriteString(f.sum, s)
	}
	for _, n := range numbers {
		f.sum.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
}

func (f *fingerprint) Note(string, string) {}

func (f *fingerprint) Dir(name string, info fs.FileInfo) error {
	f.add("dir", name, int64(info.Mode().Perm()))
	return nil
}

func (f *fingerprint) Symlink(name, target string, _ fs.FileInfo) error {
	f.add("symlink", name)
	f.add("to", target)
	return nil
}

func (f *fingerprint) File(name string, info fs.FileInfo, r io.Reader) error {
	if f.ca.ofDatabase(name) {
		return nil
	}
	f.add("file", name, int64(info.Mode().Perm()), info.Size())
	if _, err := io.Copy(f.sum, r); err != nil {
		return envelope.OnDisk("reading "+name, err)
	}
	return nil
}
