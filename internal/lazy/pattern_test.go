package lazy_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/keyreach/keyreach/internal/lazy"
)

func TestAPatternIsCompiledAtItsFirstMatch(t *testing.T) {
	t.Parallel()
	malformed := lazy.Regexp(`(`)
	defer func() {
		if recover() == nil {
			t.Error("a malformed pattern was matched")
		}
	}()
	malformed.MatchString("(")
}

// What is compiled late is also refused late, so that each pattern of the program is
// compiled here.
func TestEveryPatternOfTheProgramCompiles(t *testing.T) {
	t.Parallel()
	found := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != "../.." && (name == "testdata" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		found += patternsIn(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("there is no call of lazy.Regexp: what is looked for here is called otherwise now")
	}
}

// patternsIn compiles the patterns of the package in a directory, and counts them.
func patternsIn(t *testing.T, dir string) int {
	t.Helper()
	files := token.NewFileSet()
	var parsed []*ast.File
	names, _ := filepath.Glob(filepath.Join(dir, "*.go")) // the pattern is well formed
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	// The values of constants are all that is asked, which need no imports.
	info := types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Error: func(error) {}, IgnoreFuncBodies: true}
	_, _ = config.Check(dir, files, parsed, &info) // what it lacks of imports is no fault
	found := 0
	for _, f := range parsed {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isRegexp(call.Fun) {
				return true
			}
			found++
			v := info.Types[call.Args[0]].Value
			if v == nil || v.Kind() != constant.String {
				t.Errorf("%s: the pattern is no constant of the package: nothing says before its first use that it compiles", files.Position(call.Pos()))
			} else if _, err := regexp.Compile(constant.StringVal(v)); err != nil {
				t.Errorf("%s: %v", files.Position(call.Pos()), err)
			}
			return true
		})
	}
	return found
}

// isRegexp reports whether an expression is the name lazy.Regexp.
func isRegexp(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "Regexp" {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "lazy"
}
