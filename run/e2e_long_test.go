//go:build long

package run_test

func estateSeeds() int { return 200 }
func faultStep() int   { return 1 }
func killStep() int    { return 1 }
