package sandbox

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list of operations in docs/sandbox.md anew")

// The list of operations in the documentation is that of the program.
func TestTheDocumentListsEveryOperation(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var b strings.Builder
	b.WriteString("\n| service | operations |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		b.WriteString("| " + name + " | " + strings.Join(slices.Sorted(maps.Keys(s.services[name].ops())), ", ") + " |\n")
	}
	b.WriteString("\n")
	const path = "../docs/sandbox.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), "-update -->\n")
	_, tail, ok2 := strings.Cut(rest, "<!-- end of operations -->")
	if !ok || !ok2 {
		t.Fatal("docs/sandbox.md has no place for the list of operations")
	}
	want := head + "-update -->\n" + b.String() + "<!-- end of operations -->" + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Error("docs/sandbox.md lists other operations than the sandbox has; go test ./sandbox -run TestTheDocumentListsEveryOperation -update writes it anew")
	}
}
