//go:build long

package run_test

const (
	estateSeeds = 200
	faultStep   = 1
	killStep    = 1
)
