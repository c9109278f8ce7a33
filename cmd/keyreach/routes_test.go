package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyreach/keyreach/route"
)

// docs/routes is what the program says of each kind.
func TestTheDocumentedRoutesAreThoseOfTheProgram(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "..", "docs", "routes")
	for _, k := range route.Kinds() {
		var want bytes.Buffer
		if err := routeMarkdown(&want, &k); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, k.Name+".md")
		if *update {
			if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil { //nolint:gosec // it is published
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not what the program says (%v); run the test with -update", path, err)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != len(route.Kinds()) {
		t.Errorf("docs/routes has %d pages for %d kinds (%v)", len(entries), len(route.Kinds()), err)
	}
}
