package archive

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// What POSIX systems allow for a name and a path, in bytes, as Linux has it. See
// https://man7.org/linux/man-pages/man7/path_resolution.7.html.
const (
	maxName = 255
	maxPath = 4095
	// maxLinks is how many symlinks Linux follows in one path.
	maxLinks = 40
)

// top is the path of the directory that everything lies in.
const top = "."

// checkPath tells what is wrong with the path of a member: it has to be relative, with
// slashes, in its shortest form, and of UTF-8, as PAX demands.
func checkPath(p string) error {
	switch {
	case p == "":
		return errors.New("a path is empty")
	case len(p) > maxPath:
		return fmt.Errorf("the path %.60q… has %d bytes, more than %d", p, len(p), maxPath)
	case strings.HasPrefix(p, "/"):
		return fmt.Errorf("the path %q is absolute", p)
	case strings.ContainsRune(p, 0):
		return fmt.Errorf("the path %q contains a NUL", p)
	case !utf8.ValidString(p):
		return fmt.Errorf("the path %q is not UTF-8", p)
	case p == top:
		return nil
	}
	for part := range strings.SplitSeq(p, "/") {
		switch {
		case part == "..":
			return fmt.Errorf("the path %q has a .. in it", p)
		case part == "" || part == ".":
			return fmt.Errorf("the path %q is not in its shortest form", p)
		case len(part) > maxName:
			return fmt.Errorf("the path %.60q… has a name of %d bytes, more than %d", p, len(part), maxName)
		}
	}
	return nil
}

// checkTarget tells what is wrong with the target of a symlink by itself.
func checkTarget(p, target string) error {
	switch {
	case target == "":
		return fmt.Errorf("the symlink %q leads nowhere", p)
	case len(target) > maxPath:
		return fmt.Errorf("the symlink %q has a target of %d bytes, more than %d", p, len(target), maxPath)
	case strings.ContainsRune(target, 0):
		return fmt.Errorf("the target of the symlink %q contains a NUL", p)
	case !utf8.ValidString(target):
		return fmt.Errorf("the target %q of the symlink %q is not UTF-8", target, p)
	}
	return nil
}

// checkLink follows a symlink, and the symlinks on its way, and tells when that leaves
// the tree. What is not in the tree is taken to be a directory: it may come to be one.
// A target returns where the symlink of a path leads, and whether there is one.
func checkLink(p string, target func(p string) (string, bool)) error {
	at := path.Dir(p)
	todo, leads := []string{path.Base(p)}, ""
	for followed := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at == top {
				return fmt.Errorf("the symlink %q leaves the directory: it leads to %q", p, leads)
			}
			at = path.Dir(at)
			continue
		}
		to, ok := target(path.Join(at, part))
		if !ok {
			at = path.Join(at, part)
			continue
		}
		if followed++; followed > maxLinks {
			return fmt.Errorf("the symlink %q leads in a circle", p)
		}
		if strings.HasPrefix(to, "/") {
			return fmt.Errorf("the symlink %q leaves the directory: it leads to %q", p, to)
		}
		leads = to
		todo = append(strings.Split(to, "/"), todo...)
	}
	return nil
}

// members are the members so far, by path.
type members map[string]Entry

// add takes one in. Every member lies in a directory that came before it, so that nothing
// is ever written through a symlink.
func (m members) add(e Entry) error {
	if err := checkPath(e.Path); err != nil {
		return err
	}
	if _, ok := m[e.Path]; ok {
		return fmt.Errorf("the path %q is there twice", e.Path)
	}
	if e.Path == top && (e.Type != typeDir || len(m) > 0) {
		return fmt.Errorf("%q is not the first directory", e.Path)
	}
	if dir := path.Dir(e.Path); dir != top {
		if parent, ok := m[dir]; !ok {
			return fmt.Errorf("the path %q comes before its directory", e.Path)
		} else if parent.Type != typeDir {
			return fmt.Errorf("the path %q lies in %q, which is a %s", e.Path, dir, parent.Type)
		}
	}
	if e.Type == typeLink {
		if err := checkTarget(e.Path, e.Target); err != nil {
			return err
		}
	}
	m[e.Path] = e
	return nil
}

// links follows all symlinks, once everything is there.
func (m members) links() error {
	for p, e := range m {
		if e.Type != typeLink {
			continue
		}
		err := checkLink(p, func(p string) (string, bool) {
			e := m[p]
			return e.Target, e.Type == typeLink
		})
		if err != nil {
			return err
		}
	}
	return nil
}
