//go:build !long

package run_test

// How much of the long tests is done in every run; the build tag long does all of it.
const (
	estateSeeds = 25
	faultStep   = 4
	killStep    = 4
)
