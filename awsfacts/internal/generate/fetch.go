package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// maxFileBytes bounds one file of the package; the largest today is below 1 MiB.
const maxFileBytes = 16 << 20

// fetch packs spec with npm into tmp, unpacks it there and returns the directory
// of the package.
func fetch(tmp, spec string) (string, error) {
	cmd := exec.Command("npm", "pack", "--silent", "--pack-destination", tmp, spec)
	cmd.Dir = tmp
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("fetching %s: %w", spec, err)
	}
	found, err := filepath.Glob(filepath.Join(tmp, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("fetching %s: npm left %d archives", spec, len(found))
	}
	archive, err := os.Open(found[0])
	if err != nil {
		return "", fmt.Errorf("opening the archive: %w", err)
	}
	defer archive.Close()
	if err := unpack(archive, tmp); err != nil {
		return "", fmt.Errorf("unpacking %s: %w", spec, err)
	}
	return filepath.Join(tmp, "package"), nil
}

// unpack writes the regular files of a gzipped tar below dir and refuses a name
// that would leave it.
func unpack(r io.Reader, dir string) error {
	zipped, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("reading gzip: %w", err)
	}
	for files := tar.NewReader(zipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading tar: %w", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("file %q lies outside the archive", header.Name)
		}
		if err := unpackFile(files, filepath.Join(dir, header.Name)); err != nil {
			return err
		}
	}
}

func unpackFile(r io.Reader, path string) error {
	content, err := io.ReadAll(io.LimitReader(r, maxFileBytes))
	if err != nil {
		return fmt.Errorf("reading %s: %w", filepath.Base(path), err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
