package lint_test

import (
	"fmt"
	"testing"

	"github.com/keyreach/keyreach/lint"
)

// Ten thousand files of all kinds that the rules' examples are, by all rules.
func BenchmarkRun10000(b *testing.B) {
	var files []lint.File
	size := int64(0)
	for len(files) < 10_000 {
		for _, r := range lint.Known() {
			for _, e := range append(r.Fires, r.Silent...) {
				if len(files) < 10_000 {
					files = append(files, lint.File{Name: fmt.Sprintf("%d/%s", len(files), e.Name), Data: []byte(e.Text)})
					size += int64(len(e.Text))
				}
			}
		}
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := lint.Run(b.Context(), files, lint.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
