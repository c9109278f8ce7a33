package run_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/keyreach/keyreach/plan/plantest"
)

func TestTmpDump(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("SEED"))
	_, text, e := plantest.World(uint64(n))
	os.Stdout.Write(text)
	e.WriteTo(os.Stdout)
}
