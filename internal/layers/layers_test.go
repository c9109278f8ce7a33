// Package layers_test holds the packages to the floors of the house: a package
// imports lower floors only. The floors stand in docs/architecture.md.
package layers_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/keyreach/keyreach/"

// row is a line of the floor table: | 0 | `arn` | … |
var row = regexp.MustCompile("^\\| *([0-9–-]+) *\\| *`([^`]+)` *\\|")

const leaf = -1 // internal packages, which stand below every floor

func floors(t *testing.T) map[string]int {
	t.Helper()
	f, err := os.Open("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	floor := map[string]int{}
	for s := bufio.NewScanner(f); s.Scan(); {
		m := row.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			n = leaf
		}
		floor[m[2]] = n
	}
	if len(floor) == 0 {
		t.Fatal("docs/architecture.md has no floor table")
	}
	return floor
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing the packages: %v", err)
	}
	found := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		var own []string
		for _, i := range p.Imports {
			if name, ok := strings.CutPrefix(i, module); ok {
				own = append(own, name)
			}
		}
		found[strings.TrimPrefix(p.ImportPath, module)] = own
	}
}

// onlyTests are packages without code of the program.
var onlyTests = map[string]bool{"examples": true, "internal/layers": true}

func TestPackagesImportLowerFloorsOnly(t *testing.T) {
	t.Parallel()
	floor := floors(t)
	found := packages(t)
	for name, imports := range found {
		if onlyTests[name] {
			continue
		}
		mine, ok := floor[name]
		if !ok {
			t.Errorf("package %s is not in the floor table of docs/architecture.md", name)
			continue
		}
		for _, i := range imports {
			theirs, ok := floor[i]
			if ok && theirs >= mine && !(mine == leaf && theirs == leaf) && !strings.HasPrefix(i, name+"/") {
				t.Errorf("package %s on floor %s imports %s on floor %s: what they share has to move down", name, floorName(mine), i, floorName(theirs))
			}
		}
	}
	for name := range floor {
		if _, ok := found[name]; !ok {
			t.Errorf("the floor table of docs/architecture.md has the package %s, which does not exist", name)
		}
	}
}

func floorName(n int) string {
	if n == leaf {
		return "– (a leaf)"
	}
	return strconv.Itoa(n)
}
