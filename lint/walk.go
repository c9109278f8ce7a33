package lint

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// kept are the endings of files that a directory stands for.
var kept = [...]string{
	".json", ".yaml", ".yml", ".tf", ".tf.json", ".tpl", ".tftpl", ".j2", ".jinja", ".template",
	".sh", ".bash", ".zsh", ".md", ".markdown",
}

// left are directories in which nobody wrote anything.
var left = [...]string{".git", ".hg", ".svn", ".terraform", "node_modules", "vendor", ".venv", "__pycache__"}

// Walk returns the files that a name stands for: itself, or, for a directory,
// the files in it and below that could hold something, in order. Links in a
// directory are not followed. What in it cannot be looked at is a file with its
// Err; the error is about the name itself.
func Walk(name string) ([]File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if !info.IsDir() {
		return []File{{Name: name}}, nil
	}
	var files []File
	root := name
	if !os.IsPathSeparator(root[len(root)-1]) {
		root += string(filepath.Separator) // of a link, what it leads to
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			files = append(files, File{Name: path, Err: err})
			if d != nil && d.IsDir() {
				return filepath.SkipDir
			}
		case d.IsDir() && path != root && slices.Contains(left[:], d.Name()):
			return filepath.SkipDir
		case d.Type().IsRegular() && slices.ContainsFunc(kept[:], func(end string) bool { return strings.HasSuffix(strings.ToLower(path), end) }):
			files = append(files, File{Name: path, Listed: true})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return files, nil
}
