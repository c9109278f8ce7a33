package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyreach/keyreach/policy"
)

// Policies that people wrote are read to the end, and printing loses nothing.
// They are not part of this repository; KEYREACH_CORPUS names their folder.
func TestPoliciesInTheWild(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("KEYREACH_CORPUS")
	if folder == "" {
		t.Skip("KEYREACH_CORPUS is not set: the policies in the wild are not read")
	}
	read := 0
	for _, kind := range []string{"json", "cfn-json", "cdk-json", "json-template", "json-invalid"} {
		files, err := filepath.Glob(filepath.Join(folder, "policies", kind, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d, _, err := policy.Read(filepath.Base(file), data)
			var syntax *policy.Error
			switch {
			case err == nil:
				read++
				same(t, d)
				policy.Compile(d)
			case kind == "json":
				t.Errorf("%s: %v", file, err)
			case !errors.As(err, &syntax) || syntax.Position.Line == 0:
				t.Errorf("%s: refused without a place: %v", file, err)
			}
		}
	}
	if read == 0 {
		t.Skipf("no policies under %s", folder)
	}
	t.Logf("%d policies read", read)
}
