//go:build !long

package run_test

import "testing"

// How much of the long tests is done in every run; the build tag long does all of it, and
// -short a little: the race detector makes a sandbox many times slower.

func estateSeeds() int { return pick(3, 25) }
func faultStep() int   { return pick(16, 4) }
func killStep() int    { return pick(16, 4) }

func pick(short, full int) int {
	if testing.Short() {
		return short
	}
	return full
}
