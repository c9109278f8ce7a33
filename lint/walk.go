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
// the files in it and below that could hold something, in order.
func Walk(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != name && slices.Contains(left[:], d.Name()):
			return filepath.SkipDir
		case d.Type().IsRegular() && slices.ContainsFunc(kept[:], func(end string) bool { return strings.HasSuffix(strings.ToLower(path), end) }):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return files, nil
}
