package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The largest sizes that a reader can hold in the head.
const (
	maxFile     = 500
	maxTestFile = 800
	maxFunction = 60
)

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") && path != "../.." {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			measure(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func measure(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	test := strings.HasSuffix(path, "_test.go")
	limit := maxFile
	if test {
		limit = maxTestFile
	}
	if n := strings.Count(string(text), "\n"); n > limit {
		t.Errorf("%s has %d lines, more than %d", path, n, limit)
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if fn.Recv == nil && fn.Name.Name == "init" {
			t.Errorf("%s has an init function: nothing happens before main", path)
		}
		// A test's function is as long as its table.
		if n := files.Position(fn.End()).Line - files.Position(fn.Pos()).Line + 1; n > maxFunction && !test {
			t.Errorf("%s: %s has %d lines, more than %d", path, fn.Name.Name, n, maxFunction)
		}
	}
}
