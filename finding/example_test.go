package finding_test

import (
	"fmt"

	"github.com/keyreach/keyreach/finding"
)

func ExampleSort() {
	fs := []finding.Finding{
		{Rule: "KEY060", Severity: finding.Warning, Position: finding.Position{File: "a.json", Line: 1, Column: 1}, Text: "no Version"},
		{Rule: "KEY008", Severity: finding.Critical, Position: finding.Position{File: "a.json", Line: 9, Column: 5}, Text: "no such element", Fix: "rename it"},
	}
	finding.Sort(fs)
	for _, f := range fs {
		fmt.Println(f)
	}
	// Output:
	// a.json:9:5: critical KEY008: no such element; rename it
	// a.json:1:1: warning KEY060: no Version
}
