package plantest_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/keyreach/keyreach/plan/plantest"
)

func TestASeedAlwaysGivesTheSameWorld(t *testing.T) {
	t.Parallel()
	different := map[string]bool{}
	for seed := range uint64(40) {
		_, text, e := plantest.World(seed)
		_, again, f := plantest.World(seed)
		one, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		two, err := f.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, again) || !bytes.Equal(one, two) {
			t.Errorf("seed %d gives two worlds", seed)
		}
		different[fmt.Sprintf("%s%s", text, one)] = true
	}
	if len(different) != 40 {
		t.Errorf("40 seeds give %d worlds", len(different))
	}
}
